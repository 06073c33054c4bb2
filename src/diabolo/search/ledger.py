"""What a search knows of its trials, kept in Optuna's storage, so that several processes share it.

Optuna draws the choices and keeps the table; everything that it does not know of a trial (how far it came, how long an
epoch takes) is kept as attributes of its trials, read and written here alone. Order: a trial, the table, the storage.
"""

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diabolo.errors import CheckpointError, DiaboloError
from diabolo.search import space
from diabolo.search.postgres import AGAIN, ANOTHER, unusable, with_driver, without_password

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 8  # drawn uniformly, before the results of earlier trials guide the sampler
NAME = "diabolo"  # of the study in its storage


@dataclass(frozen=True, kw_only=True)
class TrialState:
    """What is known of a trial.

    Attributes:
        number: from 0.
        choice: what was chosen, by name.
        errors: at each rung that it reached, from the lowest: the mean loss of the validation rows, in nats.
        finished: whether it came to its end, or failed.
        operations: of an epoch, in millions, estimated from the network.
        epochs: of the whole training; None: it is still being drawn.
        done: epochs so far.
        seconds: spent on it so far.
        an_epoch: seconds that one takes, as measured; None: not yet.
        target: the rung that it was last asked to reach.
        starts: how often a process began to work on it from one checkpoint, and the checkpoint's time of change.
        curve: (epochs, error) wherever it stopped.
        reason: why it failed; empty: it did not.
    """

    number: int
    choice: dict[str, Any]
    errors: tuple[float, ...]
    finished: bool
    operations: float = 0.0
    epochs: int | None = None
    done: int = 0
    seconds: float = 0.0
    an_epoch: float | None = None
    target: int = 0
    starts: tuple[int, int] | None = None
    curve: tuple[tuple[int, float], ...] = ()
    reason: str = ""

    @property
    def rung(self) -> int:
        """The highest that was reached; -1: none."""
        return len(self.errors) - 1

    @property
    def whole(self) -> int:
        """Epochs of the whole training; 0 while it is being drawn."""
        return self.epochs or 0


ATTRIBUTES = {each.name for each in fields(TrialState)} - {
    "number",
    "choice",
    "errors",
    "finished",
}  # as Optuna's attributes


class Ledger:
    """The trials of one search.

    Args:
        folder: where the table lies, as SQLite.
        storage: an address of Optuna's in place of it.
        identity: of the search; a table of any other is refused.

    Raises: CheckpointError, OutputError.
    """

    def __init__(self, folder: Path, storage: str | None, identity: str) -> None:
        self._address = f"sqlite:///{folder / 'study.db'}" if storage is None else with_driver(storage)
        self._study = _open(self._address, identity, None if storage else folder)

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Name the storage where it is lost within the block. Raises OutputError."""
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise unusable(self._address, error.__cause__ or error, AGAIN) from error

    def every(self) -> list[TrialState]:
        """Return all trials by their numbers."""
        return [_state(each) for each in self._study.get_trials(deepcopy=False)]

    def begun(self) -> list[TrialState]:
        """Return the trials that were drawn. One that was killed while it was drawn is ignored."""
        return [each for each in self.every() if each.epochs is not None or each.reason]

    def runners(self) -> list[TrialState]:
        """Return the trials that reached a rung and did not fail."""
        return [each for each in self.every() if each.errors and not each.reason]

    def trial(self, number: int) -> TrialState:
        """Return one trial."""
        return _state(self._study.get_trials(deepcopy=False)[number])

    def write(self, number: int, **known: Any) -> None:
        """Keep what is newly known of a trial, by the names of `TrialState`."""
        trial = self._optuna(number)
        for name, value in known.items():
            if name not in ATTRIBUTES:
                raise TypeError(f"a trial has no {name!r} that could be written")
            trial.set_user_attr(name, value)

    def report(self, number: int, rung: int, error: float) -> None:
        """Keep the error at a rung."""
        self._optuna(number).report(error, rung)

    def finish(self, number: int, error: float) -> None:
        """Keep that a trial came to its end."""
        self._study.tell(number, error)

    def fail(self, number: int, reason: str) -> None:
        """Keep that a trial failed, and why."""
        from optuna.trial import TrialState as State

        self.write(number, reason=reason)
        self._study.tell(number, state=State.FAIL)

    def begin_with(self, choices: Sequence[space.Choice]) -> None:
        """Put choices first, where the table is empty."""
        if not self._study.get_trials(deepcopy=False):
            for choice in choices:
                self._study.enqueue_trial(choice)

    def planned(self) -> list[tuple[int, int]]:
        """Return the round that was planned last: numbers of trials, and the rungs to bring them to."""
        return [(number, rung) for number, rung in self._study.user_attrs.get("round", [])]

    def plan(self, steps: Sequence[tuple[int, int]]) -> None:
        """Keep what the next round is."""
        self._study.set_user_attr("round", [list(each) for each in steps])

    def free(self) -> None:
        """Let another search have the storage."""
        self._study.set_user_attr("identity", None)

    def draw(self, tried: space.Space, seed: int) -> TrialState:
        """Return a new trial with its choice: one that was put first, or one drawn from all that is known.

        Optuna's samplers learn from a trial when it has finished, and count one that runs as bad. Here most are stopped
        and may continue, so the sampler gets what they have reached as if it were their end.
        """
        import optuna
        from optuna.trial import TrialState as State

        with _quiet():
            every = self._study.get_trials(deepcopy=False)
            if not any(each.state == State.WAITING for each in every):
                # The seed depends on the number of trials: the same seed would draw the same again.
                sampler = optuna.samplers.TPESampler(
                    seed=seed + len(every), multivariate=True, group=True, n_startup_trials=RANDOM_TRIALS
                )
                known = optuna.create_study(sampler=sampler)
                for each in every:
                    whole = each.state == State.COMPLETE
                    known.add_trial(
                        optuna.trial.create_trial(
                            state=State.COMPLETE if whole else State.PRUNED,
                            value=each.value if whole else None,
                            params=each.params,
                            distributions=each.distributions,
                            intermediate_values=each.intermediate_values,
                        )
                    )
                self._study.enqueue_trial(space.draw(known.ask(), tried))
            trial = self._study.ask()
            space.draw(trial, tried)
        return self.trial(trial.number)

    def importance(self, seed: int) -> dict[str, float]:
        """Return the share of the variance of the first error that each name explains; nothing below 8 trials."""
        import optuna

        with _quiet():
            complete = [each for each in self._study.get_trials(deepcopy=False) if 0 in each.intermediate_values]
            if len(complete) < 8:
                return {}
            known = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
            names = set.intersection(*({*each.params} for each in complete))
            known.add_trials(
                [
                    optuna.trial.create_trial(
                        params={name: each.params[name] for name in names},
                        distributions={name: each.distributions[name] for name in names},
                        value=float(each.intermediate_values[0]),
                    )
                    for each in complete
                    if math.isfinite(each.intermediate_values[0])
                ]
            )
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
            with suppress(RuntimeError, ValueError):  # all errors are equal
                found = optuna.importance.get_param_importances(known, evaluator=evaluator)
                return {name: float(share) for name, share in found.items()}
            return {}

    def _optuna(self, number: int) -> "optuna.Trial":
        import optuna

        return optuna.trial.Trial(self._study, self._study.get_trials(deepcopy=False)[number]._trial_id)


def _state(trial: "optuna.trial.FrozenTrial") -> TrialState:
    about = {name: value for name, value in trial.user_attrs.items() if name in ATTRIBUTES and value is not None}
    for name in ("starts", "curve"):  # tuples come back as lists
        if name in about:
            about[name] = tuple(tuple(each) if isinstance(each, list) else each for each in about[name])
    reached = trial.intermediate_values
    return TrialState(
        number=trial.number,
        choice=dict(trial.params),
        errors=tuple(float(reached[rung]) for rung in sorted(reached)),
        finished=trial.state.is_finished(),
        **about,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from logging while it is asked; afterwards its logging and the warnings are the user's again."""
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


def _open(address: str, identity: str, folder: Path | None) -> "optuna.Study":
    """Return the study in a storage, new or begun before. Raises CheckpointError, OutputError.

    Args: folder: that of the search, where the storage is a file in it.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _quiet():
            study = optuna.create_study(storage=address, study_name=NAME, load_if_exists=True)
            known = study.user_attrs.get("identity")
            if known is None and study.get_trials(deepcopy=False):  # of a search that could not begin
                optuna.delete_study(study_name=NAME, storage=address)
                study = optuna.create_study(storage=address, study_name=NAME)
            if known is None:
                study.set_user_attr("identity", identity)
            elif known != identity:
                where = folder or without_password(address)
                raise CheckpointError(
                    f"{where} holds a search of other rows, settings, space or seed, of another "
                    f"version, or with another number of epochs: choose another folder or storage, or delete it."
                )
    except DiaboloError:
        raise
    except (SQLAlchemyError, ImportError, optuna.exceptions.OptunaError) as error:
        raise unusable(address, error, "choose another folder" if folder else ANOTHER) from error
    return study
