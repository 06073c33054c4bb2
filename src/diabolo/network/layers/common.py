"""Layers for rows of any shape. Order: those that change the shape, those that keep it."""

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError, ShapeError
from diabolo.network.layers.activations import ACTIVATIONS, check_activation, keras_activation
from diabolo.network.layers.base import Layer, Step, last_axis
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    """activation(x @ kernel + bias) over the last axis."""

    units: int
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "dense"
    reducible: ClassVar[bool] = True
    keras_classes: ClassVar[tuple[str, ...]] = ("Dense",)
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True
    lends_kernel: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit and unknown activations."""
        self.require(self.units >= 1, "units of at least 1")
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(..., features) -> (..., units)."""
        last_axis(self, input_shape)
        return (*input_shape[:-1], self.units)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (features, units), bias (units,)."""
        weights: dict[str, Shape] = {"kernel": (last_axis(self, input_shape), self.units)}
        if self.use_bias:
            weights["bias"] = (self.units,)
        return weights

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return to the features of the input."""
        return (dataclasses.replace(self, name="", units=last_axis(self, input_shape)),)

    def tied(self, input_shape: Shape) -> Layer:
        """Return the layer that returns to the features of the input by the same kernel."""
        return TiedDense(
            of=self.name, units=last_axis(self, input_shape), activation=self.activation, use_bias=self.use_bias
        )

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras Dense."""
        return cls(units=layer.units, activation=keras_activation(layer), use_bias=layer.use_bias, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Dense."""
        import keras

        from diabolo.network.backends.keras import layers as keras_layers

        return keras.layers.Dense(
            self.units,
            activation=keras_layers.activation_of(self.activation),
            use_bias=self.use_bias,
            kernel_initializer=keras_layers.initializer_for(self.activation, seed),
            name=self.name,
        )

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add one Gemm if the input is a matrix, otherwise MatMul and Add; then the activation."""
        if self.use_bias and len(step.input_shape) == 1:
            graph.add("Gemm", weights["kernel"], weights["bias"])
        else:
            graph.add("MatMul", weights["kernel"])
            if self.use_bias:
                graph.add("Add", weights["bias"])
        ACTIVATIONS[self.activation](graph)


@dataclass(frozen=True, kw_only=True)
class TiedDense(Layer):
    """activation(x @ kernel' + bias), where kernel is that of the dense layer `of`, transposed."""

    of: str
    units: int
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "tied_dense"
    makes_features: ClassVar[bool] = True
    ends_in_activation: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit and unknown activations."""
        self.require(self.units >= 1 and bool(self.of), "units of at least 1 and the name of a layer")
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(..., features) -> (..., units)."""
        last_axis(self, input_shape)
        return (*input_shape[:-1], self.units)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Bias (units,)."""
        return {"bias": (self.units,)} if self.use_bias else {}

    def borrows(self, input_shape: Shape) -> dict[str, tuple[str, Shape]]:
        """The kernel (units, features) of the other layer."""
        return {"kernel": (f"{self.of}/kernel", (self.units, last_axis(self, input_shape)))}

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer, which gets the kernel of the other layer from its `tie`."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.TiedDense(self.units, self.activation, self.use_bias, self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add MatMul with the transposed kernel, Add and the activation."""
        graph.add("MatMul", weights.put("kernel", weights.arrays["kernel"].T))
        if self.use_bias:
            graph.add("Add", weights["bias"])
        ACTIVATIONS[self.activation](graph)


@dataclass(frozen=True, kw_only=True)
class Flatten(Layer):
    """All axes of a row joined into one."""

    kind: ClassVar[str] = "flatten"
    keras_classes: ClassVar[tuple[str, ...]] = ("Flatten",)
    reshapes: ClassVar[bool] = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (h * w * c,)."""
        return (math.prod(input_shape),)

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Restore the axes."""
        return (Reshape(shape=input_shape),)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the name of a Keras Flatten."""
        return cls(name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Flatten."""
        import keras

        return keras.layers.Flatten(name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Reshape."""
        graph.add("Reshape", graph.integers(-1, *step.output_shape))


@dataclass(frozen=True, kw_only=True)
class Reshape(Layer):
    """The same numbers under other axes."""

    shape: Shape

    kind: ClassVar[str] = "reshape"
    keras_classes: ClassVar[tuple[str, ...]] = ("Reshape",)
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse axes without a size: the shape of a row is always known here."""
        sizes = bool(self.shape) and min(self.shape) >= 1 and max(self.shape) < 1 << 31
        self.require(sizes, "a size from 1 to 2**31 - 1 for every axis")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Any axes -> `shape`, if the product is the same."""
        if math.prod(input_shape) != math.prod(self.shape):
            raise ShapeError(
                f"layer 'reshape' ({self.name}): {input_shape} has {math.prod(input_shape)} numbers, "
                f"{self.shape} has {math.prod(self.shape)}."
            )
        return self.shape

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Restore the axes."""
        return (Reshape(shape=input_shape),)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the shape that a Keras Reshape gives in its model."""
        return cls(shape=tuple(layer.output.shape[1:]), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Reshape."""
        import keras

        return keras.layers.Reshape(self.shape, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Reshape."""
        graph.add("Reshape", graph.integers(-1, *step.output_shape))


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """A function of each number (softmax: of the last axis)."""

    function: str

    kind: ClassVar[str] = "activation"
    is_activation: ClassVar[bool] = True
    keras_classes: ClassVar[tuple[str, ...]] = ("Activation", "Softmax")

    def check(self) -> None:
        """Refuse unknown functions."""
        check_activation(self, self.function)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the function of a Keras Activation or Softmax."""
        if type(layer).__name__ == "Softmax":
            _check_last_axis(layer)
            return cls(function="softmax", name=layer.name)
        return cls(function=keras_activation(layer), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Activation."""
        import keras

        from diabolo.network.backends.keras import layers as keras_layers

        return keras.layers.Activation(keras_layers.activation_of(self.function), name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add the function."""
        ACTIVATIONS[self.function](graph)


@dataclass(frozen=True, kw_only=True)
class BatchNormalization(Layer):
    """Each feature to mean 0 and variance 1 over the batch; at inference, by running averages."""

    momentum: float = 0.99  # weight of the old running average; Keras' default
    epsilon: float = 1e-3  # added to the variance; Keras' default

    kind: ClassVar[str] = "batch_normalization"
    keras_classes: ClassVar[tuple[str, ...]] = ("BatchNormalization",)

    def check(self) -> None:
        """Refuse an epsilon of 0, and a momentum of 1."""
        self.require(0 <= self.momentum < 1 and 0 < self.epsilon < 1, "0 <= momentum < 1 and 0 < epsilon < 1")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Four of the size of the last axis."""
        size = (last_axis(self, input_shape),)
        return {"gamma": size, "beta": size, "moving_mean": size, "moving_variance": size}

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras BatchNormalization."""
        _check_last_axis(layer)
        return cls(momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras BatchNormalization."""
        import keras

        return keras.layers.BatchNormalization(momentum=self.momentum, epsilon=self.epsilon, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add (x - mean) / sqrt(variance + epsilon) * gamma + beta."""
        # Not ONNX's own operator, which needs the features on axis 1.
        epsilon = weights.put("epsilon", np.float32(self.epsilon))
        graph.add("Sub", weights["moving_mean"])
        (variance,) = graph.aside("Add", weights["moving_variance"], epsilon)
        graph.add("Div", *graph.aside("Sqrt", variance))
        graph.add("Mul", weights["gamma"])
        graph.add("Add", weights["beta"])


@dataclass(frozen=True, kw_only=True)
class LayerNormalization(Layer):
    """Each row to mean 0 and variance 1 over the last axis."""

    epsilon: float = 1e-3  # added to the variance; Keras' default

    kind: ClassVar[str] = "layer_normalization"
    keras_classes: ClassVar[tuple[str, ...]] = ("LayerNormalization",)

    def check(self) -> None:
        """Refuse an epsilon of 0."""
        self.require(0 < self.epsilon < 1, "0 < epsilon < 1")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Two of the size of the last axis."""
        size = (last_axis(self, input_shape),)
        return {"gamma": size, "beta": size}

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras LayerNormalization."""
        _check_last_axis(layer)
        return cls(epsilon=layer.epsilon, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras LayerNormalization."""
        import keras

        return keras.layers.LayerNormalization(epsilon=self.epsilon, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LayerNormalization."""
        graph.add("LayerNormalization", weights["gamma"], weights["beta"], axis=-1, epsilon=self.epsilon)


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """A share `rate` of the numbers set to 0 while training, the rest scaled up; nothing at inference."""

    rate: float

    kind: ClassVar[str] = "dropout"
    keras_classes: ClassVar[tuple[str, ...]] = ("Dropout",)

    def check(self) -> None:
        """Refuse a rate of 1."""
        self.require(0 <= self.rate < 1, "0 <= rate < 1")

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the rate of a Keras Dropout."""
        return cls(rate=layer.rate, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer, which has its own random numbers."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.Dropout(self.rate, seed=seed, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add nothing: dropout drops nothing at inference."""


def _check_last_axis(layer: KerasLayer) -> None:
    """Raise OptionError if a Keras layer normalises another axis than the last."""
    if layer.axis not in (-1, [-1]) and layer.axis not in ((last := len(layer.output.shape) - 1), [last]):
        raise OptionError(f"layer {layer.name!r} normalises axis {layer.axis}, expected the last: write axis=-1.")
