"""From an array of numbers, as `reading.read` gives it, to a frame of pandas, polars or pyarrow.

Order: the frame, numbers to an Arrow array, cells that are known, frames of each library, latents.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diabolo.data.adapters.rows import Rows
from diabolo.data.frames.columns import UNITS, Column, Schema, arrow_type
from diabolo.data.frames.reading import cells_of, library_of, native_types
from diabolo.errors import DiaboloError, OptionError, listed


def write(rows: Rows, schema: Schema, library: str | None = None, *, index: Any = None, known: Any = None) -> Any:
    """Return an array (n, columns) as a frame of a library; None: the one it came from. NaN is a missing cell.

    Args:
        rows: as `read` gives them.
        schema: of their columns.
        library: of the frame.
        index: of a pandas frame.
        known: the frame that rows are of, whose own cells stand where it has any: not every one of them, such as
            nanoseconds or a level that was never seen, is the same when it comes back from a number. A column that
            could not hold one of them as it is has the type of that frame, or the level beside its own.

    Raises: OptionError where the library is not installed.
    """
    library = library or schema.library
    if library == "array":
        return rows
    cells = {} if known is None else cells_of(known, "write()")
    native = native_types(known) if known is not None and library_of(known) == library else {}
    columns, arrays = list(schema.columns), []
    for at, column in enumerate(schema.columns):
        arrays.append(array_of(rows[:, at], column))
        if column.name in cells:
            own = cells[column.name]
            columns[at], arrays[at] = _beside(own, column, arrays[at], rows[:, at], native.get(column.name, ""))
    try:
        frame = FRAMES[library](columns, arrays, index, library == schema.library)
    except DiaboloError:
        raise
    except Exception as error:  # each library has errors of its own for a type that it does not hold
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OptionError(
            f"a frame of {library} cannot hold columns of the types {listed(sorted({c.arrow for c in columns}))} "
            f"({reason:.200}): write a file, or pass a frame of another library."
        ) from error
    if schema.numbered and library == "pandas":
        frame.columns = [int(name) for name in schema.names]
    return frame


def array_of(values: Rows, column: Column) -> Any:
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
        array = array_of(values, column)
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
