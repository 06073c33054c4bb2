"""The one table of layers.

Each layer is a frozen dataclass that knows the shape it gives, the names and shapes of its weights, and the layers
that undo it. Nothing here computes: `keras_builder` makes the network that trains, `onnx_builder` the graph that
infers, and a test holds the two equal on every entry of `LAYERS`. Shapes leave out the batch axis.

Order: activations, the base, layers that change the shape, layers that keep it, the table.
"""

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network.parts import Part, Shape

# Keras' names and Keras' constants (leaky_relu has slope 0.2, gelu is the exact one, elu has alpha 1).
ACTIVATIONS = (
    "linear",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "softsign",
    "tanh",
    "sigmoid",
    "softmax",
)


@dataclass(frozen=True, kw_only=True)
class Layer(Part):
    """What all layers share. `name` is given by the network that the layer stands in."""

    name: str = ""

    makes_features: ClassVar[bool] = False  # new numbers by weights: starts a block of a structure (see mirror())
    reshapes: ClassVar[bool] = False  # the same numbers under other axes

    def __post_init__(self) -> None:
        super().__post_init__()
        # Names become those of weights in files and of operations in Keras, ONNX and TensorFlow.
        if not re.fullmatch(r"[A-Za-z0-9_.-]*", self.name):
            raise OptionError(f"{self.kind}: a name may hold letters, digits, '_', '.' and '-', got {self.name!r}.")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output for one row of `input_shape`; raise ShapeError where none fits."""
        return input_shape

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the name and shape of each weight, in Keras' order."""
        return {}

    def mirror(self, input_shape: Shape) -> "tuple[Layer, ...]":
        """Return the layers that bring `output_shape(input_shape)` back to `input_shape`, nameless."""
        return (dataclasses.replace(self, name=""),)


def check_activation(part: Part, name: str) -> None:
    """Raise OptionError where `name` is not an activation."""
    if name not in ACTIVATIONS:
        raise OptionError(f"{part.kind}: {unknown('activation', name, ACTIVATIONS)}")


def _last_axis(layer: Layer, input_shape: Shape) -> int:
    if not input_shape:
        raise ShapeError(f"layer {layer.kind!r} ({layer.name}) needs at least one axis, got a single number a row.")
    return input_shape[-1]


@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    """activation(x @ kernel + bias) over the last axis."""

    units: int
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "dense"
    makes_features: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit and unknown activations."""
        self.require(self.units >= 1, "units of at least 1")
        check_activation(self, self.activation)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(..., features) -> (..., units)."""
        _last_axis(self, input_shape)
        return (*input_shape[:-1], self.units)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (features, units), bias (units,)."""
        weights: dict[str, Shape] = {"kernel": (_last_axis(self, input_shape), self.units)}
        if self.use_bias:
            weights["bias"] = (self.units,)
        return weights

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Go back to the features that came in."""
        return (dataclasses.replace(self, name="", units=_last_axis(self, input_shape)),)


@dataclass(frozen=True, kw_only=True)
class Flatten(Layer):
    """All axes of a row into one."""

    kind: ClassVar[str] = "flatten"
    reshapes: ClassVar[bool] = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """(h, w, c) -> (h * w * c,)."""
        return (math.prod(input_shape),)

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Give the axes back."""
        return (Reshape(shape=input_shape),)


@dataclass(frozen=True, kw_only=True)
class Reshape(Layer):
    """The same numbers under other axes."""

    shape: Shape

    kind: ClassVar[str] = "reshape"
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
        """Give the axes back."""
        return (Reshape(shape=input_shape),)


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """A function of each number (softmax: of the last axis)."""

    function: str

    kind: ClassVar[str] = "activation"

    def check(self) -> None:
        """Refuse unknown functions."""
        check_activation(self, self.function)


@dataclass(frozen=True, kw_only=True)
class BatchNormalization(Layer):
    """Each feature to mean 0 and variance 1 over the batch; over what was seen in training, at inference."""

    momentum: float = 0.99  # share of the old running mean that a batch leaves; Keras' default
    epsilon: float = 1e-3  # added to the variance; Keras' default

    kind: ClassVar[str] = "batch_normalization"

    def check(self) -> None:
        """Refuse what would divide by zero or never settle."""
        self.require(0 <= self.momentum < 1 and 0 < self.epsilon < 1, "0 <= momentum < 1 and 0 < epsilon < 1")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Four of the size of the last axis."""
        size = (_last_axis(self, input_shape),)
        return {"gamma": size, "beta": size, "moving_mean": size, "moving_variance": size}


@dataclass(frozen=True, kw_only=True)
class LayerNormalization(Layer):
    """Each row to mean 0 and variance 1 over the last axis."""

    epsilon: float = 1e-3  # added to the variance; Keras' default

    kind: ClassVar[str] = "layer_normalization"

    def check(self) -> None:
        """Refuse what would divide by zero."""
        self.require(0 < self.epsilon < 1, "0 < epsilon < 1")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Two of the size of the last axis."""
        size = (_last_axis(self, input_shape),)
        return {"gamma": size, "beta": size}


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """A share `rate` of the numbers set to 0 while training, the rest scaled up; nothing at inference."""

    rate: float

    kind: ClassVar[str] = "dropout"

    def check(self) -> None:
        """Refuse a rate that drops everything."""
        self.require(0 <= self.rate < 1, "0 <= rate < 1")


LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in (Dense, Activation, BatchNormalization, LayerNormalization, Dropout, Flatten, Reshape)
}
