"""Convolutions over one or two axes of space, and the transposed ones that undo them.

The mirrored layers have the sizes of the axes as a setting, so that those which the stride does not divide are restored
too.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.errors import OptionError
from diabolo.network.layers.activations import ACTIVATIONS, check_activation, keras_activation
from diabolo.network.layers.base import Layer, Step, padded
from diabolo.network.layers.space import (
    along,
    channels_first,
    channels_last,
    check_target,
    check_window,
    convolve,
    cut,
    keras_padding,
    keras_size,
    kernel_first,
    largest,
    padding_setting,
    space,
    windows,
)
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape, Sizes

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


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
    reducible: ClassVar[bool] = True
    keras_classes: ClassVar[tuple[str, ...]] = ("Conv1D", "Conv2D")
    needs_axes: ClassVar[bool] = True
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse strides larger than the kernel, which would skip numbers."""
        self.require(self.filters >= 1, "filters of at least 1")
        check_window(self, self.size, self.stride, self.padding)
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
        if keras_size(layer, "dilation_rate") != 1 or layer.groups != 1:
            raise OptionError(
                f"layer {layer.name!r} has a dilation or groups, which Diabolo does not have: leave them out."
            )
        return cls(
            filters=layer.filters,
            size=keras_size(layer, "kernel_size"),
            stride=keras_size(layer, "strides"),
            activation=keras_activation(layer),
            use_bias=layer.use_bias,
            padding=keras_padding(layer),
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
    reducible: ClassVar[bool] = True
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
        check_window(self, self.size, self.stride, self.padding)
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, filters), if a stride of `shape` leaves (h, w)."""
        check_target(self, input_shape, self.shape, self.size, self.stride, self.padding)
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
            size=keras_size(layer, "kernel_size"),
            stride=keras_size(layer, "strides"),
            shape=tuple(layer.output.shape[1:-1]),
            activation=keras_activation(layer),
            use_bias=layer.use_bias,
            padding=keras_padding(layer),
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
