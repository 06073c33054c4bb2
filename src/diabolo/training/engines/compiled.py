"""The engine for any network: compiled TensorFlow steps, see `diabolo.training.loop` and `sparse_steps`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diabolo.errors import DivergedError
from diabolo.network import optimizers
from diabolo.training import backend
from diabolo.training.engines.base import Engine, Job, Trained
from diabolo.training.progress import Report, quiet

if TYPE_CHECKING:
    from diabolo.network.backends.keras.builder import Models
    from diabolo.training.group import Group
    from diabolo.training.loop import Outcome


@dataclass(frozen=True, kw_only=True)
class Compiled(Engine):
    """TensorFlow, many steps in one call.

    Attributes:
        compile: True or False forces XLA on or off; None chooses (`diabolo.training.xla`).
        timed: whether XLA may be chosen by timing a few steps, so that the bits of the result depend on the clock.
        steps_a_call: steps per call of the compiled program; None: as many as take half a second.
        epochs: stop after this epoch, although the schedule of the learning rate has `Job.epochs`; None: do not.
        optimizer: makes the Keras optimizer, instead of that of the job.
        group: the processes that train together (`diabolo.training.group.Group`); None: this one alone.
    """

    compile: bool | None = None
    timed: bool = True
    steps_a_call: int | None = None
    epochs: int | None = None
    optimizer: Callable[[Job], Any] | None = None
    group: "Group | None" = None

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Build the network in Keras, train it and return its weights."""
        backend.load_tensorflow()
        from diabolo.network.backends.keras import builder as keras_builder
        from diabolo.training import loop

        models = keras_builder.build(job.network, link=job.loss.link, seed=job.seed, precision=job.precision)
        if job.weights:
            drawn = keras_builder.get_weights(models, job.network)
            keras_builder.set_weights(models, job.network, drawn | dict(job.weights))
        spec = loop.Spec(
            models=models,
            network=job.network,
            loss=job.loss,
            corruption=job.corruption,
            penalty=job.penalty,
            independence=job.independence,
            settles_after=job.settles_after,
            optimizer=_optimizer(job) if self.optimizer is None else self.optimizer(job),
            epochs=job.epochs if self.epochs is None else self.epochs,
            batch_size=job.batch_size,
            patience=job.patience,
            patience_after=job.patience_after,
            seed=job.seed,
            learnt=job.learnt or {},
            compile=self._compiles(job, models),
            steps_a_call=self.steps_a_call,
            group=self.group,
        )

        def trained(outcome: "Outcome") -> Trained:
            weights = keras_builder.get_weights(models, job.network)
            weights |= {f"loss/{name}": value for name, value in outcome.learnt.items()}
            return Trained(weights, outcome.history, outcome.best_epoch, outcome.choice.compiled, self.versions(job))

        try:
            return trained(loop.train(spec, job.shard, report, restored=job.restored, keep=job.keep))
        except DivergedError as error:
            if error.outcome is not None:
                error.trained = trained(error.outcome)
            raise

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of Diabolo, Keras and TensorFlow."""
        backend.load_tensorflow()
        from diabolo.training import loop

        return loop.versions()

    def _compiles(self, job: Job, models: "Models") -> bool | None:
        """Return whether XLA compiles; a part of a training decides as the whole would, to give the same bits."""
        from diabolo.training.xla import pays, settled

        if self.compile is not None:
            return self.compile
        if job.precision == "bfloat16":  # which is no faster in XLA
            return False
        if self.epochs is not None and settled(models.raw):
            return pays(job.epochs * _steps(job), models.raw, job.batch_size)
        return None if self.timed else False


def _optimizer(job: Job) -> Any:
    return optimizers.make(job.optimizer, job.learning_rate, job.schedule, job.epochs * _steps(job))


def _steps(job: Job) -> int:
    return math.ceil(job.shard.row_count / job.batch_size)
