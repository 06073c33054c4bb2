"""The ordered bottleneck: the first latents carry most information, so that a latent can be cut to any size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from diabolo.network.bottlenecks.base import Bottleneck, LossOf, Objective
from diabolo.network.layers import Dense, Layer
from diabolo.network.random_numbers import uniform
from diabolo.network.tensors import Number, SeedGenerator, Tensor
from diabolo.parts import Shape


@dataclass(frozen=True, kw_only=True)
class Ordered(Bottleneck):
    """Nested dropout: for each row of a batch only the first k latents are kept, k drawn anew.

    This share of the rows, `share_whole`, keeps them all. The others draw log k uniformly, so that small sizes, where
    one latent more or less matters most, are drawn as often as large ones. Source: Rippel, Gelbart & Adams 2014,
    arXiv:1402.0915, where k is geometric.

    With `sizes` nothing is drawn: every row is decoded at each of these sizes and whole, and at no other. Source:
    Kusupati et al. 2022, Matryoshka Representation Learning, arXiv:2205.13147.
    """

    share_whole: float = 0.25
    sizes: Shape = ()

    kind: ClassVar[str] = "ordered"

    def check(self) -> None:
        """Refuse shares outside [0, 1], and sizes to which a latent cannot be cut."""
        super().check()
        rising = all(one < other for one, other in zip((0, *self.sizes), (*self.sizes, self.latent_dim), strict=True))
        self.require(not self.sizes or rising, "rising sizes from 1 to below latent_dim")
        self.require(0 <= self.share_whole <= 1, "share_whole in [0, 1]")

    @property
    def copies(self) -> int:
        """One for each size, and one for the whole latent."""
        return len(self.sizes) + 1

    @property
    def can_be_cut(self) -> bool:
        """The first latents carry most information."""
        return True

    def layers(self) -> tuple[Layer, ...]:
        """One dense layer."""
        return (Dense(units=self.latent_dim, name="bottleneck"),)

    def train(self, tensors: Mapping[str, Tensor], loss: LossOf, generator: SeedGenerator, warm: Number) -> Objective:
        """The reconstruction from the first latents; of several sizes the mean, weighted by size**0.75."""
        from keras import ops

        latent = tensors["latent"]
        if self.sizes:
            cuts = np.array([*self.sizes, self.latent_dim], np.float32)
            kept = latent[None] * (np.arange(self.latent_dim) < cuts[:, None, None]).astype(np.float32)
            each = ops.reshape(loss(ops.reshape(kept, (-1, self.latent_dim))), (len(cuts), -1))  # (sizes, batch)
            # Weights of size**0.5 make the whole latent worse, weights of size the small ones: benchmarks/RESULTS.md.
            weights = cuts**0.75
            return Objective(ops.sum(each * (weights / weights.sum())[:, None], axis=0))
        drawn = uniform((2, ops.shape(latent)[0], 1), generator, axis=1)
        size = ops.floor(ops.exp(drawn[0] * ops.log(self.latent_dim + 1.0)))  # 1 to latent_dim
        size = ops.where(drawn[1] < self.share_whole, float(self.latent_dim), size)
        places = ops.arange(self.latent_dim, dtype="float32")[None]
        return Objective(loss(latent * ops.cast(places < size, "float32")))
