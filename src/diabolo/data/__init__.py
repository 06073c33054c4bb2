"""User data <-> float tensors: `opening` opens sources, readers read formats, adapters turn rows into tensors."""
