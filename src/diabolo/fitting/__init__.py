"""From rows and settings to a trained model."""
