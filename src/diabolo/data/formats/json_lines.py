"""JSON lines: one JSON object on each line, with the same names."""

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

BLOCK = 1 << 22  # bytes; the types of the columns are inferred from the first block


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
            except StopIteration:
                return
            except pa.ArrowException as error:
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
    try:
        return arrow.open_json(opened.for_arrow(path), arrow.ReadOptions(block_size=BLOCK), parse)
    except (OSError, pa.ArrowException) as error:
        raise DataError(_reason(path, error, 0)) from error


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
