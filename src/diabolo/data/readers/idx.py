"""IDX, the format of MNIST: big-endian sizes, then the numbers; gzipped or not.

Its header is judged before more is unpacked. Source: the description on LeCun's MNIST page. Byte 3 is the type, byte 4
the number of axes.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from diabolo.data import memory
from diabolo.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 8
LARGEST = 1 << 59  # numbers of eight bytes
MOST_PACKED = 1_032  # bytes that deflate makes of one, at most


class _Form(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def start(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read(path: Path) -> np.ndarray[Any, Any]:
    """Return the array of an IDX file; DataError where it is none."""
    return parse(unpack(path), where=str(path))


def unpack(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzip; DataError where its header announces others."""
    try:
        with _opened(path) as file:
            form = _form(file.read(4 + 4 * MAX_AXES), where=str(path))
            most, packed = path.stat().st_size, isinstance(file, gzip.GzipFile)
            if form.bytes > most * (MOST_PACKED if packed else 1):
                raise DataError(
                    f"{path}: the IDX header announces {form.shape}, {form.bytes:,} bytes, but the file has {most:,}."
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
    """Return what the array of a file takes, as its header announces; 0 where it is none: reading it says so."""
    try:
        with _opened(path) as file:
            return _form(file.read(4 + 4 * MAX_AXES), where=str(path)).bytes
    except (OSError, EOFError, zlib.error, DataError):
        return 0


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def parse(content: bytes, *, where: str) -> np.ndarray[Any, Any]:
    """Return the array that IDX bytes describe; DataError where sizes and bytes do not agree."""
    form = _form(content, where=where)
    if len(content) - form.start != form.bytes:
        follow = len(content) - form.start
        raise DataError(
            f"{where}: the IDX header announces {form.shape}, {form.bytes:,} bytes, but "
            f"{'more' if follow > form.bytes else f'{follow:,}'} follow."
        )
    numbers = np.frombuffer(content, form.dtype, offset=form.start).reshape(form.shape)
    return numbers.astype(form.dtype.newbyteorder("="))


def _form(content: bytes, *, where: str) -> _Form:
    """Return what the first bytes announce."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or not 1 <= content[3] <= MAX_AXES:
        raise DataError(f"{where}: expected an IDX file, got bytes that start with {content[:4].hex()!r}.")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{where}: the IDX header is cut off after {len(content)} bytes.")
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if 0 in shape and math.prod(size or 1 for size in shape) >= LARGEST:  # no bytes, and NumPy refuses it still
        raise DataError(f"{where}: the IDX header announces {shape}, more than any array holds.")
    return _Form(np.dtype(TYPES[content[2]]), shape)
