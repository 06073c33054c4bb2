"""Windows cut from a long table, one row for each point in time.

Order: the function, the columns of the table, the moments of each series, cutting, the report of rows left out.
"""

import logging
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import frames, memory
from diabolo.data.frames import texts
from diabolo.data.frames.cells import as_texts
from diabolo.data.frames.learning import UNNAMED
from diabolo.data.long_table.columns import channel_of, is_text
from diabolo.data.long_table.counting import Count
from diabolo.data.long_table.cut import Windows
from diabolo.data.long_table.form import AUTO, MEDIAN_STEPS, Gap, Given, Limits, SeriesForm, Spelling, checked, limits
from diabolo.data.long_table.labels import Labels
from diabolo.data.long_table.times import Clock, Times, in_zone, times_of
from diabolo.errors import DataError, OptionError, unknown
from diabolo.typing import Array, ArrowArray, BoolArray, Float64Array, Frame, Int64Array

HALF_FULL = 0.5  # the least share of moments with a row in a window of resampled moments
SAMPLE = 1_000  # rows of a column of texts that show whether it holds dates
ROOM = 3  # copies of the values that cutting holds: the moments, the windows, one more while they are gathered
DAY, NIGHT = 86400, 4 * 3600  # seconds of a day, and of its part in which clocks are put back

logger = logging.getLogger(__name__)


def windows(
    frame: Frame,
    *,
    time: str | None = None,
    entity: str | None = None,
    window: int,
    step: int | None = None,
    max_gap: Gap = AUTO,
    duplicates: str | None = None,
    resample: object = None,
    zone: str | None = None,
    dates: str = "",
    where: str = "windows()",
    how: frames.Cells | None = None,
) -> Windows:
    """Cut a long table, one row a moment, into windows that span neither two entities nor a gap in time.

    Args:
        frame: of pandas, polars or pyarrow; all columns but `time` and `entity` are channels, and must be numbers.
        time: the column of the time, or the name of the index of a pandas frame; None: an index of times, else the
            only column of dates. Rows are sorted by it.
        entity: the column that identifies the machine, patient or sensor; None: there is only one.
        window: rows in a window.
        step: rows from the start of a window to that of the next; None: as many as a window has.
        max_gap: a longer step in time is a gap, which no window spans: a duration ("10min", a timedelta) or a number of
            median steps of the entity (with `resample`, of its steps); None: there are no gaps, as in a table of
            working days; "auto": 1.5 median steps, with `resample` half a window.
        duplicates: what to do with rows of one entity that have the same time: "first" keeps the first in the order of
            the table, "mean" averages them; None: they are refused.
        resample: the time between two moments, such as "5min", or for times that are numbers a number: rows are
            averaged over steps of it, counted from 1970 (or 0), and a moment without a row is missing (NaN). Windows
            of which less than half of the moments have a row are left out.
        zone: the time zone of local times without one, such as "Europe/Berlin", in which the hour that stands twice
            when daylight-saving time ends is told apart by the order of the rows.
        dates: the format of times that are texts, as for strptime; empty: found from the texts.
        where: the caller, to begin a message with.
        how: how texts in cells are read; from a command line, messages name its options.

    Returns: the windows; `count.words` of them says how many rows are in windows and why the others are not. Rows that
        are in no window because of gaps or short series are counted in a warning as well.
    Raises: DataError for times that occur twice or are missing, channels that are not numbers, series that are all too
        short, windows that do not fit in memory; OptionError for columns that do not exist.
    """
    how = how or frames.Cells()
    how = how._replace(dates=dates or how.dates)
    how.check()
    typed = how.typed
    given = Given(window, step, max_gap, duplicates, resample, zone, typed)
    checked(channels=(), time="", entity="", given=given)
    frame = frames.from_arrow(frame)
    if not frames.is_frame(frame):
        raise DataError(f"windows() expected a frame of pandas, polars or pyarrow, got {type(frame).__name__}.")
    spelt = Spelling(typed)
    named = _named_time(frame, time, entity, spelt)
    channels = tuple(name for name in named.names if name not in (named.time, entity))
    unnamed = [name for name in channels if UNNAMED.fullmatch(name)]
    if unnamed:
        logger.warning("%s: left out %s, an index without a name", where, ", ".join(map(repr, unnamed)))
        channels = tuple(name for name in channels if name not in unnamed)
    form = checked(channels=channels, time=named.written, entity=entity or "", given=given)
    return _windows(named.frame, named.time, form, where, how)


def windows_like(frame: Frame, form: SeriesForm, *, where: str, how: frames.Cells | None = None) -> Windows:
    """Cut a long table as another one was cut; a last window of each series ends with its last row.

    So every row is in a window unless its series is too short.

    Args:
        frame: with the columns of the form, and others, which are ignored.
        form: of the windows of the other table.
        where: the caller, to begin a message with.
        how: how texts in cells are read.

    Raises: as `windows`.
    """
    how = how or frames.Cells()
    spelt = Spelling(how.typed)
    named = _named_time(frame, form.time or None, form.entity or None, spelt)
    missing = [name for name in form.channels if name not in named.names]
    if missing:
        raise DataError(f"{where}: {unknown('column', missing[0], named.names)} The model was fitted with it.")
    return _windows(named.frame, named.time, form, where, how, to_the_end=True)


class _Named(NamedTuple):
    """A frame whose times are a column.

    Attributes:
        frame: with the index of times as a column, if it was one.
        time: the column of the times.
        written: the same, empty if it was an index without a name.
        names: of all columns.
    """

    frame: Frame
    time: str
    written: str
    names: list[str]


def _named_time(frame: Frame, time: str | None, entity: str | None, spelt: Spelling) -> _Named:
    """Return a frame with its times as a column. Raises OptionError for columns that do not exist."""
    frame, from_index = _with_index(frame, time, entity)
    names = [str(name) for name in frames.frame_names(frame)]
    for name in (time, entity):
        if name is not None and name not in names:
            raise OptionError(unknown("column", name, names))
    if time is not None:
        return _Named(frame, time, time, names)
    if from_index is not None:
        return _Named(frame, from_index, "" if from_index == OF_INDEX else from_index, names)
    found = _columns_of_dates(frame)
    if len(found) != 1:
        several = f"{', '.join(map(repr, found))} hold dates" if found else "no column holds dates"
        raise OptionError(f"which column holds the times? {several}: write {spelt.setting('time', 'COLUMN')}.")
    return _Named(frame, found[0], found[0], names)


OF_INDEX = "time of the index"  # the column that an index of times without a name becomes


def _with_index(frame: Any, time: str | None, entity: str | None) -> tuple[Frame, str | None]:
    """Return a pandas frame with levels of its index as columns where they are needed, and the one that has times."""
    if frames.library_of(frame) != "pandas":
        return frame, None
    import pandas as pd  # type: ignore[import-untyped]

    index, known = frame.index, {str(name) for name in frame.columns}
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    has_times = [isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)) for level in levels]
    asked = [name is not None and name in (time, entity) and name not in known for name in index.names]
    found: str | None = None
    if time is None and has_times.count(True) == 1:
        place = has_times.index(True)
        name = index.names[place]
        found = OF_INDEX if name is None or str(name) in known else str(name)
        asked[place] = True
    if not any(asked):
        return frame, None
    frame = frame.copy(deep=False)
    for place, (name, wanted) in enumerate(zip(index.names, asked, strict=True)):
        if not wanted:
            continue
        values = index.get_level_values(place)
        if isinstance(values, pd.PeriodIndex):
            values = values.to_timestamp()
        frame[found if time is None and has_times[place] else name] = values
    return frame.reset_index(drop=True), found


def _columns_of_dates(frame: Frame) -> list[str]:
    """Return the names of the columns of timestamps or dates; if there are none, of texts that look like dates."""
    import pyarrow as pa

    cells = frames.cells_of(frame, "windows()")
    types = {name: each.type for name, each in cells.items()}
    found = [name for name, kind in types.items() if pa.types.is_timestamp(kind) or pa.types.is_date(kind)]
    return found or [name for name, each in cells.items() if is_text(each) and _are_dates(each, name)]


def _are_dates(array: ArrowArray, name: str) -> bool:
    found = texts.find(as_texts(array.slice(0, SAMPLE)), name, kind="date")
    return found.form is not None or bool(found.doubt)


def _windows(
    frame: Frame, time: str, form: SeriesForm, where: str, how: frames.Cells, *, to_the_end: bool = False
) -> Windows:
    spelt = Spelling(how.typed)
    table = _long_table(frame, time, form, where, how)
    allowed = limits(form, table.times.clock, spelt)
    moments = _moments(table, form, allowed, spelt)
    cut = _cut(table, moments, form, to_the_end=to_the_end)
    count = _count(table, moments, cut, form)
    if not len(cut.starts):
        raise DataError(_nothing(table, moments, count, form, spelt))
    size = cut.starts.size * form.window * len(form.channels) * 8
    if size > memory.free():
        raise DataError(
            f"{where}: {len(cut.starts):,} windows take {memory.words(size)}, more than is free: choose a longer step."
        )
    _report(table, moments, count, form, spelt)
    pieces = cut.starts[:, None] + np.arange(form.window)
    starts = table.times.clock.moments(moments.ticks[cut.starts]).to_pylist()
    entities = [moments.entities[number] for number in moments.series[cut.starts]]
    ticks = moments.ticks[pieces]
    named = np.array(["" if each is None else str(each) for each in entities], np.str_)
    return Windows(
        rows=moments.values[pieces],
        where=list(zip(entities, starts, strict=True)),
        count=count,
        labels=Labels(form, table.times.clock, named, ticks),
        moments=pieces,
        time=table.time,
        moment_of_row=moments.of_row,
    )


class _LongTable(NamedTuple):
    """The columns of a long table.

    Attributes:
        where: the caller, which begins a message.
        time: name of the column of the time.
        times: of the rows, (n,).
        values: (n, channels).
        groups: for each entity the numbers of its rows; {None: all rows} without an entity column.
    """

    where: str
    time: str
    times: Times
    values: Float64Array
    groups: dict[Hashable, Int64Array]


def _long_table(frame: Frame, time: str, form: SeriesForm, where: str, how: frames.Cells) -> _LongTable:
    spelt = Spelling(how.typed)
    cells = frames.cells_of(frame, where)
    if not form.channels:
        raise DataError(
            f"{where} expected columns of numbers in addition to those of the time and the entity, got none."
        )
    groups = _groups(cells, form.entity, len(cells[time]), where)
    times = times_of(cells[time], time, where, how)
    if form.zone:
        setting = spelt.setting("zone")
        times = in_zone(times, form.zone, groups.values(), name=time, where=where, option=setting)
    others, columns = dict[str, DataError](), []
    for name in form.channels:
        try:
            columns.append(channel_of(cells[name], name, where, how))
        except DataError as error:
            others[name] = error
    if others:
        raise DataError(f"{next(iter(others.values()))!s:.300}".rstrip(".") + f": leave {_left_out(others, spelt)}.")
    return _LongTable(where, time, times, np.column_stack(columns), groups)


def _left_out(names: Mapping[str, object], spelt: Spelling) -> str:
    """Return how to leave columns out: "it out (--drop a)"."""
    what = "it out" if len(names) == 1 else f"it and {len(names) - 1} more such out"
    if spelt.typed:
        return f"{what} (--drop {','.join(names)})"
    written = repr(next(iter(names))) if len(names) == 1 else repr(list(names))
    return f"{what} (frame.drop(columns={written}))"


def _groups(cells: Mapping[str, ArrowArray], entity: str, rows: int, where: str) -> dict[Hashable, Int64Array]:
    """Return the numbers of the rows of each entity. Raises DataError for a row without one."""
    if not entity:
        return {None: np.arange(rows)}
    groups: dict[Hashable, list[int]] = {}
    for row, each in enumerate(cells[entity].to_pylist()):
        if each is None or each != each:
            raise DataError(
                f"{where}: column {entity!r} has no value in row {row}, so that its series is unknown: drop the row, "
                f"or fill it in."
            )
        groups.setdefault(each, []).append(row)
    return {entity: np.asarray(members) for entity, members in groups.items()}


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


class _Moments(NamedTuple):
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


def _moments(table: _LongTable, form: SeriesForm, allowed: Limits, spelt: Spelling) -> _Moments:
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
    return _Moments(
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


def _refuse_twice(table: _LongTable, spelt: Spelling) -> None:
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


def _may_be_clocks_put_back(table: _LongTable, rows: Int64Array) -> bool:
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


class _Cut(NamedTuple):
    """Windows, by the number of their first moment, (n,), and which moments are in one, (moments,)."""

    starts: Int64Array
    inside: BoolArray
    fitting: BoolArray  # in a window, also one that is left out because it is mostly empty


def _cut(table: _LongTable, moments: _Moments, form: SeriesForm, *, to_the_end: bool) -> _Cut:
    """Return the windows of each part of a series between gaps; only those of resampled series that are half full."""
    window, step, found = form.window, form.step, [np.zeros(0, np.int64)]
    for start, length in zip(moments.starts.tolist(), moments.lengths.tolist(), strict=True):
        begins = np.arange(start, start + length - window + 1, step)
        if to_the_end and len(begins) and begins[-1] != start + length - window:
            begins = np.append(begins, start + length - window)
        found.append(begins)
    starts = np.concatenate(found)
    fitting = _covered(starts, window, len(moments.ticks))
    if form.resample:
        filled = np.concatenate([[0], np.cumsum(moments.present)])
        starts = starts[filled[starts + window] - filled[starts] >= HALF_FULL * window]
    return _Cut(starts, _covered(starts, window, len(moments.ticks)), fitting)


def _covered(starts: Int64Array, window: int, moments: int) -> BoolArray:
    """Return which moments are in a window, (moments,)."""
    change = np.bincount(starts, minlength=moments + 1) - np.bincount(starts + window, minlength=moments + 1)
    return np.asarray(np.cumsum(change)[:moments] > 0)


def _count(table: _LongTable, moments: _Moments, cut: _Cut, form: SeriesForm) -> Count:
    """Return how many rows of the table are in windows, and why the others are not."""
    at = moments.of_row[moments.of_row >= 0]
    lengths = moments.lengths
    too_short = np.repeat(lengths < form.window, lengths)
    whole = np.bincount(np.repeat(moments.series[moments.starts], 1), minlength=len(moments.entities)) == 1
    of_whole = whole[moments.series]
    used = cut.inside[at]
    short = ~used & too_short[at] & of_whole[at]
    between = ~used & too_short[at] & ~of_whole[at]
    sparse = ~used & cut.fitting[at]
    return Count(
        used=int(used.sum()),
        twice=len(moments.of_row) - len(at),
        between_gaps=int(between.sum()),
        short=int(short.sum()),
        sparse=int(sparse.sum()),
        rest=int((~used & ~short & ~between & ~sparse).sum()),
        rows=len(moments.of_row),
        merged=moments.merged,
        gaps=len(moments.gaps),
        limit=_limit(table.times.clock, moments, form),
        longest=int(lengths.max()),
        window=form.window,
        missing=int((cut.inside & ~moments.present).sum()),
        moments=int(cut.inside.sum()),
    )


def _limit(clock: Clock, moments: _Moments, form: SeriesForm) -> str:
    """Return what the gaps are longer than, in words."""
    if len(moments.limits) == 1:
        return clock.span(next(iter(moments.limits)))
    return f"{MEDIAN_STEPS if form.max_gap == AUTO else form.max_gap} median steps" if moments.limits else ""


def _nothing(table: _LongTable, moments: _Moments, count: Count, form: SeriesForm, spelt: Spelling) -> str:
    """Return why there is no window, and what to do."""
    clock = table.times.clock
    if count.sparse:
        instead = clock.span(moments.median)
        return (
            f"{table.where}: no window of {form.window} has a row at half of its moments, which are {form.resample} "
            f"apart, and the rows {instead} (the median): give a longer {spelt.setting('resample')}, or a shorter "
            f"{spelt.setting('window')}."
        )
    remedy = _against_gaps(table, moments, form, spelt) if count.gaps else ""
    return (
        f"{table.where}: no series has {form.window} rows, the longest has {count.longest}: choose a shorter "
        f"{spelt.setting('window')}{', or ' if remedy else ''}{remedy}."
    )


def _against_gaps(table: _LongTable, moments: _Moments, form: SeriesForm, spelt: Spelling) -> str:
    """Return the settings with which fewer rows are lost to gaps."""
    clock = table.times.clock
    longer = float(np.quantile(moments.gaps, 0.9))
    shown = clock.span(longer, up=True)
    if clock.per_second is None:  # where a number counts median steps
        shown = f"{max(2, int(np.ceil(longer / (moments.median or 1))))}"
    text = f"{spelt.none('max_gap')} to span gaps"
    if longer < moments.gaps.max():
        text += f", or {spelt.setting('max_gap', shown)} to span the shorter ones"
    if not form.resample and moments.median > 0:
        text += f", or {spelt.setting('resample', clock.span(moments.median))} to fill them with missing values"
    return text


def _report(table: _LongTable, moments: _Moments, count: Count, form: SeriesForm, spelt: Spelling) -> None:
    """Log how many rows are lost to gaps or to series that are too short, and what to do."""
    if count.between_gaps:
        remedy = _against_gaps(table, moments, form, spelt)
        logger.warning("%s: %s. Choose a shorter %s, or %s", table.where, count.words, spelt.setting("window"), remedy)
    elif count.short or count.sparse:
        logger.warning("%s: %s", table.where, count.words)
