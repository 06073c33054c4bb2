"""The rows of an epoch in windows: one window of all rows, or several, each as large as the memory limit allows.

Order: the check of the limit, a window, rows in memory, rows from a stream.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike

from diabolo.data import memory
from diabolo.data.adapters.rows import aligned
from diabolo.data.prefetch import ahead
from diabolo.data.sources import Source
from diabolo.data.streams import Stream, rows_at_once
from diabolo.errors import DataError, OptionError
from diabolo.typing import Array, Int64Array, Rows, Shape

# The pool of three chunks takes three tenths of the memory limit. The rest is for the data being read (mostly the pages
# of a Parquet file's columns), for rows held back, and for memory that the allocator does not return.
CHUNKS_IN_MEMORY = 10
CHUNKS_HELD = 2  # in the pool, from which the next window is drawn, while training uses a third chunk
OVERHEAD = 1 << 26  # bytes that reading may always take in addition to rows: files are read in blocks
LEAST_ROWS = 512  # a thirty-second of the memory limit must hold enough rows for validation
INDEX_BYTES = 16  # for each row: its place in the pool, and in the order of two windows
PIECES_IN_MEMORY = 64  # as doubles; one piece is read at once


def check_memory(opened: Source | Stream, limit: int, batch_size: int) -> None:
    """Raise OptionError if `limit` bytes are too few to train on a stream, before the stream is read."""
    if isinstance(opened, Stream):
        if opened.overhead > max(limit, OVERHEAD):
            raise OptionError(
                f"reading {opened.name} takes about {memory.words(opened.overhead)} in addition to its rows, because "
                f"the file stores column after column: raise the limit to at least that (memory=, --memory), or write "
                f"the rows as .npy, or with fewer columns or smaller pages."
            )
        first = next(opened.chunks(1))
        dtype = first.dtype if first.dtype == np.uint8 else np.dtype(np.float32)
        least = _bytes(first.shape[1:], dtype) * max(CHUNKS_IN_MEMORY * batch_size, LEAST_ROWS)
        _refuse_below(least, limit, first.shape[1:], batch_size)


def _bytes(row_shape: Shape, dtype: np.dtype[Any]) -> int:
    """Return the bytes that one row takes in a window."""
    return math.prod(row_shape) * dtype.itemsize + INDEX_BYTES


def _refuse_below(least: int, limit: int, row_shape: Shape, batch_size: int) -> None:
    if limit < least:
        raise OptionError(
            f"memory of {memory.words(limit)} is too small for batches of {batch_size:,} rows of "
            f"{math.prod(row_shape):,} numbers: give at least {memory.words(least)} (memory=, --memory), or smaller "
            f"batches (batch_size=, --batch-size)."
        )


class Window(NamedTuple):
    """Rows that are trained on before the next window is read.

    Attributes:
        data: rows, or a nest of arrays or tensors with as many rows each; of one shape in all windows.
        order: indices into `data`; only the first `rows` of them are used.
        rows: the number of rows to train on.
        first: steps of the epoch before this window.
        steps: of this window; None: as many as its rows fill batches, the last of which may be smaller.
    """

    data: Any
    order: Array
    rows: int
    first: int = 0
    steps: int | None = None


class Windows(Protocol):
    """The rows of every epoch."""

    @property
    def rows(self) -> int:
        """The number of rows in an epoch."""

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield the windows of an epoch, counted from 0; all but the last hold whole batches."""


class Resident:
    """All rows in memory: one window, in the order `default_rng([seed, epoch]).permutation(rows)`."""

    def __init__(self, data: Any, rows: int, *, seed: int, shuffle: bool = True) -> None:
        self._data, self.rows, self._seed, self._shuffle = data, rows, seed, shuffle

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield one window of all rows."""
        order = np.random.default_rng([self._seed, number]).permutation(self.rows) if self._shuffle else None
        yield Window(self._data, np.arange(self.rows) if order is None else order, self.rows)


class Streamed:
    """Rows of a stream, of which two chunks are in memory and a third is trained on.

    The parts of the stream are read in an order that depends on the seed and the epoch. Their rows fill two chunks, and
    a window of one chunk is drawn at random from these. While training uses it, the next rows take its place.

    Args:
        stream: rows as they are stored.
        convert: turns rows (k, ...) into tensors (k, *shape) of type `dtype`.
        rows: the number of rows in the stream.
        shape: of one row as a tensor.
        dtype: of the tensors.
        limit: bytes of memory for all of this.
        batch_size: rows in a step.
        seed: determines the order of the rows.

    Raises: OptionError if the limit is too small.
    """

    def __init__(
        self,
        stream: Stream,
        convert: Callable[[Rows], Array],
        *,
        rows: int,
        shape: Shape,
        dtype: DTypeLike,
        limit: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.rows, self._stream, self._convert, self._seed = rows, stream, convert, seed
        self._shape, self._dtype, self._limit = shape, np.dtype(dtype), limit
        self._batch_size, dtype = batch_size, self._dtype
        bytes_per_row = _bytes(shape, dtype)
        _refuse_below(bytes_per_row * CHUNKS_IN_MEMORY * batch_size, limit, shape, batch_size)
        self.chunk = limit // CHUNKS_IN_MEMORY // bytes_per_row // batch_size * batch_size
        self._piece = rows_at_once(shape, limit // PIECES_IN_MEMORY)
        self._pool = aligned((min((CHUNKS_HELD + 1) * self.chunk, rows), *shape), dtype)

    def __reduce__(self) -> tuple[Callable[..., "Streamed"], tuple[()]]:
        """Pass everything on but the rows in memory, to another process that can read the same files."""
        return self._made_again(self._stream, self.rows, self._batch_size), ()

    def _made_again(self, stream: Stream, rows: int, batch_size: int) -> Callable[[], "Streamed"]:
        return partial(
            Streamed,
            stream,
            self._convert,
            rows=rows,
            shape=self._shape,
            dtype=self._dtype,
            limit=self._limit,
            batch_size=batch_size,
            seed=self._seed,
        )

    @property
    def is_shared(self) -> bool:
        """Whether other machines can read the rows, where they see the same files."""
        return self._stream.folder is None

    @property
    def parts(self) -> int:
        """How many parts the stream has."""
        return len(self._stream.parts)

    def parts_of(self, rank: int, world: int) -> list[int]:
        """Return the parts that one of several processes reads: about as many bytes as the others."""
        sizes = [0] * world
        mine = []
        for number in sorted(range(self.parts), key=lambda number: -self._stream.parts[number].bytes):
            least = sizes.index(min(sizes))
            sizes[least] += max(1, self._stream.parts[number].bytes)
            mine += [number] if least == rank else []
        return sorted(mine)

    def count(self, parts: Sequence[int]) -> int:
        """Return how many rows some parts have; reads them."""
        return sum(len(chunk.rows) for chunk in self._stream.read(parts, self._piece))

    def only(self, parts: Sequence[int], *, rows: int, batch_size: int) -> "Streamed":
        """Return the rows of some parts alone, so many, in other batches."""
        some = self._stream._replace(parts=[self._stream.parts[number] for number in parts])
        return self._made_again(some, rows, batch_size)()

    @property
    def files(self) -> list[tuple[str, int, int]]:
        """Name, size and time of the last change of each file of the stream, except for temporary ones."""
        parts = [] if self._stream.folder is not None else self._stream.parts
        return sorted({(Path(part.name).name, *part.stamp) for part in parts if part.stamp is not None})

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield windows of one chunk each, drawn from two chunks; the rest is the last window.

        All windows share one array. The rows of a window stay in it until the next window is taken.

        Raises: DataError if the rows of the stream have changed.
        """
        yield from ahead(self._drawn(np.random.default_rng([self._seed, number])), until_taken=True)

    def _drawn(self, generator: np.random.Generator) -> Iterator[Window]:
        """Fill the pool and draw from it; runs one window ahead, in places that training does not use."""
        held, count, free = list[Array](), 0, np.arange(len(self._pool))  # places filled, how many, and empty ones
        drawn, left = np.empty(0, np.int64), self.rows  # places of the window given last; rows still to be read
        for piece in self._pieces(generator.permutation(len(self._stream.parts))):
            left -= len(piece)
            if left < 0:
                break
            while len(piece):
                places = free[: min(len(piece), CHUNKS_HELD * self.chunk - count)]
                free = free[len(places) :]
                self._pool[places], piece = piece[: len(places)], piece[len(places) :]
                held.append(places)
                count += len(places)
                if count == CHUNKS_HELD * self.chunk and left + len(piece):
                    mixed = generator.permutation(np.concatenate(held))
                    window, held, count = mixed[: self.chunk], [mixed[self.chunk :]], count - self.chunk
                    yield self._window(window)
                    # This window was taken, so the places of the one before are free.
                    free, drawn = np.concatenate([free, drawn]), window
        if left:
            raise DataError(
                f"{self._stream.name} has other rows than when training began: start again, and do not change it "
                f"during training."
            )
        yield self._window(generator.permutation(np.concatenate(held)))

    def _window(self, places: Array) -> Window:
        order = aligned((len(self._pool),), np.int32)  # of one length, because XLA compiles a program for each shape
        order[: len(places)], order[len(places) :] = places, 0
        return Window(self._pool, order, len(places))

    def _pieces(self, order: Int64Array) -> Iterator[Array]:
        """Yield the rows of parts as tensors; small parts are joined, because each piece has a fixed cost."""
        waiting, count = list[Rows](), 0
        for chunk in self._stream.read(map(int, order), self._piece):
            waiting.append(chunk.rows)
            count += len(chunk.rows)
            if count >= self._piece:
                yield self._convert(_joined(waiting))
                waiting, count = [], 0
        if count:
            yield self._convert(_joined(waiting))


def _joined(parts: list[Rows]) -> Rows:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
