"""The mathematics of auto-encoders: layers, structures, losses, and the cutting of networks. No files, no printing.

`layers`, `network`, `structures` and `pairs` are pure Python; `backends.keras` loads Keras (only `reading` does not),
`backends.onnx` ONNX.
"""

import importlib
from typing import Any

from diabolo.network import layers, losses, structures
from diabolo.network.network import Network

__all__ = ["Network", "evaluate", "layers", "losses", "split", "structures"]


def __getattr__(name: str) -> Any:
    if name in ("split", "evaluate"):
        return getattr(importlib.import_module("diabolo.network.backends.keras.partial"), name)
    raise AttributeError(f"module 'diabolo.network' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
