"""How many latents rows need: those that a variational auto-encoder makes use of.

Where the variance of the reconstruction is learned too, a gaussian latent that says nothing about its row costs less
than one that says a little, so the training switches it off. About as many latents stay in use as the rows have
factors. Source: Dai & Wipf 2019, Diagnosing and Enhancing VAE Models, arXiv:1903.05789.

A curved surface lies in more latents than it has dimensions: an angle takes two, its cosine and its sine. So the
latents of rows near each other are looked at, which spread in as many directions as there are factors. Source:
Fukunaga & Olsen 1971, An Algorithm for Finding Intrinsic Dimensionality of Data.
"""

import logging
import math

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.sources import Source
from diabolo.errors import OptionError
from diabolo.fitting.preparation import Prepared, prepare
from diabolo.fitting.training import fit
from diabolo.model import generating
from diabolo.model.model import Model
from diabolo.model.settings import AUTO, Settings
from diabolo.network import structures

STEPS = 9_000  # of each short training
# The share of the epochs in which the weight of the latents rises. From the start on, rows of few columns often switch
# all of them off: of a swiss roll in three columns one latent was found, with it two, and other counts stay.
WARMUP = 0.1
MAX_LATENTS = 64  # latents that it may use
NATS = 0.25  # the mean KL divergence above which a latent counts as used
MEASURED_ROWS = 4_096  # on which this is measured
# Of how many rows the neighbours are looked at, how many of these for each latent, and the share of the variance along
# the first direction that another one must have. Of 10 neighbours a latent, the least of equal variances is about 0.27
# of the largest.
CENTERS, NEIGHBOURS, LEAST_NEIGHBOURS, DIRECTION = 200, 10, 20, 0.12
# Deep enough for curved data. Residual blocks find few factors, plain layers many; the lower validation loss decides.
STRUCTURES = ("dense 256-256", "residual 128x3")
SHARE_OF_VARIANCE = 0.1  # of a column, which stays unexplained in tables with columns of several kinds

logger = logging.getLogger(__name__)


def count(opened: Source, settings: Settings) -> int:
    """Return how many latents rows need, at least 1.

    Args: settings: with a seed; `latent_dim` is ignored.
    Raises: OptionError, DataError, ShapeError; DivergedError.
    """
    if structures.says_latents(settings.structure):
        raise OptionError(f"structure {settings.structure!r} says how many latents: leave latent_dim='auto' out.")
    first = prepare(opened, settings.changed(latent_dim=1))
    models = [fit(prepare(opened, each), each, completes=False).model for each in pilots(settings, first)]

    def loss(model: Model) -> float:
        history = model.record.history
        return min(history.get("val_loss", history["loss"]))

    best = min(models, key=loss)
    return used(best, best.checked(opened.rows, where="fit()"))


def pilots(settings: Settings, prepared: Prepared) -> list[Settings]:
    """Return the settings of the short trainings. Args: prepared: the rows, with any number of latents."""
    loss, features = prepared.loss.loss.kind, math.prod(prepared.network.input_shape)
    beta = SHARE_OF_VARIANCE if loss in ("mixed", "masked") else 1.0
    batch_size = min(settings.batch_size, prepared.rows)
    epochs = max(10, min(400, STEPS // math.ceil(prepared.rows / batch_size)))
    changed = settings.changed(
        latent_dim=max(1, min(MAX_LATENTS, features - 1)),
        bottleneck=f"gaussian:beta={beta:g},warmup_epochs={round(WARMUP * epochs)}",
        bottleneck_activation=None,
        reconstruction_loss="gaussian:variance=learnt" if loss == "gaussian" else settings.reconstruction_loss,
        corruption=None,
        penalty=None,
        tied=False,
        optimizer=None,
        learning_rate=2e-3,
        validation_fraction=settings.validation_fraction or 0.1,
        epochs=epochs,
        patience=0,
    )
    structures = STRUCTURES if settings.structure == AUTO else (settings.structure,)
    return [changed.changed(structure=structure) for structure in structures]


def used(model: Model, rows: Rows) -> int:
    """Return how many latents of a gaussian bottleneck are in use, at least 1. Rows passed `Model.checked`."""
    some = rows[:: max(1, len(rows) // MEASURED_ROWS)]
    mean, log_var = generating.posterior(model, some, where="fit()")
    nats = (0.5 * (np.square(mean) + np.exp(log_var) - 1 - log_var)).mean(axis=0)
    in_use = nats > NATS
    count = int(in_use.sum())
    needed = directions(mean[:, in_use]) if count > 1 else count
    logger.info("latent_dim='auto': %d of %d latents are in use, in %d directions", count, len(nats), needed)
    return max(1, needed)


def directions(latents: Rows) -> int:
    """Return in how many directions latents spread near a row, on average, at least 1.

    Args: latents: (n, count), count of at least 2.
    """
    spread = latents.std(axis=0)
    scaled = (latents - latents.mean(axis=0)) / np.where(spread > 0, spread, 1)
    neighbours = max(LEAST_NEIGHBOURS, NEIGHBOURS * latents.shape[1])
    if len(scaled) <= 4 * neighbours:
        return int(latents.shape[1])  # too few rows for neighbours to be near
    found = []
    for center in scaled[:: max(1, len(scaled) // CENTERS)]:
        distances = np.square(scaled - center).sum(axis=1)
        near = scaled[np.argpartition(distances, neighbours)[:neighbours]]
        variances = np.square(np.linalg.svd(near - near.mean(axis=0), compute_uv=False))
        found.append((variances > DIRECTION * variances[0]).sum())
    return max(1, round(float(np.mean(found))))
