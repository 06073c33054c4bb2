"""Layers -> an ONNX graph, for inference and export. A test compares it with the Keras models.

A graph is made in memory from layers and their weights: each layer adds its own nodes, by `to_onnx`. TensorFlow is not
used. Input `rows`, or `latent` and with a condition `condition`; output `latent` or `raw` and `reconstruction`; the
first axis is the batch, of any size.
"""

import math
from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

from diabolo.network.backends.onnx.gauss_newton import refine
from diabolo.network.backends.onnx.graph import Constants, Graph
from diabolo.network.backends.onnx.values import Values
from diabolo.network.layers import ACTIVATIONS, Step
from diabolo.network.losses import Local, Loss
from diabolo.network.network import Network
from diabolo.network.tensors import Array
from diabolo.parts import Shape

# Gelu came with opset 20; every ONNX Runtime since 1.17 runs it and reads IR version 9.
OPSET = 20
IR_VERSION = 9


def build_encoder(
    network: Network, weights: Mapping[str, Array], loss: Loss | None = None, *, heads: bool = False
) -> onnx.ModelProto:
    """Return the graph rows -> latent, float32 (batch, *input_shape) -> (batch, latent_dim).

    Args:
        network: facts.
        weights: of the network and the loss.
        loss: lowered by the steps of a bottleneck that refines; None: latents are not refined.
        heads: return the heads of the bottleneck as well, each under its own name.
    """
    graph = Graph("rows")
    outputs = [("latent", network.latent_shape)]
    _extend(graph, network.encoder_steps[: len(network.encoder)], weights)
    hidden = graph.end
    _extend(graph, network.encoder_steps[len(network.encoder) :], weights)
    if network.bottleneck.refining_steps and loss is not None:
        _refine(graph, network, weights, loss, network.bottleneck.refining_steps)
    graph.nodes.append(helper.make_node("Identity", [graph.end], ["latent"]))
    for name, step in network.heads.items() if heads else ():
        graph.end = hidden
        _extend(graph, [step], weights)
        graph.nodes.append(helper.make_node("Identity", [graph.end], [name]))
        outputs.append((name, step.output_shape))
    return _finish("encoder", graph, [("rows", network.input_shape)], outputs)


def build_decoder(network: Network, weights: Mapping[str, Array], *, link: str = "linear") -> onnx.ModelProto:
    """Return the graph latent -> reconstruction, float32 (batch, latent_dim) -> (batch, *input_shape).

    With a condition it has a second input, `condition`, (batch, numbers).

    Args: link: the activation of the reconstruction; with "linear" the raw outputs of the decoder are returned.
    """
    graph, starts = Graph("latent"), [("latent", network.latent_shape)]
    if network.condition:
        starts.append(("condition", (len(network.condition),)))
        graph.add("Concat", "condition", axis=1)
    _extend(graph, network.decoder_steps, weights)
    ACTIVATIONS[link](graph)
    graph.nodes.append(helper.make_node("Identity", [graph.end], ["reconstruction"]))
    outputs = [("reconstruction", network.input_shape)]
    return _finish("decoder", graph, starts, outputs)


def _refine(graph: Graph, network: Network, weights: Mapping[str, Array], loss: Loss, steps: int) -> None:
    """Continue from the latent at the end of a graph to a refined one."""
    numbers = math.prod(network.input_shape)
    learnt = {name: weights[f"loss/{name}"] for name in loss.weights(network.input_shape)}

    rows = Values(graph, "rows").reshape(-1, numbers)

    def decode(latent: Values) -> Values:
        graph.end = latent.name
        _extend(graph, network.decoder_steps, weights)
        return Values(graph, graph.end).reshape(-1, numbers)

    def local(target: Values, raw: Values) -> Local:
        return loss.local(target, raw, network.input_shape, learnt)

    graph.end = refine(
        rows,
        Values(graph, graph.end),
        decode,
        local,
        condition=rows.take(network.condition, 1) if network.condition else None,
        latents=network.latent_dim,
        given=len(network.condition),
        numbers=numbers,
        steps=steps,
    ).name


def _extend(graph: Graph, steps: Sequence[Step], weights: Mapping[str, Array]) -> None:
    for step in steps:
        own = {weight: weights[f"{step.layer.name}/{weight}"] for weight in step.layer.weights(step.input_shape)}
        own |= {weight: weights[name] for weight, (name, _) in step.layer.borrows(step.input_shape).items()}
        step.layer.to_onnx(graph, step, Constants(graph, step.layer.name, own))


def _finish(
    name: str, graph: Graph, starts: Sequence[tuple[str, Shape]], ends: Sequence[tuple[str, Shape]]
) -> onnx.ModelProto:
    def value(tensor: tuple[str, Shape]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor[0], TensorProto.FLOAT, ["batch", *tensor[1]])

    body = helper.make_graph(graph.nodes, name, [*map(value, starts)], [*map(value, ends)], graph.constants)
    return helper.make_model(
        body, producer_name="diabolo", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
