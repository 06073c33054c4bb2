"""The search: trainings are drawn, stopped, gone on with and given up, under a budget of time or of trainings.

Optuna draws, and keeps the table in its storage; halving.py says which training goes on; trials.py trains. What each
training has learnt so far lies in a checkpoint in the folder of the search, so that a search that was stopped, in any
way, goes on where it was, and several processes may work at one.

Order: what comes out, the way in, the search, the storage.
"""

import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
import time
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo._version import __version__
from diabolo.autoencoder import Autoencoder, from_model, seed_of
from diabolo.checks import whole
from diabolo.data import memory
from diabolo.data.opening import open_whole
from diabolo.data.sources import Source
from diabolo.data.splits import VALIDATION, held_back
from diabolo.data.tables import Reading
from diabolo.errors import (
    CheckpointError,
    DiaboloError,
    DivergedError,
    OptionError,
    OutputError,
    ShapeError,
    unknown,
)
from diabolo.fitting.automatic import advice
from diabolo.fitting.automatic import latents as factors
from diabolo.model import file as modelfile
from diabolo.network.bottlenecks import Plain, Refined
from diabolo.search import halving, space
from diabolo.search.budget import BUDGET, FEWEST, Budget, duration
from diabolo.search.trials import TooSlowError, Trial, fingerprint
from diabolo.storage import files
from diabolo.training import backend

TOO_SLOW = f"too slow: its share of the budget holds fewer than {FEWEST} epochs"
UNINFORMED = 8  # trainings that are drawn by chance, before what they reached says where to look
MOST_REFINED = 64  # latents, whose neighbours are decoded for every row
KEPT = 24  # checkpoints of trainings that may still go on
MOST_STARTS = 3  # of a training from one state; what gets no further would end every process that goes on with it
TRIED_IN_VAIN = 20  # choices that make no network, before a search gives up
SECONDS_TO_WAIT = 0.2  # before it is asked again whether another process is done
SCRAPS = {"study.db", "study.db-journal", ".study.lock", "lock"}  # of a folder in which nothing was trained
NAME = "diabolo"  # of the study in its storage

logger = logging.getLogger(__name__)

Row = dict[str, Any]


class Found(NamedTuple):
    """What a search found.

    Attributes:
        best: fitted, with the best choice.
        trials: a row for each training, the best first: number, error (of the validation rows, in nats), epochs, of
            (epochs of a whole training), seconds, state, and what was chosen.
        importance: of each name in the space the share of the differences in error that it explains.
        curves: of each training, by its number, (epochs, error) wherever it stopped.
        space: what was tried.
        refined: what a row held back costs by the latents of the encoder and by refined ones, which `best` has; None
            where it has not. After `refit` it has learnt from these rows.
    """

    best: Autoencoder
    trials: list[Row]
    importance: dict[str, float]
    curves: dict[int, list[tuple[int, float]]]
    space: space.Space
    refined: tuple[float, float] | None = None


def search(
    X: Any,
    *,
    budget: str | float | None = None,
    trials: int | None = None,
    space: Mapping[str, Any] | None = None,
    latent_dim: int | str | None = None,
    epochs: int | None = None,
    folder: str | Path | None = None,
    storage: str | None = None,
    refit: bool = False,
    refine: bool = True,
    random_state: Any = None,
    report: Callable[[list[Row]], None] | None = None,
    **fixed: Any,
) -> Found:
    """Try structures, activations, noise, batches, optimizers and rates on rows, and return the best.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        budget: seconds, or a text such as "90s", "10m", "2h"; default 10 minutes, where `trials` says nothing.
        trials: how many trainings to begin; with it and one `random_state` two searches give the same table.
        space: what may be chosen, in place of parts of `diabolo.search.space.DEFAULT`: {"structure": ["dense 256"],
            "rate": (0.5, 2.0)}.
        latent_dim: as for `Autoencoder`; the same for all, because more latents always err less.
        epochs: of a whole training, at most; None: 300 under a budget of time, which gives the best of what was tried
            about half of it, otherwise 60.
        folder: where checkpoints and the table lie; a search that finds its own goes on. None: a temporary one.
        storage: an address of Optuna's, such as "postgresql://..."; None: SQLite in the folder.
        refit: train the best once more, on all rows.
        refine: where nothing is said of the bottleneck, have the best go on from the guess of its encoder, which errs
            less and encodes more slowly: `diabolo.network.bottlenecks.Refined`.
        random_state: the seed.
        report: takes the table whenever it changes.
        fixed: other settings of `Autoencoder`, the same for all.

    Raises: DataError, ShapeError, OptionError for bad input; CheckpointError for a folder of another search;
        OutputError where folder or storage cannot be used; DivergedError where no training came to an end.
    """
    settings = fixed | {"latent_dim": latent_dim}
    seconds = check_limits(budget, trials, epochs)
    opened = in_memory(X, settings)
    with folder_of(folder) as where:
        work = Search(opened, settings, space, seconds, trials, epochs, where, storage, seed_of(random_state), report)
        return work.run(refit=refit, refine=refine)


def check_limits(budget: str | float | None, trials: int | None, epochs: int | None) -> float | None:
    """Return the seconds of a search, None where `trials` alone bound it. Raises OptionError."""
    for name, value in (("trials", trials), ("epochs", epochs)):
        if value is not None:
            whole(name, value, 1)
    return None if trials is not None and budget is None else duration(BUDGET if budget is None else budget)


def in_memory(X: Any, settings: Mapping[str, Any], own: Sequence[str] = ("epochs", "patience")) -> Source:
    """Return the rows for trainings with these settings, of which `own` are not for the caller.

    Raises: DataError, ShapeError, OptionError.
    """
    known = sorted({*space.SETTINGS} - {*own})
    for name in settings:
        if name not in known:
            raise OptionError(unknown("setting", name, known))
    if settings.get("optimizer") == advice.AUTO:
        raise OptionError("optimizer='auto' is for fit(): name one, or leave it out.")
    limit, reading = memory.limit(settings.get("memory")), Reading(types=settings.get("types") or {})
    return open_whole(X, limit, reading=reading, what="a search, a race or a test")


def counted(opened: Source, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return settings with a number where latent_dim is "auto": counted once, so that all trainings have as many."""
    if settings.get("latent_dim") != factors.AUTO:
        return settings
    return settings | {"latent_dim": Autoencoder(**settings, random_state=seed, verbose=False).count_latents(opened)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from talking while it is asked; afterwards its logging and the warnings are the user's again."""
    import optuna

    theirs, alembic = optuna.logging.get_verbosity(), logging.getLogger("alembic")
    level = alembic.level  # which Optuna sets where it makes tables
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(theirs)
        alembic.setLevel(level)


class Search:
    """A search at work.

    Args: those of `search`, and for a race
        pairs: an optimizer and a rate each, which alone are trained, and whole;
        lengths: by optimizer, epochs of a training where they are not `epochs`.
    """

    def __init__(
        self,
        opened: Source,
        settings: dict[str, Any],
        asked: Mapping[str, Any] | None,
        seconds: float | None,
        trials: int | None,
        epochs: int | None,
        folder: Path,
        storage: str | None,
        seed: int,
        report: Callable[[list[Row]], None] | None,
        *,
        pairs: Sequence[dict[str, Any]] | None = None,
        lengths: Mapping[str, int] | None = None,
    ) -> None:
        trials = None if trials is None else whole("trials", trials, 1)
        epochs = None if epochs is None else whole("epochs", epochs, 1)
        settings = counted(opened, settings, seed)
        self._opened, self._settings, self._folder = opened, settings, folder
        self._trials, self._seed, self._report = trials, seed, report
        self._lengths = dict(lengths or {})
        self.stopped = False  # by Ctrl-C
        # A race runs pairs to the end; a search draws what it begins with, and gives up most of it: under a budget of
        # time the first look is shorter, because a whole training takes half of it.
        depth = 1 if pairs is not None else 3 if seconds is None else 4
        self._budget, self._top = Budget(seconds, epochs, depth), depth - 1
        self._space = dict(asked or {}) if pairs is not None else space.read(asked, opened.rows.shape[1:], settings)
        rows = np.asarray(opened.rows)
        held = held_back(len(rows), settings.get("validation_fraction", 0.1), seed, VALIDATION)
        self._judges = rows if held is None else rows[held]  # the rows that no training learns from
        # Of another search: other rows, or other settings. Budgets may differ, to go on for longer.
        facts = [settings, self._space, self._budget.epochs, seed, __version__]
        about = json.dumps(facts, sort_keys=True, default=repr)
        self._identity = hashlib.sha256(f"{fingerprint(opened)} {about}".encode()).hexdigest()
        with (folder / ".study.lock").open("w") as lock:
            files.hold(lock, wait=True)  # of two processes that make the tables of one database, one would fail
            self._study = _study(storage, folder, self._identity)
        shape = opened.rows.shape[1:]
        first = space.first(self._space, shape) if pairs is None else list(pairs)
        # The number of what is used without a search.
        self._usual = 0 if pairs is None and space.usual(self._space, shape) is not None else None
        if not self._study.get_trials(deepcopy=False):
            for choice in first:
                self._study.enqueue_trial(choice)

    def run(self, *, refit: bool, refine: bool) -> Found:
        """Work until the budget is spent, and return what was found."""
        best = self._again(self.work())
        whole = self._on_all(best) if refit else best
        costs = None
        if refine and "bottleneck" not in {*self._settings, *self._space}:
            whole, costs = self._refined(whole)
        return Found(whole, self.table(), self._importance(), self._curves(), self._space, costs)

    def work(self) -> int:
        """Work until the budget is spent, and return the number of the best training. Raises DivergedError."""
        backend.load_tensorflow()  # no training shall be blamed for these seconds
        try:
            while (job := self._next()) is not None:
                self._work(*job)
        except KeyboardInterrupt:
            if halving.leader(self._runners()) is None:
                raise
            self.stopped = True
            logger.warning("search stopped: the best so far is returned")
        leader = halving.leader(self._runners())
        if leader is None:
            reasons = [row["reason"] for row in self.table() if row["reason"]]
            if reasons and all(reason == TOO_SLOW for reason in reasons):
                raise OptionError(
                    f"a budget of {self._budget.seconds:g} s is too short for these rows: all {len(reasons)} that were "
                    f"begun are too slow. Give more time, or fewer rows."
                )
            raise DivergedError(f"no training came to an end: {reasons[0] if reasons else 'no time was left.'}")
        return leader.number

    def table(self) -> list[Row]:
        """Return a row for each training, the best first."""
        rows, order = [], {"whole": 0, "stopped": 1, "failed": 2}
        for each in self._begun():
            about, curve = each.user_attrs, each.intermediate_values
            whole = about.get("done") == about.get("epochs", 0)
            state = "failed" if "reason" in about else "whole" if whole else "stopped"
            row = {
                "number": each.number,
                "error": curve[max(curve)] if curve else math.nan,
                "epochs": about.get("done", 0),
                "of": about.get("epochs", 0),
                "seconds": round(about.get("seconds", 0.0), 1),
                "state": state,
                "reason": about.get("reason", ""),
                **{name: each.params.get(name) for name in self._space},
            }
            # As the best is told: by the last error, of those that went furthest.
            rows.append((order[state], -len(curve), row["error"] if curve else math.inf, each.number, row))
        return [row for *_, row in sorted(rows, key=lambda each: each[:-1])]

    def _begun(self) -> list[Any]:
        """Return what was drawn; of what was killed while it was drawn nothing is known, and it is forgotten."""
        every = self._study.get_trials(deepcopy=False)
        return [each for each in every if {"epochs", "reason"} & each.user_attrs.keys()]

    def _next(self) -> tuple[int, int] | None:
        """Return the number of a training and the rung to bring it to, or None where the budget is spent."""
        begun = self._begun()
        for each in begun:  # what was interrupted goes on first
            to_go = each.user_attrs.get("target", 0) > self._rung(each)
            if each.state.name == "RUNNING" and to_go and self._free(each.number):
                return each.number, each.user_attrs["target"]
        runners = [each for each in self._runners() if self._has_state(each)]
        left, start, top = self._budget.left, self._budget.start, self._top
        leader = halving.to_go_on(runners, top, self._usual)
        to_end = 0.0 if leader is None or leader.rung >= top else self._cost(leader.number, top)
        another = to_end + 2 * start  # seconds that let one more training begin
        if leader is not None and leader.rung < top and left <= max(1.3 * to_end + start, another):
            # Time for no more than to bring the best to its end, or not even that: then one epoch ends it.
            return leader.number, top
        free = [each for each in runners if self._free(each.number)]
        winner = halving.promoted(free, top) or halving.followed(free, top, self._usual)
        if winner is not None and left > self._cost(winner.number, winner.rung + 1):
            return winner.number, winner.rung + 1
        if self._trials is None or len(begun) < self._trials:
            if left <= another:
                if not begun:
                    self._refuse_budget()
                return None
            return self._draw(), 0
        # All are begun: the best of those that wait goes on, until one is whole.
        if leader is not None and leader.rung < top:
            return leader.number, leader.rung + 1
        return None

    def _refuse_budget(self) -> None:
        needed, given = math.ceil(self._cost(self._draw(), self._top) + 2 * self._budget.start), self._budget.seconds
        raise OptionError(f"a budget of {given:g} s is too short for one training: give at least {needed}s.")

    def _draw(self) -> int:
        """Return the number of a new training. Raises OptionError where nothing in the space makes a network."""
        from diabolo.fitting.preparation import prepare

        reason = ""
        for again in reversed(range(TRIED_IN_VAIN)):
            trial = self._ask()
            chosen = space.draw(trial, self._space)
            estimator = Autoencoder(**self._fixed(chosen, self._budget.epochs))
            try:
                ready = prepare(
                    estimator.get_params(deep=False), self._opened, None, estimator.checked_settings(), self._seed
                )
            except (OptionError, ShapeError) as error:
                reason = str(error)
                self._fail(trial.number, reason)
                continue
            operations = 6e-6 * ready.rows * ready.network.operations
            an_epoch = self._budget.an_epoch({"operations": operations})
            epochs = self._budget.whole_training(an_epoch)
            if an_epoch > self._budget.slowest and again:
                self._fail(trial.number, TOO_SLOW)
                continue
            trial.set_user_attr("operations", operations)
            trial.set_user_attr("epochs", self._lengths.get(chosen.get("optimizer", ""), epochs))
            return int(trial.number)
        if not self._runners():
            self._study.set_user_attr("identity", None)  # so that the folder can be used for a search that can be
        raise OptionError(f"the space holds nothing that goes with these rows: {reason}")

    @_quiet()
    def _ask(self) -> Any:
        """Return a trial of Optuna's: one that was put first, or one drawn by all that is known.

        Optuna's samplers learn of a training when it has ended, and take one that runs for a bad one. Here most are
        stopped and may go on; what they have reached is told as if it were their end.
        """
        import optuna
        from optuna.trial import TrialState

        every = self._study.get_trials(deepcopy=False)
        if not any(each.state == TrialState.WAITING for each in every):
            # What is drawn depends on how often it was; the same seed again would draw the same again.
            sampler = optuna.samplers.TPESampler(
                seed=self._seed + len(every), multivariate=True, group=True, n_startup_trials=UNINFORMED
            )
            known = optuna.create_study(sampler=sampler)
            for each in every:
                whole = each.state == TrialState.COMPLETE
                known.add_trial(
                    optuna.trial.create_trial(
                        state=TrialState.COMPLETE if whole else TrialState.PRUNED,
                        value=each.value if whole else None,
                        params=each.params,
                        distributions=each.distributions,
                        intermediate_values=each.intermediate_values,
                    )
                )
            self._study.enqueue_trial(space.draw(known.ask(), self._space))
        return self._study.ask()

    def _cost(self, number: int, rung: int) -> float:
        return self._budget.cost(self._trial(number).user_attrs, rung)

    def _work(self, number: int, rung: int) -> None:
        """Bring a training to a rung, and write down how it went."""
        with self._locked(number) as mine:
            if not mine:
                time.sleep(SECONDS_TO_WAIT)  # for the process that works at it
                return
            about = self._trial(number)
            if self._rung(about) >= rung or about.state.is_finished():
                return  # another process brought it there since it was chosen
            trial = self._optuna(number)
            epochs = about.user_attrs["epochs"]
            if rung == self._top:
                epochs = self._budget.to_its_end(about.user_attrs)
                trial.set_user_attr("epochs", epochs)
            until = self._budget.rungs(epochs)[rung]
            trial.set_user_attr("target", rung)
            started, reason = time.monotonic(), ""
            try:
                self._check_starts(trial, about)
                estimator = self._train(number, until, rung)
            except KeyboardInterrupt:
                trial.set_user_attr("starts", None)  # that was not its doing
                raise
            except TooSlowError:
                reason = TOO_SLOW
            except (DivergedError, OptionError) as error:
                reason = str(error)
            taken = time.monotonic() - started
            trial.set_user_attr("seconds", about.user_attrs.get("seconds", 0.0) + taken)
            if reason:
                self._fail(number, reason)
                self._path(number).unlink(missing_ok=True)
                return
            ran = estimator.done - about.user_attrs.get("done", 0)
            if ran > 0 and estimator.an_epoch is not None:
                trial.set_user_attr("an_epoch", estimator.an_epoch)
                if rung < self._top:  # how long it takes was only guessed before
                    epochs = max(estimator.done, self._budget.whole_training(estimator.an_epoch))
                    trial.set_user_attr("epochs", epochs)
                self._budget.measured(about.user_attrs["operations"], estimator.an_epoch, ran, taken)
            trial.set_user_attr("done", estimator.done)
            trial.set_user_attr("starts", None)
            # Seen as they are: the loop validates through the noise of the training.
            cost = float(estimator.model_.loss_per_row(self._judges).mean())
            trial.set_user_attr("curve", [*about.user_attrs.get("curve", ()), (estimator.done, cost)])
            # Of a short training several rungs may lie at one epoch.
            ahead = self._budget.rungs(epochs)
            for at in range(self._rung(about) + 1, max(rung + 1, bisect_right(ahead, estimator.done))):
                trial.report(cost, at)
            if estimator.done >= epochs:
                self._study.tell(number, cost)
        self._tidy()
        if self._report is not None:
            self._report(self.table())

    def _check_starts(self, trial: Any, about: Any) -> None:
        """Raise OptionError where a training ended the process too often: what it takes is more than is there."""
        path = self._path(trial.number)
        state = path.stat().st_mtime_ns if path.is_file() else 0
        starts, before = about.user_attrs.get("starts") or (0, state)
        starts = 1 + (starts if state == before else 0)
        if starts > MOST_STARTS:
            raise OptionError(f"it ended the process {MOST_STARTS} times: it may take more memory than there is.")
        trial.set_user_attr("starts", (starts, state))

    def _train(self, number: int, until: int, rung: int | None = None) -> Trial:
        chosen = self._trial(number)
        estimator = Trial(**self._fixed(chosen.params, chosen.user_attrs["epochs"]))
        estimator.until, estimator.timed = until, self._budget.seconds is not None
        if "an_epoch" not in chosen.user_attrs:  # how long it takes was only guessed
            # As long as there is nothing better, an epoch alone must go into its share.
            estimator.slowest = self._budget.slowest if self._runners() else self._budget.share
            if rung is not None and rung < self._top:
                estimator.sooner = lambda an_epoch: self._budget.rungs(self._budget.whole_training(an_epoch))[rung]
        estimator.at(self._path(number), f"{self._identity} {number}")
        if estimator.done < until or not hasattr(estimator, "model_"):
            estimator.fit(self._opened, report=estimator.watch)
        return estimator

    def _again(self, number: int) -> Autoencoder:
        """Return a training as it stands, as an estimator."""
        return from_model(self._train(number, self._trial(number).user_attrs["done"]).model_)

    def _on_all(self, best: Autoencoder) -> Autoencoder:
        settings = {"validation_fraction": 0, "epochs": best.best_epoch_, "verbose": False}
        whole: Autoencoder = best.set_params(**settings).fit(self._opened)
        return whole

    def _refined(self, best: Autoencoder) -> tuple[Autoencoder, tuple[float, float] | None]:
        """Return the best with refined latents and what rows held back cost without and with; as it is if not less."""
        model = best.model_
        waist = model.network.bottleneck
        if waist.latent_dim > MOST_REFINED or waist != Plain(latent_dim=waist.latent_dim):
            return best, None
        network = replace(model.network, bottleneck=Refined(latent_dim=waist.latent_dim))
        settings = {"bottleneck": Refined.kind, "bottleneck_activation": None}  # a linear one needs no name
        record = replace(model.record, settings=model.record.settings | settings)
        better = replace(model, network=network, record=record)
        try:
            modelfile.check_size(network)
        except OptionError:  # its neighbours would take too much memory
            return best, None
        before, after = (float(each.loss_per_row(self._judges).mean()) for each in (model, better))
        return (from_model(better), (before, after)) if after < before else (best, None)

    def _fixed(self, chosen: Mapping[str, Any], epochs: int) -> dict[str, Any]:
        usual = {"random_state": self._seed, "epochs": epochs, "patience": 0, "verbose": False}
        return usual | self._settings | space.settings(chosen, self._settings)

    def _fail(self, number: int, reason: str) -> None:
        from optuna.trial import TrialState

        self._optuna(number).set_user_attr("reason", reason)
        self._study.tell(number, state=TrialState.FAIL)

    @_quiet()
    def _importance(self) -> dict[str, float]:
        """Return which share of the differences in the first error each name explains; nothing of a few trainings."""
        import optuna

        def first(each: Any) -> float:
            return float(each.intermediate_values[0])

        complete = [each for each in self._study.get_trials(deepcopy=False) if 0 in each.intermediate_values]
        if len(complete) < 8:
            return {}
        known = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=self._seed))
        names = set.intersection(*({*each.params} for each in complete))
        known.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: each.params[name] for name in names},
                    distributions={name: each.distributions[name] for name in names},
                    value=first(each),
                )
                for each in complete
                if math.isfinite(first(each))
            ]
        )
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
        with suppress(RuntimeError, ValueError):  # all errors alike
            found = optuna.importance.get_param_importances(known, evaluator=evaluator)
            return {name: float(share) for name, share in found.items()}
        return {}

    def _curves(self) -> dict[int, list[tuple[int, float]]]:
        known = {each.number: each.user_attrs.get("curve", ()) for each in self._study.get_trials(deepcopy=False)}
        return {number: [(epochs, cost) for epochs, cost in curve] for number, curve in known.items() if curve}

    def _runners(self) -> list[halving.Runner]:
        return [
            halving.Runner(each.number, [each.intermediate_values[at] for at in sorted(each.intermediate_values)])
            for each in self._study.get_trials(deepcopy=False)
            if each.intermediate_values and "reason" not in each.user_attrs
        ]

    def _has_state(self, runner: halving.Runner) -> bool:
        return self._path(runner.number).is_file()

    def _rung(self, trial: Any) -> int:
        return len(trial.intermediate_values) - 1

    def _trial(self, number: int) -> Any:
        return self._study.get_trials(deepcopy=False)[number]

    def _optuna(self, number: int) -> Any:
        import optuna

        return optuna.trial.Trial(self._study, self._trial(number)._trial_id)

    def _path(self, number: int) -> Path:
        return self._folder / f"trial-{number:04d}.safetensors"

    def _tidy(self) -> None:
        """Delete checkpoints of trainings that will hardly go on, so that the folder stays small."""
        ranked = sorted(self._runners(), key=lambda each: (-each.rung, each.errors[-1]))
        for each in ranked[KEPT:]:
            with self._locked(each.number) as mine:
                if mine:
                    self._path(each.number).unlink(missing_ok=True)

    def _free(self, number: int) -> bool:
        with self._locked(number) as mine:
            return mine

    @contextmanager
    def _locked(self, number: int) -> Iterator[bool]:
        """Give whether this process alone may work at a training now; a process that dies lets go."""
        with (self._folder / f".trial-{number:04d}.lock").open("w") as file:
            yield files.hold(file)


@contextmanager
def folder_of(asked: str | Path | None, what: str = "a search") -> Iterator[Path]:
    """Give the folder of what is searched, made where it is missing; a temporary one where none is asked for.

    A folder that was made for what is then refused goes again.
    """
    if asked is None:
        with tempfile.TemporaryDirectory(prefix="diabolo-search-") as temporary:
            yield Path(temporary)
        return
    there = isinstance(asked, (str, os.PathLike)) and Path(asked).exists()
    folder = files.make_folder(asked, what)
    try:
        yield folder
    except (OptionError, ShapeError):
        if not there and {each.name for each in folder.iterdir()} <= SCRAPS:
            shutil.rmtree(folder, ignore_errors=True)
        raise


@_quiet()
def _study(storage: str | None, folder: Path, identity: str) -> Any:
    """Return the study in a storage, or in the folder, new or begun before. Raises CheckpointError, OutputError."""
    import optuna
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    address = shown = storage or f"sqlite:///{folder / 'study.db'}"
    try:
        shown = make_url(address).render_as_string()  # without its password
        study = optuna.create_study(storage=address, study_name=NAME, load_if_exists=True)
        known = study.user_attrs.get("identity")
        if known is None and study.get_trials(deepcopy=False):  # in vain, of something else
            optuna.delete_study(study_name=NAME, storage=address)
            study = optuna.create_study(storage=address, study_name=NAME)
        if known is None:
            study.set_user_attr("identity", identity)
        elif known != identity:
            raise CheckpointError(
                f"{shown if storage else folder} holds a search of other rows, settings, space or seed, of another "
                f"version, or with another number of epochs: choose another folder or storage, or delete it."
            )
    except DiaboloError:
        raise
    except (SQLAlchemyError, ImportError, optuna.exceptions.OptunaError) as error:
        reason = str(error).splitlines()[0]
        instead = "give another address, or leave --storage out" if storage else "choose another folder"
        raise OutputError(f"the storage {shown} cannot be used: {reason:.160}: {instead}.") from error
    return study
