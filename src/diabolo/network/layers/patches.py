"""Images as series of square patches, for attention, and back."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.space import cut, fewer, space
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class Patches(Layer):
    """An image cut into squares, line by line, each a row of numbers; padded with zeros at the edges."""

    size: int = 4

    kind: ClassVar[str] = "patches"
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse patches of size 0."""
        self.require(1 <= self.size < 1 << 10, "1 <= size < 1024")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / size) * ceil(w / size), size * size * c)."""
        if len(space(self, input_shape)) != 2:
            raise ShapeError(
                f"layer 'patches' ({self.name}) needs images (height, width, channels), got {input_shape}."
            )
        return (math.prod(fewer(input_shape[:-1], self.size)), self.size**2 * input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Join the patches to the image."""
        return (FromPatches(size=self.size, shape=input_shape[:-1]),)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Patches(self.size, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Pad, and Transpose between two Reshape."""
        size, (height, width, channels) = self.size, step.input_shape
        down, across = fewer((height, width), size)
        graph.add("Pad", graph.integers(0, 0, 0, 0, 0, down * size - height, across * size - width, 0))
        graph.add("Reshape", graph.integers(-1, down, size, across, size, channels))
        graph.add("Transpose", perm=[0, 1, 3, 2, 4, 5])
        graph.add("Reshape", graph.integers(-1, *step.output_shape))


@dataclass(frozen=True, kw_only=True)
class FromPatches(Layer):
    """Squares joined to an image of `shape`, (height, width); the padding is cut off."""

    shape: Shape
    size: int = 4

    kind: ClassVar[str] = "from_patches"
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse patches and images of size 0."""
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

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.FromPatches(self.size, self.shape, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Transpose between two Reshape, and Slice."""
        size, (height, width, channels) = self.size, step.output_shape
        down, across = fewer((height, width), size)
        graph.add("Reshape", graph.integers(-1, down, across, size, size, channels))
        graph.add("Transpose", perm=[0, 1, 3, 2, 4, 5])
        graph.add("Reshape", graph.integers(-1, down * size, across * size, channels))
        cut(graph, (height, width))
