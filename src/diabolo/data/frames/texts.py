"""Find out what the texts of a column are: numbers, dates, booleans, or words.

If numbers or dates were silently used as a category, its levels would have no order and no distance. So a column that
looks like numbers or dates and cannot be read as such is never a category by itself: `Found.doubt` says why.
Order: what is known beforehand, the result, `find`, missing cells, numbers, dates, booleans.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from diabolo.data.frames.forms import (
    FIELDS,
    MINUS,
    MONTHS,
    SEPARATORS,
    BooleanForm,
    DateForm,
    Form,
    NumberForm,
    pattern,
)
from diabolo.data.frames.marks import AMONG_NUMBERS, MISSING
from diabolo.errors import OptionError
from diabolo.typing import Array, ArrowArray, Float64Array

SAMPLE = 2_000  # different texts that are looked at one by one; a form that fits them is tried on all
ENOUGH = 5  # different dates, from whose order in a table the order of day and month is inferred
FEW_TEXTS = 0.1  # if a smaller share of cells are not numbers (or dates), they are mistakes, not levels


class Cells(NamedTuple):
    """What a user said of the texts in cells.

    Attributes:
        missing: texts, or numbers, that stand for a missing cell.
        decimal: the decimal mark; empty: found from the texts.
        thousands: the mark between thousands; empty: found from the texts.
        dates: the format of dates, as for strptime; empty: found from the texts.
        typed: whether these came from a command line, so that messages name the options of commands.
    """

    missing: tuple[str, ...] = ()
    decimal: str = ""
    thousands: str = ""
    dates: str = ""
    typed: bool = False

    def check(self) -> None:
        """Raise OptionError for a mark or a format that cannot be."""
        if self.decimal not in ("", ".", ","):
            raise OptionError(f"--decimal expected . or , as the decimal mark, got {self.decimal!r:.20}.")
        if self.thousands not in ("", *SEPARATORS) or (self.thousands and self.thousands == self.decimal):
            known = " ".join(repr(each) for each in SEPARATORS[:4])
            raise OptionError(
                f"--thousands expected a mark between thousands ({known}) other than the decimal mark, got "
                f"{self.thousands!r:.20}."
            )
        if self.dates:
            DateForm(format=self.dates).check()


# What a declared kind may have after a colon, with an example.
KIND_SETTINGS = {"date": "date:%m/%d/%Y", "number": "number:,"}


def split_kind(kind: str) -> tuple[str, str]:
    """Return a declared kind, and what follows its colon. Raises OptionError for a setting that it cannot have."""
    name, colon, setting = kind.partition(":")
    if name == "date" and colon:
        DateForm(format=setting).check()
    elif name == "number" and colon and setting not in (".", ","):
        raise OptionError(f"kind 'number' may have a decimal mark after a colon, 'number:,', got {kind!r:.40}.")
    elif colon and name not in KIND_SETTINGS:
        raise OptionError(f"kind {name!r:.40} has no settings, got {kind!r:.40}: write {name}.")
    return name, setting


class Found(NamedTuple):
    """What the texts of a column are.

    Attributes:
        form: how numbers, dates or booleans are written; None: the texts are words.
        marks: texts that were taken as missing, besides those that always are.
        doubt: why the texts are neither a number, a date nor words, and what to do; empty: they are one of these.
        note: a choice that was made between two readings, to be said.
    """

    form: Form | None = None
    marks: tuple[str, ...] = ()
    doubt: str = ""
    note: str = ""


def find(cells: ArrowArray, name: str, how: Cells | None = None, *, kind: str = "") -> Found:
    """Return what the texts of a column are.

    Args:
        cells: an Arrow array of strings.
        name: of the column, for messages.
        how: what a user said.
        kind: the kind that a user declared: "number", "date" or "boolean", with what `KIND_SETTINGS` allows after a
            colon; empty: none.
    """
    import pyarrow as pa

    how = how or Cells()
    kind, _, declared = kind.partition(":")
    known = cells.filter(present(cells, how.missing))
    texts = known.unique() if not isinstance(known, pa.ChunkedArray) else known.combine_chunks().unique()
    if not len(texts):
        return Found()
    used = _used(cells, how.missing)
    if declared and kind == "date":
        form = DateForm(format=declared)
        form.check()
        wrong = _misfits(form, texts)
        if wrong:
            return Found(marks=used, doubt=f"not dates as {declared}, such as {wrong[0].strip()!r:.40}")
        return Found(_as_written(form, texts.slice(0, SAMPLE).to_pylist()), used)
    how = how._replace(decimal=declared) if declared else how
    for each, finder in (("number", _numbers), ("date", _dates), ("boolean", _booleans)):
        if kind in ("", each):
            found = finder(texts, known, name, how)
            if found is not None:
                return found._replace(marks=tuple(sorted({*used, *found.marks})))
    return Found(marks=used)


# Missing cells


def present(cells: ArrowArray, marks: Sequence[str] = ()) -> ArrowArray:
    """Return which texts are not a mark for a missing cell, as booleans (n,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array([*MISSING, *(each.strip() for each in marks)], pa.string())
    return pc.and_(pc.is_valid(cells), pc.invert(pc.is_in(pc.utf8_trim_whitespace(cells), known)))


def _used(cells: ArrowArray, marks: Sequence[str]) -> tuple[str, ...]:
    """Return the marks of a user that occur."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(cells)
    return tuple(each for each in marks if pc.any(pc.equal(trimmed, pa.scalar(each.strip()))).as_py())


def as_texts(cells: ArrowArray) -> ArrowArray:
    """Return an array of any text type as an array of strings, which the functions here take."""
    import pyarrow as pa

    return cells if pa.types.is_string(cells.type) else cells.cast(pa.string())


def _share(texts: ArrowArray, known: ArrowArray, which: list[str]) -> float:
    """Return the share of cells that are one of some texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return float(pc.mean(pc.is_in(known, pa.array(which, pa.string())).cast(pa.float64())).as_py() or 0.0)


def _misfits(form: Form, texts: ArrowArray) -> list[str]:
    """Return the texts that are not of a form."""
    import pyarrow as pa

    wrong = np.isnan(form.read(texts))
    return list(texts.filter(pa.array(wrong)).to_pylist()) if wrong.any() else []


def _remedy(name: str, texts: list[str], how: Cells) -> str:
    """Return what to type so that a few texts count as missing."""
    shown = texts[0].strip()
    if how.typed:
        mark = f"'{shown}'" if re.search(r"[^\w.]", shown) else shown
        return f"--missing {mark} takes it as missing"
    return f"frame[{name!r}].replace({shown!r}, None) takes it as missing"


# Numbers


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CURRENCIES = _words(
    "$ \u20ac \u00a3 \u00a5 \u20b9 \u20a9 \u20bd \u20ba R$ US$ A$ C$ Rs. Rs kr EUR USD GBP CHF JPY CNY INR AUD CAD "
    "SEK NOK DKK PLN BRL"
)
UNITS = _words(
    "% \u2030 \u00b0 \u00b0C \u00b0F \u00b0K kg g mg \u00b5g t lb lbs oz km m cm mm \u00b5m nm in ft yd mi km/h kmh "
    "mph m/s kn l L ml cl gal h hr hrs min mins s sec secs ms d days y yr yrs years Hz kHz MHz GHz W kW MW V mV mA "
    "kWh MWh Wh cal kcal Pa hPa kPa bar psi px pt MB GB TB kB KB bytes bpm rpm cc hp bhp K k M B bn mn x X pp ' \" "
    "million billion thousand"
)
KNOWN_UNITS = UNITS | CURRENCIES
_BODY = r"\d[\d.,'\u2019\u00a0\u202f _]*|[.,]\d+"
_SPLIT = re.compile(
    rf"(?P<open>\()?(?P<sign>[+\-{MINUS}] ?)?(?P<prefix>[^\d\s.,()+\-{MINUS}]{{1,4}}\.? ?)?(?P<sign2>[+\-{MINUS}])?"
    rf"(?P<body>{_BODY})(?P<exponent>[eE][+-]?\d{{1,3}})?(?P<suffix>(?<! ) ?[^\d\s.,()+\-]\S{{0,11}})?(?P<close>\))?"
)
LETTERED = re.compile(r"[A-Za-z]{1,3} ?[+] ?\d+(\.\d+)?")  # D +1.5
CODE = re.compile(r"0\d+")  # 007 is a code, not the number 7
# The decimal mark and the mark between thousands, the likeliest first.
STANDARD = [(".", ""), (".", ","), (",", ""), (",", ".")]
STANDARD += [(decimal, thousands) for thousands in SEPARATORS[2:] for decimal in (".", ",")]


class _Parts(NamedTuple):
    """A text that looks like a number, taken apart."""

    text: str
    negative: bool
    plus: bool
    brackets: bool
    prefix: str
    body: str
    suffix: str


def _parts(text: str) -> _Parts | None:
    found = _SPLIT.fullmatch(text.strip())
    if found is None or bool(found["open"]) != bool(found["close"]) or (found["sign"] and found["sign2"]):
        return None
    prefix, suffix = found["prefix"] or "", found["suffix"] or ""
    if prefix and prefix.strip() not in CURRENCIES:
        return None
    if suffix and suffix.strip() not in KNOWN_UNITS and not (suffix[0] == " " and suffix[1:].isalpha()):
        return None
    body, sign = found["body"], (found["sign"] or found["sign2"] or "").strip()
    if body != body.rstrip(" "):
        suffix, body = " " + suffix if suffix else suffix, body.rstrip(" ")
    return _Parts(
        text, sign in ("-", MINUS), sign == "+", bool(found["open"]), prefix, body + (found["exponent"] or ""), suffix
    )


def _numbers(texts: ArrowArray, known: ArrowArray, name: str, how: Cells) -> Found | None:
    """Return the form of numbers, a doubt for what is nearly numbers, None for other texts."""
    import pyarrow.compute as pc

    sample = texts.slice(0, SAMPLE).to_pylist()
    if not any(_parts(each) for each in sample):
        lettered = [each for each in sample if LETTERED.fullmatch(each.strip())]
        if len(lettered) > FEW_TEXTS * len(sample) and len(sample) - len(lettered) <= FEW_TEXTS * len(sample):
            return Found(doubt=f"numbers after letters, such as {lettered[0].strip()!r:.30}")
        return None
    others = [each for each in sample if _parts(each) is None]
    marks = tuple(each.strip() for each in others if each.strip().lower() in AMONG_NUMBERS)
    wrong = [each for each in others if each.strip().lower() not in AMONG_NUMBERS]
    parts = [each for each in map(_parts, sample) if each is not None]
    if wrong:
        few = _share(texts, known, wrong) < FEW_TEXTS
        if not few or _is_code(parts):
            return None
        return Found(doubt=f"numbers, but also {wrong[0].strip()!r:.40} ({_remedy(name, wrong, how)})")
    if _is_code(parts):
        return None
    units = {(each.prefix.strip(), each.suffix.strip()) for each in parts}
    if len(units) > 1:
        if any(suffix and suffix not in KNOWN_UNITS for _, suffix in units):
            return None  # words such as "1 of" and "2 left"
        shown = " and ".join(f"{each.text.strip()!r:.30}" for each in _of_units(parts)[:2])
        return Found(doubt=f"numbers with different units ({shown}): write one unit in every cell")
    (prefix, suffix) = next(iter(units))
    if suffix and suffix not in KNOWN_UNITS and len(parts) < 3:
        return None
    marks_of, note = _marks_between(parts, name, how)
    if marks_of is None:
        return None if not note else Found(doubt=note)
    decimal, thousands = marks_of
    form = _form(parts, decimal, thousands)
    left = [each for each in _misfits(form, texts) if each.strip().lower() not in AMONG_NUMBERS]
    if left:  # beyond the sample
        if _share(texts, known, left) >= FEW_TEXTS:
            return None
        return Found(doubt=f"numbers, but also {left[0].strip()!r:.40} ({_remedy(name, left, how)})")
    every = texts.to_pylist() if len(texts) > SAMPLE else sample
    marks = tuple(sorted({each.strip() for each in every if each.strip().lower() in AMONG_NUMBERS}))
    if (
        len(texts) > SAMPLE
        and pc.any(pc.match_substring_regex(texts, r"^\s*0\d+\s*$")).as_py()
        and not (prefix or suffix)
    ):
        return None
    return Found(form, marks, note=note)


def _is_code(parts: list[_Parts]) -> bool:
    """Return whether whole numbers have leading zeros."""
    return any(CODE.fullmatch(each.body) for each in parts) and not any(each.prefix or each.suffix for each in parts)


def _of_units(parts: list[_Parts]) -> list[_Parts]:
    """Return one number for each unit."""
    return list({(each.prefix.strip(), each.suffix.strip()): each for each in parts}.values())


def _marks_between(parts: list[_Parts], name: str, how: Cells) -> tuple[tuple[str, str] | None, str]:
    """Return the decimal mark and the mark between thousands that fit all numbers, and a note on a choice.

    None if no two marks fit.
    """
    bodies = [each.body for each in parts]
    fitting = [
        marks
        for marks in STANDARD
        if (not how.decimal or marks[0] == how.decimal)
        and (not how.thousands or marks[1] in ("", how.thousands))
        and all(re.match(pattern(*marks), each) for each in bodies)
    ]
    if not fitting:
        return None, ""
    plain = [marks for marks in fitting if not marks[1]]
    if (".", "") in plain and not how.thousands:
        return (".", ""), ""
    grouped = [marks for marks in fitting if marks[1]]
    if how.decimal or how.thousands:
        return (grouped or plain)[0] if how.thousands else (plain or grouped)[0], ""
    if plain and not grouped:
        return plain[0], ""
    if (",", "") in plain and (".", ",") in grouped:
        # Every comma comes before three digits: one reading has thousands, the other has three decimals.
        cell = next(each.body for each in parts if "," in each.body)
        if how.typed:
            other = "add --decimal , if they are decimal commas"
        else:
            other = f"types={{{name!r}: 'number:,'}} if they are decimal commas"
        return (".", ","), f"{cell} is read as {cell.replace(',', '')}: {other}"
    return grouped[0], ""


def _form(parts: list[_Parts], decimal: str, thousands: str) -> NumberForm:
    places = {len(each.body.partition(decimal)[2]) if "e" not in each.body.lower() else 17 for each in parts}
    grouped = any(thousands in each.body for each in parts) if thousands else False
    longest = max(places)
    positive = [each for each in parts if not each.negative and not each.brackets and each.body.strip("0.,")]
    first = parts[0]
    return NumberForm(
        decimal=decimal,
        thousands=thousands if grouped else "",
        prefix=first.prefix,
        suffix=first.suffix,
        brackets=any(each.brackets for each in parts),
        plus=bool(positive) and all(each.plus for each in positive),
        places=min(longest, 17),
        fixed=len(places) == 1 and longest < 17,
    )


# Dates

_TIME = re.compile(
    r"(?P<between>[T ]+|, +|^)(?P<hour>\d{1,2}):\d\d(?P<second>:\d\d(?P<fraction>[.,]\d{1,9})?)?"
    r"(?P<half> ?[ap]\.?m\.?)?(?P<zone> ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?$",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"\d+|[A-Za-z]+|[^\dA-Za-z]+")
_WEEKDAY = re.compile(rf"({FIELDS['a']})([,.]? +)")
_MONTH = re.compile(FIELDS["b"])


def _dates(texts: ArrowArray, known: ArrowArray, name: str, how: Cells) -> Found | None:
    """Return the form of dates or times of day, a doubt for what is nearly dates, None for other texts."""
    import pyarrow as pa

    sample = texts.slice(0, SAMPLE).to_pylist()
    if how.dates and not _misfits(asked := DateForm(format=how.dates), texts):
        return Found(_as_written(asked, sample))
    marks = {each for each in sample if each.strip().lower() in AMONG_NUMBERS}
    looked = [each for each in sample if each not in marks]
    first = next((each for each in looked if next(_formats(each.strip()), None)), None)
    if first is None or looked.index(first) > 20:
        return None
    every = pa.array([each for each in texts.to_pylist() if each.strip().lower() not in AMONG_NUMBERS], pa.string())
    chosen = [DateForm(format=each) for each in dict.fromkeys(_formats(first.strip()))]
    wrong = {form: _misfits(form, every) for form in chosen}
    fitting = [form for form in chosen if not wrong[form]]
    if not fitting:
        # Times without seconds among others, 1/2/2023 among others with a time of day: more than one form.
        best = min(chosen, key=lambda each: len(wrong[each]))
        share = _share(texts, known, wrong[best])
        if share >= FEW_TEXTS:
            several = all(next(_formats(each.strip()), None) for each in looked)
            if several and len(looked) > 1:
                return Found(doubt=f"dates in several forms ({first.strip()!r:.30}, {wrong[best][0].strip()!r:.30})")
            return None
        return Found(doubt=f"dates, but also {wrong[best][0].strip()!r:.40} ({_remedy(name, wrong[best], how)})")
    if _are_seasons(fitting[0].format, looked):
        return None
    form, reason = _settled(fitting, known)
    if form is None:
        ways = " or ".join(_asked(each, name, how) for each in fitting)
        return Found(doubt=f"dates ({first.strip()!r:.30}) whose order of day and month is not certain: {ways}")
    note = ""
    if reason:
        others = " or ".join(_asked(each, name, how) for each in fitting if each is not form)
        note = f"dates such as {first.strip()!r:.30} are read as {form.format}, {reason}: {others} reads them otherwise"
    return Found(_as_written(form, looked), tuple(sorted(each.strip() for each in marks)), note=note)


def _asked(form: DateForm, name: str, how: Cells) -> str:
    """Return what to type so that dates are read in a form."""
    return f"--dates '{form.format}'" if how.typed else f"types={{{name!r}: 'date:{form.format}'}}"


def _settled(fitting: list[DateForm], known: ArrowArray) -> tuple[DateForm | None, str]:
    """Return which of several forms it is, and the reason, if it is not plain; None if it cannot be known."""
    if len(fitting) == 1:
        return fitting[0], ""
    if all("." in each.format[2:4] for each in fitting):  # with points, the day comes before the month
        return next((each for each in fitting if each.format.startswith("%d")), fitting[0]), ""
    values = {form: form.read(known) for form in fitting}
    values = {form: each[~np.isnan(each)] for form, each in values.items()}
    distinct = min(len(np.unique(each)) for each in values.values())
    rising = [form for form, each in values.items() if (np.diff(each) >= 0).all() or (np.diff(each) <= 0).all()]
    if len(rising) == 1 and distinct >= ENOUGH:
        return rising[0], "because the rows are then in order"
    first_days = [
        form
        for form, each in values.items()
        if (each.astype("datetime64[s]").astype("datetime64[D]") == _month_start(each)).all()
    ]
    if len(first_days) == 1 and distinct >= ENOUGH:
        return first_days[0], "because every date is then the first of a month"
    return None, ""


def _month_start(seconds: Float64Array) -> Array:
    return seconds.astype("datetime64[s]").astype("datetime64[M]").astype("datetime64[D]")


def _are_seasons(form: str, texts: list[str]) -> bool:
    """Return whether texts such as 2009-10 are pairs of years that follow each other, not years and months."""
    if not re.fullmatch(r"%Y[-/]%m", form):
        return False
    years = [(int(each.strip()[:4]), int(each.strip()[5:])) for each in texts]
    return len(years) > 1 and all((year + 1) % 100 == after for year, after in years)


def _formats(text: str) -> Iterator[str]:
    """Yield the formats that a text could have, the likeliest first."""
    if len(text) > 60 or not any(each.isdigit() for each in text):
        return
    time = _TIME.search(text)
    clock = _clock(time) if time else ""
    date = text[: time.start()] if time else text
    if time and not date:
        yield clock
        return
    before = ""
    if weekday := _WEEKDAY.match(date):
        before, date = ("%A" if len(weekday[1]) > 4 else "%a") + weekday[2], date[weekday.end() :]
    for form in _date_formats(date):
        yield f"{before}{form}{clock}"


def _clock(time: re.Match[str]) -> str:
    hour = "%I" if time["half"] else "%H"
    fraction = f"{time['fraction'][0]}%f" if time["fraction"] else ""
    seconds = f":%S{fraction}" if time["second"] else ""
    half = (" " if time["half"].startswith(" ") else "") + "%p" if time["half"] else ""
    zone = (" " if time["zone"].startswith(" ") else "") + "%z" if time["zone"] else ""
    return f"{time['between']}{hour}:%M{seconds}{half}{zone}"


# The fields of a date, by the tokens of its text: 4 a year, n one or two digits, w the name of a month, Q a quarter.
_ORDERS = {
    "4nn": ("Ymd",),
    "nn4": ("mdY", "dmY"),
    "nnn": ("mdy", "dmy", "ymd"),
    "4n": ("Ym",),
    "n4": ("mY",),
    "nw4": ("dbY",),
    "nwn": ("dby", "ybd"),
    "4wn": ("Ybd",),
    "wn4": ("bdY",),
    "w4": ("bY",),
    "wn": ("by",),
    "4w": ("Yb",),
    "4Qn": ("YQq",),
    "Qn4": ("QqY",),
}


def _date_formats(text: str) -> Iterator[str]:
    tokens = _TOKENS.findall(text)
    kinds, literal = "", []  # literal: what stands before each field
    gap = ""
    for token in tokens:
        if token.isdigit():
            if len(token) not in (1, 2, 4) or (len(token) == 4 and not re.fullmatch(FIELDS["Y"], token)):
                return
            kinds += "4" if len(token) == 4 else "n"
        elif token.isalpha():
            if token in ("Q", "q"):
                kinds += "Q"
            elif _MONTH.fullmatch(token):
                kinds += "w"
            else:
                return
        else:
            if not re.fullmatch(r"[-/., ']{1,3}", token):
                return
            gap = token
            continue
        literal.append(gap)
        gap = ""
    if gap not in ("", ".") or kinds not in _ORDERS or (literal and literal[0]):
        return
    numbers_only = set(kinds) <= {"4", "n"}
    between = set(literal[1:])
    if numbers_only and (
        len(between) > 1 or not between <= {"-", "/", ".", " "} or (len(kinds) == 2 and "." in between)
    ):
        return
    for order in _ORDERS[kinds]:
        names = [token for token in tokens if token.isalpha()]
        fields = ["%B" if each == "b" and len(names[0]) > 4 else "Q" if each == "Q" else f"%{each}" for each in order]
        yield "".join(before + field for before, field in zip(literal, fields, strict=True)) + gap


def _as_written(form: DateForm, texts: list[str]) -> DateForm:
    """Return a form with the leading zeros and the names of months as in the texts."""
    found = [match for match in (re.match(form.pattern, each.strip()) for each in texts) if match]
    written = form.format
    for field in ("m", "d", "H", "I"):
        if f"%{field}" not in written:
            continue
        short = any(len(each[field]) == 1 for each in found)
        zeros = any(len(each[field]) == 2 and each[field][0] == "0" for each in found)
        if short and not zeros:
            written = written.replace(f"%{field}", f"%-{field}")
    names = [each["b"] for each in found if "b" in each.groupdict()]
    if names:
        full = any(len(each) > 4 for each in names) or {*map(str.lower, names)} <= {*MONTHS}
        written = written.replace("%b", "%B") if full else written.replace("%B", "%b")
    return DateForm(format=written, upper=bool(names) and all(each.isupper() for each in names))


# Booleans

WORDS = (
    *(("yes", "no"), ("true", "false"), ("y", "n"), ("t", "f"), ("on", "off")),
    *(("ja", "nein"), ("oui", "non"), ("s\u00ed", "no"), ("si", "no")),
)


def _booleans(texts: ArrowArray, known: ArrowArray, name: str, how: Cells) -> Found | None:
    """Return the words of a boolean column, None for other texts."""
    if len(texts) > 20:
        return None
    every = texts.to_pylist()
    marks = tuple(sorted(each.strip() for each in every if each.strip().lower() in AMONG_NUMBERS))
    words = {each.strip() for each in every} - {*marks}
    for true, false in WORDS:
        if {each.lower() for each in words} == {true, false}:
            chosen = sorted(words)  # capitals first
            return Found(
                BooleanForm(
                    true=next(each for each in chosen if each.lower() == true),
                    false=next(each for each in chosen if each.lower() == false),
                ),
                marks,
            )
    return None
