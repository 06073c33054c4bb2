"""What optimizer="auto" stands for: the advice, and where several promise about the same a short race among them."""

import logging
from typing import Any

from sklearn.base import clone

from diabolo.data.sources import Source
from diabolo.errors import DivergedError
from diabolo.fitting.automatic import advice
from diabolo.fitting.automatic.advice import Answer
from diabolo.fitting.preparation import Prepared

PART = 10  # of the epochs, that each of those who race gets

logger = logging.getLogger(__name__)


def optimizer_for(
    estimator: Any, ready: Prepared, rows: Source | None, settings: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Return optimizer and learning rate for an estimator, as settings of it, and log why; it keeps the reason.

    Args: rows: to race on; None: they cannot be gone over twice, and the first answer is taken.
    """
    said = advice.advise(ready.facts(batch_size=settings["batch_size"], epochs=settings["epochs"]))
    chosen, reason, epochs = said.answers[0], said.reason, settings["epochs"] // PART
    if rows is not None and len(said.close) > 1 and settings["epochs"] >= advice.SHORT_EPOCHS:
        short = {
            "latent_dim": settings["latent_dim"],
            "epochs": epochs,
            "patience": 0,
            "validation_fraction": settings["validation_fraction"] or 0.1,
            "random_state": seed,
            "verbose": False,
        }
        losses = {}
        for each in said.close:
            try:
                tried = clone(estimator).set_params(**short | _settings(each)).fit(rows)
            except DivergedError:
                continue
            losses[each] = min(tried.history_["val_loss"])
        if losses:
            chosen = min(losses, key=lambda each: losses[each])
            ran = ", ".join(f"{each.optimizer} {loss:.4g}" for each, loss in losses.items())
            reason = f"{chosen.optimizer} at {chosen.learning_rate:g}: the best of {ran} behind {epochs} epochs"
    logger.info("optimizer: %s", reason)
    estimator.optimizer_reason_ = reason
    return _settings(chosen)


def _settings(answer: Answer) -> dict[str, Any]:
    return {"optimizer": answer.optimizer, "learning_rate": answer.learning_rate}
