"""How odd rows are: facts that an AnomalyDetector learnt and a model file holds.

A row is odd where its latents and its residual are far from those of other rows. Far is measured to the nearest of a
few rows drawn by chance, many times over: odd rows that keep company with each other find none of it in a small draw,
and one that is odd by a little is still seen in a larger one.

Order: what is learnt, the space that rows are compared in, the distances, the columns.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.adapters.array import FARTHEST
from diabolo.data.adapters.statistics import MOST
from diabolo.errors import OptionError

if TYPE_CHECKING:
    from diabolo.model.model import Model

Floats = np.ndarray[Any, np.dtype[np.float64]]

# How many rows are drawn at a time, and how often. Small draws see through clusters of odd rows, large ones see small
# differences; beside each other they are better than either on 20 tables of ADBench, with clean training rows or not.
DRAWS = ((32, 64), (256, 24))
ROWS_AT_ONCE = 4_096
# Nats of a column's loss, of which the best constant guess costs 0.5 to 1. Without it a column that is nearly always
# foreseen would be blamed for its neighbours' faults: of 200 cells planted in a table of several kinds 88 % are found,
# with it 92.
STEADY = 0.5
LEAST = 1e-6  # a distance, so that equal rows have a logarithm
KEY = 16  # bytes that tell a row from others


class Detection(NamedTuple):
    """What makes scores of rows, and when they are odd.

    Attributes:
        usual: how large the scores of each column are on training rows, (columns,).
        threshold: scores above it are odd.
        center, spread: the middle of the scores of training rows, and their standard deviation.
        contamination, false_alarm_rate: the settings of the detector.
    """

    space: "Space"
    draws: "Draws"
    usual: Floats
    threshold: float
    center: float
    spread: float
    contamination: float
    false_alarm_rate: float | None

    def score(self, model: "Model", rows: Rows) -> Floats:
        """Return how odd rows are that passed `Model.checked`, (n,): the higher, the odder."""
        # Of a value that is too far off to be computed with it is known enough that it is.
        return self.draws.score(rows, self.space.place(model, model.adapter.within(rows)))

    def scale(self, scores: Floats) -> Floats:
        """Return the scores of columns, (n, columns) of `by_column`, in units of what is usual there."""
        scaled: Floats = scores / self.usual
        return scaled

    def to_config(self) -> dict[str, Any]:
        """Return what is no tensor, as JSON values."""
        return {name: getattr(self, name) for name in NUMBERS}

    def to_tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what is no JSON, by names that `tensors` knows."""
        draws = {f"draws_{at}": np.stack(group).astype("<i4") for at, group in enumerate(self.draws.draws)}
        keys = np.frombuffer(b"".join(self.draws.keys), np.uint8).reshape(-1, KEY)
        return {
            "center": self.space.center,
            "latent_scale": self.space.latent_scale,
            "residual_scale": self.space.residual_scale,
            "usual": self.usual,
            "places": self.draws.places,
            "keys": keys,
        } | draws

    @classmethod
    def of(cls, config: Mapping[str, Any], tensors: Mapping[str, Any]) -> "Detection":
        """Return what `to_config` and `to_tensors` described. Raises OptionError where a value cannot be."""
        for name in ("latent_scale", "residual_scale", "usual"):
            if not (tensors[name] >= 1 / FARTHEST).all():
                raise OptionError(f"detection: {name} must be above 0, at least {1 / FARTHEST:g}.")
        if not (np.abs(tensors["center"]) <= FARTHEST).all():
            raise OptionError(f"detection: center must be at most {FARTHEST:g} away from 0.")
        share, rate = config["contamination"], config["false_alarm_rate"]
        if not 0 < share <= 0.5 or not (rate is None or 0 < rate <= 1):
            raise OptionError(f"detection: contamination {share!r:.40} and false_alarm_rate {rate!r:.40} cannot be.")
        if max(abs(config["threshold"]), abs(config["center"]), config["spread"]) > MOST or (
            config["spread"] < 1 / FARTHEST
        ):
            raise OptionError(f"detection: scores lie within {MOST:g}, and their spread is at least {1 / FARTHEST:g}.")
        count = len(tensors["places"])
        drawn = [tensors[f"draws_{at}"] for at in range(len(DRAWS))]
        if not all(((each >= 0) & (each < count)).all() for each in drawn):
            raise OptionError(f"detection: draws must be numbers of the {count} rows that were drawn.")
        space = Space(tensors["center"], tensors["latent_scale"], tensors["residual_scale"])
        draws = Draws(tensors["places"], [bytes(key) for key in tensors["keys"]], [list(group) for group in drawn])
        return cls(space, draws, tensors["usual"], **config)


# Of a Detection, what is JSON, and its types.
NUMBERS: dict[str, tuple[type, ...]] = {
    "threshold": (float,),
    "center": (float,),
    "spread": (float,),
    "contamination": (float,),
    "false_alarm_rate": (float, type(None)),
}


def tensors(
    latents: int, residuals: int, columns: int, drawn: int, sizes: list[tuple[int, int]]
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of each tensor of a Detection.

    Args: drawn: rows that were drawn, once each; sizes: times and rows of each group of draws.
    """
    return {
        "center": ("F64", (latents,)),
        "latent_scale": ("F64", (latents,)),
        "residual_scale": ("F64", (residuals,)),
        "usual": ("F64", (columns,)),
        "places": ("F32", (drawn, latents + residuals)),
        "keys": ("U8", (drawn, KEY)),
    } | {f"draws_{at}": ("I32", size) for at, size in enumerate(sizes)}


class Space(NamedTuple):
    """Where rows are compared: latents beside residuals, each as wide as the other."""

    center: Floats  # of latents
    latent_scale: Floats
    residual_scale: Floats

    @classmethod
    def of(cls, model: "Model", rows: Rows) -> "Space":
        """Return the space of a model and the rows that it was fitted on."""
        latents, squares = model.encode(rows), np.square(model.residuals(rows), dtype=np.float64).mean(axis=0)
        columns, cells = len(squares), model.loss.cells
        if cells is not None:
            # The numbers of a column go together, so that one of forty levels weighs no more than one number does, and
            # the rarest level not more than the others.
            columns, squares = cells.columns, np.bincount(cells.owners, squares)[cells.owners]
        spread = latents.std(axis=0, dtype=np.float64) + LEAST
        return cls(
            center=latents.mean(axis=0, dtype=np.float64),
            # As many residuals as there are weigh as much as all latents together.
            latent_scale=spread * math.sqrt(latents.shape[1] / columns),
            # A residual that is hardly ever there must not drown all others where it is there by rounding.
            residual_scale=np.sqrt(squares) + 1e-2,
        )

    def place(self, model: "Model", rows: Rows) -> Floats:
        """Return where rows are, (n, latents + residuals)."""
        latents = (model.encode(rows) - self.center) / self.latent_scale
        residuals = model.residuals(rows) / self.residual_scale
        return np.concatenate([latents, residuals], axis=1, dtype=np.float64)


class Draws(NamedTuple):
    """Rows drawn by chance, many times over."""

    places: Rows  # of all training rows that were drawn, once each, float32
    keys: list[bytes]  # by which they are known, so that a row is not compared with itself
    draws: list[list[Rows]]  # of each size, the drawn ones as numbers into `places`

    @classmethod
    def of(cls, rows: Rows, places: Floats, seed: int) -> "Draws":
        """Draw from rows (n, ...) and their places."""
        chance, most = np.random.default_rng([seed, 0]), max(1, len(rows) // 2)
        drawn = [
            [chance.choice(len(rows), min(size, most), replace=False) for _ in range(times)] for size, times in DRAWS
        ]
        which, at = np.unique(np.concatenate([each for group in drawn for each in group]), return_inverse=True)
        ends = np.cumsum([len(each) for group in drawn for each in group])[:-1]
        pieces = iter(np.split(at.reshape(-1), ends))
        return cls(
            places[which].astype(np.float32), _keys(rows[which]), [[next(pieces) for _ in group] for group in drawn]
        )

    def score(self, rows: Rows, places: Floats) -> Floats:
        """Return how odd rows are, (n,): the mean logarithm of the mean distance to the nearest of a draw."""
        scores = np.empty(len(places))
        theirs = self.places.astype(np.float64)
        squares, known = np.square(theirs).sum(axis=1), {key: at for at, key in enumerate(self.keys)}
        for start in range(0, len(places), ROWS_AT_ONCE):
            some = places[start : start + ROWS_AT_ONCE]
            away = theirs @ (-2 * some.T)  # squared, (places, rows): what is drawn lies in one piece
            away += squares[:, None]
            away += np.square(some).sum(axis=1)
            for at, key in enumerate(_keys(rows[start : start + ROWS_AT_ONCE])):
                if key in known:
                    away[known[key], at] = np.inf
            logs = []
            for draws in self.draws:
                nearest = np.sqrt(np.maximum([_least(away, drawn) for drawn in draws], 0))
                there = np.isfinite(nearest)  # but for a draw of nothing but the row itself
                mean = np.where(there, nearest, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
                logs.append(np.log(mean + LEAST))
            scores[start : start + len(some)] = np.mean(logs, axis=0)
        return scores


def _least(away: Floats, drawn: Rows) -> Floats:
    """Return the least of some rows of numbers, one by one: nothing is copied that is as large as they are."""
    least: Floats = away[drawn[0]].copy()
    for at in drawn[1:]:
        np.minimum(least, away[at], out=least)
    return least


def _keys(rows: Rows) -> list[bytes]:
    """Return what tells a row from others, the same of doubles and of floats."""
    with np.errstate(over="ignore"):
        short = np.asarray(rows, np.float32) + np.float32(0)  # -0 is 0
    return [hashlib.blake2b(row.tobytes(), digest_size=KEY).digest() for row in short]


def usual(scores: Floats) -> Floats:
    """Return how large the scores of columns usually are, (columns,), of those of training rows, (n, columns)."""
    spread: Floats = scores.std(axis=0) + STEADY
    return spread


def spread(values: Floats) -> float:
    """Return a standard deviation that a few odd values do not move."""
    away = np.abs(values - np.median(values))
    return max(float(1.4826 * np.median(away)), LEAST)
