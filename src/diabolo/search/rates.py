"""A learning-rate range test: one short training whose rate rises until the loss does.

Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186. Order: what comes out, the
test.
"""

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from diabolo.autoencoder import Autoencoder, seed_of
from diabolo.errors import DivergedError
from diabolo.search.study import counted, in_memory
from diabolo.training import optimizers
from diabolo.training.progress import Progress

STEPS = 300  # that the rate rises over
BELOW, ABOVE = 1e-3, 1e3  # where it begins and ends, in units of the rate that suits the optimizer
WORSE = 2.0  # times the least loss: the test ends
SMOOTH = 10  # steps that a loss is the mean of
BACK = 4.0  # the rate of the least loss over the one that is advised: at the first it is about to break


class RangeTest(NamedTuple):
    """What a range test found.

    Attributes:
        learning_rate: a quarter of the one at which the loss was least.
        rates: that were tried, rising.
        losses: the mean of a row, in nats, over some steps before each.
    """

    learning_rate: float
    rates: list[float]
    losses: list[float]


def range_test(X: Any, *, optimizer: str = "adamw:0.1", random_state: Any = None, **settings: Any) -> RangeTest:
    """Let the learning rate rise over a few hundred steps, and return a rate that suits.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        optimizer: whose rate is looked for.
        random_state: the seed.
        settings: of the `Autoencoder`.

    Raises: DataError, ShapeError, OptionError for bad input; DivergedError where not one step ends in a finite loss.
    """
    seed = seed_of(random_state)
    opened = in_memory(X, settings, own=("epochs", "patience", "learning_rate", "learning_rate_schedule", "optimizer"))
    settings = counted(opened, {"latent_dim": None} | settings, seed)
    usual = optimizers.check(optimizer, None, "constant")
    low, ratio = usual * BELOW, (ABOVE / BELOW) ** (1 / STEPS)
    fixed = {"optimizer": optimizer, "random_state": seed, "validation_fraction": 0, "patience": 0, "verbose": False}
    work = _Rising(**settings | fixed)
    work.low, work.ratio, work.seen = low, ratio, []
    with suppress(_Enough, DivergedError):
        work.fit(opened)
    if not work.seen:
        raise DivergedError(
            "the loss is not finite before the first step: choose another activation, or scale the rows."
        )
    losses = np.array(work.seen)
    kernel = min(SMOOTH, len(losses))
    smooth = np.convolve(losses, np.full(kernel, 1 / kernel), mode="valid")
    rates = low * ratio ** np.arange(kernel - 1, len(losses))
    best = float(rates[int(np.argmin(smooth))])
    return RangeTest(float(f"{best / BACK:.2g}"), rates.tolist(), smooth.tolist())


class _Enough(Exception):
    """The loss has risen far enough."""


class _Rising(Autoencoder):
    """An estimator whose training is the test; `seen` gets the loss of each step."""

    low: float
    ratio: float
    seen: list[float]

    def _train(self, spec: Any, shard: Any, report: Any, **where: Any) -> Any:
        import keras

        from diabolo.training import loop

        rising = keras.optimizers.schedules.ExponentialDecay(self.low, decay_steps=1, decay_rate=self.ratio)
        rows = len(shard.rows)
        batch_size = min(spec.batch_size, rows)
        before, least = 0.0, math.inf

        def watch(progress: Progress) -> None:
            # Losses come as the mean of the epoch so far: what a step added is its own.
            nonlocal before, least
            before = 0.0 if progress.step == 1 else before
            so_far = min(progress.step * batch_size, rows)
            size = so_far - (progress.step - 1) * batch_size
            total = progress.loss * so_far
            loss = (total - before) / size
            before = total
            if not math.isfinite(loss):
                raise _Enough
            self.seen.append(loss)
            latest = float(np.mean(self.seen[-SMOOTH:]))
            if len(self.seen) >= SMOOTH:
                least = min(least, latest)
            if len(self.seen) >= STEPS or latest - least > (WORSE - 1) * abs(least):
                raise _Enough

        epochs = -(-STEPS // -(-rows // batch_size))
        optimizer = optimizers.make(str(self.optimizer), rising, "constant", STEPS)
        return loop.train(
            replace(spec, optimizer=optimizer, epochs=epochs, steps_a_call=1, compile=False), shard, watch
        )
