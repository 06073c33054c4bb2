"""Series: of different lengths, and cut from a long table."""

import logging
from typing import Any, NamedTuple

import numpy as np

from diabolo.checks import whole
from diabolo.data import frames, memory
from diabolo.data.adapters.rows import Rows
from diabolo.errors import DataError, OptionError, ShapeError, unknown


def is_ragged(value: Any) -> bool:
    """Whether a value is a list of arrays (time, channels) or (time,) that differ in length."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, np.ndarray) for each in value):
        return False
    return len({len(each) for each in value if each.ndim in (1, 2)}) > 1


def are_shorter(value: Any, length: int) -> bool:
    """Whether a value is a list of arrays (time, channels) or (time,), or an array of series below a length."""
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(each, np.ndarray) and each.ndim in (1, 2) for each in value)
    return isinstance(value, np.ndarray) and value.ndim == 3 and 0 < value.shape[1] < length and len(value) > 0


def padded(series: Any, length: int | None = None) -> Rows:
    """Return series of different lengths as one array (n, time, channels), float64, NaN behind their ends.

    Args: series: arrays (time, channels) or (time,); length: of all; None: of the longest.
    Raises: ShapeError, DataError.
    """
    shaped = [each[:, None] if each.ndim == 1 else each for each in map(np.asarray, series)]
    channels = {each.shape[1:] for each in shaped}
    if len(channels) > 1 or any(each.ndim != 2 for each in shaped):
        raise ShapeError(f"expected series (time, channels) of as many channels, got {sorted(channels)}.")
    for at, each in enumerate(shaped):
        if each.dtype.kind not in "biuf" or not len(each):
            raise DataError(f"series {at}: expected numbers, got {len(each)} of type {each.dtype}.")
    longest = max(len(each) for each in shaped)
    if length is not None and longest > length:
        at = max(range(len(shaped)), key=lambda place: len(shaped[place]))
        raise ShapeError(f"series {at} has {longest} places, and the longest of fit() had {length}: cut it.")
    rows = np.full((len(shaped), length or longest, *channels.pop()), np.nan)
    for row, each in zip(rows, shaped, strict=True):
        row[: len(each)] = each
    return rows


logger = logging.getLogger(__name__)


class Windows(NamedTuple):
    """Pieces of equal length, cut from a long table.

    Attributes:
        rows: (n, window, channels).
        channels: names of the columns.
        where: (n,), the entity of each piece (None where there is one), and the time of its first row.
    """

    rows: Rows
    channels: tuple[str, ...]
    where: list[tuple[Any, Any]]


def check_windows(window: Any, step: Any, max_gap: Any) -> None:
    """Raise OptionError for what cannot be asked of `windows`; arguments as there."""
    whole("window", window, 1)
    if step is not None:
        whole("step", step, 1)
    if max_gap is not None and not max_gap >= 1:
        raise OptionError(f"max_gap must be None or a number of at least 1, got {max_gap!r:.40}.")


def windows(
    frame: Any,
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
    if not frames.is_frame(frame):
        raise DataError(f"windows() expected a frame of pandas, polars or pyarrow, got {type(frame).__name__}.")
    check_windows(window, step, max_gap)
    window, step = int(window), int(window if step is None else step)
    names = [str(name) for name in frames.frame_names(frame)]
    for name in (time, *([entity] if entity else [])):
        if name not in names:
            raise OptionError(unknown("column", name, names))
    cells = frames.cells_of(frame, where)
    channels = tuple(name for name in names if name not in (time, entity))
    if not channels:
        raise DataError(f"{where} expected columns beside time and entity, got none.")
    when = frames.floats(cells[time], time, where, "moments: dates such as 2024-05-31 18:00:00, or numbers")
    if np.isnan(when).any():
        raise DataError(f"{where}: column {time!r} has no value in row {int(np.isnan(when).argmax())}.")
    values = np.column_stack([frames.floats(cells[name], name, where) for name in channels])
    whose = cells[entity].to_pylist() if entity else [None] * len(when)
    moments = cells[time].to_pylist()
    groups: dict[Any, list[int]] = {}
    for row, each in enumerate(whose):
        if entity and (each is None or each != each):
            raise DataError(f"{where}: column {entity!r} has no value in row {row}: whose is it? Drop or mend the row.")
        groups.setdefault(each, []).append(row)
    pieces, starts, longest = list[Any](), list[tuple[Any, Any]](), 0
    gaps, used = 0, 0  # how many there are; rows from the start of a series' first window to the end of its last
    for each, members in groups.items():
        order = np.asarray(members)[np.argsort(when[members], kind="stable")]
        steps = np.diff(when[order])
        twice = np.flatnonzero(steps == 0)
        if len(twice):
            of = f" of {each!r:.40}" if entity else ""
            raise DataError(f"{where}: {time} {moments[order[twice[0]]]!s:.40}{of} stands twice: keep one of the rows.")
        farthest = np.inf if max_gap is None or not len(steps) else max_gap * np.median(steps)
        parted = np.split(order, np.flatnonzero(steps > farthest) + 1)
        gaps += len(parted) - 1
        for series in parted:
            longest = max(longest, len(series))
            begun = range(0, len(series) - window + 1, step)
            used += begun[-1] + window if begun else 0
            for start in begun:
                pieces.append(series[start : start + window])
                starts.append((each, moments[pieces[-1][0]]))
    reach = _span_gaps(max_gap, typed=typed)
    if not pieces:
        remedy = f", or {reach}" if gaps else ""
        raise DataError(
            f"{where}: no series has {window} rows, the longest has {longest}: choose a shorter window{remedy}."
        )
    could = sum((len(each) - window) // step * step + window for each in groups.values() if len(each) >= window)
    if gaps and used < could:
        logger.warning(
            "%s: %s of %s rows are in windows; %s are left out, because %s %s, each longer than %g usual steps, %s "
            "series with fewer than %s rows: choose a shorter window, or %s",
            where,
            f"{used:,}",
            f"{len(when):,}",
            f"{len(when) - used:,}",
            f"{gaps:,}",
            "gap in time" if gaps == 1 else "gaps in time",
            max_gap,
            "leaves" if gaps == 1 else "leave",
            window,
            reach,
        )
    elif any(len(each) < window for each in groups.values()):
        short = sum(len(each) < window for each in groups.values())
        logger.warning(
            "%s: %s of %s rows are in windows; %s of %s series have fewer than %s rows and are left out",
            where,
            f"{used:,}",
            f"{len(when):,}",
            f"{short:,}",
            f"{len(groups):,}",
            window,
        )
    size = len(pieces) * window * len(channels) * 8
    if size > memory.free():
        raise DataError(
            f"{where}: {len(pieces):,} windows take {memory.words(size)}, more than is free: choose a longer step."
        )
    return Windows(values[np.stack(pieces)], channels, starts)


def _span_gaps(max_gap: float | None, *, typed: bool) -> str:
    """Return what to write so that windows span gaps."""
    none, more = ("--max-gap none", "--max-gap ") if typed else ("max_gap=None", "max_gap=")
    return f"{none} to span gaps, or {more}{2 * (max_gap or 1):g} to span the shorter ones"
