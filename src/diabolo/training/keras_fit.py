"""`diabolo.training.fit`: Keras' fit on the compiled loop, for any compiled Keras model."""

import math
import numbers
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

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
from diabolo.training.loop import epochs as run_epochs
from diabolo.training.program import KerasSteps, Measure
from diabolo.training.progress import Progress, Report, shown, verbosity
from diabolo.training.xla import choose
from diabolo.typing import Array


def fit(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    batch_size: int = 32,
    epochs: int = 1,
    verbose: bool | int | str = "auto",
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool = True,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    seed: int | None = None,
    compile: bool | None = None,
    steps_a_call: int | None = None,
    memory: int | str | None = None,
) -> keras.callbacks.History:
    """Train a compiled Keras model as `model.fit` does, in far fewer trips to Python; return Keras' History.

    The model's own `train_step` and `test_step` run, so its loss, metrics, optimizer (with schedule, clipping,
    gradient accumulation, loss scaling) and anything it overrides hold.

    Args:
        model: after `model.compile(...)`.
        x: arrays (n, ...), or a list or dict of them, as the model takes them; or rows as `Autoencoder.fit` takes them
            (a file, a folder, a pattern, a memory-mapped array, chunks), which are then their own target, as they are.
        y: targets, likewise; None: the target is x.
        batch_size: rows a step; the last step of an epoch may have fewer.
        epochs: the epoch to end behind, counted from 0 as `initial_epoch` is.
        verbose: 0 or False shows nothing, 1 or True a progress bar, 2 a line per epoch, "auto" a bar on a terminal or
            in a notebook and else nothing. A notebook shows it on stdout, everything else on stderr.
        callbacks: Keras'. Hooks of epochs and of the whole training are called as Keras calls them; hooks of batches
            each time control comes back, with the number of the last batch that was done.
        validation_split: share of the rows to validate on: of arrays the last ones, of others drawn by the seed.
        validation_data: (x, y) or (x, y, sample_weight), in place of a split.
        shuffle: a new order of rows each epoch.
        sample_weight: weight of each row, (n,).
        initial_epoch: the epoch to start at.
        seed: of the order of rows; None draws one.
        compile: True or False forces XLA on or off; None chooses (choose.py). The model's own `jit_compile` does not
            count: Keras sets it by itself where nobody did.
        steps_a_call: steps before control comes back; None: as many as take half a second.
        memory: what rows that are no arrays may take, such as "2GB"; more are read in parts. None: a quarter of what is
            free.

    Raises: OptionError, ShapeError where the model is not compiled or arrays do not fit each other or the model;
        DataError for rows of text, or with NaN that makes the loss NaN.
    """
    if not isinstance(model, keras.Model):
        raise OptionError(f"fit() expected a compiled keras.Model, got {model!r:.60}.")
    if getattr(model, "optimizer", None) is None:
        raise OptionError("fit() expected a compiled model: call model.compile(optimizer, loss) first.")
    _check_layers(model)
    for each in callbacks or ():
        if not isinstance(each, keras.callbacks.Callback):
            raise OptionError(f"callbacks must be a list of keras.callbacks.Callback, got {each!r:.60} in it.")
    given: Any = validation_split
    if not isinstance(given, numbers.Real) or not 0 <= float(given) < 1:
        raise OptionError(f"validation_split must be in [0, 1), got {validation_split!r:.60}.")
    batch_size, epochs = whole("batch_size", batch_size, 1), whole("epochs", epochs, 1)
    initial_epoch = whole("initial_epoch", initial_epoch, 0)
    steps_a_call = None if steps_a_call is None else whole("steps_a_call", steps_a_call, 1)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else whole("seed", seed, 0)
    wanted = verbosity(verbose)
    share = validation_split if validation_data is None else 0.0
    alone = y is None and sample_weight is None and shuffle
    data = None
    if is_stream(x) or (isinstance(x, np.memmap) and alone):
        if not alone:
            raise OptionError(
                "fit(): rows read from files or in chunks are shuffled and their own target: leave out y, "
                "sample_weight and shuffle, or pass arrays."
            )
        windows, held, one = _from_stream(model, x, share, batch_size, seed, limit(memory))
    else:
        data = _arrays(model, "x and y", x, y, sample_weight)
        windows, held, one = _from_arrays(data, share, seed, shuffle=shuffle)
    if validation_data is not None:
        if not isinstance(validation_data, (tuple, list)) or not 2 <= len(validation_data) <= 3:
            raise OptionError("validation_data must be (x, y) or (x, y, sample_weight).")
        if any(is_stream(each) for each in validation_data):
            raise OptionError("validation_data must be arrays: pass validation_split to hold rows of a file back.")
        held = _arrays(model, "validation_data", *validation_data)
    batch_size = min(batch_size, windows.rows)
    with _in_one_line("Keras refuses the model with these rows"):
        steps = KerasSteps(model, one)
    _check_loss(model)
    if data is not None:
        _check_finite(steps, "", data)
    if validation_data is not None:
        if _shapes(held) != _shapes(one):
            with _in_one_line("Keras refuses the model with validation_data"):
                _try(steps, held, 0)
        _check_finite(steps, "validation_data: ", held)
    model.stop_training = False
    hooks = keras.callbacks.CallbackList(
        list(callbacks or []),
        add_history=True,
        verbose=1 if wanted == "auto" else wanted,  # for callbacks that show something themselves
        epochs=epochs,
        steps=math.ceil(windows.rows / batch_size),
        model=model,
    )
    with shown(wanted) as report:
        program, _ = choose(compile, model, steps, windows, batch_size, epochs=epochs - initial_epoch)
        measure = None if held is None else Measure(steps, held)
        run = run_epochs(program, measure, windows, epochs=epochs, first_epoch=initial_epoch, steps_a_call=steps_a_call)
        _call_back(hooks, model, run, initial_epoch, epochs, report)
    return model.history


def _call_back(
    hooks: Any, model: keras.Model, run: Iterator[Progress], first_epoch: int, epochs: int, report: Report
) -> None:
    """Train, show how far it is, and call Keras' hooks at the places of the training they are for."""
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


def _check_layers(model: keras.Model) -> None:
    stateful = next((each for each in model._flatten_layers() if getattr(each, "stateful", False)), None)
    if stateful is not None:
        raise OptionError(
            f"fit(): layer {stateful.name!r} is stateful, which needs batches of one size, in order and to the end: "
            f"build it with stateful=False, or call model.fit."
        )


def _check_loss(model: keras.Model) -> None:
    """Raise OptionError where nothing says what is to become less."""
    own = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in ("train_step", "compute_loss"))
    if model.loss is None and not own and not model.losses:
        raise OptionError("fit(): the model was compiled without a loss: model.compile(optimizer, loss='mse').")


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Let what Keras refuses be one line: the sentence that says why, without the call and without colours."""
    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        text = str(error)
        bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
        lines = [line.strip() for line in (bold[1] if bold else text).splitlines() if line.strip()]
        if lines and lines[0] == "in user code:":
            lines = lines[-1:]
        said = " ".join(lines) or type(error).__name__
        raise ShapeError(f"fit(): {what}: {said.rstrip('.'):.300}.") from error


def _check_finite(steps: KerasSteps, where: str, data: Any) -> None:
    """Raise DataError where a row has NaN or infinity that the loss does not leave out."""
    for name, part in zip(("x", "y", "sample_weight"), data, strict=False):
        for values in keras.tree.flatten(part):
            if not values.dtype.is_floating or tf.math.is_finite(tf.reduce_sum(values)):
                continue
            bad = np.flatnonzero(~np.isfinite(np.asarray(values).reshape(len(values), -1)).all(axis=1))
            if len(bad) and not math.isfinite(_try(steps, data, int(bad[0]))):
                raise DataError(
                    f"fit(): {where}{name} expected finite numbers, got NaN or infinity in {len(bad):,} of "
                    f"{len(values):,} rows, the first in row {bad[0]}: drop those rows, or fill them in."
                )


def _try(steps: KerasSteps, data: Any, row: int) -> float:
    """Return the loss of one row; everything that measuring it changes is put back."""
    kept = [np.array(variable.numpy()) for variable in steps.variables()]
    try:
        steps.reset()
        steps.test(keras.tree.map_structure(lambda values: values[row : row + 1], data))
        return float(steps.results()["loss"])
    finally:
        for variable, value in zip(steps.variables(), kept, strict=True):
            variable.assign(value)


def _shapes(data: Any) -> list[tuple[int, ...]]:
    return [tuple(values.shape[1:]) for values in keras.tree.flatten(data)]


def _arrays(model: keras.Model, where: str, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, ...]:
    """Return (x, y) or (x, y, weights) as tensors, floats as the backend's float type."""
    parts = (x, x if y is None else y) if sample_weight is None else (x, x if y is None else y, sample_weight)
    # Of a model that computes in call() nothing says what it takes.
    text = any(each.dtype == "string" for each in getattr(model, "inputs", None) or ())
    tensors = keras.tree.map_structure(partial(_tensor, where=where, text=text), parts, none_is_leaf=True)
    sizes = {len(each) for each in keras.tree.flatten(tensors)}
    if len(sizes) > 1:
        raise ShapeError(f"fit(): {where} must have as many rows each, got {sorted(sizes)}.")
    return tuple(tensors)


def _tensor(values: Any, *, where: str, text: bool) -> tf.Tensor:
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


class _Pairs:
    """Windows of rows as a Keras model takes them: input and target."""

    def __init__(self, windows: Streamed) -> None:
        self.rows, self._windows = windows.rows, windows

    def epoch(self, number: int) -> Iterator[Window]:
        for window in self._windows.epoch(number):
            yield window._replace(data=(window.data, window.data))


class _Data(NamedTuple):
    """What a model is trained on."""

    windows: Windows
    held: Any  # rows to validate on, or None
    one: Any  # a single row, from which Keras learns shapes and types


def _from_arrays(data: Any, share: float, seed: int, *, shuffle: bool) -> _Data:
    data, held = _split(data, share)
    windows = Resident(data, _rows(data, "x"), seed=seed, shuffle=shuffle)
    return _Data(windows, held, keras.tree.map_structure(lambda values: values[:1], data))


def _from_stream(model: keras.Model, x: Any, share: float, batch_size: int, seed: int, at_most: int) -> _Data:
    """Return windows of (x, x)."""
    opened = open_rows(x, at_most)
    check_memory(opened, at_most, batch_size)
    part = divide(opened, share, seed, limit=at_most)
    known = part.statistics
    if known is None:
        raise DataError("x expected finite numbers in columns of one kind, got gaps or several kinds.")
    dtype = _floats(np.empty(0, known.dtype)).dtype
    held = None if part.validation is None else _arrays(model, "x", part.validation)
    one = _arrays(model, "x", np.zeros((1, *known.row_shape), dtype))
    if isinstance(part.train, np.ndarray):
        return _Data(Resident(_arrays(model, "x", part.train), known.rows, seed=seed), held, one)
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
    return _Data(_Pairs(stream), held, one)


def _rows(data: Any, where: str) -> int:
    rows = len(keras.tree.flatten(data)[0])
    if rows == 0:
        raise ShapeError(f"fit(): {where} has no rows.")
    return rows


def _split(data: Any, share: float) -> tuple[Any, Any]:
    rows = _rows(data, "x")
    kept = rows - int(rows * share)
    if kept == rows:
        return data, None
    return (
        keras.tree.map_structure(lambda values: values[:kept], data),
        keras.tree.map_structure(lambda values: values[kept:], data),
    )
