"""Successive halving, as soon as it can be said: which training goes on next, and how far.

Every training may stop at a few rungs, each three times as far as the one before. Of the trainings that reached a rung
the best third goes on to the next. Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning,
arXiv:1810.05934. What is used without a search is known to end well, which early errors cannot tell: it goes further.
"""

from collections.abc import Sequence
from typing import NamedTuple

TIMES = 3  # that the next rung is as far, and of so many one goes on
CLEARLY = 0.02  # of its error: by less than that a training is not better than what is used without a search


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


def followed(runners: Sequence[Runner], top: int, usual: int | None) -> Runner | None:
    """Return what is used without a search, number `usual`, until it is one rung below its end.

    Early rungs favour high rates, which end worse; this is known to end well, and is compared where that shows.
    """
    return next((each for each in runners if each.number == usual and each.rung < top - 1), None)


def to_go_on(runners: Sequence[Runner], top: int, usual: int | None) -> Runner | None:
    """Return the best training; short of its end what is used without a search, where nothing is clearly better.

    What over-fits looks as good there, and is not in the end.
    """
    best = leader(runners)
    known = next((each for each in runners if each.number == usual), None)
    if best is None or known is None or known.rung < best.rung or best.rung == top:
        return best
    return known if known.errors[-1] <= best.errors[-1] + CLEARLY * abs(best.errors[-1]) else best
