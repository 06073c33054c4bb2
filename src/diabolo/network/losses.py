"""Reconstruction losses.

Each compares a target (batch, ...) with the raw numbers that the decoder ends in and returns (batch,): summed over the
features, never averaged over rows; training/loop.py alone averages. The `link` is the activation that turns the raw
numbers into a reconstruction, kept apart because a cross-entropy of logits is exact where one of probabilities is not.

The formulas are written once for two worlds: `xp` is `numpy` (scores, without TensorFlow) or `keras.ops` (training).
Order: Bernoulli, Gaussian, the table, the choice.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from diabolo.network.parts import Part


@dataclass(frozen=True, kw_only=True)
class Loss(Part):
    """What all reconstruction losses share."""

    link: ClassVar[str]

    def per_row(self, target: Any, raw: Any, xp: Any) -> Any:
        """Return the loss of each row, (batch,), summed over all other axes, in nats."""
        each = self.each(target, raw, xp)
        return xp.sum(each, axis=tuple(range(1, len(each.shape))))

    def each(self, target: Any, raw: Any, xp: Any) -> Any:
        """Return the loss of each number, the shape of `target`."""
        raise TypeError(f"{type(self).__name__} must say what one number costs")


@dataclass(frozen=True, kw_only=True)
class Bernoulli(Loss):
    """Cross-entropy of numbers in [0, 1] with the probabilities sigmoid(raw).

    Grey values are allowed; the loss is then never below their entropy (45.5 nats for a mean MNIST test image).
    """

    kind: ClassVar[str] = "bernoulli"
    link: ClassVar[str] = "sigmoid"

    def each(self, target: Any, raw: Any, xp: Any) -> Any:
        """-t log p - (1 - t) log(1 - p), p = sigmoid(raw), without ever forming p."""
        # max(r, 0) - r t + log(1 + exp(-|r|)) is the same number, and finite for every finite r.
        return xp.maximum(raw, 0) - raw * target + xp.log1p(xp.exp(-xp.abs(raw)))


@dataclass(frozen=True, kw_only=True)
class Gaussian(Loss):
    """Half the squared distance: the negative log-likelihood of a Gaussian of variance 1, less 0.919 a feature.

    The constant log(2 pi) / 2 is left out: it has no gradient, and without it a perfect reconstruction costs 0.
    """

    kind: ClassVar[str] = "gaussian"
    link: ClassVar[str] = "linear"

    def each(self, target: Any, raw: Any, xp: Any) -> Any:
        """(t - raw)**2 / 2."""
        return xp.square(target - raw) / 2


LOSSES: dict[str, type[Loss]] = {Bernoulli.kind: Bernoulli, Gaussian.kind: Gaussian}

# Numbers in [0, 1] with mean m vary by at most m (1 - m), reached by zeros and ones alone. MNIST reaches 0.84 of that,
# Fashion-MNIST 0.61, photographs about 0.25, a uniform column 0.33: where most of it is reached, numbers act like odds.
NEARLY_BINARY = 0.5


class Choice(NamedTuple):
    """A reconstruction loss and the reason in words."""

    loss: Loss
    reason: str


def choose(low: float, high: float, mean: float, variance: float) -> Choice:
    """Choose the reconstruction loss that fits numbers of these extremes, mean and variance; bytes divided by 255."""
    if low < 0 or high > 1:
        return Choice(Gaussian(), f"values run from {low:.3g} to {high:.3g}")
    widest = mean * (1 - mean)
    share = variance / widest if widest > 0 else 0.0
    if share >= NEARLY_BINARY:
        return Choice(Bernoulli(), f"values in [0, 1], {share:.0%} of the way to pure zeros and ones")
    return Choice(Gaussian(), f"values in [0, 1], but only {share:.0%} of the way to zeros and ones")
