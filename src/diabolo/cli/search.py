"""`diabolo search DATA`: try structures and optimizers under a budget, and keep the best model."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from diabolo.cli.checks import check_data, check_settings
from diabolo.cli.options import Cluster, Data, DataDir, Force, Workers, refuse_without_cluster, trains
from diabolo.cli.reading import reads
from diabolo.cli.results import Results, outputs
from diabolo.cli.writing import stem

if TYPE_CHECKING:
    from diabolo.data.sources import Source
    from diabolo.data.splits import Split
    from diabolo.data.tables import Reading
    from diabolo.search import SearchResult
    from diabolo.search.scheduler import Row

SHOWN = 12  # trials in the table
BESIDES = {"trials": "trials.csv", "report": "report.html"}  # what is written in addition to the model and its pictures


@reads()
@trains("latent_dim", "memory", "series", "random_state", random_state=0)
def search(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Model file to write, with a table and a report next to it. Default: DATA.safetensors",
        ),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Time to spend: 90s, 10m, 2h. Default: 10m.")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of trials, instead of --budget. The same seed then gives the same table.")
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(help='A JSON file of what may be chosen: {"structure": ["dense 256"], "batch_size": [64, 128]}.'),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Maximum epochs of a training. Default: 60 with --trials, otherwise 300.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the search, in which it continues. Default: DATA-search.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Database for table and checkpoints: postgresql://... Default: the folder.")
    ] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Train the best once more, on all rows.")] = False,
    refine: Annotated[
        bool,
        typer.Option(help="Give the best model a refined bottleneck: lower error, slower encoding."),
    ] = True,
    test_fraction: Annotated[float, typer.Option(help="Fraction of the rows held back to evaluate the best.")] = 0.1,
    cluster: Cluster = None,
    workers: Workers = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Try structures, activations, noise, batches, optimizers and rates on DATA; write the best, a table, a report.

    A stopped search continues when you run the command again (add --force if its files exist). Ctrl-C writes the best
    model so far. Several processes can work on the same search.
    """
    started = time.perf_counter()

    from diabolo.data.memory import limit
    from diabolo.fitting.evaluation import check_fraction, open_divided
    from diabolo.search.study import check_limits

    work = on("search", cluster, workers)
    check_fraction(test_fraction)
    check_limits(budget, trials, epochs)
    settings |= {"types": dict(how.types) or None, "memory": limit(settings["memory"])}
    asked, checked = _space(space), check_settings(settings)
    check_data(data, how, data_dir, series=checked.series)
    _check_dense(data)
    paths = outputs(output or Path(f"{stem(data)}.safetensors"), force=force)
    more = _besides(paths["model"], force=force)
    rows = open_divided(data, checked, reading=how, data_dir=data_dir, test_fraction=test_fraction).rows
    with live() as report:
        found = work(
            _in_memory(rows, data),
            budget=budget,
            trials=trials,
            space=asked,
            epochs=epochs,
            run=run or Path(f"{stem(data)}-search"),
            storage=storage,
            refit=refit,
            refine=refine,
            report=report,
            **settings,
        )
    results = Results(found.best.model_, rows, time.perf_counter() - started)
    results.write(paths, force=force)
    _write(found, results, more, data, data_dir, force=force)


def on(function: str, cluster: str | None, workers: int | None) -> Callable[..., Any]:
    """Return "search" or "race" of this machine, or that of a cluster. Raises OptionError, MissingExtraError."""
    from functools import partial

    refuse_without_cluster(cluster, workers=workers)
    if cluster is None:
        import diabolo.search

        return cast("Callable[..., Any]", getattr(diabolo.search, function))
    import diabolo.cluster
    from diabolo.checks import whole
    from diabolo.cluster.connection import check_address

    check_address(cluster)
    if workers is not None:
        whole("workers (--workers)", workers, 1)
    return partial(getattr(diabolo.cluster, function), cluster=cluster, workers=workers)


def _check_dense(data: str) -> None:
    """Raise DataError for a sparse matrix."""
    from diabolo.data.readers import scipy_files
    from diabolo.errors import DataError

    if scipy_files.is_matrix(data):
        raise DataError(f"a search needs dense rows, got a sparse matrix: write a part of {data} as a dense .npy.")


def _in_memory(rows: "Split", data: str) -> "Source":
    """Return the training rows. Raises OptionError where they are read in chunks."""
    from diabolo.errors import OptionError

    if rows.source is None:
        raise OptionError(
            f"{data}: a search needs all rows in memory, and they take more than the limit (--memory): raise it, or "
            f"search on fewer rows and train on all with diabolo fit."
        )
    return rows.source


def _besides(model: Path, *, force: bool) -> dict[str, Path]:
    """Return where the table and the report go. Raises OutputError where a file exists."""
    from diabolo.storage import files

    more = {what: model.with_name(f"{model.stem}-{name}") for what, name in BESIDES.items()}
    for path in more.values():
        files.refuse_existing(path, force=force)
    return more


def _write(
    found: "SearchResult", results: Results, paths: dict[str, Path], data: str, data_dir: Path | None, *, force: bool
) -> None:
    """Write the table and the report of a search, and show both in short."""
    from diabolo.cli.show import print_tables
    from diabolo.page import search as searched
    from diabolo.search import report
    from diabolo.storage import files

    files.write_atomically(paths["trials"], lambda file: file.write(as_csv(found.trials).encode()), force=force)
    results.written["trials"] = str(paths["trials"])
    facts = searched.facts(found, stem(data))
    results.write_page(paths["report"], force=force, data=data, data_dir=data_dir, search=facts)
    print_tables(trials_table(found.trials), "", *report.conclusions(found), "")
    results.show()


def as_csv(trials: "Sequence[Row]") -> str:
    """Return the table of trials as CSV."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(trials[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(trials)
    return text.getvalue()


def _space(path: Path | None) -> dict[str, Any] | None:
    """Return the space in a JSON file; a pair of numbers is a range for the names that have one."""
    import json

    from diabolo.errors import OptionError
    from diabolo.search.space import DEFAULT

    if path is None:
        return None
    try:
        asked = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(
            f"--space {path} cannot be read: {reason!s:.120}. Write the space into a JSON file, and name that."
        ) from error
    if not isinstance(asked, dict):
        raise OptionError(f'--space {path}: expected an object such as {{"batch_size": [64, 128]}}.')
    ranges = {name for name, values in DEFAULT.items() if isinstance(values, tuple)} | {"learning_rate"}
    return {name: tuple(each) if name in ranges and _is_pair(each) else each for name, each in asked.items()}


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2


@contextmanager
def live() -> Iterator[Callable[["Sequence[Row]"], None]]:
    """Give a report that shows the table while it grows: live on a terminal, otherwise a line for each trial."""
    if not sys.stderr.isatty():
        yield _say
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=sys.stderr), transient=True, auto_refresh=False) as view:
        yield lambda trials: view.update(trials_table(trials), refresh=True)


def _say(trials: "Sequence[Row]") -> None:
    best, whole = trials[0], sum(row["state"] == "whole" for row in trials)
    print(
        f"{len(trials)} trials begun, {whole} whole; best so far: number {best['number']}, error {best['error']:.4g} "
        f"after {best['epochs']} of {best['of']} epochs",
        file=sys.stderr,
        flush=True,
    )


def trials_table(trials: "Sequence[Row]") -> Any:
    """Return the table of trials, the best first."""
    from diabolo.cli.show import table
    from diabolo.search.report import chosen

    result = table(header=True)
    for head in ("trial", "error", "epochs", "seconds"):
        result.add_column(head, justify="right", no_wrap=True)
    result.add_column("choice")
    for at, row in enumerate(trials[:SHOWN]):
        epochs = f"{row['epochs']}/{row['of']}"
        style = "" if at else "bold"
        result.add_row(
            str(row["number"]), f"{row['error']:.5g}", epochs, f"{row['seconds']:.0f}", chosen(row), style=style
        )
    if len(trials) > SHOWN:
        result.add_row("", "", "", "", f"and {len(trials) - SHOWN} more")
    return result
