"""Engines: what runs the training steps. All have the Protocol `Engine`; importing them loads no TensorFlow.

`Compiled` is TensorFlow, for any network and for dense or sparse rows; `Numpy` is for small dense networks and needs no
TensorFlow; `Quickest` is `Numpy` where it can train the network, otherwise `Compiled`.
"""

from diabolo.training.engines.base import Engine, Job, Trained
from diabolo.training.engines.compiled import Compiled
from diabolo.training.engines.numpy import Numpy
from diabolo.training.progress import Report, quiet

__all__ = ["Compiled", "Engine", "Job", "Numpy", "Quickest", "Trained"]


class Quickest(Engine):
    """Without TensorFlow where that is possible: for small networks its import takes longer than the training."""

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Train by the engine that suits."""
        return self._of(job).train(job, report)

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of the engine that suits."""
        return self._of(job).versions(job)

    def _of(self, job: Job) -> Engine:
        return Numpy() if Numpy.suits(job) else Compiled()
