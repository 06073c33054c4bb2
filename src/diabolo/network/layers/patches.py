"""Images as series of square patches, for attention, and back."""

import math
from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer
from diabolo.network.layers.convolution import fewer, space
from diabolo.network.parts import Shape


@dataclass(frozen=True, kw_only=True)
class Patches(Layer):
    """An image cut into squares, line by line, each a row of numbers; zeros where the last ones reach over the edge."""

    size: int = 4

    kind: ClassVar[str] = "patches"
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse patches of nothing."""
        self.require(1 <= self.size < 1 << 10, "1 <= size < 1024")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / size) * ceil(w / size), size * size * c)."""
        if len(space(self, input_shape)) != 2:
            raise ShapeError(
                f"layer 'patches' ({self.name}) needs images (height, width, channels), got {input_shape}."
            )
        return (math.prod(fewer(input_shape[:-1], self.size)), self.size**2 * input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Put the image together."""
        return (FromPatches(size=self.size, shape=input_shape[:-1]),)


@dataclass(frozen=True, kw_only=True)
class FromPatches(Layer):
    """Squares put together into an image of `shape`, (height, width); what reaches over the edge is cut off."""

    shape: Shape
    size: int = 4

    kind: ClassVar[str] = "from_patches"
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse patches of nothing and images of no size."""
        sizes = len(self.shape) == 2 and all(1 <= n < 1 << 31 for n in self.shape)
        self.require(1 <= self.size < 1 << 10 and sizes, "1 <= size < 1024 and a height and width of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(patches, size * size * c) -> (*shape, c)."""
        count = math.prod(fewer(self.shape, self.size))
        if len(input_shape) != 2 or input_shape[0] != count or input_shape[1] % self.size**2:
            raise ShapeError(
                f"layer 'from_patches' ({self.name}): {input_shape} are not the {count} patches of {self.size} x "
                f"{self.size} that make an image of {self.shape}."
            )
        return (*self.shape, input_shape[1] // self.size**2)

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Cut the image again."""
        return (Patches(size=self.size),)
