"""Two Keras models of a user's own -> layers of the table: an encoder, rows -> latent, and a decoder, latent -> rows.

Both must be chains of layers that the table has; then all that is done with a network here (files, ONNX, other
bottlenecks) is done with theirs too. Order: the table, the reading.
"""

from collections.abc import Callable
from typing import Any

from diabolo.errors import OptionError, unknown
from diabolo.network import layers as facts


def is_keras(model: Any) -> bool:
    """Whether this is a Keras model, without loading Keras."""
    return any(
        each.__module__.partition(".")[0] == "keras" and each.__name__ == "Model" for each in type(model).__mro__
    )


def _activation(layer: Any) -> str:
    name = getattr(layer.activation, "__name__", "")
    return {"softmax": "softmax", "leaky_relu": "leaky_relu"}.get(name, name)


def _same(layer: Any) -> None:
    if layer.padding != "same":
        raise OptionError(f"layer {layer.name!r} has padding {layer.padding!r}, expected 'same'.")


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
        _same(layer)
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
    "BatchNormalization": lambda layer: facts.BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name
    ),
    "LayerNormalization": lambda layer: facts.LayerNormalization(epsilon=layer.epsilon, name=layer.name),
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
    layers: list[facts.Layer] = []
    end = model.inputs[0]
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "InputLayer":
            continue
        if kind not in READERS:
            raise OptionError(
                f"model {model.name!r}, layer {layer.name!r}: {unknown('kind of layer', kind, READERS)} To train any "
                f"Keras model as fast, pass it to diabolo.training.fit."
            )
        layers.append(READERS[kind](layer))
        end = layer.output
    if end is not model.outputs[0] and tuple(end.shape) != tuple(model.outputs[0].shape):
        raise OptionError(f"model {model.name!r} must be a chain of layers.")
    return tuple(layers)
