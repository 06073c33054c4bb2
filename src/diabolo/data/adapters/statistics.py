"""Statistics of rows, from which adapters and losses are chosen, computed chunk by chunk in one pass."""

from typing import Any, Self

import numpy as np

from diabolo.data.adapters.rows import Rows
from diabolo.errors import DataError

Vector = np.ndarray[Any, np.dtype[np.float64]]

# Numbers of rows, and scales that divide them: the squares of both, and of their quotients, stay within a double.
MOST, LEAST = 1e150, 1e-150
ROUNDING = 1e-12  # of a number: what varies by less varies by rounding only
NUMBERS_AT_ONCE = 1 << 17  # 1 MB of doubles, which stay in the processor's cache


class Statistics:
    """Count, mean, variance and extremes of each feature; for images, of each channel.

    Attributes:
        rows: how many were added.
        row_shape: axes of one of them.
        dtype: a type that can hold all of them.
        mean, low, high: (features,), float64.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.row_shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)
        self.mean, self._squares = np.zeros(1), np.zeros(1)
        self.low, self.high = np.full(1, np.inf), np.full(1, -np.inf)
        self._numbers = 0  # of each feature

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """Return the statistics of an array."""
        statistics = cls()
        statistics.add(rows)
        return statistics

    def add(self, rows: Rows) -> None:
        """Add rows (n, ...) that passed `check_rows`, all of one shape."""
        size = rows.shape[-1] if rows.ndim != 3 else 1
        self.dtype = np.result_type(self.dtype, rows.dtype) if self.rows else rows.dtype
        self.rows, self.row_shape = self.rows + len(rows), rows.shape[1:]
        columns = rows.reshape(-1, size)
        at_once = max(1, NUMBERS_AT_ONCE // size)
        with np.errstate(over="ignore", invalid="ignore"):  # `variance` refuses numbers that are too large
            for start in range(0, len(columns), at_once):
                self._merge(columns[start : start + at_once])

    def _merge(self, columns: Rows) -> None:
        # The exact way to join means and squared distances of two parts: Chan, Golub & LeVeque 1983, eq. 2.1.
        values = columns.astype(np.float64)
        count, mean = len(values), values.mean(axis=0)
        self.low, self.high = np.minimum(self.low, values.min(axis=0)), np.maximum(self.high, values.max(axis=0))
        values -= mean
        squares = np.einsum("ij,ij->j", values, values)
        total, step = self._numbers + count, mean - self.mean
        self.mean = self.mean + step * (count / total)
        self._squares = self._squares + squares + step**2 * (self._numbers * count / total)
        self._numbers = total

    @property
    def variance(self) -> Vector:
        """Mean squared distance from the mean, (features,); DataError if it does not fit a double."""
        with np.errstate(invalid="ignore"):
            # The mean of equal numbers has a rounding error, which overflows if it is squared for huge numbers.
            variance = np.where(self.low == self.high, 0.0, self._squares / self._numbers)
        largest = np.maximum(self.high, -self.low)
        too_large = ~np.isfinite(variance) | (largest > MOST) | (variance / MOST > MOST)
        if np.any(too_large):
            at = int(np.flatnonzero(too_large)[0])
            raise DataError(
                f"fit() expected numbers whose squares fit a double, got {largest[at]:.3g} in column {at}, counted "
                f"from 0: rescale the rows."
            )
        return variance

    @property
    def overall(self) -> tuple[float, float]:
        """Mean and variance of all numbers of all features."""
        return float(self.mean.mean()), float(self.variance.mean() + self.mean.var())

    @property
    def widest(self) -> float:
        """The divisor that scales rows to [0, 1]: 255 for bytes, unless they are all 0 and 1; else 1."""
        return 255.0 if self.dtype == np.uint8 and self.high.max() > 1 else 1.0
