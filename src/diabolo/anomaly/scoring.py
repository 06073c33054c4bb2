"""The anomaly score of rows: their distance from training rows, computed with a model and a `Detection`.

A row is an anomaly where its latents and its residuals are far from those of other rows. The distance is that to the
nearest of a few rows drawn at random, averaged over many draws. Anomalies that lie close together are absent from most
small draws, so they are far from the rows in them; a row that differs a little is still far from those in a large draw.

Order: the score, the space that rows are compared in, the reference rows, the distances, the scale of columns.
"""

import hashlib
import math
from weakref import WeakKeyDictionary

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.model.detection import DRAWS, KEY, Detection, Draws, Floats, Space
from diabolo.model.model import Model

ROWS_AT_ONCE = 2_048
FEW_ROWS = 16  # for which one product with all reference rows is faster
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
    scores, prepared = np.empty(len(places)), _prepared(reference)
    for start in range(0, len(places), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        scores[some] = prepared.score(_keys(rows[some]), places[some])
    return scores


_PREPARED: WeakKeyDictionary[Draws, "_Distances"] = WeakKeyDictionary()


def _prepared(reference: Draws) -> "_Distances":
    """Return what distances to reference rows are computed with, made once for each of them."""
    if reference not in _PREPARED:
        _PREPARED[reference] = _Distances(reference)
    return _PREPARED[reference]


class _Distances:
    """Distances to the nearest rows of many draws.

    A squared distance is |x|^2 + |p|^2 - 2px. The last two are one product: each reference row is held as -2p and
    |p|^2, and each row gets a 1. The mean of the reference rows is the origin, which keeps numbers small. In float32 a
    score would differ by 1e-7 with the rows that are scored at the same time.
    """

    def __init__(self, reference: Draws) -> None:
        points = reference.places.astype(np.float64)
        self._origin = points.mean(axis=0)
        points -= self._origin
        self._factors = np.concatenate([-2 * points, np.square(points).sum(axis=1, keepdims=True)], axis=1)
        self._known = {key: at for at, key in enumerate(reference.keys)}
        self._draws = [np.stack(group) for group in reference.draws]  # (draws, size) for each size

    def score(self, keys: list[bytes], places: Floats) -> Floats:
        """Return the scores of rows (n,) with these keys and coordinates."""
        away = places - self._origin
        squares = np.square(away).sum(axis=1)
        columns = np.concatenate([away, np.ones((len(away), 1))], axis=1).T
        pairs = [(self._known[key], at) for at, key in enumerate(keys) if key in self._known]
        own = np.array(pairs, np.intp).reshape(-1, 2)
        find, logs = _least_at_once if len(away) <= FEW_ROWS else _least, []
        for draws in self._draws:
            least = find(self._factors, draws, columns, own)
            there = np.isfinite(least)  # False for a draw that has no other row
            distances = np.sqrt(np.maximum(np.where(there, least, 0) + squares, 0))
            mean = np.where(there, distances, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            logs.append(np.log(mean + MIN_DISTANCE))
        scores: Floats = np.mean(logs, axis=0)
        return scores


def _least_at_once(factors: Rows, draws: Rows, columns: Rows, own: Rows) -> Rows:
    """Return the least product of each row (columns, n) with the rows of each draw, (draws, n).

    Args:
        factors: of the reference rows.
        draws: (draws, size), indices of reference rows.
        columns: (values, n), of the rows.
        own: (pairs, 2), a reference row and the row that is the same, which is left out.
    """
    products = factors @ columns
    products[own[:, 0], own[:, 1]] = np.inf
    least: Rows = products[draws].min(axis=1)
    return least


def _least(factors: Rows, draws: Rows, columns: Rows, own: Rows) -> Rows:
    """Return the same, draw by draw, so that the products of a draw stay in the processor's cache."""
    least = np.empty((len(draws), columns.shape[1]), factors.dtype)
    places = np.full(len(factors), -1)
    for at, drawn in enumerate(draws):
        products = factors[drawn] @ columns
        if len(own):
            places[drawn] = np.arange(len(drawn))
            there = places[own[:, 0]]
            products[there[there >= 0], own[there >= 0, 1]] = np.inf
            places[drawn] = -1
        products.min(axis=0, out=least[at])
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
