"""How much latents depend on a condition: their distance correlation, which training lowers.

It is 0 where latents and condition are independent, and only there, whatever the form of their dependence; it is at
most 1. Estimated without bias from the rows of a batch, so that it may be below 0. Sources: Székely & Rizzo 2014,
Partial Distance Correlation with Methods for Dissimilarities, Annals of Statistics 42(6); as a loss: Zhen et al. 2022,
On the Versatile Uses of Partial Distance Correlation in Deep Learning, arXiv:2207.09684.

Order: the correlation, chance, matrices of it; the same in NumPy with its gradient.
"""

import numpy as np

from diabolo.network.tensors import Array, Backend, Tensor

LEAST_ROWS = 4  # from which the estimate has no bias; of fewer it is 0
NEAR_ZERO = 1e-8
CHANCE = 2.0  # standard deviations
RIDGE = 0.001  # added to the correlations of latents with themselves, so that a few rows can be whitened
SMALLEST = 1e-6  # added to squared distances, whose root has no derivative at 0


def distance_correlation(latents: Tensor, condition: Tensor, xp: Backend) -> Tensor:
    """Return the squared distance correlation of latents (n, d) and a condition (n, k), one number.

    The latents are whitened, through which no gradient flows: neither shrinking them, nor making other directions
    longer, makes them independent. Args: xp: keras.ops, whose gradients are TensorFlow's.
    """
    count = xp.cast(xp.shape(latents)[0], "float32")
    unit = xp.stop_gradient(_whitening(latents, count, xp))
    places = xp.arange(xp.shape(latents)[0])
    apart = xp.cast(places[:, None] != places[None], "float32")
    ours, theirs = (_centered(_distances(each, apart, xp), count, apart, xp) for each in (latents @ unit, condition))
    pairs = xp.maximum(count * (count - 3), 1.0)
    both, own, other = (xp.sum(one * two) / pairs for one, two in ((ours, theirs), (ours, ours), (theirs, theirs)))
    found = both / xp.sqrt(own * other + NEAR_ZERO)
    return xp.where(count < LEAST_ROWS, 0.0 * found, found)


def beyond_chance(correlation: Tensor, count: Tensor, xp: Backend) -> Tensor:
    """Return a distance correlation, as far as it is larger than that of independent rows may be by chance.

    Its standard deviation is then about sqrt(2) / count. Without this, chance would choose the best epoch where few are
    held back. Args: count: of the rows.
    """
    count = xp.cast(count, "float32") if hasattr(xp, "cast") else count
    return xp.maximum(correlation - CHANCE * 2**0.5 / count, 0.0)


def _whitening(latents: Tensor, count: Tensor, xp: Backend) -> Tensor:
    """Return the matrix (d, d) with which latents (n, d) have variance 1 in every direction, and no covariance."""
    centered = latents - xp.mean(latents, axis=0, keepdims=True)
    covariance = xp.transpose(centered) @ centered / count
    spread = xp.sqrt(xp.diagonal(covariance) + NEAR_ZERO)
    # Each latent by itself first: else the ridge, which few rows need, would hide latents of little variance.
    correlation = covariance / (spread[:, None] * spread[None])
    factor = xp.linalg.cholesky(correlation + RIDGE * np.eye(latents.shape[1], dtype=np.float32))
    return xp.transpose(xp.linalg.inv(factor)) / spread[:, None]


def _distances(points: Tensor, apart: Tensor, xp: Backend) -> Tensor:
    """Return the distances of points (n, d), (n, n).

    Args: apart: 1 for two points and 0 for a point and itself, (n, n).
    """
    squares = xp.sum(xp.square(points), axis=1)
    squared = squares[:, None] + squares[None] - 2 * points @ xp.transpose(points)
    return xp.sqrt(xp.maximum(squared, 0.0) + SMALLEST) * apart


def _centered(distances: Tensor, count: Tensor, apart: Tensor, xp: Backend) -> Tensor:
    """Return distances minus the means of their rows and columns, 0 in the diagonal: the U-centered matrix."""
    left = xp.maximum(count - 2, 1.0)
    sums = xp.sum(distances, axis=1)
    total = xp.sum(sums) / (xp.maximum(count - 1, 1.0) * left)
    return (distances - sums[:, None] / left - sums[None] / left + total) * apart


def with_gradient(latents: Array, condition: Array) -> tuple[float, Array]:
    """Return what `distance_correlation` returns, and its derivative by the latents, (n, d), in NumPy."""
    count = len(latents)
    if count < LEAST_ROWS:
        return 0.0, np.zeros_like(latents)
    unit, apart = _whitening(latents, count, np), 1 - np.eye(count, dtype=np.float32)
    points, pairs = latents @ unit, count * (count - 3)
    distances, others = (_distances(each, apart, np) for each in (points, condition))
    ours, theirs = (_centered(each, np.float32(count), apart, np) for each in (distances, others))
    both, own, other = (
        float(np.vdot(one, two)) / pairs for one, two in ((ours, theirs), (ours, ours), (theirs, theirs))
    )
    scale = float(np.sqrt(own * other + NEAR_ZERO))
    # By the distances: of the product theirs, of the root of its own square ours. Centering is a projection.
    slopes = (theirs / scale - ours * (both * other / scale**3)) / pairs
    np.fill_diagonal(distances, 1.0)
    slopes = (slopes / distances).astype(np.float32)
    gradient = 2 * (slopes.sum(axis=1)[:, None] * points - slopes @ points) @ unit.T
    return both / scale, gradient
