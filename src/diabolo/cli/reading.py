"""Options that say how DATA is read: its columns, text tables, pictures.

A command gets them by the decorator `reads`. Order: columns, text tables, pictures, all of them, the decorator, from
options to a `Reading`.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.options import COLUMNS, Command, gathered, names

if TYPE_CHECKING:
    from diabolo.data.tables import Reading

Types = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=KIND,...",
        help="Kinds of columns where the inferred kind is wrong: number, count, boolean, category, date.",
        rich_help_panel=COLUMNS,
    ),
]
Drop = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...", help="Columns to leave out; a name with a comma in double quotes.", rich_help_panel=COLUMNS
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
Query = Annotated[
    str,
    typer.Option(
        metavar="SQL",
        help="What to read of DATA that is a database: a file of DuckDB or SQLite (.duckdb, .db, .sqlite), or an "
        "address such as postgresql://...: 'select ...'.",
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
    return gathered("how", {name: READING[name] for name in options or READING}, reading)


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

    kinds = _kinds(types) if types else {}
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


def _kinds(text: str) -> dict[str, str]:
    """Return kinds by name from NAME=KIND,...; a name that has a comma stands within double quotes."""
    from diabolo.errors import OptionError

    kinds, rest = {}, text.strip()
    while rest:
        quoted = re.match(r'"((?:[^"]|"")+)"=', rest)
        rest = rest[quoted.end() :] if quoted else rest
        # A comma may also be the setting of a kind, as in amount=number:, so only one before NAME= separates.
        item, *more = re.split(r',(?=\s*"|[^,=]+=)', rest, maxsplit=1)
        name, equals, kind = (quoted[1].replace('""', '"'), "=", item) if quoted else item.strip().rpartition("=")
        if not equals or not name:
            raise OptionError(f"--types expected NAME=KIND, such as city=category, got {item!r}.")
        kinds[name], rest = kind.strip(), more[0].strip() if more else ""
    return kinds


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
