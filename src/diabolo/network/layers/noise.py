"""Layers that draw numbers in training and do nothing in use: noise, and kinds of dropout that Keras has."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.space import space
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Layer):
    """Normal noise of a standard deviation added to each number while training."""

    stddev: float

    kind: ClassVar[str] = "gaussian_noise"
    keras_classes: ClassVar[tuple[str, ...]] = ("GaussianNoise",)

    def check(self) -> None:
        """Refuse a negative standard deviation."""
        self.require(self.stddev >= 0, "stddev of at least 0")

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the standard deviation of a Keras GaussianNoise."""
        return cls(stddev=float(layer.stddev), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer, which has its own random numbers."""
        from diabolo.network.backends.keras import layers as keras_layers

        return keras_layers.GaussianNoise(self.stddev, seed=seed, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add nothing: there is no noise at inference."""


@dataclass(frozen=True, kw_only=True)
class DropoutVariant(Layer):
    """The base of dropout by other rules than `Dropout`."""

    rate: float

    def check(self) -> None:
        """Refuse a rate of 1."""
        self.require(0 <= self.rate < 1, "0 <= rate < 1")

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the rate of a Keras layer."""
        return cls(rate=float(layer.rate), name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return Diabolo's Keras layer of the same name, which has its own random numbers."""
        from diabolo.network.backends.keras import layers as keras_layers

        return getattr(keras_layers, type(self).__name__)(self.rate, seed=seed, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add nothing: dropout drops nothing at inference."""


@dataclass(frozen=True, kw_only=True)
class SpatialDropout(DropoutVariant):
    """A share `rate` of the channels set to 0 at all places while training, the others scaled up.

    Source: Tompson et al. 2015, arXiv:1411.4280.
    """

    kind: ClassVar[str] = "spatial_dropout"
    keras_classes: ClassVar[tuple[str, ...]] = ("SpatialDropout1D", "SpatialDropout2D")
    needs_axes: ClassVar[bool] = True

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input shape, if it has axes of space."""
        space(self, input_shape)
        return input_shape


@dataclass(frozen=True, kw_only=True)
class GaussianDropout(DropoutVariant):
    """Each number times a normal one of mean 1 and variance rate / (1 - rate) while training.

    Source: Srivastava et al. 2014, JMLR 15, section 10.
    """

    kind: ClassVar[str] = "gaussian_dropout"
    keras_classes: ClassVar[tuple[str, ...]] = ("GaussianDropout",)


@dataclass(frozen=True, kw_only=True)
class AlphaDropout(DropoutVariant):
    """A share `rate` of the numbers set to the lowest that selu gives; mean and variance stay the same.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """

    kind: ClassVar[str] = "alpha_dropout"
    keras_classes: ClassVar[tuple[str, ...]] = ("AlphaDropout",)
