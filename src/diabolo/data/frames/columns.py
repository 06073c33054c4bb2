"""The columns of a table: which kind each is, and which Arrow type holds it. Arrow's types stand between all libraries.

Order: a column, the schema, the schema of latents, Arrow types.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from diabolo.errors import DataError, OptionError, listed

LIBRARIES = ("pandas", "polars", "pyarrow", "array")  # the last: of files of numbers, which come back as arrays
KINDS = ("number", "count", "boolean", "category", "date")

# Text with more levels than this, or with more than one level in two rows, is taken for names or sentences, which no
# row could tell of another; up to the second where a user says that it is a category.
LEVELS, LEVELS_TOLD = 1_000, 10_000

Level = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: as the frame has it.
        kind: one of `KINDS`.
        arrow: its Arrow type, as text ("timestamp[us, tz=UTC]"); of a dictionary that of its values.
        native: its type in the library of the frame, as text ("Int64").
        levels: of a category, in order.
        ordered: whether the levels are.
        coded: whether the type itself lists levels: pandas' category, polars' Enum and Categorical, Arrow's dictionary.
        whole: whether all values were whole, or all dates days, so that what comes back is rounded.
    """

    name: str
    kind: str
    arrow: str
    native: str
    levels: tuple[Level, ...] = ()
    ordered: bool = False
    coded: bool = False
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns of a table, in their order, and the library that it came from."""

    columns: tuple[Column, ...]
    library: str
    numbered: bool = False  # whether pandas' columns are called 0, 1, 2, ... by numbers, not by texts

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    def check_names(self, names: Collection[str], where: str) -> None:
        """Raise DataError where a frame with columns of these names lacks one of the schema."""
        missing = [name for name in self.names if name not in names]
        if missing:
            more = f" and {len(missing) - 1} more columns are" if missing[1:] else " is"
            raise DataError(f"{where}: column {missing[0]!r}{more} missing: fit() saw {listed(self.names)}.")

    def to_config(self) -> dict[str, Any]:
        """Return the schema as JSON values."""
        columns = [vars(column) | {"levels": list(column.levels)} for column in self.columns]
        return {"library": self.library, "numbered": self.numbered, "columns": columns}


class Latents(Schema):
    """The columns of latents, as `numbers_as_frame` calls them. Latents of another model are refused."""

    def check_names(self, names: Collection[str], where: str) -> None:
        """Raise DataError where there are more latents than these, or fewer."""
        given = [name for name in names if re.fullmatch(r"latent_\d+", name)]
        if not set(given) <= set(self.names):
            raise DataError(
                f"{where} holds {len(given)} latents, {given[0]} to {given[-1]}, and this model has "
                f"{len(self.columns)}: use the model that encoded them."
            )
        super().check_names(names, where)


def of_latents(size: int) -> Latents:
    """Return the schema of a table of so many latents."""
    columns = (Column(name=f"latent_{at}", kind="number", arrow="float", native="float") for at in range(size))
    return Latents(columns=tuple(columns), library="array")


# What may be learnt as what, of the kind that a type is by itself.
SUITS = {
    "number": ("number", "count", "boolean", "category"),
    "boolean": ("boolean", "category", "number"),
    "date": ("date",),
    "category": ("category",),
}


def kind_of(kind: Any, coded: bool) -> str | None:
    """Return the kind of an Arrow type; None where there is none."""
    import pyarrow as pa

    types = pa.types
    if coded or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
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


def arrow_type(text: str) -> Any:
    """Return the Arrow type that its text stands for; OptionError where it is none of ours."""
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
        raise OptionError(f"{text!r:.60} is no type of a column ({error}).") from error
    raise OptionError(f"{text!r:.60} is no type of a column.")


UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
