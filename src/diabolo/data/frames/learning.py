"""Infer the schema of a frame: the kind of each column, the levels of a category, and the columns that are left out.

Order: the schema, what is said of it, a column, its kind, levels.
"""

import re
from collections.abc import Mapping

import numpy as np

from diabolo.data.adapters.features import FEATURES
from diabolo.data.frames import texts
from diabolo.data.frames.cells import Cells, as_texts, split_kind
from diabolo.data.frames.columns import (
    KINDS,
    LEVELS,
    LEVELS_DECLARED,
    SUITS,
    Column,
    LeftOut,
    Level,
    Schema,
    is_text,
    kind_of,
)
from diabolo.data.frames.marks import MISSING
from diabolo.data.frames.reading import (
    are_numbered,
    cells_of,
    frame_names,
    library_of,
    native_types,
    numbers_of,
    present_texts,
)
from diabolo.errors import DataError, OptionError, as_option, as_types, unknown
from diabolo.typing import ArrowArray, ArrowTable, ArrowType, Float64Array, Frame, Say

FEW = 20  # up to this many levels are a category, however few rows there are
FIRST_ROWS = 1_000  # that are looked at before all are
SHOWN = 12  # columns that are named one by one in a message about missing cells

# Names of columns that identify or number the rows; under the names of the second pattern they must count 1, 2, 3.
ID = re.compile(r"(?i:(.*[\W_])?(id|uuid|guid|rowid)s?\.?)|.*[a-z](Id|ID)s?")
COUNTER = re.compile(r"(?i:(.*[\W_])?(index|idx|nr|no|number|row|rownum|#)\.?)")
UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+)*(_level_\d+)?")
WRITTEN_INDEX = re.compile(r"__index_level_\d+__")  # an index of pandas in a file of Arrow


INDEX = "row index"


class Reason(Exception):
    """Why nothing can be learnt from a column, in a few words; it never reaches a user."""


def learn(
    frame: Frame,
    *,
    where: str,
    types: Mapping[str, str] | None = None,
    how: Cells | None = None,
    strict: bool = False,
    say: Say | None = None,
    brief: bool = False,
) -> Schema:
    """Return the schema of a frame. Columns from which nothing can be learnt are in its `left_out`.

    Args:
        frame: of any library.
        where: the caller, which begins a message.
        types: kinds of columns by name, instead of the inferred ones, such as "category" or "date:%m/%d/%Y".
        how: what a user said of texts in cells.
        strict: whether such a column is an error.
        say: takes lines about columns that are left out, and about readings that were chosen.
        brief: whether columns that are left out are not listed, because the caller lists them.

    Raises: DataError if nothing can be learnt from any column, for repeated names, and with `strict`; OptionError for
    unknown columns and kinds, and for kinds that a column cannot have.
    """
    types, how = dict(types or {}), how or Cells()
    refused: dict[str, str] = {}
    cells = cells_of(frame, where, refused)
    for name, kind in types.items():
        if name not in cells and name not in refused:
            raise OptionError(unknown("column", name, list(cells)))
        if split_kind(kind)[0] not in KINDS:
            raise OptionError(f"column {name!r}: {unknown('kind', kind.partition(':')[0], KINDS)}")
        if name in refused:
            raise OptionError(f"column {name!r} {refused[name]}, which cannot be of kind {kind!r}.")
    native, order = native_types(frame), [str(name) for name in frame_names(frame)]
    # In a table of numbers alone every column is kept but an index: the columns may be the pixels of a picture.
    numbers = [cells[name] for place, name in enumerate(order) if name in cells and not _may_be_index(name, place)]
    alike = not types and all(_is_plain(each) for each in numbers)
    columns, left_out, notes = [], [], list[str]()
    for place, name in enumerate(order):
        try:
            if name in refused:
                raise Reason(refused[name])
            array, declared = cells[name], types.get(name)
            if declared is None:
                _refuse_counted(name, place, array, alike=alike)
            columns.append(_learn(name, array, native[name], declared, where, how, notes))
        except Reason as reason:
            left_out.append(LeftOut(name=name, place=place, reason=str(reason)))
    schema = Schema(
        columns=tuple(columns),
        library=library_of(frame),
        numbered=are_numbered(frame_names(frame)),
        left_out=tuple(left_out),
    )
    if (strict and any(each.reason != INDEX for each in left_out)) or not columns:
        raise DataError(f"{where}: {refusal(schema, typed=how.typed, strict=strict)}")
    if how.dates and not any(getattr(each.form, "format", None) for each in columns):
        raise OptionError(f"{where}: no column holds dates as --dates {how.dates!r:.60} says: leave --dates out.")
    unused = [mark for mark in how.missing if mark not in MISSING and not any(mark in each.marks for each in columns)]
    if unused:
        raise OptionError(f"{where}: no cell that is learnt from is {unused[0]!r:.40}: leave it out of --missing.")
    if say is not None:
        if left_out and not brief:
            say(left_out_line(schema, typed=how.typed))
        if notes:
            say("; ".join(notes))
    return schema


def indexes(frame: ArrowTable) -> tuple[LeftOut, ...]:
    """Return the columns of a table of numbers that number its rows, or identify them."""
    found = []
    for place, name in enumerate(frame.column_names):
        try:
            _refuse_counted(name, place, frame.column(place), alike=True)
        except Reason as reason:
            found.append(LeftOut(name=name, place=place, reason=str(reason)))
    return tuple(found)


def left_out_line(schema: Schema, *, typed: bool) -> str:
    """Return one line that names the columns that are left out, and says why."""
    several = len(schema.left_out) != 1
    listed = ", ".join(f"{each.name!r} ({each.reason})" for each in schema.left_out)
    every = len(schema.columns) + len(schema.left_out)
    refuse = "--strict refuses them" if typed else "strict=True refuses them"
    example = next((each.name for each in schema.left_out if each.reason.startswith("text with")), None)
    learn_ = "" if example is None else f"; {_as_category(example, typed)} learns from one"
    return (
        f"left out {len(schema.left_out)} of {every} columns, which pass{'' if several else 'es'} through unchanged: "
        f"{listed}{learn_}; {refuse if several else refuse.replace('them', 'it')}"
    )


def refusal(schema: Schema, *, typed: bool, strict: bool) -> str:
    """Return one line that refuses the columns from which nothing can be learnt, with what to type instead."""
    refused = [each for each in schema.left_out if each.reason != INDEX] or schema.left_out
    listed = ", ".join(f"{each.name!r} ({each.reason})" for each in refused)
    names = [each.name for each in refused]
    if not schema.columns:
        every = "any of its columns" if names[1:] else "its only column"
        return (
            f"nothing can be learnt from {every}: {listed}. Expected numbers, booleans, dates or categories: "
            f"{_as_category(names[0], typed)} makes one a category."
        )
    them = "them" if names[1:] else "it"
    if typed:
        drop = f"leave {them} out (--drop {as_option(names)}), or write the command without --strict"
    else:
        drop = f"leave {them} out (X.drop(columns={names})), or pass strict=False"
    return f"nothing can be learnt from {len(names)} of its columns: {listed}: {drop}."


def _as_category(name: str, typed: bool) -> str:
    if not typed:
        return f"types={{{name!r}: 'category'}}"
    return f"--types {as_types({name: 'category'})}"


def _is_plain(array: ArrowArray) -> bool:
    """Return whether a column holds numbers without gaps."""
    return not array.null_count and _is_number(array.type)


def _is_number(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _may_be_index(name: str, place: int) -> bool:
    """Return whether a column is the index of a frame by its name and place, as a first column without a name is."""
    return bool((place == 0 and UNNAMED.fullmatch(name)) or WRITTEN_INDEX.fullmatch(name))


def _refuse_counted(name: str, place: int, array: ArrowArray, *, alike: bool) -> None:
    """Raise Reason for an index, identifiers, and one value in every row.

    Args: alike: whether the table is one of numbers alone, whose constant columns are kept.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    unnamed = bool(UNNAMED.fullmatch(name)) or _may_be_index(name, place)
    if unnamed or ID.fullmatch(name) or COUNTER.fullmatch(name):
        _refuse_index(name, place, array)
    if alike or array.null_count or len(array) < 2 or pa.types.is_dictionary(array.type):
        return
    try:
        # Most columns show two values at once; comparing is much faster than counting.
        if any(pc.count_distinct(array.slice(0, rows)).as_py() > 1 for rows in (FIRST_ROWS, len(array))):
            return
    except pa.ArrowException:
        return
    value = array[0].as_py()
    shown = f"{value!r:.40}" if isinstance(value, str) else f"{value!s:.40}"
    raise Reason(f"one value, {shown}, in every row")


def _refuse_index(name: str, place: int, array: ArrowArray) -> None:
    """Raise Reason for a column whose name and values identify or number the rows."""
    import pyarrow.compute as pc

    known = np.zeros(0)
    if _is_number(array.type):
        known = array.drop_null().to_numpy(zero_copy_only=False)
        known = known[np.isfinite(known)]
    whole = len(known) > max(2, 0.9 * len(array)) and not (known % 1).any()  # a few may be missing
    counts = whole and len(known) == len(array) and bool((np.diff(known) == 1).all())
    differ = whole and len(np.unique(known)) == len(known)
    if _may_be_index(name, place):
        texts_differ = is_text(array.type) and pc.count_distinct(array).as_py() == len(array)
        raise Reason(INDEX if differ or texts_differ else "no name")
    if counts and UNNAMED.fullmatch(name):
        raise Reason(INDEX)
    if (differ and ID.fullmatch(name)) or (counts and COUNTER.fullmatch(name)):
        raise Reason(f"identifiers, {len(known):,} different whole numbers")


def _learn(
    name: str, array: ArrowArray, native: str, declared: str | None, where: str, how: Cells, notes: list[str]
) -> Column:
    """Return what is known of a column. Raises Reason, and OptionError for a declared kind that it cannot have."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if len(array) == array.null_count or pa.types.is_null(kind):
        raise Reason("no value in any row")
    coded = pa.types.is_dictionary(kind)
    values = kind.value_type if coded else kind
    inferred = kind_of(values, coded)
    if inferred is None:
        raise Reason(f"holds {values}, not numbers, texts, booleans or dates")
    wanted = None if declared is None else split_kind(declared)[0]
    if not coded and is_text(kind):
        return _learn_texts(name, as_texts(array), native, str(kind), declared, how, notes)
    chosen = wanted or inferred
    if chosen not in SUITS[inferred] or (coded and chosen != "category"):
        raise OptionError(f"column {name!r} holds {values}, which cannot be of kind {chosen!r}.")
    if chosen == "category":
        levels = _levels(array, wanted is not None)
        ordered = coded and bool(kind.ordered)
        return Column(
            name=name, native=native, kind=chosen, arrow=str(values), levels=levels, coded=coded, ordered=ordered
        )
    numbers = numbers_of(array)
    marks = tuple(each for each in how.missing if _is_in(each, numbers))
    for mark in marks:
        count = int((numbers == float(mark)).sum())
        notes.append(f"{mark} in column {name!r} is taken as missing ({count:,} cell{'s' * (count != 1)})")
        numbers = np.where(numbers == float(mark), np.nan, numbers)
    whole = _is_whole(name, numbers, array, chosen)
    # If all that are known are equal, no row may get the other value, which none has.
    equal = inferred == chosen == "boolean" and wanted is None and pc.count_distinct(array).as_py() == 1
    levels = (bool(np.nanmax(numbers)),) if equal else ()
    return Column(name=name, native=native, kind=chosen, arrow=str(values), whole=whole, levels=levels, marks=marks)


def _learn_texts(
    name: str, cells: ArrowArray, native: str, arrow: str, declared: str | None, how: Cells, notes: list[str]
) -> Column:
    wanted, _ = split_kind(declared or "")
    kind = (declared or "").replace("count", "number")
    looked = kind if wanted in ("", "date", "number", "count", "boolean") else "category"
    found = texts.find(cells, name, how, kind=looked)
    if found.doubt:
        if declared is not None:
            raise OptionError(f"column {name!r} cannot be of kind {declared!r}: {found.doubt}.")
        raise Reason(found.doubt)
    shown = present_texts(cells, found.marks, ())
    if shown.null_count == len(shown):
        raise Reason("no value in any row")
    if wanted not in ("", "category") and found.form is None:
        first = shown.drop_null()[0].as_py()
        raise OptionError(f"column {name!r} holds text such as {first!r:.40}, which cannot be of kind {declared!r}.")
    taken = _counted(cells, shown)
    if taken:
        notes.append(f"column {name!r}: {taken} taken as missing")
    if found.note:
        notes.append(f"column {name!r}: {found.note}")
    if found.form is None:
        levels = _levels(shown, wanted == "category")
        return Column(name=name, native=native, kind="category", arrow=arrow, levels=levels, marks=found.marks)
    chosen = wanted or found.form.kind
    numbers = found.form.read(shown)
    whole = _is_whole(name, numbers, None, chosen)
    return Column(name=name, native=native, kind=chosen, arrow=arrow, whole=whole, form=found.form, marks=found.marks)


def _counted(cells: ArrowArray, shown: ArrowArray) -> str:
    """Return how many texts were taken as missing, by text."""
    import pyarrow.compute as pc

    gone = cells.filter(pc.and_(cells.is_valid(), shown.is_null()))
    counts = pc.value_counts(pc.utf8_trim_whitespace(gone)).to_pylist()
    said = [(each["values"], each["counts"]) for each in counts if each["values"]]
    return ", ".join(f"{text!r:.20} in {count:,} cell{'s' * (count != 1)}" for text, count in said[:SHOWN])


def _is_in(mark: str, numbers: Float64Array) -> bool:
    """Return whether a mark is a number that occurs."""
    try:
        return bool((numbers == float(mark)).any())
    except ValueError:
        return False


def _is_whole(name: str, numbers: Float64Array, array: ArrowArray | None, kind: str) -> bool:
    """Return whether all numbers are whole, or all dates whole days. Raises Reason, OptionError for those refused."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = numbers[~np.isnan(numbers)]
    if not len(known):
        raise Reason("no value in any row")
    refused = FEATURES[kind].refused(known)
    if refused.any():
        value = known[refused.argmax()]
        raise OptionError(f"column {name!r} holds {value:.6g}, expected {FEATURES[kind].words}: choose 'number'.")
    if array is not None and pa.types.is_timestamp(array.type) and array.type.tz:
        local = numbers_of(pc.local_timestamp(array))  # whole days are days of the local calendar
        known = local[~np.isnan(local)]
    unit = 86_400.0 if kind == "date" else 1.0
    with np.errstate(invalid="ignore"):
        if (known[:FIRST_ROWS] % unit).any():
            return False
        return bool(np.isfinite(known).all()) and not (known % unit).any()


def _levels(array: ArrowArray, declared: bool) -> tuple[Level, ...]:
    """Return the levels of a category, in order. Raises Reason for text that is not a category."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        combined = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        chunks = combined.chunks if isinstance(combined, pa.ChunkedArray) else [combined]
        levels = chunks[0].dictionary.to_pylist() if chunks else []
    else:
        # Arrow would turn a missing cell of a string view into an empty text.
        values = array.cast(pa.string()) if pa.types.is_string_view(array.type) else array
        levels = sorted(level for level in pc.unique(values).to_pylist() if level is not None)
    most = LEVELS_DECLARED if declared else LEVELS
    known = len(array) - array.null_count
    if len(levels) > most or (not declared and len(levels) > FEW and 2 * len(levels) > known):
        raise Reason(f"text with {len(levels):,} different values in {known:,} rows")
    other = next((level for level in levels if type(level) not in (str, int, float, bool)), None)
    if other is not None:
        raise Reason(f"levels such as {other!r:.40}, not texts, numbers or booleans")
    return tuple(levels)
