"""The options of reading that a user gave, and whether a kind of source can use them.

An option that cannot be used is refused, because a result without it would be wrong silently.
Order: the options, those that were given, the check.
"""

from collections.abc import Sequence

from diabolo.data.kinds import Kind
from diabolo.data.readers import csv_form, picture_files, sql
from diabolo.data.tables import Reading
from diabolo.errors import OptionError
from diabolo.typing import PathLike

TEXT_TABLES = "text tables (.csv, .tsv, .txt, .data, .dat)"
# Option -> the sources that it is for.
OPTIONS = {
    "types": "tables",
    "drop": "tables",
    **dict.fromkeys(("separator", "header", "no_header", "skip", "comment", "encoding"), TEXT_TABLES),
    "strict": "tables",
    "missing": "tables",
    "dates": "tables",
    "thousands": "tables",
    "decimal": "tables",
    "query": f"a database ({', '.join(sql.ENDINGS)})",
    "size": "pictures",
    "fit": "pictures",
    "grayscale": "pictures",
    "color": "pictures",
    "skip_bad": "pictures",
    "data_dir": "the data sets mnist and fashion-mnist",
    "series": "arrays (n, time, channels), which `windows` makes of a long table",
}

# A model knows its columns, their kinds, and how they are written.
FIT_ONLY = ("types", "drop", "strict", "missing", "dates", "thousands", "decimal")


def given(reading: Reading, data_dir: PathLike | None = None, *, series: bool = False) -> list[str]:
    """Return the names of the options that a user gave."""
    form, pictures = csv_form.Options(), picture_files.ImageOptions()
    are_given = {
        "types": bool(reading.types),
        "drop": bool(reading.drop),
        "separator": reading.form.separator != form.separator,
        "header": reading.form.header is True,
        "no_header": reading.form.header is False,
        "skip": reading.form.skip != form.skip,
        "comment": reading.form.comment != form.comment,
        "encoding": reading.form.encoding != form.encoding,
        "strict": reading.strict and reading.typed,  # in Python a setting, which holds for arrays too
        "missing": bool(reading.cells.missing),
        "dates": bool(reading.cells.dates),
        "thousands": bool(reading.cells.thousands),
        "decimal": bool(reading.cells.decimal),
        "query": bool(reading.query),
        "size": reading.pictures.size != pictures.size,
        "fit": reading.pictures.fit != pictures.fit,
        "grayscale": reading.pictures.grayscale != pictures.grayscale,
        "color": reading.pictures.color != pictures.color,
        "skip_bad": reading.pictures.skip_bad is not None,
        "data_dir": data_dir is not None,
        "series": series,
    }
    return [name for name, is_given in are_given.items() if is_given]


def check(options: Sequence[str], kind: Kind, name: str, *, typed: bool, fitted: bool = False) -> None:
    """Raise OptionError for the first option that a kind of source cannot use.

    Args:
        options: the names of those that a user gave.
        kind: of the source.
        name: of the source, for the message.
        typed: whether the options were typed on a command line.
        fitted: whether a model reads the source, which knows its columns.
    """
    for option in options:
        shown = f"--{option.replace('_', '-')}" if typed else f"{option}="
        if option not in kind.options:
            what = "" if name == kind.words else f" It was read as {kind.words}:"
            leave = f"{what} leave {shown} out." if what else f" Leave {shown} out."
            raise OptionError(f"{shown} can be used only with {OPTIONS[option]}, got {name}.{leave}")
        if fitted and option in FIT_ONLY:
            raise OptionError(
                f"{shown} can be used only in fit: the model has stored its columns and their kinds. Leave {shown} out."
            )
