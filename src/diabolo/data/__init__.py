"""User data <-> float tensors: sources open it, readers know the formats, adapters know the kinds."""
