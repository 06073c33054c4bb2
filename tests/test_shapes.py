"""Shapes and dtypes in and out of every loss, bottleneck, corruption and penalty of the tables.

A part that is defined here alone keeps the same contract by the same tests: a new one joins by being in its table.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import pytest

from diabolo.network import structures
from diabolo.network.backends.keras import builder
from diabolo.network.bottlenecks import BOTTLENECKS, Bottleneck, Objective
from diabolo.network.cells import Cells
from diabolo.network.corruptions import CORRUPTIONS, Corrupted, Corruption
from diabolo.network.layers import Dense
from diabolo.network.losses import LOSSES, Loss, Masked, Mixed
from diabolo.network.penalties import PENALTIES, Batch, Penalty
from diabolo.parts import from_text

ROWS, LATENTS = 5, 4


@dataclass(frozen=True, kw_only=True)
class Distance(Loss):
    """The distance of each number from its target."""

    kind: ClassVar[str] = "distance"
    link: ClassVar[str] = "linear"

    def each(self, target, raw, xp, learnt=None):
        return xp.abs(target - raw)


@dataclass(frozen=True, kw_only=True)
class Squeezed(Bottleneck):
    """Latents in (-1, 1), decoded twice in training, with a head that says how much a row counts."""

    kind: ClassVar[str] = "squeezed"

    @property
    def copies(self):
        return 2

    def layers(self):
        return (Dense(units=self.latent_dim, activation="tanh", name="bottleneck"),)

    def heads(self):
        return {"size": Dense(units=1, name="bottleneck_size")}

    def train(self, tensors, loss, chance, warm):
        latents = tensors["latent"]
        costs = keras.ops.reshape(loss(keras.ops.concatenate([latents, -latents])), (2, -1))
        return Objective(costs[0] + costs[1], keras.ops.square(tensors["size"][:, 0]))


@dataclass(frozen=True, kw_only=True)
class Halved(Corruption):
    """Numbers halved."""

    kind: ClassVar[str] = "halved"

    def apply(self, rows, chance, *, bounded, cells=None):
        return Corrupted(rows / 2)


@dataclass(frozen=True, kw_only=True)
class Far(Penalty):
    """The squares of the latents."""

    kind: ClassVar[str] = "far"

    def cost(self, network, batch, chance):
        return keras.ops.sum(keras.ops.square(batch.tensors["latent"]), axis=1)


def made(table, own, sort, kind, **given):
    """Return a part; one that needs a number gets 0.3."""
    part = {**table, own.kind: own}[kind]
    needed = [
        each for each in dataclasses.fields(part) if each.default is dataclasses.MISSING and each.name not in given
    ]
    return from_text(sort, {kind: part}, f"{kind}:0.3" if needed else kind, **given)


def drawn(shape, low=0.0):
    """Return float32 numbers from `low` to 1."""
    return np.random.default_rng(0).uniform(low, 1, shape).astype(np.float32)


def tensor(array):
    return keras.ops.convert_to_tensor(array)


def chance():
    return keras.random.SeedGenerator(0)


def check(found, shape, what):
    """A tensor or an array has this shape and is float32."""
    assert tuple(found.shape) == shape, what
    assert keras.backend.standardize_dtype(found.dtype) == "float32", what


# One row of a table: 2 numbers, a count, a boolean and a category of 3 levels, cells of each of the 5 may be missing.
OWNERS = (0, 1, 2, 3, 4, 4, 4)
MIXED = Mixed(gaussian=2, poisson=1, bernoulli=1, levels=(3,), factors=(1.0,) * 7, owners=OWNERS, flags=5)
SPECIAL = {"masked": (Masked(channels=2), (6, 4), 12), "mixed": (MIXED, (12,), 7)}
SHAPES = {"table": (6,), "series": (9, 2), "image": (8, 9, 3)}
FITTING = [
    *(
        pytest.param(made(LOSSES, Distance, "loss", kind), shape, math.prod(shape), id=f"{kind}-{name}")
        for kind in (*LOSSES, Distance.kind)
        for name, shape in SHAPES.items()
        if kind != "ssim" or name == "image"
    ),
    pytest.param(from_text("loss", LOSSES, "gaussian:variance=learnt"), (8, 9, 3), 216, id="learnt-image"),
    *(pytest.param(*each, id=kind) for kind, each in SPECIAL.items()),
]


@pytest.mark.parametrize("xp", [np, keras.ops], ids=["numpy", "keras"])
@pytest.mark.parametrize(("loss", "shape", "values"), FITTING)
def test_a_loss_takes_rows_and_gives_one_number_a_row(loss, shape, values, xp):
    loss.fits(shape)
    put = np.asarray if xp is np else tensor
    target, raw = put(np.round(drawn((ROWS, *shape)))), put(drawn((ROWS, *shape), low=-1))
    learnt = {name: put(drawn(size)) for name, size in loss.weights(shape).items()}
    check(loss.per_row(target, raw, xp, learnt), (ROWS,), "per_row")
    if loss.masks:
        check(loss.each(target, raw, xp, learnt), (ROWS, *shape), "each")
        check(loss.per_row(target, raw, xp, learnt, put(np.ones((ROWS, *shape), "f"))), (ROWS,), "with counts")


@pytest.mark.parametrize(("loss", "shape", "values"), FITTING)
def test_a_loss_gives_an_error_and_residuals_of_each_row(loss, shape, values):
    target, raw = np.round(drawn((ROWS, *shape))), drawn((ROWS, *shape), low=-1)
    assert loss.values(shape) == values
    assert loss.error(target, raw).shape == (ROWS,)
    assert loss.residuals(target, raw).shape == (ROWS, values)
    assert np.broadcast_shapes(np.shape(loss.left_out(target)), (ROWS,)) == (ROWS,)


@pytest.mark.parametrize(
    "words",
    [
        *BOTTLENECKS,
        Squeezed.kind,
        "sparse:method=kl",
        "sparse:method=top_k",
        "gaussian:samples=3",
        "gaussian:free_nats=0.1,warmup_epochs=2",
        "ordered:sizes=1-2",
    ],
)
def test_a_bottleneck_takes_latents_and_gives_one_number_a_row(words):
    part = from_text("bottleneck", {**BOTTLENECKS, Squeezed.kind: Squeezed}, words, latent_dim=LATENTS)
    network = structures.build([7], (6,), latent_dim=LATENTS, bottleneck=part)
    assert part.layers()[-1].name == "bottleneck"
    *_, encode, decode = builder.build(network, seed=1)
    tensors = encode(drawn((ROWS, 6)))
    assert set(tensors) == {"latent", "before", *part.heads()}
    check(tensors["latent"], (ROWS, LATENTS), "latent")
    for name, head in part.heads().items():
        check(tensors[name], (ROWS, *head.output_shape((7,))), name)
    seen = []

    def loss(latents):
        check(latents, (part.copies * ROWS, LATENTS), "latents of all copies")
        seen.append(latents)
        return keras.ops.sum(keras.ops.square(decode(latents)), axis=1)

    for warm in (1.0, math.inf):
        objective = part.train(tensors, loss, chance(), warm)
        check(objective.reconstruction, (ROWS,), "reconstruction")
        if objective.penalty is not None:
            check(objective.penalty, (ROWS,), "penalty")
    assert len(seen) == 2  # decoded once each time


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        *CORRUPTIONS,
        Halved.kind,
        "masking:0.3,hidden_only=true",
        "masking:0.3,what=columns",
        "masking:0.3,what=pixels",
        "masking:0.3,what=blocks",
    ],
)
def test_a_corruption_gives_rows_of_the_same_shape(words, bounded):
    kind, _, settings = words.partition(":")
    table = {**CORRUPTIONS, Halved.kind: Halved}
    part = from_text("corruption", table, words) if settings else made(CORRUPTIONS, Halved, "corruption", kind)
    shapes = [shape for shape in SHAPES.values() if len(shape) > 1 or not words.endswith(("pixels", "blocks"))]
    for shape in shapes:
        found = part.apply(tensor(drawn((ROWS, *shape))), chance(), bounded=bounded)
        for name, value in found._asdict().items():
            if value is not None:
                check(value, (ROWS, *shape), name)
    if len(shapes) == 3:  # a table too: rows whose numbers hang together by columns
        cells = Cells(np.asarray(OWNERS, np.int32), 5, 2)
        found = part.apply(tensor(drawn((ROWS, 12))), chance(), bounded=bounded, cells=cells)
        check(found.rows, (ROWS, 12), "cells")
    found = part.apply_with_flags(tensor(np.round(drawn((ROWS, 6, 4)))), chance(), channels=2)
    check(found.rows, (ROWS, 6, 4), "series with gaps")


@pytest.mark.parametrize("kind", [*PENALTIES, Far.kind])
def test_a_penalty_gives_one_number_a_row_or_one_for_the_batch(kind):
    part = made(PENALTIES, Far, "penalty", kind)
    network = structures.build([7], (6,), latent_dim=LATENTS, bottleneck="gaussian")
    part.fits(network.bottleneck)
    *_, encode, decode = builder.build(network, seed=1)
    rows = tensor(drawn((ROWS, 6)))
    cost = part.cost(network, Batch(rows, encode(rows), encode, decode, part.helper(network, 0)), chance())
    assert tuple(cost.shape) in ((), (ROWS,))
    check(cost, tuple(cost.shape), "cost")
