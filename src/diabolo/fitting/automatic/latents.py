"""How many latents rows need: those that a variational auto-encoder makes use of.

Where what a reconstruction may be off by is learnt too, a gaussian latent that says nothing about its row costs less
than one that says a little, and the training switches it off: what is left are about as many latents as the rows have
factors. Source: Dai & Wipf 2019, Diagnosing and Enhancing VAE Models, arXiv:1903.05789.
"""

import logging
import math
from typing import Any

import numpy as np

from diabolo.model import generating
from diabolo.model.model import Model

STEPS = 9_000  # that the pilot trains
MOST = 64  # latents that it may use
NATS = 0.25  # that a latent in use says about its row, mean over rows
ROWS = 4_096  # that are asked
# Deep enough to unfold what is curved. Few factors are found by residual blocks, many by plain layers; the one that
# foresees rows better is believed.
STRUCTURES = ("dense 256-256", "residual 128x3")
SHARE_OF_VARIANCE = 0.1  # of a column, which tables of several kinds may be off by

logger = logging.getLogger(__name__)

AUTO = "auto"


def pilots(asked: dict[str, Any], loss: str, features: int, rows: int) -> list[dict[str, Any]]:
    """Return the settings of the trainings that count, of those of the estimator that asks.

    Args: loss: kind that was chosen for the rows; features: numbers in a row; rows: to train on.
    """
    beta = SHARE_OF_VARIANCE if loss in ("mixed", "masked") else 1.0
    batch_size = min(asked["batch_size"], rows)
    settings = asked | {
        "latent_dim": max(1, min(MOST, features - 1)),
        "bottleneck": f"gaussian:beta={beta:g}",
        "bottleneck_activation": None,
        "reconstruction_loss": "gaussian:variance=learnt" if loss == "gaussian" else asked["reconstruction_loss"],
        "corruption": None,
        "penalty": None,
        "tied": False,
        "optimizer": None,
        "learning_rate": 2e-3,
        "validation_fraction": asked["validation_fraction"] or 0.1,
        "epochs": max(10, min(400, STEPS // math.ceil(rows / batch_size))),
        "patience": 0,
        "verbose": False,
    }
    structures = STRUCTURES if asked["structure"] == "dense" else (asked["structure"],)
    return [settings | {"structure": structure} for structure in structures]


def used(model: Model, rows: Any) -> int:
    """Return how many latents of a gaussian bottleneck are in use, at least 1. Rows passed `Model.checked`."""
    some = rows[:: max(1, len(rows) // ROWS)]
    mean, log_var = generating.posterior(model, some, where="fit()")
    nats = (0.5 * (np.square(mean) + np.exp(log_var) - 1 - log_var)).mean(axis=0)
    count = int((nats > NATS).sum())
    logger.info("latent_dim='auto': %d of %d latents are in use", count, len(nats))
    return max(1, count)
