"""The anomaly score of rows: their distance from training rows, computed with a model and a `Detection`.

A row is an anomaly where its latents and its residuals are far from those of other rows. The distance is that to the
nearest of a few rows drawn at random, averaged over many draws. Anomalies that lie close together are absent from most
small draws, so they are far from the rows in them; a row that differs a little is still far from those in a large draw.

Order: the score, the space that rows are compared in, the reference rows, the distances, the scale of columns.
"""

import hashlib
import math

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.model.detection import DRAWS, KEY, Detection, Draws, Floats, Space
from diabolo.model.model import Model

ROWS_AT_ONCE = 4_096
# Added to the scale of each column, in nats; the best constant prediction of a column has a loss of 0.5 to 1. Without
# it, a column that is nearly always predicted well gets the blame for errors of other columns: of 200 wrong cells
# planted in a table of several kinds 88 % are found, with it 92 %.
MIN_COLUMN_SCALE = 0.5
MIN_DISTANCE = 1e-6  # so that the distance of equal rows has a logarithm


def score(model: Model, detection: Detection, rows: Rows) -> Floats:
    """Return the anomaly scores, (n,), of rows that passed `Model.checked`; higher is more anomalous.

    Raises: DataError where latents or residuals are not finite.
    """
    # Clips values that are too large to compute with; the row remains an anomaly.
    return score_places(detection.draws, rows, place(model, detection.space, model.adapter.within(rows)))


def scaled(detection: Detection, scores: Floats) -> Floats:
    """Return the scores of columns, (n, columns) as `by_column` gives them, divided by the scale of each column."""
    in_units: Floats = scores / detection.column_scales
    return in_units


def space_of(model: Model, rows: Rows) -> Space:
    """Return the space for a model and the rows (n, ...) that it was fitted on."""
    latents, squares = model.encode(rows), np.square(model.residuals(rows), dtype=np.float64).mean(axis=0)
    columns, cells = len(squares), model.loss.cells
    if cells is not None:
        # All values of a column share one scale: a column of forty levels weighs as much as a column of numbers, and
        # its rarest level as much as the others.
        columns, squares = cells.columns, np.bincount(cells.owners, squares)[cells.owners]
    width = latents.std(axis=0, dtype=np.float64) + MIN_DISTANCE
    return Space(
        center=latents.mean(axis=0, dtype=np.float64),
        # All residuals together weigh as much as all latents together.
        latent_scale=width * math.sqrt(latents.shape[1] / columns),
        # 0.01, because a rounding error in a residual that is nearly always 0 must not outweigh all other residuals.
        residual_scale=np.sqrt(squares) + 1e-2,
    )


def place(model: Model, space: Space, rows: Rows) -> Floats:
    """Return the coordinates of rows in the space, (n, latent_dim + values_per_row)."""
    latents = (model.encode(rows) - space.center) / space.latent_scale
    residuals = model.residuals(rows) / space.residual_scale
    return np.concatenate([latents, residuals], axis=1, dtype=np.float64)


def draw(rows: Rows, places: Floats, seed: int) -> Draws:
    """Return random draws from rows (n, ...) with these coordinates; a draw has at most half of the rows."""
    generator, most = np.random.default_rng([seed, 0]), max(1, len(rows) // 2)
    drawn = [
        [generator.choice(len(rows), min(size, most), replace=False) for _ in range(times)] for size, times in DRAWS
    ]
    which, at = np.unique(np.concatenate([each for group in drawn for each in group]), return_inverse=True)
    ends = np.cumsum([len(each) for group in drawn for each in group])[:-1]
    pieces = iter(np.split(at.reshape(-1), ends))
    return Draws(
        places[which].astype(np.float32), _keys(rows[which]), [[next(pieces) for _ in group] for group in drawn]
    )


def score_places(reference: Draws, rows: Rows, places: Floats) -> Floats:
    """Return the anomaly scores of rows with these coordinates, (n,).

    The distance of a row to a draw is that to the nearest row in it other than itself. The score is the logarithm of
    the mean distance to the draws of one size, averaged over the sizes.
    """
    scores = np.empty(len(places))
    points = reference.places.astype(np.float64)
    squares, known = np.square(points).sum(axis=1), {key: at for at, key in enumerate(reference.keys)}
    for start in range(0, len(places), ROWS_AT_ONCE):
        some = places[start : start + ROWS_AT_ONCE]
        away = points @ (-2 * some.T)  # squared distances, (reference rows, rows): each reference row is contiguous
        away += squares[:, None]
        away += np.square(some).sum(axis=1)
        for at, key in enumerate(_keys(rows[start : start + ROWS_AT_ONCE])):
            if key in known:
                away[known[key], at] = np.inf
        logs = []
        for draws in reference.draws:
            nearest = np.sqrt(np.maximum([_least(away, drawn) for drawn in draws], 0))
            there = np.isfinite(nearest)  # False for a draw that has no other row
            mean = np.where(there, nearest, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            logs.append(np.log(mean + MIN_DISTANCE))
        scores[start : start + len(some)] = np.mean(logs, axis=0)
    return scores


def _least(away: Floats, drawn: Rows) -> Floats:
    """Return the elementwise minimum of several rows of `away`, without copying them all."""
    least: Floats = away[drawn[0]].copy()
    for at in drawn[1:]:
        np.minimum(least, away[at], out=least)
    return least


def _keys(rows: Rows) -> list[bytes]:
    """Return KEY bytes that identify each row, the same for float64 and float32."""
    with np.errstate(over="ignore"):
        short = np.asarray(rows, np.float32) + np.float32(0)  # -0 is 0
    return [hashlib.blake2b(row.tobytes(), digest_size=KEY).digest() for row in short]


def column_scales(scores: Floats) -> Floats:
    """Return the typical size of each column's score, (columns,), from the scores of training rows, (n, columns)."""
    scales: Floats = scores.std(axis=0) + MIN_COLUMN_SCALE
    return scales


def spread(values: Floats) -> float:
    """Return a robust standard deviation of values (n,): 1.4826 times the median absolute deviation."""
    away = np.abs(values - np.median(values))
    return max(float(1.4826 * np.median(away)), MIN_DISTANCE)
