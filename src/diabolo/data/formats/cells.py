"""Cells as Python objects, from formats without columns of one type, as Arrow columns.

A column whose cells are of several kinds becomes text. Order: a table, a column, types, tables joined.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from diabolo.errors import DataError
from diabolo.typing import ArrowArray, ArrowSchema, ArrowTable, ArrowType

MOST_COLUMNS = 1 << 17  # a file with more is not a table
INT64 = 1 << 63


def table_of(
    columns: Mapping[str, Sequence[object]], where: str, types: Mapping[str, ArrowType] | None = None
) -> ArrowTable:
    """Return columns of Python objects as an Arrow table. Raises DataError for text that is not valid Unicode.

    Args: types: of the columns, as `unified` returns them; None: what the cells show.
    """
    import pyarrow as pa

    try:
        found = {name: column_of(values) for name, values in columns.items()}
        if types is not None:
            found = {name: _as_type(cells, columns[name], types[name]) for name, cells in found.items()}
        return pa.table(found)
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: holds text that is not valid Unicode, {error.object!r:.40}: replace it, and save the file again."
        ) from error


def column_of(values: Sequence[Any]) -> ArrowArray:
    """Return objects as an Arrow column: numbers, booleans, dates, times, or texts; None is a missing cell."""
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {int} and all(value is None or -INT64 <= value < INT64 for value in values):
        return pa.array(values, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if value is None else _double(value) for value in values], pa.float64())
    if kinds == {datetime.date, datetime.datetime}:
        return pa.array([_moment(value) for value in values], pa.timestamp("us"))
    if len(kinds) == 1:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):  # such as lists of several kinds, times of several zones
            pass
    return pa.array([None if value is None else text_of(value) for value in values], pa.string())


def _as_type(cells: ArrowArray, values: Sequence[object], kind: ArrowType) -> ArrowArray:
    """Return an Arrow column in the type that holds it and other parts of the same column."""
    import pyarrow as pa

    if cells.type == kind:
        return cells
    if pa.types.is_null(cells.type):
        return pa.nulls(len(cells), kind)
    if pa.types.is_string(kind):
        return pa.array([None if value is None else text_of(value) for value in values], kind)
    return cells.cast(kind, safe=False) if pa.types.is_floating(kind) else pa.array(values, kind)


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond 1e308
        return float("inf") if value > 0 else float("-inf")


def _moment(value: Any) -> Any:
    if value is None or isinstance(value, datetime.datetime):
        return value
    return datetime.datetime(value.year, value.month, value.day)


def text_of(value: object) -> str:
    """Return a cell as text: whole numbers without a point, dates in ISO form, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def unified(known: ArrowSchema, found: ArrowSchema) -> ArrowSchema:
    """Return the columns of both schemas; one that changes its type becomes text, unless both are numbers."""
    import pyarrow as pa

    try:
        return pa.unify_schemas([known, found], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        both = [name for name in known.names if name in found.names]
        mixed = [name for name in both if not _together([known.field(name).type, found.field(name).type])]
        texts = [
            pa.schema([(each.name, pa.string() if each.name in mixed else each.type) for each in schema])
            for schema in (known, found)
        ]
        return pa.unify_schemas(texts, promote_options="permissive")


def joined(tables: Sequence[ArrowTable]) -> ArrowTable:
    """Return tables one after the other; a column that changes its type becomes text, unless both are numbers."""
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        mixed = [name for name in tables[0].column_names if not _together([each.field(name).type for each in tables])]
        return pa.concat_tables([_as_texts(each, mixed) for each in tables], promote_options="permissive")


def _together(kinds: list[Any]) -> bool:
    import pyarrow as pa

    try:
        pa.unify_schemas([pa.schema([("x", kind)]) for kind in kinds], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _as_texts(table: ArrowTable, names: Sequence[str]) -> ArrowTable:
    import pyarrow as pa

    for name in names:
        values = [None if value is None else text_of(value) for value in table[name].to_pylist()]
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return table
