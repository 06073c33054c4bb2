"""Turn a frame into an array of numbers.

The array has shape (n, columns) and type float64. Numbers stay as they are; booleans become 0 and 1, categories the
index of their level, dates seconds since 1970, durations and times of day seconds; a missing cell becomes NaN.
Order: a frame, its cells, one column.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from diabolo.data import memory
from diabolo.data.adapters.features import FEATURES
from diabolo.data.adapters.rows import of_columns
from diabolo.data.frames import texts
from diabolo.data.frames.cells import as_texts, present
from diabolo.data.frames.columns import UNITS, Column, Schema, arrow_type, is_text, kind_of
from diabolo.data.frames.forms import BooleanForm, DateForm, Form, NumberForm
from diabolo.data.frames.marks import AMONG_NUMBERS
from diabolo.errors import DataError, listed
from diabolo.typing import ArrowArray, ArrowTable, Float64Array, Frame


class Read(NamedTuple):
    """The array of a frame, and notes about the columns that differ from those in fit()."""

    rows: Float64Array  # (n, columns)
    notes: tuple[str, ...]


def read(frame: Frame, schema: Schema, *, where: str, first_row: int = 0, spare: Collection[str] = ()) -> Read:
    """Return a frame as an array; columns are found by their names.

    Args:
        frame: of any library.
        schema: the schema of the frame that was learnt from.
        where: the caller, which begins a message.
        first_row: the number of rows before these, for messages.
        spare: columns outside the schema that need no note.

    Raises: DataError for a column that is missing or has another kind.

    Other columns are left out, columns in another order are reordered, and a level that the schema does not have
    becomes the number of levels. A note reports each of these.
    """
    unread: dict[str, str] = {}
    cells, notes = cells_of(frame, where, unread), []
    wrong = next((name for name in schema.names if name in unread), None)
    if wrong is not None:
        raise DataError(f"{where}: column {wrong!r} {unread[wrong]}.")
    cells = _as_named(cells, schema.names)
    schema.check_names(cells, where)
    known = {*schema.names, *schema.spare, *spare}
    index = {name for name in cells if name == "" or name.startswith("Unnamed: ")} if schema.left_out else set()
    extra = [name for name in [*cells, *unread] if name not in known | index]
    if extra:
        notes.append(f"left out columns that fit() did not see: {listed(extra)}")
    if [name for name in cells if name in schema.names] != list(schema.names):
        notes.append("put columns in the order of fit()")
    size = len(next(iter(cells.values())))
    values = list[Float64Array]()
    for column in schema.columns:
        values.append(_values(cells[column.name], column, where, first_row))
        unseen = np.flatnonzero(values[-1] >= len(column.levels)) if column.kind == "category" else np.zeros(0)
        if len(unseen):
            value = cells[column.name][int(unseen[0])].as_py()
            notes.append(
                f"column {column.name!r}: {len(unseen):,} cell{'s' * (len(unseen) != 1)} with a level that fit() "
                f"never saw, the first {value!r:.40} in row {first_row + int(unseen[0])}"
            )
    return Read(of_columns(values, size), tuple(notes))


def _as_named(cells: dict[str, ArrowArray], names: Sequence[str]) -> dict[str, ArrowArray]:
    """Return columns under the names of fit() where they differ in blanks around them alone, as pandas leaves them."""
    wanted = {name.strip(): name for name in names if name not in cells}
    found = Counter(name.strip() for name in cells)
    return {
        wanted[name.strip()]
        if name not in names and found[name.strip()] == 1 and name.strip() in wanted
        else name: each
        for name, each in cells.items()
    }


def is_frame(value: object) -> TypeGuard[Frame]:
    """Return whether a value is a frame of pandas, polars or pyarrow."""
    if type(value).__module__.partition(".")[0] not in ("pandas", "polars", "pyarrow"):
        return False
    import narwhals

    return bool(narwhals.dependencies.is_into_dataframe(value))


def from_arrow(value: Any) -> Any:
    """Return an object that gives Arrow's record batches as a frame; any other object, frames too, as it is.

    Such objects are relations of DuckDB, readers and data sets of pyarrow, data sets of Hugging Face. A lazy frame of
    polars is collected. Raises: DataError for more rows than fit in memory.
    """
    library, name = type(value).__module__.partition(".")[0], type(value).__name__
    if library == "polars":
        return value.collect() if name == "LazyFrame" else value
    if is_frame(value) or (hasattr(value, "__array__") and library != "pyarrow"):
        return value
    import pyarrow as pa

    if library == "datasets" and hasattr(value, "with_format"):
        return value.with_format("arrow")[:] if not hasattr(value, "__arrow_c_stream__") else _collected(value, name)
    if library == "pyarrow" and isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if library == "pyarrow" and hasattr(value, "scanner"):
        return _collected(value.scanner().to_reader(), name)
    return _collected(value, name) if hasattr(value, "__arrow_c_stream__") else value


def _collected(stream: Any, name: str) -> ArrowTable:
    """Return all record batches of a stream as a table."""
    import pyarrow as pa

    try:
        reader, batches, taken = pa.RecordBatchReader.from_stream(stream), [], 0
        for batch in reader:
            taken += batch.nbytes
            if taken > memory.free():
                raise DataError(f"a {name} takes more than {memory.words(taken)} of memory: pass fewer rows.")
            batches.append(batch)
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"a {name}: expected rows of columns ({str(error).splitlines()[0]:.160}).") from error
    return pa.Table.from_batches(batches, reader.schema)


def library_of(frame: object) -> str:
    """Return the name of the library that a frame belongs to."""
    return type(frame).__module__.partition(".")[0]


def cells_of(frame: Frame, where: str, refused: dict[str, str] | None = None) -> dict[str, ArrowArray]:
    """Return the columns of a frame as Arrow arrays, by name.

    Args: refused: takes the name of each column that Arrow cannot hold, and why; None: such a column is an error.
    Raises: DataError for a frame without rows, and names that are not texts or occur twice.
    """
    import narwhals
    import pyarrow as pa

    native_names = frame_names(frame)
    twice = [name for name, count in Counter(map(str, native_names)).items() if count > 1]
    if twice:
        raise DataError(f"{where}: two columns are called {twice[0]!r}: give each column a name of its own.")
    native: Any = frame
    wrapped = narwhals.from_native(native, eager_only=True)
    if not len(wrapped) or not native_names:
        raise DataError(f"{where}: expected a table with rows and columns, got {len(wrapped)} rows.")
    cells, ours = {}, library_of(frame) == "pyarrow" and hasattr(native, "num_columns")
    whole_names, boolean_names = are_numbered(native_names), all(isinstance(name, _BOOLEANS) for name in native_names)
    for name in wrapped.columns:
        if not isinstance(name, str) and not boolean_names and not (whole_names and -1e9 < name < 1e9):
            raise DataError(
                f"{where}: expected names of columns to be texts, got {name!r}: df.columns = df.columns.astype(str)."
            )
        if not _is_unicode(name):
            raise DataError(f"{where}: the name {name!r} of a column is not valid Unicode: rename the column.")
        try:
            # narwhals would copy a column of one chunk.
            cells[str(name)] = _in_one(native.column(name)) if ours else wrapped.get_column(name).to_arrow()
        except (OverflowError, UnicodeEncodeError, pa.ArrowException) as error:
            reason = _why_not(error, native_types(frame)[str(name)])
            if refused is None:
                raise DataError(f"{where}: column {name!r} {reason}.") from error
            refused[str(name)] = reason
    return cells


def _in_one(column: ArrowArray) -> ArrowArray:
    """Return a column of a table as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _why_not(error: Exception, native: str) -> str:
    """Return why Arrow cannot hold a column, in a few words."""
    if isinstance(error, OverflowError):
        return "holds whole numbers that do not fit 64 bits"
    if isinstance(error, UnicodeEncodeError):
        return f"holds text that is not valid Unicode, {error.object!r:.40}"
    if native.lower() == "object":
        return f"mixes types ({str(error).splitlines()[0]:.120})"
    return f"holds {native}, not numbers, texts, booleans or dates"


_BOOLEANS = (bool, np.bool_)


def are_numbered(names: Sequence[object]) -> bool:
    """Return whether all names are whole numbers; True and False are not, though bool is a subclass of int."""
    return all(isinstance(name, (int, np.integer)) and not isinstance(name, bool) for name in names)


def _is_unicode(name: object) -> bool:
    """Return whether a name can be encoded; half of a surrogate pair cannot."""
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def frame_names(frame: Frame) -> list[object]:
    """Return the names of a frame's columns; in pandas these may be any objects."""
    native: Any = frame
    return list(native.column_names) if library_of(frame) == "pyarrow" else list(native.columns)


def native_types(frame: Frame) -> dict[str, str]:
    """Return the type of each column in the library of the frame, as text, by name."""
    native: Any = frame
    if library_of(frame) == "pandas":
        return {str(name): str(kind) for name, kind in native.dtypes.items()}
    if library_of(frame) == "polars":
        return {name: str(kind) for name, kind in native.schema.items()}
    return {field.name: str(field.type) for field in native.schema}


def _values(array: ArrowArray, column: Column, where: str, first_row: int) -> Float64Array:
    """Return one column as numbers (n,); DataError if its kind is not that of the schema."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_null(kind) or len(array) == array.null_count:
        return np.full(len(array), np.nan)
    coded = pa.types.is_dictionary(kind)
    found = kind_of(kind.value_type if coded else kind, coded)
    if column.kind == "category":
        own = present_texts(as_texts(array), column.marks, column.levels) if is_text(kind) else array
        return _places(own, column)
    if is_text(kind):
        return _of_texts(as_texts(array), column, where, first_row)
    accepts = {"date": ("date",), "boolean": ("boolean", "number")}.get(column.kind, ("number", "boolean"))
    bare = isinstance(column.form, NumberForm) and column.form.scaled
    if found not in accepts or bare:
        values = array.drop_null()
        got = f"{values[0].as_py()!r:.40}" if len(values) else str(kind)
        row = first_row + next(at for at, valid in enumerate(array.is_valid().to_pylist()) if valid)
        expected = (
            f"{column.form.words} such as {_example(column.form)}" if bare and column.form else f"a {column.kind}"
        )
        raise DataError(f"{where}: column {column.name!r} expected {expected}, got {got} in row {row}.")
    floats = numbers_of(array)
    for mark in column.marks:
        floats = np.where(floats == _number(mark), np.nan, floats)
    return _allowed(floats, column, where, first_row)


def _allowed(floats: Float64Array, column: Column, where: str, first_row: int) -> Float64Array:
    """Return the numbers of a column. Raises DataError for infinity, and for what its kind cannot be."""
    if np.isinf(floats).any():
        row = first_row + int(np.isinf(floats).argmax())
        raise DataError(f"{where}: column {column.name!r} holds infinity in row {row}: drop or correct the row.")
    refused = FEATURES[column.kind].refused(floats)
    if refused.any():
        at = int(refused.argmax())
        raise DataError(
            f"{where}: column {column.name!r} expected {FEATURES[column.kind].words}, got {floats[at]:.6g} in row "
            f"{first_row + at}: drop or correct the row."
        )
    return floats


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def present_texts(cells: ArrowArray, marks: Sequence[str], levels: Sequence[object]) -> ArrowArray:
    """Return texts without the marks for missing cells; levels, which are never such marks, stay."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = present(cells, marks)
    if levels:
        keep = pc.or_(keep, pc.is_in(cells, pa.array([each for each in levels if isinstance(each, str)], pa.string())))
    return pc.if_else(keep, cells, pa.scalar(None, pa.string()))


def _of_texts(cells: ArrowArray, column: Column, where: str, first_row: int) -> Float64Array:
    """Return the numbers of texts, in the form of the column or in another that cannot be mistaken for it.

    Raises: DataError, also for another unit, and another order of day and month.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    shown = present_texts(cells, column.marks, ())
    there = np.asarray(shown.is_valid().to_numpy(zero_copy_only=False), bool)
    form = column.form or _plain_form(column.kind)
    values = _of_type(shown, column) if form is None else form.read(shown)
    misfits = there & np.isnan(values)
    if misfits.any():  # words such as "unknown" are missing cells among numbers and dates, whatever fit() saw
        among = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(shown)), pa.array(AMONG_NUMBERS, pa.string()))
        misfits &= ~np.asarray(among.to_numpy(zero_copy_only=False), bool)
    if not misfits.any():
        return _allowed(values, column, where, first_row)
    found = texts.find(shown, column.name, kind=column.kind.replace("count", "number"))
    # A form with a note was chosen from two, by the rows of this call.
    if found.form is not None and not found.note and (form is None or not form.contradicts(found.form)):
        return _allowed(found.form.read(shown), column, where, first_row)
    wrong = np.flatnonzero(misfits).tolist()
    if form is None:  # all texts were read at once, and one of them is not a date
        wrong = [at for at in wrong if texts.find(shown.slice(at, 1), column.name, kind="date").form is None] or wrong
    row = wrong[0]
    if column.form is not None:
        expected = f"{column.form.words} such as {_example(column.form)}"
    else:
        expected = f"a {column.kind}" + (" such as 2024-05-31" if column.kind == "date" else "")
    got = f"{shown[row].as_py()!r:.40} in row {first_row + row}"
    raise DataError(f"{where}: column {column.name!r} expected {expected}, got {got}: correct it, or leave it empty.")


def _of_type(cells: ArrowArray, column: Column) -> Float64Array:
    """Return the numbers of texts that are written as Arrow writes the type of a column; NaN if one is not."""
    import pyarrow as pa

    try:
        return numbers_of(cells.cast(arrow_type(column.arrow)))
    except pa.ArrowException:
        return np.full(len(cells), np.nan)


def _plain_form(kind: str) -> Form | None:
    """Return how texts are written where fit() saw a type: numbers and booleans; dates have no such form."""
    if kind == "boolean":
        return BooleanForm(true="true", false="false")
    return NumberForm() if kind in ("number", "count") else None


def _example(form: Form) -> str:
    one = 1_700_000_000.0 if isinstance(form, DateForm) else 1.0
    return repr(form.write(np.array([one]))[0])


def _places(array: ArrowArray, column: Column) -> Float64Array:
    """Return the index of the level of each cell, (n,); for an unknown level, the number of levels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        return np.concatenate([_places(chunk, column) for chunk in array.chunks])
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    known: dict[object, int] = {level: place for place, level in enumerate(column.levels)}
    if not is_text(array.dictionary.type):
        known |= _codes(column.levels)
    to = [np.nan if level is None else known.get(level, len(known)) for level in array.dictionary.to_pylist()]
    indices = array.indices.cast(pa.float64()).to_numpy(zero_copy_only=False)
    missing = np.isnan(indices)
    places: Float64Array = np.asarray([*to, np.nan])[np.where(missing, len(to), indices).astype(np.int64)]
    return places


def _codes(levels: Sequence[object]) -> dict[object, int]:
    """Return the places of levels such as 01002 by their numbers, which pandas reads; empty for other levels."""
    texts = [level for level in levels if isinstance(level, str) and level.isascii() and level.isdigit()]
    codes: dict[object, int] = {int(text): place for place, text in enumerate(texts)}
    return codes if len(codes) == len(levels) else {}


def numbers_of(array: ArrowArray) -> Float64Array:
    """Return numbers, booleans, dates, durations and times of day as float64, and missing cells as NaN."""
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
    return floats if per_second == 1 else floats / per_second


def floats(array: ArrowArray, name: str, where: str, expected: str = "") -> Float64Array:
    """Return a column of numbers, booleans, dates or durations as float64; DataError for any other column.

    Args: expected: the end of the message: the expected kind, and the remedy.
    """
    import pyarrow as pa

    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if kind_of(kind, False) in (None, "category"):
        expected = expected or f"numbers: leave it out (--drop {name})"
        raise DataError(f"{where}: column {name!r} holds {kind}, expected {expected}.")
    return numbers_of(array)
