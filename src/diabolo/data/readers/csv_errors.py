"""Errors of a text table, each in one line: where, what was expected, what came, what to do.

Order: quotes, pyarrow's errors, text among numbers.
"""

import csv
import io
import re
from pathlib import Path

from diabolo.data.readers.csv_form import TOO_LONG, Form, Options
from diabolo.data.readers.csv_kinds import GAP, PLAIN_NUMBER, kind_of
from diabolo.data.readers.csv_scan import not_text
from diabolo.data.readers.csv_text import BYTES_AT_ONCE, LONGEST_LINE
from diabolo.errors import DataError
from diabolo.typing import ArrowConvert

DATES = "2024-05-31, with or without a time"  # that pyarrow reads
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def refuse_open_quote(path: Path, form: Form) -> None:
    """Raise DataError if a quote is opened and not closed. A quote inside a cell is an ordinary character."""
    first = 0
    rows = io.BufferedReader(form.rows(path), BYTES_AT_ONCE)
    with io.TextIOWrapper(rows, encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(iter(lambda: file.readline(LONGEST_LINE), ""), delimiter=form.separator, strict=True)
        try:
            for _ in reader:
                first = reader.line_num
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise DataError(
                    f"{path}: a quote is opened and not closed, perhaps in line {form.lines + first + 1} of "
                    f"{form.lines + reader.line_num}: close it."
                ) from error


def reason_for(path: Path, form: Form, convert: ArrowConvert, error: Exception) -> str:
    """Return the error of a file in one line, with the row if pyarrow can find it."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    text = str(error).splitlines()[0]
    if "Row #" not in text:
        settings = form.options()
        settings["read_options"].use_threads = False  # pyarrow counts rows only without threads
        again = form.convert(Options(), dict.fromkeys(form.names, pa.string()) | dict(convert.column_types))
        again.null_values, again.decimal_point = convert.null_values, convert.decimal_point
        try:
            for _ in arrow.open_csv(form.open(path), **settings, convert_options=again):
                pass
        except (OSError, pa.ArrowInvalid) as found:
            if TOO_LONG not in str(found):
                text = str(found).splitlines()[0]
    if TOO_LONG in text:
        return f"{path}: expected rows of up to {LONGEST_LINE:,} bytes, got a longer one: is a quote not closed?"
    if "UTF8" in text:
        return not_text(path, form.encoding)
    cell = re.search(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to ([^:]+): .*?'(.*?)'", text)
    if cell:
        place, row, kind, value = cell.groups()
        where = f" in row {int(row) - form.before()}" if row else ""
        name = form.shown([form.columns[int(place)]])[0] if int(place) < len(form.columns) else place
        refused = f"{path}: column {name} expected {_words(kind)}, got {value!r:.40}{where}"
        if _THOUSANDS.fullmatch(value.strip()):
            return f"{refused}: thousands separators are not read, write {value.strip().replace(',', '')}."
        if re.fullmatch(r"[+-]?\d+,\d+", value.strip()) and convert.decimal_point == ".":
            return f"{refused}: if commas are decimal marks, add --decimal ,"
        return f"{refused}: correct it, or leave it empty."
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)(?:: (.*))?", text)
    if ragged:
        row, expected, got = (int(each) for each in ragged.groups()[:3])
        cells = f"{got} cell{'s' * (got != 1)}"
        return (
            f"{path}: row {row - form.before()} has {cells}, expected {expected}: correct it"
            + (f" ({ragged[4]!r:.60})" if ragged[4] else "")
            + f"; {_remedy(form, got, expected, ragged[4] or '')}."
        )
    return f"{path}: {text}"


def _remedy(form: Form, got: int, expected: int, row: str) -> str:
    """Return what to type or to write for a row of another length."""
    first = row.strip()[:1]
    if got < expected and first and first in "#%;!":
        return f"if it is a comment, add --comment '{first}'"
    if form.separator == " ":
        return "if blanks do not separate the cells, add --separator ','"
    return "a text with a separator needs quotes"


def _words(kind: str) -> str:
    """Return the kind of a cell of an Arrow type in words."""
    if kind.startswith(("timestamp", "date")):
        return "a date" + (" with its zone" if "tz=" in kind else "") + f" ({DATES})"
    return {"bool": "a boolean (true or false)", "string": "a text", "null": "no value"}.get(
        kind, "a time of day" if kind.startswith("time") else "a number"
    )


def refuse_text(path: Path, form: Form, options: Options) -> None:
    """Raise DataError with column and row if a cell is not a number: pyarrow does not say which row."""
    import pyarrow as pa

    row = 0
    try:
        convert = form.convert(options, dict.fromkeys(form.names, pa.string()))
        convert.strings_can_be_null = False
        for batch in form.batches(path, convert):
            for name, column in zip(form.names, batch.columns, strict=False):
                for place, cell in enumerate(column.to_pylist()):
                    if not (PLAIN_NUMBER.fullmatch(cell.strip()) or kind_of(cell) == GAP):
                        raise DataError(
                            f"{path}: column {form.shown([name])[0]} expected numbers, got {cell!r:.40} in row "
                            f"{row + place}."
                        )
            row += len(batch)
    except (OSError, pa.ArrowInvalid):
        return  # the error is not in a cell
