"""Training: epochs of compiled steps, early stopping, best weights.

Control comes back about twice a second, for the progress bar, Ctrl-C and callbacks. Rows come in windows
(diabolo.data.windows), in an order that follows from the seed and the epoch alone.

`train` is a function of what it is given; it reads no globals and starts nothing. keras_fit.py has the same loop for
anybody's compiled Keras model. Order: what goes in, what comes out, the training, the epochs, the clock.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

import diabolo
from diabolo.data.windows import Resident, Windows
from diabolo.errors import DivergedError
from diabolo.network.corruptions import Corruption
from diabolo.network.keras_builder import Models
from diabolo.network.losses import Loss
from diabolo.network.penalties import Penalty
from diabolo.network.structures import Network
from diabolo.training.backend import tensor
from diabolo.training.checkpoints import State
from diabolo.training.choose import Choice, choose
from diabolo.training.program import Measure, Program, Reconstruction, on_device
from diabolo.training.progress import Progress, Report, quiet
from diabolo.training.sparse import SparseReconstruction

Array = np.ndarray[Any, Any]

SECONDS_A_CALL = 0.5  # control comes back this often
FIRST_STEPS = 8  # in the first call, which finds out how long a step takes


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to train, and how long.

    Attributes:
        models: the network to train, as Keras has it.
        network: the same as facts.
        optimizer: a Keras optimizer of its own; its state is used up by the training.
        patience: epochs without a better validation loss before it ends; 0 never ends early.
        corruption: of the input, in training alone.
        penalty: beside what the bottleneck costs.
        learnt: what the loss has learnt before, by name.
        seed: of the order of rows that are all in memory, windows having their own, and of all that is drawn.
        compile: True or False forces XLA on or off; None chooses (choose.py).
        steps_a_call: steps before control comes back; None: as many as take half a second.
    """

    models: Models
    network: Network
    loss: Loss
    optimizer: Any
    epochs: int
    batch_size: int
    corruption: Corruption | None = None
    penalty: Penalty | None = None
    patience: int = 0
    learnt: Mapping[str, Array] = field(default_factory=dict)
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
        bounded: whether tensors lie in [0, 1].
        matrix: scipy CSR of sparse rows, scaled, of which `rows` and `validation` are the numbers; None: they are rows.
    """

    rows: Array | Windows
    validation: Array | None = None
    offset: Array | float = 0.0
    scale: Array | float = 1.0
    bounded: bool = False
    matrix: Any = None


class Outcome(NamedTuple):
    """How a training went; the model holds the best weights."""

    history: dict[str, list[float]]  # "loss" and, with validation rows, "val_loss": one number an epoch, in nats
    best_epoch: int  # from 1; the last where nothing was held back
    choice: Choice  # whether XLA made the program, and why
    learnt: dict[str, Array]  # what the loss learnt


Keep = Callable[[int, Callable[[], State]], None]  # takes the epoch, and what gives the state where it is wanted


def train(
    spec: Spec, shard: Shard, report: Report = quiet, *, restored: State | None = None, keep: Keep | None = None
) -> Outcome:
    """Train `spec.models` on the rows of a shard and leave the best weights in them.

    Args: report: told how far it is; restored: where to go on; keep: called behind each epoch.
    Raises: DivergedError where the loss of an epoch is not finite.
    """
    windows = shard.rows
    if isinstance(windows, np.ndarray):
        windows = Resident(tensor(windows), len(windows), seed=spec.seed)
    batch_size = min(spec.batch_size, windows.rows)
    more, compiled = dict[str, Any](), spec.compile
    kind: type[Reconstruction] = Reconstruction
    if shard.matrix is not None:
        # Batches of sparse rows differ in size, for each of which XLA would compile the program again.
        more, kind, compiled = {"matrix": shard.matrix}, SparseReconstruction, False
    steps = kind(
        spec.models,
        spec.network,
        spec.loss,
        spec.optimizer,
        offset=shard.offset,
        scale=shard.scale,
        bounded=shard.bounded,
        corruption=spec.corruption,
        penalty=spec.penalty,
        steps_an_epoch=math.ceil(windows.rows / batch_size),
        seed=spec.seed,
        learnt=spec.learnt,
        **more,
    )
    program, choice = choose(compiled, spec.models.raw, steps, windows, batch_size, epochs=spec.epochs)
    measure = None if shard.validation is None else Measure(steps, tensor(shard.validation))
    history: dict[str, list[float]] = {}
    best, best_epoch, best_weights = math.inf, 0, None
    if restored is not None:
        if restored.variables is not None:
            _assign(steps.variables(), restored.variables)
        history, best_epoch, best_weights = restored.history, restored.best_epoch, restored.best_weights
        best = history["val_loss"][best_epoch - 1] if best_weights is not None else best
    for progress in epochs(
        program,
        measure,
        windows,
        epochs=spec.epochs,
        first_epoch=len(history.get("loss", [])),
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
        settled = progress.epoch > spec.network.bottleneck.settles_after
        if settled and progress.val_loss is not None and progress.val_loss < best:
            best, best_epoch = progress.val_loss, progress.epoch
            best_weights = [variable.numpy() for variable in steps.weights()]
        if keep is not None:
            now = partial(_state, steps, history, best_epoch, best_weights)
            keep(progress.epoch, now)
        waited = progress.epoch - max(best_epoch, spec.network.bottleneck.settles_after)
        if progress.val_loss is not None and spec.patience and waited >= spec.patience:
            break
    if best_weights is None:
        return Outcome(history, len(history["loss"]), choice, steps.learnt())
    _assign(steps.weights(), best_weights)
    return Outcome(history, best_epoch, choice, steps.learnt())


def _assign(variables: list[Any], values: list[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _state(
    steps: Reconstruction, history: dict[str, list[float]], best_epoch: int, best_weights: list[Array] | None
) -> State:
    variables = [np.array(variable.numpy()) for variable in steps.variables()]
    return State(variables, {name: list(curve) for name, curve in history.items()}, best_epoch, best_weights)


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
