"""What a format that can be read in parts offers: pieces that can be read in any order, each chunk by chunk."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

PART_BYTES = 32 << 20  # of a file that can be cut anywhere


class Part(NamedTuple):
    """Rows that can be read without those before them.

    Attributes:
        name: the file they are in.
        rows: how many there are; None where only reading would tell.
        bytes: about what they take as an array.
        read: gives them from the start, up to so many rows at a time: (k, ...) each.
    """

    name: str
    rows: int | None
    bytes: int
    read: Callable[[int], Iterator[np.ndarray[Any, Any]]]
