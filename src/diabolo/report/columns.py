"""How well each column of a table is reconstructed, compared with PCA of the same size and the best constant guess."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from diabolo.data.adapters import Adapter, Rows
from diabolo.model.model import Model
from diabolo.report.pca import through_pca

WITH_LEVELS = ("category", "boolean")


@dataclass(frozen=True, kw_only=True)
class ColumnFigures:
    """One column, evaluated on the cells that are present.

    Attributes:
        measure: "R2": the share of variance explained; "right": the share of cells reconstructed exactly.
        model, pca: the measure for the reconstruction.
        guess: the measure for the mean, or for the most frequent level.
    """

    name: str
    kind: str
    measure: str
    model: float
    pca: float
    guess: float

    @property
    def left(self) -> float:
        """The error of the model divided by that of the guess, in [0, 1] unless it is worse."""
        return (1 - self.model) / (1 - self.guess) if self.guess < 1 else 0.0

    @property
    def left_by_pca(self) -> float:
        """The same for PCA."""
        return (1 - self.pca) / (1 - self.guess) if self.guess < 1 else 0.0


def evaluate_columns(model: Model, train: Rows, evaluation: Rows) -> list[ColumnFigures]:
    """Return the figures of each column of a table; none for other rows.

    Columns of a condition, which model and PCA are given, have none.

    Args: train: rows (n, columns) that PCA is fitted on; evaluation: rows (m, columns) to evaluate on.
    """
    adapter = model.adapter
    if not adapter.is_table:
        return []
    ours = model.reconstruct(evaluation)
    theirs = _by_pca(adapter, train, evaluation, model.network.latent_dim, model.network.condition)
    given = () if model.condition is None else model.condition.columns
    figures = []
    for at, (name, kind, _) in enumerate(adapter.columns):
        if at in given:
            continue
        present = ~np.isnan(evaluation[:, at])
        known = train[:, at][~np.isnan(train[:, at])]
        truth = evaluation[present, at]
        if not len(truth) or not len(known):
            continue
        has_levels = kind in WITH_LEVELS
        measure = _right if has_levels else _explained
        guess = np.full(len(truth), np.bincount(known.astype(np.int64)).argmax() if has_levels else truth.mean())
        figures.append(
            ColumnFigures(
                name=name,
                kind=kind,
                measure="right" if has_levels else "R2",
                model=measure(truth, ours[present, at]),
                pca=measure(truth, theirs[present, at]),
                guess=measure(truth, guess),
            )
        )
    return figures


class Named(NamedTuple):
    """A column. Attributes: name; kind: one of `diabolo.data.frames.columns.KINDS`."""

    name: str
    kind: str


def named_columns(model: Model) -> list[Named]:
    """Return the columns of rows of numbers, by their names or their numbers; none for pictures and series."""
    adapter, schema = model.adapter, model.schema
    if adapter.is_table:
        return [Named(each.name, each.kind) for each in adapter.columns]
    if len(adapter.row_shape) != 1:
        return []
    names = [str(at) for at in range(adapter.row_shape[0])] if schema is None else schema.names
    return [Named(name, "number") for name in names]


class ColumnError(NamedTuple):
    """The error of a column divided by that of the best constant guess. Attributes: name; kind; relative."""

    name: str
    kind: str
    relative: float


def errors_of_columns(model: Model, rows: Rows) -> list[ColumnError]:
    """Return the error of each column of rows (n, columns), over the cells that are present.

    Of numbers it is the squared error, of categories and booleans the share of wrong cells. The best constant guess is
    that for these rows. Columns of a condition, columns of one value and columns without a value have none.
    """
    ours, found = model.reconstruct(rows), []
    given = () if model.condition is None else model.condition.columns
    for at, (name, kind) in enumerate(named_columns(model)):
        truth, guess = (each[:, at].astype(np.float64) for each in (rows, ours))
        truth, guess = truth[~np.isnan(truth)], guess[~np.isnan(truth)]
        if at in given or len(np.unique(truth)) < 2:
            continue
        if kind in WITH_LEVELS:
            wrong = 1 - np.bincount(truth.astype(np.int64)).max() / len(truth)
            found.append(ColumnError(name, kind, float((truth != guess).mean() / wrong)))
        else:
            found.append(ColumnError(name, kind, float(np.square(truth - guess).mean() / truth.var())))
    return found


def _right(truth: Rows, guess: Rows) -> float:
    return float((truth == guess).mean())


def _explained(truth: Rows, guess: Rows) -> float:
    spread = float(np.square(truth - truth.mean()).sum())
    left = float(np.square(truth - guess).sum())
    return 1 - left / spread if spread else float(left == 0)


def _by_pca(adapter: Adapter, train: Rows, evaluation: Rows, components: int, condition: Sequence[int] = ()) -> Rows:
    """Return rows as PCA of their tensors reconstructs them.

    Args: condition: places of numbers that are given: it is the PCA of what they do not tell, by least squares.
    """
    known, seen = adapter.adapt(train), adapter.adapt(evaluation)
    if condition:
        from sklearn.linear_model import LinearRegression

        regression = LinearRegression().fit(known[:, condition], known)
        expected = regression.predict(seen[:, condition])
        known, seen = known - regression.predict(known[:, condition]), seen - expected
        return adapter.restore(_through_pca(known, seen, components) + expected)
    return adapter.restore(_through_pca(known, seen, components))


def _through_pca(known: Rows, seen: Rows, components: int) -> Rows:
    components = min(components, *known.shape)
    if len(known) < 2 or not np.ptp(known, axis=0).any():
        return np.broadcast_to(known.mean(axis=0), seen.shape)
    return through_pca(known, seen, components)
