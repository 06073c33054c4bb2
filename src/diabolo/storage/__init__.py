"""Atomic writes, and locks."""
