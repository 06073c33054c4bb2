"""`diabolo advise DATA`: which optimizer and learning rate are likely to suit, before anything is trained."""

from typing import TYPE_CHECKING, Any

from diabolo.cli.checks import to_train_on
from diabolo.cli.options import SEVERAL, Data, DataDir, Json, trains
from diabolo.cli.reading import reads
from diabolo.cli.writing import as_json, fit_command

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

SHOWN = 8  # candidates in the table


@reads()
@trains(*SEVERAL, by_tensorflow=False, random_state=0)
def advise(
    *, how: "Reading", settings: dict[str, Any], data: Data, data_dir: DataDir = None, json: Json = False
) -> None:
    """Show which optimizers and rates are likely to suit DATA, from races on other data. Needs no TensorFlow."""
    from diabolo.autoencoder import Autoencoder
    from diabolo.cli.show import print_tables, table
    from diabolo.data.sources import Source

    rows, settings = to_train_on(data, how, settings, data_dir)
    said = Autoencoder(**settings).advise(rows)
    if json:
        print(as_json(said))
        return
    shown = table(header=True)
    for head in ("optimizer", "learning rate", "above the best", "+-"):
        shown.add_column(head, justify="left" if head == "optimizer" else "right", no_wrap=True)
    for at, each in enumerate(said.answers[:SHOWN]):
        style = "" if at else "bold"
        shown.add_row(
            each.optimizer, f"{each.learning_rate:g}", f"{each.excess:.1%}", f"{each.spread:.1%}", style=style
        )
    first = said.answers[0]
    print_tables(
        shown,
        "",
        f"loss expected after {settings['epochs']} epochs; the most similar problems: {', '.join(said.alike)}",
        f"try: {fit_command('--optimizer', first.optimizer, '--learning-rate', f'{first.learning_rate:g}')}",
        *([f"measure it: {fit_command().replace(' fit ', ' race ', 1)}"] if isinstance(rows, Source) else []),
    )
