"""NumPy's own files: .npy, and .npz with one array or a named one. Never a pickle."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from diabolo.errors import DataError

# The names people give to "the rows" in a file of several arrays, in this order.
USUAL = ("X", "x", "rows", "data", "images", "latents", "x_train")


def read_npy(path: Path) -> np.ndarray[Any, Any]:
    """Return the array of a .npy file."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: expected a .npy file of numbers ({_first(error)}).") from error


def read_npz(path: Path, name: str = "") -> np.ndarray[Any, Any]:
    """Return one array of a .npz file: the one called `name`, else the only one, else the first usual name."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            if name and name not in names:
                raise DataError(f"{path}: no array {name!r}; it holds {', '.join(names) or 'nothing'}.")
            chosen = name or (names[0] if len(names) == 1 else next((n for n in USUAL if n in names), ""))
            if not chosen:
                raise DataError(f"{path}: which of its arrays ({', '.join(names) or 'none'})? Write {path.name}:NAME.")
            return np.asarray(arrays[chosen])
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected a .npz file of numbers ({_first(error)}).") from error


def _first(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
