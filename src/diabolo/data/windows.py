"""The rows of an epoch, window by window: all of them at once, or as many as memory may hold.

Order: whether the memory will do, what a window is, rows in memory, rows from a stream.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from diabolo.data import memory
from diabolo.data.adapters.rows import Rows, aligned
from diabolo.data.sources import Source
from diabolo.data.streams import Stream, ahead, rows_at_once
from diabolo.errors import DataError, OptionError

Array = np.ndarray[Any, Any]

# A pool of three chunks takes three tenths of the memory. The rest goes to what is being read, most of all the pages of
# a Parquet file's columns, to rows held back, and to what the allocator does not return.
CHUNKS_IN_MEMORY = 10
CHUNKS_HELD = 2  # from which the next rows to train on are drawn, while one more is trained on
BESIDE = 1 << 26  # bytes that reading may take whatever the limit is: files are read in blocks
LEAST_ROWS = 512  # a thirty-second of the memory must hold some rows to judge by
INDEX_BYTES = 16  # beside a row: its place in the pool, and in the order of two windows
PIECES_IN_MEMORY = 64  # what is read at once, as doubles


def check_memory(opened: Source | Stream, limit: int, batch_size: int) -> None:
    """Raise OptionError where `limit` bytes are too few to train on a stream: before anybody reads it to its end."""
    if isinstance(opened, Stream):
        if opened.beside > max(limit, BESIDE):
            raise OptionError(
                f"reading {opened.name} takes about {memory.words(opened.beside)} beside its rows, because its columns "
                f"lie one behind the other: give as much (memory=, --memory), or write it as .npy, or with fewer "
                f"columns or smaller pages."
            )
        first = next(opened.chunks(1))
        a_row = _bytes(first.shape[1:], first.dtype if first.dtype == np.uint8 else np.float32)
        _refuse_below(a_row * max(CHUNKS_IN_MEMORY * batch_size, LEAST_ROWS), limit, first.shape[1:], batch_size)


def _bytes(row_shape: tuple[int, ...], dtype: Any) -> int:
    return int(math.prod(row_shape) * np.dtype(dtype).itemsize) + INDEX_BYTES


def _refuse_below(least: int, limit: int, row_shape: tuple[int, ...], batch_size: int) -> None:
    if limit < least:
        raise OptionError(
            f"memory of {memory.words(limit)} is too small for batches of {batch_size:,} rows of "
            f"{math.prod(row_shape):,} numbers: give at least {memory.words(least)} (memory=, --memory), or smaller "
            f"batches."
        )


class Window(NamedTuple):
    """Rows to train on before the next ones are looked at.

    Attributes:
        data: rows, or a nest of arrays or tensors with as many rows each; of one shape in all windows.
        order: places in `data`, int32; the first `rows` count.
        rows: how many to train on.
    """

    data: Any
    order: Array
    rows: int


class Windows(Protocol):
    """The rows of every epoch."""

    @property
    def rows(self) -> int:
        """How many rows an epoch has."""

    def epoch(self, number: int) -> Iterator[Window]:
        """Give the windows of an epoch, counted from 0; all but the last hold whole batches."""


class Resident:
    """Rows that are all there: one window, in the order `permutation(default_rng([seed, epoch]))`."""

    def __init__(self, data: Any, rows: int, *, seed: int, shuffle: bool = True) -> None:
        self._data, self.rows, self._seed, self._shuffle = data, rows, seed, shuffle

    def epoch(self, number: int) -> Iterator[Window]:
        """Give all rows."""
        order = np.random.default_rng([self._seed, number]).permutation(self.rows) if self._shuffle else None
        yield Window(self._data, np.arange(self.rows) if order is None else order, self.rows)


class Streamed:
    """Rows of a stream, of which two chunks are held together.

    The parts of the stream come in an order that follows from the seed and the epoch. They fill two chunks; a chunk of
    rows is drawn from these by chance. While it is trained on, another takes its place, and the next is drawn.

    Args:
        stream: rows as they are stored.
        convert: rows (k, ...) -> (k, *shape), of type `dtype`.
        rows: how many the stream has.
        limit: bytes that all this may take.
        batch_size: rows a step.
    """

    def __init__(
        self,
        stream: Stream,
        convert: Callable[[Rows], Array],
        *,
        rows: int,
        shape: tuple[int, ...],
        dtype: Any,
        limit: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.rows, self._stream, self._convert, self._seed = rows, stream, convert, seed
        a_row = _bytes(shape, dtype)
        _refuse_below(a_row * CHUNKS_IN_MEMORY * batch_size, limit, shape, batch_size)
        self.chunk = limit // CHUNKS_IN_MEMORY // a_row // batch_size * batch_size
        self._piece = rows_at_once(shape, limit // PIECES_IN_MEMORY)
        self._pool = aligned((min((CHUNKS_HELD + 1) * self.chunk, rows), *shape), np.dtype(dtype))

    @property
    def files(self) -> list[tuple[str, int, int]]:
        """Name, size and time of the last change of each file that rows are read from; none of temporary ones."""
        parts = [] if self._stream.folder is not None else self._stream.parts
        return sorted({(Path(part.name).name, *part.stamp) for part in parts if part.stamp is not None})

    def epoch(self, number: int) -> Iterator[Window]:
        """Give windows of a chunk each, drawn from two; what is left at the end is the last.

        All share one array. A window's rows stay in it until the next one is asked for.
        """
        yield from ahead(self._drawn(np.random.default_rng([self._seed, number])), until_taken=True)

    def _drawn(self, chance: np.random.Generator) -> Iterator[Window]:
        """Fill the pool and draw from it; runs one window ahead, in places that nobody trains on."""
        held, count, free = list[Array](), 0, np.arange(len(self._pool))  # places filled, how many, and empty ones
        drawn, left = np.empty(0, np.int64), self.rows  # places of the window given last; rows still to be read
        for piece in self._pieces(chance.permutation(len(self._stream.parts))):
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
                    mixed = chance.permutation(np.concatenate(held))
                    window, held, count = mixed[: self.chunk], [mixed[self.chunk :]], count - self.chunk
                    yield self._window(window)
                    # It was taken, so that the one before is done with.
                    free, drawn = np.concatenate([free, drawn]), window
        if left:
            raise DataError(
                f"{self._stream.name} has other rows than when training began: leave it alone until it ends."
            )
        yield self._window(chance.permutation(np.concatenate(held)))

    def _window(self, places: Array) -> Window:
        order = aligned((len(self._pool),), np.int32)  # as long for each, because XLA makes a program for a shape
        order[: len(places)], order[len(places) :] = places, 0
        return Window(self._pool, order, len(places))

    def _pieces(self, order: Array) -> Iterator[Array]:
        """Give the rows of parts as tensors; small parts are joined, because each piece costs something by itself."""
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
