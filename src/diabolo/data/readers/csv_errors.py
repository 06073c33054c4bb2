"""Errors of a CSV file, each in one line: where, what was expected, what came, what to do.

Order: names and quotes, a row that was read as a header, numbers that were read as text, pyarrow's errors, text among
numbers.
"""

import csv
import logging
import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from diabolo.data.readers.csv_form import BYTES_AT_ONCE, GAPS, LONGEST_LINE, NUMBER, Form, is_number, not_text
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.errors import DataError
from diabolo.typing import ArrowArray, ArrowConvert, ArrowTable, ArrowType

SHORT_YEAR = r"^\s*\d\d?\.\d\d?\.\d{1,3}(\D|$)"  # which %Y reads as a year of the first century
YEAR_1000 = -30_610_224_000  # in seconds since 1970

logger = logging.getLogger(__name__)

YEARS = (1500, 2199)
YEAR = re.compile(r"(1[5-9]|2[01])\d\d")


def check_names(path: Path, form: Form) -> None:
    """Raise DataError if a column has no name or the name of another; log if the first column is an index."""
    for place, name in enumerate(form.header or ()):
        if not name.strip() and place:
            raise DataError(f"{path}: column {place + 1 + form.indexed} has no name in the header: give it one.")
        if form.header is not None and name in form.header[:place]:
            raise DataError(
                f"{path}: two columns are called {name!r} in the header: give each column a name of its own."
            )
    if form.indexed:
        if not _names_rows(path, form):
            raise DataError(
                f"{path}: column 1 has no name in the header: give it one. Only an index, which is left "
                f"out, needs none: numbers or names of rows, each different."
            )
        _say_index(path, stamp(path))


def _names_rows(path: Path, form: Form) -> bool:
    """Return whether the first column is an index: whole numbers or texts, each different."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow

    everything = form._replace(indexed=False)
    try:
        batch = next(iter(arrow.open_csv(form.open(path), **everything.options())), None)
    except (OSError, pa.ArrowInvalid):
        return True  # reading the file raises the error
    if batch is None:
        return True
    kind, cells = batch.schema.types[0], batch.column(0)
    named = pa.types.is_integer(kind) or pa.types.is_string(kind)
    return named and not cells.null_count and pc.count_distinct(cells).as_py() == len(cells)


@lru_cache(maxsize=64)
def _say_index(path: Path, when: Stamp) -> None:
    """Log that an index is left out: once for each file, however often it is opened."""
    logger.warning("%s: the first column has no name, and holds the numbers or names of the rows: it is left out", path)


def refuse_open_quote(path: Path, separator: str) -> None:
    """Raise DataError if a quote is opened and not closed. A quote inside a cell is an ordinary character."""
    with path.open("rb") as file:
        if not sum(part.count(b'"') for part in iter(lambda: file.read(BYTES_AT_ONCE), b"")) % 2:
            return
    first = 0
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(iter(lambda: file.readline(LONGEST_LINE), ""), delimiter=separator, strict=True)
        try:
            for _ in reader:
                first = reader.line_num
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise DataError(
                    f"{path}: a quote is opened and not closed, perhaps in line {first + 1} of {reader.line_num}: "
                    f"close it."
                ) from error


def refuse_lost_row(path: Path, form: Form, table: ArrowTable) -> None:
    """Raise DataError if a row with texts or dates was read as a header, or a header of numbers as a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if form.header is None:
        text = next((at for at, kind in enumerate(table.schema.types) if pa.types.is_string(kind)), None)
        if text is not None:
            raise DataError(
                f"{path}: column {text + 1} holds texts, and no line above names it: put a line with names of the "
                f"columns on top, which are not all numbers."
            )
        return
    columns = [(name, column) for name, column in zip(form.header, table.columns, strict=True) if column.type != "null"]
    typed = [(name, column.type) for name, column in columns if not pa.types.is_string(column.type)]
    alike = [name for name, kind in typed if _fits(name, kind)]
    if not typed:
        # If all columns are text, a few may have the name of one of their levels, but not most of them.
        alike = [name for name, column in columns if pc.index(column, name).as_py() >= 0]
        lost = 2 * len(alike) > len(columns)
    else:
        gaps = sum(name.strip().lower() in GAPS for name, _ in typed)
        lost = len(alike) + gaps == len(typed) and not _counted(alike)
    if alike and lost and not _are_years(alike, columns):
        raise DataError(
            f"{path}: the first line is read as the names of the columns, and {alike[0]!r:.40} is a value like those "
            f"below it: put a line with names on top, or if it is a name, make it a word, such as c{alike[0]}."
        )


def _are_years(alike: list[str], columns: list[tuple[str, ArrowArray]]) -> bool:
    """Return whether all names that could be values are years, and the first line cannot be a row.

    It cannot be a row if it has a text that is in no row of a column with recurring texts, or if no number below the
    years is a year.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not all(YEAR.fullmatch(name) for name in alike):
        return False
    texts_ = [(name, column) for name, column in columns if pa.types.is_string(column.type)]
    if any(
        2 * pc.count_distinct(column).as_py() <= len(column) and pc.index(column, name).as_py() < 0
        for name, column in texts_
    ):
        return True
    ends = [pc.min_max(column).as_py() for name, column in columns if name in alike]
    return bool(texts_) and all(each["max"] < YEARS[0] or each["min"] > YEARS[1] for each in ends)


def _fits(name: str, kind: ArrowType) -> bool:
    """Return whether a name could be a cell of a column of this type."""
    import pyarrow as pa

    if is_number(kind):
        return NUMBER.fullmatch(name) is not None
    try:
        return bool(pa.array([name.strip()]).cast(kind).is_valid()[0].as_py())
    except pa.ArrowException:
        return False


def _counted(names: list[str]) -> bool:
    """Return whether names are a sequence: equal steps (years), or eight that rise or fall (wavelengths)."""
    if len(names) < 2 or not all(NUMBER.fullmatch(name) for name in names):
        return False
    steps = np.diff([float(name) for name in names])
    equal = bool((steps == steps[0]).all() and steps[0] != 0)
    if len(names) < 3:
        return equal and abs(steps[0]) == 1
    return equal or (len(names) >= 8 and bool((steps > 0).all() or (steps < 0).all()))


def reason_for(path: Path, form: Form, convert: ArrowConvert, error: Exception) -> str:
    """Return the error of a file in one line, with the row if pyarrow can find it."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    text = str(error).splitlines()[0]
    if "Row #" not in text:
        settings = form.options()
        settings["read_options"].use_threads = False  # pyarrow counts rows only without threads
        try:
            arrow.read_csv(form.open(path), **settings, convert_options=convert)
        except (OSError, pa.ArrowInvalid) as again:
            text = str(again).splitlines()[0]
    if "UTF8" in text:
        return not_text(path)
    # pyarrow counts from 1 and includes the header and the empty lines before it.
    before = form.blank + (form.header is not None) + 1
    cell = re.search(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to ([^:]+): .*?'(.*?)'", text)
    if cell:
        place, row, kind, value = cell.groups()
        name = repr(form.header[int(place) - form.indexed]) if form.header else str(int(place) + 1)
        where = f" in row {int(row) - before}" if row else ""
        refused = f"{path}: column {name} expected {_words(kind)}, got {value!r:.40}{where}"
        if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", value.strip()):
            return f"{refused}: thousands separators are not read, write {value.strip().replace(',', '')}."
        if re.fullmatch(r"[+-]?\d+,\d+", value.strip()) and convert.decimal_point == ".":
            return f"{refused}: if commas are decimal marks, add --decimal ,"
        return f"{refused}: correct it, or leave it empty."
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if ragged:
        row, expected, got = map(int, ragged.groups())
        cells = f"{got} cell{'s' * (got != 1)}"
        return (
            f"{path}: row {row - before} has {cells}, expected {expected}: correct it; a text with a separator needs "
            f"quotes."
        )
    return f"{path}: {text}"


def _words(kind: str) -> str:
    """Return the kind of a cell of an Arrow type in words."""
    if kind.startswith(("timestamp", "date")):
        return "a date" + (" with its zone" if "tz=" in kind else "") + f" ({'2024-05-31'})"
    return {"bool": "a boolean (true or false)", "string": "a text"}.get(
        kind, "a time of day" if kind.startswith("time") else "a number"
    )


def refuse_text(path: Path, form: Form) -> None:
    """Raise DataError with column and row if a cell is not a number: pyarrow does not say which row."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    row = 0
    try:
        convert = arrow.ConvertOptions(include_columns=form.included, strings_can_be_null=False)
        names = arrow.open_csv(form.open(path), **form.options(), convert_options=convert).schema.names
        convert.column_types = dict.fromkeys(names, pa.string())
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=convert):
            for name, column in zip(form.names(names), batch.columns, strict=True):
                for place, cell in enumerate(column.to_pylist()):
                    if not (NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS):
                        raise DataError(
                            f"{path}: column {name} expected numbers, got {cell!r:.40} in row {row + place}."
                        )
            row += len(batch)
    except (OSError, pa.ArrowInvalid):
        return  # the error is not in a cell
