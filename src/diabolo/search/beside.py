"""Other processes that work on a search at the same time, one for each further core.

Small networks leave cores idle. The trials, their states and their locks lie in the folder of the search, so that a
process needs only the task. It is a Python of its own, not a fork, because TensorFlow cannot be forked; and not one of
`multiprocessing`, which would run the user's script again.
"""

import contextlib
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from diabolo.data import memory
from diabolo.errors import DiaboloError
from diabolo.model.settings import Settings
from diabolo.search.scheduler import Search, Task
from diabolo.training.runs import cores

LEAST_SECONDS = 60.0  # of a search; a process takes some of them to start
MOST_PROCESSES = 8
COPIES = 6  # of the rows, which a process may take while it trains

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def workers(task: Task) -> Iterator[None]:
    """Have other processes work on the same search, until this one is done with it.

    Only under a budget of time: with a number of trials, the order in which they end would change the table.
    """
    count = _count(task)
    processes = []
    try:
        payload = pickle.dumps(replace(task, report=None)) if count else b""
    except Exception as error:  # a layer that was defined in a function, for example
        logger.info("the search has one process: the task cannot be passed on (%s)", error)
        count = 0
    try:
        processes = [_started(payload) for _ in range(count)]
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()
            if each.stdin is not None:
                with contextlib.suppress(OSError):  # what it did not read
                    each.stdin.close()


def _count(task: Task) -> int:
    """Return how many further processes there is time and memory for."""
    if task.seconds is None or task.trials is not None or task.seconds < LEAST_SECONDS or not sys.executable:
        return 0
    rows = task.opened.rows
    room = memory.limit(Settings.of({**task.settings}).memory) // (COPIES * max(1, rows.nbytes))
    return max(0, min((cores() or 1) - 1, MOST_PROCESSES - 1, int(room) - 1))


def _started(payload: bytes) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    process = subprocess.Popen(
        [sys.executable, "-c", "from diabolo.search.beside import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the first process, which then ends the others
    )

    def give() -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended
            process.stdin.write(len(payload).to_bytes(8, "big") + payload)
            process.stdin.flush()  # and left open, so that the process sees when this one ends

    threading.Thread(target=give, daemon=True).start()
    return process


def main() -> None:
    """Work on the search that comes on standard input, until its budget is spent or the first process ends."""
    source = sys.stdin.buffer
    task: Task = pickle.loads(source.read(int.from_bytes(source.read(8), "big")))

    def watch() -> None:
        source.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    with contextlib.suppress(DiaboloError):  # the first process finds it too, and says it
        search = Search(task)
        while search.left > 0:
            search.work()
            time.sleep(1.0)  # the first process may begin another trial
