"""The network of an auto-encoder as facts: its layers, their shapes, names and weights. It computes nothing.

Order: the network, its layers with their shapes, their names.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diabolo.errors import OptionError, ShapeError
from diabolo.network.bottlenecks import BOTTLENECKS, Bottleneck
from diabolo.network.layers import LAYERS, Layer, Step, TiedDense, own
from diabolo.parts import MOST_AXES, Shape, from_config

# Inputs and outputs of models, and other prefixes of weights in a file.
RESERVED = ("rows", "latent", "condition", "reconstruction", "loss", "adapter")


@dataclass(frozen=True, kw_only=True)
class Network:
    """An auto-encoder as facts: rows of `input_shape` -> encoder -> bottleneck -> latent -> decoder -> raw numbers.

    `encoder` stops before the bottleneck. `decoder` ends in the raw numbers that the reconstruction loss takes.
    `condition` are the places of those numbers of a row, in one axis, that the decoder gets after the latents: latent
    and condition -> decoder. Raises ShapeError if the layers do not fit together or do not restore `input_shape`.
    """

    input_shape: Shape
    encoder: tuple[Layer, ...]
    bottleneck: Bottleneck
    decoder: tuple[Layer, ...]
    condition: Shape = ()

    def __post_init__(self) -> None:
        self._check_condition()
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

    def _check_condition(self) -> None:
        """Raise ShapeError for a condition that is not a part of a row with one axis."""
        places = self.condition
        if not places:
            return
        rising = all(before < after for before, after in itertools.pairwise(places))
        if len(self.input_shape) != 1 or not rising or places[0] < 0 or places[-1] >= self.input_shape[0]:
            raise ShapeError(f"the condition must be rising places in a row of one axis, got {places!s:.80}.")
        if len(places) == self.input_shape[0]:
            raise ShapeError("the condition is the whole row: leave numbers that the latents are of.")

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
        return tuple(walk((*self.encoder, *self.bottleneck.layers()), self.input_shape))

    @cached_property
    def heads(self) -> dict[str, Step]:
        """The further layers on the hidden features that training uses, by name."""
        hidden = self.encoder_steps[len(self.encoder)].input_shape
        return {
            name: Step(layer, hidden, layer.output_shape(hidden)) for name, layer in self.bottleneck.heads().items()
        }

    @cached_property
    def decoder_steps(self) -> tuple[Step, ...]:
        """The layers from a latent, followed by the condition, to the raw numbers, with their shapes."""
        return tuple(walk(self.decoder, (self.latent_dim + len(self.condition),)))

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
        config: dict[str, Any] = {
            "input_shape": list(self.input_shape),
            "encoder": [layer.to_config() for layer in self.encoder],
            "bottleneck": self.bottleneck.to_config(),
            "decoder": [layer.to_config() for layer in self.decoder],
        }
        return config | ({"condition": list(self.condition)} if self.condition else {})

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
        places = config.get("condition", [])
        if not (isinstance(places, list) and all(type(place) is int for place in places)):
            raise OptionError(f"condition must be a list of places in a row, got {places!r:.80}.")
        return cls(
            input_shape=tuple(shape),
            encoder=tuple(from_config("layer", table, layer) for layer in config["encoder"]),
            bottleneck=from_config("bottleneck", BOTTLENECKS, config["bottleneck"]),
            decoder=tuple(from_config("layer", table, layer) for layer in config["decoder"]),
            condition=tuple(places),
        )


def walk(layers: Sequence[Layer], shape: Shape) -> Iterator[Step]:
    """Yield layers, one after the other, with the shapes of the rows that they take and give."""
    for layer in layers:
        step = Step(layer, shape, layer.output_shape(shape))
        yield step
        shape = step.output_shape


def named(prefix: str, layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return layers of which those without a name get one: "encoder_1"."""
    return tuple(
        layer if layer.name else dataclasses.replace(layer, name=f"{prefix}_{place}")
        for place, layer in enumerate(layers, 1)
    )
