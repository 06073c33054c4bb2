"""`diabolo race DATA`: which optimizer, at which rate, fits the rows and the network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import Data, DataDir, Json, as_json, fit_command, names, reads, to_train_on, trains
from diabolo.cli.search import live, trials_table

if TYPE_CHECKING:
    from diabolo.data.tables import Reading


FASTER = 1.5  # times as fast is worth a word
WITHOUT = ("--optimizers", "--equal")  # options that fit does not know


@reads()
@trains()
def race(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    optimizers: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Who runs. Default: all that `diabolo advise` knows.")
    ] = None,
    equal: Annotated[
        str, typer.Option(help="What all trainings have alike: epochs, or time, because some optimizers take longer.")
    ] = "epochs",
    run: Annotated[Path | None, typer.Option(help="Folder of the race, which goes on where it was.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let optimizers race on DATA, each at five learning rates, and say who wins; nothing is written but --run.

    Those that promise most by races on other rows run a third of the epochs, the best of them all: together a fifth
    of what all would cost.
    """
    from diabolo.cli.show import print_tables
    from diabolo.search import race as work

    rows, settings = to_train_on(data, how, settings, data_dir)
    with live() as report:
        raced = work(
            rows,
            optimizers=None if optimizers is None else list(names(optimizers)),
            equal=equal,
            folder=run,
            report=report,
            **settings,
        )
    if json:
        print(as_json(raced))
        return
    print_tables(trials_table(raced.rows), "", *_told(raced))


def _told(raced: Any) -> list[str]:
    share = raced.epochs / raced.epochs_of_all
    whole = f"{raced.epochs:,} epochs were trained, {share:.0%} of the {raced.epochs_of_all:,} of all to their end"
    chosen = ("--optimizer", raced.optimizer, "--learning-rate", f"{raced.learning_rate:g}")
    return [
        f"the winner: {raced.optimizer} at {raced.learning_rate:g}; {whole}",
        *_cheaper(raced.rows),
        f"try: {fit_command(*chosen, without=WITHOUT)}",
    ]


def _cheaper(rows: list[dict[str, Any]]) -> list[str]:
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
