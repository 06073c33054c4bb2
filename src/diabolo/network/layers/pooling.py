"""Pooling over one or two axes of space, and the repetition of places that undoes it.

The mirrored layer has the sizes of the axes as a setting, so that those which the pooling does not divide are restored
too.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError
from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.common import Flatten
from diabolo.network.layers.margins import Padding
from diabolo.network.layers.space import (
    PADDINGS,
    along,
    channels_first,
    channels_last,
    check_factor,
    check_target,
    cut,
    keras_padding,
    keras_size,
    largest,
    one_if_equal,
    padding_setting,
    same_pads,
    space,
    windows,
)
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape, Sizes

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


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
        check_factor(self, self.size)
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
            size = one_if_equal(places)
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
        padding = "same" if divisible else keras_padding(layer)
        return cls(size=keras_size(layer, "pool_size"), function=function, padding=padding, name=layer.name)

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
        pads = same_pads(sizes, around, around) if self.padding == "same" else [0] * 2 * len(sizes)
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
        check_factor(self, self.size)
        self.require(all(1 <= n < 1 << 31 for n in self.shape), "a size of at least 1 for every axis")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (*shape, c), if `size` neighbours of `shape` make (h, w)."""
        check_target(self, input_shape, self.shape, self.size, self.size, "same")
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
        return cls(size=keras_size(layer, "size"), shape=tuple(layer.output.shape[1:-1]), name=layer.name)

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
