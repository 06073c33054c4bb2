"""The columns of a table: which kind each is, and the way from a frame to an array of numbers and back.

A frame is one of pandas, polars or pyarrow (narwhals tells them apart). Its array is (n, columns), float64, NaN where a
cell is missing: numbers as they are, booleans 0 and 1, categories the number of their level, dates seconds since 1970,
durations and times of day seconds. Arrow's types stand between all of them.

Order: a column, the schema, learning, frame to array, array to frame, frames of each library.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import texts
from diabolo.data.adapters.features import FEATURES
from diabolo.data.adapters.rows import Rows
from diabolo.errors import DataError, DiaboloError, OptionError, listed, unknown

LIBRARIES = ("pandas", "polars", "pyarrow", "array")  # the last: of files of numbers, which come back as arrays
KINDS = ("number", "count", "boolean", "category", "date")

# Text with more levels than this, or with more than one level in two rows, is taken for names or sentences, which no
# row could tell of another; up to the second where a user says that it is a category.
LEVELS, LEVELS_TOLD = 1_000, 10_000
DATES = "2024-05-31 or 31.05.2024, with a time behind it or not"  # as files write them
FEW = 20  # levels that are a category however few rows there are

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


class Read(NamedTuple):
    """An array of a frame, and what was noticed on the way."""

    rows: Rows  # (n, columns), float64
    notes: tuple[str, ...]


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

    def read(self, frame: Any, *, where: str, first_row: int = 0, spare: Collection[str] = ()) -> Read:
        """Return a frame as an array, its columns found by their names.

        Args:
            frame: of any library.
            where: what asked, to open a message with.
            first_row: rows that came before these, for messages.
            spare: columns that are known not to be learnt from.

        Raises: DataError for a column that is missing or has another type. Columns that were not learnt from are left
        out, another order is mended, and levels that were never seen are told as such: the notes say so.
        """
        cells, notes = cells_of(frame, where), []
        missing = [name for name in self.names if name not in cells]
        if missing:
            more = f" and {len(missing) - 1} more columns are" if missing[1:] else " is"
            raise DataError(f"{where}: column {missing[0]!r}{more} missing: fit() saw {listed(self.names)}.")
        extra = [name for name in cells if name not in self.names and name not in spare]
        if extra:
            notes.append(f"left out what fit() did not see: {listed(extra)}")
        if [name for name in cells if name in self.names] != list(self.names):
            notes.append("put columns in the order of fit()")
        size = len(next(iter(cells.values())))
        rows = np.empty((size, len(self.columns)))
        for at, column in enumerate(self.columns):
            rows[:, at] = _values(cells[column.name], column, where, first_row)
            unseen = np.flatnonzero(rows[:, at] >= len(column.levels))
            if column.kind == "category" and len(unseen):
                value = cells[column.name][int(unseen[0])].as_py()
                notes.append(
                    f"column {column.name!r}: {len(unseen):,} cell{'s' * (len(unseen) != 1)} with a level that fit() "
                    f"never saw, the first {value!r:.40} in row {first_row + int(unseen[0])}"
                )
        return Read(rows, tuple(notes))

    def write(self, rows: Rows, library: str | None = None, *, index: Any = None, known: Any = None) -> Any:
        """Return an array (n, columns) as a frame of a library; None: the one it came from. NaN is a missing cell.

        Args:
            rows: as `read` gives them.
            library: of the frame.
            index: of a pandas frame.
            known: the frame that rows are of, whose own cells stand where it has any: not every one of them, such as
                nanoseconds or a level that was never seen, is the same when it comes back from a number. A column that
                could not hold one of them as it is has the type of that frame, or the level beside its own.

        Raises: OptionError where the library is not installed.
        """
        library = library or self.library
        if library == "array":
            return rows
        cells = {} if known is None else cells_of(known, "write()")
        native = _native_types(known) if known is not None and library_of(known) == library else {}
        columns, arrays = list(self.columns), []
        for at, column in enumerate(self.columns):
            arrays.append(_array(rows[:, at], column))
            if column.name in cells:
                own = cells[column.name]
                columns[at], arrays[at] = _beside(own, column, arrays[at], rows[:, at], native.get(column.name, ""))
        try:
            frame = FRAMES[library](columns, arrays, index, library == self.library)
        except DiaboloError:
            raise
        except Exception as error:  # each library has errors of its own for a type that it does not hold
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise OptionError(
                f"a frame of {library} cannot hold columns of the types {listed(sorted({c.arrow for c in columns}))} "
                f"({reason:.200}): write a file, or pass a frame of another library."
            ) from error
        if self.numbered and library == "pandas":
            frame.columns = [int(name) for name in self.names]
        return frame

    def to_config(self) -> dict[str, Any]:
        """Return the schema as JSON values."""
        columns = [vars(column) | {"levels": list(column.levels)} for column in self.columns]
        return {"library": self.library, "numbered": self.numbered, "columns": columns}

    @classmethod
    def from_config(cls, config: Any) -> "Schema":
        """Return the schema that `to_config` described; OptionError where a key or a type is not as it must be."""
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
        return cls(columns=columns, library=config["library"], numbered=config["numbered"])


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


def _column(config: Any) -> Column:
    if not isinstance(config, dict) or set(config) != set(_TYPES):
        raise OptionError(f"a column must have exactly the keys {sorted(_TYPES)}.")
    for key, kind in _TYPES.items():
        if type(config[key]) is not kind:
            raise OptionError(f"a column's {key} must be of type {kind.__name__}, got {config[key]!r:.60}.")
    levels = config["levels"]
    if config["kind"] not in KINDS or (config["kind"] == "category") != bool(levels):
        raise OptionError(f"a column must be one of {', '.join(KINDS)}, with levels if it is a category.")
    if len(levels) > LEVELS_TOLD or len({type(level) for level in levels} - {int, float}) > 1:
        raise OptionError(f"a category has at most {LEVELS_TOLD:,} levels of one type.")
    if any(type(level) not in (str, int, float, bool) for level in levels) or len(set(levels)) < len(levels):
        raise OptionError("the levels of a category are texts, numbers or booleans, each once.")
    column = Column(**(config | {"levels": tuple(levels)}))
    category = column.kind == "category"
    if (column.coded and not category) or (column.ordered and not column.coded) or (column.whole and category):
        raise OptionError(
            f"column {column.name!r:.60}: only a category is coded, only a coded one ordered, and none is whole."
        )
    kind = arrow_type(column.arrow)
    if column.kind not in SUITS.get(_kind(kind, False) or "", ()):
        raise OptionError(f"column {column.name!r:.60}: a {column.kind} cannot be of type {column.arrow!r:.60}.")
    if category:
        _check_levels(column, kind)
    elif reason := _why_unwritable(column.kind, column.arrow, column.whole):
        raise OptionError(f"column {column.name!r:.60} cannot be written as {column.arrow!r:.60} ({reason}).")
    return column


# What may be learnt as what, of the kind that a type is by itself.
SUITS = {
    "number": ("number", "count", "boolean", "category"),
    "boolean": ("boolean", "category", "number"),
    "date": ("date",),
    "category": ("category",),
}


def _check_levels(column: Column, kind: Any) -> None:
    """Raise OptionError where a type does not hold levels exactly as they are."""
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
    """Return why numbers, however large, cannot be written as a type; "" where they can."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = Column(name="", kind=kind, arrow=arrow, native="", whole=whole)
    try:
        array = _array(np.array([np.nan, 0.0, 1.0, -1.0, 1e200, -1e200]), column)
        if getattr(array.type, "tz", None):
            array = pc.local_timestamp(array[:4])  # which looks the time zone up
        array.to_pylist()
    except (pa.ArrowException, KeyError, TypeError, ValueError, ArithmeticError) as error:
        return f"{str(error).splitlines()[0] if str(error) else type(error).__name__:.200}"
    return ""


def _check_native(column: Column) -> None:
    """Raise OptionError where the type in pandas would change the values of the Arrow type, or what they are."""
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


# Learning.


def is_frame(value: Any) -> bool:
    """Whether a value is a frame of pandas, polars or pyarrow."""
    if type(value).__module__.partition(".")[0] not in ("pandas", "polars", "pyarrow"):
        return False
    import narwhals

    return bool(narwhals.dependencies.is_into_dataframe(value))


def library_of(frame: Any) -> str:
    """Return the library of a frame."""
    return type(frame).__module__.partition(".")[0]


def learn(
    frame: Any,
    *,
    where: str,
    types: Mapping[str, str] | None = None,
    refused: Callable[[str, str], None] | None = None,
) -> Schema:
    """Return the schema of a frame.

    Args:
        frame: of any library.
        where: what asked, to open a message with.
        types: kinds of columns by name, where they should not be inferred.
        refused: called with the name of a column that cannot be learnt from and the reason, which then is left out;
            None: it is an error.

    Raises: DataError for text that is no category, columns of lists or bytes, columns without any value, names that
    stand twice; OptionError for types that there are not.
    """
    types = dict(types or {})
    cells = cells_of(frame, where)
    for name, kind in types.items():
        if name not in cells:
            raise OptionError(unknown("column", name, list(cells)))
        if kind not in KINDS:
            raise OptionError(f"column {name!r}: {unknown('kind', kind, KINDS)}")
    native = _native_types(frame)
    columns = []
    for name, array in cells.items():
        try:
            _refuse_other_texts(name, array, types.get(name), library_of(frame), where)
            columns.append(_learn(name, array, native[name], types.get(name), where))
        except DataError as error:
            if refused is None:
                raise
            refused(name, str(error).removeprefix(f"{where}: "))
    if not columns:
        raise DataError(f"{where}: none of its columns can be learnt from.")
    return Schema(columns=tuple(columns), library=library_of(frame), numbered=_are_numbered(frame_names(frame)))


def _refuse_other_texts(name: str, array: Any, told: str | None, library: str, where: str) -> None:
    """Raise DataError for a column of texts that are numbers or dates, unless a user says what it is."""
    if told is not None or _kind(array.type, False) != "category":
        return
    cells, shown, otherwise = texts.as_texts(array), repr(name), texts.otherwise(name, library)
    said = texts.numbers_in(cells, shown, otherwise, library=library) or texts.dates_in(
        cells, shown, otherwise, library=library
    )
    if said is not None:
        raise DataError(f"{where}: {said}")


def _learn(name: str, array: Any, native: str, told: str | None, where: str) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    given: dict[str, Any] = {"name": name, "native": native}
    if len(array) == array.null_count or pa.types.is_null(kind):
        raise DataError(f"{where}: column {name!r} has no value in any row: leave it out (--drop {name}).")
    coded = pa.types.is_dictionary(kind)
    values = kind.value_type if coded else kind
    inferred = _kind(values, coded)
    if inferred is None:
        raise DataError(
            f"{where}: column {name!r} holds {values}, expected numbers, texts, booleans or dates: leave it out "
            f"(--drop {name})."
        )
    chosen = told or inferred
    if chosen not in SUITS[inferred] or (coded and chosen != "category"):
        read = (
            f": dates in files are {DATES}; parse those of a frame"
            if chosen == "date" and inferred == "category"
            else ""
        )
        raise OptionError(f"column {name!r} holds {values}, which cannot be of kind {chosen!r}{read}.")
    if chosen == "category":
        levels = _levels(array, name, told is not None, where)
        return Column(
            **given,
            kind=chosen,
            arrow=str(values),
            levels=levels,
            coded=coded,
            ordered=coded and bool(kind.ordered),
        )
    floats = _floats(array)
    known = floats[~np.isnan(floats)]
    if not len(known):
        raise DataError(f"{where}: column {name!r} has no value in any row: leave it out (--drop {name}).")
    refused = FEATURES[chosen].refused(known)
    if refused.any():
        value = known[refused.argmax()]
        raise OptionError(f"column {name!r} holds {value:.6g}, expected {FEATURES[chosen].words}: choose 'number'.")
    if pa.types.is_timestamp(values) and values.tz:
        local = _floats(pc.local_timestamp(array))  # a day begins where people are
        known = local[~np.isnan(local)]
    unit = 86_400.0 if chosen == "date" else 1.0
    with np.errstate(invalid="ignore"):
        whole = bool(np.isfinite(known).all()) and not (known % unit).any()
    return Column(**given, kind=chosen, arrow=str(values), whole=whole)


def _kind(kind: Any, coded: bool) -> str | None:
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


def _levels(array: Any, name: str, told: bool, where: str) -> tuple[Level, ...]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        combined = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        chunks = combined.chunks if isinstance(combined, pa.ChunkedArray) else [combined]
        levels = chunks[0].dictionary.to_pylist() if chunks else []
    else:
        # Of views Arrow makes a missing cell an empty text.
        values = array.cast(pa.string()) if pa.types.is_string_view(array.type) else array
        levels = sorted(level for level in pc.unique(values).to_pylist() if level is not None)
    most = LEVELS_TOLD if told else LEVELS
    known = len(array) - array.null_count
    if len(levels) > most or (not told and len(levels) > FEW and 2 * len(levels) > known):
        raise DataError(
            f"{where}: column {name!r} is text with {len(levels):,} different values in {known:,} rows, which is no "
            f"category: leave it out (--drop {name}), or say that it is one"
            + (f" (types={{{name!r}: 'category'}}, --types {name}=category)." if len(levels) <= LEVELS_TOLD else ".")
        )
    odd = next((level for level in levels if type(level) not in (str, int, float, bool)), None)
    if odd is not None:
        raise DataError(
            f"{where}: column {name!r} has levels such as {odd!r:.40}: expected texts, numbers or booleans."
        )
    return tuple(levels)


# Frame to array.


def cells_of(frame: Any, where: str) -> dict[str, Any]:
    """Return the columns of a frame as Arrow arrays, by name."""
    import narwhals
    import pyarrow as pa

    native_names = frame_names(frame)
    twice = [name for name, count in Counter(map(str, native_names)).items() if count > 1]
    if twice:
        raise DataError(f"{where}: the column {twice[0]!r} stands there twice: give each a name of its own.")
    wrapped = narwhals.from_native(frame, eager_only=True)
    if not len(wrapped) or not native_names:
        raise DataError(f"{where}: expected a table with rows and columns, got {len(wrapped)} rows.")
    cells = {}
    whole_names, boolean_names = _are_numbered(native_names), all(isinstance(name, _BOOLEANS) for name in native_names)
    for name in wrapped.columns:
        if not isinstance(name, str) and not boolean_names and not (whole_names and -1e9 < name < 1e9):
            raise DataError(f"{where}: expected names of columns to be texts, got {name!r}: df.columns.astype(str).")
        if not _is_unicode(name):
            raise DataError(f"{where}: the name {name!r} of a column is not valid Unicode: rename the column.")
        try:
            cells[str(name)] = wrapped.get_column(name).to_arrow()
        except OverflowError as error:
            raise DataError(
                f"{where}: column {name!r} holds whole numbers that do not fit 64 bits: turn it into floats "
                f"(df[{name!r}].astype(float)), or leave it out (--drop {name})."
            ) from error
        except UnicodeEncodeError as error:
            raise DataError(
                f"{where}: column {name!r} holds text that is not valid Unicode, {error.object!r:.40}: replace it, or "
                f"leave the column out (--drop {name})."
            ) from error
        except pa.ArrowException as error:
            kind = _native_types(frame)[str(name)]
            if kind.lower() == "object":
                raise DataError(f"{where}: column {name!r} mixes types ({str(error).splitlines()[0]}).") from error
            raise DataError(
                f"{where}: column {name!r} holds {kind}, expected numbers, texts, booleans or dates: turn it into one "
                f"of them, or leave it out (--drop {name})."
            ) from error
    return cells


_BOOLEANS = (bool, np.bool_)


def _are_numbered(names: Sequence[Any]) -> bool:
    """Whether columns are called by whole numbers; True and False are none, though Python counts with them."""
    return all(isinstance(name, (int, np.integer)) and not isinstance(name, bool) for name in names)


def _is_unicode(name: Any) -> bool:
    """Whether a name can be written; half of a surrogate pair cannot."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def frame_names(frame: Any) -> list[Any]:
    """Return the names of a frame's columns."""
    return list(frame.column_names) if library_of(frame) == "pyarrow" else list(frame.columns)


def _native_types(frame: Any) -> dict[str, str]:
    if library_of(frame) == "pandas":
        return {str(name): str(kind) for name, kind in frame.dtypes.items()}
    if library_of(frame) == "polars":
        return {name: str(kind) for name, kind in frame.schema.items()}
    return {field.name: str(field.type) for field in frame.schema}


def _values(array: Any, column: Column, where: str, first_row: int) -> Rows:
    """Return one column as numbers, (n,); DataError where it is of another kind than it was."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_null(kind) or len(array) == array.null_count:
        return np.full(len(array), np.nan)
    coded = pa.types.is_dictionary(kind)
    found = _kind(kind.value_type if coded else kind, coded)
    if column.kind == "category":
        return _places(array, column)
    accepts = {"date": ("date",), "boolean": ("boolean", "number")}.get(column.kind, ("number", "boolean"))
    if found not in accepts:
        values = array.drop_null()
        got = f"{values[0].as_py()!r:.40}" if len(values) else str(kind)
        row = first_row + next(at for at, valid in enumerate(array.is_valid().to_pylist()) if valid)
        raise DataError(f"{where}: column {column.name!r} expected a {column.kind}, got {got} in row {row}.")
    floats = _floats(array)
    if np.isinf(floats).any():
        row = first_row + int(np.isinf(floats).argmax())
        raise DataError(f"{where}: column {column.name!r} holds infinity in row {row}: drop or mend the row.")
    refused = FEATURES[column.kind].refused(floats)
    if refused.any():
        at = int(refused.argmax())
        raise DataError(
            f"{where}: column {column.name!r} expected {FEATURES[column.kind].words}, got {floats[at]:.6g} in row "
            f"{first_row + at}: drop or mend the row."
        )
    return floats


def _places(array: Any, column: Column) -> Rows:
    """Return the number of each cell's level, (n,); as many as there are levels where it is none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return np.concatenate([_places(chunk, column) for chunk in array.chunks])
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    known = {level: place for place, level in enumerate(column.levels)}
    to = [np.nan if level is None else known.get(level, len(known)) for level in array.dictionary.to_pylist()]
    indices = array.indices.cast(pa.float64()).to_numpy(zero_copy_only=False)
    missing = np.isnan(indices)
    places: Rows = np.asarray([*to, np.nan])[np.where(missing, len(to), indices).astype(np.int64)]
    return places


def _floats(array: Any) -> Rows:
    """Return numbers, booleans, dates, durations and times of day as float64, NaN where there is none."""
    import pyarrow as pa

    kind, per_second = array.type, 1.0
    if pa.types.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pa.types.is_date(kind):
        array, per_second = array.cast(pa.timestamp("s")).cast(pa.int64()), 1.0
    elif pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        per_second = UNITS[kind.unit]
        array = array.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64())
    # safe=False: an integer beyond 2**53 becomes the nearest double, as in any other array of doubles.
    floats = np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    return floats / per_second


UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def floats(array: Any, name: str, where: str, expected: str = "") -> Rows:
    """Return a column of numbers, booleans, dates or durations as float64; DataError of any other.

    Args: expected: what, and what to do about it, in words.
    """
    import pyarrow as pa

    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if _kind(kind, False) in (None, "category"):
        expected = expected or f"numbers: leave it out (--drop {name})"
        raise DataError(f"{where}: column {name!r} holds {kind}, expected {expected}.")
    return _floats(array)


# Array to frame.


def _array(values: Rows, column: Column) -> Any:
    """Return numbers (n,) as an Arrow array of the column's type; of coded categories a dictionary array."""
    import pyarrow as pa

    missing = np.isnan(values)
    kind = arrow_type(column.arrow)
    if column.kind == "category":
        # A level that was never seen has no name to come back by.
        missing |= values >= len(column.levels)
        places = pa.array(np.where(missing, 0, values).astype(np.int32), mask=missing)
        levels = pa.array(list(column.levels), kind)
        coded = pa.DictionaryArray.from_arrays(places, levels, ordered=column.ordered)
        return coded if column.coded else _decoded(coded)
    values = np.where(missing, 0.0, values)
    types = pa.types
    if column.kind == "date":
        values = np.clip(values, *YEARS)
        if column.whole and types.is_timestamp(kind) and kind.tz:
            return _local_days(_moments(values, kind, missing))
        values = np.rint(values / 86_400) * 86_400 if column.whole else values
    if types.is_boolean(kind):
        return pa.array(values >= 0.5, mask=missing)
    if types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind) or types.is_date(kind):
        return _moments(values, kind, missing)
    if types.is_decimal(kind):
        # What has more digits than the type would come back as 0.
        most = np.nextafter(10.0 ** (kind.precision - kind.scale) - 10.0**-kind.scale, 0)
        values = np.round(np.clip(values, -most, most), kind.scale)
        return pa.array(np.clip(values, -most, most), mask=missing).cast(kind, safe=False)
    if column.whole:
        values = np.rint(values)
    if types.is_integer(kind):
        bounds = np.iinfo(str(kind))  # Arrow's name is NumPy's; to_pandas_dtype() of some versions needs pandas
        # The largest of 64 bits is no double: the next one below it is.
        low, high = float(bounds.min), np.nextafter(float(bounds.max), 0) if bounds.bits == 64 else float(bounds.max)
        return pa.array(np.clip(np.rint(values), low, high).astype(bounds.dtype), mask=missing)
    most = np.finfo(f"f{kind.bit_width // 8}").max  # to_pandas_dtype() of some versions needs pandas
    return pa.array(np.clip(values, -most, most).astype(most.dtype), mask=missing)


def _decoded(array: Any) -> Any:
    """Return a dictionary array, in one chunk or in several, as an array of its values."""
    import pyarrow as pa

    kind = array.type.value_type
    if not pa.types.is_string_view(kind):
        return array.cast(kind)
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([_decoded(chunk) for chunk in array.chunks], kind)
    # Arrow has no way from a dictionary of views.
    texts = pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(pa.string()))
    return texts.cast(pa.string()).cast(kind)


def _beside(own: Any, column: Column, array: Any, values: Rows, native: str) -> tuple[Column, Any]:
    """Return the cells of `own`, and where there is none those of `array`, and the column that can hold both.

    Args: values: what `array` was made of; native: the type of `own` in the library of its frame.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(own.type):
        return column, array
    if pa.types.is_dictionary(own.type):
        own = _decoded(own)
    if isinstance(own, pa.ChunkedArray):
        own = pa.concat_arrays(own.chunks)
    # Of views of texts Arrow computes next to nothing.
    own = own.cast(pa.string()) if pa.types.is_string_view(own.type) else own
    there = own.is_valid()
    if pa.types.is_floating(own.type):
        there = pc.and_(there, pc.invert(pc.is_nan(own.fill_null(0))))
    own = pc.if_else(there, own, pa.scalar(None, own.type))
    array = _decoded(array) if column.coded else array
    view = pa.types.is_string_view(array.type)
    array = array.cast(pa.string()) if view else array
    same = _exact(own, array.type)
    if same is not None:
        own = same
    elif column.kind == "category":
        own, array, column = own.cast(pa.string()), array.cast(pa.string()), replace(column, native="")
    else:
        column = replace(column, arrow=str(own.type), native=native)
        array = _array(values, column)
    array = pc.if_else(there, own, array)
    if not column.coded:
        return column, array.cast(pa.string_view()) if view else array
    levels = pa.array(list(column.levels), arrow_type(column.arrow)).cast(array.type).to_pylist()
    levels += [level for level in pc.unique(array).to_pylist() if level is not None and level not in levels]
    places = pc.index_in(array, value_set=pa.array(levels, array.type))
    coded = pa.DictionaryArray.from_arrays(places, pa.array(levels, array.type), ordered=column.ordered)
    return replace(column, arrow=str(array.type), levels=tuple(levels)), coded


def _exact(array: Any, kind: Any) -> Any:
    """Return an array in another type; None where that would change a cell."""
    import pyarrow as pa

    try:
        cast = array.cast(kind)
        # Arrow cuts the time off a timestamp, and digits off a double, without a word.
        return cast if cast.cast(array.type).equals(array) else None
    except pa.ArrowException:
        return None


def _moments(seconds: Rows, kind: Any, missing: Rows) -> Any:
    import pyarrow as pa

    types = pa.types
    if types.is_date(kind):
        days = pa.array(np.rint(seconds / 86_400).astype(np.int32), mask=missing)
        return days.cast(pa.date32()).cast(kind)
    per_second = UNITS[kind.unit]
    if types.is_time(kind):
        seconds = np.clip(seconds, 0, 86_400 - 1 / per_second)
    whole = np.rint(np.clip(seconds, -9e18 / per_second, 9e18 / per_second) * per_second)
    return pa.array(whole.astype(np.int32 if types.is_time32(kind) else np.int64), mask=missing).cast(kind)


# Seconds since 1970 of the first and the last day but one of the years 1 to 9999, all that Python's dates can be.
YEARS = (-62_135_510_400, 253_402_214_400)


def _local_days(moments: Any) -> Any:
    """Return moments of a zone as the midnights there that are nearest."""
    import pyarrow.compute as pc

    days = pc.round_temporal(pc.local_timestamp(moments), unit="day")
    kind = moments.type
    return pc.assume_timezone(days, kind.tz, ambiguous="earliest", nonexistent="latest").cast(kind)


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


# Frames of each library, of Arrow arrays.


def _to_pyarrow(columns: Sequence[Column], arrays: list[Any], index: Any, same: bool) -> Any:
    import pyarrow as pa

    for at, column in enumerate(columns):
        indices = re.search(r"indices=(u?int(?:8|16|32|64))\b", column.native) if same and column.coded else None
        if indices and len(arrays[at].dictionary) <= np.iinfo(indices[1]).max:
            places = arrays[at].indices.cast(arrow_type(indices[1]))
            arrays[at] = pa.DictionaryArray.from_arrays(places, arrays[at].dictionary, ordered=column.ordered)
    return pa.table(arrays, names=[column.name for column in columns])


def _to_pandas(columns: Sequence[Column], arrays: list[Any], index: Any, same: bool) -> Any:
    pandas = _library("pandas")
    cells = {}
    for column, array in zip(columns, arrays, strict=True):
        if same and column.native == "object":
            cells[column.name] = pandas.Series(array.to_pylist(), dtype=object)
            continue
        series = array.to_pandas()
        series = series if isinstance(series, pandas.Series) else pandas.Series(series)
        if column.coded:
            levels = pandas.Index(list(column.levels))
            kind = pandas.CategoricalDtype(levels, column.ordered)
            series = pandas.Series(pandas.Categorical.from_codes(series.cat.codes, dtype=kind))
        elif same and column.native and str(series.dtype) != column.native:
            # A column of whole numbers or booleans has no room for a gap, which only a reconstruction could leave.
            gap = array.null_count and re.fullmatch(r"u?int\d+|bool", column.native)
            series = series if gap else _cast(series, column.native)
        cells[column.name] = series
    frame = pandas.DataFrame(cells)
    if index is not None:
        frame.index = index
    return frame


def _cast(series: Any, native: str) -> Any:
    """Return a series of pandas in a type; as it is where this pandas does not know the type, or cannot cast."""
    if not re.match("[A-Za-z]{3}", native):  # NumPy's short names, one of which it warns of
        return series
    try:
        return series.astype(native)
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        return series


def _to_polars(columns: Sequence[Column], arrays: list[Any], index: Any, same: bool) -> Any:
    import pyarrow as pa

    polars = _library("polars")
    cells = {}
    for column, array in zip(columns, arrays, strict=True):
        array = _decoded(array) if column.coded else array
        if pa.types.is_decimal256(array.type):  # which it does not hold
            array = array.cast(pa.float64())
        series = polars.from_arrow(array)
        if column.coded and isinstance(column.levels[0], str):  # all that they hold there
            enum = same and column.native.startswith("Enum")
            series = series.cast(polars.Enum(list(column.levels)) if enum else polars.Categorical)
        cells[column.name] = series
    return polars.DataFrame(cells)


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OptionError(
            f"the model was fitted on a frame of {name}, which is not installed: pip install {name}."
        ) from error


Make = Callable[[Sequence[Column], list[Any], Any, bool], Any]
FRAMES: dict[str, Make] = {"pandas": _to_pandas, "polars": _to_polars, "pyarrow": _to_pyarrow}


class Latents(Schema):
    """The columns of latents, as `numbers_as_frame` calls them. Latents of another model are refused."""

    def read(self, frame: Any, *, where: str, first_row: int = 0, spare: Collection[str] = ()) -> Read:
        """Return latents as an array, (n, latents); arguments as for any schema.

        Raises: DataError where there are more latents than these, or fewer.
        """
        given = [str(name) for name in frame_names(frame) if re.fullmatch(r"latent_\d+", str(name))]
        if not set(given) <= set(self.names):
            raise DataError(
                f"{where} holds {len(given)} latents, {given[0]} to {given[-1]}, and this model has "
                f"{len(self.columns)}: use the model that encoded them."
            )
        return super().read(frame, where=where, first_row=first_row, spare=spare)


def of_latents(size: int) -> Latents:
    """Return the schema of a table of so many latents."""
    columns = (Column(name=f"latent_{at}", kind="number", arrow="float", native="float") for at in range(size))
    return Latents(columns=tuple(columns), library="array")


def numbers_as_frame(values: Rows, name: str, *, like: Any) -> Any:
    """Return an array (n, k) or (n,) as a frame with columns name_0, name_1, ..., or one of that name.

    Args: like: a frame of the library that is wanted, and of pandas with the index.
    """
    import pyarrow as pa

    library, index = library_of(like), getattr(like, "index", None)
    columns = [values] if values.ndim == 1 else list(values.T)
    names = [name] if values.ndim == 1 else [f"{name}_{at}" for at in range(len(columns))]
    if library == "pandas":
        frame = _library("pandas").DataFrame(dict(zip(names, columns, strict=True)))
        if index is not None:
            frame.index = index
        return frame
    arrays = {each: np.ascontiguousarray(column) for each, column in zip(names, columns, strict=True)}
    return pa.table(arrays) if library == "pyarrow" else _library("polars").DataFrame(arrays)
