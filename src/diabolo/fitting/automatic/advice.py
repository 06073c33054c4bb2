"""Advice before any training: which optimizer and learning rate are likely to suit rows and a network.

`benchmarks/races.py` trained all candidates to the end on many small problems. log(final loss / lowest final loss)
of a candidate depends about linearly on facts that are known before the training: number of steps, rows, features and
so on. races.json has the regression of each candidate. Measuring the facts of a new problem needs no TensorFlow.

Order: the result, the facts of a problem, the answer, the regression.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from diabolo.network.layers import Step
from diabolo.network.network import Network
from diabolo.network.optimizers import OPTIMIZERS

# Each at the rate that suits it in general, and at a few times that.
NAMES = ("adamw:0.1", "adam", "nadam", "rmsprop", "lion", "muon", "adafactor", "schedule_free", "adamax", "sgd")
RATE_FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)

SAMPLED = 1_024  # rows whose spectrum is computed
SATURATING = ("tanh", "sigmoid", "softsign")
MAX_LOG_EXCESS = 0.5  # cap on log(loss / best loss): anything above 1.6 times the best is bad enough
FACTS = (
    "log_rows",
    "log_features",
    "log_steps",
    "log_batch",
    "depth",
    "log_width",
    "log_latents",
    "zeros",
    "log_rank",
    "bounded",
    "saturating",
)

RIDGE = 10.0  # the penalty on slopes, chosen by benchmarks/races.py
NEAR = 0.02  # candidates whose expected loss is this little above that of the first count as equal
MOST_NEAR = 3  # of these, each with another optimizer
SHORT_EPOCHS = 20  # below which a race over a tenth of the epochs shows nothing
ALIKE = 3  # most similar problems that are named

Array = np.ndarray[Any, Any]


class Answer(NamedTuple):
    """What to expect of an optimizer at a rate.

    Attributes:
        optimizer, learning_rate: as for `Autoencoder`.
        excess: expected final loss relative to that of the best candidate, minus 1: 0.03 is 3 % above it.
        spread: the standard deviation of this prediction on data that it was not fitted to.
    """

    optimizer: str
    learning_rate: float
    excess: float
    spread: float


class Advice(NamedTuple):
    """All candidates, the lowest expected loss first, and the most similar problems."""

    answers: list[Answer]
    alike: list[str]

    @property
    def close(self) -> list[Answer]:
        """The first, and those of other optimizers that are expected to be about as good."""
        first, found = self.answers[0], dict[str, Answer]()
        for each in self.answers:
            if each.excess <= first.excess + NEAR:
                found.setdefault(each.optimizer, each)
        return list(found.values())[:MOST_NEAR]

    @property
    def reason(self) -> str:
        """One line that says what was chosen and why."""
        first = self.answers[0]
        return (
            f"{first.optimizer} at {first.learning_rate:g}: its loss is expected to end {first.excess:.1%} "
            f"(+- {first.spread:.1%}) above the best, as in races on {', '.join(self.alike)} and others"
        )


class Lines(NamedTuple):
    """The regression that was fitted to the races: for each candidate a line over the facts.

    Attributes:
        names: of the problems.
        facts: of these, (problems, facts).
        base: (candidates,), log(loss / lowest loss) of a problem whose facts are the means of all.
        slopes: (facts, candidates), in standard deviations of the facts.
        spread: (candidates,), standard deviation of the residuals on data that the line was not fitted to.
    """

    names: list[str]
    facts: Array
    base: Array
    slopes: Array
    spread: Array


def facts(
    network: Network, tensors: Array | None, *, rows: int, batch_size: int, epochs: int, bounded: bool
) -> dict[str, float]:
    """Return the facts of a problem before any training, by the names in FACTS; NaN: not known.

    Args:
        network: that will be trained.
        tensors: (n, ...), the rows in the encoding of the network; None where they are not in memory.
        rows: number of rows to train on.
        batch_size: rows in a step.
        epochs: of the training.
        bounded: whether the loss is for numbers in [0, 1].
    """
    features = math.prod(network.input_shape)
    batch_size = min(batch_size, rows)
    layers = [step for step in network.encoder_steps if any(len(each) > 1 for each in _shapes(step))]
    functions = {getattr(layer, "activation", getattr(layer, "function", "")) for layer in network.encoder}
    zeros, rank = (math.nan, math.nan) if tensors is None else _spectrum(tensors)
    found = {
        "log_rows": math.log10(rows),
        "log_features": math.log10(features),
        "log_steps": math.log10(epochs * math.ceil(rows / batch_size)),
        "log_batch": math.log10(batch_size),
        "depth": float(len(layers)),
        "log_width": math.log10(max((step.output_shape[-1] for step in layers[:-1]), default=network.latent_dim)),
        "log_latents": math.log10(network.latent_dim),
        "zeros": zeros,
        "log_rank": rank,
        "bounded": float(bounded),
        "saturating": float(bool(functions & {*SATURATING})),
    }
    assert tuple(found) == FACTS
    return found


def _shapes(step: Step) -> list[tuple[int, ...]]:
    return list(step.layer.weights(step.input_shape).values())


def _spectrum(tensors: Array) -> tuple[float, float]:
    """Return the fraction of zeros, and log10 of the effective rank of the covariance."""
    some = np.asarray(tensors[:: max(1, len(tensors) // SAMPLED)], np.float64).reshape(-1, math.prod(tensors.shape[1:]))
    some = np.nan_to_num(some)
    centred = some - some.mean(axis=0)
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    # (sum of eigenvalues)^2 / sum of their squares, which takes no decomposition.
    rank = np.trace(gram) ** 2 / max(float(np.square(gram).sum()), 1e-30)
    return float((some == 0).mean()), math.log10(max(rank, 1.0))


def candidates() -> list[tuple[str, float]]:
    """Return all pairs of an optimizer and a factor for its usual learning rate."""
    return [(name, times) for name in NAMES for times in RATE_FACTORS]


def rate_of(optimizer: str, times: float) -> float:
    """Return the learning rate that is `times` the usual rate of an optimizer."""
    return float(f"{times * OPTIMIZERS[optimizer.partition(':')[0]].learning_rate:.3g}")


def advise(known: Mapping[str, float]) -> Advice:
    """Return what to expect of each candidate. Args: known: from `facts`."""
    return advise_by(packaged_regression(), known)


def advise_by(lines: Lines, known: Mapping[str, float]) -> Advice:
    """Return what to expect of each candidate, as `advise`, by the given regression."""
    asked = np.array([known[name] for name in FACTS])
    # No extrapolation: facts are clipped to the range of the races. Unknown facts are replaced by the mean.
    seen = np.clip(asked, lines.facts.min(axis=0), lines.facts.max(axis=0))
    away = np.nan_to_num((seen - lines.facts.mean(axis=0)) / _scale(lines.facts))
    excess = lines.base + away @ lines.slopes
    pairs = candidates()
    answers = [
        Answer(
            pairs[at][0],
            rate_of(*pairs[at]),
            float(np.expm1(np.clip(excess[at], 0.0, MAX_LOG_EXCESS))),
            float(lines.spread[at]),
        )
        for at in np.argsort(excess, kind="stable")
    ]
    distance = np.nansum(np.square((lines.facts - asked) / _scale(lines.facts)), axis=1)
    return Advice(answers, [lines.names[at] for at in np.argsort(distance, kind="stable")[:ALIKE]])


def learn(names: Sequence[str], known: Array, excess: Array, data: Sequence[str]) -> Lines:
    """Return the regression that fits the races, with a ridge penalty on the slopes.

    Args: known: (problems, facts); excess: (problems, candidates), log(loss / lowest loss); data: the data of each
        problem; the spread is measured on data that the regression was not fitted to.
    """
    left = np.zeros_like(excess)
    for name in dict.fromkeys(data):
        own = np.array([each == name for each in data])
        base, slopes = _ridge(known[~own], excess[~own])
        away = (known[own] - known[~own].mean(axis=0)) / _scale(known[~own])
        left[own] = excess[own] - base - away @ slopes
    return Lines(list(names), known, *_ridge(known, excess), left.std(axis=0))


def _ridge(known: Array, excess: Array) -> tuple[Array, Array]:
    away = (known - known.mean(axis=0)) / _scale(known)
    base = excess.mean(axis=0)
    slopes = np.linalg.solve(away.T @ away + RIDGE * np.eye(away.shape[1]), away.T @ (excess - base))
    return base, slopes


def _scale(known: Array) -> Array:
    return np.asarray(np.maximum(known.std(axis=0), 1e-9))


@cache
def packaged_regression() -> Lines:
    """Return the regression that comes with the package."""
    content = json.loads(resources.files("diabolo.fitting.automatic").joinpath("races.json").read_text("ascii"))
    problems: dict[str, list[float]] = content["problems"]
    lines = (np.array(content[name]) for name in ("base", "slopes", "spread"))
    return Lines(list(problems), np.array(list(problems.values())), *lines)
