"""Problems of a trained model in words, and how to fix them.

Each rule looks for one problem and returns a finding or None. Order: the finding, the diagnosis, the rules.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.adapters import Rows, Statistics, as_rows
from diabolo.model import generating
from diabolo.model.model import Model
from diabolo.model.settings import LEAST_STEPS
from diabolo.network import losses, structures
from diabolo.network.bottlenecks.gaussian import gaussian_kl
from diabolo.network.layers import Skip
from diabolo.report.summary import in_units_of_the_network
from diabolo.typing import ArrayLike, Frame

DIAGNOSED_ROWS = 2_000  # rows that the rules examine; more find no other problems
INACTIVE = 0.01  # nats of divergence, or fraction of the largest standard deviation, below which a latent is dead
COLLAPSED = 0.5  # nats of all latents together, below which they carry hardly any information
NEEDED = 0.999  # fraction of the variance of the latents; directions beyond it are not needed
UNEVEN = 100  # how many times as much as another a column may vary
FAR_OFF = 20  # standard deviations that a value may lie from the mean of its column
STILL_LEARNING = 0.02  # fraction of the whole improvement that came in the last tenth of the epochs
# The same for the second quarter of the epochs, where a cosine schedule flattens the end of the curve. Digits and
# tables that improved with more epochs had 0.12 to 0.46, others 0.02 to 0.07.
STILL_LEARNING_HALF_WAY = 0.1
SERIOUS = 0.02  # fraction of the loss by which it lately fell, from which too few epochs are a warning
NOTICED = 1.02  # times the error of PCA, from which PCA is said to be better
# Over-fitting: the validation loss exceeds the training loss by OVER_FITTED of the improvement, and ends RISEN of it
# above its own lowest value. The first alone may be chance: a few validation rows may be harder than others.
OVER_FITTED, RISEN = 0.15, 0.001
APART = 0.075  # of the validation loss: a network that begins as PCA may improve by little more than chance
CONSTANT_OUTPUT = 0.05  # variance of reconstructions over that of rows, below which the network has fitted nothing


class Finding(NamedTuple):
    """A problem, and what to try; `serious` ones are warnings of fit()."""

    what: str
    attempt: str
    serious: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.attempt}."


class RuleInputs(NamedTuple):
    """The input of the rules."""

    model: Model
    rows: Rows
    latents: Rows


def diagnose(model: Model, rows: Rows | ArrayLike | Frame) -> list[Finding]:
    """Return the problems of a model, found with the first of these rows; test rows are best.

    Args: rows: (n, *row_shape), dense; for a model of a table also a frame.
    Raises: DataError, ShapeError for rows of another form.
    """
    if model.schema is not None and frames.is_frame(rows):
        rows = frames.read(rows, model.schema, where="diagnose()").rows
    some = as_rows(rows, where="diagnose()")[:DIAGNOSED_ROWS]
    inputs = RuleInputs(model, some, model.encode(some, where="diagnose()"))
    return [finding for rule in RULES if (finding := rule(inputs)) is not None]


def worse_than_pca(model: Model, error: float, pca_error: float) -> Finding | None:
    """Return a finding where PCA with as many components reconstructs better.

    Args: error, pca_error: of the same rows. Of a network that does more than compress, such as a variational one, a
    larger error is expected, and no warning.
    """
    if error <= NOTICED * pca_error or pca_error <= 0:
        return None
    record = model.record
    settings, compresses = record.settings, model.network.bottleneck.kind in structures.AS_PCA
    begins_as_pca = any(isinstance(layer, Skip) for layer in model.network.encoder)
    an_epoch = _steps_an_epoch(model)
    independent = bool(model.network.condition) and settings["independence"] > 0
    if independent:
        attempt = "that is the price of independence (--independence); a smaller one reconstructs better"
    elif not compresses or settings["penalty"] is not None:
        attempt = "that is the price of the bottleneck or the penalty; 'plain' and no penalty reconstruct best"
    elif not begins_as_pca:
        attempt = "structure='skip' (--structure skip) begins as PCA"
    elif len(record.history["loss"]) * an_epoch < LEAST_STEPS:
        epochs = math.ceil(LEAST_STEPS / an_epoch)
        attempt = f"epochs={epochs} (--epochs {epochs})"
    else:
        attempt = "more rows, or fewer latents; for so few rows PCA may be the better choice"
    what = f"PCA reconstructs better: its error is {pca_error:.4g}, that of the model {error:.4g}"
    return Finding(what, attempt, serious=compresses and settings["penalty"] is None and not independent)


def _steps_an_epoch(model: Model) -> int:
    batch_size: int = model.record.settings["batch_size"]
    return math.ceil(model.record.rows / batch_size)


def _collapse(inputs: RuleInputs) -> Finding | None:
    if not inputs.model.network.bottleneck.is_stochastic:
        return None
    mean, log_var = generating.posterior(inputs.model, inputs.rows)
    divergence = gaussian_kl(mean, log_var, np).mean(axis=0)
    silent = int((divergence < INACTIVE).sum())
    if divergence.sum() < COLLAPSED:
        return Finding(
            f"posterior collapse: {silent} of {mean.shape[1]} latents carry no information, all of "
            f"them together {divergence.sum():.2g} nats",
            "a smaller beta, warmup_epochs of a fifth of the epochs, or free_nats=0.1",
        )
    if silent <= mean.shape[1] / 4:
        return None
    # A variational network does not use latents that it does not need; that is not a fault of the training.
    needed = mean.shape[1] - silent
    return Finding(f"{silent} of {mean.shape[1]} latents are not used", f"latent_dim={needed} may do as well")


def _dead_latents(inputs: RuleInputs) -> Finding | None:
    bottleneck = inputs.model.network.bottleneck
    if bottleneck.is_stochastic or bottleneck.codes_per_row or len(inputs.latents) < 10:
        return None
    spread = inputs.latents.std(axis=0)
    dead = int((spread <= INACTIVE * spread.max()).sum())
    if not dead:
        return None
    attempts = ["a smaller learning rate", "or fewer latents"]
    if bottleneck.is_sparse:
        attempts = ["a smaller weight", *attempts]
    elif getattr(bottleneck, "activation", "linear") != "linear":
        attempts = ["bottleneck_activation='linear'", *attempts]
    tried = ", ".join(attempts) if len(attempts) > 2 else " ".join(attempts)
    return Finding(f"{dead} of {len(spread)} latents are the same for all rows", tried)


def _dead_codes(inputs: RuleInputs) -> Finding | None:
    groups = inputs.model.network.bottleneck.codes_per_row
    if not groups:
        return None
    codes, size = inputs.model.weights["bottleneck/book"].shape
    used = len(np.unique(inputs.latents.reshape(-1, size), axis=0))
    possible = min(codes, len(inputs.latents) * groups)
    if used >= possible / 4:
        return None
    return Finding(f"{used} of {codes} codes are used", "fewer codes, more groups, or more epochs")


def _more_latents_than_needed(inputs: RuleInputs) -> Finding | None:
    size = inputs.latents.shape[1]
    bottleneck = inputs.model.network.bottleneck
    if bottleneck.codes_per_row or bottleneck.is_sparse or len(inputs.latents) < 5 * size or size < 4:
        return None
    variances = np.linalg.svd(inputs.latents - inputs.latents.mean(axis=0), compute_uv=False) ** 2
    if not variances.sum():
        return None
    needed = int(np.searchsorted(np.cumsum(variances) / variances.sum(), NEEDED)) + 1
    if needed > size / 2:
        return None
    return Finding(f"{size} latents lie in {needed} directions", f"latent_dim={needed} may do as well")


def _over_fitting(inputs: RuleInputs) -> Finding | None:
    train, held = _curves(inputs)
    best = inputs.model.record.best_epoch - 1
    if held is None or best < 1:
        return None
    gap, rise, learnt = held[best] - train[best], held[-1] - min(held), train[0] - train[best]
    least = max(OVER_FITTED * learnt, APART * abs(held[best]))
    if learnt <= 0 or gap < least or rise < RISEN * learnt or _gives_one_row_for_all(inputs):
        return None
    return Finding(
        f"over-fitting: the validation loss is {held[best]:.4g}, the training loss {train[best]:.4g}",
        "fewer latents or narrower layers, a corruption such as 'masking:0.2', or more rows",
    )


def _gives_one_row_for_all(inputs: RuleInputs) -> bool:
    rows, given = (
        np.nan_to_num(in_units_of_the_network(inputs.model, each)).var(axis=0, dtype=np.float64).sum()
        for each in (inputs.rows, inputs.model.reconstruct(inputs.rows))
    )
    return bool(given < CONSTANT_OUTPUT * rows)


def _under_training(inputs: RuleInputs) -> Finding | None:
    train, held = _curves(inputs)
    curve = held or train
    an_epoch = _steps_an_epoch(inputs.model)
    few = len(curve) * an_epoch < LEAST_STEPS
    # Twice as many; and where these are few steps, as many as the default would be.
    more = f"epochs={max(10, 2 * len(curve), math.ceil(LEAST_STEPS / an_epoch) if few else 0)}"
    if len(curve) == 1:
        return Finding("training ended after one epoch", more)
    if inputs.model.record.best_epoch < len(curve) - len(curve) // 5:
        return None
    learnt, end = curve[0] - min(curve), len(curve) - 1
    if inputs.model.record.settings["learning_rate_schedule"] == "cosine":
        # A rate that falls to 0 flattens the end of the curve, even if more could be learnt; half-way it says more.
        lately, share = curve[end // 4] - curve[end // 2], STILL_LEARNING_HALF_WAY
    else:
        lately, share = curve[end - max(1, len(curve) // 10)] - curve[end], STILL_LEARNING
    if learnt <= 0 or lately < share * learnt:
        return None
    return Finding("training ended while the loss still fell", more, serious=few and lately > SERIOUS * abs(curve[end]))


def _unscaled(inputs: RuleInputs) -> Finding | None:
    if inputs.model.adapter.is_table:
        return None  # each column is scaled by its own distribution
    tensors = inputs.model.adapter.adapt(inputs.rows)
    if tensors.ndim == 4 and tensors.shape[3] == 1 and not inputs.model.adapter.bounded:
        spreads = tensors[..., 0].std(axis=(0, 1), dtype=np.float64)  # of each column of the image
        spreads = spreads[spreads > 0]
        if len(spreads) and spreads.max() > UNEVEN * spreads.min():
            return Finding(
                f"columns of the last axis share one scale, but some vary {spreads.max() / spreads.min():.0f} times as "
                f"much as others",
                "if they are channels of a series, series=True (--series) scales each by itself",
            )
    if tensors.ndim == 2 and not inputs.model.adapter.bounded:
        far = np.abs(tensors).max(axis=0)
        if far.max() > FAR_OFF:
            return Finding(
                f"column {int(far.argmax())} has a value {far.max():.0f} standard deviations from its mean",
                "reconstruction_loss='huber', or a logarithm of that column",
            )
    return None


def _loss_that_does_not_fit(inputs: RuleInputs) -> Finding | None:
    model = inputs.model
    if model.record.loss_reason != "asked for" or model.loss.kind not in OF_THE_CHOICE:
        return None
    known = Statistics.of(inputs.rows)
    mean, variance = known.overall
    widest = known.widest
    fits = losses.choose(known.low.min() / widest, known.high.max() / widest, mean / widest, variance / widest**2)
    if fits.loss.kind == model.loss.kind:
        return None
    return Finding(
        f"the {model.loss.kind} loss was asked for, but {fits.reason}", f"reconstruction_loss={fits.loss.kind!r}"
    )


def _curves(inputs: RuleInputs) -> tuple[Sequence[float], Sequence[float] | None]:
    history = inputs.model.record.history
    # The penalty is left out: it may grow while a warm-up lasts.
    train = history.get("reconstruction", history["loss"])
    return train, history.get("val_reconstruction", history.get("val_loss"))


OF_THE_CHOICE = ("bernoulli", "gaussian")  # whoever asks for another has a reason

# The most important first.
RULES: tuple[Callable[[RuleInputs], Finding | None], ...] = (
    _loss_that_does_not_fit,
    _unscaled,
    _collapse,
    _dead_latents,
    _dead_codes,
    _over_fitting,
    _under_training,
    _more_latents_than_needed,
)
