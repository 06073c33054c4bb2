"""The anomaly score of rows: their distance from training rows, computed with a model and a `Detection`.

A row is an anomaly where its latents and its residuals are far from those of other rows. The distance is that to the
nearest of a few rows drawn at random, averaged over many draws. Anomalies that lie close together are absent from most
small draws, so they are far from the rows in them; a row that differs a little is still far from those in a large draw.

Order: the score, the facts of training rows, the space that rows are compared in, the reference rows, the distances,
the scale of columns.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from diabolo.data.adapters import Rows, Statistics
from diabolo.errors import DataError
from diabolo.model.detection import DRAWS, KEY, Detection, Draws, Floats, Space
from diabolo.model.model import Model
from diabolo.model.products import WideProducts
from diabolo.typing import BoolArray

ROWS_AT_ONCE = 1_024  # whose distances to some reference rows stay in the processor's cache
REFERENCES_AT_ONCE = 256
THREADS = 2  # each with rows of its own; their products take one core each
NUMBERS_AT_ONCE = 1 << 22  # coordinates of rows in memory, 32 MB
FEW_ROWS = 16  # for which one product with all reference rows is faster
EXACT_ROWS = 256  # up to so many are compared in doubles, so that they have the same scores alone and together
# A squared distance in float32 that is a smaller share of the squares that it is the difference of is computed again.
LEAST_SHARE = 0.02
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
    scores = [
        score_places(detection.draws, some, place(model, detection.space, model.adapter.within(some)))
        for some in _parts(model, rows)
    ]
    return np.concatenate(scores)


class Facts(NamedTuple):
    """What a detector learns from the training rows.

    Attributes:
        space, draws: see `Detection`.
        scores: of the training rows, (n,).
        some: training rows drawn at random, (k, ...).
    """

    space: Space
    draws: Draws
    scores: Floats
    some: Rows


def learn(model: Model, chunks: Callable[[], Iterator[Rows]], seed: int, *, some: int) -> Facts:
    """Return the facts of training rows, which are gone over three times.

    Args:
        model: fitted on the rows.
        chunks: returns the rows in parts (k, ...), as `Model.checked` does, in one order.
        seed: of the draws.
        some: how many of the rows to return, at most.

    Raises: DataError for a single row.
    """

    def parts() -> Iterator[Rows]:
        return (part for chunk in chunks() for part in _parts(model, chunk))

    rows, space = space_of(model, parts())
    check_count(rows)
    drawn = draw(rows, seed)
    which = np.unique(np.concatenate([each for group in drawn for each in group]))
    chosen = np.sort(np.random.default_rng([seed, 1]).permutation(rows)[:some])
    known, shown = _taken(chunks(), which, chosen)
    draws = references(drawn, which, known, place(model, space, known))
    scores = [score_places(draws, part, place(model, space, part)) for part in parts()]
    return Facts(space, draws, np.concatenate(scores), shown)


def check_count(rows: int) -> None:
    """Raise DataError for a single row, which cannot be compared with others."""
    if rows < 2:
        raise DataError(f"fit() expected at least 2 rows to compare, got n_samples = {rows}.")


def _parts(model: Model, chunk: Rows) -> Iterator[Rows]:
    """Return rows in parts whose coordinates take little memory."""
    width = model.network.latent_dim + model.values_per_row
    at_once = max(1, NUMBERS_AT_ONCE // max(width, math.prod(chunk.shape[1:])))
    return (chunk[start : start + at_once] for start in range(0, len(chunk), at_once))


def _taken(chunks: Iterator[Rows], *which: Rows) -> list[Rows]:
    """Return the rows with these numbers, each list of which is sorted, (k, ...) for each list."""
    taken: list[list[Rows]] = [[] for _ in which]
    start = 0
    for chunk in chunks:
        for numbers, found in zip(which, taken, strict=True):
            first, last = np.searchsorted(numbers, (start, start + len(chunk)))
            found.append(chunk[numbers[first:last] - start])
        start += len(chunk)
    return [np.concatenate(found) for found in taken]


def scaled(detection: Detection, scores: Floats) -> Floats:
    """Return the scores of columns, (n, columns) as `by_column` gives them, divided by the scale of each column."""
    in_units: Floats = scores / detection.column_scales
    return in_units


def space_of(model: Model, parts: Iterator[Rows]) -> tuple[int, Space]:
    """Return the number of rows that a model was fitted on, and the space for them.

    Args: parts: of the rows, (k, ...) each.
    """
    latents, sums = Statistics(), np.zeros(model.values_per_row)
    for part in parts:
        latents.add(model.encode(part))
        residuals = model.residuals(part)
        sums += np.einsum("ij,ij->j", residuals, residuals, dtype=np.float64)
    squares: Floats = sums / latents.rows
    columns, cells = len(squares), model.loss.cells
    if cells is not None:
        # All values of a column share one scale: a column of forty levels weighs as much as a column of numbers, and
        # its rarest level as much as the others.
        columns, squares = cells.columns, np.bincount(cells.owners, squares).astype(np.float64)[cells.owners]
    width = np.sqrt(latents.variance) + MIN_DISTANCE
    return latents.rows, Space(
        center=latents.mean,
        # All residuals together weigh as much as all latents together.
        latent_scale=width * math.sqrt(len(width) / columns),
        # 0.01, because a rounding error in a residual that is nearly always 0 must not outweigh all other residuals.
        residual_scale=np.sqrt(squares) + 1e-2,
    )


def place(model: Model, space: Space, rows: Rows) -> Floats:
    """Return the coordinates of rows in the space, (n, latent_dim + values_per_row)."""
    latents = (model.encode(rows) - space.center) / space.latent_scale
    residuals = model.residuals(rows) / space.residual_scale
    return np.concatenate([latents, residuals], axis=1, dtype=np.float64)


def draw(rows: int, seed: int) -> list[list[Rows]]:
    """Return random draws of row numbers, for each size in DRAWS; a draw has at most half of the rows."""
    generator, most = np.random.default_rng([seed, 0]), max(1, rows // 2)
    return [[generator.choice(rows, min(size, most), replace=False) for _ in range(times)] for size, times in DRAWS]


def references(draws: list[list[Rows]], which: Rows, rows: Rows, places: Floats) -> Draws:
    """Return the reference rows of draws.

    Args: draws: as `draw` returns them; which: the numbers of all rows in them, sorted; rows, places: of these rows.
    """
    found = [[np.searchsorted(which, each) for each in group] for group in draws]
    return Draws(places.astype(np.float32), _keys(rows), found)


def score_places(reference: Draws, rows: Rows, places: Floats) -> Floats:
    """Return the anomaly scores of rows with these coordinates, (n,).

    The distance of a row to a draw is that to the nearest row in it other than itself. The score is the logarithm of
    the mean distance to the draws of one size, averaged over the sizes.
    """
    scores, prepared = np.empty(len(places)), _prepared(reference)

    def some(start: int) -> None:
        part = slice(start, start + ROWS_AT_ONCE)
        scores[part] = prepared.score(_keys(rows[part]), places[part])

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
