"""Feather and Arrow files: Arrow's own format on disk, version 2 (IPC), as a file or as a stream."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from diabolo.data import memory
from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.writing import like_first
from diabolo.data.readers.csv_form import Options
from diabolo.errors import DataError
from diabolo.typing import ArrowSchema, ArrowTable

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1"  # at the start of a file; a stream has none
MAX_UNPACKED = 1 << 12  # times the size of the file: more is a file of repetitions, of which little can be learned
ANY_BYTES = 1 << 28  # that a file of any size may unpack to


class Feather(TableFormat):
    """Record batches with their types."""

    endings: ClassVar[tuple[str, ...]] = (".feather", ".arrow", ".ipc")
    words: ClassVar[str] = "a Feather file"
    nested: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows, one record batch in memory at a time."""
        import pyarrow as pa

        limit = min(max(ANY_BYTES, path.stat().st_size * MAX_UNPACKED), memory.free())
        taken = 0
        with _open(path) as batches:
            for batch in _batches(path, batches):
                taken += batch.nbytes
                if taken > limit:
                    raise DataError(f"{path}: its rows take more than {memory.words(limit)}: use fewer rows.")
                table = _plain(path, pa.Table.from_batches([batch]))
                yield from (table.slice(start, rows) for start in range(0, len(table), rows))

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema, from the start of the file."""
        with _open(path) as batches:
            return _plain(path, batches.schema.empty_table()).schema

    def row_count(self, path: Path) -> int:
        """Return the number of rows, from the record batches."""
        with _open(path) as batches:
            return sum(batch.num_rows for batch in _batches(path, batches))

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write each table as a record batch."""
        import pyarrow as pa

        writer, schema = None, None
        try:
            for table in tables:
                if writer is None:
                    schema = table.schema
                    writer = pa.ipc.new_file(file, schema)
                writer.write_table(like_first(table, schema, ".feather"))
        finally:
            if writer is not None:
                writer.close()


@contextmanager
def _open(path: Path) -> "Iterator[pa.RecordBatchFileReader | pa.RecordBatchStreamReader]":
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file:
            start = file.read(len(MAGIC))
            file.seek(0)
            with pa.ipc.open_file(file) if start == MAGIC else pa.ipc.open_stream(file) as reader:
                yield reader
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Feather or Arrow file ({str(error).splitlines()[0]:.120}).") from error


def _batches(path: Path, reader: "pa.RecordBatchFileReader | pa.RecordBatchStreamReader") -> "Iterator[pa.RecordBatch]":
    held = (
        (reader.get_batch(at) for at in range(reader.num_record_batches))
        if hasattr(reader, "num_record_batches")
        else iter(reader)
    )
    for batch in held:
        batch.validate(full=True)  # places of texts outside their buffer would be read
        yield batch


def _plain(path: Path, table: ArrowTable) -> ArrowTable:
    """Return a table without the metadata of pandas, whose index column without a name is left out."""
    from diabolo.data.readers.parquet import UNNAMED

    twice = next((name for at, name in enumerate(table.column_names) if name in table.column_names[:at]), None)
    if twice is not None:
        raise DataError(f"{path}: two columns are called {twice!r:.60}: give each column a name of its own.")
    names = [name for name in table.column_names if not UNNAMED.fullmatch(name)]
    return table.select(names).replace_schema_metadata(None)
