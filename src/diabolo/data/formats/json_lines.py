"""JSON lines: one JSON object on each line, with the same names."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.writing import as_json
from diabolo.data.readers import opened
from diabolo.data.readers.csv_form import Options
from diabolo.errors import DataError
from diabolo.typing import ArrowSchema, ArrowTable

if TYPE_CHECKING:
    import pyarrow as pa

DEEPEST, BYTES_OF_DEPTH = 64, 1 << 16
MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')  # a text, or what opens or closes a list or an object
BLOCK = 1 << 20  # bytes, of which pyarrow reads several ahead; the first determines the types of the columns


class JsonLines(TableFormat):
    """Objects of texts, numbers, booleans and null; a name that is missing on a line is a missing cell."""

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    words: ClassVar[str] = "a JSON lines file"
    compressible: ClassVar[bool] = True
    nested: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows, block by block."""
        import pyarrow as pa

        first_row = 0
        reader = _open(path, types)
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)  # texts that are not valid Unicode
            except StopIteration:
                return
            except (UnicodeDecodeError, pa.ArrowException) as error:
                raise DataError(_reason(path, error, first_row)) from error
            table = _like(pa.Table.from_batches([batch]), types)
            first_row += len(table)
            yield from (table.slice(start, rows) for start in range(0, len(table), rows))

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of the first block."""
        return _open(path, {}).schema

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write one object a row; dates and times as ISO texts."""
        for table in tables:
            for row in table.to_pylist():
                file.write(as_json(row) + b"\n")


def _open(path: Path, types: Types) -> "pa.RecordBatchReader":
    """Return a reader. Raises DataError for a file that does not begin with JSON objects."""
    import pyarrow as pa
    from pyarrow import json as arrow

    # Only numbers: a first block of whole numbers must not exclude fractions later, and JSON has no dates.
    numbers = [(name, kind) for name, kind in types.items() if pa.types.is_floating(kind)]
    parse = arrow.ParseOptions(explicit_schema=pa.schema(numbers) if numbers else None)
    with opened.open_binary(path) as file:
        if _depth(file.read(BYTES_OF_DEPTH)) > DEEPEST:
            raise DataError(f"{path}: expected plain values, got lists or objects nested more than {DEEPEST} deep.")
    try:
        reader = arrow.open_json(opened.for_arrow(path), arrow.ReadOptions(block_size=BLOCK), parse)
        _ = reader.schema.names  # which may not be valid Unicode
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(_reason(path, error, 0)) from error
    return reader


def _depth(text: bytes) -> int:
    """Return how deep the lists and objects at the start of a file are nested; pyarrow takes memory for each level."""
    deepest = depth = 0
    for mark in MARKS.findall(text):
        depth += 1 if mark in b"[{" else -1 if mark in b"]}" else 0
        deepest = max(deepest, depth)
    return deepest


def _like(table: ArrowTable, types: Types) -> ArrowTable:
    """Return a table whose numbers and booleans are texts where a model knows texts, such as codes."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        wanted = types.get(field.name)
        codes = pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)
        if codes and wanted is not None and pa.types.is_string(wanted):
            table = table.set_column(at, field.name, table.column(at).cast(wanted))
    return table


def _reason(path: Path, error: Exception, first_row: int) -> str:
    return (
        f'{path}: expected one JSON object on each line, such as {{"age": 31, "city": "Ulm"}}, after row {first_row:,} '
        f"({str(error).splitlines()[0]:.120})."
    )
