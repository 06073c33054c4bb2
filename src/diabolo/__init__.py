"""Diabolo: auto-encoders from one command or three lines of Python.

The public names are loaded when they are first used (PEP 562), so `import diabolo` costs milliseconds:
TensorFlow, Keras and scikit-learn come in only with what needs them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from diabolo._version import __version__ as __version__

__all__ = [
    "AnomalyDetector",
    "Autoencoder",
    "load",
    "split",
    "evaluate",
    "datasets",
    "windows",
    "lowlevel",
    "network",
    "search",
    "training",
    "DiaboloError",
]

if TYPE_CHECKING:
    from diabolo import lowlevel, network, search, training
    from diabolo.anomaly.detector import AnomalyDetector
    from diabolo.autoencoder import Autoencoder
    from diabolo.data import datasets
    from diabolo.data.long_table.cutting import windows
    from diabolo.errors import DiaboloError
    from diabolo.model.loaded import load
    from diabolo.network.backends.keras.partial import evaluate, split

# name -> (module, attribute); an empty attribute means the module itself.
_HOMES = {
    "AnomalyDetector": ("diabolo.anomaly.detector", "AnomalyDetector"),
    "Autoencoder": ("diabolo.autoencoder", "Autoencoder"),
    "load": ("diabolo.model.loaded", "load"),
    "split": ("diabolo.network.backends.keras.partial", "split"),
    "evaluate": ("diabolo.network.backends.keras.partial", "evaluate"),
    "datasets": ("diabolo.data.datasets", ""),
    "windows": ("diabolo.data.long_table.cutting", "windows"),
    "lowlevel": ("diabolo.lowlevel", ""),
    "network": ("diabolo.network", ""),
    "search": ("diabolo.search", ""),
    "training": ("diabolo.training", ""),
    "DiaboloError": ("diabolo.errors", "DiaboloError"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'diabolo' has no attribute {name!r}. Public names: {', '.join(__all__)}.")
    from diabolo.missing import named

    module, attribute = _HOMES[name]
    with named(f"diabolo.{name}"):
        value = importlib.import_module(module)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value  # the second look-up does not come here any more
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
