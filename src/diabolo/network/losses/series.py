"""The loss of series with missing values."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from diabolo.errors import OptionError
from diabolo.network.losses.base import Learnt, Local, Loss
from diabolo.network.losses.elementwise import Gaussian
from diabolo.network.tensors import Array, Backend, Tensor
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.values import Values


@dataclass(frozen=True, kw_only=True)
class Masked(Loss):
    """Half the squared error of the values that are present, as `Gaussian`.

    At each time the channels are followed by as many flags, which are 1 where a value is missing.
    """

    channels: int

    kind: ClassVar[str] = "masked"
    link: ClassVar[str] = "linear"

    def check(self) -> None:
        """Refuse series without channels."""
        self.require(self.channels >= 1, "at least 1 channel")

    @property
    def flagged_channels(self) -> int:
        """All channels have flags."""
        return self.channels

    def fits(self, input_shape: Shape) -> None:
        """There must be as many flags as channels."""
        if len(input_shape) != 2 or input_shape[1] != 2 * self.channels:
            raise OptionError(f"a masked loss of {self.channels} channels does not fit rows of {input_shape}.")

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """(t - raw)**2 / 2 where the flag is 0; 0 elsewhere, and for flags."""
        values, flags = target[..., : self.channels], target[..., self.channels :]
        away = xp.square(values - raw[..., : self.channels]) / 2 * (1 - flags)
        return xp.concatenate([away, 0 * flags], axis=-1)

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """As `Gaussian`; 0 for missing values and for flags."""
        flags = target.reshape(-1, 2, self.channels).take([1], 1)
        present = 1.0 - flags.reshape(-1, input_shape[0], self.channels)
        weights = present.followed_by(present * 0.0, axis=2).reshape(-1, math.prod(input_shape))
        return Gaussian().local(target, raw, input_shape).times(weights)

    def values(self, input_shape: Shape) -> int:
        """Every value has a flag."""
        return math.prod(input_shape) // 2

    def numbers(self, target: Array) -> Array:
        """The channels at each time, (n, time * channels)."""
        return target[..., : self.channels].reshape(len(target), -1)

    def residuals(self, target: Array, raw: Array) -> Array:
        """Target minus reconstruction, (n, time * channels); 0 where a value is missing."""
        values, flags = target[..., : self.channels], target[..., self.channels :]
        return np.asarray(((values - raw[..., : self.channels]) * (1 - flags)).reshape(len(target), -1))

    def error(self, target: Array, raw: Array) -> Array:
        """Twice the loss, divided by the number of values that are present."""
        present = (1 - target[..., self.channels :]).reshape(len(target), -1).sum(axis=1)
        return np.asarray(2 * self.per_row(target, raw, np) / np.maximum(present, 1))

    def left_out(self, target: Array) -> Array:
        """log(2 pi) / 2 for each value that is present."""
        return np.asarray((1 - target[..., self.channels :]).sum(axis=(1, 2)) * math.log(2 * math.pi) / 2)
