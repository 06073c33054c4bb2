"""The moments of a long table: the rows of each series in the order of time, joined or resampled, divided at its gaps.

Order: all series, one series, times that stand twice.
"""

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from diabolo.data import memory
from diabolo.data.long_table.form import Limits, SeriesForm, Spelling
from diabolo.data.long_table.table import LongTable
from diabolo.errors import DataError
from diabolo.typing import Array, BoolArray, Float64Array, Int64Array

ROOM = 3  # copies of the values that cutting holds: the moments, the windows, one more while they are gathered
DAY, NIGHT = 86400, 4 * 3600  # seconds of a day, and of its part in which clocks are put back


class Moments(NamedTuple):
    """The moments of all series, one after the other.

    Attributes:
        ticks, values, present: as for one series.
        series: (moments,), the number of the entity of each moment.
        starts: (parts,), the first moment of each part of a series that no gap divides.
        of_row: (rows,), the moment of each row of the table; -1 for a row that was left out.
        entities: the entities.
        gaps: (gaps,), their lengths in ticks.
        limits: what the gaps of each entity are longer than, in ticks.
        median: the median step over all series, in ticks.
        merged: the number of rows that share their moment with an earlier one.
    """

    ticks: Array
    values: Float64Array
    present: BoolArray
    series: Int64Array
    starts: Int64Array
    of_row: Int64Array
    entities: list[Hashable]
    gaps: Array
    limits: set[float]
    median: float
    merged: int

    @property
    def lengths(self) -> Int64Array:
        """The number of moments of each part."""
        return np.diff(np.append(self.starts, len(self.ticks)))


def moments_of(table: LongTable, form: SeriesForm, allowed: Limits, spelt: Spelling) -> Moments:
    """Sort each series, join rows of one moment, and divide it at its gaps. Raises DataError for a time twice."""
    if not form.duplicates and not form.resample:
        _refuse_twice(table, spelt)
    room = memory.free() // (ROOM * 8 * (len(form.channels) + 4))
    of_row, found, count = np.full(len(table.times.ticks), -1, np.int64), list[_Series](), 0
    starts = list[Int64Array]()
    for members in table.groups.values():
        order = members[np.argsort(table.times.ticks[members], kind="stable")]
        try:
            own = _series(table.times.ticks[order], table.values[order], form, allowed, room - count)
        except MemoryError:
            raise DataError(
                f"{table.where}: the moments of the resampled series take more memory than is free: give a longer "
                f"{spelt.setting('resample')}, or a shorter {spelt.setting('max_gap')}."
            ) from None
        of_row[order] = np.where(own.place < 0, -1, own.place + count)
        starts.append(own.starts + count)
        found.append(own)
        count += len(own.ticks)
    steps = np.concatenate([each.steps for each in found])
    present = np.concatenate([each.present for each in found])
    return Moments(
        ticks=np.concatenate([each.ticks for each in found]),
        values=np.concatenate([each.values for each in found]),
        present=present,
        series=np.repeat(np.arange(len(found)), [len(each.ticks) for each in found]),
        starts=np.concatenate(starts),
        of_row=of_row,
        entities=list(table.groups),
        gaps=np.concatenate([each.gaps for each in found]),
        limits={each.limit for each in found if each.limit is not None and len(each.gaps)},
        median=float(np.median(steps)) if len(steps) else 0.0,
        merged=int((of_row >= 0).sum()) - int(present.sum()),
    )


class _Series(NamedTuple):
    """The moments of one entity, with those that have no row where it is resampled.

    Attributes:
        ticks: (moments,), their times.
        values: (moments, channels), NaN where none is known.
        present: (moments,), whether the moment has a row.
        starts: (parts,), the first moment of each part that no gap divides.
        place: (rows of the entity in the order of time,), the moment of each; -1 for one that is left out.
        gaps: (gaps,), their lengths in ticks.
        limit: what every gap is longer than, in ticks; None: there are no gaps.
        steps: the steps between different times, in ticks.
    """

    ticks: Array
    values: Float64Array
    present: BoolArray
    starts: Int64Array
    place: Int64Array
    gaps: Array
    limit: float | None
    steps: Array


def _series(times: Array, values: Float64Array, form: SeriesForm, allowed: Limits, room: int) -> _Series:
    """Return the moments of one entity. Raises MemoryError for more than `room`.

    Args: times: (rows,), sorted; values: (rows, channels).
    """
    steps = np.diff(times)
    steps = steps[steps > 0]
    place = np.arange(len(times))
    if form.duplicates:
        times, values, place = _joined(times, values, form.duplicates)
    if allowed.resample is None:
        longest = allowed.gap
        if longest is None and allowed.median_steps is not None and len(times) > 1:
            longest = allowed.median_steps * float(np.median(np.diff(times)))
        step = np.diff(times)
        cuts = np.flatnonzero(step > longest) if longest is not None else np.zeros(0, np.int64)
        starts = np.concatenate([[0], cuts + 1]).astype(np.int64)
        return _Series(times, values, np.ones(len(times), bool), starts, place, step[cuts], longest, steps)
    width = allowed.resample if times.dtype.kind == "f" else int(allowed.resample)
    bins, values, again = _joined(np.floor_divide(times, width).astype(np.int64), values, "mean")
    place = np.where(place < 0, -1, again[place])
    step = np.diff(bins)
    cuts = np.flatnonzero(step * width > allowed.gap) if allowed.gap is not None else np.zeros(0, np.int64)
    first, last = np.concatenate([[0], cuts + 1]).astype(np.int64), np.concatenate([cuts, [len(bins) - 1]])
    lengths = bins[last.astype(np.int64)] - bins[first] + 1
    if float(lengths.sum(dtype=np.float64)) > room:
        raise MemoryError
    starts = np.cumsum(lengths) - lengths
    # From the place among moments with a row to the place among all moments.
    part = np.searchsorted(first, np.arange(len(bins)), side="right") - 1
    at = starts[part] + bins - bins[first[part]]
    total = int(lengths.sum())
    filled, present = np.full((total, values.shape[1]), np.nan), np.zeros(total, bool)
    filled[at], present[at] = values, True
    every = np.arange(total) - np.repeat(starts, lengths) + np.repeat(bins[first], lengths)
    place = np.where(place < 0, -1, at[place])
    return _Series(every * width, filled, present, starts, place, step[cuts] * width, allowed.gap, steps)


class _Joined(NamedTuple):
    times: Array  # (moments,), each once
    values: Float64Array  # (moments, channels)
    place: Int64Array  # (rows,), the moment of each row; -1 for a row that is left out


def _joined(times: Array, values: Float64Array, how: str) -> _Joined:
    """Return each time once, with the values of its first row or the mean of those that are there.

    Args: times: (rows,), sorted; values: (rows, channels); how: "first" or "mean".
    """
    again = np.concatenate([[False], times[1:] == times[:-1]])
    place = np.cumsum(~again) - 1
    if not again.any():
        return _Joined(times, values, place)
    if how == "first":
        return _Joined(times[~again], values[~again], np.where(again, -1, place))
    starts, known = np.flatnonzero(~again), ~np.isnan(values)
    many = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    sums = np.add.reduceat(np.where(known, values, 0), starts, axis=0)
    return _Joined(times[~again], np.where(many > 0, sums / np.maximum(many, 1), np.nan), place)


def _refuse_twice(table: LongTable, spelt: Spelling) -> None:
    """Raise DataError if two rows of one entity have the same time, with what can be done about it."""
    ticks, clock, twice = table.times.ticks, table.times.clock, list[Int64Array]()
    first: tuple[Hashable, int, int] | None = None
    for entity, members in table.groups.items():
        order = members[np.argsort(ticks[members], kind="stable")]
        again = np.flatnonzero(ticks[order][1:] == ticks[order][:-1]) + 1
        twice.append(order[again])
        if len(again) and first is None:
            first = entity, int(order[again[0] - 1]), int(order[again[0]])
    if first is None:
        return
    entity, before, after = first
    rows = np.concatenate(twice)
    of = "" if entity is None else f" of {entity!r:.40}"
    many = "" if len(rows) == 1 else f", and {len(rows) - 1:,} more such row{'s' * (len(rows) != 2)}"
    remedy = f"{spelt.setting('duplicates', 'first')} keeps the first, {spelt.setting('duplicates', 'mean')} the mean"
    if entity is None and len(rows) > len(ticks) // 4:
        remedy += f"; if the rows are of several series, {spelt.setting('entity', 'COLUMN')} tells them apart"
    elif _may_be_clocks_put_back(table, rows):
        remedy += (
            f"; if clocks were put back, {spelt.setting('zone', 'Europe/Berlin')} (the zone of the times) tells them "
            f"apart"
        )
    raise DataError(
        f"{table.where}: {table.time} {clock.texts(ticks[[before]])[0]:.40}{of} occurs twice (rows {before} and "
        f"{after}){many}: {remedy}."
    )


def _may_be_clocks_put_back(table: LongTable, rows: Int64Array) -> bool:
    """Return whether times are local, stand twice at night only, and run backward there, or once a night.

    Args: rows: the numbers of those whose time stood before.
    """
    import pyarrow as pa

    clock = table.times.clock
    if not pa.types.is_timestamp(clock.arrow) or clock.arrow.tz:
        return False
    seconds = table.times.ticks // (clock.per_second or 1)
    backward = any((np.diff(seconds[members]) < 0).any() for members in table.groups.values())
    once = len(np.unique(seconds[rows] // DAY)) == len(rows)
    return bool((seconds[rows] % DAY < NIGHT).all()) and (backward or once)
