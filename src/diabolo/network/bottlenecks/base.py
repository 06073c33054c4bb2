"""What all bottlenecks share."""

from dataclasses import dataclass

from diabolo.network.layers import Layer
from diabolo.network.parts import Part


@dataclass(frozen=True, kw_only=True)
class Bottleneck(Part):
    """The part that makes `latent_dim` numbers of what the hidden layers of the encoder give."""

    latent_dim: int

    def check(self) -> None:
        """Refuse a waist of nothing."""
        self.require(self.latent_dim >= 1, "latent_dim of at least 1")

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers from the last hidden features to the latent; the last is named `bottleneck`."""
        raise TypeError(f"{type(self).__name__} must say which layers make its latent")
