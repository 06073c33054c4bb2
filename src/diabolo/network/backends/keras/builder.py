"""Layers -> keras.Model, for training. The ONNX builder makes the same for inference; a test compares both.

Each layer makes its own Keras layer, by `to_keras`. Order: the build, weights in and out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np

from diabolo.network.layers import Step
from diabolo.network.network import Network
from diabolo.network.tensors import Tensor

Weights = dict[str, np.ndarray[Any, Any]]


class Models(NamedTuple):
    """Six views of one set of weights. With a condition, decoders take [latent, condition]."""

    autoencoder: keras.Model  # rows -> reconstruction
    encoder: keras.Model  # rows -> latent
    decoder: keras.Model  # latent -> reconstruction
    raw: keras.Model  # rows -> the raw numbers that the reconstruction loss takes
    bottleneck: keras.Model  # rows -> {"latent", "before" (the input of the layer that makes it), and the heads}
    raw_decoder: keras.Model  # latent -> raw numbers


@contextmanager
def in_float32(policy: str = "float32") -> Iterator[None]:
    """Make layers that compute in float32, whatever precision the user has set; that setting is restored.

    Args: policy: of Keras, in place of float32.
    """
    theirs = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(theirs)


@in_float32()
def build(network: Network, *, link: str = "linear", seed: int = 0, precision: str = "float32") -> Models:
    """Return the network as Keras models that share their weights.

    Args:
        network: what to build.
        link: activation that turns raw numbers into a reconstruction (`Loss.link`).
        seed: decides the first weights and the draws of dropout; the same seed gives the same bits.
        precision: of dense and convolutional layers other than the bottleneck. Weights and outputs are float32.
    """
    count = len(network.steps) + len(network.heads)
    seeds = iter(np.random.SeedSequence(seed).generate_state(count).tolist())

    def made(steps: Iterable[Step]) -> list[keras.layers.Layer]:
        # int32 at most: Keras hands seeds to TensorFlow as such.
        return [_made(step, next(seeds) >> 1, precision) for step in steps]

    encoder, decoder = made(network.encoder_steps), made(network.decoder_steps)
    heads = dict(zip(network.heads, made(network.heads.values()), strict=True))
    named = {layer.name: layer for layer in encoder}
    for layer, step in zip(decoder, network.decoder_steps, strict=True):
        for lent, _ in step.layer.borrows(step.input_shape).values():
            layer.tie(named[lent.rpartition("/")[0]])
    output = keras.layers.Activation(link, name="reconstruction")

    rows = keras.Input(network.input_shape, dtype="float32", name="rows")
    hidden = _chain(encoder[: len(network.encoder)], rows)
    before = _chain(encoder[len(network.encoder) : -1], hidden)
    latent = encoder[-1](before)
    # A layer that changes nothing else.
    exact = [keras.layers.Activation("linear", dtype="float32")] if precision != "float32" else []
    raw = _chain([*decoder, *exact], _with_condition(latent, condition_of(rows, network)))
    alone = keras.Input((network.latent_dim,), dtype="float32", name="latent")
    given = keras.Input((len(network.condition),), dtype="float32", name="condition") if network.condition else None
    alone_raw = _chain([*decoder, *exact], _with_condition(alone, given))
    starts = alone if given is None else [alone, given]
    outputs = {"latent": latent, "before": before, **{name: head(hidden) for name, head in heads.items()}}
    return Models(
        autoencoder=keras.Model(rows, output(raw), name="autoencoder"),
        encoder=keras.Model(rows, latent, name="encoder"),
        decoder=keras.Model(starts, output(alone_raw), name="decoder"),
        raw=keras.Model(rows, raw, name="raw"),
        bottleneck=keras.Model(rows, outputs, name="bottleneck_outputs"),
        raw_decoder=keras.Model(starts, alone_raw, name="raw_decoder"),
    )


def condition_of(rows: Tensor, network: Network) -> Tensor | None:
    """Return the condition of rows, (batch, numbers); None for a network without one."""
    return keras.ops.take(rows, np.array(network.condition, np.int32), axis=1) if network.condition else None


def _with_condition(latent: Tensor, condition: Tensor | None) -> Tensor:
    return latent if condition is None else keras.ops.concatenate([latent, condition], axis=1)


def _made(step: Step, seed: int, precision: str) -> keras.layers.Layer:
    reduced = precision != "float32" and step.layer.reducible and step.layer.name != "bottleneck"
    with in_float32(f"mixed_{precision}" if reduced else "float32"):
        return step.layer.to_keras(len(step.input_shape), seed)


def _chain(layers: Sequence[keras.layers.Layer], tensor: Tensor) -> Tensor:
    for layer in layers:
        tensor = layer(tensor)
    return tensor


class Chains(NamedTuple):
    """The layers of a network one by one, for the tensors between two of them."""

    encoder: list[keras.layers.Layer]
    bottleneck: list[keras.layers.Layer]
    heads: dict[str, keras.layers.Layer]
    decoder: list[keras.layers.Layer]

    def outputs(self, hidden: Tensor, *, training: bool) -> dict[str, Tensor]:
        """Return the output of `Models.bottleneck` from the output of the first layer."""
        for layer in self.encoder[1:]:
            hidden = called(layer, hidden, training=training)
        before = hidden
        for layer in self.bottleneck[:-1]:
            before = called(layer, before, training=training)
        latent = called(self.bottleneck[-1], before, training=training)
        return {"latent": latent, "before": before, **{name: head(hidden) for name, head in self.heads.items()}}


def chains(models: Models, network: Network) -> Chains:
    """Return the layers of models that `build` made."""
    every = {layer.name: layer for model in (models.bottleneck, models.raw_decoder) for layer in model.layers}
    encoder = [every[step.layer.name] for step in network.encoder_steps]
    cut = len(network.encoder)
    heads = {name: every[step.layer.name] for name, step in network.heads.items()}
    return Chains(encoder[:cut], encoder[cut:], heads, [every[step.layer.name] for step in network.decoder_steps])


def called(layer: keras.layers.Layer, tensor: Tensor, *, training: bool) -> Tensor:
    """Return the output of a layer, which gets the argument `training` if it has one."""
    return layer(tensor, training=training) if layer._call_has_training_arg else layer(tensor)


def get_weights(models: Models, network: Network) -> Weights:
    """Return every weight by its name in `Network.weights`, float32."""
    return {name: np.asarray(variable.numpy(), np.float32) for name, variable in _variables(models, network)}


def build_trained(network: Network, weights: Mapping[str, np.ndarray[Any, Any]], *, link: str) -> Models:
    """Return the models of a network with weights, as `get_weights` gave them; link: of the loss."""
    models = build(network, link=link)
    set_weights(models, network, weights)
    return models


def set_weights(models: Models, network: Network, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Put weights, as `get_weights` gave them, into the models."""
    for name, variable in _variables(models, network):
        variable.assign(weights[name])


def _variables(models: Models, network: Network) -> Iterator[tuple[str, Any]]:
    every = {layer.name: layer for model in (models.bottleneck, models.raw_decoder) for layer in model.layers}
    for step in (*network.steps, *network.heads.values()):
        layer = every[step.layer.name]
        for weight in step.layer.weights(step.input_shape):
            yield f"{step.layer.name}/{weight}", step.layer.keras_weight(layer, weight)
