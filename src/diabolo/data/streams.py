"""Rows in chunks, for data that need not fit in memory.

A stream has parts, such as the row groups of a Parquet file, which can be read in any order; each part is read in
chunks. `opening` makes streams of the sources that a user names.
Order: a stream, its chunks, streams of an array, a sparse matrix and pictures.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data import memory
from diabolo.data.frames import Schema
from diabolo.data.readers import images, picture_files, scipy_files
from diabolo.data.readers.parts import PART_BYTES, Part, held_bytes
from diabolo.data.readers.picture_files import ImageOptions
from diabolo.data.tables import Keep
from diabolo.errors import DataError, ShapeError, listed
from diabolo.typing import Array, Shape

CHUNK_BYTES = 32 << 20  # two chunks, and the results of one of them, are in memory at a time


class Stream(NamedTuple):
    """Rows in parts, each of which comes in chunks.

    Attributes:
        name: of the source, for messages.
        parts: pieces that can be read in any order.
        schema: the columns of a table of numbers.
        folder: a temporary folder with the rows, which is deleted when nothing refers to it any more.
    """

    name: str
    parts: Sequence[Part]
    folder: object = None
    schema: Schema | None = None

    @property
    def rows(self) -> int | None:
        """The number of rows; None if it is only known after reading."""
        counts = [part.rows for part in self.parts]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def bytes(self) -> int:
        """The approximate size of all rows as one array."""
        return sum(part.bytes for part in self.parts)

    @property
    def overhead(self) -> int:
        """The approximate number of bytes that reading takes in addition to the rows."""
        return max((part.overhead for part in self.parts), default=0)

    @property
    def row_shape(self) -> Shape:
        """The shape of one row; reads the first one."""
        return tuple(next(self.chunks(1)).shape[1:])

    def chunks(self, size: int) -> Iterator[Array]:
        """Yield all rows in order, up to `size` at a time: (k, ...) each. Raises DataError, ShapeError."""
        for chunk in self.read(range(len(self.parts)), size):
            yield chunk.rows

    def read(self, order: Iterable[int], size: int) -> Iterator["Chunk"]:
        """Yield chunks of up to `size` rows, of the parts in any order.

        Raises: DataError if parts have different columns, or if there are no rows; ShapeError if parts have rows of
            different shapes.
        """
        shape: Shape | None = None
        columns: tuple[str, ...] | None = None
        shape_from, columns_from = "", ""  # the files that these were taken from
        for number in order:
            part = self.parts[number]
            part.check_unchanged()
            if part.columns is not None:
                if columns is None:
                    columns, columns_from = part.columns, part.name
                elif part.columns != columns:
                    raise DataError(
                        f"{part.name}: expected the columns {listed(columns)} as in {columns_from}, got "
                        f"{listed(part.columns)}."
                    )
            row = part.first_row
            for rows in part.read(size):
                if shape is None:
                    shape, shape_from = rows.shape[1:], part.name
                if rows.shape[1:] != shape:
                    raise ShapeError(
                        f"{part.name}: expected rows of shape {shape} as in {shape_from}, got {rows.shape[1:]}."
                    )
                yield Chunk(number, part.name, row, rows)
                row += len(rows)
        if shape is None:
            raise DataError(f"{self.name}: expected rows, got none.")


class Chunk(NamedTuple):
    """Rows of a stream, and the place they come from."""

    part: int
    name: str  # of the file
    first_row: int  # rows of the file before these
    rows: Array


def rows_at_once(row_shape: Shape, at_most: int = CHUNK_BYTES) -> int:
    """Return how many rows of doubles make a chunk."""
    return max(1, min(CHUNK_BYTES, at_most) // (8 * max(1, int(np.prod(row_shape)))))


def of_array(name: str, rows: object) -> Stream:
    """Return an array as a stream. Its numbers are not checked here. Raises DataError for a single number."""
    array = rows if isinstance(rows, np.ndarray) else np.asarray(rows)
    if not array.ndim:
        raise DataError(f"{name}: expected rows, got a single number.")
    if not len(array):
        return Stream(name, [Part(name, None, 0, lambda size: iter([array]))])
    at_once = max(1, PART_BYTES * len(array) // max(1, array.nbytes))

    def cut(first: int, last: int, size: int) -> Iterator[Array]:
        return (array[start : min(start + size, last)] for start in range(first, last, size))

    bounds = [(start, min(start + at_once, len(array))) for start in range(0, len(array), at_once)]
    bytes_per_row = array[:1].size * held_bytes(array.dtype)
    return Stream(name, [Part(name, b - a, (b - a) * bytes_per_row, partial(cut, a, b), a) for a, b in bounds])


def of_matrix(path: Path) -> Stream:
    """Return the sparse matrix of a file as a stream, whose chunks are dense. Raises DataError."""
    matrix = scipy_files.read(path, memory.free())
    rows, features = matrix.shape
    dtype = matrix.dtype if matrix.dtype.kind == "f" else np.dtype(np.float32)

    def cut(size: int) -> Iterator[Array]:
        return (matrix[start : start + size].toarray().astype(dtype, copy=False) for start in range(0, rows, size))

    return Stream(path.name, [Part(str(path), rows, rows * features * dtype.itemsize, cut)])


def of_pictures(
    name: str,
    paths: list[Path],
    options: ImageOptions,
    *,
    folder: Path | None = None,
    root: Path | None = None,
    keep: Keep | None = None,
) -> Stream:
    """Return pictures as a stream; each frame of a stack is a row.

    Args:
        name: of the source, for messages.
        paths: of the pictures, in the order of the rows.
        options: how pictures are read.
        folder: in which the pictures were found: their labels are the names of its subfolders.
        root: the folder that the names of pictures begin below.
        keep: takes, for each chunk, a table of the columns 'file' and 'label'.

    Raises: DataError if no picture can be read.
    """
    first = next((picture for picture in map(partial(_tried, options=options), paths) if picture is not None), None)
    if first is None:
        raise DataError(f"{name}: expected pictures, and none of {len(paths):,} files can be read.")
    files = images.survey(paths)
    images.say_stretched(files, options)
    frames = sum(len(file.frames) for file in files)

    def keep_names(rows: list[images.Row]) -> None:
        import pyarrow as pa

        if keep is not None:
            places = [row.path for row in rows]
            labels = [place.parent.name for place in places] if folder is None else images.labels(folder, places)
            keep(pa.table({"file": [images.name(row, root) for row in rows], "label": labels}), 0)

    read = partial(images.chunks, files, options, on_chunk=keep_names)
    count = frames if options.skip_bad is None else None
    return Stream(name, [Part(name, count, frames * first.size * held_bytes(first.dtype), read)])


def _tried(path: Path, options: ImageOptions) -> Array | None:
    """Return a picture; None if it cannot be read and may be left out."""
    try:
        return picture_files.read(path, options._replace(skip_bad=None))
    except DataError:
        if options.skip_bad is None:
            raise
        return None
