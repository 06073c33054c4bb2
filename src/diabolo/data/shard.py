"""The rows of a training, ready for an engine: scaled, or bytes with their scale, and divided into two parts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from diabolo.data.adapters.rows import taken
from diabolo.data.windows import Windows

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The rows to train on and the rows to validate on; tensor = (row - offset) / scale, computed by the engine.

    Attributes:
        rows, validation: (n, ...), uint8 or float32; bytes stay bytes until they are used. Rows that do not fit in
            memory come in windows. validation None: no rows are held back.
        chosen: numbers of the rows to train on, where `rows` are those of the user, with the rows held back among
            them; None: all.
        offset, scale: broadcast against a row.
        bounded: whether tensors lie in [0, 1].
        matrix: scipy CSR of sparse rows, scaled; `rows` and `validation` are then numbers of its rows, int32.
    """

    rows: Array | Windows
    validation: Array | None = None
    chosen: Array | None = None
    offset: Array | float = 0.0
    scale: Array | float = 1.0
    bounded: bool = False
    matrix: Any = None

    @property
    def row_count(self) -> int:
        """How many rows an epoch has."""
        if self.chosen is not None:
            return len(self.chosen)
        return len(self.rows) if isinstance(self.rows, np.ndarray) else self.rows.rows

    def training(self) -> Array | Windows:
        """Return the rows to train on alone: a copy, where they are chosen."""
        if self.chosen is None or not isinstance(self.rows, np.ndarray):
            return self.rows
        return taken(self.rows, self.chosen)
