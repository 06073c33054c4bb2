"""Scaling of rows in float32 alone, in a third of the time that doubles take, and as exact."""

from typing import Any

import numpy as np

from diabolo.data.adapters.base import Vector
from diabolo.data.adapters.rows import Rows

Float32 = np.ndarray[Any, np.dtype[np.float32]]

LEAST_WIDTH = 1024  # numbers that NumPy computes with in one go; for fewer, its loops take more time than the numbers
FARTHEST_SQUARE = 1e30  # of all numbers of a block together, so that none is far from the others; see `array.FARTHEST`


class Single:
    """tensor = (row - offset) / divisor for float32, and row = tensor * scale + offset.

    The offset is held as the sum of two float32 numbers, because one cannot hold the seconds of a time stamp of 1.7e9:
    row - first is exact where both are about as large.
    """

    def __init__(self, offset: Vector, divisor: Vector, scale: Vector) -> None:
        self._offset, self._divisor = offset, divisor
        self._repeat = max(1, LEAST_WIDTH // len(offset))
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            first = offset.astype(np.float32)
            second = (offset - first).astype(np.float32)
            self._first, self._second, self._factor, self._scale = (
                np.tile(each, self._repeat) for each in (first, second, (1 / divisor).astype(np.float32), scale)
            )
        self._scale = self._scale.astype(np.float32)
        self._shifts, self._shifts_again = bool(first.any()), bool(second.any())
        # What over- or underflows in float32 is left to doubles.
        self._exact = bool(
            np.isfinite([self._first, self._second, self._factor, self._scale]).all()
            and self._factor.all()
            and (self._scale.astype(bool) == np.tile(scale > 0, self._repeat)).all()
        )

    def scale(self, rows: Rows, out: Rows | None = None) -> Float32 | None:
        """Return the tensors of float32 rows, written into `out`; None: they must be computed in doubles."""
        if not self._exact:
            return None
        tensors = np.empty_like(rows, order="C") if out is None else out
        with np.errstate(over="ignore", invalid="ignore"):
            for part, target, width in self._parts(rows, tensors):
                np.subtract(part, self._first[:width], out=target)
                if self._shifts_again:
                    np.subtract(target, self._second[:width], out=target)
                np.multiply(target, self._factor[:width], out=target)
            flat = tensors.reshape(-1)
            return tensors if np.vdot(flat, flat) < FARTHEST_SQUARE else None

    def scale_few(self, rows: Rows) -> Float32 | None:
        """Return the tensors of a few rows of floats; None: there are numbers that it cannot compute with, such as NaN.

        Without the lines of many rows, which take longer to prepare than a few rows.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if rows.dtype.char == "d":
                wide = (rows - self._offset) / self._divisor
                flat = wide.reshape(-1)
                return wide.astype(np.float32) if np.vdot(flat, flat) < FARTHEST_SQUARE else None
            if not self._exact:
                return None
            features = len(self._offset)
            tensors = rows - self._first[:features]
            if self._shifts_again:
                tensors -= self._second[:features]
            tensors *= self._factor[:features]
            flat = tensors.reshape(-1)
            return tensors if np.vdot(flat, flat) < FARTHEST_SQUARE else None

    def unscale(self, tensors: Float32) -> Float32 | None:
        """Return the rows of tensors; None: they must be computed in doubles."""
        if not self._exact:
            return None
        rows = np.empty_like(tensors, order="C")
        with np.errstate(over="ignore", invalid="ignore"):
            for part, target, width in self._parts(np.ascontiguousarray(tensors), rows):
                np.multiply(part, self._scale[:width], out=target)
                if self._shifts_again:
                    np.add(target, self._second[:width], out=target)
                if self._shifts:
                    np.add(target, self._first[:width], out=target)
            flat = rows.reshape(-1)
            return rows if np.isfinite(np.vdot(flat, flat)) else None

    def _parts(self, rows: Rows, results: Rows) -> list[tuple[Rows, Rows, int]]:
        """Return parts of both as tables, with the width of each: many rows in one line, and the rows that are left."""
        features = len(self._first) // self._repeat
        flat, there, wide = rows.reshape(-1), results.reshape(-1), len(self._first)
        end = flat.size - flat.size % wide
        parts = [(0, end, wide), (end, flat.size, features)]
        return [
            (flat[start:stop].reshape(-1, width), there[start:stop].reshape(-1, width), width)
            for start, stop, width in parts
            if start < stop
        ]
