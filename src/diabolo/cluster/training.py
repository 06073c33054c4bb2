"""Training of one model by several machines: an engine that has the steps run by workers on a Ray cluster.

The process that started the training prepares the rows, hands them to the workers, shows the progress, writes the
checkpoints and keeps the model. Where a worker or its machine is lost, it starts new ones from the last state; nothing
but Ray connects the machines, so that they share no folder.

Order: the engine, what cannot be divided, the workers of one attempt.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from diabolo.cluster import connection
from diabolo.cluster.placing import LostError, Workers, losses, placed
from diabolo.cluster.worker import Ended
from diabolo.data.shard import Shard
from diabolo.data.windows import Streamed
from diabolo.errors import ClusterError, DivergedError, OptionError
from diabolo.training.checkpoints import State
from diabolo.training.engines import Engine, Job, Trained
from diabolo.training.progress import Progress, Report, quiet
from diabolo.training.runs import WRITING_DIVISOR, Stopped

WAIT = 600.0  # seconds for enough machines
SETTLED = 60.0  # seconds; a new start takes some of them
SECONDS_TO_LISTEN = 0.5  # before it is asked whether a signal has come
MOST_FAILURES = 5  # without an epoch in between

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def engine(
    cluster: str = connection.AUTO,
    *,
    workers: object = None,
    wait: float = WAIT,
    say: Callable[[str], None] = logger.warning,
) -> "Iterator[Distributed]":
    """Connect to a cluster, and yield an engine for `fit` that trains by its machines.

        with diabolo.cluster.engine("auto", workers="2-4") as engine:
            model.fit(rows, engine=engine)

    Args:
        cluster: as for `connected`.
        workers: how many processes train; a range such as "2-4": as many as there is room for, and fewer or more as
            machines come and go. None: one for each machine.
        wait: seconds to wait for the least number of workers.
        say: is called with a line whenever workers start or are lost.

    Raises: as `connected`; `fit` raises ClusterError where too few workers are left.
    """
    asked = None if workers is None else Workers.of(workers)
    if not wait >= 0:
        raise OptionError(f"wait (--wait) must be at least 0 seconds, got {wait!r:.40}.")
    with connection.connected(cluster):
        machines = sum(node.processors > 0 for node in connection.nodes())
        yield Distributed(workers=asked or Workers(1, max(1, machines)), wait=wait, say=say)


@dataclass(kw_only=True)
class Distributed(Engine):
    """Compiled TensorFlow steps by workers on a cluster; needs a connection.

    Attributes:
        workers: how many; of a range as many as there is room for, and more or fewer as machines come and go.
        wait: seconds to wait for the least number of them.
        say: is called with a line whenever workers start, or are lost.
        settled: seconds after a start of workers before more of them are started, where machines have joined.
    """

    workers: Workers
    wait: float = WAIT
    settled: float = SETTLED
    say: Callable[[str], None] = field(default=logger.warning)

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train by workers. Raises ClusterError where too few are left, OptionError for what cannot be divided."""
        check(job, self.workers)
        ray = connection.load()
        if not ray.is_initialized():  # Ray would start a cluster that is open to the network
            raise ClusterError(
                "this engine has no connection to a cluster any more: call fit() within "
                "`with diabolo.cluster.engine(...) as engine:`."
            )
        held = ray.put(_of_rows(job))
        attempt, failures, epochs = _Attempt(job, report, self.settled), 0, -1
        while True:
            count = 0
            try:
                with placed(self.workers, self.wait, self.say, attempt.check_stopped) as workers:
                    count = len(workers)
                    attempt.may_grow = count < self.workers.most
                    return attempt.run(workers, held)
            except _Regrouped:
                self.say(f"machines have joined: going on after epoch {attempt.epochs} with more workers")
            except LostError as lost:
                failures = 1 if attempt.epochs > epochs else failures + 1
                epochs = attempt.epochs
                if failures > MOST_FAILURES:
                    raise ClusterError(
                        f"{MOST_FAILURES} times in a row workers were lost before the training got further ({lost}): "
                        f"they may need more memory than there is; fewer workers on each machine need less "
                        f"(workers, --workers)."
                    ) from lost
                after = f"going on after epoch {attempt.epochs}" if attempt.epochs else "beginning again"
                self.say(f"{'the worker' if count == 1 else f'one of {count} workers'} was lost ({lost}): {after}")

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of Diabolo, Keras and TensorFlow, which need not be imported here."""
        return {"diabolo": version("diabolo"), "keras": version("keras"), "tensorflow": _tensorflow()}


def _tensorflow() -> str:
    for name in ("tensorflow", "tensorflow-cpu"):
        with contextlib.suppress(PackageNotFoundError):
            return version(name)
    return "unknown"


def check(job: Job, workers: Workers) -> None:
    """Raise OptionError for a training whose batches cannot be divided among workers."""
    if workers.most == 1:
        return
    bottleneck, whole = job.network.bottleneck, "leave it out, or train with one worker (workers=1, --workers 1)."
    parts = {
        f"bottleneck {bottleneck.kind!r} with these settings": bottleneck.by_row,
        "corruption": job.corruption is None or job.corruption.by_row,
        "penalty": job.penalty is None or job.penalty.by_row,
        "independence (--independence)": not job.independence,
    }
    for name, divisible in parts.items():
        if not divisible:
            part = {"corruption": job.corruption, "penalty": job.penalty}.get(name)
            named = name if part is None else f"{name} {part.kind!r}"
            raise OptionError(f"{named} compares the rows of a batch, which several workers share: {whole}")
    if job.batch_size < workers.most:
        raise OptionError(
            f"batch_size (--batch-size) {job.batch_size} is less than one row for each of {workers.most} workers: ask "
            f"for fewer workers (workers, --workers), or larger batches."
        )
    if job.shard.matrix is not None:
        raise OptionError(f"sparse rows are trained by one process: {whole.removeprefix('leave it out, or ')}")
    if isinstance(job.shard.rows, Streamed):
        if not job.shard.rows.is_shared:
            raise OptionError(
                "rows that are read in chunks from temporary files cannot be read by other machines: write them as "
                ".npy or Parquet files in a folder that all machines see, and train on these."
            )
        if job.shard.rows.parts < workers.most:
            raise OptionError(
                f"rows that are read in chunks are divided by their parts, and there are {job.shard.rows.parts}: ask "
                f"for at most so many workers (workers, --workers), or write smaller row groups or more files."
            )


def _of_rows(job: Job) -> Job:
    """Return the job as the workers get it: the rows to train on alone, nothing of this process."""
    shard: Shard = job.shard
    if isinstance(shard.rows, np.ndarray) and shard.chosen is not None:
        shard = replace(shard, rows=shard.training(), chosen=None)
    return replace(job, shard=shard, restored=None, keep=None, stopping=None)


class _DivergedError(Exception):
    """The state to keep has a weight that is not finite."""


class _Regrouped(Exception):
    """The training stops, to go on with more workers."""


class _Attempt:
    """A training, of which workers do one part after the other.

    Attributes: epochs: how many the last state has; may_grow: whether more workers were asked for than there are.
    """

    def __init__(self, job: Job, report: Report, settled: float) -> None:
        self._job, self._report, self._settled = job, report, settled
        self._last = job.restored
        self._fetched, self._fetching = time.monotonic(), 0.0
        self._started, self._alone = 0.0, True
        self.may_grow = False

    @property
    def epochs(self) -> int:
        """How many epochs the state has from which the training would go on."""
        return 0 if self._last is None else self._last.epochs

    def check_stopped(self) -> None:
        """Raise Stopped where a signal to stop has come: nothing is trained yet that could be kept."""
        if self._job.stopping is not None and self._job.stopping():
            raise Stopped

    def run(self, workers: list[Any], held: Any) -> Trained:
        """Train by these workers, from the last state. Raises LostError, _Regrouped, DivergedError, Stopped."""
        ray = connection.load()
        self._alone = len(workers) == 1
        known = self._when_ready([worker.address.remote() for worker in workers])
        addresses = [address for address, _ in known]
        connection.check_versions([each for _, each in known])
        self._started, nodes = time.monotonic(), len(connection.nodes())
        restored = ray.put(self._last)
        streams = [
            worker.train.options(num_returns="streaming").remote(held, restored, rank, addresses)
            for rank, worker in enumerate(workers)
        ]
        first, waiting = streams[0], list(streams)
        while True:
            with losses(alone=self._alone):
                ready, _ = ray.wait(waiting, num_returns=1, timeout=SECONDS_TO_LISTEN)
                message = ray.get(next(ready[0])) if ready else None
            if message is None:
                self.check_stopped()
                continue
            if isinstance(message, Ended):
                if ready[0] is first:
                    return _result(message)
                waiting.remove(ready[0])
                continue
            with contextlib.suppress(_DivergedError):  # the message that follows says it
                self._answer(workers[0], message, grown=self.may_grow and len(connection.nodes()) > nodes)

    def _when_ready(self, asked: list[Any]) -> list[Any]:
        """Return what was asked of each worker. Raises LostError, Stopped."""
        ray, waiting = connection.load(), asked
        while waiting:
            with losses(alone=self._alone):
                ready, waiting = ray.wait(waiting, num_returns=1, timeout=SECONDS_TO_LISTEN)
                ray.get(ready)
            self.check_stopped()
        with losses(alone=self._alone):
            found: list[Any] = ray.get(asked)
        return found

    def _answer(self, worker: Any, progress: Progress, *, grown: bool) -> None:
        """Report the progress, keep the state where it is due, and let the workers go on."""
        ray = connection.load()

        def state() -> State:
            before = time.monotonic()
            with losses(alone=self._alone):
                now = ray.get(worker.state.remote())
            if now is None:
                raise _DivergedError
            self._last = now
            self._fetched = time.monotonic()
            self._fetching = self._fetched - before
            return self._last

        self._report(progress)
        ends = bool(self._job.keep is not None and self._job.keep(progress, state))
        if progress.epoch_done and progress.epoch < progress.epochs and not ends:
            now = time.monotonic()
            if grown and now - self._started > self._settled:
                state()
                raise _Regrouped
            if now - self._fetched > WRITING_DIVISOR * self._fetching:
                state()
        with losses(alone=self._alone):
            ray.get(worker.answer.remote(ends))


def _result(ended: Ended) -> Trained:
    if ended.diverged is not None:
        error = DivergedError(ended.diverged)
        error.trained = ended.trained
        raise error
    assert ended.trained is not None, "a training that did not diverge has a result"
    return ended.trained
