"""The mathematics of auto-encoders: layers, structures, losses, and the cutting of networks. No files, no printing.

`layers` and `structures` are pure Python; `keras_builder` and `partial` load Keras, `onnx_builder` loads ONNX.
"""

import importlib
from typing import Any

from diabolo.network import layers, losses, structures
from diabolo.network.structures import Network

__all__ = ["Network", "evaluate", "keras_builder", "layers", "losses", "onnx_builder", "partial", "split", "structures"]

_HEAVY = ("keras_builder", "onnx_builder", "partial")


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        return importlib.import_module(f"diabolo.network.{name}")
    if name in ("split", "evaluate"):
        return getattr(importlib.import_module("diabolo.network.backends.keras.partial"), name)
    raise AttributeError(f"module 'diabolo.network' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
