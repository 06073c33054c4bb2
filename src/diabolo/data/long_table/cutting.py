"""Windows cut from a long table, one row for each point in time.

Order: the two functions, cutting, counting. `table` reads the frame, `moments` sorts and divides its series, `left_out`
says what is lost.
"""

import logging
from typing import NamedTuple

import numpy as np

from diabolo.data import frames, memory
from diabolo.data.frames.learning import UNNAMED
from diabolo.data.long_table.counting import Count
from diabolo.data.long_table.cut import Windows
from diabolo.data.long_table.form import AUTO, MEDIAN_STEPS, Gap, Given, SeriesForm, Spelling, checked, limits
from diabolo.data.long_table.labels import Labels
from diabolo.data.long_table.left_out import no_windows, warn_of_left_out
from diabolo.data.long_table.moments import Moments, moments_of
from diabolo.data.long_table.table import LongTable, read_long_table, with_time
from diabolo.data.long_table.times import Clock
from diabolo.errors import DataError, unknown
from diabolo.typing import BoolArray, Frame, Int64Array

HALF_FULL = 0.5  # the least share of moments with a row in a window of resampled moments

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
    named = with_time(frame, time, entity, spelt)
    channels = tuple(name for name in named.names if name not in (named.time, entity))
    unnamed = [name for name in channels if UNNAMED.fullmatch(name)]
    if unnamed:
        logger.warning("%s: left out %s, an index without a name", where, ", ".join(map(repr, unnamed)))
        channels = tuple(name for name in channels if name not in unnamed)
    form = checked(channels=channels, time=named.written, entity=entity or "", given=given)
    return _windows(named.frame, named.time, form, where, how, spelt)


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
    spelt = Spelling(how.typed, before_fit=True)
    named = with_time(frame, form.time or None, form.entity or None, spelt)
    missing = [name for name in form.channels if name not in named.names]
    if missing:
        raise DataError(f"{where}: {unknown('column', missing[0], named.names)} The model was fitted with it.")
    return _windows(named.frame, named.time, form, where, how, spelt, to_the_end=True)


def _windows(
    frame: Frame,
    time: str,
    form: SeriesForm,
    where: str,
    how: frames.Cells,
    spelt: Spelling,
    *,
    to_the_end: bool = False,
) -> Windows:
    table = read_long_table(frame, time, form, where, how)
    allowed = limits(form, table.times.clock, spelt)
    moments = moments_of(table, form, allowed, spelt)
    cut = _cut(moments, form, to_the_end=to_the_end)
    count = _count(table, moments, cut, form)
    if not len(cut.starts):
        raise DataError(no_windows(table, moments, count, form, spelt))
    size = cut.starts.size * form.window * len(form.channels) * 8
    if size > memory.free():
        raise DataError(
            f"{where}: {len(cut.starts):,} windows take {memory.words(size)}, more than is free: choose a longer step."
        )
    warn_of_left_out(table, moments, count, form, spelt)
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


class _Cut(NamedTuple):
    """Windows, by the number of their first moment, (n,), and which moments are in one, (moments,)."""

    starts: Int64Array
    inside: BoolArray
    fitting: BoolArray  # in a window, also one that is left out because it is mostly empty


def _cut(moments: Moments, form: SeriesForm, *, to_the_end: bool) -> _Cut:
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


def _count(table: LongTable, moments: Moments, cut: _Cut, form: SeriesForm) -> Count:
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


def _limit(clock: Clock, moments: Moments, form: SeriesForm) -> str:
    """Return what the gaps are longer than, in words."""
    if len(moments.limits) == 1:
        return clock.span(next(iter(moments.limits)))
    return f"{MEDIAN_STEPS if form.max_gap == AUTO else form.max_gap} median steps" if moments.limits else ""
