"""Parts of a trained Keras network: `split` it at its bottleneck, `evaluate` any layer from any other.

Both work on every Keras model that has a graph of layers: Sequential, functional, nested, loaded from a file. The
parts share their weights with the model they came from; nothing is copied and nothing is trained.

Order: split, evaluate, cutting the graph, finding layers.
"""

import itertools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np

from diabolo.errors import CutError, DataError, ShapeError, unknown
from diabolo.network.backends.keras import files

logger = logging.getLogger(__name__)

# Keras' functional graph is public in use but not in name: every symbolic tensor carries the operation that made it,
# the call of that operation, and which of its outputs it is.
Tensor: TypeAlias = Any  # a keras.KerasTensor


class Parts(NamedTuple):
    """The two halves of an auto-encoder."""

    encoder: keras.Model
    decoder: keras.Model


def split(model: keras.Model | str | os.PathLike[str], at: str | int | keras.layers.Layer = "bottleneck") -> Parts:
    """Return (encoder, decoder) of a model, cut after one layer: decoder(encoder(x)) is model(x).

    Args:
        model: any built Keras model with a graph of layers, or the path of its file, .keras or .h5; nothing in a
            file is executed.
        at: name, index or object of the layer whose output is the latent. A layer inside a nested model is named
            by its own name or, if that is not unique, by its path: "encoder/bottleneck"; one that is not nested, by
            "/bottleneck". If a layer is called several times, the last call counts, which is logged.

    Returns: models that share their weights with `model`: its inputs -> latent, and latent -> its outputs (a
        list if there are several).
    Raises: CutError if there is no such layer, or if the cut does not separate the network because a connection goes
        around it; the message names the layer where that connection ends. ModelFileError for a file that cannot be
        read, or that brings code.
    """
    model = _model(model, "split()")
    path = _path(model, at)
    flat = _flatten(model, _prefixes(path))
    latent = flat.output_of(path, "split()")
    if any(latent is tensor for tensor in flat.inputs):
        raise CutError(f"split(): {'/'.join(path)!r} is the input of the network: cut after a later layer.")
    if _missing(flat.outputs, [latent]):
        raise CutError(
            f"split(): cutting after {'/'.join(path)!r} does not separate the network: {_way_around(flat, latent)}. "
            f"Cut after a layer that all connections pass through."
        )
    return Parts(
        encoder=_submodel(flat.inputs, [latent], "encoder"), decoder=_submodel([latent], flat.outputs, "decoder")
    )


def evaluate(
    model: keras.Model | str | os.PathLike[str], fetch: str | Sequence[str], feed: Any, *, batch_size: int = 1024
) -> Any:
    """Return the outputs of any layers, computed from the outputs of any others that determine them.

    Args:
        model: any built Keras model with a graph of layers, or the path of its file, as for `split`.
        fetch: name of a layer whose output is wanted, or a list of names.
        feed: {name of a layer: array of its output}; an array alone is the input of the network. The names of input
            layers count as well, and "input" stands for the only one.
        batch_size: rows at a time.

    Returns: an array (n, ...), or a list of them in the order of `fetch`.
    Raises: CutError for an unknown layer, and if the feed does not determine the fetched layers: the message names
        the missing inputs. ShapeError, DataError for arrays that do not fit their layer.
    """
    model = _model(model, "evaluate()")
    names = [fetch] if isinstance(fetch, str) else list(fetch)
    fed = feed if isinstance(feed, Mapping) else {"input": feed}
    inputs = [_node(tensor).operation.name for tensor in _functional(model).inputs]
    if not isinstance(feed, Mapping) and len(inputs) > 1:
        raise CutError(f"evaluate(): the network has several inputs: feed {{name: array}} for {', '.join(inputs)}.")
    if batch_size < 1:
        raise CutError(f"evaluate(): batch_size must be at least 1, got {batch_size}.")
    if not names or not fed:
        raise CutError("evaluate() expected at least one layer to fetch and one to feed.")
    paths = {name: _path(model, name) for name in (*names, *fed)}
    flat = _flatten(model, {prefix for path in paths.values() for prefix in _prefixes(path)})
    given = {name: flat.output_of(paths[name], "evaluate()") for name in fed}
    wanted = [flat.output_of(paths[name], "evaluate()") for name in names]
    missing = _missing(wanted, list(given.values()))
    if missing:
        raise CutError(
            f"evaluate(): {', '.join(sorted(fed))} alone does not determine {', '.join(names)}: "
            f"feed {', '.join(missing)} as well."
        )
    arrays = {name: _array(fed[name], given[name], name) for name in fed}
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise ShapeError(f"evaluate() expected as many rows for every layer that is fed, got {sizes}.")
    results = _run(given, wanted, arrays, batch_size)
    return results[0] if isinstance(fetch, str) else results


def _run(given: dict[str, Tensor], wanted: list[Tensor], arrays: dict[str, Any], batch_size: int) -> list[Any]:
    """Compute `wanted` from `given`, batch by batch."""
    names = list(given)
    pieces = []
    for start in range(0, len(arrays[names[0]]), batch_size):
        # The layers are called on numbers, one by one: no model is made, so nothing is added to them.
        batch = [keras.ops.convert_to_tensor(arrays[name][start : start + batch_size]) for name in names]
        values = _replay([given[name] for name in names], batch, wanted, (), set(), {})
        pieces.append([keras.ops.convert_to_numpy(value) for value in values])
    return [np.concatenate(piece) for piece in zip(*pieces, strict=True)]


def _array(value: Any, tensor: Tensor, name: str) -> Any:
    try:
        array = np.asarray(value, dtype=tensor.dtype)
    except (TypeError, ValueError) as error:
        raise DataError(f"evaluate(): feed[{name!r}] expected numbers ({error}).") from error
    expected = tuple(tensor.shape[1:])
    fits = array.ndim == len(expected) + 1 and all(
        size in (None, got) for size, got in zip(expected, array.shape[1:], strict=True)
    )
    if not fits or not len(array):
        raise ShapeError(
            f"evaluate(): feed[{name!r}] expected shape ({', '.join(map(str, ('n', *expected)))}) with n >= 1, "
            f"got {array.shape}."
        )
    return array


# Cutting the graph. Nested models are opened first, so that a cut may go through any of them.


class _Flat(NamedTuple):
    inputs: list[Tensor]
    outputs: list[Tensor]
    outputs_of: dict[tuple[str, ...], list[Tensor]]  # path of a layer -> its output in each of its calls

    def output_of(self, path: tuple[str, ...], where: str) -> Tensor:
        """Return the output of a layer in its last call; CutError if one call has several."""
        if path not in self.outputs_of:
            raise CutError(f"{'/'.join(path)!r} has several outputs, or none that is used: name a layer with one.")
        *others, last = self.outputs_of[path]
        if others:
            calls = len(others) + 1
            logger.warning("%s: layer %r is called %d times, the last call is taken", where, "/".join(path), calls)
        return last


def _flatten(model: keras.Model, opened: set[tuple[str, ...]]) -> _Flat:
    """Rebuild the graph of a model on fresh inputs, with the nested models in `opened` replaced by their layers.

    The layers are the same objects, called once more, so the weights are shared.
    """
    graph = _functional(model)
    inputs = [_fresh(tensor, _node(tensor).operation.name) for tensor in graph.inputs]
    outputs_of: dict[tuple[str, ...], list[Tensor]] = {}
    outputs = _replay(graph.inputs, inputs, graph.outputs, (), opened, outputs_of)
    return _Flat(inputs, outputs, outputs_of)


def _submodel(given: Sequence[Tensor], wanted: Sequence[Tensor], name: str) -> keras.Model:
    """Return the model from `given` to `wanted`, any tensors of one graph of which the first determine the second."""
    # Not keras.Model(given, wanted): where a layer is called twice, Keras' own cut swaps both calls for the input.
    nodes = list(_nodes(wanted, {id(tensor) for tensor in given}))
    taken = {node.operation.name for node in nodes}
    inputs = []
    for tensor in given:
        free = next(label for label in _labels(_node(tensor).operation.name) if label not in taken)
        taken.add(free)
        inputs.append(_fresh(tensor, free))
    outputs = _replay(given, inputs, wanted, (), set(), {})
    try:
        return keras.Model(_one_or_all(inputs), _one_or_all(outputs), name=name)
    except ValueError as error:
        raise CutError(f"Keras refuses the part ({error}). If two layers share a name, rename one.") from error


def _labels(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_input{count or ''}" for count in itertools.count())


def _fresh(tensor: Tensor, name: str) -> Tensor:
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, sparse=tensor.sparse, name=name)


def _replay(
    given: Sequence[Tensor],
    fresh: Sequence[Tensor],
    wanted: Sequence[Tensor],
    path: tuple[str, ...],
    opened: set[tuple[str, ...]],
    outputs_of: dict[tuple[str, ...], list[Tensor]],
    training: bool | None = None,
) -> list[Tensor]:
    """Call the layers between `given` and `wanted` again, on `fresh`; note each output under the path of its layer.

    Args: fresh: symbolic tensors, to build a graph, or numbers, to compute; training: the argument `training` of the
        call of the nested model that is replaced by its layers; None: it had none.
    """
    known = {id(old): new for old, new in zip(given, fresh, strict=True)}
    outputs_of.update(((*path, _node(old).operation.name), [new]) for old, new in zip(given, fresh, strict=True))
    for node in _nodes(wanted, set(known)):
        layer = node.operation
        here = (*path, layer.name)
        args, kwargs = node.arguments.fill_in(known)
        if training is not None and getattr(layer, "_call_has_training_arg", False):
            kwargs["training"] = training
        if here in opened:
            inner, mode = _functional(layer), kwargs.get("training")
            values = _inner_inputs(inner, args[0] if args else kwargs["inputs"])
            results = _replay(inner.inputs, values, inner.outputs, here, opened, outputs_of, mode)
        else:
            results = keras.tree.flatten(layer(*args, **kwargs))
        known.update((id(old), new) for old, new in zip(node.outputs, results, strict=True))
        if len(results) == 1:
            outputs_of.setdefault(here, []).append(results[0])
    return [known[id(tensor)] for tensor in wanted]


def _inner_inputs(inner: keras.Model, values: Any) -> list[Tensor]:
    """Return the arguments of the call of a nested model in the order of its inputs; a dict by their names."""
    if isinstance(values, dict) and not isinstance(inner._inputs_struct, dict):
        return [values[_node(tensor).operation.name] for tensor in inner.inputs]
    return list(keras.tree.flatten(values))


def _nodes(wanted: Sequence[Tensor], given: set[int]) -> Iterator[Any]:
    """Yield the calls that lead from `given` to `wanted`, each after those it needs."""
    done: set[int] = set()
    stack = [(tensor, False) for tensor in reversed(wanted)]
    while stack:
        tensor, ready = stack.pop()
        node = _node(tensor)
        if id(tensor) in given or id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((tensor, True))
            stack.extend((needed, False) for needed in node.input_tensors)


def _node(tensor: Tensor) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def _missing(wanted: Sequence[Tensor], given: Sequence[Tensor]) -> list[str]:
    """Return the inputs of the network that `wanted` needs in addition to `given`, as quoted names."""
    stops = {id(tensor) for tensor in given}
    return sorted(
        repr(_node(tensor).operation.name)
        for tensor in _reach(wanted, stops)
        if id(tensor) not in stops and not _node(tensor).input_tensors
    )


def _way_around(flat: _Flat, latent: Tensor) -> str:
    """Return in words where a connection around the latent meets one that comes from it."""
    after = {id(latent)}
    for node in _nodes(flat.outputs, {id(tensor) for tensor in (*flat.inputs, latent)}):
        sides = {id(tensor) in after for tensor in node.input_tensors}
        if sides == {True, False}:
            if _only_by_mask(node, after):
                return (
                    f"the mask of padded steps goes around it and arrives at {node.operation.name!r} (Keras passes it "
                    f"on from a Masking or Embedding(mask_zero=True) layer)"
                )
            return f"a connection around it arrives at {node.operation.name!r}"
        if True in sides:
            after.update(id(tensor) for tensor in node.outputs)
    return "the output does not come from it"


def _only_by_mask(node: Any, after: set[int]) -> bool:
    """Whether all that a call takes from before the cut are masks."""
    masks = {id(tensor) for tensor in keras.tree.flatten(node.arguments.kwargs.get("mask")) if tensor is not None}
    return all(id(tensor) in after | masks for tensor in node.input_tensors)


def _reach(wanted: Sequence[Tensor], stops: set[int]) -> list[Tensor]:
    """Return every tensor that `wanted` is computed from, going no further than `stops`."""
    reached: dict[int, Tensor] = {}
    stack = list(wanted)
    while stack:
        tensor = stack.pop()
        if id(tensor) not in reached:
            reached[id(tensor)] = tensor
            if id(tensor) not in stops:
                stack.extend(_node(tensor).input_tensors)
    return list(reached.values())


# Finding layers.


def _functional(model: keras.Model) -> Any:
    """Return the graph of a model: a Sequential holds it as an attribute."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model


def _model(model: Any, where: str) -> keras.Model:
    """Return a model, or that of a file, whose graph can be cut. Raises CutError, ModelFileError."""
    if isinstance(model, (str, os.PathLike)):
        if str(model).endswith(".safetensors"):
            raise CutError(
                f"{where} expected a keras.Model, got {type(model).__name__}: pass "
                f"diabolo.load({str(model)!r}).to_keras()."
            )
        model = files.load(model)
    _check_graph(model, where)
    checked: keras.Model = model
    return checked


def _check_graph(model: Any, where: str) -> None:
    if not isinstance(model, keras.Model):
        hint = " Pass autoencoder.to_keras()." if hasattr(model, "to_keras") else ""
        raise CutError(f"{where} expected a keras.Model, got {type(model).__name__}.{hint}")
    if isinstance(model, keras.Sequential) and not model.built:
        raise CutError(
            f"{where} expected a built model, but this Sequential has no shapes yet: call it on data, or "
            f"add keras.Input(shape) as its first layer."
        )
    if not hasattr(_functional(model), "inputs") or not getattr(_functional(model), "outputs", None):
        raise CutError(
            f"{where} expected a Sequential or functional model; {type(model).__name__} computes in call() and has no "
            f"graph of layers to cut. Use its own attributes, such as model.encoder, or build it with keras.Model("
            f"inputs, outputs)."
        )


def _walk(model: keras.Model, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every layer with its path, nested ones after the model that contains them."""
    for layer in _functional(model)._operations:
        yield (*path, layer.name), layer
        if isinstance(layer, keras.Model) and getattr(_functional(layer), "inputs", None):
            yield from _walk(layer, (*path, layer.name))


def _path(model: keras.Model, at: str | int | keras.layers.Layer) -> tuple[str, ...]:
    """Return the path of one layer; CutError if there is none or more than one."""
    places = list(_walk(model))
    if isinstance(at, (int, np.integer)):
        layers = model.layers
        if not -len(layers) <= at < len(layers):
            raise CutError(f"no layer {at}: the model has {len(layers)}, 0 to {len(layers) - 1}.")
        return (layers[at].name,)
    if at == "input" and len(_functional(model).inputs) == 1:
        return (_node(_functional(model).inputs[0]).operation.name,)
    if isinstance(at, str):
        found = [path for path, _ in places if f"/{'/'.join(path)}" == at]
        found = found or [path for path, _ in places if len(path) > 1 and "/".join(path) == at]
        # The inputs of nested models have the names of the tensors passed to them, and are not layers to cut at.
        found = found or [path for path, layer in places if path[-1] == at and not _is_inner_input(path, layer)]
        found = found or [path for path, _ in places if path[-1] == at]
    else:
        found = [path for path, layer in places if layer is at]
    if not found:
        names = ["/".join(path) for path, _ in places]
        raise CutError(unknown("layer", at if isinstance(at, str) else getattr(at, "name", at), names))
    if len(found) > 1:
        name = at if isinstance(at, str) else found[0][-1]
        raise CutError(
            f"{len(found)} layers are called {name!r}: write one of "
            f"{', '.join(repr('/' * (len(path) == 1) + '/'.join(path)) for path in found)}."
        )
    return found[0]


def _is_inner_input(path: tuple[str, ...], layer: keras.layers.Layer) -> bool:
    return len(path) > 1 and isinstance(layer, keras.layers.InputLayer)


def _prefixes(path: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {path[:length] for length in range(1, len(path))}


def _one_or_all(tensors: list[Tensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
