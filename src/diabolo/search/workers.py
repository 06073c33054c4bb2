"""Other processes that work on a search at the same time: one for each further core that there is memory for.

Small networks leave cores idle. The trials, their states and their locks lie in the folder of the search, so that a
process needs only the task. It is a Python of its own, not a fork, because TensorFlow cannot be forked; and not one of
`multiprocessing`, which would run the user's script again.
"""

import _thread
import contextlib
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from diabolo.data import memory
from diabolo.errors import DiaboloError
from diabolo.search.scheduler import Search, Task
from diabolo.training.runs import cores

LEAST_SECONDS = 60.0  # of a search; a process takes some of them to start
MOST_PROCESSES = 8
COPIES = 6  # of the rows, which a process may take while it trains
OWN_BYTES = 1 << 30  # that a process takes in addition, most of them TensorFlow's
SECONDS_TO_END = 5.0

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def workers(task: Task) -> Iterator[None]:
    """Have other processes work on the same search, until this one is done with it.

    Only under a budget of time: with a number of trials, the order in which they end would change the table.
    """
    count, payload = _count(task), b""
    try:
        payload = pickle.dumps(replace(task, report=None)) if count else b""
    except Exception as error:  # a layer that was defined in a function, for example
        logger.info("the search has one process: the task cannot be passed on (%s)", error)
        count = 0
    with contextlib.ExitStack() as running:
        for _ in range(count):
            try:
                running.enter_context(_worker(payload))
            except OSError as error:
                logger.info("no further process works on the search (%s)", error)
                break
        yield


def _count(task: Task) -> int:
    """Return how many further processes there is time and memory for."""
    if task.seconds is None or task.trials is not None or task.seconds < LEAST_SECONDS or not sys.executable:
        return 0
    room = memory.free() // (OWN_BYTES + COPIES * task.opened.rows.nbytes)
    return max(0, min((cores() or 1) - 1, MOST_PROCESSES - 1, room - 1))


@contextlib.contextmanager
def _worker(payload: bytes) -> Iterator[None]:
    """Have a process work on the search that was pickled."""
    here = [each or os.getcwd() for each in sys.path]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            # -P: files in the current folder are not imported.
            [sys.executable, "-P", "-c", "from diabolo.search.workers import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(here)},
            start_new_session=True,  # Ctrl-C is for the first process, which then ends the others
        )
        assert process.stdin is not None
        threading.Thread(target=_give, args=(process.stdin, payload), daemon=True).start()
        try:
            yield
        finally:
            if process.poll():
                said.seek(0)
                logger.info("a process of the search ended: %s", said.read().decode(errors="replace").strip()[-500:])
            with contextlib.suppress(OSError):  # what it did not read
                process.stdin.close()  # which ends it
            try:
                process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _give(stream: IO[bytes], payload: bytes) -> None:
    """Write the task, and leave the stream open, so that the process sees when this one ends."""
    with contextlib.suppress(OSError, ValueError):  # it has ended, or the search has
        stream.write(len(payload).to_bytes(8, "big"))
        stream.write(payload)
        stream.flush()


def main() -> None:
    """Work on the search that comes on standard input, until its budget is spent or the first process ends."""
    source = sys.stdin.buffer
    task: Task = pickle.loads(source.read(int.from_bytes(source.read(8), "big")))

    def watch() -> None:
        source.read()
        _thread.interrupt_main()  # as by Ctrl-C: the trial is kept as it stands
        time.sleep(SECONDS_TO_END)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    # Errors are found by the first process too, which says them.
    with contextlib.suppress(DiaboloError, KeyboardInterrupt):
        search = Search(task)
        while search.left > 0 and not search.stopped:
            search.work()
            time.sleep(1.0)  # the first process may begin another trial
