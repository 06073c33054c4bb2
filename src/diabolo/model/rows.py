"""Between the rows of a user and those of a model: frames, files and chunks in, frames of the same library out.

A `Model` takes arrays as fit() had them. The functions here take whatever a user holds: an array, a frame, a name, a
file, a folder, chunks, series that are shorter. Order: in, through a verb, out.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from diabolo.data import frames
from diabolo.data.adapters import Rows
from diabolo.data.kinds import is_stream
from diabolo.data.long_table.cut import Windows
from diabolo.data.long_table.form import as_written
from diabolo.data.opening import open_stream
from diabolo.data.series import are_shorter, is_ragged, padded
from diabolo.data.tables import Keep
from diabolo.errors import DataError, OptionError, ShapeError, listed
from diabolo.missing import names_missing
from diabolo.model.model import Model
from diabolo.model.runtime import by_chunk, fill
from diabolo.typing import Array, ArrowTable, Frame

ROWS_AT_ONCE = 1 << 16  # of a stream that is read whole

logger = logging.getLogger(__name__)


@names_missing
def read(model: Model, X: object, *, where: str, who: str) -> Rows:
    """Return rows as the model takes them, (n, *row_shape), checked.

    Args: where: the call, to open a message with; who: the class of the estimator, for scikit-learn's message.
    Raises: DataError, ShapeError.
    """
    X = frames.from_arrow(X)
    refuse_other_features(model, X, where=where, who=who)
    X = as_numbers(model, X, where=where)
    if is_stream(X):
        adapter = model.adapter
        stream = open_stream(X, schema=model.schema, row_shape=adapter.row_shape, row_type=adapter.dtype)
        X = np.concatenate(list(stream.chunks(ROWS_AT_ONCE)))
    return model.checked(X, where=where)


def as_numbers(model: Model, X: object, *, where: str) -> Any:
    """Return a frame as numbers, shorter series with gaps at their end, and anything else as it is."""
    if isinstance(X, Windows):
        refuse_other_channels(model, X, where=where)
        return X.rows
    if are_shorter_series(X, model):
        return padded(X, model.adapter.row_shape[0])
    schema = model.schema
    if model.series is not None and frames.is_frame(X):
        raise DataError(
            f"{where} expected windows, got a frame: pass windows(frame, {as_written(model.series, typed=False)})."
        )
    if schema is None or is_stream(X):
        return X
    if frames.is_frame(X):
        rows, notes = frames.read(X, schema, where=where)
        for note in notes:
            logger.warning("%s: %s", where, note)
        return rows
    coded = next((each.name for each in schema.columns if each.kind in ("category", "date")), None)
    if coded is not None:
        raise DataError(
            f"{where} expected a frame, as fit() had, got {type(X).__name__}: column {coded!r} does not hold numbers. "
            f"Pass a frame with the same columns."
        )
    return X


def are_shorter_series(X: object, model: Model) -> TypeGuard[Sequence[Rows]]:
    """Return whether X are series of other lengths than in fit(); lists always are, for a model that saw such."""
    adapter = model.adapter
    return is_ragged(X) or (adapter.takes_shorter_series and are_shorter(X, adapter.row_shape[0]))


def refuse_other_features(model: Model, X: object, *, where: str, who: str) -> None:
    """Raise ShapeError in scikit-learn's words, which its checks look for, if X has another number of features."""
    known: tuple[int, ...] = model.adapter.row_shape
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(known) == 1 and len(shape) == 2 and shape[1] != known[0] and not frames.is_frame(X):
        raise ShapeError(f"{where}: X has {shape[1]} features, but {who} is expecting {known[0]} features as input.")


def refuse_other_channels(model: Model, cut: Windows, *, where: str) -> None:
    """Raise DataError for windows of other channels than those of fit()."""
    if model.series is not None and cut.channels != model.series.channels:
        raise DataError(
            f"{where} expected windows of the channels {listed(model.series.channels)}, got {listed(cut.channels)}: "
            f"give the table the same columns in the same order."
        )


def read_latents(model: Model, frame: Frame) -> Rows:
    """Return a frame of latents as numbers, (n, latent_dim), or of an ordered bottleneck as many as there are."""
    names, size = frames.frame_names(frame), model.network.latent_dim
    if model.network.bottleneck.can_be_cut:
        size = next((at for at in range(1, size) if f"latent_{at}" not in names), size)
    rows, notes = frames.read(frame, frames.of_latents(size), where="decode()", spare=set(map(str, names)))
    for note in notes:
        logger.warning("decode(): %s", note)
    return rows


@names_missing
def read_one(model: Model, row: object, *, where: str) -> Any:
    """Return one row as numbers; a frame must have exactly one."""
    if model.schema is None or not frames.is_frame(row):
        return row
    rows = frames.read(row, model.schema, where=where).rows
    if len(rows) != 1:
        raise ShapeError(f"{where} expected a frame of one row, got {len(rows)}: frame.iloc[[0]].")
    return rows[0]


@names_missing
def apply(
    model: Model, verb: Callable[..., Rows], X: object, out: Array | None = None, *, keep: Keep | None = None
) -> Rows:
    """Return the result of a verb of the model on an array, a frame, or rows that are read chunk by chunk.

    Args: verb: such as `model.encode`; out: an array to write into; keep: takes the tables of files, see `open_stream`.
    """
    takes_latents, X = verb == model.decode, frames.from_arrow(X)
    if not takes_latents:
        X = as_numbers(model, X, where="reconstruct()" if verb == model.fill_in else f"{verb.__name__}()")
    if not is_stream(X):
        return verb(X, out=out)
    if takes_latents:
        stream = open_stream(X, keep=keep)
    else:
        adapter, schema = model.adapter, model.schema
        stream = open_stream(
            X,
            schema=schema,
            row_shape=adapter.row_shape,
            row_type=adapter.dtype,
            keep=keep,
            copied=schema.whole_numbers if schema is not None and keep is not None else (),
        )
    chunks = by_chunk(verb, stream, max_width=model.max_width)
    return np.concatenate(list(chunks)) if out is None else fill(out, chunks, stream.rows)


def with_left_out(model: Model, frame: Any, source: Frame) -> Any:
    """Return a frame of the rows of another frame, with the columns of that frame from which fit() learnt nothing."""
    return frame if model.schema is None else frames.with_left_out(frame, source, model.schema)


def latents_as_frame(model: Model, latents: Rows, X: Frame) -> Any:
    """Return latents (n, latent_dim) as a frame with the index of X.

    They follow the columns that fit() left out, and those of the condition, which decode() needs.
    """
    frame = frames.numbers_as_frame(latents, "latent", like=X)
    if model.condition is not None:
        frame = frames.with_left_out(frame, X, model.condition.to_copy)
    return with_left_out(model, frame, X)


def has_cells(model: Model, X: object) -> bool:
    """Return whether X is a source whose cells may be more than numbers: the file of a table, not an array."""
    return is_stream(X) and model.schema is not None and model.schema.library != "array"


def joined(tables: Sequence[ArrowTable]) -> ArrowTable | None:
    """Return the tables of a file, one below the other; None where there are none."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="permissive") if tables else None


@names_missing
def encode(model: Model, X: object, *, out: Array | None) -> Any:
    """Return latents (n, latent_dim), float32; for a frame a frame with its index and the columns left out."""
    X = frames.from_arrow(X)
    latents = apply(model, model.encode, X, out)
    return latents_as_frame(model, latents, X) if frames.is_frame(X) else latents


@names_missing
def decode(model: Model, latents: object, *, condition: object = None, out: Array | None) -> Any:
    """Return rows in their form for latents, an array or a frame with columns as encode() names them."""
    latents = frames.from_arrow(latents)
    values = read_latents(model, latents) if frames.is_frame(latents) else latents
    if model.condition is None and condition is None:
        rows = apply(model, model.decode, values, out)
    else:
        given: Any = condition
        if is_stream(values):
            values = np.concatenate(list(open_stream(values).chunks(ROWS_AT_ONCE)))
        if model.condition is not None:
            known = latents if frames.is_frame(latents) else None
            values = model.runtime.check_latents(values, where="decode()")
            given = model.condition.read(condition, len(values), where="decode()", frame=known)
        rows = model.decode(values, condition=given, out=out)
    return rows if out is not None else as_frame(model, rows, latents)


@names_missing
def transfer(model: Model, X: object, changed: Mapping[str, object]) -> Any:
    """Return rows in their form, encoded with their own condition and decoded with some columns of it changed."""
    if model.condition is None:
        raise OptionError(
            "transfer() needs a model with a condition: fit with condition=['site'] (--condition site), the names of "
            "the columns to change."
        )
    if not changed:
        raise OptionError(f"transfer() needs what to change: transfer(frame, {model.condition.arguments}).")
    X = frames.from_arrow(X)
    rows = read(model, X, where="transfer()", who="the model")
    given = model.condition.of_rows(rows)
    columns, values = model.condition.changed(changed, len(rows), where="transfer()")
    given[:, columns] = values
    moved = model.decode(model.encode(rows, where="transfer()"), condition=given, where="transfer()")
    return as_frame(model, moved, X)


@names_missing
def reconstruct(model: Model, X: object, *, fill: bool, out: Array | None) -> Any:
    """Return rows through the bottleneck and back, in their form; fill: whether only missing cells are filled in."""
    tables, X = list[ArrowTable](), frames.from_arrow(X)
    whole, as_array = out is None and has_cells(model, X), isinstance(X, np.ndarray)

    def keep(table: ArrowTable, first_row: int) -> None:
        tables.append(table)

    verb = model.fill_in if fill else model.reconstruct
    rows = apply(model, verb, X, out, keep=keep if whole else None)
    if are_shorter_series(X, model):
        several = [row[: len(each)] for row, each in zip(rows, X, strict=True)]
        return np.stack(several) if as_array else several
    if out is not None or not (frames.is_frame(X) or is_stream(X)):
        return rows
    source = joined(tables)
    known = X if frames.is_frame(X) else source
    frame = as_frame(model, rows, X, known=known if fill else None)
    return frame if source is None else with_left_out(model, frame, source)


@names_missing
def filled_by_chance(model: Model, X: object, count: int, random_state: int | np.random.Generator | None) -> list[Any]:
    """Return tables like X, whose missing cells are drawn: see `Model.fill_in_by_chance`."""
    X = frames.from_arrow(X)
    if is_stream(X):
        raise OptionError("n_samples needs rows in memory: read them first, such as by pandas.read_csv().")
    draw, rows = np.random.default_rng(random_state), read(model, X, where="reconstruct()", who="model")
    several = [model.fill_in_by_chance(rows, draw, where="reconstruct()") for _ in range(count)]
    return [as_frame(model, each, X, known=X) if frames.is_frame(X) else each for each in several]


@names_missing
def as_frame(model: Model, rows: Rows, like: object = None, known: Frame | None = None) -> Any:
    """Return rows of a table as a frame, and any others as they are.

    Args: like: whose library and index the frame gets; none: the library of fit(); known: a frame whose cells stay
        where they are not missing.
    """
    schema = model.schema
    if schema is None:
        return rows
    if not frames.is_frame(like):
        return frames.write(rows, schema, known=known)
    index = getattr(like, "index", None)
    index = index if index is not None and len(index) == len(rows) else None
    frame = frames.write(rows, schema, frames.library_of(like), index=index, known=known)
    return with_left_out(model, frame, like) if len(frame) == len(like) else frame
