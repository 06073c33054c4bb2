"""The anomaly score of rows, computed with a model and a `Detection`.

A row is compared with the training rows in three ways that fail on different tables: its distance from the nearest of
them (near.py), how quickly random cuts set it apart (forest.py), and how far it is outside of most of them
(ellipse.py). tails.py joins them. `diabolo.anomaly.learning` learns the facts.

Order: the score and the probability, the views of a row, parts of many rows, the scale of columns.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from diabolo.anomaly import draws, ellipse, forest, near, tails
from diabolo.anomaly.near import Described
from diabolo.data.adapters import Rows
from diabolo.model.detection import Detection, Floats, Space
from diabolo.model.draws import DrawsDetection
from diabolo.model.model import Model

ROWS_AT_ONCE = 512  # whose distances and paths stay in the processor's cache
THREADS = 2
NUMBERS_AT_ONCE = 1 << 22  # coordinates of rows in memory, 32 MB
# Added to the scale of each column, in nats; the best constant prediction of a column has a loss of 0.5 to 1. Without
# it, a column that is nearly always predicted well gets the blame for errors of other columns: of 200 wrong cells
# planted in a table of several kinds 88 % are found, with it 92 %.
MIN_COLUMN_SCALE = 0.5


def score(model: Model, detection: Detection | DrawsDetection, rows: Rows) -> Floats:
    """Return the anomaly scores, (n,), of rows that passed `Model.checked`; higher is more anomalous.

    Raises: DataError where latents or residuals are not finite.
    """
    return np.concatenate([_of_part(model, detection, part) for part in parts(model, rows)])


def _of_part(model: Model, detection: Detection | DrawsDetection, rows: Rows) -> Floats:
    rows = model.adapter.within(rows)  # clips values that are too large to compute with; the row remains an anomaly
    if isinstance(detection, DrawsDetection):
        return draws.score(model, detection, rows)
    return tails.joined(detection.tails, views(detection, rows, described(model, rows)))


def probability(detection: Detection | DrawsDetection, scores: Floats) -> Floats:
    """Return the probability that rows with these scores are anomalies, (n,)."""
    if isinstance(detection, DrawsDetection):
        return draws.probability(detection, scores)
    return tails.probability(detection.tails, scores, detection.contamination)


def described(model: Model, rows: Rows) -> Described:
    """Return what a model says of rows within its range."""
    return Described.of(model.described(rows), model.values_per_row)


def views(detection: Detection, rows: Rows, what: Described) -> list[Floats]:
    """Return the three views of rows, (n,) each: higher is more anomalous.

    Args: rows: by which rows of the pool are known again; what: the model says of them.
    """

    def some(part: slice) -> list[Floats]:
        here = Described(*(each[part] for each in what))
        flat = squashed(detection.space, here.values)
        return [
            near.distances(detection.pool, near.places(detection.space, here), near.keys_of(rows[part])),
            forest.isolation(detection.forest, flat),
            ellipse.distances(detection.ellipse, flat),
        ]

    return in_threads(some, len(rows))


def squashed(space: Space, values: Floats) -> Floats:
    """Return values (n, values_per_row) standardised, and large ones as logarithms: for the forest and the ellipse."""
    return np.arcsinh((values - space.values.center) / space.values.width)


def in_threads(function: Callable[[slice], list[Floats]], rows: int) -> list[Floats]:
    """Return the results of a function of some rows, joined for all rows."""
    slices = [slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE)]
    if len(slices) == 1:
        return function(slices[0])
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(function, slices))
    return [np.concatenate(each) for each in zip(*found, strict=True)]


def parts(model: Model, rows: Rows) -> Iterator[Rows]:
    """Return rows in parts whose coordinates take little memory."""
    width = model.network.latent_dim + 2 * model.values_per_row
    at_once = max(1, NUMBERS_AT_ONCE // max(width, math.prod(rows.shape[1:])))
    return (rows[start : start + at_once] for start in range(0, len(rows), at_once))


def scaled(detection: Detection | DrawsDetection, scores: Floats) -> Floats:
    """Return the scores of columns, (n, columns) as `by_column` gives them, divided by the scale of each column."""
    in_units: Floats = scores / detection.column_scales
    return in_units


def column_scales(scores: Floats) -> Floats:
    """Return the typical size of each column's score, (columns,), from the scores of training rows, (n, columns)."""
    scales: Floats = scores.std(axis=0) + MIN_COLUMN_SCALE
    return scales
