"""The parts that make the latent, one file each. `BOTTLENECKS` is the table."""

from diabolo.network.bottlenecks.base import Bottleneck
from diabolo.network.bottlenecks.plain import Plain

__all__ = ["BOTTLENECKS", "Bottleneck", "Plain"]

BOTTLENECKS: dict[str, type[Bottleneck]] = {Plain.kind: Plain}
