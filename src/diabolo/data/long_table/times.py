"""Times as numbers: the column of the times of a long table, durations, and local times with daylight-saving time.

`times_of` is the only place where a column becomes times. Order: durations, the clock, the column, local times.
"""

import datetime
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.frames.columns import UNITS
from diabolo.data.frames.forms import DateForm, NumberForm
from diabolo.data.long_table.columns import is_text, of_texts
from diabolo.errors import DataError, OptionError
from diabolo.typing import Array, ArrowArray, ArrowType, Int64Array

# Seconds of each unit of a duration, by every spelling that is read; the first of each is the one that is written.
SPELLINGS = {
    ("us",): 1e-6,
    ("ms",): 1e-3,
    ("s", "sec", "second", "seconds"): 1.0,
    ("min", "minute", "minutes"): 60.0,
    ("h", "hour", "hours"): 3600.0,
    ("d", "day", "days"): 86400.0,
    ("w", "week", "weeks"): 604800.0,
}
SECONDS = {word: seconds for words, seconds in SPELLINGS.items() for word in words}
WRITTEN = [(words[0], seconds) for words, seconds in SPELLINGS.items() if words[0] != "w"]  # days are more common
EXPECTED = "moments: dates such as 2024-05-31 18:00:00, or numbers"


def seconds_of(duration: object) -> float | None:
    """Return the seconds of a duration: "5min", "1.5 h", a timedelta; None for anything else."""
    if isinstance(duration, np.timedelta64):
        duration = duration.astype("timedelta64[us]").item()
    if isinstance(duration, datetime.timedelta):
        return duration.total_seconds()
    if not isinstance(duration, str):
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]+)\s*", duration)
    if not found or found[2].lower() not in SECONDS:
        return None
    return float(found[1]) * SECONDS[found[2].lower()]


def duration(seconds: float, *, up: bool = False) -> str:
    """Return seconds as a text that `seconds_of` reads, in the largest unit of which there is at least one.

    Args: up: round it up to two digits.
    """
    unit, size = next(((unit, size) for unit, size in reversed(WRITTEN) if seconds >= size * (1 - 1e-9)), WRITTEN[0])
    value = seconds / size
    if up:
        digits = 10 if value < 10 else 1
        value = math.ceil(value * digits * (1 - 1e-9)) / digits
    return f"{value:.6g}{unit}"


class Clock(NamedTuple):
    """What the numbers of times mean.

    Attributes:
        arrow: the Arrow type of the times.
        per_second: how many ticks a second has; None if times are plain numbers.
    """

    arrow: ArrowType
    per_second: int | None

    def moments(self, ticks: Array) -> ArrowArray:
        """Return times (n,) as an Arrow array of the type that the column had."""
        import pyarrow as pa

        array = pa.array(ticks)
        if pa.types.is_date(self.arrow):
            return array.cast(pa.timestamp("s"))
        if pa.types.is_time32(self.arrow):
            return array.cast(pa.int32()).cast(self.arrow)
        return array if self.per_second is None else array.cast(self.arrow)

    def texts(self, ticks: Array) -> list[str]:
        """Return times (n,) as texts, in their time zone."""
        if self.per_second is None:
            return [f"{value:.10g}" for value in ticks.tolist()]
        return [str(each) for each in self.moments(ticks).to_pylist()]

    def span(self, ticks: float, *, up: bool = False) -> str:
        """Return a step in time as it can be typed: a duration, or for plain numbers a number.

        Args: up: round it up to two digits.
        """
        return f"{ticks:.6g}" if self.per_second is None else duration(ticks / self.per_second, up=up)


class Times(NamedTuple):
    """Times as numbers: ticks (n,), int64, or float64 if they are plain numbers, and what they mean."""

    ticks: Array
    clock: Clock


def times_of(array: ArrowArray, name: str, where: str, how: frames.Cells) -> Times:
    """Return a column as times. Texts are read as the dates of any other table.

    Args: array: of the column; name: of the column; where: the caller, which begins a message; how: texts are read.
    Raises: DataError for a column that holds no times, and for a time that is missing.
    """
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if is_text(array):
        array = _from_texts(array, name, where, how)
    kind, per_second = array.type, None
    if pa.types.is_date(kind):
        ticks, per_second = array.cast(pa.timestamp("s")).cast(pa.int64()), 1
    elif pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        per_second = int(UNITS[kind.unit])
        ticks = array.cast(pa.int32()).cast(pa.int64()) if pa.types.is_time32(kind) else array.cast(pa.int64())
    if per_second is None:
        values: Array = frames.floats(array, name, where, EXPECTED)
        missing = ~np.isfinite(values)
    else:
        missing = ~array.is_valid().to_numpy(zero_copy_only=False)
        values = np.zeros(0, np.int64) if missing.any() else ticks.to_numpy(zero_copy_only=False)
    if missing.any():
        raise DataError(
            f"{where}: column {name!r} has no value in row {int(missing.argmax())}: drop the row, or fill it in."
        )
    return Times(values, Clock(kind, per_second))


def _from_texts(texts: ArrowArray, name: str, where: str, how: frames.Cells) -> ArrowArray:
    """Return texts as timestamps, times of day or numbers; texts that are none of these as they are.

    Raises: DataError for dates that have several readings.
    """
    import pyarrow as pa

    if not how.dates:
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            try:
                return texts.cast(kind)
            except pa.ArrowException:
                continue
    # Python has no --dates, but an argument of that name.
    read = of_texts(texts, name, how._replace(typed=True), kind="date")
    if read.doubt:
        doubt = read.doubt if how.typed else read.doubt.replace("--dates ", "dates=")
        raise DataError(f"{where}: column {name!r} holds {doubt}.")
    missing = np.isnan(read.values)
    if not isinstance(read.form, DateForm):
        read = of_texts(texts, name, how)
        numbers = isinstance(read.form, NumberForm)
        return pa.array(read.values, mask=np.isnan(read.values)) if numbers else texts
    ticks = np.round(np.where(missing, 0, read.values) * 1e6).astype(np.int64)
    if read.form.kind != "date":
        return pa.array(ticks, mask=missing).cast(pa.time64("us"))
    return pa.array(ticks, mask=missing).cast(pa.timestamp("us", "UTC" if "%z" in read.form.format else None))


def in_zone(times: Times, zone: str, groups: Iterable[Int64Array], *, name: str, where: str, option: str) -> Times:
    """Return local times without a zone as moments in a time zone.

    The hour that stands twice when daylight-saving time ends is told apart by the order of the rows: the times of a
    series run forward (or backward, if its first row has its last time). A local hour that stands once is the earlier
    one.

    Args:
        times: in local time.
        zone: its name, such as "Europe/Berlin".
        groups: for each series the numbers of its rows.
        name: of the column.
        where: the caller, which begins a message.
        option: how the caller spells the option for the zone.

    Raises: OptionError for an unknown zone, or times that have one; DataError for a time that does not exist there.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = times.clock.arrow
    if not pa.types.is_timestamp(kind):
        raise OptionError(f"{option} can be used only with times of day and date, and column {name!r} holds {kind}.")
    if kind.tz:
        raise OptionError(f"{option}: the times of column {name!r} have a time zone, {kind.tz}: leave {option} out.")
    local = times.clock.moments(times.ticks)

    def as_moments(choice: Any) -> Int64Array:
        moments = pc.assume_timezone(local, zone, ambiguous=choice, nonexistent=choice)
        return np.asarray(moments.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)

    try:
        early, late = as_moments("earliest"), as_moments("latest")
    except (pa.ArrowException, ValueError) as error:
        raise OptionError(f"unknown time zone {zone!r:.60}: write {option} as Europe/Berlin or UTC.") from error
    hour = times.clock.per_second or 1
    missing = late - early == 1  # the moments before and after the hour that does not exist, one tick apart
    if missing.any():
        row = int(missing.argmax())
        raise DataError(
            f"{where}: {local[row].as_py()} in row {row} does not exist in {zone}, where clocks were put forward over "
            f"it: correct the row, or give the zone in which the times were written ({option})."
        )
    twice = late - early > hour
    ticks = early.copy()
    for rows in groups:
        _tell_apart(times.ticks, ticks, late, twice, rows)
    return Times(ticks, Clock(pa.timestamp(kind.unit, zone), times.clock.per_second))


def _tell_apart(local: Array, ticks: Int64Array, late: Int64Array, twice: Array, rows: Int64Array) -> None:
    """Set `ticks` to the later moments for the rows of a series that come after the hour was put back."""
    if len(rows) > 1 and local[rows[0]] > local[rows[-1]]:
        rows = rows[::-1]
    inside = np.flatnonzero(twice[rows])
    for run in np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1):
        back = np.flatnonzero(np.diff(local[rows[run]]) <= 0)
        if len(back):
            later = rows[run[back[0] + 1 :]]
            ticks[later] = late[later]
