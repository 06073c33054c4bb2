"""The engine for small dense networks, in NumPy: loading TensorFlow and compiling would take longer than the training.

The steps are those of `diabolo.training.loop` for the same network: AdamW under a cosine, rows in a new order each
epoch, the weights of the best validation epoch. Order: the engine, the training, the network, the optimizer.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from diabolo._version import __version__
from diabolo.errors import DivergedError, OptionError
from diabolo.network.bottlenecks import Plain, Refined
from diabolo.network.corruptions import Masking
from diabolo.network.layers import Dense, Layer
from diabolo.network.losses import Gaussian
from diabolo.network.network import Network
from diabolo.network.optimizers import OPTIMIZERS
from diabolo.training.engines.base import Engine, Job, Trained
from diabolo.training.progress import Progress, Report, quiet

OPTIMIZER, DECAY = "adamw:0.1", 0.1
LEARNING_RATE = OPTIMIZERS["adamw"].learning_rate
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # as Keras' Adam: Kingma & Ba 2015, arXiv:1412.6980
MOST_WEIGHTS = 1 << 17  # for wider networks XLA saves more time than it takes to load
# The fields of a job that this engine reads. It refuses a job in which any other differs from its default.
READ = {"network", "loss", "corruption", "penalty", "shard", "optimizer", "learning_rate", "schedule"} | {
    "epochs",
    "batch_size",
    "patience",
    "seed",
}
ONE_AT_A_TIME = threading.Lock()  # the number of BLAS threads is one for all of a process
ZERO = np.float32(0)  # a Python int in its place takes five times as long

Array = np.ndarray[Any, np.dtype[np.float32]]


class Result(NamedTuple):
    """Weights by their names in a `Model`, losses of a row in nats by epoch, and the epoch of the weights, from 1."""

    weights: dict[str, Array]
    history: dict[str, list[float]]
    best_epoch: int


class Numpy(Engine):
    """Dense layers with elu, the squared error, AdamW under a cosine; `suits` says whether it can train a network."""

    @staticmethod
    def suits(job: Job) -> bool:
        """Return whether this engine can do a training."""
        corruption, rows = job.corruption, job.shard.rows
        return (
            all(_activation(step.layer) in ("elu", "linear") for step in job.network.steps)
            and type(job.network.bottleneck) in (Plain, Refined)
            and sum(map(math.prod, _shapes(job.network).values())) <= MOST_WEIGHTS
            and job.loss == Gaussian()
            and (corruption is None or (type(corruption) is Masking and corruption == Masking(share=corruption.share)))
            and job.penalty is None
            and (job.optimizer, job.learning_rate, job.schedule) == (OPTIMIZER, LEARNING_RATE, "cosine")
            and all(getattr(job, each.name) == each.default for each in fields(Job) if each.name not in READ)
            and isinstance(rows, np.ndarray)
            and (rows.ndim, rows.dtype) == (2, np.float32)
        )

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train a network that `suits`."""
        rows, validation = job.shard.rows, job.shard.validation
        if not isinstance(rows, np.ndarray) or not self.suits(job):
            raise OptionError("the engine Numpy cannot train this network: leave `engine` out.")
        result = train(
            job.network,
            rows,
            validation,
            epochs=job.epochs,
            batch_size=job.batch_size,
            patience=job.patience,
            hidden=getattr(job.corruption, "share", 0.0),
            seed=job.seed,
            report=report,
        )
        return Trained(result.weights, result.history, result.best_epoch, False, self.versions(job))

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of Diabolo and NumPy."""
        return {"diabolo": __version__, "numpy": np.__version__}


def _activation(layer: Layer) -> str | None:
    """Return the activation of a dense layer with a bias; None: it is another."""
    return layer.activation if type(layer) is Dense and layer.use_bias else None


def train(
    network: Network,
    rows: Array,
    held: Array | None,
    *,
    epochs: int,
    batch_size: int,
    patience: int = 0,
    hidden: float = 0.0,
    seed: int = 0,
    report: Report = quiet,
) -> Result:
    """Train a network by the squared distance.

    Args:
        network: of dense layers, as `suits` says.
        rows: (n, features), scaled.
        held: validation rows; None: the last epoch is the best.
        epochs: at most.
        batch_size: rows a step.
        patience: epochs without a better one before it ends; 0 never ends early.
        hidden: fraction of the numbers of a row that are set to 0 in the input.
        seed: for everything that is random.
        report: is called after each epoch.

    Raises: DivergedError, without the result of the epochs before.
    """
    rng = np.random.default_rng([seed, 2])
    work = _Weights(network, rng)
    batch_size = min(batch_size, len(rows))
    steps = math.ceil(len(rows) / batch_size)
    step = _adamw(work.values, work.gradients, epochs * steps)
    history: dict[str, list[float]] = {name: [] for name in ("loss", *(() if held is None else ("val_loss",)))}
    best, best_epoch, least, started = work.values.copy(), 0, math.inf, time.perf_counter()
    # For products as small as these, threads only wait for each other. An overflow shows in the loss.
    with ONE_AT_A_TIME, threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
        for epoch in range(epochs):
            mixed = rows[rng.permutation(len(rows))]
            seen = mixed if not hidden else mixed * (rng.random(mixed.shape, np.float32) >= hidden)
            total = 0.0
            for start in range(0, len(rows), batch_size):
                end = start + batch_size
                total += work.learn(seen[start:end], mixed[start:end])
                step()
            history["loss"].append(total / len(rows))
            if held is not None:
                history["val_loss"].append(work.cost(held))
            latest = {name: curve[-1] for name, curve in history.items()}
            seconds = time.perf_counter() - started
            if not all(map(math.isfinite, latest.values())):
                raise DivergedError(
                    f"training diverged in epoch {epoch + 1}: look for extreme values in the rows, or scale them."
                )
            if held is None or latest["val_loss"] < least:
                best, best_epoch, least = work.values.copy(), epoch + 1, latest.get("val_loss", least)
            done, left = (epoch + 1) * len(rows), seconds / (epoch + 1) * (epochs - epoch - 1)
            report(Progress(epoch + 1, epochs, steps, steps, latest, done / seconds, left, epoch_done=True))
            if patience and held is not None and epoch + 1 - best_epoch >= patience:
                break
    work.values[:] = best
    return Result(work.weights(), history, best_epoch)


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight, by its name in a `Model`."""
    return {
        f"{step.layer.name}/{name}": shape
        for step in network.steps
        for name, shape in step.layer.weights(step.input_shape).items()
    }


class _Weights:
    """Dense layers in a chain: all weights are parts of one vector, and their gradients of another."""

    def __init__(self, network: Network, rng: np.random.Generator) -> None:
        self._shapes = _shapes(network)
        self.values = np.zeros(sum(map(math.prod, self._shapes.values())), np.float32)
        self.gradients = np.zeros_like(self.values)
        values, gradients = (list(self._pieces(each).values()) for each in (self.values, self.gradients))
        self._layers = list(zip(values[::2], values[1::2], gradients[::2], gradients[1::2], strict=True))
        self._curved = [_activation(step.layer) == "elu" for step in network.steps]
        for kernel, *_ in self._layers:
            limit = math.sqrt(6 / sum(kernel.shape))  # Glorot & Bengio 2010
            kernel[:] = rng.uniform(-limit, limit, kernel.shape)

    def _pieces(self, vector: Array) -> dict[str, Array]:
        ends = np.cumsum([math.prod(shape) for shape in self._shapes.values()])[:-1]
        pieces = np.split(vector, ends)
        return {name: piece.reshape(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)}

    def weights(self) -> dict[str, Array]:
        """Return the weights by their names."""
        return {name: piece.copy() for name, piece in self._pieces(self.values).items()}

    def learn(self, seen: Array, target: Array) -> float:
        """Compute the gradients of the mean loss of a batch, and return the sum of the loss."""
        outputs, derivatives = self._outputs(seen)
        gradient = outputs[-1] - target
        total = 0.5 * float(np.vdot(gradient, gradient))
        gradient /= len(seen)
        for at in range(len(self._layers) - 1, -1, -1):
            kernel, _, to_kernel, to_bias = self._layers[at]
            if self._curved[at]:
                gradient *= derivatives[at]
            np.matmul(outputs[at].T, gradient, out=to_kernel)
            np.sum(gradient, axis=0, out=to_bias)
            if at:
                gradient = gradient @ kernel.T
        return total

    def cost(self, rows: Array) -> float:
        """Return the mean loss of rows."""
        away = self._outputs(rows)[0][-1] - rows
        return 0.5 * float(np.vdot(away, away)) / len(rows)

    def _outputs(self, rows: Array) -> tuple[list[Array], list[Array]]:
        """Return the rows and the output of each layer, and the derivative of each elu."""
        outputs, derivatives = [rows], list[Array]()
        for (kernel, bias, *_), curved in zip(self._layers, self._curved, strict=True):
            numbers = outputs[-1] @ kernel
            numbers += bias
            derivative = np.minimum(numbers, ZERO) if curved else numbers
            if curved:  # above 0 the number itself, with derivative 1; below it exp - 1, with derivative exp
                np.exp(derivative, out=derivative)
                np.maximum(numbers, derivative - 1, out=numbers)
            outputs.append(numbers)
            derivatives.append(derivative)
        return outputs, derivatives


def _adamw(values: Array, gradients: Array, steps: int) -> Callable[[], None]:
    """Return a function that makes one step of AdamW with a cosine schedule.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """
    mean, squares = np.zeros_like(values), np.zeros_like(values)
    one, two = np.empty_like(values), np.empty_like(values)
    done = 0

    def step() -> None:
        nonlocal done
        rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * done / steps))
        done += 1
        np.multiply(values, 1 - rate * DECAY, out=values)
        np.subtract(gradients, mean, out=one)
        np.multiply(one, 1 - BETA_1, out=one)
        np.add(mean, one, out=mean)
        np.multiply(gradients, gradients, out=one)
        np.subtract(one, squares, out=one)
        np.multiply(one, 1 - BETA_2, out=one)
        np.add(squares, one, out=squares)
        np.sqrt(squares, out=two)
        np.add(two, EPSILON, out=two)
        np.divide(mean, two, out=one)
        np.multiply(one, rate * math.sqrt(1 - BETA_2**done) / (1 - BETA_1**done), out=one)
        np.subtract(values, one, out=values)

    return step
