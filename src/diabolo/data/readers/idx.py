"""IDX, the format of MNIST: big-endian sizes, then the numbers; gzipped or not.

The header is checked before more is unpacked. Byte 3 is the type, byte 4 the number of axes.
Source: the description on LeCun's MNIST page.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from diabolo.data import memory
from diabolo.errors import DataError
from diabolo.typing import Array, Shape

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 8
LARGEST = 1 << 59  # numbers of eight bytes that an array can hold
MOST_PACKED = 1_032  # bytes that deflate unpacks from one byte, at most


class _Form(NamedTuple):
    dtype: np.dtype[Any]
    shape: Shape

    @property
    def start(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read(path: Path) -> Array:
    """Return the array of an IDX file. Raises DataError for any other file."""
    return parse(unpack(path), where=str(path))


def unpack(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzip. Raises DataError if its header does not fit its size."""
    try:
        with _opened(path) as file:
            form = _form(file.read(4 + 4 * MAX_AXES), where=str(path))
            most, packed = path.stat().st_size, isinstance(file, gzip.GzipFile)
            if form.bytes > most * (MOST_PACKED if packed else 1):
                raise DataError(
                    f"{path}: the IDX header announces the shape {form.shape}, {form.bytes:,} bytes, but the file has "
                    f"{most:,}: fetch or write it again."
                )
            if form.bytes > memory.free():
                raise DataError(
                    f"{path} unpacks to {memory.words(form.bytes)}, more than {memory.words(memory.free())} of memory: "
                    f"save it as .npy, which is read in parts."
                )
            file.seek(0)
            return file.read(form.start + form.bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


def unpacked_bytes(path: Path) -> int:
    """Return the bytes of the array, from the header; 0 for a file that is not IDX, which reading refuses."""
    try:
        with _opened(path) as file:
            return _form(file.read(4 + 4 * MAX_AXES), where=str(path)).bytes
    except (OSError, EOFError, zlib.error, DataError):
        return 0


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def parse(content: bytes, *, where: str) -> Array:
    """Return the array in IDX bytes. Raises DataError if the bytes do not fit the header."""
    form = _form(content, where=where)
    if len(content) - form.start != form.bytes:
        follow = len(content) - form.start
        raise DataError(
            f"{where}: the IDX header announces the shape {form.shape}, {form.bytes:,} bytes, but "
            f"{'more' if follow > form.bytes else f'{follow:,}'} follow."
        )
    numbers = np.frombuffer(content, form.dtype, offset=form.start).reshape(form.shape)
    return numbers.astype(form.dtype.newbyteorder("="))


def _form(content: bytes, *, where: str) -> _Form:
    """Return the type and the shape in the header. Raises DataError if there is no valid header."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or not 1 <= content[3] <= MAX_AXES:
        raise DataError(f"{where}: expected an IDX file, got bytes that start with {content[:4].hex()!r}.")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{where}: the IDX header is cut off after {len(content)} bytes.")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if 0 in shape and math.prod(size or 1 for size in shape) >= LARGEST:  # no bytes, but NumPy refuses it
        raise DataError(f"{where}: the IDX header announces the shape {shape}, more than any array holds.")
    return _Form(np.dtype(TYPES[content[2]]), shape)
