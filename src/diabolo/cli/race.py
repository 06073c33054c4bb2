"""`diabolo race DATA`: which optimizer, at which rate, fits the rows and the network."""

from pathlib import Path
from typing import Annotated, Any

import typer

from diabolo.cli.options import (
    Data,
    DataDir,
    Decimal,
    Drop,
    Grayscale,
    Json,
    Latent,
    Query,
    Separator,
    Size,
    SkipBad,
    Types,
    latents,
    names,
    reading,
)
from diabolo.cli.search import live, trials_table


def race(
    data: Data,
    latent_dim: Latent = None,
    structure: Annotated[str, typer.Option(help="As for fit.")] = "dense",
    activation: Annotated[str, typer.Option(help="As for fit.")] = "elu",
    bottleneck: Annotated[str, typer.Option(help="As for fit.")] = "plain",
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 64,
    optimizers: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Who runs. Default: all that fit knows.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of a whole training, which the winner gets.")] = 60,
    run: Annotated[Path | None, typer.Option(help="Folder of the race, which goes on where it was.")] = None,
    random_state: Annotated[int, typer.Option(help="The seed.")] = 0,
    memory: Annotated[str | None, typer.Option(help="What rows may take, such as 2GB.")] = None,
    types: Types = None,
    drop: Drop = None,
    separator: Separator = "",
    decimal: Decimal = ".",
    query: Query = "",
    size: Size = None,
    grayscale: Grayscale = False,
    skip_bad: SkipBad = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let optimizers race on DATA, each at five learning rates, and say who wins; nothing is written but --run.

    All begin; the best third goes on three times as far, and so on, for about a fifth of what all would cost.
    """
    from diabolo.cli.show import print_tables
    from diabolo.data.memory import limit
    from diabolo.data.streams import open_rows
    from diabolo.search import race as work

    how = reading(
        types=types,
        drop=drop,
        separator=separator,
        decimal=decimal,
        query=query,
        size=size,
        grayscale=grayscale,
        skip_bad=skip_bad,
    )
    with live() as report:
        raced = work(
            open_rows(data, limit(memory), data_dir=data_dir, reading=how),
            optimizers=list(names(optimizers)) or None,
            epochs=epochs,
            folder=run,
            random_state=random_state,
            report=report,
            latent_dim=latents(latent_dim),
            structure=structure,
            activation=activation,
            bottleneck=bottleneck,
            batch_size=batch_size,
            types=dict(how.types) or None,
        )
    if json:
        import json as writer

        print(writer.dumps(raced._asdict()))
        return
    print_tables(trials_table(raced.rows), "", *_told(raced, data))


def _told(raced: Any, data: str) -> list[str]:
    share = raced.epochs / raced.epochs_of_all
    whole = f"{raced.epochs:,} epochs were trained, {share:.0%} of the {raced.epochs_of_all:,} of all to their end"
    command = f"diabolo fit {data} --optimizer {raced.optimizer} --learning-rate {raced.learning_rate:g}"
    return [f"the winner: {raced.optimizer} at {raced.learning_rate:g}; {whole}", f"try: {command}"]
