"""How far rows are from ordinary ones: the anomaly score, computed from a model and what a detector learnt.

A row is an anomaly where its latents and its residual are far from those of other rows. The distance is that to the
nearest of a few rows drawn at random, averaged over many draws: anomalies that lie close together are all absent from
most small draws, and a row that differs a little still stands out in a large one.

Order: the score, the space that rows are compared in, the distances, the columns.
"""

import hashlib
import math

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.model.detection import DRAWS, KEY, Detection, Draws, Floats, Space
from diabolo.model.model import Model

ROWS_AT_ONCE = 4_096
# Nats of a column's loss, of which the best constant guess costs 0.5 to 1. Without it a column that is nearly always
# predicted would be blamed for its neighbours' faults: of 200 cells planted in a table of several kinds 88 % are found,
# with it 92.
STEADY = 0.5
LEAST = 1e-6  # a distance, so that equal rows have a logarithm


def score(model: Model, detection: Detection, rows: Rows) -> Floats:
    """Return the anomaly scores, (n,), of rows that passed `Model.checked`: higher is more unusual."""
    # Values too large to compute with are brought closer: the row remains an anomaly.
    return score_places(detection.draws, rows, place(model, detection.space, model.adapter.within(rows)))


def scaled(detection: Detection, scores: Floats) -> Floats:
    """Return the scores of columns, (n, columns) of `by_column`, in units of what is usual there."""
    in_units: Floats = scores / detection.usual
    return in_units


def space_of(model: Model, rows: Rows) -> Space:
    """Return the space of a model and the rows that it was fitted on."""
    latents, squares = model.encode(rows), np.square(model.residuals(rows), dtype=np.float64).mean(axis=0)
    columns, cells = len(squares), model.loss.cells
    if cells is not None:
        # The numbers of a column go together, so that one of forty levels weighs no more than one number does, and
        # the rarest level not more than the others.
        columns, squares = cells.columns, np.bincount(cells.owners, squares)[cells.owners]
    width = latents.std(axis=0, dtype=np.float64) + LEAST
    return Space(
        center=latents.mean(axis=0, dtype=np.float64),
        # As many residuals as there are weigh as much as all latents together.
        latent_scale=width * math.sqrt(latents.shape[1] / columns),
        # Where a residual is nearly always 0, a rounding error must not outweigh all other residuals.
        residual_scale=np.sqrt(squares) + 1e-2,
    )


def place(model: Model, space: Space, rows: Rows) -> Floats:
    """Return where rows are in the space, (n, latents + residuals)."""
    latents = (model.encode(rows) - space.center) / space.latent_scale
    residuals = model.residuals(rows) / space.residual_scale
    return np.concatenate([latents, residuals], axis=1, dtype=np.float64)


def draw(rows: Rows, places: Floats, seed: int) -> Draws:
    """Return random draws from rows (n, ...) and their places."""
    chance, most = np.random.default_rng([seed, 0]), max(1, len(rows) // 2)
    drawn = [[chance.choice(len(rows), min(size, most), replace=False) for _ in range(times)] for size, times in DRAWS]
    which, at = np.unique(np.concatenate([each for group in drawn for each in group]), return_inverse=True)
    ends = np.cumsum([len(each) for group in drawn for each in group])[:-1]
    pieces = iter(np.split(at.reshape(-1), ends))
    return Draws(
        places[which].astype(np.float32), _keys(rows[which]), [[next(pieces) for _ in group] for group in drawn]
    )


def score_places(reference: Draws, rows: Rows, places: Floats) -> Floats:
    """Return the anomaly scores of rows at these places, (n,): the mean log of the mean distance to a draw.

    The distance to a draw is that to its nearest row other than the row itself.
    """
    scores = np.empty(len(places))
    theirs = reference.places.astype(np.float64)
    squares, known = np.square(theirs).sum(axis=1), {key: at for at, key in enumerate(reference.keys)}
    for start in range(0, len(places), ROWS_AT_ONCE):
        some = places[start : start + ROWS_AT_ONCE]
        away = theirs @ (-2 * some.T)  # squared, (places, rows): each reference row is contiguous
        away += squares[:, None]
        away += np.square(some).sum(axis=1)
        for at, key in enumerate(_keys(rows[start : start + ROWS_AT_ONCE])):
            if key in known:
                away[known[key], at] = np.inf
        logs = []
        for draws in reference.draws:
            nearest = np.sqrt(np.maximum([_least(away, drawn) for drawn in draws], 0))
            there = np.isfinite(nearest)  # except for a draw that holds nothing but the row itself
            mean = np.where(there, nearest, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            logs.append(np.log(mean + LEAST))
        scores[start : start + len(some)] = np.mean(logs, axis=0)
    return scores


def _least(away: Floats, drawn: Rows) -> Floats:
    """Return the minimum of several rows, number by number, without a copy of all of them."""
    least: Floats = away[drawn[0]].copy()
    for at in drawn[1:]:
        np.minimum(least, away[at], out=least)
    return least


def _keys(rows: Rows) -> list[bytes]:
    """Return bytes that identify each row, the same for doubles and floats."""
    with np.errstate(over="ignore"):
        short = np.asarray(rows, np.float32) + np.float32(0)  # -0 is 0
    return [hashlib.blake2b(row.tobytes(), digest_size=KEY).digest() for row in short]


def usual(scores: Floats) -> Floats:
    """Return the usual size of each column's score, (columns,), from the scores of training rows, (n, columns)."""
    spread: Floats = scores.std(axis=0) + STEADY
    return spread


def spread(values: Floats) -> float:
    """Return a standard deviation that a few outliers do not change."""
    away = np.abs(values - np.median(values))
    return max(float(1.4826 * np.median(away)), LEAST)
