"""How the libraries that Diabolo uses are kept from sending data, and from writing files that nobody asked for.

ONNX Runtime sends usage data, Keras writes a settings file into the home folder, Matplotlib a list of fonts; TensorFlow
imports `requests`, which opens a socket to see whether the machine has IPv6. In a user's own Python process
only the first is stopped, because the others happen in any program that imports these libraries. The command line,
whose process is its own, stops all four. Environment variables that the user has set are not changed.
"""

import atexit
import contextlib
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

TELEMETRY = "ORT_DISABLE_TELEMETRY"


def import_onnxruntime() -> Any:
    """Import ONNX Runtime without its telemetry, and return it.

    From version 1.29 on it writes a device id and a database of events below the home folder and sends them, unless the
    variable is set while it is imported; afterwards the environment is as it was.
    Source: Privacy.md in the package onnxruntime.
    """
    if TELEMETRY in os.environ:  # the user's own choice
        import onnxruntime
    else:
        os.environ[TELEMETRY] = "1"
        try:
            import onnxruntime
        finally:
            del os.environ[TELEMETRY]
    return onnxruntime


def contain_command() -> None:
    """Have this process and its children write no settings and no caches, and open no socket unless asked to.

    Only for a process that belongs to Diabolo, before any of these libraries is imported.
    """
    home = Path(os.path.expanduser("~"))
    if not (home / ".keras" / "keras.json").exists():
        os.environ.setdefault("KERAS_HOME", os.devnull)  # where no folder can be, Keras keeps its defaults
    if not _has_fonts(home):
        with contextlib.suppress(OSError):  # where no temporary file can be written, Matplotlib says so itself
            # Matplotlib makes this folder when it is imported; most commands draw nothing.
            folder = os.path.join(tempfile.gettempdir(), f"diabolo-matplotlib-{os.urandom(8).hex()}")
            if os.environ.setdefault("MPLCONFIGDIR", folder) == folder:
                atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if "requests" not in sys.modules:
        sys.modules["requests"] = _ImportedWhenUsed("requests")


class _ImportedWhenUsed(ModuleType):
    """Stands for a module that is imported when something in it is used, and not where its name is imported.

    The LazyLoader of the standard library imports at the second `import` already, which looks at `__spec__`.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__path__", "__version__"):  # such as inspect asks of every module
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _has_fonts(home: Path) -> bool:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "matplotlib"
    return any(cache.glob("fontlist-*.json"))
