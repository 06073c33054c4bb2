"""Infer the schema of a frame: the kind of each column, and the levels of a category.

Order: the schema, texts that are not a category, a column, levels.
"""

from collections.abc import Callable, Mapping

import numpy as np

from diabolo.data.adapters.features import FEATURES
from diabolo.data.frames import texts
from diabolo.data.frames.columns import KINDS, LEVELS, LEVELS_DECLARED, SUITS, Column, Level, Schema, kind_of
from diabolo.data.frames.reading import are_numbered, cells_of, frame_names, library_of, native_types, numbers_of
from diabolo.errors import DataError, OptionError, unknown
from diabolo.typing import ArrowArray, Frame

FEW = 20  # up to this many levels are a category, however few rows there are


def learn(
    frame: Frame,
    *,
    where: str,
    types: Mapping[str, str] | None = None,
    refused: Callable[[str, str], None] | None = None,
) -> Schema:
    """Return the schema of a frame.

    Args:
        frame: of any library.
        where: the caller, which begins a message.
        types: kinds of columns by name, instead of the inferred ones.
        refused: called with the name of each column that cannot be learnt from, and the reason; the column is left
            out. None: such a column is an error.

    Raises: DataError for text that is not a category, columns of lists or bytes, columns without any value, and
    repeated names; OptionError for unknown columns and kinds.
    """
    types = dict(types or {})
    cells = cells_of(frame, where)
    for name, kind in types.items():
        if name not in cells:
            raise OptionError(unknown("column", name, list(cells)))
        if kind not in KINDS:
            raise OptionError(f"column {name!r}: {unknown('kind', kind, KINDS)}")
    native = native_types(frame)
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
        raise DataError(
            f"{where}: none of its columns can be learnt from: it needs numbers, booleans, dates or categories."
        )
    return Schema(columns=tuple(columns), library=library_of(frame), numbered=are_numbered(frame_names(frame)))


def _refuse_other_texts(name: str, array: ArrowArray, declared: str | None, library: str, where: str) -> None:
    """Raise DataError for a text column that holds numbers or dates, unless a user declared its kind."""
    if declared is not None or kind_of(array.type, False) != "category":
        return
    cells, shown, otherwise = texts.as_texts(array), repr(name), texts.otherwise(name, library)
    problem = texts.numbers_in(cells, shown, otherwise, library=library) or texts.dates_in(
        cells, shown, otherwise, library=library
    )
    if problem is not None:
        raise DataError(f"{where}: {problem}")


def _learn(name: str, array: ArrowArray, native: str, declared: str | None, where: str) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if len(array) == array.null_count or pa.types.is_null(kind):
        raise DataError(f"{where}: column {name!r} has no value in any row: leave it out (--drop {name}).")
    coded = pa.types.is_dictionary(kind)
    values = kind.value_type if coded else kind
    inferred = kind_of(values, coded)
    if inferred is None:
        raise DataError(
            f"{where}: column {name!r} holds {values}, expected numbers, texts, booleans or dates: leave it out "
            f"(--drop {name})."
        )
    chosen = declared or inferred
    if chosen not in SUITS[inferred] or (coded and chosen != "category"):
        remedy = (
            f": dates in files are {texts.DATES}; parse those of a frame"
            if chosen == "date" and inferred == "category"
            else ""
        )
        raise OptionError(f"column {name!r} holds {values}, which cannot be of kind {chosen!r}{remedy}.")
    if chosen == "category":
        levels = _levels(array, name, declared is not None, where)
        return Column(
            name=name,
            native=native,
            kind=chosen,
            arrow=str(values),
            levels=levels,
            coded=coded,
            ordered=coded and bool(kind.ordered),
        )
    floats = numbers_of(array)
    known = floats[~np.isnan(floats)]
    if not len(known):
        raise DataError(f"{where}: column {name!r} has no value in any row: leave it out (--drop {name}).")
    refused = FEATURES[chosen].refused(known)
    if refused.any():
        value = known[refused.argmax()]
        raise OptionError(f"column {name!r} holds {value:.6g}, expected {FEATURES[chosen].words}: choose 'number'.")
    if pa.types.is_timestamp(values) and values.tz:
        local = numbers_of(pc.local_timestamp(array))  # whole days are days of the local calendar
        known = local[~np.isnan(local)]
    unit = 86_400.0 if chosen == "date" else 1.0
    with np.errstate(invalid="ignore"):
        whole = bool(np.isfinite(known).all()) and not (known % unit).any()
    return Column(name=name, native=native, kind=chosen, arrow=str(values), whole=whole)


def _levels(array: ArrowArray, name: str, declared: bool, where: str) -> tuple[Level, ...]:
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
        raise DataError(
            f"{where}: column {name!r} is text with {len(levels):,} different values in {known:,} rows, which is not a "
            f"category: leave it out (--drop {name}), or make it one"
            + (
                f" (types={{{name!r}: 'category'}}, --types {name}=category)."
                if len(levels) <= LEVELS_DECLARED
                else "."
            )
        )
    other = next((level for level in levels if type(level) not in (str, int, float, bool)), None)
    if other is not None:
        raise DataError(
            f"{where}: column {name!r} has levels such as {other!r:.40}: expected texts, numbers or booleans."
        )
    return tuple(levels)
