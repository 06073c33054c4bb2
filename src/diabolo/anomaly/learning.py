"""What a detector learns from training rows, which may be larger than memory: they are gone over three times.

The first pass gives means and scales, the second takes rows drawn at random, from which everything else is learnt, and
the third scores all rows.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from diabolo.anomaly import ellipse, forest, near, scoring, tails
from diabolo.data.adapters import Rows, Statistics
from diabolo.errors import DataError
from diabolo.model.detection import Detection, Floats, Pool, Tails
from diabolo.model.model import Model

SAMPLE = 4_096  # rows drawn at random
POOL = 2_048  # of them, that rows are compared with
SAMPLE_NUMBERS = 1 << 24  # in the sample, at most: 128 MB
LEAST_SAMPLE = 64


class Facts(NamedTuple):
    """What a detector learns from the training rows.

    Attributes:
        detection: all but the scales of columns, the threshold and the settings.
        scores: of the training rows, (n,).
        as_new: scores of some training rows, as they would be if they were new, (k,).
        some: training rows drawn at random, (k, ...).
    """

    detection: Detection
    scores: Floats
    as_new: Floats
    some: Rows


def learn(model: Model, chunks: Callable[[], Iterator[Rows]], seed: int, *, some: int) -> Facts:
    """Return the facts of training rows, which are gone over three times.

    Args:
        model: fitted on the rows.
        chunks: returns the rows in parts (k, ...), as `Model.checked` does, in one order.
        seed: of all draws.
        some: how many of the rows to return, at most.

    Raises: DataError for a single row.
    """

    def parts() -> Iterator[Rows]:
        return (part for chunk in chunks() for part in scoring.parts(model, chunk))

    statistics = Statistics()
    for part in parts():
        statistics.add(model.described(part))
    check_count(statistics.rows)
    most = max(LEAST_SAMPLE, SAMPLE_NUMBERS // len(statistics.mean))
    random = np.random.default_rng([seed, 0])
    drawn = random.choice(statistics.rows, min(SAMPLE, most, statistics.rows), replace=False)
    chosen = np.random.default_rng([seed, 1]).choice(statistics.rows, min(some, statistics.rows), replace=False)
    sample, shown = _taken(chunks(), drawn, chosen)
    detection, as_new = _from_sample(model, statistics, sample, random)
    scores = [scoring.score(model, detection, part) for part in parts()]
    return Facts(detection, np.concatenate(scores), as_new, shown)


def check_count(rows: int) -> None:
    """Raise DataError for a single row, which cannot be compared with others."""
    if rows < 2:
        raise DataError(f"fit() expected at least 2 rows to compare, got n_samples = {rows}.")


def _from_sample(
    model: Model, statistics: Statistics, rows: Rows, random: np.random.Generator
) -> tuple[Detection, Floats]:
    """Return the facts, and the scores of the rows as they would be if they were new.

    Args: statistics: of all rows; rows: drawn from them, in random order.
    """
    cells, what, keys = model.loss.cells, scoring.described(model, rows), near.keys_of(rows)
    owners = None if cells is None else cells.owners
    space = near.space_of(statistics, what, owners)
    places, flat = near.places(space, what), scoring.squashed(space, what.values)
    grown = forest.grow(flat, random, owners)
    detection = Detection(
        space=space,
        pool=Pool(places[:POOL].astype(np.float32), keys[:POOL]),
        forest=grown.forest,
        ellipse=ellipse.fit(flat, random),
        tails=Tails(*(np.zeros(0) for _ in Tails._fields)),
        column_scales=np.zeros(0),
        linear=False,
        threshold=0.0,
        contamination=0.5,
        false_alarm_rate=None,
    )

    def some(part: slice) -> list[Floats]:
        return [
            near.distances(detection.pool, places[part], keys[part]),
            forest.isolation(grown.forest, flat[part], grown.grown_from[:, part]),
        ]

    views = [*scoring.in_threads(some, len(rows)), ellipse.distances_from_others(flat, random)]
    known = tails.of_values(views)
    as_new = tails.joined(known, views)
    every = (np.concatenate(each) for each in zip(known, tails.of_values([as_new]), strict=True))
    return detection._replace(tails=Tails(*every)), as_new


def _taken(chunks: Iterator[Rows], *which: Rows) -> list[Rows]:
    """Return the rows with these numbers, (k, ...) for each list of numbers, in its order."""
    orders = [np.argsort(numbers) for numbers in which]
    taken: list[list[Rows]] = [[] for _ in which]
    start = 0
    for chunk in chunks:
        for numbers, order, found in zip(which, orders, taken, strict=True):
            ascending = numbers[order]
            first, last = np.searchsorted(ascending, (start, start + len(chunk)))
            found.append(chunk[ascending[first:last] - start])
        start += len(chunk)
    return [np.concatenate(found)[np.argsort(order)] for found, order in zip(taken, orders, strict=True)]
