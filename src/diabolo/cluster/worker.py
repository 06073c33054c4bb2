"""One process of a training on a cluster: an actor that Ray starts, with TensorFlow loaded.

It knows nothing of the cluster but the addresses of the others; the process that started the training decides.
Order: the messages, the worker.
"""

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from diabolo._version import __version__
from diabolo.errors import DivergedError
from diabolo.training.checkpoints import State
from diabolo.training.engines import Compiled, Job, Trained
from diabolo.training.progress import Progress


class Ended(NamedTuple):
    """The last message of a training: its result, or the message of the DivergedError that ended it, or both."""

    trained: Trained | None
    diverged: str | None = None


class Worker:
    """A process of a training, as Ray runs it: `train` in one thread, the other methods in others.

    Args: processors: that it may use.
    """

    def __init__(self, processors: int) -> None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(processors)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        self._messages: queue.Queue[Progress | Ended | BaseException] = queue.Queue()
        self._answers: queue.Queue[bool | BaseException] = queue.Queue()
        self._state: Callable[[], State] | None = None

    def address(self) -> tuple[str, str]:
        """Load TensorFlow; return HOST:PORT for the sums of gradients, with a free port, and the version of Diabolo."""
        from diabolo.cluster.connection import load
        from diabolo.training import backend

        backend.load_tensorflow()
        host = load().util.get_node_ip_address()
        with socket.create_server((host, 0)) as free:
            return f"{host}:{free.getsockname()[1]}", __version__

    def train(
        self, job: Job, restored: State | None, rank: int, addresses: Sequence[str]
    ) -> Iterator[Progress | Ended]:
        """Train, and yield the progress whenever `Keep` is called; then wait for `answer`. Only rank 0 yields that.

        Args:
            job: with all rows, without `restored` and `keep`.
            restored: the state to go on from; None: from the beginning.
            rank: of this process.
            addresses: of all processes, in the order of their ranks.
        """
        job = replace(job, restored=restored)
        thread = threading.Thread(target=self._train, args=(job, rank, addresses), daemon=True)
        thread.start()
        while True:
            message = self._messages.get()
            if isinstance(message, BaseException):
                raise message
            yield message
            if isinstance(message, Ended):
                return

    def state(self) -> State | None:
        """Return the state of the training, which waits for an answer. For rank 0.

        None where a weight is not finite: then the training ends with a DivergedError, without an answer.
        """
        from diabolo.training.loop import NotFiniteError

        assert self._state is not None, "the training waits for an answer"
        try:
            return self._state()
        except NotFiniteError as error:
            self._answers.put(error)
            return None

    def answer(self, ends: bool) -> None:
        """Let the training go on. Args: ends: whether it ends after this epoch."""
        self._answers.put(ends)

    def _train(self, job: Job, rank: int, addresses: Sequence[str]) -> None:
        try:
            self._messages.put(self._trained(job, rank, addresses))
        except BaseException as error:
            self._messages.put(error)

    def _trained(self, job: Job, rank: int, addresses: Sequence[str]) -> Ended:
        group = None
        if len(addresses) > 1:
            from diabolo.training.group import Group

            group = Group(rank, addresses)

        def keep(progress: Progress, state: Callable[[], State]) -> bool:
            ends = False
            if rank == 0:
                self._state = state
                self._messages.put(progress)
                answer = self._answers.get()
                if isinstance(answer, BaseException):
                    raise answer
                ends = answer
            return ends if group is None else bool(group.first(float(ends)))

        restored = None if job.restored is None else job.restored.compiled
        # Not by timing, so that the result does not depend on how many processes there are.
        engine = Compiled(group=group, compile=restored, timed=False, epochs=job.epochs)
        try:
            return Ended(engine.train(replace(job, keep=keep)))
        except DivergedError as error:
            return Ended(error.trained, str(error))
