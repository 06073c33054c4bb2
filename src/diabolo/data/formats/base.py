"""What a format can be asked.

A new format of tables defines `tables`, `schema`, and `write` if it writes; a new format of arrays defines `parts`. The
rest follows. Order: tables, arrays.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, ClassVar

from diabolo.data import memory
from diabolo.data.formats.cells import joined
from diabolo.data.readers import opened
from diabolo.data.readers.arrow import to_array
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.parts import Part, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, ArrowSchema, ArrowTable, ArrowType

# The options of reading that concern the columns of any table.
OF_COLUMNS = frozenset({"types", "drop", "strict", "missing", "dates", "thousands", "decimal"})
ROWS_AT_ONCE = 65_536  # of a file that is read whole

Types = Mapping[str, "ArrowType"]  # Arrow types of columns by name, where a user or a model knows them


class TableFormat(ABC):
    """A format of tables in files.

    Class attributes:
        endings: of the files, in lower case, the first for messages.
        words: a file of the format, for messages.
        options: names of the options of reading that it can use.
        untyped: whether cells are texts, so that a column can be read as texts.
        compressible: whether a file may be compressed, as in .csv.gz.
        holds_several: whether a file may hold several tables, of which one is named after a colon: book.xlsx:Sheet2.
        nested: whether cells may be lists and objects.
        writes: whether `write` is defined.

    Arguments of the methods: path: of a file; form: how CSV files are written, which other formats ignore; types: Arrow
    types of columns by name, which a format whose files have types ignores.
    """

    endings: ClassVar[tuple[str, ...]]
    words: ClassVar[str]
    options: ClassVar[frozenset[str]] = OF_COLUMNS
    untyped: ClassVar[bool] = False
    compressible: ClassVar[bool] = False
    holds_several: ClassVar[bool] = False
    nested: ClassVar[bool] = False
    writes: ClassVar[bool] = True

    @abstractmethod
    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows as Arrow tables of at most `rows` rows. Raises DataError for a file of another format."""

    @abstractmethod
    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the Arrow schema, from the first bytes or rows where that is enough."""

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write tables one after the other, which keep the types of the first. Raises OutputError."""
        raise NotImplementedError

    def read(self, path: Path, form: Options, types: Types) -> ArrowTable:
        """Return the whole file as a table. Raises DataError if it has no rows."""
        tables, taken = list[ArrowTable](), 0
        for each in self.tables(path, form, types, ROWS_AT_ONCE):
            tables.append(each)
            taken += each.nbytes
            if taken > memory.free():
                raise DataError(f"{path}: its rows take more than {memory.words(taken)} of memory: use fewer rows.")
        table = joined(tables) if tables else None
        if table is None or not len(table):
            raise DataError(f"{path}: expected rows, got none.")
        return table

    def names(self, path: Path, form: Options) -> tuple[str, ...]:
        """Return the names of the columns; an empty tuple for a file that does not name them."""
        return tuple(self.schema(path, form).names)

    def has_names(self, path: Path, form: Options) -> bool:
        """Return whether the file names its columns."""
        return True

    def row_count(self, path: Path) -> int | None:
        """Return the number of rows; None if it is only known after reading."""
        return None

    def size(self, path: Path, columns: int) -> int:
        """Return the approximate bytes of the rows as doubles."""
        rows = self.row_count(path)
        if rows is not None:
            return rows * columns * 8
        with opened.open_binary(path) as file:
            start = file.read(1 << 16)
        lines = max(1, start.count(b"\n"))
        return round(opened.unpacked_bytes(path) / max(1, len(start)) * lines * columns * 8)

    def is_plain(self, path: Path) -> bool:
        """Return whether all columns are numbers without gaps, from the metadata or the first rows."""
        import pyarrow as pa

        kinds = self.schema(path, Options()).types
        if not all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
            return False
        first = next(self.tables(path, Options(), {}, ROWS_AT_ONCE), None)
        return first is not None and not any(column.null_count for column in first.columns)

    def parts(self, path: Path) -> list[Part]:
        """Return the rows of a file of numbers without gaps as parts of arrays."""
        names = self.names(path, Options())

        def chunks(rows: int) -> Iterator[Array]:
            first_row = 0
            for table in self.tables(path, Options(), {}, rows):
                yield to_array(table, where=str(path), names=[repr(name) for name in names], first_row=first_row)
                first_row += len(table)

        size = self.size(path, len(names))
        return [Part(str(path), self.row_count(path), size, chunks, columns=names, stamp=stamp(path))]


class ArrayFormat(ABC):
    """A format of arrays in files: rows without names of columns, such as pictures or series.

    Class attributes:
        endings: of the files, in lower case.
        words: a file of the format, for messages.
    """

    endings: ClassVar[tuple[str, ...]]
    words: ClassVar[str]

    @abstractmethod
    def parts(self, path: Path) -> list[Part]:
        """Return the rows of the array that the path names after a colon, else of the only one. Raises DataError."""
