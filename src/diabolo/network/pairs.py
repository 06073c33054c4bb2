"""A structure that is a pair: an encoder and a decoder, as two Keras models or as two lists of layers.

Order: reading the pair, the network of it, the ends of its parts.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from diabolo.errors import OptionError, ShapeError
from diabolo.network.backends.keras import reading as from_keras
from diabolo.network.bottlenecks import Bottleneck, Plain, read_bottleneck
from diabolo.network.layers import Activation, Dense, Flatten, Layer, Reshape
from diabolo.network.network import RESERVED, Network, named, walk
from diabolo.parts import Shape

BOTTLENECK_NAMES = ("bottleneck", "bottleneck_features", "bottleneck_log_var")  # of the layers that bottlenecks make


class Pair(NamedTuple):
    """An encoder that ends in the latent, and a decoder.

    Attributes:
        regularizers: of the weights of Keras models, which belong to a loss that is a mean over `features` numbers.
    """

    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    regularizers: tuple[from_keras.Regularizer, ...] = ()
    features: int = 1


def pair(structure: Any) -> Pair | None:
    """Return the layers of two Keras models, or of two lists of layers; None if a structure is something else."""
    if not isinstance(structure, (tuple, list)) or len(structure) != 2:
        return None
    if all(map(from_keras.is_keras, structure)):
        gives, taken = from_keras.output_shape(structure[0]), from_keras.input_shape(structure[1])
        if gives != taken:
            latents = f"{gives[0]} latents" if len(gives) == 1 else f"latents of shape {gives}"
            raise ShapeError(
                f"the decoder takes rows of shape {taken}, but the encoder gives {latents}: begin it with "
                f"keras.Input({gives})."
            )
        names = {*RESERVED, *BOTTLENECK_NAMES}
        encoder, decoder = (from_keras.read(model, names) for model in structure)
        shape = from_keras.input_shape(structure[0])
        regularizers = (*encoder.regularizers, *decoder.regularizers)
        if last := _latent_layer(encoder.layers):
            regularizers = tuple(
                each._replace(weight=f"bottleneck/{each.weight.rpartition('/')[2]}")
                if each.weight.startswith(f"{last.name}/")
                else each
                for each in regularizers
            )
        # Grey images, for example, may have no channel axis there.
        layers = (Reshape(shape=shape), *encoder.layers)
        return Pair(layers, decoder.layers, regularizers, math.prod(shape))
    if all(isinstance(part, (tuple, list)) and all(isinstance(layer, Layer) for layer in part) for part in structure):
        return Pair(tuple(structure[0]), tuple(structure[1]))
    return None


def of_pair(
    both: Pair, input_shape: Shape, latent_dim: int | None, bottleneck: str | Bottleneck, activation: str | None
) -> Network:
    """Return the network of an encoder whose last layer makes the latent, and a decoder.

    The latent has the activation of that layer, if the bottleneck does not name another. The activation that the
    decoder ends in is left to the reconstruction loss, which takes raw numbers.
    """
    encoder, given_decoder = list(_joined(both.encoder)), both.decoder
    last = _latent_layer(encoder)
    if last is None:
        if (bottleneck if isinstance(bottleneck, str) else bottleneck.kind).partition(":")[0] != "plain":
            raise OptionError(
                "the encoder must end in a dense layer, which makes the latent, for every bottleneck but 'plain': add "
                "a dense layer with a bias at its end, such as keras.layers.Dense(8)."
            )
        shape = list(walk(encoder, input_shape))[-1].output_shape if encoder else input_shape
        if len(shape) > 1:
            encoder.append(Flatten())
            given_decoder = (Reshape(shape=shape), *given_decoder)
        latents, hidden = math.prod(shape), encoder
    else:
        latents, hidden = last.units, encoder[:-1]
    part = bottleneck if isinstance(bottleneck, Bottleneck) else read_bottleneck(bottleneck, latents, activation)
    if last is None and isinstance(part, Plain):
        part = dataclasses.replace(part, as_given=True)
    elif isinstance(part, Plain) and part.as_given:
        hidden = encoder
    elif last is not None and last.activation != "linear":
        if not part.has_activation:
            raise OptionError(
                f"the encoder gives its latent the activation {last.activation!r}, which a {part.kind} bottleneck has "
                f"no place for: leave it out, or choose bottleneck='plain'."
            )
        if activation is None and isinstance(bottleneck, str) and "activation" not in bottleneck:
            part = part.with_activation(last.activation)
    if part.latent_dim != latents or latent_dim not in (None, latents):
        raise OptionError(f"the encoder ends in {latents} latents, but {latent_dim or part.latent_dim} are asked for.")
    if hidden and isinstance(hidden[0], Reshape) and hidden[0].shape == input_shape:
        del hidden[0]  # it changes nothing
    decoder = _without_last_activation(given_decoder)
    ends = list(walk(decoder, (part.latent_dim,)))
    shape = ends[-1].output_shape if ends else (part.latent_dim,)
    if shape != input_shape and math.prod(shape) == math.prod(input_shape):  # grey images have no channel axis there
        decoder = (*decoder, Reshape(shape=input_shape))
    return Network(
        input_shape=input_shape,
        encoder=named("encoder", hidden),
        bottleneck=part,
        decoder=named("decoder", decoder),
    )


def _joined(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return layers whose last one, if it is the activation of a dense layer, is joined with that."""
    if len(layers) > 1 and isinstance(layers[-1], Activation):
        dense = layers[-2]
        if isinstance(dense, Dense) and dense.activation == "linear":
            return (*layers[:-2], dense.with_activation(layers[-1].function))
    return tuple(layers)


def _latent_layer(encoder: Sequence[Layer]) -> Dense | None:
    """Return the layer of an encoder that every bottleneck can replace; None: it ends otherwise."""
    last = (_joined(encoder) or (None,))[-1]
    return last if isinstance(last, Dense) and last.use_bias else None


def _without_last_activation(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    kept = list(layers)
    for place in reversed(range(len(kept))):
        layer = kept[place]
        if layer.is_activation:
            del kept[place]
            break
        if layer.ends_in_activation:
            kept[place] = layer.with_activation("linear")
            break
        if not isinstance(layer, (Flatten, Reshape)):
            break
    return tuple(kept)
