"""The activations of layers by Keras' names, and the ONNX nodes that compute them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from diabolo.errors import OptionError, unknown
from diabolo.network.tensors import KerasLayer
from diabolo.parts import Part

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.graph import Graph


def _silu(graph: "Graph") -> None:
    start = graph.end
    graph.add("Sigmoid")
    graph.add("Mul", start)


def _hard_silu(graph: "Graph") -> None:
    start = graph.end
    _hard_sigmoid(graph)
    graph.add("Mul", start)


def _hard_sigmoid(graph: "Graph") -> None:
    graph.add("HardSigmoid", alpha=1 / 6, beta=0.5)


def _relu6(graph: "Graph") -> None:
    graph.add("Clip", *(graph.unnamed(np.asarray(end, np.float32)) for end in (0, 6)))


# Keras' definitions: elu and softplus with 1, leaky_relu with 0.2, the exact gelu, softmax over the last axis.
ACTIVATIONS: dict[str, Callable[["Graph"], None]] = {
    "linear": lambda graph: None,
    "relu": lambda graph: graph.add("Relu"),
    "leaky_relu": lambda graph: graph.add("LeakyRelu", alpha=0.2),
    "elu": lambda graph: graph.add("Elu", alpha=1.0),
    "selu": lambda graph: graph.add("Selu"),
    "gelu": lambda graph: graph.add("Gelu"),
    "silu": _silu,
    "mish": lambda graph: graph.add("Mish"),
    "relu6": _relu6,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "softplus": lambda graph: graph.add("Softplus"),
    "softsign": lambda graph: graph.add("Softsign"),
    "tanh": lambda graph: graph.add("Tanh"),
    "sigmoid": lambda graph: graph.add("Sigmoid"),
    "exponential": lambda graph: graph.add("Exp"),
    "softmax": lambda graph: graph.add("Softmax", axis=-1),
}


def check_activation(part: Part, name: str) -> None:
    """Raise OptionError if `name` is not an activation."""
    if name not in ACTIVATIONS:
        raise OptionError(f"{part.kind}: {unknown('activation', name, ACTIVATIONS)}")


def keras_activation(layer: KerasLayer) -> str:
    """Return the name of the activation of a Keras layer; empty if it has none."""
    return str(getattr(layer.activation, "__name__", ""))
