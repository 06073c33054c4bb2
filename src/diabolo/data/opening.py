"""Opens a source that a user names: whole, or as a stream of chunks.

    "digits"  "mnist:test"                a data set by name, whole or one part
    "rows.npy"  "rows.csv"  "rows.npz:X"  a file, by its ending; one array of several
    "parts/"  "parts/*.parquet"           files one after the other, by name
    "pictures/"  [path, path, ...]        pictures
    "-"  "base.duckdb" with a query       rows that are copied to a temporary file first
    an array, a frame, a sparse matrix, an iterator of chunks

`kinds.identify` says which of these a source is; the functions here choose by its answer alone.
Order: rows in memory or a stream, in memory, a stream, a frame, whole; the options.
"""

import logging
import shlex
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import cast

import numpy as np

from diabolo.data import datasets, frames, memory, sparse, streams, tables, temporary, uses
from diabolo.data.adapters.rows import as_rows, has_gaps, unmasked
from diabolo.data.formats import ending_of
from diabolo.data.frames import Schema
from diabolo.data.kinds import (
    ARRAY,
    CHUNKS,
    COLUMNS,
    DATA_SET,
    DATABASE,
    DIGITS,
    FRAME,
    IN_PARTS,
    MATRIX,
    PICTURES,
    REMOTE,
    STDIN,
    TABLE_FILES,
    TABLES,
    Named,
    identify,
)
from diabolo.data.long_table.cut import Windows
from diabolo.data.readers import idx, images, numpy_files, scipy_files, sql
from diabolo.data.series import is_ragged, padded
from diabolo.data.sources import Source, is_idx, of_files, of_frame, of_windows, read_file
from diabolo.data.streams import Stream
from diabolo.data.tables import Keep, Reading
from diabolo.errors import DataError, unknown
from diabolo.typing import Array, ArrowTable, Frame, PathLike, Say, Shape

PICTURES_AT_ONCE = 512

logger = logging.getLogger(__name__)


def open_rows(
    source: object, limit: int, *, data_dir: PathLike | None = None, reading: Reading | None = None
) -> Source | Stream:
    """Return rows in memory if training on them takes at most `limit` bytes, otherwise a stream.

    Args:
        source: as a user named it.
        limit: bytes of memory.
        data_dir: the folder of the data sets.
        reading: how files are read.

    Raises: DataError for rows that do not fit, and that cannot be read in parts; as `check_options`.
    """
    if isinstance(source, (Stream, Source)):
        return source
    named = identify(source)
    opened = _open_rows(named, limit, data_dir, reading or Reading())
    if named.kind in (ARRAY, CHUNKS) and channels_first(opened.row_shape):
        logger.warning("%s", _said_of_channels(named, opened.row_shape))
    return opened


def channels_first(row_shape: Shape) -> bool:
    """Return whether images seem to have their channels in front, as PyTorch has them: (3, 32, 32)."""
    return (
        len(row_shape) == 3 and row_shape[0] in (1, 3, 4) and row_shape[2] > row_shape[0] and row_shape[2] not in (3, 4)
    )


def _said_of_channels(named: Named, shape: Shape) -> str:
    """Return how rows (channels, height, width) are read, and what turns them."""
    turned = "transpose(0, 2, 3, 1)"
    path = None if not isinstance(named.source, (str, Path)) else Path(named.source)
    if path is None or path.suffix != ".npy":
        remedy = f"pass X.{turned}"
    else:
        files = repr(f"{path.stem}-turned.npy"), repr(str(path))
        remedy = shlex.join(["python", "-c", f"import numpy as np; np.save({files[0]}, np.load({files[1]}).{turned})"])
    return (
        f"{named.name if path else 'rows'}: rows of shape {shape} are read as images of {shape[0]} x {shape[1]} with "
        f"{shape[2]} channels, because the last axis is that of the channels. If the first one is, turn them: {remedy}"
    )


def _open_rows(named: Named, limit: int, data_dir: PathLike | None, reading: Reading) -> Source | Stream:
    source = named.source
    named = _in_file(named, reading, data_dir)
    if isinstance(source, np.memmap):
        stream = streams.of_array("an array", source)
        return Source("an array", source) if _fits(stream.bytes, limit) else stream
    if named.kind is PICTURES:
        stream = _pictures(named, reading)
        if not _fits(stream.bytes, limit):
            # Decoded once, and not again for every epoch.
            return temporary.from_chunks(stream.chunks(PICTURES_AT_ONCE))
        return Source(stream.name, np.concatenate(list(stream.chunks(PICTURES_AT_ONCE))))
    if named.kind in TABLE_FILES.values():
        return _open_tables(named, limit, reading)
    if named.kind is COLUMNS or (named.files is None and named.kind is not CHUNKS):
        _refuse_larger(named.source, limit)
        return _open_whole(named, data_dir, reading)
    stream = _open_in_parts(named)
    if not _fits(stream.bytes, limit):
        return stream
    rows = np.concatenate(list(stream.chunks(max(1, stream.rows or 1 << 16))))
    return Source(stream.name, rows, gaps=has_gaps(rows))


def _fits(size: int, limit: int) -> bool:
    return size * memory.COPIES_IN_TRAINING <= limit


def _open_tables(named: Named, limit: int, reading: Reading) -> Source | Stream:
    files = named.files or []
    if all(tables.is_plain(file, reading) for file in files):
        stream = _open_in_parts(named)
        if not _fits(stream.bytes, limit):
            return _by_name(stream, files, reading)
    else:
        size = sum(tables.estimate(file, tables.columns(file, reading)) for file in files)
        if not _fits(size, limit):
            raise DataError(
                f"{named.name}: a table with texts, dates or gaps must fit in memory for training, and takes about "
                f"{memory.words(size * memory.COPIES_IN_TRAINING)}, more than {memory.words(limit)}: raise the limit "
                f"(memory=, --memory), or train on some of its rows."
            )
    return of_files(files, named.name, reading)


def _by_name(stream: Stream, files: list[Path], reading: Reading) -> Stream:
    """Return a stream of numbers with its schema, without the columns that number the rows."""
    schema = tables.plain_schema(files[0])
    if schema is not None and schema.left_out:
        if reading.strict:
            raise DataError(f"{stream.name}: {frames.refusal(schema, typed=reading.typed, strict=True)}")
        logger.warning("%s: %s", stream.name, frames.left_out_line(schema, typed=reading.typed))
        stream = stream._replace(parts=tables.parts(files, schema, reading, say=logger.warning))
    return stream._replace(schema=schema)


def _refuse_larger(source: object, limit: int) -> None:
    """Raise DataError for a compressed array that does not fit."""
    if not isinstance(source, (str, Path)):
        return
    path, name = Path(source), ""
    if not path.is_file():
        file, _, name = str(source).rpartition(":")
        path = Path(file)
    size = 0
    if path.is_file():
        zipped = path.suffix.lower() == ".npz"
        size = numpy_files.unpacked_bytes(path, name) if zipped else idx.unpacked_bytes(path) * is_idx(path)
    if not _fits(size, limit):
        raise DataError(
            f"{path} unpacks to {memory.words(size)}, and training on it takes {memory.COPIES_IN_TRAINING} times that, "
            f"more than {memory.words(limit)} of memory: save its array as .npy, which is read in parts, or raise the "
            f"limit (memory=, --memory)."
        )


def open_whole(source: object, limit: int, *, reading: Reading | None = None, what: str) -> Source:
    """Return dense rows in memory, for work that goes over them more than once.

    Args:
        source: as a user named it.
        limit: bytes of memory.
        reading: how files are read.
        what: the work, which begins a message.

    Raises: DataError for a sparse matrix or rows that do not fit; ShapeError; as `open_rows`.
    """
    opened = open_dense(source, limit, reading=reading, what=what)
    if isinstance(opened, Stream):
        raise DataError(
            f"{what} needs all rows in memory, and {opened.name} takes more than {memory.words(limit)}: raise the "
            f"limit (memory=, --memory), or pass fewer rows."
        )
    return opened


def open_dense(source: object, limit: int, *, reading: Reading | None = None, what: str) -> Source | Stream:
    """Return dense rows, in memory where they fit; arguments and errors as for `open_whole`."""
    if sparse.is_sparse(source) or scipy_files.is_matrix(source):
        raise DataError(f"{what} needs dense rows, got a sparse matrix: pass X.toarray() of a part of it.")
    opened = open_rows(source, limit, reading=reading)
    return opened if isinstance(opened, Stream) else opened._replace(rows=as_rows(opened.rows, where=what))


def open_stream(
    source: object,
    *,
    data_dir: PathLike | None = None,
    schema: Schema | None = None,
    reading: Reading | None = None,
    say: Say = logger.warning,
    keep: Keep | None = None,
    spare: Collection[str] = (),
    copied: Collection[str] = (),
    row_shape: Shape = (),
    row_type: str = "",
) -> Stream:
    """Return the rows of any source, to be read in chunks.

    Args:
        source: as a user named it.
        data_dir: the folder of the data sets.
        schema: of the table that a model was fitted on: files are read by it.
        reading: how files are read.
        say: takes notes about a table, such as columns that are left out.
        keep: takes every table that is read, and how many rows of its file come before; of pictures a table of the
            columns 'file' and 'label'; of arrays nothing.
        spare: columns outside the schema that need no note.
        copied: columns that pass through as they are written.
        row_shape: of the rows that a model was fitted on: pictures must have it.
        row_type: the type of their numbers: pictures must have as many bits.

    Raises: DataError, ShapeError; as `check_options`.
    """
    if isinstance(source, Stream):
        return source
    named = identify(source)
    if named.kind is CHUNKS:
        return _open_in_parts(named)
    reading = reading or Reading()
    named = _in_file(named, reading, data_dir, fitted=schema is not None)
    if named.kind is PICTURES:
        like = row_shape if len(row_shape) in (2, 3) else None
        return _pictures(named, reading, like=like, like_type=row_type, keep=keep)
    if schema is not None and named.kind in TABLES and named.files is not None:
        files = named.files
        if keep is not None or tables.needs(files, schema, reading):
            return Stream(
                named.name, tables.parts(files, schema, reading, say=say, keep=keep, spare=spare, copied=copied)
            )
    if named.kind is MATRIX and isinstance(named.source, (str, Path)):
        return streams.of_matrix(Path(named.source))
    if named.files is not None and named.kind is not COLUMNS:
        return _open_in_parts(named)
    opened = _open_whole(named, data_dir, Reading())
    return streams.of_array(opened.name, opened.everything if opened.test is not None else opened.rows)


def _open_in_parts(named: Named) -> Stream:
    """Return numbers in files, or chunks, as a stream."""
    if named.kind is CHUNKS:
        return temporary.from_chunks(cast(Iterable[object], named.source))
    parts = [part for file in named.files or [] for part in IN_PARTS[ending_of(file)](file)]
    if not parts:
        raise DataError(f"{named.source}: expected rows, got none.")
    return Stream(named.name, parts)


def _pictures(
    named: Named, reading: Reading, *, like: Shape | None = None, like_type: str = "", keep: Keep | None = None
) -> Stream:
    source = named.source
    folder = Path(source) if isinstance(source, (str, Path)) and Path(source).is_dir() else None
    options = reading.pictures if like is None else reading.pictures._replace(like=like, like_type=like_type)
    return streams.of_pictures(
        named.name, named.files or [], options, folder=folder, root=images.root(source), keep=keep
    )


def _in_file(named: Named, reading: Reading, data_dir: PathLike | None = None, *, fitted: bool = False) -> Named:
    """Return standard input, a remote file, or the result of a query, as a file that lasts as long as the process.

    Other sources are returned as they are.

    Raises: as `check_options`.
    """
    if named.kind is STDIN:
        named = identify(temporary.from_stdin())
    elif named.kind is REMOTE:
        named = identify(temporary.from_address(str(named.source)))
    _check_options(named, reading, data_dir, fitted=fitted)
    if named.kind is DATABASE:
        return identify(temporary.from_query(str(named.source), reading.query))
    return named


def open_frame(source: PathLike, reading: Reading) -> ArrowTable:
    """Return the table of a path, a folder, a pattern or "-" as an Arrow table. Raises DataError."""
    # Without types: a command may have added that of a column which it knows.
    named = _in_file(identify(source), reading._replace(types={}))
    if named.files is None or named.kind not in TABLE_FILES.values():
        none = "" if named.files or Path(source).exists() else ", and there is no such file"
        raise DataError(f"{source}: expected a table, one of {', '.join(tables.ENDINGS)}{none}.")
    return tables.read_frame(named.files, reading, where=named.name)


def open_source(source: object, *, data_dir: PathLike | None = None, reading: Reading | None = None) -> Source:
    """Return the rows of a source whole. Raises DataError if there are none, or if it cannot be read.

    Args: data_dir: the folder of the data sets; reading: how the columns of a table are read.
    """
    reading = reading or Reading()
    return _open_whole(_in_file(identify(source), reading, data_dir), data_dir, reading)


def _open_whole(named: Named, data_dir: PathLike | None, reading: Reading) -> Source:
    source = named.source
    if isinstance(source, Source):
        return source
    if named.kind is FRAME:
        return of_frame(cast(Frame, source), f"a frame of {frames.library_of(source)}", reading)
    if isinstance(source, Windows):
        return of_windows(source)
    if is_ragged(source):
        rows = padded(source)
        return Source(f"{len(rows):,} series", rows, gaps=bool(np.isnan(rows).any()), series=True)
    if not isinstance(source, (str, Path)):
        rows = unmasked(source) if np.ma.is_masked(source) else cast(Array, source)
        return Source("an array", rows, gaps=isinstance(rows, np.ndarray) and has_gaps(rows))
    if named.kind in (DATA_SET, DIGITS):
        return _data_set(str(source), data_dir)
    if named.kind in TABLE_FILES.values() and named.files:
        return of_files(named.files, named.name, reading)
    if named.kind is ARRAY and named.files:
        stream = _open_in_parts(named)
        rows = np.concatenate(list(stream.chunks(max(1, stream.rows or 1 << 16))))
        return Source(stream.name, rows, gaps=has_gaps(rows))
    return read_file(source, reading)


def _data_set(text: str, data_dir: PathLike | None) -> Source:
    name, _, part = text.partition(":")
    name = name.replace("_", "-")
    if part not in ("", "train", "test"):
        raise DataError(unknown(f"part of {name}", part, ("train", "test")))
    data = datasets.DATASETS[name](data_dir)
    if part:
        return Source(f"{name}:{part}", data.x_train if part == "train" else data.x_test)
    return Source(name, data.x_train, data.x_test)


def check_options(
    source: object,
    reading: Reading,
    data_dir: PathLike | None = None,
    *,
    series: bool = False,
    fitted: bool = False,
) -> None:
    """Raise OptionError for an option of reading that a source cannot use, or that names a column it does not have.

    A command does this first, so that a wrong option is reported before any work. Only the kind of the source and the
    names of its columns are read.

    Args:
        source: as a user named it; standard input passes, because it is not read here.
        reading: how it is to be read.
        data_dir: the folder of the data sets, if a user gave one.
        series: whether a user said that rows are series.
        fitted: whether a model reads the source, which knows its columns.

    Raises: DataError for a column that is to be left out and does not exist, and for a file that cannot be read.
    """
    if uses.given(reading, data_dir, series=series):
        _check_options(identify(source), reading, data_dir, series=series, fitted=fitted)


def _check_options(
    named: Named,
    reading: Reading,
    data_dir: PathLike | None = None,
    *,
    series: bool = False,
    fitted: bool = False,
) -> None:
    source, kind, options = named.source, named.kind, uses.given(reading, data_dir, series=series)
    if kind is None or kind in (STDIN, REMOTE) or not options:
        return
    name = kind.words
    if isinstance(source, (str, Path)):
        name = sql.name_of(source) if sql.is_address(source) else str(tables.shown(Path(source)))
    uses.check(options, kind, name, typed=reading.typed, fitted=fitted)
    names = _columns(named, reading) if reading.types or reading.drop else ()
    if names and named.files:
        tables.check_columns(names, reading, named.files[0])


def columns_of(source: object, reading: Reading) -> tuple[str, ...]:
    """Return the names of the columns of a table in files; an empty tuple if its first file does not name them."""
    return _columns(identify(source), reading)


def _columns(named: Named, reading: Reading) -> tuple[str, ...]:
    if named.kind not in TABLES or not named.files:
        return ()
    return tables.columns_of(named.files[0], reading)
