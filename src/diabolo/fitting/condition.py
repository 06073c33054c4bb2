"""The columns of the condition among the rows of fit(): checked, and found in the tensors of the network."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from diabolo.data.adapters import TableAdapter
from diabolo.data.sources import Source
from diabolo.data.streams import Stream
from diabolo.errors import DataError, OptionError, listed, unknown


def columns_of(opened: Source | Stream, names: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of a condition, counted from 0, in the order of the table.

    Raises: OptionError for names that are not columns, or are all of them; DataError for missing cells.
    """
    if isinstance(opened, Stream):
        refuse(names, f"{opened.name} is read in chunks: raise the limit (memory=, --memory)", instead=None)
    schema = opened.schema
    if schema is None or opened.series:
        refuse(names, f"{opened.name} has no names of columns" if schema is None else f"{opened.name} has series")
    for name in names:
        if name in schema.spare:
            reason = next(each.reason for each in schema.left_out if each.name == name)
            raise OptionError(
                f"condition {name!r} is a column from which nothing can be learnt, {reason}: leave it out."
            )
        if name not in schema.names:
            raise OptionError(f"condition: {unknown('column', name, schema.names)}")
    if len(names) == len(schema.columns):
        raise OptionError(
            f"condition {listed(schema.names)} is all columns that are learnt: leave out those that the latents are of."
        )
    columns = tuple(at for at, name in enumerate(schema.names) if name in names)
    for at in columns:
        missing = np.isnan(opened.rows[:, at])
        if missing.any():
            raise DataError(
                f"fit(): column {schema.names[at]!r} of the condition has no value in {int(missing.sum()):,} rows, the "
                f"first is row {int(missing.argmax())}: fill it in, or drop these rows."
            )
    return columns


def places_of(adapter: TableAdapter, columns: Sequence[int]) -> tuple[int, ...]:
    """Return where the numbers of columns are in a row of tensors, rising."""
    return tuple(
        sorted(at for column in columns for at in range(adapter.places[column].start, adapter.places[column].stop))
    )


def refuse(names: Sequence[str], why: str, instead: str | None = "") -> NoReturn:
    """Raise OptionError for rows that cannot have a condition."""
    if instead is not None:
        instead = ": pass a frame or a file of a table, such as pd.DataFrame(X).assign(site=labels)"
    raise OptionError(f"condition={list(names)!s:.80} (--condition) names columns, but {why}{instead or ''}.")
