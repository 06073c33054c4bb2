"""The folder of a training that can be killed at any moment and resumed from its last checkpoint.

    runs/a/run.json                   what is trained: settings, options, rows, versions, threads, files written
    runs/a/lock                       locked while a process trains here; holds the process number
    runs/a/000012-000000.safetensors  checkpoint after 12 epochs and 0 steps of the next; the last two are kept

Other files in the folder are left alone.

A signal to stop takes effect when the current call of the program has ended and a checkpoint is written. Needs no
TensorFlow. Order: constants, run.json, the folder and its checkpoints, the comparison of settings and rows, signals.
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
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NotRequired, Protocol, Self, TypedDict, TypeVar, cast, runtime_checkable

import numpy as np

from diabolo.data import memory
from diabolo.data.shard import Shard
from diabolo.data.windows import Window, Windows
from diabolo.errors import CheckpointError
from diabolo.network import optimizers
from diabolo.storage.files import locked, make_folder, write_atomically
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State
from diabolo.training.progress import Progress
from diabolo.typing import Array

ABOUT, LOCK = "run.json", "lock"
CHECKPOINT = re.compile(r"(\d{6,})-(\d{6,})\.safetensors")  # epochs, steps
PARTIAL = re.compile(rf"\.{CHECKPOINT.pattern}\..+")  # temporary file of a process that was killed while writing
CHECKPOINTS_KEPT = 2  # checkpoints, in case one cannot be read
WRITING_DIVISOR = 20  # checkpoints are written in at most one twentieth of the time,
SECONDS_BETWEEN = 60.0  # but at least this often
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Stopped(Exception):
    """A signal to stop has come, and the checkpoint is written."""


class Extended(TypedDict):
    """A run that was continued for more epochs than it was begun with."""

    epochs: int  # of the whole training now
    after: int  # epochs that were done then: patience is counted from there


class About(TypedDict):
    """The content of run.json."""

    settings: dict[str, object]  # that the run was begun with
    extended: NotRequired[Extended]
    options: NotRequired[dict[str, object]]  # of the command line, on how DATA is read and where the model goes
    written: NotRequired[dict[str, str]]  # SHA-256 of each file that was written after the training, by its path
    rows: list[str]  # fingerprints
    memory: int  # limit in bytes within which rows are read; 0: all rows are in memory
    files: str  # SHA-256 of name, size and time of each file of rows
    versions: dict[str, str]
    threads: str | int | None
    checkpoints: NotRequired[bool]  # true once a checkpoint was written: from then on it is an error if there is none


@runtime_checkable
class CsrRows(Protocol):
    """Sparse rows: what `fingerprint` needs of a scipy CSR matrix."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    indptr: Array
    indices: Array
    data: Array


def begun(folder: str | Path) -> About:
    """Return what a run was begun with. Raises CheckpointError where the folder holds none, or it cannot be read."""
    path = Path(folder) / ABOUT
    try:
        before = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(_nothing_in(folder)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error!s:.80}): start again without resume (--resume), in another folder."
        ) from error
    known = before.get("settings") if isinstance(before, dict) else None
    whole = ("random_state", "epochs", "latents")
    parts = [before.get(name, {}) for name in ("options", "written", "extended")] if known else []
    valid = isinstance(known, dict) and all(type(known.get(name)) is int for name in whole)
    if not valid or not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(
            f"{path} holds no settings of a training: start again without resume (--resume), in another folder."
        )
    return cast(About, before)


def epochs_of(about: About) -> int:
    """Return the epochs of a run, those that it was continued for included."""
    return about["extended"]["epochs"] if "extended" in about else cast(int, about["settings"]["epochs"])


def own_files(about: About) -> set[Path]:
    """Return the files that are as the run has written them, so that it may replace them."""
    return {Path(path) for path, digest in about.get("written", {}).items() if digest == _sha256(Path(path))}


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _nothing_in(folder: object) -> str:
    return f"{folder} holds no training to go on with: leave resume (--resume) out."


class Run:
    """The folder of one training; a context manager that holds the lock of the folder.

    Args:
        folder: created if it is missing.
        resume: whether to continue the training in the folder; False: the folder must hold none.
        options: of the command line, kept in a new run for `--resume`, JSON values; None: it is begun in Python.

    Raises: CheckpointError where the folder holds a training and `resume` is False, or holds none and it is True, or
        another process trains there; OutputError where a file cannot be written.
    """

    def __init__(self, folder: str | Path, *, resume: bool, options: Mapping[str, object] | None = None) -> None:
        self._given, self._resume, self._options = folder, resume, options
        self._folder = Path()
        self._held = contextlib.ExitStack()
        self._identity = ""
        self._about: About | None = None  # the content of run.json; None: a new training, nothing written yet
        self._valid: list[Path] = []  # checkpoints that this process has read or written, the oldest first
        self._written, self._writing_seconds = time.monotonic(), 0.0
        self._came: Callable[[], int | None] = lambda: None

    def __enter__(self) -> Self:
        if self._resume and isinstance(self._given, (str, Path)) and not Path(self._given).is_dir():
            raise CheckpointError(_nothing_in(self._given))
        self._folder = make_folder(self._given, "a run")
        with self._held:
            self._check()  # before the folder is changed,
            self._held.enter_context(locked(self._folder / LOCK))
            self._check()  # and again, because another process may have begun in between
            for path in self._folder.iterdir():
                if PARTIAL.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            if self._resume:
                self._about = begun(self._folder)
            self._held = self._held.pop_all()  # no error: keep the lock
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
            raise CheckpointError(_nothing_in(self._folder))

    def _checkpoints(self) -> list[Path]:
        """Return the checkpoints in the folder, the newest first."""
        found = {path: CHECKPOINT.fullmatch(path.name) for path in self._folder.iterdir()}
        # Sorted by numbers, not names: a millionth step has one digit more.
        places = {path: tuple(map(int, match.groups())) for path, match in found.items() if match}
        return sorted(places, key=lambda path: places[path], reverse=True)

    @property
    def about(self) -> About | None:
        """What the run was begun with; None for a new run, before `begin`."""
        return self._about

    @property
    def extended_after(self) -> int:
        """The epochs that were done when the run was continued for more epochs; 0: it never was."""
        return self._about["extended"]["after"] if self._about is not None and "extended" in self._about else 0

    def begin(self, about: About) -> State | None:
        """Begin or resume: return the state to continue from, or None to start anew.

        Args: about: as `about` gives it. "settings", "rows" and "memory" must be as before; other differences are
            logged as warnings.
        Raises: CheckpointError where it is another training, or no checkpoint can be read; OutputError.
        """
        now: About = json.loads(json.dumps(about))
        # By the settings that the run was begun with, so that its checkpoints stay readable when epochs are added.
        first = now if self._about is None else self._about
        known = json.dumps([first["settings"], now["rows"]], sort_keys=True)
        self._identity = hashlib.sha256(known.encode()).hexdigest()
        if self._about is None:
            self._about = now
            if self._options is not None:
                self._about["options"] = dict(self._options)
            self._write_about()
            return None
        _compare(self._about, now, str(self._folder))
        state = self._newest(had_checkpoints=self._about.get("checkpoints", False))
        self._extend(now["settings"], 0 if state is None else state.epochs)
        return state

    def _extend(self, settings: Mapping[str, object], done: int) -> None:
        """Raise the number of epochs to that of the settings, and say what changes. Args: done: epochs so far."""
        assert self._about is not None, "begin() comes first"
        before, epochs = epochs_of(self._about), cast(int, settings["epochs"])
        if epochs > before:
            self._about["extended"] = {"epochs": epochs, "after": done}
            self._write_about()
            falls = optimizers.falls(cast("str | None", settings["optimizer"]), str(settings["learning_rate_schedule"]))
            rate = f"; the learning rate follows a new cosine, over all {epochs} epochs" if falls else ""
            logger.warning(
                "%s: continues after epoch %d up to epoch %d (before: %d)%s", self._folder, done, epochs, before, rate
            )
        elif done >= epochs:
            logger.warning(
                "%s: all of its %d epochs are done; to continue, give more, such as epochs=%d (--epochs %d)",
                self._folder,
                epochs,
                2 * epochs,
                2 * epochs,
            )

    def wrote(self, paths: Iterable[Path]) -> None:
        """Remember files that were written after the training, so that they may be replaced when it is continued."""
        assert self._about is not None, "begin() comes first"
        found = {str(path.resolve()): _sha256(path) for path in paths}
        self._about["written"] = {path: digest for path, digest in found.items() if digest is not None}
        self._write_about()

    def _write_about(self) -> None:
        content = json.dumps(self._about, indent=1).encode()
        write_atomically(self._folder / ABOUT, lambda file: file.write(content), force=True)

    def _newest(self, *, had_checkpoints: bool) -> State | None:
        """Return the state in the newest checkpoint that can be read; None: none was written yet."""
        damaged = []
        for path in self._checkpoints():
            try:
                state = checkpoints.read(path, self._identity)
            except CheckpointError as error:
                damaged.append(path)
                logger.warning("left out: %s", error)
            else:
                logger.info("continues after %d epochs and %d steps", state.epochs, state.step)
                self._valid = [path]
                return state
        if damaged:
            raise CheckpointError(
                f"none of the {len(damaged)} checkpoints in {self._folder} can be read: choose another folder to begin "
                f"again."
            )
        if had_checkpoints:
            raise CheckpointError(
                f"{self._folder} had checkpoints, and they are gone: choose another folder to begin again."
            )
        logger.warning(
            "%s: stopped before the first checkpoint was written: it starts again from the first epoch", self._folder
        )
        return None

    def train(self, work: Callable[..., T], about: About) -> T:
        """Return work(restored=..., keep=...), which trains; arguments and errors as for `begin`.

        Ctrl-C and SIGTERM take effect after the current call of the program, when a checkpoint is written.

        Args: work: such as `loop.train` without its last two arguments.
        """
        restored = self.begin(about)
        with delayed_signals() as came:
            self._came = came

            def keep(progress: Progress, state: Callable[[], State]) -> None:
                stop = came() is not None
                self.keep(progress, state, now=stop)
                if stop:
                    raise Stopped

            with contextlib.suppress(Stopped):
                return work(restored=restored, keep=keep)
            logger.warning("%s: stopped, go on with resume=True (--resume)", self._folder)
        raise KeyboardInterrupt  # the user's own handler of the signal did not end the process: end the training

    def stopping(self) -> bool:
        """Return whether a signal to stop has come while `train` works."""
        return self._came() is not None

    def keep(self, progress: Progress, state: Callable[[], State], *, now: bool = False) -> None:
        """Write a checkpoint if one is due, and delete those before the last two.

        Args: progress: of the training; state: returns the state to write; now: write even if none is due.
        Raises: OutputError.
        """
        since = time.monotonic() - self._written
        due = progress.epoch_done and since > WRITING_DIVISOR * self._writing_seconds
        if not (now or due or since > SECONDS_BETWEEN or (progress.epoch_done and progress.epoch == progress.epochs)):
            return
        started, where = time.monotonic(), state()
        path = self._folder / f"{where.epochs:06d}-{where.step:06d}.safetensors"
        checkpoints.write(path, where, self._identity)
        assert self._about is not None, "begin() comes first"
        if not self._about.get("checkpoints"):
            self._about["checkpoints"] = True
            self._write_about()
        self._valid = [*(each for each in self._valid if each != path), path][-CHECKPOINTS_KEPT:]
        if len(self._valid) == CHECKPOINTS_KEPT:  # otherwise an older file, which may be damaged, is the only other one
            for old in self._checkpoints():
                if old not in self._valid:
                    with contextlib.suppress(OSError):
                        old.unlink()
        self._written = time.monotonic()
        self._writing_seconds = self._written - started


def _compare(before: About, now: About, where: str) -> None:
    """Raise CheckpointError for another training; log other differences as warnings."""
    known = before["settings"] | {"epochs": now["settings"]["epochs"]}
    if cast(int, now["settings"]["epochs"]) < epochs_of(before):
        known["epochs"] = epochs_of(before)
    changed = [name for name, value in now["settings"].items() if known.get(name, value) != value]
    if changed or before["settings"].keys() != now["settings"].keys():
        name = changed[0] if changed else ""
        was = f": {name} was {known[name]!r:.60}, now {now['settings'][name]!r:.60}" if changed else ""
        raise CheckpointError(f"{where} is a training with other settings{was}. Choose another folder.")
    if before.get("memory") != now.get("memory"):
        raise CheckpointError(
            f"{where}: the training began with its rows {_words(before.get('memory'))}, now they are "
            f"{_words(now.get('memory'))}, which changes their order: add {_remedy(before.get('memory'))}, or choose "
            f"another folder."
        )
    if before.get("rows") != now["rows"]:
        raise CheckpointError(f"{where} is a training on other rows: give those, or choose another folder.")
    if before.get("files") != now.get("files"):
        logger.warning(
            "%s: the data files have changed since the training began: its model may differ from that of an "
            "uninterrupted training",
            where,
        )
    for name in now.keys() - {"settings", "rows", "memory", "files"}:
        if before.get(name) != now.get(name):
            logger.warning(
                "%s was %s when the training began and is %s now: its model may differ from that of an uninterrupted "
                "training",
                name,
                before.get(name),
                now.get(name),
            )


def _words(size: object) -> str:
    if isinstance(size, int) and size > 0:
        return f"read in chunks within {memory.words(size)} of memory"
    return "all in memory"


def _remedy(size: object) -> str:
    return f"memory={size} (--memory {size})" if size else "a larger memory= (--memory) in which all rows fit"


def about(
    settings: Mapping[str, object],
    shard: Shard,
    versions: Mapping[str, str],
    *,
    within: int = 0,
) -> About:
    """Return the facts of a training that run.json holds.

    Args:
        settings: of the estimator, with those that were chosen from the rows; JSON values.
        shard: the rows.
        versions: of the packages that the bits depend on.
        within: limit in bytes within which rows are read in chunks; 0: all rows are in memory.
    """
    files = json.dumps(getattr(shard.rows, "files", []))
    rows: list[Array | CsrRows | Windows] = [
        part for part in (shard.matrix, shard.rows, shard.validation, shard.chosen) if part is not None
    ]
    return {
        "settings": dict(settings),
        "rows": [fingerprint(each) for each in rows],
        "memory": within,
        "files": hashlib.sha256(files.encode()).hexdigest(),
        "versions": dict(versions),
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS") or cores(),
    }


def cores() -> int | None:
    """Return how many cores this process may use; None: unknown."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def fingerprint(rows: Array | CsrRows | Windows) -> str:
    """Return a text that identifies rows (n, ...): a hash of all their bytes, or of the first window of windows."""
    if not isinstance(rows, (np.ndarray, CsrRows)):
        with contextlib.closing(cast("Generator[Window, None, None]", rows.epoch(0))) as every:
            first = next(every)
            return fingerprint(first.data[first.order[: first.rows]]) + f" of {rows.rows}"
    digest = hashlib.sha256(f"{rows.shape} {rows.dtype}".encode())
    for part in (rows,) if isinstance(rows, np.ndarray) else (rows.indptr, rows.indices, rows.data):
        digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    return digest.hexdigest()


@contextlib.contextmanager
def delayed_signals() -> Iterator[Callable[[], int | None]]:
    """Delay Ctrl-C, SIGTERM and SIGHUP until the block ends; yield a function that returns the one that came.

    A second signal takes effect at once. Only the main thread can delay signals; in another one nothing is delayed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []
    # Ignored signals (Ctrl-C in the background of a shell) stay ignored; a handler written in C cannot be restored.
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
