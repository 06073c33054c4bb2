"""Recognize a text column that holds numbers or dates in a form that is not read.

If such a column were silently used as a category, its levels would have no order and no distance.
Order: patterns, the remedy, numbers, dates.
"""

import re
from typing import NamedTuple

from diabolo.typing import ArrowArray

# The numbers that pyarrow reads; Python's float() also accepts 1_000. {point} is the decimal mark.
_NUMBER = r"[+-]?(\d+{point}?\d*([eE][+-]?\d+)?|{point}\d+([eE][+-]?\d+)?|inf|infinity|nan)"
DATES = "2024-05-31 or 31.05.2024, with or without a time"  # the forms that are read from files
FEW_TEXTS = 0.1  # if a smaller share of cells are not numbers (or dates), they are mistakes, not levels
SEPARATORS = (",", ".", " ", "'", "\u2019", "\u00a0", "\u202f")  # that may stand between thousands
# No number with thousands separators begins with 0: 0,532 is a fraction.
_GROUPED = r"[+-]?[1-9]\d{{0,2}}({between}\d{{3}}){times}({point}\d*)?"
_SIGN = "(%|\u2030|[$\u20ac\u00a3\u00a5]|EUR|USD|GBP|CHF)"
THOUSANDS = r"[+-]?[1-9]\d{0,2}(,\d{3})+"
CODE = r"[+-]?0\d+"  # 007 is a code, not the number 7

_YEAR = r"(1[5-9]|2[01])\d\d"
_DAY, _MONTH = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])"
_DAY2, _MONTH2 = r"(0[1-9]|[12]\d|3[01])", r"(0[1-9]|1[0-2])"
_NAME = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?|"
    r"dec(ember)?)\.?"
)
_TIME = r"([T ]+\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[ap]m)?( ?(Z|[+-]\d\d:?\d\d))?)?"
DATE = "|".join(
    [
        rf"({_DAY}{mark}{_MONTH}|{_MONTH}{mark}{_DAY}){mark}{_YEAR}{_TIME}"
        rf"|{_YEAR}{mark}{_MONTH}{mark}{_DAY}{_TIME}"
        rf"|({_DAY2}{mark}{_MONTH2}|{_MONTH2}{mark}{_DAY2}){mark}\d\d{_TIME}"
        rf"|\d\d{mark}{_MONTH2}{mark}{_DAY2}{_TIME}"
        for mark in ("/", "-", r"\.", " ")
    ]
    + [
        rf"{_YEAR}[-/]{_MONTH}",
        rf"({_DAY}(st|nd|rd|th)?[ -])?{_NAME}[ ,'-]+({_YEAR}|\d\d){_TIME}",
        rf"{_NAME} {_DAY}(st|nd|rd|th)?,? +{_YEAR}{_TIME}",
    ]
)


def otherwise(name: str, library: str = "") -> str:
    """Return the end of a sentence: the remedy for a text column, if a user does not rewrite its cells.

    Args: library: the library of the frame; empty: the column is in a file.
    """
    declared = f"types={{{name!r}: 'category'}}"
    if library in FRAMES:
        return f", or make the column a category ({declared})"
    return f", leave the column out (--drop {name}), or make it a category ({declared}, --types {name}=category)"


def number(point: str = ".") -> str:
    """Return the pattern of a number with this decimal mark; there may be blanks around it."""
    return rf"\s*{_NUMBER.format(point=re.escape(point))}\s*"


def numbers_in(cells: ArrowArray, name: str, otherwise: str, *, point: str = ".", library: str = "") -> str | None:
    """Return a sentence that says that a text column holds numbers, with the remedy; None for any other column.

    Args:
        cells: an Arrow array of texts.
        name: the name of the column for the message.
        otherwise: the end of the sentence, from `otherwise`.
        point: the decimal mark with which the cells were read.
        library: the library of the frame; empty: the cells are from a CSV file.
    """
    import pyarrow.compute as pc

    column, known = f"column {name}", cells.drop_null()
    if not len(known):
        return None
    comma = "." if point == "," else ","  # the other mark
    plain = _which(known, number(point))
    rest = known.filter(pc.invert(plain))
    if not len(rest):
        if library not in FRAMES or _count(_which(known, CODE)):
            return None
        turn = FRAMES[library].numbers.format(name)
        return f"{column} holds numbers as texts ({_shown(known)}): turn them into numbers ({turn}){otherwise}."
    first = rest[0].as_py().strip()
    decimals = _count(_which(rest, rf"[+-]?\d+{re.escape(comma)}\d+([eE][+-]?\d+)?"))
    grouped = {each: _count(_which(rest, _grouped(each, point))) for each in SEPARATORS}
    if decimals == len(rest) and grouped[comma] < decimals:
        if point == ",":
            return f"{column} has decimal points ({_shown(rest)}): leave out --decimal ,"
        return f"{column} has decimal commas ({_shown(rest)}): " + (
            "read the file with decimal=','." if library else "add --decimal ,"
        )
    if max(grouped.values()) == len(rest):
        between = max(grouped, key=lambda each: grouped[each])
        fraction = f" (or {first.replace(comma, point)}, if it is a fraction)" if decimals == len(rest) else ""
        return (
            f"{column} has thousands separators ({first!r:.40}), which are not read: write "
            f"{first.replace(between, '')} in place of {first}{fraction}{otherwise}."
        )
    mixed = rf"{_grouped(comma, point)}|{_grouped(point, comma)}|[+-]?\d+{re.escape(comma)}\d+"
    swapped = rest.filter(_which(rest, rf"[+-]?[1-9]\d{{0,2}}({re.escape(point)}\d{{3}})+{re.escape(comma)}\d+"))
    if len(swapped) and _count(_which(rest, mixed)) == len(rest):
        cell = swapped[0].as_py().strip()
        plainly = cell.replace(point, "").replace(comma, point)
        return (
            f"{column} has thousands separators ({cell!r:.40}), which are not read: write {plainly} in place of "
            f"{cell}{otherwise}."
        )
    signed = _which(rest, rf"[+-]?{_SIGN}? ?({number(point)}|{_grouped(comma, point)}) ?{_SIGN}?")
    if _count(signed) == len(rest):
        return (
            f"{column} holds numbers with a unit or currency ({_shown(rest)}), which are not read: write only the "
            f"number{otherwise}."
        )
    if len(rest) < len(known) * FEW_TEXTS:
        row = pc.index(_which(cells, number(point)), False).as_py()
        return (
            f"{column} expected numbers, got {cells[row].as_py()!r:.40} in row {row}: correct it, leave it "
            f"empty{otherwise}."
        )
    return None


def dates_in(cells: ArrowArray, name: str, otherwise: str, *, library: str = "") -> str | None:
    """Return a sentence that says that a text column holds dates, with the remedy; None for any other column.

    Arguments as for `numbers_in`.
    """
    import pyarrow.compute as pc

    column, known = f"column {name}", cells.drop_null()
    dates = _which(known, DATE)
    others = len(known) - _count(dates)
    if not len(known) or (others and others >= len(known) * FEW_TEXTS):
        return None
    first = _shown(known.filter(dates))
    if others:
        row = pc.index(_which(cells, DATE), False).as_py()
        return (
            f"{column} expected dates such as {first}, got {cells[row].as_py()!r:.40} in row {row}: correct it, leave "
            f"it empty{otherwise}."
        )
    if library in FRAMES:
        parse = (FRAMES[library].days if re.match(r"'\s*\d+\.", first) else FRAMES[library].dates).format(name)
        return f"{column} holds dates as texts ({first}): parse them ({parse}){otherwise}."
    return (
        f"{column} looks like dates ({first}), in a form that is not read: write them as 2024-05-31 or "
        f"31.05.2024{otherwise}."
    )


class _Fix(NamedTuple):
    """What to type to convert the texts of a column; {} is the name of the column."""

    numbers: str
    dates: str
    days: str  # of dates with points, in which the day stands first


FRAMES = {
    "pandas": _Fix("pd.to_numeric(frame[{}])", "pd.to_datetime(frame[{}])", "pd.to_datetime(frame[{}], dayfirst=True)"),
    "polars": _Fix("frame[{}].cast(pl.Float64)", "frame[{}].str.to_datetime()", "frame[{}].str.to_date('%d.%m.%Y')"),
}


def as_texts(cells: ArrowArray) -> ArrowArray:
    """Return an array of any text type as an array of strings, which the functions above take."""
    import pyarrow as pa

    return cells if pa.types.is_string(cells.type) else cells.cast(pa.string())


def _grouped(between: str, point: str) -> str:
    # With a decimal point, 1.234 is a plain number; only 1.234.567 shows that points separate thousands.
    times = "{2,}" if between == point else "+"
    return _GROUPED.format(between=re.escape(between), point=re.escape(point), times=times)


def _which(cells: ArrowArray, pattern: str) -> ArrowArray:
    import pyarrow.compute as pc

    return pc.match_substring_regex(cells, rf"^\s*({pattern})\s*$", ignore_case=True)


def _count(which: ArrowArray) -> int:
    import pyarrow.compute as pc

    return pc.sum(which).as_py() or 0


def _shown(cells: ArrowArray) -> str:
    return f"{cells[0].as_py()!r:.40}"
