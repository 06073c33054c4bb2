"""Layers for rows of any shape. Order: those that change the shape, those that keep it."""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer, check_activation, last_axis
from diabolo.network.parts import Shape


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
        last_axis(self, input_shape)
        return (*input_shape[:-1], self.units)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Kernel (features, units), bias (units,)."""
        weights: dict[str, Shape] = {"kernel": (last_axis(self, input_shape), self.units)}
        if self.use_bias:
            weights["bias"] = (self.units,)
        return weights

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Go back to the features that came in."""
        return (dataclasses.replace(self, name="", units=last_axis(self, input_shape)),)

    def tied(self, input_shape: Shape) -> Layer:
        """Return the layer that goes back to the features that came in by the same kernel."""
        return TiedDense(
            of=self.name, units=last_axis(self, input_shape), activation=self.activation, use_bias=self.use_bias
        )


@dataclass(frozen=True, kw_only=True)
class TiedDense(Layer):
    """activation(x @ kernel' + bias), kernel being that of the dense layer `of`, turned over."""

    of: str
    units: int
    activation: str = "linear"
    use_bias: bool = True

    kind: ClassVar[str] = "tied_dense"
    makes_features: ClassVar[bool] = True

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
        size = (last_axis(self, input_shape),)
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
        size = (last_axis(self, input_shape),)
        return {"gamma": size, "beta": size}


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """A share `rate` of the numbers set to 0 while training, the rest scaled up; nothing at inference."""

    rate: float

    kind: ClassVar[str] = "dropout"

    def check(self) -> None:
        """Refuse a rate that drops everything."""
        self.require(0 <= self.rate < 1, "0 <= rate < 1")
