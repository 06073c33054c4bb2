"""The folder of a training that can be killed at any moment and goes on where it was.

    runs/a/run.json                 of what training this is: settings, rows, versions, threads
    runs/a/lock                     held while a process trains here, with its number inside
    runs/a/000012-000000.safetensors  where it stood: epochs that had ended, steps of the next; the last two are kept

Other files in the folder are nobody's business here, whatever they are called.

A signal to stop is held back until the step under way has ended and where the training stands is written. Needs no
TensorFlow. Order: the folder, what is kept, what of a training must be the same, signals.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Self, TypeVar

import numpy as np

from diabolo.data import memory
from diabolo.data.shard import Shard
from diabolo.errors import CheckpointError
from diabolo.storage.files import locked, make_folder, write_atomically
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State
from diabolo.training.progress import Progress

ABOUT, LOCK = "run.json", "lock"
CHECKPOINT = re.compile(r"(\d{6,})-(\d{6,})\.safetensors")  # epochs, steps
SCRAP = re.compile(rf"\.{CHECKPOINT.pattern}\..+")  # of a checkpoint that was killed in the making
BEGUN = "checkpoints"  # in run.json, once there is one: then none is an error
KEPT = 2  # checkpoints, so that one that cannot be read is not the end
SHARE = 20  # of the time, one part at most is spent on writing,
SECONDS_BETWEEN = 60.0  # but a checkpoint is never older than this
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """A signal to stop has come, and where the training stands is written."""


class Run:
    """A folder in which one training is kept; a context manager, which holds its lock.

    Args: folder: made where it is missing; resume: whether to go on from what is there, or to begin.
    Raises: CheckpointError where the folder holds a training and `resume` is not given, or the other way round, or
        another process trains there; OutputError where the disk says no.
    """

    def __init__(self, folder: str | Path, *, resume: bool) -> None:
        self._given, self._resume = folder, resume
        self._folder = Path()
        self._held = contextlib.ExitStack()
        self._identity = ""
        self._before: dict[str, Any] = {}
        self._sound: list[Path] = []  # checkpoints that this process has read or written, the oldest first
        self._written, self._cost = time.monotonic(), 0.0

    def __enter__(self) -> Self:
        if self._resume and isinstance(self._given, (str, Path)) and not Path(self._given).is_dir():
            raise CheckpointError(f"{self._given} holds no training to go on with: leave resume (--resume) out.")
        self._folder = make_folder(self._given, "a run")
        with self._held:
            self._check()  # before anything is touched,
            self._held.enter_context(locked(self._folder / LOCK))
            self._check()  # and once more, as another process may have begun in between
            for path in self._folder.iterdir():
                if SCRAP.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            if self._resume:
                self._before = self._read()
            self._held = self._held.pop_all()  # everything holds: keep the lock
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def _check(self) -> None:
        there = bool(self._checkpoints()) or (self._folder / ABOUT).exists()
        if there and not self._resume:
            raise CheckpointError(
                f"{self._folder} holds a training: go on with resume=True (--resume), or choose another folder."
            )
        if not there and self._resume:
            raise CheckpointError(f"{self._folder} holds no training to go on with: leave resume (--resume) out.")

    def _checkpoints(self) -> list[Path]:
        """Return what there is to go on from, the newest first."""
        found = {path: CHECKPOINT.fullmatch(path.name) for path in self._folder.iterdir()}
        # By numbers: a millionth step has one digit more.
        places = {path: tuple(map(int, match.groups())) for path, match in found.items() if match}
        return sorted(places, key=lambda path: places[path], reverse=True)

    def _read(self) -> dict[str, Any]:
        path = self._folder / ABOUT
        try:
            before = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} cannot be read ({error!s:.80}): the run cannot go on.") from error
        known = before.get("settings") if isinstance(before, dict) else None
        if not isinstance(known, dict) or type(known.get("random_state")) is not int:
            raise CheckpointError(f"{path} does not say of what training it is: the run cannot go on.")
        return dict(before)

    def settled(self, name: str) -> Any:
        """Return what a setting was when the run began, which may have been chosen then; None: it begins now."""
        return self._before.get("settings", {}).get(name)

    def begin(self, about: Mapping[str, Any]) -> State | None:
        """Say what training this is, and return where to go on, or None to begin.

        Args: about: JSON values: "settings" and "rows" must be as they were; of the rest a difference is only told.
        Raises: CheckpointError where it is another training, or no checkpoint can be read.
        """
        now = json.loads(json.dumps(about))
        self._identity = hashlib.sha256(json.dumps([now["settings"], now["rows"]], sort_keys=True).encode()).hexdigest()
        if not self._resume:
            self._before = now
            self._write_about()
            return None
        _compare(self._before, now, str(self._folder))
        return self._newest()

    def _write_about(self) -> None:
        content = json.dumps(self._before, indent=1).encode()
        write_atomically(self._folder / ABOUT, lambda file: file.write(content), force=True)

    def _newest(self) -> State | None:
        damaged = []
        for path in self._checkpoints():
            try:
                state = checkpoints.read(path, self._identity)
            except CheckpointError as error:
                damaged.append(path)
                logger.warning("left out: %s", error)
            else:
                logger.info("goes on behind %d epochs and %d steps", state.epochs, state.step)
                self._sound = [path]
                return state
        if damaged:
            raise CheckpointError(
                f"none of the {len(damaged)} checkpoints in {self._folder} can be read: choose another folder to begin "
                f"again."
            )
        if self._before.get(BEGUN):
            raise CheckpointError(
                f"{self._folder} had checkpoints, and they are gone: choose another folder to begin again."
            )
        logger.warning("%s: stopped before a checkpoint was written: begins at the start", self._folder)
        return None

    def train(self, work: Callable[..., T], about: Mapping[str, Any]) -> T:
        """Return work(restored=..., keep=...), which trains; arguments as for `begin`.

        Ctrl-C and SIGTERM act behind the step under way, when where the training stands is written.
        """
        restored = self.begin(about)
        with held_signals() as came:

            def keep(progress: Progress, state: Callable[[], State]) -> None:
                stop = came() is not None
                self.keep(progress, state, now=stop)
                if stop:
                    raise Stopped

            with contextlib.suppress(Stopped):
                return work(restored=restored, keep=keep)
            logger.warning("%s: stopped, go on with resume=True (--resume)", self._folder)
        raise KeyboardInterrupt  # somebody handles the signal in another way: the training is over all the same

    def keep(self, progress: Progress, state: Callable[[], State], *, now: bool = False) -> None:
        """Write where a training stands, if it is time to, and delete what is older than the last two."""
        since = time.monotonic() - self._written
        due = progress.epoch_done and since > SHARE * self._cost
        if not (now or due or since > SECONDS_BETWEEN or (progress.epoch_done and progress.epoch == progress.epochs)):
            return
        started, where = time.monotonic(), state()
        path = self._folder / f"{where.epochs:06d}-{where.step:06d}.safetensors"
        checkpoints.write(path, where, self._identity)
        if not self._before.get(BEGUN):
            self._before[BEGUN] = True
            self._write_about()
        self._sound = [*(each for each in self._sound if each != path), path][-KEPT:]
        if len(self._sound) == KEPT:  # else what cannot be told to be sound may be all there is beside this
            for old in self._checkpoints():
                if old not in self._sound:
                    with contextlib.suppress(OSError):
                        old.unlink()
        self._written = time.monotonic()
        self._cost = self._written - started


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Refuse another training, and tell what else has changed. Raises CheckpointError."""
    changed = [name for name, value in now["settings"].items() if before["settings"].get(name, value) != value]
    if changed or before["settings"].keys() != now["settings"].keys():
        name = changed[0] if changed else ""
        was = f": {name} was {before['settings'][name]!r:.60}, now {now['settings'][name]!r:.60}" if changed else ""
        raise CheckpointError(f"{where} is a training with other settings{was}. Choose another folder.")
    if before.get("memory") != now.get("memory"):
        raise CheckpointError(
            f"{where} is a training that read its rows within {_words(before.get('memory'))} of memory, now "
            f"{_words(now.get('memory'))}, on which their order depends: give --memory "
            f"{before.get('memory') or 'that holds them'}."
        )
    if before.get("rows") != now["rows"]:
        raise CheckpointError(f"{where} is a training on other rows: give those, or choose another folder.")
    if before.get("files") != now.get("files"):
        logger.warning("%s: the files of the rows have changed since it began: the bits may differ", where)
    for name in now.keys() - {"settings", "rows", "memory", "files"}:
        if before.get(name) != now[name]:
            logger.warning("%s was %s, now %s: the bits may differ", name, before.get(name), now[name])


def _words(size: Any) -> str:
    return memory.words(size) if isinstance(size, int) and size > 0 else "as much as they take"


def about(
    settings: Mapping[str, Any],
    shard: Shard,
    versions: Mapping[str, str],
    *,
    within: int = 0,
) -> dict[str, Any]:
    """Return what a run says of its training.

    Args:
        settings: of the estimator, and what follows from them.
        shard: the rows.
        versions: of the packages that decide the bits.
        within: bytes of memory within which rows are read in parts; 0: they are all in memory.
    """
    files = json.dumps(getattr(shard.rows, "files", []))
    rows = [shard.matrix, shard.rows, shard.validation]
    return {
        "settings": dict(settings),
        "rows": [fingerprint(each) for each in rows if each is not None],
        "memory": within,
        "files": hashlib.sha256(files.encode()).hexdigest(),
        "versions": dict(versions),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS") or cores(),
    }


def cores() -> int | None:
    """Return how many cores this process may use, as far as the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def fingerprint(rows: Any) -> str:
    """Return what tells rows (n, ...) from others: all their bytes, or of rows read in parts the first of them."""
    if not hasattr(rows, "dtype"):  # windows
        with contextlib.closing(rows.epoch(0)) as every:
            first = next(every)
            return fingerprint(first.data[first.order[: first.rows]]) + f" of {rows.rows}"
    digest = hashlib.sha256(f"{rows.shape} {rows.dtype}".encode())
    for part in (rows.indptr, rows.indices, rows.data) if hasattr(rows, "indptr") else (rows,):
        digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    return digest.hexdigest()


@contextlib.contextmanager
def held_signals() -> Iterator[Callable[[], int | None]]:
    """Give what tells whether Ctrl-C, SIGTERM or SIGHUP has come; after the block the signal does what it did before.

    Whoever sends a second one does not want to wait: it acts at once. Only the main thread can hold signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []
    # What is ignored, as Ctrl-C is in the background of a shell, stays ignored; a handler of C cannot be put back.
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def take(number: int, frame: FrameType | None) -> None:
        came.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, take)
    try:
        yield lambda: came[0] if came else None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if came:
        signal.raise_signal(came[0])
