"""IDX, the format of MNIST: big-endian sizes, then the numbers; gzipped or not.

Source: the description on LeCun's MNIST page. Byte 3 of the header is the type, byte 4 the number of axes.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from diabolo.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_AXES = 8


def read(path: Path) -> np.ndarray[Any, Any]:
    """Return the array of an IDX file; DataError where it is none."""
    return parse(unpack(path), where=str(path))


def unpack(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzip."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


def parse(content: bytes, *, where: str) -> np.ndarray[Any, Any]:
    """Return the array that IDX bytes describe; DataError where sizes and bytes do not agree."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES or not 1 <= content[3] <= MAX_AXES:
        raise DataError(f"{where}: expected an IDX file, got bytes that start with {content[:4].hex()!r}.")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{where}: the IDX header is cut off after {len(content)} bytes.")
    dtype = np.dtype(TYPES[content[2]])
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        raise DataError(
            f"{where}: the IDX header announces {shape}, {expected:,} bytes, but {len(content) - start:,} follow."
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
