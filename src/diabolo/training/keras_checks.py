"""Checks of a Keras model and of its rows before `keras_fit.fit` trains it: each refusal is one line.

Order: the model, the model with its rows.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.training.keras_rows import Rows
from diabolo.training.program import KerasSteps, Tensors


def check_model(model: keras.Model, callbacks: Sequence[keras.callbacks.Callback] | None) -> None:
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


def build_steps(model: keras.Model, rows: Rows) -> KerasSteps:
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
