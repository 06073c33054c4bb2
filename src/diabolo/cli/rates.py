"""`diabolo rates DATA`: a learning-rate range test."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import Data, DataDir, Force, Json, as_json, fit_command, png, reads, trains

if TYPE_CHECKING:
    from diabolo.data.tables import Reading


@reads()
@trains("epochs")
def rates(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    optimizer: Annotated[str, typer.Option(help="As for fit.")] = "adamw:0.1",
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Draw the loss against the rate: a .png file.")
    ] = None,
    data_dir: DataDir = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Let the learning rate rise over 300 steps on DATA, until the loss does, and say which rate suits."""
    from diabolo import files
    from diabolo.data.memory import limit
    from diabolo.data.streams import open_rows
    from diabolo.search import range_test

    png(picture, force=force)
    rows = open_rows(data, limit(settings["memory"]), data_dir=data_dir, reading=how)
    found = range_test(rows, optimizer=optimizer, **settings, types=dict(how.types) or None)
    if picture is not None:
        from diabolo.report import pictures

        files.write_atomically(picture, lambda file: pictures.save(pictures.rates(found), file))
    if json:
        print(as_json(found))
        return
    least = min(range(len(found.losses)), key=lambda at: found.losses[at])
    print(f"the loss fell until {found.rates[least]:.2g}, to {found.losses[least]:.4g} nats a row")
    chosen = ("--optimizer", optimizer, "--learning-rate", f"{found.learning_rate:g}")
    print(f"try: {fit_command(*chosen, without=('--optimizer',))}")
    if picture is not None:
        print(picture)
