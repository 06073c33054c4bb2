"""JSON lines: one JSON object on each line, with the same names.

A file is gone over twice, in pieces of whole lines: for the types of its columns, which any line may change, and for
the rows. Order: the format, types, pieces.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, ClassVar

from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.writing import as_json
from diabolo.data.readers import opened
from diabolo.data.readers.arrow import gathered
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.errors import DataError
from diabolo.typing import ArrowSchema, ArrowTable, ArrowType

DEEPEST = 64
MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')  # a text, or what opens or closes a list or an object
CHANGED = re.compile(r"Column\(/(.+)\) changed from (\w+) to (\w+) in row (\d+)")  # as pyarrow says it
MERGED = re.compile(r"Field (.+) has incompatible types: (\w+) vs (\w+)")  # ... where two pieces differ
BYTES_AT_ONCE = 1 << 20
LONGEST_LINE = 1 << 26


class JsonLines(TableFormat):
    """Objects of texts, numbers, booleans and null; a name that is missing on a line is a missing cell."""

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    words: ClassVar[str] = "a JSON lines file"
    compressible: ClassVar[bool] = True
    nested: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows, piece by piece, each with all columns of the file."""
        import pyarrow as pa

        schema = self.schema(path, form)
        fields = pa.schema([(field.name, _wanted(field.type, types.get(field.name))) for field in schema])

        def read() -> Iterator[ArrowTable]:
            first_row = 0
            for piece in _pieces(path):
                yield (table := _like(_parse(path, piece, fields, first_row), types))
                first_row += len(table)

        return gathered(read(), rows)

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of all lines."""
        return _schema(path, stamp(path))

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write one object a row; dates and times as ISO texts."""
        for table in tables:
            for row in table.to_pylist():
                file.write(as_json(row) + b"\n")


def _wanted(found: ArrowType, wanted: ArrowType | None) -> ArrowType:
    """Return the type to read a column as: numbers as doubles where a model wants these."""
    import pyarrow as pa

    if wanted is None or not pa.types.is_floating(wanted):
        return found
    return wanted if pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_null(found) else found


def _like(table: ArrowTable, types: Types) -> ArrowTable:
    """Return a table whose numbers and booleans are texts where a model knows texts, such as codes."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        wanted = types.get(field.name)
        codes = pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)
        if codes and wanted is not None and pa.types.is_string(wanted):
            table = table.set_column(at, field.name, table.column(at).cast(wanted))
    return table


@lru_cache(maxsize=64)
def _schema(path: Path, _when: Stamp) -> ArrowSchema:
    """Return all columns with types that hold their cells on every line. Raises DataError."""
    import pyarrow as pa

    known, first_row = pa.schema([]), 0
    for piece in _pieces(path):
        table = _parse(path, piece, None, first_row)
        # pyarrow makes a moment without its zone of a text; how dates are written is found with those of other files.
        found = pa.schema(
            [(each.name, pa.string() if pa.types.is_timestamp(each.type) else each.type) for each in table.schema]
        )
        try:
            known = pa.unify_schemas([known, found], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(_reason(path, error, first_row)) from error
        first_row += len(table)
    return known


def _parse(path: Path, piece: bytes, schema: ArrowSchema | None, first_row: int) -> ArrowTable:
    """Return the rows of whole lines. Raises DataError. Args: schema: None to infer it."""
    import pyarrow as pa
    from pyarrow import json as arrow

    read, parse = arrow.ReadOptions(use_threads=False, block_size=len(piece) + 1), arrow.ParseOptions(schema)
    try:
        table = arrow.read_json(pa.BufferReader(piece), read, parse)
        table.validate(full=True)  # texts that are not valid Unicode
        _ = table.schema.names
    except (UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(_reason(path, error, first_row)) from error
    return table


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, each time whole lines. Raises DataError."""
    cut = b""
    with opened.open_binary(path) as file:
        while piece := file.read(BYTES_AT_ONCE):
            lines, end, begun = piece.rpartition(b"\n")
            if not end:
                cut += begun
                if len(cut) > LONGEST_LINE:
                    raise DataError(f"{path}: expected lines of up to {LONGEST_LINE:,} bytes, got a longer one.")
                continue
            yield from _checked(path, cut + lines + end)
            cut = begun
    yield from _checked(path, cut)


def _checked(path: Path, lines: bytes) -> Iterator[bytes]:
    """Yield lines that are not blank. Raises DataError if they are nested so deep that pyarrow takes much memory."""
    if not lines.strip():
        return
    # Only lines with that many marks can be that deep.
    if lines.count(b"{") + lines.count(b"[") > lines.count(b"\n") + DEEPEST and _depth(lines) > DEEPEST:
        raise DataError(f"{path}: expected plain values, got lists or objects nested more than {DEEPEST} deep.")
    yield lines


def _depth(text: bytes) -> int:
    """Return how deep lists and objects are nested."""
    deepest = depth = 0
    for mark in MARKS.findall(text):
        depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
        deepest = max(deepest, depth)
    return deepest


def _reason(path: Path, error: Exception, first_row: int) -> str:
    changed = CHANGED.search(str(error)) or MERGED.search(str(error))
    if changed is not None:
        name, before, now, *row = changed.groups()
        place = f"in row {first_row + int(row[0]):,}" if row else f"from row {first_row:,} on"
        return (
            f"{path}: expected cells of one kind in column {name!r}, got {before} and {place} {now}: write one kind in "
            f"every line, or save the objects as a list in a .json file, where they become text."
        )
    return (
        f'{path}: expected one JSON object on each line, such as {{"age": 31, "city": "Ulm"}}, after row {first_row:,} '
        f"({str(error).splitlines()[0]:.120})."
    )
