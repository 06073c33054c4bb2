"""The engine for small networks of dense layers and skips, in NumPy.

For them, loading TensorFlow and compiling would take longer than the training.

The steps are those of `diabolo.training.loop` for the same network: AdamW under a cosine, rows in a new order each
epoch, the weights of the best validation epoch. Order: the engine, the training.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from diabolo._version import __version__
from diabolo.errors import DivergedError, OptionError
from diabolo.model import privacy
from diabolo.model.products import Products, WideProducts
from diabolo.model.settings import AUTO, Settings
from diabolo.network import optimizers
from diabolo.network.bottlenecks import Plain, Refined
from diabolo.network.corruptions import Masking
from diabolo.network.layers import Dense
from diabolo.training.checkpoints import State
from diabolo.training.engines import dense
from diabolo.training.engines.base import Engine, Job, Trained
from diabolo.training.engines.dense import Array
from diabolo.training.progress import Progress, Report, quiet

# The settings of Keras, whose optimizers have the same names.
SETTINGS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
DECAY = {"adam": 0.0, "adamw": 0.004}
MOST_WEIGHTS = 1 << 20  # for wider networks one core is too slow
WIDE = 1 << 21  # rows of a batch times weights, from which ONNX Runtime multiplies
MOST_NUMBERS = 1 << 27  # of the rows, which are held as float32
SECONDS_BETWEEN = 0.5  # two reports within an epoch
DENSE = re.compile(r"[\d, x-]+|((dense|skip)( [\d-]+)?(, )?)+")  # a structure in words
# The number of BLAS threads is one for all of a process; a report may train a network of its own.
ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Numpy(Engine):
    """Dense layers with losses whose gradient is written here, Adam or AdamW; `suits` says whether it can train.

    Attributes:
        epochs: stop after this epoch, although the schedule of the learning rate has `Job.epochs`; None: do not.
    """

    epochs: int | None = None

    @staticmethod
    def suits(job: Job) -> bool:
        """Return whether this engine can do a training."""
        corruption, rows = job.corruption, job.shard.rows
        return (
            dense.chained(job.network)
            and type(job.network.bottleneck) in (Plain, Refined)
            and sum(map(math.prod, dense.shapes(job.network).values())) <= MOST_WEIGHTS
            and dense.has_gradient(job.loss)
            and (corruption is None or (type(corruption) is Masking and corruption == Masking(share=corruption.share)))
            and job.penalty is None
            and job.precision == "float32"
            and job.shard.matrix is None
            and job.optimizer.partition(":")[0] in DECAY
            and isinstance(rows, np.ndarray)
            and rows.size <= MOST_NUMBERS
        )

    @staticmethod
    def may_suit(settings: Settings) -> bool:
        """Return False where the settings alone, before any rows are read, show that `suits` will be False."""
        structure = settings.structure
        dense_alone = (
            structure == AUTO or bool(DENSE.fullmatch(structure))
            if isinstance(structure, str)
            else isinstance(structure, (list, tuple)) and all(isinstance(each, (int, Dense)) for each in structure)
        )
        return (
            dense_alone
            and not settings.tied
            and settings.penalty is None
            and settings.precision == "float32"
            and settings.activation in dense.ACTIVATIONS
            and _kind(settings.bottleneck) in (Plain.kind, Refined.kind)
            and _kind(settings.corruption) in (AUTO, "None", Masking.kind)
            and _kind(settings.optimizer) in (AUTO, "None", *DECAY)
        )

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train a network that `suits`."""
        if not self.suits(job):
            raise OptionError("the engine Numpy cannot train this network: leave `engine` out.")
        # Loaded here, because a model is used without it.
        from threadpoolctl import threadpool_limits

        training = _Training(job, job.epochs if self.epochs is None else min(self.epochs, job.epochs))
        # For products as small as these, threads only wait for each other. An overflow shows in the loss.
        with ONE_AT_A_TIME, threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
            for progress in training.run():
                report(progress)
                enough = None if job.keep is None else job.keep(progress, partial(training.state, progress))
                if progress.epoch_done and (enough or training.waited_enough()):
                    break
        return training.trained()

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of Diabolo and NumPy, and of ONNX Runtime where it multiplies."""
        versions = {"diabolo": __version__, "numpy": np.__version__}
        if is_wide(job):
            versions["onnxruntime"] = privacy.import_onnxruntime().__version__
        return versions


def is_wide(job: Job) -> bool:
    """Return whether ONNX Runtime multiplies: by the job alone, so that a seed gives the same bits."""
    rows = min(job.batch_size, job.shard.row_count)
    return rows * sum(map(math.prod, dense.shapes(job.network).values())) >= WIDE


def _kind(part: object) -> str:
    """Return the kind of a part, or of what a text names before its colon."""
    return str(getattr(part, "kind", part)).partition(":")[0]


class _Training:
    """A training of one job: the weights, the optimizer, the history."""

    def __init__(self, job: Job, until: int) -> None:
        self._job, self._until, shard = job, until, job.shard
        scale = (np.asarray(each, np.float32) for each in (shard.offset, shard.scale))
        offset, divisor = scale
        self._rows = _scaled(np.asarray(shard.rows), offset, divisor)
        self._held = None if shard.validation is None else _scaled(np.asarray(shard.validation), offset, divisor)
        self._share = job.corruption.share if isinstance(job.corruption, Masking) else 0.0
        self._count, self._chosen = shard.row_count, shard.chosen
        self._batch_size = min(job.batch_size, self._count)
        self._steps = math.ceil(self._count / self._batch_size)
        products = WideProducts() if is_wide(job) else Products()
        rng = np.random.default_rng([job.seed, 2])
        self._weights = dense.Weights(job.network, rng, products, job.independence)
        self._weights.take(job.weights)
        name, settings = optimizers.read(job.optimizer)
        given = SETTINGS | {"weight_decay": DECAY[name]} | settings
        self._adam = dense.Adam(self._weights, decay=given.pop("weight_decay"), **given)
        # Validation hides the same cells every time, so that epochs can be compared.
        self._seen_held = self._held
        if self._held is not None and self._share:
            fixed = np.random.default_rng([job.seed, 4])
            self._seen_held = dense.hidden(self._held, self._share, job.loss.cells, fixed)
        self.history = dict[str, list[float]]()
        self._best_epoch, self._best, self._least = 0, self._weights.values.copy(), math.inf
        self._last_finite = self._best
        self._step, self._lost = 0, np.zeros(2)  # of the epoch so far: reconstruction, penalty
        if job.restored is not None:
            self._restore(job.restored)

    def _restore(self, state: State) -> None:
        self.history = {name: list(curve) for name, curve in state.history.items()}
        if state.variables is None:
            return
        values, self._adam.mean[:], self._adam.squares[:], counters = state.variables
        self._weights.values[:] = values
        self._last_finite = values
        self._adam.done, self._step = int(counters[0]), state.step
        self._lost[: len(counters) - 1] = counters[1:]
        if state.best_weights is not None:
            (self._best,), self._best_epoch = state.best_weights, state.best_epoch
            self._least = self.history["val_loss"][state.best_epoch - 1]

    def state(self, progress: Progress) -> State:
        """Return the state, to continue from."""
        adam, best = self._adam, [self._best.copy()] if self._best_epoch else None
        return State(
            variables=[
                *(each.copy() for each in (self._weights.values, adam.mean, adam.squares)),
                np.array([adam.done, *self._lost]),
            ],
            history={name: list(curve) for name, curve in self.history.items()},
            best_epoch=self._best_epoch,
            best_weights=best,
            step=0 if progress.epoch_done else progress.step,
            validation={name: value for name, value in progress.logs.items() if name.startswith("val_")},
            compiled=False,
        )

    def run(self) -> Iterator[Progress]:
        """Train, and yield the progress about twice a second and after each epoch. Raises DivergedError."""
        job, clock = self._job, _Clock(self._batch_size)
        begun = len(self.history.get("loss", []))
        left = (self._until - begun) * self._steps - self._step
        validation = {name: curve[-1] for name, curve in self.history.items() if name.startswith("val_")}
        for epoch in range(begun, self._until):
            if self.waited_enough():
                return
            batches = self._batches(epoch)
            for step in range(self._step, self._steps):
                self._lost += self._weights.learn(job.loss, *batches(step))
                self._adam.step(self._rate())
                clock.done += 1
                if step + 1 < self._steps and clock.is_due():
                    seen = min((step + 1) * self._batch_size, self._count)
                    logs = self._logs(self._lost / seen) | validation
                    self._check(epoch, step + 1, logs)
                    yield Progress(
                        epoch + 1, job.epochs, step + 1, self._steps, logs, *clock.speed(left - clock.done), False
                    )
            logs = self._logs(self._lost / self._count)
            self._step, self._lost = 0, np.zeros(2)
            if self._held is not None and self._seen_held is not None:
                measured = self._logs(np.array(self._weights.cost(job.loss, self._seen_held, self._held)))
                validation = {f"val_{name}": value for name, value in measured.items()}
            self._check(epoch, self._steps, logs | validation)
            self._end_epoch(epoch, logs | validation)
            speed = clock.speed(left - clock.done)
            yield Progress(epoch + 1, job.epochs, self._steps, self._steps, logs | validation, *speed, True)

    def _logs(self, lost: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
        """Return the loss of a row, and its two parts where something is added to it. Args: lost: both parts."""
        reconstruction, penalty = lost.tolist()
        if not self._job.independence:
            return {"loss": reconstruction}
        return {"loss": reconstruction + penalty, "reconstruction": reconstruction, "penalty": penalty}

    def _batches(self, epoch: int) -> Callable[[int], tuple[Array, Array]]:
        """Return a function that gives the rows of a step as the network sees them, and as they are."""
        rng = np.random.default_rng([self._job.seed, 3, epoch])
        order = rng.permutation(self._count)
        if self._chosen is not None:
            order = self._chosen[order]
        rows, size = self._rows, self._batch_size
        if not self._share:
            return lambda step: (batch := rows[order[step * size : (step + 1) * size]], batch)
        mixed = rows[order]
        seen = dense.hidden(mixed, self._share, self._job.loss.cells, rng)
        return lambda step: (seen[step * size : (step + 1) * size], mixed[step * size : (step + 1) * size])

    def _rate(self) -> float:
        """Return the learning rate of the next step."""
        job = self._job
        if job.schedule != "cosine":
            return job.learning_rate
        share = min(1.0, self._adam.done / (job.epochs * self._steps))
        return job.learning_rate * 0.5 * (1 + math.cos(math.pi * share))

    def _check(self, epoch: int, step: int, logs: dict[str, float]) -> None:
        if all(map(math.isfinite, logs.values())) and np.isfinite(self._weights.values).all():
            return
        words = ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
        error = DivergedError(
            f"training diverged in epoch {epoch + 1}, by step {step} of {self._steps}: {words}. Try a learning rate "
            f"ten times smaller (learning_rate, --learning-rate), or look for extreme values in the rows."
        )
        error.trained = self.trained() if self.history else None
        raise error

    def _end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self._last_finite = self._weights.values.copy()
        if epoch >= self._job.settles_after and logs.get("val_loss", math.inf) < self._least:
            self._least, self._best_epoch, self._best = logs["val_loss"], epoch + 1, self._last_finite

    def waited_enough(self) -> bool:
        """Return whether `patience` epochs have passed since the best one."""
        job, done = self._job, len(self.history.get("loss", []))
        waited = done - max(self._best_epoch, job.patience_after, job.settles_after)
        return bool(job.patience and "val_loss" in self.history and waited >= job.patience)

    def trained(self) -> Trained:
        """Return the weights of the best epoch, or where no rows are held back the last finite ones."""
        vector = self._best if self._best_epoch else self._last_finite
        epoch = self._best_epoch or len(self.history.get("loss", []))
        return Trained(self._weights.by_name(vector), self.history, epoch, False, Numpy().versions(self._job))


def _scaled(rows: np.ndarray[Any, Any], offset: Array, scale: Array) -> Array:
    """Return rows as the network takes them, in one axis."""
    numbers = rows.astype(np.float32, copy=False)
    if offset.any():
        numbers = numbers - offset
    numbers = numbers if (scale == 1).all() else numbers / scale
    return numbers.reshape(len(rows), -1)


class _Clock:
    """Steps and seconds so far."""

    def __init__(self, batch_size: int) -> None:
        self.done, self._batch_size = 0, batch_size
        self._started = self._shown = time.perf_counter()

    def is_due(self) -> bool:
        """Return whether the last report is half a second ago."""
        now = time.perf_counter()
        due = now - self._shown >= SECONDS_BETWEEN
        self._shown = now if due else self._shown
        return due

    def speed(self, left: int) -> tuple[float, float]:
        """Return rows per second, and seconds left for so many steps."""
        self._shown = time.perf_counter()
        per_step = max(self._shown - self._started, 1e-9) / max(1, self.done)
        return self._batch_size / per_step, left * per_step
