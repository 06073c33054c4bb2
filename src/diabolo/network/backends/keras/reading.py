"""Two Keras models of a user's own -> layers of the table: an encoder, rows -> latent, and a decoder, latent -> rows.

Both must be chains of layers that the table has, models within models included; then all that is done with a network
here (files, ONNX, other bottlenecks) is done with theirs too. Each layer of the table reads its own Keras layers, by
`from_keras`. Order: what no layer can hold, the reading, the chain, regularizers.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from diabolo.errors import OptionError, unknown
from diabolo.network.layers import LAYERS, Layer, Reshape
from diabolo.network.tensors import KerasLayer, KerasModel
from diabolo.parts import Shape


class Regularizer(NamedTuple):
    """What Keras adds to the loss for one weight: l1 * sum(abs(weight)) + l2 * sum(weight**2)."""

    weight: str  # its name in a network, such as "encoder_1/kernel"
    l1: float
    l2: float


class Read(NamedTuple):
    """What a Keras model is made of."""

    layers: tuple[Layer, ...]
    regularizers: tuple[Regularizer, ...]


def is_keras(model: Any) -> bool:
    """Whether this is a Keras model, without loading Keras."""
    return any(
        each.__module__.partition(".")[0] == "keras" and each.__name__ == "Model" for each in type(model).__mro__
    )


# The regularizers of Keras' layers, and the weight that each is of.
REGULARIZED = {
    "kernel_regularizer": "kernel",
    "recurrent_regularizer": "recurrent_kernel",
    "bias_regularizer": "bias",
    "gamma_regularizer": "gamma",
    "beta_regularizer": "beta",
    "alpha_regularizer": "alpha",
}

# Settings of Keras' layers that the table does not have, with their defaults.
USUAL: dict[str, Any] = {
    **{f"{weight}_constraint": None for weight in ("kernel", "recurrent", "bias", "gamma", "beta", "alpha")},
    "activity_regularizer": None,
    "trainable": True,
    "data_format": "channels_last",
    "interpolation": "nearest",
    "reset_after": True,
    "scale": True,
    "center": True,
    "rms_scaling": False,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "return_state": False,
    "noise_shape": None,
    "output_padding": None,
}

# What to write instead, if leaving the setting out is not enough.
INSTEAD = {
    "activity_regularizer": "leave it out; for latents that are mostly 0 pass bottleneck='sparse'",
    "output_padding": "leave it out, or put keras.layers.ZeroPadding2D after the layer",
    "dropout": "leave it out, or put keras.layers.Dropout before the layer",
}

# What to do about layers that the table does not have, if there is more to say than that.
WITHOUT = {
    "Rescaling": "leave it out: rows are scaled by Diabolo",
    "Normalization": "leave it out: rows are scaled by Diabolo",
    "Masking": "leave it out: missing values of a series are learnt as such (series=True)",
    "Lambda": "use a layer of Keras instead: a function cannot be saved in a model file",
    "ActivityRegularization": INSTEAD["activity_regularizer"],
}
NOTHING = ("InputLayer", "Identity")  # layers that change nothing, in training neither

# Layers that do to each step of a series what they do to a row, so that TimeDistributed around them changes nothing.
LAST_AXIS_ALONE = {"Dense", "Activation", "Softmax", "ReLU", "LeakyReLU", "ELU", "Dropout", "GaussianNoise"} | {
    "GaussianDropout",
    "AlphaDropout",
    "LayerNormalization",
}
PER_STEP_SHAPES = ("Flatten", "Reshape")


def readers() -> dict[str, type[Layer]]:
    """Return which layer of the table reads each class of Keras, by name: nothing here may load Keras."""
    return {name: layer for layer in LAYERS.values() for name in layer.keras_classes}


def read(model: KerasModel, taken: set[str] | None = None) -> Read:
    """Return the layers of a Keras model, and its regularizers; weights are not taken over.

    Args: taken: names that no layer may have, to which those of this model are added.
    Raises: OptionError if it is not a chain of layers that the table has.
    """
    input_shape(model)
    taken = set() if taken is None else taken
    layers: list[Layer] = []
    regularizers: list[Regularizer] = []
    for layer in _chain(model, []):
        if type(layer).__name__ in NOTHING:
            continue
        read_ = _read(model, layer)
        *before, last = read_ if isinstance(read_, tuple) else (read_,)
        name = _free(layer.name, taken)
        layers += [dataclasses.replace(each, name="") for each in before]
        layers.append(dataclasses.replace(last, name=name))
        regularizers += _regularizers(layer, name)
    return Read(tuple(layers), tuple(regularizers))


def input_shape(model: KerasModel) -> Shape:
    """Return the axes of a row as a Keras model takes it. Raises OptionError if it has none, or several inputs."""
    return _shape(model, "inputs", "input")


def output_shape(model: KerasModel) -> Shape:
    """Return the axes of what a Keras model gives for a row. Raises OptionError as `input_shape`."""
    return _shape(model, "outputs", "output")


def _shape(model: KerasModel, which: str, one: str) -> Shape:
    if not getattr(model, "built", False) or not getattr(model, "inputs", None):
        raise OptionError(
            f"model {model.name!r} must have one input, with a shape, and one output: begin it with "
            f"keras.Input((784,))."
        )
    tensors = getattr(model, which)
    if len(tensors) != 1:
        raise OptionError(
            f"model {model.name!r} must have one input, with a shape, and one output, got {len(tensors)} {one}s."
        )
    shape = tuple(tensors[0].shape[1:])
    if None in shape:
        raise OptionError(
            f"model {model.name!r} has an {one} of shape {shape}: write all sizes, such as keras.Input((28, 28, 1))."
        )
    return shape


def _read(model: KerasModel, layer: KerasLayer) -> Layer | tuple[Layer, ...]:
    """Return what a layer of a Keras model is; OptionError if the table does not have it."""
    kind, known = type(layer).__name__, readers()
    parts = _parts(layer)
    if kind == "TimeDistributed":
        kind = type(layer.layer).__name__
        if kind in PER_STEP_SHAPES:
            _check_settings(parts)
            return Reshape(shape=tuple(layer.output.shape[1:]))
        if kind not in LAST_AXIS_ALONE:
            raise OptionError(
                f"model {model.name!r}, layer {layer.name!r}: TimeDistributed around {kind} is not known here: use it "
                f"around {', '.join(sorted(LAST_AXIS_ALONE))}."
            )
        layer = layer.layer
    if kind not in known:
        reason = f"{kind} is not known here: {WITHOUT[kind]}." if kind in WITHOUT else ""
        raise OptionError(
            f"model {model.name!r}, layer {layer.name!r}: {reason or unknown('kind of layer', kind, known)} To train "
            f"any Keras model as fast, pass it to diabolo.training.fit."
        )
    _check_settings(parts)
    return known[kind].from_keras(layer)


def _check_settings(layers: list[KerasLayer]) -> None:
    """Raise OptionError if one of these Keras layers has a setting that would be lost."""
    for layer, (setting, usual) in itertools.product(layers, USUAL.items()):
        if getattr(layer, setting, usual) != usual:
            raise OptionError(
                f"layer {layer.name!r} has {setting}={getattr(layer, setting)!r:.60}, which is not known here: "
                f"{INSTEAD.get(setting, 'leave it out')}."
            )


def _parts(layer: KerasLayer) -> list[KerasLayer]:
    """Return a layer and those within it."""
    within = (getattr(layer, name, None) for name in ("layer", "forward_layer", "backward_layer"))
    return [layer, *(part for part in within if part is not None)]


def _free(name: str, taken: set[str]) -> str:
    """Return the name of a layer of Keras, changed where a network cannot have it; two models may have it as well."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:90]
    if re.fullmatch(r"(encoder|decoder)_\d+", name):  # as layers without a name are called
        name += "_"
    free = next(
        each for each in (name, *(f"{name}_{count}" for count in range(2, len(taken) + 3))) if each not in taken
    )
    taken.add(free)
    return free


def _chain(model: KerasModel, used: list[KerasLayer]) -> Iterator[KerasLayer]:
    """Yield the layers from input to output; OptionError if paths split or join, or a layer is used twice.

    Args: used: layers that occurred before, to which those of this model are added.
    """
    layers: list[KerasLayer] = []
    tensor = model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, node = tensor._keras_history[:2]
        inputs = layer._inbound_nodes[node].input_tensors
        if len(inputs) != 1 or layer in used:
            raise OptionError(
                f"model {model.name!r} must be a chain, each layer used once: {layer.name!r} has {len(inputs)} inputs "
                f"or is used twice."
            )
        used.append(layer)
        layers.append(layer)
        tensor = inputs[0]
    for layer in reversed(layers):
        if is_keras(layer) and len(getattr(layer, "inputs", None) or ()) == len(layer.outputs) == 1:
            yield from _chain(layer, used)
        else:
            yield layer


def _regularizers(layer: KerasLayer, name: str) -> Iterator[Regularizer]:
    """Yield the regularizers of a Keras layer that has this name in a network."""
    for part in _parts(layer):
        way = {"forward_layer": "forward_", "backward_layer": "backward_"}
        prefix = next((text for which, text in way.items() if getattr(layer, which, None) is part), "")
        for setting, weight in REGULARIZED.items():
            found = getattr(part, setting, None)
            if found is None or (part is layer and len(_parts(layer)) > 1):  # those of a wrapper are those within it
                continue
            amounts = {key: value for key, value in found.get_config().items() if key in ("l1", "l2")}
            if type(found).__name__ not in ("L1", "L2", "L1L2") or not amounts:
                raise OptionError(
                    f"layer {layer.name!r} has {setting}={found!r:.60}, which is not known here: write "
                    f"keras.regularizers.L1L2(l1, l2), or leave it out."
                )
            yield Regularizer(
                f"{name}/{prefix}{weight}", float(amounts.get("l1") or 0.0), float(amounts.get("l2") or 0.0)
            )
