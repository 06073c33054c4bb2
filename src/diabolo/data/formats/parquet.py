"""Parquet, see `diabolo.data.readers.parquet`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.writing import like_first
from diabolo.data.readers import parquet
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.parts import Part
from diabolo.typing import ArrowSchema, ArrowTable


class Parquet(TableFormat):
    """Columns in row groups, with their types."""

    endings: ClassVar[tuple[str, ...]] = (".parquet",)
    words: ClassVar[str] = "a Parquet file"
    nested: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows, read page by page."""
        yield from parquet.tables(path, rows)

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema, from the metadata."""
        return parquet.schema(path)

    def read(self, path: Path, form: Options, types: Types) -> ArrowTable:
        """Return the whole file."""
        return parquet.read_table(path)

    def row_count(self, path: Path) -> int:
        """Return the number of rows, from the metadata."""
        return parquet.rows(path)

    def is_plain(self, path: Path) -> bool:
        """Return whether all columns are numbers without gaps, from the metadata."""
        return parquet.is_plain(path)

    def parts(self, path: Path) -> list[Part]:
        """Return the row groups as parts."""
        return parquet.parts(path)

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write each table as a row group."""
        from pyarrow import parquet as arrow

        writer = None
        try:
            for table in tables:
                if writer is None:
                    writer = arrow.ParquetWriter(file, table.schema)
                writer.write_table(like_first(table, writer.schema, ".parquet"))
        finally:
            if writer is not None:
                writer.close()
