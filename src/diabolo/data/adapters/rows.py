"""Which arguments are rows: the check that all user data passes."""

import math
import numbers
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

import numpy as np

from diabolo.errors import DataError, NoNumberError, ShapeError

Rows = np.ndarray[Any, Any]

ROWS_AT_ONCE = 2048
NUMBERS_AT_ONCE = 1 << 20


def check_rows(X: Any, *, where: str) -> Rows:
    """Return X as a numeric array (n, ...) of finite numbers, n >= 1, of two to four axes.

    Arrays are copied or cast only from another byte order, from doubles of more than 8 bytes, and from objects.

    Args: where: the caller, which begins a message ("fit()").
    Raises: ShapeError for a wrong number of axes, or without rows or features; DataError for None, text, objects that
        are not numbers, complex numbers, NaN, infinity.
    """
    rows = as_rows(X, where=where)
    check_finite(rows, where)
    return rows


def of_columns(columns: Sequence[Rows], count: int, dtype: Any = np.float64) -> Rows:
    """Return columns (count,) next to each other, (count, columns)."""
    rows = np.empty((count, len(columns)), dtype)
    # In blocks, so that the rows that are written column by column stay in the processor's cache.
    for start in range(0, count, ROWS_AT_ONCE):
        for place, column in enumerate(columns):
            rows[start : start + ROWS_AT_ONCE, place] = column[start : start + ROWS_AT_ONCE]
    return rows


def has_gaps(rows: Rows) -> bool:
    """Whether a table (n, features) has missing cells: NaN."""
    if rows.ndim != 2 or rows.dtype.kind != "f":
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isnan(rows.sum(dtype=np.float64)) and np.isnan(rows).any())


def unmasked(X: Any) -> Rows:
    """Return a masked array as floats with NaN where it is masked."""
    rows: Rows = np.ma.asarray(X, np.float64).filled(np.nan)
    return rows


def check_no_infinity(values: Rows, where: str, first_row: int = 0) -> None:
    """Raise DataError with the first place of infinity; NaN is a missing cell."""
    infinite = np.isinf(values)
    if infinite.any():
        place = np.unravel_index(int(infinite.argmax()), values.shape)
        shifted = (int(place[0]) + first_row, *place[1:])
        raise DataError(
            f"{where} expected finite numbers, got {int(infinite.sum()):,} that are infinite; the first in "
            f"{_at(shifted)}. Drop those rows or correct them first."
        )


def as_rows(X: Any, *, where: str) -> Rows:
    """Return X as `check_rows` does, without checking the numbers."""
    if X is None or isinstance(X, (Mapping, Set)):
        instead = ": pass pandas.DataFrame(X)" if isinstance(X, Mapping) else ""
        got = "None" if X is None else f"a {type(X).__name__}"
        raise DataError(f"{where} expected rows, such as an array (n, features) or a frame, got {got}{instead}.")
    if is_arrow_stream(X):
        raise DataError(f"{where} expected an array or a frame, got a {type(X).__name__}: pass pyarrow.table(X).")
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise DataError(f"{where} expected a dense array, got a sparse matrix: pass X.toarray().")
    if np.ma.is_masked(X):
        X = unmasked(X)
    if type(X).__name__ == "LazyFrame":
        raise DataError(f"{where} expected a frame that is read, got a LazyFrame: pass X.collect().")
    try:
        rows = np.asarray(X)
    except ValueError as error:
        raise ShapeError(f"{where} expected rows of one length, got rows of several ({error}).") from error
    if rows.dtype.names is not None:
        raise DataError(
            f"{where} expected an array of numbers, got one of the fields {', '.join(rows.dtype.names):.60}: pass a "
            f"frame, pandas.DataFrame(X)."
        )
    if rows.dtype.kind in "OUSV":
        rows = as_floats(rows, where)
    if rows.dtype.kind not in "biuf":
        hint = " Complex data not supported." if rows.dtype.kind == "c" else ""
        raise DataError(f"{where} expected real numbers, got {rows.dtype}.{hint}")
    # Other byte orders and longer doubles are read by few libraries.
    if not rows.dtype.isnative or rows.dtype.itemsize > 8:
        rows = rows.astype(np.float64 if rows.dtype.itemsize > 8 else rows.dtype.newbyteorder("="))
    if rows.ndim == 1:
        raise ShapeError(
            f"{where} expected rows (n, features) or images (n, height, width[, channels]), got one axis of "
            f"{rows.size}. Reshape your data: one row is row[None], one feature is column[:, None]."
        )
    if not rows.ndim:
        raise ShapeError(f"{where} expected rows, such as an array (n, features) or a frame, got a single value.")
    if rows.ndim not in (2, 3, 4):
        raise ShapeError(
            f"{where} expected rows (n, features) or images (n, height, width[, channels]), got {rows.ndim} axes."
        )
    if rows.ndim == 2 and not rows.shape[1]:
        # In scikit-learn's words, which its checks look for.
        raise ShapeError(f"{where} got 0 feature(s) (shape={rows.shape}) while a minimum of 1 is required.")
    if rows.size == 0:
        raise ShapeError(
            f"{where} expected at least 1 row and 1 feature, got shape {rows.shape}: pass rows (n, features)."
        )
    return rows


def is_arrow_stream(X: Any) -> bool:
    """Whether X gives a table by Arrow's protocol only, as a relation of DuckDB does."""
    return hasattr(X, "__arrow_c_stream__") and not hasattr(X, "__array__") and not hasattr(X, "column_names")


NUMBERS = (numbers.Real, Decimal, np.bool_)


def as_floats(rows: Rows, where: str) -> Rows:
    """Return objects that are all numbers as floats. Raises DataError, NoNumberError with the first that is not."""
    place, value = next(
        ((place, value) for place, value in np.ndenumerate(rows) if not isinstance(value, NUMBERS)), ((), None)
    )
    if value is None and not place and rows.dtype.kind == "O":
        try:
            return rows.astype(np.float64)
        except (OverflowError, ValueError):  # a whole number or a signalling NaN that a double cannot hold
            place, value = next((place, value) for place, value in np.ndenumerate(rows) if not _fits(value))
            raise DataError(
                f"{where} expected numbers that fit a double, got {value!r:.40} in {_at(place)}: rescale the column, "
                f"or drop the row."
            ) from None
    if isinstance(value, (str, bytes)):
        raise DataError(
            f"{where} expected numbers, got {str(value)!r:.40} in {_at(place)}: turn text into numbers, or pass a "
            f"frame."
        )
    # scikit-learn's checks look for some of these words.
    raise NoNumberError(
        f"{where} expected numbers, got {str(value)!r:.40} ({type(value).__name__}) in {_at(place)}: each cell of the "
        f"argument must be a number, or NaN where it is missing; pass strings and numbers together as a frame."
    )


def _fits(value: Any) -> bool:
    try:
        float(value)
    except (OverflowError, ValueError):
        return False
    return True


def check_finite(values: Rows, where: str, first_row: int = 0) -> None:
    """Raise DataError with the count and the first place of NaN and infinity; `first_row` rows came before these."""
    if values.dtype.kind != "f":
        return
    # A sum finds them in most cases without a mask as large as the data; it may also overflow.
    if values.dtype == np.float32 and values.flags.c_contiguous:
        flat = values.reshape(-1)
        if np.isfinite(np.vdot(flat, flat)):
            return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    bad = ~np.isfinite(values)
    count = int(bad.sum())
    if count:
        place = np.unravel_index(int(bad.argmax()), values.shape)
        what = "NaN" if np.isnan(values[place]) else "infinity"
        shifted = (int(place[0]) + first_row, *place[1:])
        raise DataError(
            f"{where} expected finite numbers, got {count:,} that are not; the first is {what} in {_at(shifted)}. "
            f"Drop those rows or fill them in first."
        )


def _at(place: tuple[Any, ...]) -> str:
    names = ("row", "column") if len(place) == 2 else ("row", "y", "x", "channel")
    return ", ".join(f"{name} {int(index)}" for name, index in zip(names, place, strict=False)) or "the data"


def aligned(shape: tuple[int, ...], dtype: Any) -> Rows:
    """Return an array aligned to 64 bytes, which TensorFlow uses without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    rows: Rows = raw[start : start + size].view(dtype).reshape(shape)
    return rows


def taken(rows: Rows, numbers: Rows) -> Rows:
    """Return the rows with these numbers, where TensorFlow can use them without a copy."""
    found = aligned((len(numbers), *rows.shape[1:]), rows.dtype)
    # In blocks, because NumPy makes a copy of all of them first, or of rows that lie column by column.
    at_once = max(1, NUMBERS_AT_ONCE // max(1, math.prod(rows.shape[1:])))
    for start in range(0, len(numbers), at_once):
        found[start : start + at_once] = rows[numbers[start : start + at_once]]
    return found
