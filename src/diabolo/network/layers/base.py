"""The base of all layers."""

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from diabolo.errors import OptionError, ShapeError
from diabolo.network.tensors import KerasLayer
from diabolo.parts import MOST_AXES, Part, Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Constants, Graph

# ONNX Runtime may lay out the tensors of convolutions in blocks of so many channels (8 without AVX-512), the last one
# padded: a convolution of one filter then takes 16 times the memory of its output.
BLOCK = 16


@dataclass(frozen=True, kw_only=True)
class Layer(Part):
    """The base of all layers. The network gives each layer its `name`, if it has none."""

    name: str = ""

    makes_features: ClassVar[bool] = False  # new numbers by weights: starts a block of a structure (see mirror())
    reshapes: ClassVar[bool] = False  # changes axes or their sizes without weights; the decoder undoes it by mirror()
    keeps_input: ClassVar[bool] = False  # its output begins with its input: nothing needs to bring that back
    needs_axes: ClassVar[bool] = False  # looks at neighbouring places: of no use on a flat row
    ends_in_activation: ClassVar[bool] = False  # its output is that of its `activation`, which a decoder may replace
    lends_kernel: ClassVar[bool] = False  # has a matrix `kernel` that `tied` uses transposed in the decoder
    is_activation: ClassVar[bool] = False  # nothing but an activation, which the end of a decoder leaves to the loss
    reducible: ClassVar[bool] = False  # `precision` applies: training may compute its products in bfloat16
    keras_classes: ClassVar[tuple[str, ...]] = ()  # names of the classes of Keras that `from_keras` reads

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(isinstance(value, tuple) and len(value) > MOST_AXES for value in vars(self).values()):
            raise OptionError(f"{self.kind}: a row has at most {MOST_AXES} axes.")
        # Names become those of weights in files and of operations in Keras, ONNX and TensorFlow.
        if not re.fullmatch(r"[A-Za-z0-9_.-]{0,100}", self.name):
            raise OptionError(
                f"{self.kind}: a name may hold up to 100 letters, digits, '_', '.' and '-', got {self.name!r:.120}."
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output for one row of `input_shape`; raise ShapeError if none fits."""
        return input_shape

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the name and shape of each weight, in Keras' order."""
        return {}

    def numbers(self, input_shape: Shape) -> int:
        """Return the size of the largest tensor that the layer makes of one row: its output, or one on the way to it.

        This is what ONNX Runtime allocates for each row of a batch; tests/test_memory.py measures it.
        """
        return math.prod(self.output_shape(input_shape))

    def workspace(self, input_shape: Shape) -> int:
        """Return how many numbers ONNX Runtime allocates in addition, once for all rows of a batch."""
        return 0

    def blocked(self, input_shape: Shape) -> int:
        """Return the size of the largest tensor of one row if channels are padded to blocks, see `BLOCK`; 0: never."""
        return 0

    def borrows(self, input_shape: Shape) -> dict[str, tuple[str, Shape]]:
        """Return the weights of other layers that this one uses: as what, their name in the network, and shape.

        Its Keras layer then has a method `tie`, which is called with the Keras layer that has the weights.
        """
        return {}

    def mirror(self, input_shape: Shape) -> "tuple[Layer, ...]":
        """Return the layers that bring `output_shape(input_shape)` back to `input_shape`, nameless."""
        return (dataclasses.replace(self, name=""),)

    def tied(self, input_shape: Shape) -> "Layer":
        """Return the layer that brings `output_shape(input_shape)` back by the same kernel; if `lends_kernel`."""
        raise TypeError(f"{type(self).__name__} has no kernel to lend: it must define tied(input_shape)")

    def with_activation(self, activation: str) -> "Layer":
        """Return the layer with another activation of its output; the same layer if it has none there."""
        return dataclasses.replace(self, **{"activation": activation}) if self.ends_in_activation else self

    @classmethod
    def from_keras(cls, layer: KerasLayer) -> "Layer | tuple[Layer, ...]":
        """Return the layer, or the layers, that a Keras layer of one of the `keras_classes` is; weights are not read.

        Of several, the last has the name of the Keras layer.

        Raises: OptionError if the Keras layer has a setting that this one does not have.
        """
        raise TypeError(f"{cls.__name__} must say how it is read from Keras: give it from_keras(layer).")

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a keras.layers.Layer of the same name, whose weights are attributes by the names of `weights`.

        Keras is imported within this method, because files are read and used without it.

        Args:
            axes: number of axes of one row of the input.
            seed: decides everything that is random in the layer.
        """
        raise TypeError(f"{type(self).__name__} must say how it is made in Keras: give it to_keras(axes, seed).")

    def keras_weight(self, built: KerasLayer, weight: str) -> Any:
        """Return the variable of a weight in the layer that `to_keras` made."""
        # Keras keeps the weights of a recurrent layer in the cell that it repeats.
        return getattr(getattr(built, "cell", built), weight)

    def to_onnx(self, graph: "Graph", step: "Step", weights: "Constants") -> None:
        """Add the nodes that compute the layer, from `graph.end` to a new `graph.end`.

        Args:
            graph: `graph.add("Mul", name)` adds a node that takes the latest output, and the tensor of a name.
            step: input_shape and output_shape of a row.
            weights: `weights["kernel"]` is the name of a weight in the graph, `weights.arrays["kernel"]` its values.
        """
        raise TypeError(f"{type(self).__name__} must say how it is computed: give it to_onnx(graph, step, weights).")


class Step(NamedTuple):
    """One layer in its place in a network."""

    layer: Layer
    input_shape: Shape
    output_shape: Shape


def padded(places: Shape, channels: int) -> int:
    """Return the size of a tensor with channels padded to blocks."""
    return math.prod(places) * math.ceil(channels / BLOCK) * BLOCK


def last_axis(layer: Layer, input_shape: Shape) -> int:
    """Return the size of the last axis; ShapeError if there is none."""
    if not input_shape:
        raise ShapeError(f"layer {layer.kind!r} ({layer.name}) needs at least one axis, got a single number a row.")
    return input_shape[-1]
