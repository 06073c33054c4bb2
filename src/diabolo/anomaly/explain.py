"""Which columns make a row odd: each is hidden in turn and foreseen from the others.

What a column adds is what the row would cost less, had the column been as foreseen. A wrong cell spoils the
reconstruction of its neighbours too, so that the plain residual of each column would often blame the wrong one.
"""

from typing import Any, NamedTuple

import numpy as np

from diabolo.data.adapters import Rows, SeriesAdapter, TableAdapter
from diabolo.model.model import Model

ROWS_AT_ONCE = 8_192  # with one column hidden each
TIMES = 8  # that a cell is foreseen again
MOST = 512  # columns; of more, as images have pixels, the plain residuals are told

Floats = np.ndarray[Any, np.dtype[np.float64]]


class ByColumn(NamedTuple):
    """What each column of each row adds to its cost, and what was to be expected there; (n, columns) both."""

    scores: Floats
    expected: Rows


def by_column(model: Model, rows: Rows) -> ByColumn:
    """Return what each column adds to what rows cost, in the units of the loss. Rows passed `Model.checked`."""
    columns, rows = int(np.prod(model.adapter.row_shape)), model.adapter.within(rows)
    if columns > MOST:
        return _plain(model, rows, columns)
    scores, expected = np.empty((len(rows), columns)), np.empty((len(rows), columns))
    at_once = max(1, ROWS_AT_ONCE // columns)
    for start in range(0, len(rows), at_once):
        target = model.adapter.adapt(rows[start : start + at_once], first_row=start)
        foreseen, mended = _foreseen(model, target, columns)
        expected[start : start + at_once] = foreseen
        whole = model.loss_from_raw(target, model.raw_outputs(target))
        each = [model.loss_from_raw(one, model.raw_outputs(one)) for one in mended]
        scores[start : start + at_once] = whole[:, None] - np.stack(each, axis=1)
        missing = np.isnan(rows[start : start + at_once].reshape(len(target), columns))
        scores[start : start + at_once][missing] = 0  # what is not there is not odd
    return ByColumn(scores, expected)


def _foreseen(model: Model, target: Any, columns: int) -> tuple[Rows, list[Any]]:
    """Return what each cell is foreseen as, (n, columns), and for each column the rows with it as foreseen."""
    adapter, flat = model.adapter, target.reshape(len(target), -1)
    foreseen, mended = np.empty((len(target), columns)), []
    for column in range(columns):
        place, flag = _place(model, column)
        hidden = flat.copy()
        hidden[:, place] = 0
        hidden[:, flag : flag + 1] = 1  # where there are flags
        raw = model.raw_outputs(hidden.reshape(target.shape))
        for _ in range(0 if flag < hidden.shape[1] else TIMES):
            # Without flags nothing says that the cell is hidden: what is foreseen is put there and looked at again,
            # until it is at one with the others.
            hidden[:, place] = _told(model, raw, column, place)
            raw = model.raw_outputs(hidden.reshape(target.shape))
        back = adapter.restore(model.apply_link(raw)).reshape(len(target), -1)
        foreseen[:, column] = back[:, column]
        now = flat.copy()
        now[:, place] = _told(model, raw, column, place)
        mended.append(now.reshape(target.shape))
    return foreseen, mended


def _place(model: Model, column: int) -> tuple[slice, int]:
    """Return where the numbers of a column are in a row as the network takes it, laid flat, and its flag if any."""
    adapter = model.adapter
    if isinstance(adapter, SeriesAdapter) and adapter.gaps:  # at each place the channels, then their flags
        channels = adapter.row_shape[1]
        at = column + column // channels * channels
        return slice(at, at + 1), at + channels
    place = adapter.places[column] if isinstance(adapter, TableAdapter) else slice(column, column + 1)
    return place, model.values_per_row + column


def _told(model: Model, raw: Any, column: int, place: slice) -> Any:
    """Return what a column is foreseen as, as the network is told of it."""
    if isinstance(model.adapter, TableAdapter):
        feature = model.adapter.features[column]
        return feature.to_tensor(feature.from_tensor(raw[:, place]))
    return model.apply_link(raw).reshape(len(raw), -1)[:, place]


def _plain(model: Model, rows: Rows, columns: int) -> ByColumn:
    costs = np.square(model.residuals(rows), dtype=np.float64)
    expected = model.reconstruct(rows, where="explain()").reshape(len(rows), -1)
    channels = costs.shape[1] // columns
    return ByColumn(costs.reshape(len(rows), columns, channels).sum(axis=2), expected.astype(np.float64))
