"""Series of different lengths as one array. Windows cut from a long table are in `diabolo.data.long_table`."""

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from diabolo.errors import DataError, ShapeError
from diabolo.typing import Array, Float64Array


def is_ragged(value: object) -> TypeGuard[Sequence[Array]]:
    """Return whether a value is a list of arrays (time, channels) or (time,) that differ in length."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, np.ndarray) for each in value):
        return False
    return len({len(each) for each in value if each.ndim in (1, 2)}) > 1


def are_shorter(value: object, length: int) -> bool:
    """Return whether a value is a list of arrays (time, channels) or (time,), or an array of series below a length."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(each, np.ndarray) and each.ndim in (1, 2) for each in value)
    return isinstance(value, np.ndarray) and value.ndim == 3 and 0 < value.shape[1] < length and len(value) > 0


def padded(series: Sequence[Array], length: int | None = None) -> Float64Array:
    """Return series of different lengths as one array (n, time, channels), float64, with NaN after the end of each.

    Args:
        series: arrays (time, channels) or (time,).
        length: of the result along time; None: that of the longest series.

    Raises: ShapeError for different numbers of channels, or a series longer than `length`; DataError for a series that
        is empty or holds no numbers.
    """
    shaped = [each[:, None] if each.ndim == 1 else each for each in map(np.asarray, series)]
    channels = {each.shape[1:] for each in shaped}
    if len(channels) > 1 or any(each.ndim != 2 for each in shaped):
        raise ShapeError(
            f"all series (time, channels) must have the same number of channels, got {sorted(channels)}: pass series "
            f"with the same channels, NaN where values are missing."
        )
    for at, each in enumerate(shaped):
        if each.dtype.kind not in "biuf" or not len(each):
            raise DataError(f"series {at}: expected numbers, got {len(each)} of type {each.dtype}.")
    longest = max(len(each) for each in shaped)
    if length is not None and longest > length:
        at = max(range(len(shaped)), key=lambda place: len(shaped[place]))
        raise ShapeError(
            f"series {at} has {longest} time steps, and the longest series of fit() had {length}: pass "
            f"X[{at}][:{length}]."
        )
    rows = np.full((len(shaped), length or longest, *channels.pop()), np.nan)
    for row, each in zip(rows, shaped, strict=True):
        row[: len(each)] = each
    return rows
