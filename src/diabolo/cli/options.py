"""Arguments that several commands have in common, each explained once.

`reading` has those that say how DATA is read. Order: single options, the settings of a training, the decorator.
"""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from diabolo import missing

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A data set (digits, mnist, fashion-mnist; one part as mnist:test), a file (.npy, .npz, .csv, .tsv, "
        ".parquet, .feather, .jsonl, .json, .xlsx, .ods, .arff, .mat, .h5, IDX; text also as .csv.gz, .bz2, .zst, .xz; "
        "one of several arrays or sheets as rows.npz:X, book.xlsx:Sheet2; .npz of scipy.sparse), a folder or pattern "
        "of files ('parts/*.parquet') or of pictures, a database with --query, or - for standard input.",
    ),
]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, as `diabolo fit` writes it.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Output file: .npy, .npz, .csv, .csv.gz, .parquet, .feather, .jsonl, .json or .xlsx; - writes CSV to "
        "standard output.",
    ),
]
ImageOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Output file: .npy, .npz, .csv, .csv.gz, .parquet, .feather, .jsonl, .json or .xlsx; - writes CSV to "
        "standard output; for images also a folder of PNGs, which get the names of the pictures they come from.",
    ),
]
COLUMNS = "Columns of a table"
Keep = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Columns to copy to the output, such as an id; of pictures: file, which tables have anyway, and label, "
        "its subfolder.",
        rich_help_panel=COLUMNS,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder that holds mnist/ and fashion-mnist/. Default: $DIABOLO_DATA, else fetched once."),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        envvar="RAY_ADDRESS",
        callback=lambda address: None if address == "none" else address,
        help="Work on a Ray cluster: HOST:PORT of its head node; auto, the one of this machine; local, processes of "
        "this machine that are started for it; or none, whatever RAY_ADDRESS says.",
        rich_help_panel="Cluster",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="At most N processes of the cluster that work at the same time. Default: one for each CPU, also of nodes "
        "that join.",
        rich_help_panel="Cluster",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs that exist.")]
Picture = Annotated[Path | None, typer.Option("--picture", "-p", help="Draw the curve: a .png file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

# The settings that commands which train several times take as options.
SEVERAL = (
    "latent_dim",
    "structure",
    "activation",
    "bottleneck",
    "condition",
    "independence",
    "reconstruction_loss",
    "batch_size",
    "epochs",
    "allow_overcomplete",
    "series",
    "random_state",
    "memory",
)

Command = Callable[..., None]

_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?:,|\Z)')  # one with a comma stands within double quotes


def names(text: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas between, as `diabolo.errors.as_option` writes it."""
    found = [(quoted.replace('""', '"') or plain).strip() for quoted, plain in _NAME.findall(text or "")]
    return tuple(name for name in found if name)


def trains(
    *settings: str, unset: tuple[str, ...] = (), by_tensorflow: bool = True, **defaults: Any
) -> Callable[[Command], Command]:
    """Give a command an option for each setting of a training; it gets those that were given as `settings`, a dict.

    Args:
        settings: their names; none: all.
        unset: settings that are left out of the dict where their option is not given, because something else may say
            them.
        by_tensorflow: whether the command needs TensorFlow, which is then said before it does anything.
        defaults: other defaults than those of `Settings`.
    """
    from diabolo.model.settings import DEFAULTS, SETTINGS

    options = {}
    for name in settings or SETTINGS:
        known = SETTINGS[name]
        if known.option is None:
            continue
        written = known.names or ((f"--{name.replace('_', '-')}",) if known.option is bool else ())
        option = typer.Option(*written, help=known.help, metavar=known.metavar, rich_help_panel=known.group or None)
        default = None if name in unset else defaults.get(name, DEFAULTS[name])
        kind = known.option | None if name in unset else known.option
        options[name] = (Annotated[kind, option], default)

    def made(**given: Any) -> dict[str, Any]:
        if by_tensorflow:
            missing.check("tensorflow", "training")
        asked = {name: value for name, value in given.items() if not (name in unset and value is None)}
        if "latent_dim" in asked:
            asked["latent_dim"] = latents(asked["latent_dim"])
        if asked.get("condition") is not None:
            asked["condition"] = list(names(asked["condition"]))
        return asked

    return gathered("settings", options, made, first=True)


def refuse_without_cluster(cluster: str | None, **options: object) -> None:
    """Raise OptionError for options that a cluster alone has. Args: options: by name; None: not given."""
    from diabolo.errors import OptionError

    for name, value in options.items():
        if cluster is None and value is not None:
            raise OptionError(f"--{name} {value} is for a cluster: add --cluster local, auto or HOST:PORT.")


def latents(text: str | None) -> int | str | None:
    """Return what --latent says. Raises OptionError."""
    from diabolo.errors import OptionError
    from diabolo.model.settings import AUTO

    if text is None or text == AUTO:
        return text
    if not (text.isascii() and text.isdigit()):
        raise OptionError(f"--latent must be a whole number of at least 1, or auto, got {text!r:.40}.")
    return int(text)


def gathered(
    argument: str, options: dict[str, Any], make: Callable[..., Any], *, first: bool = False
) -> Callable[[Command], Command]:
    """Return a decorator: a command takes several options in place of one argument, which is made from them."""

    def decorated(command: Command) -> Command:
        @wraps(command)
        def called(**given: Any) -> None:
            made = make(**{name: given.pop(name) for name in options})
            command(**given, **{argument: made})

        # typer reads what a command takes from its signature.
        only = inspect.Parameter.KEYWORD_ONLY
        own = [each for name, each in inspect.signature(command).parameters.items() if name != argument]
        more = [
            inspect.Parameter(name, only, default=default, annotation=kind) for name, (kind, default) in options.items()
        ]
        every = [*more, *own] if first else [*own, *more]  # the order of the help text
        setattr(called, "__signature__", inspect.Signature(every))  # noqa: B010
        called.__annotations__ = {each.name: each.annotation for each in every}
        return called

    return decorated
