"""Arrow's columns as one array, or an error with the column and row of a cell that is not a number."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from diabolo.data.adapters.rows import of_columns
from diabolo.errors import DataError
from diabolo.typing import Array, ArrowArray, ArrowBatch, ArrowTable, ArrowType

BYTES = 1 << 21  # of a table of `gathered`: enough that the costs of each do not matter


def to_array(batch: ArrowBatch, *, where: str, names: list[str], first_row: int = 0) -> Array:
    """Return the columns of a table or record batch as (n, columns), in their `common_dtype`.

    Args: names: of the columns, for messages; first_row: the number of rows before these, for messages.
    Raises: DataError for a column of another kind, or with empty cells.
    """
    import pyarrow as pa

    dtype, whole = common_dtype(batch.schema.types), isinstance(batch, pa.Table)
    columns = [
        _numbers(column, where, name, first_row, dtype, whole)
        for name, column in zip(names, batch.columns, strict=True)
    ]
    return of_columns(columns, len(batch), dtype)


def gathered(batches: Iterable[ArrowBatch], rows: int) -> Iterator[ArrowTable]:
    """Yield tables or record batches of one schema as fewer tables: of about `BYTES` each, but not of more rows."""
    import pyarrow as pa

    held, count, size = list[ArrowTable](), 0, 0
    for batch in batches:
        held.append(batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch]))
        count, size = count + len(batch), size + batch.nbytes
        if count >= rows or size >= BYTES:
            yield from _sliced(pa.concat_tables(held).combine_chunks(), rows)
            held, count, size = [], 0, 0
    if held:
        yield from _sliced(pa.concat_tables(held).combine_chunks(), rows)


def _sliced(table: ArrowTable, rows: int) -> Iterator[ArrowTable]:
    yield from (table.slice(start, rows) for start in range(0, len(table), rows))


def common_dtype(kinds: list[ArrowType]) -> np.dtype[Any]:
    """Return uint8 or float32 if all columns are of that type, else float64."""
    import pyarrow as pa

    return np.dtype(
        {pa.uint8(): np.uint8, pa.float32(): np.float32}.get(kinds[0] if len(set(kinds)) == 1 else None, np.float64)
    )


def _numbers(column: ArrowArray, where: str, name: str, first_row: int, dtype: np.dtype[Any], whole: bool) -> Array:
    import pyarrow as pa

    kind = column.type
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        row, value = _first_text(column.to_pylist())
        separator = next((each for each in (";", "\t", "|") if each in value), "")
        hint = f" The separator seems to be {separator!r}: expected commas." if separator else ""
        raise DataError(f"{where}: column {name} expected numbers, got {value!r:.40} in row {first_row + row}.{hint}")
    if column.null_count:
        row = first_row + column.is_null().to_pylist().index(True)
        # The count in one chunk says little: other chunks may have more.
        count = column.null_count if whole else 0
        cells = f"{count:,} empty cell{'s' * (count != 1)}" if count else "empty cells"
        raise DataError(
            f"{where}: column {name} has {cells}, the first in row {row}: drop those rows, or fill them in."
        )
    # safe=False: an integer beyond 2**53 becomes the nearest double, as in any other array of doubles.
    return np.asarray(column.cast(pa.from_numpy_dtype(dtype), safe=False))


def _first_text(values: list[Any]) -> tuple[int, str]:
    """Return the first value that is not a number, with its place."""
    for row, value in enumerate(values):
        try:
            float(value)
        except (TypeError, ValueError):
            return row, str(value)
    return 0, str(values[0]) if values else ""
