"""Layers that select: the largest latents, the nearest code."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer, Step, last_axis
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class TopK(Layer):
    """Set all but the `active` numbers of largest absolute value to 0, along the last axis."""

    active: int

    kind: ClassVar[str] = "top_k"

    def check(self) -> None:
        """Refuse to select none."""
        self.require(self.active >= 1, "active of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input shape, if it has as many features."""
        if last_axis(self, input_shape) < self.active:
            raise ShapeError(f"layer 'top_k' ({self.name}): {self.active} of {input_shape[-1]} cannot be chosen.")
        return input_shape

    def numbers(self, input_shape: Shape) -> int:
        """The row, and for the selected numbers their values, their places in 64 bits, and both again for sorting."""
        return math.prod(input_shape) + 5 * math.prod(input_shape[:-1]) * self.active

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.TopK(self.active, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add absolute values, the smallest of the largest, and Where."""
        start = graph.end
        (sizes,) = graph.aside("Abs", start)
        largest, _ = graph.aside("TopK", sizes, graph.integers(self.active), outputs=2, axis=-1)
        (least,) = graph.aside("ReduceMin", largest, graph.integers(-1), keepdims=1)
        (chosen,) = graph.aside("GreaterOrEqual", sizes, least)
        (graph.end,) = graph.aside("Where", chosen, start, weights.put("nothing", np.float32(0)))


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
        """(features,) -> the same, if the groups divide it."""
        if len(input_shape) != 1 or input_shape[0] % self.groups:
            raise ShapeError(
                f"layer 'quantize' ({self.name}) needs rows (features,) that {self.groups} groups divide, got "
                f"{input_shape}."
            )
        return input_shape

    def numbers(self, input_shape: Shape) -> int:
        """The distance of each part to every code."""
        return self.groups * self.codes

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """The book."""
        return {"book": (self.codes, self.output_shape(input_shape)[0] // self.groups)}

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Quantize(self.codes, self.groups, seed, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add the distances of each part to all codes, ArgMin and Gather."""
        book = weights.arrays["book"]
        graph.add("Reshape", graph.integers(-1, book.shape[1]))
        graph.add("MatMul", weights.put("twice", -2 * book.T))
        graph.add("Add", weights.put("squares", np.square(book).sum(axis=1)))
        graph.add("ArgMin", axis=1, keepdims=0)
        (graph.end,) = graph.aside("Gather", weights["book"], graph.end, axis=0)
        graph.add("Reshape", graph.integers(-1, *step.output_shape))
