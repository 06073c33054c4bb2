"""CSV through pyarrow: columns of numbers, parted by commas, under a header or without one.

The first line is a header if any of its cells is neither a number nor a gap; a first line of numbers is a row.
"""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np

from diabolo.errors import DataError

# As pyarrow reads numbers; Python's float() also takes 1_000.
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE)
GAPS = {"", "?", "-", "na", "n/a", "#n/a", "nan", "null", "none"}  # what stands for nothing, in lower case


def read(path: Path) -> np.ndarray[Any, Any]:
    """Return the numbers of a CSV file, (n, columns), float64; DataError with column and row where one is none."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    blank, first = _first_line(path)
    header = not all(NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS for cell in first)
    try:
        table = arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(skip_rows=blank, autogenerate_column_names=not header),
            # In a file of one column an empty line is a gap; in any other it is just an empty line.
            parse_options=arrow.ParseOptions(ignore_empty_lines=len(first) > 1),
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error
    names = [repr(name) if header else f"{place + 1}" for place, name in enumerate(table.column_names)]
    if not table.num_rows:
        raise DataError(f"{path}: expected rows under the header ({', '.join(names)}), got none.")
    return np.column_stack([_numbers(path, *pair) for pair in zip(names, table.columns, strict=True)])


def _first_line(path: Path) -> tuple[int, list[str]]:
    """Return how many blank lines a file starts with, and the cells of the line behind them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for blank, line in enumerate(file):
                if line.strip():
                    return blank, next(csv.reader([line]))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text ({error.reason} at byte {error.start}).") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    raise DataError(f"{path}: expected a table, got an empty file.")


def _numbers(path: Path, name: str, column: Any) -> np.ndarray[Any, Any]:
    import pyarrow as pa

    kind = column.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    ):
        values = [str(value) for value in column.to_pylist()]
        row = next((row for row, value in enumerate(values) if not NUMBER.fullmatch(value)), 0)
        separator = next((each for each in (";", "\t", "|") if each in values[row]), "")
        hint = f" The separator seems to be {separator!r}: expected commas." if separator else ""
        raise DataError(f"{path}: column {name} expected numbers, got {values[row]!r:.40} in data row {row + 1}.{hint}")
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        cells = f"{column.null_count:,} empty cell{'s' * (column.null_count != 1)}"
        raise DataError(
            f"{path}: column {name} has {cells}, the first in data row {row + 1}: drop those rows or fill them in."
        )
    # safe=False: an integer beyond 2**53 becomes the nearest double, as in any other array of doubles.
    return np.asarray(column.cast(pa.float64(), safe=False))
