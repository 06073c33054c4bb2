"""Successive halving, as soon as it can be said: which training goes on next, and how far.

Every training may stop at a few rungs, each three times as far as the one before. Of the trainings that reached a rung
the best third goes on to the next. Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning,
arXiv:1810.05934.
"""

from collections.abc import Sequence
from typing import NamedTuple

TIMES = 3  # that the next rung is as far, and of so many one goes on


class Runner(NamedTuple):
    """A training as halving sees it: the error at each rung that it reached, from the lowest."""

    number: int
    errors: Sequence[float]

    @property
    def rung(self) -> int:
        """The highest that was reached; -1: none."""
        return len(self.errors) - 1


def rungs(epochs: int, depth: int = 3) -> list[int]:
    """Return the epochs at which a training of so many may stop, `depth` of them, never falling; the last is all."""
    return [max(1, round(epochs / TIMES**at)) for at in reversed(range(depth))]


def promoted(runners: Sequence[Runner], top: int) -> Runner | None:
    """Return which training goes on to its next rung, or None where none has earned it yet.

    Args: top: the highest rung, from 0.
    """
    for rung in reversed(range(top)):
        there = sorted(
            (each for each in runners if each.rung >= rung), key=lambda each: (each.errors[rung], each.number)
        )
        for each in there[: len(there) // TIMES]:
            if each.rung == rung:
                return each
    return None


def leader(runners: Sequence[Runner]) -> Runner | None:
    """Return the best training: by its last error, among those that went furthest."""
    furthest = max((each.rung for each in runners), default=-1)
    if furthest < 0:
        return None
    return min((each for each in runners if each.rung == furthest), key=lambda each: (each.errors[-1], each.number))
