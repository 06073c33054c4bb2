"""Writes rows: .npy, .npz or a format of tables, by ending, or a folder of PNGs for images.

Memory does not grow with the rows: chunks are written one by one into a temporary file, which is renamed after the last
one. Order: checks, writing, one function for each format.
"""

import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from diabolo.data import pngs
from diabolo.data.formats import BY_ENDING, TableFormat, ending_of
from diabolo.data.formats.writing import without_nested
from diabolo.data.readers import opened
from diabolo.errors import OutputError, unknown
from diabolo.storage.files import refuse_existing, write_atomically
from diabolo.typing import Array, ArrowTable, Shape

TABLES = tuple(ending for ending, kind in BY_ENDING.items() if kind.writes)
ENDINGS = (".npy", ".npz", *TABLES)  # those of text may be followed by that of a compression, as in .csv.gz
STDOUT = Path("-")  # is written as CSV


def check(path: Path, *, force: bool, images: bool = False, table: bool = False) -> None:
    """Raise OutputError if `write` cannot write there; a command calls this before its work.

    Args:
        path: of the output.
        force: whether it may overwrite what exists.
        images: whether rows may be written to a folder.
        table: whether columns are of several kinds, which an array cannot hold.
    """
    if path == STDOUT:
        if sys.__stdout__ is None:
            raise OutputError("standard output is closed: choose the name of a file (-o FILE).")
        return
    if table and ending_of(path) not in TABLES:
        raise OutputError(
            f"{path}: expected a table, because columns are of several kinds: choose a name "
            f"that ends in one of {', '.join(TABLES)}."
        )
    if is_folder(path):
        if not images:
            raise OutputError(f"{path} has no ending: choose a name that ends in one of {', '.join(ENDINGS)}.")
        # Not even with `force`: pictures of two runs in one folder could not be distinguished.
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise OutputError(f"{path} exists and is not an empty folder: choose another, or empty it.")
        return
    if ending_of(path) not in ENDINGS:
        raise OutputError(f"{path}: {unknown('kind of output', path.suffix, ENDINGS)}")
    refuse_existing(path, force=force)


def is_folder(path: Path) -> bool:
    """Return whether an output is a folder for pictures: it is a folder, or it has no ending."""
    return path.is_dir() or not path.suffix


def write(
    path: Path, chunks: Iterable[Array | ArrowTable], *, name: str, force: bool, files: Sequence[str | None] = ()
) -> str:
    """Write chunks (k, ...), arrays or Arrow tables, one after the other, and return a line that describes the output.

    Args:
        path: of the output; its ending determines the format.
        chunks: rows.
        name: of the array in an .npz, and of the columns in a table: "latent" gives latent_0, latent_1, ...; chunks
            (k,), one number a row, give one column with the name itself.
        force: overwrite a file that exists.
        files: for a folder, the names of the pictures that rows come from; they may be added while `chunks` are read.

    Raises: OutputError, and the errors of `chunks`; then no file is left.
    """
    check(path, force=force, images=True)
    counted = _Counted(chunks)
    if path == STDOUT:
        _write_csv(name, counted, sys.stdout.buffer)
        sys.stdout.flush()
        return f"{counted.rows:,} rows"
    if is_folder(path):
        pngs.write(path, counted, files)
        return f"{path}/: {counted.rows:,} PNGs"
    writers: dict[str, Callable[[_Counted, BinaryIO], None]] = {
        ".npy": _write_npy,
        ".npz": partial(_write_npz, name),
        ".csv": partial(_write_csv, name),
    }
    writers |= {ending: partial(_write_table, BY_ENDING[ending], name) for ending in TABLES if ending not in writers}
    ending = ending_of(path)
    compression = path.suffix.lower() if ending != path.suffix.lower() else ""

    def write_packed(file: BinaryIO) -> None:
        with opened.packed(file, compression) as packed:
            writers[ending](counted, packed)

    write_atomically(path, write_packed, force=force)
    if counted.columns:
        return f"{path}: {counted.rows:,} rows of {counted.columns} columns"
    return f"{path}: {counted.dtype} {(counted.rows, *counted.row_shape)}"


class _Counted:
    """Chunks, and the rows, type, shape and columns of those that were read."""

    def __init__(self, chunks: Iterable[Array | ArrowTable]) -> None:
        self._chunks = chunks
        self.rows, self.dtype, self.row_shape = 0, np.dtype(np.float32), cast(Shape, ())
        self.columns = 0  # of tables

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            if not isinstance(chunk, np.ndarray):
                self.rows, self.columns = self.rows + len(chunk), chunk.num_columns
                yield chunk
                continue
            self.rows, self.dtype, self.row_shape = self.rows + len(chunk), chunk.dtype, chunk.shape[1:]
            yield chunk


def _write_npy(chunks: _Counted, file: BinaryIO) -> None:
    # The header contains the number of rows, which is known after the last chunk: it has a fixed size and is rewritten.
    file.write(_npy_header(np.dtype(np.float32), (0,)))
    for chunk in chunks:
        file.write(np.ascontiguousarray(chunk).data)
    file.seek(0)
    file.write(_npy_header(chunks.dtype, (chunks.rows, *chunks.row_shape)))


def _npy_header(dtype: np.dtype[Any], shape: Shape) -> bytes:
    """Return a version 1.0 header of 256 bytes, whatever the shape. Source: numpy.lib.format."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\x01\x00" + (246).to_bytes(2, "little") + text.ljust(245).encode("latin-1") + b"\n"


def _write_npz(name: str, chunks: _Counted, file: BinaryIO) -> None:
    with tempfile.TemporaryFile() as array, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _write_npy(chunks, array)
        array.seek(0)
        with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
            shutil.copyfileobj(array, member, 1 << 20)


def _write_csv(name: str, chunks: _Counted, file: BinaryIO) -> None:
    every = iter(chunks)
    first = next(every, None)
    if first is not None and not isinstance(first, np.ndarray):
        _write_table(BY_ENDING[".csv"], name, chain([first], every), file)
        return
    header = True
    for chunk in chain([] if first is None else [first], every):
        columns = chunk.reshape(len(chunk), -1)
        names = name if chunk.ndim == 1 else ",".join(f"{name}_{at}" for at in range(columns.shape[1]))
        style = "%d" if chunk.dtype.kind in "iu" else "%.9g" if chunk.dtype == np.float32 else "%.17g"
        np.savetxt(file, columns, fmt=style, delimiter=",", header=names if header else "", comments="")
        header = False


def _write_table(kind: TableFormat, name: str, chunks: Iterable[Array | ArrowTable], file: BinaryIO) -> None:
    tables = (as_table(chunk, name) for chunk in chunks)
    kind.write(tables if kind.nested else map(without_nested, tables), file)


def as_table(chunk: Array | ArrowTable, name: str) -> ArrowTable:
    """Return an array (k, ...) as an Arrow table with columns name_0, name_1, ..., or (k,) as one column `name`.

    An Arrow table is returned as it is.
    """
    import pyarrow as pa

    if not isinstance(chunk, np.ndarray):
        return chunk
    if chunk.ndim == 1:
        return pa.table({name: chunk})
    columns = chunk.reshape(len(chunk), -1)
    return pa.table({f"{name}_{at}": np.ascontiguousarray(columns[:, at]) for at in range(columns.shape[1])})
