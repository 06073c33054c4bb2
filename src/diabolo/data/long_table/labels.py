"""The names of windows: of their channels, the time of each of their rows, and their entity."""

from typing import NamedTuple

import numpy as np

from diabolo.data.long_table.form import SeriesForm
from diabolo.data.long_table.times import Clock
from diabolo.typing import Array


class Labels(NamedTuple):
    """The names of n windows.

    Attributes:
        form: how they were cut, with the names of the channels.
        clock: what the numbers of the times mean.
        entities: (n,) texts, the entity of each window, empty if there is only one series.
        ticks: (n, window), the time of each row, as numbers.
    """

    form: SeriesForm
    clock: Clock
    entities: Array
    ticks: Array

    def take(self, chosen: Array) -> "Labels":
        """Return the names of some windows. Args: chosen: their numbers, or for each window whether it is chosen."""
        return self._replace(entities=self.entities[chosen], ticks=self.ticks[chosen])

    def window(self, number: int) -> str:
        """Return the name of a window: its entity and the time of its first row."""
        entity, start = str(self.entities[number]), self.moment(number, 0)
        return f"{entity}, {start}" if entity else start

    def moment(self, number: int, place: int) -> str:
        """Return the time of a row of a window as text."""
        return self.clock.texts(self.ticks[number, place : place + 1])[0]

    def times(self, number: int) -> Array:
        """Return the times of a window, (window,): datetime64 in local time, or numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        moments = self.clock.moments(self.ticks[number])
        if pa.types.is_timestamp(moments.type) and moments.type.tz:
            moments = pc.local_timestamp(moments)
        if not (pa.types.is_timestamp(moments.type) or self.clock.per_second is None):
            return np.asarray(self.ticks[number] / self.clock.per_second)
        return np.asarray(moments.to_numpy(zero_copy_only=False))
