"""Engines: what runs the training steps. All have the Protocol `Engine`; importing them loads no TensorFlow.

`Compiled` is TensorFlow, for any network and for dense or sparse rows; `Numpy` is for small dense networks and needs no
TensorFlow; `Quickest` takes the one with which the whole job ends first.
"""

import logging
import math
from dataclasses import dataclass

from diabolo.training.engines import dense
from diabolo.training.engines.base import Engine, Job, Trained
from diabolo.training.engines.compiled import Compiled
from diabolo.training.engines.numpy import Numpy, is_wide
from diabolo.training.progress import Report, quiet

__all__ = ["Compiled", "Engine", "Interrupted", "Job", "Numpy", "Quickest", "Trained", "engine_of"]

logger = logging.getLogger(__name__)

# Seconds on two cores, measured by `python -m benchmarks.engines`. Those of TensorFlow before the first step:
STARTING = 6.0  # to load it, to trace and to compile
# Of a step: in any case, for each layer, for each weight, for each output of a layer, for each product.
NUMPY = (15e-6, 8e-6, 1.0e-9, 2.2e-9, 0.75e-11)
WIDE_NUMPY = (*NUMPY[:-1], 0.33e-11)  # where ONNX Runtime multiplies
MAY_TAKE = 1.5  # times as long as TensorFlow may NumPy take for a step of a training that is often interrupted
COMPILED = (10e-6, 10e-6, 0.3e-9, 1.0e-9, 0.25e-11)


class Quickest(Engine):
    """The engine that probably ends first, import and compilation of TensorFlow included.

    It depends on the job alone, not on the process or the machine, so that a seed gives the same bits everywhere.
    """

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train by the engine that suits."""
        engine = self.of(job)
        logger.info("trained by %s: %s", type(engine).__name__, _words(job))
        return engine.train(job, report)

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of the engine that suits."""
        return self.of(job).versions(job)

    def of(self, job: Job) -> Engine:
        """Return the engine that suits."""
        return Numpy() if Numpy.suits(job) and numpy_seconds(job) <= compiled_seconds(job) else Compiled()


@dataclass(frozen=True, kw_only=True)
class Interrupted(Engine):
    """For a training that stops and goes on several times, as a trial of a search does.

    NumPy starts at once, so that its steps may take somewhat longer. The choice depends on the network and the batch,
    not on how long the training is, which a search changes.

    Attributes: timed, epochs: see `Compiled`.
    """

    timed: bool = True
    epochs: int | None = None

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train by the engine that suits."""
        return self.of(job).train(job, report)

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of the engine that suits."""
        return self.of(job).versions(job)

    def of(self, job: Job) -> Engine:
        """Return the engine that suits."""
        if Numpy.suits(job) and numpy_seconds(job) <= MAY_TAKE * (compiled_seconds(job) - STARTING):
            return Numpy(epochs=self.epochs)
        return Compiled(timed=self.timed, epochs=self.epochs)


def engine_of(versions: object) -> Engine:
    """Return the engine that a training was begun with, by the versions that it kept."""
    return Numpy() if isinstance(versions, dict) and "numpy" in versions else Compiled()


def numpy_seconds(job: Job) -> float:
    """Return how long a job that `Numpy` suits probably takes in NumPy."""
    return _seconds(job, WIDE_NUMPY if is_wide(job) else NUMPY)


def compiled_seconds(job: Job) -> float:
    """Return how long a job that `Numpy` suits probably takes in TensorFlow, loading it included."""
    return STARTING + _seconds(job, COMPILED)


def _seconds(job: Job, costs: tuple[float, ...]) -> float:
    weights, rows = dense.shapes(job.network), min(job.batch_size, job.shard.row_count)
    count = sum(map(math.prod, weights.values()))
    outputs = rows * sum(math.prod(shape) for shape in weights.values() if len(shape) == 1)
    work = (1, len(dense.multiplying(job.network)), count, outputs, 6 * rows * count)
    steps = job.epochs * math.ceil(job.shard.row_count / rows)
    return steps * sum(cost * amount for cost, amount in zip(costs, work, strict=True))


def _words(job: Job) -> str:
    if not Numpy.suits(job):
        return "NumPy cannot train this network"
    return f"about {numpy_seconds(job):.1f} s in NumPy, {compiled_seconds(job):.1f} s in TensorFlow with its import"
