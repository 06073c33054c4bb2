"""Layers over time, (time, channels): long short-term memory, gated recurrent units, and a row repeated over time."""

from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import ShapeError
from diabolo.network.layers.base import Layer
from diabolo.network.layers.common import Dense
from diabolo.network.parts import Shape


def series(layer: Layer, input_shape: Shape) -> tuple[int, int]:
    """Return the time steps and the channels of a row; ShapeError where it is no series."""
    if len(input_shape) != 2:
        raise ShapeError(
            f"layer {layer.kind!r} ({layer.name}) needs rows (time, channels), got {input_shape}: put a Reshape() "
            f"before it."
        )
    return input_shape[0], input_shape[1]


@dataclass(frozen=True, kw_only=True)
class Recurrent(Layer):
    """What LSTM and GRU share: `units` numbers that are carried from step to step."""

    units: int
    sequences: bool = True  # a state for each step; False: the last alone

    gates: ClassVar[int]  # products a unit, which are computed for all steps at once
    makes_features: ClassVar[bool] = True
    needs_axes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit."""
        self.require(self.units >= 1, "units of at least 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(time, channels) -> (time, units), or (units,) of the last step alone."""
        time, _ = series(self, input_shape)
        return (time, self.units) if self.sequences else (self.units,)

    def numbers(self, input_shape: Shape) -> int:
        """The gates of every step, whether or not the states of all steps are wanted."""
        time, _ = series(self, input_shape)
        return time * self.gates * self.units

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Unroll over time; states lie in (-1, 1), so a dense layer brings the channels back to their own range."""
        time, channels = series(self, input_shape)
        again = type(self)(units=self.units)
        return (*(() if self.sequences else (Repeat(times=time),)), again, Dense(units=channels))


@dataclass(frozen=True, kw_only=True)
class LSTM(Recurrent):
    """Long short-term memory: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000."""

    kind: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Gates in Keras' order: input, forget, cell, output."""
        _, channels = series(self, input_shape)
        four = 4 * self.units
        return {"kernel": (channels, four), "recurrent_kernel": (self.units, four), "bias": (four,)}


@dataclass(frozen=True, kw_only=True)
class GRU(Recurrent):
    """Gated recurrent units: Cho et al. 2014, arXiv:1406.1078, the reset gate behind the product as Keras has it."""

    kind: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Gates in Keras' order: update, reset, candidate; two biases, one of the input, one of the state."""
        _, channels = series(self, input_shape)
        three = 3 * self.units
        return {"kernel": (channels, three), "recurrent_kernel": (self.units, three), "bias": (2, three)}


@dataclass(frozen=True, kw_only=True)
class Repeat(Layer):
    """A row of features, the same at every one of `times` steps."""

    times: int

    kind: ClassVar[str] = "repeat"
    reshapes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse no time at all."""
        self.require(1 <= self.times < 1 << 31, "times from 1 to 2**31 - 1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """(features,) -> (times, features)."""
        if len(input_shape) != 1:
            raise ShapeError(f"layer 'repeat' ({self.name}) needs rows (features,), got {input_shape}.")
        return (self.times, *input_shape)

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Go over time once more and keep the last state."""
        return (LSTM(units=input_shape[-1], sequences=False),)
