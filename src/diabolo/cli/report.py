"""`diabolo report MODEL [DATA]`: one file to look at, print and send."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from diabolo.cli.options import Command, DataDir, Force, ModelPath, gathered, names
from diabolo.cli.reading import OF_KNOWN_COLUMNS, reads

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.model.model import Model
    from diabolo.page.document import Page

MaybeData = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]", help="Rows to show, as for fit: a data set, a file, a folder. Default: the model alone."
    ),
]
MostRows = Annotated[
    int | None,
    typer.Option(help="The most rows in the page, spread evenly over DATA. Default: 10,000, of a server all; 0: all."),
]
Label = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The column of DATA to colour rows by. Not needed for data sets and subfolders."
    ),
]
Maps = Annotated[
    str | None,
    typer.Option(
        "--map",
        metavar="tsne|umap|pacmap,...",
        help="Maps of the latents in addition to PCA; they are cached. umap and pacmap need the extra maps.",
    ),
]
Without = Annotated[
    str | None,
    typer.Option(
        metavar="originals|labels|decoder,...",
        help="What the page must not contain: original values, labels, the weights of the model.",
    ),
]
OnlyModel = Annotated[bool, typer.Option("--only-model", help="The model and its training alone, without any row.")]
WithEncoder = Annotated[
    bool, typer.Option("--encoder", help="Put even a large encoder into the file, so that rows can be edited.")
]
ReportOutput = Annotated[
    Path | None, typer.Option("--output", "-o", help="The page to write. Default: MODEL-report.html")
]


class Shown(NamedTuple):
    """What a page shows, and what it must not contain. Attributes: those of the options."""

    rows: int | None
    label: str | None
    maps: str | None
    without: str | None
    only_model: bool
    encoder: bool

    def most(self, otherwise: int | None) -> int | None:
        """Return how many rows a page has at most. Raises OptionError."""
        from diabolo.errors import OptionError

        if self.rows is not None and self.rows < 0:
            raise OptionError(f"--rows must be at least 0 (0: all rows), got {self.rows}.")
        return otherwise if self.rows is None else self.rows or None

    def asked(self, model: Path) -> dict[str, Any]:
        """Return the same as arguments of `diabolo.page.views`. Args: model: the file."""
        return {
            "labels": self.label,
            "maps": names(self.maps),
            "without": names(self.without),
            "only_model": self.only_model,
            "file": model.name,
        }


OPTIONS: dict[str, tuple[Any, Any]] = {
    "rows": (MostRows, None),
    "label": (Label, None),
    "maps": (Maps, None),
    "without": (Without, None),
    "only_model": (OnlyModel, False),
    "encoder": (WithEncoder, False),
}


def shows() -> Callable[[Command], Command]:
    """Give a command the options of a page; it gets them as `shown`."""
    return gathered("shown", OPTIONS, Shown)


@reads(*OF_KNOWN_COLUMNS)
@shows()
def report(
    *,
    how: "Reading",
    shown: Shown,
    model: ModelPath,
    data: MaybeData = None,
    output: ReportOutput = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write a page that shows MODEL and what it does with DATA: one file that needs no network.

    It shows a summary, the best and the worst rows, the error of each column, a map of the latents, what each latent
    changes, and anomalies. It also contains the explorer: drag through the latent space, and the page decodes.
    """
    path = output or model.with_name(f"{model.stem}-report.html")
    write(model, data, path, how, shown, view="report", data_dir=data_dir, force=force)


def write(
    model: Path,
    data: str | None,
    path: Path,
    how: "Reading",
    shown: Shown,
    *,
    view: str,
    data_dir: Path | None,
    force: bool,
) -> None:
    """Write a page, and say what it contains. Raises DataError, OptionError, OutputError."""
    from diabolo.page import views
    from diabolo.page.document import page_path
    from diabolo.storage.files import refuse_existing

    trained, most = read_model(model, data, how, shown, data_dir), shown.most(views.FILE_ROWS)
    refuse_existing(page_path(path), force=force)
    asked = shown.asked(model) | {"view": view, "encoder": shown.encoder}
    page = views.make(trained, data, rows=most, reading=how, data_dir=data_dir, **asked)
    say(page, page.save(path, force=force))


def read_model(model: Path, data: str | None, how: "Reading", shown: Shown, data_dir: Path | None) -> "Model":
    """Return the model of a page, after a check of all that can be checked before rows are read.

    Raises: DataError, ModelFileError, OptionError.
    """
    from diabolo.cli.checks import check_data, check_swapped
    from diabolo.errors import OptionError
    from diabolo.model import file as modelfile

    if data is None:
        if (shown.label, shown.maps, shown.rows) != (None, None, None):
            raise OptionError("--label, --map and --rows need rows: add DATA after MODEL.")
        return modelfile.load(model)
    check_swapped(model, data)
    trained = modelfile.load(model)
    check_data(data, how, data_dir, fitted=True)
    return trained


def say(page: "Page", path: Path) -> None:
    """Print where a page is, how large it is and what it contains."""
    facts = page.header
    rows = facts["rows"]
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(facts["contents"])
    if rows is not None and rows["count"] < rows["total"]:
        print(f"It has {rows['count']:,} of {rows['total']:,} rows, {rows['which']} (--rows 0 for all).")
    if rows is None:
        return
    if facts["decoder"] is None and "the weights of the model" not in facts["left"]:
        print("It has no decoder, because the model is too large for a file: use diabolo explore.")
    elif facts["encoder"] is None and "the weights of the model" not in facts["left"]:
        print("Rows cannot be edited in it, because the encoder would make it larger: add --encoder.")
