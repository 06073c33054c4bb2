"""Blocks that add to their input: x + f(x). They keep the shape, so that a block is its own mirror.

The last product of f starts at 0, so that a new block changes nothing and deep networks train from the first step.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import ShapeError
from diabolo.network.layers.activations import ACTIVATIONS, check_activation
from diabolo.network.layers.base import Layer, Step, last_axis, padded
from diabolo.network.layers.recurrent import series
from diabolo.network.layers.space import convolve, kernel_first, space
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph

EPSILON = 1e-3  # added to the variance by the normalisation within a block; Keras' default


@dataclass(frozen=True, kw_only=True)
class Residual(Layer):
    """x + activation(normalise(x) @ kernel_in + bias_in) @ kernel_out + bias_out, over the last axis.

    Source: He et al. 2016, arXiv:1603.05027, the normalisation that of Ba et al. 2016, arXiv:1607.06450.
    """

    units: int  # of the hidden layer within
    activation: str = "relu"

    kind: ClassVar[str] = "residual"

    def check(self) -> None:
        """Refuse fewer than one unit and unknown activations."""
        self.require(self.units >= 1, "units of at least 1")
        check_activation(self, self.activation)

    def numbers(self, input_shape: Shape) -> int:
        """The row, or the hidden layer."""
        return math.prod(input_shape[:-1]) * max(self.units, last_axis(self, input_shape))

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Scale and shift of the normalisation, then the two products."""
        features = last_axis(self, input_shape)
        return {
            "gamma": (features,),
            "beta": (features,),
            "kernel_in": (features, self.units),
            "bias_in": (self.units,),
            "kernel_out": (self.units, features),
            "bias_out": (features,),
        }

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Residual(self.units, self.activation, EPSILON, seed, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LayerNormalization, the two products with the activation between them, and the sum."""
        start = graph.end
        _normalise(graph, weights)
        _multiply(graph, weights, "in")
        ACTIVATIONS[self.activation](graph)
        _multiply(graph, weights, "out")
        graph.add("Add", start)


@dataclass(frozen=True, kw_only=True)
class ResidualConvolution(Layer):
    """x + activation(activation(x) * kernel_in + bias_in) * kernel_out + bias_out, over one or two axes of space."""

    filters: int  # of the hidden layer within
    size: int = 3
    activation: str = "relu"

    kind: ClassVar[str] = "residual_convolution"
    needs_axes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one filter and unknown activations."""
        self.require(self.filters >= 1 and 1 <= self.size < 1 << 10, "filters of at least 1 and 1 <= size < 1024")
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input shape, if it has axes of space."""
        space(self, input_shape)
        return input_shape

    def numbers(self, input_shape: Shape) -> int:
        """The row, or the hidden layer."""
        return math.prod(space(self, input_shape)) * max(self.filters, input_shape[-1])

    def blocked(self, input_shape: Shape) -> int:
        """The row, or the hidden layer."""
        return padded(space(self, input_shape), max(self.filters, input_shape[-1]))

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """The two convolutions."""
        around, channels = (self.size,) * len(space(self, input_shape)), input_shape[-1]
        return {
            "kernel_in": (*around, channels, self.filters),
            "bias_in": (self.filters,),
            "kernel_out": (*around, self.filters, channels),
            "bias_out": (channels,),
        }

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.ResidualConvolution(self.filters, self.size, self.activation, seed, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add two convolutions, each after the activation, and the sum."""
        start = graph.end
        for which in ("in", "out"):
            ACTIVATIONS[self.activation](graph)
            kernel = weights.put(f"kernel_{which}", kernel_first(weights.arrays[f"kernel_{which}"]))
            convolve(graph, step.input_shape[:-1], kernel, weights[f"bias_{which}"], self.size, 1)
        graph.add("Add", start)


@dataclass(frozen=True, kw_only=True)
class Attention(Layer):
    """x + self-attention of several heads, after a normalisation.

    Source: Vaswani et al. 2017, arXiv:1706.03762, normalised first as in Xiong et al. 2020, arXiv:2002.04745.
    """

    heads: int = 4

    kind: ClassVar[str] = "attention"
    needs_axes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse 0 heads."""
        self.require(self.heads >= 1, "heads of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input shape, if the heads divide its features."""
        _, features = series(self, input_shape)
        if features % self.heads:
            raise ShapeError(
                f"layer 'attention' ({self.name}): {features} features cannot be shared by {self.heads} heads: make "
                f"them a multiple of {self.heads}."
            )
        return input_shape

    def numbers(self, input_shape: Shape) -> int:
        """The queries, keys and values, or the attention weights of all heads between every two places."""
        places, features = series(self, input_shape)
        return max(3 * places * features, self.heads * places**2)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Scale and shift of the normalisation; query, key and value in one matrix; the last product."""
        _, features = series(self, input_shape)
        return {
            "gamma": (features,),
            "beta": (features,),
            "kernel_in": (features, 3 * features),
            "bias_in": (3 * features,),
            "kernel_out": (features, features),
            "bias_out": (features,),
        }

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Attention(self.heads, EPSILON, seed, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LayerNormalization, queries, keys and values, their products for each head, and the sum."""
        (time, features), size = step.input_shape, step.input_shape[1] // self.heads
        start = graph.end
        _normalise(graph, weights)
        _multiply(graph, weights, "in")
        graph.add("Reshape", graph.integers(-1, time, 3, self.heads, size))
        graph.add("Transpose", perm=[2, 0, 3, 1, 4])  # (3, batch, heads, time, size)
        parts = graph.aside("Split", graph.end, outputs=3, axis=0, num_outputs=3)
        query, key, value = (graph.aside("Squeeze", part, graph.integers(0))[0] for part in parts)
        (transposed,) = graph.aside("Transpose", key, perm=[0, 1, 3, 2])
        (graph.end,) = graph.aside("MatMul", query, transposed)  # (batch, heads, time, time)
        graph.add("Div", weights.put("root", np.float32(size**0.5)))
        graph.add("Softmax", axis=-1)
        graph.add("MatMul", value)
        graph.add("Transpose", perm=[0, 2, 1, 3])
        graph.add("Reshape", graph.integers(-1, time, features))
        _multiply(graph, weights, "out")
        graph.add("Add", start)


@dataclass(frozen=True, kw_only=True)
class Position(Layer):
    """x + a learnt number for each place and feature, since attention does not depend on the order of places."""

    kind: ClassVar[str] = "position"
    needs_axes: ClassVar[bool] = True

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """As many as a row has numbers."""
        return {"offset": series(self, input_shape)}

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Position(seed, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add the sum."""
        graph.add("Add", weights["offset"])


def _normalise(graph: "Graph", weights: "Constants") -> None:
    graph.add("LayerNormalization", weights["gamma"], weights["beta"], axis=-1, epsilon=EPSILON)


def _multiply(graph: "Graph", weights: "Constants", which: str) -> None:
    graph.add("MatMul", weights[f"kernel_{which}"])
    graph.add("Add", weights[f"bias_{which}"])
