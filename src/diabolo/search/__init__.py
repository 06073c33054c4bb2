"""Structures, latent sizes and optimizers, tried under a budget."""

import importlib
from typing import Any

__all__ = ["Found", "search"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("diabolo.search.study"), name)
    raise AttributeError(f"module 'diabolo.search' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
