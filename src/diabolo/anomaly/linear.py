"""Which columns make a row an anomaly, where columns are predicted better by a linear regression than by the network.

A narrow network does not know that two of many columns agree, and so does not say which one broke the correlation. The
ellipse of a detector holds a regression of each column on all others, and what a cell adds to the distance of its row.
With precision matrix P, and z the row minus the center, the cell j is predicted as z_j - (P z)_j / P_jj, and replacing
it lowers half of the squared Mahalanobis distance by (P z)_j**2 / (2 P_jj): both are exact for normal distributions.

Order: whether it suits the rows, whether it is better, the scores of cells.
"""

from typing import NamedTuple

import numpy as np

from diabolo.anomaly import scoring
from diabolo.data.adapters import Rows
from diabolo.data.adapters.array import FARTHEST
from diabolo.model.detection import Detection, Floats
from diabolo.model.model import Model

MOST = float(np.arcsinh(FARTHEST))  # standard deviations that are predicted, as their logarithm
TINY = 1e-12


class ByColumn(NamedTuple):
    """How much each column adds to the loss of each row, and its predicted value; (n, columns) both."""

    scores: Floats
    expected: Rows


def suits(model: Model, detection: Detection) -> bool:
    """Return whether every column is one number that is predicted, and the ellipse knows all directions."""
    if model.condition is not None:
        return False
    values, axes = detection.ellipse.axes.shape
    return len(model.adapter.row_shape) == 1 and values == axes == model.adapter.row_shape[0]


def is_better(model: Model, detection: Detection, rows: Rows, expected: Rows) -> bool:
    """Return whether the regressions predict the cells of training rows better than the network.

    Args: rows: (n, columns); expected: the predictions of the network.
    """
    if not suits(model, detection):
        return False
    rows, missing = model.adapter.within(rows), np.isnan(rows)
    there = _squashed(model, detection, rows)
    ours = np.abs(there - _split(detection, there).expected)
    theirs = np.abs(there - _squashed(model, detection, model.adapter.within(expected)))
    places, errors = _places(model), []
    for column in range(rows.shape[1]):
        known = ~missing[:, column]
        if known.any():
            errors.append([np.median(each[known, places[column]]) for each in (ours, theirs)])
    return bool(np.diff(np.log(np.array(errors) + TINY)).sum() > 0)


def by_column(model: Model, detection: Detection, rows: Rows) -> ByColumn:
    """Return how much each cell adds to half of the squared Mahalanobis distance of its row, and its predicted value.

    Args: rows: (n, columns) within the range of the model.
    """
    found, space, places = _split(detection, _squashed(model, detection, rows)), detection.space.values, _places(model)
    values = space.center + space.width * np.sinh(np.clip(found.expected, -MOST, MOST))
    scores = found.scores[:, places]
    scores[np.isnan(rows)] = 0  # a missing value is not an anomaly
    expected = model.adapter.restore(values.astype(np.float32)).reshape(len(rows), -1)
    return ByColumn(scores, expected.astype(np.float64))


def _split(detection: Detection, squashed: Floats) -> ByColumn:
    """Return the scores and predictions of squashed values, (n, values)."""
    shape = detection.ellipse
    precision = (shape.axes / shape.variances[:-1]) @ shape.axes.T
    own = np.maximum(np.diagonal(precision), TINY)
    pulls = (squashed - shape.center) @ precision
    return ByColumn(np.square(pulls) / (2 * own), squashed - pulls / own)


def _squashed(model: Model, detection: Detection, rows: Rows) -> Floats:
    values = model.loss.numbers(model.adapter.adapt(rows)).astype(np.float64)
    return scoring.squashed(detection.space, values)


def _places(model: Model) -> list[int]:
    """Return which value of a row each column is."""
    return [model.adapter.cell(column).numbers.start for column in range(model.adapter.row_shape[0])]
