"""A layer that is not part of Diabolo: the contract of the built-in layers is held against it too."""

from dataclasses import dataclass
from typing import ClassVar

from diabolo.network.layers import Layer


@dataclass(frozen=True, kw_only=True)
class Scaled(Layer):
    """Multiply each number by a learned factor."""

    first: float = 1.0
    kind: ClassVar[str] = "scaled"
    keras_classes: ClassVar[tuple[str, ...]] = ("Scale",)

    def weights(self, input_shape):
        return {"factors": input_shape}

    @classmethod
    def from_keras(cls, layer):
        return cls(first=layer.first, name=layer.name)

    def to_keras(self, axes, seed):
        import keras

        start = self.first

        class Scale(keras.layers.Layer):
            first = start

            def build(self, shape):
                begin = keras.initializers.Constant(start)
                self.factors = self.add_weight(shape=shape[1:], initializer=begin, name="factors")

            def call(self, rows):
                return rows * self.factors

        return Scale(name=self.name)

    def to_onnx(self, graph, step, weights):
        graph.add("Mul", weights["factors"])
