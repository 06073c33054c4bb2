"""The base of all bottlenecks."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self, cast

from diabolo.network.layers import Layer
from diabolo.network.tensors import Number, SeedGenerator, Tensor
from diabolo.parts import Part

LossOf = Callable[[Tensor], Tensor]


class Objective(NamedTuple):
    """One value a row, (batch,), in nats if the loss is; training minimises their sum."""

    reconstruction: Tensor
    penalty: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Bottleneck(Part):
    """The part that makes `latent_dim` numbers from the output of the hidden layers of the encoder.

    Class attributes:
        may_be_overcomplete: whether a latent may be as wide as a row without being allowed explicitly.
        has_activation: whether it has a setting `activation`, of the latent.
        is_sparse: whether most latents of a row are near 0, as intended.
        is_stochastic: whether a latent is drawn in training from a normal distribution, whose log-variance is the head
            "log_var".
        default_optimizer: which optimizer suits if none is asked for.
    """

    latent_dim: int

    may_be_overcomplete: ClassVar[bool] = False
    has_activation: ClassVar[bool] = False
    is_sparse: ClassVar[bool] = False
    is_stochastic: ClassVar[bool] = False
    # Long trainings need weight decay: 784-1000-500-250-30 on MNIST ends 4 % lower, digits 2 %.
    default_optimizer: ClassVar[str] = "adamw:0.1"

    def check(self) -> None:
        """Refuse a bottleneck without latents."""
        self.require(self.latent_dim >= 1, "latent_dim of at least 1")

    @property
    def copies(self) -> int:
        """How many latents of each row are decoded in training."""
        return 1

    @property
    def by_row(self) -> bool:
        """Whether the loss of a row depends on that row alone, so that processes can share a batch."""
        return True

    @property
    def refining_steps(self) -> int:
        """How many Gauss-Newton steps refine a latent when rows are encoded."""
        return 0

    @property
    def neighbours(self) -> int:
        """How many latents of each row are decoded in addition to its own when it is encoded."""
        return 0

    @property
    def settles_after(self) -> int:
        """Epochs in which training minimises something else than validation measures; none of them is the best."""
        return 0

    @property
    def can_be_cut(self) -> bool:
        """Whether the first latents of a row can be used alone, with 0 for the others."""
        return False

    @property
    def codes_per_row(self) -> int:
        """How many codes represent a row; 0 if latents are not taken from a code book."""
        return 0

    def with_activation(self, activation: str) -> Self:
        """Return the bottleneck with this activation of the latent; only if it has one."""
        return dataclasses.replace(self, **cast(dict[str, Any], {"activation": activation}))

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers from the last hidden features to the latent; the last is named `bottleneck`.

        They are what `encode` computes: nothing in them is random.
        """
        raise TypeError(f"{type(self).__name__} must define layers(): the layers that make its latent")

    def heads(self) -> dict[str, Layer]:
        """Return further layers on the same hidden features by name; training uses their output."""
        return {}

    def train(self, tensors: Mapping[str, Tensor], loss: LossOf, generator: SeedGenerator, warm: Number) -> Objective:
        """Return the objective of a batch.

        Args:
            tensors: "latent" (batch, latent_dim), "before" (the input of the layer that makes it), and the heads.
            loss: latents (m * batch, latent_dim), the batch m times -> the reconstruction loss of each, (m * batch,).
            generator: a `keras.random.SeedGenerator`.
            warm: epochs so far, a float that grows within an epoch too; inf where nothing is trained.
        """
        return Objective(loss(tensors["latent"]))
