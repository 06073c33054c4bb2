"""JSON lines: one JSON object on each line, with the same names."""

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from diabolo.data.formats.base import TableFormat, Types
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
            table = pa.Table.from_batches([batch])
            first_row += len(table)
            yield from (table.slice(start, rows) for start in range(0, len(table), rows))

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of the first block."""
        return _open(path, {}).schema

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write one object a row; dates and times as ISO texts."""
        import json

        for table in tables:
            for row in table.to_pylist():
                values = {name: None if value != value else value for name, value in row.items()}  # JSON has no NaN
                file.write(json.dumps(values, ensure_ascii=False, default=_text, allow_nan=False).encode() + b"\n")


def _open(path: Path, types: Types) -> "pa.RecordBatchReader":
    """Return a reader. Raises DataError for a file that does not begin with JSON objects of plain values."""
    import pyarrow as pa
    from pyarrow import json as arrow

    parse = arrow.ParseOptions(explicit_schema=pa.schema(list(types.items())) if types else None)
    try:
        reader = arrow.open_json(str(path), arrow.ReadOptions(block_size=BLOCK), parse)
    except (OSError, pa.ArrowException) as error:
        raise DataError(_reason(path, error, 0)) from error
    for field in reader.schema:
        if pa.types.is_nested(field.type):
            raise DataError(
                f"{path}: column {field.name!r:.60} holds lists or objects, expected texts, numbers, booleans or null: "
                f"leave it out (--drop {field.name:.60})."
            )
    return reader


def _reason(path: Path, error: Exception, first_row: int) -> str:
    return (
        f'{path}: expected one JSON object on each line, such as {{"age": 31, "city": "Ulm"}}, after row {first_row:,} '
        f"({str(error).splitlines()[0]:.120})."
    )


def _text(value: object) -> str:
    """Return a value that JSON does not have as a text: dates and times in ISO form."""
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)
