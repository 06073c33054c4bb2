"""Choosing a reconstruction loss: by its name, or by the data."""

from typing import NamedTuple

from diabolo.network.losses.base import Loss
from diabolo.network.losses.elementwise import Bernoulli, Gaussian

# Numbers in [0, 1] with mean m have a variance of at most m (1 - m), which only zeros and ones reach. MNIST reaches
# 0.84 of it, Fashion-MNIST 0.61, photographs about 0.25, a uniform column 0.33: if most of it is reached, numbers
# behave like probabilities.
NEARLY_BINARY = 0.5


class Choice(NamedTuple):
    """A reconstruction loss and the reason in words."""

    loss: Loss
    reason: str


def choose(low: float, high: float, mean: float, variance: float) -> Choice:
    """Choose the reconstruction loss that suits numbers of these extremes, mean and variance; bytes divided by 255."""
    if low < 0 or high > 1:
        return Choice(Gaussian(), f"values run from {low:.3g} to {high:.3g}")
    widest = mean * (1 - mean)
    share = variance / widest if widest > 0 else 0.0
    if share >= NEARLY_BINARY:
        return Choice(Bernoulli(), f"all in [0, 1], mostly near 0 or 1 ({share:.0%} of max variance)")
    return Choice(
        Gaussian(),
        f"all in [0, 1], but mostly not near 0 or 1 ({share:.0%} of max variance)",
    )
