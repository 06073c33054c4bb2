"""Rows of numbers, (n, features): scaled on the way in, the scale undone on the way out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from diabolo.data.adapters.rows import Rows, aligned
from diabolo.data.adapters.statistics import LEAST, NUMBERS_AT_ONCE, Statistics
from diabolo.errors import DataError, ShapeError

# Squares of numbers beyond this, summed over a wide row, leave the range of a float32.
FARTHEST = 1e15
NEAR_ENOUGH = FARTHEST / 2  # standard deviations, for a detector that shall call such values odd, not refuse them

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class ArrayAdapter:
    """tensor = (row - offset) / scale, feature by feature, and back.

    Attributes:
        row_shape: axes of one row as the user holds it.
        dtype: what the rows were when they were learnt from; "uint8" comes back as bytes, "float64" as doubles.
        bounded: True where tensors lie in [0, 1] and rows outside were never seen.
        offset, scale: float64, one number a feature; scale 0 marks a feature that was constant, which is restored as
            it was whatever the network says, and taken in its own units if it varies later.
    """

    row_shape: tuple[int, ...]
    dtype: str
    bounded: bool
    offset: Vector
    scale: Vector

    kind: ClassVar[str] = "array"

    @classmethod
    def learn(cls, statistics: Statistics, *, scaling: str, widest: float = 1.0) -> Self:
        """Take offset and scale from the statistics of rows.

        Args: scaling: what the loss wants, see `diabolo.network.losses.Loss`; "standardise" is feature by feature,
            "widest" divides all by `widest` (see `Statistics.widest`), "mean" by the mean of all.
        """
        if scaling == "mean":
            widest = statistics.overall[0] or 1.0
        offset, scale = np.zeros_like(statistics.mean), np.full_like(statistics.mean, widest)
        if scaling == "standardise":
            scale = np.sqrt(statistics.variance)
            # What varies by rounding alone is constant, and what varies less than a file may say.
            far = np.abs(statistics.mean)
            scale = np.where(scale > np.maximum(1e-12 * far, LEAST), scale, 0.0)
            offset = np.where(scale > 0, statistics.mean, statistics.low)  # a mean of equal numbers is off by rounding
        return cls(
            row_shape=statistics.row_shape,
            dtype=str(statistics.dtype),
            bounded=scaling == "widest",
            offset=offset,
            scale=scale,
        )

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        """Axes of one row as the network takes it."""
        return self.row_shape

    @cached_property
    def _widest(self) -> np.float32:
        return np.float32(self.scale.max())

    @property
    def divisor(self) -> Vector:
        """What rows are divided by: the scale, or 1 for a feature that was constant."""
        return np.where(self.scale > 0, self.scale, 1.0)

    def log_scale(self, tensors: Rows) -> Any:
        """Return the logarithm of what each row was divided by in all, (n,) or one number for all rows."""
        scales = np.log(self.divisor)
        return scales.sum() * (math.prod(self.row_shape) / len(scales))

    def check(self, rows: Rows, *, where: str) -> None:
        """Raise ShapeError or DataError where rows are not like those that were learnt from."""
        self.check_shape(rows, where=where)
        self.check_values(rows, where=where)

    def check_shape(self, rows: Rows, *, where: str) -> None:
        """Raise ShapeError where rows have other axes than those that were learnt from."""
        if rows.shape[1:] != self.row_shape:
            one = " For one row pass row[None]." if rows.shape == self.row_shape else ""
            raise ShapeError(
                f"{where} expected {self.describe()}, got {self._words(rows.shape[1:])}. The model was fitted on rows "
                f"of shape {self.row_shape}.{one}{self._mend(rows.shape[1:])}"
            )

    def _mend(self, shape: tuple[int, ...]) -> str:
        """Return what to do where rows have another shape."""
        return ""

    def check_values(self, rows: Rows, *, where: str) -> None:
        """Raise DataError where rows hold what those that were learnt from could not."""
        if self.dtype == "uint8" and rows.dtype != np.uint8 and 0 < rows.max() <= 1 and self.gives_bytes:
            raise DataError(
                f"{where} expected bytes 0 to 255 as in fit(), got {rows.dtype} up to {float(rows.max()):.3g}: pass "
                f"(X * 255).round().astype('uint8')."
            )
        if self.bounded:
            low, high = rows.min(), rows.max()
            if low < 0 or high > self._widest:
                raise DataError(
                    f"{where} expected values from 0 to {self._widest:g} as in fit(), got {low:.3g} to {high:.3g}: "
                    f"scale or clip them, or fit with reconstruction_loss='gaussian'."
                )

    def within(self, rows: Rows) -> Rows:
        """Return checked rows with what is too far off to be computed with brought as near as need be."""
        if self.bounded:
            return rows
        return self._near(rows.reshape(-1, *self.tensor_shape)).reshape(rows.shape)

    def _near(self, values: Rows) -> Rows:
        """Return values that scale and offset fit, within what can be computed with."""
        reach = NEAR_ENOUGH * self.divisor
        low, high = self.offset - reach, self.offset + reach
        if ((low <= values) & (values <= high)).all():
            return values
        near: Rows = np.clip(values, low, high, dtype=np.float64)
        return near

    def adapt(
        self, rows: Rows, *, first_row: int | None = 0, numbers: Callable[[], Rows] | None = None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return float32 tensors (n, *tensor_shape) of checked rows (n, *row_shape).

        Args:
            rows: as the user holds them.
            first_row: rows that came before these, for the message of the DataError about values too far off; None:
                nobody knows.
            numbers: gives the number of each row instead, (n,), if they are not one behind the other.
        """
        rows = rows.reshape(-1, *self.tensor_shape)
        return self._scaled(rows, first_row, numbers)

    def _scaled(
        self, rows: Rows, first_row: int | None, numbers: Callable[[], Rows] | None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.bounded:
            return rows.astype(np.float32) / self._widest
        tensors = aligned(rows.shape, np.float32)
        # A block at a time, so that the doubles between stay in the processor's cache.
        at_once = max(1, NUMBERS_AT_ONCE // math.prod(rows.shape[1:]))
        for start in range(0, len(rows), at_once):
            block = rows[start : start + at_once]
            # In doubles until scaled: a time stamp of 1.7e9 has no room for its seconds in a float32.
            with np.errstate(over="ignore"):  # which is too far
                wide = np.subtract(block, self.offset, dtype=np.float64)
                wide /= self.divisor
            if max(wide.max(), -wide.min()) > FARTHEST:
                place = int((np.abs(wide) > FARTHEST).reshape(len(wide), -1).any(axis=1).argmax())
                number = None if first_row is None else first_row + start + place
                self._refuse_far(
                    block[place], wide[place], number if numbers is None else int(numbers()[start + place])
                )
            tensors[start : start + at_once] = wide
        return tensors

    def _refuse_far(self, row: Rows, wide: Vector, number: int | None) -> None:
        place = np.unravel_index(int((np.abs(wide) > FARTHEST).argmax()), wide.shape)
        feature = ", ".join(map(str, place))
        raise DataError(
            f"{row[place]:.3g} in {'a row' if number is None else f'row {number}'}, feature {feature}, is too far from "
            f"what fit() saw to be computed with: drop or mend the row."
        )

    def restore(self, tensors: np.ndarray[Any, np.dtype[np.float32]]) -> Rows:
        """Return rows (n, *row_shape) of tensors (n, *tensor_shape), in the type of fit() if it can hold them.

        Bytes are rounded and kept within 0 to 255, and float32 within its range; other whole numbers and booleans come
        back as float32, because a reconstruction between two of them says something.
        """
        rows: Rows = np.multiply(tensors, self.scale, dtype=np.float64)
        rows += self.offset
        rows = rows.reshape(-1, *self.row_shape)
        if self.gives_bytes:
            np.clip(np.rint(rows, out=rows), 0, 255, out=rows)
            return rows.astype(np.uint8)
        if self.dtype == "float64":
            return rows
        most = np.finfo(np.float32).max
        np.clip(rows, -most, most, out=rows)
        return rows.astype(np.float32)

    @property
    def gives_bytes(self) -> bool:
        """Whether rows come back as bytes: they came as bytes, and as more than zeros and ones."""
        return self.dtype == "uint8" and not (self.bounded and self.scale.max() == 1)

    def describe(self) -> str:
        """Return the rows in words, for messages."""
        return self._words(self.row_shape)

    @staticmethod
    def _words(shape: tuple[int, ...]) -> str:
        if len(shape) == 1:
            return f"{shape[0]} feature{'s' * (shape[0] != 1)}"
        height_width = " x ".join(map(str, shape[:2]))
        channels = f" with {shape[2]} channel{'s' * (shape[2] != 1)}" if len(shape) == 3 else ""
        return f"images of {height_width}{channels} ({math.prod(shape)} numbers)"
