"""Which trial trains next, and to which rung.

Under a budget of time each step is chosen when there is a process for it, from all that is known then. With a number of
trials only, a search goes in rounds: a round is decided when the one before has ended, so that its steps can be
trained at the same time, in any order, by any number of processes, and the table is the same.

Order: the planner, one step under a budget of time, a round, a new trial.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diabolo import fitting
from diabolo.data.sources import Source
from diabolo.errors import OptionError, ShapeError
from diabolo.model.settings import Settings
from diabolo.search import halving, space
from diabolo.search.budget import Budget
from diabolo.search.ledger import RANDOM_TRIALS, Ledger, TrialState
from diabolo.search.states import States
from diabolo.search.trials import TOO_SLOW

if TYPE_CHECKING:
    from diabolo.search.scheduler import Search

MAX_TRIAL_STATES = 24  # states of trials that may still continue
MOST_DRAWS = 20  # choices that make no network, before a search gives up
DRAWN_TOGETHER = 4  # trials of a round, after those that are drawn at random

Row = dict[str, Any]
Job = tuple[int, int]  # the number of a trial, and the rung to bring it to
By = Callable[["Search"], None]  # what trains the steps of a search until there is no other


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is searched, and within which limits.

    Attributes:
        opened: the rows.
        settings: arguments of `Autoencoder` that all trials share.
        space: what may be chosen, by name, see `diabolo.search.space`.
        first: choices to begin with.
        default: the number of the trial that has the default settings; None: there is none.
        seconds, trials, epochs: the limits of the search; None: no limit.
        depth: rungs at which a trial may stop.
        lengths: by optimizer, epochs of a whole training where they are not `epochs`.
        begun: when the time of the search began, by `time.monotonic`; None: now.
        folder: for checkpoints and table; storage: an address of Optuna's for the table in place of it.
        seed: for everything that is random.
        report: is called with the table whenever it changes.
        by: what trains the steps of the search until there is no other; None: this process.
    """

    opened: Source
    settings: Mapping[str, Any]
    space: space.Space
    depth: int
    folder: Path
    seed: int
    first: Sequence[dict[str, Any]] = ()
    default: int | None = None
    seconds: float | None = None
    trials: int | None = None
    epochs: int | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    storage: str | None = None
    begun: float | None = None
    report: Callable[[list[Row]], None] | None = None
    by: By | None = None


class Planner:
    """The choice of the next step, from what the ledger knows."""

    def __init__(self, task: Task, ledger: Ledger, budget: Budget, states: States) -> None:
        self._task, self._ledger, self._budget, self._states = task, ledger, budget, states
        self._top = task.depth - 1

    @property
    def in_rounds(self) -> bool:
        """Whether the table depends on the seed alone."""
        return self._task.seconds is None

    def next(self) -> Job | None:
        """Return the next step, None where there is no other. Another process may be at it: then wait.

        Raises: OptionError where the budget is too short for a trial, or nothing in the space makes a network.
        """
        return self._of_round() if self.in_rounds else self._in_time()

    def settings(self, choice: space.Choice, epochs: int) -> Settings:
        """Return the settings of a trial."""
        usual = {"random_state": self._task.seed, "epochs": epochs, "patience": 0}
        return Settings.of({**usual, **self._task.settings, **space.settings(choice, self._task.settings)})

    def tidy(self) -> None:
        """Forget the states of trials that will hardly continue, so that the folder stays small."""
        ranked = sorted(self._ledger.runners(), key=lambda each: (-each.rung, each.errors[-1]))
        kept = self._states.numbers() if len(ranked) > MAX_TRIAL_STATES else set()
        for each in ranked[MAX_TRIAL_STATES:]:
            if each.number in kept:
                with self._states.locked(name_of(each.number)) as mine:
                    if mine:
                        self._states.remove(each.number)

    def _in_time(self) -> Job | None:
        begun = self._ledger.begun()
        for each in begun:  # what was interrupted goes on first
            if not each.finished and each.target > each.rung and self._free(each.number):
                return each.number, each.target
        runners = self._runners()
        left, start, top = self._budget.left, self._budget.start, self._top
        leader = halving.to_go_on(runners, top, self._task.default)
        to_end = 0.0 if leader is None or leader.rung >= top else self._cost(leader.number, top)
        another = to_end + 2 * start  # seconds that let one more trial begin
        if leader is not None and leader.rung < top and left <= max(1.3 * to_end + start, another):
            # Only enough time to train the best to its end, or not even that: then one epoch ends it.
            return leader.number, top
        free = [each for each in runners if self._free(each.number)]
        winner = halving.promoted(free, top) or halving.followed(free, top, self._task.default)
        if winner is not None and left > self._cost(winner.number, winner.rung + 1):
            return winner.number, winner.rung + 1
        if self._task.trials is None or len(begun) < self._task.trials:
            if left <= another:
                if not begun:
                    self._refuse_budget()
                return None
            return self._draw(), 0
        # All are begun: the best of those that wait continues, until one is whole.
        if leader is not None and leader.rung < top:
            return leader.number, leader.rung + 1
        return None

    def _of_round(self) -> Job | None:
        waiting = self._waiting()
        if not waiting:
            with self._states.locked("round", wait=True):
                waiting = self._waiting()  # another process may have planned it
                if not waiting:
                    self.tidy()
                    self._ledger.plan(self._round())
                    waiting = self._waiting()
        return next((job for job in waiting if self._free(job[0])), waiting[0] if waiting else None)

    def _waiting(self) -> list[Job]:
        """Return the steps of the round that have not ended."""
        known = {each.number: each for each in self._ledger.begun()}
        return [
            (number, rung)
            for number, rung in self._ledger.planned()
            if number in known and not known[number].finished and known[number].rung < rung
        ]

    def _round(self) -> list[Job]:
        """Return all steps that what is known decides: promotions, and new trials, some at a time."""
        begun, runners = self._ledger.begun(), self._runners()
        # Drawn by a process that was killed before the round was decided, or interrupted in an older search.
        due = {each.number: each.target for each in begun if not each.finished and each.target > each.rung}
        steps = {each.number: each.rung + 1 for each in halving.all_promoted(runners, self._top)}
        followed = halving.followed(runners, self._top, self._task.default)
        if followed is not None:
            steps.setdefault(followed.number, followed.rung + 1)
        steps |= due
        ends = self._drawn_after(len(begun) - sum(each.number in due and each.rung < 0 for each in begun))
        while len(self._ledger.begun()) < ends:
            steps[self._draw()] = 0
        if not steps:  # all are begun: the best of those that wait continues, until one is whole
            leader = halving.to_go_on(runners, self._top, self._task.default)
            if leader is not None and leader.rung < self._top:
                steps[leader.number] = leader.rung + 1
        return [*steps.items()]

    def _drawn_after(self, begun: int) -> int:
        """Return how many trials are begun after the round that follows `begun` of them.

        What is drawn at random, and what a search begins with, does not depend on results.
        """
        free = max(RANDOM_TRIALS, len(self._task.first))
        ends = free if begun < free else begun + DRAWN_TOGETHER - (begun - free) % DRAWN_TOGETHER
        return ends if self._task.trials is None else min(ends, self._task.trials)

    def _runners(self) -> list[TrialState]:
        """Return the trials that reached a rung, did not fail, and can continue."""
        kept = self._states.numbers()
        return [each for each in self._ledger.runners() if each.number in kept]

    def _refuse_budget(self) -> None:
        needed, given = math.ceil(self._cost(self._draw(), self._top) + 2 * self._budget.start), self._budget.seconds
        raise OptionError(f"a budget of {given:g} s is too short for one trial: give at least {needed}s.")

    def _draw(self) -> int:
        """Return the number of a new trial. Raises OptionError where nothing in the space makes a network."""
        reason = ""
        for again in reversed(range(MOST_DRAWS)):
            drawn = self._ledger.draw(self._task.space, self._task.seed)
            try:
                prepared = fitting.prepare(self._task.opened, self.settings(drawn.choice, self._budget.epochs))
            except (OptionError, ShapeError) as error:
                reason = str(error)
                self._ledger.fail(drawn.number, reason)
                continue
            operations = 6e-6 * prepared.rows * prepared.network.operations
            an_epoch = self._budget.estimate_seconds(operations)
            if an_epoch > self._budget.slowest and again:
                self._ledger.fail(drawn.number, TOO_SLOW)
                continue
            whole = self._budget.whole_training(an_epoch)
            epochs = self._task.lengths.get(str(drawn.choice.get("optimizer", "")), whole)
            self._ledger.write(drawn.number, operations=operations, epochs=epochs)
            return drawn.number
        if not self._ledger.runners():
            self._ledger.free()
        raise OptionError(f"nothing in the space can be trained on these rows: {reason}")

    def _cost(self, number: int, rung: int) -> float:
        return self._budget.cost(self._ledger.trial(number), rung)

    def _free(self, number: int) -> bool:
        with self._states.locked(name_of(number)) as mine:
            return mine


def name_of(number: int) -> str:
    """Return the name of the lock of a trial."""
    return f"trial-{number:04d}"
