"""Rebuild a schema from the JSON values of `Schema.to_config`.

They may come from an attacker, so every contradiction is refused.
Order: the schema, a column, its levels, whether values can be written as its types.
"""

import re
from functools import lru_cache

import numpy as np

from diabolo.data.frames import form_config
from diabolo.data.frames.columns import (
    KINDS,
    LEVELS_DECLARED,
    LIBRARIES,
    SUITS,
    Column,
    LeftOut,
    Schema,
    arrow_type,
    is_text,
    kind_of,
)
from diabolo.data.frames.writing import array_of
from diabolo.errors import OptionError
from diabolo.typing import ArrowType


def from_config(config: object) -> Schema:
    """Return the schema that `Schema.to_config` described; OptionError if a key, a type or a value is wrong."""
    if not isinstance(config, dict) or set(config) != {"library", "numbered", "columns", "left_out"}:
        raise OptionError("a schema must have exactly the keys 'columns', 'left_out', 'library' and 'numbered'.")
    if (
        type(config["numbered"]) is not bool
        or config["library"] not in LIBRARIES
        or not isinstance(config["columns"], list)
        or not config["columns"]
    ):
        raise OptionError(f"a schema must name one of {', '.join(LIBRARIES)} and have columns.")
    columns = tuple(map(_column, config["columns"]))
    left_out = _left_out(config["left_out"])
    names = [*(each.name for each in columns), *(each.name for each in left_out)]
    if len(set(names)) < len(names):
        raise OptionError("a schema must not name a column twice.")
    if config["numbered"] and not all(re.fullmatch(r"0|-?[1-9][0-9]{0,8}", name) for name in names):
        raise OptionError("a schema with numbered columns must call them by numbers.")
    if config["library"] == "pandas":
        for column in columns:
            _check_native(column)
    return Schema(columns=columns, library=config["library"], numbered=config["numbered"], left_out=left_out)


def _left_out(config: object) -> tuple[LeftOut, ...]:
    if not isinstance(config, list):
        raise OptionError("the columns that a schema leaves out must be a list.")
    keys = {"name": str, "place": int, "reason": str}
    for each in config:
        if (
            not isinstance(each, dict)
            or set(each) != set(keys)
            or any(type(each[key]) is not kind for key, kind in keys.items())
            or not 0 <= each["place"] <= MOST_COLUMNS
        ):
            raise OptionError(f"a column that is left out must have a name, a place and a reason, got {each!r:.60}.")
    return tuple(LeftOut(**each) for each in config)


_TYPES = {
    "name": str,
    "kind": str,
    "arrow": str,
    "native": str,
    "levels": list,
    "ordered": bool,
    "coded": bool,
    "whole": bool,
    "marks": list,
}
# All keys in the JSON values of a schema, at any depth.
SCHEMA_KEYS = frozenset(
    {"form"}.union(*(each.__dataclass_fields__ for each in (Schema, Column, LeftOut, *form_config.FORMS.values())))
)
MOST_COLUMNS = 1 << 24
MOST_MARKS, LONGEST_MARK = 1_000, 1_000


def _column(config: object) -> Column:
    if not isinstance(config, dict) or set(config) != {*_TYPES, "form"}:
        raise OptionError(f"a column must have exactly the keys {sorted([*_TYPES, 'form'])}.")
    for key, kind in _TYPES.items():
        if type(config[key]) is not kind:
            raise OptionError(f"a column's {key} must be of type {kind.__name__}, got {config[key]!r:.60}.")
    levels = config["levels"]
    fits = {"category": bool(levels), "boolean": levels in ([], [True], [False])}
    if config["kind"] not in KINDS or not fits.get(config["kind"], not levels):
        raise OptionError(f"a column must be one of {', '.join(KINDS)}, with levels if it is a category.")
    if len(levels) > LEVELS_DECLARED or len({type(level) for level in levels} - {int, float}) > 1:
        raise OptionError(f"a category has at most {LEVELS_DECLARED:,} levels of one type.")
    if any(type(level) not in (str, int, float, bool) for level in levels) or len(set(levels)) < len(levels):
        raise OptionError("the levels of a category are texts, numbers or booleans, each once.")
    marks = config["marks"]
    if len(marks) > MOST_MARKS or any(type(each) is not str or len(each) > LONGEST_MARK for each in marks):
        raise OptionError("the marks of a column for missing cells are texts.")
    form = form_config.from_config(config["form"])
    column = Column(**(config | {"levels": tuple(levels), "marks": tuple(marks), "form": form}))
    category = column.kind == "category"
    if (column.coded and not category) or (column.ordered and not column.coded) or (column.whole and category):
        raise OptionError(
            f"column {column.name!r:.60}: coded needs kind 'category', ordered needs coded, whole needs another kind "
            f"than 'category'; got {column.kind!r}, coded={column.coded}, ordered={column.ordered}, "
            f"whole={column.whole}."
        )
    kind = arrow_type(column.arrow)
    held = kind_of(kind, False) if form is None else form.kind
    if column.kind not in SUITS.get(held or "", ()) or (form is not None and (not is_text(kind) or category)):
        raise OptionError(f"column {column.name!r:.60}: a {column.kind} cannot be of type {column.arrow!r:.60}.")
    if category:
        _check_levels(column, kind)
    elif form is None and (reason := _why_unwritable(column.kind, column.arrow, column.whole)):
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
