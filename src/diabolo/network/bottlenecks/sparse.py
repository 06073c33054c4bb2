"""The sparse bottleneck: most latents of a row are near 0, or exactly 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from diabolo.network.bottlenecks.base import Bottleneck, LossOf, Objective
from diabolo.network.layers import Dense, Layer, TopK, check_activation
from diabolo.network.tensors import Backend, Number, SeedGenerator, Tensor

METHODS = ("l1", "kl", "top_k")
RARELY, ALWAYS = 1e-6, 1 - 1e-6  # a mean activation of 0 or 1 would have an infinite divergence


@dataclass(frozen=True, kw_only=True)
class Sparse(Bottleneck):
    """A latent that may be wider than a row, because few of its numbers are active at a time.

    method "l1": a penalty on absolute values. "kl": a penalty on the distance of the mean of each latent over the
    batch, in (0, 1), from `target` (Ng 2011, CS294A lecture notes). "top_k": all but the `active` latents of largest
    absolute value are set to 0 (Makhzani & Frey 2013, arXiv:1312.5663).
    """

    method: str = "l1"
    weight: float = 0.1  # of the penalty, compared with a loss in nats
    target: float = 0.05  # for "kl"
    active: int = 0  # for "top_k"; 0: a tenth of the latents
    activation: str = ""  # of the latents; "": sigmoid for "kl", which needs numbers in (0, 1), else relu

    kind: ClassVar[str] = "sparse"
    may_be_overcomplete: ClassVar[bool] = True
    has_activation: ClassVar[bool] = True
    is_sparse: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse settings that do not suit the method."""
        super().check()
        if not self.activation:
            object.__setattr__(self, "activation", "sigmoid" if self.method == "kl" else "relu")
        check_activation(self, self.activation)
        self.require(self.method in METHODS, f"method {', '.join(METHODS)}")
        self.require(self.weight >= 0 and 0 < self.target < 1, "weight of at least 0 and target in (0, 1)")
        self.require(0 <= self.active <= self.latent_dim, "active from 0 to latent_dim")
        if self.method == "kl":
            self.require(self.activation == "sigmoid", "activation 'sigmoid' with method 'kl'")

    @property
    def by_row(self) -> bool:
        """All but "kl", which is of the mean of a batch."""
        return self.method != "kl"

    def layers(self) -> tuple[Layer, ...]:
        """One dense layer, and for top-k the layer that keeps the largest."""
        if self.method != "top_k":
            return (Dense(units=self.latent_dim, activation=self.activation, name="bottleneck"),)
        active = self.active or max(1, self.latent_dim // 10)
        return (
            Dense(units=self.latent_dim, activation=self.activation, name="bottleneck_features"),
            TopK(active=active, name="bottleneck"),
        )

    def train(self, tensors: Mapping[str, Tensor], loss: LossOf, generator: SeedGenerator, warm: Number) -> Objective:
        """The reconstruction, and the penalty on active latents."""
        from keras import ops

        latent = tensors["latent"]
        if self.method == "top_k":
            return Objective(loss(latent))
        if self.method == "l1":
            return Objective(loss(latent), self.weight * ops.sum(ops.abs(latent), axis=1))
        mean = ops.clip(ops.mean(latent, axis=0), RARELY, ALWAYS)  # (latent_dim,)
        divergence = bernoulli_kl(self.target, mean, ops)
        return Objective(loss(latent), self.weight * ops.sum(divergence) * ops.ones_like(latent[:, 0]))


def bernoulli_kl(target: float, mean: Tensor, xp: Backend) -> Tensor:
    """Return KL(Bernoulli(target) || Bernoulli(mean)), in nats, of each number in `mean`."""
    return target * xp.log(target / mean) + (1 - target) * xp.log((1 - target) / (1 - mean))
