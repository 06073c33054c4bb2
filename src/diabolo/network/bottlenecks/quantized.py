"""The quantized bottleneck: latents are vectors from a code book, so that a few whole numbers represent a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from diabolo.network.bottlenecks.base import Bottleneck, LossOf, Objective
from diabolo.network.layers import Dense, Layer, Quantize
from diabolo.network.tensors import Number, SeedGenerator, Tensor


@dataclass(frozen=True, kw_only=True)
class Quantized(Bottleneck):
    """`groups` vectors a row, each the nearest of `codes`; a code is the moving average of the vectors next to it.

    `encode` returns the vectors, latent_dim numbers a row. Sources: van den Oord et al. 2017, arXiv:1711.00937;
    averages: its appendix; unused codes are moved to the vectors of rows: Dhariwal et al. 2020, arXiv:2005.00341.
    """

    codes: int = 256
    groups: int = 0  # vectors a row, each of latent_dim / groups numbers; 0: as many as divide it, at most 8
    commitment: float = 0.25  # weight of the distance from the output of the encoder to its code

    kind: ClassVar[str] = "quantized"

    def check(self) -> None:
        """Refuse groups that do not divide the latent, and a book of one code."""
        super().check()
        if not self.groups:
            most = max(count for count in range(1, 9) if self.latent_dim % count == 0)
            object.__setattr__(self, "groups", most)
        self.require(2 <= self.codes < 1 << 20 and self.commitment >= 0, "codes of at least 2 and commitment >= 0")
        self.require(self.groups >= 1 and self.latent_dim % self.groups == 0, "groups that divide latent_dim")

    @property
    def by_row(self) -> bool:
        """The codes follow all vectors of a batch."""
        return False

    @property
    def codes_per_row(self) -> int:
        """One for each group."""
        return self.groups

    def layers(self) -> tuple[Layer, ...]:
        """A dense layer, and the nearest code of each of its groups."""
        return (
            Dense(units=self.latent_dim, name="bottleneck_features"),
            Quantize(codes=self.codes, groups=self.groups, name="bottleneck"),
        )

    def train(self, tensors: Mapping[str, Tensor], loss: LossOf, generator: SeedGenerator, warm: Number) -> Objective:
        """The reconstruction, and the distance to the codes, which only the encoder minimises."""
        from keras import ops

        chosen, given = tensors["latent"], tensors["before"]
        distance = ops.sum(ops.square(given - ops.stop_gradient(chosen)), axis=1)
        return Objective(loss(chosen), self.commitment * distance)
