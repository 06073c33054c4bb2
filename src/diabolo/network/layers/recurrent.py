"""Layers over time, (time, channels): long short-term memory, gated recurrent units, and a row repeated over time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError, ShapeError
from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.common import Dense
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph

Arrays = dict[str, np.ndarray[Any, Any]]


def series(layer: Layer, input_shape: Shape) -> tuple[int, int]:
    """Return the time steps and the channels of a row; ShapeError if it is not a series."""
    if len(input_shape) != 2:
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) needs rows (time, channels), got {input_shape}: put a Reshape() "
            f"before it."
        )
    return input_shape[0], input_shape[1]


@dataclass(frozen=True, kw_only=True)
class Recurrent(Layer):
    """The base of LSTM and GRU, with a state of `units` numbers."""

    units: int
    sequences: bool = True  # a state for each step; False: the last only

    gates: ClassVar[int]  # products a unit, which are computed for all steps at once
    makes_features: ClassVar[bool] = True
    needs_axes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit."""
        self.require(self.units >= 1, "units of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(time, channels) -> (time, units), or (units,) for the last step only."""
        time, _ = series(self, input_shape)
        return (time, self.units) if self.sequences else (self.units,)

    def numbers(self, input_shape: Shape) -> int:
        """The gates of every step, even if only the last state is returned."""
        time, _ = series(self, input_shape)
        return time * self.gates * self.units

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Unroll over time; states lie in (-1, 1), so a dense layer brings the channels back to their own range."""
        time, channels = series(self, input_shape)
        again = type(self)(units=self.units)
        return (*(() if self.sequences else (Repeat(times=time),)), again, Dense(units=channels))

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras LSTM or GRU."""
        usual = layer.activation.__name__ == "tanh" and layer.recurrent_activation.__name__ == "sigmoid"
        if not usual or not layer.use_bias or layer.go_backwards:
            raise OptionError(f"layer {layer.name!r} must have Keras' own activations and a bias, and go forwards.")
        return cls(units=layer.units, sequences=layer.return_sequences, name=layer.name)

    def _to_keras(self, make: Any, seed: int) -> Any:
        import keras

        return make(
            self.units,
            return_sequences=self.sequences,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed ^ 1),
            name=self.name,
        )

    def _to_onnx(self, graph: "Graph", weights: "Constants", operator: str, parts: Arrays, **settings: int) -> None:
        """Add an operator over time; `parts`: the weights in ONNX's order."""
        graph.add("Transpose", perm=[1, 0, 2])  # (time, batch, channels)
        names = [weights.put(name, value) for name, value in parts.items()]
        every, last = graph.aside(operator, graph.end, *names, outputs=2, hidden_size=self.units, **settings)
        if self.sequences:
            (graph.end,) = graph.aside("Squeeze", every, graph.integers(1))  # (time, batch, units)
            graph.add("Transpose", perm=[1, 0, 2])
        else:
            (graph.end,) = graph.aside("Squeeze", last, graph.integers(0))  # (batch, units)


@dataclass(frozen=True, kw_only=True)
class LSTM(Recurrent):
    """Long short-term memory: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

    kind: ClassVar[str] = "lstm"
    keras_classes: ClassVar[tuple[str, ...]] = ("LSTM",)
    gates: ClassVar[int] = 4

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Gates in Keras' order: input, forget, cell, output."""
        _, channels = series(self, input_shape)
        four = 4 * self.units
        return {"kernel": (channels, four), "recurrent_kernel": (self.units, four), "bias": (four,)}

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras LSTM."""
        import keras

        return self._to_keras(keras.layers.LSTM, seed)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LSTM."""
        # Keras: input, forget, cell, output; ONNX: input, output, forget, cell.
        order = np.arange(4 * self.units).reshape(4, self.units)[[0, 3, 1, 2]].ravel()
        bias = weights.arrays["bias"][order]
        parts = {
            "kernel": weights.arrays["kernel"].T[order][None],
            "recurrent_kernel": weights.arrays["recurrent_kernel"].T[order][None],
            "bias": np.stack([bias, np.zeros_like(bias)]).reshape(1, -1),
        }
        self._to_onnx(graph, weights, "LSTM", parts)


@dataclass(frozen=True, kw_only=True)
class GRU(Recurrent):
    """Gated recurrent units: Cho et al. 2014, arXiv:1406.1078, with the reset gate after the product, as in Keras."""

    kind: ClassVar[str] = "gru"
    keras_classes: ClassVar[tuple[str, ...]] = ("GRU",)
    gates: ClassVar[int] = 3

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Gates in Keras' order: update, reset, candidate; two biases, one for the input, one for the state."""
        _, channels = series(self, input_shape)
        three = 3 * self.units
        return {"kernel": (channels, three), "recurrent_kernel": (self.units, three), "bias": (2, three)}

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras GRU."""
        import keras

        return self._to_keras(keras.layers.GRU, seed)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add GRU."""
        parts = {
            "kernel": weights.arrays["kernel"].T[None],
            "recurrent_kernel": weights.arrays["recurrent_kernel"].T[None],
            "bias": weights.arrays["bias"].reshape(1, -1),
        }
        self._to_onnx(graph, weights, "GRU", parts, linear_before_reset=1)


@dataclass(frozen=True, kw_only=True)
class Repeat(Layer):
    """A row of features repeated at each of `times` steps."""

    times: int

    kind: ClassVar[str] = "repeat"
    keras_classes: ClassVar[tuple[str, ...]] = ("RepeatVector",)
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse 0 times."""
        self.require(1 <= self.times < 1 << 31, "times from 1 to 2**31 - 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(features,) -> (times, features)."""
        if len(input_shape) != 1:
            raise ShapeError(f"layer 'repeat' ({self.name}) needs rows (features,), got {input_shape}.")
        return (self.times, *input_shape)

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Return to one row by a recurrent layer that keeps the last state."""
        return (LSTM(units=input_shape[-1], sequences=False),)

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the times of a Keras RepeatVector."""
        return cls(times=layer.n, name=layer.name)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras RepeatVector."""
        import keras

        return keras.layers.RepeatVector(self.times, name=self.name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add Unsqueeze and Tile."""
        graph.add("Unsqueeze", graph.integers(1))
        graph.add("Tile", graph.integers(1, self.times, 1))
