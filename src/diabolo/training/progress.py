"""What training reports while it runs, and how it is shown: `verbose` means the same wherever it is a setting.

A terminal and the command line get it on stderr, as results go to stdout; a notebook on stdout, because it shows stderr
as an error. Loads nothing heavy, so that the command line can decide before TensorFlow is there.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

from diabolo.errors import OptionError

BAR = 24  # characters of a bar in a notebook


class Progress(NamedTuple):
    """Where a training stands: about twice a second, and once at the end of each epoch."""

    epoch: int  # from 1
    epochs: int
    step: int  # steps done in this epoch
    steps: int  # steps of an epoch
    logs: dict[str, float]  # means over the rows of this epoch so far; "val_..." of the last epoch that ended
    rows_per_second: float
    seconds_left: float  # until the last epoch, if nothing stops it early
    epoch_done: bool

    @property
    def loss(self) -> float:
        """Mean over the rows of this epoch so far; in nats a row where the loss is this library's."""
        return self.logs["loss"]

    @property
    def val_loss(self) -> float | None:
        """Mean over the validation rows after the last epoch that ended."""
        return self.logs.get("val_loss")


Report = Callable[[Progress], None]


def quiet(progress: Progress) -> None:
    """Show nothing."""


def verbosity(verbose: Any) -> int | str:
    """Return `verbose` as 0, 1, 2 or "auto"; NumPy's numbers and booleans count as Python's. Raises OptionError."""
    value = verbose.item() if type(verbose).__module__ == "numpy" and getattr(verbose, "ndim", 1) == 0 else verbose
    if isinstance(value, int) and value in (0, 1, 2):
        return int(value)
    if isinstance(value, str) and value == "auto":
        return "auto"
    raise OptionError(
        "verbose must be 0 or False (nothing), 1 or True (a progress bar), 2 (a line per epoch) or 'auto', "
        f"got {verbose!r:.60}."
    )


@contextmanager
def shown(verbose: Any = 1) -> Iterator[Report]:
    """Give a report that shows as much as `verbose` says.

    Args: verbose: 0 or False: nothing; 1 or True: a progress bar, in a file or a pipe a line per epoch instead; 2: a
        line per epoch; "auto": a bar on a terminal or in a notebook, else nothing.
    Raises: OptionError.
    """
    wanted = verbosity(verbose)
    notebook = in_notebook()
    where = sys.stdout if notebook else sys.stderr
    live = notebook or (where is not None and where.isatty())
    if wanted == "auto":
        wanted = int(live)
    if wanted == 0 or where is None:
        yield quiet
    elif wanted == 2 or not live:
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
    """Steps done, and steps of all epochs."""
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
    """One line that is written over itself, and at the end says how the training went.

    It needs neither ipywidgets nor HTML, which a notebook that is not trusted does not show. A tool that executes
    notebooks may keep all that is written: of a long training a hundredth of its time passes between two updates.
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
    if best is not None and first == 1:  # else there were epochs that were not seen here
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
