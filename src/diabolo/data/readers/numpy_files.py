"""NumPy's own files: .npy, and .npz with one array or a named one. Never a pickle.

Headers are checked before memory is taken: the file must hold what its header announces, and it must fit in memory.
"""

import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from diabolo.data import memory
from diabolo.data.readers.parts import PART_BYTES, Part, held_bytes, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, Shape

LONGEST = 10_000  # bytes of a header: NumPy's own limit, which NumPy checks only after reading it
MAX_FILE_AXES = 32  # of arrays in every version of NumPy
# The rows of a file of several arrays have the first of these names.
NAMES_OF_ROWS = ("X", "x", "rows", "data", "images", "latents", "x_train")


def read_npy(path: Path) -> Array:
    """Return the array of a .npy file."""
    try:
        with path.open("rb") as file:
            _refuse_more_than_there_is(file, path.stat().st_size)
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # of NumPy's parser and of zipfile, a dozen kinds
        raise DataError(f"{path}: expected a .npy file of numbers ({reason(error)}).") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: expected a .npy file, got a .npz file: rename it.")
    return array


def parts(path: Path) -> list[Part]:
    """Return the rows of a .npy file in parts of some megabytes."""
    form, when = _header(path), stamp(path)
    if form is None or len(form.shape) < 2:
        # Not a table of plain numbers: the reader of the rows refuses it, if possible before it is read.
        whole = partial(_as_announced, path, form)
        return [Part(str(path), None, when[0], lambda rows: iter([whole()]), stamp=when)]
    numbers = math.prod(form.shape[1:])
    there = (when[0] - form.start) // (numbers * form.dtype.itemsize)
    if there < form.shape[0]:
        raise DataError(f"{path}: announces {form.shape[0]:,} rows, but ends in row {there:,}: write it again.")
    at_once = max(1, PART_BYTES // (numbers * form.dtype.itemsize))
    bounds = [(start, min(start + at_once, form.shape[0])) for start in range(0, form.shape[0], at_once)]
    bytes_per_row = numbers * held_bytes(form.dtype)
    return [
        Part(
            str(path),
            stop - start,
            (stop - start) * bytes_per_row,
            partial(_chunks, path, form, start, stop),
            start,
            stamp=when,
        )
        for start, stop in bounds
    ]


def _as_announced(path: Path, form: "_Form | None") -> Array:
    if form is None:
        array = read_npy(path)
        if not array.ndim:
            raise DataError(f"{path}: expected rows, got a single number.")
        return array
    return np.broadcast_to(np.zeros((), form.dtype), form.shape)


def _chunks(path: Path, form: "_Form", first: int, last: int, rows: int) -> Iterator[Array]:
    """Yield rows `first` to `last`, up to `rows` at a time: read, not mapped, so that memory does not grow."""
    numbers, size = math.prod(form.shape[1:]), form.dtype.itemsize
    with path.open("rb") as file:

        def read(place: int, count: int) -> Array:
            file.seek(form.start + place * size)
            values = np.fromfile(file, form.dtype, count)
            if values.size < count:
                raise DataError(f"{path}: announces {form.shape[0]:,} rows, but ends before the last: write it again.")
            return values

        for start in range(first, last, rows):
            count = min(rows, last - start)
            if not form.by_column:
                yield read(start * numbers, count * numbers).reshape(count, *form.shape[1:])
                continue
            columns = np.stack([read(column * form.shape[0] + start, count) for column in range(numbers)])
            # The last axis changes slowest: (..., second, first axis of a row, rows), transposed.
            yield np.ascontiguousarray(columns.reshape(*form.shape[:0:-1], count).T)


def unpacked_bytes(path: Path, name: str = "") -> int:
    """Return the bytes of the array that `read_npz` returns, from the headers; 0 for any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
    except Exception:
        return 0  # not an .npz file: reading it raises the error
    chosen = _chosen(list(sizes), name)
    return sizes.get(chosen, 0) if chosen else sum(sizes.values())  # without a name they may be columns of a table


class _Form(NamedTuple):
    shape: Shape
    by_column: bool  # the first axis changes fastest
    dtype: np.dtype[Any]
    start: int  # of the numbers, in bytes


def _header(path: Path) -> _Form | None:
    """Return the header of a .npy file; None if it does not announce plain numbers."""
    try:
        with path.open("rb") as file:
            form = _announced(file)
    except Exception:
        return None
    sizes = all(type(size) is int and 0 <= size < 1 << 62 for size in form.shape) and all(form.shape[1:])
    return form if form.dtype.kind in "biuf" and 0 < len(form.shape) <= MAX_FILE_AXES and sizes else None


def _announced(file: BinaryIO) -> _Form:
    """Return the header at the start of a .npy file. Raises ValueError, and the errors of NumPy's parser."""
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError("it does not start as a .npy file does")
    count = 2 if magic[6] == 1 else 4
    length = file.read(count)
    if (size := int.from_bytes(length, "little")) > LONGEST:
        raise ValueError(f"its header announces {size:,} bytes, expected at most {LONGEST:,}")
    header = io.BytesIO(length + file.read(size))
    read = np.lib.format.read_array_header_1_0 if magic[6] == 1 else np.lib.format.read_array_header_2_0
    return _Form(*read(header), start=8 + count + size)


def _refuse_more_than_there_is(file: BinaryIO, size: int) -> None:
    """Raise ValueError if a .npy file announces more bytes than it has, or more than fit in memory."""
    try:
        form = _announced(file)
    except Exception:
        return  # NumPy raises the error, and reads nothing
    if form.dtype.hasobject:
        raise ValueError("it is a pickle")
    numbers = math.prod(form.shape) * form.dtype.itemsize
    if numbers > size - form.start:
        raise ValueError(f"it announces {numbers:,} bytes, but {size - form.start:,} follow")
    if numbers > memory.free():
        raise ValueError(f"it takes {memory.words(numbers)}, more than {memory.words(memory.free())} of memory")


def read_npz(path: Path, name: str = "") -> Array:
    """Return one array of a .npz file: the one called `name`, else the only one, else the first of NAMES_OF_ROWS.

    Raises: DataError.
    """
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise DataError(f"{path}: expected a .npz file, got a .npy file: rename it.")
        with arrays:
            names = list(arrays)
            if name and name not in names:
                raise DataError(f"{path}: no array {name!r}; it holds {', '.join(names) or 'nothing':.300}.")
            chosen = _chosen(names, name)
            if not chosen:
                raise DataError(
                    f"{path}: expected one array, got several ({', '.join(names) or 'none':.300}): name one of them, "
                    f"{path.name}:NAME."
                )
            _checked_shapes(path, [chosen])
            return np.asarray(arrays[chosen])
    except Exception as error:  # of NumPy's parser and of zipfile, a dozen kinds
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected a .npz file of numbers ({reason(error)}).") from error


def arrays(path: Path, names: Sequence[str], *, among: Sequence[str]) -> dict[str, Array] | None:
    """Return the arrays `names` of a .npz file that holds exactly the arrays `among`; None for any other file.

    Raises: DataError for a damaged one.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            if isinstance(held, np.ndarray) or sorted(held.files) != sorted(among):
                return None
    except Exception:
        return None  # reading it as an array raises the error
    try:
        _checked_shapes(path, list(names))
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in names}
    except Exception as error:  # of NumPy's parser and of zipfile, a dozen kinds
        raise DataError(f"{path}: expected the arrays {', '.join(among)} ({reason(error)}).") from error


def column_names(path: Path) -> tuple[str, ...] | None:
    """Return the names of the arrays of a .npz file if they are columns of a table: one axis and one length each.

    None for any other file. Only headers are read.
    """
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            return None
        with arrays:
            names = arrays.files
            if len(names) < 2 or _chosen(names, ""):
                return None
            shapes = _checked_shapes(path, names)
    except Exception:
        return None  # reading it as an array raises the error
    same = len(shapes[0]) == 1 and len(set(shapes)) == 1
    return tuple(names) if same else None


def columns(path: Path) -> dict[str, Array] | None:
    """Return the arrays that `column_names` names; None for any other file. Raises DataError for a damaged one."""
    names = column_names(path)
    if names is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except Exception as error:  # of NumPy's parser and of zipfile, a dozen kinds
        raise DataError(f"{path}: expected a .npz file of columns ({reason(error)}).") from error


def _checked_shapes(path: Path, names: list[str]) -> list[Shape]:
    """Return the shapes of arrays of a .npz file, from their headers; ValueError if they are cut off or do not fit."""
    shapes, size = [], 0
    with zipfile.ZipFile(path) as archive:
        held = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        for name in names:
            size += held[name].file_size
            with archive.open(held[name]) as file:
                _refuse_more_than_there_is(file, held[name].file_size)  # type: ignore[arg-type]
            with archive.open(held[name]) as file:
                shapes.append(_announced(file).shape)  # type: ignore[arg-type]
    if size > memory.free():
        raise ValueError(f"it unpacks to {memory.words(size)}, more than {memory.words(memory.free())} of memory")
    return shapes


def _chosen(names: list[str], name: str) -> str:
    return name or (names[0] if len(names) == 1 else next((each for each in NAMES_OF_ROWS if each in names), ""))


def reason(error: Exception) -> str:
    """Return the message of an error of NumPy, in one line."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    # NumPy advises to allow pickles, which a user must not do for a file from a stranger.
    return "it is a pickle, or not a file of NumPy" if "pickle" in text else text
