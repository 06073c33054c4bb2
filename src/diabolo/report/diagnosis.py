"""What is the matter with a trained model, in words, and what to try: nothing where nothing is.

Each rule looks at one thing and gives a finding or none. Order: the finding, the diagnosis, the rules.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from diabolo.data.adapters import Rows, Statistics
from diabolo.inference import Model
from diabolo.network import losses
from diabolo.network.bottlenecks import Gaussian, Quantized, Sparse
from diabolo.network.bottlenecks.gaussian import gaussian_kl

ROWS = 2_000  # that are looked at: enough to see what is the matter
SAYS_NOTHING = 0.01  # nats of divergence, or share of the usual variance, below which a latent is taken for dead
NEEDED = 0.999  # of the variance of the latents: directions beyond it are not needed
STILL_LEARNING = 0.02  # of what was learnt in all, in the last tenth of the epochs
OVER_FITTED = 0.15  # that the loss of rows held back lies above that of training rows, as a share of what was learnt


class Finding(NamedTuple):
    """Something that is the matter, and what to try."""

    what: str
    attempt: str

    def __str__(self) -> str:
        return f"{self.what}: {self.attempt}."


class Look(NamedTuple):
    """What the rules look at."""

    model: Model
    rows: Rows
    latents: Rows


def diagnose(model: Model, rows: Rows) -> list[Finding]:
    """Return what is the matter with a model, seen on some of these rows, best ones that training never saw."""
    some = rows[:ROWS]
    look = Look(model, some, model.encode(some, where="diagnose()"))
    return [finding for rule in RULES if (finding := rule(look)) is not None]


def _collapse(look: Look) -> Finding | None:
    if not isinstance(look.model.network.bottleneck, Gaussian):
        return None
    mean, log_var = look.model.posterior(look.rows)
    silent = int((gaussian_kl(mean, log_var, np).mean(axis=0) < SAYS_NOTHING).sum())
    if silent <= mean.shape[1] / 4:
        return None
    return Finding(
        f"posterior collapse: {silent} of {mean.shape[1]} latents say nothing of a row",
        "fewer latents, a smaller beta, warmup_epochs of a fifth of the epochs, or free_nats=0.1",
    )


def _dead_latents(look: Look) -> Finding | None:
    if isinstance(look.model.network.bottleneck, (Gaussian, Quantized)) or len(look.latents) < 10:
        return None
    spread = look.latents.std(axis=0)
    dead = int((spread <= SAYS_NOTHING * spread.max()).sum())
    if not dead:
        return None
    attempt = (
        "a smaller weight" if isinstance(look.model.network.bottleneck, Sparse) else "bottleneck_activation='linear'"
    )
    return Finding(
        f"{dead} of {len(spread)} latents are the same for all rows",
        f"{attempt}, a smaller learning rate, or fewer latents",
    )


def _dead_codes(look: Look) -> Finding | None:
    part = look.model.network.bottleneck
    if not isinstance(part, Quantized):
        return None
    used = len(np.unique(look.latents.reshape(-1, part.latent_dim // part.groups), axis=0))
    possible = min(part.codes, len(look.latents) * part.groups)
    if used >= possible / 4:
        return None
    return Finding(f"{used} of {part.codes} codes are used", "fewer codes, more groups, or more epochs")


def _more_latents_than_needed(look: Look) -> Finding | None:
    size = look.latents.shape[1]
    if isinstance(look.model.network.bottleneck, (Quantized, Sparse)) or len(look.latents) < 5 * size or size < 4:
        return None
    variances = np.linalg.svd(look.latents - look.latents.mean(axis=0), compute_uv=False) ** 2
    if not variances.sum():
        return None
    needed = int(np.searchsorted(np.cumsum(variances) / variances.sum(), NEEDED)) + 1
    if needed > size / 2:
        return None
    return Finding(f"{size} latents lie in {needed} directions", f"latent_dim={needed} may do as well")


def _over_fitting(look: Look) -> Finding | None:
    train, held = _curves(look)
    best = look.model.record.best_epoch - 1
    if held is None or best < 1:
        return None
    gap, learnt = held[best] - train[best], train[0] - train[best]
    if learnt <= 0 or gap < OVER_FITTED * learnt:
        return None
    return Finding(
        f"over-fitting: the loss of rows held back is {held[best]:.4g}, of training rows {train[best]:.4g}",
        "fewer latents or narrower layers, a corruption such as 'masking:0.2', or more rows",
    )


def _under_training(look: Look) -> Finding | None:
    train, held = _curves(look)
    curve = held or train
    last = max(1, len(curve) // 10)
    # A rate that falls to 0 ends what could still be learnt; the last tenth of such a training says little.
    if len(curve) < 2 or look.model.record.best_epoch < len(curve):
        return None
    learnt, lately = curve[0] - curve[-1], curve[-1 - last] - curve[-1]
    if learnt <= 0 or lately < STILL_LEARNING * learnt:
        return None
    return Finding("training ended while the loss still fell", f"epochs={2 * len(curve)}")


def _loss_that_does_not_fit(look: Look) -> Finding | None:
    model = look.model
    known = Statistics.of(look.rows)
    mean, variance = known.overall
    widest = known.widest
    fits = losses.choose(known.low.min() / widest, known.high.max() / widest, mean / widest, variance / widest**2)
    chosen = model.record.loss_reason != "asked for" or model.loss.kind not in OF_THE_CHOICE
    if chosen or fits.loss.kind == model.loss.kind:
        return None
    return Finding(
        f"the {model.loss.kind} loss was asked for, but {fits.reason}", f"reconstruction_loss={fits.loss.kind!r}"
    )


def _curves(look: Look) -> tuple[Sequence[float], Sequence[float] | None]:
    history = look.model.record.history
    # The penalty is left out: it may grow while a warm-up lasts.
    train = history.get("reconstruction", history["loss"])
    return train, history.get("val_reconstruction", history.get("val_loss"))


OF_THE_CHOICE = ("bernoulli", "gaussian")  # any other was asked for with a reason

# The most telling first.
RULES: tuple[Callable[[Look], Finding | None], ...] = (
    _loss_that_does_not_fit,
    _collapse,
    _dead_latents,
    _dead_codes,
    _over_fitting,
    _under_training,
    _more_latents_than_needed,
)
