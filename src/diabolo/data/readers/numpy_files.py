"""NumPy's own files: .npy, and .npz with one array or a named one. Never a pickle."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.data.readers.parts import PART_BYTES, Part
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


def parts(path: Path) -> list[Part]:
    """Return the rows of a .npy file in parts of some megabytes."""
    form = _header(path)
    if form is None:
        # Column by column on the disk, no axes, or no such file: read whole, or refused.
        return [Part(str(path), None, path.stat().st_size, lambda rows: iter([read_npy(path)]))]
    a_row = math.prod(form.shape[1:]) * form.dtype.itemsize
    there = (path.stat().st_size - form.start) // a_row
    if there < form.shape[0]:
        raise DataError(f"{path}: announces {form.shape[0]:,} rows, but ends in row {there:,}.")
    at_once = max(1, PART_BYTES // a_row)
    return [
        Part(str(path), stop - start, (stop - start) * a_row, partial(_chunks, path, form, start, stop))
        for start in range(0, form.shape[0], at_once)
        for stop in [min(start + at_once, form.shape[0])]
    ]


def _chunks(path: Path, form: "_Form", first: int, last: int, rows: int) -> Iterator[np.ndarray[Any, Any]]:
    """Give rows `first` to `last`, up to `rows` at a time: read, not mapped, so that memory does not grow with them."""
    a_row = math.prod(form.shape[1:])
    with path.open("rb") as file:
        file.seek(form.start + first * a_row * form.dtype.itemsize)
        for start in range(first, last, rows):
            count = min(rows, last - start)
            values = np.fromfile(file, form.dtype, count * a_row)
            if values.size < count * a_row:
                raise DataError(
                    f"{path}: announces {form.shape[0]:,} rows, but ends in row {start + values.size // a_row:,}."
                )
            yield values.reshape(count, *form.shape[1:])


def unpacked_bytes(path: Path) -> int:
    """Return what the arrays of a .npz file take together, as it announces."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile):
        return 0  # no .npz file: reading it will say so


class _Form(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int  # of the numbers, in bytes


def _header(path: Path) -> _Form | None:
    """Return what a .npy file announces; None where it cannot be read row by row."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = read(file)
            plain = not by_column and not dtype.hasobject and len(shape) > 0 and 0 not in shape
            return _Form(shape, dtype, file.tell()) if plain else None
    except (OSError, ValueError):
        return None


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
