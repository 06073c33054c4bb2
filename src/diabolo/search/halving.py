"""Asynchronous successive halving (ASHA): which trial is promoted next, and to which rung.

Every trial may stop at a few rungs, each of three times as many epochs as the one before. The best third of the trials
that reached a rung continue to the next. Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning,
arXiv:1810.05934. In addition, the trial with the default settings is trained further, because early errors favour high
learning rates, which end worse.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

REDUCTION_FACTOR = 3  # the ratio between two rungs; one of so many trials is promoted
CLEARLY = 0.02  # the relative improvement over the default settings that a trial needs to count as better


class Runner(Protocol):
    """A trial as halving sees it: its number, and its error at each rung that it reached, from the lowest."""

    @property
    def number(self) -> int:
        """From 0."""

    @property
    def errors(self) -> Sequence[float]:
        """At each rung that it reached."""

    @property
    def rung(self) -> int:
        """The highest that was reached; -1: none."""


R = TypeVar("R", bound=Runner)


def rungs(epochs: int, depth: int = 3) -> list[int]:
    """Return the epochs at which a training of so many may stop, `depth` of them, never falling; the last is all."""
    return [max(1, round(epochs / REDUCTION_FACTOR**at)) for at in reversed(range(depth))]


def promoted(runners: Sequence[R], top: int) -> R | None:
    """Return the trial that is promoted to its next rung, or None where no trial is good enough yet.

    Args: top: the highest rung, from 0.
    """
    return next(all_promoted(runners, top), None)


def all_promoted(runners: Sequence[R], top: int) -> Iterator[R]:
    """Give each trial that is good enough for its next rung, from the highest rung to the lowest."""
    for rung in reversed(range(top)):
        there = sorted(
            (each for each in runners if each.rung >= rung), key=lambda each: (each.errors[rung], each.number)
        )
        for each in there[: len(there) // REDUCTION_FACTOR]:
            if each.rung == rung:
                yield each


def leader(runners: Sequence[R]) -> R | None:
    """Return the best trial: the one with the lowest last error among those that went furthest."""
    furthest = max((each.rung for each in runners), default=-1)
    if furthest < 0:
        return None
    return min((each for each in runners if each.rung == furthest), key=lambda each: (each.errors[-1], each.number))


def followed(runners: Sequence[R], top: int, default: int | None) -> R | None:
    """Return the trial with the default settings, number `default`, until it is one rung below the last; then None.

    Early rungs favour high learning rates, which end worse. A late rung shows how good the default settings are.
    """
    return next((each for each in runners if each.number == default and each.rung < top - 1), None)


def to_go_on(runners: Sequence[R], top: int, default: int | None) -> R | None:
    """Return the trial to continue: the best one, or that with the default settings if both are about as good.

    A trial that over-fits looks as good as the default settings before the last rung, and ends worse. At the last rung
    the best trial is returned.
    """
    best = leader(runners)
    known = next((each for each in runners if each.number == default), None)
    if best is None or known is None or known.rung < best.rung or best.rung == top:
        return best
    return known if known.errors[-1] <= best.errors[-1] + CLEARLY * abs(best.errors[-1]) else best
