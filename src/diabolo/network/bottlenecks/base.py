"""What all bottlenecks share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from diabolo.network.layers import Layer
from diabolo.network.parts import Part

LossOf = Callable[[Any], Any]


class Objective(NamedTuple):
    """One value a row, (batch,), in nats where the loss is: what training minimises is their sum."""

    reconstruction: Any
    penalty: Any = None


@dataclass(frozen=True, kw_only=True)
class Bottleneck(Part):
    """The part that makes `latent_dim` numbers of what the hidden layers of the encoder give."""

    latent_dim: int

    def check(self) -> None:
        """Refuse a waist of nothing."""
        self.require(self.latent_dim >= 1, "latent_dim of at least 1")

    @property
    def copies(self) -> int:
        """How many latents of each row are decoded in training."""
        return 1

    @property
    def neighbours(self) -> int:
        """How many latents of each row are decoded beside its own when it is encoded."""
        return 0

    @property
    def settles_after(self) -> int:
        """Epochs in which training minimises something else than validation measures; none of them is the best."""
        return 0

    @property
    def can_be_cut(self) -> bool:
        """Whether the first latents of a row are enough, and those that were cut off count as 0."""
        return False

    @property
    def codes_per_row(self) -> int:
        """How many codes represent a row; 0 where latents are not taken from a code book."""
        return 0

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers from the last hidden features to the latent; the last is named `bottleneck`.

        They are what `encode` computes: nothing in them is drawn by chance.
        """
        raise TypeError(f"{type(self).__name__} must say which layers make its latent")

    def heads(self) -> dict[str, Layer]:
        """Return layers beside the latent, by what they are called, on the same hidden features."""
        return {}

    def train(self, tensors: Mapping[str, Any], loss: LossOf, chance: Any, warm: Any) -> Objective:
        """Return what a batch costs.

        Args:
            tensors: "latent" (batch, latent_dim), "before" (what the layer that makes it took), and the heads by name.
            loss: latents (m * batch, latent_dim), the batch m times over -> the reconstruction loss of each,
                (m * batch,).
            chance: a `keras.random.SeedGenerator`.
            warm: epochs so far, a float that grows within an epoch too; inf where nothing is trained.
        """
        return Objective(loss(tensors["latent"]))
