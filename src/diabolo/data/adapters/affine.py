"""Offset and scale of rows, in doubles, quickly: many narrow rows at a time in one line of NumPy."""

import numpy as np

from diabolo.data.adapters.base import Vector
from diabolo.data.adapters.rows import Rows
from diabolo.typing import Float32Array, Float64Array

LEAST_WIDTH = 1024  # numbers in a line; for fewer, the loops of NumPy take more time than the numbers
FARTHEST_SQUARE = 1e30  # of all numbers of a block together, so that none is beyond `array.FARTHEST`


class Affine:
    """tensor = (row - offset) / divisor, and row = tensor * scale + offset, feature by feature.

    In doubles until scaled: a float32 cannot hold the seconds of a time stamp of 1.7e9.
    """

    def __init__(self, offset: Vector, divisor: Vector, scale: Vector) -> None:
        self._features, repeat = len(offset), max(1, LEAST_WIDTH // len(offset))
        with np.errstate(over="ignore", divide="ignore"):
            factor = 1 / divisor
        self._offset, self._factor, self._scale = (np.tile(each, repeat) for each in (offset, factor, scale))
        self._narrow_offset, self._narrow_factor = offset, factor
        self._moves = bool(offset.any())

    def scaled(self, rows: Rows, out: Rows | None = None) -> Float32Array | None:
        """Return the tensors of rows that fit into the processor's cache, written into `out`.

        None: some number is too far off, NaN or infinity.
        """
        wide = rows.astype(np.float64, order="C")
        with np.errstate(over="ignore", invalid="ignore"):
            for part, width in self._parts(wide):
                if self._moves:
                    part -= self._offset[:width]
                part *= self._factor[:width]
            tensors = np.empty(wide.shape, np.float32) if out is None else out
            tensors[...] = wide
            return tensors if _sum_of_squares(tensors) < FARTHEST_SQUARE else None

    def few_scaled(self, rows: Rows) -> Float32Array | None:
        """Return the same for a few rows, without the lines of many, which take longer to prepare than a few rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            wide = (rows - self._narrow_offset) * self._narrow_factor
            tensors: Float32Array = wide.astype(np.float32)
            return tensors if _sum_of_squares(tensors) < FARTHEST_SQUARE else None

    def restored(self, tensors: Rows) -> Float64Array:
        """Return the rows of tensors that fit into the processor's cache."""
        wide: Float64Array = tensors.astype(np.float64, order="C")
        for part, width in self._parts(wide):
            part *= self._scale[:width]
            if self._moves:
                part += self._offset[:width]
        return wide

    def _parts(self, numbers: Rows) -> list[tuple[Rows, int]]:
        """Return numbers as tables, with the width of each: many rows in one line, and the rows that are left."""
        flat, wide = numbers.reshape(-1), len(self._offset)
        end = flat.size - flat.size % wide
        parts = [(flat[:end].reshape(-1, wide), wide), (flat[end:].reshape(-1, self._features), self._features)]
        return [(part, width) for part, width in parts if part.size]


def to_float32(rows: Float64Array) -> Float32Array:
    """Return rows as float32, clipped to its range."""
    with np.errstate(over="ignore", invalid="ignore"):
        short: Float32Array = rows.astype(np.float32)
        if np.isfinite(_sum_of_squares(short)):
            return short
    most = np.finfo(np.float32).max
    return np.clip(rows, -most, most).astype(np.float32)


def _sum_of_squares(numbers: Rows) -> float:
    """Return the sum of the squares of float32 numbers: for doubles BLAS would use threads, for which others wait."""
    flat = numbers.reshape(-1)
    return float(np.vdot(flat, flat))
