"""Learn how missing numbers of a table are filled in: see `diabolo.model.completion`."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from diabolo.data.adapters import Rows, TableAdapter
from diabolo.model.completion import (
    EXPECTED,
    FIRST,
    INTERCEPT,
    ROUNDS,
    SPREAD,
    Completion,
    expected_of,
    first_filled,
    numbers_of,
    standardised,
)
from diabolo.model.model import Model
from diabolo.network.losses import Mixed

if TYPE_CHECKING:
    from diabolo.model.completion import Floats

MOST_ROWS = 5_000
MOST_WORK = 3e9  # multiplications of all regressions: some seconds
LEAST_ROWS = 20


def with_completion(model: Model, rows: Rows) -> Model:
    """Return a model of a table with gaps that also fills in numbers by regression; any other model as it is.

    Args: rows: training rows, (n, columns).
    """
    numbers = numbers_of(model)
    if not numbers or not isinstance(model.loss, Mixed) or not isinstance(model.adapter, TableAdapter):
        return model
    values = len(model.loss.factors)
    count = int(min(MOST_ROWS, len(rows), MOST_WORK / (numbers * values**2)))
    if count < max(LEAST_ROWS, min(2 * values, len(rows))):
        return model  # too many columns: the network alone fills them in
    return replace(model, completion=_learnt(model, model.adapter, model.loss, rows[:count], numbers))


def _learnt(model: Model, adapter: TableAdapter, loss: Mixed, rows: Rows, numbers: int) -> Completion:
    from sklearn.linear_model import BayesianRidge

    tensors = adapter.adapt(rows)
    values = len(loss.factors)
    expected = standardised(adapter, loss, expected_of(loss, model.raw_outputs(tensors)))
    filled, missing = first_filled(adapter, loss, tensors, expected)
    hidden = np.zeros_like(expected)
    for at in range(numbers):
        hidden[:, at] = _expected_if_hidden(model, loss, tensors, at)
    hidden = standardised(adapter, loss, hidden)
    kernel = np.zeros((numbers, FIRST + values))
    for _ in range(ROUNDS):
        for at in range(numbers):
            known = ~missing[:, at]
            if known.sum() < 2:
                kernel[at, EXPECTED] = 1
                continue
            others = np.delete(np.arange(values), at)
            inputs = np.column_stack([hidden[:, at], filled[:, others]])
            found = BayesianRidge().fit(inputs[known], filled[known, at])
            kernel[at, INTERCEPT], kernel[at, EXPECTED] = found.intercept_, found.coef_[0]
            kernel[at, FIRST + others] = found.coef_[1:]
            kernel[at, SPREAD] = np.std(filled[known, at] - found.predict(inputs[known]))
            filled[~known, at] = found.predict(inputs[~known]) if not known.all() else filled[~known, at]
    return Completion(kernel)


def _expected_if_hidden(model: Model, loss: Mixed, tensors: Rows, at: int) -> "Floats":
    """Return what the network expects of a number, (n,), where its column is hidden from it."""
    values, column = len(loss.factors), loss.owners[at]
    seen = tensors.copy()
    seen[:, :values][:, np.asarray(loss.owners) == column] = 0
    seen[:, values + column] = 1
    expected: Floats = expected_of(loss, model.raw_outputs(seen))[:, at]
    return expected
