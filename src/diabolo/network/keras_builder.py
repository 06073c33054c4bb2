"""Layers -> keras.Model, for training. The other builder is onnx_builder; a test holds the two equal.

Order: the table from layer to Keras, the build, weights in and out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from diabolo.network import layers as facts
from diabolo.network.structures import Network

Weights = dict[str, np.ndarray[Any, Any]]


class Models(NamedTuple):
    """Four views of one set of weights."""

    autoencoder: keras.Model  # rows -> reconstruction
    encoder: keras.Model  # rows -> latent
    decoder: keras.Model  # latent -> reconstruction
    raw: keras.Model  # rows -> the raw numbers that the reconstruction loss takes


def _dense(layer: facts.Dense, seed: int) -> keras.layers.Layer:
    # He's variance makes up for the half that relu throws away; Glorot's suits what is near linear around 0.
    # Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852.
    rectified = layer.activation in ("relu", "leaky_relu")
    initializer = keras.initializers.HeUniform if rectified else keras.initializers.GlorotUniform
    return keras.layers.Dense(
        layer.units,
        activation=layer.activation,
        use_bias=layer.use_bias,
        kernel_initializer=initializer(seed),
        name=layer.name,
    )


# Each takes a layer and a seed for whatever is random in it.
BUILDERS: dict[type[facts.Layer], Callable[[Any, int], keras.layers.Layer]] = {
    facts.Dense: _dense,
    facts.Activation: lambda layer, seed: keras.layers.Activation(layer.function, name=layer.name),
    facts.BatchNormalization: lambda layer, seed: keras.layers.BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, name=layer.name
    ),
    facts.LayerNormalization: lambda layer, seed: keras.layers.LayerNormalization(
        epsilon=layer.epsilon, name=layer.name
    ),
    facts.Dropout: lambda layer, seed: keras.layers.Dropout(layer.rate, seed=seed, name=layer.name),
    facts.Flatten: lambda layer, seed: keras.layers.Flatten(name=layer.name),
    facts.Reshape: lambda layer, seed: keras.layers.Reshape(layer.shape, name=layer.name),
}


def build(network: Network, *, link: str = "linear", seed: int = 0) -> Models:
    """Return the network as Keras models that share their weights.

    Args:
        network: what to build.
        link: activation that turns raw numbers into a reconstruction (`Loss.link`).
        seed: decides the first weights and the draws of dropout; the same seed gives the same bits.
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(len(network.encoder) + len(network.decoder) + 16).tolist())
    # int32 at most: Keras hands seeds to TensorFlow as such.
    encoder = [BUILDERS[type(step.layer)](step.layer, next(seeds) >> 1) for step in network.encoder_steps]
    decoder = [BUILDERS[type(step.layer)](step.layer, next(seeds) >> 1) for step in network.decoder_steps]
    output = keras.layers.Activation(link, name="reconstruction")

    rows = keras.Input(network.input_shape, name="rows")
    latent = _chain(encoder, rows)
    raw = _chain(decoder, latent)
    alone = keras.Input((network.latent_dim,), name="latent")
    return Models(
        autoencoder=keras.Model(rows, output(raw), name="autoencoder"),
        encoder=keras.Model(rows, latent, name="encoder"),
        decoder=keras.Model(alone, output(_chain(decoder, alone)), name="decoder"),
        raw=keras.Model(rows, raw, name="raw"),
    )


def _chain(layers: Sequence[keras.layers.Layer], tensor: Any) -> Any:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def get_weights(models: Models, network: Network) -> Weights:
    """Return every weight by its name in `Network.weights`, float32."""
    return {name: np.asarray(variable.numpy(), np.float32) for name, variable in _variables(models, network)}


def set_weights(models: Models, network: Network, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Put weights, as `get_weights` gave them, into the models."""
    for name, variable in _variables(models, network):
        variable.assign(weights[name])


def _variables(models: Models, network: Network) -> Iterator[tuple[str, Any]]:
    for step in network.steps:
        layer = models.raw.get_layer(step.layer.name)
        for weight in step.layer.weights(step.input_shape):
            yield f"{step.layer.name}/{weight}", getattr(layer, weight)
