"""The rows of a page, from any source of a user: numbers for the model, and the other columns to show.

Order: the rows, reading them, some of them.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import frames, sparse
from diabolo.data.adapters import Rows
from diabolo.data.kinds import is_stream
from diabolo.data.opening import open_stream
from diabolo.data.splits import spread_evenly
from diabolo.data.tables import Reading
from diabolo.errors import DataError, OptionError, unknown
from diabolo.model import rows as user_rows
from diabolo.model.model import Model
from diabolo.report import colouring
from diabolo.typing import ArrowTable, Int64Array

Labels = Sequence[str | None] | None  # one for each row; None: there are none

AT_ONCE = 1 << 16  # rows of a stream that are read at once


logger = logging.getLogger(__name__)


class PageRows(NamedTuple):
    """Rows of a page.

    Attributes:
        name: of the source.
        values: (n, *row_shape), as the model takes them.
        numbers: (n,), of each row in the source, from 0.
        total: rows in the source.
        table: the columns of the source, for these rows; None: it has none.
        labels: (n,), texts; None: there are none.
        label: the name of the labels.
        part: what the rows of the source are, "rows" or "test rows".
    """

    name: str
    values: Rows
    numbers: Int64Array
    total: int
    table: ArrowTable | None = None
    labels: Sequence[str | None] | None = None
    label: str = "label"
    part: str = "rows"
    given: bool = False  # whether the labels were passed as a list

    def without_labels(self) -> "PageRows":
        """Return these rows without their labels; names of pictures may hold them as well."""
        names = [] if self.table is None else [name for name in ("file", self.label) if name in self.table.column_names]
        return self._replace(labels=None, table=self.table.drop_columns(names) if self.table is not None else None)

    @property
    def which(self) -> str:
        """Which rows these are, in words."""
        if len(self.values) == self.total:
            return f"all {self.part}"
        return "spread evenly over the data"


def read(
    model: Model,
    X: object,
    *,
    most: int | None = None,
    labels: object = None,
    reading: Reading | None = None,
    data_dir: str | Path | None = None,
    where: str = "report()",
) -> PageRows:
    """Return rows with the columns to show.

    Args:
        model: whose rows they are.
        X: as for `Verbs.encode`: an array, a frame, a name, a file, a folder.
        most: how many rows, spread evenly over the data; None: all.
        labels: one for each row, or the name of a column of the data; None: those of a data set, or of a folder of
            pictures that has subfolders.
        reading: how files are read.
        data_dir: the folder of the data sets.
        where: the call, for messages.

    Raises: DataError, ShapeError, OptionError.
    """
    if most is not None and most < 1:
        raise OptionError(f"{where} expected at least 1 row, got {most}.")
    X = frames.from_arrow(X)
    if sparse.is_sparse(X):
        return _of_sparse(model, X, most, labels, where)
    table, name = None, "rows"
    if frames.is_frame(X):
        table, name = _arrow(X), f"a frame of {frames.library_of(X)}"
        values = user_rows.read(model, X, where=where, who="the model")
    elif is_stream(X):
        values, table, name = _stream(model, X, reading, data_dir)
        values = model.checked(values, where=where)
        labels = labels_of(X, data_dir) if labels is None else labels
    else:
        values = user_rows.read(model, X, where=where, who="the model")
    if table is not None and len(table) != len(values):
        table = None
    found, label = _labels(labels, table, len(values), where)
    given = found is not None and not isinstance(labels, str) and labels is not None
    rows = PageRows(name, values, np.arange(len(values)), len(values), table, found, label, given=given)
    return rows if most is None or most >= len(values) else taken(rows, spread_evenly(len(values), most))


def _of_sparse(model: Model, X: Any, most: int | None, labels: object, where: str) -> PageRows:
    """Return some rows of a sparse matrix, dense."""
    count = X.shape[0]
    places = np.arange(count) if most is None else spread_evenly(count, most)
    values = model.checked(X.tocsr()[places].toarray(), where=where)
    found, label = _labels(labels, None, count, where)
    some = None if found is None else [found[int(at)] for at in places]
    return PageRows("a sparse matrix", values, places, count, None, some, label)


def taken(rows: PageRows, places: Int64Array) -> PageRows:
    """Return some of the rows."""
    return rows._replace(
        values=rows.values[places],
        numbers=rows.numbers[places],
        table=None if rows.table is None else rows.table.take(places),
        labels=None if rows.labels is None else [rows.labels[at] for at in places],
    )


def _stream(
    model: Model, X: object, reading: Reading | None, data_dir: str | Path | None
) -> tuple[Rows, ArrowTable | None, str]:
    """Return the rows of a source that is read in chunks, its columns and its name."""
    tables = list[ArrowTable]()

    def keep(table: ArrowTable, first_row: int) -> None:
        tables.append(table)

    schema, adapter = model.schema, model.adapter
    stream = open_stream(
        X,
        data_dir=data_dir,
        schema=schema,
        reading=reading,
        keep=keep,
        spare=() if schema is None else schema.spare,
        row_shape=adapter.row_shape,
        row_type=adapter.dtype,
        say=lambda note: None,  # notes on columns that the model does not use; the page shows them
    )
    chunks = list(stream.chunks(AT_ONCE))
    return np.concatenate(chunks), user_rows.joined(tables), stream.name


def of_array(
    values: Rows, name: str, numbers: Int64Array | None = None, *, part: str = "rows", labels: Labels = None
) -> PageRows:
    """Return checked rows as those of a page.

    Args:
        values: the rows.
        name: of the source.
        numbers: of each row in the source; None: 0, 1, 2, ...
        part: see `PageRows`.
        labels: one for each row of the source.
    """
    places = np.arange(len(values)) if numbers is None else numbers
    known = labels is not None and len(places) and int(places.max()) < len(labels)
    texts = [labels[int(at)] for at in places] if labels is not None and known else None
    return PageRows(name, values, places, len(values), None, texts, part=part)


def _arrow(frame: Any) -> ArrowTable | None:
    """Return a frame as an Arrow table; None if other columns have cells that Arrow cannot hold."""
    import narwhals

    try:
        table: ArrowTable = narwhals.from_native(frame, eager_only=True).to_arrow()
    except Exception as error:  # each library has its own
        logger.warning("the other columns of the frame are not shown: %s", str(error).splitlines()[0][:200])
        return None
    return table


def labels_of(X: object, data_dir: str | Path | None) -> Sequence[str | None] | None:
    """Return the labels of a data set by name, for the rows that `open_stream` gives; None for another source."""
    found = colouring.of_data_set(X, data_dir)
    return None if found is None else found.texts


def _labels(given: object, table: ArrowTable | None, count: int, where: str) -> tuple[Sequence[str | None] | None, str]:
    """Return labels as texts, and their name."""
    if given is None:
        named = table is not None and {"file", "label"} <= set(table.column_names)
        given = "label" if named else None
    if given is None:
        return None, ""
    if isinstance(given, str):
        if table is None:
            raise OptionError(f"{where}: the rows have no columns, so {given!r} is not one: pass labels as a list.")
        if given not in table.column_names:
            raise DataError(unknown("column", given, table.column_names))
        return [None if each is None else str(each) for each in table[given].to_pylist()], given
    values = np.asarray(given)
    if values.shape != (count,):
        raise DataError(f"{where}: expected a label for each of {count:,} rows, got labels of shape {values.shape}.")
    return [None if each is None or each != each else str(each) for each in values.tolist()], "label"
