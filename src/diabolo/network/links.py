"""Links: functions from the raw numbers that a decoder ends in to a reconstruction.

`LINKS` is the table of them in NumPy, under the names that Keras and the ONNX builder have for the same activations.
Functions with an argument `xp` also run in training: it is `numpy` or `keras.ops`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

MOST_LOG_RATE = 50.0  # exp() overflows float32 above 88; the rest is room for what it is multiplied by
MOST_LOGIT = 60.0  # exp() of the negative stays within float32, and the sigmoid is 1 to its last digit


def linear(raw: Any) -> Any:
    """Return the raw numbers as they are."""
    return raw


def sigmoid(raw: Any) -> Any:
    """Return 1 / (1 + exp(-raw)) in NumPy, without overflow on either side."""
    return np.exp(-np.logaddexp(0, -raw))


def clipped_sigmoid(raw: Any, xp: Any) -> Any:
    """Return 1 / (1 + exp(-raw)), in fewer operations than `sigmoid` and as exact in float32."""
    return 1 / (1 + xp.exp(-xp.clip(raw, -MOST_LOGIT, MOST_LOGIT)))


def softmax(raw: Any) -> Any:
    """Return probabilities along the last axis, in NumPy, without overflow."""
    shares = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def minus_log_softmax(raw: Any, xp: Any) -> Any:
    """Return -log(softmax(raw)) along the last axis, exact also where the probability rounds to 0."""
    raw = raw - xp.max(raw, axis=-1, keepdims=True)
    return xp.log(xp.sum(xp.exp(raw), axis=-1, keepdims=True)) - raw


def rate(raw: Any, xp: Any) -> Any:
    """Return exp(raw), the expected count, without overflow."""
    return xp.exp(xp.minimum(raw, MOST_LOG_RATE))


LINKS: dict[str, Callable[[Any], Any]] = {
    "linear": linear,
    "sigmoid": sigmoid,
    "exponential": np.exp,
    "softmax": softmax,
}
