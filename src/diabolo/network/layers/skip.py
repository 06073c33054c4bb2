"""A dense layer whose input goes on next to its output, so that later layers get both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.network.layers.activations import ACTIVATIONS, check_activation
from diabolo.network.layers.base import Layer, Step, last_axis
from diabolo.network.layers.common import Dense
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class Skip(Layer):
    """concat(x, activation(x @ kernel + bias)) over the last axis.

    A linear layer after it has a linear path from x, next to the one through the hidden layer: from a row to its
    latents, and from the latents back. A network of such layers can begin as PCA. Source: the dense connections of
    Huang et al. 2017, arXiv:1608.06993.
    """

    units: int
    activation: str = "relu"

    kind: ClassVar[str] = "skip"
    makes_features: ClassVar[bool] = True
    keeps_input: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit and unknown activations."""
        self.require(self.units >= 1, "units of at least 1")
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(..., features) -> (..., features + units)."""
        return (*input_shape[:-1], last_axis(self, input_shape) + self.units)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (features, units), bias (units,)."""
        return {"kernel": (last_axis(self, input_shape), self.units), "bias": (self.units,)}

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """The same layer, and one that returns to the features of the input."""
        return (
            Skip(units=self.units, activation=self.activation),
            Dense(units=last_axis(self, input_shape)),
        )

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Skip(self.units, self.activation, seed, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add the product, the activation and Concat."""
        start = graph.end
        if len(step.input_shape) == 1:
            graph.add("Gemm", weights["kernel"], weights["bias"])
        else:
            graph.add("MatMul", weights["kernel"])
            graph.add("Add", weights["bias"])
        ACTIVATIONS[self.activation](graph)
        (graph.end,) = graph.aside("Concat", start, graph.end, axis=-1)
