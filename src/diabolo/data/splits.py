"""Which rows are held back: decided by the seed alone, by chance of its own for each purpose."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import sparse
from diabolo.data.adapters import Rows, Statistics, as_rows, check_finite
from diabolo.data.adapters.rows import check_no_infinity
from diabolo.data.prefetch import ahead
from diabolo.data.readers.parts import Part
from diabolo.data.sources import Source
from diabolo.data.streams import Stream, rows_at_once
from diabolo.errors import DataError

# Purposes, as numbers beside those of the epochs, which count from 0.
VALIDATION, TEST, SAMPLE = 2**32 - 1, 2**32 - 2, 2**32 - 3

SAMPLE_ROWS = 100_000  # more make PCA slower, not better
SHARE_HELD_BACK = 32  # of the memory: what rows held back from a stream may take, as they are read


def split_rows(rows: Rows, fraction: float, seed: int, purpose: int) -> tuple[Rows, Rows | None]:
    """Return rows to use and rows held back (None where the fraction of these rows is less than one row).

    Args: purpose: VALIDATION or TEST. Both parts keep the order that the rows had.
    """
    held = held_back(len(rows), fraction, seed, purpose)
    return (rows, None) if held is None else (rows[~held], rows[held])


def held_back(rows: int, fraction: float, seed: int, purpose: int) -> Rows | None:
    """Return which of so many rows are held back, (rows,) booleans; None where the fraction is less than one row."""
    count = int(rows * fraction)
    if count == 0:
        return None
    chosen = np.zeros(rows, bool)
    chosen[np.random.default_rng([seed, purpose]).permutation(rows)[:count]] = True
    return chosen


class Division(NamedTuple):
    """Rows to train on, and rows to tell the best epoch by."""

    name: str
    train: Rows | Stream
    validation: Rows | None
    statistics: Statistics | None  # of `train`; None of series, and of a table of several kinds or with gaps
    held: Rows | None = None  # of rows in memory, (n,): which of them are held back

    @property
    def rows(self) -> int:
        """How many there are to train on."""
        if self.statistics is not None:
            return self.statistics.rows
        assert isinstance(self.train, np.ndarray), "a stream has statistics"
        return len(self.train)


def divide(opened: Source | Stream, fraction: float, seed: int, *, limit: int) -> Division:
    """Check rows, hold a fraction back for validation and gather the statistics of the others.

    Raises: DataError, ShapeError.
    """
    if isinstance(opened, Source):
        rows, apart = as_rows(opened.rows, where="fit()"), opened.is_table or opened.series
        (check_no_infinity if apart else check_finite)(rows, "fit()")
        held = held_back(len(rows), fraction, seed, VALIDATION)
        train, validation = (rows, None) if held is None else (rows[~held], rows[held])
        return Division(opened.name, train, validation, None if apart else Statistics.of(train), held)
    statistics = Statistics()
    stream, validation = hold_back(
        opened, fraction, seed, VALIDATION, at_most=limit // SHARE_HELD_BACK, visit=statistics.add
    )
    if not statistics.rows:
        raise DataError(f"{opened.name} has too few rows to hold {fraction:g} of them back.")
    return Division(opened.name, stream, validation, statistics)


class Judged(NamedTuple):
    """Rows to learn from, and rows to judge by afterwards."""

    train: Any  # an array, a stream or a sparse matrix
    sample: Rows  # of `train`, for yardsticks that take an array
    test: Rows | None
    source: Source | None = None  # of `train`, where all rows are in memory


def hold_back_test(opened: Source | Stream, fraction: float, seed: int, *, limit: int) -> Judged:
    """Check rows and hold a fraction back, unless the data have a test part of their own.

    Raises: DataError, ShapeError.
    """
    if isinstance(opened, Source):
        train, test = as_rows(opened.rows, where=opened.name), opened.test
        (check_no_infinity if opened.is_table or opened.series else check_finite)(train, opened.name)
        if test is None:
            train, test = split_rows(train, fraction, seed, TEST)
        return Judged(train, _some(train, seed), test, opened._replace(rows=train, test=None))
    sample, chance = Sample(1.0, limit // SHARE_HELD_BACK), np.random.default_rng([seed, SAMPLE])
    stream, test = hold_back(
        opened,
        fraction,
        seed,
        TEST,
        at_most=limit // SHARE_HELD_BACK,
        visit=lambda rows: sample.add(rows, chance.random(len(rows))),
    )
    if sample.rows is None:
        raise DataError(f"{opened.name} has too few rows to hold {fraction:g} of them back.")
    return Judged(stream, _some(sample.rows, seed), test)


def hold_back_sparse(matrix: Any, fraction: float, seed: int, *, limit: int) -> Judged:
    """Hold a fraction of a sparse matrix back. What is judged by is dense, and fewer rows where they would take more.

    Args: limit: bytes of memory, of which a share may be taken. Raises: DataError, ShapeError.
    """
    matrix = sparse.check(matrix, where="fit()")
    rows, features = matrix.shape
    most = max(1, limit // SHARE_HELD_BACK // (features * 4))
    held = held_back(rows, min(fraction, most / rows), seed, TEST)
    train = matrix if held is None else matrix[~held]
    chosen = np.sort(np.random.default_rng([seed, SAMPLE]).permutation(train.shape[0])[: min(most, SAMPLE_ROWS)])
    return Judged(train, _dense(train[chosen]), None if held is None else _dense(matrix[held]))


def _dense(matrix: Any) -> Rows:
    return np.asarray(matrix.toarray(), np.float32)


def _some(rows: Rows, seed: int) -> Rows:
    """Return at most `SAMPLE_ROWS` of these rows, drawn by chance."""
    if len(rows) <= SAMPLE_ROWS:
        return rows
    return rows[np.sort(np.random.default_rng([seed, SAMPLE]).permutation(len(rows))[:SAMPLE_ROWS])]


def hold_back(
    stream: Stream, fraction: float, seed: int, purpose: int, *, at_most: int, visit: Callable[[Rows], object]
) -> tuple[Stream, Rows | None]:
    """Return a stream without some of its rows, and those rows (None where there are none).

    One pass over all rows, which are checked on the way. Each row is held back or not by a chance of its own, which
    follows from the seed and its place in the stream.

    Args:
        stream: rows, as they are stored.
        fraction: share of them to hold back.
        seed: what chance follows from, ...
        purpose: ... and what it is for, VALIDATION or TEST: another purpose draws other rows.
        at_most: bytes that rows held back may take; where they would take more, fewer are held back.
        visit: called with rows that are not held back, once each.

    Raises: DataError, ShapeError.
    """
    held, at, chance = Sample(fraction, at_most), -1, np.random.default_rng()
    for chunk in ahead(stream.read(range(len(stream.parts)), rows_at_once(stream.row_shape, at_most))):
        rows = as_rows(chunk.rows, where=chunk.name)
        check_finite(rows, chunk.name, chunk.first_row)
        if chunk.part != at:
            at, chance = chunk.part, np.random.default_rng([seed, purpose, chunk.part])
        for passed in held.add(rows, chance.random(len(rows))):
            visit(passed)
    parts = [
        part._replace(rows=None, read=partial(_others, part, held.share, (seed, purpose, number)))
        for number, part in enumerate(stream.parts)
    ]
    return stream._replace(parts=parts), held.rows


def _others(part: Part, share: float, seed: tuple[int, ...], size: int) -> Iterator[Rows]:
    """Give the rows of a part that were not held back."""
    chance = np.random.default_rng(seed)
    for chunk in part.read(size):
        kept = np.compress(chance.random(len(chunk)) >= share, chunk, axis=0)
        if len(kept):
            yield kept


class Sample:
    """A share of rows by chance, smaller where so many would take more than `at_most` bytes."""

    def __init__(self, share: float, at_most: int) -> None:
        self.share, self._at_most, self._bytes = share, at_most, 0
        self._kept: list[tuple[Rows, Rows]] = []  # rows, and the chance of each

    def add(self, rows: Rows, chance: Rows) -> list[Rows]:
        """Keep rows whose chance, uniform in [0, 1), is below the share; return those that are not kept, or no more."""
        given_up = self._take(rows, chance)
        while self._bytes > self._at_most:
            self.share /= 2
            before, self._kept, self._bytes = self._kept, [], 0
            for kept in before:
                given_up += self._take(*kept)
        return given_up

    def _take(self, rows: Rows, chance: Rows) -> list[Rows]:
        below = chance < self.share
        if below.any():
            self._kept.append((rows[below], chance[below]))
            self._bytes += self._kept[-1][0].nbytes
        return [] if below.all() else [rows[~below]]

    @property
    def rows(self) -> Rows | None:
        """What was kept, in the order it came; None where that is nothing."""
        return np.concatenate([rows for rows, _ in self._kept]) if self._kept else None
