"""Rows of numbers, (n, features): scaled on the way in, the scale undone on the way out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from diabolo.data.adapters.affine import Affine, to_float32
from diabolo.data.adapters.base import Adapter, Scaling, Tensor, Vector
from diabolo.data.adapters.rows import Rows, aligned
from diabolo.data.adapters.statistics import LEAST, NUMBERS_AT_ONCE, ROUNDING, Statistics
from diabolo.errors import DataError, ShapeError

# Squares of numbers beyond this, summed over a wide row, leave the range of a float32.
FARTHEST = 1e15
NEAR_ENOUGH = FARTHEST / 2  # standard deviations, to which a detector clips such values instead of refusing them


@dataclass(frozen=True, kw_only=True)
class ArrayAdapter(Adapter):
    """tensor = (row - offset) / scale, feature by feature, and back.

    Attributes:
        row_shape: axes of one row as the user holds it.
        dtype: the type of the rows in fit(); "uint8" is restored as bytes, "float64" as doubles.
        bounded: whether tensors lie in [0, 1], and fit() saw no rows outside.
        offset, scale: float64, one number a feature; scale 0 marks a feature that was constant, which is restored as
            it was whatever the network returns, and is not scaled if it varies later.
    """

    row_shape: tuple[int, ...]
    dtype: str
    bounded: bool
    offset: Vector
    scale: Vector

    kind: ClassVar[str] = "array"

    @classmethod
    def learn(cls, statistics: Statistics, *, scaling: str, widest: float = 1.0) -> Self:
        """Return the adapter with offset and scale from the statistics of rows.

        Args: scaling: what the loss needs, see `diabolo.network.losses.Loss`; "standardise" is feature by feature,
            "widest" divides all by `widest` (see `Statistics.widest`), "mean" by the mean of all.
        """
        if scaling == "mean":
            widest = statistics.overall[0] or 1.0
        offset, scale = np.zeros_like(statistics.mean), np.full_like(statistics.mean, widest)
        if scaling == "standardise":
            scale = np.sqrt(statistics.variance)
            # Features that vary by rounding only are constant, and so are those that vary less than a file may state.
            far = np.abs(statistics.mean)
            scale = np.where(scale > np.maximum(ROUNDING * far, LEAST), scale, 0.0)
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

    @property
    def gaps(self) -> bool:
        """No value may be missing."""
        return False

    @cached_property
    def _widest(self) -> np.float32:
        return np.float32(self.scale.max())

    @cached_property
    def _affine(self) -> Affine:
        return Affine(self.offset, self.divisor, self.scale)

    @property
    def largest(self) -> float:
        """The largest scale."""
        return float(self.scale.max())

    @property
    def divisor(self) -> Vector:
        """The number that rows are divided by: the scale, or for a feature that was constant 1, or its rounding."""
        return np.where(self.scale > 0, self.scale, np.maximum(1.0, ROUNDING * np.abs(self.offset)))

    @property
    def scaling_of_bytes(self) -> Scaling | None:
        """Offset and divisor, if the rows of fit() were bytes."""
        return Scaling(self.offset, self.divisor) if self.dtype == "uint8" else None

    def unit(self, scaling: str) -> str:
        """As the base; sparse rows have no offset."""
        if scaling == "standardise" and not self.offset.any():
            return "in quadratic means of the values that are not 0"
        return super().unit(scaling)

    def to_arrays(self) -> dict[str, Vector]:
        """Offset and scale."""
        return {"offset": self.offset, "scale": self.scale}

    def log_scale(self, tensors: Rows) -> Any:
        """Return the logarithm of the product of the divisors of each row, (n,), or one number for all rows."""
        scales = np.log(self.divisor)
        return scales.sum() * (math.prod(self.row_shape) / len(scales))

    def check_shape(self, rows: Rows, *, where: str) -> None:
        """Raise ShapeError if rows have other axes than those of fit()."""
        if rows.shape[1:] != self.row_shape:
            one = " For one row pass row[None]." if rows.shape == self.row_shape else ""
            raise ShapeError(
                f"{where} expected {self.describe()}, got {self._words(rows.shape[1:])}. The model was fitted on rows "
                f"of shape {self.row_shape}.{one}{self._remedy(rows.shape[1:])}"
            )

    def _remedy(self, shape: tuple[int, ...]) -> str:
        """Return what to do with rows of another shape, as the end of a message."""
        return ""

    def check_values(self, rows: Rows, *, where: str) -> None:
        """Raise DataError if rows hold values that the rows of fit() could not."""
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
        """Return checked rows, clipped to the range of values that the network can compute with."""
        if self.bounded:
            return rows
        return self._near(rows.reshape(-1, *self.tensor_shape)).reshape(rows.shape)

    def _near(self, values: Rows) -> Rows:
        """Return values clipped to those that can be computed with."""
        reach = NEAR_ENOUGH * self.divisor
        low, high = self.offset - reach, self.offset + reach
        if ((low <= values) & (values <= high)).all():
            return values
        near: Rows = np.clip(values, low, high, dtype=np.float64)
        return near

    def is_identity(self, rows: Rows) -> bool:
        """Whether the tensors of these rows are the rows themselves: floats in [0, 1]."""
        return self.bounded and self._widest == 1 and rows.dtype == np.float32 and rows.flags.c_contiguous

    def adapt_few(self, rows: Rows) -> Tensor | None:
        """Return the tensors of a few floats (n, *row_shape) without delay; None: they need `check` and `adapt`.

        A call for one row takes as long as these checks do.
        """
        if rows.shape[1:] != self.row_shape or rows.dtype.char not in "fd" or not self.dtype.startswith("float"):
            return None
        if not self.bounded:
            few = self._affine.few_scaled(rows)
            return None if few is None else few.reshape(-1, *self.tensor_shape)
        if rows.min() >= 0 and rows.max() <= self._widest and rows.dtype == self.dtype:
            return np.divide(rows, self._widest, dtype=np.float32).reshape(-1, *self.tensor_shape)
        return None

    def adapt(
        self,
        rows: Rows,
        *,
        first_row: int | None = 0,
        numbers: Callable[[], Rows] | None = None,
        reuse: bool = False,
    ) -> Tensor:
        """Return float32 tensors (n, *tensor_shape) of checked rows (n, *row_shape); arguments as in the base."""
        rows = rows.reshape(-1, *self.tensor_shape)
        return self._scaled(rows, first_row, numbers, reuse)

    def _scaled(self, rows: Rows, first_row: int | None, numbers: Callable[[], Rows] | None, reuse: bool) -> Tensor:
        if self.bounded:
            if self.is_identity(rows):
                same = rows.view()
                same.flags.writeable = False
                return same
            return np.divide(rows, self._widest, dtype=np.float32)
        at_once = max(1, NUMBERS_AT_ONCE // math.prod(rows.shape[1:]))
        if len(rows) <= at_once:
            return self._block(rows, 0, first_row, numbers)
        reuse = reuse and rows.dtype == np.float32 and rows.flags.writeable
        tensors = rows if reuse else aligned(rows.shape, np.float32)
        # A block at a time, so that it stays in the processor's cache.
        for start in range(0, len(rows), at_once):
            part = slice(start, start + at_once)
            there = None if reuse else tensors[part]
            found = self._block(rows[part], start, first_row, numbers, there)
            if found is not there:
                tensors[part] = found
        return tensors

    def _block(
        self,
        rows: Rows,
        start: int,
        first_row: int | None,
        numbers: Callable[[], Rows] | None,
        out: Rows | None = None,
    ) -> Tensor:
        """Return the tensors of some rows, `start` rows after the first, perhaps in `out`; others as for `adapt`."""
        tensors = self._affine.scaled(rows, out)
        if tensors is not None:
            return tensors
        with np.errstate(over="ignore"):  # overflow is refused below
            wide = np.subtract(rows, self.offset, dtype=np.float64)
            wide /= self.divisor
        if max(wide.max(), -wide.min()) > FARTHEST:
            place = int((np.abs(wide) > FARTHEST).reshape(len(wide), -1).any(axis=1).argmax())
            number = None if first_row is None else first_row + start + place
            self._refuse_far(rows[place], wide[place], number if numbers is None else int(numbers()[start + place]))
        return wide.astype(np.float32)

    def _refuse_far(self, row: Rows, wide: Vector, number: int | None) -> None:
        place = np.unravel_index(int((np.abs(wide) > FARTHEST).argmax()), wide.shape)
        feature = ", ".join(map(str, place))
        raise DataError(
            f"{'a row' if number is None else f'row {number}'}, feature {feature}: {row[place]:.3g} is too far from "
            f"the rows of fit() for the network (float32): correct the value, or drop the row."
        )

    def restore(self, tensors: np.ndarray[Any, Any]) -> Rows:
        """Return rows (n, *row_shape) of tensors (n, *tensor_shape), in the type of fit() if it can hold them.

        Bytes are rounded and clipped to 0 to 255, images of uint16 to 0 to 65,535, and float32 to its range; other
        whole numbers and booleans are restored as float32, because a reconstruction between two of them is informative.
        """
        if self.bounded and self._widest == 1 and self.dtype == "float32" == tensors.dtype:
            return tensors.reshape(-1, *self.row_shape)
        at_once = max(1, NUMBERS_AT_ONCE // math.prod(tensors.shape[1:]))
        if len(tensors) <= at_once:
            return self._restored(tensors)
        rows = np.empty((len(tensors), *self.row_shape), self._restored(tensors[:1]).dtype)
        for start in range(0, len(tensors), at_once):
            rows[start : start + at_once] = self._restored(tensors[start : start + at_once])
        return rows

    def _restored(self, tensors: np.ndarray[Any, Any]) -> Rows:
        rows = self._affine.restored(tensors).reshape(-1, *self.row_shape)
        if self.gives_bytes:
            np.clip(np.rint(rows, out=rows), 0, 255, out=rows)
            return rows.astype(np.uint8)
        if self.gives_16_bits:
            np.clip(np.rint(rows, out=rows), 0, 65_535, out=rows)
            return rows.astype(np.uint16)
        return rows if self.dtype == "float64" else to_float32(rows)

    @property
    def gives_bytes(self) -> bool:
        """Whether rows are restored as bytes: they were bytes in fit(), and not only zeros and ones."""
        return self.dtype == "uint8" and not (self.bounded and self.scale.max() == 1)

    @property
    def gives_16_bits(self) -> bool:
        """Whether rows are restored as uint16: images that were in fit(), and not only zeros and ones."""
        return False

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
