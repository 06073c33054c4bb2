"""A frame as a long table: its times, its channels as numbers, and which rows are of one series.

Order: the column of the times, the table.
"""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.frames import texts
from diabolo.data.frames.cells import as_texts
from diabolo.data.long_table.columns import channel_of, is_text
from diabolo.data.long_table.form import SeriesForm, Spelling
from diabolo.data.long_table.times import Times, in_zone, times_of
from diabolo.errors import DataError, OptionError, as_option, unknown
from diabolo.typing import ArrowArray, Float64Array, Frame, Int64Array

OF_INDEX = "time of the index"  # the column that an index of times without a name becomes
SAMPLE = 1_000  # rows of a column of texts that show whether it holds dates


class WithTime(NamedTuple):
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


def with_time(frame: Frame, time: str | None, entity: str | None, spelt: Spelling) -> WithTime:
    """Return a frame with its times as a column. Raises OptionError for columns that do not exist."""
    frame, from_index = _with_index(frame, time, entity)
    names = [str(name) for name in frames.frame_names(frame)]
    for name in (time, entity):
        if name is not None and name not in names:
            raise OptionError(unknown("column", name, names))
    if time is not None:
        return WithTime(frame, time, time, names)
    if from_index is not None:
        return WithTime(frame, from_index, "" if from_index == OF_INDEX else from_index, names)
    found = _columns_of_dates(frame)
    if len(found) != 1:
        several = f"{', '.join(map(repr, found))} hold dates" if found else "no column holds dates"
        raise OptionError(f"which column holds the times? {several}: write {spelt.setting('time', 'COLUMN')}.")
    return WithTime(frame, found[0], found[0], names)


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


class LongTable(NamedTuple):
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


def read_long_table(frame: Frame, time: str, form: SeriesForm, where: str, how: frames.Cells) -> LongTable:
    """Return the columns of a frame that a form names, and of `time`, as numbers. Raises DataError, OptionError."""
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
    return LongTable(where, time, times, np.column_stack(columns), groups)


def _left_out(names: Mapping[str, object], spelt: Spelling) -> str:
    """Return how to leave columns out: "it out (--drop a)"."""
    what = "it out" if len(names) == 1 else f"it and {len(names) - 1} more such out"
    if spelt.typed:
        return f"{what} (--drop {as_option(names)})"
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
