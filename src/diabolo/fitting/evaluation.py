"""Rows opened and divided into those to train on and those to evaluate on, as the commands `fit` and `search` do."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.checks import share
from diabolo.data import memory
from diabolo.data.memory import COPIES_IN_TRAINING
from diabolo.data.opening import open_rows
from diabolo.data.readers import scipy_files
from diabolo.data.sources import Source
from diabolo.data.splits import Split, hold_back_sparse, hold_back_test
from diabolo.data.streams import Stream
from diabolo.data.tables import Reading
from diabolo.data.windows import check_memory
from diabolo.errors import DataError
from diabolo.fitting.preparation import as_series
from diabolo.model.settings import Settings

SHOWN = 12  # columns that are named in a line


class OpenedData(NamedTuple):
    """Rows to train on and rows to evaluate on.

    Attributes:
        name: of the rows.
        rows: the two parts.
        streamed: why they are read in chunks; None: they are all in memory.
        missing: how many cells are missing in which columns; None: none are, or the columns have no names.
    """

    name: str
    rows: Split
    streamed: str | None = None
    missing: str | None = None


def check_fraction(test_fraction: float) -> None:
    """Raise OptionError for a fraction of test rows that cannot be."""
    share("--test-fraction", test_fraction)


def open_divided(
    data: str, settings: Settings, *, reading: Reading, data_dir: Path | None, test_fraction: float
) -> OpenedData:
    """Return the rows of a file or data set; its own test part, or a fraction of the rows, is held back.

    Raises: DataError, ShapeError, OptionError.
    """
    limit = memory.limit(settings.memory)
    if scipy_files.is_matrix(data):
        matrix = scipy_files.read(Path(data), limit // COPIES_IN_TRAINING)
        return OpenedData(Path(data).name, hold_back_sparse(matrix, test_fraction, settings.seed, limit=limit))
    source = open_rows(data, limit, data_dir=data_dir, reading=reading)
    if settings.series and not isinstance(source, Stream):
        source = as_series(source)
    check_memory(source, limit, settings.batch_size)
    streamed = None
    if isinstance(source, Stream):
        if settings.series:
            raise DataError(
                f"{source.name}: series must all fit in memory, and training takes "
                f"{memory.words(source.bytes * COPIES_IN_TRAINING)}, more than {memory.words(limit)}: raise the limit "
                f"(--memory), or give fewer series."
            )
        streamed = (
            f"{source.name}: about {memory.words(source.bytes)}, and {COPIES_IN_TRAINING} times that for training, is "
            f"more than {memory.words(limit)}: read in chunks"
        )
    divided = hold_back_test(source, test_fraction, settings.seed, limit=limit)
    return OpenedData(source.name, divided, streamed, _missing(source))


def _missing(source: Source | Stream) -> str | None:
    """Return one line with the number of missing cells of each column that has some."""
    if isinstance(source, Stream) or source.schema is None or not source.gaps:
        return None
    counts = zip(source.schema.names, np.isnan(source.rows).sum(axis=0).tolist(), strict=True)
    said = [f"{name} {count:,}" for name, count in counts if count]
    more = f" and {len(said) - SHOWN} more columns" if len(said) > SHOWN else ""
    return f"{source.name}: missing cells of {len(source.rows):,}: {', '.join(said[:SHOWN])}{more}"
