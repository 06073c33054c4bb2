"""XLA or not: decided before the training, because it pays for some networks and costs for others.

XLA fuses what TensorFlow runs one by one, which makes small dense networks three times as fast; its own convolutions
and loops are slower than TensorFlow's on a processor; and compiling costs seconds. So:

- little work: no XLA, whatever the network;
- dense layers, normalisation, activations, dropout alone: XLA, without a trial, so that a seed alone decides the bits;
- any other layer: both are timed on the real step, with the state put back afterwards, if the work ahead pays for it.
"""

import math
import time
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from diabolo.data.windows import Window, Windows
from diabolo.network.backends.keras import layers as keras_layers
from diabolo.training.program import Program, Steps, on_device

# What compiling costs, and what a compiled step saves: the calls that are left out, and the passes over memory for each
# weight that is updated and each number that a layer gives. Seen on two cores, seconds an epoch with XLA and without:
# MNIST, 784-128, batches of 64 0.39 and 0.86, of 512 0.26 and 0.42 to 0.63; half of MNIST, 784-1000-500-250-30, batches
# of 256 1.6 and 2.3. The three numbers below are fitted to these by eye.
SECONDS_TO_COMPILE = 1.5
SECONDS_SAVED_A_STEP = 4e-4
SECONDS_SAVED_A_WEIGHT = 1.2e-9
SECONDS_SAVED_A_NUMBER = 2.5e-9

# A trial costs two programs: seconds for dense networks, up to half a minute of compiling for deep convolutional ones.
SECONDS_WORTH_A_TRIAL = 60.0
TRIAL_STEPS = 4
FASTER_BY = 1.15  # XLA must win by more than the noise of a shared machine

FAST_IN_XLA = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Dropout,
    keras_layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Reshape,
)


class Choice(NamedTuple):
    """Whether XLA makes the program, and why."""

    compiled: bool
    reason: str


def choose(
    forced: bool | None, model: keras.Model, steps: Steps, windows: Windows, batch_size: int, *, epochs: int
) -> tuple[Program, Choice]:
    """Return the program to train with and the reason for it.

    Args: forced: True or False makes the choice; None leaves it to the rules above.
    """
    ahead = epochs * math.ceil(windows.rows / batch_size)
    if forced is not None:
        choice = Choice(forced, "asked for")
    elif not pays(ahead, model, batch_size) and not _heavy(model, batch_size):
        choice = Choice(False, f"{ahead:,} steps are too few to pay for compiling")
    elif settled(model):
        choice = Choice(True, "dense layers are faster in XLA")
    else:
        return _trial(steps, windows, batch_size, ahead)
    return Program(steps, batch_size, compiled=choice.compiled), choice


def settled(model: keras.Model) -> bool:
    """Whether no clock is asked for a network, so that a seed alone decides the bits."""
    return all(isinstance(layer, FAST_IN_XLA) for layer in _layers(model))


def _layers(model: keras.Model) -> list[Any]:
    return [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]


def pays(steps: int, model: keras.Model, batch_size: int) -> bool:
    """Whether so many steps are worth compiling for."""
    # A vector of weights, bias or scale, is as long as what its layer gives for one row.
    numbers = batch_size * sum(weight.shape[0] for weight in model.trainable_variables if len(weight.shape) == 1)
    saved = SECONDS_SAVED_A_STEP + SECONDS_SAVED_A_WEIGHT * model.count_params() + SECONDS_SAVED_A_NUMBER * numbers
    return bool(steps * saved > SECONDS_TO_COMPILE)


def _heavy(model: keras.Model, batch_size: int) -> bool:
    """Whether a step may take so long that even a few are worth a trial; weights and rows are all that is known."""
    return bool(batch_size * model.count_params() > 1 << 30)


def _trial(steps: Steps, windows: Windows, batch_size: int, ahead: int) -> tuple[Program, Choice]:
    plain = Program(steps, batch_size, compiled=False)
    window = on_device(next(windows.epoch(0)))
    if window.rows < batch_size * TRIAL_STEPS:
        return plain, Choice(False, "too few rows for a trial")
    kept = [np.asarray(variable) for variable in steps.variables()]
    try:
        plain_seconds = _seconds_a_step(plain, window)
        if ahead * plain_seconds < SECONDS_WORTH_A_TRIAL:
            return plain, Choice(False, f"{ahead * plain_seconds:.0f} s of work are too little to try XLA")
        compiled = Program(steps, batch_size, compiled=True)
        try:
            compiled_seconds = _seconds_a_step(compiled, window)
        except tf.errors.OpError as error:  # some operations have no XLA form
            return plain, Choice(False, f"XLA cannot compile it ({error.message.splitlines()[0]:.80})")
    finally:
        for variable, value in zip(steps.variables(), kept, strict=True):
            variable.assign(value)
    evidence = f"{1e3 * compiled_seconds:.1f} ms a step with XLA, {1e3 * plain_seconds:.1f} without"
    if compiled_seconds * FASTER_BY < plain_seconds:
        return compiled, Choice(True, evidence)
    return plain, Choice(False, evidence)


def _seconds_a_step(program: Program, window: Window) -> float:
    program.run(window, 0, 1)  # makes the program
    best = math.inf
    for _ in range(2):
        started = time.perf_counter()
        program.run(window, 0, TRIAL_STEPS)
        best = min(best, (time.perf_counter() - started) / TRIAL_STEPS)
    return best
