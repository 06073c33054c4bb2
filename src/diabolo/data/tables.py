"""Tables in files: CSV, TSV and Parquet, one or several as one, and .npz of named columns.

A table of numbers without gaps is an array with names; any other table has a schema, by which its columns become
numbers. Order: how files are read, whole tables, tables in parts.
"""

import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.frames import Schema
from diabolo.data.readers import csv, csv_form, numpy_files, parquet, picture_files, sql
from diabolo.data.readers.arrow import to_array
from diabolo.data.readers.parts import Part, stamp
from diabolo.errors import DataError, OptionError, listed, unknown
from diabolo.typing import Array, ArrowSchema, ArrowTable, ArrowType, Rows, Say

STDIN = "standard-input"  # name of a file that holds standard input, without its ending
FOLDER = "diabolo-"  # the temporary folder of such a file has a name that begins so
ENDINGS = (".csv", ".tsv", ".parquet")


class Reading(NamedTuple):
    """How files are read.

    Attributes:
        types: kinds of columns by name, instead of the inferred ones.
        drop: columns to leave out.
        form: how CSV files are written.
        pictures: how pictures are read.
        refused: as for `frames.learn`.
        query: the rows to read from a database, in SQL.
        typed: whether the options come from a command line, so that messages name them as typed there.
    """

    types: Mapping[str, str] = {}
    drop: tuple[str, ...] = ()
    form: csv_form.Options = csv_form.Options()
    pictures: picture_files.ImageOptions = picture_files.ImageOptions()
    refused: Callable[[str, str], None] | None = None
    query: str = ""
    typed: bool = False


class Table(NamedTuple):
    """Rows as numbers, and their schema; None for a file without names of columns."""

    rows: Rows
    schema: Schema | None
    gaps: bool


def is_plain(path: Path, reading: Reading) -> bool:
    """Return whether a file has only columns of numbers without gaps, from its metadata or first rows."""
    if reading.types or reading.drop or reading.form != csv_form.Options():
        return False
    if path.suffix.lower() == ".parquet":
        return parquet.is_plain(path)
    return csv.is_plain(path)


def read(paths: Sequence[Path], reading: Reading, *, where: str) -> Table:
    """Return the rows of files with the same columns, one after the other. Raises DataError, OptionError."""
    table = read_frame(paths, reading, where=where)
    named = paths[0].suffix.lower() == ".parquet" or csv.has_header(paths[0], reading.form)
    if not reading.types and all(map(_is_number, table.schema.types)) and not any(c.null_count for c in table.columns):
        return Table(to_array(table, where=where, names=_names(table, named)), _numbers(table.schema, named), False)
    schema = frames.learn(table, where=where, types=reading.types, refused=reading.refused)
    rows = frames.read(table, schema, where=where).rows
    return Table(rows, schema if named else None, bool(np.isnan(rows).any()))


def read_frame(paths: Sequence[Path], reading: Reading, *, where: str) -> ArrowTable:
    """Return files with the same columns as one Arrow table; without a header the columns are f0, f1, ...

    Raises: DataError.
    """
    import pyarrow as pa

    tables = [dropped(_read(path, reading), reading, path) for path in paths]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        if table.column_names != tables[0].column_names:
            raise DataError(
                f"{path}: expected the columns {listed(tables[0].column_names)} as in {paths[0]}, got "
                f"{listed(table.column_names)}."
            )
    try:
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{where}: expected columns of the same types in all files ({str(error).splitlines()[0]})."
        ) from error


def _read(path: Path, reading: Reading) -> ArrowTable:
    if path.suffix.lower() == ".parquet":
        return parquet.read_table(path)
    return csv.read_table(path, reading.form, _texts(reading))


def _texts(reading: Reading) -> dict[str, ArrowType]:
    """Return the Arrow type, text, of columns that a user declares categories: codes such as 007 are not numbers."""
    import pyarrow as pa

    return {name: pa.string() for name, kind in reading.types.items() if kind == "category"}


def dropped(table: ArrowTable, reading: Reading, path: Path) -> ArrowTable:
    """Return a table without the columns that are left out. Raises DataError for a column that it does not have."""
    check_columns(table.column_names, reading, path)
    kept = table.drop_columns(list(reading.drop))
    if not kept.column_names:
        raise DataError(f"{path}: expected columns that are not left out, got none: leave fewer out (--drop).")
    return kept


def check_columns(names: Sequence[str], reading: Reading, path: Path) -> None:
    """Raise DataError for a column of `drop` that does not exist, OptionError for one of `types`."""
    for name in reading.drop:
        if name not in names:
            raise DataError(f"{path}: {unknown('column', name, names)}")
    for name in reading.types:
        if name not in names:
            raise OptionError(unknown("column", name, names))


def columns_of(path: Path, reading: Reading) -> tuple[str, ...]:
    """Return the names of the columns of a file, from its first bytes; an empty tuple if it does not name them."""
    if path.suffix.lower() == ".parquet":
        return tuple(parquet.schema(path).names)
    if path.suffix.lower() == ".npz":
        return numpy_files.column_names(path) or ()
    return csv.columns(path, reading.form)


def _is_number(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _names(table: ArrowTable, named: bool) -> list[str]:
    """Return the columns for messages: by name, or by number in a file without a header."""
    return [repr(name) if named else str(at + 1) for at, name in enumerate(table.column_names)]


def _numbers(schema: ArrowSchema, named: bool) -> Schema | None:
    """Return the schema of an array; None if its columns have no names."""
    if not named:
        return None
    columns = tuple(
        frames.Column(name=field.name, kind="number", arrow=str(field.type), native=str(field.type)) for field in schema
    )
    return Schema(columns=columns, library="array")


def plain_schema(path: Path) -> Schema | None:
    """Return the schema of a file of numbers without gaps; None if its columns have no names."""
    if path.suffix.lower() == ".parquet":
        return _numbers(parquet.schema(path), True)
    return _numbers(csv.schema(path), csv.has_header(path))


def needs(paths: Sequence[Path], schema: Schema, reading: Reading) -> bool:
    """Return whether files must be read by a schema: not if they are arrays of its columns, in its order."""
    if not all(path.suffix.lower() in ENDINGS for path in paths):
        return all(map(is_named_columns, paths))
    if schema.library != "array" or reading.form != csv_form.Options():
        return True
    if not all(is_plain(path, Reading()) for path in paths):
        return True
    found = [plain_schema(path) for path in paths]
    return any(each is not None and each.names != schema.names for each in found)


def is_named_columns(source: object) -> bool:
    """Return whether a source is the path of a .npz file of named columns."""
    path = Path(source) if isinstance(source, (str, Path)) else Path()
    return path.suffix.lower() == ".npz" and path.is_file() and numpy_files.column_names(path) is not None


Keep = Callable[[ArrowTable, int], None]  # takes a table, and how many rows of its file come before it


def parts(
    paths: Sequence[Path],
    schema: Schema,
    reading: Reading,
    *,
    say: Say,
    keep: Keep | None = None,
    spare: Collection[str] = (),
) -> list[Part]:
    """Return the rows of files as parts, each read by a schema.

    Args:
        paths: of the files.
        schema: of the table that a model was fitted on.
        reading: how CSV files are written.
        say: takes each note once, such as columns that are left out.
        keep: takes every table as it is read, and how many rows of its file come before.
        spare: columns outside the schema that need no note.
    """
    said: set[str] = set()

    def chunks(path: Path, size: int) -> Iterator[Array]:
        first_row = 0
        for table in _tables(path, schema, reading, size):
            if keep is not None:
                keep(table, first_row)
            rows, notes = frames.read(table, schema, where=shown(path), first_row=first_row, spare=spare)
            for note in notes:
                if note not in said:
                    said.add(note)
                    say(f"{shown(path)}: {note}")
            first_row += len(rows)
            yield rows

    return [
        Part(
            str(path),
            parquet.rows(path) if path.suffix.lower() == ".parquet" else None,
            estimate(path, len(schema.columns)),
            partial(chunks, path),
            stamp=stamp(path),
        )
        for path in paths
    ]


def shown(path: Path) -> str:
    """Return the name of a file for messages; for a temporary file the origin of its rows."""
    if Path(path.stem).suffix.lower() in sql.ENDINGS:
        return path.stem
    return "standard input" if path.stem == STDIN else str(path)


def as_shown(text: str) -> str:
    """Return a message with the names that `shown` gives in place of those of temporary files."""
    above = re.escape(str(Path(tempfile.gettempdir()) / FOLDER))
    return re.sub(rf"{above}\w+[/\\][^\s'\":]*\.(?:csv|npy|parquet)", lambda found: shown(Path(found[0])), text)


def _tables(path: Path, schema: Schema, reading: Reading, size: int) -> Iterator[ArrowTable]:
    if path.suffix.lower() == ".parquet":
        yield from parquet.tables(path, size)
        return
    import pyarrow as pa

    if path.suffix.lower() == ".npz":
        whole = pa.table(numpy_files.columns(path))
        yield from (whole.slice(start, size) for start in range(0, len(whole), size))
        return
    types = {column.name: frames.arrow_type(column.arrow) for column in schema.columns if column.kind != "number"}
    # A column of whole numbers in fit() may have fractions or gaps now.
    types |= {
        column.name: pa.float64()
        for column in schema.columns
        if column.kind in ("number", "count") and _is_number(frames.arrow_type(column.arrow))
    }
    header = csv.columns(path, reading.form)
    yield from csv.tables(path, reading.form, {name: kind for name, kind in types.items() if name in header}, size)


def columns(path: Path, reading: Reading) -> int:
    """Return the number of columns of a file."""
    if path.suffix.lower() == ".parquet":
        return len(parquet.schema(path).names)
    return max(1, len(csv.schema(path, reading.form).names))


def estimate(path: Path, columns: int) -> int:
    """Return the approximate bytes of the rows of a file as doubles."""
    if path.suffix.lower() == ".parquet":
        return parquet.rows(path) * columns * 8
    if path.suffix.lower() == ".npz":
        return path.stat().st_size
    with path.open("rb") as file:
        start = file.read(1 << 16)
    lines = max(1, start.count(b"\n"))
    return round(path.stat().st_size / max(1, len(start)) * lines * columns * 8)
