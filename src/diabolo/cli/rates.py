"""`diabolo rates DATA`: a learning-rate range test."""

from typing import TYPE_CHECKING, Any

from diabolo.cli.checks import check_training, to_train_on
from diabolo.cli.options import SEVERAL, Data, DataDir, Force, Json, Picture, trains
from diabolo.cli.reading import reads
from diabolo.cli.writing import as_json, draw, fit_command, png

if TYPE_CHECKING:
    from diabolo.data.tables import Reading


@reads()
@trains(*(name for name in SEVERAL if name != "epochs"), "optimizer", random_state=0, optimizer="adamw:0.1")
def rates(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    picture: Picture = None,
    data_dir: DataDir = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Let the learning rate rise over 300 steps on DATA, until the loss rises, and print a rate that suits."""
    from diabolo.search import range_test

    check_training(data, how, settings, data_dir)
    png(picture, force=force)
    rows, settings = to_train_on(data, how, settings, data_dir)
    found = range_test(rows, **settings)
    draw(picture, "rates", found, force=force)
    if json:
        print(as_json(found))
        return
    least = min(range(len(found.losses)), key=lambda at: found.losses[at])
    print(f"lowest loss {found.losses[least]:.4g} per row, in nats, at a learning rate of {found.rates[least]:.2g}")
    chosen = ("--optimizer", settings["optimizer"], "--learning-rate", f"{found.learning_rate:g}")
    print(f"try: {fit_command(*chosen, without=('--optimizer',))}")
    if picture is not None:
        print(picture)
