"""Turn an array of numbers, as `reading.read` returns it, into a frame of pandas, polars or pyarrow.

Order: the frame, numbers to an Arrow array, known cells, the frame of each library, other numbers as a frame.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from diabolo.data.frames.columns import UNITS, Column, Schema, arrow_type, is_text
from diabolo.data.frames.reading import cells_of, frame_names, library_of, native_types, present_texts
from diabolo.errors import DiaboloError, OptionError, listed
from diabolo.typing import Array, ArrowArray, ArrowTable, ArrowType, BoolArray, Float64Array, Frame, Rows


def write(
    rows: Rows, schema: Schema, library: str | None = None, *, index: object = None, known: Frame | None = None
) -> Any:
    """Return an array (n, columns) as a frame. NaN becomes a missing cell.

    Args:
        rows: numbers, as `read` returns them.
        schema: the columns.
        library: the library of the frame; None: the library of the schema.
        index: the index of a pandas frame.
        known: the frame that the rows were read from. Its cells are kept wherever it has a value, because some cells,
            such as nanoseconds or a level that fit() never saw, cannot be restored from a number. If the type of a
            column cannot hold such a cell, the column takes the type of `known`, or the level is added to its levels.

    Raises: OptionError if the library is not installed or cannot hold the columns.
    """
    library = library or schema.library
    if library == "array":
        return rows
    cells = {} if known is None else cells_of(known, "write()", {})
    native = native_types(known) if known is not None and library_of(known) == library else {}
    columns, arrays = list(schema.columns), []
    for at, column in enumerate(schema.columns):
        arrays.append(array_of(rows[:, at], column))
        if column.name in cells:
            own = cells[column.name]
            columns[at], arrays[at] = _merged(own, column, arrays[at], rows[:, at], native.get(column.name, ""))
    frame: Any
    try:
        frame = FRAMES[library](columns, arrays, index, library == schema.library)
    except DiaboloError:
        raise
    except Exception as error:  # each library has its own errors for types that it cannot hold
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OptionError(
            f"a frame of {library} cannot hold columns of the types {listed(sorted({c.arrow for c in columns}))} "
            f"({reason:.200}): write a file, or pass a frame of another library."
        ) from error
    if schema.numbered and library == "pandas":
        frame.columns = [int(name) for name in schema.names]
    return frame


def array_of(values: Float64Array, column: Column) -> ArrowArray:
    """Return numbers (n,) as an Arrow array of the column's type; a coded category as a dictionary array."""
    import pyarrow as pa

    missing = np.isnan(values)
    kind = arrow_type(column.arrow)
    if column.kind == "category":
        # A level that fit() never saw has no name that could be restored.
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
    if column.form is not None:
        values = np.rint(values) if column.whole and column.kind != "date" else values
        return pa.array(column.form.write(np.where(missing, np.nan, values)), pa.string()).cast(kind)
    if types.is_boolean(kind):
        return pa.array(np.full(len(values), column.levels[0]) if column.levels else values >= 0.5, mask=missing)
    if types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind) or types.is_date(kind):
        return _moments(values, kind, missing)
    if types.is_decimal(kind):
        # A number with more digits than the type would become 0.
        most = np.nextafter(10.0 ** (kind.precision - kind.scale) - 10.0**-kind.scale, 0)
        rounded: Array = np.round(np.clip(values, -most, most), kind.scale)
        return pa.array(np.clip(rounded, -most, most), mask=missing).cast(kind, safe=False)
    if column.whole:
        values = np.rint(values)
    if types.is_integer(kind):
        bounds = np.iinfo(str(kind))  # same name as in NumPy; to_pandas_dtype() of some versions of Arrow needs pandas
        # The largest integer of 64 bits is not a double; the next smaller double is used.
        low, high = float(bounds.min), np.nextafter(float(bounds.max), 0) if bounds.bits == 64 else float(bounds.max)
        return pa.array(np.clip(np.rint(values), low, high).astype(bounds.dtype), mask=missing)
    most = np.finfo(f"f{kind.bit_width // 8}").max  # to_pandas_dtype() of some versions of Arrow needs pandas
    return pa.array(np.clip(values, -most, most).astype(most.dtype), mask=missing)


def _moments(seconds: Float64Array, kind: ArrowType, missing: BoolArray) -> ArrowArray:
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


# Python's dates end with the years 1 and 9999. These are one day inside, in seconds since 1970, so that a time zone
# cannot push them out.
YEARS = (-62_135_510_400, 253_402_214_400)


def _local_days(moments: ArrowArray) -> ArrowArray:
    """Return the nearest local midnights of timestamps with a time zone."""
    import pyarrow.compute as pc

    days = pc.round_temporal(pc.local_timestamp(moments), unit="day")
    kind = moments.type
    return pc.assume_timezone(days, kind.tz, ambiguous="earliest", nonexistent="latest").cast(kind)


def _decoded(array: ArrowArray) -> ArrowArray:
    """Return a dictionary array, chunked or not, as an array of its values."""
    import pyarrow as pa

    kind = array.type.value_type
    if not pa.types.is_string_view(kind):
        return array.cast(kind)
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([_decoded(chunk) for chunk in array.chunks], kind)
    # Arrow cannot cast a dictionary of string views.
    texts = pa.DictionaryArray.from_arrays(array.indices, array.dictionary.cast(pa.string()))
    return texts.cast(pa.string()).cast(kind)


def _merged(
    own: ArrowArray, column: Column, array: ArrowArray, values: Float64Array, native: str
) -> tuple[Column, ArrowArray]:
    """Return a column that can hold both arrays, and the cells of `own`, with those of `array` in its gaps.

    Args: values: the numbers that `array` was made from; native: the type of `own` in the library of its frame.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(own.type):
        return column, array
    if column.form is not None and not is_text(own.type):  # the same column with a type
        column = replace(column, arrow=str(own.type), native=native, form=None, coded=False)
        array = array_of(values, column)
    if pa.types.is_dictionary(own.type):
        own = _decoded(own)
    if isinstance(own, pa.ChunkedArray):
        own = pa.concat_arrays(own.chunks)
    # Arrow has hardly any functions for string views.
    own = own.cast(pa.string()) if pa.types.is_string_view(own.type) else own
    if is_text(own.type):
        own = present_texts(own.cast(pa.string()), column.marks, column.levels)
    there = own.is_valid()
    if pa.types.is_floating(own.type):
        there = pc.and_(there, pc.invert(pc.is_nan(own.fill_null(0))))
    own = pc.if_else(there, own, pa.scalar(None, own.type))
    array = _decoded(array) if column.coded else array
    view = pa.types.is_string_view(array.type)
    array = array.cast(pa.string()) if view else array
    parsed = is_text(own.type) and not is_text(array.type) and column.kind != "category"
    same = _parsed(own, array.type) if parsed else _exact(own, array.type)
    if same is not None:
        own = same
    elif parsed:
        array, column = array.cast(own.type), replace(column, arrow=str(own.type), native=native)
    elif column.kind == "category":
        own, array, column = own.cast(pa.string()), array.cast(pa.string()), replace(column, native="")
    else:
        column = replace(column, arrow=str(own.type), native=native)
        array = array_of(values, column)
    array = pc.if_else(there, own, array)
    if not column.coded:
        return column, array.cast(pa.string_view()) if view else array
    levels = pa.array(list(column.levels), arrow_type(column.arrow)).cast(array.type).to_pylist()
    levels += [level for level in pc.unique(array).to_pylist() if level is not None and level not in levels]
    places = pc.index_in(array, value_set=pa.array(levels, array.type))
    coded = pa.DictionaryArray.from_arrays(places, pa.array(levels, array.type), ordered=column.ordered)
    return replace(column, arrow=str(array.type), levels=tuple(levels)), coded


def _parsed(texts: ArrowArray, kind: ArrowType) -> ArrowArray | None:
    """Return the values that texts stand for; None if one of them has another form, such as a unit."""
    import pyarrow as pa

    try:
        return texts.cast(kind)
    except pa.ArrowException:
        return None


def _exact(array: ArrowArray, kind: ArrowType) -> ArrowArray | None:
    """Return an array in another type; None if that would change a cell."""
    import pyarrow as pa

    try:
        cast = array.cast(kind)
        # Arrow silently drops the time of a timestamp and digits of a double.
        return cast if cast.cast(array.type).equals(array) else None
    except pa.ArrowException:
        return None


def _to_pyarrow(columns: Sequence[Column], arrays: list[ArrowArray], index: object, same: bool) -> ArrowTable:
    import pyarrow as pa

    for at, column in enumerate(columns):
        indices = re.search(r"indices=(u?int(?:8|16|32|64))\b", column.native) if same and column.coded else None
        if indices and len(arrays[at].dictionary) <= np.iinfo(indices[1]).max:
            places = arrays[at].indices.cast(arrow_type(indices[1]))
            arrays[at] = pa.DictionaryArray.from_arrays(places, arrays[at].dictionary, ordered=column.ordered)
    table: ArrowTable = pa.table(arrays, names=[column.name for column in columns])
    return table


def _to_pandas(columns: Sequence[Column], arrays: list[ArrowArray], index: object, same: bool) -> Frame:
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
            # pandas' types of whole numbers and booleans cannot hold a gap, which a reconstruction may leave.
            gap = array.null_count and re.fullmatch(r"u?int\d+|bool", column.native)
            series = series if gap else _cast(series, column.native)
        cells[column.name] = series
    frame: Any = pandas.DataFrame(cells)
    if index is not None:
        frame.index = index
    return cast(Frame, frame)


def _cast(series: Any, native: str) -> Any:
    """Return a pandas series in a type; unchanged if this pandas does not know the type or cannot cast to it."""
    if not re.match("[A-Za-z]{3}", native):  # short names of NumPy's types, one of which raises a warning
        return series
    try:
        return series.astype(native)
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        return series


def _to_polars(columns: Sequence[Column], arrays: list[ArrowArray], index: object, same: bool) -> Frame:
    import pyarrow as pa

    polars = _library("polars")
    cells = {}
    for column, array in zip(columns, arrays, strict=True):
        array = _decoded(array) if column.coded else array
        if pa.types.is_decimal256(array.type):  # polars has no such type
            array = array.cast(pa.float64())
        series = polars.from_arrow(array)
        if column.coded and isinstance(column.levels[0], str):  # their levels must be texts
            enum = same and column.native.startswith("Enum")
            series = series.cast(polars.Enum(list(column.levels)) if enum else polars.Categorical)
        cells[column.name] = series
    return cast(Frame, polars.DataFrame(cells))


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OptionError(
            f"the model was fitted on a frame of {name}, which is not installed: pip install {name}."
        ) from error


# The columns, their arrays, the index of a pandas frame, whether the frame that was learnt from is of this library.
ToFrame = Callable[[Sequence[Column], list[ArrowArray], object, bool], Frame]
FRAMES: dict[str, ToFrame] = {"pandas": _to_pandas, "polars": _to_polars, "pyarrow": _to_pyarrow}


def with_left_out(frame: Any, source: Frame, schema: Schema) -> Any:
    """Return a frame with those columns of another frame that the schema leaves out, in the order of the table.

    Args: frame: rows, or latents, of the rows of `source`; source: of the same library, or of pyarrow.
    """
    names = {str(name): name for name in frame_names(source) if str(name) in schema.spare}
    own = [str(name) for name in frame_names(frame)]
    names = {name: native for name, native in names.items() if name not in own}
    if not names:
        return frame
    native: Any = source
    order = schema.in_order([*names, *own]) if set(schema.names) & {*own} else [*names, *own]
    library = library_of(frame)
    if library != library_of(source):  # the table of a file
        native = native.to_pandas() if library == "pandas" else _library("polars").from_arrow(native)
    if library == "pyarrow":
        for name in names:
            frame = frame.append_column(name, native.column(name))
        return frame.select(order)
    if library == "polars":
        return frame.with_columns(*(native[name] for name in names)).select(order)
    given = {str(name): name for name in frame.columns} | names
    added = {names[name]: native[names[name]].set_axis(frame.index) for name in names}
    return frame.assign(**{}).join(_library("pandas").DataFrame(added, index=frame.index))[[given[n] for n in order]]


def numbers_as_frame(values: Rows, name: str, *, like: Frame) -> Any:
    """Return an array (n, k) as a frame with columns name_0, name_1, ..., or an array (n,) as one column `name`.

    Args: like: a frame that determines the library and, for pandas, the index.
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
