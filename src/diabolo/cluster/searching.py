"""Search and race on a Ray cluster.

The process of the user keeps the table, the states of the trials and the plan. Actors, which keep TensorFlow loaded,
train one step each, and send the state of the trial and what came of it. So machines need to share nothing, and what an
actor or a node that is lost had trained until its last checkpoint is not lost.

Order: the functions, the actors and their search, one actor, what runs in it.
"""

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NoReturn

from diabolo import __version__
from diabolo.checks import whole
from diabolo.cluster.connection import check_address, check_versions, connected, load, nodes, reason
from diabolo.errors import ClusterError, DiaboloError
from diabolo.search import RaceResult, SearchResult
from diabolo.search import race as race_here
from diabolo.search import search as search_here
from diabolo.search.scheduler import Search, Step
from diabolo.search.trials import Data, Outcome, Spec, trial
from diabolo.training import backend, checkpoints

SECONDS_BETWEEN_LOOKS = 2.0  # at the nodes, for one that joined or was lost
SECONDS_TO_LISTEN = 0.5
SECONDS_WITHOUT_ACTORS = 300.0  # before a search without a single actor ends
CPUS = 1.0  # of an actor

logger = logging.getLogger(__name__)


def search(X: object, *, cluster: str = "auto", workers: int | None = None, **asked: Any) -> SearchResult:
    """Search on a cluster, as `diabolo.search.search` does on one machine.

    With `trials=` the table is the same as on one machine, up to the rounding of the errors, however many workers there
    are. Ctrl-C returns the best so far; the same call continues a search in its folder, `run=`.

    Args:
        X: rows as for `diabolo.search.search`; they are sent once to each node.
        cluster: "auto": the cluster in RAY_ADDRESS, or that of this machine; HOST:PORT: that of the head node; "local":
            processes of this machine.
        workers: how many trials are trained at a time; None: one for each CPU of the cluster, also of nodes that join.
        asked: arguments of `diabolo.search.search`.

    Raises: ClusterError where there is no cluster, or no CPU of it is free for minutes; MissingExtraError without Ray;
        otherwise as `diabolo.search.search`.
    """
    with Actors(cluster, workers) as actors:
        return search_here(X, by=actors, **asked)


def race(X: object, *, cluster: str = "auto", workers: int | None = None, **asked: Any) -> RaceResult:
    """Let optimizers race on a cluster, as `diabolo.search.race` does in one process; arguments as for `search`.

    Raises: as `search`.
    """
    with Actors(cluster, workers) as actors:
        return race_here(X, by=actors, **asked)


class Actors:
    """Actors of a cluster that train the steps of searches; a context manager, and what a search is done by.

    The cluster is connected to when the first search begins, after its arguments were checked.

    Raises: OptionError, MissingExtraError.
    """

    def __init__(self, cluster: str, workers: int | None) -> None:
        self._address = check_address(cluster)
        self._workers = None if workers is None else whole("workers (--workers)", workers, 1)
        self._open, self._every = ExitStack(), list[_Actor]()
        self._looked = self._last_seen = -math.inf
        self._ray: Any = None
        self._started, self._failure = False, ""  # why an actor could not start

    def __enter__(self) -> "Actors":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def __call__(self, search: Search) -> None:
        """Train the steps of a search until there is no other, or its time is over. Raises ClusterError."""
        self._connect()
        data = self._ray.put(search.data)
        try:
            while self._go_on(search, data):
                self._listen(search)
        finally:
            for each in self._training():
                search.interrupted(each.release())
                self._remove(each)  # it would go on training

    def _connect(self) -> None:
        self._last_seen = time.monotonic()
        if self._ray is None:
            self._open.enter_context(connected(self._address))
            self._ray = load()
            self._open.callback(self._remove_all)

    def _training(self) -> list["_Actor"]:
        return [each for each in self._every if each.step is not None]

    def _go_on(self, search: Search, data: Any) -> bool:
        """Give steps to the actors that wait for one; return False when the search has ended."""
        self._look(search)
        if not self._started and any(each.ready for each in self._every):
            self._started = True
            search.begin_time()
        for actor in self._every:
            if not actor.ready or actor.step is not None:
                continue
            job = search.next()
            if job is None:  # what still trains is of no use after the end
                return bool(self._training()) and search.left > 0
            step = search.begin(*job)
            if step is None:  # another is at it
                return True
            actor.begin(step, data)
        return True

    def _look(self, search: Search) -> None:
        """Remove actors whose nodes are lost, and add one for each CPU that has none."""
        now = time.monotonic()
        if now - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        self._looked, every = now, nodes()
        alive = {node.id for node in every}
        for each in [each for each in self._every if each.ready and each.node not in alive]:
            self._lost(each, search)
        wanted = self._workers or max(1, int(sum(node.processors for node in every) / CPUS))
        for _ in range(wanted - len(self._every)):
            self._every.append(_Actor(self._ray))
        if any(each.ready for each in self._every):
            self._last_seen = now
        elif now - self._last_seen > SECONDS_WITHOUT_ACTORS:
            if self._failure:
                raise ClusterError(
                    f"no process can start on the cluster ({self._failure}): diabolo cluster check says what it lacks."
                )
            raise ClusterError(
                f"no CPU of the cluster was free for {SECONDS_WITHOUT_ACTORS:.0f} s: wait for its other work to end, "
                f"or add a node with `ray start --address HOST:PORT`, and run this again: the search continues."
            )

    def _listen(self, search: Search) -> None:
        """Wait until an actor has something to say, and hear it."""
        waiting = {each.awaited: each for each in self._every if each.awaited is not None}
        if not waiting:  # another process works on what is left
            time.sleep(SECONDS_TO_LISTEN)
            return
        said, _ = self._ray.wait([*waiting], num_returns=len(waiting), timeout=0)
        if not said:
            said, _ = self._ray.wait([*waiting], num_returns=1, timeout=SECONDS_TO_LISTEN)
        for each in said:
            self._hear(waiting[each], search)

    def _hear(self, actor: "_Actor", search: Search) -> None:
        try:
            said = actor.said()
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError) as error:
            logger.info("a process of the search ended: %.300s", error)
            if not actor.ready:
                self._failure = reason(error)
            self._lost(actor, search)
            return
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MemoryError):
                self._lost(actor, search)
                return
            _raise(error)
        if isinstance(said, bytes):
            search.keep(actor.training(), said)
        elif isinstance(said, Outcome):
            step = actor.training()
            search.end(step, said)
            actor.release()
            search.show()

    def _lost(self, actor: "_Actor", search: Search) -> None:
        """Let the trial of an actor that ended go on elsewhere; whoever ends its process too often is given up."""
        if actor.step is not None:
            step = actor.release()
            if actor.node not in {node.id for node in nodes()}:
                search.interrupted(step)  # the machine was lost, not by the trial
        self._remove(actor)

    def _remove(self, actor: "_Actor") -> None:
        self._every.remove(actor)
        actor.kill()

    def _remove_all(self) -> None:
        for each in [*self._every]:
            self._remove(each)


def _raise(error: Any) -> NoReturn:
    """Raise what was raised in an actor: an error of the user as it is, otherwise with the traceback of the actor."""
    raise error.cause if isinstance(error.cause, DiaboloError) else error


class _Actor:
    """One actor as its search sees it.

    Attributes:
        ready: whether it has started.
        node: the identity of its node.
        step: what it trains; None: nothing.
        awaited: what it says next; None: nothing.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        actor = ray.remote(num_cpus=CPUS, max_restarts=0, max_concurrency=1)(Trainer)
        self._handle = actor.remote({"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"})
        self.ready, self.node = False, ""
        self.step: Step | None = None
        self.awaited: Any = self._handle.about.remote()

    def begin(self, step: Step, data: Any) -> None:
        """Train a step. Args: data: the reference to its rows."""
        content = None if step.restored is None else checkpoints.to_bytes(step.restored, step.identity)
        method = self._handle.train.options(num_returns="streaming")
        self.step = step
        # Within a list a reference is not replaced by what it refers to, so that the actor can keep that.
        self.awaited = method.remote(step.spec, [data], content, step.identity)

    def said(self) -> bytes | Outcome | None:
        """Return what was awaited. Raises what the actor raised, ClusterError."""
        if self.ready:
            said: bytes | Outcome = self._ray.get(next(self.awaited))
            return said
        version, self.node = self._ray.get(self.awaited)
        check_versions([version])
        self.ready, self.awaited = True, None
        return None

    def training(self) -> Step:
        """Return the step that it trains."""
        assert self.step is not None
        return self.step

    def release(self) -> Step:
        """Release the trial of its step, which has ended here, and return the step."""
        step = self.training()
        step.held.close()
        self.step = self.awaited = None
        return step

    def kill(self) -> None:
        """End it."""
        self._ray.kill(self._handle)


class Trainer:
    """What runs in an actor: TensorFlow, and the rows.

    Args: threads: variables of the environment, which TensorFlow reads when it is loaded.
    """

    def __init__(self, threads: dict[str, str]) -> None:
        for name, value in threads.items():
            os.environ.setdefault(name, value)
        backend.load_tensorflow()
        self._reference: Any = None
        self._data: Data | None = None

    def about(self) -> tuple[str, str]:
        """Return the version of Diabolo, and the identity of the node."""
        return __version__, str(load().get_runtime_context().get_node_id())

    def train(self, spec: Spec, data: list[Any], content: bytes | None, identity: str) -> Iterator[bytes | Outcome]:
        """Train a step: give its states, as `checkpoints.to_bytes` returns them, and at last what came of it.

        Args:
            spec: what to train.
            data: the reference to the rows.
            content: the state to continue from; None: the beginning.
            identity: of the training.
        """
        (reference,) = data
        if reference != self._reference:
            self._data, self._reference = load().get(reference), reference
        rows, restored = self._data, None if content is None else checkpoints.from_bytes(content)[0]
        assert rows is not None
        said: queue.Queue[bytes | Outcome | BaseException] = queue.Queue()

        def work() -> None:
            try:
                said.put(trial(spec, rows, restored, lambda state: said.put(checkpoints.to_bytes(state, identity))))
            except BaseException as error:  # raised below
                said.put(error)

        threading.Thread(target=work, daemon=True).start()
        while True:
            each = said.get()
            if isinstance(each, BaseException):
                raise each
            yield each
            if isinstance(each, Outcome):
                return
