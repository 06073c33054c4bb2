"""Rows chunk by chunk, for data that need not fit in memory: what `open_source` opens, and more.

A .npy is read in parts, a Parquet file by row groups, a CSV block by block; a folder or a pattern ("parts/*.parquet")
is its files one after the other, by name. Everything else is read whole, and then cut.
"""

import glob
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from diabolo.data.readers import csv, numpy_files, parquet
from diabolo.data.sources import Array, open_source
from diabolo.errors import DataError, ShapeError

BYTES_AT_ONCE = 32 << 20  # of rows in a chunk; two of them and what is computed from one are held at a time
T = TypeVar("T")


class Stream(NamedTuple):
    """Rows that come in chunks.

    Attributes:
        name: what they are called.
        rows: how many there are; None where only reading would tell.
        chunks: gives them from the start, up to so many rows at a time: (k, ...) each.
    """

    name: str
    rows: int | None
    chunks: Callable[[int], Iterator[Array]]


class _Kind(NamedTuple):
    count_rows: Callable[[Path], int | None]
    chunks: Callable[[Path, int], Iterator[Array]]


STREAMED = {
    ".npy": _Kind(numpy_files.count, numpy_files.chunks),
    ".parquet": _Kind(parquet.count, parquet.chunks),
    ".csv": _Kind(lambda path: None, csv.chunks),
}


def open_stream(source: Any, *, data_dir: str | Path | None = None) -> Stream:
    """Return the rows behind a name, a path, a folder, a pattern or an array, to be read in chunks."""
    if isinstance(source, (str, Path)) and str(source).strip():
        path = Path(source)
        if path.is_file() and path.suffix.lower() in STREAMED:
            return _of_files(path.name, [path])
        if path.is_dir():
            return _of_files(path.name, sorted(each for each in path.iterdir() if each.suffix.lower() in STREAMED))
        if not path.exists() and glob.has_magic(str(source)):
            found = [Path(each) for each in sorted(glob.glob(str(source), recursive=True))]
            return _of_files(str(source), [each for each in found if each.suffix.lower() in STREAMED])
    opened = open_source(source, data_dir=data_dir)
    rows = np.asarray(opened.everything)
    return Stream(opened.name, len(rows) if rows.ndim else None, lambda size: _cut(rows, size))


def _of_files(name: str, paths: Sequence[Path]) -> Stream:
    if not paths:
        raise DataError(f"{name}: expected files of kind {', '.join(STREAMED)} there, found none.")
    kinds = [STREAMED[path.suffix.lower()] for path in paths]
    counts = [kind.count_rows(path) for kind, path in zip(kinds, paths, strict=True)]

    def chunks(rows: int) -> Iterator[Array]:
        shape: tuple[int, ...] | None = None
        for kind, path in zip(kinds, paths, strict=True):
            for chunk in kind.chunks(path, rows):
                if shape is not None and chunk.shape[1:] != shape:
                    raise ShapeError(f"{path}: expected rows of shape {shape} as in {paths[0]}, got {chunk.shape[1:]}.")
                shape = chunk.shape[1:]
                yield chunk

    return Stream(name, None if None in counts else sum(filter(None, counts)), chunks)


def _cut(rows: Array, size: int) -> Iterator[Array]:
    if not rows.ndim or not len(rows):
        yield rows  # not rows at all; whoever takes them says so
        return
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def rows_at_once(row_shape: tuple[int, ...]) -> int:
    """Return how many rows of doubles make a chunk."""
    return max(1, BYTES_AT_ONCE // (8 * int(np.prod(row_shape))))


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Give the same items, reading the next one while the last is at work."""
    waiting: queue.Queue[Any] = queue.Queue(maxsize=1)
    stop, end = threading.Event(), object()

    def read() -> None:
        try:
            for item in items:
                while not stop.is_set():
                    try:
                        waiting.put((item, None), timeout=0.1)
                        break
                    except queue.Full:
                        continue
                if stop.is_set():
                    return
            result: Any = (end, None)
        except BaseException as error:  # handed to whoever reads
            result = (end, error)
        while not stop.is_set():
            try:
                waiting.put(result, timeout=0.1)
                return
            except queue.Full:
                continue

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
