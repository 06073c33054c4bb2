"""The error of each moment of a long table, from the windows that it is in.

The error of a moment is the mean squared error of its values, in variances of their channels: 1 is what the mean of a
channel would have. A moment that is in several windows has several reconstructions; their errors are averaged.
"""

from typing import NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.long_table.cut import Windows, mean_by
from diabolo.data.long_table.cutting import windows_like
from diabolo.errors import DataError
from diabolo.missing import names_missing
from diabolo.model.model import Model
from diabolo.model.rows import refuse_other_channels
from diabolo.typing import Float64Array, Int64Array

WINDOWS_AT_ONCE = 4_096


class Moments(NamedTuple):
    """What a model says about the moments of a long table.

    Attributes:
        errors: (moments,), the mean squared error over the channels; NaN where no value is known.
        by_channel: (moments, channels).
        values: (moments, channels), as they are in the windows.
        expected: (moments, channels), the mean of the reconstructions.
    """

    errors: Float64Array
    by_channel: Float64Array
    values: Float64Array
    expected: Float64Array


def cut_like(model: Model, X: object, *, where: str) -> Windows:
    """Return windows of a long table, cut as those of fit(); windows as they are.

    Raises: DataError for a model that was not fitted on windows of a long table, or anything that is neither.
    """
    if model.series is None:
        raise DataError(
            f"{where} needs a model of windows with names and times: fit it to what windows() returns, or to the .npz "
            f"file that `diabolo windows` writes."
        )
    if isinstance(X, Windows):
        return X
    if not frames.is_frame(X):
        raise DataError(f"{where} expected windows or a long table as a frame, got {type(X).__name__}.")
    return windows_like(X, model.series, where=where)


def moments(model: Model, cut: Windows, *, where: str) -> Moments:
    """Return the errors of all moments, with their values and what was expected in their place.

    Raises: DataError, ShapeError for windows that the model cannot take.
    """
    channels, count = len(cut.channels), cut.moment_count
    numbers, cells = list[Int64Array](), list[Float64Array]()
    for start in range(0, len(cut), WINDOWS_AT_ONCE):
        rows = model.checked(cut.rows[start : start + WINDOWS_AT_ONCE], where=where, first_row=start)
        errors = np.square(model.residuals(rows, where=where), dtype=np.float64).reshape(rows.shape)
        errors[np.isnan(rows)] = np.nan
        expected = np.asarray(model.reconstruct(rows, where=where), np.float64)
        cells.append(np.stack([errors, expected, np.asarray(rows, np.float64)], axis=-1).reshape(-1, channels, 3))
        numbers.append(cut.moments[start : start + WINDOWS_AT_ONCE].reshape(-1))
    at, every = np.concatenate(numbers), np.concatenate(cells)
    means = np.full((3, count, channels), np.nan)
    for channel in range(channels):
        for which in range(3):
            values = every[:, channel, which]
            known = ~np.isnan(values)
            means[which, :, channel] = mean_by(at[known], values[known], count)
    errors, expected, values = means
    known = ~np.isnan(errors)
    many = known.sum(axis=1)
    whole = np.where(many > 0, np.where(known, errors, 0).sum(axis=1) / np.maximum(many, 1), np.nan)
    return Moments(whole, errors, values, expected)


@names_missing
def error_of_rows(model: Model, X: object, *, where: str) -> Float64Array:
    """Return the error of each row of a long table, (n,), in its order; NaN for a row that is in no window."""
    cut = cut_like(model, X, where=where)
    refuse_other_channels(model, cut, where=where)
    return cut.at_rows(moments(model, cut, where=where).errors)
