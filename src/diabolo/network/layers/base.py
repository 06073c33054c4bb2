"""What every layer is, and the activations that some of them end in."""

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network.parts import MOST_AXES, Part, Shape

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
    "exponential",
    "softmax",
)


# ONNX Runtime may lay out the tensors of convolutions in blocks of so many channels (8 without AVX-512), the last one
# padded: a convolution of one filter then takes 16 times the memory of its output.
BLOCK = 16


@dataclass(frozen=True, kw_only=True)
class Layer(Part):
    """What all layers share. `name` is given by the network that the layer stands in."""

    name: str = ""

    makes_features: ClassVar[bool] = False  # new numbers by weights: starts a block of a structure (see mirror())
    reshapes: ClassVar[bool] = False  # the same numbers under other axes
    needs_axes: ClassVar[bool] = False  # looks at places beside each other: of no use on a flat row

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
        """Return the shape of the output for one row of `input_shape`; raise ShapeError where none fits."""
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
        """Return how many numbers ONNX Runtime allocates besides, once for all rows of a batch."""
        return 0

    def blocked(self, input_shape: Shape) -> int:
        """Return the size of the largest tensor of one row if channels are padded to blocks, see `BLOCK`; 0: never."""
        return 0

    def borrows(self, input_shape: Shape) -> dict[str, tuple[str, Shape]]:
        """Return the weights of other layers that this one uses: as what, their name in the network, and shape."""
        return {}

    def mirror(self, input_shape: Shape) -> "tuple[Layer, ...]":
        """Return the layers that bring `output_shape(input_shape)` back to `input_shape`, nameless."""
        return (dataclasses.replace(self, name=""),)

    def to_keras(self, axes: int, seed: int) -> Any:
        """Return a keras.layers.Layer, called as this one, whose weights are attributes by the names of `weights`.

        Only for layers of one's own; those of the table are made by keras_builder. Args: axes: of a row that comes in;
        seed: of whatever is random.
        """
        raise TypeError(f"{type(self).__name__} must say how it is made in Keras: give it to_keras(axes, seed).")

    def to_onnx(self, graph: Any, step: Any, weights: Any) -> None:
        """Add nodes that compute the layer; as `to_keras`, for layers of one's own.

        Args:
            graph: `graph.add("Mul", name)` adds a node that takes what was computed last, and the tensor of a name.
            step: input_shape and output_shape of a row.
            weights: `weights["kernel"]` is the name of a weight in the graph.
        """
        raise TypeError(f"{type(self).__name__} must say how it is computed: give it to_onnx(graph, step, weights).")


def check_activation(part: Part, name: str) -> None:
    """Raise OptionError where `name` is not an activation."""
    if name not in ACTIVATIONS:
        raise OptionError(f"{part.kind}: {unknown('activation', name, ACTIVATIONS)}")


def padded(places: Shape, channels: int) -> int:
    """Return the size of a tensor with channels padded to blocks."""
    return math.prod(places) * math.ceil(channels / BLOCK) * BLOCK


def last_axis(layer: Layer, input_shape: Shape) -> int:
    """Return the size of the last axis; ShapeError where there is none."""
    if not input_shape:
        raise ShapeError(f"layer {layer.kind!r} ({layer.name}) needs at least one axis, got a single number a row.")
    return input_shape[-1]
