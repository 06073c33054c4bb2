"""Text tables: CSV, TSV and others, see `diabolo.data.readers.csv`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

from diabolo.data.formats.base import OF_COLUMNS, TableFormat, Types
from diabolo.data.readers import csv
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.parts import Part
from diabolo.typing import ArrowSchema, ArrowTable


class Csv(TableFormat):
    """Text with a separator between cells."""

    endings: ClassVar[tuple[str, ...]] = (".csv", ".txt", ".data", ".dat")
    words: ClassVar[str] = "a CSV file"
    separator: ClassVar[str] = ","  # that is written; what is read shows its own
    untyped: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = OF_COLUMNS | {"separator", "header", "no_header", "skip", "comment", "encoding"}
    compressible: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows, with the types of columns that the header names."""
        yield from csv.tables(path, form, types, rows)

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of the first block."""
        return csv.schema(path, form)

    def read(self, path: Path, form: Options, types: Types) -> ArrowTable:
        """Return the whole file, with every check of CSV files."""
        return csv.read_table(path, form, types)

    def names(self, path: Path, form: Options) -> tuple[str, ...]:
        """Return the header; of a table with texts that has none, f0, f1, ..."""
        return csv.names(path, form)

    def has_names(self, path: Path, form: Options) -> bool:
        """Return whether a line names the columns, or there are texts, whose columns need names."""
        return bool(csv.names(path, form))

    def is_plain(self, path: Path) -> bool:
        """Return whether the first block holds only numbers, without gaps."""
        return csv.is_plain(path)

    def parts(self, path: Path) -> list[Part]:
        """Return the numbers as one part."""
        return csv.parts(path)

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write tables as CSV, with one header."""
        from pyarrow import csv as arrow

        for at, table in enumerate(tables):
            how = arrow.WriteOptions(include_header=at == 0, quoting_style="needed", delimiter=self.separator)
            arrow.write_csv(table, file, how)


class Tsv(Csv):
    """Text with tabs between cells; it is read as any text table."""

    endings: ClassVar[tuple[str, ...]] = (".tsv",)
    words: ClassVar[str] = "a TSV file"
    separator: ClassVar[str] = "\t"
