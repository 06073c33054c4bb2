"""Structures: from a short text to the layers of an encoder, and the decoder that mirrors it.

A structure is written in words ("dense", "conv 32-64, dense 256"), as sizes from the features to the latent
("784-256-128"), as hidden widths ([256]), or as a list of layers. All come out as a `Network`, whose
decoder brings the shape of a row back. `pairs` has structures that bring a decoder of their own.

Order: the network of a structure, reading a structure, the mirror.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from diabolo.checks import is_whole, whole
from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.network import words
from diabolo.network.bottlenecks import Bottleneck, read_bottleneck
from diabolo.network.layers import (
    Activation,
    Dense,
    Flatten,
    Layer,
    Step,
    TiedDense,
    check_activation,
)
from diabolo.network.network import Network, named, walk
from diabolo.network.pairs import of_pair, pair
from diabolo.parts import Shape

STRUCTURES = tuple(words.KINDS)
AUTO = "auto"  # chosen from the rows
MANY = 256  # features
AS_PCA = ("plain", "refined", "ordered")  # bottlenecks whose latents may begin as principal components

Structure = str | Sequence[int] | Sequence[Layer] | Sequence[Sequence[Layer]]  # or two Keras models


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
    condition: Shape = (),
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
            many as features. Those of the condition do not count.
        condition: places in a row of the numbers that the decoder gets in addition to the latents.

    Raises: OptionError, ShapeError.
    """
    features = math.prod(input_shape) - len(condition)
    columns = features if columns is None else columns
    _refuse_condition(condition, structure, tied=tied)
    check_activation(Activation(function="linear"), activation)
    latent_dim = None if latent_dim is None else whole("latent_dim", latent_dim, 1)
    if isinstance(bottleneck, Bottleneck) and bottleneck_activation is not None:
        raise OptionError("bottleneck_activation belongs into the Bottleneck that was passed: leave one out.")
    both = pair(structure)
    if both is not None:
        if tied:
            raise OptionError("tied: a decoder of your own is tied by TiedDense(of=...) layers: leave tied out.")
        network = of_pair(both, input_shape, latent_dim, bottleneck, bottleneck_activation)
        _refuse_wide(network.bottleneck, features, columns, allow_overcomplete=allow_overcomplete)
        return network
    if getattr(bottleneck, "as_given", False) or (isinstance(bottleneck, str) and "as_given" in bottleneck):
        raise OptionError("a bottleneck 'as_given' needs a structure (encoder, decoder): leave as_given out.")
    given = bottleneck.latent_dim if isinstance(bottleneck, Bottleneck) else None
    default = default_latent_dim(features, columns)
    hidden, written_latent = _read(structure, input_shape, activation, given or latent_dim or default)
    if written_latent is not None and latent_dim not in (None, written_latent):
        raise OptionError(
            f"structure {structure!r} ends in {written_latent} latents, but latent_dim is {latent_dim}: leave one out."
        )
    if given is not None and not {latent_dim, written_latent} <= {None, given}:
        raise OptionError(f"the bottleneck has {given} latents, but {latent_dim or written_latent} are asked for.")
    if isinstance(bottleneck, Bottleneck):
        part = bottleneck
    else:
        part = read_bottleneck(bottleneck, written_latent or latent_dim or default, bottleneck_activation)
    _refuse_wide(part, features, columns, allow_overcomplete=allow_overcomplete)
    layers = _flat(hidden, input_shape)
    encoder = named("encoder", layers)
    # Only the first layer of the bottleneck is mirrored; the others, such as top-k, have no inverse.
    decoder = mirror((*encoder, part.layers()[0]), input_shape, tied=tied)
    if tied and not any(isinstance(layer, TiedDense) for layer in decoder):
        raise OptionError(
            f"tied is for dense layers, and the decoder of structure {structure!r:.60} has none that it mirrors: leave "
            f"tied out, or choose structure='dense'."
        )
    return Network(
        input_shape=input_shape,
        encoder=encoder,
        bottleneck=part,
        decoder=named("decoder", decoder),
        condition=condition,
    )


def _refuse_condition(condition: Shape, structure: Structure, *, tied: bool) -> None:
    """Raise OptionError for a decoder that has no place for a condition."""
    if not condition:
        return
    if pair(structure) is not None:
        raise OptionError(
            "a condition needs a decoder that is made for it, and structure has one of its own: give the layers of the "
            "encoder alone, structure=encoder, or leave condition (--condition) out."
        )
    if tied:
        raise OptionError(
            "tied layers of the decoder have no weights for a condition: leave tied (--tied) or condition "
            "(--condition) out."
        )


def automatic(bottleneck: str | Bottleneck, features: int, latent_dim: int | None, *, plain: bool) -> str:
    """Return the structure where none is asked for: skips, if they can begin as PCA, else dense layers.

    Many features from few latents need more layers: on MNIST with 2 latents and 50 epochs the error falls from 0.0359 a
    pixel with two plain layers to 0.0343 with three skips and 0.0334 with four. With 32 latents it stays.

    Args:
        bottleneck: as for `build`.
        features: in a row.
        latent_dim: number of latents; None: the default, which is not few.
        plain: whether something else, such as tied weights, needs dense layers.
    """
    kind = bottleneck.partition(":")[0] if isinstance(bottleneck, str) else bottleneck.kind
    if plain or kind not in AS_PCA:
        return "dense"
    return "skip 256-256-256-256" if features >= MANY and latent_dim is not None and latent_dim <= words.FEW else "skip"


def _refuse_wide(part: Bottleneck, features: int, columns: int, *, allow_overcomplete: bool) -> None:
    if features == part.latent_dim == 1:  # there is no other choice; `fitting.plan` says that nothing is compressed
        return
    if part.latent_dim >= features and not (allow_overcomplete or part.may_be_overcomplete):
        become = f", which {columns} column{'s' * (columns > 1)} become" if columns < features else ""
        raise OptionError(
            f"latent_dim must be below the number of features ({features}{become}), got {part.latent_dim}: choose at "
            f"most {max(1, columns - 1)}, or pass allow_overcomplete=True (--allow-overcomplete)."
        )


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
    steps = list(walk(layers, input_shape))
    return layers if not steps or len(steps[-1].output_shape) == 1 else (*layers, Flatten())


def says_latents(structure: Structure) -> bool:
    """Whether a structure states the number of latents, as "784-256-32" does."""
    return isinstance(structure, str) and structure != AUTO and not words.known(structure)


def check_words(structure: str, activation: str) -> None:
    """Raise OptionError for a structure, in words or sizes, or an activation that is wrong for rows of any shape."""
    check_activation(Activation(function="linear"), activation)
    if not words.known(structure):
        _sizes(structure)
        return
    with contextlib.suppress(ShapeError):  # which depends on the rows
        words.read(structure, (64, 64, 1), activation)


def _read(
    structure: Structure, input_shape: Shape, activation: str, latent_dim: int
) -> tuple[tuple[Layer, ...], int | None]:
    """Return the hidden layers and the latent size if the structure states it.

    Args: latent_dim: number of latents, if it does not.
    """
    features = math.prod(input_shape)
    if isinstance(structure, str):
        if words.known(structure):
            return words.read(structure, input_shape, activation, latent_dim), None
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


def mirror(encoder: Sequence[Layer], input_shape: Shape, *, tied: bool = False) -> tuple[Layer, ...]:
    """Return the layers, without names, from the output of `encoder` back to rows of `input_shape`.

    The encoder consists of blocks: a layer that makes features, and the layers after it up to the next one: followers
    (normalisation, dropout, activation) and reshaping. Undoing a block gives the features of the block before back, so
    it ends in that block's activation and followers; undoing the first gives raw numbers, and nothing follows them.
    With `tied` a dense layer is undone by its own kernel; it must have its name already.
    """
    blocks: list[list[Step]] = [[]]  # the first holds the layers before any features are made
    for step in walk(encoder, input_shape):
        if step.layer.makes_features:
            blocks.append([])
        blocks[-1].append(step)
    decoder: list[Layer] = []
    for before, block in reversed(list(itertools.pairwise(blocks))):
        features = before[0].layer if before else None
        undone = block[0].layer.mirror(block[0].input_shape)
        if tied and block[0].layer.lends_kernel:
            undone = (block[0].layer.tied(block[0].input_shape),)
        if features is not None and features.keeps_input and isinstance(undone[-1], (Dense, TiedDense)):
            undone = undone[:-1]  # the features are not needed: the mirror of a skip takes whatever there is
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
