"""Structures: from a few words to the layers of an encoder, and the decoder that mirrors it.

A structure is written as a name ("dense"), as sizes from the features to the latent ("784-256-128"), as hidden
widths ([256]), or as a list of layers. All come out as a `Network`, whose decoder brings the shape of a row back.

Order: the network, reading a structure, the mirror.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network.bottlenecks import BOTTLENECKS, Bottleneck, Plain
from diabolo.network.layers import LAYERS, Activation, Dense, Flatten, Layer, check_activation
from diabolo.network.parts import Shape, from_config

STRUCTURES = ("dense",)

Structure = str | Sequence[int] | Sequence[Layer]


RESERVED = ("rows", "latent", "reconstruction")  # inputs and outputs of the networks that are built


class Step(NamedTuple):
    """One layer in its place."""

    layer: Layer
    input_shape: Shape
    output_shape: Shape


@dataclass(frozen=True, kw_only=True)
class Network:
    """An auto-encoder as facts: rows of `input_shape` -> encoder -> bottleneck -> latent -> decoder -> raw numbers.

    `encoder` stops before the bottleneck. `decoder` ends in the raw numbers that the reconstruction loss takes.
    Raises ShapeError at birth where the layers do not fit together or do not bring `input_shape` back.
    """

    input_shape: Shape
    encoder: tuple[Layer, ...]
    bottleneck: Bottleneck
    decoder: tuple[Layer, ...]

    def __post_init__(self) -> None:
        names = [step.layer.name for step in self.steps]
        taken = sorted({name for name in names if names.count(name) > 1 or name in RESERVED})
        if "" in names or taken:
            named = ", ".join(map(repr, taken)) or "an empty name"
            raise OptionError(
                f"every layer of a network needs a name of its own, but {named} is reserved or stands twice: leave "
                f"names out, or choose others."
            )
        if self.latent_shape != (self.latent_dim,):
            raise ShapeError(
                f"the bottleneck must end in one axis, got {self.latent_shape}: put a Flatten() before it."
            )
        end = self.decoder_steps[-1].output_shape if self.decoder else self.latent_shape
        if end != self.input_shape:
            raise ShapeError(f"the decoder gives rows of shape {end}, expected {self.input_shape}.")

    @property
    def latent_dim(self) -> int:
        """Numbers in the latent of one row."""
        return self.bottleneck.latent_dim

    @property
    def latent_shape(self) -> Shape:
        """What the last layer of the encoder gives."""
        return self.encoder_steps[-1].output_shape

    @cached_property
    def encoder_steps(self) -> tuple[Step, ...]:
        """The layers from a row to its latent, the bottleneck's included, with their shapes."""
        return tuple(_walk((*self.encoder, *self.bottleneck.layers()), self.input_shape))

    @cached_property
    def decoder_steps(self) -> tuple[Step, ...]:
        """The layers from a latent to the raw numbers, with their shapes."""
        return tuple(_walk(self.decoder, (self.latent_dim,)))

    @property
    def steps(self) -> tuple[Step, ...]:
        """All layers, from a row to the raw numbers, with their shapes."""
        return self.encoder_steps + self.decoder_steps

    def weights(self) -> dict[str, Shape]:
        """Name ("encoder_1/kernel") and shape of every weight, from the table of layers alone."""
        return {
            f"{step.layer.name}/{weight}": shape
            for step in self.steps
            for weight, shape in step.layer.weights(step.input_shape).items()
        }

    @property
    def weight_count(self) -> int:
        """How many numbers all weights hold."""
        return sum(map(math.prod, self.weights().values()))

    def to_config(self) -> dict[str, Any]:
        """Return the network as JSON values."""
        return {
            "input_shape": list(self.input_shape),
            "encoder": [layer.to_config() for layer in self.encoder],
            "bottleneck": self.bottleneck.to_config(),
            "decoder": [layer.to_config() for layer in self.decoder],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Network":
        """Return the network that `to_config` described; OptionError or ShapeError where it does not hold together."""
        shape = config["input_shape"]
        if not isinstance(shape, list) or not shape or not all(type(n) is int and 1 <= n < 1 << 31 for n in shape):
            raise OptionError(f"input_shape must be a list of sizes of at least 1, got {shape!r:.80}.")
        for part in ("encoder", "decoder"):
            if not isinstance(config[part], list):
                raise OptionError(f"{part} must be a list of layers, got {config[part]!r:.80}.")
        return cls(
            input_shape=tuple(shape),
            encoder=tuple(from_config("layer", LAYERS, layer) for layer in config["encoder"]),
            bottleneck=from_config("bottleneck", BOTTLENECKS, config["bottleneck"]),
            decoder=tuple(from_config("layer", LAYERS, layer) for layer in config["decoder"]),
        )


def _walk(layers: Sequence[Layer], shape: Shape) -> Iterator[Step]:
    for layer in layers:
        step = Step(layer, shape, layer.output_shape(shape))
        yield step
        shape = step.output_shape


def build(
    structure: Structure,
    input_shape: Shape,
    *,
    latent_dim: int | None = None,
    activation: str = "elu",
    bottleneck_activation: str = "linear",
    allow_overcomplete: bool = False,
) -> Network:
    """Return the network of a structure for rows of `input_shape`.

    Args:
        structure: "dense" (two hidden layers, their width from the data), "784-256-128" (features, hidden widths,
            latent), "784-256-128-256-784" (the same in full), [256] (hidden widths), or layers of the encoder.
        input_shape: sizes of the axes of one row.
        latent_dim: numbers in a latent; may be left out where the structure says it, else a default from the features.
        activation: of the hidden layers.
        bottleneck_activation: of the latent.
        allow_overcomplete: accept a latent as wide as a row or wider, which can copy instead of learning.

    Raises: OptionError, ShapeError.
    """
    features = math.prod(input_shape)
    check_activation(Activation(function="linear"), activation)
    if latent_dim is not None and (type(latent_dim) is not int or latent_dim < 1):
        raise OptionError(f"latent_dim must be a whole number of at least 1, got {latent_dim!r}.")
    hidden, written_latent = _read(structure, features, activation)
    if written_latent is not None and latent_dim not in (None, written_latent):
        raise OptionError(
            f"structure {structure!r} ends in {written_latent} latents, but latent_dim is {latent_dim}: leave one out."
        )
    latent_dim = written_latent or latent_dim or default_latent_dim(features)
    if latent_dim >= features and not allow_overcomplete:
        raise OptionError(
            f"latent_dim must be below the number of features ({features}), got {latent_dim}: choose at most "
            f"{features - 1}, or pass allow_overcomplete=True (--allow-overcomplete)."
            if features > 1
            else "rows of one feature cannot be made narrower: pass allow_overcomplete=True (--allow-overcomplete)."
        )
    layers = default_dense(features, activation) if hidden is None else hidden
    if len(input_shape) > 1 and not any(isinstance(layer, Flatten) for layer in layers):
        layers = (Flatten(), *layers)
    bottleneck = Plain(latent_dim=latent_dim, activation=bottleneck_activation)
    encoder = _named("encoder", layers)
    return Network(
        input_shape=input_shape,
        encoder=encoder,
        bottleneck=bottleneck,
        decoder=_named("decoder", mirror((*encoder, *bottleneck.layers()), input_shape)),
    )


def default_latent_dim(features: int) -> int:
    """Return 32 for wide rows, a quarter of the features for narrow ones, at least 1."""
    return max(1, min(32, features // 4))


def default_dense(features: int, activation: str) -> tuple[Layer, ...]:
    """Return two hidden layers: about as wide as the row (32 to 512), then half of that.

    On 9,000 digits two layers (512, 256) reach 0.0064 a pixel with elu; one of 512 reaches 0.0064 with silu, and a
    rectified pair 0.0073. Wider ones cost time and gain nothing there.
    """
    width = min(512, max(32, 1 << (features - 1).bit_length()))
    return (Dense(units=width, activation=activation), Dense(units=width // 2, activation=activation))


def _read(structure: Structure, features: int, activation: str) -> tuple[tuple[Layer, ...] | None, int | None]:
    """Return the hidden layers (None: choose them) and the latent size if the structure says it."""
    if isinstance(structure, str):
        if structure in STRUCTURES:
            return None, None
        sizes = _sizes(structure)
        if sizes[0] != features:
            raise OptionError(
                f"structure {structure!r} starts with {sizes[0]}, but a row has {features} features: write "
                f"'{'-'.join(map(str, (features, *sizes[1:])))}'."
            )
        return _dense(sizes[1:-1], activation), sizes[-1]
    if isinstance(structure, int) or not isinstance(structure, Sequence):
        hint = f": for one hidden layer write [{structure}]" if isinstance(structure, int) else ""
        raise OptionError(
            f"structure must be a name, sizes such as '784-256-128', widths or layers, got {structure!r}{hint}."
        )
    items: list[Any] = list(structure)
    if all(isinstance(item, Layer) for item in items):
        return tuple(items), None
    if not all(type(item) is int and item >= 1 for item in items):
        raise OptionError(
            f"structure must be a name, sizes such as '784-256-128', widths or layers, got {structure!r}."
        )
    return _dense(items, activation), None


def _dense(widths: Sequence[int], activation: str) -> tuple[Layer, ...]:
    return tuple(Dense(units=width, activation=activation) for width in widths)


def _sizes(written: str) -> list[int]:
    pieces = written.split("-")
    if not all(piece.isascii() and piece.isdigit() and len(piece) < 10 and int(piece) >= 1 for piece in pieces):
        raise OptionError(unknown("structure", written, STRUCTURES) + " Or sizes such as '784-256-128'.")
    sizes = [int(piece) for piece in pieces]
    if len(sizes) >= 3 and len(sizes) % 2 and sizes == sizes[::-1]:  # written in full: the encoder is its first half
        sizes = sizes[: len(sizes) // 2 + 1]
    if len(sizes) < 2:
        raise OptionError(f"structure {written!r} needs at least the features and the latent, such as '784-128'.")
    return sizes


def _named(prefix: str, layers: Sequence[Layer]) -> tuple[Layer, ...]:
    return tuple(
        layer if layer.name else dataclasses.replace(layer, name=f"{prefix}_{place}")
        for place, layer in enumerate(layers, 1)
    )


def mirror(encoder: Sequence[Layer], input_shape: Shape) -> tuple[Layer, ...]:
    """Return the layers, nameless, that take the output of `encoder` back to rows of `input_shape`.

    The encoder falls into blocks: a layer that makes features, and what comes behind it up to the next: followers
    (normalisation, dropout, activation) and reshaping. Undoing a block gives the features of the block before back, so
    it ends in that block's activation and followers; undoing the first gives raw numbers, and nothing follows them.
    """
    blocks: list[list[Step]] = [[]]  # the first holds what stands before any features are made
    for step in _walk(encoder, input_shape):
        if step.layer.makes_features:
            blocks.append([])
        blocks[-1].append(step)
    decoder: list[Layer] = []
    for before, block in reversed(list(itertools.pairwise(blocks))):
        features = before[0].layer if before else None
        for layer in block[0].layer.mirror(block[0].input_shape):
            if isinstance(layer, Dense):
                activation = features.activation if isinstance(features, Dense) else "linear"
                layer = dataclasses.replace(layer, activation=activation)
            decoder.append(layer)
        first = before is blocks[0]
        decoder.extend(_undo_behind(before if first else before[1:], followers=not first))
    return tuple(decoder)


def _undo_behind(steps: Sequence[Step], *, followers: bool) -> list[Layer]:
    """Undo the reshaping among these steps, last first; followers stand again where their shape is back."""
    undone: list[Layer] = []
    pending: list[Layer] = []  # followers between two reshapings, to be put back in their own order
    for step in reversed(steps):
        if step.layer.reshapes:
            undone += [*reversed(pending), *step.layer.mirror(step.input_shape)]
            pending = []
        elif followers:
            pending.append(dataclasses.replace(step.layer, name=""))
    return [*undone, *reversed(pending)]
