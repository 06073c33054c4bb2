"""Peers and published figures, side by side; each script prints its ratios."""
