"""Gauss-Newton steps from a latent to the one that the decoder gives the row back best from, as nodes of a graph.

What turns the raw numbers of the decoder into a cost is a loss, whose slope and bend (its second derivative, or a bound
of it) at every raw number are written here by hand; how the raw numbers follow the latents is seen by decoding
neighbours of the latent, which any decoder can. A step that does not lower the cost of a row is not taken.

Order: numbers in a graph, the steps, the losses.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from diabolo.network import losses
from diabolo.network.backends.onnx.graph import Graph
from diabolo.network.links import MOST_LOG_RATE
from diabolo.network.parts import Shape

# How far neighbours are: of the size of a latent. Nearer, rounding shows; farther, the bend of the decoder.
REACH = 0.05
LEAST_REACH = 1e-4
DAMPING = 0.1  # of the diagonal is added to it: the decoder bends, and full steps would go too far
MOST_TURNS = 8  # of conjugate gradients; with 16 latents 4 are as good as the exact solution
NEAR_ZERO = 1e-30


class Values:
    """Numbers in a graph, to be computed with as with NumPy's; the first axis is the batch."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name

    def apply(self, operator: str, *others: str, **attributes: Any) -> "Values":
        """Return what an operator of ONNX makes of these and other names."""
        return Values(self.graph, self.graph.aside(operator, self.name, *others, **attributes)[0])

    def constant(self, value: Any) -> "Values":
        """Return an array or a number as values of the same graph."""
        return Values(self.graph, self.graph.unnamed(np.asarray(value, np.float32)))

    def _with(self, operator: str, other: Any, *, turned: bool = False) -> "Values":
        other = other if isinstance(other, Values) else self.constant(other)
        first, second = (other, self) if turned else (self, other)
        return first.apply(operator, second.name)

    def __add__(self, other: Any) -> "Values":
        return self._with("Add", other)

    def __sub__(self, other: Any) -> "Values":
        return self._with("Sub", other)

    def __rsub__(self, other: Any) -> "Values":
        return self._with("Sub", other, turned=True)

    def __mul__(self, other: Any) -> "Values":
        return self._with("Mul", other)

    def __truediv__(self, other: Any) -> "Values":
        return self._with("Div", other)

    def __matmul__(self, other: Any) -> "Values":
        return self._with("MatMul", other)

    def __lt__(self, other: Any) -> "Values":
        return self._with("Less", other)

    def sum(self, axis: int) -> "Values":
        """Along an axis, which stays."""
        return self.apply("ReduceSum", self.graph.integers(axis), keepdims=1)

    def mean(self, axis: int) -> "Values":
        """Along an axis, which stays."""
        return self.apply("ReduceMean", self.graph.integers(axis), keepdims=1)

    def reshape(self, *shape: int) -> "Values":
        """As NumPy's."""
        return self.apply("Reshape", self.graph.integers(*shape))

    def at(self, axis: int) -> "Values":
        """With one more axis, of one place."""
        return self.apply("Unsqueeze", self.graph.integers(axis))

    def transposed(self) -> "Values":
        """(n, a, b) -> (n, b, a)."""
        return self.apply("Transpose", perm=[0, 2, 1])

    def clip(self, low: float | None, high: float | None) -> "Values":
        """As NumPy's."""
        ends = ["" if end is None else self.constant(end).name for end in (low, high)]
        return self.apply("Clip", *ends)

    def columns(self, start: int, end: int) -> "Values":
        """(n, d) -> (n, end - start)."""
        starts, ends, axes = (self.graph.integers(each) for each in (start, end, 1))
        return self.apply("Slice", starts, ends, axes)

    def where(self, holds: "Values", other: "Values") -> "Values":
        """These where it holds, else the others."""
        return holds.apply("Where", self.name, other.name)


class Local(NamedTuple):
    """A loss about some raw numbers, one of each for each number, (n, numbers)."""

    cost: Values
    slope: Values
    bend: Values


LocalLoss = Callable[[Values, Values], Local]  # a target and raw numbers, (n, numbers) both


def refine(
    target: Values,
    latent: Values,
    decode: Callable[[Values], Values],
    local: LocalLoss,
    *,
    latents: int,
    numbers: int,
    steps: int,
) -> Values:
    """Return better latents, (n, latents).

    Args:
        target: rows, (n, numbers).
        latent: where to begin, (n, latents).
        decode: (m, latents) -> (m, numbers).
        local: the loss.
        latents: how many.
        numbers: of a row.
        steps: how often.
    """
    raw = decode(latent)
    for left in reversed(range(steps)):
        here = local(target, raw)
        reach = ((latent * latent).mean(1).apply("Sqrt") * REACH + LEAST_REACH).at(2)
        neighbours = latent.at(1) + reach * np.eye(latents)[None]
        moved = decode(neighbours.reshape(-1, latents))
        follows = (moved.reshape(-1, latents, numbers) - raw.at(1)) / reach  # (n, latents, numbers)
        square = (follows * here.bend.at(1)) @ follows.transposed()
        step = _solved(square, follows @ (0.0 - here.slope).at(2), latents)
        there = latent + step.reshape(-1, latents)
        decoded = decode(there)
        better = local(target, decoded).cost.sum(1) < here.cost.sum(1)  # not where either is NaN
        latent = there.where(better, latent)
        raw = decoded.where(better, raw) if left else raw
    return latent


def _solved(square: Values, right: Values, size: int) -> Values:
    """Return the solution of (square + damping) x = right, (n, size, 1), by conjugate gradients."""
    diagonal = (square * np.eye(size)[None]).sum(2)  # (n, size, 1)
    scale = diagonal * (1 + DAMPING) + NEAR_ZERO
    left = right
    along = left / scale
    product = (left * along).sum(1)
    solution = right * 0.0
    towards = along
    for more in reversed(range(min(size, MOST_TURNS))):
        image = square @ towards + diagonal * towards * DAMPING
        length = product / ((towards * image).sum(1) + NEAR_ZERO)
        solution = solution + length * towards
        if more:
            left = left - length * image
            along = left / scale
            before, product = product, (left * along).sum(1)
            towards = along + product / (before + NEAR_ZERO) * towards
    return solution


def local_loss(loss: losses.Loss, shape: Shape, learnt: Mapping[str, Any]) -> LocalLoss:
    """Return what gives a loss about raw numbers. Args: shape: of a row; learnt: weights of the loss by name."""
    if isinstance(loss, losses.Mixed):
        return lambda target, raw: _mixed(loss, target, raw)
    if isinstance(loss, losses.Masked):
        return lambda target, raw: _masked(loss, shape, target, raw)
    if isinstance(loss, losses.Categorical):
        return lambda target, raw: _places(target, raw, shape[-1])
    if isinstance(loss, losses.Huber):
        return lambda target, raw: _huber(target, raw, loss.delta)
    if isinstance(loss, losses.Gaussian) and loss.variance == "learnt":
        precision = np.exp(-np.clip(learnt["log_var"], -losses.LOG_VAR_LIMIT, losses.LOG_VAR_LIMIT))
        every = np.resize(precision, math.prod(shape))[None]
        return lambda target, raw: _times(_gaussian(target, raw), every)
    return PLAIN[type(loss)]


def _gaussian(target: Values, raw: Values) -> Local:
    away = raw - target
    return Local(away * away * 0.5, away, raw * 0.0 + 1.0)


def _bernoulli(target: Values, raw: Values) -> Local:
    share = raw.apply("Sigmoid")
    return Local(raw.apply("Softplus") - target * raw, share - target, share * (1.0 - share))


def _poisson(target: Values, raw: Values) -> Local:
    raw = raw.clip(None, MOST_LOG_RATE)
    rate = raw.apply("Exp")
    return Local(rate - target * raw, rate - target, rate)


def _huber(target: Values, raw: Values, delta: float) -> Local:
    away = raw - target
    size, near = away.apply("Abs"), away.clip(-delta, delta)
    return Local(near.apply("Abs") * (size - near.apply("Abs") * 0.5), near, raw * 0.0 + 1.0)


def _ssim(target: Values, raw: Values) -> Local:
    """Squares of what is shown: structures are alike where pixels are, and have no bend of their own."""
    share = raw.apply("Sigmoid")
    away, turn = share - target, share * (1.0 - share)
    return Local(away * away * 0.5, away * turn, turn * turn)


def _categorical(target: Values, raw: Values) -> Local:
    """Of one choice, (n, levels); a target of zeros costs nothing."""
    known = target.sum(1)
    share = raw.apply("Softmax", axis=-1)
    return Local(
        target * (0.0 - share.clip(NEAR_ZERO, None).apply("Log")), share * known - target, share * (1.0 - share) * known
    )


def _places(target: Values, raw: Values, levels: int) -> Local:
    """Of a choice at each of several places, (n, places * levels)."""
    found = _categorical(target.reshape(-1, levels), raw.reshape(-1, levels))
    return Local(*(each.apply("Reshape", target.apply("Shape").name) for each in found))


def _masked(loss: losses.Masked, shape: Shape, target: Values, raw: Values) -> Local:
    """Of series with gaps: behind the channels of each time stand their flags."""
    flags = target.reshape(-1, 2, loss.channels).apply("Gather", target.graph.integers(1), axis=1)
    there = 1.0 - flags.reshape(-1, shape[0], loss.channels)
    both = there.apply("Concat", (there * 0.0).name, axis=2).reshape(-1, math.prod(shape))
    return _times(_gaussian(target, raw), both)


def _mixed(loss: losses.Mixed, target: Values, raw: Values) -> Local:
    """Of tables: each column by its own loss."""
    ends = np.cumsum([0, loss.gaussian, loss.poisson, loss.bernoulli, *loss.levels]).tolist()
    kinds = [_gaussian, _poisson, _bernoulli, *[_categorical] * len(loss.levels)]
    parts = [
        kind(target.columns(*span), raw.columns(*span))
        for kind, span in zip(kinds, itertools.pairwise(ends), strict=True)
        if span[0] < span[1]
    ]
    joined = Local(
        *(each[0].apply("Concat", *(other.name for other in each[1:]), axis=1) for each in zip(*parts, strict=True))
    )
    weights: Any = np.asarray(loss.factors, np.float32)[None]
    if not loss.flags:
        return _times(joined, weights)
    wide = len(loss.factors)
    flags = target.columns(wide, wide + loss.flags)
    counts = (1.0 - flags.apply("Gather", target.graph.integers(*loss.owners), axis=1)) * weights
    nothing = flags * 0.0
    return Local(*(each.apply("Concat", nothing.name, axis=1) for each in _times(joined, counts)))


def _times(local: Local, weights: Any) -> Local:
    return Local(*(each * weights for each in local))


PLAIN: dict[type[losses.Loss], LocalLoss] = {
    losses.Gaussian: _gaussian,
    losses.Bernoulli: _bernoulli,
    losses.Poisson: _poisson,
    losses.Ssim: _ssim,
}
