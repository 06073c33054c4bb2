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
        array = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError, MemoryError) as error:
        raise DataError(f"{path}: expected a .npy file of numbers ({_reason(error)}).") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: expected a .npy file, got a .npz file: rename it.")
    return array


def read_npz(path: Path, name: str = "") -> np.ndarray[Any, Any]:
    """Return one array of a .npz file: the one called `name`, else the only one, else the first usual name."""
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise DataError(f"{path}: expected a .npz file, got a .npy file: rename it.")
        with arrays:
            names = list(arrays)
            if name and name not in names:
                raise DataError(f"{path}: no array {name!r}; it holds {', '.join(names) or 'nothing'}.")
            chosen = name or (names[0] if len(names) == 1 else next((n for n in USUAL if n in names), ""))
            if not chosen:
                raise DataError(f"{path}: which of its arrays ({', '.join(names) or 'none'})? Write {path.name}:NAME.")
            return np.asarray(arrays[chosen])
    except (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected a .npz file of numbers ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    # NumPy's advice to allow pickles is one that a file from elsewhere must not get a user to follow.
    return "it is a pickle, or no such file at all" if "pickle" in text else text
