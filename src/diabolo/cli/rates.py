"""`diabolo rates DATA`: a learning-rate range test."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import (
    Data,
    DataDir,
    Force,
    Json,
    Picture,
    as_json,
    check_training,
    draw,
    fit_command,
    png,
    reads,
    to_train_on,
    trains,
)

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
    picture: Picture = None,
    data_dir: DataDir = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Let the learning rate rise over 300 steps on DATA, until the loss does, and say which rate suits."""
    from diabolo.search import range_test

    check_training(data, how, settings | {"optimizer": optimizer}, data_dir)
    png(picture, force=force)
    rows, settings = to_train_on(data, how, settings, data_dir)
    found = range_test(rows, optimizer=optimizer, **settings)
    draw(picture, "rates", found, force=force)
    if json:
        print(as_json(found))
        return
    least = min(range(len(found.losses)), key=lambda at: found.losses[at])
    print(f"the loss fell until {found.rates[least]:.2g}, to {found.losses[least]:.4g} nats a row")
    chosen = ("--optimizer", optimizer, "--learning-rate", f"{found.learning_rate:g}")
    print(f"try: {fit_command(*chosen, without=('--optimizer',))}")
    if picture is not None:
        print(picture)
