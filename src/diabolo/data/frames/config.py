"""Rebuild a schema from the JSON values of `Schema.to_config`.

They may come from an attacker, so every contradiction is refused.
Order: the schema, a column, its levels, whether values can be written as its types.
"""

import re
from functools import lru_cache

import numpy as np

from diabolo.data.frames.columns import KINDS, LEVELS_DECLARED, LIBRARIES, SUITS, Column, Schema, arrow_type, kind_of
from diabolo.data.frames.writing import array_of
from diabolo.errors import OptionError
from diabolo.typing import ArrowType


def from_config(config: object) -> Schema:
    """Return the schema that `Schema.to_config` described; OptionError if a key, a type or a value is wrong."""
    if not isinstance(config, dict) or set(config) != {"library", "numbered", "columns"}:
        raise OptionError("a schema must have exactly the keys 'columns', 'library' and 'numbered'.")
    if (
        type(config["numbered"]) is not bool
        or config["library"] not in LIBRARIES
        or not isinstance(config["columns"], list)
        or not config["columns"]
    ):
        raise OptionError(f"a schema must name one of {', '.join(LIBRARIES)} and have columns.")
    columns = tuple(map(_column, config["columns"]))
    if len({column.name for column in columns}) < len(columns):
        raise OptionError("a schema must not name a column twice.")
    if config["numbered"] and not all(re.fullmatch(r"0|-?[1-9][0-9]{0,8}", column.name) for column in columns):
        raise OptionError("a schema with numbered columns must call them by numbers.")
    if config["library"] == "pandas":
        for column in columns:
            _check_native(column)
    return Schema(columns=columns, library=config["library"], numbered=config["numbered"])


_TYPES = {
    "name": str,
    "kind": str,
    "arrow": str,
    "native": str,
    "levels": list,
    "ordered": bool,
    "coded": bool,
    "whole": bool,
}


def _column(config: object) -> Column:
    if not isinstance(config, dict) or set(config) != set(_TYPES):
        raise OptionError(f"a column must have exactly the keys {sorted(_TYPES)}.")
    for key, kind in _TYPES.items():
        if type(config[key]) is not kind:
            raise OptionError(f"a column's {key} must be of type {kind.__name__}, got {config[key]!r:.60}.")
    levels = config["levels"]
    if config["kind"] not in KINDS or (config["kind"] == "category") != bool(levels):
        raise OptionError(f"a column must be one of {', '.join(KINDS)}, with levels if it is a category.")
    if len(levels) > LEVELS_DECLARED or len({type(level) for level in levels} - {int, float}) > 1:
        raise OptionError(f"a category has at most {LEVELS_DECLARED:,} levels of one type.")
    if any(type(level) not in (str, int, float, bool) for level in levels) or len(set(levels)) < len(levels):
        raise OptionError("the levels of a category are texts, numbers or booleans, each once.")
    column = Column(**(config | {"levels": tuple(levels)}))
    category = column.kind == "category"
    if (column.coded and not category) or (column.ordered and not column.coded) or (column.whole and category):
        raise OptionError(
            f"column {column.name!r:.60}: coded needs kind 'category', ordered needs coded, whole needs another kind "
            f"than 'category'; got {column.kind!r}, coded={column.coded}, ordered={column.ordered}, "
            f"whole={column.whole}."
        )
    kind = arrow_type(column.arrow)
    if column.kind not in SUITS.get(kind_of(kind, False) or "", ()):
        raise OptionError(f"column {column.name!r:.60}: a {column.kind} cannot be of type {column.arrow!r:.60}.")
    if category:
        _check_levels(column, kind)
    elif reason := _why_unwritable(column.kind, column.arrow, column.whole):
        raise OptionError(f"column {column.name!r:.60} cannot be written as {column.arrow!r:.60} ({reason}).")
    return column


def _check_levels(column: Column, kind: ArrowType) -> None:
    """Raise OptionError if a type cannot hold the levels of a column exactly."""
    import pyarrow as pa

    levels = list(column.levels)
    try:
        held = pa.array(levels, kind).to_pylist()
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        held = []
    if held != levels or any(type(one) is not type(other) for one, other in zip(held, levels, strict=True)):
        raise OptionError(
            f"column {column.name!r:.60}: the type {column.arrow!r:.60} does not hold levels such as {levels[0]!r:.40}."
        )


@lru_cache(maxsize=1024)  # a wide table has thousands of columns of one type
def _why_unwritable(kind: str, arrow: str, whole: bool) -> str:
    """Return why numbers of any size cannot be written as an Arrow type; empty if they can."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = Column(name="", kind=kind, arrow=arrow, native="", whole=whole)
    try:
        array = array_of(np.array([np.nan, 0.0, 1.0, -1.0, 1e200, -1e200]), column)
        if getattr(array.type, "tz", None):
            array = pc.local_timestamp(array[:4])  # fails if the time zone is unknown
        array.to_pylist()
    except (pa.ArrowException, KeyError, TypeError, ValueError, ArithmeticError) as error:
        return f"{str(error).splitlines()[0] if str(error) else type(error).__name__:.200}"
    return ""


def _check_native(column: Column) -> None:
    """Raise OptionError if the type in pandas would change values of the Arrow type, or their meaning."""
    kind = arrow_type(column.arrow)
    name = column.native.lower().removesuffix("[pyarrow]")
    plain = {"bool": "bool", "boolean": "bool", "float16": "halffloat", "float32": "float", "float64": "double"}
    whole = re.fullmatch(r"u?int(8|16|32|64)", name)
    moment = {"datetime64": "timestamp", "timedelta64": "duration"}.get(name.partition("[")[0])
    holds = (
        column.arrow == (name if whole else plain[name])
        if whole or name in plain
        else str(kind).startswith(moment or "") and not name.startswith(("complex", "period", "interval"))
    )
    if not holds:
        raise OptionError(f"column {column.name!r:.60}: {column.native!r:.60} of pandas is not {column.arrow!r:.60}.")
