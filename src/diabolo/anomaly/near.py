"""How far a row is from the nearest of some training rows: it finds rows that differ a little.

Rows are compared in their values, latents and residuals together. Each is standardised, and large ones count less: they
go through arcsinh, so that a single wild value does not decide. The pool of training rows is cut into blocks, and the
distance is the mean distance to the nearest row of each block; its logarithm is averaged over blocks of an eighth, a
quarter, a half and all of the pool. Small blocks find anomalies that lie together, large ones small differences.

Order: the space, the distances, the keys of rows.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.adapters.statistics import Statistics
from diabolo.model.detection import KEY, Floats, Pool, Scale, Space

BLOCKS = 8
# Standardised values up to 1/3 are compared as they are, larger ones by their logarithm.
SHARPNESS = 3.0
TINY = 1e-6  # so that the distance of equal rows has a logarithm, and that nothing is divided by 0
# Added to the residuals' scales: a rounding error in a residual that is nearly always 0 must not outweigh all others.
LEAST_RESIDUAL = 1e-2


class Described(NamedTuple):
    """What a model says of rows. Attributes: values, residuals: (n, values_per_row); latents: (n, latent_dim)."""

    values: Rows
    latents: Rows
    residuals: Rows

    @classmethod
    def of(cls, joined: Rows, values: int) -> "Described":
        """Return the three parts of what `Model.described` returns, in doubles."""
        parts = joined.astype(np.float64)
        return cls(parts[:, :values], parts[:, values:-values], parts[:, -values:])


def space_of(statistics: Statistics, some: Described, owners: Rows | None) -> Space:
    """Return the space for training rows.

    Args:
        statistics: of all rows, as `Model.described` returns them.
        some: of the rows, from which the weights are learnt.
        owners: the column of each value of a table. All values of a column share one scale: a column of forty levels
            weighs as much as a column of numbers, and its rarest level as much as the others.
    """
    count = some.values.shape[1]
    mean, variance = (Described.of(each[None], count) for each in (statistics.mean, statistics.variance))
    squares = variance.residuals[0] + np.square(mean.residuals[0])
    space = Space(
        values=Scale(mean.values[0], _width(_shared(variance.values[0], owners))),
        latents=Scale(mean.latents[0], _width(variance.latents[0])),
        residuals=np.sqrt(_shared(squares, owners)) + LEAST_RESIDUAL,
        weights=np.ones(2),
    )
    values, coded = _standardised(space, some)
    return space._replace(weights=1 / np.sqrt([each.var(axis=0).sum() + TINY for each in (values, coded)]))


def _shared(squares: Floats, owners: Rows | None) -> Floats:
    """Return the sums of squares of the values that belong to the same column, for each value."""
    return squares if owners is None else np.bincount(owners, squares).astype(np.float64)[owners]


def _width(squares: Floats) -> Floats:
    """Return standard deviations; 1 for what is constant."""
    width = np.sqrt(squares)
    return np.where(width > TINY, width, 1.0)


def places(space: Space, rows: Described) -> Floats:
    """Return the coordinates of rows in the space, (n, values_per_row + latent_dim + values_per_row)."""
    values, coded = _standardised(space, rows)
    return np.concatenate([values * space.weights[0], coded * space.weights[1]], axis=1)


def _standardised(space: Space, rows: Described) -> tuple[Floats, Floats]:
    """Return the values of rows, and their latents and residuals, each of about the same size."""
    values = np.arcsinh(SHARPNESS * (rows.values - space.values.center) / space.values.width)
    latents = (rows.latents - space.latents.center) / space.latents.width
    # All latents together weigh as much as all residuals together.
    latents *= np.sqrt(rows.values.shape[1] / rows.latents.shape[1])
    return values, np.arcsinh(np.concatenate([latents, rows.residuals / space.residuals], axis=1))


def distances(pool: Pool, places: Floats, keys: list[bytes]) -> Floats:
    """Return the logarithm of the distance of each row to the nearest rows of the pool other than itself, (n,).

    Args: places: of the rows; keys: of the rows, as `keys_of` makes them.
    """
    # A squared distance is |x|^2 + |p|^2 - 2px; the last two are one product.
    products = pool.factors[:, :-1] @ places.T
    products += pool.factors[:, -1:]
    known = pool.known
    for at, key in enumerate(keys):
        mine = known.get(key)
        if mine is not None:
            products[mine, at] = np.inf
    starts = np.linspace(0, len(products), min(BLOCKS, len(products)), endpoint=False).astype(np.intp)
    least = np.minimum.reduceat(products, starts, axis=0) + np.square(places).sum(axis=1)  # (blocks, n)
    logs = []
    while True:
        there = np.isfinite(least)  # False for a block that has no other row
        lengths = np.sqrt(np.maximum(np.where(there, least, 0), 0))
        logs.append(np.log(lengths.sum(axis=0) / np.maximum(there.sum(axis=0), 1) + TINY))
        if len(least) == 1:
            return np.asarray(np.mean(logs, axis=0))
        least = np.minimum.reduceat(least, np.arange(0, len(least), 2), axis=0)


def keys_of(rows: Rows) -> list[bytes]:
    """Return KEY bytes that identify each row, the same for float64 and float32."""
    with np.errstate(over="ignore"):
        short = np.asarray(rows, np.float32) + np.float32(0)  # -0 is 0
    return [hashlib.blake2b(row.tobytes(), digest_size=KEY).digest() for row in short]
