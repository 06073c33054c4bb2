"""An answer before any training: which optimizer, at which rate, is likely to suit rows and a network.

`benchmarks/races.py` let all candidates train to the end on many small problems. How far each stayed behind the best
follows about in a straight line from what is known of a problem before, its facts: number of steps, rows, features and
so on. The line of each candidate is in races.json; of a new problem the facts are measured, which takes no TensorFlow.

Order: what comes out, the facts of a problem, the answer, the lines.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from diabolo.network.optimizers import OPTIMIZERS
from diabolo.network.structures import Network

# Each at the rate that suits it in general, and at a few times that.
NAMES = ("adamw:0.1", "adam", "nadam", "rmsprop", "lion", "muon", "adafactor", "schedule_free", "adamax", "sgd")
TIMES = (0.1, 0.3, 1.0, 3.0, 10.0)

SAMPLED = 1_024  # rows whose spectrum is looked at
SATURATING = ("tanh", "sigmoid", "softsign")
MOST = 0.5  # that a loss counts as behind, as a logarithm: worse than 1.6 times the best is bad enough
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

TOWARDS_FLAT = 10.0  # the weight of a slope in standard deviations, beside problems; benchmarks/races.py chose it
AUTO = "auto"
NEAR = 0.02  # candidates whose expected loss is so little above that of the first are as good, as far as one can tell
MOST_NEAR = 3  # of them, each with another optimizer
SHORT_EPOCHS = 20  # below which a tenth of the epochs tells nothing
ALIKE = 3  # problems that are named as the most like

Array = np.ndarray[Any, Any]


class Answer(NamedTuple):
    """What to expect of an optimizer at a rate.

    Attributes:
        optimizer, learning_rate: as for `Autoencoder`.
        behind: the share by which its loss is expected to end above that of the best candidate: 0.03 is 3 %.
        spread: the standard deviation of that share on rows that the guess knew nothing of.
    """

    optimizer: str
    learning_rate: float
    behind: float
    spread: float


class Advice(NamedTuple):
    """All candidates, the one that promises most first, and the problems that are most like this one."""

    answers: list[Answer]
    alike: list[str]

    @property
    def close(self) -> list[Answer]:
        """The first, and those of other optimizers that are expected to do about as well."""
        first, found = self.answers[0], dict[str, Answer]()
        for each in self.answers:
            if each.behind <= first.behind + NEAR:
                found.setdefault(each.optimizer, each)
        return list(found.values())[:MOST_NEAR]

    @property
    def reason(self) -> str:
        """One line that says what was chosen and why."""
        first = self.answers[0]
        return (
            f"{first.optimizer} at {first.learning_rate:g}: its loss is expected to end {first.behind:.1%} "
            f"(+- {first.spread:.1%}) above the best, as in races on {', '.join(self.alike)} and others"
        )


class Lines(NamedTuple):
    """What the races taught: for each candidate a straight line over the facts.

    Attributes:
        names: of the problems.
        facts: of these, (problems, facts).
        base: (candidates,), log(loss / loss of the best) of a problem whose facts are the means of all.
        slopes: (facts, candidates), in standard deviations of the facts.
        spread: (candidates,), standard deviation of what the line leaves on rows that it did not learn from.
    """

    names: list[str]
    facts: Array
    base: Array
    slopes: Array
    spread: Array


def facts(
    network: Network, tensors: Any, *, rows: int, batch_size: int, epochs: int, bounded: bool
) -> dict[str, float]:
    """Return what is known of a problem before any training, by the names of FACTS; NaN: not known.

    Args:
        network: that will be trained.
        tensors: (n, ...), rows as the network gets them; None where they are not in memory.
        rows: to train on.
        batch_size: rows a step.
        epochs: of the training.
        bounded: whether the loss is that of numbers in [0, 1].
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


def _shapes(step: Any) -> list[tuple[int, ...]]:
    return list(step.layer.weights(step.input_shape).values())


def _spectrum(tensors: Any) -> tuple[float, float]:
    """Return the share of zeros, and log10 of the effective rank: of principal components by their variance."""
    some = np.asarray(tensors[:: max(1, len(tensors) // SAMPLED)], np.float64).reshape(-1, math.prod(tensors.shape[1:]))
    some = np.nan_to_num(some)
    centred = some - some.mean(axis=0)
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    # (sum of eigenvalues)^2 / sum of their squares, which takes no decomposition.
    rank = np.trace(gram) ** 2 / max(float(np.square(gram).sum()), 1e-30)
    return float((some == 0).mean()), math.log10(max(rank, 1.0))


def candidates() -> list[tuple[str, float]]:
    """Return all optimizers, each at all times its rate."""
    return [(name, times) for name in NAMES for times in TIMES]


def rate_of(optimizer: str, times: float) -> float:
    """Return a learning rate, of so many times what suits an optimizer in general."""
    return float(f"{times * OPTIMIZERS[optimizer.partition(':')[0]].learning_rate:.3g}")


def advise(known: Mapping[str, float]) -> Advice:
    """Return what to expect of each candidate. Args: known: as `facts` gave it."""
    return advise_by(carried(), known)


def advise_by(lines: Lines, known: Mapping[str, float]) -> Advice:
    """Return the same by other lines."""
    asked = np.array([known[name] for name in FACTS])
    # Beyond what was seen a line says nothing: the nearest that was seen stands for it. What is not known is the mean.
    seen = np.clip(asked, lines.facts.min(axis=0), lines.facts.max(axis=0))
    away = np.nan_to_num((seen - lines.facts.mean(axis=0)) / _scale(lines.facts))
    behind = lines.base + away @ lines.slopes
    pairs = candidates()
    answers = [
        Answer(
            pairs[at][0], rate_of(*pairs[at]), float(np.expm1(np.clip(behind[at], 0.0, MOST))), float(lines.spread[at])
        )
        for at in np.argsort(behind, kind="stable")
    ]
    distance = np.nansum(np.square((lines.facts - asked) / _scale(lines.facts)), axis=1)
    return Advice(answers, [lines.names[at] for at in np.argsort(distance, kind="stable")[:ALIKE]])


def learn(names: Sequence[str], known: Array, behind: Array, data: Sequence[str]) -> Lines:
    """Return the lines that fit best what happened, drawn towards flat ones.

    Args: known: (problems, facts); behind: (problems, candidates); data: what rows each problem has, which tells by
        what a line leaves on other rows how far it can be trusted.
    """
    left = np.zeros_like(behind)
    for name in dict.fromkeys(data):
        own = np.array([each == name for each in data])
        base, slopes = _ridge(known[~own], behind[~own])
        away = (known[own] - known[~own].mean(axis=0)) / _scale(known[~own])
        left[own] = behind[own] - base - away @ slopes
    return Lines(list(names), known, *_ridge(known, behind), left.std(axis=0))


def _ridge(known: Array, behind: Array) -> tuple[Array, Array]:
    away = (known - known.mean(axis=0)) / _scale(known)
    base = behind.mean(axis=0)
    slopes = np.linalg.solve(away.T @ away + TOWARDS_FLAT * np.eye(away.shape[1]), away.T @ (behind - base))
    return base, slopes


def _scale(known: Array) -> Array:
    return np.asarray(np.maximum(known.std(axis=0), 1e-9))


@cache
def carried() -> Lines:
    """Return the lines that come with the package."""
    content = json.loads(resources.files("diabolo.fitting.automatic").joinpath("races.json").read_text("ascii"))
    problems: dict[str, list[float]] = content["problems"]
    lines = (np.array(content[name]) for name in ("base", "slopes", "spread"))
    return Lines(list(problems), np.array(list(problems.values())), *lines)
