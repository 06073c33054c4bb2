"""Find out whether texts are dates or times of day, and in which format.

Order: the form of a column, the order of day and month, formats of one text, leading zeros and names.
"""

import datetime
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from diabolo.data.frames.cells import FEW_TEXTS, SAMPLE, Cells, Found, misfits, remedy, share
from diabolo.data.frames.forms import FIELDS, MONTHS, DateForm
from diabolo.data.frames.marks import AMONG_NUMBERS
from diabolo.typing import Array, ArrowArray, Float64Array

ENOUGH = 5  # different dates, from whose order in a table the order of day and month is inferred

_TIME = re.compile(
    r"(?P<between>[T ]+|, +|^)(?P<hour>\d{1,2}):\d\d(?P<second>:\d\d(?P<fraction>[.,]\d{1,9})?)?"
    r"(?P<half> ?[ap]\.?m\.?)?(?P<zone> ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?$",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"\d+|[A-Za-z]+|[^\dA-Za-z]+")
_MONTH_AND_YEAR = re.compile(r"(0[1-9]|1[0-2])\.(19\d\d|20\d\d|2100)")  # 03.2021
_WEEKDAY = re.compile(rf"({FIELDS['a']})([,.]? +)")
_MONTH = re.compile(FIELDS["b"])


def find(texts: ArrowArray, known: ArrowArray, name: str, how: Cells) -> Found | None:
    """Return the form of dates or times of day, a doubt for what is nearly dates, None for other texts."""
    import pyarrow as pa

    sample = texts.slice(0, SAMPLE).to_pylist()
    if how.dates and not misfits(asked := DateForm(format=how.dates), texts):
        given, note = in_century(as_written(asked, sample), texts)
        return Found(given, note=note)
    marks = {each for each in sample if each.strip().lower() in AMONG_NUMBERS}
    looked = [each for each in sample if each not in marks]
    first = next((each for each in looked if next(_formats(each.strip()), None)), None)
    if first is None or looked.index(first) > 20:
        return None
    every = pa.array([each for each in texts.to_pylist() if each.strip().lower() not in AMONG_NUMBERS], pa.string())
    chosen = [DateForm(format=each) for each in dict.fromkeys(_formats(first.strip()))]
    wrong = {form: misfits(form, every) for form in chosen}
    fitting = [form for form in chosen if not wrong[form]]
    if not fitting:
        # Times without seconds among others, 1/2/2023 among others with a time of day: more than one form.
        best = min(chosen, key=lambda each: len(wrong[each]))
        if share(texts, known, wrong[best]) >= FEW_TEXTS:
            if len(looked) > 1 and all(map(_is_date, looked)):
                return Found(doubt=f"dates in several forms ({first.strip()!r:.30}, {wrong[best][0].strip()!r:.30})")
            return None
        return Found(doubt=f"dates, but also {wrong[best][0].strip()!r:.40} ({remedy(name, wrong[best], how)})")
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
    form, century = in_century(as_written(form, looked), every)
    note = "; ".join(filter(None, (note, century)))
    return Found(form, tuple(sorted(each.strip() for each in marks)), note=note)


def in_century(form: DateForm, texts: ArrowArray) -> tuple[DateForm, str]:
    """Return a form whose years of two digits are not in the future if they need not be, and a note on the choice.

    Dates to come, such as the ends of contracts, stay in the future: they are nearer to the other dates than the same
    dates a hundred years before.
    """
    if not form.has_short_years:
        return form, ""
    this_year = datetime.datetime.now(tz=datetime.UTC).year
    values = form.read(texts)
    known = ~np.isnan(values)
    if not known.any() or form.years(values[known]).max() <= this_year:
        return form, ""
    moved = replace(form, pivot=this_year % 100 + 1)
    usual, past = form.years(values[known]), moved.years(moved.read(texts)[known])
    if np.ptp(past) <= np.ptp(usual):
        form, usual = moved, past
    newest = list(texts.filter(_of(known)).to_pylist())[int(usual.argmax())].strip()
    return form, (
        f"years of two digits are read as {usual.min()} to {usual.max()} ({newest!r:.30} is in {usual.max()}): write "
        "four digits if they are others"
    )


def _of(mask: Array) -> ArrowArray:
    import pyarrow as pa

    return pa.array(mask)


def are_months(texts: ArrowArray) -> bool:
    """Return whether all texts are months and years such as 03.2021; no number begins with 0 before other digits."""
    every = [each.strip() for each in texts.slice(0, SAMPLE).to_pylist()]
    found = [each for each in every if _MONTH_AND_YEAR.fullmatch(each)]
    others = [each for each in every if not _MONTH_AND_YEAR.fullmatch(each)]
    return any(each[0] == "0" for each in found) and all(each.lower() in AMONG_NUMBERS for each in others)


def _is_date(text: str) -> bool:
    """Return whether a text is a date in some form."""
    import pyarrow as pa

    return any(not misfits(DateForm(format=each), pa.array([text])) for each in _formats(text.strip()))


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
    "4Mn": ("YMm",),  # 2000M01
    "4Wn": ("GWV",),  # 2020-W01, a week of ISO 8601
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
            if token in ("Q", "q", "M", "W"):
                kinds += token.upper()
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
        len(between) > 1
        or not between <= {"-", "/", ".", " "}
        or (len(kinds) == 2 and "." in between and not _MONTH_AND_YEAR.fullmatch(text))
    ):
        return
    for order in _ORDERS[kinds]:
        names = [token for token in tokens if token.isalpha()]
        fields = ["%B" if each == "b" and len(names[0]) > 4 else f"%{each}" for each in order]
        fields = [names[0] if each in ("%Q", "%M", "%W") else each for each in fields]
        yield "".join(before + field for before, field in zip(literal, fields, strict=True)) + gap


def as_written(form: DateForm, texts: list[str]) -> DateForm:
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
    return replace(form, format=written, upper=bool(names) and all(each.isupper() for each in names))
