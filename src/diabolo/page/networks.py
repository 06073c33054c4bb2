"""The encoder and the decoder of a model for the browser: computed by the page itself, or by onnxruntime-web.

The graphs are those that `diabolo.model.runtime` runs. If all operators of a graph are among `OPERATORS`, which the
page computes itself, it becomes a short program with its weights; else the page gets the ONNX file, and
onnxruntime-web with it. Order: the choice, programs, ONNX files.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.model.model import Model
from diabolo.model.runtime import Floats
from diabolo.network.backends.onnx import builder
from diabolo.page.blocks import Blocks
from diabolo.typing import Array

if TYPE_CHECKING:
    import onnx

# The operators that web/src/engine/program.ts computes; a test compares both.
OPERATORS = frozenset(
    "Add Clip Concat Div Elu Exp Flatten Gelu Gemm HardSigmoid Identity LayerNormalization LeakyRelu MatMul Mish "  # noqa: SIM905
    "Mul Relu Reshape Selu Sigmoid Softmax Softplus Softsign Sub Tanh".split()
)
SMALL = 1 << 18  # most weights of an encoder that a file contains by default: 1 MB
LEAST_ROUNDED = 1_000  # numbers of the smallest constant that is converted to 16 bits
LARGEST = 16 << 20  # most weights that are sent; the server computes larger models: 64 MB in float32
EXACT = 1 / 2  # most that weights in 16 bits may change a pixel, in steps of 255

Facts = dict[str, Any]


def decoder(model: Model, blocks: Blocks, latents: Floats, *, served: bool) -> Facts | None:
    """Return how the page decodes, as `Network` in web/src/format.ts; None: not at all.

    Args:
        model: whose decoder it is.
        blocks: gets the weights.
        latents: of some rows, (n, latent_dim), on which rounded weights are tested.
        served: whether the page comes from a server, which can compute instead.
    """
    graph = builder.build_decoder(model.network, model.weights, link=model.loss.link)
    if _size(graph) > LARGEST:
        return {"way": "server"} if served else None
    return _network("decoder", graph, blocks, short=_short_enough(model, latents))


def encoder(model: Model, blocks: Blocks, *, served: bool, asked: bool) -> Facts | None:
    """Return how the page encodes, as `decoder` does; None if the encoder would make a file much larger.

    Args: asked: whether the encoder is wanted, however large it is.
    """
    graph = builder.build_encoder(model.network, model.weights, model.loss)
    if _size(graph) > LARGEST:
        return {"way": "server"} if served else None
    needs_runtime = "onnxruntime.wasm" not in blocks.all and _own(graph, _constants(graph)) is None
    if not (served or asked) and (needs_runtime or _size(graph) > SMALL):
        return None
    return _network("encoder", graph, blocks, short=False)


def _size(graph: "onnx.ModelProto") -> int:
    """Return the number of weights."""
    return sum(math.prod(each.dims) for each in graph.graph.initializer)


def _constants(graph: "onnx.ModelProto") -> dict[str, Array]:
    import onnx

    return {each.name: onnx.numpy_helper.to_array(each) for each in graph.graph.initializer}


def _network(name: str, graph: "onnx.ModelProto", blocks: Blocks, *, short: bool) -> Facts:
    """Store a network. Args: short: whether its weights have 16 bits."""
    constants = _constants(graph)
    (output,) = graph.graph.output
    inputs = [each.name for each in graph.graph.input]
    nodes = _own(graph, constants)
    if nodes is None:
        _add_runtime(blocks)
        block = blocks.add_file(f"{name}.onnx", (_shortened(graph) if short else graph).SerializeToString())
        return {"way": "onnxruntime", "block": block, "inputs": inputs, "output": output.name}
    used = {each for node in nodes for each in node["inputs"]}
    kept = {key: value.astype(np.float32) for key, value in constants.items() if key in used}
    start, places = 0, {}
    for key, value in kept.items():
        places[key] = {"shape": list(value.shape), "start": start}
        start += value.size
    weights = np.concatenate([value.reshape(-1) for value in kept.values()]) if kept else np.zeros(0, np.float32)
    block = blocks.add(f"{name}.weights", weights, "f2" if short else "f4")
    program = {"inputs": inputs, "output": output.name, "nodes": nodes, "constants": places, "weights": block}
    return {"way": "own", "program": program}


def _shortened(graph: "onnx.ModelProto") -> "onnx.ModelProto":
    """Return a graph whose large constants have 16 bits; they are converted to 32 bits when it runs."""
    import onnx

    short = onnx.ModelProto()
    short.CopyFrom(graph)
    casts = []
    for at, each in enumerate(short.graph.initializer):
        if each.data_type != onnx.TensorProto.FLOAT or math.prod(each.dims) < LEAST_ROUNDED:
            continue
        half, name = onnx.numpy_helper.to_array(each).astype(np.float16), each.name
        short.graph.initializer[at].CopyFrom(onnx.numpy_helper.from_array(half, f"{name} in 16 bits"))
        casts.append(onnx.helper.make_node("Cast", [f"{name} in 16 bits"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *short.graph.node]
    del short.graph.node[:]
    short.graph.node.extend(nodes)
    return short


def _own(graph: "onnx.ModelProto", constants: dict[str, Array]) -> list[Facts] | None:
    """Return the nodes of a graph for the page; None: it cannot compute some. Constant nodes are computed here."""
    import onnx

    known = onnx.shape_inference.infer_shapes(graph).graph
    axes = {each.name: len(each.type.tensor_type.shape.dim) for each in (*known.value_info, *known.input)}
    nodes = []
    for node in graph.graph.node:
        attributes = {each.name: _value(each) for each in node.attribute}
        if all(name in constants for name in node.input) and node.op_type in CONSTANT:
            constants[node.output[0]] = CONSTANT[node.op_type](*(constants[name] for name in node.input))
            continue
        if node.op_type not in OPERATORS or len(node.output) != 1 or not _suits(node, constants, axes):
            return None
        inputs = list(node.input)[: 1 if node.op_type == "Reshape" else None]  # flat rows have no axes
        nodes.append({"op": node.op_type, "inputs": inputs, "output": node.output[0], "attributes": attributes})
    return nodes


# Operators between constants: a batch normalisation is a product and a sum once these are computed.
CONSTANT: dict[str, Any] = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Sqrt": np.sqrt}


def _value(attribute: Any) -> Any:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    return list(value) if isinstance(value, (list, tuple)) else value.decode() if isinstance(value, bytes) else value


WITH_AXES = frozenset(["Add", "Concat", "Div", "Gemm", "LayerNormalization", "MatMul", "Mul", "Softmax", "Sub"])


def _suits(node: Any, constants: Mapping[str, Array], axes: Mapping[str, int]) -> bool:
    """Return whether a node can be computed on flat rows. Args: axes: how many axes each tensor has."""
    if node.op_type in ("Gemm", "MatMul") and constants.get(node.input[1], np.zeros(0)).ndim != 2:
        return False
    tensors = [name for name in node.input if name not in constants]
    fixed = [constants[name] for name in node.input if name in constants]
    if node.op_type in ("Add", "Sub", "Mul", "Div") and all(each.size == 1 for each in fixed):
        return len({axes.get(name) for name in tensors}) == 1  # number by number
    return node.op_type not in WITH_AXES or all(axes.get(name) == 2 for name in tensors)


def _short_enough(model: Model, latents: Floats) -> bool:
    """Return whether a decoder may have 16 bits: if no pixel of pictures in bytes changes by more than half a step."""
    if model.adapter.kind != "image" or not model.adapter.gives_bytes or not len(latents):
        return False
    if max(float(np.abs(each).max()) for each in model.weights.values()) > np.finfo(np.float16).max:
        return False
    rounded = {name: value.astype(np.float16).astype(np.float32) for name, value in model.weights.items()}
    given = np.zeros((len(latents), len(model.network.condition)), np.float32) if model.network.condition else None
    exact, short = (
        each.apply_link(each.runtime.decode_raw(latents, 0, given)) for each in (model, replace(model, weights=rounded))
    )
    return bool(np.abs(exact - short).max() * 255 <= EXACT)


def _add_runtime(blocks: Blocks) -> None:
    """Add onnxruntime-web to the page, once."""
    if "onnxruntime.wasm" in blocks.all:
        return
    built = resources.files("diabolo.page").joinpath("built")
    for name, file in (("onnxruntime.js", "onnxruntime.js.gz"), ("onnxruntime.wasm", "onnxruntime.wasm.gz")):
        blocks.add_file(name, built.joinpath(file).read_bytes(), zipped=True)
