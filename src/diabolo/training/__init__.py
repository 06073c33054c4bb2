"""Training: the compiled loop, its progress, its optimizers. Imports TensorFlow when the loop is first used."""

import importlib
from typing import Any

from diabolo.training.progress import Progress

__all__ = ["OPTIMIZERS", "Outcome", "Progress", "Shard", "Spec", "fit", "train"]

_LOOP = ("Outcome", "Spec", "train")


def __getattr__(name: str) -> Any:
    if name in _LOOP:
        return getattr(importlib.import_module("diabolo.training.loop"), name)
    if name == "fit":
        return importlib.import_module("diabolo.training.keras_fit").fit
    if name == "Shard":
        return importlib.import_module("diabolo.data.shard").Shard
    if name == "OPTIMIZERS":
        return importlib.import_module("diabolo.network.optimizers").OPTIMIZERS
    raise AttributeError(f"module 'diabolo.training' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
