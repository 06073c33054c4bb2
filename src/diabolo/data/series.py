"""Series: series of different lengths as one array, and windows cut from a long table.

Order: different lengths, windows, the columns of a long table, cutting, the report of rows left out.
"""

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeGuard

import numpy as np

from diabolo.checks import whole
from diabolo.data import frames, memory
from diabolo.errors import DataError, OptionError, ShapeError, unknown
from diabolo.typing import Array, ArrowArray, Float64Array, Frame, Int64Array, Rows

logger = logging.getLogger(__name__)


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


class Windows(NamedTuple):
    """Pieces of equal length, cut from a long table.

    Attributes:
        rows: (n, window, channels).
        channels: names of the columns.
        where: (n,), the entity of each piece (None without an entity column), and the time of its first row.
    """

    rows: Rows
    channels: tuple[str, ...]
    where: list[tuple[object, object]]


def check_windows(window: object, step: object, max_gap: float | None) -> None:
    """Raise OptionError for numbers that `windows` cannot use; arguments as there."""
    whole("window", window, 1)
    if step is not None:
        whole("step", step, 1)
    if max_gap is not None and not max_gap >= 1:
        raise OptionError(f"max_gap must be None or a number of at least 1, got {max_gap!r:.40}.")


def windows(
    frame: Frame,
    *,
    time: str,
    entity: str | None = None,
    window: int,
    step: int | None = None,
    max_gap: float | None = 1.5,
    where: str = "windows()",
    typed: bool = False,
) -> Windows:
    """Cut a long table, one row a moment, into windows that span neither two entities nor a gap in time.

    Args:
        frame: of pandas, polars or pyarrow; all columns but `time` and `entity` are channels, and must be numbers.
        time: the column of the time; rows are sorted by it.
        entity: the column that identifies the machine, patient or sensor; None: there is only one.
        window: rows in a window.
        step: rows from the start of a window to that of the next; None: as many as a window has.
        max_gap: a step in time longer than this many median steps of the entity is a gap, which no window spans; None:
            there are no gaps, as in a table of working days.
        where: the caller, to begin a message with.
        typed: whether the caller is a command line, so that messages name its options.

    Rows that are in no window, because gaps leave fewer rows than a window has, are counted in a warning.
    Raises: DataError for times that occur twice or are missing, channels that are not numbers, series that are all too
        short, windows that do not fit in memory; OptionError for columns that do not exist.
    """
    frame = frames.from_arrow(frame)
    if not frames.is_frame(frame):
        raise DataError(f"windows() expected a frame of pandas, polars or pyarrow, got {type(frame).__name__}.")
    check_windows(window, step, max_gap)
    window, step = int(window), int(window if step is None else step)
    table = _long_table(frame, time, entity, where)
    cut = _cut(table, window, step, max_gap)
    span_gaps = _span_gaps(max_gap, typed=typed)
    if not cut.pieces:
        remedy = f", or {span_gaps}" if cut.gaps else ""
        raise DataError(
            f"{where}: no series has {window} rows, the longest has {cut.longest}: choose a shorter window{remedy}."
        )
    _report(table, cut, window, step, max_gap, span_gaps)
    size = len(cut.pieces) * window * len(table.channels) * 8
    if size > memory.free():
        raise DataError(
            f"{where}: {len(cut.pieces):,} windows take {memory.words(size)}, more than is free: choose a longer step."
        )
    return Windows(table.values[np.stack(cut.pieces)], table.channels, cut.starts)


class _LongTable(NamedTuple):
    """The columns of a long table.

    Attributes:
        where: the caller, which begins a message.
        time: name of the column of the time.
        moments: (n,), the times as they are in the frame.
        seconds: (n,), the times as numbers.
        values: (n, channels).
        channels: names of the columns.
        groups: for each entity the numbers of its rows; {None: all rows} without an entity column.
    """

    where: str
    time: str
    moments: list[object]
    seconds: Float64Array
    values: Float64Array
    channels: tuple[str, ...]
    groups: dict[Hashable, list[int]]


def _long_table(frame: Frame, time: str, entity: str | None, where: str) -> _LongTable:
    names = [str(name) for name in frames.frame_names(frame)]
    for name in (time, *([entity] if entity else [])):
        if name not in names:
            raise OptionError(unknown("column", name, names))
    cells = frames.cells_of(frame, where)
    channels = tuple(name for name in names if name not in (time, entity))
    if not channels:
        raise DataError(
            f"{where} expected columns of numbers in addition to those of the time and the entity, got none."
        )
    seconds = frames.floats(cells[time], time, where, "moments: dates such as 2024-05-31 18:00:00, or numbers")
    if np.isnan(seconds).any():
        raise DataError(
            f"{where}: column {time!r} has no value in row {int(np.isnan(seconds).argmax())}: drop the row, or fill it "
            f"in."
        )
    values = np.column_stack([frames.floats(cells[name], name, where) for name in channels])
    groups = _groups(cells, entity, len(seconds), where)
    return _LongTable(where, time, cells[time].to_pylist(), seconds, values, channels, groups)


def _groups(cells: Mapping[str, ArrowArray], entity: str | None, rows: int, where: str) -> dict[Hashable, list[int]]:
    """Return the numbers of the rows of each entity. Raises DataError for a row without one."""
    if not entity:
        return {None: list(range(rows))}
    groups: dict[Hashable, list[int]] = {}
    for row, each in enumerate(cells[entity].to_pylist()):
        if each is None or each != each:
            raise DataError(
                f"{where}: column {entity!r} has no value in row {row}, so that its series is unknown: drop the row, "
                f"or fill it in."
            )
        groups.setdefault(each, []).append(row)
    return groups


class _Cut(NamedTuple):
    """Windows as numbers of rows, and facts about the series that they were cut from.

    Attributes:
        pieces: the numbers of the rows of each window, (window,) each.
        starts: the entity of each window, and the time of its first row.
        longest: the rows of the longest series between gaps.
        gaps: the number of gaps.
        used: the number of rows in windows, or between the first and the last of a series.
    """

    pieces: list[Int64Array]
    starts: list[tuple[object, object]]
    longest: int
    gaps: int
    used: int


def _cut(table: _LongTable, window: int, step: int, max_gap: float | None) -> _Cut:
    """Cut each entity at its gaps, and each series between gaps into windows. Raises DataError for a time twice."""
    pieces, starts = list[Int64Array](), list[tuple[object, object]]()
    longest = gaps = used = 0
    for entity, members in table.groups.items():
        order = np.asarray(members)[np.argsort(table.seconds[members], kind="stable")]
        steps = np.diff(table.seconds[order])
        twice = np.flatnonzero(steps == 0)
        if len(twice):
            of = "" if entity is None else f" of {entity!r:.40}"
            moment = table.moments[order[twice[0]]]
            raise DataError(f"{table.where}: {table.time} {moment!s:.40}{of} occurs twice: keep one of the rows.")
        longest_step = np.inf if max_gap is None or not len(steps) else max_gap * np.median(steps)
        parts = np.split(order, np.flatnonzero(steps > longest_step) + 1)
        gaps += len(parts) - 1
        for series in parts:
            longest = max(longest, len(series))
            begins = range(0, len(series) - window + 1, step)
            used += begins[-1] + window if begins else 0
            for begin in begins:
                pieces.append(series[begin : begin + window])
                starts.append((entity, table.moments[series[begin]]))
    return _Cut(pieces, starts, longest, gaps, used)


def _report(table: _LongTable, cut: _Cut, window: int, step: int, max_gap: float | None, span_gaps: str) -> None:
    """Log how many rows are in no window, and why: gaps, or series that are too short."""
    rows, lengths = len(table.seconds), [len(members) for members in table.groups.values()]
    without_gaps = sum((length - window) // step * step + window for length in lengths if length >= window)
    short = sum(length < window for length in lengths)
    in_windows = f"{table.where}: {cut.used:,} of {rows:,} rows are in windows"
    if cut.gaps and cut.used < without_gaps:
        logger.warning(
            "%s; %s are left out, because %s %s, each longer than %g median steps, %s series with fewer than %s rows: "
            "choose a shorter window, or %s",
            in_windows,
            f"{rows - cut.used:,}",
            f"{cut.gaps:,}",
            "gap in time" if cut.gaps == 1 else "gaps in time",
            max_gap,
            "leaves" if cut.gaps == 1 else "leave",
            window,
            span_gaps,
        )
    elif short:
        logger.warning(
            "%s; %s of %s series have fewer than %s rows and are left out",
            in_windows,
            f"{short:,}",
            f"{len(lengths):,}",
            window,
        )


def _span_gaps(max_gap: float | None, *, typed: bool) -> str:
    """Return the options with which windows span gaps."""
    none, more = ("--max-gap none", "--max-gap ") if typed else ("max_gap=None", "max_gap=")
    return f"{none} to span gaps, or {more}{2 * (max_gap or 1):g} to span the shorter ones"
