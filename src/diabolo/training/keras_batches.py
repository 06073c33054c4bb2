"""Batches of (x, y) or (x, y, sample_weight) from data sets and generators, as the fit() of Keras takes them.

Their batches, order and number of steps are kept. Order: what is such a source, its batches as windows, arrays that
are trained on in epochs of so many steps.
"""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diabolo.data import memory as memories
from diabolo.data.kinds import comes_in_chunks
from diabolo.data.windows import Window, Windows
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.typing import Array

WINDOW = 1 << 26  # bytes of batches that are trained on in one call

Convert = Callable[[object], Any]  # what a source yields -> a tuple of nests of arrays with as many rows each


def source_of(x: object) -> tuple[object, bool]:
    """Return x, and whether it yields batches (x, y); a generator is returned with its first item put back."""
    if isinstance(x, keras.utils.PyDataset):
        return x, True
    if isinstance(x, tf.data.Dataset):
        return x, isinstance(x.element_spec, (tuple, list, dict))
    if not comes_in_chunks(x):
        return x, False
    items = iter(x)
    try:
        first = next(items)
    except StopIteration:
        return x, False
    if items is x:
        x = itertools.chain([first], items)
    return x, isinstance(first, (tuple, list, dict))


def parts_of(batch: object) -> tuple[Any, Any, Any]:
    """Return x, y and sample_weight of a batch; what it has not is None. Raises DataError for more than three."""
    parts = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    if not 1 <= len(parts) <= 3:
        raise DataError(f"fit(): a batch must be (x, y) or (x, y, sample_weight), got {len(parts)} parts.")
    return (*parts, None, None)[:3]


class Batches:
    """The batches of a source, each epoch anew.

    Args:
        source: a tf.data.Dataset, keras.utils.PyDataset, DataLoader, or generator.
        convert: checks a batch and turns it into arrays.
        steps: in an epoch; None: as many as the source has.
        limit: bytes that a generator, which can be read once, may take for several epochs.

    Raises: OptionError if the source has no end and `steps` is None; DataError if it has no batch.
    """

    def __init__(self, source: object, convert: Convert, *, steps: int | None, limit: int) -> None:
        self._convert, self._given = convert, steps
        self._going: Iterator[object] | None = None  # with `steps` an epoch goes on where the one before has ended
        self._seen = 0
        self._source: object = source
        self._once = isinstance(source, Iterator)
        if self._once and steps is None:
            self._source, self._once = self._kept(limit), False
        if self._once:
            assert isinstance(source, Iterator)
            first = next(source, None)
            self._source = itertools.chain([first], source)
        else:
            first = next(self._read(), None)
        if first is None:
            raise DataError("fit(): x has no batches: pass at least one.")
        self.first = convert(first)
        self.batch_size = _rows(self.first)
        self.steps = self._count() if steps is None else steps
        size = sum(array.nbytes for array in keras.tree.flatten(self.first))
        self._together = max(1, min(self.steps, WINDOW // max(size, 1)))

    @property
    def rows(self) -> int:
        """The rows of an epoch, if all batches are full."""
        return self.steps * self.batch_size

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield the batches of an epoch, many at a time; one that is not full is the last of its window."""
        waiting = list[Any]()
        for batch in self._of_epoch(number):
            rows = _rows(batch)
            if rows > self.batch_size:
                raise ShapeError(
                    f"fit(): a batch has {rows:,} rows, and the first has {self.batch_size:,}: no batch may have more "
                    f"than the first."
                )
            waiting.append(batch)
            if rows < self.batch_size or len(waiting) == self._together:
                yield self._window(waiting)
                waiting = []
        if waiting:
            yield self._window(waiting)

    def _of_epoch(self, number: int) -> Iterator[Any]:
        if self._given is None:
            batches = self._read()
            if isinstance(self._source, keras.utils.PyDataset):
                self._source.on_epoch_begin()
            for batch in itertools.islice(batches, self.steps):
                yield self._convert(batch)
            if isinstance(self._source, keras.utils.PyDataset):
                self._source.on_epoch_end()
            return
        for _ in range(self.steps):
            yield self._convert(self._next(number))
            self._seen += 1

    def _next(self, number: int) -> object:
        """Return the next batch; a source that can be read again begins anew where it ends."""
        for _ in range(2):
            if self._going is None:
                self._going = self._read()
            batch = next(self._going, None)
            if batch is not None:
                return batch
            if self._once:
                raise DataError(
                    f"fit(): the generator ended after {self._seen:,} batches, in epoch {number + 1}: expected "
                    f"{self.steps:,} batches for each epoch (steps_per_epoch)."
                )
            self._going = None
        raise DataError("fit(): x has no batches any more.")

    def _read(self) -> Iterator[object]:
        if isinstance(self._source, keras.utils.PyDataset):
            count = self._source.num_batches
            places = itertools.count() if count is None else range(count)
            return (self._source[place] for place in places)
        assert isinstance(self._source, Iterable)
        return iter(self._source)

    def _kept(self, limit: int) -> list[object]:
        """Return the batches of a generator, which cannot be read again. Raises OptionError if they are too many."""
        kept, size = list[object](), 0
        assert isinstance(self._source, Iterator)
        for batch in self._source:
            kept.append(batch)
            size += sum(array.nbytes for array in keras.tree.flatten(self._convert(batch)))
            if size > limit:
                raise OptionError(
                    f"fit(): the generator gives more than {memories.words(limit)}, and may have no end: give "
                    f"steps_per_epoch, or a larger limit (memory=)."
                )
        return kept

    def _count(self) -> int:
        """Return how many batches an epoch has; where the source does not say so, they are counted."""
        count: int | None = None
        if isinstance(self._source, tf.data.Dataset):
            count = int(self._source.cardinality())
        elif isinstance(self._source, keras.utils.PyDataset):
            count = -1 if self._source.num_batches is None else self._source.num_batches
        elif isinstance(self._source, Sized):
            with contextlib.suppress(TypeError):  # a DataLoader of an iterable does not know it
                count = len(self._source)
        if count == tf.data.INFINITE_CARDINALITY:
            raise OptionError("fit(): x has no end: give steps_per_epoch, the number of batches in an epoch.")
        return sum(1 for _ in self._read()) if count is None or count < 0 else count

    def _window(self, batches: list[Any]) -> Window:
        """Return batches as one window of always the same shape, because TensorFlow traces a program for each."""
        places = self._together * self.batch_size
        rows = sum(map(_rows, batches))

        def joined(*arrays: Array) -> Array:
            together = np.zeros((places, *arrays[0].shape[1:]), arrays[0].dtype)
            np.concatenate(arrays, out=together[:rows])
            return together

        try:
            data = keras.tree.map_structure(joined, *batches)
        except ValueError as error:
            raise ShapeError(f"fit(): batches have rows of several shapes ({error}).") from error
        return Window(data, np.arange(places), rows)


class Stepped:
    """Windows in epochs of so many steps, which go on where the epoch before has ended, pass after pass.

    Args: windows: the rows of a pass; batch_size: rows in a step; steps: in an epoch.
    """

    def __init__(self, windows: Windows, batch_size: int, steps: int) -> None:
        self._windows, self._batch_size, self._steps = windows, batch_size, steps

    @property
    def rows(self) -> int:
        """The rows of an epoch, if all batches are full."""
        return self._steps * self._batch_size

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield windows of `steps` steps together."""
        a_pass = math.ceil(self._windows.rows / self._batch_size)
        first, left = divmod(number * self._steps, a_pass)
        skip, wanted = left, self._steps
        for at in itertools.count(first):
            for window in self._windows.epoch(at):
                steps = math.ceil(window.rows / self._batch_size)
                start, skip = min(skip, steps), max(0, skip - steps)
                count = min(wanted, steps - start)
                if count:
                    begin = start * self._batch_size
                    rows = min(window.rows, begin + count * self._batch_size) - begin
                    # Of one length, with the rows of these steps first.
                    yield Window(window.data, np.roll(window.order, -begin), rows)
                    wanted -= count
                if not wanted:
                    return


def _rows(batch: Any) -> int:
    return len(keras.tree.flatten(batch)[0])
