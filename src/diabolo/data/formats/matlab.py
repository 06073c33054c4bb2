"""MATLAB's files, .mat: an array of numbers, file.mat:X. Versions 5 to 7 through SciPy, 7.3 is HDF5.

The variables of a file are listed here, not by SciPy, which reads whatever lengths a file announces.
Order: the format, the variables of a file.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple

import numpy as np

from diabolo.data import memory
from diabolo.data.formats import hdf5
from diabolo.data.formats.base import ArrayFormat
from diabolo.data.readers.choosing import check_size, chosen
from diabolo.data.readers.parts import Part, held_bytes, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, Shape

Order = Literal["little", "big"]

MATRIX, COMPRESSED = 14, 15  # types of an element
# Class of an array -> bytes of a number: double, single, and whole numbers of 8, 16, 32, 64 bits, signed or not.
NUMBERS = {6: 8, 7: 4, 8: 1, 9: 1, 10: 2, 11: 2, 12: 4, 13: 4, 14: 8, 15: 8}
SPARSE = 5
COMPLEX = 0x08  # among the flags of an array
HEAD = 1 << 12  # bytes at the start of a variable that hold its class, shape and name
MOST_VARIABLES = 10_000
MAX_AXES = 32
BYTES_AT_ONCE = 1 << 20


class Variable(NamedTuple):
    """A variable of a file: what it announces, and the bytes of its element."""

    name: str
    kind: int
    shape: Shape
    complex: bool
    bytes: int


class Matlab(ArrayFormat):
    """Arrays of numbers of any rank, whose first axis is that of the rows."""

    endings: ClassVar[tuple[str, ...]] = (".mat",)
    words: ClassVar[str] = "a MATLAB file"

    def parts(self, path: Path) -> list[Part]:
        """Return the rows, in parts where the file is HDF5, else as one part: MATLAB stores column after column."""
        with path.open("rb") as file:
            start = file.read(520)
        if start[512:520] == hdf5.MAGIC or start[:8] == hdf5.MAGIC:
            return hdf5.parts(path, by_column=True)
        found = _variables(path)
        arrays = {each.name: each.shape for each in found if each.kind in NUMBERS and not each.complex}
        if not arrays and any(each.kind == SPARSE for each in found):
            raise DataError(f"{path}: expected a dense array, got a sparse one: save it with scipy.sparse.save_npz.")
        name = chosen(path, arrays)
        variable = next(each for each in found if each.name == name)
        size = math.prod(variable.shape) * NUMBERS[variable.kind]
        check_size(path, variable.name, size)
        if variable.bytes > 2 * size + 2 * HEAD:
            raise DataError(f"{path}: the array {variable.name!r:.60} is longer than it announces: save it again.")
        if size > memory.free():
            raise DataError(
                f"{path}: takes {memory.words(size)}, more than {memory.words(memory.free())} of memory: save it with "
                f"-v7.3, which is read in parts."
            )
        if not math.prod(variable.shape):
            raise DataError(f"{path}: expected rows, got an array of shape {variable.shape}.")

        def chunks(rows: int) -> Iterator[Array]:
            values = _read(path, variable.name)
            yield from (np.ascontiguousarray(values[at : at + rows]) for at in range(0, len(values), rows))

        held = math.prod(variable.shape) * held_bytes(np.dtype(f"f{max(2, NUMBERS[variable.kind])}"))
        return [Part(str(path), variable.shape[0], held, chunks, stamp=stamp(path), overhead=size)]


def _read(path: Path, name: str) -> Array:
    from scipy.io import loadmat

    try:
        values: Any = loadmat(str(path), variable_names=[name])[name]
    except Exception as error:  # of SciPy's parser, a dozen kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: expected a MATLAB file ({reason:.120}).") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise DataError(f"{path}: expected numbers in {name!r:.60}.")
    return values


def _variables(path: Path) -> list[Variable]:
    """Return the variables of a file of version 5 to 7. Raises DataError."""
    found = list[Variable]()
    with path.open("rb") as file:
        header = file.read(128)
        if len(header) < 128 or header[126:128] not in (b"IM", b"MI"):
            raise DataError(f"{path}: expected a MATLAB file of version 5 or later: save it again with -v7.")
        order: Order = "little" if header[126:128] == b"IM" else "big"
        while tag := file.read(8):
            kind, size = (int.from_bytes(tag[at : at + 4], order) for at in (0, 4))
            if len(tag) < 8 or kind not in (MATRIX, COMPRESSED) or len(found) == MOST_VARIABLES:
                raise DataError(f"{path}: expected a MATLAB file, got a damaged one after {len(found):,} variables.")
            end = file.tell() + size
            if end > path.stat().st_size:
                raise DataError(f"{path}: ends within variable {len(found) + 1}: copy it again.")
            if kind == COMPRESSED:
                head, size = _unpacked(path, file, size)
                head = head[8:]  # the tag of the element within
            else:
                head = file.read(min(size, HEAD))
            variable = _variable(head, order, size)
            if variable is None:
                raise DataError(f"{path}: expected a MATLAB file, got a damaged variable {len(found) + 1}.")
            found.append(variable)
            file.seek(end)
    return found


def _unpacked(path: Path, file: BinaryIO, size: int) -> tuple[bytes, int]:
    """Return the first bytes of a compressed element, and how many there are. Raises DataError if too many."""
    unpack, head, done = zlib.decompressobj(), b"", 0
    try:
        while size > 0 and not unpack.eof:
            packed = file.read(min(size, BYTES_AT_ONCE))
            size -= len(packed)
            while packed and not unpack.eof:
                piece = unpack.decompress(packed, BYTES_AT_ONCE)
                packed = unpack.unconsumed_tail
                head += piece[: HEAD - len(head)] if len(head) < HEAD else b""
                done += len(piece)
                check_size(path, "a variable", done)
    except zlib.error as error:
        raise DataError(f"{path}: expected a MATLAB file, got a damaged one ({error}).") from error
    return head, done


def _variable(head: bytes, order: Order, size: int) -> Variable | None:
    """Return what the first bytes of a variable announce; None if they are damaged."""
    at, fields = 0, list[bytes]()
    for _ in range(3):  # flags, shape, name
        first = int.from_bytes(head[at : at + 4], order)
        length = first >> 16 if first >> 16 else int.from_bytes(head[at + 4 : at + 8], order)
        start = at + 4 if first >> 16 else at + 8  # a short element holds its bytes in its tag
        if start + length > len(head):
            return None
        fields.append(head[start : start + length])
        at = at + 8 if first >> 16 else start + -(-length // 8) * 8
    flags, axes, name = fields
    shape = tuple(int.from_bytes(axes[place : place + 4], order, signed=True) for place in range(0, len(axes), 4))
    if len(flags) < 4 or not 2 <= len(shape) <= MAX_AXES or min(shape) < 0:
        return None
    word = int.from_bytes(flags[:4], order)
    return Variable(name.decode("latin-1"), word & 0xFF, shape, bool(word >> 8 & COMPLEX), size)
