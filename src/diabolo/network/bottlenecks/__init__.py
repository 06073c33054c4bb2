"""The parts that make the latent, one file each. `BOTTLENECKS` is the table.

To add a bottleneck, write its class in a file of this folder and add it to the table.
"""

from diabolo.network.bottlenecks.base import Bottleneck, Objective
from diabolo.network.bottlenecks.gaussian import Gaussian
from diabolo.network.bottlenecks.ordered import Ordered
from diabolo.network.bottlenecks.plain import Plain
from diabolo.network.bottlenecks.quantized import Quantized
from diabolo.network.bottlenecks.refined import Refined
from diabolo.network.bottlenecks.sparse import Sparse

__all__ = ["BOTTLENECKS", "Bottleneck", "Gaussian", "Objective", "Ordered", "Plain", "Quantized", "Refined", "Sparse"]

BOTTLENECKS: dict[str, type[Bottleneck]] = {
    each.kind: each for each in (Plain, Sparse, Gaussian, Quantized, Ordered, Refined)
}
