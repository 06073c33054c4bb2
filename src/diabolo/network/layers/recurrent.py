"""Layers over time, (time, channels): long short-term memory, gated recurrent units, and a row repeated over time.

Order: what both share, LSTM, GRU, one of them in both directions, Repeat.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network.layers.activations import keras_activation
from diabolo.network.layers.base import Layer, Step
from diabolo.network.layers.common import Dense
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph

Arrays = dict[str, np.ndarray[Any, Any]]

# The activations within a cell by Keras' names: ONNX's name, and the settings that it has there.
WITHIN: dict[str, tuple[str, dict[str, float]]] = {
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "relu": ("Relu", {}),
    "hard_sigmoid": ("HardSigmoid", {"activation_alpha": 1 / 6, "activation_beta": 0.5}),
    "softsign": ("Softsign", {}),
    "elu": ("Elu", {"activation_alpha": 1.0}),
    "linear": ("Affine", {"activation_alpha": 1.0, "activation_beta": 0.0}),
}


def _within(usual: str) -> Any:
    return field(default=usual, metadata={"since": 2, "before": usual})


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
    activation: str = _within("tanh")  # of the state and of what is added to it
    recurrent_activation: str = _within("sigmoid")  # of the gates

    functions: ClassVar[int]  # how many activations ONNX's operator has
    gates: ClassVar[int]  # products a unit, which are computed for all steps at once
    makes_features: ClassVar[bool] = True
    needs_axes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse fewer than one unit, and activations that ONNX does not have within a cell."""
        self.require(self.units >= 1, "units of at least 1")
        for name in (self.activation, self.recurrent_activation):
            if name not in WITHIN:
                raise OptionError(f"{self.kind}: {unknown('activation', name, WITHIN)}")

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
        again = dataclasses.replace(self, name="", sequences=True)
        return (*(() if self.sequences else (Repeat(times=time),)), again, Dense(units=channels))

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras LSTM or GRU."""
        if not layer.use_bias or layer.go_backwards or layer.stateful:
            raise OptionError(
                f"layer {layer.name!r} must have a bias, go forwards and keep no state: leave use_bias, go_backwards "
                f"and stateful out."
            )
        return cls(
            units=layer.units,
            sequences=layer.return_sequences,
            activation=keras_activation(layer),
            recurrent_activation=layer.recurrent_activation.__name__,
            name=layer.name,
        )

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras LSTM or GRU."""
        import keras

        return getattr(keras.layers, type(self).__name__)(
            self.units,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            return_sequences=self.sequences,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed ^ 1),
            name=self.name,
        )

    def parts(self, arrays: Arrays) -> Arrays:
        """Return the weights of one direction in ONNX's order."""
        raise TypeError(f"{type(self).__name__} must define parts(): its weights as ONNX has them")

    def operate(self, graph: "Graph", weights: "Constants", parts: Arrays) -> list[str]:
        """Add the operator over time; return its outputs, (time, directions, batch, units) and the last states.

        Args: parts: the weights in ONNX's order, the directions first.
        """
        graph.add("Transpose", perm=[1, 0, 2])  # (time, batch, channels)
        names = [weights.put(name, value) for name, value in parts.items()]
        directions = len(parts["kernel"])
        functions = [self.recurrent_activation, *[self.activation] * (self.functions - 1)] * directions
        settings: dict[str, Any] = {"hidden_size": self.units, "activations": [WITHIN[name][0] for name in functions]}
        for name in functions:  # which have no place in the lists of settings that they do not have
            for key, value in WITHIN[name][1].items():
                settings.setdefault(key, []).append(value)
        if directions == 2:
            settings["direction"] = "bidirectional"
        if self.kind == "gru":
            settings["linear_before_reset"] = 1
        return graph.aside(self.kind.upper(), graph.end, *names, outputs=2, **settings)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LSTM or GRU."""
        every, last = self.operate(graph, weights, self.parts(dict(weights.arrays)))
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
    functions: ClassVar[int] = 3

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Gates in Keras' order: input, forget, cell, output."""
        _, channels = series(self, input_shape)
        four = 4 * self.units
        return {"kernel": (channels, four), "recurrent_kernel": (self.units, four), "bias": (four,)}

    def parts(self, arrays: Arrays) -> Arrays:
        """Keras: input, forget, cell, output; ONNX: input, output, forget, cell."""
        order = np.arange(4 * self.units).reshape(4, self.units)[[0, 3, 1, 2]].ravel()
        bias = arrays["bias"][order]
        return {
            "kernel": arrays["kernel"].T[order][None],
            "recurrent_kernel": arrays["recurrent_kernel"].T[order][None],
            "bias": np.stack([bias, np.zeros_like(bias)]).reshape(1, -1),
        }


@dataclass(frozen=True, kw_only=True)
class GRU(Recurrent):
    """Gated recurrent units: Cho et al. 2014, arXiv:1406.1078, with the reset gate after the product, as in Keras."""

    kind: ClassVar[str] = "gru"
    keras_classes: ClassVar[tuple[str, ...]] = ("GRU",)
    gates: ClassVar[int] = 3
    functions: ClassVar[int] = 2

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Gates in Keras' order: update, reset, candidate; two biases, one for the input, one for the state."""
        _, channels = series(self, input_shape)
        three = 3 * self.units
        return {"kernel": (channels, three), "recurrent_kernel": (self.units, three), "bias": (2, three)}

    def parts(self, arrays: Arrays) -> Arrays:
        """The order is the same in Keras and ONNX."""
        return {
            "kernel": arrays["kernel"].T[None],
            "recurrent_kernel": arrays["recurrent_kernel"].T[None],
            "bias": arrays["bias"].reshape(1, -1),
        }


CELLS: dict[str, type[Recurrent]] = {"lstm": LSTM, "gru": GRU}
MERGED = {"concat": "", "sum": "ReduceSum", "ave": "ReduceMean", "mul": "ReduceProd"}  # ONNX's operators


@dataclass(frozen=True, kw_only=True)
class Bidirectional(Layer):
    """An LSTM or GRU forwards in time and another one backwards, whose states are joined as `merge` says.

    Source: Schuster & Paliwal 1997, Bidirectional recurrent neural networks.
    """

    units: int  # of each direction
    cell: str = "lstm"
    sequences: bool = True  # states for each step; False: the last of each direction
    merge: str = "concat"
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"

    kind: ClassVar[str] = "bidirectional"
    keras_classes: ClassVar[tuple[str, ...]] = ("Bidirectional",)
    makes_features: ClassVar[bool] = True
    needs_axes: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse unknown cells and ways to merge, and what the cell refuses."""
        for sort, name, table in (("cell", self.cell, CELLS), ("merge", self.merge, MERGED)):
            if name not in table:
                raise OptionError(f"{self.kind}: {unknown(sort, name, table)}")
        self._one()

    def _one(self) -> Recurrent:
        """Return the layer of one direction."""
        return CELLS[self.cell](
            units=self.units,
            sequences=self.sequences,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            name=self.name,
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(time, channels) -> (time, units), or (units,) for the last steps only; twice the units if concatenated."""
        *time, units = self._one().output_shape(input_shape)
        return (*time, units * 2 if self.merge == "concat" else units)

    def numbers(self, input_shape: Shape) -> int:
        """The gates of every step in both directions."""
        return 2 * self._one().numbers(input_shape)

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Those of the direction forwards, then those of the other."""
        one = self._one().weights(input_shape)
        return {f"{way}_{name}": shape for way in ("forward", "backward") for name, shape in one.items()}

    def mirror(self, input_shape: Shape) -> tuple[Layer, ...]:
        """Unroll over time in both directions; a dense layer brings the channels back to their own range."""
        time, channels = series(self, input_shape)
        again = dataclasses.replace(self, name="", sequences=True)
        return (*(() if self.sequences else (Repeat(times=time),)), again, Dense(units=channels))

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> Layer:
        """Take the settings of a Keras Bidirectional around an LSTM or GRU."""
        one, other = layer.forward_layer, layer.backward_layer
        kind = type(one).__name__.lower()
        if kind not in CELLS or type(other) is not type(one):
            raise OptionError(
                f"layer {layer.name!r} has {type(one).__name__} and {type(other).__name__} within, expected LSTM or "
                f"GRU."
            )
        read = CELLS[kind].from_keras(one)
        assert isinstance(read, Recurrent)
        ours, theirs = ({**each.get_config(), "name": "", "go_backwards": False} for each in (one, other))
        same = all(ours[key] == theirs[key] for key in ("units", "activation", "recurrent_activation", "use_bias"))
        if layer.merge_mode not in MERGED or not same:
            raise OptionError(
                f"layer {layer.name!r} must have equal layers for both directions, and merge_mode "
                f"{', '.join(map(repr, MERGED))}, got {layer.merge_mode!r}."
            )
        return cls(
            units=read.units,
            cell=kind,
            sequences=read.sequences,
            merge=layer.merge_mode,
            activation=read.activation,
            recurrent_activation=read.recurrent_activation,
            name=layer.name,
        )

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a Keras Bidirectional."""
        import keras

        one = self._one().to_keras(axes, seed)
        other = type(one).from_config({**one.get_config(), "go_backwards": True, "name": f"{self.name}_backward"})
        for name, initializer in (("kernel", "GlorotUniform"), ("recurrent", "Orthogonal")):
            drawn = getattr(keras.initializers, initializer)(seed=seed ^ (2 if name == "kernel" else 3))
            setattr(other.cell, f"{name}_initializer", drawn)
        return keras.layers.Bidirectional(one, merge_mode=self.merge, backward_layer=other, name=self.name)

    def keras_weight(self, built: KerasLayer, weight: str) -> Any:
        """Return the variable of the cell of one direction."""
        way, _, name = weight.partition("_")
        return getattr(getattr(built, f"{way}_layer").cell, name)

    def to_onnx(self, graph: "Graph", step: Step, weights: "Constants") -> None:
        """Add LSTM or GRU in both directions, and join them."""
        one = self._one()
        ways = [
            one.parts({name: weights.arrays[f"{way}_{name}"] for name in one.weights(step.input_shape)})
            for way in ("forward", "backward")
        ]
        both = {name: np.concatenate([way[name] for way in ways]) for name in ways[0]}
        every, last = one.operate(graph, weights, both)
        graph.end = every if self.sequences else last  # ([time,] 2, batch, units)
        graph.add("Transpose", perm=[2, 0, 1, 3] if self.sequences else [1, 0, 2])  # (batch, [time,] 2, units)
        if self.merge == "concat":
            graph.add("Reshape", graph.integers(-1, *step.output_shape))
        else:
            graph.add(MERGED[self.merge], graph.integers(len(step.output_shape)), keepdims=0)


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
