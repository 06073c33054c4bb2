"""Plots of a trained model: rows of any source become a figure of Matplotlib, and a file if a path is given.

`Verbs` calls these. Order: the plots, which rows, reading rows with a column, saving.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from diabolo.checks import is_whole, whole
from diabolo.data import frames, sparse
from diabolo.data.adapters import Rows
from diabolo.data.kinds import is_stream, pictures_in
from diabolo.data.long_table.cut import Windows
from diabolo.data.long_table.labels import Labels
from diabolo.data.opening import open_source, open_stream
from diabolo.errors import DataError, OptionError, unknown
from diabolo.model import rows as user_rows
from diabolo.model.model import Model
from diabolo.model.rows import ROWS_AT_ONCE
from diabolo.report import colouring, pictures
from diabolo.report.colouring import Colouring
from diabolo.report.columns import errors_of_columns
from diabolo.report.pictures import rows as row_pictures
from diabolo.report.pictures.drawn import Drawn
from diabolo.report.pictures.errors import COLUMNS
from diabolo.report.traversal import traverse
from diabolo.storage import files
from diabolo.typing import ArrowArray, ArrowTable, Int64Array

MOST_ROWS = 100  # in one figure; more would be too large for Matplotlib
MOST_STEPS = 50


def reconstructions(model: Model, X: object, *, rows: object, count: object, path: object, force: bool) -> Figure:
    """Return rows above their reconstructions; arguments as for `Verbs.plot_reconstructions`."""
    where, target = "plot_reconstructions()", checked_path(path, force=force)
    count = whole(f"{where}: count", count, 1)
    if rows is None and count > MOST_ROWS:
        raise OptionError(f"{where} can draw {MOST_ROWS} rows, got count={count}: pass fewer.")
    found = _read(model, X, where)
    places = None if rows is None else _places(rows, len(found), where)
    if sparse.is_sparse(found.rows):
        return _saved(_sparse(model, found.rows, places, count), target, force=force)
    figure = pictures.reconstructions(model, found.rows, None, found.labels, places=places, count=count)
    return _saved(figure, target, force=force)


def _sparse(model: Model, rows: Any, places: Int64Array | None, count: int) -> Figure:
    """Return the figure of rows of a sparse matrix; only the rows that are drawn are made dense."""
    if places is None:
        groups = row_pictures.typical_and_worst(model.squared_error_per_row(rows), count)
    else:
        groups = row_pictures.chosen(places)
    numbers = np.concatenate([group.places for group in groups])
    ends = np.cumsum([len(group.places) for group in groups])
    dense = rows.tocsr()[numbers].toarray()
    groups = [
        group._replace(places=np.arange(end - len(group.places), end)) for group, end in zip(groups, ends, strict=True)
    ]
    return row_pictures.draw(Drawn(model, dense, None, model.squared_error_per_row(dense), numbers, groups))


def history(model: Model, *, path: object, force: bool) -> Figure:
    """Return the training curve; arguments as for `Verbs.plot_history`."""
    target = checked_path(path, force=force)
    return _saved(pictures.training(model), target, force=force)


def latents(model: Model, X: object, *, color: object, path: object, force: bool) -> Figure:
    """Return the map of the latents; arguments as for `Verbs.plot_latents`."""
    where, target = "plot_latents()", checked_path(path, force=force)
    name = str(color) if isinstance(color, str) or (is_whole(color, 0) and frames.is_frame(X)) else None
    if color is None and is_stream(X) and pictures_in(X) is not None:
        name = "label"  # the subfolder
    found = _read(model, X, where, name)
    painted = found.colouring
    if color is not None and name is None:
        painted = colouring.of_values(color, len(found), where)
    elif color is None:
        painted = colouring.several(painted or colouring.of_data_set(X))
    return _saved(pictures.latents(model.encode(found.rows, where=where), painted), target, force=force)


def traversal(
    model: Model, row: object, *, latents: object, steps: object, X: object, path: object, force: bool
) -> Figure:
    """Return what each latent changes in a row; arguments as for `Verbs.plot_traversal`."""
    where, target = "plot_traversal()", checked_path(path, force=force)
    steps = whole(f"{where}: steps", steps, 2)
    if steps > MOST_STEPS:
        raise OptionError(f"{where}: steps must be at most {MOST_STEPS}, got {steps}.")
    size = model.network.latent_dim
    chosen = None if latents is None else _numbers(latents, size, where, "latent").tolist()
    one = model.checked([user_rows.read_one(model, row, where=where)], where=where)[0]
    known = None if X is None else model.encode(_read(model, X, where).rows, where=where)
    found = traverse(model, one, chosen, steps, known, where)
    return _saved(pictures.traversal(model, one, found), target, force=force)


def errors(model: Model, X: object, *, path: object, force: bool) -> Figure:
    """Return the errors of rows and columns; arguments as for `Verbs.plot_errors`."""
    where, target = "plot_errors()", checked_path(path, force=force)
    found, adapter = _read(model, X, where), model.adapter
    named = model.schema is not None or (len(adapter.row_shape) == 1 and adapter.row_shape[0] <= COLUMNS)
    columns = errors_of_columns(model, found.rows) if named and not sparse.is_sparse(found.rows) else []
    unit = f"mean squared error of a row, {adapter.unit(model.loss.scaling)}"
    if adapter.is_table:
        unit = "error of a row: mean over its columns, relative to the best constant guess"
    figure = pictures.row_errors(model.squared_error_per_row(found.rows), unit, columns)
    return _saved(figure, target, force=force)


def _places(rows: object, count: int, where: str) -> Int64Array:
    """Return the numbers of rows. Raises OptionError if they are not valid."""
    places = _numbers(rows, count, where, "row")
    if len(places) > MOST_ROWS:
        raise OptionError(f"{where} can draw {MOST_ROWS} rows, got {len(places)}: pass fewer.")
    return places


def _numbers(given: object, count: int, where: str, what: str) -> Int64Array:
    """Return one or more numbers from 0 to count - 1. Raises OptionError for anything else."""
    several: Any = [given] if is_whole(given, 0) else given
    try:
        found = list(several)
    except TypeError:
        found = [given]
    wrong = next((each for each in found if not is_whole(each, 0) or int(each) >= count), None)
    if wrong is not None or not found:
        got = repr(wrong if found else given)
        raise OptionError(f"{where} expected numbers of {what}s from 0 to {count - 1}, got {got:.60}.")
    return np.array([int(each) for each in found], np.int64)


class _Found(NamedTuple):
    """Rows of a user. Attributes: rows: as the model takes them; labels: of windows; colouring: of a column."""

    rows: Rows
    labels: Labels | None = None
    colouring: Colouring | None = None

    def __len__(self) -> int:
        return int(self.rows.shape[0])


def _read(model: Model, X: object, where: str, column: str | None = None) -> _Found:
    """Return rows, with the colouring by one of their columns if `column` names one.

    Raises: DataError, also for a column that does not exist; ShapeError; OptionError for rows without columns.
    """
    given: Any = frames.from_arrow(X)
    if column is None:
        if sparse.is_sparse(given):
            return _Found(given)
        if model.series is not None and isinstance(given, (str, Path)) and Path(given).suffix.lower() == ".npz":
            source = open_source(given)  # which keeps the names of windows
            return _Found(model.checked(source.rows, where=where), source.labels)
        rows = user_rows.read(model, given, where=where, who="the model")
        return _Found(rows, given.labels if isinstance(given, Windows) else None)
    if frames.is_frame(given):
        rows = user_rows.read(model, given, where=where, who="the model")
        return _Found(rows, colouring=_coloured(model, rows, frames.cells_of(given, where, {}), column))
    if not is_stream(given):
        raise OptionError(
            f"{where}: the rows have no columns, so that none is {column!r:.60}: pass one value for each row as color."
        )
    rows, cells = _read_files(model, given, where, column)
    return _Found(rows, colouring=_coloured(model, rows, {column: cells}, column))


def _read_files(model: Model, X: object, where: str, column: str) -> tuple[Rows, ArrowArray]:
    """Return the rows of files of a table, or of a folder of pictures, and one of their columns."""
    import pyarrow as pa

    kept = list[ArrowTable]()

    def keep(table: ArrowTable, first_row: int) -> None:
        if column not in table.column_names:
            raise DataError(unknown("column", column, table.column_names))
        kept.append(table.select([column]))

    adapter = model.adapter
    stream = open_stream(
        X, schema=model.schema, keep=keep, spare=(column,), row_shape=adapter.row_shape, row_type=adapter.dtype
    )
    rows = np.concatenate(list(stream.chunks(ROWS_AT_ONCE)))
    if not kept:
        raise OptionError(f"{where}: {stream.name} has no columns: pass one value for each row as color.")
    cells = pa.concat_tables(kept, promote_options="permissive")[column]
    return model.checked(rows, where=where), cells


def _coloured(model: Model, rows: Rows, cells: dict[str, ArrowArray], column: str) -> Colouring:
    if column not in cells:
        raise DataError(unknown("column", column, cells))
    at = colouring.read_by_model(model, column)
    return colouring.of_column(cells[column], column) if at is None else colouring.of_model(model, rows[:, at], at)


def checked_path(path: object, *, force: bool) -> Path | None:
    """Return the path that a plot is saved to. Raises OptionError, or OutputError where the file exists."""
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)) or Path(path).suffix.lower() not in pictures.ENDINGS:
        known = ", ".join(pictures.ENDINGS)
        raise OptionError(f"path must be the name of a file that ends in one of {known}, got {str(path)!r:.60}.")
    files.refuse_existing(Path(path), force=force)
    return Path(path)


def _saved(figure: Figure, path: Path | None, *, force: bool) -> Figure:
    if path is not None:
        files.write_atomically(path, partial(pictures.save, figure, ending=path.suffix.lower()), force=force)
    return figure
