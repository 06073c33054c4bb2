"""Losses that compare each number separately: Bernoulli, Gaussian, Huber, Poisson."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from diabolo.network import links
from diabolo.network.losses.base import Learnt, Local, Loss
from diabolo.network.tensors import Array, Backend, Tensor
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.values import Values


@dataclass(frozen=True, kw_only=True)
class Bernoulli(Loss):
    """Binary cross-entropy of numbers in [0, 1] with the probabilities sigmoid(raw).

    Grey values are allowed; the loss is then never below their entropy (45.5 nats for an average MNIST test image).
    """

    kind: ClassVar[str] = "bernoulli"
    exact_in_float32: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    link: ClassVar[str] = "sigmoid"
    scaling: ClassVar[str] = "widest"
    binary: ClassVar[bool] = True

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """-t log p - (1 - t) log(1 - p), p = sigmoid(raw), without computing p."""
        # max(r, 0) - r t + log(1 + exp(-|r|)) is the same number, and finite for every finite r.
        return xp.maximum(raw, 0) - raw * target + xp.log1p(xp.exp(-xp.abs(raw)))

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Gradient p - t, curvature p (1 - p)."""
        share = raw.sigmoid()
        return Local(raw.softplus() - target * raw, share - target, share * (1.0 - share))


# A feature that is reconstructed perfectly would have a variance of 0 and a loss of -infinity.
LOG_VAR_LIMIT = 10.0


@dataclass(frozen=True, kw_only=True)
class Gaussian(Loss):
    """Half the squared error: the negative log-likelihood of a Gaussian of variance 1, less 0.919 a feature.

    The constant log(2 pi) / 2 is left out: it has no gradient, and without it a perfect reconstruction costs 0.
    With variance "learnt" each feature (for images, each channel) has its own variance, which is trained too; then
    features that cannot be predicted count less, and the loss may be below 0. Source: Rybkin, Daniilidis & Levine 2021,
    arXiv:2006.13202.
    """

    variance: str = "fixed"

    kind: ClassVar[str] = "gaussian"
    exact_in_float32: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    link: ClassVar[str] = "linear"

    def check(self) -> None:
        """Refuse other variances."""
        self.require(self.variance in ("fixed", "learnt"), "variance 'fixed' or 'learnt'")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """The logarithm of the variance, if it is learnt."""
        return {"log_var": input_shape[-1:]} if self.variance == "learnt" else {}

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """(t - raw)**2 / 2 / variance + log(variance) / 2."""
        away = xp.square(target - raw) / 2
        if self.variance == "fixed":
            return away
        assert learnt is not None, "the variance of the loss"
        log_var = xp.clip(learnt["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
        return away * xp.exp(-log_var) + log_var / 2

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Gradient (raw - t) / variance, curvature 1 / variance."""
        local = super().local(target, raw, input_shape, learnt)
        if self.variance == "fixed":
            return local
        assert learnt is not None, "the variance of the loss"
        precision = np.exp(-np.clip(learnt["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT))
        return local.times(np.resize(precision, math.prod(input_shape))[None])

    def left_out(self, target: Array) -> Array | float:
        """log(2 pi) / 2 for each number."""
        return float(math.prod(target.shape[1:]) * math.log(2 * math.pi) / 2)


@dataclass(frozen=True, kw_only=True)
class Huber(Loss):
    """Half the squared error up to `delta` standard deviations, linear beyond: outliers count less.

    Source: Huber 1964, Robust Estimation of a Location Parameter.
    """

    delta: float = 1.0

    kind: ClassVar[str] = "huber"
    exact_in_float32: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    link: ClassVar[str] = "linear"
    likelihood: ClassVar[bool] = False

    def check(self) -> None:
        """Refuse a delta of 0 or below."""
        self.require(self.delta > 0, "delta above 0")

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """a**2 / 2 where a = |t - raw| is at most delta, else delta (a - delta / 2)."""
        away = xp.abs(target - raw)
        near = xp.minimum(away, self.delta)
        return near * (away - near / 2)

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Gradient raw - t, clipped to delta; curvature 1, which it nowhere exceeds."""
        away = raw - target
        size, near = away.abs(), away.clip(-self.delta, self.delta)
        return Local(near.abs() * (size - near.abs() * 0.5), near, raw * 0.0 + 1.0)


@dataclass(frozen=True, kw_only=True)
class Poisson(Loss):
    """For counts, half the deviance: the negative log-likelihood less that of a perfect reconstruction.

    Rows are divided by their mean before they enter the network; `unit` is that mean, and turns the loss into nats.
    """

    unit: float = 1.0  # the count that 1 in a tensor stands for

    kind: ClassVar[str] = "poisson"
    link: ClassVar[str] = "exponential"
    scaling: ClassVar[str] = "mean"

    def check(self) -> None:
        """Refuse a unit of 0 or below."""
        self.require(0 < self.unit < 1e30, "unit above 0")

    def with_mean(self, mean: float) -> "Loss":
        """The unit is the mean, or 1 if all counts are 0."""
        return dataclasses.replace(self, unit=mean or 1.0)

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """Rate - t + t log(t / rate), rate = exp(raw)."""
        own = target * (xp.log(xp.maximum(target, 1e-30)) - 1)  # 0 where the target is 0
        return self.unit * (xp.exp(raw) - target * raw + own)

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Gradient rate - t, curvature rate; without the unit, which changes no step."""
        raw = raw.clip(None, links.MOST_LOG_RATE)
        rate = raw.exp()
        return Local(rate - target * raw, rate - target, rate)

    def left_out(self, target: Array) -> Array:
        """Log(t!) - t log t + t."""
        counts = target * self.unit
        each = np.vectorize(math.lgamma)(counts + 1) - counts * (np.log(np.maximum(counts, 1e-30)) - 1)
        return np.asarray(each.reshape(len(counts), -1).sum(axis=1))
