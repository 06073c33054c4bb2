"""What a format that can be read in parts offers: pieces that can be read in any order, each chunk by chunk."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.errors import DataError

PART_BYTES = 32 << 20  # of a file that can be cut anywhere

Stamp = tuple[int, int]  # size and time of the last change of a file


class Part(NamedTuple):
    """Rows that can be read without those before them.

    Attributes:
        name: the file they are in.
        rows: how many there are; None where only reading would tell.
        bytes: about what they take as an array.
        read: gives them from the start, up to so many rows at a time: (k, ...) each.
        first_row: how many rows of the file come before.
        columns: what they are called, if the file says so.
        stamp: of the file, if it is one.
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
        """Raise DataError where the file is not the one that was opened."""
        if self.stamp is not None and stamp(Path(self.name)) != self.stamp:
            raise DataError(f"{self.name} changed while it was read: leave it alone until this is done.")


def stamp(path: Path) -> Stamp:
    """Return what changes when a file does; DataError where it is gone."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    return status.st_size, status.st_mtime_ns


def held_bytes(dtype: np.dtype[Any]) -> int:
    """Return the bytes to plan for each number of a type; three times as many are in memory during training.

    The three copies (`memory.COPIES_IN_TRAINING`) are the rows as read, those without the rows held back, and tensors.
    Tensors take four bytes a number, except for bytes.
    """
    narrow = {1: 2, 2: 3}
    return dtype.itemsize if dtype == np.uint8 else narrow.get(dtype.itemsize, dtype.itemsize)
