"""An answer before any training: which optimizer, at which rate, is likely to suit rows and a network.

`benchmarks/races.py` let all candidates train to the end on many small problems; how far each stayed behind the best
is in races.json, beside what was known of the problem before: its facts. Of a new problem the facts are measured, and
what happened on problems like it is averaged, the nearer the more. Needs no TensorFlow.

Order: the candidates, the facts of a problem, the answer.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from diabolo.network.structures import Network
from diabolo.training.optimizers import OPTIMIZERS

# Each at the rate that suits it in general, and at a few times that.
NAMES = ("adamw:0.1", "adam", "nadam", "rmsprop", "lion", "muon", "adafactor", "schedule_free", "adamax", "sgd")
TIMES = (0.1, 0.3, 1.0, 3.0, 10.0)

SAMPLED = 1_024  # rows whose spectrum is looked at
SATURATING = ("tanh", "sigmoid", "softsign")
MOST = 1.0  # that a loss counts as behind, as a logarithm: worse than 2.7 times the best is bad enough
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

WIDTH = 0.8  # how like another problem must be to count, in mean spreads of the facts; benchmarks/races.py chose it
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
        spread: the standard deviation of that share over the problems that it is guessed from.
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
            f"{first.optimizer} at {first.learning_rate:g}: expected {first.behind:.1%} (+- {first.spread:.1%}) above "
            f"the best, by races on problems like {', '.join(self.alike)}"
        )


class Races(NamedTuple):
    """What happened on other problems.

    Attributes:
        names: of the problems.
        facts: (problems, facts).
        behind: (problems, candidates), log(loss / loss of the best), at most MOST; in the order of `candidates`.
    """

    names: list[str]
    facts: Array
    behind: Array


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
    return advise_by(races(), known)


def advise_by(table: Races, known: Mapping[str, float], width: float = WIDTH) -> Advice:
    """Return the same by another table."""
    asked = np.array([known[name] for name in FACTS])
    spread = np.maximum(table.facts.std(axis=0), 1e-9)
    away = (table.facts - asked) / spread  # NaN where the fact is not known, which is left out
    distance = np.nanmean(np.square(away), axis=1)
    weights = np.exp(-distance / (2 * width**2))
    weights /= max(weights.sum(), 1e-30)
    # A problem unlike all others is one of them all the same.
    weights = 0.9 * weights + 0.1 / len(weights)
    mean = weights @ table.behind
    deviation = np.sqrt(weights @ np.square(table.behind - mean))
    pairs = candidates()
    answers = [
        Answer(pairs[at][0], rate_of(*pairs[at]), float(np.expm1(mean[at])), float(deviation[at]))
        for at in np.argsort(mean, kind="stable")
    ]
    return Advice(answers, [table.names[at] for at in np.argsort(distance, kind="stable")[:ALIKE]])


@cache
def races() -> Races:
    """Return the table that comes with the package."""
    content = json.loads(resources.files("diabolo.training").joinpath("races.json").read_text("ascii"))
    problems: dict[str, Any] = content["problems"]
    return Races(
        list(problems),
        np.array([each["facts"] for each in problems.values()]),
        np.array([each["behind"] for each in problems.values()]),
    )
