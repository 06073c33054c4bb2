"""Layers -> an ONNX graph, for inference and export. The other builder is keras_builder; a test holds the two equal.

A graph is made in memory from the table of layers and the weights; TensorFlow plays no part. Input `rows` or `latent`,
output `latent` or `raw` and `reconstruction`; the first axis is the batch, of any size.

Order: activations, the table from layer to nodes, the build.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from diabolo.network import layers as facts
from diabolo.network.backends.onnx import gauss_newton as refining
from diabolo.network.backends.onnx.graph import Constants, Graph
from diabolo.network.bottlenecks import Refined
from diabolo.network.losses import Loss
from diabolo.network.parts import Shape
from diabolo.network.structures import Network, Step

# Gelu came with opset 20; every ONNX Runtime since 1.17 runs it and reads IR version 9.
OPSET = 20
IR_VERSION = 9
NORMALISED = 1e-3  # what residual blocks add to the variance, as keras_layers.py does


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
    "exponential": lambda graph: graph.add("Exp"),
    "softmax": lambda graph: graph.add("Softmax", axis=-1),
}


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


def _tied_dense(graph: Graph, step: Step, weights: Constants) -> None:
    layer = step.layer
    assert isinstance(layer, facts.TiedDense)
    graph.add("MatMul", weights.put("kernel", weights.arrays["kernel"].T))
    if layer.use_bias:
        graph.add("Add", weights["bias"])
    ACTIVATIONS[layer.activation](graph)


def _activation(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Activation)
    ACTIVATIONS[step.layer.function](graph)


def _batch_normalization(graph: Graph, step: Step, weights: Constants) -> None:
    # (x - mean) / sqrt(variance + epsilon) * gamma + beta; ONNX's own operator wants the features on axis 1.
    assert isinstance(step.layer, facts.BatchNormalization)
    epsilon = weights.put("epsilon", np.float32(step.layer.epsilon))
    graph.add("Sub", weights["moving_mean"])
    (variance,) = graph.aside("Add", weights["moving_variance"], epsilon)
    graph.add("Div", *graph.aside("Sqrt", variance))
    graph.add("Mul", weights["gamma"])
    graph.add("Add", weights["beta"])


def _layer_normalization(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.LayerNormalization)
    graph.add("LayerNormalization", weights["gamma"], weights["beta"], axis=-1, epsilon=step.layer.epsilon)


def _channels_first(graph: Graph, axes: int) -> None:
    graph.add("Transpose", perm=[0, axes + 1, *range(1, axes + 1)])


def _channels_last(graph: Graph, axes: int) -> None:
    graph.add("Transpose", perm=[0, *range(2, axes + 2), 1])


def _padding(sizes: Shape, window: int, stride: int) -> list[int]:
    """Return what TensorFlow's padding "same" puts before and behind each axis, in ONNX' order."""
    totals = [max((-(-size // stride) - 1) * stride + window - size, 0) for size in sizes]
    return [*(total // 2 for total in totals), *(total - total // 2 for total in totals)]


def _kernel_first(kernel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(size, [size,] a, b) -> (b, a, size, [size])."""
    axes = kernel.ndim - 2
    return kernel.transpose(axes + 1, axes, *range(axes))


def _convolve(graph: Graph, sizes: Shape, kernel: str, bias: str | None, window: int, stride: int) -> None:
    axes = len(sizes)
    _channels_first(graph, axes)
    inputs = (kernel,) if bias is None else (kernel, bias)
    graph.add("Conv", *inputs, strides=[stride] * axes, pads=_padding(sizes, window, stride))
    _channels_last(graph, axes)


def _convolution(graph: Graph, step: Step, weights: Constants) -> None:
    layer = step.layer
    assert isinstance(layer, facts.Convolution)
    kernel = weights.put("kernel", _kernel_first(weights.arrays["kernel"]))
    bias = weights["bias"] if layer.use_bias else None
    _convolve(graph, step.input_shape[:-1], kernel, bias, layer.size, layer.stride)
    ACTIVATIONS[layer.activation](graph)


def _transposed_convolution(graph: Graph, step: Step, weights: Constants) -> None:
    layer = step.layer
    assert isinstance(layer, facts.TransposedConvolution)
    axes, over = len(layer.shape), layer.size - layer.stride
    _channels_first(graph, axes)
    inputs = [weights.put("kernel", _kernel_first(weights.arrays["kernel"]))]
    inputs += [weights["bias"]] if layer.use_bias else []
    pads = [over // 2] * axes + [over - over // 2] * axes
    graph.add("ConvTranspose", *inputs, strides=[layer.stride] * axes, pads=pads)
    _channels_last(graph, axes)
    _cut(graph, layer.shape)
    ACTIVATIONS[layer.activation](graph)


def _cut(graph: Graph, shape: Shape) -> None:
    """Leave only the first places of the axes of space."""
    starts, ends = graph.integers(*[0] * len(shape)), graph.integers(*shape)
    graph.add("Slice", starts, ends, graph.integers(*range(1, len(shape) + 1)))


def _pooling(graph: Graph, step: Step, weights: Constants) -> None:
    layer, sizes = step.layer, step.input_shape[:-1]
    assert isinstance(layer, facts.Pooling)
    window = {"kernel_shape": [layer.size] * len(sizes), "strides": [layer.size] * len(sizes)}
    _channels_first(graph, len(sizes))
    operator = "MaxPool" if layer.function == "max" else "AveragePool"
    graph.add(operator, pads=_padding(sizes, layer.size, layer.size), **window)
    _channels_last(graph, len(sizes))


def _upsampling(graph: Graph, step: Step, weights: Constants) -> None:
    layer = step.layer
    assert isinstance(layer, facts.Upsampling)
    scales = weights.put("scales", np.array([1.0, *[layer.size] * len(layer.shape), 1.0]))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    graph.add("Resize", "", scales, **how)
    _cut(graph, layer.shape)


def _recurrent(graph: Graph, step: Step, weights: Constants) -> None:
    layer, arrays = step.layer, weights.arrays
    assert isinstance(layer, facts.Recurrent)
    kernel, state, bias = arrays["kernel"].T, arrays["recurrent_kernel"].T, arrays["bias"]
    if isinstance(layer, facts.LSTM):
        # Keras: input, forget, cell, output; ONNX: input, output, forget, cell.
        order = np.arange(4 * layer.units).reshape(4, layer.units)[[0, 3, 1, 2]].ravel()
        kernel, state, bias = kernel[order], state[order], np.stack([bias[order], np.zeros_like(bias)])
        operator, extra = "LSTM", {}
    else:
        operator, extra = "GRU", {"linear_before_reset": 1}
    parts = {"kernel": kernel[None], "recurrent_kernel": state[None], "bias": bias.reshape(1, -1)}
    graph.add("Transpose", perm=[1, 0, 2])  # (time, batch, channels)
    names = [weights.put(name, value) for name, value in parts.items()]
    every, last = graph.aside(operator, graph.end, *names, outputs=2, hidden_size=layer.units, **extra)
    if layer.sequences:
        (graph.end,) = graph.aside("Squeeze", every, graph.integers(1))  # (time, batch, units)
        graph.add("Transpose", perm=[1, 0, 2])
    else:
        (graph.end,) = graph.aside("Squeeze", last, graph.integers(0))  # (batch, units)


def _normalise(graph: Graph, weights: Constants) -> None:
    graph.add("LayerNormalization", weights["gamma"], weights["beta"], axis=-1, epsilon=NORMALISED)


def _multiply(graph: Graph, weights: Constants, which: str) -> None:
    graph.add("MatMul", weights[f"kernel_{which}"])
    graph.add("Add", weights[f"bias_{which}"])


def _residual(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Residual)
    start = graph.end
    _normalise(graph, weights)
    _multiply(graph, weights, "in")
    ACTIVATIONS[step.layer.activation](graph)
    _multiply(graph, weights, "out")
    graph.add("Add", start)


def _residual_convolution(graph: Graph, step: Step, weights: Constants) -> None:
    layer = step.layer
    assert isinstance(layer, facts.ResidualConvolution)
    start = graph.end
    for which in ("in", "out"):
        ACTIVATIONS[layer.activation](graph)
        kernel = weights.put(f"kernel_{which}", _kernel_first(weights.arrays[f"kernel_{which}"]))
        _convolve(graph, step.input_shape[:-1], kernel, weights[f"bias_{which}"], layer.size, 1)
    graph.add("Add", start)


def _attention(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Attention)
    (time, features), heads = step.input_shape, step.layer.heads
    size = features // heads
    start = graph.end
    _normalise(graph, weights)
    _multiply(graph, weights, "in")
    graph.add("Reshape", graph.integers(-1, time, 3, heads, size))
    graph.add("Transpose", perm=[2, 0, 3, 1, 4])  # (3, batch, heads, time, size)
    parts = graph.aside("Split", graph.end, outputs=3, axis=0, num_outputs=3)
    query, key, value = (graph.aside("Squeeze", part, graph.integers(0))[0] for part in parts)
    (turned,) = graph.aside("Transpose", key, perm=[0, 1, 3, 2])
    (graph.end,) = graph.aside("MatMul", query, turned)  # (batch, heads, time, time)
    graph.add("Div", weights.put("root", np.float32(size**0.5)))
    graph.add("Softmax", axis=-1)
    graph.add("MatMul", value)
    graph.add("Transpose", perm=[0, 2, 1, 3])
    graph.add("Reshape", graph.integers(-1, time, features))
    _multiply(graph, weights, "out")
    graph.add("Add", start)


def _position(graph: Graph, step: Step, weights: Constants) -> None:
    graph.add("Add", weights["offset"])


def _repeat(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Repeat)
    graph.add("Unsqueeze", graph.integers(1))
    graph.add("Tile", graph.integers(1, step.layer.times, 1))


def _top_k(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.TopK)
    start = graph.end
    (sizes,) = graph.aside("Abs", start)
    largest, _ = graph.aside("TopK", sizes, graph.integers(step.layer.active), outputs=2, axis=-1)
    (least,) = graph.aside("ReduceMin", largest, graph.integers(-1), keepdims=1)
    (chosen,) = graph.aside("GreaterOrEqual", sizes, least)
    (graph.end,) = graph.aside("Where", chosen, start, weights.put("nothing", np.float32(0)))


def _quantize(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Quantize)
    book = weights.arrays["book"]
    graph.add("Reshape", graph.integers(-1, book.shape[1]))
    graph.add("MatMul", weights.put("twice", -2 * book.T))
    graph.add("Add", weights.put("squares", np.square(book).sum(axis=1)))
    graph.add("ArgMin", axis=1, keepdims=0)
    (graph.end,) = graph.aside("Gather", weights["book"], graph.end, axis=0)
    graph.add("Reshape", graph.integers(-1, *step.output_shape))


def _patches(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.Patches)
    size, (height, width, channels) = step.layer.size, step.input_shape
    down, across = -(-height // size), -(-width // size)
    graph.add("Pad", graph.integers(0, 0, 0, 0, 0, down * size - height, across * size - width, 0))
    graph.add("Reshape", graph.integers(-1, down, size, across, size, channels))
    graph.add("Transpose", perm=[0, 1, 3, 2, 4, 5])
    graph.add("Reshape", graph.integers(-1, *step.output_shape))


def _from_patches(graph: Graph, step: Step, weights: Constants) -> None:
    assert isinstance(step.layer, facts.FromPatches)
    size, (height, width, channels) = step.layer.size, step.output_shape
    down, across = -(-height // size), -(-width // size)
    graph.add("Reshape", graph.integers(-1, down, across, size, size, channels))
    graph.add("Transpose", perm=[0, 1, 3, 2, 4, 5])
    graph.add("Reshape", graph.integers(-1, down * size, across * size, channels))
    _cut(graph, (height, width))


def _to_shape(graph: Graph, step: Step, weights: Constants) -> None:
    graph.add("Reshape", graph.integers(-1, *step.output_shape))


def _nothing(graph: Graph, step: Step, weights: Constants) -> None:
    """Dropout drops nothing at inference."""


BUILDERS: dict[type[facts.Layer], Callable[[Graph, Step, Constants], None]] = {
    facts.Dense: _dense,
    facts.TiedDense: _tied_dense,
    facts.Convolution: _convolution,
    facts.TransposedConvolution: _transposed_convolution,
    facts.LSTM: _recurrent,
    facts.GRU: _recurrent,
    facts.Residual: _residual,
    facts.ResidualConvolution: _residual_convolution,
    facts.Attention: _attention,
    facts.Position: _position,
    facts.Activation: _activation,
    facts.BatchNormalization: _batch_normalization,
    facts.LayerNormalization: _layer_normalization,
    facts.Dropout: _nothing,
    facts.Pooling: _pooling,
    facts.Upsampling: _upsampling,
    facts.Repeat: _repeat,
    facts.TopK: _top_k,
    facts.Quantize: _quantize,
    facts.Patches: _patches,
    facts.FromPatches: _from_patches,
    facts.Flatten: _to_shape,
    facts.Reshape: _to_shape,
}


def build_encoder(
    network: Network, weights: Mapping[str, np.ndarray[Any, Any]], loss: Loss | None = None, *, heads: bool = False
) -> onnx.ModelProto:
    """Return the graph rows -> latent, float32 (batch, *input_shape) -> (batch, latent_dim).

    Args:
        network: facts.
        weights: of the network and the loss.
        loss: by which latents are refined; None: they are not.
        heads: give what stands beside the latent as well, each under its own name.
    """
    graph = Graph("rows")
    outputs = [("latent", network.latent_shape)]
    _extend(graph, network.encoder_steps[: len(network.encoder)], weights)
    hidden = graph.end
    _extend(graph, network.encoder_steps[len(network.encoder) :], weights)
    if isinstance(network.bottleneck, Refined) and loss is not None:
        _refine(graph, network, weights, loss, network.bottleneck.steps)
    graph.nodes.append(helper.make_node("Identity", [graph.end], ["latent"]))
    for name, step in network.heads.items() if heads else ():
        graph.end = hidden
        _extend(graph, [step], weights)
        graph.nodes.append(helper.make_node("Identity", [graph.end], [name]))
        outputs.append((name, step.output_shape))
    return _finish("encoder", graph, ("rows", network.input_shape), outputs)


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


def _refine(
    graph: Graph, network: Network, weights: Mapping[str, np.ndarray[Any, Any]], loss: Loss, steps: int
) -> None:
    """Go on from the latent at the end of a graph to a better one."""
    numbers = math.prod(network.input_shape)

    def decode(latent: refining.Values) -> refining.Values:
        graph.end = latent.name
        _extend(graph, network.decoder_steps, weights)
        return refining.Values(graph, graph.end).reshape(-1, numbers)

    learnt = {name: weights[f"loss/{name}"] for name in loss.weights(network.input_shape)}
    graph.end = refining.refine(
        refining.Values(graph, "rows").reshape(-1, numbers),
        refining.Values(graph, graph.end),
        decode,
        refining.local_loss(loss, network.input_shape, learnt),
        latents=network.latent_dim,
        numbers=numbers,
        steps=steps,
    ).name


def _extend(graph: Graph, steps: Sequence[Step], weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    for step in steps:
        own = {weight: weights[f"{step.layer.name}/{weight}"] for weight in step.layer.weights(step.input_shape)}
        own |= {weight: weights[name] for weight, (name, _) in step.layer.borrows(step.input_shape).items()}
        constants, builder = Constants(graph, step.layer.name, own), BUILDERS.get(type(step.layer))
        if builder is None:  # a layer of one's own
            step.layer.to_onnx(graph, step, constants)
        else:
            builder(graph, step, constants)


def _finish(name: str, graph: Graph, start: tuple[str, Shape], ends: Sequence[tuple[str, Shape]]) -> onnx.ModelProto:
    def value(tensor: tuple[str, Shape]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor[0], TensorProto.FLOAT, ["batch", *tensor[1]])

    body = helper.make_graph(graph.nodes, name, [value(start)], [value(end) for end in ends], graph.constants)
    return helper.make_model(
        body, producer_name="diabolo", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
