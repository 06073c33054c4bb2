"""The weights that a training begins with: those of PCA, where the network has a linear path from a row and back.

PCA is the best linear auto-encoder for squared errors. The other losses are replaced by weighted squared errors that
equal them near the best constant guess. So the error of the training rows starts at about that of PCA, and the hidden
layers begin without influence on the output. With a condition it is the PCA of what is left after a linear regression
on the condition. Order: the weights, the rows, the loss.
"""

from typing import Any, NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.shard import Shard
from diabolo.data.splits import spread_evenly
from diabolo.network import structures
from diabolo.network.layers import Dense, Flatten, Layer, Reshape, Skip
from diabolo.network.losses import Bernoulli, Gaussian, Huber, Loss, Masked, Mixed
from diabolo.network.network import Network
from diabolo.report.pca import components_of

MOST_ROWS = 10_000  # rows that the components are computed from
MOST_NUMBERS = 1 << 24  # of these rows
LEAST_SPREAD = 1e-3  # of a latent, so that one without variance does not become infinite
# Curvature of a loss at the best constant guess: near 0, for a level or a pixel that is nearly always the same, the
# squared error would follow single rows.
LEAST_CURVATURE = 0.05

Floats = np.ndarray[Any, np.dtype[np.float64]]
Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


class Target(NamedTuple):
    """A loss as a weighted squared error of raw numbers, each array of shape (numbers,).

    Attributes:
        raw: the raw numbers of the best constant guess.
        curvature: of the loss there.
        weights: of the loss of each number, 0 where it does not count.
    """

    raw: Floats
    curvature: Floats
    weights: Floats


def weights(network: Network, loss: Loss, shard: Shard) -> Weights:
    """Return those weights of a network that training begins with, by name; none, where it has no linear path."""
    if not has_linear_path(network):
        return {}
    rows = sample(shard)
    mean = rows.mean(axis=0)
    target = target_of(loss, mean)
    if target is None:
        return {}
    into, out = np.sqrt(target.weights / target.curvature), np.sqrt(target.weights * target.curvature)
    given = list(network.condition)
    centered = (rows - mean) * into
    slopes = _slopes(rows[:, given] - mean[given], centered)  # (numbers of the condition, numbers)
    components, variances = components_of(centered - (rows[:, given] - mean[given]) @ slopes, network.latent_dim)
    spread = np.maximum(np.sqrt(variances), LEAST_SPREAD)
    encode = (components / spread[:, None]).T * into[:, None]  # (numbers, latents)
    encode[given] -= slopes @ (components / spread[:, None]).T
    both = np.concatenate([components * spread[:, None], slopes])  # the decoder takes the latents, then the condition
    decode = np.divide(both, out, out=np.zeros_like(both), where=out > 0)
    last = network.decoder_steps[-1 if isinstance(network.decoder[-1], Dense) else -2].layer.name
    first = network.encoder_steps[-1].layer.name
    shapes = network.weights()
    return {
        f"{first}/kernel": _filled(shapes[f"{first}/kernel"], encode),
        f"{first}/bias": (-mean @ encode).astype(np.float32),
        f"{last}/kernel": _filled(shapes[f"{last}/kernel"], decode),
        f"{last}/bias": (target.raw - mean[given] @ decode[network.latent_dim :]).astype(np.float32),
    }


def _slopes(condition: Floats, centered: Floats) -> Floats:
    """Return the slopes (k, numbers) of a linear regression of rows (n, numbers) on a condition (n, k), both centered.

    Latents of what is left are not correlated with the condition.
    """
    inverse = np.linalg.pinv(condition.T @ condition, hermitian=True) if condition.size else np.zeros((0, 0))
    found: Floats = inverse @ (condition.T @ centered)
    return found


def has_linear_path(network: Network) -> bool:
    """Return whether a linear map leads from a row to its latents, and one from these to the raw numbers."""
    *hidden, features = network.encoder_steps
    decoder = [layer for layer in network.decoder if not isinstance(layer, Reshape)]
    return (
        network.bottleneck.kind in structures.AS_PCA
        and len(decoder) > 1
        and all(isinstance(step.layer, (Flatten, Skip)) and len(step.output_shape) == 1 for step in hidden)
        and all(isinstance(layer, Skip) for layer in decoder[:-1])
        and all(map(_is_linear, (features.layer, decoder[-1])))
    )


def _is_linear(layer: Layer) -> bool:
    return isinstance(layer, Dense) and layer.activation == "linear" and layer.use_bias


def _filled(shape: tuple[int, ...], linear: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return a kernel whose first rows are the linear path; the others, of hidden features, begin at 0."""
    kernel = np.zeros(shape, np.float32)
    kernel[: len(linear)] = linear
    return kernel


def sample(shard: Shard) -> Floats:
    """Return training rows as the network takes them, (n, numbers), spread evenly over all; of a stream the first."""
    rows, chosen = shard.rows, shard.chosen
    if not isinstance(rows, np.ndarray):
        window = next(iter(rows.epoch(0)))
        rows, chosen = window.data, window.order[: window.rows]
    count = len(rows) if chosen is None else len(chosen)
    numbers = rows[0].size
    at = spread_evenly(count, max(2, min(MOST_ROWS, MOST_NUMBERS // numbers)))
    some: Rows = rows[at if chosen is None else chosen[at]]
    scaled = (some.astype(np.float64) - shard.offset) / shard.scale
    return scaled.reshape(len(some), -1)


def target_of(loss: Loss, mean: Floats) -> Target | None:
    """Return a loss as a weighted squared error; None where that is too far from it. Args: mean: of the rows."""
    ones = np.ones_like(mean)
    match loss:
        case Gaussian(variance="fixed") | Huber() | Masked():
            return Target(mean, ones, ones)
        case Bernoulli():
            share = np.clip(mean, LEAST_CURVATURE, 1 - LEAST_CURVATURE)
            return Target(np.log(share / (1 - share)), share * (1 - share), ones)
        case Mixed():
            return _of_table(loss, mean)
    return None


def _of_table(loss: Mixed, mean: Floats) -> Target:
    raw, curvature, factors = mean.copy(), np.ones_like(mean), np.zeros_like(mean)
    _, counts, booleans, *categories = loss.spans
    factors[: len(loss.factors)] = loss.factors
    # A rate is the exponential of a raw number, which a linear path would soon make too large.
    raw[counts], factors[counts] = np.log(np.maximum(mean[counts], LEAST_CURVATURE)), 0
    shares = np.clip(mean, LEAST_CURVATURE, 1 - LEAST_CURVATURE)
    for span in (booleans, *categories):
        curvature[span] = shares[span] * (1 - shares[span])
    raw[booleans] = np.log(shares[booleans] / (1 - shares[booleans]))
    for span in categories:
        raw[span] = np.log(np.maximum(mean[span], LEAST_CURVATURE**2))
    return Target(raw, curvature, factors)
