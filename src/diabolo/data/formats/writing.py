"""What formats with types need for writing."""

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
