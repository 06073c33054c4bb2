"""Text tables through pyarrow: cells separated by commas, semicolons, tabs, bars or blanks, with or without a header.

`csv_scan` finds the form of a file, `csv_types` the types of its columns, `csv_errors` explains errors. Numbers, true
and false, and ISO dates get their types; all other cells are texts exactly as they stand in the file.
Order: tables of any columns, arrays of numbers.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from diabolo.data.readers import csv_errors, csv_types
from diabolo.data.readers.arrow import gathered, to_array
from diabolo.data.readers.csv_form import BLOCKS, TOO_LONG, Form, Options
from diabolo.data.readers.csv_scan import form_of, say
from diabolo.data.readers.parts import Part, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, ArrowConvert, ArrowSchema, ArrowTable, ArrowType


def read_table(path: Path, options: Options | None = None, types: Mapping[str, ArrowType] | None = None) -> ArrowTable:
    """Return a text table as an Arrow table; without a header its columns are f0, f1, ...

    Args: types: Arrow types of columns by name; others are inferred.
    Raises: DataError, with the line or column, if the file is not a valid table.
    """
    options, types = options or Options(), dict(types or {})
    form = _checked_form(path, options)
    table = _read(path, form, options, types)
    inferred = table.select([name for name in form.names if name not in types]).schema
    if texts := csv_types.texts_in(path, form, options, inferred):
        table = _read(path, form, options, types | texts)
    if not table.num_rows:
        names = ", ".join(form.shown(list(form.names)))
        raise DataError(f"{path}: expected rows under the header ({names}), got none.")
    return _without_spare(path, form, table, 0)


def _read(path: Path, form: Form, options: Options, types: Mapping[str, ArrowType]) -> ArrowTable:
    import pyarrow as pa
    from pyarrow import csv as arrow

    convert = form.convert(options, types)
    if form.empty:
        return pa.table({name: pa.array([], pa.null()) for name in form.columns})
    try:
        try:
            return arrow.read_csv(form.open(path), **form.options(within_quotes=False), convert_options=convert)
        except pa.ArrowInvalid as error:
            if not form.quotes and TOO_LONG not in str(error):
                raise
        return _in_larger_blocks(path, form, convert)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(csv_errors.reason_for(path, form, convert, error)) from error


def _in_larger_blocks(path: Path, form: Form, convert: ArrowConvert) -> ArrowTable:
    import pyarrow as pa
    from pyarrow import csv as arrow

    try:
        return arrow.read_csv(form.open(path), **form.options(), convert_options=convert)
    except pa.ArrowInvalid as error:
        if TOO_LONG not in str(error):
            raise
    return arrow.read_csv(form.open(path), **form.options(block=BLOCKS[-1]), convert_options=convert)


def _without_spare(path: Path, form: Form, table: ArrowTable, first_row: int) -> ArrowTable:
    """Return a table without the columns that have no name; DataError if one has a cell after all."""
    for name in form.columns[len(form.names) :]:
        cells = table.column(name)
        if cells.null_count < len(cells):
            row = next(at for at, valid in enumerate(cells.is_valid().to_pylist()) if valid)
            raise DataError(
                f"{path}: column {form.columns.index(name) + 1} has no name in the header, and holds "
                f"{cells[row].as_py()!r:.40} in row {first_row + row}: give it a name."
            )
    return table.select(list(form.names)) if form.spare else table


def names(path: Path, options: Options | None = None) -> tuple[str, ...]:
    """Return the names of the columns; an empty tuple for a file of numbers without a header."""
    form = form_of(path, options)
    return form.names if form.named or not form.plain else ()


def schema(path: Path, options: Options | None = None) -> ArrowSchema:
    """Return the Arrow schema of the first block."""
    import pyarrow as pa

    options = options or Options()
    form = _checked_form(path, options)
    if form.empty:
        return pa.schema([(name, pa.null()) for name in form.names])
    try:
        first = form.first(path, form.convert(options))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(csv_errors.reason_for(path, form, form.convert(options), error)) from error
    found = pa.schema([(name, pa.null()) for name in form.names]) if first is None else first.schema
    texts = csv_types.texts_in(path, form, options, found)
    return pa.schema([(name, texts.get(name, found.field(name).type)) for name in form.names])


def is_plain(path: Path) -> bool:
    """Return whether the first block holds only numbers, without gaps; the first column may be without a name."""
    import pyarrow as pa

    form, options = form_of(path), Options()
    if "" in form.names[1:] or form.spare or form.empty:
        return False
    try:
        convert = form.convert(options)
        batch = form.first(path, convert)
    except (OSError, pa.ArrowInvalid):
        return False  # reading the file raises the error
    if batch is None or csv_types.texts_in(path, form, options, batch.schema):
        return False
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in batch.schema.types)
    return numbers and not any(column.null_count for column in batch.columns)


def tables(
    path: Path, options: Options | None, types: Mapping[str, ArrowType] | None, rows: int
) -> Iterator[ArrowTable]:
    """Yield a text table as Arrow tables of up to `rows` rows; arguments as for `read_table`."""
    import pyarrow as pa

    options, types = options or Options(), dict(types or {})
    form = _checked_form(path, options)
    if form.empty:
        return
    convert = form.convert(options, types | csv_types.types_of(path, form, options, types))
    first_row = 0
    try:
        for table in gathered(form.batches(path, convert), rows):
            yield _without_spare(path, form, table, first_row)
            first_row += len(table)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(csv_errors.reason_for(path, form, convert, error)) from error


def _checked_form(path: Path, options: Options | None) -> Form:
    """Return the form of a file; log what was recognized. Raises: DataError if quotes are wrong."""
    form = form_of(path, options)
    if form.quotes % 2:
        csv_errors.refuse_open_quote(path, form)
    say(path, form)
    return form


def parts(path: Path) -> list[Part]:
    """Return the numbers of a text table as one part, because the start of a row is known only after reading."""
    form, when = _checked_form(path, None), stamp(path)
    with form.rows(path) as rows:
        start = next(rows.pieces(), b"")[: 1 << 16]
    numbers = start.count(form.separator.encode()) + start.count(b"\n") + 1
    size = round((form.end - form.start) / max(1, len(start)) * numbers * 8)
    return [Part(str(path), None, size, partial(_chunks, path), columns=names(path) or None, stamp=when)]


def _chunks(path: Path, rows: int) -> Iterator[Array]:
    """Yield the numbers in blocks of up to `rows` rows."""
    import pyarrow as pa

    form, options, done = form_of(path), Options(), 0
    try:
        # The first block determines the types, so whole numbers in it must not exclude fractions later.
        first = form.first(path, form.convert(options))
        doubles = {
            field.name: pa.float64()
            for field in (() if first is None else first.schema)
            if pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_null(field.type)
        }
        convert = form.convert(options, doubles)
        convert.include_columns = list(form.names)
        for table in gathered(form.batches(path, convert), rows):
            yield to_array(table, where=str(path), names=form.shown(list(form.names)), first_row=done)
            done += len(table)
    except (OSError, pa.ArrowInvalid) as error:
        csv_errors.refuse_text(path, form, options)
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error
