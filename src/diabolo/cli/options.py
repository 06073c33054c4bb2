"""Arguments that several commands share, each explained once."""

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A data set (digits, mnist, fashion-mnist; one part as mnist:test), a file (.npy, .npz, .csv, .tsv, "
        ".parquet, IDX; one array of several as rows.npz:X; .npz of scipy.sparse), a folder or pattern of files "
        "('parts/*.parquet') or of pictures, or - for standard input.",
    ),
]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, as `diabolo fit` writes it.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to write: .npy, .npz, .csv, .parquet, or - for CSV here.")
]
ImageOutput = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Where to write: .npy, .npz, .csv, .parquet, - for CSV here, or for images a folder."
    ),
]
Latent = Annotated[
    str | None,
    typer.Option(
        "--latent",
        "--latent-dim",
        "-l",
        metavar="NUMBER|auto",
        help="Numbers in a latent. Default: 32, or a quarter of the features; auto: as many as a first training needs.",
    ),
]
COLUMNS = "Columns of a table"
Types = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=KIND,...",
        help="Kinds of columns where what is inferred will not do: number, count, boolean, category, date.",
        rich_help_panel=COLUMNS,
    ),
]
Drop = Annotated[str | None, typer.Option(metavar="NAME,...", help="Columns to leave out.", rich_help_panel=COLUMNS)]
Keep = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Columns to copy to the output, such as an id; of pictures: file, and label, its subfolder.",
        rich_help_panel=COLUMNS,
    ),
]
Separator = Annotated[
    str,
    typer.Option(help="Between cells of a CSV file. Default: the first line tells.", rich_help_panel=COLUMNS),
]
Decimal = Annotated[str, typer.Option(help="The decimal mark of a CSV file.", rich_help_panel=COLUMNS)]
PICTURES = "Pictures"
Size = Annotated[
    str | None,
    typer.Option(metavar="HEIGHTxWIDTH", help="Resize pictures to it; one number is both.", rich_help_panel=PICTURES),
]
Grayscale = Annotated[bool, typer.Option("--grayscale", help="Turn colours to grey.", rich_help_panel=PICTURES)]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Leave out pictures that cannot be read, and list them.", rich_help_panel=PICTURES),
]
Query = Annotated[
    str,
    typer.Option(
        metavar="SQL",
        help="What to read of DATA that is a DuckDB database (.duckdb, .db): 'select ...'.",
        rich_help_panel=COLUMNS,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder that holds mnist/ and fashion-mnist/. Default: $DIABOLO_DATA, else fetched once."),
]
Command = Callable[..., None]
Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs that exist.")]
Picture = Annotated[Path | None, typer.Option("--picture", "-p", help="Draw the curve: a .png file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def stem(data: str) -> str:
    """Return what files made from `data` are called: mnist:test gives mnist-test, a/b.npz:X b-X, parts/*.npy parts."""
    from diabolo.data.tables import STDIN

    if data == "-" or Path(data).stem == STDIN:
        return "rows"
    if any(mark in data for mark in "*?["):
        data = next((part for part in reversed(Path(data).parts) if not any(mark in part for mark in "*?[")), "rows")
    name = (Path(data).name or Path(data).resolve().name).removesuffix(".gz").replace(".npz:", "-").replace(":", "-")
    name = name.strip("-")
    return name.removesuffix(Path(name).suffix) or "rows"


def latents(text: str | None) -> int | str | None:
    """Return what --latent says. Raises OptionError."""
    from diabolo.errors import OptionError
    from diabolo.fitting.automatic.latents import AUTO

    if text is None or text == AUTO:
        return text
    if not (text.isascii() and text.isdigit()):
        raise OptionError(f"--latent must be a whole number of at least 1, or auto, got {text!r:.40}.")
    return int(text)


def check_data(
    data: str,
    how: "Reading | None",
    data_dir: Path | None,
    *,
    series: bool = False,
    fitted: bool = False,
    keep: tuple[str, ...] = (),
) -> None:
    """Raise OptionError or DataError where DATA is not there, or an option means nothing for it; read no more of it.

    What is wrong with the options is said before what is wrong with the outputs, which are looked at next.
    """
    from diabolo.data.sources import names_data_set, open_source
    from diabolo.data.streams import check_options, columns_of
    from diabolo.data.tables import Reading
    from diabolo.errors import DataError, unknown

    how = how or Reading()
    if data != "-" and not names_data_set(data):
        there = Path(data).exists() or any(mark in data for mark in "*?[") or ".npz:" in data
        if not there:
            open_source(data)  # which says so
    check_options(data, how, data_dir, series=series, fitted=fitted)
    known = columns_of(data, how) if keep else ()
    for name in keep:
        if known and name not in known:
            raise DataError(unknown("column", name, known))


def check_settings(estimator: Any) -> None:
    """Raise OptionError for a setting of an `Autoencoder` that no rows could make right."""
    from diabolo.errors import OptionError, unknown
    from diabolo.model.record import PARTS
    from diabolo.network.structures import check_words
    from diabolo.parts import from_text

    settings = estimator.checked_settings()
    if type(settings["latent_dim"]) is int and settings["latent_dim"] < 1:
        raise OptionError(f"latent_dim must be a whole number of at least 1, got {settings['latent_dim']}.")
    check_words(settings["structure"], settings["activation"])
    for name, table in PARTS.items():
        written = settings[name]
        if written in (None, "auto"):
            continue
        kind = written.partition(":")[0]
        if kind not in table:
            raise OptionError(unknown(name, kind, table))
        if name != "bottleneck":  # whose settings depend on how many latents there are
            from_text(name, table, written)


def check_training(data: str, how: "Reading", settings: dict[str, Any], data_dir: Path | None) -> None:
    """Raise OptionError or DataError where `to_train_on` would, as far as it can be told before rows are read."""
    from diabolo.autoencoder import Autoencoder
    from diabolo.data.memory import limit

    limit(settings["memory"])
    check_settings(Autoencoder(**settings))
    check_data(data, how, data_dir, series=settings["series"])


def check_swapped(model: Path | None, data: str) -> None:
    """Raise OptionError where MODEL and DATA stand in each other's place."""
    import shlex

    from diabolo.errors import OptionError
    from diabolo.model.file import SUFFIX

    if model is not None and data.endswith(SUFFIX) and model.suffix != SUFFIX:
        swapped = shlex.join(["diabolo", sys.argv[1], data, str(model)])
        raise OptionError(f"MODEL comes first, and {data} is called like one: did you mean {swapped}?")


def to_train_on(
    data: str, how: "Reading", settings: dict[str, Any], data_dir: Path | None
) -> tuple[Any, dict[str, Any]]:
    """Return DATA opened, or its sparse matrix, and the settings of the `Autoencoder` that is to learn it.

    Raises: as `check_training`, and for what only the rows tell.
    """
    check_training(data, how, settings, data_dir)
    from diabolo.data.memory import limit
    from diabolo.data.readers import scipy_files
    from diabolo.data.streams import COPIES, open_rows

    at_most, settings = limit(settings["memory"]), settings | {"types": dict(how.types) or None}
    if scipy_files.is_matrix(data):
        return scipy_files.read(Path(data), at_most // COPIES), settings
    return open_rows(data, at_most, data_dir=data_dir, reading=how), settings


def png(path: Path | None, *, force: bool) -> None:
    """Raise OptionError or OutputError where --picture cannot be."""
    from diabolo.errors import OptionError
    from diabolo.storage import files

    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise OptionError(f"--picture must end in .png, got {str(path)!r:.60}.")
    files.refuse_existing(path, force=force)


def draw(picture: Path | None, plot: str, found: Any, *, force: bool) -> None:
    """Write the picture that was asked for. Args: plot: the function of diabolo.report.pictures that draws."""
    from diabolo.report import pictures
    from diabolo.storage import files

    if picture is not None:
        figure = getattr(pictures, plot)(found)
        files.write_atomically(picture, lambda file: pictures.save(figure, file), force=force)


def as_json(value: Any) -> str:
    """Return a value as strict JSON: what is not finite is null."""
    import json
    import math

    def plain(each: Any) -> Any:
        if isinstance(each, float):
            return each if math.isfinite(each) else None
        if isinstance(each, dict):
            return {name: plain(item) for name, item in each.items()}
        if hasattr(each, "_asdict"):
            return plain(each._asdict())
        return [plain(item) for item in each] if isinstance(each, (list, tuple)) else each

    return json.dumps(plain(value), allow_nan=False)


def fit_command(*chosen: str, without: tuple[str, ...] = ()) -> str:
    """Return the `diabolo fit` that trains what the command at hand looked at, with what it chose.

    Args: chosen: options and their values; without: options with a value that are not for fit, or are chosen now.
    """
    import shlex

    kept, skip = list[str](), False
    for word in sys.argv[2:]:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in (*without, "--picture", "-p", "--run"):
            skip = not equals
        elif name not in ("--json", "--force") and not name.startswith("-p"):  # -pFILE
            kept.append(word)
    return shlex.join(["diabolo", "fit", *kept, *chosen])


def names(text: str | None) -> tuple[str, ...]:
    """Return the names of columns in a list parted by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


# How DATA is to be read: what a command decorated by `reads` takes in place of `how`.
READING = {
    "types": (Types, None),
    "drop": (Drop, None),
    "separator": (Separator, ""),
    "decimal": (Decimal, "."),
    "query": (Query, ""),
    "size": (Size, None),
    "grayscale": (Grayscale, False),
    "skip_bad": (SkipBad, False),
}
OF_TABLES = ("types", "drop", "separator", "decimal", "query")
OF_KNOWN_COLUMNS = ("separator", "decimal", "query", "size", "grayscale", "skip_bad")  # a model knows the rest


def reads(*options: str) -> Callable[[Command], Command]:
    """Give a command options of READING, all or those named; it gets what they say as `how`, a `Reading`."""
    return _gathered("how", {name: READING[name] for name in options or READING}, reading)


# What is trained, of commands that train several times: what a command decorated by `trains` takes as `settings`.
NETWORK = {
    "latent_dim": (Latent, None),
    "structure": (Annotated[str, typer.Option(help="As for fit.")], "dense"),
    "activation": (Annotated[str, typer.Option(help="As for fit.")], "elu"),
    "bottleneck": (Annotated[str, typer.Option(help="As for fit.")], "plain"),
    "reconstruction_loss": (Annotated[str, typer.Option(help="As for fit.")], "auto"),
    "batch_size": (Annotated[int, typer.Option(help="Rows a step.")], 64),
    "epochs": (Annotated[int, typer.Option(help="Of a whole training.")], 50),
    "allow_overcomplete": (
        Annotated[bool, typer.Option("--allow-overcomplete", help="Accept as many latents as features, or more.")],
        False,
    ),
    "series": (Annotated[bool, typer.Option("--series", help="As for fit.")], False),
    "random_state": (Annotated[int, typer.Option(help="The seed.")], 0),
    "memory": (Annotated[str | None, typer.Option(help="What rows may take, such as 2GB.")], None),
}


def trains(*without: str) -> Callable[[Command], Command]:
    """Give a command the options of NETWORK but some; it gets what they say as `settings`, a dict."""
    return _gathered("settings", {name: each for name, each in NETWORK.items() if name not in without}, _settings)


def _settings(**given: Any) -> dict[str, Any]:
    return given | ({"latent_dim": latents(given["latent_dim"])} if "latent_dim" in given else {})


def _gathered(argument: str, options: dict[str, Any], make: Callable[..., Any]) -> Callable[[Command], Command]:
    """Return a decorator: in place of one argument a command takes several options, of which that one is made."""

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
        setattr(called, "__signature__", inspect.Signature([*own, *more]))  # noqa: B010
        called.__annotations__ = {each.name: each.annotation for each in (*own, *more)}
        return called

    return decorated


def reading(
    *,
    types: str | None = None,
    drop: str | None = None,
    separator: str = "",
    decimal: str = ".",
    query: str = "",
    size: str | None = None,
    grayscale: bool = False,
    skip_bad: bool = False,
) -> "Reading":
    """Return how files are to be read. Raises OptionError."""
    from diabolo.data.readers import csv_form, images
    from diabolo.data.tables import Reading
    from diabolo.errors import OptionError

    kinds = {}
    for item in names(types):
        name, equals, kind = item.rpartition("=")
        if not equals or not name:
            raise OptionError(f"--types expected NAME=KIND, such as city=category, got {item!r}.")
        kinds[name] = kind
    separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
    for what, mark in (("--separator", separator or ","), ("--decimal", decimal)):
        if len(mark) != 1:
            raise OptionError(f"{what} must be one letter, got {mark!r}.")
    look = images.Look(_size(size), grayscale, _skipped if skip_bad else None)
    form = csv_form.Options(separator, decimal)
    return Reading(types=kinds, drop=names(drop), form=form, look=look, query=query, typed=True)


def _size(text: str | None) -> tuple[int, int] | None:
    from diabolo.errors import OptionError

    if text is None:
        return None
    sizes = text.lower().split("x")
    if len(sizes) > 2 or not all(size.isascii() and size.isdigit() and 0 < int(size) <= 1 << 14 for size in sizes):
        raise OptionError(f"--size expected HEIGHTxWIDTH, such as 64x48, got {text!r:.40}.")
    return int(sizes[0]), int(sizes[-1])


def _skipped(path: Path, reason: str) -> None:
    print(f"diabolo: left out: {reason}", file=sys.stderr)
