"""Structures, latent sizes and optimizers, tried under a budget."""

import importlib
from typing import Any

_HOMES = {"Found": "study", "search": "study", "Raced": "racing", "race": "racing"}

__all__ = ["Found", "Raced", "race", "search"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"diabolo.search.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'diabolo.search' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
