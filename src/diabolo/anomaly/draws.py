"""Scores by the facts of older model files, see `diabolo.model.draws`: nothing is learnt here.

The score is the distance of a row from the nearest of a few training rows drawn at random, in latents and residuals,
averaged over many draws.

Order: the score, the probability, the space that rows are compared in, the distances.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from weakref import WeakKeyDictionary

import numpy as np

from diabolo.anomaly.near import keys_of
from diabolo.data.adapters import Rows
from diabolo.model.draws import Draws, DrawsDetection, Floats, Space
from diabolo.model.model import Model
from diabolo.model.products import WideProducts
from diabolo.typing import BoolArray

ROWS_AT_ONCE = 1_024  # whose distances to some reference rows stay in the processor's cache
REFERENCES_AT_ONCE = 256
THREADS = 2  # each with rows of its own; their products take one core each
FEW_ROWS = 16  # for which one product with all reference rows is faster
EXACT_ROWS = 256  # up to so many are compared in doubles, so that they have the same scores alone and together
# A squared distance in float32 that is a smaller share of the squares that it is the difference of is computed again.
LEAST_SHARE = 0.02
MIN_DISTANCE = 1e-6  # so that the distance of equal rows has a logarithm


def score(model: Model, detection: DrawsDetection, rows: Rows) -> Floats:
    """Return the anomaly scores, (n,), of rows within the range of the model; higher is more anomalous.

    Raises: DataError where latents or residuals are not finite.
    """
    return score_places(detection.draws, rows, place(model, detection.space, rows))


def probability(detection: DrawsDetection, scores: Floats) -> Floats:
    """Return scores (n,) scaled to [0, 1]: 0 up to the middle of the training scores.

    The scale treats the scores of training rows as normally distributed, which they seldom are: it is not a calibrated
    probability. Source: Kriegel, Kroeger, Schubert & Zimek 2011, Interpreting and Unifying Outlier Scores.
    """
    away = (scores - detection.center) / detection.spread
    return np.array([max(0.0, math.erf(each / math.sqrt(2))) for each in away])


def place(model: Model, space: Space, rows: Rows) -> Floats:
    """Return the coordinates of rows in the space, (n, latent_dim + values_per_row)."""
    latents = (model.encode(rows) - space.center) / space.latent_scale
    residuals = model.residuals(rows) / space.residual_scale
    return np.concatenate([latents, residuals], axis=1, dtype=np.float64)


def score_places(reference: Draws, rows: Rows, places: Floats) -> Floats:
    """Return the anomaly scores of rows with these coordinates, (n,).

    The distance of a row to a draw is that to the nearest row in it other than itself. The score is the logarithm of
    the mean distance to the draws of one size, averaged over the sizes.
    """
    scores, prepared = np.empty(len(places)), _prepared(reference)

    def some(start: int) -> None:
        part = slice(start, start + ROWS_AT_ONCE)
        scores[part] = prepared.score(keys_of(rows[part]), places[part])

    starts = range(0, len(places), ROWS_AT_ONCE)
    if len(starts) == 1:
        some(0)
    else:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(some, starts))
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
    |p|^2, and each row gets a 1. The median of the reference rows is the origin, which keeps numbers small. A few rows
    are compared in doubles; many in float32, and those in doubles again that are near to a reference row.
    """

    def __init__(self, reference: Draws) -> None:
        points = reference.places.astype(np.float64)
        self._origin = np.median(points, axis=0)
        points -= self._origin
        self._factors = np.concatenate([-2 * points, np.square(points).sum(axis=1, keepdims=True)], axis=1)
        with np.errstate(over="ignore"):
            self._short = self._factors.astype(np.float32)
        self._known = {key: at for at, key in enumerate(reference.keys)}
        self._draws = [np.stack(group) for group in reference.draws]  # (draws, size) for each size

    def score(self, keys: list[bytes], places: Floats) -> Floats:
        """Return the scores of rows (n,) with these keys and coordinates."""
        away = places - self._origin
        squares = np.square(away).sum(axis=1)
        columns = np.concatenate([away, np.ones((len(away), 1))], axis=1).T
        pairs = [(self._known[key], at) for at, key in enumerate(keys) if key in self._known]
        own = np.array(pairs, np.intp).reshape(-1, 2)
        logs = []
        for draws in self._draws:
            least = self._least(draws, columns, squares, own)
            there = np.isfinite(least)  # False for a draw that has no other row
            distances = np.sqrt(np.maximum(np.where(there, least, 0) + squares, 0))
            mean = np.where(there, distances, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            logs.append(np.log(mean + MIN_DISTANCE))
        scores: Floats = np.mean(logs, axis=0)
        return scores

    def _least(self, draws: Rows, columns: Floats, squares: Floats, own: Rows) -> Floats:
        """Return the least product of each row with the rows of each draw, (draws, n); arguments as `_least_of`."""
        if columns.shape[1] <= FEW_ROWS:
            return _least_at_once(self._factors, draws, columns, own)
        if columns.shape[1] <= EXACT_ROWS:
            return _least_of(self._factors, draws, columns, own, np.matmul)
        with np.errstate(over="ignore", invalid="ignore"):
            short = _least_of(self._short, draws, columns.astype(np.float32), own, _products().plain)
            least: Floats = short.astype(np.float64)
            near: BoolArray = np.asarray(~(least + squares >= LEAST_SHARE * squares).all(axis=0))
        if near.any():
            # The numbers of the rows among those that are computed again.
            again, place = np.flatnonzero(near), np.cumsum(near) - 1
            kept = own[near[own[:, 1]]]
            least[:, again] = _least_of(
                self._factors, draws, columns[:, again], np.stack([kept[:, 0], place[kept[:, 1]]], axis=1), np.matmul
            )
        return least


def _least_at_once(factors: Rows, draws: Rows, columns: Rows, own: Rows) -> Rows:
    """Return what `_least_of` does, in one product with all reference rows."""
    products = factors @ columns
    products[own[:, 0], own[:, 1]] = np.inf
    least: Rows = products[draws].min(axis=1)
    return least


def _least_of(factors: Rows, draws: Rows, columns: Rows, own: Rows, product: Callable[[Rows, Rows], Rows]) -> Rows:
    """Return the least product of each row with the rows of each draw, (draws, n), a few draws at a time.

    Args:
        factors: of the reference rows.
        draws: (draws, size), indices of reference rows.
        columns: (values, n), of the rows.
        own: (pairs, 2), a reference row and the row that is the same, which is left out.
        product: of two matrices.
    """
    least = np.empty((len(draws), columns.shape[1]), factors.dtype)
    places, size = np.full(len(factors), -1), draws.shape[1]
    at_once = max(1, REFERENCES_AT_ONCE // size)
    for start in range(0, len(draws), at_once):
        some = draws[start : start + at_once]
        products = product(factors[some.reshape(-1)], columns)
        if len(own):
            for at, drawn in enumerate(some):
                places[drawn] = np.arange(at * size, (at + 1) * size)
                there = places[own[:, 0]]
                products[there[there >= 0], own[there >= 0, 1]] = np.inf
                places[drawn] = -1
        products.reshape(len(some), size, -1).min(axis=1, out=least[start : start + at_once])
    return least


@cache
def _products() -> WideProducts:
    return WideProducts()
