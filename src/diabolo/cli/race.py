"""`diabolo race DATA`: which optimizer, at which rate, fits the rows and the network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.checks import to_train_on
from diabolo.cli.options import SEVERAL, Cluster, Data, DataDir, Json, Workers, names, trains
from diabolo.cli.reading import reads
from diabolo.cli.search import live, on, trials_table
from diabolo.cli.writing import as_json, fit_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diabolo.data.tables import Reading
    from diabolo.fitting import Evaluation
    from diabolo.search import RaceResult
    from diabolo.search.scheduler import Row


FASTER = 1.5  # an optimizer that many times as fast is mentioned
WITHOUT = ("--optimizers", "--equal", "--cluster", "--workers")  # options that the fit does not need


@reads()
@trains(*SEVERAL, random_state=0)
def race(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    optimizers: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Optimizers to try. Default: all that `diabolo advise` knows."),
    ] = None,
    equal: Annotated[
        str,
        typer.Option(help="What each training gets the same amount of: epochs, or time (fairer to fast optimizers)."),
    ] = "epochs",
    run: Annotated[Path | None, typer.Option(help="Folder of the race; a race continues in its own folder.")] = None,
    cluster: Cluster = None,
    workers: Workers = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Train with several optimizers on DATA, each at five learning rates, and print the best; only --run is written.

    The pairs that did best on other data train for a third of the epochs, and the best of these for all epochs: a fifth
    of the cost of training every pair to its end.
    """
    from diabolo.cli.show import print_tables

    work = on("race", cluster, workers)
    rows, settings = to_train_on(data, how, settings, data_dir)
    with live() as report:
        raced = work(
            rows,
            optimizers=None if optimizers is None else list(names(optimizers)),
            equal=equal,
            run=run,
            report=report,
            **settings,
        )
    if json:
        print(as_json(raced))
        return
    print_tables(trials_table(raced.trials), "", *_conclusion(raced))


def _conclusion(raced: "RaceResult") -> list[str]:
    share = raced.epochs / raced.epochs_of_all
    whole = f"{raced.epochs:,} epochs were trained, {share:.0%} of the {raced.epochs_of_all:,} of all pairs"
    chosen = ("--optimizer", raced.optimizer, "--learning-rate", f"{raced.learning_rate:g}")
    return [
        f"the winner: {raced.optimizer} at {raced.learning_rate:g}; {whole}",
        _compared(raced.evaluation),
        *_cheaper(raced.trials),
        f"try: {fit_command(*chosen, without=WITHOUT)}",
    ]


def _compared(evaluation: "Evaluation") -> str:
    """Return in words how good the network of the winner is, compared with PCA."""
    where = f"on {evaluation.rows:,} {evaluation.evaluated_on} rows"
    found = f"its error is {evaluation.error:.4g}, that of PCA {evaluation.pca_error:.4g} ({where}, {evaluation.unit})"
    return f"PCA reconstructs better than the winner: {found}" if evaluation.error > evaluation.pca_error else found


def _cheaper(rows: "Sequence[Row]") -> list[str]:
    """Return in words which other whole training took far less time, where one did."""
    best, *others = [row for row in rows if row["state"] == "whole"] or rows[:1]
    quick = [
        row for row in others if row["optimizer"] != best["optimizer"] and FASTER * row["seconds"] < best["seconds"]
    ]
    return [
        f"{row['optimizer']} times {row['rate']:g} took {row['seconds'] / best['seconds']:.0%} of its seconds for an "
        f"error {row['error'] / best['error'] - 1:.1%} higher"
        for row in quick[:1]
        if best["error"] > 0
    ]
