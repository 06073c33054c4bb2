"""Parquet through pyarrow: columns of numbers, read row group by row group."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from diabolo.data.readers.arrow import to_array
from diabolo.errors import DataError

ROWS_AT_ONCE = 65_536


def read(path: Path) -> np.ndarray[Any, Any]:
    """Return the numbers of a Parquet file, (n, columns), float64."""
    return np.concatenate(list(chunks(path, ROWS_AT_ONCE)))


def count(path: Path) -> int:
    """Return how many rows the file says it has."""
    return int(_open(path).metadata.num_rows)


def chunks(path: Path, rows: int) -> Iterator[np.ndarray[Any, Any]]:
    """Give the numbers of a Parquet file, up to `rows` rows at a time."""
    import pyarrow as pa

    file = _open(path)
    names = [repr(name) for name in file.schema_arrow.names]
    if not names or not file.metadata.num_rows:
        raise DataError(
            f"{path}: expected rows of numbers, got {file.metadata.num_rows} rows and {len(names)} columns."
        )
    done = 0
    try:
        for batch in file.iter_batches(batch_size=rows):
            yield to_array(batch, where=str(path), names=names, first_row=done)
            done += len(batch)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error


def _open(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: expected a Parquet file ({str(error).splitlines()[0]}).") from error
