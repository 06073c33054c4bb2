"""A learning-rate range test: one short training whose rate rises until the loss does.

Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186. Order: the result, the
test.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from diabolo import fitting
from diabolo.errors import DivergedError
from diabolo.model.settings import seed_of
from diabolo.network import optimizers
from diabolo.search.study import in_memory, with_latents
from diabolo.training.engines import Compiled, Job
from diabolo.training.progress import Progress
from diabolo.typing import RandomState

STEPS = 300  # over which the rate rises
BELOW, ABOVE = 1e-3, 1e3  # where it begins and ends, in units of the rate that suits the optimizer
WORSE = 2.0  # times the lowest loss: the test ends
SMOOTH = 10  # steps over which the loss is averaged
RATE_DIVISOR = 4.0  # the rate of the lowest loss is divided by this, because at that rate training is about to diverge


class RangeTest(NamedTuple):
    """The result of a range test.

    Attributes:
        learning_rate: a quarter of the rate with the lowest loss.
        rates: the rates that were tried, rising.
        losses: the mean loss per row, in nats, over ten steps, of which the last had this rate.
    """

    learning_rate: float
    rates: list[float]
    losses: list[float]


def range_test(
    X: object, *, optimizer: str = "adamw:0.1", random_state: RandomState = None, **settings: Any
) -> RangeTest:
    """Let the learning rate rise over a few hundred steps, and return a rate that suits.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        optimizer: whose rate is looked for.
        random_state: the seed.
        settings: of the `Autoencoder`.

    Raises: DataError, ShapeError, OptionError for bad input; DivergedError where the first step diverges.
    """
    opened = in_memory(X, settings, own=("epochs", "patience", "learning_rate", "learning_rate_schedule", "optimizer"))
    start = optimizers.check(optimizer, None, "constant") * BELOW
    ratio = (ABOVE / BELOW) ** (1 / STEPS)
    fixed = {"optimizer": optimizer, "random_state": seed_of(random_state), "validation_fraction": 0, "patience": 0}
    asked = with_latents(opened, settings | fixed)
    prepared = fitting.prepare(opened, asked)
    batch_size = min(asked.batch_size, prepared.rows)

    def rising(job: Job) -> Any:
        import keras

        rate = keras.optimizers.schedules.ExponentialDecay(start, decay_steps=1, decay_rate=ratio)
        return optimizers.make(optimizer, rate, "constant", STEPS)

    epochs = math.ceil(STEPS / math.ceil(prepared.rows / batch_size))
    engine = Compiled(compile=False, steps_a_call=1, epochs=epochs, optimizer=rising)
    losses: list[float] = []
    with suppress(_Enough, DivergedError):
        fitting.fit(prepared, asked, engine=engine, report=_collect(losses, batch_size, prepared.rows))
    if not losses:
        raise DivergedError(
            "the loss is not finite before the first step: choose another activation, or scale the rows."
        )
    kernel = min(SMOOTH, len(losses))
    smooth = np.convolve(np.array(losses), np.full(kernel, 1 / kernel), mode="valid")
    rates = start * ratio ** np.arange(kernel - 1, len(losses))
    best = float(rates[int(np.argmin(smooth))])
    return RangeTest(float(f"{best / RATE_DIVISOR:.2g}"), rates.tolist(), smooth.tolist())


class _Enough(Exception):
    """The loss has risen far enough."""


def _collect(losses: list[float], batch_size: int, rows: int) -> Callable[[Progress], None]:
    """Return a report that appends the loss of each step to a list, and raises _Enough at the end of the test."""
    before, least = 0.0, math.inf

    def watch(progress: Progress) -> None:
        # A loss is the mean of the epoch so far: the difference of the sums is that of one step.
        nonlocal before, least
        before = 0.0 if progress.step == 1 else before
        so_far = min(progress.step * batch_size, rows)
        size = so_far - (progress.step - 1) * batch_size
        total = progress.loss * so_far
        loss = (total - before) / size
        before = total
        if not math.isfinite(loss):
            raise _Enough
        losses.append(loss)
        latest = float(np.mean(losses[-SMOOTH:]))
        if len(losses) >= SMOOTH:
            least = min(least, latest)
        if len(losses) >= STEPS or latest - least > (WORSE - 1) * abs(least):
            raise _Enough

    return watch
