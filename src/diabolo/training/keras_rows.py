"""The rows that `keras_fit.fit` trains and validates on, as tensors: from arrays, batches or rows of a file.

Order: what the user passed, what comes out, the choice between them, validation rows, batches, arrays, rows that are
read in chunks, arrays as tensors.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import keras
import numpy as np
import tensorflow as tf

from diabolo.checks import whole
from diabolo.data.adapters.rows import as_floats
from diabolo.data.kinds import is_stream
from diabolo.data.memory import limit
from diabolo.data.opening import open_rows
from diabolo.data.splits import divide
from diabolo.data.windows import Resident, Streamed, Window, Windows, check_memory
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.training.backend import tensor
from diabolo.training.keras_batches import Batches, Stepped, parts_of, source_of
from diabolo.training.program import Tensors
from diabolo.typing import Array

BATCH_SIZE = 32  # Keras' default


class Given(NamedTuple):
    """The rows that the user passed to `fit`, not yet checked, and how they are used."""

    x: object
    y: object
    sample_weight: object
    class_weight: Mapping[int, float] | None
    shuffle: bool
    validation_split: float
    validation_data: object


class Sizes(NamedTuple):
    """Rows in a batch and batches in an epoch, as the user gave them; None: not given."""

    batch_size: int | None
    steps_a_call: int | None
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None

    def checked(self) -> "Sizes":
        """Return them as whole numbers of Python. Raises OptionError."""
        return Sizes(*(None if size is None else whole(name, size, 1) for name, size in self._asdict().items()))


class Rows(NamedTuple):
    """The rows of a training, as tensors."""

    windows: Windows
    batch_size: int
    validation: Tensors | None
    example: Tensors  # one row, from which Keras learns shapes and types
    arrays: Tensors | None = None  # all rows before the split; None: they are read in chunks
    separate_validation: bool = False  # whether `validation` is the user's validation_data, not part of `arrays`


def prepare(model: keras.Model, given: Given, sizes: Sizes, seed: int, memory: int | str | None) -> Rows:
    """Return the rows to train on and to validate on, as the model takes them."""
    x, comes_in_batches = source_of(given.x)
    plain = given.y is None and given.sample_weight is None and given.class_weight is None and given.shuffle
    share = given.validation_split if given.validation_data is None else 0.0
    steps = sizes.steps_per_epoch
    if comes_in_batches:
        rows = _from_batches(model, given._replace(x=x), share, sizes, limit(memory))
    elif is_stream(x) or (isinstance(x, np.memmap) and plain):
        if not plain:
            raise OptionError(
                "fit(): rows that are read from files or in chunks are always shuffled, and each row is its own "
                "target: leave out y, sample_weight, class_weight and shuffle, or pass arrays in memory."
            )
        rows = _from_stream(model, x, share, sizes.batch_size or BATCH_SIZE, seed, limit(memory))
    else:
        weight = _of_classes(given.y, given.sample_weight, given.class_weight)
        data = _arrays(model, "x and y", x, given.y, weight)
        size = sizes.batch_size or (math.ceil(_count(data) / steps) if steps else BATCH_SIZE)
        rows = _from_arrays(data, share, size, seed, shuffle=given.shuffle)
    if steps and not comes_in_batches:
        rows = rows._replace(windows=Stepped(rows.windows, rows.batch_size, steps))
    if given.validation_data is not None:
        rows = _with_validation(model, rows, given.validation_data, sizes, limit(memory))
    if rows.validation is None or sizes.validation_steps is None:
        return rows
    first = sizes.validation_steps * (sizes.validation_batch_size or rows.batch_size)
    return rows._replace(validation=keras.tree.map_structure(lambda values: values[:first], rows.validation))


def _with_validation(model: keras.Model, rows: Rows, validation: object, sizes: Sizes, at_most: int) -> Rows:
    """Return rows with the validation rows that the user passed."""
    if not isinstance(validation, (tuple, list)):
        source, comes_in_batches = source_of(validation)
        if comes_in_batches:
            return rows._replace(
                validation=_collected(model, source, sizes.validation_steps, at_most), separate_validation=True
            )
    if not isinstance(validation, (tuple, list)) or not 2 <= len(validation) <= 3:
        got = f"{len(validation)} of them" if isinstance(validation, (tuple, list)) else type(validation).__name__
        raise OptionError(f"validation_data must be (x, y) or (x, y, sample_weight), or batches of them, got {got}.")
    if any(is_stream(part) for part in validation):
        raise OptionError("validation_data must be arrays: to validate on rows of a file, pass validation_split.")
    return rows._replace(validation=_arrays(model, "validation_data", *validation), separate_validation=True)


def _collected(model: keras.Model, source: object, steps: int | None, at_most: int) -> Tensors:
    """Return all validation batches, or the first `steps`, as arrays. Args: at_most: bytes of memory."""

    def convert(batch: object) -> Any:
        return _numpy(_arrays(model, "validation_data", *parts_of(batch)))

    batches = Batches(source, convert, steps=steps, limit=at_most)
    if batches.rows * sum(array[:1].nbytes for array in keras.tree.flatten(batches.first)) > at_most:
        raise OptionError(
            "fit(): validation_data takes more memory than the limit: give validation_steps, or a larger limit "
            "(memory=)."
        )
    windows = [
        keras.tree.map_structure(lambda values, rows=window.rows: values[:rows], window.data)
        for window in batches.epoch(0)
    ]
    joined = keras.tree.map_structure(lambda *arrays: tensor(np.concatenate(arrays)), *windows)
    return cast(Tensors, joined)


def _from_batches(model: keras.Model, given: Given, share: float, sizes: Sizes, at_most: int) -> Rows:
    """Return batches that a source yields. Args: at_most: bytes of memory."""
    also = {"y": given.y, "sample_weight": given.sample_weight, "batch_size": sizes.batch_size}
    if named := [name for name, value in also.items() if value is not None]:
        raise OptionError(f"fit(): x yields batches with their targets and weights: leave out {', '.join(named)}.")
    if share:
        raise OptionError("fit(): validation_split needs arrays: pass validation_data, (x, y) or batches of them.")

    def convert(batch: object) -> Any:
        x, y, weight = parts_of(batch)
        return _numpy(_arrays(model, "x and y", x, y, _of_classes(y, weight, given.class_weight)))

    batches = Batches(given.x, convert, steps=sizes.steps_per_epoch, limit=at_most)
    example = keras.tree.map_structure(lambda values: tensor(values[:1]), batches.first)
    return Rows(batches, batches.batch_size, None, example)


def _numpy(data: Tensors) -> Any:
    return keras.tree.map_structure(np.asarray, data)


def _of_classes(y: Any, sample_weight: object, class_weight: object) -> object:
    """Return the weight of each row, by its class if weights of classes are given."""
    if class_weight is None:
        if sample_weight is None or not keras.tree.is_nested(y) or keras.tree.is_nested(sample_weight):
            return sample_weight
        return keras.tree.map_structure(lambda _: sample_weight, y)  # of several outputs
    if not isinstance(class_weight, Mapping):
        raise OptionError(
            f"class_weight must be weights by class, such as {{0: 1.0, 1: 5.0}}, got {class_weight!r:.60}."
        )
    if sample_weight is not None or y is None or keras.tree.is_nested(y):
        raise OptionError(
            "fit(): class_weight needs targets y of one output, and no sample_weight: pass the weights of all rows as "
            "sample_weight."
        )
    classes = np.asarray(y)
    if classes.ndim > 1:
        classes = np.argmax(classes, axis=-1) if classes.shape[-1] != 1 else classes[..., 0]
    if classes.ndim != 1 or classes.dtype.kind not in "iufb":
        raise OptionError(
            f"fit(): class_weight needs a class for each row, whole numbers (n,) or one-hot (n, classes), got y of "
            f"shape {np.asarray(y).shape}: pass sample_weight."
        )
    weights = {int(key): float(value) for key, value in class_weight.items()}
    return np.array([weights.get(int(each), 1.0) for each in np.round(classes)], keras.backend.floatx())


def _from_arrays(data: Tensors, share: float, batch_size: int, seed: int, *, shuffle: bool) -> Rows:
    rows = _count(data)
    kept = rows - int(rows * share)  # the last rows are for validation
    validation = None if kept == rows else _each(lambda values: values[kept:], data)
    windows = Resident(data, kept, seed=seed, shuffle=shuffle)
    example = _each(lambda values: values[:1], data)
    return Rows(windows, min(batch_size, kept), validation, example, arrays=data)


def _from_stream(model: keras.Model, x: object, share: float, batch_size: int, seed: int, at_most: int) -> Rows:
    """Return rows that are their own target. Args: at_most: bytes of memory."""
    opened = open_rows(x, at_most)
    check_memory(opened, at_most, batch_size)
    part = divide(opened, share, seed, limit=at_most)
    known = part.statistics
    if known is None:
        raise DataError(
            "fit(): x expected finite numbers in columns of one kind, got missing values or several kinds: fill them "
            "in, or pass arrays."
        )
    dtype = _floats(np.empty(0, known.dtype)).dtype
    validation = None if part.validation is None else _arrays(model, "x", part.validation)
    example = _arrays(model, "x", np.zeros((1, *known.row_shape), dtype))
    if isinstance(part.train, np.ndarray):
        windows = Resident(_arrays(model, "x", part.train), known.rows, seed=seed)
        return Rows(windows, min(batch_size, known.rows), validation, example)
    stream = Streamed(
        part.train,
        lambda rows: rows.astype(dtype, copy=False),
        rows=known.rows,
        shape=known.row_shape,
        dtype=dtype,
        limit=at_most,
        batch_size=min(batch_size, known.rows),
        seed=seed,
    )
    return Rows(_Pairs(stream), min(batch_size, known.rows), validation, example)


class _Pairs:
    """Windows of rows as a Keras model takes them: (input, target), which are the same rows."""

    def __init__(self, windows: Streamed) -> None:
        self.rows, self._windows = windows.rows, windows

    def epoch(self, number: int) -> Iterator[Window]:
        for window in self._windows.epoch(number):
            yield window._replace(data=(window.data, window.data))


def _each(function: Callable[[Any], Any], parts: Any) -> Any:
    """Return the result of a function for each part, once for parts that are the same: rows are often their target."""
    known: dict[int, tuple[Any, Any]] = {}  # with the part itself, which keeps its number from another

    def one(part: Any) -> Any:
        if id(part) not in known:
            known[id(part)] = part, function(part)
        return known[id(part)][1]

    return keras.tree.map_structure(one, parts, none_is_leaf=True)


def _count(data: Tensors) -> int:
    """Return the number of rows. Raises ShapeError for none."""
    rows = len(keras.tree.flatten(data)[0])
    if rows == 0:
        raise ShapeError("fit(): x has no rows: pass at least one.")
    return rows


def _arrays(
    model: keras.Model, where: str, x: object, y: object = None, sample_weight: object = None
) -> tuple[Tensors, ...]:
    """Return (x, y) or (x, y, sample_weight) as tensors (n, ...), floats as the backend's float type."""
    target = x if y is None else y
    parts = (x, target) if sample_weight is None else (x, target, sample_weight)
    # A model that computes in call() has no `inputs` that would name its types.
    text = any(each.dtype == "string" for each in getattr(model, "inputs", None) or ())
    tensors = _each(partial(_tensor, where=where, text=text), parts)
    sizes = {len(each) for each in keras.tree.flatten(tensors)}
    if len(sizes) > 1:
        raise ShapeError(f"fit(): {where} must have the same number of rows, got {sorted(sizes)}.")
    return tuple(tensors)


def _tensor(values: object, *, where: str, text: bool) -> tf.Tensor:
    if values is None:
        raise DataError(f"fit(): {where} expected arrays, got None.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ShapeError(f"fit(): {where} expected rows of one length, got rows of several ({error}).") from error
    if not array.ndim:
        raise ShapeError(f"fit(): {where} expected arrays with a row for each example, got {values!r:.60}.")
    if array.dtype.kind in "OUS" and not text:
        array = as_floats(array, f"fit(): {where}")
    return tensor(_floats(array))


def _floats(array: Array) -> Array:
    return array.astype(keras.backend.floatx(), copy=False) if array.dtype.kind == "f" else array
