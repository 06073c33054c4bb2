"""Training: epochs of compiled steps, early stopping, best weights.

Control comes back about twice a second, for the progress bar, Ctrl-C and callbacks. Rows come in windows
(diabolo.data.windows), in an order that follows from the seed and the epoch alone.

`train` is a function of what it is given; it reads no globals and starts nothing. keras_fit.py has the same loop for
anybody's compiled Keras model. Order: what goes in, what comes out, the training, the epochs, the clock.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import diabolo
from diabolo.data.windows import Resident, Windows
from diabolo.errors import DivergedError
from diabolo.network.losses import Loss
from diabolo.training.backend import tensor
from diabolo.training.choose import Choice, choose
from diabolo.training.program import Measure, Program, Reconstruction, on_device
from diabolo.training.progress import Progress, Report, quiet

Array = np.ndarray[Any, Any]

SECONDS_A_CALL = 0.5  # control comes back this often
FIRST_STEPS = 8  # in the first call, which finds out how long a step takes


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to train, and how long.

    Attributes:
        model: rows as tensors -> the raw numbers that `loss` takes.
        optimizer: a Keras optimizer of its own; its state is used up by the training.
        patience: epochs without a better validation loss before it ends; 0 never ends early.
        seed: of the order of rows that are all in memory; windows have their own.
        compile: True or False forces XLA on or off; None chooses (choose.py).
        steps_a_call: steps before control comes back; None: as many as take half a second.
    """

    model: keras.Model
    loss: Loss
    optimizer: Any
    epochs: int
    batch_size: int
    patience: int = 0
    seed: int = 0
    compile: bool | None = None
    steps_a_call: int | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The rows to train on and to validate on; tensor = (row - offset) / scale, computed inside the program.

    Attributes:
        rows, validation: (n, ...), uint8 or float32; bytes stay bytes until they are used. None: nothing held back.
            Rows that do not fit in memory come in windows.
        offset, scale: broadcast against a row.
    """

    rows: Array | Windows
    validation: Array | None = None
    offset: Array | float = 0.0
    scale: Array | float = 1.0


class Outcome(NamedTuple):
    """How a training went; the model holds the best weights."""

    history: dict[str, list[float]]  # "loss" and, with validation rows, "val_loss": one number an epoch, in nats
    best_epoch: int  # from 1; the last where nothing was held back
    choice: Choice  # whether XLA made the program, and why


def train(spec: Spec, shard: Shard, report: Report = quiet) -> Outcome:
    """Train `spec.model` on the rows of a shard and leave the best weights in it.

    Raises: DivergedError where the loss of an epoch is not finite.
    """
    steps = Reconstruction(spec.model, spec.loss, spec.optimizer, shard.offset, shard.scale)
    windows = shard.rows
    if isinstance(windows, np.ndarray):
        windows = Resident(tensor(windows), len(windows), seed=spec.seed)
    batch_size = min(spec.batch_size, windows.rows)
    program, choice = choose(spec.compile, spec.model, steps, windows, batch_size, epochs=spec.epochs)
    measure = None if shard.validation is None else Measure(steps, tensor(shard.validation))
    history: dict[str, list[float]] = {}
    best, best_epoch, best_weights = math.inf, 0, None
    for progress in epochs(
        program,
        measure,
        windows,
        epochs=spec.epochs,
        steps_a_call=spec.steps_a_call,
    ):
        report(progress)
        if not progress.epoch_done:
            continue
        if not all(map(math.isfinite, progress.logs.values())):
            raise DivergedError(
                f"training diverged in epoch {progress.epoch}: {_shown(progress.logs)}. Try a learning rate ten times "
                f"smaller (learning_rate, --learning-rate), or look for extreme values in the rows."
            )
        for name, value in progress.logs.items():
            history.setdefault(name, []).append(value)
        if progress.val_loss is None:
            continue
        if progress.val_loss < best:
            best, best_epoch = progress.val_loss, progress.epoch
            best_weights = [variable.numpy() for variable in spec.model.variables]
        if spec.patience and progress.epoch - best_epoch >= spec.patience:
            break
    if best_weights is None:
        return Outcome(history, len(history["loss"]), choice)
    for variable, value in zip(spec.model.variables, best_weights, strict=True):
        variable.assign(value)
    return Outcome(history, best_epoch, choice)


def epochs(
    program: Program,
    measure: Measure | None,
    windows: Windows,
    *,
    epochs: int,
    first_epoch: int = 0,
    steps_a_call: int | None = None,
) -> Iterator[Progress]:
    """Run epochs, and give where they stand after each call; the caller ends them by not asking for more."""
    steps = math.ceil(windows.rows / program.batch_size)
    clock = _Clock((epochs - first_epoch) * steps, program.batch_size, steps_a_call)
    validation: dict[str, float] = {}
    for epoch in range(first_epoch, epochs):
        program.steps.reset()
        step = 0
        clock.start()
        for window in map(on_device, windows.epoch(epoch)):
            first, end = step, step + math.ceil(window.rows / program.batch_size)
            while step < end:
                count = clock.steps_a_call(end - step)
                program.run(window, step - first, count)
                step += count
                logs = program.steps.results()
                clock.count(count)
                if step < steps:
                    yield Progress(epoch + 1, epochs, step, steps, logs | validation, *clock.speed(), False)
                    clock.start()
        if measure is not None:
            validation = {f"val_{name}": value for name, value in measure.run().items()}
        yield Progress(epoch + 1, epochs, steps, steps, logs | validation, *clock.speed(), True)


def _shown(logs: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in logs.items())


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a training."""
    return {"diabolo": diabolo.__version__, "keras": keras.__version__, "tensorflow": tf.__version__}


class _Clock:
    """Seconds and steps so far; the first call, which compiles, and validation do not count."""

    def __init__(self, steps: int, batch_size: int, steps_a_call: int | None) -> None:
        self._left, self._batch_size, self._fixed = steps, batch_size, steps_a_call
        self._done, self._seconds, self._calls = 0, 0.0, 0
        self._started = 0.0

    def start(self) -> None:
        """Start the clock; waiting for rows counts."""
        self._started = time.perf_counter()

    def steps_a_call(self, at_most: int) -> int:
        """Return how many steps to run now."""
        if self._fixed:
            return min(at_most, self._fixed)
        if not self._done:
            return min(at_most, FIRST_STEPS)
        return max(1, min(at_most, round(SECONDS_A_CALL * self._done / self._seconds)))

    def count(self, steps: int) -> None:
        """Stop the clock: so many steps were run."""
        self._calls += 1
        self._left -= steps
        if self._calls > 1:
            self._done += steps
            self._seconds += max(time.perf_counter() - self._started, 1e-9)
        self.start()

    def speed(self) -> tuple[float, float]:
        """Return rows a second, and seconds left."""
        if not self._done:
            return 0.0, 0.0
        per_step = self._seconds / self._done
        return self._batch_size / per_step, self._left * per_step
