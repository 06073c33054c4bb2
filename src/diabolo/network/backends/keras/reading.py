"""Two Keras models of a user's own -> layers of the table: an encoder, rows -> latent, and a decoder, latent -> rows.

Both must be chains of layers that the table has; then all that is done with a network here (files, ONNX, other
bottlenecks) is done with theirs too. Order: the table, the reading.
"""

from collections.abc import Callable
from typing import Any

from diabolo.errors import OptionError, unknown
from diabolo.network import layers as facts
from diabolo.network.parts import Shape


def is_keras(model: Any) -> bool:
    """Whether this is a Keras model, without loading Keras."""
    return any(
        each.__module__.partition(".")[0] == "keras" and each.__name__ == "Model" for each in type(model).__mro__
    )


# Settings of Keras' layers that the table cannot hold, as they are where nobody sets them.
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

# What to do instead, where it is more than to leave a setting out.
INSTEAD = {"activity_regularizer": "leave it out; for latents of which few speak at a time pass bottleneck='sparse'"}


def _activation(layer: Any) -> str:
    return str(getattr(layer.activation, "__name__", ""))


def _last_axis(layer: Any) -> None:
    if layer.axis not in (-1, len(layer.output.shape) - 1, [-1], [len(layer.output.shape) - 1]):
        raise OptionError(f"layer {layer.name!r} normalises axis {layer.axis}, expected the last.")


def _normalization(layer: Any) -> facts.Layer:
    _last_axis(layer)
    if type(layer).__name__ == "BatchNormalization":
        return facts.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name)
    return facts.LayerNormalization(epsilon=layer.epsilon, name=layer.name)


def _same(layer: Any) -> None:
    if layer.padding != "same":
        kind = type(layer).__name__
        raise OptionError(
            f"layer {layer.name!r} has padding {layer.padding!r}, expected 'same': write {kind}(..., padding='same')."
        )


def _one(layer: Any, setting: str) -> int:
    """Return a size that is the same along all axes."""
    value = getattr(layer, setting)
    sizes = set(value) if isinstance(value, (tuple, list)) else {value}
    if len(sizes) > 1:
        raise OptionError(f"layer {layer.name!r} has {setting} {value}, expected one size for both axes.")
    return int(sizes.pop())


def _dense(layer: Any) -> facts.Layer:
    return facts.Dense(units=layer.units, activation=_activation(layer), use_bias=layer.use_bias, name=layer.name)


def _convolution(layer: Any) -> facts.Layer:
    _same(layer)
    if _one(layer, "dilation_rate") != 1 or layer.groups != 1:
        raise OptionError(f"layer {layer.name!r} has a dilation or groups, which are not known here.")
    return facts.Convolution(
        filters=layer.filters,
        size=_one(layer, "kernel_size"),
        stride=_one(layer, "strides"),
        activation=_activation(layer),
        use_bias=layer.use_bias,
        name=layer.name,
    )


def _transposed(layer: Any) -> facts.Layer:
    _same(layer)
    return facts.TransposedConvolution(
        filters=layer.filters,
        size=_one(layer, "kernel_size"),
        stride=_one(layer, "strides"),
        shape=tuple(layer.output.shape[1:-1]),
        activation=_activation(layer),
        use_bias=layer.use_bias,
        name=layer.name,
    )


def _recurrent(kind: type[facts.Recurrent]) -> Callable[[Any], facts.Layer]:
    def read(layer: Any) -> facts.Layer:
        usual = layer.activation.__name__ == "tanh" and layer.recurrent_activation.__name__ == "sigmoid"
        if not usual or not layer.use_bias or layer.go_backwards:
            raise OptionError(f"layer {layer.name!r} must have Keras' own activations and a bias, and go forwards.")
        return kind(units=layer.units, sequences=layer.return_sequences, name=layer.name)

    return read


def _pooling(function: str) -> Callable[[Any], facts.Layer]:
    def read(layer: Any) -> facts.Layer:
        sizes = zip(layer.input.shape[1:-1], layer.pool_size, strict=True)
        if any(length is None or length % size for length, size in sizes):
            _same(layer)  # where nothing is left over at the ends, 'valid' is the same
        if tuple(layer.strides) != tuple(layer.pool_size):
            raise OptionError(f"layer {layer.name!r} must have strides like its pool_size.")
        return facts.Pooling(size=_one(layer, "pool_size"), function=function, name=layer.name)

    return read


# Keras' class -> what reads it. Names, because nothing here may load Keras.
READERS: dict[str, Callable[[Any], facts.Layer]] = {
    "Dense": _dense,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Conv1DTranspose": _transposed,
    "Conv2DTranspose": _transposed,
    "LSTM": _recurrent(facts.LSTM),
    "GRU": _recurrent(facts.GRU),
    "MaxPooling1D": _pooling("max"),
    "MaxPooling2D": _pooling("max"),
    "AveragePooling1D": _pooling("average"),
    "AveragePooling2D": _pooling("average"),
    "UpSampling1D": lambda layer: facts.Upsampling(
        size=_one(layer, "size"), shape=tuple(layer.output.shape[1:-1]), name=layer.name
    ),
    "UpSampling2D": lambda layer: facts.Upsampling(
        size=_one(layer, "size"), shape=tuple(layer.output.shape[1:-1]), name=layer.name
    ),
    "RepeatVector": lambda layer: facts.Repeat(times=layer.n, name=layer.name),
    "Activation": lambda layer: facts.Activation(function=_activation(layer), name=layer.name),
    "ReLU": lambda layer: facts.Activation(function="relu", name=layer.name),
    "BatchNormalization": _normalization,
    "LayerNormalization": _normalization,
    "Dropout": lambda layer: facts.Dropout(rate=layer.rate, name=layer.name),
    "Flatten": lambda layer: facts.Flatten(name=layer.name),
    "Reshape": lambda layer: facts.Reshape(shape=tuple(layer.output.shape[1:]), name=layer.name),
}


def read(model: Any) -> tuple[facts.Layer, ...]:
    """Return the layers of a Keras model; weights are not taken over.

    Raises: OptionError where it is not a chain of layers that the table has.
    """
    if not getattr(model, "built", False) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise OptionError(f"model {model.name!r} must have one input, with a shape, and one output.")
    layers = []
    for layer in _chain(model):
        kind = type(layer).__name__
        if kind not in READERS:
            raise OptionError(
                f"model {model.name!r}, layer {layer.name!r}: {unknown('kind of layer', kind, READERS)} To train any "
                f"Keras model as fast, pass it to diabolo.training.fit."
            )
        for setting, usual in USUAL.items():
            if getattr(layer, setting, usual) != usual:
                raise OptionError(
                    f"layer {layer.name!r} has {setting}={getattr(layer, setting)!r:.60}, which is not known here: "
                    f"{INSTEAD.get(setting, 'leave it out')}."
                )
        layers.append(READERS[kind](layer))
    return tuple(layers)


def input_shape(model: Any) -> Shape:
    """Return the axes of a row as a Keras model takes it."""
    return tuple(model.inputs[0].shape[1:])


def _chain(model: Any) -> list[Any]:
    """Return the layers from input to output; OptionError where paths part or join, or a layer is used twice."""
    layers: list[Any] = []
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
