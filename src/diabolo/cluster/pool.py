"""Workers of bulk work on a Ray cluster: actors, each with a loaded model, that take one part after the other.

An actor takes its first part when it has started, so that a part never waits for one that finds no free CPU. The part
of an actor that ended is given to another one. Nodes that join get actors of their own.
"""

import contextlib
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from diabolo.cluster import connection
from diabolo.cluster.parts import Job, Outcome, Part, Worker
from diabolo.errors import ClusterError
from diabolo.typing import Say

TRIES = 3  # of a part whose worker ends
STARTS = 3  # rounds of workers of which none can start, while no other one works
PAUSE = 30.0  # seconds at most between two such rounds: a node may be broken, or just be joining
WAIT = 600.0  # seconds without a worker before the job is given up: a cluster may start machines on demand
NOTE = 10.0  # seconds without a worker after which this is said
LOOK = 1.0  # seconds between two looks at the cluster
END = 20.0  # seconds that ended workers have to be gone


def run(
    content: bytes, job: Job, parts: Iterable[Part], *, workers: int | None, say: Say, wait: float = WAIT
) -> Generator[Outcome]:
    """Yield the outcome of each part, in the order in which they end. Needs a connection.

    Args:
        content: of the model file.
        job: what is made of every part.
        parts: those to be made.
        workers: at most so many; None: one for each CPU.
        say: takes notes on lost workers.
        wait: seconds without any worker after which the job is given up.

    Raises: ClusterError.
    """
    pool = _Pool(content, job, list(parts), workers, say, wait)
    try:
        yield from pool.outcomes()
    finally:
        pool.end()


class _Pool:
    def __init__(self, content: bytes, job: Job, parts: list[Part], workers: int | None, say: Say, wait: float) -> None:
        self._ray: Any = connection.load()
        self._waiting, self._tries = deque(parts), Counter[str]()
        self._workers, self._say, self._wait = workers, say, wait
        every = sum(node.processors for node in connection.nodes())
        # More than one CPU for a worker where there are fewer workers than CPUs.
        self._cpus = connection.processors_each(min(len(parts), every if workers is None else workers))
        self._class = self._ray.remote(Worker)
        self._content, self._job = self._ray.put(content), job
        self._starting, self._busy = dict[Any, Any](), dict[Any, tuple[Any, Part]]()
        self._looked, self._wanted = -LOOK, 0
        self._failed_rounds, self._again_at = 0, 0.0

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcome of each part."""
        alone_since, noted = time.monotonic(), False
        while self._waiting or self._busy:
            self._start()
            running = [*self._busy, *self._starting]
            if not running:
                time.sleep(LOOK)
            ended, _ = self._ray.wait(running, num_returns=1, timeout=LOOK) if running else ([], [])
            for each in ended:
                if each in self._starting:
                    self._started(each)
                else:
                    yield from self._ended(each)
            if self._busy:
                alone_since, noted = time.monotonic(), False
                continue
            alone = time.monotonic() - alone_since
            if alone > self._wait:
                raise ClusterError(
                    f"no worker could start within {self._wait:.0f} s: {len(self._waiting)} parts wait for a free CPU "
                    f"of the cluster. Finished parts are kept: run the same again when there is room (`ray status`)."
                )
            if alone > NOTE and not noted:
                self._say(f"waiting for {self._cpus} free CPUs of the cluster")
                noted = True

    def _start(self) -> None:
        """Start as many workers as there is room for, and parts."""
        if time.monotonic() - self._looked >= LOOK:
            room = sum(node.processors // self._cpus for node in connection.nodes())
            self._wanted = max(1, room if self._workers is None else self._workers)
            self._looked = time.monotonic()
        if time.monotonic() < self._again_at:
            return
        while len(self._starting) + len(self._busy) < min(self._wanted, len(self._waiting) + len(self._busy)):
            actor = self._class.options(num_cpus=self._cpus, max_restarts=0).remote(
                self._content, self._job, self._cpus
            )
            self._starting[actor.about.remote()] = actor

    def _started(self, ref: Any) -> None:
        actor = self._starting.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._not_started(error)
            return
        self._failed_rounds = 0
        self._next(actor)

    def _not_started(self, error: Exception) -> None:
        now = time.monotonic()
        if now < self._again_at:  # of the same round
            return
        self._failed_rounds += 1
        if self._failed_rounds >= STARTS and not self._busy:
            raise ClusterError(
                f"no worker can start on the cluster: {connection.reason(error)} See what the nodes lack: diabolo "
                f"cluster check"
            ) from error
        self._say(f"a worker could not start: {connection.reason(error)}")
        self._again_at = now + min(PAUSE, 2.0**self._failed_rounds)

    def _ended(self, ref: Any) -> Iterator[Outcome]:
        actor, part = self._busy.pop(ref)
        try:
            outcome = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)  # one that is only out of reach
            self._tries[part.output] += 1
            again = self._tries[part.output] < TRIES
            self._say(f"{part.found.address}: its worker ended{', it is done again' if again else ''}")
            if again:
                self._waiting.append(part)
            else:
                why = f"its worker ended {TRIES} times ({connection.reason(error)})"
                yield Outcome(part.output, error=f"{why}: split it, or use fewer workers if memory ran out.")
            return
        yield outcome
        self._next(actor)

    def _next(self, actor: Any) -> None:
        """Give a worker a part, or end it."""
        if self._waiting:
            part = self._waiting.popleft()
            self._busy[actor.do.remote(part)] = actor, part
        else:
            self._ray.kill(actor)

    def end(self) -> None:
        """End all workers, and wait until those that were writing are gone."""
        every = [*self._starting.values(), *(actor for actor, _ in self._busy.values())]
        with contextlib.suppress(Exception):  # the connection may be lost
            for actor in every:
                self._ray.kill(actor)
            if self._busy:
                self._ray.wait([*self._busy], num_returns=len(self._busy), timeout=END)
