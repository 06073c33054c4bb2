"""Layers that choose: the largest latents, the nearest code."""

import math
from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer, last_axis
from diabolo.network.parts import Shape


@dataclass(frozen=True, kw_only=True)
class TopK(Layer):
    """All but the `active` numbers that are farthest from 0 set to 0, along the last axis."""

    active: int

    kind: ClassVar[str] = "top_k"

    def check(self) -> None:
        """Refuse to choose none."""
        self.require(self.active >= 1, "active of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape that came in, if there are so many to choose from."""
        if last_axis(self, input_shape) < self.active:
            raise ShapeError(f"layer 'top_k' ({self.name}): {self.active} of {input_shape[-1]} cannot be chosen.")
        return input_shape

    def numbers(self, input_shape: Shape) -> int:
        """The row, and of what is chosen the numbers, their places in 64 bits, and both once more to sort them."""
        return math.prod(input_shape) + 5 * math.prod(input_shape[:-1]) * self.active


@dataclass(frozen=True, kw_only=True)
class Quantize(Layer):
    """Each of `groups` parts of a row replaced by the nearest of `codes` vectors."""

    codes: int
    groups: int

    kind: ClassVar[str] = "quantize"

    def check(self) -> None:
        """Refuse an empty book."""
        self.require(self.codes >= 1 and self.groups >= 1, "codes and groups of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(features,) -> the same, if the groups can share them."""
        if len(input_shape) != 1 or input_shape[0] % self.groups:
            raise ShapeError(
                f"layer 'quantize' ({self.name}) needs rows (features,) that {self.groups} groups can share, got "
                f"{input_shape}."
            )
        return input_shape

    def numbers(self, input_shape: Shape) -> int:
        """The distance of each part to every code."""
        return self.groups * self.codes

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """The book."""
        return {"book": (self.codes, self.output_shape(input_shape)[0] // self.groups)}
