"""The columns of a table: the kind of each column and the Arrow type of its cells.

Frames of every library are converted through Arrow, so a column has one type whatever library it came from.
Order: a column, the schema, the schema of latents, Arrow types.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from diabolo.data.frames import form_config, forms
from diabolo.data.frames.forms import Form
from diabolo.errors import DataError, OptionError, listed
from diabolo.typing import ArrowType

LIBRARIES = ("pandas", "polars", "pyarrow", "array")  # "array": a file of numbers, which comes back as an array
KINDS = ("number", "count", "boolean", "category", "date")

# A text column with more levels than this, or with more levels than half its rows, holds names or sentences, from which
# nothing about other rows can be learnt. The second limit holds if a user declares the column a category.
LEVELS, LEVELS_DECLARED = 1_000, 10_000

Level = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name in the frame.
        kind: one of `KINDS`.
        arrow: its Arrow type, as text ("timestamp[us, tz=UTC]"); for a dictionary, the type of the values.
        native: its type in the library of the frame, as text ("Int64").
        levels: the levels of a category, in order; the only value of a boolean column that has one.
        ordered: whether the levels have an order.
        coded: whether the type itself lists levels: pandas' category, polars' Enum and Categorical, Arrow's dictionary.
        whole: whether all values were whole numbers, or all dates whole days; reconstructions are then rounded.
        form: how numbers, dates or booleans are written where the cells are texts; None: the cells have a type.
        marks: texts, or numbers, that stand for a missing cell, besides those that always do.
    """

    name: str
    kind: str
    arrow: str
    native: str
    levels: tuple[Level, ...] = ()
    ordered: bool = False
    coded: bool = False
    whole: bool = False
    form: Form | None = field(default=None, metadata={"since": 2, "before": None})
    marks: tuple[str, ...] = field(default=(), metadata={"since": 2, "before": []})

    @property
    def facts(self) -> tuple[str, str, int]:
        """Name, kind, and the number of levels of a category, as the adapter of a table has them."""
        return self.name, self.kind, len(self.levels) if self.kind == "category" else 0


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A column from which nothing can be learnt: it passes through unchanged.

    Attributes:
        name: its name in the frame.
        place: its place among all columns.
        reason: in a few words.
    """

    name: str
    place: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns of a table, in their order, and the library that it came from.

    Attributes:
        columns: those that are learnt.
        library: one of `LIBRARIES`.
        numbered: whether pandas' column names are numbers (0, 1, 2, ...), not texts.
        left_out: the other columns.
    """

    columns: tuple[Column, ...]
    library: str
    numbered: bool = False
    left_out: tuple[LeftOut, ...] = field(default=(), metadata={"since": 2, "before": []})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are learnt."""
        return tuple(column.name for column in self.columns)

    @property
    def spare(self) -> tuple[str, ...]:
        """Names of the columns that are left out."""
        return tuple(each.name for each in self.left_out)

    @property
    def whole_numbers(self) -> tuple[str, ...]:
        """Names of the columns of whole numbers, which may be too large for doubles."""
        import pyarrow as pa

        numbers = [each for each in self.columns if each.kind in ("number", "count") and each.form is None]
        return tuple(each.name for each in numbers if pa.types.is_integer(arrow_type(each.arrow)))

    def in_order(self, names: Collection[str]) -> list[str]:
        """Return names of columns in the order of the table: those that are learnt or left out, then all others."""
        order = list(self.names)
        for each in sorted(self.left_out, key=lambda each: each.place):
            order.insert(each.place, each.name)
        return [name for name in order if name in names] + [name for name in names if name not in order]

    def check_names(self, names: Collection[str], where: str) -> None:
        """Raise DataError if `names`, the columns of a frame, lack a column of the schema."""
        missing = [name for name in self.names if name not in names]
        if missing:
            lacking = f"columns {listed(missing)} are" if missing[1:] else f"column {missing[0]!r} is"
            raise DataError(f"{where}: {lacking} missing: fit() saw {listed(self.names)}.")

    def to_config(self) -> dict[str, Any]:
        """Return the schema as JSON values."""
        columns = [
            vars(each)
            | {"levels": list(each.levels), "form": form_config.to_config(each.form), "marks": list(each.marks)}
            for each in self.columns
        ]
        left_out = [vars(each) for each in self.left_out]
        return {"library": self.library, "numbered": self.numbered, "columns": columns, "left_out": left_out}


class Latents(Schema):
    """The columns of a table of latents, named as `numbers_as_frame` names them."""

    def check_names(self, names: Collection[str], where: str) -> None:
        """Raise DataError if there are more or fewer latents than in this schema: they come from another model."""
        given = [name for name in names if re.fullmatch(r"latent_\d+", name)]
        if not set(given) <= set(self.names):
            raise DataError(
                f"{where} holds {len(given)} latents, {given[0]} to {given[-1]}, and this model has "
                f"{len(self.columns)}: use the model that encoded them."
            )
        super().check_names(names, where)


def of_latents(size: int) -> Latents:
    """Return the schema of a table with `size` latents."""
    columns = (Column(name=f"latent_{at}", kind="number", arrow="float", native="float") for at in range(size))
    return Latents(columns=tuple(columns), library="array")


# The kinds that a user may declare, by the kind that is inferred from the type.
SUITS = {
    "number": ("number", "count", "boolean", "category"),
    "boolean": ("boolean", "category", "number"),
    "date": ("date",),
    "category": ("category",),
}


def is_written(column: Column) -> bool:
    """Return whether a column holds numbers as texts."""
    return isinstance(column.form, forms.NumberForm)


def is_text(kind: ArrowType) -> bool:
    """Return whether an Arrow type holds texts."""
    import pyarrow as pa

    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def kind_of(kind: ArrowType, coded: bool) -> str | None:
    """Return the kind of a column of an Arrow type, None if it has none; coded: whether the type is a dictionary."""
    import pyarrow as pa

    types = pa.types
    if coded or is_text(kind):
        return "category" if not types.is_nested(kind) else None
    if types.is_boolean(kind):
        return "boolean"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "date"
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_duration, types.is_time)
    return "number" if any(each(kind) for each in numbers) else None


_TIMED = re.compile(r"(timestamp|duration|time32|time64)\[(s|ms|us|ns)(?:, tz=([^\]]{1,60}))?\]")
_DECIMAL = re.compile(r"decimal(128|256)\((\d{1,2}), (-?\d{1,2})\)")
_NAMED = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{"halffloat": "float16", "float": "float32", "double": "float64", "bool": "bool_"},
    **{name: name for name in ("string", "large_string", "string_view")},
    "date32[day]": "date32",
    "date64[ms]": "date64",
}


def arrow_type(text: str) -> ArrowType:
    """Return the Arrow type with this name; OptionError if columns cannot have such a type."""
    import pyarrow as pa

    if text in _NAMED:
        return getattr(pa, _NAMED[text])()
    try:
        if timed := _TIMED.fullmatch(text):
            name, unit, zone = timed.groups()
            return pa.timestamp(unit, zone) if name == "timestamp" else getattr(pa, name)(unit)
        if decimal := _DECIMAL.fullmatch(text):
            return getattr(pa, f"decimal{decimal[1]}")(int(decimal[2]), int(decimal[3]))
    except (ValueError, pa.ArrowInvalid) as error:
        raise OptionError(f"{text!r:.60} is not a type of a column ({error}).") from error
    raise OptionError(f"{text!r:.60} is not a type of a column.")


# How many of a unit are one second.
UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
