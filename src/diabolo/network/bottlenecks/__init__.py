"""The parts that make the latent, one file each. `BOTTLENECKS` is the table, `read_bottleneck` reads texts by it.

To add a bottleneck, write its class in a file of this folder and add it to the table.
"""

from diabolo.errors import OptionError
from diabolo.network.bottlenecks.base import Bottleneck, Objective
from diabolo.network.bottlenecks.gaussian import Gaussian
from diabolo.network.bottlenecks.ordered import Ordered
from diabolo.network.bottlenecks.plain import Plain
from diabolo.network.bottlenecks.quantized import Quantized
from diabolo.network.bottlenecks.refined import Refined
from diabolo.network.bottlenecks.sparse import Sparse
from diabolo.parts import from_text

__all__ = [
    "BOTTLENECKS",
    "Bottleneck",
    "Gaussian",
    "Objective",
    "Ordered",
    "Plain",
    "Quantized",
    "Refined",
    "Sparse",
    "read_bottleneck",
]

BOTTLENECKS: dict[str, type[Bottleneck]] = {
    each.kind: each for each in (Plain, Sparse, Gaussian, Quantized, Ordered, Refined)
}


def read_bottleneck(written: str, latent_dim: int, activation: str | None) -> Bottleneck:
    """Return the bottleneck for a text such as "gaussian:beta=4". Raises OptionError.

    Args: activation: of the latent, if the bottleneck has a choice; None: its default.
    """
    if not isinstance(written, str):
        raise OptionError(f"bottleneck must be a name such as 'gaussian' or a Bottleneck, got {written!r:.60}.")
    part = from_text("bottleneck", BOTTLENECKS, written, latent_dim=latent_dim)
    if activation is None:
        return part
    if not part.has_activation:
        raise OptionError(f"bottleneck_activation {activation!r}: a {part.kind} bottleneck has none, leave it out.")
    return part.with_activation(activation)
