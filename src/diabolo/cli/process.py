"""The process of the command line: its streams and its signals, whatever state the caller left them in.

Cron jobs and daemons start programs with closed streams, terminals hang up, disks become full. None of that
may cost a result, leave unfinished files, or end in a traceback.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from types import FrameType

from diabolo.model import privacy
from diabolo.storage import files

RETRY_SECONDS = 0.01  # tries to stop where an import is running
arrived: list[int] = []  # numbers of the signals that asked this process to end, the first one first


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived: clean up, and end."""


def prepare() -> None:
    """Make the process of a command ready. Only for a process that belongs to Diabolo, before anything else is done."""
    _open_closed_streams()
    # TensorFlow logs processor flags and missing graphics cards; to see them, set the variable to 0.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    privacy.contain_command()


def handle_signals() -> None:
    """End on SIGTERM and SIGHUP as on Ctrl-C: by an exception, so that whatever is unfinished is removed."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # An ignored signal stays ignored: nohup ignores SIGHUP, and a shell ignores Ctrl-C for background jobs.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    if _imports(frame):
        # An exception would end the process at once, without cleaning up, where a C++ extension calls Python while it
        # is loaded, as those of ONNX do.
        again = threading.Timer(RETRY_SECONDS, signal.raise_signal, [number])
        again.daemon = True
        again.start()
        return
    arrived.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    for each in (number, signal.SIGTERM):  # a second one would cut the cleaning short
        signal.signal(each, signal.SIG_IGN)
    raise Terminated


def _imports(frame: FrameType | None) -> bool:
    """Whether a frame runs within an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def ignore_signals() -> None:
    """Ignore signals from now on: while Python ends, they have no handler any more."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def stop_before(output: Path) -> None:
    """Let signals stop this process until an output is complete, and ignore them when it gets its name.

    What is left to do then takes a second at most, such as drawing pictures. A process that a signal ended must leave
    no output.
    """
    files.before_naming = partial(_ignore_for, output)


def _ignore_for(output: Path, path: Path) -> None:
    if path != output:
        return
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_IGN)


def say(message: str) -> None:
    """Print a line on standard error, if that can be written to."""
    print("diabolo:", " ".join(message.split("\n")), file=sys.stderr)


def discard(stream: int) -> None:
    """Redirect a stream that can no longer be written to the null device: its flush at the exit would fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _open_closed_streams() -> None:
    """Open closed standard streams on the null device: the first file to be opened would take their place."""
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    errors = sys.stderr if isinstance(sys.stderr, io.TextIOWrapper) else None
    encoding = "utf-8" if errors is None else errors.encoding
    sys.stderr = _Lenient(
        open(2, "wb", closefd=False) if errors is None else errors.detach(),  # noqa: SIM115
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
    # A terminal that cannot show a character of a file name shows its code instead.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class _Lenient(io.TextIOWrapper):
    """Standard error: if it is full or closed, messages are lost, but the work continues."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()
