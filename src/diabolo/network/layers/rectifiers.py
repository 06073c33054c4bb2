"""Activations that have settings or weights of their own: those of Keras' layers ReLU, LeakyReLU, ELU and PReLU."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError
from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.common import Activation
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class ReLU(Layer):
    """x from `threshold` on, at most `max_value` (0: no limit); below it negative_slope * (x - threshold)."""

    negative_slope: float = 0.0
    max_value: float = 0.0
    threshold: float = 0.0

    kind: ClassVar[str] = "relu"
    is_activation: ClassVar[bool] = True
    keras_classes: ClassVar[tuple[str, ...]] = ("ReLU", "LeakyReLU")

    def check(self) -> None:
        """Refuse negative settings, as Keras does."""
        self.require(min(self.negative_slope, self.max_value, self.threshold) >= 0, "settings of at least 0")

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras ReLU or LeakyReLU; one without any is the activation relu."""
        limit, threshold = getattr(layer, "max_value", None), float(getattr(layer, "threshold", 0.0))
        if limit == 0:
            raise OptionError(f"layer {layer.name!r} has max_value=0, so that all it gives is 0: leave it out.")
        found = cls(
            negative_slope=float(layer.negative_slope),
            max_value=float(limit or 0.0),
            threshold=threshold,
            name=layer.name,
        )
        return Activation(function="relu", name=layer.name) if found == cls(name=layer.name) else found

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras LeakyReLU, which alone has no other settings, or a ReLU."""
        import keras

        if not (self.max_value or self.threshold):
            return keras.layers.LeakyReLU(self.negative_slope, name=self.name)
        return keras.layers.ReLU(self.max_value or None, self.negative_slope, self.threshold, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LeakyRelu; with other settings what lies above the threshold, less what lies below it."""
        start = graph.end
        if not (self.max_value or self.threshold):
            graph.add("LeakyRelu", alpha=self.negative_slope)
            return
        if self.threshold:
            (above,) = graph.aside("Greater", start, weights.put("threshold", np.float32(self.threshold)))
            (kept,) = graph.aside("Cast", above, to=1)  # float32
            graph.add("Mul", kept)
        else:
            graph.add("Relu")
        if self.max_value:
            graph.add("Min", weights.put("max_value", np.float32(self.max_value)))
        if self.negative_slope:
            (below,) = graph.aside("Sub", weights.put("threshold", np.float32(self.threshold)), start)
            (left,) = graph.aside("Relu", below)
            (sloped,) = graph.aside("Mul", left, weights.put("negative_slope", np.float32(self.negative_slope)))
            graph.add("Sub", sloped)


@dataclass(frozen=True, kw_only=True)
class ELU(Layer):
    """x above 0, and alpha * (exp(x) - 1) below."""

    alpha: float = 1.0

    kind: ClassVar[str] = "elu"
    is_activation: ClassVar[bool] = True
    keras_classes: ClassVar[tuple[str, ...]] = ("ELU",)

    def check(self) -> None:
        """Refuse a negative alpha, with which the function falls."""
        self.require(self.alpha >= 0, "alpha of at least 0")

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the alpha of a Keras ELU."""
        return cls(alpha=float(layer.alpha), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras ELU."""
        import keras

        return keras.layers.ELU(self.alpha, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Elu."""
        graph.add("Elu", alpha=self.alpha)


@dataclass(frozen=True, kw_only=True)
class PReLU(Layer):
    """x above 0, and alpha * x below, where alpha is learnt for each place and feature.

    `shared_axes` have one alpha for all their places; axes are counted from 1, as in Keras.

    Source: He et al. 2015, arXiv:1502.01852.
    """

    shared_axes: Shape = ()

    kind: ClassVar[str] = "prelu"
    is_activation: ClassVar[bool] = True
    keras_classes: ClassVar[tuple[str, ...]] = ("PReLU",)

    def check(self) -> None:
        """Refuse axes that there are not."""
        self.require(all(1 <= axis < 1 << 4 for axis in self.shared_axes), "axes from 1 on")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """One alpha for each number of a row, 1 along shared axes."""
        return {
            "alpha": tuple(1 if axis in self.shared_axes else size for axis, size in enumerate(input_shape, 1)),
        }

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the shared axes of a Keras PReLU."""
        return cls(shared_axes=tuple(layer.shared_axes or ()), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras PReLU."""
        import keras

        return keras.layers.PReLU(shared_axes=list(self.shared_axes) or None, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add PRelu."""
        graph.add("PRelu", weights["alpha"])
