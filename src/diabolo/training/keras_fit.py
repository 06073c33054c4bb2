"""`diabolo.training.fit`: the fit() of Keras on the compiled loop, for any compiled Keras model.

Order: fit, its settings, its rows, checks of the model and of the rows, the callbacks of Keras.
"""

import math
import numbers
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from diabolo.training.loop import epochs as run_epochs
from diabolo.training.program import VALIDATION_BATCH, KerasSteps, Measure, Tensors
from diabolo.training.progress import Progress, Report, display, verbosity
from diabolo.training.xla import choose
from diabolo.typing import Array

BATCH_SIZE = 32  # Keras' default


def fit(
    model: keras.Model,
    x: object,
    y: object = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: bool | int | str = "auto",
    callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | None = None,
    validation_split: float = 0.0,
    validation_data: object = None,
    shuffle: bool = True,
    class_weight: Mapping[int, float] | None = None,
    sample_weight: object = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | Sequence[int] = 1,
    *,
    seed: int | None = None,
    compile: bool | None = None,
    steps_a_call: int | None = None,
    memory: int | str | None = None,
) -> keras.callbacks.History:
    """Train a compiled Keras model as `model.fit` does, with far fewer calls from Python; return the History of Keras.

    The model's own `train_step` and `test_step` run, so its loss, metrics and optimizer (with schedule, clipping,
    gradient accumulation, loss scaling) and everything it overrides have their effect.

    Args:
        model: compiled with `model.compile(...)`.
        x: arrays (n, ...), or a list or dict of them, as the model takes them; or batches (x, y) or (x, y,
            sample_weight) from a `tf.data.Dataset`, `keras.utils.PyDataset`, DataLoader or generator, in their order;
            or rows as `Autoencoder.fit` takes them (a file, a folder, a pattern, a memory-mapped array, chunks),
            unscaled, which are their own target.
        y: targets, arrays as for x; None: the target is x.
        batch_size: rows per step; the last step of an epoch may have fewer. None: 32, or with `steps_per_epoch` as
            many as make all rows an epoch.
        epochs: the number of the last epoch; epochs are counted from `initial_epoch`, as in Keras.
        verbose: 0 or False shows nothing, 1 or True a progress bar, 2 a line per epoch, "auto" a bar on a terminal or
            in a notebook and otherwise nothing. A notebook shows it on stdout, everything else on stderr.
        callbacks: callbacks of Keras. Those for epochs and for the training are called as Keras calls them; those for
            batches are called after each call of the compiled program, with the number of the last batch done.
        validation_split: fraction of the rows to validate on: the last rows of arrays, rows drawn with the seed
            otherwise.
        validation_data: (x, y) or (x, y, sample_weight), arrays; or batches of them; replaces the split.
        shuffle: whether each epoch has a new order of rows; batches keep their own.
        class_weight: weight of the rows of each class, {class: weight}, where y are whole numbers or one-hot.
        sample_weight: weight of each row, (n,).
        initial_epoch: number of epochs that are already done.
        steps_per_epoch: batches in an epoch; the next epoch goes on where this one ends. None: all rows, or all
            batches.
        validation_steps: how many batches of the validation rows to use; None: all.
        validation_batch_size: rows in a batch of the validation; None: 1,024, which gives the same loss.
        validation_freq: validate after each so many epochs, or after the epochs in a list, counted from 1.
        seed: of the order of rows; None draws one.
        compile: True or False turns XLA on or off; None chooses (see xla.py), and leaves it off for batches. The
            `jit_compile` of the model is ignored, because Keras sets it by itself.
        steps_a_call: steps per call of the compiled program; None: as many as take half a second.
        memory: limit for rows that are not arrays, in bytes or such as "2GB"; larger data is read in chunks. None: a
            quarter of the free memory.

    Raises: OptionError, ShapeError where the model is not compiled or arrays do not fit each other or the model;
        DataError for rows of text, or with NaN that makes the loss NaN.
    """
    hooks_of = _callbacks(callbacks)
    _check_model(model, hooks_of)
    share = _fraction(validation_split)
    epochs, first_epoch = whole("epochs", epochs, 1), whole("initial_epoch", initial_epoch, 0)
    sizes = {"batch_size": batch_size, "steps_a_call": steps_a_call, "steps_per_epoch": steps_per_epoch} | {
        "validation_steps": validation_steps,
        "validation_batch_size": validation_batch_size,
    }
    known = {name: whole(name, size, 1) for name, size in sizes.items() if size is not None}
    due = _frequency(validation_freq)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else whole("seed", seed, 0)
    level = verbosity(verbose)
    if not isinstance(shuffle, (bool, np.bool_)):
        raise OptionError(f"shuffle must be True or False, got {shuffle!r:.60}.")
    given = _Given(x, y, sample_weight, class_weight, bool(shuffle), validation_data)
    rows = _prepare(model, given, share if validation_data is None else 0.0, known, seed, memory)
    windows, batch_size = rows.windows, rows.batch_size
    if isinstance(windows, Batches):
        compile = bool(compile)
    steps = _build_steps(model, rows)
    hooks = _callback_list(model, hooks_of, level, epochs, math.ceil(windows.rows / batch_size))
    with display(level) as report:
        program, _ = choose(compile, model, steps, windows, batch_size, epochs=epochs - first_epoch)
        measure = None
        if rows.validation is not None:
            size = known.get("validation_batch_size", VALIDATION_BATCH)
            measure = _Sometimes(steps, rows.validation, size, due, first_epoch)
        run = run_epochs(
            program, measure, windows, epochs=epochs, first_epoch=first_epoch, steps_a_call=known.get("steps_a_call")
        )
        _train(hooks, model, run, first_epoch, epochs, report)
    return model.history


class _Given(NamedTuple):
    """The rows that the user passed to `fit`, not yet checked."""

    x: object
    y: object
    sample_weight: object
    class_weight: Mapping[int, float] | None
    shuffle: bool
    validation_data: object


class _Rows(NamedTuple):
    """The rows of a training, as tensors."""

    windows: Windows
    batch_size: int
    validation: Tensors | None
    example: Tensors  # one row, from which Keras learns shapes and types
    arrays: Tensors | None = None  # all rows before the split; None: they are read in chunks
    separate_validation: bool = False  # whether `validation` is the user's validation_data, not part of `arrays`


def _fraction(share: float) -> float:
    """Return validation_split. Raises OptionError where it is not a number in [0, 1)."""
    value: object = share
    if not isinstance(value, numbers.Real) or not 0 <= float(value) < 1:
        raise OptionError(f"validation_split must be in [0, 1), got {share!r:.60}.")
    return share


class _Sometimes(Measure):
    """The validation, after some epochs only.

    Args: due: whether to validate after an epoch, counted from 1; done: epochs that are already done.
    """

    def __init__(
        self, steps: KerasSteps, data: Tensors, batch_size: int, due: Callable[[int], bool], done: int
    ) -> None:
        super().__init__(steps, data, batch_size)
        self._due, self._epoch = due, done

    def run(self) -> dict[str, float]:
        """Return the results of the validation rows; nothing if they are not due."""
        self._epoch += 1
        return super().run() if self._due(self._epoch) else {}


def _frequency(written: object) -> Callable[[int], bool]:
    """Return whether to validate after an epoch, counted from 1. Raises OptionError."""
    if isinstance(written, (list, tuple, set, range, np.ndarray)):
        epochs = {whole("validation_freq", each, 1) for each in written}
        return epochs.__contains__
    every = whole("validation_freq", written, 1)
    return lambda epoch: epoch % every == 0


def _callbacks(given: object) -> list[keras.callbacks.Callback]:
    """Return callbacks as a list. Raises OptionError for anything else."""
    if given is None or isinstance(given, keras.callbacks.Callback):
        return [] if given is None else [given]
    if isinstance(given, (list, tuple)):
        return list(given)
    raise OptionError(f"callbacks must be a list of keras.callbacks.Callback, got {given!r:.60}.")


def _prepare(
    model: keras.Model, given: _Given, share: float, known: Mapping[str, int], seed: int, memory: int | str | None
) -> _Rows:
    """Return the rows to train on and to validate on, as the model takes them. Args: known: sizes that were given."""
    x, comes_in_batches = source_of(given.x)
    plain = given.y is None and given.sample_weight is None and given.class_weight is None and given.shuffle
    steps = known.get("steps_per_epoch")
    if comes_in_batches:
        rows = _from_batches(model, given._replace(x=x), share, known, limit(memory))
    elif is_stream(x) or (isinstance(x, np.memmap) and plain):
        if not plain:
            raise OptionError(
                "fit(): rows that are read from files or in chunks are always shuffled, and each row is its own "
                "target: leave out y, sample_weight, class_weight and shuffle, or pass arrays in memory."
            )
        rows = _from_stream(model, x, share, known.get("batch_size", BATCH_SIZE), seed, limit(memory))
    else:
        weight = _of_classes(given.y, given.sample_weight, given.class_weight)
        data = _arrays(model, "x and y", x, given.y, weight)
        size = known.get("batch_size", math.ceil(_count(data) / steps) if steps else BATCH_SIZE)
        rows = _from_arrays(data, share, size, seed, shuffle=given.shuffle)
    if steps and not comes_in_batches:
        rows = rows._replace(windows=Stepped(rows.windows, rows.batch_size, steps))
    if given.validation_data is not None:
        rows = _with_validation(model, rows, given.validation_data, known, limit(memory))
    if rows.validation is None or "validation_steps" not in known:
        return rows
    first = known["validation_steps"] * known.get("validation_batch_size", rows.batch_size)
    return rows._replace(validation=keras.tree.map_structure(lambda values: values[:first], rows.validation))


def _with_validation(
    model: keras.Model, rows: _Rows, validation: object, known: Mapping[str, int], at_most: int
) -> _Rows:
    """Return rows with the validation rows that the user passed."""
    if not isinstance(validation, (tuple, list)):
        source, comes_in_batches = source_of(validation)
        if comes_in_batches:
            return rows._replace(
                validation=_collected(model, source, known.get("validation_steps"), at_most), separate_validation=True
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


def _from_batches(model: keras.Model, given: _Given, share: float, known: Mapping[str, int], at_most: int) -> _Rows:
    """Return batches that a source yields. Args: at_most: bytes of memory."""
    also = {"y": given.y, "sample_weight": given.sample_weight, "batch_size": known.get("batch_size")}
    if named := [name for name, value in also.items() if value is not None]:
        raise OptionError(f"fit(): x yields batches with their targets and weights: leave out {', '.join(named)}.")
    if share:
        raise OptionError("fit(): validation_split needs arrays: pass validation_data, (x, y) or batches of them.")

    def convert(batch: object) -> Any:
        x, y, weight = parts_of(batch)
        return _numpy(_arrays(model, "x and y", x, y, _of_classes(y, weight, given.class_weight)))

    batches = Batches(given.x, convert, steps=known.get("steps_per_epoch"), limit=at_most)
    example = keras.tree.map_structure(lambda values: tensor(values[:1]), batches.first)
    return _Rows(batches, batches.batch_size, None, example)


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


def _from_arrays(data: Tensors, share: float, batch_size: int, seed: int, *, shuffle: bool) -> _Rows:
    train, validation = _split(data, share)
    rows = _count(train)
    windows = Resident(train, rows, seed=seed, shuffle=shuffle)
    example = keras.tree.map_structure(lambda values: values[:1], train)
    return _Rows(windows, min(batch_size, rows), validation, example, arrays=data)


def _from_stream(model: keras.Model, x: object, share: float, batch_size: int, seed: int, at_most: int) -> _Rows:
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
        return _Rows(windows, min(batch_size, known.rows), validation, example)
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
    return _Rows(_Pairs(stream), min(batch_size, known.rows), validation, example)


class _Pairs:
    """Windows of rows as a Keras model takes them: (input, target), which are the same rows."""

    def __init__(self, windows: Streamed) -> None:
        self.rows, self._windows = windows.rows, windows

    def epoch(self, number: int) -> Iterator[Window]:
        for window in self._windows.epoch(number):
            yield window._replace(data=(window.data, window.data))


def _split(data: Tensors, share: float) -> tuple[Tensors, Tensors | None]:
    """Return the first rows, to train on, and the last `share` of them, to validate on; None: no validation rows."""
    rows = _count(data)
    kept = rows - int(rows * share)
    if kept == rows:
        return data, None
    return (
        keras.tree.map_structure(lambda values: values[:kept], data),
        keras.tree.map_structure(lambda values: values[kept:], data),
    )


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
    tensors = keras.tree.map_structure(partial(_tensor, where=where, text=text), parts, none_is_leaf=True)
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


def _check_model(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback] | None) -> None:
    """Raise OptionError where the model cannot be trained here, or where a callback is not one of Keras."""
    if not isinstance(model, keras.Model):
        raise OptionError(f"fit() expected a compiled keras.Model, got {model!r:.60}.")
    if getattr(model, "optimizer", None) is None:
        raise OptionError("fit() expected a compiled model: call model.compile(optimizer, loss) first.")
    stateful = next((layer for layer in model._flatten_layers() if getattr(layer, "stateful", False)), None)
    if stateful is not None:
        raise OptionError(
            f"fit(): layer {stateful.name!r} is stateful, which needs batches of one size, in order and without a "
            f"smaller last one: build it with stateful=False, or call model.fit."
        )
    for callback in callbacks or ():
        if not isinstance(callback, keras.callbacks.Callback):
            raise OptionError(f"callbacks must be a list of keras.callbacks.Callback, got {callback!r:.60} in it.")


def _build_steps(model: keras.Model, rows: _Rows) -> KerasSteps:
    """Return the steps of the model. Raises ShapeError, OptionError, DataError where it does not fit the rows."""
    with _in_one_line("Keras refuses the model with these rows"):
        steps = KerasSteps(model, rows.example)
    _check_loss(model)
    if rows.arrays is not None:
        _check_finite(steps, "", rows.arrays)
    if rows.validation is not None and rows.separate_validation:
        if _shapes(rows.validation) != _shapes(rows.example):
            with _in_one_line("Keras refuses the model with validation_data"):
                _loss_of_row(steps, rows.validation, 0)
        _check_finite(steps, "validation_data: ", rows.validation)
    return steps


def _check_loss(model: keras.Model) -> None:
    """Raise OptionError where the model has nothing to minimise."""
    own = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in ("train_step", "compute_loss"))
    if model.loss is None and not own and not model.losses:
        raise OptionError("fit(): the model was compiled without a loss: model.compile(optimizer, loss='mse').")


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Turn an error of Keras into a ShapeError of one line: its reason, without the traceback and the colours."""
    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        text = str(error)
        bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
        lines = [line.strip() for line in (bold[1] if bold else text).splitlines() if line.strip()]
        if lines and lines[0] == "in user code:":
            lines = lines[-1:]
        reason = " ".join(lines) or type(error).__name__
        raise ShapeError(f"fit(): {what}: {reason.rstrip('.'):.300}.") from error


def _check_finite(steps: KerasSteps, where: str, data: Tensors) -> None:
    """Raise DataError where a row has NaN or infinity that the loss does not leave out."""
    for name, part in zip(("x", "y", "sample_weight"), data, strict=False):
        for values in keras.tree.flatten(part):
            if not values.dtype.is_floating or tf.math.is_finite(tf.reduce_sum(values)):
                continue
            bad = np.flatnonzero(~np.isfinite(np.asarray(values).reshape(len(values), -1)).all(axis=1))
            if len(bad) and not math.isfinite(_loss_of_row(steps, data, int(bad[0]))):
                raise DataError(
                    f"fit(): {where}{name} expected finite numbers, got NaN or infinity in {len(bad):,} of "
                    f"{len(values):,} rows, the first in row {bad[0]}: drop those rows, or fill them in."
                )


def _loss_of_row(steps: KerasSteps, data: Tensors, row: int) -> float:
    """Return the loss of one row, and restore every variable that computing it changes."""
    before = [np.array(variable.numpy()) for variable in steps.variables()]
    try:
        steps.reset()
        steps.test(keras.tree.map_structure(lambda values: values[row : row + 1], data))
        return float(steps.results()["loss"])
    finally:
        for variable, value in zip(steps.variables(), before, strict=True):
            variable.assign(value)


def _shapes(data: Tensors) -> list[tuple[int, ...]]:
    return [tuple(values.shape[1:]) for values in keras.tree.flatten(data)]


def _callback_list(
    model: keras.Model,
    callbacks: Sequence[keras.callbacks.Callback] | None,
    verbose: int | str,
    epochs: int,
    steps: int,
) -> keras.callbacks.CallbackList:
    """Return the callbacks as Keras calls them, with its History."""
    model.stop_training = False
    return keras.callbacks.CallbackList(
        list(callbacks or []),
        add_history=True,
        verbose=1 if verbose == "auto" else verbose,  # for callbacks that print something themselves
        epochs=epochs,
        steps=steps,
        model=model,
    )


def _train(
    hooks: keras.callbacks.CallbackList,
    model: keras.Model,
    run: Iterator[Progress],
    first_epoch: int,
    epochs: int,
    report: Report,
) -> None:
    """Train, report the progress, and call the callbacks of Keras where Keras calls them."""
    hooks.on_train_begin()
    hooks.on_epoch_begin(first_epoch)
    logs: dict[str, float] = {}
    batch = 0
    for progress in run:
        report(progress)
        logs = progress.logs
        hooks.on_train_batch_begin(batch)
        hooks.on_train_batch_end(progress.step - 1, {k: v for k, v in logs.items() if not k.startswith("val_")})
        batch = progress.step
        if progress.epoch_done:
            hooks.on_epoch_end(progress.epoch - 1, logs)
            if model.stop_training:
                break
            if progress.epoch < epochs:
                batch = 0
                hooks.on_epoch_begin(progress.epoch)
    hooks.on_train_end(logs)
