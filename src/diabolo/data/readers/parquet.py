"""Parquet through pyarrow, one row group after the other: columns of numbers as arrays, any columns as tables."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diabolo.data import memory
from diabolo.data.readers.arrow import common_dtype, to_array
from diabolo.data.readers.parts import Part, held_bytes, stamp
from diabolo.errors import DataError
from diabolo.typing import Array, ArrowArray, ArrowSchema, ArrowTable, ArrowType

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

ROWS_AT_ONCE = 65_536
FEW_ROWS = 64
PAGE_BYTES = 1 << 20  # of each column, as most writers make them: a page is held whole, packed and unpacked
# Rows for each byte of a file, for more than 16 million rows. One repeated value takes hardly any room, so that a few
# kilobytes can announce any number of rows; nothing can be learnt from such a file.
MAX_ROWS_PER_BYTE = 1 << 12
UNCHECKED_ROWS = 1 << 24
ANY_BYTES = 1 << 28  # that a file of any size may unpack to
UNNAMED = re.compile(r"__index_level_\d+__|__null_dask_index__")
BUFFER_BYTES = 1 << 16  # of each column; without it, and with pre_buffer, a whole row group is held as it lies on disk


def is_plain(path: Path) -> bool:
    """Return whether a file has only columns of numbers without gaps, from its metadata."""
    import pyarrow as pa

    with _open(path) as file:
        metadata, types = file.metadata, _schema(file).types
    if not all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return False
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            known = metadata.row_group(group).column(at).statistics
            if known is not None and known.has_null_count and known.null_count:
                return False
    return True


def schema(path: Path) -> ArrowSchema:
    """Return the Arrow schema of a Parquet file."""
    with _open(path) as file:
        return _schema(file)


def rows(path: Path) -> int:
    """Return the number of rows of a Parquet file."""
    with _open(path) as file:
        return int(file.metadata.num_rows)


def _fewer(path: Path) -> str:
    """Return what to do with a file that has too many rows, as the end of a message."""
    example = f"copy (from '{path}' limit 100000) to 'part.parquet'"
    return f"write part of its rows to a new file, for example in DuckDB: {example}."


def read_table(path: Path) -> ArrowTable:
    """Return a Parquet file as an Arrow table. Raises DataError if it has no rows or does not fit in memory."""
    import pyarrow as pa

    with _open(path) as file:
        size = file.metadata.num_rows * file.metadata.num_columns * 8
    if size > memory.free():
        raise DataError(
            f"{path} takes about {memory.words(size)}, more than {memory.words(memory.free())} of memory: "
            f"{_fewer(path)}"
        )
    read = list(tables(path, ROWS_AT_ONCE))
    if not read:
        raise DataError(f"{path}: expected rows, got none.")
    return pa.concat_tables(read)


def tables(path: Path, size: int) -> Iterator[ArrowTable]:
    """Yield a Parquet file as Arrow tables, up to `size` rows at a time. Raises DataError."""
    import pyarrow as pa

    try:
        with _open(path) as file:
            kinds = {field.name: field.type for field in _schema(file) if _is_text(field.type)}
        # Texts are read as dictionaries, so that their size is known before memory is taken.
        with _open(path, list(kinds)) as file:
            taken, most = 0, max(ANY_BYTES, path.stat().st_size * MAX_ROWS_PER_BYTE)
            for batch in file.iter_batches(batch_size=min(size, ROWS_AT_ONCE), columns=_columns(file)):
                table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
                taken += sum(_text_bytes(table[name]) for name in kinds)
                if taken > min(most, memory.free()):
                    raise DataError(
                        f"{path}: its texts take more than {memory.words(taken)} in a file of "
                        f"{path.stat().st_size:,} bytes: {_fewer(path)}"
                    )
                for name, kind in kinds.items():
                    at = table.schema.get_field_index(name)
                    table = table.set_column(at, name, table[name].cast(kind))
                yield table
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error


def _is_text(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _text_bytes(column: ArrowArray) -> int:
    """Return the bytes of the texts of a dictionary column, if each cell has a text of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return sum(
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
        for chunk in column.chunks
        if pa.types.is_dictionary(chunk.type)
    )


def parts(path: Path) -> list[Part]:
    """Return the row groups of a Parquet file that have rows. Raises DataError."""
    with _open(path) as file:
        metadata, schema = file.metadata, _schema(file)
    if not schema.names:
        raise DataError(f"{path}: expected columns of numbers, got none.")
    bytes_per_row = len(schema) * held_bytes(common_dtype(schema.types))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    sizes = [group.num_rows for group in groups]
    starts, when = np.cumsum([0, *sizes]).tolist(), stamp(path)
    return [
        Part(
            str(path),
            size,
            size * bytes_per_row,
            partial(_chunks, path, group, starts[group]),
            starts[group],
            tuple(schema.names),
            when,
            2 * min(PAGE_BYTES * len(schema), groups[group].total_byte_size),
        )
        for group, size in enumerate(sizes)
        if size
    ]


def _chunks(path: Path, group: int, first_row: int, rows: int) -> Iterator[Array]:
    """Yield the numbers of one row group, up to `rows` rows at a time."""
    import pyarrow as pa

    try:
        with _open(path) as file:
            schema = _schema(file)
            names = [repr(name) for name in schema.names]
            # Texts are refused at the first rows, which should not take much memory.
            if any(map(_is_text, schema.types)):
                rows = min(rows, FEW_ROWS)
            for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=_columns(file)):
                yield to_array(batch, where=str(path), names=names, first_row=first_row)
                first_row += len(batch)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error


def _schema(file: "ParquetFile") -> ArrowSchema:
    """Return the Arrow schema of the columns that are read: all but an unnamed index of numbers that pandas wrote."""
    import pyarrow as pa

    whole = file.schema_arrow
    # pandas writes the old places of the rows of a filtered or sorted frame, which are not a column of the user.
    try:
        names = whole.pandas_metadata["index_columns"]
        unnamed = [name for name in names if isinstance(name, str) and UNNAMED.fullmatch(name)]
        left_out = {name for name in unnamed if not _is_text(_plain(whole.field(name).type))}
    except (ValueError, TypeError, KeyError, AttributeError):  # not written by pandas, or without index columns
        return whole
    return pa.schema([field for field in whole if field.name not in left_out]) if left_out else whole


def _plain(kind: ArrowType) -> ArrowType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _columns(file: "ParquetFile") -> list[str] | None:
    """Return the columns to read; None: all."""
    names: list[str] = _schema(file).names
    return names if len(names) < len(file.schema_arrow) else None


def _open(path: Path, as_dictionary: list[str] | None = None) -> "ParquetFile":
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES, read_dictionary=as_dictionary)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file ({str(error).splitlines()[0]}).") from error
    rows, size = file.metadata.num_rows, path.stat().st_size
    if not 0 <= rows <= max(UNCHECKED_ROWS, size * MAX_ROWS_PER_BYTE):
        file.close()
        raise DataError(
            f"{path}: declares {rows:,} rows in a file of {size:,} bytes, which only a file of almost equal values "
            f"could hold: {_fewer(path)}"
        )
    groups = (file.metadata.row_group(at) for at in range(file.metadata.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    if not 0 <= unpacked <= max(ANY_BYTES, size * MAX_ROWS_PER_BYTE):
        file.close()
        raise DataError(
            f"{path}: declares {unpacked:,} bytes in a file of {size:,}, which only a file of almost equal values "
            f"could hold: {_fewer(path)}"
        )
    return file
