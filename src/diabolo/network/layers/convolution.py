"""Layers over one or two axes of space, (time, channels) or (height, width, channels), padded so that none is lost.

Along an axis of n places a stride of s leaves ceil(n / s); the way back is told how many places there were, so that odd
sizes come back as they were. Order: convolutions, pooling.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer, check_activation, padded
from diabolo.network.parts import Shape


def space(layer: Layer, input_shape: Shape) -> Shape:
    """Return the sizes of the axes of space: one or two; ShapeError for anything else."""
    if len(input_shape) not in (2, 3):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) needs rows (time, channels) or (height, width, channels), got "
            f"{input_shape}: put a Reshape() before it."
        )
    return input_shape[:-1]


def fewer(sizes: Shape, stride: int) -> Shape:
    """Return what a stride leaves of each axis."""
    return tuple(math.ceil(size / stride) for size in sizes)


@dataclass(frozen=True, kw_only=True)
class Convolution(Layer):
    """activation(x * kernel + bias), the kernel as wide along every axis of space."""

    filters: int
    size: int = 3  # of the kernel
    stride: int = 1
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "convolution"
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides that would skip numbers."""
        self.require(
            self.filters >= 1 and 1 <= self.stride <= self.size < 1 << 10,
            "filters of at least 1 and 1 <= stride <= size < 1024",
        )
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / stride), ceil(w / stride), filters), and the same over one axis."""
        return (*fewer(space(self, input_shape), self.stride), self.filters)

    def blocked(self, input_shape: Shape) -> int:
        """The output; what comes in may be of fewer channels than a block."""
        return padded(self.output_shape(input_shape)[:-1], self.filters)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (size, [size,] channels, filters), bias (filters,)."""
        axes = len(space(self, input_shape))
        weights: dict[str, Shape] = {"kernel": (*[self.size] * axes, input_shape[-1], self.filters)}
        return weights | ({"bias": (self.filters,)} if self.use_bias else {})

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Go back to the places and the channels that came in."""
        if self.stride == 1:
            return (dataclasses.replace(self, name="", filters=input_shape[-1]),)
        return (
            TransposedConvolution(
                filters=input_shape[-1],
                size=self.size,
                stride=self.stride,
                shape=space(self, input_shape),
                activation=self.activation,
                use_bias=self.use_bias,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Layer):
    """A convolution turned round: each place spreads over `stride` of them, and what is beyond `shape` is cut off."""

    filters: int
    shape: Shape  # of space, as it shall come out
    size: int = 3
    stride: int = 2
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "transposed_convolution"
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides that would leave holes."""
        self.require(
            self.filters >= 1 and 1 <= self.stride <= self.size < 1 << 10 and all(1 <= n < 1 << 31 for n in self.shape),
            "filters of at least 1, 1 <= stride <= size < 1024 and a size of at least 1 for every axis",
        )
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, filters), if a stride of `shape` leaves (h, w)."""
        _check_target(self, input_shape, self.shape, self.stride)
        return (*self.shape, self.filters)

    def numbers(self, input_shape: Shape) -> int:
        """The output before it is cut."""
        return math.prod(input_shape[:-1]) * int(self.stride ** len(self.shape)) * self.filters

    def workspace(self, input_shape: Shape) -> int:
        """The products of every place with the whole kernel, before they are added up."""
        return math.prod(input_shape[:-1]) * int(self.size ** len(self.shape)) * self.filters

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (size, [size,] filters, channels), bias (filters,)."""
        axes = len(space(self, input_shape))
        weights: dict[str, Shape] = {"kernel": (*[self.size] * axes, self.filters, input_shape[-1])}
        return weights | ({"bias": (self.filters,)} if self.use_bias else {})

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """The convolution that this one turned round."""
        return (
            Convolution(
                filters=input_shape[-1],
                size=self.size,
                stride=self.stride,
                activation=self.activation,
                use_bias=self.use_bias,
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Pooling(Layer):
    """The largest number or the mean of each `size` neighbours along every axis of space."""

    size: int = 2
    function: str = "max"

    kind: ClassVar[str] = "pooling"
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse what is neither the largest nor the mean."""
        self.require(2 <= self.size < 1 << 10, "2 <= size < 1024")
        self.require(self.function in ("max", "average"), "function 'max' or 'average'")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / size), ceil(w / size), c)."""
        return (*fewer(space(self, input_shape), self.size), input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Repeat what is left."""
        return (Upsampling(size=self.size, shape=space(self, input_shape)),)


@dataclass(frozen=True, kw_only=True)
class Upsampling(Layer):
    """Each place repeated `size` times along every axis of space, cut to `shape`."""

    shape: Shape
    size: int = 2

    kind: ClassVar[str] = "upsampling"
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse what repeats nothing."""
        sizes = all(1 <= n < 1 << 31 for n in self.shape)
        self.require(2 <= self.size < 1 << 10 and sizes, "2 <= size < 1024 and a size of at least 1 for every axis")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, c), if `size` neighbours of `shape` make (h, w)."""
        _check_target(self, input_shape, self.shape, self.size)
        return (*self.shape, input_shape[-1])

    def numbers(self, input_shape: Shape) -> int:
        """What is there before it is cut."""
        return math.prod(input_shape) * int(self.size ** len(self.shape))

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Take the mean of what was repeated."""
        return (Pooling(size=self.size, function="average"),)


def _check_target(layer: Layer, input_shape: Shape, shape: Shape, stride: int) -> None:
    if space(layer, input_shape) != fewer(shape, stride):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}): from {input_shape[:-1]} by {stride} there is no way to {shape}."
        )
