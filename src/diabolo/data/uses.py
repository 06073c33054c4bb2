"""Which options of reading each kind of source can use. Any other is refused: to ignore it would be silently wrong.

Order: the options, the kinds, the check.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from diabolo.data.readers import csv_form, sql
from diabolo.errors import OptionError

# Option -> what it is for.
OPTIONS = {
    "types": "tables",
    "drop": "tables",
    "separator": "CSV files",
    "decimal": "CSV files",
    "query": f"a database ({', '.join(sql.ENDINGS)})",
    "size": "pictures",
    "grayscale": "pictures",
    "skip_bad": "pictures",
    "data_dir": "the data sets mnist and fashion-mnist",
    "series": "arrays (n, time, channels), which `windows` makes of a long table",
}


class Kind(NamedTuple):
    """A kind of source, in words, and the options that it can use."""

    words: str
    uses: frozenset[str]


def _kind(words: str, *uses: str) -> Kind:
    return Kind(words, frozenset(uses))


ARRAY = _kind("an array", "series")
CSV = _kind("a CSV file", "types", "drop", "separator", "decimal")
PARQUET = _kind("a Parquet file", "types", "drop")
COLUMNS = _kind("named columns in an .npz file", "types", "drop")
DATABASE = _kind("a database", "types", "drop", "query")
FRAME = _kind("a frame", "types")
MATRIX = _kind("a sparse matrix")
PICTURES = _kind("pictures", "size", "grayscale", "skip_bad", "series")
DATA_SET = _kind("a data set", "data_dir", "series")

FIT_ONLY = ("types", "drop")  # a model knows its columns and their kinds


def asked(reading: Any, data_dir: Any = None, *, series: bool = False) -> list[str]:
    """Return the names of the options that a user gave.

    Args: reading: a `diabolo.data.tables.Reading`.
    """
    look = reading.look
    given = {
        "types": bool(reading.types),
        "drop": bool(reading.drop),
        "separator": reading.form.separator != csv_form.Options().separator,
        "decimal": reading.form.decimal != csv_form.Options().decimal,
        "query": bool(reading.query),
        "size": look.size is not None,
        "grayscale": look.grayscale,
        "skip_bad": look.skip_bad is not None,
        "data_dir": data_dir is not None,
        "series": series,
    }
    return [name for name, is_given in given.items() if is_given]


def check(options: Sequence[str], kind: Kind, name: str, *, typed: bool, fitted: bool = False) -> None:
    """Raise OptionError for the first option that a kind of source cannot use.

    Args:
        options: that a user gave.
        kind: of the source.
        name: of the source, for the message.
        typed: whether the options were typed on a command line.
        fitted: whether a model is there, which knows its columns.
    """
    for option in options:
        shown = f"--{option.replace('_', '-')}" if typed else f"{option}="
        if option not in kind.uses:
            what = "" if name == kind.words else f" That is {kind.words}:"
            leave = f"{what} leave {shown} out." if what else f" Leave {shown} out."
            raise OptionError(f"{shown} goes with {OPTIONS[option]}, got {name}.{leave}")
        if fitted and option in FIT_ONLY:
            raise OptionError(f"{shown} goes with fit: the model knows its columns and their kinds. Leave {shown} out.")
