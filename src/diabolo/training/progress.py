"""What training says while it runs, and who shows it: a bar on a terminal, plain lines elsewhere, nobody by default.

Loads nothing heavy, so that the command line can decide before TensorFlow is there.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO


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


@contextmanager
def shown(where: TextIO | None = None) -> Iterator[Report]:
    """Give a report that draws a bar if `where` (default stderr) is a terminal, and else writes lines."""
    where = where or sys.stderr
    if where.isatty():
        with _bar(where) as report:
            yield report
    else:
        yield _lines(where)


@contextmanager
def for_people() -> Iterator[Report]:
    """Give a report that shows a bar where a person looks, a terminal or a notebook, and nothing elsewhere."""
    if sys.stderr.isatty() or "ipykernel" in sys.modules:
        with _bar(sys.stderr) as report:
            yield report
    else:
        yield quiet


def _facts(progress: Progress) -> str:
    validation = "" if progress.val_loss is None else f"  validation {progress.val_loss:.4g}"
    speed = f"  {progress.rows_per_second:,.0f} rows/s" if progress.rows_per_second else ""
    return f"loss {progress.loss:.4g}{validation}{speed}"


def _lines(where: TextIO) -> Report:
    def report(progress: Progress) -> None:
        if progress.epoch_done:
            place = f"epoch {progress.epoch:>{len(str(progress.epochs))}}/{progress.epochs}"
            print(f"{place}  {_facts(progress)}", file=where, flush=True)

    return report


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
            bar.update(
                task,
                total=progress.epochs * progress.steps,
                completed=(progress.epoch - 1) * progress.steps + progress.step,
                epoch=f"{progress.epoch}/{progress.epochs}",
                facts=_facts(progress),
                left="{}:{:02} left".format(*divmod(round(progress.seconds_left), 60)),
            )

        yield report
