"""The refined bottleneck: trained as a plain one; `encode` goes on to the latent that the decoder does best with.

An encoder guesses the latent of a row at one glance, and the decoder could do better: of MNIST at 16 latents a fifth of
the squared error of new rows is the guess's. Gauss-Newton steps through the decoder take most of it away; a step is
kept only where it gives the row back better. Sources: Cremer, Li & Duvenaud 2018, Inference Suboptimality in
Variational Autoencoders, arXiv:1801.03558; Kim et al. 2018, Semi-Amortized Variational Autoencoders, arXiv:1802.02550,
which improve latents by their slope.
"""

from dataclasses import dataclass
from typing import ClassVar

from diabolo.network.bottlenecks.base import Bottleneck
from diabolo.network.layers import Dense, Layer

MOST_STEPS = 8  # more change nothing any more


@dataclass(frozen=True, kw_only=True)
class Refined(Bottleneck):
    """A plain, linear waist whose latents are refined when rows are encoded.

    A step decodes `latent_dim` + 1 neighbours of each latent: with 16 latents encoding takes 15 times as long.
    Decoding and training take what they take without.
    """

    steps: int = 1

    kind: ClassVar[str] = "refined"

    def check(self) -> None:
        """Refuse a waist of nothing, and steps without use."""
        super().check()
        self.require(1 <= self.steps <= MOST_STEPS, f"1 to {MOST_STEPS} steps")

    @property
    def neighbours(self) -> int:
        """One in the direction of each latent."""
        return self.latent_dim

    def layers(self) -> tuple[Layer, ...]:
        """One dense layer, from which the steps begin."""
        return (Dense(units=self.latent_dim, name="bottleneck"),)
