"""One trial of a search: a training that stops at an epoch and continues later, in this process or another.

`trial(spec, data, restored, report)` knows neither the search nor where it runs. Order: what it is given, what it
returns, the training, the fingerprint of the data.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from diabolo import fitting
from diabolo.data.adapters import Rows
from diabolo.data.sources import Source
from diabolo.errors import DivergedError, OptionError
from diabolo.model.model import Model
from diabolo.model.settings import Settings
from diabolo.search.budget import FEWEST, Sooner
from diabolo.training.checkpoints import State
from diabolo.training.engines import Interrupted
from diabolo.training.progress import Progress

SECONDS_BETWEEN = 15.0  # checkpoints of a training that runs
SAMPLED = 4_096  # rows in the fingerprint of the data
TOO_SLOW = f"too slow: its share of the budget holds fewer than {FEWEST} epochs"

Keep = Callable[[State], None]


class TooSlowError(Exception):
    """An epoch takes longer than there is time for; never leaves the trial."""


class Data(NamedTuple):
    """The rows of a search: all of them, and those that no trial learns from."""

    opened: Source
    validation: Rows


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to train, and how far.

    Attributes:
        settings: of the whole training, with a seed.
        until: the epoch to stop at.
        slowest: seconds that an epoch may take.
        sooner: at which epoch to stop, by the seconds that an epoch takes, where this is before `until`.
        timed: whether a clock may choose how the steps are compiled, which can change the bits.
        every: seconds after which the state is reported again.
    """

    settings: Settings
    until: int
    slowest: float = math.inf
    sooner: Sooner | None = None
    timed: bool = True
    every: float = field(default_factory=lambda: SECONDS_BETWEEN)


class Outcome(NamedTuple):
    """What came of a trial.

    Attributes:
        done: epochs so far.
        an_epoch: seconds that one takes; None: not known.
        error: the mean loss of the validation rows, in nats.
        reason: why it failed; empty: it did not.
    """

    done: int = 0
    an_epoch: float | None = None
    error: float = math.nan
    reason: str = ""


def trial(spec: Spec, data: Data, restored: State | None, report: Keep) -> Outcome:
    """Train until an epoch and evaluate.

    Args:
        spec: what to train.
        data: the rows.
        restored: the state to continue from; None: the beginning.
        report: is called with the state while the training runs, and when it has stopped.
    """
    try:
        training = _Training(spec, data.opened, restored, report)
        model = training.run()
    except TooSlowError:
        return Outcome(reason=TOO_SLOW)
    except (DivergedError, OptionError) as error:
        return Outcome(reason=str(error))
    return Outcome(training.done, training.an_epoch, validation_error(model, data))


def fitted(spec: Spec, opened: Source, restored: State | None, report: Keep) -> Model:
    """Train until an epoch, and return the model with what is learned after a training, see `fitting.fit`.

    Raises: TooSlowError, DivergedError, OptionError.
    """
    return _Training(spec, opened, restored, report).run(completes=True)


def validation_error(model: Model, data: Data) -> float:
    """Return the mean loss of the validation rows, in nats, without the noise that training adds."""
    return float(model.loss_per_row(data.validation).mean())


class _Training:
    """A training from a state to an epoch. Attributes: done: epochs so far; an_epoch: seconds that one takes."""

    def __init__(self, spec: Spec, opened: Source, restored: State | None, report: Keep) -> None:
        self._spec, self._opened, self._restored, self._report = spec, opened, restored, report
        self.done = 0 if restored is None else restored.epochs
        self.an_epoch: float | None = None
        self._kept = time.monotonic()

    def run(self, *, completes: bool = False) -> Model:
        spec = self._spec
        return fitting.fit(
            fitting.prepare(self._opened, spec.settings),
            spec.settings,
            engine=Interrupted(timed=spec.timed, epochs=spec.until),
            report=self._watch,
            restored=self._restored,
            keep=self._keep,
            completes=completes,
        ).model

    def _keep(self, progress: Progress, state: Callable[[], State]) -> bool:
        spec, end = self._spec, self._spec.until
        if spec.sooner is not None and self.an_epoch is not None:
            end = min(end, spec.sooner(self.an_epoch))
        ended = progress.epoch_done and progress.epoch >= end
        if ended or time.monotonic() - self._kept > spec.every:
            kept = state()
            self._report(kept)
            self.done, self._kept = kept.epochs, time.monotonic()
        return ended

    def _watch(self, progress: Progress) -> None:
        if progress.rows_per_second:
            self.an_epoch = progress.steps * self._spec.settings.batch_size / progress.rows_per_second
            if self.an_epoch > self._spec.slowest:
                raise TooSlowError


def fingerprint(opened: Source) -> str:
    """Return a hash of the data: shape, type, names, and some of the rows."""
    rows = np.asarray(opened.rows)
    names = "" if opened.schema is None else json.dumps(opened.schema.names)
    digest = hashlib.sha256(f"{rows.shape} {rows.dtype} {names}".encode())
    digest.update(np.ascontiguousarray(rows[:: max(1, len(rows) // SAMPLED)]).tobytes())
    return digest.hexdigest()
