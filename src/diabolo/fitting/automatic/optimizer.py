"""What optimizer="auto" chooses: by the advice, and among several that promise about the same by a short race."""

import logging
from typing import NamedTuple

from diabolo.data.sources import Source
from diabolo.errors import DivergedError
from diabolo.fitting.automatic import advice
from diabolo.fitting.preparation import Prepared, prepare
from diabolo.fitting.training import fit
from diabolo.model.settings import Settings

RACE_DIVISOR = 10  # each in the race trains for this part of the epochs

logger = logging.getLogger(__name__)


class Choice(NamedTuple):
    """An optimizer at a learning rate, and in one line why."""

    optimizer: str
    learning_rate: float
    reason: str


def choose(prepared: Prepared, settings: Settings, rows: Source | None) -> Choice:
    """Return the optimizer and the learning rate for prepared rows, and log why.

    Args:
        prepared: rows and network.
        settings: with a seed and a number of latents.
        rows: to race on; None: they cannot be read twice, so that the first answer of the advice is taken.
    """
    known = prepared.facts(batch_size=settings.batch_size, epochs=settings.most_epochs)
    said = advice.advise(known)
    chosen, reason, epochs = said.answers[0], said.reason, settings.most_epochs // RACE_DIVISOR
    if rows is not None and len(said.close) > 1 and settings.most_epochs >= advice.SHORT_EPOCHS:
        short = settings.changed(
            optimizer=None, epochs=epochs, patience=0, validation_fraction=settings.validation_fraction or 0.1
        )
        losses = {}
        for each in said.close:
            tried = short.changed(optimizer=each.optimizer, learning_rate=each.learning_rate)
            try:
                model = fit(prepare(rows, tried), tried, completes=False).model
            except DivergedError:
                continue
            losses[each] = min(model.record.history["val_loss"])
        if losses:
            chosen = min(losses, key=lambda each: losses[each])
            ran = ", ".join(f"{each.optimizer} {loss:.4g}" for each, loss in losses.items())
            reason = f"{chosen.optimizer} at {chosen.learning_rate:g}: the best of {ran} after {epochs} epochs"
    logger.info("optimizer: %s", reason)
    return Choice(chosen.optimizer, chosen.learning_rate, reason)
