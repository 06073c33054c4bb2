"""The loss of symbols: cross-entropy of one choice among several levels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from diabolo.errors import OptionError
from diabolo.network import links
from diabolo.network.losses.base import Learnt, Local, Loss
from diabolo.network.tensors import Array, Backend, Tensor
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.values import Values

NEAR_ZERO = 1e-30


@dataclass(frozen=True, kw_only=True)
class Categorical(Loss):
    """Cross-entropy along the last axis: rows (..., levels) of shares that sum to 1, such as one-hot symbols."""

    kind: ClassVar[str] = "categorical"
    link: ClassVar[str] = "softmax"
    scaling: ClassVar[str] = "widest"

    def fits(self, input_shape: Shape) -> None:
        """The last axis must have at least two levels."""
        if input_shape[-1] < 2:
            raise OptionError(
                f"reconstruction_loss 'categorical' needs levels along the last axis, got {input_shape}: of rows "
                f"(places, levels) pass X[:, :, None, :]."
            )

    def check_rows(self, rows: Array, largest: float) -> None:
        """Shares must sum to 1."""
        sums = rows.sum(axis=-1, dtype=np.float64) / largest
        if not np.allclose(sums, 1, atol=1e-3):
            raise OptionError(
                f"reconstruction_loss 'categorical' needs shares that sum to {largest:g} along the last axis, got "
                f"sums from {sums.min() * largest:.4g} to {sums.max() * largest:.4g}."
            )

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """-t log softmax(raw)."""
        return target * links.minus_log_softmax(raw, xp)

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Each choice separately, see `local_choice`."""
        levels = input_shape[-1]
        local = local_choice(target.reshape(-1, levels), raw.reshape(-1, levels))
        return Local(*(each.shaped_as(target) for each in local))


def local_choice(target: "Values", raw: "Values") -> Local:
    """Return the loss near raw numbers for one choice, (n, levels); a target of zeros costs nothing.

    The gradient is softmax(raw) - t. The curvature is the diagonal p (1 - p) of the second derivative.
    """
    known = target.sum(1)
    share = raw.softmax()
    cost = target * (0.0 - share.clip(NEAR_ZERO, None).log())
    return Local(cost, share * known - target, share * (1.0 - share) * known)
