"""Layers -> an ONNX graph, for inference and export. The other builder is keras_builder; a test holds the two equal.

A graph is made in memory from the table of layers and the weights; TensorFlow plays no part. Input `rows` or `latent`,
output `latent` or `raw` and `reconstruction`; the first axis is the batch, of any size.

Order: a graph that grows, activations, the table from layer to nodes, the build.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from diabolo.network import layers as facts
from diabolo.network.parts import Shape
from diabolo.network.structures import Network, Step

# Gelu came with opset 20; every ONNX Runtime since 1.17 runs it and reads IR version 9.
OPSET = 20
IR_VERSION = 9


class Graph:
    """Nodes and constants, one after the other; `end` is the name of the latest output."""

    def __init__(self, start: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.end = start
        self._count = 0

    def add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """Append a node that takes `end` and then `inputs`."""
        self.nodes.append(self.node(operator, self.end, *inputs, **attributes))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
        """Return a node that takes `inputs`, and make its output the end."""
        self._count += 1
        self.end = f"{operator.lower()}_{self._count}"
        return helper.make_node(operator, list(inputs), [self.end], **attributes)

    def constant(self, name: str, value: Any) -> str:
        """Keep an array in the graph and return its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _silu(graph: Graph) -> None:
    start = graph.end
    graph.add("Sigmoid")
    graph.add("Mul", start)


# Keras' definitions: elu and softplus with 1, leaky_relu with 0.2, the exact gelu, softmax over the last axis.
ACTIVATIONS: dict[str, Callable[[Graph], None]] = {
    "linear": lambda graph: None,
    "relu": lambda graph: graph.add("Relu"),
    "leaky_relu": lambda graph: graph.add("LeakyRelu", alpha=0.2),
    "elu": lambda graph: graph.add("Elu", alpha=1.0),
    "selu": lambda graph: graph.add("Selu"),
    "gelu": lambda graph: graph.add("Gelu"),
    "silu": _silu,
    "softplus": lambda graph: graph.add("Softplus"),
    "softsign": lambda graph: graph.add("Softsign"),
    "tanh": lambda graph: graph.add("Tanh"),
    "sigmoid": lambda graph: graph.add("Sigmoid"),
    "softmax": lambda graph: graph.add("Softmax", axis=-1),
}

Constants = Mapping[str, str]  # a layer's own weight name -> its name in the graph


def _dense(graph: Graph, step: Step, weights: Constants) -> None:
    layer = step.layer
    assert isinstance(layer, facts.Dense)
    if layer.use_bias and len(step.input_shape) == 1:
        graph.add("Gemm", weights["kernel"], weights["bias"])  # one node where the input is a matrix
    else:
        graph.add("MatMul", weights["kernel"])
        if layer.use_bias:
            graph.add("Add", weights["bias"])
    ACTIVATIONS[layer.activation](graph)


def _activation(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Activation)
    ACTIVATIONS[step.layer.function](graph)


def _batch_normalization(graph: Graph, step: Step, weights: Constants) -> None:
    # (x - mean) / sqrt(variance + epsilon) * gamma + beta; ONNX's own operator wants the features on axis 1.
    assert isinstance(step.layer, facts.BatchNormalization)
    name = step.layer.name
    epsilon = graph.constant(f"{name}/epsilon", np.float32(step.layer.epsilon))
    graph.add("Sub", weights["moving_mean"])
    centred = graph.end
    graph.nodes.append(graph.node("Add", weights["moving_variance"], epsilon))
    graph.add("Sqrt")
    deviation = graph.end
    graph.nodes.append(graph.node("Div", centred, deviation))
    graph.add("Mul", weights["gamma"])
    graph.add("Add", weights["beta"])


def _layer_normalization(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.LayerNormalization)
    graph.add("LayerNormalization", weights["gamma"], weights["beta"], axis=-1, epsilon=step.layer.epsilon)


def _to_shape(graph: Graph, step: Step, weights: Constants) -> None:
    shape = graph.constant(f"{step.layer.name}/shape", np.array([-1, *step.output_shape], np.int64))
    graph.add("Reshape", shape)


def _nothing(graph: Graph, step: Step, weights: Constants) -> None:
    """Dropout drops nothing at inference."""


BUILDERS: dict[type[facts.Layer], Callable[[Graph, Step, Constants], None]] = {
    facts.Dense: _dense,
    facts.Activation: _activation,
    facts.BatchNormalization: _batch_normalization,
    facts.LayerNormalization: _layer_normalization,
    facts.Dropout: _nothing,
    facts.Flatten: _to_shape,
    facts.Reshape: _to_shape,
}


def build_encoder(network: Network, weights: Mapping[str, np.ndarray[Any, Any]]) -> onnx.ModelProto:
    """Return the graph rows -> latent, float32 (batch, *input_shape) -> (batch, latent_dim)."""
    graph = Graph("rows")
    _extend(graph, network.encoder_steps, weights)
    graph.nodes.append(helper.make_node("Identity", [graph.end], ["latent"]))
    return _finish("encoder", graph, ("rows", network.input_shape), [("latent", network.latent_shape)])


def build_decoder(
    network: Network, weights: Mapping[str, np.ndarray[Any, Any]], *, link: str = "linear"
) -> onnx.ModelProto:
    """Return the graph latent -> raw and reconstruction, float32 (batch, latent_dim) -> (batch, *input_shape) twice."""
    graph = Graph("latent")
    _extend(graph, network.decoder_steps, weights)
    graph.nodes.append(helper.make_node("Identity", [graph.end], ["raw"]))
    ACTIVATIONS[link](graph)
    graph.nodes.append(helper.make_node("Identity", [graph.end], ["reconstruction"]))
    outputs = [("raw", network.input_shape), ("reconstruction", network.input_shape)]
    return _finish("decoder", graph, ("latent", network.latent_shape), outputs)


def _extend(graph: Graph, steps: Sequence[Step], weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    for step in steps:
        own = {weight: f"{step.layer.name}/{weight}" for weight in step.layer.weights(step.input_shape)}
        for name in own.values():
            graph.constant(name, np.ascontiguousarray(weights[name], np.float32))
        BUILDERS[type(step.layer)](graph, step, own)


def _finish(name: str, graph: Graph, start: tuple[str, Shape], ends: Sequence[tuple[str, Shape]]) -> onnx.ModelProto:
    def value(tensor: tuple[str, Shape]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor[0], TensorProto.FLOAT, ["batch", *tensor[1]])

    body = helper.make_graph(graph.nodes, name, [value(start)], [value(end) for end in ends], graph.constants)
    return helper.make_model(
        body, producer_name="diabolo", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
