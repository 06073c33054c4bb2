"""Parts of a file, which can be read in any order, each in chunks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.errors import DataError

PART_BYTES = 32 << 20  # of a file that can be cut anywhere

Stamp = tuple[int, int]  # size and time of the last change of a file


class Part(NamedTuple):
    """Rows of a file that can be read without those before them.

    Attributes:
        name: of the file.
        rows: the number of rows; None if it is only known after reading.
        bytes: the approximate size of the rows as an array.
        read: yields the rows in order, up to the given number at a time: (k, ...) each.
        first_row: the number of rows of the file before these.
        columns: their names, if the file has them.
        stamp: of the file; None for rows that are not in a file.
        overhead: bytes that reading takes in addition to the rows.
    """

    name: str
    rows: int | None
    bytes: int
    read: Callable[[int], Iterator[np.ndarray[Any, Any]]]
    first_row: int = 0
    columns: tuple[str, ...] | None = None
    stamp: Stamp | None = None
    overhead: int = 0

    def check_unchanged(self) -> None:
        """Raise DataError if the file has changed since it was opened."""
        if self.stamp is not None and stamp(Path(self.name)) != self.stamp:
            raise DataError(f"{self.name} changed while it was read: start again, and do not change it meanwhile.")


def stamp(path: Path) -> Stamp:
    """Return the size and the time of the last change of a file. Raises DataError if it does not exist."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check the path.") from error
    return status.st_size, status.st_mtime_ns


def held_bytes(dtype: np.dtype[Any]) -> int:
    """Return the bytes to plan for each number of a type; three times as many are in memory during training.

    The three copies (`memory.COPIES_IN_TRAINING`) are the rows as read, those without the rows held back, and tensors.
    Tensors take four bytes a number, except for bytes.
    """
    narrow = {1: 2, 2: 3}
    return dtype.itemsize if dtype == np.uint8 else narrow.get(dtype.itemsize, dtype.itemsize)
