"""Training: epochs of compiled steps, early stopping, best weights.

The program returns to Python about twice a second, for the progress bar, Ctrl-C and callbacks. Rows come in windows
(diabolo.data.windows), in an order that depends on the seed and the epoch alone.

`train` depends on its arguments alone: it reads no globals and starts no threads. keras_fit.py has the same loop for
any compiled Keras model. Order: the input, the outcome, the training, the epochs, the clock.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np
import tensorflow as tf

from diabolo._version import __version__
from diabolo.data.shard import Shard
from diabolo.data.windows import Resident, Streamed, Windows
from diabolo.errors import DivergedError
from diabolo.network.backends.keras.builder import Models
from diabolo.network.corruptions import Corruption
from diabolo.network.losses import Loss
from diabolo.network.network import Network
from diabolo.network.penalties import Penalty
from diabolo.training.backend import tensor
from diabolo.training.checkpoints import State
from diabolo.training.engines.base import Keep
from diabolo.training.group import Group, GroupMeasure, GroupProgram, GroupRows, GroupSteps, GroupStream, Slices
from diabolo.training.program import Measure, Program, Reconstruction, Tracing, TrainableBottleneck, on_device
from diabolo.training.progress import Progress, Report, quiet
from diabolo.training.sparse_steps import SparseReconstruction
from diabolo.training.xla import Choice, choose

Array = np.ndarray[Any, Any]
Made = TypeVar("Made", bound=Reconstruction)

SECONDS_A_CALL = 0.5  # of the compiled program
FIRST_STEPS = 8  # in the first call, which measures how long a step takes


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A network, its loss and the settings of its training.

    Attributes:
        models: the network as Keras models; training changes their weights.
        network: the facts of the same network.
        loss: the reconstruction loss.
        optimizer: a Keras optimizer that nothing else uses; training changes its state.
        epochs: the number of the last epoch.
        batch_size: rows per step; the last step of an epoch may have fewer.
        corruption: of the input, in training alone.
        penalty: added to that of the bottleneck.
        independence: the weight of the distance correlation of latents and condition.
        settles_after: epochs of which none is the best; at least as many as the bottleneck says.
        patience: epochs without a better validation loss before training ends; 0 never ends early.
        patience_after: epochs that do not count as waiting.
        learnt: initial values of the parameters of the loss, by name.
        seed: of the order of rows in memory (windows have their own seed) and of all other random draws.
        compile: True or False turns XLA on or off; None chooses (see xla.py).
        steps_a_call: steps per call of the compiled program; None: as many as take half a second.
        group: the processes that train together, each of which calls `train` with all rows; None: this one alone.
    """

    models: Models
    network: Network
    loss: Loss
    optimizer: keras.optimizers.Optimizer
    epochs: int
    batch_size: int
    corruption: Corruption | None = None
    penalty: Penalty | None = None
    independence: float = 0.0
    settles_after: int = 0
    patience: int = 0
    patience_after: int = 0
    learnt: Mapping[str, Array] = field(default_factory=dict)
    seed: int = 0
    compile: bool | None = None
    steps_a_call: int | None = None
    group: Group | None = None


class Outcome(NamedTuple):
    """The result of a training; the models hold the best weights."""

    history: dict[str, list[float]]  # one number per epoch, in nats, by the names of `Steps.results`, and with "val_"
    best_epoch: int  # from 1; the last one without validation rows
    choice: Choice  # whether XLA compiled the program, and why
    learnt: dict[str, Array]  # parameters of the loss, by name


def train(
    spec: Spec,
    shard: Shard,
    report: Report = quiet,
    *,
    restored: State | None = None,
    keep: Keep | None = None,
) -> Outcome:
    """Train `spec.models` on the rows of a shard and leave the best weights in them.

    Args:
        spec: the network and the settings.
        shard: the rows.
        report: called with the progress twice a second, and after each epoch.
        restored: the state to continue from; None starts anew.
        keep: called as `report`, with a function that returns the state, to write a checkpoint. True after an epoch
            ends the training.

    Raises: DivergedError where the loss or a weight is no longer finite; its `outcome` is that of the epochs before,
        whose best weights are left in the models.
    """
    parts = _alone(spec, shard, restored) if spec.group is None else _in_group(spec, shard, spec.group)
    steps, program, measure, windows, choice = parts
    so_far = State(None, {}, 0, None) if restored is None else restored
    if so_far.variables is not None:
        _assign(steps.variables(), so_far.variables)
    results = _Results(steps.weights(), so_far)
    bottleneck: TrainableBottleneck = spec.network.bottleneck
    settles_after = max(bottleneck.settles_after, spec.settles_after)
    waits_from = max(settles_after, spec.patience_after)
    for progress in epochs(
        program,
        measure,
        windows,
        epochs=spec.epochs if results.should_continue(spec.patience, waits_from) else so_far.epochs,
        first_epoch=so_far.epochs,
        first_step=so_far.step,
        validation=so_far.validation,
        steps_a_call=spec.steps_a_call,
        agreed=None if spec.group is None else spec.group.least,
    ):
        report(progress)
        diverged = not all(map(math.isfinite, progress.logs.values()))
        if diverged or (progress.epoch_done and not results.add_epoch(progress, settles_after)):
            raise _diverged(progress, spec.optimizer, results.outcome(choice, steps))
        enough = None
        if keep is not None:
            try:
                enough = keep(progress, partial(results.state, steps.variables(), progress, choice))
            except NotFiniteError:
                raise _diverged(progress, spec.optimizer, results.outcome(choice, steps)) from None
        if progress.epoch_done and (enough or not results.should_continue(spec.patience, waits_from)):
            break
    return results.outcome(choice, steps)


class _Parts(NamedTuple):
    """What a training repeats, and on which rows."""

    steps: Reconstruction
    program: Program | GroupProgram
    measure: Measure | GroupMeasure | None
    windows: Windows
    choice: Choice


def _alone(spec: Spec, shard: Shard, restored: State | None) -> _Parts:
    windows = shard.training()
    if isinstance(windows, np.ndarray):
        windows = Resident(tensor(windows), len(windows), seed=spec.seed)
    batch_size = min(spec.batch_size, windows.rows)
    compiled = restored.compiled if spec.compile is None and restored is not None else spec.compile
    make: Callable[..., Reconstruction] = Reconstruction
    if shard.matrix is not None:
        # Batches of sparse rows differ in size, and XLA would compile the program again for each size.
        make, compiled = partial(SparseReconstruction, matrix=shard.matrix), False
    steps = _steps(make, spec, shard, windows.rows, batch_size)
    program, choice = choose(compiled, spec.models.raw, steps, windows, batch_size, epochs=spec.epochs)
    measure = None if shard.validation is None else Measure(steps, tensor(shard.validation))
    return _Parts(steps, program, measure, windows, choice)


def _in_group(spec: Spec, shard: Shard, group: Group) -> _Parts:
    rows = shard.training()
    windows: GroupRows | GroupStream
    if isinstance(rows, np.ndarray):
        slices = Slices.even(len(rows), min(spec.batch_size, len(rows)), rank=group.rank, world=group.world)
        windows = GroupRows(rows, slices, seed=spec.seed)
    else:
        assert isinstance(rows, Streamed), "the other windows are of one process"
        windows = GroupStream(rows, min(spec.batch_size, rows.rows), group)
        slices = windows.slices
    choice = Choice(bool(spec.compile), "as for one process")
    make = partial(GroupSteps, group=group, compiled=choice.compiled)
    steps = _steps(make, spec, shard, windows.rows, sum(slices.batches))
    measure = None if shard.validation is None else GroupMeasure(steps, shard.validation)
    return _Parts(steps, GroupProgram(steps, slices), measure, windows, choice)


def _steps(make: Callable[..., Made], spec: Spec, shard: Shard, rows: int, batch_size: int) -> Made:
    return make(
        spec.models,
        spec.network,
        spec.loss,
        spec.optimizer,
        offset=shard.offset,
        scale=shard.scale,
        bounded=shard.bounded,
        corruption=spec.corruption,
        penalty=spec.penalty,
        independence=spec.independence,
        steps_an_epoch=math.ceil(rows / batch_size),
        seed=spec.seed,
        learnt=spec.learnt,
    )


def _assign(variables: list[tf.Variable], values: list[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class NotFiniteError(Exception):
    """The state to keep has a weight that is not finite."""


class _Results:
    """The results of the epochs that have ended: the history, the best weights, and the last finite weights."""

    def __init__(self, weights: list[tf.Variable], state: State) -> None:
        self._weights = weights
        # After an interruption the restored weights are the last ones that are known to be finite.
        self._last_finite = self._values() if state.variables is not None else list[Array]()
        self.history = {name: list(curve) for name, curve in state.history.items()}
        self.best_epoch, self.best_weights = state.best_epoch, state.best_weights
        self._lowest = math.inf if state.best_weights is None else self.history["val_loss"][state.best_epoch - 1]

    def add_epoch(self, progress: Progress, settles_after: int) -> bool:
        """Add an epoch that has ended; return False, and add nothing, where a weight is not finite."""
        weights = self._values()
        if not _finite(weights):
            return False
        self._last_finite = weights
        for name, value in progress.logs.items():
            self.history.setdefault(name, []).append(value)
        if progress.epoch > settles_after and progress.val_loss is not None and progress.val_loss < self._lowest:
            self._lowest, self.best_epoch, self.best_weights = progress.val_loss, progress.epoch, weights
        return True

    def _values(self) -> list[Array]:
        return [np.array(variable.numpy()) for variable in self._weights]

    def should_continue(self, patience: int, waits_from: int) -> bool:
        """Whether fewer than `patience` epochs have passed since the best one, and since epoch `waits_from`."""
        waited = len(self.history.get("loss", [])) - max(self.best_epoch, waits_from)
        return not patience or "val_loss" not in self.history or waited < patience

    def state(self, variables: list[tf.Variable], progress: Progress, choice: Choice) -> State:
        """Return the state of the training, to continue from. Raises NotFiniteError where a weight is not finite."""
        if not _finite(self._values()):
            raise NotFiniteError
        return State(
            variables=[np.array(variable.numpy()) for variable in variables],
            history={name: list(curve) for name, curve in self.history.items()},
            best_epoch=self.best_epoch,
            best_weights=self.best_weights,
            step=0 if progress.epoch_done else progress.step,
            validation={name: value for name, value in progress.logs.items() if name.startswith("val_")},
            compiled=choice.compiled,
        )

    def outcome(self, choice: Choice, steps: Reconstruction) -> Outcome:
        """Put the best weights, or without validation the last finite ones, into the models; return the outcome."""
        epochs = len(self.history.get("loss", []))
        best = self._last_finite if self.best_weights is None else self.best_weights
        if best:
            _assign(self._weights, best)
        return Outcome(self.history, self.best_epoch if self.best_weights else epochs, choice, steps.learnt())


def _finite(weights: list[Array]) -> bool:
    return all(np.isfinite(weight).all() for weight in weights)


def _diverged(progress: Progress, optimizer: keras.optimizers.Optimizer, before: Outcome) -> DivergedError:
    # The schedule has gone on since the loss diverged, so name the rate at the start of the epoch.
    schedule = optimizer._learning_rate
    first = (progress.epoch - 1) * progress.steps + 1
    rate = float(schedule(first) if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule) else schedule)
    error = DivergedError(
        f"training diverged in epoch {progress.epoch}, by step {progress.step} of {progress.steps}, at a learning rate "
        f"of {rate:.3g} at its start: {_words(progress.logs)}. Try a learning rate ten times smaller (learning_rate, "
        f"--learning-rate), or look for extreme values in the rows."
    )
    error.outcome = before if before.history else None
    return error


def epochs(
    program: Program | GroupProgram,
    measure: Measure | GroupMeasure | None,
    windows: Windows,
    *,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    validation: Mapping[str, float] | None = None,
    steps_a_call: int | None = None,
    agreed: Callable[[float], float] | None = None,
) -> Iterator[Progress]:
    """Run epochs, and yield the progress after each call of the program; a caller that stops iterating ends them.

    Args:
        program: the steps.
        measure: the validation, after each epoch; None: no validation.
        windows: the training rows.
        epochs: the number of the last epoch.
        first_epoch: number of epochs that are already done.
        first_step: number of steps of the next epoch that are already done.
        validation: the last validation results ("val_loss", ...), shown until the next.
        steps_a_call: steps per call of the program; None: as many as take half a second.
        agreed: of the processes that train together, the lowest of their numbers of steps.
    """
    steps = program.steps_in(windows.rows)
    done, validation = first_step, dict(validation or {})
    clock = _Clock((epochs - first_epoch) * steps - done, program.batch_size, steps_a_call)
    for epoch in range(first_epoch, epochs):
        if not done:  # otherwise the sums of the steps before were restored too
            program.steps.reset()
        end = 0
        clock.start()
        for rows in windows.epoch(epoch):
            first = end
            end += math.ceil(rows.rows / program.batch_size) if rows.steps is None else rows.steps
            if end <= done:
                continue
            window, step = on_device(rows), max(first, done)
            while step < end:
                count = clock.steps_a_call(end - step)
                if agreed is not None:
                    count = int(agreed(count))
                traced = program.run(window, step - first, count)
                step += count
                logs = program.steps.results()
                clock.count(count, traced)
                if step < steps:
                    yield Progress(epoch + 1, epochs, step, steps, logs | validation, *clock.speed(), False)
                    clock.start()
        done = 0
        if measure is not None:
            validation = {f"val_{name}": value for name, value in measure.run().items()}
        yield Progress(epoch + 1, epochs, steps, steps, logs | validation, *clock.speed(), True)


def _words(logs: dict[str, float]) -> str:
    words = ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
    return words if not all(map(math.isfinite, logs.values())) else f"{words}, and weights that are not finite"


def versions() -> dict[str, str]:
    """Return the versions of the packages that the bits of a training depend on."""
    return {"diabolo": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}


class _Clock:
    """Seconds and steps so far, without tracing programs and validation."""

    def __init__(self, steps: int, batch_size: int, steps_a_call: int | None) -> None:
        self._left, self._batch_size, self._fixed = steps, batch_size, steps_a_call
        self._done, self._seconds = 0, 0.0
        self._started = 0.0

    def start(self) -> None:
        """Start the clock; waiting for rows is included."""
        self._started = time.perf_counter()

    def steps_a_call(self, at_most: int) -> int:
        """Return how many steps to run now."""
        if self._fixed:
            return min(at_most, self._fixed)
        if not self._done:
            return min(at_most, FIRST_STEPS)
        return max(1, min(at_most, round(SECONDS_A_CALL * self._done / self._seconds)))

    def count(self, steps: int, traced: Tracing) -> None:
        """Stop the clock after so many steps; those whose call traced the program do not count."""
        self._left -= steps
        if steps > traced.steps:
            self._done += steps - traced.steps
            self._seconds += max(time.perf_counter() - self._started - traced.seconds, 1e-9)
        self.start()

    def speed(self) -> tuple[float, float]:
        """Return rows per second, and seconds left."""
        if not self._done:
            return 0.0, 0.0
        per_step = self._seconds / self._done
        return self._batch_size / per_step, self._left * per_step
