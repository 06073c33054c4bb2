"""What several formats need for writing. Order: types, JSON, cells that a format cannot hold."""

import datetime
import json
from collections.abc import Mapping

from diabolo.errors import OutputError
from diabolo.typing import ArrowSchema, ArrowTable


def like_first(table: ArrowTable, schema: ArrowSchema, ending: str) -> ArrowTable:
    """Return a table with the types of the first one; OutputError if these cannot hold a cell of it."""
    import pyarrow as pa

    try:
        return table if table.schema.equals(schema) else table.cast(schema)
    except pa.ArrowException as error:
        raise OutputError(
            f"later rows need wider types of columns than the first ones, which {ending} cannot store: write "
            f".csv ({str(error).splitlines()[0]})."
        ) from error


def as_json(row: Mapping[str, object]) -> bytes:
    """Return a row as a JSON object; dates and times as ISO texts, NaN as null."""
    values = {name: None if value != value else value for name, value in row.items()}
    return json.dumps(values, ensure_ascii=False, default=_text, allow_nan=False).encode()


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def without_nested(table: ArrowTable) -> ArrowTable:
    """Return a table whose columns of lists and objects are JSON texts, and whose dictionaries are values."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        column = table.column(at)
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field.name, column.cast(field.type.value_type))
        elif pa.types.is_nested(field.type):
            texts = [None if value is None else json.dumps(value, default=_text) for value in column.to_pylist()]
            table = table.set_column(at, field.name, pa.array(texts, pa.string()))
    return table
