"""Files that are written without losing anything, and locks."""
