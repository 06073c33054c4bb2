"""Which columns make a row an anomaly: each column is hidden in turn and predicted from the others by the network.

The score of a column is how much lower the loss of the row would be if the column had the predicted value. A wrong cell
makes the reconstruction of other columns worse too, so that the residual of each column would often blame the wrong
one. A detector that found linear regressions to be better uses those instead: see linear.py.
"""

from typing import Any

import numpy as np

from diabolo.anomaly import linear
from diabolo.anomaly.linear import ByColumn
from diabolo.data.adapters import Rows
from diabolo.model.detection import Detection
from diabolo.model.model import Model

ROWS_AT_ONCE = 8_192  # each with one column hidden
PREDICTION_ROUNDS = 8  # how often a cell is predicted if no flag marks it as hidden
MAX_COLUMNS = 512  # columns; rows with more of them, such as images, get the squared residuals instead

Floats = np.ndarray[Any, np.dtype[np.float64]]


def by_column(model: Model, rows: Rows) -> ByColumn:
    """Return how much each column adds to the reconstruction loss of each row, and its predicted value.

    Rows with more than 512 columns get their squared residuals and their reconstruction instead.

    Args: rows: (n, *row_shape), from `Model.checked`.
    """
    detection = model.detection
    if isinstance(detection, Detection) and detection.linear and linear.suits(model, detection):
        return linear.by_column(model, detection, model.adapter.within(rows))
    columns, rows = int(np.prod(model.adapter.row_shape)), model.adapter.within(rows)
    if columns > MAX_COLUMNS:
        return _squared_residuals(model, rows, columns)
    scores, expected = np.empty((len(rows), columns)), np.empty((len(rows), columns))
    at_once = max(1, ROWS_AT_ONCE // columns)
    for start in range(0, len(rows), at_once):
        target = model.adapter.adapt(rows[start : start + at_once], first_row=start)
        predicted, corrected = _predicted(model, target, columns)
        expected[start : start + at_once] = predicted
        whole = model.loss_from_raw(target, model.raw_outputs(target))
        each = [model.loss_from_raw(one, model.raw_outputs(one)) for one in corrected]
        scores[start : start + at_once] = whole[:, None] - np.stack(each, axis=1)
        missing = np.isnan(rows[start : start + at_once].reshape(len(target), columns))
        scores[start : start + at_once][missing] = 0  # a missing value is not an anomaly
    return ByColumn(scores, expected)


def _predicted(model: Model, target: Rows, columns: int) -> tuple[Floats, list[Rows]]:
    """Return the predicted value of each cell, (n, columns), and for each column the tensors with it predicted."""
    adapter, flat = model.adapter, target.reshape(len(target), -1)
    predicted, corrected = np.empty((len(target), columns)), []
    given = () if model.condition is None else model.condition.columns
    for column in range(columns):
        if column in given:  # it is not predicted, and no anomaly
            predicted[:, column] = adapter.restore(flat)[:, column]
            corrected.append(target)
            continue
        place, flag = adapter.cell(column)
        hidden = flat.copy()
        hidden[:, place] = 0
        if flag is not None:
            hidden[:, flag] = 1
        shown = model.apply_link(model.raw_outputs(hidden.reshape(target.shape)))
        for _ in range(0 if flag is not None else PREDICTION_ROUNDS):
            # Without a flag nothing marks the cell as hidden: its prediction is put there and predicted again, until it
            # agrees with the other columns.
            hidden[:, place] = _numbers(model, shown, column)
            shown = model.apply_link(model.raw_outputs(hidden.reshape(target.shape)))
        predicted[:, column] = adapter.restore(shown).reshape(len(target), -1)[:, column]
        now = flat.copy()
        now[:, place] = _numbers(model, shown, column)
        corrected.append(now.reshape(target.shape))
    return predicted, corrected


def _numbers(model: Model, shown: Rows, column: int) -> Rows:
    """Return the predicted value of a column as the network takes it, (n, width)."""
    return model.adapter.as_value(column, shown.reshape(len(shown), -1)[:, model.adapter.cell(column).numbers])


def _squared_residuals(model: Model, rows: Rows, columns: int) -> ByColumn:
    costs = np.square(model.residuals(rows), dtype=np.float64)
    expected = model.reconstruct(rows, where="explain()").reshape(len(rows), -1)
    channels = costs.shape[1] // columns
    return ByColumn(costs.reshape(len(rows), columns, channels).sum(axis=2), expected.astype(np.float64))
