"""Decide from the rows what the settings leave open: the number of latents, the optimizer, and all of `prepare`."""

import logging
import math
from typing import NamedTuple

from diabolo.data import memory, sparse
from diabolo.data.adapters import Rows
from diabolo.data.frames import from_arrow
from diabolo.data.kinds import is_stream
from diabolo.data.opening import open_rows, open_whole
from diabolo.data.readers import scipy_files
from diabolo.data.sources import Source
from diabolo.errors import OptionError
from diabolo.fitting.automatic import latents
from diabolo.fitting.automatic.advice import Advice, advise
from diabolo.fitting.automatic.optimizer import choose
from diabolo.fitting.length import with_length
from diabolo.fitting.preparation import Prepared, prepare, prepare_again
from diabolo.model.model import Model
from diabolo.model.settings import AUTO, Settings
from diabolo.network import structures
from diabolo.training.runs import Run

FEW_ROWS = 20  # below which a warning is logged

logger = logging.getLogger(__name__)


class Plan(NamedTuple):
    """A training that can begin.

    Attributes:
        prepared: the rows and the parts.
        settings: as asked for, with the optimizer and the learning rate that were chosen.
        optimizer_reason: of optimizer="auto", which was chosen and why.
    """

    prepared: Prepared
    settings: Settings
    optimizer_reason: str | None = None


def plan(X: object, settings: Settings, *, evaluation_rows: Rows | None = None, run: Run | None = None) -> Plan:
    """Return everything that is decided before the training; arguments as for `prepare`.

    Args: run: an interrupted run, which has as many latents as before; the settings are from `resumed`.
    Raises: DataError, ShapeError, OptionError.
    """
    counted, X = settings, from_arrow(X)
    if run is not None and run.about is not None:
        counted = settings.changed(latent_dim=run.about["settings"]["latents"])
    elif settings.latent_dim == AUTO:
        X = opened(X, settings)
        counted = settings.changed(latent_dim=count_latents(X, settings))
    chooses = settings.optimizer == AUTO
    if chooses and not (is_stream(X) or sparse.is_sparse(X) or scipy_files.is_matrix(X)):
        X = open_rows(X, memory.limit(settings.memory), reading=settings.reading)
    prepared = prepare(X, counted, evaluation_rows=evaluation_rows)
    settings, counted = with_length(settings, prepared), with_length(counted, prepared)
    if (count := prepared.rows + prepared.validation_rows) < FEW_ROWS:
        logger.warning("fit(): %d row%s to learn from: the model may not fit other rows", count, "s" * (count > 1))
    _warn_wide(prepared, settings)
    logger.info("reconstruction loss: %s (%s)", prepared.loss.loss.kind, prepared.loss.reason)
    if not chooses:
        return Plan(prepared, settings)
    chosen = choose(prepared, counted, X if isinstance(X, Source) else None)
    known = {"optimizer": chosen.optimizer, "learning_rate": chosen.learning_rate}
    return Plan(prepared, settings.changed(**known), chosen.reason)


def _warn_wide(prepared: Prepared, settings: Settings) -> None:
    """Log a warning where a row has at least as many latents as columns, unless that is asked for."""
    bottleneck, columns = prepared.network.bottleneck, math.prod(prepared.adapter.row_shape)
    count = bottleneck.latent_dim
    if count < columns or settings.allow_overcomplete or bottleneck.may_be_overcomplete:
        return
    both = f"{count} latent{'s' * (count > 1)} for {columns} column{'s' * (columns > 1)}"
    if columns == 1:
        logger.warning("fit(): %s: nothing is compressed: give more columns", both)
        return
    most = structures.default_latent_dim(math.prod(prepared.network.input_shape), columns)
    logger.warning(
        "fit(): %s: nothing is compressed, and anomalies are reconstructed as well as other rows: choose fewer, such "
        "as latent_dim=%d (--latent %d)",
        both,
        most,
        most,
    )


def plan_epoch(X: object, settings: Settings) -> Plan:
    """Return the plan of the first epoch of a training whose rows come bit by bit: no rows are held back.

    Raises: as `plan`.
    """
    if settings.latent_dim == AUTO:
        raise OptionError("partial_fit() cannot count latents: give latent_dim as a number, or fit() first.")
    prepared = prepare(X, settings.changed(validation_fraction=0))
    if settings.optimizer != AUTO:
        return Plan(prepared, settings)
    chosen = choose(prepared, settings, None)
    known = {"optimizer": chosen.optimizer, "learning_rate": chosen.learning_rate}
    return Plan(prepared, settings.changed(**known), chosen.reason)


def plan_next_epoch(before: Model, rows: Rows, settings: Settings) -> Plan:
    """Return the plan of one more epoch of a model, on rows that passed `Model.checked`, with the seed of the model."""
    known = before.record.settings
    if settings.optimizer == AUTO:
        settings = settings.changed(optimizer=known["optimizer"], learning_rate=known["learning_rate"])
    settings = settings.seeded(known["random_state"])
    return Plan(prepare_again(before, rows, settings), settings)


def opened(X: object, settings: Settings) -> Source:
    """Return rows that can be trained on twice. Raises DataError where they are streamed."""
    limit, reading = memory.limit(settings.memory), settings.reading
    return open_whole(X, limit, reading=reading, what="latent_dim='auto'")


def count_latents(X: object, settings: Settings) -> int:
    """Return how many latents rows need, as latent_dim="auto" does: see `diabolo.fitting.automatic.latents`.

    Raises: as `plan`.
    """
    return latents.count(opened(X, settings), settings.seeded())


def advise_on(X: object, settings: Settings) -> Advice:
    """Return which optimizers, at which learning rates, are likely to suit rows and network; nothing is trained.

    Raises: as `plan`.
    """
    if settings.latent_dim == AUTO:
        settings = settings.changed(latent_dim=None)  # to count them would be a training
    prepared = prepare(X, settings.seeded())
    settings = with_length(settings, prepared)
    return advise(prepared.facts(batch_size=settings.batch_size, epochs=settings.most_epochs))
