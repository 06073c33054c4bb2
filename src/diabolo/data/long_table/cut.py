"""Windows that were cut from a long table, and the way back: from values of windows to the rows of the table."""

from dataclasses import dataclass

import numpy as np

from diabolo.data.long_table.counting import Count
from diabolo.data.long_table.form import SeriesForm
from diabolo.data.long_table.labels import Labels
from diabolo.errors import ShapeError
from diabolo.typing import Array, Float64Array, Int64Array, Rows


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows:
    """Pieces of equal length, cut from a long table.

    `Autoencoder.fit`, `encode` and the other verbs take them as they are; the model then knows the names of the
    channels, and how to cut another table in the same way.

    Attributes:
        rows: (n, window, channels).
        where: (n,), the entity of each piece (None without an entity column), and the time of its first row.
        count: how many rows of the table are in windows, how many are not, and why; `count.words` says it.
        labels: the names of the channels, and the time of each row.
        moments: (n, window), the numbers of the moments in each window.
        time: the column of the times, as it is called in the table.
        moment_of_row: (rows of the table,), the number of the moment of each row; -1 for a row that was left out
            because its time stands twice.
    """

    rows: Rows
    where: list[tuple[object, object]]
    count: Count
    labels: Labels
    moments: Int64Array
    time: str
    moment_of_row: Int64Array

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.rows)

    @property
    def form(self) -> SeriesForm:
        """How the windows were cut."""
        return self.labels.form

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the columns of numbers."""
        return self.form.channels

    def per_row(self, values: Array) -> Float64Array:
        """Return the mean value of each row of the table over the windows that it is in, (rows of the table,).

        Args: values: one for each window, (n,), or for each row of each window, (n, window); NaN counts for nothing.
        Returns: in the order of the table; NaN for a row that is in no window, or that has no value in any.
        Raises: ShapeError for another number of values.
        """
        values = np.asarray(values, np.float64)
        if values.shape not in (self.moments.shape, self.moments.shape[:1]):
            raise ShapeError(
                f"per_row() expected one value for each window, {self.moments.shape[:1]}, or for each row of each "
                f"window, {self.moments.shape}, got shape {values.shape}."
            )
        if values.ndim == 1:
            values = np.broadcast_to(values[:, None], self.moments.shape)
        known = ~np.isnan(values)
        return self.at_rows(mean_by(self.moments[known], values[known], self.moment_count))

    @property
    def moment_count(self) -> int:
        """The number of moments, in windows or not."""
        return 1 + max(int(self.moments.max(initial=-1)), int(self.moment_of_row.max(initial=-1)))

    def at_rows(self, by_moment: Float64Array) -> Float64Array:
        """Return values of moments, (moments, ...), as values of the rows of the table; NaN for a row without one."""
        found = by_moment[self.moment_of_row]
        found[self.moment_of_row < 0] = np.nan
        return found


def mean_by(numbers: Int64Array, values: Float64Array, count: int) -> Float64Array:
    """Return the mean of the values with each number from 0 to count - 1, (count,); NaN where there is none."""
    many = np.bincount(numbers, minlength=count)
    sums = np.bincount(numbers, values, minlength=count)
    return np.where(many > 0, sums / np.maximum(many, 1), np.nan)
