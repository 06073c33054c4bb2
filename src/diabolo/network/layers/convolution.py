"""Layers over one or two axes of space, (time, channels) or (height, width, channels), with padding "same".

Along an axis of n places a stride of s leaves ceil(n / s). The mirrored layers have n as a setting, so that sizes which
s does not divide are restored too. Order: convolutions, pooling, functions for Keras, functions for ONNX.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError, ShapeError
from diabolo.network.layers.activations import ACTIVATIONS, check_activation, keras_activation
from diabolo.network.layers.base import Layer, Step, padded
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


def space(layer: Layer, input_shape: Shape) -> Shape:
    """Return the sizes of the axes of space: one or two; ShapeError for anything else."""
    if len(input_shape) not in (2, 3):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) needs rows (time, channels) or (height, width, channels), got "
            f"{input_shape}: put a Reshape() before it."
        )
    return input_shape[:-1]


def fewer(sizes: Shape, stride: int) -> Shape:
    """Return the size of each axis after a stride."""
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
    keras_classes: ClassVar[tuple[str, ...]] = ("Conv1D", "Conv2D")
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides larger than the kernel, which would skip numbers."""
        self.require(
            self.filters >= 1 and 1 <= self.stride <= self.size < 1 << 10,
            "filters of at least 1 and 1 <= stride <= size < 1024",
        )
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / stride), ceil(w / stride), filters), and the same over one axis."""
        return (*fewer(space(self, input_shape), self.stride), self.filters)

    def blocked(self, input_shape: Shape) -> int:
        """The output; the input may have fewer channels than a block."""
        return padded(self.output_shape(input_shape)[:-1], self.filters)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (size, [size,] channels, filters), bias (filters,)."""
        axes = len(space(self, input_shape))
        weights: dict[str, Shape] = {"kernel": (*[self.size] * axes, input_shape[-1], self.filters)}
        return weights | ({"bias": (self.filters,)} if self.use_bias else {})

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return to the places and channels of the input."""
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

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras Conv1D or Conv2D."""
        _check_padding(layer)
        if _one_size(layer, "dilation_rate") != 1 or layer.groups != 1:
            raise OptionError(f"layer {layer.name!r} has a dilation or groups, which Diabolo does not have.")
        return cls(
            filters=layer.filters,
            size=_one_size(layer, "kernel_size"),
            stride=_one_size(layer, "strides"),
            activation=keras_activation(layer),
            use_bias=layer.use_bias,
            name=layer.name,
        )

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Conv1D or Conv2D."""
        import keras

        from diabolo.network.backends.keras import layers as keras_layers

        return (keras.layers.Conv1D if axes == 2 else keras.layers.Conv2D)(
            self.filters,
            self.size,
            strides=self.stride,
            padding="same",
            activation=keras_layers.activation_of(self.activation),
            use_bias=self.use_bias,
            kernel_initializer=keras_layers.initializer_for(self.activation, seed),
            name=self.name,
        )

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Conv and the activation."""
        kernel = weights.put("kernel", kernel_first(weights.arrays["kernel"]))
        bias = weights["bias"] if self.use_bias else None
        convolve(graph, step.input_shape[:-1], kernel, bias, self.size, self.stride)
        ACTIVATIONS[self.activation](graph)


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Layer):
    """A transposed convolution: each place becomes `stride` places, and the output is cut to `shape`."""

    filters: int
    shape: Shape  # sizes of the axes of space of the output
    size: int = 3
    stride: int = 2
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "transposed_convolution"
    keras_classes: ClassVar[tuple[str, ...]] = ("Conv1DTranspose", "Conv2DTranspose")
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides larger than the kernel, which would leave gaps."""
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
        """The products of every place with the whole kernel, before they are summed."""
        return math.prod(input_shape[:-1]) * int(self.size ** len(self.shape)) * self.filters

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (size, [size,] filters, channels), bias (filters,)."""
        axes = len(space(self, input_shape))
        weights: dict[str, Shape] = {"kernel": (*[self.size] * axes, self.filters, input_shape[-1])}
        return weights | ({"bias": (self.filters,)} if self.use_bias else {})

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return the convolution that this one transposes."""
        return (
            Convolution(
                filters=input_shape[-1],
                size=self.size,
                stride=self.stride,
                activation=self.activation,
                use_bias=self.use_bias,
            ),
        )

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras Conv1DTranspose or Conv2DTranspose, and the shape it gives in its model."""
        _check_padding(layer)
        return cls(
            filters=layer.filters,
            size=_one_size(layer, "kernel_size"),
            stride=_one_size(layer, "strides"),
            shape=tuple(layer.output.shape[1:-1]),
            activation=keras_activation(layer),
            use_bias=layer.use_bias,
            name=layer.name,
        )

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer: Keras' own cannot cut to a shape."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.TransposedConvolution(
            self.filters,
            self.shape,
            self.size,
            self.stride,
            self.activation,
            self.use_bias,
            keras_layers.initializer_for(self.activation, seed),
            self.name,
        )

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add ConvTranspose, Slice and the activation."""
        axes, over = len(self.shape), self.size - self.stride
        channels_first(graph, axes)
        inputs = [weights.put("kernel", kernel_first(weights.arrays["kernel"]))]
        inputs += [weights["bias"]] if self.use_bias else []
        pads = [over // 2] * axes + [over - over // 2] * axes
        graph.add("ConvTranspose", *inputs, strides=[self.stride] * axes, pads=pads)
        channels_last(graph, axes)
        cut(graph, self.shape)
        ACTIVATIONS[self.activation](graph)


@dataclass(frozen=True, kw_only=True)
class Pooling(Layer):
    """The maximum or the mean of each `size` neighbours along every axis of space."""

    size: int = 2
    function: str = "max"

    kind: ClassVar[str] = "pooling"
    keras_classes: ClassVar[tuple[str, ...]] = (
        "MaxPooling1D",
        "MaxPooling2D",
        "AveragePooling1D",
        "AveragePooling2D",
    )
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse sizes below 2 and other functions than these two."""
        self.require(2 <= self.size < 1 << 10, "2 <= size < 1024")
        self.require(self.function in ("max", "average"), "function 'max' or 'average'")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / size), ceil(w / size), c)."""
        return (*fewer(space(self, input_shape), self.size), input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return to the places of the input by repetition."""
        return (Upsampling(size=self.size, shape=space(self, input_shape)),)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras MaxPooling1D, MaxPooling2D, AveragePooling1D or AveragePooling2D."""
        sizes = zip(layer.input.shape[1:-1], layer.pool_size, strict=True)
        if any(length is None or length % size for length, size in sizes):
            _check_padding(layer)  # if the sizes are divisible, 'valid' is the same
        if tuple(layer.strides) != tuple(layer.pool_size):
            raise OptionError(f"layer {layer.name!r} must have strides like its pool_size.")
        function = "max" if type(layer).__name__.startswith("Max") else "average"
        return cls(size=_one_size(layer, "pool_size"), function=function, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras MaxPooling1D, MaxPooling2D, AveragePooling1D or AveragePooling2D."""
        import keras

        pool = {
            (2, "max"): keras.layers.MaxPooling1D,
            (3, "max"): keras.layers.MaxPooling2D,
            (2, "average"): keras.layers.AveragePooling1D,
            (3, "average"): keras.layers.AveragePooling2D,
        }
        return pool[axes, self.function](self.size, padding="same", name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add MaxPool or AveragePool."""
        sizes = step.input_shape[:-1]
        window = {"kernel_shape": [self.size] * len(sizes), "strides": [self.size] * len(sizes)}
        channels_first(graph, len(sizes))
        operator = "MaxPool" if self.function == "max" else "AveragePool"
        graph.add(operator, pads=_padding(sizes, self.size, self.size), **window)
        channels_last(graph, len(sizes))


@dataclass(frozen=True, kw_only=True)
class Upsampling(Layer):
    """Each place repeated `size` times along every axis of space, cut to `shape`."""

    shape: Shape
    size: int = 2

    kind: ClassVar[str] = "upsampling"
    keras_classes: ClassVar[tuple[str, ...]] = ("UpSampling1D", "UpSampling2D")
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse sizes below 2 and empty shapes."""
        sizes = all(1 <= n < 1 << 31 for n in self.shape)
        self.require(2 <= self.size < 1 << 10 and sizes, "2 <= size < 1024 and a size of at least 1 for every axis")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, c), if `size` neighbours of `shape` make (h, w)."""
        _check_target(self, input_shape, self.shape, self.size)
        return (*self.shape, input_shape[-1])

    def numbers(self, input_shape: Shape) -> int:
        """The output before it is cut."""
        return math.prod(input_shape) * int(self.size ** len(self.shape))

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return the mean of the repeated places."""
        return (Pooling(size=self.size, function="average"),)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the size of a Keras UpSampling1D or UpSampling2D, and the shape it gives in its model."""
        return cls(size=_one_size(layer, "size"), shape=tuple(layer.output.shape[1:-1]), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer: Keras' own cannot cut to a shape."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Upsampling(self.size, self.shape, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Resize and Slice."""
        scales = weights.put("scales", np.array([1.0, *[self.size] * len(self.shape), 1.0]))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        graph.add("Resize", "", scales, **how)
        cut(graph, self.shape)


def _check_target(layer: Layer, input_shape: Shape, shape: Shape, stride: int) -> None:
    if space(layer, input_shape) != fewer(shape, stride):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}): from {input_shape[:-1]} by {stride} there is no way to {shape}."
        )


def _check_padding(layer: KerasLayer) -> None:
    """Raise OptionError if the padding of a Keras layer is not 'same'."""
    if layer.padding != "same":
        kind = type(layer).__name__
        raise OptionError(
            f"layer {layer.name!r} has padding {layer.padding!r}, expected 'same': write {kind}(..., padding='same')."
        )


def _one_size(layer: KerasLayer, setting: str) -> int:
    """Return a setting of a Keras layer that is the same along all axes; OptionError where it is not."""
    value = getattr(layer, setting)
    sizes = set(value) if isinstance(value, (tuple, list)) else {value}
    if len(sizes) > 1:
        raise OptionError(f"layer {layer.name!r} has {setting} {value}, expected one size for both axes.")
    return int(sizes.pop())


def channels_first(graph: "Graph", axes: int) -> None:
    """Move the channels before `axes` axes of space, as ONNX's operators want them."""
    graph.add("Transpose", perm=[0, axes + 1, *range(1, axes + 1)])


def channels_last(graph: "Graph", axes: int) -> None:
    """Move the channels after `axes` axes of space again."""
    graph.add("Transpose", perm=[0, *range(2, axes + 2), 1])


def kernel_first(kernel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(size, [size,] a, b) -> (b, a, size, [size])."""
    axes = kernel.ndim - 2
    return kernel.transpose(axes + 1, axes, *range(axes))


def convolve(graph: "Graph", sizes: Shape, kernel: str, bias: str | None, window: int, stride: int) -> None:
    """Add a convolution over axes of space of these sizes, padded as TensorFlow's "same"."""
    axes = len(sizes)
    channels_first(graph, axes)
    inputs = (kernel,) if bias is None else (kernel, bias)
    graph.add("Conv", *inputs, strides=[stride] * axes, pads=_padding(sizes, window, stride))
    channels_last(graph, axes)


def cut(graph: "Graph", shape: Shape) -> None:
    """Keep only the first places of the axes of space."""
    starts, ends = graph.integers(*[0] * len(shape)), graph.integers(*shape)
    graph.add("Slice", starts, ends, graph.integers(*range(1, len(shape) + 1)))


def _padding(sizes: Shape, window: int, stride: int) -> list[int]:
    """Return what TensorFlow's padding "same" puts before and after each axis, in ONNX's order."""
    totals = [max((-(-size // stride) - 1) * stride + window - size, 0) for size in sizes]
    return [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]
