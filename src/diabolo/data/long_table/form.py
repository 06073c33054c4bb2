"""How windows are cut from a long table: what a model keeps of it, and the checks of the settings.

Order: the form, its checks, its settings as numbers, JSON.
"""

import datetime
import math
import numbers
import shlex
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

from diabolo.checks import whole
from diabolo.data.long_table.times import Clock, duration, seconds_of
from diabolo.errors import OptionError
from diabolo.typing import JsonObject

MEDIAN_STEPS = 1.5  # a longer step in time is a gap
AUTO, NONE = "auto", "none"
DUPLICATES = ("first", "mean")

Gap = float | str | datetime.timedelta | None  # of an argument, or "auto"


@dataclass(frozen=True, kw_only=True)
class SeriesForm:
    """How windows were cut from a long table. All values are texts and whole numbers, as a model file keeps them.

    Attributes:
        channels: names of the columns of numbers.
        time: the column of the time; empty: the index of the frame.
        entity: the column that tells series apart; empty: there is one series.
        window: rows in a window.
        step: rows from the start of a window to that of the next.
        max_gap: "auto", "none", a number of median steps or a duration.
        duplicates: "first" or "mean"; empty: a time that stands twice is refused.
        resample: the time between two moments; empty: the times are those of the rows.
        zone: the time zone of local times; empty: the times are taken as they are.
    """

    channels: tuple[str, ...]
    time: str
    entity: str = ""
    window: int
    step: int
    max_gap: str = AUTO
    duplicates: str = ""
    resample: str = ""
    zone: str = ""

    @property
    def names(self) -> list[str]:
        """The names of the numbers of a window, in their order: "speed, place 13"."""
        return [f"{channel}, place {place}" for place in range(self.window) for channel in self.channels]

    def to_config(self) -> JsonObject:
        """Return the form as JSON values."""
        return asdict(self) | {"channels": list(self.channels)}

    @classmethod
    def from_config(cls, config: object) -> "SeriesForm":
        """Return the form that `to_config` described. Raises OptionError for a wrong key, type or value."""
        names = {field.name for field in fields(cls)}
        if not isinstance(config, dict) or set(config) != names:
            raise OptionError(f"a form of series must have exactly the keys {sorted(names)}.")
        channels = config["channels"]
        if not isinstance(channels, list) or not channels or not all(type(name) is str for name in channels):
            raise OptionError("a form of series must have a list of names of channels.")
        if len(set(channels)) < len(channels):
            raise OptionError("a form of series must not name a channel twice.")
        for name in names - {"channels"}:
            expected = int if name in ("window", "step") else str
            if type(config[name]) is not expected:
                raise OptionError(f"{name} of series must be of type {expected.__name__}, got {config[name]!r:.60}.")
        form = cls(**(config | {"channels": tuple(channels)}))
        if form != checked(channels=form.channels, time=form.time, entity=form.entity, given=form):
            raise OptionError("a form of series must be written as Diabolo writes it.")
        return form


class Given(NamedTuple):
    """The settings of `windows` as a user gave them."""

    window: object
    step: object = None
    max_gap: object = AUTO
    duplicates: object = ""
    resample: object = ""
    zone: object = ""
    typed: bool = False


def checked(*, channels: tuple[str, ...], time: str, entity: str, given: "Given | SeriesForm") -> SeriesForm:
    """Return the form of settings that a user gave. Raises OptionError for those that cannot be."""
    spelt = Spelling(isinstance(given, Given) and given.typed)
    window = whole(spelt.setting("window"), given.window, 1)
    step = window if given.step is None else whole(spelt.setting("step"), given.step, 1)
    duplicates = given.duplicates or ""
    if duplicates not in ("", *DUPLICATES):
        raise OptionError(f"{spelt.setting('duplicates')} must be first or mean, got {duplicates!r:.40}.")
    zone = given.zone or ""
    if not isinstance(zone, str):
        raise OptionError(f"{spelt.setting('zone')} must be the name of a time zone, got {zone!r:.40}.")
    return SeriesForm(
        channels=channels,
        time=time,
        entity=entity,
        window=window,
        step=step,
        max_gap=_max_gap(given.max_gap, spelt),
        duplicates=str(duplicates),
        resample=_resample(given.resample, spelt),
        zone=zone,
    )


def _max_gap(value: object, spelt: "Spelling") -> str:
    if value is None or (isinstance(value, str) and value.lower() == NONE):
        return NONE
    if isinstance(value, str) and value.lower() == AUTO:
        return AUTO
    number, seconds = _number(value), seconds_of(value)
    if number is not None and number >= 1:
        return f"{number:g}"
    if seconds:
        return _written(value, seconds)
    words = "none" if spelt.typed else "None"
    raise OptionError(
        f"{spelt.setting('max_gap')} must be {words}, a duration such as 10min, or a number of median steps of at "
        f"least 1, got {value!r:.40}."
    )


def _resample(value: object, spelt: "Spelling") -> str:
    if value is None or value == "":
        return ""
    number, seconds = _number(value), seconds_of(value)
    if number is not None and number > 0:
        return f"{number:g}"
    if seconds:
        return _written(value, seconds)
    raise OptionError(
        f"{spelt.setting('resample')} must be a duration such as 5min, or for times that are numbers a number above "
        f"0, got {value!r:.40}."
    )


def _written(value: object, seconds: float) -> str:
    """Return a duration as it was written, or for a timedelta as `seconds_of` reads it back exactly."""
    return value.replace(" ", "") if isinstance(value, str) else f"{round(seconds * 1e6)}us"


def _number(value: object) -> float | None:
    """Return a number, also one that is written as text, as a float; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    return float(value) if math.isfinite(value) else None


class Spelling:
    """Settings as a caller writes them: options of a command, or arguments in Python.

    Args:
        typed: whether they are options.
        before_fit: whether the table is cut as in fit(), so that a setting can only be given to `windows` before it.
    """

    def __init__(self, typed: bool, *, before_fit: bool = False) -> None:
        self.typed, self._before_fit = typed, before_fit

    def setting(self, name: str, value: str | None = None) -> str:
        """Return the name of a setting, with a value: --max-gap none, or max_gap=None."""
        if self.typed:
            option = f"--{name.replace('_', '-')}" + ("" if value is None else f" {value}")
            return f"diabolo windows {option}" if self._before_fit else option
        argument = name
        if value is not None:
            argument += f"={value}" if value == "None" or _number(value) is not None else f"={value!r}"
        return f"windows({argument})" if self._before_fit else argument

    def none(self, name: str) -> str:
        """Return a setting with the value "none"."""
        return self.setting(name, "none" if self.typed else "None")


def as_written(form: SeriesForm, *, typed: bool) -> str:
    """Return the settings of a form as options of the command `windows`, or as arguments in Python."""
    spelt, parts = Spelling(typed), list[str]()
    for name in ("time", "entity", "window", "step", "max_gap", "duplicates", "resample", "zone"):
        value = str(getattr(form, name))
        if value in ("", AUTO) or (name == "step" and form.step == form.window):
            continue
        if name == "max_gap" and value == NONE:
            parts.append(spelt.none(name))
        else:
            parts.append(spelt.setting(name, shlex.quote(value) if typed else value))
    return (" " if typed else ", ").join(parts)


def in_ticks(value: str, clock: Clock, setting: str, name: str) -> float:
    """Return a duration, or for times that are numbers a number, in ticks.

    Args: setting: how the caller spells it; name: of the column of the times.
    Raises: OptionError for a number where times are dates, and for a duration where they are numbers.
    """
    number, seconds = _number(value), seconds_of(value)
    if clock.per_second is None:
        if number is None:
            raise OptionError(
                f"{setting} {value}: the times of column {name!r} are numbers, so give a number in their unit."
            )
        return number
    if seconds is None:
        raise OptionError(f"{setting} {value}: give the unit as well, such as {value}min or {value}s.")
    ticks = seconds * clock.per_second
    if ticks < 1:
        raise OptionError(f"{setting} {value} is shorter than the times are exact: give {duration(1)} or longer.")
    return ticks


class Limits(NamedTuple):
    """The settings of a form in the unit of the times: ticks, or None."""

    resample: float | None
    gap: float | None  # a longer step is a gap; None: as many as `median_steps` median steps
    median_steps: float | None  # None, and `gap` None as well: there are no gaps


def limits(form: SeriesForm, clock: Clock, spelt: Spelling) -> Limits:
    """Return the settings of a form in ticks. Raises OptionError as `in_ticks`."""
    resample = in_ticks(form.resample, clock, spelt.setting("resample"), form.time) if form.resample else None
    if resample is not None and clock.per_second is not None and resample != round(resample):
        raise OptionError(f"{spelt.setting('resample')} {form.resample} is finer than the times are written: round it.")
    if form.max_gap == NONE:
        return Limits(resample, None, None)
    if form.max_gap == AUTO:
        # A window of resampled moments is at least half full, so that no series can go on over a longer gap.
        longest = None if resample is None else (form.window // 2 + 1) * resample
        return Limits(resample, longest, MEDIAN_STEPS if resample is None else None)
    number = _number(form.max_gap)
    if number is not None:
        return Limits(resample, number * resample if resample is not None else None, number)
    gap = in_ticks(form.max_gap, clock, spelt.setting("max_gap"), form.time)
    return Limits(resample, gap, None)
