"""How missing numbers of a table are filled in: by the network, and by what is left in the other cells of the row.

What goes through a few latents has lost much of what the known cells of a row say about a missing one. So the number
that the network expects is one of the inputs of a linear regression, and the other cells of the row are the others.
`diabolo.fitting.completing` learns it. Order: the facts, filling in.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diabolo.data.adapters import TableAdapter
from diabolo.data.adapters.features import Number
from diabolo.errors import OptionError
from diabolo.network import links
from diabolo.network.losses import Mixed

if TYPE_CHECKING:
    from diabolo.model.model import Model

INTERCEPT, EXPECTED, SPREAD, FIRST = range(4)  # columns of the kernel
ROUNDS = 3  # in which the missing cells of a row are filled in again from the others; more rounds drift away

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Completion:
    """A linear regression for each number of a table, standardised.

    Attributes:
        kernel: (numbers, 3 + values): for each number its intercept, the weight of the number that the network expects,
            the standard deviation of what is left, and the weights of all values of the row, 0 for its own.
    """

    kernel: Floats

    def check(self, numbers: int, values: int) -> None:
        """Raise OptionError where it is not for a table of so many numbers among so many values."""
        if self.kernel.shape != (numbers, FIRST + values):
            raise OptionError(
                f"completion: kernel must have shape {(numbers, FIRST + values)}, got {self.kernel.shape}."
            )
        if np.diagonal(self.kernel[:, FIRST:]).any():
            raise OptionError("completion: kernel must be 0 where a number would be computed from itself.")
        if (self.kernel[:, SPREAD] < 0).any():
            raise OptionError("completion: kernel must hold standard deviations of at least 0.")


def numbers_of(model: "Model") -> int:
    """Return how many numbers of a row the regressions are for: those with a squared error, at the start of a row."""
    return model.loss.gaussian if isinstance(model.loss, Mixed) and model.loss.flags else 0


def expected_of(loss: Mixed, raw: np.ndarray[Any, Any]) -> Floats:
    """Return what is expected of each value: a number, an expected count, the probability of a level, (n, values)."""
    expected = loss.reconstruction(raw.astype(np.float64))[:, : len(loss.factors)]
    for span in loss.spans[3:]:
        expected[:, span] = links.softmax(expected[:, span])
    return np.asarray(expected)


def standardised(adapter: TableAdapter, loss: Mixed, values: np.ndarray[Any, Any]) -> Floats:
    """Return values (n, values) with numbers that are scaled by quantiles in the network standardised instead.

    A regression of such a number would have the least error between quantiles, and not in the units of the column.
    """
    changed = np.array(values, np.float64)
    for at, feature in _by_quantiles(adapter, loss):
        changed[:, at] = (feature.from_tensor(changed[:, at : at + 1]) - feature.center) / feature.scale
    return changed


def _by_quantiles(adapter: TableAdapter, loss: Mixed) -> list[tuple[int, Number]]:
    features = [(at, adapter.features[loss.owners[at]]) for at in range(loss.gaussian)]
    return [(at, each) for at, each in features if isinstance(each, Number) and each.knots and each.scale]


def first_filled(
    adapter: TableAdapter, loss: Mixed, tensors: np.ndarray[Any, Any], expected: Floats
) -> tuple[Floats, np.ndarray[Any, Any]]:
    """Return the standardised values of rows, what is expected in the place of missing ones, and which are missing.

    Args: tensors: rows (n, values + flags); expected: (n, values), standardised.
    """
    wide = len(loss.factors)
    missing = tensors[:, wide:][:, np.asarray(loss.owners)] == 1
    return np.where(missing, expected, standardised(adapter, loss, tensors[:, :wide])), missing


def fill(
    completion: Completion,
    adapter: TableAdapter,
    loss: Mixed,
    tensors: np.ndarray[Any, Any],
    raw: np.ndarray[Any, Any],
    draw: np.random.Generator | None = None,
) -> Floats:
    """Return the linked outputs of the network, (n, values), with missing numbers filled in by the regressions.

    Args:
        completion: the regressions.
        adapter: of the table.
        loss: of the table.
        tensors: rows (n, values + flags).
        raw: the outputs of the decoder for them.
        draw: for one of the values that are likely, in place of the expected one.
    """
    expected = standardised(adapter, loss, expected_of(loss, raw))
    filled, missing = first_filled(adapter, loss, tensors, expected)
    kernel = completion.kernel
    for _ in range(ROUNDS):
        for at, weights in enumerate(kernel):
            rows = np.flatnonzero(missing[:, at])
            if len(rows):
                known = weights[INTERCEPT] + weights[EXPECTED] * expected[rows, at] + filled[rows] @ weights[FIRST:]
                filled[rows, at] = known if draw is None else known + weights[SPREAD] * draw.standard_normal(len(rows))
    for at, feature in _by_quantiles(adapter, loss):
        filled[:, at] = feature.to_tensor(feature.center + feature.scale * filled[:, at])[:, 0]
    shown = np.asarray(loss.linked(raw), np.float64) if draw is None else _drawn(loss, raw, draw)
    shown[:, : len(kernel)] = np.where(missing[:, : len(kernel)], filled[:, : len(kernel)], shown[:, : len(kernel)])
    return shown


def _drawn(loss: Mixed, raw: np.ndarray[Any, Any], draw: np.random.Generator) -> Floats:
    """Return linked outputs, of which counts, booleans and levels are drawn by their probabilities."""
    shown = np.asarray(loss.linked(raw), np.float64)
    _, counts, booleans, *categories = loss.spans
    shown[:, counts] = draw.poisson(shown[:, counts])
    shown[:, booleans] = draw.random(shown[:, booleans].shape) < shown[:, booleans]
    for span in categories:  # the largest of logarithms of probabilities with Gumbel noise is a draw
        shown[:, span] += draw.gumbel(size=shown[:, span].shape)
    return shown
