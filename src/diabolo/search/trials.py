"""One training that stops at an epoch and goes on from there, in this process or another."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diabolo.autoencoder import Autoencoder
from diabolo.data.sources import Source
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State
from diabolo.training.progress import Progress

SECONDS_BETWEEN = 15.0  # checkpoints of a training that runs
SAMPLED = 4_096  # rows that tell data from other data

Clock = Callable[[], float]


class TooSlowError(Exception):
    """An epoch takes longer than there is time for; never leaves the search."""


class Trial(Autoencoder):
    """An estimator whose training goes to `until` of its epochs, and keeps where it stands in a file.

    It is made by `Trial(**settings).at(path, identity)`; `fit` then goes on from the file, where there is one.
    """

    path: Path
    until: int
    identity: str
    state: State | None = None
    an_epoch: float | None = None  # seconds that one takes, where that could be measured
    slowest: float = math.inf  # seconds that an epoch may take
    sooner: Callable[[float], int] | None = None  # epochs to stop at, told by how long one takes, if before `until`
    timed: bool = True  # whether a clock may choose how the program is made, at the cost of bits

    def at(self, path: Path, identity: str) -> "Trial":
        """Say where the checkpoint lies, and of which training it must be. Raises CheckpointError."""
        self.path, self.identity = path, identity
        self.state = checkpoints.read(path, identity) if path.is_file() else None
        return self

    @property
    def done(self) -> int:
        """Epochs so far."""
        return 0 if self.state is None else self.state.epochs

    def watch(self, progress: Progress) -> None:
        """Take how fast it goes. Raises TooSlowError."""
        if progress.rows_per_second:
            self.an_epoch = progress.steps * self.batch_size / progress.rows_per_second
            if self.an_epoch > self.slowest:
                raise TooSlowError

    def _train(self, spec: Any, shard: Any, report: Any, **where: Any) -> Any:
        from diabolo.training import loop
        from diabolo.training.xla import pays, settled

        kept = time.monotonic()

        def keep(progress: Progress, state: Callable[[], State]) -> bool:
            nonlocal kept
            until = self.until
            if self.sooner is not None and self.an_epoch is not None:
                until = min(until, self.sooner(self.an_epoch))
            ended = progress.epoch_done and progress.epoch >= until
            if ended or time.monotonic() - kept > SECONDS_BETWEEN:
                self.state = state()
                checkpoints.write(self.path, self.state, self.identity)
                kept = time.monotonic()
            return ended

        # The learning rate still goes by the epochs of the whole training, and so does what it is worth to compile:
        # else the short trainings would look slow.
        compiled = None if self.timed else False
        if settled(spec.models.raw):
            steps = math.ceil(len(shard.rows) / spec.batch_size)
            compiled = pays(self.epochs * steps, spec.models.raw, spec.batch_size)
        spec = replace(spec, epochs=self.until, compile=compiled)
        return loop.train(spec, shard, report, restored=self.state, keep=keep)


def fingerprint(opened: Source) -> str:
    """Return what tells rows from others: their shape, type, names, and some of them."""
    rows = np.asarray(opened.rows)
    names = "" if opened.schema is None else json.dumps(opened.schema.names)
    digest = hashlib.sha256(f"{rows.shape} {rows.dtype} {names}".encode())
    digest.update(np.ascontiguousarray(rows[:: max(1, len(rows) // SAMPLED)]).tobytes())
    return digest.hexdigest()
