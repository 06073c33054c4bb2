"""Which rows are held back for validation and for a test.

The seed alone decides; each purpose has random draws of its own.
Order: rows in memory, training and validation, a test, streams.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from diabolo.data import sparse
from diabolo.data.adapters import Statistics, as_rows, check_finite
from diabolo.data.adapters.rows import check_no_infinity, taken
from diabolo.data.adapters.statistics import NUMBERS_AT_ONCE
from diabolo.data.long_table.labels import Labels
from diabolo.data.prefetch import ahead
from diabolo.data.readers.parts import Part
from diabolo.data.sources import Source
from diabolo.data.streams import Stream, rows_at_once
from diabolo.errors import DataError
from diabolo.typing import BoolArray, Float32Array, Float64Array, Int64Array, Rows, SparseMatrix

# Purposes, as seeds that differ from those of the epochs, which count from 0.
VALIDATION, TEST, SAMPLE = 2**32 - 1, 2**32 - 2, 2**32 - 3

SAMPLE_ROWS = 100_000  # more make PCA slower, not better
HELD_BACK_DIVISOR = 32  # rows held back from a stream take at most this part of the memory limit, as they are read


def split_rows(rows: Rows, fraction: float, seed: int, purpose: int) -> tuple[Rows, Rows | None]:
    """Return rows to use and rows held back (None if the fraction is less than one row).

    Args: purpose: VALIDATION or TEST. Both parts keep the order that the rows had.
    """
    held = held_back(len(rows), fraction, seed, purpose)
    return (rows, None) if held is None else (rows[~held], rows[held])


def held_back(rows: int, fraction: float, seed: int, purpose: int) -> BoolArray | None:
    """Return which rows are held back, (rows,) booleans; None if the fraction is less than one row.

    Args: rows: the number of rows; fraction: of them to hold back; purpose: VALIDATION or TEST.
    """
    count = int(rows * fraction)
    if count == 0:
        return None
    chosen = np.zeros(rows, bool)
    chosen[np.random.default_rng([seed, purpose]).permutation(rows)[:count]] = True
    return chosen


def spread_evenly(rows: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the numbers of so many of the rows, at most all, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, min(rows, count)).astype(np.intp))


@dataclass(frozen=True)
class Division:
    """Rows to train on, and rows to find the best epoch with.

    Attributes:
        name: of the source, for messages.
        whole: all rows in memory; or a stream of those to train on.
        validation: rows held back; None if there are none.
        statistics: of the rows to train on; None for series, and for tables of several kinds or with gaps.
        held: (n,), which of the rows in memory are held back.
    """

    name: str
    whole: Rows | Stream
    validation: Rows | None
    statistics: Statistics | None
    held: BoolArray | None = None

    @cached_property
    def train(self) -> Rows | Stream:
        """The rows to train on: a copy, where some are held back."""
        if self.held is None or isinstance(self.whole, Stream):
            return self.whole
        return taken(self.whole, np.flatnonzero(~self.held))

    @property
    def rows(self) -> int:
        """The number of rows to train on."""
        if self.statistics is not None:
            return self.statistics.rows
        assert isinstance(self.whole, np.ndarray), "a stream has statistics"
        return len(self.whole) - (0 if self.held is None else int(self.held.sum()))


def divide(opened: Source | Stream, fraction: float, seed: int, *, limit: int) -> Division:
    """Check rows, hold a fraction back for validation, and compute the statistics of the others.

    Args: limit: bytes of memory, of which rows held back from a stream take a part.
    Raises: DataError, ShapeError.
    """
    if isinstance(opened, Source):
        rows, apart = as_rows(opened.rows, where="fit()"), opened.is_table or opened.series
        (check_no_infinity if apart else check_finite)(rows, "fit()")
        held = held_back(len(rows), fraction, seed, VALIDATION)
        validation = None if held is None else rows[held]
        return Division(opened.name, rows, validation, None if apart else _statistics(rows, held), held)
    statistics = Statistics()
    stream, held_apart = hold_back(
        opened,
        fraction,
        seed,
        VALIDATION,
        at_most=limit // HELD_BACK_DIVISOR,
        visit=lambda rows, numbers: statistics.add(rows),
    )
    if not statistics.rows:
        raise DataError(
            f"{opened.name}: with {fraction:g} of the rows held back for validation, none is left to train on: give "
            f"more rows, or a smaller validation_fraction (--validation-fraction 0 holds none back)."
        )
    return Division(opened.name, stream, held_apart.rows, statistics)


def _statistics(rows: Rows, held: BoolArray | None) -> Statistics:
    """Return the statistics of the rows that are not held back, without a copy of them all."""
    if held is None:
        return Statistics.of(rows)
    statistics = Statistics()
    at_once = max(1, NUMBERS_AT_ONCE // math.prod(rows.shape[1:]))
    for start in range(0, len(rows), at_once):
        kept = rows[start : start + at_once][~held[start : start + at_once]]
        if len(kept):
            statistics.add(kept)
    return statistics


class Split(NamedTuple):
    """Rows to learn from, and rows to evaluate the model on afterwards."""

    train: Rows | Stream | SparseMatrix
    sample: Rows  # of `train`, for PCA, which takes an array
    test: Rows | None
    source: Source | None = None  # of `train`, if all rows are in memory
    labels: Labels | None = None  # the names of the rows of `test`, else of `sample`, if they are windows
    numbers: Int64Array | None = None  # of those rows in the whole source, from 0; its own test part is at its end


def hold_back_test(opened: Source | Stream, fraction: float, seed: int, *, limit: int) -> Split:
    """Check rows and hold a fraction back for the test, unless the source has a test part of its own.

    Raises: DataError, ShapeError.
    """
    if isinstance(opened, Source):
        train, test = as_rows(opened.rows, where=opened.name), opened.test
        (check_no_infinity if opened.is_table or opened.series else check_finite)(train, opened.name)
        labels, numbers = opened.labels, np.arange(len(train))
        if test is not None:
            numbers = len(train) + np.arange(len(test))
        else:
            held = held_back(len(train), fraction, seed, TEST)
            if held is not None:
                train, test = taken(train, np.flatnonzero(~held)), train[held]
                labels, numbers = None if labels is None else labels.take(held), np.flatnonzero(held)
        chosen = _chosen(len(train), seed)
        if test is None and chosen is not None:
            labels, numbers = None, chosen
        some = train if chosen is None else train[chosen]
        return Split(train, some, test, opened._replace(rows=train, test=None), labels, numbers)
    sample, generator = Sample(1.0, limit // HELD_BACK_DIVISOR), np.random.default_rng([seed, SAMPLE])
    stream, apart = hold_back(
        opened,
        fraction,
        seed,
        TEST,
        at_most=limit // HELD_BACK_DIVISOR,
        visit=lambda rows, numbers: sample.add(rows, generator.random(len(rows)), numbers),
    )
    if sample.rows is None:
        raise DataError(
            f"{opened.name}: with {fraction:g} of the rows held back for the test, none is left to train on: give more "
            f"rows, or a smaller --test-fraction (0 holds none back)."
        )
    chosen = _chosen(len(sample.rows), seed)
    known, numbers = (sample.rows, sample.numbers) if chosen is None else (sample.rows[chosen], sample.numbers[chosen])
    return Split(stream, known, apart.rows, numbers=numbers if apart.rows is None else apart.numbers)


def hold_back_sparse(matrix: SparseMatrix, fraction: float, seed: int, *, limit: int) -> Split:
    """Hold a fraction of a sparse matrix back for the test, as dense rows; fewer rows if these take too much memory.

    Args: limit: bytes of memory, of which the dense rows take a part.
    Raises: DataError, ShapeError.
    """
    matrix = sparse.check(matrix, where="fit()")
    rows, features = matrix.shape
    most = max(1, limit // HELD_BACK_DIVISOR // (features * 4))
    held = held_back(rows, min(fraction, most / rows), seed, TEST)
    train = matrix if held is None else matrix[~held]
    chosen = np.sort(np.random.default_rng([seed, SAMPLE]).permutation(train.shape[0])[: min(most, SAMPLE_ROWS)])
    test, numbers = (None, chosen) if held is None else (_dense(matrix[held]), np.flatnonzero(held))
    return Split(train, _dense(train[chosen]), test, numbers=numbers)


def _dense(matrix: SparseMatrix) -> Float32Array:
    return np.asarray(matrix.toarray(), np.float32)


def _chosen(rows: int, seed: int) -> Int64Array | None:
    """Return `SAMPLE_ROWS` of so many rows, drawn at random, in their order; None: all of them."""
    if rows <= SAMPLE_ROWS:
        return None
    return np.sort(np.random.default_rng([seed, SAMPLE]).permutation(rows)[:SAMPLE_ROWS])


def hold_back(
    stream: Stream,
    fraction: float,
    seed: int,
    purpose: int,
    *,
    at_most: int,
    visit: Callable[[Rows, Int64Array], object],
) -> tuple[Stream, "Sample"]:
    """Return a stream without some of its rows, and those rows.

    All rows are read once, and checked. A random number for each row, which depends on the seed and on the place of the
    row in the stream, decides whether it is held back.

    Args:
        stream: rows, as they are stored.
        fraction: of the rows to hold back.
        seed: of the random numbers.
        purpose: VALIDATION or TEST; each has its own random numbers.
        at_most: bytes that rows held back may take; if they would take more, fewer are held back.
        visit: called with the rows that are not held back, once each, and with their numbers in the stream.

    Raises: DataError, ShapeError.
    """
    held, at, generator, before = Sample(fraction, at_most), -1, np.random.default_rng(), 0
    for chunk in ahead(stream.read(range(len(stream.parts)), rows_at_once(stream.row_shape, at_most))):
        rows = as_rows(chunk.rows, where=chunk.name)
        check_finite(rows, chunk.name, chunk.first_row)
        if chunk.part != at:
            at, generator = chunk.part, np.random.default_rng([seed, purpose, chunk.part])
        numbers = before + np.arange(len(rows))
        before += len(rows)
        for passed in held.add(rows, generator.random(len(rows)), numbers):
            visit(*passed)
    parts = [
        part._replace(rows=None, read=partial(_others, part, held.share, (seed, purpose, number)))
        for number, part in enumerate(stream.parts)
    ]
    return stream._replace(parts=parts), held


def _others(part: Part, share: float, seed: tuple[int, ...], size: int) -> Iterator[Rows]:
    """Yield the rows of a part that were not held back."""
    generator = np.random.default_rng(seed)
    for chunk in part.read(size):
        kept = np.compress(generator.random(len(chunk)) >= share, chunk, axis=0)
        if len(kept):
            yield kept


class Sample:
    """A random sample: a share of the rows, which is halved whenever they take more than `at_most` bytes."""

    def __init__(self, share: float, at_most: int) -> None:
        self.share, self._at_most, self._bytes = share, at_most, 0
        self._kept: list[tuple[Rows, Float64Array, Int64Array]] = []  # rows, the random number and the number of each

    def add(self, rows: Rows, draws: Float64Array, numbers: Int64Array) -> list[tuple[Rows, Int64Array]]:
        """Keep rows whose draw, uniform in [0, 1), is below the share; return all that are not in the sample.

        These are the new rows above the share, and earlier ones that are released because the share was halved; with
        the number of each.
        """
        released = self._keep_below(rows, draws, numbers)
        while self._bytes > self._at_most:
            self.share /= 2
            before, self._kept, self._bytes = self._kept, [], 0
            for kept in before:
                released += self._keep_below(*kept)
        return released

    def _keep_below(self, rows: Rows, draws: Float64Array, numbers: Int64Array) -> list[tuple[Rows, Int64Array]]:
        below = draws < self.share
        if below.any():
            self._kept.append((rows[below], draws[below], numbers[below]))
            self._bytes += self._kept[-1][0].nbytes
        return [] if below.all() else [(rows[~below], numbers[~below])]

    @property
    def rows(self) -> Rows | None:
        """The rows that were kept, in their order; None if there are none."""
        return np.concatenate([rows for rows, _, _ in self._kept]) if self._kept else None

    @property
    def numbers(self) -> Int64Array:
        """The numbers of the rows that were kept."""
        return np.concatenate([np.zeros(0, np.int64), *(numbers for _, _, numbers in self._kept)])
