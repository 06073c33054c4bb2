"""How the texts of a column are written: numbers, dates, times and booleans as people write them, and back.

    "12,928"  "$1.50"  "27.5%"  "12 kg"  "(1,204)"      numbers
    "1/19/2023"  "3.2.2024 14:05"  "Jan 2012"  "2020Q1"  dates, by a format as for strptime, plus %q for a quarter
    "9:30"                                              times of day, in seconds
    "Yes"  "no"                                         booleans

A form belongs to a column: all its texts are written alike. `texts` finds it, `form_config` writes it as JSON.
Order: the base, numbers, dates, booleans.
"""

import datetime
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np

from diabolo.errors import OptionError
from diabolo.typing import Array, ArrowArray, BoolArray, Float64Array

MINUS = "\u2212"  # the mathematical sign, which some tables have in place of a hyphen
MOST_PLACES = 17  # decimals of a double
POSIX_PIVOT = 69  # years of two digits below it are 20xx
LONGEST = 24  # characters of a unit, a currency or a word
# Units without which the same number is written with other digits: 32 % is 0.32, 20.2M is 20200000.
SCALES = frozenset({"%", "\u2030", "K", "k", "M", "B", "bn", "mn", "thousand", "million", "billion"})


class Form(ABC):
    """How the texts of a column are written.

    Class attributes:
        words: its cells, for messages.
    """

    words: ClassVar[str]

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind of the column."""

    @abstractmethod
    def read(self, cells: ArrowArray) -> Float64Array:
        """Return the numbers of texts (n,): float64, NaN for a missing cell and for a text of another form."""

    @abstractmethod
    def write(self, values: Float64Array) -> list[str | None]:
        """Return the texts of numbers (n,); None for NaN."""

    @abstractmethod
    def check(self) -> None:
        """Raise OptionError if the fields, which may come from a file, contradict each other."""

    def contradicts(self, other: "Form") -> bool:
        """Return whether texts of another form mean something else: another unit, or day and month exchanged."""
        return False


@dataclass(frozen=True, kw_only=True)
class NumberForm(Form):
    """A number with what people write around and between its digits.

    Attributes:
        decimal: the mark before the decimals, "." or ",".
        thousands: the mark between groups of three digits; empty: none.
        prefix, suffix: a currency or a unit, with the blank next to it.
        brackets: whether negative numbers stand in parentheses.
        plus: whether positive numbers have a sign.
        places: decimals that were seen at most.
        fixed: whether every cell has so many decimals.
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    brackets: bool = False
    plus: bool = False
    places: int = MOST_PLACES
    fixed: bool = False

    words: ClassVar[str] = "numbers"

    @property
    def kind(self) -> str:
        """A number."""
        return "number"

    @property
    def units(self) -> set[str]:
        """The currency or the unit; none, or one."""
        return {self.prefix.strip(), self.suffix.strip()} - {""}

    @property
    def scaled(self) -> bool:
        """Whether a number without the unit may be another one: 0.1 may be a tenth or 0.1 %."""
        return bool(self.units & SCALES)

    def contradicts(self, other: Form) -> bool:
        """Return whether the units differ; a number without its unit is taken unless the form is `scaled`."""
        theirs = other.units if isinstance(other, NumberForm) else set[str]()
        return theirs != self.units and (bool(theirs) or self.scaled)

    def read(self, cells: ArrowArray) -> Float64Array:
        """Return the numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        plain = pc.replace_substring(pc.utf8_trim_whitespace(cells), MINUS, "-")
        plain = pc.replace_substring_regex(plain, r"^\((.*)\)$", r"-\1") if self.brackets else plain
        if mark := self.prefix.strip():
            plain = pc.replace_substring_regex(plain, rf"^([+-]?\s*){re.escape(mark)}", r"\1")
        if mark := self.suffix.strip():
            plain = pc.replace_substring_regex(plain, rf"{re.escape(mark)}$", "")
        plain = pc.replace_substring_regex(plain, r"^([+-]?)\s+|\s+$", r"\1")
        fits = pc.match_substring_regex(plain, pattern(self.decimal, self.thousands))
        for mark in self.units & SCALES:
            fits = pc.and_(fits, pc.match_substring(cells, mark))
        plain = pc.replace_substring(plain, self.thousands, "") if self.thousands else plain
        plain = pc.replace_substring(plain, self.decimal, ".") if self.decimal != "." else plain
        plain = pc.replace_substring_regex(plain, r"^\+", "")
        numbers = pc.if_else(fits, plain, pa.scalar(None, pa.string())).cast(pa.float64())
        return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)

    def write(self, values: Float64Array) -> list[str | None]:
        """Return the texts."""
        return [None if np.isnan(each) else self._text(float(each)) for each in values]

    def _text(self, value: float) -> str:
        if self.fixed or self.places < MOST_PLACES:
            digits = f"{abs(value):,.{self.places}f}"
            if not self.fixed and "." in digits:
                digits = digits.rstrip("0").rstrip(".")
        else:
            digits = np.format_float_positional(abs(value), trim="-")
        digits = digits.replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)
        negative = value < 0 and any(each in digits for each in "123456789")
        text = f"{self.prefix}{digits}{self.suffix}"
        if negative:
            return f"({text})" if self.brackets else f"-{text}"
        return f"+{text}" if self.plus and value > 0 else text

    def check(self) -> None:
        """Refuse marks that are digits, and several that are the same."""
        marks = [self.decimal, self.thousands]
        if self.decimal not in (".", ",") or self.thousands not in ("", *SEPARATORS) or marks[0] == marks[1]:
            raise OptionError(
                f"a form of numbers cannot have the marks {self.decimal!r:.20} and {self.thousands!r:.20}."
            )
        if any(re.search(r"[\d+]|^-|\n", each) or len(each) > LONGEST for each in (self.prefix, self.suffix)):
            raise OptionError(
                f"a form of numbers cannot have {self.prefix!r:.40} before and {self.suffix!r:.40} after."
            )
        if not 0 <= self.places <= MOST_PLACES:
            raise OptionError(f"a form of numbers has 0 to {MOST_PLACES} decimals, got {self.places}.")


SEPARATORS = (",", ".", " ", "'", "\u2019", "\u00a0", "\u202f", "_")  # that may stand between thousands


@lru_cache(maxsize=256)
def pattern(decimal: str = ".", thousands: str = "") -> str:
    """Return the pattern of a whole text that is a number with these marks.

    No number with separators between thousands begins with 0: 0,532 is a fraction.
    """
    point, exponent = re.escape(decimal), r"([eE][+-]?\d{1,3})?"
    plain = rf"(\d+{point}?\d*|{point}\d+){exponent}"
    if not thousands:
        return rf"^[+-]?{plain}$"
    mark = re.escape(thousands)
    least = "{2,}" if thousands == "." and decimal == "." else "+"
    return rf"^[+-]?([1-9]\d{{0,2}}({mark}\d{{3}}){least}({point}\d*)?|{plain})$"


MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH_NAMES = "|".join(f"{each[:3]}(?:{each[3:]})?" if each[3:] else each for each in MONTHS) + "|sept"
_DAY_NAMES = "|".join(f"{each[:3]}(?:{each[3:]}|s|rs|r)?" for each in WEEKDAYS)

# Each field of a format: its pattern, in which the name of the group is that of the field.
FIELDS: Mapping[str, str] = {
    "Y": r"[12]\d{3}",
    "G": r"[12]\d{3}",
    "y": r"\d\d",
    "m": r"0?[1-9]|1[0-2]",
    "d": r"0?[1-9]|[12]\d|3[01]",
    "b": rf"(?i:{_MONTH_NAMES})",
    "q": r"[1-4]",
    "V": r"0?[1-9]|[1-4]\d|5[0-3]",
    "H": r"[01]?\d|2[0-4]",
    "I": r"0?[1-9]|1[0-2]",
    "M": r"[0-5]\d",
    "S": r"[0-5]\d|60",
    "f": r"\d{1,9}",
    "p": r"(?i:[ap]\.?m\.?)",
    "z": r"Z|UTC|GMT|[+-]\d\d:?\d\d",
    "a": rf"(?i:{_DAY_NAMES})",
}
_SAME = {"B": "b", "A": "a"}  # the full name, which is read like the short one
_TOKEN = re.compile(r"%(-?)([a-zA-Z%])")


@dataclass(frozen=True, kw_only=True)
class DateForm(Form):
    """A date, or a time of day, in a format as for strptime.

    Attributes:
        format: fields of `FIELDS`; %B and %A are full names, %-d has no leading zero, %q is a quarter, %G and %V are
            the year and the week of ISO 8601.
        upper: whether names are in capitals.
        pivot: years of two digits below it are 20xx, the others 19xx.
    """

    format: str
    upper: bool = False
    pivot: int = attribute(default=POSIX_PIVOT, metadata={"optional": True})

    words: ClassVar[str] = "dates"

    @property
    def kind(self) -> str:
        """A date, or a number for a time of day."""
        return "date" if self._fields & {"Y", "y", "G"} else "number"

    def contradicts(self, other: Form) -> bool:
        """Return whether day and month stand the other way round, and no year before them tells so."""
        if not isinstance(other, DateForm):
            return False
        mine, theirs = ([field for _, field, _ in each._tokens if field in ("Y", "m", "d")] for each in (self, other))
        days, exchanged = ([field for field in each if field != "Y"] for each in (mine, theirs))
        return len(days) == 2 and days == exchanged[::-1] and theirs[0] != "Y"

    @property
    def has_short_years(self) -> bool:
        """Whether years have two digits."""
        return "y" in self._fields

    @staticmethod
    def years(seconds: Float64Array) -> Array:
        """Return the years of dates, (n,)."""
        return np.asarray(seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970)

    @cached_property
    def _tokens(self) -> list[tuple[str, str, bool]]:
        """The format as (literal text, field, whether it has no leading zero); a field may be empty."""
        tokens, at = [], 0
        for found in _TOKEN.finditer(self.format):
            if before := self.format[at : found.start()]:
                tokens.append((before, "", False))
            if found[2] == "%":
                tokens.append(("%", "", False))
            else:
                tokens.append(("", found[2], bool(found[1])))
            at = found.end()
        if rest := self.format[at:]:
            tokens.append((rest, "", False))
        return tokens

    @cached_property
    def _fields(self) -> set[str]:
        return {_SAME.get(field, field) for _, field, _ in self._tokens if field}

    @cached_property
    def pattern(self) -> str:
        """The pattern of a whole text."""
        parts = []
        for literal, field, _ in self._tokens:
            name = _SAME.get(field, field)
            if field:
                parts.append(f"(?P<{name}>{FIELDS[name]})")
            else:
                parts.append(re.sub(r"(\\ )+", r"\\s+", re.escape(literal)))
        return "^" + "".join(parts) + "$"

    def read(self, cells: ArrowArray) -> Float64Array:
        """Return seconds since 1970, of a time of day seconds since midnight. Without a zone, times are UTC."""
        import pyarrow as pa
        import pyarrow.compute as pc

        coded = pc.dictionary_encode(pc.utf8_trim_whitespace(_one(cells)))
        found = pc.extract_regex(coded.dictionary, self.pattern)
        missing = np.asarray(found.is_null().to_numpy(zero_copy_only=False), bool)
        size = len(missing)
        known: dict[str, Array] = {
            name: np.asarray(pc.struct_field(found, name).fill_null("").to_numpy(zero_copy_only=False), object)
            for name in self._fields
        }

        def whole(name: str, absent: int = 0) -> Array:
            if name not in known:
                return np.full(size, absent)
            return np.array([int(each) if each else absent for each in known[name]], np.int64)

        seconds, wrong = self._clock(known, whole, size)
        if self.kind == "date":
            days, outside = self._days(known, whole, size)
            seconds, wrong = seconds + days * 86_400.0, wrong | outside
        seconds[missing | wrong] = np.nan
        places = coded.indices.cast(pa.float64()).to_numpy(zero_copy_only=False)
        out = np.full(len(places), np.nan)
        there = ~np.isnan(places)
        out[there] = seconds[places[there].astype(np.int64)]
        return out

    @staticmethod
    def _clock(known: Mapping[str, Array], whole: Callable[..., Array], size: int) -> tuple[Float64Array, BoolArray]:
        """Return seconds since midnight, in UTC if there is a zone, and where there is no such time."""
        hours, wrong = whole("H"), np.zeros(size, bool)
        if "I" in known:
            later = np.array([each[:1] in "pP" and bool(each) for each in known["p"]], bool)
            hours = whole("I") % 12 + 12 * later
        seconds = hours * 3600.0 + whole("M") * 60.0 + whole("S")
        wrong |= hours > 24
        if "f" in known:
            seconds = seconds + np.array([float(f"0.{each or 0}") for each in known["f"]], float)
        if "z" in known:
            seconds = seconds - np.array([_offset(each) for each in known["z"]], float)
        return seconds, wrong

    def _days(
        self, known: Mapping[str, Array], whole: Callable[..., Array], size: int
    ) -> tuple[Float64Array, BoolArray]:
        """Return days since 1970, and where there is no such day."""
        if "G" in known:
            mondays, following = (_first_monday(whole("G", 1970) + more) for more in (0, 1))
            days = mondays + 7 * (whole("V", 1) - 1)
            return np.asarray(days, np.float64), days >= following
        years = whole("Y", 1970)
        if "y" in known:
            short = whole("y")
            years = short + np.where(short < self.pivot, 2000, 1900)
        months = whole("m", 1)
        if "b" in known:
            months = np.array([_month(each) for each in known["b"]], np.int64)
        if "q" in known:
            months = 3 * whole("q", 1) - 2
        days = whole("d", 1)
        first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
        length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
        return np.asarray(first.astype("datetime64[D]").astype(np.int64) + days - 1, np.float64), days > length

    def write(self, values: Float64Array) -> list[str | None]:
        """Return the texts."""
        texts: dict[float, str] = {}
        for value in np.unique(values[~np.isnan(values)]).tolist():
            texts[value] = self._text(value)
        return [None if np.isnan(each) else texts[each] for each in values.tolist()]

    def _text(self, value: float) -> str:
        step = 1e-6 if "f" in self._fields else 1.0 if "S" in self._fields else 60.0 if "M" in self._fields else 1.0
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(value / step) * step)
        parts = []
        for literal, field, bare in self._tokens:
            text = literal or _WRITERS[field](moment)
            text = text.lstrip("0") or "0" if bare else text
            parts.append(text.upper() if self.upper and field in ("b", "B", "a", "A") else text)
        return "".join(parts)

    def check(self) -> None:
        """Refuse a format without a date or a time, with a field that is not known or that stands twice."""
        fields_ = [_SAME.get(field, field) for _, field, _ in self._tokens if field]
        unknown_ = next((field for field in fields_ if field not in FIELDS), None)
        if unknown_ is not None:
            raise OptionError(
                f"%{unknown_} is not a field of a date: expected a format such as %m/%d/%Y or %d.%m.%Y %H:%M, got "
                f"{self.format!r:.60}."
            )
        parts = set(fields_)
        if not 0 <= self.pivot <= 100:
            raise OptionError(f"the pivot of years of two digits is 0 to 100, got {self.pivot}.")
        dated = bool(parts & {"Y", "y"} and (not parts & {"d"} or parts & {"m", "b"}))
        if parts & {"G", "V"}:
            dated = parts >= {"G", "V"} and not parts & set("Yymdbq")
        timed = parts & {"H", "I"} and (("I" in parts) == ("p" in parts))
        if len(parts) < len(fields_) or len(self.format) > 80 or not (dated or (timed and not parts & set("mbdqGV"))):
            raise OptionError(
                f"expected the format of a date or time, such as %m/%d/%Y or %d.%m.%Y %H:%M, got {self.format!r:.60}."
            )


def _one(cells: ArrowArray) -> ArrowArray:
    """Return a chunked array as one array."""
    import pyarrow as pa

    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _first_monday(years: Array) -> Array:
    """Return the Monday of the first ISO week of years, the one with 4 January, in days since 1970."""
    fourth = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64) + 3
    return np.asarray(fourth - (fourth + 3) % 7)  # 1 January 1970 was a Thursday


def _month(name: str) -> int:
    return next((at for at, each in enumerate(MONTHS, 1) if name and each.startswith(name[:3].lower())), 1)


def _offset(zone: str) -> float:
    """Return the seconds that a zone such as +02:00 is ahead of UTC."""
    if zone[:1] not in ("+", "-"):
        return 0.0
    digits = zone[1:].replace(":", "")
    return (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0)


_WRITERS: Mapping[str, Callable[[datetime.datetime], str]] = {
    "Y": lambda at: f"{at.year:04d}",
    "G": lambda at: f"{at.isocalendar().year:04d}",
    "V": lambda at: f"{at.isocalendar().week:02d}",
    "y": lambda at: f"{at.year % 100:02d}",
    "m": lambda at: f"{at.month:02d}",
    "d": lambda at: f"{at.day:02d}",
    "b": lambda at: MONTHS[at.month - 1][:3].title(),
    "B": lambda at: MONTHS[at.month - 1].title(),
    "q": lambda at: str((at.month + 2) // 3),
    "H": lambda at: f"{at.hour:02d}",
    "I": lambda at: f"{(at.hour - 1) % 12 + 1:02d}",
    "M": lambda at: f"{at.minute:02d}",
    "S": lambda at: f"{at.second:02d}",
    "f": lambda at: f"{at.microsecond:06d}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "z": lambda at: "Z",
    "a": lambda at: WEEKDAYS[at.weekday()][:3].title(),
    "A": lambda at: WEEKDAYS[at.weekday()].title(),
}


@dataclass(frozen=True, kw_only=True)
class BooleanForm(Form):
    """Two words, such as Yes and No."""

    true: str
    false: str

    words: ClassVar[str] = "booleans"

    @property
    def kind(self) -> str:
        """A boolean."""
        return "boolean"

    def read(self, cells: ArrowArray) -> Float64Array:
        """Return 1 and 0."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
        true, false = (pc.equal(words, each.lower()) for each in (self.true, self.false))
        values = pc.if_else(true, 1.0, pc.if_else(false, 0.0, pa.scalar(None, pa.float64())))
        return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)

    def write(self, values: Float64Array) -> list[str | None]:
        """Return the words."""
        return [None if np.isnan(each) else self.true if each >= 0.5 else self.false for each in values]

    def check(self) -> None:
        """Refuse words that are the same."""
        same = self.true.strip().lower() == self.false.strip().lower()
        if same or not self.true or not self.false or max(len(self.true), len(self.false)) > LONGEST:
            raise OptionError(
                f"two different words are needed for true and false, got {self.true!r:.40}, {self.false!r:.40}."
            )
