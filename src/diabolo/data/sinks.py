"""Writes what a verb gives, as it comes: .npy, .npz, .csv, .parquet by ending, or a folder of PNGs for images.

What is written does not grow in memory: chunks go to the disk one by one, into a temporary file that takes its name
when the last one is there.
"""

import math
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from diabolo.errors import OutputError, unknown
from diabolo.storage.files import refuse_existing, temporary_name, write_atomically

Array = np.ndarray[Any, Any]
ENDINGS = (".npy", ".npz", ".csv", ".parquet")
TABLES = (".csv", ".parquet")
STDOUT = Path("-")  # CSV, or what a pipe expects


def check(path: Path, *, force: bool, images: bool = False, table: bool = False) -> None:
    """Raise OutputError before any work where `write` could not do its own.

    Args: images: whether rows may go to a folder; table: whether columns are of several kinds, which no array holds.
    """
    if path == STDOUT:
        if sys.__stdout__ is None:
            raise OutputError("standard output is closed: choose the name of a file (-o FILE).")
        return
    if table and path.suffix not in TABLES:
        raise OutputError(f"{path}: columns of several kinds need a table, one of {', '.join(TABLES)}.")
    if is_folder(path):
        if not images:
            raise OutputError(f"{path} has no ending: expected a file, one of {', '.join(ENDINGS)}.")
        # Not even with `force`: pictures of two runs in one folder could not be told apart.
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise OutputError(f"{path} exists and is not an empty folder: choose another, or empty it.")
        return
    if path.suffix not in ENDINGS:
        raise OutputError(f"{path}: {unknown('kind of output', path.suffix, ENDINGS)}")
    refuse_existing(path, force=force)


def is_folder(path: Path) -> bool:
    """Whether an output names a folder for pictures: it is one, or it has no ending."""
    return path.is_dir() or not path.suffix


def write(path: Path, chunks: Iterable[Any], *, name: str, force: bool) -> str:
    """Write chunks (k, ...), arrays or Arrow tables, one behind the other and return what was written, in words.

    Args:
        path: its ending says the kind of file.
        chunks: rows.
        name: of the array in an .npz, and of the columns in a .csv: "latent" gives latent_0, latent_1, ...; of chunks
            (k,), one number a row, the one column has the name itself.
        force: overwrite what exists.

    Raises: OutputError, and whatever the chunks raise; then nothing is left.
    """
    check(path, force=force, images=True)
    seen = _Seen(chunks)
    if path == STDOUT:
        _write_csv(name, seen, sys.stdout.buffer)
        sys.stdout.flush()
        return f"{seen.rows:,} rows"
    if is_folder(path):
        _write_pngs(path, seen)
        return f"{path}/: {seen.rows:,} PNGs"
    writers: dict[str, Callable[[_Seen, BinaryIO], None]] = {
        ".npy": _write_npy,
        ".npz": partial(_write_npz, name),
        ".csv": partial(_write_csv, name),
        ".parquet": partial(_write_parquet, name),
    }
    write_atomically(path, partial(writers[path.suffix], seen), force=force)
    if seen.columns:
        return f"{path}: {seen.rows:,} rows of {seen.columns} columns"
    return f"{path}: {seen.dtype} {(seen.rows, *seen.row_shape)}"


class _Seen:
    """Chunks that are passed on, and what was seen of them."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._chunks = chunks
        self.rows, self.dtype, self.row_shape = 0, np.dtype(np.float32), tuple[int, ...]()
        self.columns = 0  # of tables

    def __iter__(self) -> Any:
        for chunk in self._chunks:
            if not isinstance(chunk, np.ndarray):
                self.rows, self.columns = self.rows + len(chunk), chunk.num_columns
                yield chunk
                continue
            self.rows, self.dtype, self.row_shape = self.rows + len(chunk), chunk.dtype, chunk.shape[1:]
            yield chunk


def _write_npy(chunks: _Seen, file: BinaryIO) -> None:
    # The header says how many rows follow, which only the last chunk tells: a header of fixed size is written again.
    file.write(_npy_header(np.dtype(np.float32), (0,)))
    for chunk in chunks:
        file.write(np.ascontiguousarray(chunk).data)
    file.seek(0)
    file.write(_npy_header(chunks.dtype, (chunks.rows, *chunks.row_shape)))


def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return a version 1.0 header of 256 bytes, whatever the shape. Source: numpy.lib.format."""
    text = repr({"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\x01\x00" + (246).to_bytes(2, "little") + text.ljust(245).encode("latin-1") + b"\n"


def _write_npz(name: str, chunks: _Seen, file: BinaryIO) -> None:
    with tempfile.TemporaryFile() as array, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _write_npy(chunks, array)
        array.seek(0)
        with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
            shutil.copyfileobj(array, member, 1 << 20)


def _write_csv(name: str, chunks: _Seen, file: BinaryIO) -> None:
    header = True
    for chunk in chunks:
        if not isinstance(chunk, np.ndarray):
            from pyarrow import csv as arrow

            arrow.write_csv(chunk, file, arrow.WriteOptions(include_header=header, quoting_style="needed"))
            header = False
            continue
        columns = chunk.reshape(len(chunk), -1)
        names = name if chunk.ndim == 1 else ",".join(f"{name}_{at}" for at in range(columns.shape[1]))
        style = "%d" if chunk.dtype.kind in "iu" else "%.9g" if chunk.dtype == np.float32 else "%.17g"
        np.savetxt(file, columns, fmt=style, delimiter=",", header=names if header else "", comments="")
        header = False


def _write_parquet(name: str, chunks: _Seen, file: BinaryIO) -> None:
    from pyarrow import parquet

    writer = None
    try:
        for chunk in chunks:
            table = as_table(chunk, name)
            if writer is None:
                writer = parquet.ParquetWriter(file, table.schema)
            writer.write_table(_as_before(table, writer.schema))
    finally:
        if writer is not None:
            writer.close()


def _as_before(table: Any, schema: Any) -> Any:
    """Return a table with the types of those before it; OutputError where they cannot hold a cell of it."""
    import pyarrow as pa

    try:
        return table if table.schema.equals(schema) else table.cast(schema)
    except pa.ArrowException as error:
        raise OutputError(
            f"columns need wider types in later rows than in the first ones, which .parquet has no room for: write "
            f".csv ({str(error).splitlines()[0]})."
        ) from error


def as_table(chunk: Any, name: str) -> Any:
    """Return an array (k, ...) as an Arrow table with columns name_0, name_1, ..., or of (k,) name.

    What is a table already stays as it is.
    """
    import pyarrow as pa

    if not isinstance(chunk, np.ndarray):
        return chunk
    if chunk.ndim == 1:
        return pa.table({name: chunk})
    columns = chunk.reshape(len(chunk), -1)
    return pa.table({f"{name}_{at}": np.ascontiguousarray(columns[:, at]) for at in range(columns.shape[1])})


def _write_pngs(folder: Path, chunks: Iterable[Array]) -> None:
    """Fill a temporary folder next to `folder`, then give it that name, which only an empty folder may have."""
    from PIL import Image

    temporary = temporary_name(folder)
    try:
        temporary.mkdir()
        for place, image in enumerate(_as_bytes(folder, chunks)):
            picture = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
            picture.save(temporary / f"{place:06d}.png")
        temporary.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _as_bytes(folder: Path, chunks: Iterable[Array]) -> Iterator[Array]:
    """Give images one by one, (h, w) or (h, w, c), as bytes; others than bytes are kept until all are there.

    Values in [0, 1] are shown as they are, any others over the range of all of them.
    """
    low, high, kept = math.inf, -math.inf, list[tuple[tuple[int, ...], Any]]()
    with tempfile.TemporaryFile() as file:
        for images in chunks:
            if images.ndim < 3 or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)):
                raise OutputError(
                    f"{folder}: rows of shape {images.shape[1:]} are no images: write them to .npy, .npz or .csv."
                )
            if images.dtype == np.uint8:
                yield from images
                continue
            low, high = min(low, float(images.min())), max(high, float(images.max()))
            kept.append((images.shape, images.dtype))
            file.write(np.ascontiguousarray(images).data)
        file.seek(0)
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
        for shape, dtype in kept:
            images = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
            yield from np.asarray(np.rint((images - low) / ((high - low) or 1.0) * 255), np.uint8)
