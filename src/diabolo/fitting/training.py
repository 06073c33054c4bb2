"""Training on prepared rows: by an engine, with checkpoints in a folder, or for one more epoch.

Order: the result, the trainings, the engine's job, the model.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from diabolo import missing
from diabolo.data.shard import Shard
from diabolo.errors import CheckpointError, DivergedError
from diabolo.fitting import start
from diabolo.fitting.completing import with_completion
from diabolo.fitting.preparation import Prepared
from diabolo.model.model import Model
from diabolo.model.record import Record
from diabolo.model.settings import Settings
from diabolo.network import optimizers
from diabolo.network.losses import Mixed
from diabolo.training import runs
from diabolo.training.checkpoints import State
from diabolo.training.engines import Compiled, Engine, Job, Numpy, Quickest, Trained, engine_of
from diabolo.training.engines.base import Keep
from diabolo.training.progress import Progress, Report, quiet
from diabolo.training.runs import Run


class Fitted(NamedTuple):
    """A trained model, and where its training stands, to go on from; None where the state was not kept."""

    model: Model
    state: State | None = None


def check_installed(settings: Settings) -> None:
    """Raise MissingExtraError for settings that only TensorFlow can train, if it is not installed."""
    if not Numpy.may_suit(settings):
        missing.check("tensorflow", "training")


def fit(
    prepared: Prepared,
    settings: Settings,
    *,
    engine: Engine | None = None,
    report: Report = quiet,
    run: Run | None = None,
    source: str | None = None,
    restored: State | None = None,
    keep: Keep | None = None,
    completes: bool = True,
) -> Fitted:
    """Train on prepared rows.

    Args:
        prepared: from `prepare`, with the same settings; where latents were counted, `settings` may still say "auto".
        settings: with a seed, an optimizer other than "auto".
        engine: runs the training steps; None: the quickest, or that of the run.
        report: is called about twice a second and after each epoch.
        run: a folder in which the training is kept.
        source: name of the rows in the record; None: their own.
        restored: without a `run`: the state to continue from; None: start from the beginning.
        keep: without a `run`: called with a function that returns the state, see `diabolo.training.engines.base.Keep`.
        completes: learn to fill the gaps of a table as well; False for a model that is only compared with others.

    Raises: DivergedError, whose `model` is that of the epochs before; CheckpointError for a run that cannot go on.
    """
    job = job_of(prepared, settings, restored=restored, keep=keep)
    job = replace(job, weights=start.weights(job.network, job.loss, job.shard))
    begun_by = None if run is None or run.about is None else engine_of(run.about.get("versions"))
    if engine is None:
        engine = begun_by or Quickest()
    elif isinstance(begun_by, Numpy) and not isinstance(engine, Numpy):
        raise CheckpointError(
            "this training was begun with NumPy, and goes on with it alone: leave engine (--cluster) out, or begin "
            "again in another folder (run, --run)."
        )

    def train(restored: State | None, keep: Keep | None) -> Trained:
        after, stopping = (0, None) if run is None else (run.extended_after, run.stopping)
        whole = replace(job, restored=restored, keep=keep, patience_after=after, stopping=stopping)
        return engine.train(whole, report)

    try:
        if run is None:
            trained = train(restored, keep)
        else:
            known = settings.to_config() | {"latents": prepared.network.latent_dim}
            within = prepared.streamed_within
            trained = run.train(train, runs.about(known, prepared.shard, engine.versions(job), within=within))
    except DivergedError as error:
        if error.trained is not None:
            error.model = _model(prepared, settings, job, error.trained, source)
        raise
    model = _model(prepared, settings, job, trained, source)
    if completes and prepared.sample is not None:
        model = with_completion(model, prepared.sample.known)
    return Fitted(model)


def fit_epoch(
    prepared: Prepared,
    settings: Settings,
    *,
    before: Model | None = None,
    state: State | None = None,
    engine: Engine | None = None,
    report: Report = quiet,
) -> Fitted:
    """Train for one epoch at a constant learning rate.

    Args:
        prepared: as for `fit`.
        settings: as for `fit`.
        engine: runs the training steps; None: compiled TensorFlow, whose state an estimator keeps.
        report: as for `fit`.
        before: the model to go on from; None: a new one.
        state: of the training that made `before`; None: it goes on from the weights alone.

    Raises: DivergedError.
    """
    history = dict[str, list[float]]()
    if before is not None:
        history = {name: curve for name, curve in before.record.history.items() if not name.startswith("val_")}
        state = state or State(None, history, 0, None)
    kept = list[State]()

    def keep(progress: Progress, state: Callable[[], State]) -> None:
        if progress.epoch_done:
            kept.append(state())

    job = replace(
        job_of(prepared, settings, restored=state, keep=keep),
        epochs=len(history.get("loss", [])) + 1,
        schedule="constant",
        weights={} if before is None else before.weights,
        learnt=None if before is None else before.learnt,
    )
    engine = Compiled() if engine is None else engine
    seen = 0 if before is None else before.record.rows
    try:
        trained = engine.train(job, report)
    except DivergedError as error:
        if error.trained is not None:
            error.model = _model(prepared, settings, job, error.trained, seen=seen)
        raise
    return Fitted(_model(prepared, settings, job, trained, seen=seen), kept[-1])


def job_of(prepared: Prepared, settings: Settings, *, restored: State | None = None, keep: Keep | None = None) -> Job:
    """Return what an engine gets: arguments as for `fit`. Its first weights are drawn."""
    optimizer = settings.optimizer
    if optimizer is None:
        optimizer = optimizers.default_for(prepared.network.bottleneck)
    schedule = settings.learning_rate_schedule
    independence = _independence(prepared, settings)
    return Job(
        network=prepared.network,
        loss=prepared.loss.loss,
        corruption=prepared.corruption,
        penalty=prepared.penalty,
        shard=prepared.shard,
        optimizer=optimizer,
        learning_rate=optimizers.check(optimizer, settings.learning_rate, schedule),
        schedule=schedule,
        epochs=settings.most_epochs,
        batch_size=_even(settings.batch_size, prepared.shard),
        precision=settings.precision,
        independence=independence,
        # The first epochs reconstruct well by latents that still tell the condition.
        settles_after=settings.most_epochs // 2 if independence else 0,
        patience=settings.epochs_to_wait,
        seed=settings.seed,
        restored=restored,
        keep=keep,
    )


def _independence(prepared: Prepared, settings: Settings) -> float:
    """Return the weight of the dependence of latents on the condition: that of all columns, before any is learnt."""
    loss = prepared.loss.loss
    return (
        settings.independence * loss.counted_columns if isinstance(loss, Mixed) and prepared.network.condition else 0.0
    )


def _even(batch_size: int, shard: Shard) -> int:
    """Return the rows in a step, so that the last step of an epoch has about as many as the others.

    A step goes as far whether it has 64 rows or 1: of 129 rows, one would count as much as 64 others.
    """
    if not isinstance(shard.rows, np.ndarray):
        return batch_size
    return math.ceil(shard.row_count / math.ceil(shard.row_count / batch_size))


def _model(
    prepared: Prepared, settings: Settings, job: Job, trained: Trained, source: str | None = None, *, seen: int = 0
) -> Model:
    """Return the model of a training. Args: seen: rows that it learned from in earlier calls."""
    record = Record(
        settings=settings.to_config(),
        source=source or prepared.name,
        rows=prepared.rows + seen,
        validation_rows=prepared.validation_rows,
        learning_rate=job.learning_rate,
        loss_reason=prepared.loss.reason,
        best_epoch=trained.best_epoch,
        history=trained.history,
        compiled=trained.compiled,
        streamed_within=prepared.streamed_within,
        versions=trained.versions,
    )
    return Model(
        network=prepared.network,
        weights=trained.weights,
        adapter=prepared.adapter,
        loss=prepared.loss.loss,
        record=record,
        schema=prepared.schema,
        series=prepared.series,
    )
