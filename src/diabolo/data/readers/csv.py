"""CSV through pyarrow: columns separated by commas, semicolons, tabs or bars, with or without a header.

`csv_form` reads the first lines; `csv_errors` explains errors of a file. A file whose first row would be lost,
because it looks like a header, is refused.
Order: tables of any columns, arrays of numbers.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from diabolo.data.readers import csv_errors
from diabolo.data.readers.arrow import to_array
from diabolo.data.readers.csv_form import Form, Options, form_of, is_number, not_text
from diabolo.data.readers.parts import Part, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, ArrowSchema, ArrowTable, ArrowType

logger = logging.getLogger(__name__)


def read_table(path: Path, options: Options | None = None, types: Mapping[str, ArrowType] | None = None) -> ArrowTable:
    """Return a CSV file as an Arrow table; without a header its columns are f0, f1, ...

    Args: types: Arrow types of columns by name; others are inferred.
    Raises: DataError, with the line or column, if the file is not a valid table.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _checked_form(path, options)
    convert = form.convert(options, types)
    try:
        table = arrow.read_csv(form.open(path), **form.options(), convert_options=convert)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(csv_errors.reason_for(path, form, convert, error)) from error
    if pa.binary() in table.schema.types:
        raise DataError(not_text(path))
    if form.header is not None and len(form.header) != table.num_columns:
        raise DataError(
            f"{path}: expected {len(form.header)} columns, as the first line has, got {table.num_columns} in the rows: "
            f"check the quotes of the first line."
        )
    if not table.num_rows:
        names = ", ".join(form.names(table.column_names))
        raise DataError(f"{path}: expected rows under the header ({names}), got none.")
    csv_errors.refuse_lost_row(path, form, table)
    return table


def columns(path: Path, options: Options | None = None) -> tuple[str, ...]:
    """Return the names of the columns; an empty tuple for a file without a header."""
    return form_of(path, options).header or ()


def schema(path: Path, options: Options | None = None) -> ArrowSchema:
    """Return the Arrow schema of the first block."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _checked_form(path, options)
    try:
        return arrow.open_csv(form.open(path), **form.options(), convert_options=form.convert(options)).schema
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(csv_errors.reason_for(path, form, form.convert(options), error)) from error


def is_plain(path: Path) -> bool:
    """Return whether the first block holds only numbers, without gaps."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = form_of(path)
    try:
        batch = next(iter(arrow.open_csv(form.open(path), **form.options(), convert_options=form.convert(None))), None)
    except (OSError, pa.ArrowInvalid):
        return False  # reading the file raises the error
    if batch is None:
        return False
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in batch.schema.types)
    return numbers and not any(column.null_count for column in batch.columns)


def has_header(path: Path, options: Options | None = None) -> bool:
    """Return whether the first line names the columns."""
    return form_of(path, options).header is not None


def tables(
    path: Path, options: Options | None, types: Mapping[str, ArrowType] | None, rows: int
) -> Iterator[ArrowTable]:
    """Yield a CSV file as Arrow tables of up to `rows` rows; arguments as for `read_table`."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _checked_form(path, options)
    convert = form.convert(options, types)
    try:
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=convert):
            for start in range(0, len(batch), rows):
                yield pa.Table.from_batches([batch.slice(start, rows)])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(csv_errors.reason_for(path, form, convert, error)) from error


def _checked_form(path: Path, options: Options | None) -> Form:
    """Return the form of a file, from its first lines; DataError if names or quotes are wrong."""
    form = form_of(path, options)
    csv_errors.check_names(path, form)
    if form.quoted:
        csv_errors.refuse_open_quote(path, form.separator)
    return form


def parts(path: Path) -> list[Part]:
    """Return the numbers of a CSV file as one part, because the start of a row is known only after reading."""
    form, when = form_of(path), stamp(path)
    csv_errors.check_names(path, form)
    if form.counts:
        logger.warning("%s: the first line, 0, 1, 2, ..., is read as a row: delete it if it names the columns", path)
    with path.open("rb") as file:
        file.seek(form.header_bytes)
        start = file.read(1 << 16)
    numbers = start.count(form.separator.encode()) + start.count(b"\n") + 1
    size = round((when[0] - form.header_bytes) / max(1, len(start)) * numbers * 8)
    return [Part(str(path), None, size, partial(_chunks, path), columns=form.header, stamp=when)]


def _chunks(path: Path, rows: int) -> Iterator[Array]:
    """Yield the numbers in blocks of up to `rows` rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form, done = form_of(path), 0
    try:
        # The first block determines the types, so whole numbers in it must not exclude fractions later.
        convert = arrow.ConvertOptions(include_columns=form.included)
        schema = arrow.open_csv(form.open(path), **form.options(), convert_options=convert).schema
        convert.column_types = {
            name: pa.float64() for name, kind in zip(schema.names, schema.types, strict=True) if is_number(kind)
        }
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=convert):
            values = to_array(batch, where=str(path), names=form.names(schema.names), first_row=done)
            done += len(values)
            yield from (values[start : start + rows] for start in range(0, len(values), rows))
    except (OSError, pa.ArrowInvalid) as error:
        csv_errors.refuse_text(path, form)
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error
