"""Whether the first row of a table names its columns: it does if its cells are unlike those below.

Names may be numbers, as years are. Order: the answer, by its kinds of columns, numbers as names.
"""

from collections.abc import Sequence
from typing import NamedTuple

from diabolo.data.readers.csv_kinds import (
    GAP,
    NUMBER,
    TEXT,
    are_years,
    has_years,
    is_outside,
    is_sequence,
    kind_of,
    kinds_of,
)

SEVERAL = 8  # names in equal steps are a sequence by intention
Cells = Sequence[str]


class Answer(NamedTuple):
    """Whether a row names the columns, and a note where a user could mean something else."""

    header: bool
    note: str = ""


def names_columns(first: Cells, rows: Sequence[Cells], columns: int) -> Answer:
    """Return whether a first row names the columns of the rows below it."""
    first = [cell.strip() for cell in first]
    below = [[cell.strip() for cell in row] for row in rows]
    if len(first) == columns - 1:
        return Answer(True)  # R gives row names no name
    if not below:
        return Answer(not all(kind_of(cell) in (NUMBER, GAP) for cell in first))
    if len(first) > 1 and not first[0] and _names_an_index(first[1:], [row[0] for row in below]):
        return Answer(True)
    kinds = kinds_of([row for row in below if row != first] or below, columns)
    texts = [at for at, kind in enumerate(kinds) if kind == TEXT and first[at : at + 1] not in ([], [""])]
    typed = [at for at, kind in enumerate(kinds) if kind not in (TEXT, GAP) and at < len(first)]
    levels = [at for at in texts if any(row[at] == first[at] for row in below)]
    like = [at for at in typed if kind_of(first[at]) == kinds[at]]
    unlike = [at for at in typed if kind_of(first[at]) not in (kinds[at], GAP)]
    if unlike:
        # A row may have a word among numbers, which then stands below as well.
        again = all(any(row[at] == first[at] for row in below if row != first) for at in unlike)
        return Answer(not (again and len(like) >= len(unlike)))
    if not typed:
        return Answer(2 * len(levels) <= len(texts))
    if not like:
        return Answer(len(levels) < len(texts))
    if len(like) < len(typed):
        return Answer(False)
    values = [[row[at] for row in below] for at in like]
    names = [first[at] for at in like]
    if not texts:
        return _among_numbers(names, values, below)
    if levels:
        return Answer(False)
    years, sequence = are_years(names) and not any(map(has_years, values)), is_sequence(names)
    # A text that is none of the levels of its column.
    if any(2 * len({row[at] for row in below}) <= len(below) for at in texts):
        return Answer(True, "" if years or sequence else _note(first, header=True))
    return Answer(years or (sequence and 2 * sum(map(is_outside, names, values)) >= len(names)))


def _names_an_index(names: Cells, index: Cells) -> bool:
    """Return whether a row without a first cell has the names of a table with an index."""
    if not all(names) or not all(index) or len({*names}) < len(names):
        return False
    counted = list(index) in ([str(at) for at in range(len(index))], [str(at + 1) for at in range(len(index))])
    return counted or any(kind_of(name) == TEXT for name in names) or names[0] == "0" or is_sequence(names)


def _among_numbers(names: Cells, values: Sequence[Cells], below: Sequence[Cells]) -> Answer:
    """Return whether a row of numbers above rows of numbers has names: years, wavelengths, or 0, 1, 2, ..."""
    counted = list(names) in ([str(at) for at in range(len(names))], [str(at + 1) for at in range(len(names))])
    fractions = any("." in cell for column in values for cell in column)
    # If the rows below rise in equal steps as well, the first one is one of them.
    alone = len(below) > 2 and sum(map(is_sequence, below)) < 0.1 * len(below)
    if are_years(names) and is_sequence(names) and not any(map(has_years, values)):
        return Answer(True, _note(names, header=True))
    if alone and counted and len(names) > 2 and (fractions or len(names) >= SEVERAL):
        return Answer(True, _note(names, header=True))
    if alone and fractions and len(names) >= SEVERAL and is_sequence(names):
        return Answer(True, _note(names, header=True))
    return Answer(False, _note(names, header=False) if counted and len(names) > 2 else "")


def _note(names: Cells, *, header: bool) -> str:
    shown = f"the first line, {', '.join(names[:3])}{', ...' * (len(names) > 3)},"
    if header:
        return f"{shown} is read as the names of the columns: if it is a row, add --no-header"
    return f"{shown} is read as a row: if it names the columns, add --header"
