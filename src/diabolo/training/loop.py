"""Compiled epochs: one program that runs many steps on rows that already lie where the network runs.

Keras' fit goes back to Python each step, which for the networks of this field is most of the time. Here control comes
back about twice a second, for the progress bar and Ctrl-C. The order of rows is a permutation handed in, so chance is
the caller's: `permutation(default_rng([seed, epoch]))`.

`train` is a function of what it is given; it reads no globals and starts nothing.
Order: what goes in, what comes out, the training, the compiled program.
"""

import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import diabolo
from diabolo.errors import DivergedError
from diabolo.network.losses import Loss
from diabolo.training.progress import Progress, Report, quiet

Array = np.ndarray[Any, Any]

SECONDS_A_CALL = 0.5  # control comes back this often
FIRST_STEPS = 8  # in the first call, which finds out how long a step takes

# Compiling costs one to two seconds and saves about 0.8 ms a step on the networks of this field
# (784-128-784, batch 64, two cores: 0.33 s an epoch of 938 steps against 1.06 s).
STEPS_WORTH_COMPILING = 3000

VALIDATION_BATCH = 1024


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to train, and how long.

    Attributes:
        model: rows as tensors -> the raw numbers that `loss` takes.
        optimizer: a Keras optimizer of its own; its state is used up by the training.
        patience: epochs without a better validation loss before it ends; 0 never ends early.
        seed: of the order of rows.
        compile: True or False forces XLA on or off; None decides by the work ahead.
    """

    model: keras.Model
    loss: Loss
    optimizer: Any
    epochs: int
    batch_size: int
    patience: int = 0
    seed: int = 0
    compile: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The rows to train on and to validate on; tensor = (row - offset) / scale, computed inside the program.

    Attributes:
        rows, validation: (n, ...), uint8 or float32; bytes stay bytes until they are used. None: nothing held back.
        offset, scale: broadcast against a row.
    """

    rows: Array
    validation: Array | None = None
    offset: Array | float = 0.0
    scale: Array | float = 1.0


class Outcome(NamedTuple):
    """How a training went; the model holds the best weights."""

    history: dict[str, list[float]]  # "loss" and, with validation rows, "val_loss": one number an epoch, in nats
    best_epoch: int  # from 1; the last where nothing was held back
    compiled: bool


def train(spec: Spec, shard: Shard, report: Report = quiet) -> Outcome:
    """Train `spec.model` on the rows of a shard and leave the best weights in it.

    Raises: DivergedError where the loss of an epoch is not finite.
    """
    rows = len(shard.rows)
    batch_size = min(spec.batch_size, rows)
    steps = math.ceil(rows / batch_size)
    compiled = spec.compile if spec.compile is not None else spec.epochs * steps >= STEPS_WORTH_COMPILING
    program = _Program(spec, shard, batch_size, compiled)
    clock = _Clock(spec.epochs * steps, batch_size)
    history: dict[str, list[float]] = {"loss": []}
    best, best_epoch, best_weights = math.inf, 0, None
    validation: float | None = None

    for epoch in range(1, spec.epochs + 1):
        order = np.random.default_rng([spec.seed, epoch - 1]).permutation(rows).astype(np.int32)
        total, step = 0.0, 0
        while step < steps:
            count = clock.steps_a_call(steps - step)
            total = program.run(order, step, count, total)
            step += count
            clock.count(count)
            if step < steps:
                seen = step * batch_size
                report(Progress(epoch, spec.epochs, step, steps, total / seen, validation, *clock.speed(), False))
        loss = total / rows
        if not math.isfinite(loss):
            raise DivergedError(
                f"training diverged: the loss is {loss} in epoch {epoch}. Try a learning rate ten times smaller "
                f"(learning_rate, --learning-rate), or look for extreme values in the rows."
            )
        history["loss"].append(loss)
        if shard.validation is not None:
            validation = program.validate()
            history.setdefault("val_loss", []).append(validation)
            if validation < best:
                best, best_epoch = validation, epoch
                best_weights = [variable.numpy() for variable in spec.model.variables]
        report(Progress(epoch, spec.epochs, steps, steps, loss, validation, *clock.speed(), True))
        if spec.patience and shard.validation is not None and epoch - best_epoch >= spec.patience:
            break

    if best_weights is None:
        return Outcome(history, len(history["loss"]), compiled)
    for variable, value in zip(spec.model.variables, best_weights, strict=True):
        variable.assign(value)
    return Outcome(history, best_epoch, compiled)


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a training."""
    return {"diabolo": diabolo.__version__, "keras": keras.__version__, "tensorflow": tf.__version__}


class _Clock:
    """Seconds and steps so far; the compilation in the first call does not count."""

    def __init__(self, steps: int, batch_size: int) -> None:
        self._left, self._batch_size = steps, batch_size
        self._done, self._seconds, self._calls = 0, 0.0, 0
        self._last = time.perf_counter()

    def steps_a_call(self, at_most: int) -> int:
        if not self._done:
            return min(at_most, FIRST_STEPS)
        return max(1, min(at_most, round(SECONDS_A_CALL * self._done / self._seconds)))

    def count(self, steps: int) -> None:
        now = time.perf_counter()
        self._calls += 1
        self._left -= steps
        if self._calls > 1:
            self._done += steps
            self._seconds += max(now - self._last, 1e-9)
        self._last = now

    def speed(self) -> tuple[float, float]:
        """Rows a second, and seconds left."""
        if not self._done:
            return 0.0, 0.0
        per_step = self._seconds / self._done
        return self._batch_size / per_step, self._left * per_step


class _Program:
    """The compiled step, repeated; and the compiled validation."""

    def __init__(self, spec: Spec, shard: Shard, batch_size: int, compiled: bool) -> None:
        self._spec, self._batch_size = spec, batch_size
        self._rows = tf.constant(shard.rows)
        self._validation = None if shard.validation is None else tf.constant(shard.validation)
        self._offset = tf.constant(shard.offset, tf.float32)
        self._scale = tf.constant(shard.scale, tf.float32)
        spec.optimizer.build(spec.model.trainable_variables)
        self._full_steps = tf.function(self._many_steps, jit_compile=compiled)
        # The last rows of an epoch make a smaller batch, so another program; one step is not worth XLA.
        self._one_step = tf.function(self._step, reduce_retracing=True)
        self._validate = tf.function(self._total_loss)

    def run(self, order: Array, start: int, count: int, total: float) -> float:
        """Run steps `start` to `start + count` of an epoch; add the loss of their rows, in order, to `total`.

        The total goes in and comes out, so that its bits do not depend on how the steps were dealt out to calls.
        """
        rows, size = len(order), self._batch_size
        full = max(0, min(count, rows // size - start))
        if full:
            so_far = tf.constant(total, tf.float64)
            total = float(self._full_steps(tf.constant(order), tf.constant(start * size), tf.constant(full), so_far))
        if full < count:
            total += float(self._one_step(tf.constant(order[(start + full) * size :])))
        return total

    def validate(self) -> float:
        """Return the mean loss of the validation rows."""
        assert self._validation is not None
        rows = len(self._validation)
        totals = [
            float(self._validate(self._validation[start : start + VALIDATION_BATCH]))
            for start in range(0, rows, VALIDATION_BATCH)
        ]
        return math.fsum(totals) / rows

    def _many_steps(self, order: tf.Tensor, start: tf.Tensor, count: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
        # while and gather, not `for in tf.range` and slice: XLA takes the bounds of those two as constants of the
        # program, so every new start and every new count would compile it again.
        step = tf.constant(0)
        while step < count:
            places = tf.gather(order, start + step * self._batch_size + tf.range(self._batch_size))  # (batch,)
            total += tf.cast(self._step(places), tf.float64)
            step += 1
        return total

    def _step(self, places: tf.Tensor) -> tf.Tensor:
        model, optimizer = self._spec.model, self._spec.optimizer
        target = self._tensors(tf.gather(self._rows, places))  # (batch, ...)
        with tf.GradientTape() as tape:
            per_row = self._spec.loss.per_row(target, model(target, training=True), keras.ops)  # (batch,)
            mean = tf.reduce_mean(per_row)
        gradients = tape.gradient(mean, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return tf.reduce_sum(per_row)

    def _total_loss(self, rows: tf.Tensor) -> tf.Tensor:
        target = self._tensors(rows)
        return tf.reduce_sum(self._spec.loss.per_row(target, self._spec.model(target, training=False), keras.ops))

    def _tensors(self, rows: tf.Tensor) -> tf.Tensor:
        return (tf.cast(rows, tf.float32) - self._offset) / self._scale
