"""Whether XLA compiles the training: decided before it starts, because XLA is faster for some networks only.

XLA fuses operations that TensorFlow runs one by one, which makes small dense networks three times as fast. Its
convolutions and loops are slower than those of TensorFlow on a CPU, and compiling takes seconds. So:

- little work: no XLA, for any network;
- only dense layers, normalisation, activations and dropout: XLA, without timing it, so that the seed alone decides the
  bits of the result;
- any other layer: if the training is long enough, both are timed on the real step; the state is restored afterwards.

Order: constants, the choice, its rules, the timing.
"""

import math
import time
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from diabolo.data.windows import Window, Windows
from diabolo.network.backends.keras import layers as keras_layers
from diabolo.training.program import Program, Steps, on_device

# The time of compiling, and the time that a compiled step saves: fewer calls, and fewer passes over memory for each
# weight that is updated and each output of a layer. Measured on two cores, seconds per epoch with XLA and without:
# MNIST, 784-128, batches of 64: 0.39 and 0.86, of 512: 0.26 and 0.42 to 0.63; half of MNIST, 784-1000-500-250-30,
# batches of 256: 1.6 and 2.3. The three SECONDS_SAVED below are fitted to these by eye.
SECONDS_TO_COMPILE = 1.5
SECONDS_SAVED_A_STEP = 4e-4
SECONDS_SAVED_A_WEIGHT = 1.2e-9
SECONDS_SAVED_AN_OUTPUT = 2.5e-9

# Timing needs two programs: seconds for dense networks, up to half a minute of compiling for deep convolutional ones.
SECONDS_WORTH_A_TRIAL = 60.0
TRIAL_STEPS = 4
FASTER_BY = 1.15  # XLA must be faster by more than the noise of a shared machine

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
    """Whether XLA compiles the program, and why."""

    compiled: bool
    reason: str


def choose(
    forced: bool | None, model: keras.Model, steps: Steps, windows: Windows, batch_size: int, *, epochs: int
) -> tuple[Program, Choice]:
    """Return the program to train with, and the choice with its reason.

    Args:
        forced: True or False makes the choice; None leaves it to the rules above.
        model: the network that is trained.
        steps: what the program repeats.
        windows: the training rows.
        batch_size: rows per step.
        epochs: epochs to train.
    """
    ahead = epochs * math.ceil(windows.rows / batch_size)
    if forced is not None:
        choice = Choice(forced, "asked for")
    elif not pays(ahead, model, batch_size) and not _heavy(model, batch_size):
        choice = Choice(False, f"{ahead:,} steps are too few to pay for compiling")
    elif settled(model):
        choice = Choice(True, "dense layers are faster in XLA")
    else:
        return _time_both(steps, windows, batch_size, ahead)
    return Program(steps, batch_size, compiled=choice.compiled), choice


def settled(model: keras.Model) -> bool:
    """Whether the choice for this network needs no timing, so that the seed alone decides the bits."""
    return all(isinstance(layer, FAST_IN_XLA) for layer in _layers(model))


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]


def pays(steps: int, model: keras.Model, batch_size: int) -> bool:
    """Whether this number of steps saves more time than compiling takes."""
    # A vector of weights (bias or scale) is as long as the output of its layer for one row.
    outputs = batch_size * sum(weight.shape[0] for weight in model.trainable_variables if len(weight.shape) == 1)
    saved = SECONDS_SAVED_A_STEP + SECONDS_SAVED_A_WEIGHT * model.count_params() + SECONDS_SAVED_AN_OUTPUT * outputs
    return bool(steps * saved > SECONDS_TO_COMPILE)


def _heavy(model: keras.Model, batch_size: int) -> bool:
    """Whether a step may take so long that timing a few is worthwhile, estimated from weights and rows."""
    return bool(batch_size * model.count_params() > 1 << 30)


def _time_both(steps: Steps, windows: Windows, batch_size: int, ahead: int) -> tuple[Program, Choice]:
    plain = Program(steps, batch_size, compiled=False)
    window = on_device(next(windows.epoch(0)))
    if window.rows < batch_size * TRIAL_STEPS:
        return plain, Choice(False, "too few rows for a trial")
    before = [np.asarray(variable) for variable in steps.variables()]
    try:
        plain_seconds = _seconds_a_step(plain, window)
        if ahead * plain_seconds < SECONDS_WORTH_A_TRIAL:
            return plain, Choice(False, f"{ahead * plain_seconds:.0f} s of work are too little to try XLA")
        compiled = Program(steps, batch_size, compiled=True)
        try:
            compiled_seconds = _seconds_a_step(compiled, window)
        except tf.errors.OpError as error:  # XLA lacks some operations
            return plain, Choice(False, f"XLA cannot compile it ({error.message.splitlines()[0]:.80})")
    finally:
        for variable, value in zip(steps.variables(), before, strict=True):
            variable.assign(value)
    evidence = f"{1e3 * compiled_seconds:.1f} ms a step with XLA, {1e3 * plain_seconds:.1f} without"
    if compiled_seconds * FASTER_BY < plain_seconds:
        return compiled, Choice(True, evidence)
    return plain, Choice(False, evidence)


def _seconds_a_step(program: Program, window: Window) -> float:
    program.run(window, 0, 1)  # traces and compiles the program
    best = math.inf
    for _ in range(2):
        started = time.perf_counter()
        program.run(window, 0, TRIAL_STEPS)
        best = min(best, (time.perf_counter() - started) / TRIAL_STEPS)
    return best
