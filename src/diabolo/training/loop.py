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

from diabolo._version import __version__
from diabolo.data.shard import Shard
from diabolo.data.windows import Resident, Windows
from diabolo.errors import DivergedError
from diabolo.network.backends.keras.builder import Models
from diabolo.network.corruptions import Corruption
from diabolo.network.losses import Loss
from diabolo.network.penalties import Penalty
from diabolo.network.structures import Network
from diabolo.training.backend import tensor
from diabolo.training.checkpoints import State
from diabolo.training.engines.base import Keep
from diabolo.training.program import Making, Measure, Program, Reconstruction, on_device
from diabolo.training.progress import Progress, Report, quiet
from diabolo.training.sparse_steps import SparseReconstruction
from diabolo.training.xla import Choice, choose

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


class Outcome(NamedTuple):
    """How a training went; the model holds the best weights."""

    history: dict[str, list[float]]  # "loss" and, with validation rows, "val_loss": one number an epoch, in nats
    best_epoch: int  # from 1; the last where nothing was held back
    choice: Choice  # whether XLA made the program, and why
    learnt: dict[str, Array]  # what the loss learnt


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
        spec: what to train.
        shard: the rows.
        report: is called about twice a second and after each epoch.
        restored: where to go on.
        keep: is called as often, and can end the training.

    Raises: DivergedError where the loss or a weight is not finite any more; it holds the outcome of the epochs before,
        whose best weights are left in the models.
    """
    windows = shard.rows
    if isinstance(windows, np.ndarray):
        windows = Resident(tensor(windows), len(windows), seed=spec.seed)
    batch_size = min(spec.batch_size, windows.rows)
    compiled = restored.compiled if spec.compile is None and restored is not None else spec.compile
    make: Callable[..., Reconstruction] = Reconstruction
    if shard.matrix is not None:
        # Batches of sparse rows differ in size, for each of which XLA would compile the program again.
        make, compiled = partial(SparseReconstruction, matrix=shard.matrix), False
    made = make(
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
    )
    program, choice = choose(compiled, spec.models.raw, made, windows, batch_size, epochs=spec.epochs)
    measure = None if shard.validation is None else Measure(made, tensor(shard.validation))
    so_far = State(None, {}, 0, None) if restored is None else restored
    if so_far.variables is not None:
        _assign(made.variables(), so_far.variables)
    last = _Last(made.weights(), so_far)
    settles_after = spec.network.bottleneck.settles_after
    for progress in epochs(
        program,
        measure,
        windows,
        epochs=spec.epochs if last.hopes(spec.patience, settles_after) else so_far.epochs,
        first_epoch=so_far.epochs,
        first_step=so_far.step,
        validation=so_far.validation,
        steps_a_call=spec.steps_a_call,
    ):
        report(progress)
        diverged = not all(map(math.isfinite, progress.logs.values()))
        if diverged or (progress.epoch_done and not last.take(progress, settles_after)):
            raise _diverged(progress, spec.optimizer, last.outcome(choice, made))
        enough = None
        if keep is not None:
            try:
                enough = keep(progress, partial(last.state, made.variables(), progress, choice))
            except _NotFiniteError:
                raise _diverged(progress, spec.optimizer, last.outcome(choice, made)) from None
        if progress.epoch_done and (enough or not last.hopes(spec.patience, settles_after)):
            break
    return last.outcome(choice, made)


def _assign(variables: list[Any], values: list[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


class _NotFiniteError(Exception):
    """What would be kept holds a weight that is not finite."""


class _Last:
    """What the epochs that have ended leave: the curves, the best weights, and the last that were finite."""

    def __init__(self, weights: list[Any], state: State) -> None:
        self._weights = weights
        # Behind an interruption the weights that it began with are the last that are known to be good.
        self._sound = self._now() if state.variables is not None else list[Array]()
        self.history = {name: list(curve) for name, curve in state.history.items()}
        self.best_epoch, self.best_weights = state.best_epoch, state.best_weights
        self._least = math.inf if state.best_weights is None else self.history["val_loss"][state.best_epoch - 1]

    def take(self, progress: Progress, settles_after: int) -> bool:
        """Take an epoch that has ended; return False, and take nothing, where a weight is not finite."""
        now = self._now()
        if not _finite(now):
            return False
        self._sound = now
        for name, value in progress.logs.items():
            self.history.setdefault(name, []).append(value)
        if progress.epoch > settles_after and progress.val_loss is not None and progress.val_loss < self._least:
            self._least, self.best_epoch, self.best_weights = progress.val_loss, progress.epoch, now
        return True

    def _now(self) -> list[Array]:
        return [np.array(variable.numpy()) for variable in self._weights]

    def hopes(self, patience: int, settles_after: int) -> bool:
        """Whether it is worth going on: whether the best epoch is no further back than patience lasts."""
        waited = len(self.history.get("loss", [])) - max(self.best_epoch, settles_after)
        return not patience or "val_loss" not in self.history or waited < patience

    def state(self, variables: list[Any], progress: Progress, choice: Choice) -> State:
        """Return where the training stands, to go on from. Raises _NotFiniteError: nobody could go on from there."""
        if not _finite(self._now()):
            raise _NotFiniteError
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
        """Put the best weights, or the last, into the model, and return how it went."""
        epochs = len(self.history.get("loss", []))
        best = self._sound if self.best_weights is None else self.best_weights
        if best:
            _assign(self._weights, best)
        return Outcome(self.history, self.best_epoch if self.best_weights else epochs, choice, steps.learnt())


def _finite(weights: list[Array]) -> bool:
    return all(np.isfinite(weight).all() for weight in weights)


def _diverged(progress: Progress, optimizer: Any, before: Outcome) -> DivergedError:
    # By the schedule, which has gone on since, the rate may be anything now: what counts is where the epoch began.
    schedule = optimizer._learning_rate
    first = (progress.epoch - 1) * progress.steps + 1
    rate = float(schedule(first) if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule) else schedule)
    error = DivergedError(
        f"training diverged in epoch {progress.epoch}, by step {progress.step} of {progress.steps}, at a learning rate "
        f"of {rate:.3g} at its start: {_shown(progress.logs)}. Try a learning rate ten times smaller (learning_rate, "
        f"--learning-rate), or look for extreme values in the rows."
    )
    error.outcome = before if before.history else None
    return error


def epochs(
    program: Program,
    measure: Measure | None,
    windows: Windows,
    *,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    validation: Mapping[str, float] | None = None,
    steps_a_call: int | None = None,
) -> Iterator[Progress]:
    """Run epochs, and give where they stand after each call; the caller ends them by not asking for more."""
    steps = math.ceil(windows.rows / program.batch_size)
    done, validation = first_step, dict(validation or {})
    clock = _Clock((epochs - first_epoch) * steps - done, program.batch_size, steps_a_call)
    for epoch in range(first_epoch, epochs):
        if not done:  # else the sums of the steps before were restored too
            program.steps.reset()
        end = 0
        clock.start()
        for rows in windows.epoch(epoch):
            first, end = end, end + math.ceil(rows.rows / program.batch_size)
            if end <= done:
                continue
            window, step = on_device(rows), max(first, done)
            while step < end:
                count = clock.steps_a_call(end - step)
                made = program.run(window, step - first, count)
                step += count
                logs = program.steps.results()
                clock.count(count, made)
                if step < steps:
                    yield Progress(epoch + 1, epochs, step, steps, logs | validation, *clock.speed(), False)
                    clock.start()
        done = 0
        if measure is not None:
            validation = {f"val_{name}": value for name, value in measure.run().items()}
        yield Progress(epoch + 1, epochs, steps, steps, logs | validation, *clock.speed(), True)


def _shown(logs: dict[str, float]) -> str:
    shown = ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
    return shown if not all(map(math.isfinite, logs.values())) else f"{shown}, and weights that are not finite"


def versions() -> dict[str, str]:
    """Return the versions that decide the bits of a training."""
    return {"diabolo": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}


class _Clock:
    """Seconds and steps so far; making programs and validation do not count."""

    def __init__(self, steps: int, batch_size: int, steps_a_call: int | None) -> None:
        self._left, self._batch_size, self._fixed = steps, batch_size, steps_a_call
        self._done, self._seconds = 0, 0.0
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

    def count(self, steps: int, made: Making) -> None:
        """Stop the clock: so many steps were run, some of them only after their program was made."""
        self._left -= steps
        if steps > made.steps:
            self._done += steps - made.steps
            self._seconds += max(time.perf_counter() - self._started - made.seconds, 1e-9)
        self.start()

    def speed(self) -> tuple[float, float]:
        """Return rows a second, and seconds left."""
        if not self._done:
            return 0.0, 0.0
        per_step = self._seconds / self._done
        return self._batch_size / per_step, self._left * per_step
