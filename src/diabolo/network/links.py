"""Links: functions from the raw numbers of a decoder to a reconstruction.

`LINKS` is the table of them in NumPy, under the names that Keras and the ONNX builder have for the same activations;
`SLOPES` has those that treat each number separately, as nodes of an ONNX graph with their derivatives.
Functions with an argument `xp` also run in training: it is `numpy` or `keras.ops`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from diabolo.network.tensors import Array, Backend, Tensor

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.values import Values

MOST_LOG_RATE = 50.0  # exp() overflows float32 above 88; the rest is room for factors
MOST_LOGIT = 60.0  # exp() of the negative stays within float32, and the sigmoid is 1 to its last digit


def linear(raw: Array) -> Array:
    """Return the raw numbers as they are."""
    return raw


def sigmoid(raw: Array) -> Array:
    """Return 1 / (1 + exp(-raw)) in NumPy, without overflow on either side."""
    return np.asarray(np.exp(-np.logaddexp(0, -raw)))


def clipped_sigmoid(raw: Tensor, xp: Backend) -> Tensor:
    """Return 1 / (1 + exp(-raw)), in fewer operations than `sigmoid` and as exact in float32."""
    return 1 / (1 + xp.exp(-xp.clip(raw, -MOST_LOGIT, MOST_LOGIT)))


def softmax(raw: Array) -> Array:
    """Return probabilities along the last axis, in NumPy, without overflow."""
    shares = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def minus_log_softmax(raw: Tensor, xp: Backend) -> Tensor:
    """Return -log(softmax(raw)) along the last axis, exact also where the probability rounds to 0."""
    raw = raw - xp.max(raw, axis=-1, keepdims=True)
    return xp.log(xp.sum(xp.exp(raw), axis=-1, keepdims=True)) - raw


def rate(raw: Tensor, xp: Backend) -> Tensor:
    """Return exp(raw), the expected count, without overflow."""
    return xp.exp(xp.minimum(raw, MOST_LOG_RATE))


def exponential(raw: Array) -> Array:
    """Return exp(raw) in NumPy."""
    return np.asarray(np.exp(raw))


LINKS: dict[str, Callable[[Array], Array]] = {
    "linear": linear,
    "sigmoid": sigmoid,
    "exponential": exponential,
    "softmax": softmax,
}


def _linear_slope(raw: "Values") -> "tuple[Values, None]":
    return raw, None


def _sigmoid_slope(raw: "Values") -> "tuple[Values, Values]":
    share = raw.sigmoid()
    return share, share * (1.0 - share)


def _exponential_slope(raw: "Values") -> "tuple[Values, Values]":
    expected = raw.clip(None, MOST_LOG_RATE).exp()
    return expected, expected


# The reconstruction, and its derivative with respect to the raw number; None: 1.
SLOPES: "dict[str, Callable[[Values], tuple[Values, Values | None]]]" = {
    "linear": _linear_slope,
    "sigmoid": _sigmoid_slope,
    "exponential": _exponential_slope,
}
