"""The compiled program: one call runs many steps on rows that already lie where the network runs.

Keras' fit goes back to Python each step, which for the networks of this field is most of the time. `Program` puts a
step, whatever it is, into a loop that TensorFlow runs by itself. Steps come from outside: `Reconstruction` is that of
this library, `KerasSteps` is the `train_step` of any compiled Keras model.

Order: what a step is, ours, Keras', the program.
"""

from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from diabolo.data.windows import Window
from diabolo.network.losses import Loss
from diabolo.training.backend import tensor

Array = np.ndarray[Any, Any]
VALIDATION_BATCH = 1024


class Steps(Protocol):
    """What a program repeats. Both steps take a batch (a nest of tensors), and add to what `results` reads."""

    def train(self, batch: Any) -> None:
        """Take one step down the gradient."""

    def test(self, batch: Any) -> None:
        """Measure, and change nothing else."""

    def results(self) -> dict[str, float]:
        """Return means over all rows since `reset`, the loss under "loss"."""

    def reset(self) -> None:
        """Forget what was added."""

    def variables(self) -> list[Any]:
        """Return everything that a step changes."""


class Reconstruction:
    """Steps of an auto-encoder: the target is the input, the loss is one of `diabolo.network.losses`.

    Args:
        model: rows as tensors -> raw numbers.
        offset, scale: tensor = (row - offset) / scale, computed inside the program so that bytes stay bytes.
    """

    def __init__(self, model: keras.Model, loss: Loss, optimizer: Any, offset: Any = 0.0, scale: Any = 1.0) -> None:
        self._model, self._loss, self._optimizer = model, loss, optimizer
        self._offset, self._scale = tf.constant(offset, tf.float32), tf.constant(scale, tf.float32)
        # In doubles, so that the mean of a long epoch has the digits of its parts.
        self._total, self._rows = tf.Variable(0.0, dtype=tf.float64), tf.Variable(0.0, dtype=tf.float64)
        optimizer.build(model.trainable_variables)

    def train(self, batch: tf.Tensor) -> None:
        """Take one step down the gradient of the mean loss of the rows."""
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            per_row = self._per_row(batch, training=True)
            loss = self._optimizer.scale_loss(tf.reduce_mean(per_row))
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        self._count(per_row)

    def test(self, batch: tf.Tensor) -> None:
        """Add the loss of the rows."""
        self._count(self._per_row(batch, training=False))

    def results(self) -> dict[str, float]:
        """Return the mean loss of a row."""
        return {"loss": float(self._total / self._rows)}

    def reset(self) -> None:
        """Start at nothing."""
        self._total.assign(0.0)
        self._rows.assign(0.0)

    def variables(self) -> list[Any]:
        """Weights, state of the optimizer, the loss so far."""
        return [*self._model.variables, *self._optimizer.variables, self._total, self._rows]

    def _per_row(self, rows: tf.Tensor, *, training: bool) -> tf.Tensor:
        target = (tf.cast(rows, tf.float32) - self._offset) / self._scale  # (batch, ...)
        return self._loss.per_row(target, self._model(target, training=training), keras.ops)  # (batch,)

    def _count(self, per_row: tf.Tensor) -> None:
        self._total.assign_add(tf.reduce_sum(tf.cast(per_row, tf.float64)))
        self._rows.assign_add(tf.cast(tf.shape(per_row)[0], tf.float64))


class KerasSteps:
    """Steps of a compiled Keras model: its own `train_step` and `test_step`, so its loss, metrics and overrides hold.

    Args: batch: a few rows as the steps will get them, to build what is not built yet: nothing may be made in a loop.
    """

    def __init__(self, model: keras.Model, batch: Any) -> None:
        self._model = model
        model._symbolic_build(data_batch=batch)
        model.optimizer.build(model.trainable_variables)

    def train(self, batch: Any) -> None:
        """Run the model's `train_step`."""
        self._model.train_step(batch)

    def test(self, batch: Any) -> None:
        """Run the model's `test_step`."""
        self._model.test_step(batch)

    def results(self) -> dict[str, float]:
        """Return the model's loss and metrics."""
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def reset(self) -> None:
        """Reset the model's metrics."""
        self._model.reset_metrics()

    def variables(self) -> list[Any]:
        """Weights, state of the optimizer, metrics."""
        model = self._model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


class Program:
    """Many steps in one call; `compiled` says whether XLA makes it."""

    def __init__(self, steps: Steps, batch_size: int, *, compiled: bool) -> None:
        self.steps, self.batch_size, self.compiled = steps, batch_size, compiled
        self._full: Callable[..., Any] = _function(self._many_full, jit_compile=compiled)
        # Batches of any size, without XLA: the smaller one that ends an epoch, or all where XLA is off.
        self._any: Callable[..., Any] = _function(self._many_of_any_size)

    def run(self, window: Window, start: int, count: int) -> None:
        """Run steps `start` to `start + count` of a window of tensors."""
        data, order, rows = window
        size = self.batch_size
        full = max(0, min(count, rows // size - start)) if self.compiled else 0
        if full:
            self._full(data, order, tf.constant(start * size), tf.constant(full))
        if full < count:
            end = min(rows, (start + count) * size)
            self._any(data, order, tf.constant((start + full) * size), tf.constant(end))

    def _many_full(self, data: Any, order: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> None:
        # while and gather, not `for in tf.range` and slice: XLA takes the bounds of those two as constants of the
        # program, so every new start and every new count would compile it again.
        step = tf.constant(0)
        while step < count:
            self._one(data, tf.gather(order, start + step * self.batch_size + tf.range(self.batch_size)))  # (batch,)
            step += 1

    def _many_of_any_size(self, data: Any, order: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> None:
        while start < end:
            stop = tf.minimum(start + self.batch_size, end)
            self._one(data, order[start:stop])  # (batch,) or fewer
            start = stop

    def _one(self, data: Any, places: tf.Tensor) -> None:
        self.steps.train(keras.tree.map_structure(lambda values: tf.gather(values, places), data))


class Measure:
    """The compiled validation: all rows, batch by batch, in one call."""

    def __init__(self, steps: Steps, data: Any) -> None:
        self._steps, self._data = steps, data
        self._all = _function(self._every_batch)

    def run(self) -> dict[str, float]:
        """Return the results of these rows alone."""
        self._steps.reset()
        self._all()
        results = self._steps.results()
        self._steps.reset()
        return results

    def _every_batch(self) -> None:
        rows = tf.shape(keras.tree.flatten(self._data)[0])[0]
        start = tf.constant(0)
        while start < rows:
            self._steps.test(_slice(self._data, start, tf.minimum(start + VALIDATION_BATCH, rows)))
            start += VALIDATION_BATCH


def on_device(window: Window) -> Window:
    """Return a window whose rows are where the network runs."""
    order = tensor(window.order.astype(np.int32, copy=False))
    return Window(keras.tree.map_structure(tensor, window.data), order, window.rows)


def _function(body: Callable[..., Any], **settings: Any) -> Any:
    """Return tf.function(body), without its warning: each training makes its own, and each is traced once or twice."""
    function = tf.function(body, **settings)
    function._omit_frequent_tracing_warning = True  # where TensorFlow has no such switch, this does nothing
    return function


def _slice(data: Any, start: tf.Tensor, stop: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda values: values[start:stop], data)
