"""`diabolo search DATA`: try structures and optimizers under a budget, and keep the best model."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.fit import outputs, read_judged, show_results, write_results
from diabolo.cli.options import Data, DataDir, Force, Latent, latents, reads, stem

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

SHOWN = 12  # trainings in the table
SAME = 0.02  # of the error: what is nearer is no difference


@reads()
def search(
    *,
    how: "Reading",
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Model file to write. Default: DATA.safetensors; the table beside it."),
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
    test_fraction: Annotated[float, typer.Option(help="Share of the rows held back to judge the best by.")] = 0.1,
    random_state: Annotated[int, typer.Option(help="The seed.")] = 0,
    memory: Annotated[str | None, typer.Option(help="What rows may take, such as 2GB.")] = None,
    series: Annotated[
        bool, typer.Option("--series", help="Arrays of three axes are series (n, time, channels), not grey images.")
    ] = False,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Try structures, activations, noise, batches, optimizers and rates on DATA; write the best model and the table.

    Stopped in any way and called again, a search goes on where it was; several processes may work at one. Ctrl-C
    ends it with the best so far.
    """
    started = time.perf_counter()
    paths = outputs(output or Path(f"{stem(data)}.safetensors"), force=force)

    from diabolo import files
    from diabolo.data.memory import limit
    from diabolo.errors import OptionError
    from diabolo.report.diagnosis import diagnose
    from diabolo.report.summary import summarise
    from diabolo.search import search as work

    table = paths["model"].with_name(f"{paths['model'].stem}-trials.csv")
    files.refuse_existing(table, force=force)
    if not 0 <= test_fraction < 1:
        raise OptionError(f"--test-fraction must be in [0, 1), got {test_fraction}.")
    at_most = limit(memory)
    _, rows = read_judged(data, data_dir, how, at_most, 256, test_fraction, random_state, series=series)
    if rows.source is None:
        raise OptionError(f"{data} is more than fits in memory: search on a part of it, and fit on the whole.")
    with live() as report:
        found = work(
            rows.source,
            budget=budget,
            trials=trials,
            space=_space(space),
            latent_dim=latents(latent_dim),
            epochs=epochs,
            folder=run or Path(f"{stem(data)}-search"),
            storage=storage,
            refit=refit,
            random_state=random_state,
            types=dict(how.types) or None,
            series=series,
            report=report,
        )
    model = found.best.model_
    judge, judged_on = (rows.sample, "training") if rows.test is None else (rows.test, "test")
    summary = summarise(
        model,
        rows.sample,
        judge,
        judged_on=judged_on,
        test_rows=0 if rows.test is None else len(rows.test),
        seconds=time.perf_counter() - started,
    )
    write_results(model, judge, None, summary.columns, paths, force=force)
    files.write_atomically(table, lambda file: file.write(as_csv(found.trials).encode()))
    written = {what: str(path) for what, path in paths.items()} | {"trials": str(table)}
    _table(found)
    show_results(summary, model.record, written, diagnose(model, judge))


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
        raise OptionError(f"--space {path} cannot be read: {error!s:.120}.") from error
    if not isinstance(asked, dict):
        raise OptionError(f'--space {path}: expected an object such as {{"batch_size": [64, 128]}}.')
    ranges = {name for name, values in DEFAULT.items() if isinstance(values, tuple)} | {"learning_rate"}
    return {name: tuple(each) if name in ranges and isinstance(each, list) else each for name, each in asked.items()}


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

    result = table(header=True)
    for head in ("training", "error", "epochs", "seconds"):
        result.add_column(head, justify="right", no_wrap=True)
    result.add_column("choice")
    about = ("number", "error", "epochs", "of", "seconds", "state", "reason")
    for at, row in enumerate(trials[:SHOWN]):
        chosen = [_choice(name, value) for name, value in row.items() if name not in about and value is not None]
        words = row["reason"] or ", ".join(chosen)
        epochs = f"{row['epochs']}/{row['of']}"
        style = "" if at else "bold"
        result.add_row(str(row["number"]), f"{row['error']:.5g}", epochs, f"{row['seconds']:.0f}", words, style=style)
    if len(trials) > SHOWN:
        result.add_row("", "", "", "", f"and {len(trials) - SHOWN} more")
    return result


def _choice(name: str, value: Any) -> str:
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"


def _table(found: Any) -> None:
    from diabolo.cli.show import print_tables

    print_tables(trials_table(found.trials), "", *_told(found), "")


def _told(found: Any) -> list[str]:
    """Return in words what mattered, and which trainings are as good as the best."""
    told = []
    if found.importance:
        shares = [f"{name} {share:.0%}" for name, share in list(found.importance.items())[:4]]
        told.append(f"what mattered for the first error: {', '.join(shares)}")
    best, *others = [row for row in found.trials if row["state"] == "whole"] or found.trials[:1]
    close = [row["number"] for row in others if row["error"] <= best["error"] + SAME * abs(best["error"])]
    if close:
        told.append(f"as good as the best within {SAME:.0%}: {', '.join(map(str, close))}")
    stopped = [row for row in found.trials if row["state"] == "stopped"]
    if stopped and len(found.trials) > 1 and not others:
        told.append("one training alone came to its end: a longer --budget would tell more")
    return told
