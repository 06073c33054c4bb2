"""Sources that can be read only once, copied to temporary files: standard input, a query, a remote file, chunks.

The files lie in the folder that TMPDIR names. A file of standard input, a query or an address is deleted when the
process ends, a file of chunks when nothing refers to its stream any more.
Order: the folder, standard input, a query, a remote file, chunks.
"""

import atexit
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, TypeVar

from diabolo.data import sinks, tables
from diabolo.data.adapters.rows import as_rows
from diabolo.data.readers import numpy_files, sql
from diabolo.data.streams import Stream
from diabolo.errors import DataError, DiaboloError, MissingExtraError, OutputError, ShapeError
from diabolo.typing import Array

T = TypeVar("T")


class Folder:
    """A temporary folder, which is deleted with the last reference to this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=tables.FOLDER))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _until_exit() -> Folder:
    folder = Folder()
    atexit.register(lambda: folder)  # a reference that lasts until then
    return folder


# How files begin, by their endings; any other is CSV.
STARTS = {".parquet": b"PAR1", ".npy": b"\x93NUMPY", ".arrow": b"ARROW1", ".jsonl": b"{"}


def from_stdin() -> Path:
    """Return standard input as a file: Parquet or .npy by its first bytes, otherwise CSV.

    Raises: DataError if it is empty; OutputError if the file cannot be written.
    """
    folder = _until_exit()
    start = sys.stdin.buffer.read(8)
    if not start:
        raise DataError(
            "standard input: expected rows, got nothing: put the command that writes the rows before the |, as in "
            "cat rows.csv | diabolo ..."
        )
    ending = next((ending for ending, first in STARTS.items() if start.startswith(first)), ".csv")
    path = folder.path / f"{tables.STDIN}{ending}"
    try:
        with path.open("wb") as file:
            file.write(start)
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
    except OSError as error:
        raise _no_room("standard input", error) from error
    return path


def from_query(database: str | Path, query: str) -> Path:
    """Return the result of a query as a Parquet file. Raises: as `sql.write_parquet`; OutputError."""
    folder = _until_exit()
    try:
        return sql.write_parquet(database, query, folder.path)
    except OSError as error:
        raise _no_room(f"{sql.name_of(database)}: the result of the query", error) from error


# Schemes of addresses of files -> what fsspec needs for them.
REMOTE = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "https": "aiohttp",
    "http": "aiohttp",
    "az": "adlfs",
    "abfs": "adlfs",
}


def is_remote(source: object) -> bool:
    """Return whether a text is the address of a file, such as s3://bucket/rows.csv."""
    scheme, mark, _ = str(source).partition("://")
    return isinstance(source, str) and bool(mark) and scheme.lower() in REMOTE


@lru_cache(maxsize=16)  # the verbs of a command ask for it one after the other
def from_address(address: str) -> str:
    """Return the name of a copy of a remote file, with the part of it that the address names after a colon.

    Raises: MissingExtraError without fsspec, or without what it needs; DataError for a file that cannot be read;
        OutputError if the copy cannot be written.
    """
    place, _, name = address.rpartition("/")
    name, colon, part = name.partition("?")[0].partition(":")
    needed = REMOTE[address.partition("://")[0].lower()]
    missing = MissingExtraError(
        f"{address}: fsspec and {needed}, which read it, are not installed: pip install fsspec {needed}."
    )
    try:
        import fsspec
    except ImportError as error:
        raise missing from error
    path = _until_exit().path / (name or "rows")
    try:
        # A part after a colon is not a part of the address.
        with fsspec.open(f"{place}/{name}" if colon else address, "rb") as remote:
            _copied(remote, path, address)
    except ImportError as error:
        raise missing from error
    except DiaboloError:
        raise
    except Exception as error:  # of any of its file systems
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{address}: cannot be read ({reason:.160}): check the address.") from error
    return f"{path}{colon}{part}"


def _copied(remote: BinaryIO, path: Path, address: str) -> None:
    with path.open("wb") as file:
        while piece := remote.read(1 << 20):
            try:
                file.write(piece)
            except OSError as error:
                raise _no_room(address, error) from error


def from_chunks(chunks: Iterable[object]) -> Stream:
    """Return chunks (k, ...) as a stream from a .npy file, so that every pass over them sees the same rows.

    Raises: DataError for a data set without an end, without rows, or with chunks that are not rows; ShapeError for
        chunks of different types or shapes; OutputError if the file cannot be written.
    """
    name = f"{type(chunks).__name__} of chunks"
    if getattr(chunks, "cardinality", lambda: 0)() == -1:  # tf.data.INFINITE_CARDINALITY
        raise DataError(f"{name}: expected an end, got a data set that repeats for ever: leave out .repeat().")
    try:
        folder = Folder()
        path = folder.path / "rows.npy"
        sinks.write(path, _checked(_marked(chunks), name), name="rows", force=False)
    except _ErrorOfChunks as error:
        raise error.error from None
    except (OSError, OutputError) as error:
        raise _no_room(name, error) from error
    return Stream(name, numpy_files.parts(path), folder)


def _no_room(what: str, error: OSError | OutputError) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    return OutputError(
        f"{what} could not be copied to a temporary file ({reason}): set TMPDIR to a folder with room for it."
    )


class _ErrorOfChunks(Exception):
    """An OSError of the object that gives chunks, which must not be taken for one of the temporary file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def _marked(chunks: Iterable[T]) -> Iterator[T]:
    """Yield the same chunks, and raise an OSError of their iterator as _ErrorOfChunks."""
    iterator = iter(chunks)
    while True:
        try:
            chunk = next(iterator)
        except StopIteration:
            return
        except OSError as error:
            raise _ErrorOfChunks(error) from error
        yield chunk


def _checked(chunks: Iterable[object], name: str) -> Iterator[Array]:
    """Yield chunks as arrays (k, ...). Raises DataError, ShapeError for those that are not rows, or other rows."""
    first: Array | None = None
    for number, chunk in enumerate(chunks):
        where = f"{name}: chunk {number}"
        _refuse_other_than_rows(chunk, where)
        shape = getattr(chunk, "shape", None)
        if shape is not None and len(shape) > 1 and shape[0] == 0:
            continue
        rows = as_rows(chunk, where=where)
        first = rows[:1] if first is None else first
        if rows.shape[1:] != first.shape[1:] or rows.dtype != first.dtype:
            expected = f"{first.dtype} of shape {first.shape[1:]}"
            raise ShapeError(
                f"{where} expected rows of {expected} as in the first chunk, got {rows.dtype} of shape "
                f"{rows.shape[1:]}."
            )
        yield rows
    if first is None:
        raise DataError(
            f"{name}: expected chunks of rows, got none: a generator can be read only once, make a new one if it was "
            f"read before."
        )


def _refuse_other_than_rows(chunk: object, where: str) -> None:
    # (x, y), {"x": x}, or [x] from PyTorch's loaders; a list of rows is a list of lists or of vectors.
    several = isinstance(chunk, (tuple, Mapping)) or (
        isinstance(chunk, list) and len(chunk) <= 2 and getattr(next(iter(chunk), None), "ndim", 0) > 1
    )
    if several:
        raise DataError(f"{where} expected rows (k, ...), got a {type(chunk).__name__} of them: give the rows alone.")
    if type(chunk).__name__ in ("SparseTensor", "RaggedTensor"):
        raise DataError(f"{where} expected a dense tensor: use tf.sparse.to_dense(rows), or rows.to_tensor().")
