"""Layers over one or two axes of space, (time, channels) or (height, width, channels).

Along an axis of n places with padding "same" a stride of s leaves ceil(n / s), and with "valid" a window of k leaves
floor((n - k) / s) + 1. The mirrored layers have n as a setting, so that sizes which s does not divide are restored too.
A size is one for all axes or one for each. Order: sizes, convolutions, pooling, functions for Keras, functions for
ONNX.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError, ShapeError
from diabolo.network.layers.activations import ACTIVATIONS, check_activation, keras_activation
from diabolo.network.layers.base import Layer, Step, padded
from diabolo.network.layers.common import Flatten
from diabolo.network.layers.margins import Padding, space
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape, Sizes

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


PADDINGS = ("same", "valid")


def padding_setting() -> Any:
    """Return the field of a layer that says what surrounds the places: zeros ("same") or nothing ("valid")."""
    return field(default="same", metadata={"since": 2, "before": "same"})


def along(sizes: Sizes, axes: int) -> Shape:
    """Return the size along each of the axes."""
    return (sizes,) * axes if isinstance(sizes, int) else sizes


def largest(sizes: Sizes) -> int:
    """Return the largest of sizes, 0 if there are none."""
    return sizes if isinstance(sizes, int) else max(sizes, default=0)


def fewer(sizes: Shape, stride: Sizes) -> Shape:
    """Return the size of each axis after a stride."""
    return tuple(math.ceil(size / step) for size, step in zip(sizes, along(stride, len(sizes)), strict=True))


def windows(layer: Layer, sizes: Shape, window: Sizes, stride: Sizes, padding: str) -> Shape:
    """Return how many windows lie along each axis of these sizes; ShapeError if none fits."""
    axes = len(sizes)
    around, steps = along(window, axes), along(stride, axes)
    if not axes == len(around) == len(steps):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) has sizes for {max(len(around), len(steps))} axes, and the rows have "
            f"{axes}: write one size for each axis, or one number for all."
        )
    if padding == "same":
        return fewer(sizes, steps)
    if any(size < wide for size, wide in zip(sizes, around, strict=True)):
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}): a window of {around} does not fit into {sizes} with padding "
            f"'valid': choose a smaller one, or padding 'same'."
        )
    return tuple((size - wide) // step + 1 for size, wide, step in zip(sizes, around, steps, strict=True))


def _check_window(layer: Layer, size: Sizes, stride: Sizes, padding: str) -> None:
    """Refuse strides larger than the kernel, which would skip numbers, or leave gaps."""
    axes = max(len(along(size, 1)), len(along(stride, 1)))
    around, steps = along(size, axes), along(stride, axes)
    fits = len(around) == len(steps) and all(1 <= step <= wide for wide, step in zip(around, steps, strict=False))
    layer.require(fits and largest(size) < 1 << 10, "1 <= stride <= size < 1024")
    layer.require(padding in PADDINGS, "padding 'same' or 'valid'")


@dataclass(frozen=True, kw_only=True)
class Convolution(Layer):
    """activation(x * kernel + bias) over the axes of space."""

    filters: int
    size: Sizes = 3  # of the kernel
    stride: Sizes = 1
    activation: str = "linear"
    use_bias: bool = True
    padding: str = padding_setting()

    kind: ClassVar[str] = "convolution"
    keras_classes: ClassVar[tuple[str, ...]] = ("Conv1D", "Conv2D")
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides larger than the kernel, which would skip numbers."""
        self.require(self.filters >= 1, "filters of at least 1")
        _check_window(self, self.size, self.stride, self.padding)
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / stride), ceil(w / stride), filters), and the same over one axis."""
        return (*windows(self, space(self, input_shape), self.size, self.stride, self.padding), self.filters)

    def blocked(self, input_shape: Shape) -> int:
        """The output; the input may have fewer channels than a block."""
        return padded(self.output_shape(input_shape)[:-1], self.filters)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (size, [size,] channels, filters), bias (filters,)."""
        axes = len(space(self, input_shape))
        weights: dict[str, Shape] = {"kernel": (*along(self.size, axes), input_shape[-1], self.filters)}
        return weights | ({"bias": (self.filters,)} if self.use_bias else {})

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return to the places and channels of the input."""
        if largest(self.stride) == 1 and self.padding == "same":
            return (dataclasses.replace(self, name="", filters=input_shape[-1]),)
        return (
            TransposedConvolution(
                filters=input_shape[-1],
                size=self.size,
                stride=self.stride,
                shape=space(self, input_shape),
                activation=self.activation,
                use_bias=self.use_bias,
                padding=self.padding,
            ),
        )

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras Conv1D or Conv2D."""
        if _size(layer, "dilation_rate") != 1 or layer.groups != 1:
            raise OptionError(
                f"layer {layer.name!r} has a dilation or groups, which Diabolo does not have: leave them out."
            )
        return cls(
            filters=layer.filters,
            size=_size(layer, "kernel_size"),
            stride=_size(layer, "strides"),
            activation=keras_activation(layer),
            use_bias=layer.use_bias,
            padding=_padding_of(layer),
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
            padding=self.padding,
            activation=keras_layers.activation_of(self.activation),
            use_bias=self.use_bias,
            kernel_initializer=keras_layers.initializer_for(self.activation, seed),
            name=self.name,
        )

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Conv and the activation."""
        kernel = weights.put("kernel", kernel_first(weights.arrays["kernel"]))
        bias = weights["bias"] if self.use_bias else None
        convolve(graph, step.input_shape[:-1], kernel, bias, self.size, self.stride, self.padding)
        ACTIVATIONS[self.activation](graph)


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Layer):
    """A transposed convolution: each place becomes `stride` places, and the output is cut to `shape`.

    With padding "valid" the margins of the kernel are kept, and places of `shape` that are left get the bias.
    """

    filters: int
    shape: Shape  # sizes of the axes of space of the output
    size: Sizes = 3
    stride: Sizes = 2
    activation: str = "linear"
    use_bias: bool = True
    padding: str = padding_setting()

    kind: ClassVar[str] = "transposed_convolution"
    keras_classes: ClassVar[tuple[str, ...]] = ("Conv1DTranspose", "Conv2DTranspose")
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides larger than the kernel, which would leave gaps."""
        self.require(
            self.filters >= 1 and all(1 <= n < 1 << 31 for n in self.shape),
            "filters of at least 1 and a size of at least 1 for every axis",
        )
        _check_window(self, self.size, self.stride, self.padding)
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, filters), if a stride of `shape` leaves (h, w)."""
        _check_target(self, input_shape, self.shape, self.size, self.stride, self.padding)
        return (*self.shape, self.filters)

    def numbers(self, input_shape: Shape) -> int:
        """The output before it is cut."""
        if self.padding == "valid":
            return math.prod(self.shape) * self.filters
        return math.prod(input_shape[:-1]) * math.prod(along(self.stride, len(self.shape))) * self.filters

    def workspace(self, input_shape: Shape) -> int:
        """The products of every place with the whole kernel, before they are summed."""
        return math.prod(input_shape[:-1]) * math.prod(along(self.size, len(self.shape))) * self.filters

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (size, [size,] filters, channels), bias (filters,)."""
        axes = len(space(self, input_shape))
        weights: dict[str, Shape] = {"kernel": (*along(self.size, axes), self.filters, input_shape[-1])}
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
                padding=self.padding,
            ),
        )

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras Conv1DTranspose or Conv2DTranspose, and the shape it gives in its model."""
        return cls(
            filters=layer.filters,
            size=_size(layer, "kernel_size"),
            stride=_size(layer, "strides"),
            shape=tuple(layer.output.shape[1:-1]),
            activation=keras_activation(layer),
            use_bias=layer.use_bias,
            padding=_padding_of(layer),
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
            self.padding,
            keras_layers.initializer_for(self.activation, seed),
            self.name,
        )

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add ConvTranspose, Slice and the activation."""
        axes, places = len(self.shape), step.input_shape[:-1]
        around, steps = along(self.size, axes), along(self.stride, axes)
        channels_first(graph, axes)
        inputs = [weights.put("kernel", kernel_first(weights.arrays["kernel"]))]
        inputs += [weights["bias"]] if self.use_bias else []
        if self.padding == "same":
            over = [wide - step for wide, step in zip(around, steps, strict=True)]
            pads = [*(each // 2 for each in over), *(each - each // 2 for each in over)]
            graph.add("ConvTranspose", *inputs, strides=steps, pads=pads)
        else:
            left = [
                size - (place - 1) * step - wide
                for size, place, wide, step in zip(self.shape, places, around, steps, strict=True)
            ]
            graph.add("ConvTranspose", *inputs, strides=steps, output_padding=left)
        channels_last(graph, axes)
        if self.padding == "same":
            cut(graph, self.shape)
        ACTIVATIONS[self.activation](graph)


@dataclass(frozen=True, kw_only=True)
class Pooling(Layer):
    """The maximum or the mean of each `size` neighbours along every axis of space."""

    size: Sizes = 2
    function: str = "max"
    padding: str = padding_setting()

    kind: ClassVar[str] = "pooling"
    keras_classes: ClassVar[tuple[str, ...]] = (
        "MaxPooling1D",
        "MaxPooling2D",
        "AveragePooling1D",
        "AveragePooling2D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
    )
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse sizes below 2 and other functions than these two."""
        _check_factor(self, self.size)
        self.require(self.function in ("max", "average"), "function 'max' or 'average'")
        self.require(self.padding in PADDINGS, "padding 'same' or 'valid'")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (ceil(h / size), ceil(w / size), c)."""
        return (*windows(self, space(self, input_shape), self.size, self.size, self.padding), input_shape[-1])

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return to the places of the input by repetition; those that were left out become 0."""
        places = space(self, input_shape)
        factors = along(self.size, len(places))
        if self.padding == "same":
            return (Upsampling(size=self.size, shape=places),)
        used = tuple(size // factor * factor for size, factor in zip(places, factors, strict=True))
        again = Upsampling(size=self.size, shape=used)
        left = tuple(size - taken for size, taken in zip(places, used, strict=True))
        return (again, Padding(before=(0,) * len(left), after=left)) if any(left) else (again,)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer | tuple[Layer, ...]:
        """Take the settings of a pooling layer of Keras; a global one pools all places and leaves their axes out."""
        kind, places = type(layer).__name__, tuple(layer.input.shape[1:-1])
        function = "max" if "Max" in kind else "average"
        if kind.startswith("Global"):
            size = _one(places)
            pooled = () if largest(size) == 1 else (cls(size=size, function=function),)
            return (
                tuple(dataclasses.replace(each, name=layer.name) for each in pooled)
                if layer.keepdims
                else (
                    *pooled,
                    Flatten(name=layer.name),
                )
            )
        if tuple(layer.strides) != tuple(layer.pool_size):
            raise OptionError(f"layer {layer.name!r} must have strides like its pool_size: leave strides out.")
        divisible = not any(place % factor for place, factor in zip(places, layer.pool_size, strict=True))
        # 'valid' is the same if the sizes are divisible.
        padding = "same" if divisible else _padding_of(layer)
        return cls(size=_size(layer, "pool_size"), function=function, padding=padding, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras MaxPooling1D, MaxPooling2D, AveragePooling1D or AveragePooling2D."""
        import keras

        pool = {
            (2, "max"): keras.layers.MaxPooling1D,
            (3, "max"): keras.layers.MaxPooling2D,
            (2, "average"): keras.layers.AveragePooling1D,
            (3, "average"): keras.layers.AveragePooling2D,
        }
        return pool[axes, self.function](self.size, padding=self.padding, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add MaxPool or AveragePool."""
        sizes = step.input_shape[:-1]
        around = along(self.size, len(sizes))
        channels_first(graph, len(sizes))
        operator = "MaxPool" if self.function == "max" else "AveragePool"
        pads = _padding(sizes, around, around) if self.padding == "same" else [0] * 2 * len(sizes)
        graph.add(operator, pads=pads, kernel_shape=around, strides=around)
        channels_last(graph, len(sizes))


@dataclass(frozen=True, kw_only=True)
class Upsampling(Layer):
    """Each place repeated `size` times along every axis of space, cut to `shape`."""

    shape: Shape
    size: Sizes = 2

    kind: ClassVar[str] = "upsampling"
    keras_classes: ClassVar[tuple[str, ...]] = ("UpSampling1D", "UpSampling2D")
    needs_axes: ClassVar[bool] = True
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse sizes below 2 and empty shapes."""
        _check_factor(self, self.size)
        self.require(all(1 <= n < 1 << 31 for n in self.shape), "a size of at least 1 for every axis")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, c), if `size` neighbours of `shape` make (h, w)."""
        _check_target(self, input_shape, self.shape, self.size, self.size, "same")
        return (*self.shape, input_shape[-1])

    def numbers(self, input_shape: Shape) -> int:
        """The output before it is cut."""
        return math.prod(input_shape) * math.prod(along(self.size, len(self.shape)))

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return the mean of the repeated places."""
        return (Pooling(size=self.size, function="average"),)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the size of a Keras UpSampling1D or UpSampling2D, and the shape it gives in its model."""
        return cls(size=_size(layer, "size"), shape=tuple(layer.output.shape[1:-1]), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer: Keras' own cannot cut to a shape."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Upsampling(self.size, self.shape, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Resize and Slice."""
        scales = weights.put("scales", np.array([1.0, *along(self.size, len(self.shape)), 1.0]))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        graph.add("Resize", "", scales, **how)
        cut(graph, self.shape)


def _check_factor(layer: Layer, size: Sizes) -> None:
    """Refuse a factor that changes no axis, and one below 1."""
    factors = along(size, 1)
    layer.require(all(1 <= factor < 1 << 10 for factor in factors) and largest(size) >= 2, "2 <= size < 1024")


def _check_target(layer: Layer, input_shape: Shape, shape: Shape, size: Sizes, stride: Sizes, padding: str) -> None:
    places = space(layer, input_shape)
    if len(places) != len(shape) or places != windows(layer, shape, size, stride, padding):
        raise ShapeError(f"layer {layer.kind!r} ({layer.name}): from {places} by {stride} there is no way to {shape}.")


def _padding_of(layer: KerasLayer) -> str:
    """Return the padding of a Keras layer; OptionError if it is neither 'same' nor 'valid'."""
    if layer.padding not in PADDINGS:
        kind = type(layer).__name__
        raise OptionError(
            f"layer {layer.name!r} has padding {layer.padding!r}, expected 'same' or 'valid': write {kind}(..., "
            f"padding='same')."
        )
    return str(layer.padding)


def _size(layer: KerasLayer, setting: str) -> Sizes:
    """Return a setting of a Keras layer, as one size if it is the same along all axes."""
    value = getattr(layer, setting)
    return _one(tuple(value)) if isinstance(value, (tuple, list)) else int(value)


def _one(sizes: Shape) -> Sizes:
    return sizes[0] if len(set(sizes)) == 1 else sizes


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


def convolve(
    graph: "Graph", sizes: Shape, kernel: str, bias: str | None, window: Sizes, stride: Sizes, padding: str = "same"
) -> None:
    """Add a convolution over axes of space of these sizes, padded as TensorFlow's "same" or not at all."""
    axes = len(sizes)
    channels_first(graph, axes)
    inputs = (kernel,) if bias is None else (kernel, bias)
    steps = along(stride, axes)
    pads = _padding(sizes, along(window, axes), steps) if padding == "same" else [0] * 2 * axes
    graph.add("Conv", *inputs, strides=steps, pads=pads)
    channels_last(graph, axes)


def cut(graph: "Graph", shape: Shape) -> None:
    """Keep only the first places of the axes of space."""
    starts, ends = graph.integers(*[0] * len(shape)), graph.integers(*shape)
    graph.add("Slice", starts, ends, graph.integers(*range(1, len(shape) + 1)))


def _padding(sizes: Shape, window: Shape, stride: Shape) -> list[int]:
    """Return what TensorFlow's padding "same" puts before and after each axis, in ONNX's order."""
    totals = [
        max((-(-size // step) - 1) * step + wide - size, 0)
        for size, wide, step in zip(sizes, window, stride, strict=True)
    ]
    return [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]
