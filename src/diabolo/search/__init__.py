"""Structures, latent sizes, learning rates and optimizers, tried under a budget."""

import importlib
from typing import Any

_HOMES = {
    **dict.fromkeys(("SearchResult", "search"), "study"),
    **dict.fromkeys(("RaceResult", "race"), "racing"),
    **dict.fromkeys(("RangeTest", "range_test"), "rates"),
    **dict.fromkeys(("Point", "Sizes", "error_by_size"), "sizes"),
}

__all__ = ["Point", "RaceResult", "RangeTest", "SearchResult", "Sizes", "error_by_size", "race", "range_test", "search"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"diabolo.search.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'diabolo.search' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
