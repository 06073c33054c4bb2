"""What a cell looks like, as far as it tells names of columns from their values: a number, date, boolean or text.

The patterns are wide: numbers with units or thousands separators count as numbers here. What cells mean is decided in
`diabolo.data.frames`. Order: a cell, columns, sequences.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from diabolo.data.frames.marks import MISSING

NUMBER, DATE, BOOLEAN, TEXT, GAP = "number", "date", "boolean", "text", ""

_MISSING = {mark.lower() for mark in MISSING}
PLAIN_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE | re.ASCII)
_WIDE_NUMBER = re.compile(
    r"\(?[<>~≈]?[+-]?[$€£¥]?\s?[+-]?\d[\d.,'\s\u00a0\u202f]*(e[+-]?\d+)?\s?[%‰$€£¥]?\)?", re.I | re.A
)
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_TIME = r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?(\s?[ap]m)?"
_DATE = re.compile(
    rf"(\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{4}}[-/]\d{{1,2}}"
    rf"|(\d{{1,2}}[ -])?{_MONTH}\.?[ ,/'-]*(\d{{1,2}},? )?\d{{2,4}}"
    rf"|\d{{4}}[ -]?q[1-4])([T ]+{_TIME}\s?(z|[+-]\d\d:?\d\d|[a-z]{{3,4}})?)?|{_TIME}",
    re.IGNORECASE | re.ASCII,
)
_BOOLEANS = {"true", "false", "yes", "no"}
_YEAR = re.compile(r"(1[5-9]|2[01])\d\d", re.ASCII)
YEARS = (1500, 2199)
MOSTLY = 0.9  # of the cells of a column have its kind; the others are mistakes or marks for missing values


def kind_of(cell: str) -> str:
    """Return what a cell looks like; GAP for a mark for missing values."""
    cell = cell.strip()
    if cell.lower() in _MISSING:
        return GAP
    if PLAIN_NUMBER.fullmatch(cell) or _WIDE_NUMBER.fullmatch(cell):
        return NUMBER
    if cell.lower() in _BOOLEANS:
        return BOOLEAN
    return DATE if _DATE.fullmatch(cell) else TEXT


def kinds_of(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """Return what each column looks like: what nearly all of its cells do, or else a text; GAP if it has no values."""
    kinds = []
    for place in range(columns):
        counts = Counter(kind_of(row[place]) for row in rows if place < len(row))
        known = sum(count for kind, count in counts.items() if kind != GAP)
        kind = max((kind for kind in counts if kind != GAP), key=lambda each: counts[each], default=GAP)
        kinds.append(kind if not known or counts[kind] >= MOSTLY * known else TEXT)
    return kinds


def numbers(cells: Sequence[str]) -> list[float]:
    """Return the plain numbers among cells, up to the first that is none."""
    found = []
    for cell in cells:
        try:
            found.append(float(cell))
        except ValueError:
            return found
    return found


def is_sequence(names: Sequence[str]) -> bool:
    """Return whether names are numbers in equal steps, as years, or eight or more that rise or fall, as wavelengths."""
    values = numbers(names)
    if len(values) < max(2, len(names)):
        return False
    steps = [after - before for before, after in pairwise(values)]
    equal = steps[0] != 0 and all(abs(step - steps[0]) <= 1e-9 * abs(steps[0]) for step in steps)
    if len(values) == 2:
        return equal and are_years(names) and abs(steps[0]) in (1, 5, 10)
    rising = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    return equal or (len(values) >= 8 and rising)


def are_years(names: Sequence[str]) -> bool:
    """Return whether all names are years, each different."""
    return len(set(names)) == len(names) > 0 and all(_YEAR.fullmatch(name) for name in names)


def has_years(cells: Sequence[str]) -> bool:
    """Return whether one of the numbers among cells is a year."""
    return any(YEARS[0] <= value <= YEARS[1] and value == int(value) for cell in cells for value in numbers([cell]))


def is_outside(name: str, cells: Sequence[str]) -> bool:
    """Return whether a number is below or above all numbers among cells."""
    values = [value for cell in cells for value in numbers([cell])]
    return not values or not min(values) <= float(name) <= max(values)
