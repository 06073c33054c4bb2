"""Rows chunk by chunk, for data that need not fit in memory.

A .npy is read in parts, a Parquet file by row groups, a CSV from front to back; a folder or a pattern
("parts/*.parquet") is its files one after the other, by name. Chunks that only come one after the other (an iterator, a
`tf.data.Dataset`) are written to a temporary file once, so that every pass over them sees the same rows. Everything
else is read whole, and then cut.

Order: what a stream is, the opening, reading ahead.
"""

import atexit
import glob
import logging
import queue
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from diabolo.data import memory, sinks, sparse, tables, uses
from diabolo.data.adapters.rows import as_rows, has_gaps
from diabolo.data.frames import Schema, is_frame
from diabolo.data.readers import csv, idx, images, numpy_files, parquet, scipy_files, sql
from diabolo.data.readers.parts import PART_BYTES, Part, held_bytes
from diabolo.data.sources import Array, Source, is_idx, names_data_set, of_files, open_source
from diabolo.errors import DataError, OutputError, ShapeError, listed

PICTURES_AT_ONCE = 512
BYTES_AT_ONCE = 32 << 20  # of rows in a chunk; two of them and what is computed from one are held at a time
COPIES = 3  # of its rows that a training in memory holds at its peak: as read, without those held back, as tensors
T = TypeVar("T")


class Stream(NamedTuple):
    """Rows in parts, each of which comes in chunks.

    Attributes:
        name: what they are called.
        parts: pieces that can be read in any order.
        folder: a temporary folder that holds them, which goes when the stream goes.
    """

    name: str
    parts: Sequence[Part]
    folder: Any = None

    @property
    def rows(self) -> int | None:
        """How many there are; None where only reading would tell."""
        counts = [part.rows for part in self.parts]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def bytes(self) -> int:
        """About what they take as an array."""
        return sum(part.bytes for part in self.parts)

    @property
    def beside(self) -> int:
        """About what reading takes beside the rows."""
        return max((part.beside for part in self.parts), default=0)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Axes of a row: the first is read."""
        return tuple(next(self.chunks(1)).shape[1:])

    def chunks(self, size: int) -> Iterator[Array]:
        """Give the rows from the start, up to `size` at a time: (k, ...) each."""
        for chunk in self.read(range(len(self.parts)), size):
            yield chunk.rows

    def read(self, order: Iterable[int], size: int) -> Iterator["Chunk"]:
        """Give chunks of up to `size` rows of parts in any order; DataError where they do not fit each other."""
        shape: tuple[int, ...] | None = None
        columns: tuple[str, ...] | None = None
        shaped, named = "", ""  # the files that said so
        for number in order:
            part = self.parts[number]
            part.check_unchanged()
            if part.columns is not None:
                if columns is None:
                    columns, named = part.columns, part.name
                elif part.columns != columns:
                    raise DataError(
                        f"{part.name}: expected the columns {listed(columns)} as in {named}, got "
                        f"{listed(part.columns)}."
                    )
            row = part.first_row
            for rows in part.read(size):
                if shape is None:
                    shape, shaped = rows.shape[1:], part.name
                if rows.shape[1:] != shape:
                    raise ShapeError(
                        f"{part.name}: expected rows of shape {shape} as in {shaped}, got {rows.shape[1:]}."
                    )
                yield Chunk(number, part.name, row, rows)
                row += len(rows)
        if shape is None:
            raise DataError(f"{self.name}: expected rows, got none.")


class Chunk(NamedTuple):
    """Rows of a stream, and where they are from."""

    part: int
    name: str  # of the file
    first_row: int  # rows of the file that come before
    rows: Array


logger = logging.getLogger(__name__)

STREAMED: dict[str, Callable[[Path], list[Part]]] = {
    ".npy": numpy_files.parts,
    ".parquet": parquet.parts,
    ".csv": csv.parts,
    ".tsv": csv.parts,
}


def open_stream(
    source: Any,
    *,
    data_dir: str | Path | None = None,
    schema: Schema | None = None,
    reading: tables.Reading | None = None,
    say: Callable[[str], None] = logger.warning,
    keep: Callable[[Any, int], None] | None = None,
    spare: Collection[str] = (),
    row_shape: tuple[int, ...] = (),
) -> Stream:
    """Return the rows behind a name, a path, a folder, a pattern, an array or chunks, to be read in chunks.

    Args:
        source: what a user names.
        data_dir: folder of the data sets.
        schema: of a table that a model was fitted on: files are read by it.
        reading: how CSV files are written.
        say: takes what was noticed about a table.
        keep: takes every table that was read, and how many rows of its file came before; of pictures a table of the
            columns 'file' and 'label'; of arrays nothing.
        spare: columns that are known not to be learnt from.
        row_shape: axes of the rows that a model was fitted on: pictures must have them.
    """
    if isinstance(source, Stream):
        return source
    if _only_comes_in_chunks(source):
        return _kept(source)
    reading = reading or tables.Reading()
    source = _brought(source, reading, data_dir, fitted=schema is not None)
    pictures = pictures_in(source)
    if pictures is not None:
        like = row_shape if len(row_shape) in (2, 3) else None
        return _of_pictures(source, pictures, reading.look._replace(like=like), keep)
    files = _files(source)
    if schema is not None and tables.is_named_columns(source):
        files = [Path(source)]
    if schema is not None and files is not None:
        whole = keep is not None and all(file.suffix.lower() in (".npz", *tables.ENDINGS) for file in files)
        if whole or tables.needs(files, schema, reading):
            return Stream(_name(source, files), tables.parts(files, schema, reading, say=say, keep=keep, spare=spare))
    if scipy_files.is_matrix(source):
        return _of_matrix(Path(source))
    if files is not None:
        parts = [part for file in files for part in STREAMED[file.suffix.lower()](file)]
        if not parts:
            raise DataError(f"{source}: expected rows, got none.")
        return Stream(_name(source, files), parts)
    opened = open_source(source, data_dir=data_dir)
    rows = opened.everything if opened.test is not None else opened.rows
    return _of_array(opened.name, rows)


def open_rows(
    source: Any, limit: int, *, data_dir: str | Path | None = None, reading: tables.Reading | None = None
) -> Source | Stream:
    """Return rows in memory where training on them takes at most `limit` bytes, else a stream.

    Args: reading: how the columns of a table are to be taken.
    Raises: DataError where rows that do not fit are of a kind that cannot be read in parts.
    """
    if isinstance(source, Stream):
        return source
    if isinstance(source, np.memmap):
        check_options(source, reading or tables.Reading(), data_dir)
        stream = _of_array("an array", source)
        return Source("an array", source) if stream.bytes * COPIES <= limit else stream
    reading = reading or tables.Reading()
    source = _brought(source, reading, data_dir)
    pictures = pictures_in(source)
    if pictures is not None:
        stream = _of_pictures(source, pictures, reading.look)
        if stream.bytes * COPIES > limit:
            return _kept(stream.chunks(PICTURES_AT_ONCE))  # decoded once, not again for every epoch
        return Source(stream.name, np.concatenate(list(stream.chunks(PICTURES_AT_ONCE))))
    files = _files(source)
    if files is None and not _only_comes_in_chunks(source):
        _refuse_whole(source, limit)
        return open_source(source, data_dir=data_dir, reading=reading)
    if files is not None and all(file.suffix.lower() in tables.ENDINGS for file in files):
        return _open_tables(source, files, limit, reading)
    stream = open_stream(source)
    if stream.bytes * COPIES > limit:
        return stream
    rows = np.concatenate(list(stream.chunks(max(1, stream.rows or 1 << 16))))
    return Source(stream.name, rows, gaps=has_gaps(rows))


def open_whole(source: Any, limit: int, *, reading: tables.Reading | None = None, what: str) -> Source:
    """Return dense rows in memory, for `what` goes over them more than once. Raises DataError, ShapeError."""
    if sparse.is_sparse(source) or scipy_files.is_matrix(source):
        raise DataError(f"{what} needs dense rows, got a sparse matrix: pass X.toarray() of a part of it.")
    opened = open_rows(source, limit, reading=reading)
    if isinstance(opened, Stream):
        raise DataError(f"{what} needs rows that fit in memory, and {opened.name} is larger: take a part of it.")
    return opened._replace(rows=as_rows(opened.rows, where=what))


def open_frame(source: str, reading: tables.Reading) -> Any:
    """Return the table that a path, a folder, a pattern or - names, as an Arrow table. Raises DataError."""
    path = _brought(source, reading._replace(types={}))  # which a command may have added for a column it knows
    files = _files(path)
    if files is None or not all(file.suffix.lower() in tables.ENDINGS for file in files):
        none = "" if files or Path(source).exists() else ", and there is no such file"
        raise DataError(f"{source}: expected a table, one of {', '.join(tables.ENDINGS)}{none}.")
    return tables.read_frame(files, reading, where=_name(path, files))


def pictures_in(source: Any) -> list[Path] | None:
    """Return the pictures that a folder, a pattern, a path or a list of paths names; None for anything else."""
    if isinstance(source, (list, tuple)) and source and all(isinstance(each, (str, Path)) for each in source):
        return [Path(each) for each in source]
    if not isinstance(source, (str, Path)) or not str(source).strip() or names_data_set(source):
        return None
    path = Path(source)
    if path.is_dir():
        return images.find(path) or None
    if path.is_file():
        return [path] if path.suffix.lower() in images.ENDINGS else None
    if glob.has_magic(str(source)):
        found = (Path(each) for each in sorted(glob.glob(str(source), recursive=True)))
        return [each for each in found if each.suffix.lower() in images.ENDINGS and each.is_file()] or None
    return None


def _of_pictures(
    source: Any, paths: list[Path], look: images.Look, keep: Callable[[Any, int], None] | None = None
) -> Stream:
    name = f"{len(paths):,} pictures" if isinstance(source, (list, tuple)) else "/".join(Path(source).parts[-2:])
    known = next((picture for picture in map(partial(_tried, look=look), paths) if picture is not None), None)
    if known is None:
        raise DataError(f"{name}: expected pictures, and none of {len(paths):,} files can be read.")
    rows = len(paths) if look.skip_bad is None else None

    def told(files: list[Path]) -> None:
        import pyarrow as pa

        if keep is not None:
            folder = isinstance(source, (str, Path)) and Path(source).is_dir()
            labels = images.labels(Path(source), files) if folder else [file.parent.name for file in files]
            keep(pa.table({"file": list(map(str, files)), "label": labels}), 0)

    read = partial(images.chunks, paths, look, told=told)
    part = Part(name, rows, len(paths) * known.size * held_bytes(known.dtype), read)
    return Stream(name, [part])


def _of_matrix(path: Path) -> Stream:
    """Return sparse rows as a stream, of which each chunk is made dense."""
    matrix = scipy_files.read(path, memory.free())
    rows, features = matrix.shape
    dtype = matrix.dtype if matrix.dtype.kind == "f" else np.dtype(np.float32)

    def cut(size: int) -> Iterator[Array]:
        return (matrix[start : start + size].toarray().astype(dtype, copy=False) for start in range(0, rows, size))

    return Stream(path.name, [Part(str(path), rows, rows * features * dtype.itemsize, cut)])


def _tried(path: Path, look: images.Look) -> Any:
    """Return a picture; None of one that cannot be read and may be left out."""
    try:
        return images.read(path, look._replace(skip_bad=None))
    except DataError:
        if look.skip_bad is None:
            raise
        return None


def _open_tables(source: Any, files: list[Path], limit: int, reading: tables.Reading) -> Source | Stream:
    if all(tables.is_plain(file, reading) for file in files):
        stream = open_stream(source)
        if stream.bytes * COPIES > limit:
            return stream
    else:
        size = sum(tables.estimate(file, tables.columns(file, reading)) for file in files)
        if size * COPIES > limit:
            raise DataError(
                f"{_name(source, files)}: a table with texts, dates or gaps is trained on in memory, and takes about "
                f"{memory.words(size * COPIES)}, more than {memory.words(limit)}: raise the limit (memory=, --memory), "
                f"or train on some of its rows."
            )
    return of_files(files, _name(source, files), reading)


def _name(source: Any, files: list[Path]) -> str:
    return "/".join(Path(source).parts[-2:]) if len(files) != 1 else Path(tables.shown(files[0])).name


def _files(source: Any) -> list[Path] | None:
    """Return the files that a path, folder or pattern names, if they can be read in parts; None for anything else."""
    if not isinstance(source, (str, Path)) or not str(source).strip() or names_data_set(source):
        return None
    path = Path(source)
    if path.is_file():
        return [path] if path.suffix.lower() in STREAMED else None
    if path.is_dir():
        found = [each for each in sorted(path.iterdir()) if not each.name.startswith(".")]
    elif glob.has_magic(str(source)):
        found = [Path(each) for each in sorted(glob.glob(str(source), recursive=True))]
    else:
        return None
    files = [each for each in found if each.suffix.lower() in STREAMED and each.is_file() and each.stat().st_size]
    if not files:
        raise DataError(f"{source}: expected pictures, or files of kind {', '.join(STREAMED)} there, found none.")
    return files


def _refuse_whole(source: Any, limit: int) -> None:
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
    if size * COPIES > limit:
        raise DataError(
            f"{path} unpacks to {memory.words(size)}, and training on it takes {COPIES} times that, more than "
            f"{memory.words(limit)} of memory: save its array as .npy, which is read in parts, or raise the limit "
            f"(memory=, --memory)."
        )


def _of_array(name: str, rows: Any) -> Stream:
    """Return an array as a stream; what is no rows at all is one part, for whoever takes it to say so."""
    array = rows if isinstance(rows, np.ndarray) else np.asarray(rows)
    if not array.ndim:
        raise DataError(f"{name}: expected rows, got a single number.")
    if not len(array):
        return Stream(name, [Part(name, None, 0, lambda size: iter([array]))])
    at_once = max(1, PART_BYTES * len(array) // max(1, array.nbytes))

    def cut(first: int, last: int, size: int) -> Iterator[Array]:
        return (array[start : min(start + size, last)] for start in range(first, last, size))

    bounds = [(start, min(start + at_once, len(array))) for start in range(0, len(array), at_once)]
    a_row = array[:1].size * held_bytes(array.dtype)
    return Stream(name, [Part(name, b - a, (b - a) * a_row, partial(cut, a, b), a) for a, b in bounds])


def is_stream(source: Any) -> bool:
    """Whether rows must be opened first: a name, a path, a pattern, chunks; and not an array or what looks like one."""
    return (
        isinstance(source, (str, Path, Stream))
        or _only_comes_in_chunks(source)
        or (isinstance(source, (list, tuple)) and len(source) > 0 and isinstance(source[0], (str, Path)))
    )


def _only_comes_in_chunks(source: Any) -> bool:
    return (
        isinstance(source, Iterable)
        and not hasattr(source, "__array__")
        and not hasattr(source, "toarray")
        and not is_frame(source)
        and not isinstance(source, (str, Path, Sequence, Mapping, Set, Stream))
    )


def _kept(chunks: Iterable[Any]) -> Stream:
    """Return chunks as a stream from a temporary .npy file (where TMPDIR says) that goes when the stream goes."""
    name = f"{type(chunks).__name__} of chunks"
    if getattr(chunks, "cardinality", lambda: 0)() == -1:  # tf.data.INFINITE_CARDINALITY
        raise DataError(f"{name}: expected an end, got a data set that repeats for ever: leave out .repeat().")
    try:
        folder = _Folder()
        path = folder.path / "rows.npy"
        sinks.write(path, _checked(_theirs(chunks), name), name="rows", force=False)
    except _TheirError as error:
        raise error.error from None
    except (OSError, OutputError) as error:
        raise OutputError(
            f"{name}: they are kept in a temporary file while they are worked on, which could not be written "
            f"({error}): set TMPDIR to a folder with room."
        ) from error
    return Stream(name, numpy_files.parts(path), folder)


def check_options(
    source: Any,
    reading: tables.Reading,
    data_dir: str | Path | None = None,
    *,
    series: bool = False,
    fitted: bool = False,
) -> None:
    """Raise OptionError where an option of reading cannot be used for a source, or names a column that is not there.

    No more is read than what tells the kind of the source and the names of its columns: it is the first that a command
    does, so that what is wrong with an option is said before anything else.

    Args:
        source: what a user names; standard input, which is not read, passes.
        reading: how it is to be read.
        data_dir: folder of the data sets, if it is given.
        series: whether rows are said to be series.
        fitted: whether a model is there, which knows its columns.

    Raises: DataError for a column that is not there to be left out, and for a file that cannot be read.
    """
    options = uses.asked(reading, data_dir, series=series)
    kind = _kind(source) if options else None
    if kind is None:
        return
    name = str(tables.shown(Path(source))) if isinstance(source, (str, Path)) else kind.words
    uses.check(options, kind, name, typed=reading.typed, fitted=fitted)
    names = columns_of(source, reading) if reading.types or reading.drop else ()
    if names:
        tables.check_columns(names, reading, (_files(source) or [Path(source)])[0])


def columns_of(source: Any, reading: tables.Reading) -> tuple[str, ...]:
    """Return the names of the columns of a table in files; none of anything else, or where the first does not say."""
    if _kind(source) not in (uses.CSV, uses.PARQUET, uses.COLUMNS):
        return ()
    return tables.columns_of((_files(source) or [Path(source)])[0], reading)


def _kind(source: Any) -> uses.Kind | None:
    """Return the kind of a source; None of what is open already, or cannot be opened, which whoever opens it says."""
    if isinstance(source, (Stream, Source)) or (isinstance(source, str) and source == "-"):
        return None
    if sparse.is_sparse(source) or scipy_files.is_matrix(source):
        return uses.MATRIX
    if is_frame(source):
        return uses.FRAME
    if pictures_in(source) is not None:
        return uses.PICTURES
    if not isinstance(source, (str, Path)):
        return uses.ARRAY
    if names_data_set(source):
        return uses.DATA_SET
    path = Path(source)
    if path.suffix.lower() in sql.ENDINGS and not path.is_dir():
        return uses.DATABASE
    if tables.is_named_columns(source):
        return uses.COLUMNS
    files = _files(source)
    if files is None:
        known = path.is_file() or path.suffix.lower().startswith(".npz:")
        return uses.ARRAY if known else None
    endings = {file.suffix.lower() for file in files}
    if not endings <= {*tables.ENDINGS}:
        return uses.ARRAY
    return uses.PARQUET if endings == {".parquet"} else uses.CSV


def _brought(source: Any, reading: tables.Reading, data_dir: str | Path | None = None, *, fitted: bool = False) -> Any:
    """Return standard input, or what a query gives, as a file that goes when the process ends; others as they are.

    Raises: as `check_options`.
    """
    if isinstance(source, str) and source == "-":
        path = from_stdin()
        check_options(path, reading, data_dir, fitted=fitted)
        return path
    check_options(source, reading, data_dir, fitted=fitted)
    if not isinstance(source, (str, Path)) or Path(source).suffix.lower() not in sql.ENDINGS or Path(source).is_dir():
        return source
    folder = _Folder()
    atexit.register(lambda: folder)
    try:
        return sql.write_parquet(Path(source), reading.query, folder.path)
    except OSError as error:
        raise _no_room(f"{source}: what the query gives", error) from error


def from_stdin() -> Path:
    """Return standard input as a file that goes when the process ends: Parquet or .npy by its first bytes, else CSV."""
    folder = _Folder()
    atexit.register(lambda: folder)  # held until then
    start = sys.stdin.buffer.read(8)
    if not start:
        raise DataError("standard input: expected rows, got nothing: write what gives them before the |.")
    ending = ".parquet" if start[:4] == b"PAR1" else ".npy" if start[:6] == b"\x93NUMPY" else ".csv"
    path = folder.path / f"{tables.STDIN}{ending}"
    try:
        with path.open("wb") as file:
            file.write(start)
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    except OSError as error:
        raise _no_room("standard input", error) from error
    return path


def _no_room(what: str, error: OSError) -> OutputError:
    return OutputError(
        f"{what} is kept in a temporary file, which could not be written ({error.strerror or error}): set TMPDIR to a "
        f"folder with room."
    )


class _TheirError(Exception):
    """An error of whoever gives chunks, which must not be taken for one of the disk."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _theirs(chunks: Iterable[Any]) -> Iterator[Any]:
    chunks = iter(chunks)
    while True:
        try:
            chunk = next(chunks)
        except StopIteration:
            return
        except OSError as error:
            raise _TheirError(error) from error
        yield chunk


class _Folder:
    """A temporary folder that goes when the last reference to it does."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=tables.FOLDER))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _checked(chunks: Iterable[Any], name: str) -> Iterator[Array]:
    first: Array | None = None
    for number, chunk in enumerate(chunks):
        where = f"{name}: chunk {number}"
        # (x, y), {"x": x}, or [x] as PyTorch's loaders have it; a list of rows is one of lists or of vectors.
        several = isinstance(chunk, (tuple, Mapping)) or (
            isinstance(chunk, list) and len(chunk) <= 2 and getattr(next(iter(chunk), None), "ndim", 0) > 1
        )
        if several:
            raise DataError(
                f"{where} expected rows (k, ...), got a {type(chunk).__name__} of them: give the rows alone."
            )
        shape = getattr(chunk, "shape", None)
        if type(chunk).__name__ in ("SparseTensor", "RaggedTensor"):
            raise DataError(f"{where} expected a dense tensor: use tf.sparse.to_dense(rows), or rows.to_tensor().")
        if shape is not None and len(shape) > 1 and shape[0] == 0:
            continue
        rows = as_rows(chunk, where=where)
        first = rows[:1] if first is None else first
        if rows.shape[1:] != first.shape[1:] or rows.dtype != first.dtype:
            expected = f"{first.dtype} of shape {first.shape[1:]}"
            raise ShapeError(
                f"{where} expected rows of {expected} as before, got {rows.dtype} of shape {rows.shape[1:]}."
            )
        yield rows
    if first is None:
        raise DataError(f"{name}: expected chunks of rows, got none: what gives them one by one can be read once.")


def rows_at_once(row_shape: tuple[int, ...], at_most: int = BYTES_AT_ONCE) -> int:
    """Return how many rows of doubles make a chunk."""
    return max(1, min(BYTES_AT_ONCE, at_most) // (8 * max(1, int(np.prod(row_shape)))))


def ahead(items: Iterator[T], *, until_taken: bool = False) -> Iterator[T]:
    """Give the same items, making the next one while the last is at work.

    Args:
        items: made in a thread of its own, which ends with this generator.
        until_taken: begin the next one only when the last was taken.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=1)
    taken, stop = threading.Semaphore(0), threading.Event()

    def offer(item: Any, error: BaseException | None) -> None:
        while not stop.is_set():
            try:
                waiting.put((item, error), timeout=0.1)
                break
            except queue.Full:
                continue
        while until_taken and not stop.is_set() and not taken.acquire(timeout=0.1):
            pass

    def work() -> None:
        try:
            for item in items:
                offer(item, None)
                if stop.is_set():
                    return
            offer(_END, None)
        except BaseException as error:  # handed to whoever reads
            offer(None, error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            taken.release()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()


_END = object()
