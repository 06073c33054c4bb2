"""Arguments that several commands have in common, each explained once."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.model.settings import Settings

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
Types = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=KIND,...",
        help="Kinds of columns where the inferred kind is wrong: number, count, boolean, category, date.",
        rich_help_panel=COLUMNS,
    ),
]
Drop = Annotated[str | None, typer.Option(metavar="NAME,...", help="Columns to leave out.", rich_help_panel=COLUMNS)]
Keep = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Columns to copy to the output, such as an id; of pictures: file, which tables have anyway, and label, "
        "its subfolder.",
        rich_help_panel=COLUMNS,
    ),
]
TEXT_TABLES = "Text tables (.csv, .tsv, .txt, .data, .dat)"
Separator = Annotated[
    str,
    typer.Option(
        help="Between cells: one letter, tab, or a blank for one or more blanks. Default: found from the first lines.",
        rich_help_panel=TEXT_TABLES,
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line names the columns. Default: found from its cells.",
        show_default=False,
        rich_help_panel=TEXT_TABLES,
    ),
]
Skip = Annotated[int, typer.Option(metavar="LINES", help="Lines at the top to leave out.", rich_help_panel=TEXT_TABLES)]
Comment = Annotated[
    str,
    typer.Option(
        metavar="MARK",
        help="Leave out lines that begin with it. Default: # where such lines are no rows.",
        rich_help_panel=TEXT_TABLES,
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        help="Such as cp1252, latin-1, mac-roman, utf-16. Default: UTF-8, or found from the letters.",
        rich_help_panel=TEXT_TABLES,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse columns from which nothing can be learnt, such as ids and free text; else they are left out.",
        rich_help_panel=COLUMNS,
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT,...",
        help="Texts or numbers that stand for a missing cell, besides NA, ?, - and the like.",
        rich_help_panel=COLUMNS,
    ),
]
Dates = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help="How dates are written, such as %d/%m/%Y %H:%M. Default: found from the cells.",
        rich_help_panel=COLUMNS,
    ),
]
Thousands = Annotated[
    str,
    typer.Option(help="The mark between thousands. Default: found from the cells.", rich_help_panel=COLUMNS),
]
Decimal = Annotated[
    str, typer.Option(help="The decimal mark, . or , - Default: found from the cells.", rich_help_panel=COLUMNS)
]
PICTURES = "Pictures"
Size = Annotated[
    str | None,
    typer.Option(metavar="WIDTHxHEIGHT", help="Resize pictures to it; one number is both.", rich_help_panel=PICTURES),
]
Fit = Annotated[
    str,
    typer.Option(
        metavar="crop|pad|stretch",
        help="What --size does with pictures of other proportions: cut out the middle, add black borders, or stretch "
        "them. Default: stretch, and say so.",
        rich_help_panel=PICTURES,
    ),
]
Grayscale = Annotated[bool, typer.Option("--grayscale", help="Turn colours to grey.", rich_help_panel=PICTURES)]
Color = Annotated[
    bool,
    typer.Option("--color", help="Turn grey pictures to colour, and drop transparency.", rich_help_panel=PICTURES),
]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Leave out pictures that cannot be read, and list them.", rich_help_panel=PICTURES),
]
Query = Annotated[
    str,
    typer.Option(
        metavar="SQL",
        help="What to read of DATA that is a database: a file of DuckDB or SQLite (.duckdb, .db, .sqlite), or an "
        "address such as postgresql://...: 'select ...'.",
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
    """Return the name of files made from `data`: mnist:test gives mnist-test, a/b.npz:X b-X, parts/*.npy parts."""
    import re

    from diabolo.data.tables import STDIN

    if data == "-" or Path(data).stem == STDIN:
        return "rows"
    if "://" in data:
        data = data.partition("?")[0].rpartition("/")[2]
    if any(mark in data for mark in "*?["):
        data = next((part for part in reversed(Path(data).parts) if not any(mark in part for mark in "*?[")), "rows")
    found = re.fullmatch(r"(.*[^:/\\]{2}):(.*)", data)  # one letter before a colon is a drive
    file, part = (found[1], re.sub(r"\W+", "-", found[2]).strip("-")) if found else (data, "")
    name = re.sub(r"\.(gz|bz2|zst|xz)$", "", Path(file).name or Path(file).resolve().name, flags=re.IGNORECASE)
    return "-".join(each for each in (name.removesuffix(Path(name).suffix), part) if each) or "rows"


def latents(text: str | None) -> int | str | None:
    """Return what --latent says. Raises OptionError."""
    from diabolo.errors import OptionError
    from diabolo.model.settings import AUTO

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
    """Raise OptionError or DataError where DATA does not exist, or an option has no effect on it; read no rows.

    Errors in options are reported before errors in outputs, which are checked next.
    """
    from diabolo.data.kinds import named_part, names_data_set
    from diabolo.data.opening import check_options, columns_of, open_source
    from diabolo.data.tables import Reading
    from diabolo.errors import DataError, unknown

    how = how or Reading()
    if data != "-" and not names_data_set(data):
        there = Path(data).exists() or any(mark in data for mark in "*?[") or ".npz:" in data or "://" in data
        there = there or named_part(data) is not None
        if not there:
            open_source(data)  # which says so
    check_options(data, how, data_dir, series=series, fitted=fitted)
    known = columns_of(data, how) if keep else ()
    for name in keep:
        if known and name not in known:
            raise DataError(unknown("column", name, known))


def check_settings(given: Mapping[str, object]) -> "Settings":
    """Return settings, checked as far as is possible before rows are read. Raises OptionError."""
    from diabolo.checks import is_whole
    from diabolo.data.memory import limit
    from diabolo.errors import OptionError
    from diabolo.model.settings import Settings

    seed = given.get("random_state")
    if not is_whole(seed, 0) or int(str(seed)) >= 2**32:
        raise OptionError(f"--random-state must be a whole number from 0 to 2**32 - 1, got {seed}.")
    settings = Settings.of(given).seeded()
    limit(settings.memory)  # which only this can check
    return settings


def check_training(data: str, how: "Reading", settings: Mapping[str, object], data_dir: Path | None) -> None:
    """Raise OptionError or DataError where `to_train_on` would, as far as is possible before rows are read."""
    check_data(data, how, data_dir, series=check_settings(settings).series)


def check_swapped(model: Path | None, data: str) -> None:
    """Raise OptionError where MODEL and DATA are swapped."""
    import shlex

    from diabolo.errors import OptionError
    from diabolo.model.file import SUFFIX

    if model is not None and data.endswith(SUFFIX) and model.suffix != SUFFIX:
        swapped = shlex.join(["diabolo", sys.argv[1], data, str(model)])
        raise OptionError(f"MODEL comes first, and {data} has the name of a model: did you mean {swapped}?")


def to_train_on(
    data: str, how: "Reading", settings: dict[str, Any], data_dir: Path | None
) -> tuple[Any, dict[str, Any]]:
    """Return DATA opened, or its sparse matrix, and the settings of the `Autoencoder` to train on it.

    Raises: as `check_training`, and for what is wrong with the rows.
    """
    check_training(data, how, settings, data_dir)
    from diabolo.data.memory import COPIES_IN_TRAINING, limit
    from diabolo.data.opening import open_rows
    from diabolo.data.readers import scipy_files

    at_most, settings = limit(settings["memory"]), settings | how.as_settings()
    if scipy_files.is_matrix(data):
        return scipy_files.read(Path(data), at_most // COPIES_IN_TRAINING), settings
    return open_rows(data, at_most, data_dir=data_dir, reading=how), settings


def png(path: Path | None, *, force: bool) -> None:
    """Raise OptionError or OutputError where --picture cannot be written."""
    from diabolo.errors import OptionError
    from diabolo.storage import files

    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise OptionError(f"--picture must end in .png, got {str(path)!r:.60}.")
    files.refuse_existing(path, force=force)


def draw(picture: Path | None, plot: str, found: Any, *, force: bool) -> None:
    """Write the picture, if any. Args: plot: name of the function of diabolo.report.pictures that draws it."""
    from diabolo.report import pictures
    from diabolo.storage import files

    if picture is not None:
        figure = getattr(pictures, plot)(found)
        files.write_atomically(picture, lambda file: pictures.save(figure, file), force=force)


def as_json(value: object) -> str:
    """Return a value as strict JSON: numbers that are not finite become null."""
    import json
    import math

    def plain(each: object) -> object:
        if isinstance(each, float):
            return each if math.isfinite(each) else None
        if isinstance(each, dict):
            return {name: plain(item) for name, item in each.items()}
        if hasattr(each, "_asdict"):
            return plain(each._asdict())
        return [plain(item) for item in each] if isinstance(each, (list, tuple)) else each

    return json.dumps(plain(value), allow_nan=False)


def fit_command(*chosen: str, without: tuple[str, ...] = ()) -> str:
    """Return the `diabolo fit` that trains with what the current command chose.

    Args: chosen: options and their values; without: options with a value that fit does not have, or that were chosen.
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
    """Return the names in a list with commas between."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


# How DATA is read: the options of a command with the decorator `reads`, which gets them as `how`.
READING = {
    "types": (Types, None),
    "drop": (Drop, None),
    "strict": (Strict, False),
    "missing": (Missing, None),
    "dates": (Dates, ""),
    "thousands": (Thousands, ""),
    "decimal": (Decimal, ""),
    "separator": (Separator, ""),
    "header": (Header, None),
    "skip": (Skip, 0),
    "comment": (Comment, ""),
    "encoding": (Encoding, ""),
    "query": (Query, ""),
    "size": (Size, None),
    "fit": (Fit, ""),
    "grayscale": (Grayscale, False),
    "color": (Color, False),
    "skip_bad": (SkipBad, False),
}
OF_TEXT_TABLES = ("separator", "header", "skip", "comment", "encoding")
OF_TABLES = ("types", "drop", "strict", "missing", "dates", "thousands", "decimal", *OF_TEXT_TABLES, "query")
OF_PICTURES = ("size", "fit", "grayscale", "color", "skip_bad")
OF_KNOWN_COLUMNS = (*OF_TEXT_TABLES, "query", *OF_PICTURES)  # the model has the others


def reads(*options: str) -> Callable[[Command], Command]:
    """Give a command the options of READING, all or those named; it gets them as `how`, a `Reading`."""
    return _gathered("how", {name: READING[name] for name in options or READING}, reading)


# The settings that commands which train several times take as options.
SEVERAL = (
    "latent_dim",
    "structure",
    "activation",
    "bottleneck",
    "reconstruction_loss",
    "batch_size",
    "epochs",
    "allow_overcomplete",
    "series",
    "random_state",
    "memory",
)


def trains(*names: str, unset: tuple[str, ...] = (), **defaults: Any) -> Callable[[Command], Command]:
    """Give a command an option for each setting of a training; it gets those that were given as `settings`, a dict.

    Args:
        names: of the settings; none: all.
        unset: settings that are left out of the dict where their option is not given, because something else may say
            them.
        defaults: other defaults than those of `Settings`.
    """
    from diabolo.model.settings import DEFAULTS, SETTINGS

    options = {}
    for name in names or SETTINGS:
        known = SETTINGS[name]
        if known.option is None:
            continue
        written = known.names or ((f"--{name.replace('_', '-')}",) if known.option is bool else ())
        option = typer.Option(*written, help=known.help, metavar=known.metavar, rich_help_panel=known.group or None)
        default = None if name in unset else defaults.get(name, DEFAULTS[name])
        kind = known.option | None if name in unset else known.option
        options[name] = (Annotated[kind, option], default)

    def made(**given: Any) -> dict[str, Any]:
        asked = {name: value for name, value in given.items() if not (name in unset and value is None)}
        return asked | ({"latent_dim": latents(asked["latent_dim"])} if "latent_dim" in asked else {})

    return _gathered("settings", options, made, first=True)


def _gathered(
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


def reading(
    *,
    types: str | None = None,
    drop: str | None = None,
    strict: bool = False,
    missing: str | None = None,
    dates: str = "",
    thousands: str = "",
    decimal: str = "",
    separator: str = "",
    header: bool | None = None,
    skip: int = 0,
    comment: str = "",
    encoding: str = "",
    query: str = "",
    size: str | None = None,
    fit: str = "",
    grayscale: bool = False,
    color: bool = False,
    skip_bad: bool = False,
) -> "Reading":
    """Return how files are to be read. Raises OptionError."""
    from diabolo.data.frames import Cells
    from diabolo.data.readers import csv_form, picture_files
    from diabolo.data.tables import Reading
    from diabolo.errors import OptionError, unknown

    kinds = {}
    # A comma may also be the setting of a kind, as in amount=number:, so only one before NAME= separates.
    for item in re.split(r",(?=[^,=]+=)", types) if types else ():
        name, equals, kind = item.strip().rpartition("=")
        if not equals or not name:
            raise OptionError(f"--types expected NAME=KIND, such as city=category, got {item!r}.")
        kinds[name] = kind
    separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
    if len(separator) > 1:
        raise OptionError(f"--separator must be one letter, got {separator!r}.")
    cells = Cells(names(missing), decimal, thousands, dates, typed=True)
    cells.check()
    if fit and fit not in picture_files.FITS:
        raise OptionError(unknown("value of --fit", fit, picture_files.FITS))
    if fit and size is None:
        raise OptionError(f"--fit {fit} says how pictures come to one size: add --size, such as --size 64x48.")
    if grayscale and color:
        raise OptionError("--grayscale and --color exclude each other: leave one of them out.")
    look = picture_files.ImageOptions(
        _size(size), fit, grayscale, color, skip_bad=_skipped if skip_bad else None, typed=True
    )
    form = csv_form.Options(separator=separator, header=header, skip=skip, comment=comment, encoding=encoding)
    form.check()
    return Reading(
        types=kinds,
        drop=names(drop),
        strict=strict,
        cells=cells,
        form=form,
        pictures=look,
        query=query,
        typed=True,
    )


def _size(text: str | None) -> tuple[int, int] | None:
    """Return (height, width). Raises OptionError."""
    from diabolo.errors import OptionError

    if text is None:
        return None
    sizes = text.lower().split("x")
    if len(sizes) > 2 or not all(size.isascii() and size.isdigit() and 0 < int(size) <= 1 << 14 for size in sizes):
        raise OptionError(f"--size expected WIDTHxHEIGHT, such as 64x48, got {text!r:.40}.")
    return int(sizes[-1]), int(sizes[0])


def _skipped(path: Path, reason: str) -> None:
    print(f"diabolo: left out: {reason}", file=sys.stderr)
