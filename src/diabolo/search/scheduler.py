"""The search at work: its steps are planned, trained and written down.

Asynchronous successive halving (`halving.py`) promotes trials; `planning.py` says which trains next; `budget.py` how
long they may be; `ledger.py` keeps what is known of them, `states.py` where they stand; `trials.py` trains. A search
that was stopped, in any way, continues, and several processes may work on one. What trains the steps is exchangeable:
`here` is this process, `diabolo.cluster` other machines.

Order: the search, one step of it (begin, end), this process as what trains.
"""

import hashlib
import json
import logging
import math
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from diabolo._version import __version__
from diabolo.data.splits import VALIDATION, held_back
from diabolo.errors import DivergedError, OptionError
from diabolo.model.model import Model
from diabolo.search import halving
from diabolo.search.budget import Budget
from diabolo.search.ledger import Ledger, TrialState
from diabolo.search.planning import By, Job, Planner, Row, Task, name_of
from diabolo.search.states import states_of
from diabolo.search.trials import TOO_SLOW, Data, Outcome, Spec, fingerprint, fitted, trial, validation_error
from diabolo.training import backend, checkpoints
from diabolo.training.checkpoints import State

__all__ = ["By", "Job", "Row", "Search", "Step", "Task", "here"]

MOST_STARTS = 3  # from one checkpoint; a trial that gets no further would end every process that works on it
SECONDS_TO_WAIT = 0.2  # before it is asked again whether another process is done

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """A step that has begun: a trial that is to be brought to a rung, and that no other process works on.

    Attributes:
        before: what was known of the trial.
        rung: to bring it to.
        spec: what to train.
        restored: from where; None: from the beginning.
        identity: of the training, for its checkpoint.
        began: when, by `time.monotonic`.
        held: the lock of the trial.
    """

    before: TrialState
    rung: int
    spec: Spec
    restored: State | None
    identity: str
    began: float
    held: ExitStack


class Search:
    """A search at work. Raises: CheckpointError for the folder of another search, OutputError."""

    def __init__(self, task: Task) -> None:
        self._task, self._top = task, task.depth - 1
        self._budget = Budget(task.seconds, task.epochs, task.depth, task.begun)
        self.stopped = False  # by Ctrl-C
        rows = np.asarray(task.opened.rows)
        held = held_back(len(rows), task.settings.get("validation_fraction", 0.1), task.seed, VALIDATION)
        self.data = Data(task.opened, rows if held is None else rows[held])
        # Other rows or settings make another search. The budget may differ, to continue for longer.
        facts = [dict(task.settings), task.space, self._budget.epochs, task.seed, __version__]
        about = json.dumps(facts, sort_keys=True, default=repr)
        self._identity = hashlib.sha256(f"{fingerprint(task.opened)} {about}".encode()).hexdigest()
        self._states = states_of(task.folder, task.storage, self._identity)
        # Of two processes that make the tables of one database, one would fail.
        with self._states.locked("study", wait=True):
            self.ledger = Ledger(task.folder, task.storage, self._identity)
            self.ledger.begin_with(list(task.first))
        self._planner = Planner(task, self.ledger, self._budget, self._states)

    @property
    def left(self) -> float:
        """Seconds until the end of the budget."""
        return self._budget.left

    def begin_time(self) -> None:
        """Let the time of the budget begin now, because what trains has started."""
        self._budget.begin()

    def work(self) -> int:
        """Work until the budget is spent, and return the number of the best trial. Raises DivergedError."""
        try:
            with self.ledger.reachable():
                (self._task.by or here)(self)
        except KeyboardInterrupt:
            if halving.leader(self.ledger.runners()) is None:
                raise
            self.stopped = True
            logger.warning("search stopped: the best so far is returned")
        leader = halving.leader(self.ledger.runners())
        if leader is None:
            reasons = [each.reason for each in self.ledger.begun() if each.reason]
            if reasons and all(reason == TOO_SLOW for reason in reasons):
                raise OptionError(
                    f"a budget of {self._budget.seconds:g} s is too short for these rows: all {len(reasons)} trials "
                    f"that were begun are too slow. Give more time, or fewer rows."
                )
            raise DivergedError(f"no trial came to an end: {reasons[0] if reasons else 'no time was left.'}")
        return leader.number

    def model(self, number: int) -> Model:
        """Return the model of a trial as it stands."""
        known = self.ledger.trial(number)
        restored = self._states.read(number, self._identity_of(number))
        return fitted(self._spec(known, known.done), self._task.opened, restored, lambda state: None)

    def error(self, model: Model) -> float:
        """Return the mean loss of the validation rows, in nats, without the noise that training adds."""
        return validation_error(model, self.data)

    def table(self) -> list[Row]:
        """Return a row for each trial, the best first: by the last error, among those that went furthest."""
        rows, order = [], {"whole": 0, "stopped": 1, "failed": 2}
        for each in self.ledger.begun():
            state = "failed" if each.reason else "whole" if each.done == each.whole else "stopped"
            row = {
                "number": each.number,
                "error": each.errors[-1] if each.errors else math.nan,
                "epochs": each.done,
                "of": each.whole,
                "seconds": round(each.seconds, 1),
                "state": state,
                "reason": each.reason,
                **{name: each.choice.get(name) for name in self._task.space},
            }
            last = each.errors[-1] if each.errors else math.inf
            rows.append((order[state], -len(each.errors), last, each.number, row))
        return [row for *_, row in sorted(rows, key=lambda each: each[:-1])]

    def curves(self) -> dict[int, list[tuple[int, float]]]:
        """Return by number (epochs, error) of each trial wherever it stopped."""
        return {each.number: list(each.curve) for each in self.ledger.every() if each.curve}

    def next(self) -> Job | None:
        """Return the next step, or None where there is no other; see `Planner.next`."""
        return self._planner.next()

    @contextmanager
    def begun(self, number: int, rung: int) -> Iterator[Step | None]:
        """Begin a step, and release its trial at the end of the block; see `begin`."""
        step = self.begin(number, rung)
        try:
            yield step
        finally:
            if step is not None:
                step.held.close()

    def begin(self, number: int, rung: int) -> Step | None:
        """Return what to train to bring a trial to a rung; whoever asks closes `held` of the step.

        None: another process works on it, or brought it there since it was chosen, or it failed too often.
        """
        with ExitStack() as held:  # released unless the step begins
            if not held.enter_context(self._states.locked(name_of(number))):
                return None
            before = self.ledger.trial(number)
            if before.rung >= rung or before.finished:
                return None
            if rung == self._top:
                self.ledger.write(number, epochs=self._budget.to_its_end(before))
            self.ledger.write(number, target=rung)
            reason = self._count_start(before)
            if reason:
                self._failed(number, reason)
                return None
            known, identity = self.ledger.trial(number), self._identity_of(number)
            restored = self._states.read(number, identity)
            spec = self._spec(known, self._budget.rungs(known.whole)[rung], rung)
            return Step(before, rung, spec, restored, identity, time.monotonic(), held.pop_all())

    def keep(self, step: Step, content: bytes) -> None:
        """Keep the state of a trial while it trains, as `checkpoints.to_bytes` returns it."""
        self._states.write(step.before.number, content)

    def interrupted(self, step: Step) -> None:
        """Write down that a step did not come to its end, and that its trial is not the cause."""
        self.ledger.write(step.before.number, starts=None)

    def end(self, step: Step, outcome: Outcome) -> None:
        """Write down what came of a step, and learn from how long it took."""
        before, number = step.before, step.before.number
        taken = time.monotonic() - step.began
        self.ledger.write(number, seconds=before.seconds + taken)
        if outcome.reason:
            self._failed(number, outcome.reason)
            return
        ran, epochs = outcome.done - before.done, self.ledger.trial(number).whole
        if ran > 0 and outcome.an_epoch is not None:
            self.ledger.write(number, an_epoch=outcome.an_epoch)
            if step.rung < self._top:  # how long an epoch takes was only guessed before
                epochs = max(outcome.done, self._budget.whole_training(outcome.an_epoch))
                self.ledger.write(number, epochs=epochs)
            self._budget.measured(before.operations, outcome.an_epoch, ran, taken)
        point = (outcome.done, outcome.error)
        self.ledger.write(number, done=outcome.done, starts=None, curve=[*before.curve, point])
        # Several rungs of a short training may lie at one epoch.
        ahead = self._budget.rungs(epochs)
        for at in range(before.rung + 1, max(step.rung + 1, bisect_right(ahead, outcome.done))):
            self.ledger.report(number, at, outcome.error)
        if outcome.done >= epochs:
            self.ledger.finish(number, outcome.error)

    def show(self) -> None:
        """Give the table to the user, after a step."""
        if not self._planner.in_rounds:
            self._planner.tidy()
        if self._task.report is not None:
            self._task.report(self.table())

    def _work(self, number: int, rung: int) -> None:
        """Bring a trial to a rung, and write down how it went."""
        with self.begun(number, rung) as step:
            if step is None:
                time.sleep(SECONDS_TO_WAIT)  # for the process that works on it
                return
            try:
                outcome = trial(step.spec, self.data, step.restored, lambda state: self._keep(step, state))
            except KeyboardInterrupt:
                self.interrupted(step)
                raise
            self.end(step, outcome)
        self.show()

    def _keep(self, step: Step, state: State) -> None:
        self.keep(step, checkpoints.to_bytes(state, step.identity))

    def _failed(self, number: int, reason: str) -> None:
        self.ledger.fail(number, reason)
        self._states.remove(number)

    def _count_start(self, known: TrialState) -> str:
        """Return why a trial fails that ended the process too often: it needs more memory than there is; else ""."""
        state = self._states.changed(known.number)
        starts, before = known.starts or (0, state)
        starts = 1 + (starts if state == before else 0)
        if starts > MOST_STARTS:
            return f"it ended the process {MOST_STARTS} times: it may need more memory than there is."
        self.ledger.write(known.number, starts=(starts, state))
        return ""

    def _spec(self, known: TrialState, until: int, rung: int | None = None) -> Spec:
        """Return what to train. Args: rung: which the epoch is."""
        settings, timed = self._planner.settings(known.choice, known.whole), not self._planner.in_rounds
        if rung is None or known.an_epoch is not None:
            return Spec(settings=settings, until=until, timed=timed)
        # How long an epoch takes was only guessed. As long as there is nothing better, one must go into the share of
        # the trial.
        return Spec(
            settings=settings,
            until=until,
            slowest=self._budget.slowest if self.ledger.runners() else self._budget.share,
            sooner=self._budget.sooner(rung) if rung < self._top else None,
            timed=timed,
        )

    def _identity_of(self, number: int) -> str:
        return f"{self._identity} {number}"


def here(search: Search) -> None:
    """Train the steps of a search in this process, until there is no other."""
    backend.load_tensorflow()  # its seconds shall not count for the first trial
    while (job := search.next()) is not None:
        search._work(*job)
