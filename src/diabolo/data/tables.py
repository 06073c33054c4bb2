"""Tables in files of the formats in `diabolo.data.formats`, one or several as one, and .npz of named columns.

A table of numbers without gaps is an array with names; any other table has a schema, by which its columns become
numbers. Order: how files are read, whole tables, tables in parts.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.formats import BY_ENDING, ending_of, format_of
from diabolo.data.frames import LeftOut, Schema
from diabolo.data.readers import csv_form, numpy_files, picture_files, sql
from diabolo.data.readers.arrow import to_array
from diabolo.data.readers.parts import Part, stamp
from diabolo.errors import DataError, OptionError, as_types, listed, unknown
from diabolo.typing import Array, ArrowSchema, ArrowTable, ArrowType, Frame, Rows, Say

logger = logging.getLogger(__name__)

STDIN = "standard-input"  # name of a file that holds standard input, without its ending
FIRST_ROWS = 1_000  # that are looked at for decimal commas
FOLDER = "diabolo-"  # the temporary folder of such a file has a name that begins so
ENDINGS = tuple(BY_ENDING)
ROWS_AT_ONCE = 65_536  # of a file of numbers, from which its index is found


class Reading(NamedTuple):
    """How files are read.

    Attributes:
        types: kinds of columns by name, instead of the inferred ones.
        drop: columns to leave out.
        form: how CSV files are written.
        pictures: how pictures are read.
        cells: how texts in cells are read.
        strict: whether columns from which nothing can be learnt are refused, not left out.
        brief: whether they are not listed, because the caller lists them.
        query: the rows to read from a database, in SQL.
        typed: whether the options come from a command line, so that messages name them as typed there.
    """

    types: Mapping[str, str] = {}
    drop: tuple[str, ...] = ()
    form: csv_form.Options = csv_form.Options()
    pictures: picture_files.ImageOptions = picture_files.ImageOptions()
    cells: frames.Cells = frames.Cells()
    strict: bool = False
    brief: bool = False
    query: str = ""
    typed: bool = False

    @property
    def has_usual_cells(self) -> bool:
        """Whether no option says how texts in cells are read."""
        return self.cells._replace(typed=False) == frames.Cells()

    def as_settings(self) -> dict[str, object]:
        """Return those options that are settings of a training, by name."""
        return {"types": dict(self.types) or None, "strict": self.strict}

    def learn(self, frame: Frame, where: str) -> Schema:
        """Return the schema of a frame, as `frames.learn` with these options."""
        say, how = partial(logger.warning, "%s: %s", where), self.cells._replace(typed=self.typed)
        return frames.learn(
            frame, where=where, types=self.types, how=how, strict=self.strict, say=say, brief=self.brief
        )


class Table(NamedTuple):
    """Rows as numbers, and their schema; None for a file without names of columns."""

    rows: Rows
    schema: Schema | None
    gaps: bool


def is_plain(path: Path, reading: Reading) -> bool:
    """Return whether a file has only columns of numbers without gaps, from its metadata or first rows."""
    usual = Reading()
    asked = reading._replace(query="", pictures=usual.pictures, strict=False, brief=False, typed=False)
    if not reading.has_usual_cells or asked._replace(cells=usual.cells) != usual:
        return False
    return format_of(path).is_plain(path)


def read(paths: Sequence[Path], reading: Reading, *, where: str) -> Table:
    """Return the rows of files with the same columns, one after the other. Raises DataError, OptionError."""
    table = read_frame(paths, reading, where=where)
    named = format_of(paths[0]).has_names(paths[0], reading.form)
    if not reading.types and reading.has_usual_cells:
        kept, left_out = without_index(table)
        if all(map(_is_number, kept.schema.types)) and not any(each.null_count for each in kept.columns):
            if reading.strict or (left_out and not reading.brief):
                reading.learn(table, where)  # says what is left out, or refuses it
            rows = to_array(kept, where=where, names=_names(kept, named))
            return Table(rows, _numbers(kept.schema, named, left_out), False)
    table = table.combine_chunks()  # once, and not for each of the passes below
    if pointed := _pointed(paths, table, reading):
        logger.warning(
            "%s: points in %s are read as marks between thousands, because other columns have decimal commas: "
            "--types %s if they are decimal points",
            where,
            listed(list(pointed)),
            as_types(dict.fromkeys(pointed, "number:.")),
        )
        reading = reading._replace(types={**reading.types, **pointed})
        table = read_frame(paths, reading, where=where).combine_chunks()
    schema = reading.learn(table, where)
    marks = {"--decimal": reading.cells.decimal, "--thousands": reading.cells.thousands}
    given = next((f"{option} {mark}" for option, mark in marks.items() if mark), None)
    if given is not None and not format_of(paths[0]).untyped and not any(map(frames.is_written, schema.columns)):
        raise OptionError(f"{where}: no column holds numbers as texts, as {given} says: leave it out.")
    rows = frames.read(table, schema, where=where).rows
    return Table(rows, schema, bool(np.isnan(rows).any()))


def _pointed(paths: Sequence[Path], table: ArrowTable, reading: Reading) -> dict[str, str]:
    """Return kinds for columns such as 21.967, read as numbers with decimals, next to columns such as 1,5.

    In a file with decimal commas a point in front of three digits stands between thousands.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    first = table.slice(0, FIRST_ROWS)
    commas = any(
        pc.all(pc.match_substring_regex(first[field.name], r"^[+-]?\d[\d.]*,\d+$|^$")).as_py()
        and pc.any(pc.match_substring_regex(first[field.name], r",\d{1,2}$|,\d{4,}$")).as_py()
        for field in table.schema
        if pa.types.is_string(field.type)
    )
    names = [
        field.name for field in table.schema if pa.types.is_floating(field.type) and field.name not in reading.types
    ]
    if not commas or not names or reading.cells.decimal or not format_of(paths[0]).untyped:
        return {}
    asked = reading._replace(types={**reading.types, **dict.fromkeys(names, "number:,")})
    texts = read_frame(paths, asked, where=str(paths[0])).select(names)
    marked = r"^[+-]?\d{1,3}(\.\d{3})+$"
    return {
        name: "number:,"
        for name, cells in zip(names, texts.columns, strict=True)
        if pc.all(pc.match_substring_regex(cells, marked + "|^$")).as_py()
        and pc.any(pc.match_substring_regex(cells, marked)).as_py()
    }


def without_index(table: ArrowTable) -> tuple[ArrowTable, tuple[LeftOut, ...]]:
    """Return a table of numbers without columns that number its rows, and these columns."""
    left_out = frames.indexes(table)
    names = [each.name for each in left_out]
    return (table, ()) if len(names) == table.num_columns else (table.drop_columns(names), left_out)


def read_frame(paths: Sequence[Path], reading: Reading, *, where: str) -> ArrowTable:
    """Return files with the same columns as one Arrow table; without a header the columns are f0, f1, ...

    Raises: DataError.
    """
    import pyarrow as pa

    tables = [dropped(_read_one(path, reading), reading, path) for path in paths]
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


def _read_one(path: Path, reading: Reading) -> ArrowTable:
    """Return the table of one file, whose cells are texts where a user said how they are written."""
    import pyarrow as pa

    found, types = format_of(path), _texts(reading)
    table = found.read(path, reading.form, types)
    if found.untyped and (reading.cells.decimal == "," or reading.cells.thousands == "."):
        # 1.234 is not a fraction then.
        types |= {field.name: pa.string() for field in table.schema if pa.types.is_floating(field.type)}
        table = found.read(path, reading.form, types)
    return table


def _texts(reading: Reading) -> dict[str, ArrowType]:
    """Return the Arrow type, text, of columns that a user declares categories or dates: 007 is not a number."""
    import pyarrow as pa

    return {name: pa.string() for name, kind in reading.types.items() if kind == "category" or ":" in kind}


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
            raise OptionError(f"{path}: {unknown('column', name, names)}")


def columns_of(path: Path, reading: Reading) -> tuple[str, ...]:
    """Return the names of the columns of a file, from its first bytes; an empty tuple if it does not name them."""
    if path.suffix.lower() == ".npz":
        return numpy_files.column_names(path) or ()
    return format_of(path).names(path, reading.form)


def _is_number(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _names(table: ArrowTable, named: bool) -> list[str]:
    """Return the columns for messages: by name, or by number in a file without a header."""
    return [repr(name) if named else str(at + 1) for at, name in enumerate(table.column_names)]


def _numbers(schema: ArrowSchema, named: bool, left_out: tuple[LeftOut, ...] = ()) -> Schema | None:
    """Return the schema of an array; None if its columns have no names."""
    if not named:
        return None
    columns = tuple(
        frames.Column(name=field.name, kind="number", arrow=str(field.type), native=str(field.type)) for field in schema
    )
    return Schema(columns=columns, library="array", left_out=left_out)


def plain_schema(path: Path) -> Schema | None:
    """Return the schema of a file of numbers without gaps, from its first rows; None if its columns have no names."""
    found, form = format_of(path), csv_form.Options()
    if not found.has_names(path, form):
        return None
    first = next(found.tables(path, form, {}, ROWS_AT_ONCE), None)
    kept, left_out = (found.schema(path, form).empty_table(), ()) if first is None else without_index(first)
    return _numbers(kept.schema, True, left_out)


def needs(paths: Sequence[Path], schema: Schema, reading: Reading) -> bool:
    """Return whether files must be read by a schema: not if they are arrays of its columns, in its order."""
    if not all(ending_of(path) in ENDINGS for path in paths):
        return all(map(is_named_columns, paths))
    if schema.library != "array" or schema.left_out or reading.form != csv_form.Options():
        return True
    if not all(is_plain(path, Reading()) for path in paths):
        return True
    found = [plain_schema(path) for path in paths]
    return any(each is not None and (each.names != schema.names or each.left_out) for each in found)


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
    copied: Collection[str] = (),
) -> list[Part]:
    """Return the rows of files as parts, each read by a schema.

    Args:
        paths: of the files.
        schema: of the table that a model was fitted on.
        reading: how CSV files are written.
        say: takes each note once, such as columns that are left out.
        keep: takes every table as it is read, and how many rows of its file come before.
        spare: columns outside the schema that need no note.
        copied: columns that pass through as they are written.
    """
    said: set[str] = set()

    def chunks(path: Path, size: int) -> Iterator[Array]:
        first_row = 0
        for table in _tables(path, schema, reading, size, {*schema.spare, *copied}):
            if keep is not None:
                keep(table, first_row)
            passing = {*spare, *copied}
            rows, notes = frames.read(table, schema, where=shown(path), first_row=first_row, spare=passing)
            for note in notes:
                if note not in said:
                    said.add(note)
                    say(f"{shown(path)}: {note}")
            first_row += len(rows)
            yield rows

    return [
        Part(
            str(path),
            None if path.suffix.lower() == ".npz" else format_of(path).row_count(path),
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
    if path.stem == STDIN:
        return "standard input"
    return path.name if path.parent.name.startswith(FOLDER) else str(path)


def as_shown(text: str) -> str:
    """Return a message with the names that `shown` gives in place of those of temporary files."""
    above = re.escape(str(Path(tempfile.gettempdir()) / FOLDER))
    return re.sub(rf"{above}\w+[/\\][^\s'\":]*\.\w+", lambda found: shown(Path(found[0])), text)


def _tables(path: Path, schema: Schema, reading: Reading, size: int, copied: Collection[str]) -> Iterator[ArrowTable]:
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
    # Texts are read by their form. A column that passes through is text where the file has no types: 007 stays 007.
    untyped = format_of(path).untyped
    types |= {
        column.name: pa.string()
        for column in schema.columns
        if column.form is not None or (column.kind == "date" and untyped)
    }
    exact = [] if untyped else [name for name in copied if types.get(name) == pa.float64()]
    types |= dict.fromkeys(copied, pa.string()) if untyped else {}
    for name in exact:
        del types[name]  # as the file has it: a double has no room for all whole numbers
    for table in format_of(path).tables(path, reading.form, types, size):
        # A reader may put columns of an expected type first.
        yield table.select(schema.in_order(table.column_names)) if exact else table


def columns(path: Path, reading: Reading) -> int:
    """Return the number of columns of a file."""
    return max(1, len(format_of(path).schema(path, reading.form).names))


def estimate(path: Path, columns: int) -> int:
    """Return the approximate bytes of the rows of a file as doubles."""
    if path.suffix.lower() == ".npz":
        return path.stat().st_size
    return format_of(path).size(path, columns)
