"""The quantized bottleneck: latents are vectors of a code book, so that a row is a few whole numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from diabolo.network.bottlenecks.base import Bottleneck, LossOf, Objective
from diabolo.network.layers import Dense, Layer, Quantize


@dataclass(frozen=True, kw_only=True)
class Quantized(Bottleneck):
    """`groups` vectors a row, each the nearest of `codes`; the codes follow the averages of what they stand for.

    `encode` gives the vectors, latent_dim numbers a row. Sources: van den Oord et al. 2017, arXiv:1711.00937; averages:
    its appendix; codes that stand for nothing are put where rows are: Dhariwal et al. 2020, arXiv:2005.00341.
    """

    codes: int = 256
    groups: int = 0  # vectors a row, each of latent_dim / groups numbers; 0: as many as divide it, at most 8
    commitment: float = 0.25  # weight of the distance of what the encoder gives to the vector chosen

    kind: ClassVar[str] = "quantized"

    def check(self) -> None:
        """Refuse groups that do not share the latent, and a book of one."""
        super().check()
        if not self.groups:
            most = max(count for count in range(1, 9) if self.latent_dim % count == 0)
            object.__setattr__(self, "groups", most)
        self.require(2 <= self.codes < 1 << 20 and self.commitment >= 0, "codes of at least 2 and commitment >= 0")
        self.require(self.groups >= 1 and self.latent_dim % self.groups == 0, "groups that divide latent_dim")

    @property
    def codes_per_row(self) -> int:
        """One a group."""
        return self.groups

    def layers(self) -> tuple[Layer, ...]:
        """A dense layer, and the nearest code of each of its groups."""
        return (
            Dense(units=self.latent_dim, name="bottleneck_features"),
            Quantize(codes=self.codes, groups=self.groups, name="bottleneck"),
        )

    def train(self, tensors: Mapping[str, Any], loss: LossOf, chance: Any, warm: Any) -> Objective:
        """The reconstruction, and the distance to the codes, which the encoder alone is moved by."""
        from keras import ops

        chosen, given = tensors["latent"], tensors["before"]
        distance = ops.sum(ops.square(given - ops.stop_gradient(chosen)), axis=1)
        return Objective(loss(chosen), self.commitment * distance)
