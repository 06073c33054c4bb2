"""HDF5 through h5py: an array of numbers, file.h5:group/name, in parts. Links to other files are never followed.

Order: the format, the arrays of a file, one of them, reading.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo import missing
from diabolo.data.formats.base import ArrayFormat
from diabolo.data.readers.choosing import ANY_BYTES, check_size, chosen
from diabolo.data.readers.inside import part_of
from diabolo.data.readers.parts import PART_BYTES, Part, held_bytes, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, Shape

if TYPE_CHECKING:
    import h5py

MOST_OBJECTS, DEEPEST = 10_000, 32
MAGIC = b"\x89HDF\r\n\x1a\n"
PACKED_BYTES = ANY_BYTES  # of a block, which is unpacked whole


class Hdf5(ArrayFormat):
    """Arrays of numbers of any rank, whose first axis is that of the rows."""

    endings: ClassVar[tuple[str, ...]] = (".h5", ".hdf5")
    words: ClassVar[str] = "an HDF5 file"

    def parts(self, path: Path) -> list[Part]:
        """Return the rows in parts of some megabytes."""
        return parts(path, by_column=False)


def parts(path: Path, *, by_column: bool) -> list[Part]:
    """Return the rows of an array in parts. Args: by_column: whether the last axis is that of the rows, as in MATLAB's.

    Raises: DataError for a file without such an array, or with one that lies in other files.
    """
    with _open(path) as file:
        arrays = _arrays(file, path)
        name = chosen(path, {each: shape[::-1] if by_column else shape for each, shape in arrays.items()})
        array = _array(file, name, path)
        shape, dtype = array.shape[::-1] if by_column else array.shape, array.dtype
        block = math.prod(array.chunks or (1,)) * dtype.itemsize
        block_rows = (array.chunks or (1,))[-1 if by_column else 0]
    check_size(path, name, math.prod(shape) * dtype.itemsize)
    if block > PACKED_BYTES:
        raise DataError(
            f"{path}: the array {name!r:.60} has blocks of {block:,} bytes, expected at most {PACKED_BYTES:,}."
        )
    numbers = math.prod(shape[1:])
    if not shape[0] or not numbers:
        raise DataError(f"{path}: expected rows, got an array of shape {shape}.")
    at_once = max(1, PART_BYTES // (numbers * dtype.itemsize))
    at_once = max(block_rows, at_once // block_rows * block_rows)  # so that no block is unpacked twice
    when, held = stamp(path), numbers * held_bytes(dtype)
    return [
        Part(
            str(path),
            min(at_once, shape[0] - start),
            min(at_once, shape[0] - start) * held,
            partial(_chunks, path, name, start, min(start + at_once, shape[0]), by_column),
            start,
            stamp=when,
            overhead=block,
        )
        for start in range(0, shape[0], at_once)
    ]


@contextmanager
def _open(path: Path) -> "Iterator[h5py.File]":
    try:
        import h5py
    except ImportError as error:
        raise missing.error("h5py", str(path)) from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:  # of the library, for damaged files
        if isinstance(error, DataError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: expected an HDF5 file ({reason:.120}).") from error


def _arrays(file: "h5py.File", path: Path) -> dict[str, Shape]:
    """Return the shapes of the arrays of numbers, by their paths in the file; links are left out."""
    import h5py

    arrays, groups, seen, known = dict[str, Shape](), [("", file, 0)], 0, {h5py.h5o.get_info(file.id).addr}
    while groups:
        prefix, group, depth = groups.pop(0)
        for name in group:
            seen += 1
            if seen > MOST_OBJECTS:
                raise DataError(
                    f"{path}: holds more than {MOST_OBJECTS:,} objects: write the array to a file of its own."
                )
            if name == "#refs#" or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            each = group[name]
            if isinstance(each, h5py.Group):
                place = h5py.h5o.get_info(each.id).addr
                if place not in known and depth < DEEPEST:  # hard links may lead in a circle
                    known.add(place)
                    groups.append((f"{prefix}{name}/", each, depth + 1))
            elif isinstance(each, h5py.Dataset) and each.shape and each.dtype.kind in "biuf":
                arrays[f"{prefix}{name}"] = each.shape
    part = part_of(path).strip("/")
    if part and part not in arrays:
        _refuse(file, part, path)
    if not arrays and "model_weights" in file:
        raise DataError(f"{path}: expected rows, got a model of Keras: load it with keras.models.load_model.")
    return arrays


def _refuse(file: "h5py.File", name: str, path: Path) -> None:
    """Raise DataError for a name that leads through a link, or to what is not an array of numbers."""
    import h5py

    at: Any = file
    for step in name.split("/"):
        link = at.get(step, getlink=True) if isinstance(at, h5py.Group) else None
        if isinstance(link, (h5py.ExternalLink, h5py.SoftLink)):
            where = f"the file {link.filename!r:.60}" if isinstance(link, h5py.ExternalLink) else f"{link.path!r:.60}"
            raise DataError(f"{path}: {name!r:.60} is a link to {where}, which is not followed: name the array itself.")
        if link is None:
            return
        at = at[step]
    if isinstance(at, h5py.Dataset):
        raise DataError(
            f"{path}: {name!r:.60} holds {at.dtype} of shape {at.shape}, expected rows of numbers: read it with pandas "
            f"or h5py, and pass the frame."
        )


def _array(file: "h5py.File", name: str, path: Path) -> "h5py.Dataset":
    """Return an array. Raises DataError for one whose numbers lie in other files."""
    array = file[name]
    if array.is_virtual or array.external:
        raise DataError(
            f"{path}: the numbers of {name!r:.60} lie in other files, which are not opened: copy them here."
        )
    return array


def _chunks(path: Path, name: str, start: int, stop: int, by_column: bool, rows: int) -> Iterator[Array]:
    with _open(path) as file:
        array = _array(file, name, path)
        for first in range(start, stop, rows):
            last = min(first + rows, stop)
            if by_column:
                yield np.ascontiguousarray(array[..., first:last].T)
            else:
                yield array[first:last]
