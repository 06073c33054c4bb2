"""The progress of a training, and its display: `verbose` means the same wherever it is a setting.

A terminal and the command line show it on stderr, because results go to stdout; a notebook shows it on stdout, because
it marks stderr as an error. No heavy import, so that the command line can use it before TensorFlow is loaded.

Order: the progress, `verbose`, the display, its three forms (lines, one line of a notebook, a bar).
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO

from diabolo.errors import OptionError

BAR = 24  # characters of a bar in a notebook


class Progress(NamedTuple):
    """The progress of a training, reported about twice a second and at the end of each epoch."""

    epoch: int  # from 1
    epochs: int
    step: int  # steps done in this epoch
    steps: int  # steps of an epoch
    logs: dict[str, float]  # means over the rows of this epoch so far; "val_...": after the last epoch that ended
    rows_per_second: float
    seconds_left: float  # until the end of the last epoch, without early stopping
    epoch_done: bool

    @property
    def loss(self) -> float:
        """Mean loss over the rows of this epoch so far; nats per row for the losses of this library."""
        return self.logs["loss"]

    @property
    def val_loss(self) -> float | None:
        """Mean loss over the validation rows after the last epoch that ended; None: no validation so far."""
        return self.logs.get("val_loss")


Report = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Show nothing."""


def verbosity(verbose: object) -> int | str:
    """Return `verbose` as 0, 1, 2 or "auto"; numbers and booleans of NumPy are accepted. Raises OptionError."""
    is_numpy = type(verbose).__module__ == "numpy" and getattr(verbose, "ndim", 1) == 0
    item = getattr(verbose, "item", None) if is_numpy else None
    value = verbose if item is None else item()
    if isinstance(value, int) and value in (0, 1, 2):
        return int(value)
    if isinstance(value, str) and value == "auto":
        return "auto"
    raise OptionError(
        "verbose must be 0 or False (nothing), 1 or True (a progress bar), 2 (a line per epoch) or 'auto', "
        f"got {verbose!r:.60}."
    )


@contextmanager
def display(verbose: object = 1) -> Iterator[Report]:
    """Yield a function that displays the progress it is called with.

    Args: verbose: 0 or False: nothing; 1 or True: a progress bar, in a file or a pipe a line per epoch instead; 2: a
        line per epoch; "auto": a bar on a terminal or in a notebook, otherwise nothing.
    Raises: OptionError.
    """
    level = verbosity(verbose)
    notebook = in_notebook()
    where = sys.stdout if notebook else sys.stderr
    live = notebook or (where is not None and where.isatty())
    if level == "auto":
        level = int(live)
    if level == 0 or where is None:
        yield quiet
    elif level == 2 or not live:
        yield _lines(where)
    else:
        with _line(where) if notebook else _bar(where) as report:
            yield report


def in_notebook() -> bool:
    """Whether this process runs the cells of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _facts(progress: Progress) -> str:
    facts = [f"{_name(name)} {value:.4g}" for name, value in progress.logs.items()]
    if progress.rows_per_second:
        facts.append(f"{progress.rows_per_second:,.0f} rows/s")
    return "  ".join(facts)


def _name(log: str) -> str:
    if log == "val_loss":
        return "validation"
    return f"validation {log[4:]}" if log.startswith("val_") else log


def _done(progress: Progress) -> tuple[int, int]:
    """Return the steps done and the steps of all epochs."""
    return (progress.epoch - 1) * progress.steps + progress.step, progress.epochs * progress.steps


def _left(progress: Progress) -> str:
    return "{}:{:02} left".format(*divmod(round(progress.seconds_left), 60))


def _lines(where: TextIO) -> Report:
    def report(progress: Progress) -> None:
        if progress.epoch_done:
            place = f"epoch {progress.epoch:>{len(str(progress.epochs))}}/{progress.epochs}"
            print(f"{place}  {_facts(progress)}", file=where, flush=True)

    return report


@contextmanager
def _line(where: TextIO) -> Iterator[Report]:
    """Yield a report that overwrites one line, and at the end writes a summary of the training.

    It needs neither ipywidgets nor HTML, which an untrusted notebook does not show. A tool that executes notebooks may
    keep all output, so a long training updates the line once per hundredth of its time.
    """
    began = time.monotonic()
    written, width, first = -math.inf, 0, 0
    last: Progress | None = None
    best: tuple[float, int] | None = None

    def write(text: str, end: str = "") -> None:
        nonlocal width
        print(f"\r{text:<{width}}", end=end, file=where, flush=True)
        width = len(text)

    def report(progress: Progress) -> None:
        nonlocal written, first, last, best
        now, last, first = time.monotonic(), progress, first or progress.epoch
        if progress.epoch_done and progress.val_loss is not None and (best is None or progress.val_loss < best[0]):
            best = progress.val_loss, progress.epoch
        if now - written > max(0.2, (now - began) / 100):
            written = now
            done, steps = _done(progress)
            bar = "█" * (BAR * done // steps)
            write(f"epoch {progress.epoch}/{progress.epochs} {bar:░<{BAR}} {_facts(progress)}  {_left(progress)}")

    write("compiling")
    try:
        yield report
    except BaseException:
        write("stopped" if last is None else f"stopped in epoch {last.epoch} of {last.epochs}: {_facts(last)}", "\n")
        raise
    if last is None:
        write("nothing was left to train", "\n")
        return
    facts = [f"{_name(name)} {value:.4g}" for name, value in last.logs.items()]
    if best is not None and first == 1:  # a resumed training had epochs that were not reported here
        facts.append(f"lowest validation {best[0]:.4g} in epoch {best[1]}")
    count = f"{last.epoch} epoch{'s' * (last.epoch != 1)}"
    count = count if last.epoch == last.epochs else f"{last.epoch} of {last.epochs} epochs"
    write(f"{count} in {{}}:{{:02}}: {', '.join(facts)}".format(*divmod(round(time.monotonic() - began), 60)), "\n")


@contextmanager
def _bar(where: TextIO) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.fields[facts]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=Console(file=where), transient=True) as bar:
        task = bar.add_task("", total=None, epoch="", facts="compiling", left="")

        def report(progress: Progress) -> None:
            done, steps = _done(progress)
            place = f"{progress.epoch}/{progress.epochs}"
            bar.update(task, total=steps, completed=done, epoch=place, facts=_facts(progress), left=_left(progress))

        yield report
