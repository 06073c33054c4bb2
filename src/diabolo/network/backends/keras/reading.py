"""Two Keras models of a user's own -> layers of the table: an encoder, rows -> latent, and a decoder, latent -> rows.

Both must be chains of layers that the table has; then all that is done with a network here (files, ONNX, other
bottlenecks) is done with theirs too. Each layer of the table reads its own Keras layers, by `from_keras`. Order: what
no layer can hold, the reading.
"""

from typing import Any

from diabolo.errors import OptionError, unknown
from diabolo.network.layers import LAYERS, Layer
from diabolo.network.tensors import KerasLayer, KerasModel
from diabolo.parts import Shape


def is_keras(model: Any) -> bool:
    """Whether this is a Keras model, without loading Keras."""
    return any(
        each.__module__.partition(".")[0] == "keras" and each.__name__ == "Model" for each in type(model).__mro__
    )


# Settings of Keras' layers that the table does not have, with their defaults.
USUAL: dict[str, Any] = {
    **{
        f"{weight}_{kind}": None
        for weight in ("kernel", "recurrent", "bias", "gamma", "beta")
        for kind in ("regularizer", "constraint")
    },
    "activity_regularizer": None,
    "trainable": True,
    "data_format": "channels_last",
    "interpolation": "nearest",
    "max_value": None,
    "negative_slope": 0.0,
    "threshold": 0.0,
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
INSTEAD = {"activity_regularizer": "leave it out; for latents that are mostly 0 pass bottleneck='sparse'"}


def readers() -> dict[str, type[Layer]]:
    """Return which layer of the table reads each class of Keras, by name: nothing here may load Keras."""
    return {name: layer for layer in LAYERS.values() for name in layer.keras_classes}


def read(model: KerasModel) -> tuple[Layer, ...]:
    """Return the layers of a Keras model; weights are not taken over.

    Raises: OptionError if it is not a chain of layers that the table has.
    """
    if not getattr(model, "built", False) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise OptionError(f"model {model.name!r} must have one input, with a shape, and one output.")
    layers, known = [], readers()
    for layer in _chain(model):
        kind = type(layer).__name__
        if kind not in known:
            raise OptionError(
                f"model {model.name!r}, layer {layer.name!r}: {unknown('kind of layer', kind, known)} To train any "
                f"Keras model as fast, pass it to diabolo.training.fit."
            )
        for setting, usual in USUAL.items():
            if getattr(layer, setting, usual) != usual:
                raise OptionError(
                    f"layer {layer.name!r} has {setting}={getattr(layer, setting)!r:.60}, which is not known here: "
                    f"{INSTEAD.get(setting, 'leave it out')}."
                )
        layers.append(known[kind].from_keras(layer))
    return tuple(layers)


def input_shape(model: KerasModel) -> Shape:
    """Return the axes of a row as a Keras model takes it."""
    return tuple(model.inputs[0].shape[1:])


def _chain(model: KerasModel) -> list[KerasLayer]:
    """Return the layers from input to output; OptionError if paths split or join, or a layer is used twice."""
    layers: list[KerasLayer] = []
    tensor = model.outputs[0]
    while tensor is not model.inputs[0]:
        layer, node = tensor._keras_history[:2]
        inputs = layer._inbound_nodes[node].input_tensors
        if len(inputs) != 1 or layer in layers:
            raise OptionError(
                f"model {model.name!r} must be a chain, each layer used once: {layer.name!r} has {len(inputs)} inputs "
                f"or is used twice."
            )
        layers.insert(0, layer)
        tensor = inputs[0]
    return layers
