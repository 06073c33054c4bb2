"""One trial of a search: a training that stops at an epoch and continues later, in this process or another."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diabolo import fitting
from diabolo.data.sources import Source
from diabolo.model.model import Model
from diabolo.model.settings import Settings
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State
from diabolo.training.engines import Interrupted
from diabolo.training.progress import Progress

SECONDS_BETWEEN = 15.0  # checkpoints of a training that runs
SAMPLED = 4_096  # rows in the fingerprint of the data


class TooSlowError(Exception):
    """An epoch takes longer than there is time for; never leaves the search."""


@dataclass
class Trial:
    """A training whose state is kept in a file.

    Attributes:
        settings: of the whole training, with a seed.
        path: of the checkpoint.
        identity: of the training; a checkpoint of any other is refused.
        slowest: seconds that an epoch may take.
        sooner: returns at which epoch to stop, from the seconds that an epoch takes, where this is before `until`.
        timed: whether a clock may choose how the steps are compiled, which can change the bits.
        state: where the training stands.
        an_epoch: seconds that one takes; None: not known yet.
    """

    settings: Settings
    path: Path
    identity: str
    slowest: float = math.inf
    sooner: Callable[[float], int] | None = None
    timed: bool = True
    state: State | None = None
    an_epoch: float | None = None

    def __post_init__(self) -> None:
        """Read the checkpoint, where there is one. Raises CheckpointError."""
        self.state = checkpoints.read(self.path, self.identity) if self.path.is_file() else None

    @property
    def done(self) -> int:
        """Epochs so far."""
        return 0 if self.state is None else self.state.epochs

    def train(self, opened: Source, until: int, *, completes: bool = False) -> Model:
        """Train until an epoch, and return the model.

        Args: completes: see `fitting.fit`.
        Raises: TooSlowError, DivergedError, OptionError.
        """
        kept = time.monotonic()

        def keep(progress: Progress, state: Callable[[], State]) -> bool:
            nonlocal kept
            end = until
            if self.sooner is not None and self.an_epoch is not None:
                end = min(end, self.sooner(self.an_epoch))
            ended = progress.epoch_done and progress.epoch >= end
            if ended or time.monotonic() - kept > SECONDS_BETWEEN:
                self.state = state()
                checkpoints.write(self.path, self.state, self.identity)
                kept = time.monotonic()
            return ended

        engine = Interrupted(timed=self.timed, epochs=until)
        prepared = fitting.prepare(opened, self.settings)
        return fitting.fit(
            prepared,
            self.settings,
            engine=engine,
            report=self._watch,
            restored=self.state,
            keep=keep,
            completes=completes,
        ).model

    def _watch(self, progress: Progress) -> None:
        if progress.rows_per_second:
            self.an_epoch = progress.steps * self.settings.batch_size / progress.rows_per_second
            if self.an_epoch > self.slowest:
                raise TooSlowError


def fingerprint(opened: Source) -> str:
    """Return a hash of the data: shape, type, names, and some of the rows."""
    rows = np.asarray(opened.rows)
    names = "" if opened.schema is None else json.dumps(opened.schema.names)
    digest = hashlib.sha256(f"{rows.shape} {rows.dtype} {names}".encode())
    digest.update(np.ascontiguousarray(rows[:: max(1, len(rows) // SAMPLED)]).tobytes())
    return digest.hexdigest()
