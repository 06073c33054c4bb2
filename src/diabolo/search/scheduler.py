"""The search at work: which trial trains next, and to which rung.

Asynchronous successive halving (`halving.py`) promotes trials; `budget.py` says how long they may be; `ledger.py` keeps
what is known of them; `trials.py` trains. The state of each trial lies in a checkpoint in the folder of the search, so
that a search that was stopped, in any way, continues, and several processes may work on one.

Order: what is searched, the search, the choice of the next step, the work on one trial.
"""

import hashlib
import json
import logging
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diabolo import fitting
from diabolo._version import __version__
from diabolo.data.adapters import Rows
from diabolo.data.sources import Source
from diabolo.data.splits import VALIDATION, held_back
from diabolo.errors import DivergedError, OptionError, ShapeError
from diabolo.model.model import Model
from diabolo.model.settings import Settings
from diabolo.search import halving, space
from diabolo.search.budget import FEWEST, Budget
from diabolo.search.ledger import Ledger, TrialState
from diabolo.search.trials import TooSlowError, Trial, fingerprint
from diabolo.storage import files
from diabolo.training import backend

TOO_SLOW = f"too slow: its share of the budget holds fewer than {FEWEST} epochs"
MAX_TRIAL_CHECKPOINTS = 24  # checkpoints of trials that may still continue
MOST_STARTS = 3  # from one checkpoint; a trial that gets no further would end every process that works on it
MOST_DRAWS = 20  # choices that make no network, before a search gives up
SECONDS_TO_WAIT = 0.2  # before it is asked again whether another process is done

logger = logging.getLogger(__name__)

Row = dict[str, Any]


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
    """

    opened: Source
    settings: Mapping[str, Any]
    space: space.Space
    first: Sequence[dict[str, Any]]
    default: int | None
    seconds: float | None
    trials: int | None
    epochs: int | None
    depth: int
    folder: Path
    storage: str | None
    seed: int
    report: Callable[[list[Row]], None] | None
    lengths: Mapping[str, int] = field(default_factory=dict)
    begun: float | None = None


class Search:
    """A search at work. Raises: CheckpointError for the folder of another search, OutputError."""

    def __init__(self, task: Task) -> None:
        self._task, self._top = task, task.depth - 1
        self._budget = Budget(task.seconds, task.epochs, task.depth, task.begun)
        self.stopped = False  # by Ctrl-C
        rows = np.asarray(task.opened.rows)
        held = held_back(len(rows), task.settings.get("validation_fraction", 0.1), task.seed, VALIDATION)
        self._validation: Rows = rows if held is None else rows[held]  # no trial learns from them
        # Other rows or settings make another search. The budget may differ, to continue for longer.
        facts = [dict(task.settings), task.space, self._budget.epochs, task.seed, __version__]
        about = json.dumps(facts, sort_keys=True, default=repr)
        self._identity = hashlib.sha256(f"{fingerprint(task.opened)} {about}".encode()).hexdigest()
        with (task.folder / ".study.lock").open("w") as lock:
            files.hold(lock, wait=True)  # of two processes that make the tables of one database, one would fail
            self.ledger = Ledger(task.folder, task.storage, self._identity)
        self.ledger.begin_with(list(task.first))

    @property
    def left(self) -> float:
        """Seconds until the end of the budget."""
        return self._budget.left

    def work(self) -> int:
        """Work until the budget is spent, and return the number of the best trial. Raises DivergedError."""
        backend.load_tensorflow()  # its seconds shall not count for the first trial
        try:
            while (job := self._next()) is not None:
                self._work(*job)
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
        return self._trial(known).train(self._task.opened, known.done, completes=True)

    def error(self, model: Model) -> float:
        """Return the mean loss of the validation rows, in nats, without the noise that training adds."""
        return float(model.loss_per_row(self._validation).mean())

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

    def _next(self) -> tuple[int, int] | None:
        """Return the number of a trial and the rung to bring it to, or None where the budget is spent."""
        begun = self.ledger.begun()
        for each in begun:  # what was interrupted goes on first
            if not each.finished and each.target > each.rung and self._free(each.number):
                return each.number, each.target
        runners = [each for each in self.ledger.runners() if self._path(each.number).is_file()]
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

    def _refuse_budget(self) -> None:
        needed, given = math.ceil(self._cost(self._draw(), self._top) + 2 * self._budget.start), self._budget.seconds
        raise OptionError(f"a budget of {given:g} s is too short for one trial: give at least {needed}s.")

    def _draw(self) -> int:
        """Return the number of a new trial. Raises OptionError where nothing in the space makes a network."""
        reason = ""
        for again in reversed(range(MOST_DRAWS)):
            drawn = self.ledger.draw(self._task.space, self._task.seed)
            try:
                settings = self._settings(drawn.choice, self._budget.epochs)
                prepared = fitting.prepare(self._task.opened, settings)
            except (OptionError, ShapeError) as error:
                reason = str(error)
                self.ledger.fail(drawn.number, reason)
                continue
            operations = 6e-6 * prepared.rows * prepared.network.operations
            an_epoch = self._budget.estimate_seconds(operations)
            if an_epoch > self._budget.slowest and again:
                self.ledger.fail(drawn.number, TOO_SLOW)
                continue
            whole = self._budget.whole_training(an_epoch)
            epochs = self._task.lengths.get(str(drawn.choice.get("optimizer", "")), whole)
            self.ledger.write(drawn.number, operations=operations, epochs=epochs)
            return drawn.number
        if not self.ledger.runners():
            self.ledger.free()
        raise OptionError(f"nothing in the space can be trained on these rows: {reason}")

    def _cost(self, number: int, rung: int) -> float:
        return self._budget.cost(self.ledger.trial(number), rung)

    def _work(self, number: int, rung: int) -> None:
        """Bring a trial to a rung, and write down how it went."""
        with self._locked(number) as mine:
            if not mine:
                time.sleep(SECONDS_TO_WAIT)  # for the process that works on it
                return
            before = self.ledger.trial(number)
            if before.rung >= rung or before.finished:
                return  # another process brought it there since it was chosen
            if rung == self._top:
                self.ledger.write(number, epochs=self._budget.to_its_end(before))
            self.ledger.write(number, target=rung)
            started, reason = time.monotonic(), ""
            try:
                self._check_starts(before)
                trial, model = self._train(number, rung)
            except KeyboardInterrupt:
                self.ledger.write(number, starts=None)  # the trial did not cause it
                raise
            except TooSlowError:
                reason = TOO_SLOW
            except (DivergedError, OptionError) as error:
                reason = str(error)
            taken = time.monotonic() - started
            self.ledger.write(number, seconds=before.seconds + taken)
            if reason:
                self.ledger.fail(number, reason)
                self._path(number).unlink(missing_ok=True)
                return
            self._note(before, trial, model, rung, taken)
        self._tidy()
        if self._task.report is not None:
            self._task.report(self.table())

    def _note(self, before: TrialState, trial: Trial, model: Model, rung: int, taken: float) -> None:
        """Write down what a trial reached, and learn from how long it took."""
        number, ran, epochs = before.number, trial.done - before.done, self.ledger.trial(before.number).whole
        if ran > 0 and trial.an_epoch is not None:
            self.ledger.write(number, an_epoch=trial.an_epoch)
            if rung < self._top:  # how long an epoch takes was only guessed before
                epochs = max(trial.done, self._budget.whole_training(trial.an_epoch))
                self.ledger.write(number, epochs=epochs)
            self._budget.measured(before.operations, trial.an_epoch, ran, taken)
        error = self.error(model)
        self.ledger.write(number, done=trial.done, starts=None, curve=[*before.curve, (trial.done, error)])
        # Several rungs of a short training may lie at one epoch.
        ahead = self._budget.rungs(epochs)
        for at in range(before.rung + 1, max(rung + 1, bisect_right(ahead, trial.done))):
            self.ledger.report(number, at, error)
        if trial.done >= epochs:
            self.ledger.finish(number, error)

    def _check_starts(self, known: TrialState) -> None:
        """Raise OptionError where a trial ended the process too often: it needs more memory than there is."""
        path = self._path(known.number)
        state = path.stat().st_mtime_ns if path.is_file() else 0
        starts, before = known.starts or (0, state)
        starts = 1 + (starts if state == before else 0)
        if starts > MOST_STARTS:
            raise OptionError(f"it ended the process {MOST_STARTS} times: it may need more memory than there is.")
        self.ledger.write(known.number, starts=(starts, state))

    def _train(self, number: int, rung: int) -> tuple[Trial, Model]:
        known = self.ledger.trial(number)
        trial, until = self._trial(known), self._budget.rungs(known.whole)[rung]
        if known.an_epoch is None:  # how long an epoch takes was only guessed
            # As long as there is nothing better, one epoch must go into the share of the trial.
            trial.slowest = self._budget.slowest if self.ledger.runners() else self._budget.share
            if rung < self._top:
                trial.sooner = lambda an_epoch: self._budget.rungs(self._budget.whole_training(an_epoch))[rung]
        return trial, trial.train(self._task.opened, until)

    def _trial(self, known: TrialState) -> Trial:
        settings = self._settings(known.choice, known.whole)
        identity = f"{self._identity} {known.number}"
        return Trial(settings, self._path(known.number), identity, timed=self._budget.seconds is not None)

    def _settings(self, choice: space.Choice, epochs: int) -> Settings:
        usual = {"random_state": self._task.seed, "epochs": epochs, "patience": 0}
        return Settings.of({**usual, **self._task.settings, **space.settings(choice, self._task.settings)})

    def _path(self, number: int) -> Path:
        return self._task.folder / f"trial-{number:04d}.safetensors"

    def _tidy(self) -> None:
        """Delete checkpoints of trials that will hardly continue, so that the folder stays small."""
        ranked = sorted(self.ledger.runners(), key=lambda each: (-each.rung, each.errors[-1]))
        for each in ranked[MAX_TRIAL_CHECKPOINTS:]:
            with self._locked(each.number) as mine:
                if mine:
                    self._path(each.number).unlink(missing_ok=True)

    def _free(self, number: int) -> bool:
        with self._locked(number) as mine:
            return mine

    @contextmanager
    def _locked(self, number: int) -> Iterator[bool]:
        """Give whether this process alone may work on a trial now; a process that dies releases it."""
        with (self._task.folder / f".trial-{number:04d}.lock").open("w") as file:
            yield files.hold(file)
