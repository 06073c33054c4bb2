"""Series, (n, time, channels): as arrays, but one offset and scale a channel, and flags if values may be missing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from diabolo.data.adapters.array import ArrayAdapter
from diabolo.data.adapters.base import Cell, Mask, Tensor
from diabolo.data.adapters.rows import Rows
from diabolo.data.adapters.statistics import LEAST, MOST, ROUNDING
from diabolo.errors import DataError


@dataclass(frozen=True, kw_only=True)
class SeriesAdapter(ArrayAdapter):
    """tensor = (value - offset) / scale, channel by channel; a missing value is 0 and its flag, which follows, is 1.

    Attributes: gaps: whether values may be missing (NaN), as after the end of a series that is shorter than others.
    """

    gaps: bool = False

    kind: ClassVar[str] = "series"

    @classmethod
    def of(cls, rows: Rows, *, gaps: bool) -> Self:
        """Return the adapter with offset and scale from the values that are present."""
        columns = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
        known = ~np.isnan(columns)
        if not known.any(axis=0).all():
            raise DataError(
                f"fit(): channel {int(known.any(axis=0).argmin())} has no value in any series: leave it out."
            )
        if max(np.nanmax(columns), -np.nanmin(columns)) > MOST:
            raise DataError("fit() expected numbers whose squares fit a double, got larger: rescale the series.")
        mean = np.nanmean(columns, axis=0)
        scale = np.nanstd(columns, axis=0)
        low = np.nanmin(columns, axis=0)
        scale = np.where(scale > np.maximum(ROUNDING * np.abs(mean), LEAST), scale, 0.0)
        return cls(
            row_shape=rows.shape[1:],
            dtype=str(rows.dtype),
            bounded=False,
            offset=np.where(scale > 0, mean, low),
            scale=scale,
            gaps=gaps,
        )

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        """(time, channels), or (time, 2 * channels) with gaps: the channels, then their flags."""
        return (self.row_shape[0], self.row_shape[1] * (1 + self.gaps))

    @property
    def takes_shorter_series(self) -> bool:
        """If there are gaps: those after the end of a shorter series are of the same kind."""
        return self.gaps

    def cell(self, column: int) -> Cell:
        """At each time the channels, then their flags."""
        if not self.gaps:
            return super().cell(column)
        channels = self.row_shape[1]
        at = column + column // channels * channels
        return Cell(slice(at, at + 1), at + channels)

    def values(self, tensors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The channels without their flags, NaN where a value is missing."""
        return np.where(self.missing(tensors), np.nan, tensors[..., : self.row_shape[1]]) if self.gaps else tensors

    def missing(self, tensors: np.ndarray[Any, Any]) -> Mask:
        """Where the flag is 1."""
        return np.asarray(tensors[..., self.row_shape[1] :] == 1) if self.gaps else super().missing(tensors)

    @staticmethod
    def _words(shape: tuple[int, ...]) -> str:
        if len(shape) != 2:
            return f"rows of shape {shape}"
        return f"series of {shape[0]} places and {shape[1]} channel{'s' * (shape[1] != 1)}"

    def _remedy(self, shape: tuple[int, ...]) -> str:
        """Return how to pass series of other lengths."""
        if len(shape) == 2 and shape[1] == self.row_shape[1] and shape[0] < self.row_shape[0]:
            return (
                " Fill up their ends with NaN."
                if self.gaps
                else " Fit on series of several lengths to pass shorter ones."
            )
        return " For one series pass [series]." if shape == self.row_shape[1:] and self.gaps else ""

    def log_scale(self, tensors: Rows) -> Any:
        """Return the logarithm of the product of the divisors of the values that are present in each row, (n,)."""
        if not self.gaps:
            return super().log_scale(tensors)
        return ((1 - tensors[..., self.row_shape[1] :]) * np.log(self.divisor)).sum(axis=(1, 2))

    def check_values(self, rows: Rows, *, where: str) -> None:
        """Raise DataError for gaps if fit() saw none."""
        if not self.gaps and rows.dtype.kind == "f" and np.isnan(rows).any():
            raise DataError(f"{where}: values are missing, and fit() saw none that are: fill them in.")

    def within(self, rows: Rows) -> Rows:
        """Return checked rows, clipped to the range of values that the network can compute with."""
        return self._near(rows)

    def adapt_few(self, rows: Rows) -> None:
        """Series have flags and gaps: they need `adapt`."""

    def adapt(
        self,
        rows: Rows,
        *,
        first_row: int | None = 0,
        numbers: Callable[[], Rows] | None = None,
        reuse: bool = False,
    ) -> Tensor:
        """Return float32 tensors (n, *tensor_shape) of checked rows (n, *row_shape); arguments as in the base."""
        if not self.gaps:
            return super().adapt(rows, first_row=first_row, numbers=numbers, reuse=reuse)
        missing = np.isnan(rows)
        tensors = self._scaled(np.where(missing, self.offset, rows), first_row, numbers, reuse)
        return np.concatenate([tensors, missing.astype(np.float32)], axis=-1)

    def restore(self, tensors: np.ndarray[Any, Any]) -> Rows:
        """Return rows (n, *row_shape) of tensors (n, *tensor_shape), without gaps."""
        return super().restore(tensors[..., : self.row_shape[1]])
