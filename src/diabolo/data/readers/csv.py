"""CSV through pyarrow: a header line if the first line is not all numbers, then numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from diabolo.errors import DataError


def read(path: Path) -> np.ndarray[Any, Any]:
    """Return the numbers of a CSV file, (n, columns), float64; DataError with row and column where one is none."""
    import pyarrow as pa
    from pyarrow import csv

    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline().strip().split(",")
        headless = all(_is_number(cell) for cell in first)
        table = csv.read_csv(path, read_options=csv.ReadOptions(autogenerate_column_names=headless))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text ({error.reason} at byte {error.start}).") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error
    if not table.num_rows:
        raise DataError(f"{path}: expected rows under the header ({', '.join(table.column_names)}), got none.")
    first_line = 1 if headless else 2
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            at, value = next(
                ((at, value) for at, value in enumerate(column.to_pylist()) if not _is_number(str(value))), (0, "")
            )
            raise DataError(
                f"{path}: column {name!r} expected numbers, got {str(value)!r:.40} in line {at + first_line}."
            )
        if column.null_count:
            at = column.is_null().to_pylist().index(True)
            raise DataError(
                f"{path}: column {name!r} has {column.null_count:,} empty cells, the first in line {at + first_line}: "
                f"drop those rows or fill them in first."
            )
        columns.append(column.cast(pa.float64()).to_numpy() if not pa.types.is_boolean(kind) else column.to_numpy())
    return np.column_stack(columns)


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return False
    return True
