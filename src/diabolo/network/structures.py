"""Structures: from a short text to the layers of an encoder, and the decoder that mirrors it.

A structure is written in words ("dense", "conv 32-64, dense 256"), as sizes from the features to the latent
("784-256-128"), as hidden widths ([256]), or as a list of layers. All come out as a `Network`, whose
decoder brings the shape of a row back.

Order: the network, reading a structure, the mirror.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from diabolo.checks import is_whole, whole
from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network import words
from diabolo.network.backends.keras import reading as from_keras
from diabolo.network.bottlenecks import BOTTLENECKS, Bottleneck, Plain
from diabolo.network.layers import (
    LAYERS,
    Activation,
    Dense,
    Flatten,
    Layer,
    Reshape,
    Step,
    TiedDense,
    check_activation,
    own,
)
from diabolo.parts import MOST_AXES, Shape, from_config, from_text

STRUCTURES = tuple(words.KINDS)

Structure = str | Sequence[int] | Sequence[Layer] | Sequence[Sequence[Layer]]  # or two Keras models


# Inputs and outputs of models, and other prefixes of weights in a file.
RESERVED = ("rows", "latent", "reconstruction", "loss", "adapter")
BOTTLENECK_NAMES = ("bottleneck", "bottleneck_features", "bottleneck_log_var")  # of the layers that bottlenecks make


@dataclass(frozen=True, kw_only=True)
class Network:
    """An auto-encoder as facts: rows of `input_shape` -> encoder -> bottleneck -> latent -> decoder -> raw numbers.

    `encoder` stops before the bottleneck. `decoder` ends in the raw numbers that the reconstruction loss takes.
    Raises ShapeError if the layers do not fit together or do not restore `input_shape`.
    """

    input_shape: Shape
    encoder: tuple[Layer, ...]
    bottleneck: Bottleneck
    decoder: tuple[Layer, ...]

    def __post_init__(self) -> None:
        names = [step.layer.name for step in (*self.steps, *self.heads.values())]
        taken = sorted({name for name in names if names.count(name) > 1 or name in RESERVED})
        if "" in names or taken:
            named = ", ".join(map(repr, taken)) or "an empty name"
            raise OptionError(
                f"every layer of a network needs a name of its own, but {named} is reserved or occurs twice: leave "
                f"names out, or choose others."
            )
        lenders = {
            f"{step.layer.name}/kernel": step.layer.weights(step.input_shape)["kernel"]
            for step in self.encoder_steps
            if step.layer.lends_kernel
        }
        if any(isinstance(layer, TiedDense) for layer in self.encoder):
            raise OptionError("only the decoder can have tied layers: write Dense in the encoder.")
        for step in self.decoder_steps:
            for name, shape in step.layer.borrows(step.input_shape).values():
                if lenders.get(name) != shape:
                    raise ShapeError(
                        f"layer {step.layer.kind!r} ({step.layer.name}) needs a dense layer of the encoder with "
                        f"{name!r} of shape {shape}, got {lenders.get(name, 'none')}."
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
        """Number of latent dimensions."""
        return self.bottleneck.latent_dim

    @property
    def latent_shape(self) -> Shape:
        """The output shape of the encoder."""
        return self.encoder_steps[-1].output_shape

    @cached_property
    def encoder_steps(self) -> tuple[Step, ...]:
        """The layers from a row to its latent, the bottleneck's included, with their shapes."""
        return tuple(_walk((*self.encoder, *self.bottleneck.layers()), self.input_shape))

    @cached_property
    def heads(self) -> dict[str, Step]:
        """The further layers on the hidden features that training uses, by name."""
        hidden = self.encoder_steps[len(self.encoder)].input_shape
        return {
            name: Step(layer, hidden, layer.output_shape(hidden)) for name, layer in self.bottleneck.heads().items()
        }

    @cached_property
    def decoder_steps(self) -> tuple[Step, ...]:
        """The layers from a latent to the raw numbers, with their shapes."""
        return tuple(_walk(self.decoder, (self.latent_dim,)))

    @property
    def steps(self) -> tuple[Step, ...]:
        """All layers, from a row to the raw numbers, with their shapes."""
        return self.encoder_steps + self.decoder_steps

    def numbers(self, step: Step) -> int:
        """Return the size of the largest tensor of one row that a layer takes or makes, in its place."""
        held = max(math.prod(step.input_shape), math.prod(step.output_shape), step.layer.numbers(step.input_shape))
        neighbours = self.bottleneck.neighbours
        if (
            step == self.encoder_steps[-1]
        ):  # if latents are refined: the differences of each neighbour, in latent and row
            return max(held, neighbours * max(self.latent_dim, math.prod(self.input_shape)))
        return held * (1 + neighbours * (step in self.decoder_steps))

    def workspace(self, step: Step) -> int:
        """Return how many numbers a layer needs in addition, in its place, once for all rows of a batch."""
        return step.layer.workspace(step.input_shape)

    @cached_property
    def widest(self) -> int:
        """The size of the largest tensor of one row."""
        return max(map(self.numbers, self.steps))

    @cached_property
    def blocked(self) -> int:
        """The same for the convolutions only, with channels padded to blocks; 0 if there are none."""
        sizes = [step.layer.blocked(step.input_shape) for step in self.steps]
        return max(sizes) * (1 + self.bottleneck.neighbours)

    def own_layers(self) -> dict[str, type[Layer]]:
        """Return the classes of layers that the table does not have, by kind; OptionError if one cannot be saved."""
        return own.of((*self.encoder, *self.decoder), LAYERS)

    def weights(self) -> dict[str, Shape]:
        """Name ("encoder_1/kernel") and shape of every weight, heads included, from the table of layers alone."""
        return {
            f"{step.layer.name}/{weight}": shape
            for step in (*self.steps, *self.heads.values())
            for weight, shape in step.layer.weights(step.input_shape).items()
        }

    @property
    def weight_count(self) -> int:
        """How many numbers all weights hold."""
        return sum(map(math.prod, self.weights().values()))

    @property
    def operations(self) -> int:
        """About how many multiplications one row takes: each matrix as often as there are places it is used at."""
        return sum(
            math.prod(shape) * math.prod(step.output_shape[:-1])
            for step in self.steps
            for shape in step.layer.weights(step.input_shape).values()
            if len(shape) > 1
        )

    def to_config(self) -> dict[str, Any]:
        """Return the network as JSON values."""
        return {
            "input_shape": list(self.input_shape),
            "encoder": [layer.to_config() for layer in self.encoder],
            "bottleneck": self.bottleneck.to_config(),
            "decoder": [layer.to_config() for layer in self.decoder],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], layers: own.Own | None = None) -> "Network":
        """Return the network that `to_config` described; OptionError or ShapeError if it is not valid.

        Args: layers: a user's own, by kind.
        """
        table = own.with_own(LAYERS, layers)
        shape = config["input_shape"]
        sizes = isinstance(shape, list) and all(type(n) is int and 1 <= n < 1 << 31 for n in shape)
        if not sizes or not 1 <= len(shape) <= MOST_AXES:
            raise OptionError(f"input_shape must be a list of 1 to {MOST_AXES} sizes of at least 1, got {shape!r:.80}.")
        for part in ("encoder", "decoder"):
            if not isinstance(config[part], list):
                raise OptionError(f"{part} must be a list of layers, got {config[part]!r:.80}.")
        return cls(
            input_shape=tuple(shape),
            encoder=tuple(from_config("layer", table, layer) for layer in config["encoder"]),
            bottleneck=from_config("bottleneck", BOTTLENECKS, config["bottleneck"]),
            decoder=tuple(from_config("layer", table, layer) for layer in config["decoder"]),
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
    bottleneck: str | Bottleneck = "plain",
    bottleneck_activation: str | None = None,
    tied: bool = False,
    allow_overcomplete: bool = False,
    columns: int | None = None,
) -> Network:
    """Return the network of a structure for rows of `input_shape`.

    Args:
        structure: in words ("dense", "conv 32-64, dense 256": `diabolo.network.words`; sizes that are left out come
            from the shape of a row), "784-256-128" (features, hidden widths, latent), "784-256-128-256-784" (the same
            in full), [256] (hidden widths), or layers of the encoder.
            Or an encoder and a decoder: two Keras models, or two lists of layers; the encoder ends in the latent.
        input_shape: sizes of the axes of one row.
        latent_dim: number of latent dimensions; None: as the structure states, else `default_latent_dim`.
        activation: of the hidden layers.
        bottleneck: a kind, with settings after a colon ("gaussian:beta=4"), or one of `diabolo.network.bottlenecks`.
        bottleneck_activation: of the latent, if the bottleneck has a choice; None: its default.
        tied: the dense layers of the decoder use the transposed kernels of those they mirror.
        allow_overcomplete: accept a latent as wide as a row or wider, which can copy instead of learning.
        columns: numbers in a row as its user sees it, of a table whose columns become several features each; None: as
            many as features.

    Raises: OptionError, ShapeError.
    """
    features = math.prod(input_shape)
    columns = features if columns is None else columns
    check_activation(Activation(function="linear"), activation)
    latent_dim = None if latent_dim is None else whole("latent_dim", latent_dim, 1)
    if isinstance(bottleneck, Bottleneck) and bottleneck_activation is not None:
        raise OptionError("bottleneck_activation belongs into the Bottleneck that was passed: leave one out.")
    both = pair(structure)
    if both is not None:
        if tied:
            raise OptionError("tied: a decoder of your own is tied by TiedDense(of=...) layers: leave tied out.")
        network = _of_pair(both, input_shape, latent_dim, bottleneck, bottleneck_activation)
        _refuse_wide(network.bottleneck, features, columns, allow_overcomplete=allow_overcomplete)
        return network
    if getattr(bottleneck, "as_given", False) or (isinstance(bottleneck, str) and "as_given" in bottleneck):
        raise OptionError("a bottleneck 'as_given' needs a structure (encoder, decoder): leave as_given out.")
    hidden, written_latent = _read(structure, input_shape, activation)
    if written_latent is not None and latent_dim not in (None, written_latent):
        raise OptionError(
            f"structure {structure!r} ends in {written_latent} latents, but latent_dim is {latent_dim}: leave one out."
        )
    if isinstance(bottleneck, Bottleneck):
        if latent_dim not in (None, bottleneck.latent_dim) or written_latent not in (None, bottleneck.latent_dim):
            raise OptionError(
                f"the bottleneck has {bottleneck.latent_dim} latents, but {latent_dim or written_latent} are asked for."
            )
        part = bottleneck
    else:
        latent_dim = written_latent or latent_dim or default_latent_dim(features, columns)
        part = _bottleneck(bottleneck, latent_dim, bottleneck_activation)
    _refuse_wide(part, features, columns, allow_overcomplete=allow_overcomplete)
    layers = _flat(hidden, input_shape)
    encoder = _named("encoder", layers)
    # Only the first layer of the bottleneck is mirrored; the others, such as top-k, have no inverse.
    features_layer = part.layers()[0]
    return Network(
        input_shape=input_shape,
        encoder=encoder,
        bottleneck=part,
        decoder=_named("decoder", mirror((*encoder, features_layer), input_shape, tied=tied)),
    )


def _refuse_wide(part: Bottleneck, features: int, columns: int, *, allow_overcomplete: bool) -> None:
    if features == part.latent_dim == 1:  # there is no other choice; `fitting.plan` says that nothing is compressed
        return
    if part.latent_dim >= features and not (allow_overcomplete or part.may_be_overcomplete):
        become = f", which {columns} column{'s' * (columns > 1)} become" if columns < features else ""
        raise OptionError(
            f"latent_dim must be below the number of features ({features}{become}), got {part.latent_dim}: choose at "
            f"most {max(1, columns - 1)}, or pass allow_overcomplete=True (--allow-overcomplete)."
        )


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


def _of_pair(
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
        shape = list(_walk(encoder, input_shape))[-1].output_shape if encoder else input_shape
        if len(shape) > 1:
            encoder.append(Flatten())
            given_decoder = (Reshape(shape=shape), *given_decoder)
        latents, hidden = math.prod(shape), encoder
    else:
        latents, hidden = last.units, encoder[:-1]
    part = bottleneck if isinstance(bottleneck, Bottleneck) else _bottleneck(bottleneck, latents, activation)
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
    ends = list(_walk(decoder, (part.latent_dim,)))
    shape = ends[-1].output_shape if ends else (part.latent_dim,)
    if shape != input_shape and math.prod(shape) == math.prod(input_shape):  # grey images have no channel axis there
        decoder = (*decoder, Reshape(shape=input_shape))
    return Network(
        input_shape=input_shape,
        encoder=_named("encoder", hidden),
        bottleneck=part,
        decoder=_named("decoder", decoder),
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


def _bottleneck(written: str, latent_dim: int, activation: str | None) -> Bottleneck:
    if not isinstance(written, str):
        raise OptionError(f"bottleneck must be a name such as 'gaussian' or a Bottleneck, got {written!r:.60}.")
    part = from_text("bottleneck", BOTTLENECKS, written, latent_dim=latent_dim)
    if activation is None:
        return part
    if not part.has_activation:
        raise OptionError(f"bottleneck_activation {activation!r}: a {part.kind} bottleneck has none, leave it out.")
    return part.with_activation(activation)


def default_latent_dim(features: int, columns: int) -> int:
    """Return 32 for wide rows, a quarter of the features for narrow ones, at most half of the columns, at least 1.

    The columns count as well as the features that they become: three columns, of which one is a category of a hundred
    levels, have 102 features, but a quarter of these is far more than three columns need, and would copy them.
    """
    return max(1, min(32, features // 4, columns // 2))


def _flat(layers: tuple[Layer, ...], input_shape: Shape) -> tuple[Layer, ...]:
    """Return layers that end in one axis: flattened first if none of them uses the axes, else at the end."""
    if len(input_shape) > 1 and not any(layer.needs_axes or layer.reshapes for layer in layers):
        return (Flatten(), *layers)
    steps = list(_walk(layers, input_shape))
    return layers if not steps or len(steps[-1].output_shape) == 1 else (*layers, Flatten())


def says_latents(structure: Structure) -> bool:
    """Whether a structure states the number of latents, as "784-256-32" does."""
    return isinstance(structure, str) and not words.known(structure)


def check_words(structure: str, activation: str) -> None:
    """Raise OptionError for a structure, in words or sizes, or an activation that is wrong for rows of any shape."""
    check_activation(Activation(function="linear"), activation)
    if not words.known(structure):
        _sizes(structure)
        return
    with contextlib.suppress(ShapeError):  # which depends on the rows
        words.read(structure, (64, 64, 1), activation)


def _read(structure: Structure, input_shape: Shape, activation: str) -> tuple[tuple[Layer, ...], int | None]:
    """Return the hidden layers and the latent size if the structure states it."""
    features = math.prod(input_shape)
    if isinstance(structure, str):
        if words.known(structure):
            return words.read(structure, input_shape, activation), None
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
    if not all(is_whole(item, 1) for item in items):
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


def mirror(encoder: Sequence[Layer], input_shape: Shape, *, tied: bool = False) -> tuple[Layer, ...]:
    """Return the layers, without names, from the output of `encoder` back to rows of `input_shape`.

    The encoder consists of blocks: a layer that makes features, and the layers after it up to the next one: followers
    (normalisation, dropout, activation) and reshaping. Undoing a block gives the features of the block before back, so
    it ends in that block's activation and followers; undoing the first gives raw numbers, and nothing follows them.
    With `tied` a dense layer is undone by its own kernel; it must have its name already.
    """
    blocks: list[list[Step]] = [[]]  # the first holds the layers before any features are made
    for step in _walk(encoder, input_shape):
        if step.layer.makes_features:
            blocks.append([])
        blocks[-1].append(step)
    decoder: list[Layer] = []
    for before, block in reversed(list(itertools.pairwise(blocks))):
        features = before[0].layer if before else None
        undone = block[0].layer.mirror(block[0].input_shape)
        if tied and block[0].layer.lends_kernel:
            undone = (block[0].layer.tied(block[0].input_shape),)
        decoder.extend(layer.with_activation(getattr(features, "activation", "linear")) for layer in undone)
        first = before is blocks[0]
        decoder.extend(_undo_followers(before if first else before[1:], followers=not first))
    return tuple(decoder)


def _undo_followers(steps: Sequence[Step], *, followers: bool) -> list[Layer]:
    """Undo the reshaping among these steps, last first; followers are repeated where their shape is restored."""
    undone: list[Layer] = []
    pending: list[Layer] = []  # followers between two reshapings, to be repeated in their own order
    for step in reversed(steps):
        if step.layer.reshapes:
            undone += [*reversed(pending), *step.layer.mirror(step.input_shape)]
            pending = []
        elif followers:
            pending.append(dataclasses.replace(step.layer, name=""))
    return [*undone, *reversed(pending)]
