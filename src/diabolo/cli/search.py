"""`diabolo search DATA`: try structures and optimizers under a budget, and keep the best model."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.fit import check_held_back, outputs, read_judged, show_results, write_results
from diabolo.cli.options import Data, DataDir, Force, Latent, check_data, check_settings, latents, reads, stem

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

SHOWN = 12  # trainings in the table


@reads()
def search(
    *,
    how: "Reading",
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
        int | None, typer.Option(help="How many trainings to begin; with one seed the same table each time.")
    ] = None,
    latent_dim: Latent = None,
    space: Annotated[
        Path | None,
        typer.Option(help='A JSON file of what may be chosen: {"structure": ["dense 256"], "batch_size": [64, 128]}.'),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of a whole training, at most. Default: 300 in a budget of time, else 60.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of the search, which goes on where it was. Default: DATA-search."),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Where the table is kept: postgresql://... Default: SQLite in the folder.")
    ] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Train the best once more, on all rows.")] = False,
    refine: Annotated[
        bool, typer.Option(help="Have the best go on from the guess of its encoder: errs less, encodes more slowly.")
    ] = True,
    test_fraction: Annotated[float, typer.Option(help="Share of the rows held back to judge the best by.")] = 0.1,
    random_state: Annotated[int, typer.Option(help="The seed.")] = 0,
    memory: Annotated[str | None, typer.Option(help="What rows may take, such as 2GB.")] = None,
    series: Annotated[
        bool, typer.Option("--series", help="Arrays of three axes are series (n, time, channels), not grey images.")
    ] = False,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Try structures, activations, noise, batches, optimizers and rates on DATA; write the best, a table, a report.

    Stopped in any way and called again, a search goes on where it was; several processes may work at one. Ctrl-C
    ends it with the best so far.
    """
    started = time.perf_counter()

    from diabolo.autoencoder import Autoencoder
    from diabolo.cli.show import print_tables
    from diabolo.data.memory import limit
    from diabolo.data.readers import scipy_files
    from diabolo.errors import DataError, OptionError
    from diabolo.report.diagnosis import diagnose
    from diabolo.report.summary import summarise
    from diabolo.search import report as searched
    from diabolo.search import search as work
    from diabolo.search.study import check_limits
    from diabolo.storage import files

    check_held_back(test_fraction, random_state)
    check_limits(budget, trials, epochs)
    at_most, asked, latent = limit(memory), _space(space), latents(latent_dim)
    check_settings(Autoencoder(latent, random_state=random_state, types=dict(how.types) or None, series=series))
    check_data(data, how, data_dir, series=series)
    if scipy_files.is_matrix(data):
        raise DataError(f"a search needs dense rows, got a sparse matrix: write a part of {data} as a dense .npy.")
    paths = outputs(output or Path(f"{stem(data)}.safetensors"), force=force)
    beside = {"trials": "trials.csv", "report": "report.html"}
    more = {what: paths["model"].with_name(f"{paths['model'].stem}-{name}") for what, name in beside.items()}
    for path in more.values():
        files.refuse_existing(path, force=force)
    _, rows = read_judged(data, data_dir, how, at_most, 256, test_fraction, random_state, series=series)
    if rows.source is None:
        raise OptionError(f"{data} is more than fits in memory: search on a part of it, and fit on the whole.")
    with live() as report:
        found = work(
            rows.source,
            budget=budget,
            trials=trials,
            space=asked,
            latent_dim=latent,
            epochs=epochs,
            folder=run or Path(f"{stem(data)}-search"),
            storage=storage,
            refit=refit,
            refine=refine,
            random_state=random_state,
            types=dict(how.types) or None,
            series=series,
            report=report,
        )
    model = found.best.model_
    judge, evaluated_on = (rows.sample, "training") if rows.test is None else (rows.test, "test")
    summary = summarise(
        model,
        rows.sample,
        judge,
        evaluated_on=evaluated_on,
        test_rows=0 if rows.test is None else len(rows.test),
        seconds=time.perf_counter() - started,
    )
    findings = diagnose(model, judge)
    drawn = write_results(model, judge, None, summary.columns, paths, force=force)
    told = searched.as_page(found, summary, drawn, [str(each) for each in findings], stem(data))
    files.write_atomically(more["trials"], lambda file: file.write(as_csv(found.trials).encode()), force=force)
    files.write_atomically(more["report"], lambda file: file.write(told.encode()), force=force)
    print_tables(trials_table(found.trials), "", *searched.conclusions(found), "")
    show_results(summary, model.record, {what: str(path) for what, path in (paths | more).items()}, findings)


def as_csv(trials: list[dict[str, Any]]) -> str:
    """Return the table of trainings as CSV."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(trials[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(trials)
    return text.getvalue()


def _space(path: Path | None) -> dict[str, Any] | None:
    """Return the space in a JSON file; a pair of numbers under a name that has a range is one."""
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


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


@contextmanager
def live() -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    """Give what shows the table while it grows: live on a terminal, else a line for each training."""
    if not sys.stderr.isatty():
        yield _say
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=sys.stderr), transient=True, auto_refresh=False) as view:
        yield lambda trials: view.update(trials_table(trials), refresh=True)


def _say(trials: list[dict[str, Any]]) -> None:
    best, whole = trials[0], sum(row["state"] == "whole" for row in trials)
    print(
        f"{len(trials)} begun, {whole} whole; best so far: number {best['number']}, error {best['error']:.4g} after "
        f"{best['epochs']} of {best['of']} epochs",
        file=sys.stderr,
        flush=True,
    )


def trials_table(trials: list[dict[str, Any]]) -> Any:
    """Return the table of trainings, the best first."""
    from diabolo.cli.show import table
    from diabolo.search.report import chosen

    result = table(header=True)
    for head in ("training", "error", "epochs", "seconds"):
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
