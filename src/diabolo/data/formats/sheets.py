"""Sheets of a workbook as tables: which row names the columns, which rows and columns are empty."""

import datetime
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import ClassVar, NamedTuple

from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.cells import column_of
from diabolo.data.readers import workbooks
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.inside import part_of, shown
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.data.readers.workbooks import Row
from diabolo.errors import DataError
from diabolo.typing import ArrowArray, ArrowSchema, ArrowTable


class Sheets(TableFormat):
    """Cells of numbers, texts, booleans and dates, read whole.

    Empty rows and columns are left out, and so are titles: first rows with a single cell, or with few above names. The
    next row names the columns if it holds only texts; a name that occurs twice gets a number. A first column without a
    name is an index, which is left out.
    """

    holds_several: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows of the sheet."""
        table = _table(path, part_of(path), self.words, stamp(path)).cells
        yield from (table.slice(start, rows) for start in range(0, len(table), rows))

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of the whole sheet."""
        return _table(path, part_of(path), self.words, stamp(path)).cells.schema

    def has_names(self, path: Path, form: Options) -> bool:
        """Return whether a row names the columns."""
        return _table(path, part_of(path), self.words, stamp(path)).named

    def row_count(self, path: Path) -> int:
        """Return the number of rows."""
        return len(_table(path, part_of(path), self.words, stamp(path)).cells)


class _Table(NamedTuple):
    cells: ArrowTable
    named: bool  # whether a row names the columns


@lru_cache(maxsize=1)  # the verbs of a format ask for it one after the other
def _table(path: Path, part: str, words: str, _when: Stamp) -> _Table:
    import pyarrow as pa

    cells = _without_empty(workbooks.rows(path, words))
    found = _names(cells)
    names = found or [f"f{at}" for at in range(len(cells[0]))]
    rows = cells[1:] if found else cells
    if not rows:
        raise DataError(f"{shown(path)}: expected rows below the names, got none.")
    index = not names[0] and all(names[1:]) and len(names) > 1
    columns = dict[str, ArrowArray]()
    for at, name in enumerate(names):
        if not (index and at == 0):
            columns[_unused(name or f"column_{at + 1}", columns)] = _column([row[at] for row in rows])
    return _Table(pa.table(columns), found is not None)


def _unused(name: str, taken: Collection[str]) -> str:
    """Return a name, or where it is taken the name with the lowest number from 2: of two "error" one is "error_2"."""
    return name if name not in taken else next(each for at in count(2) if (each := f"{name}_{at}") not in taken)


def _without_empty(cells: list[Row]) -> list[Row]:
    """Return the rows of the table: without empty rows and columns, and without a title above it."""
    full = [row for row in cells if any(cell != "" for cell in row)]
    while len(full) > 2 and _is_title(full[0], full[1]):
        full = full[1:]
    used = [at for at in range(len(full[0])) if any(row[at] != "" for row in full)]
    return full if len(used) == len(full[0]) else [[row[at] for at in used] for row in full]


def _is_title(row: Row, following: Row) -> bool:
    """Return whether a row is a title, or the titles of groups of columns whose names follow."""
    filled, more = ([cell for cell in each if cell != ""] for each in (row, following))
    if not all(isinstance(cell, str) for cell in filled) or len(filled) >= len(more):
        return False
    return len(filled) == 1 or (2 * len(filled) <= len(row) and all(isinstance(cell, str) for cell in more))


def _names(cells: list[Row]) -> list[str] | None:
    """Return the names of the columns; None if the first row does not hold names, or is the only one."""
    first = cells[0]
    texts = [cell for cell in first if isinstance(cell, str)]
    if len(texts) < len(first) or not any(cell.strip() for cell in texts):
        return None
    return [cell.strip() for cell in texts]


def _column(values: Row) -> ArrowArray:
    """Return the cells of a column: whole numbers as such, because a sheet knows no others than floats."""
    plain = [None if value == "" else value for value in values]
    numbers = [value for value in plain if value is not None]
    if numbers and all(isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 for value in numbers):
        return column_of([None if value is None else int(value) for value in plain])  # type: ignore[call-overload]
    times = [value for value in numbers if isinstance(value, datetime.datetime)]
    if numbers and len(times) == len(numbers) and all(each.time() == datetime.time() for each in times):
        return column_of([value.date() if isinstance(value, datetime.datetime) else None for value in plain])
    return column_of(plain)
