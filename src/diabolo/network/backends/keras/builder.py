"""Layers -> keras.Model, for training. The other builder is onnx_builder; a test holds the two equal.

Order: the table from layer to Keras, the build, weights in and out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np

from diabolo.network import layers as facts
from diabolo.network.backends.keras import layers as keras_layers
from diabolo.network.structures import Network, Step

Weights = dict[str, np.ndarray[Any, Any]]


class Models(NamedTuple):
    """Six views of one set of weights."""

    autoencoder: keras.Model  # rows -> reconstruction
    encoder: keras.Model  # rows -> latent
    decoder: keras.Model  # latent -> reconstruction
    raw: keras.Model  # rows -> the raw numbers that the reconstruction loss takes
    waist: keras.Model  # rows -> {"latent", "before" (what its last layer took), and the heads of the bottleneck}
    raw_decoder: keras.Model  # latent -> raw numbers


def _initializer(activation: str, seed: int) -> Any:
    # He's variance makes up for the half that relu throws away; Glorot's suits what is near linear around 0.
    # Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852.
    rectified = activation in ("relu", "leaky_relu")
    return (keras.initializers.HeUniform if rectified else keras.initializers.GlorotUniform)(seed)


def _dense(layer: facts.Dense, axes: int, seed: int) -> keras.layers.Layer:
    return keras.layers.Dense(
        layer.units,
        activation=keras_layers.activation_of(layer.activation),
        use_bias=layer.use_bias,
        kernel_initializer=_initializer(layer.activation, seed),
        name=layer.name,
    )


def _convolution(layer: facts.Convolution, axes: int, seed: int) -> keras.layers.Layer:
    return (keras.layers.Conv1D if axes == 2 else keras.layers.Conv2D)(
        layer.filters,
        layer.size,
        strides=layer.stride,
        padding="same",
        activation=keras_layers.activation_of(layer.activation),
        use_bias=layer.use_bias,
        kernel_initializer=_initializer(layer.activation, seed),
        name=layer.name,
    )


def _transposed(layer: facts.TransposedConvolution, axes: int, seed: int) -> keras.layers.Layer:
    return keras_layers.TransposedConvolution(
        layer.filters,
        layer.shape,
        layer.size,
        layer.stride,
        layer.activation,
        layer.use_bias,
        _initializer(layer.activation, seed),
        layer.name,
    )


def _pooling(layer: facts.Pooling, axes: int, seed: int) -> keras.layers.Layer:
    pool = {
        (2, "max"): keras.layers.MaxPooling1D,
        (3, "max"): keras.layers.MaxPooling2D,
        (2, "average"): keras.layers.AveragePooling1D,
        (3, "average"): keras.layers.AveragePooling2D,
    }
    return pool[axes, layer.function](layer.size, padding="same", name=layer.name)


def _recurrent(layer: facts.Recurrent, axes: int, seed: int) -> keras.layers.Layer:
    return (keras.layers.LSTM if isinstance(layer, facts.LSTM) else keras.layers.GRU)(
        layer.units,
        return_sequences=layer.sequences,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed ^ 1),
        name=layer.name,
    )


# Each takes a layer, the axes of a row that comes in, and a seed for whatever is random in it.
BUILDERS: dict[type[facts.Layer], Callable[[Any, int, int], keras.layers.Layer]] = {
    facts.Dense: _dense,
    facts.TiedDense: lambda layer, axes, seed: keras_layers.TiedDense(
        layer.units, layer.activation, layer.use_bias, layer.name
    ),
    facts.Convolution: _convolution,
    facts.TransposedConvolution: _transposed,
    facts.LSTM: _recurrent,
    facts.GRU: _recurrent,
    facts.Residual: lambda layer, axes, seed: keras_layers.Residual(layer.units, layer.activation, seed, layer.name),
    facts.ResidualConvolution: lambda layer, axes, seed: keras_layers.ResidualConvolution(
        layer.filters, layer.size, layer.activation, seed, layer.name
    ),
    facts.Attention: lambda layer, axes, seed: keras_layers.Attention(layer.heads, seed, layer.name),
    facts.Position: lambda layer, axes, seed: keras_layers.Position(seed, layer.name),
    facts.Activation: lambda layer, axes, seed: keras.layers.Activation(
        keras_layers.activation_of(layer.function), name=layer.name
    ),
    facts.BatchNormalization: lambda layer, axes, seed: keras.layers.BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name
    ),
    facts.LayerNormalization: lambda layer, axes, seed: keras.layers.LayerNormalization(
        epsilon=layer.epsilon, name=layer.name
    ),
    facts.Dropout: lambda layer, axes, seed: keras_layers.Dropout(layer.rate, seed=seed, name=layer.name),
    facts.Pooling: _pooling,
    facts.Upsampling: lambda layer, axes, seed: keras_layers.Upsampling(layer.size, layer.shape, layer.name),
    facts.Repeat: lambda layer, axes, seed: keras.layers.RepeatVector(layer.times, name=layer.name),
    facts.TopK: lambda layer, axes, seed: keras_layers.TopK(layer.active, layer.name),
    facts.Quantize: lambda layer, axes, seed: keras_layers.Quantize(layer.codes, layer.groups, seed, layer.name),
    facts.Patches: lambda layer, axes, seed: keras_layers.Patches(layer.size, layer.name),
    facts.FromPatches: lambda layer, axes, seed: keras_layers.FromPatches(layer.size, layer.shape, layer.name),
    facts.Flatten: lambda layer, axes, seed: keras.layers.Flatten(name=layer.name),
    facts.Reshape: lambda layer, axes, seed: keras.layers.Reshape(layer.shape, name=layer.name),
}


@contextmanager
def in_float32() -> Iterator[None]:
    """Let what is made here compute in float32, whatever precision the user has set for layers; theirs is kept."""
    theirs = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(theirs)


@in_float32()
def build(network: Network, *, link: str = "linear", seed: int = 0) -> Models:
    """Return the network as Keras models that share their weights.

    Args:
        network: what to build.
        link: activation that turns raw numbers into a reconstruction (`Loss.link`).
        seed: decides the first weights and the draws of dropout; the same seed gives the same bits.
    """
    count = len(network.steps) + len(network.heads)
    seeds = iter(np.random.SeedSequence(seed).generate_state(count).tolist())

    def made(steps: Iterable[Step]) -> list[keras.layers.Layer]:
        # int32 at most: Keras hands seeds to TensorFlow as such.
        return [_made(step.layer, len(step.input_shape), next(seeds) >> 1) for step in steps]

    encoder, decoder = made(network.encoder_steps), made(network.decoder_steps)
    heads = dict(zip(network.heads, made(network.heads.values()), strict=True))
    named = {layer.name: layer for layer in encoder}
    for layer, step in zip(decoder, network.decoder_steps, strict=True):
        if isinstance(step.layer, facts.TiedDense):
            layer.tie(named[step.layer.of])
    output = keras.layers.Activation(link, name="reconstruction")

    rows = keras.Input(network.input_shape, dtype="float32", name="rows")
    hidden = _chain(encoder[: len(network.encoder)], rows)
    before = _chain(encoder[len(network.encoder) : -1], hidden)
    latent = encoder[-1](before)
    raw = _chain(decoder, latent)
    alone = keras.Input((network.latent_dim,), dtype="float32", name="latent")
    alone_raw = _chain(decoder, alone)
    beside = {name: head(hidden) for name, head in heads.items()}
    return Models(
        autoencoder=keras.Model(rows, output(raw), name="autoencoder"),
        encoder=keras.Model(rows, latent, name="encoder"),
        decoder=keras.Model(alone, output(alone_raw), name="decoder"),
        raw=keras.Model(rows, raw, name="raw"),
        waist=keras.Model(rows, {"latent": latent, "before": before, **beside}, name="waist"),
        raw_decoder=keras.Model(alone, alone_raw, name="raw_decoder"),
    )


def _made(layer: facts.Layer, axes: int, seed: int) -> keras.layers.Layer:
    builder = BUILDERS.get(type(layer))
    return layer.to_keras(axes, seed) if builder is None else builder(layer, axes, seed)


def _chain(layers: Sequence[keras.layers.Layer], tensor: Any) -> Any:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


class Chains(NamedTuple):
    """The layers of a network one by one, for whoever needs what lies between two of them."""

    encoder: list[keras.layers.Layer]
    bottleneck: list[keras.layers.Layer]
    heads: dict[str, keras.layers.Layer]
    decoder: list[keras.layers.Layer]

    def waist(self, hidden: Any, *, training: bool) -> dict[str, Any]:
        """Return what `Models.waist` gives, of what the first layer gave."""
        for layer in self.encoder[1:]:
            hidden = called(layer, hidden, training=training)
        before = hidden
        for layer in self.bottleneck[:-1]:
            before = called(layer, before, training=training)
        latent = called(self.bottleneck[-1], before, training=training)
        return {"latent": latent, "before": before, **{name: head(hidden) for name, head in self.heads.items()}}


def chains(models: Models, network: Network) -> Chains:
    """Return the layers of models that `build` made."""
    every = {layer.name: layer for model in (models.waist, models.raw_decoder) for layer in model.layers}
    encoder = [every[step.layer.name] for step in network.encoder_steps]
    cut = len(network.encoder)
    heads = {name: every[step.layer.name] for name, step in network.heads.items()}
    return Chains(encoder[:cut], encoder[cut:], heads, [every[step.layer.name] for step in network.decoder_steps])


def called(layer: keras.layers.Layer, tensor: Any, *, training: bool) -> Any:
    """Return what a layer gives, told whether it is trained if it wants to know."""
    return layer(tensor, training=training) if layer._call_has_training_arg else layer(tensor)


def get_weights(models: Models, network: Network) -> Weights:
    """Return every weight by its name in `Network.weights`, float32."""
    return {name: np.asarray(variable.numpy(), np.float32) for name, variable in _variables(models, network)}


def set_weights(models: Models, network: Network, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Put weights, as `get_weights` gave them, into the models."""
    for name, variable in _variables(models, network):
        variable.assign(weights[name])


def _variables(models: Models, network: Network) -> Iterator[tuple[str, Any]]:
    every = {layer.name: layer for model in (models.waist, models.raw_decoder) for layer in model.layers}
    for step in (*network.steps, *network.heads.values()):
        layer = every[step.layer.name]
        for weight in step.layer.weights(step.input_shape):
            # Keras keeps the weights of a recurrent layer in the cell that it repeats.
            yield f"{step.layer.name}/{weight}", getattr(getattr(layer, "cell", layer), weight)
