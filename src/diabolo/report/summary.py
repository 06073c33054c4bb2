"""How good a model is: its error on rows that training did not use, compared with PCA and with the mean row."""

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.model.model import Model
from diabolo.report.columns import ColumnFigures, evaluate_columns
from diabolo.report.pca import through_pca


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Figures of one training.

    Errors are mean squared errors per feature, in `unit`, over the `evaluated_on` rows. For a table they are
    relative to the error of the best constant guess, averaged over the columns, so that `mean_row_error` is 1.
    """

    rows: int
    validation_rows: int
    test_rows: int
    evaluated_on: str  # "test", or "training" if there are no test rows
    features: int
    latent_dim: int
    compression: float  # values of a row per latent dimension
    weights: int
    reconstruction_loss: str
    loss_per_row: float  # nats
    error: float
    pca_error: float
    pca_components: int  # latent_dim, or as many as the training rows have
    mean_row_error: float
    seen_errors: dict[str, float]  # of corrupted rows, if training corrupted them: "model", "pca", "rows"
    unit: str
    columns: list[dict[str, Any]]  # of a table, see report/columns.py
    epochs: int
    best_epoch: int
    seconds: float

    @property
    def errors(self) -> dict[str, float]:
        """The errors of the model, of PCA and of the best constant by their names, in this order."""
        pca = f"PCA, {self.pca_components} component{'s' * (self.pca_components != 1)}"
        constant = "the best constant" if self.columns else "the mean row"
        return {"this model": self.error, pca: self.pca_error, constant: self.mean_row_error}

    def to_config(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return asdict(self)


def summarise(
    model: Model,
    train: Rows,
    evaluation: Rows,
    *,
    evaluated_on: str,
    test_rows: int,
    seconds: float,
    seen: Rows | None = None,
) -> Summary:
    """Return the figures of a model.

    Args:
        model: to evaluate.
        train: rows that PCA is fitted on.
        evaluation: rows that the model and PCA are evaluated on.
        evaluated_on: which rows these are, "test" or "training".
        test_rows: how many test rows there are.
        seconds: that the training took.
        seen: the evaluation rows with the corruption of the training; None: it had none.
    """
    network, record = model.network, model.record
    figures = evaluate_columns(model, train, evaluation)
    errors = errors_of(model, train, evaluation, seen, figures)
    return Summary(
        rows=record.rows,
        validation_rows=record.validation_rows,
        test_rows=test_rows,
        evaluated_on=evaluated_on,
        features=math.prod(model.adapter.row_shape),
        latent_dim=network.latent_dim,
        compression=math.prod(model.adapter.row_shape) / network.latent_dim,
        weights=network.weight_count,
        reconstruction_loss=model.loss.kind,
        loss_per_row=float(model.loss_per_row(evaluation).mean()),
        error=errors.error,
        pca_error=errors.pca,
        pca_components=min(network.latent_dim, len(train), math.prod(network.input_shape)),
        mean_row_error=errors.constant,
        seen_errors=errors.seen,
        unit=errors.unit,
        columns=[asdict(each) for each in figures],
        epochs=len(record.history["loss"]),
        best_epoch=record.best_epoch,
        seconds=seconds,
    )


class Errors(NamedTuple):
    """Errors of a model, of PCA and of the best constant; `seen` of corrupted rows, see `Summary`."""

    error: float
    pca: float
    constant: float
    seen: dict[str, float]
    unit: str


def errors_of(
    model: Model, train: Rows, evaluation: Rows, seen: Rows | None = None, columns: list[ColumnFigures] | None = None
) -> Errors:
    """Return the errors of a model, of PCA and of the best constant; arguments as for `summarise`.

    Args: columns: the figures of the columns of a table; None: they are computed.
    """
    figures = evaluate_columns(model, train, evaluation) if columns is None else columns
    return _of_columns(model, figures) if figures else _of_rows(model, train, evaluation, seen)


def _of_columns(model: Model, figures: list[ColumnFigures]) -> Errors:
    ours, theirs = (float(np.mean(each)) for each in zip(*((f.left, f.left_by_pca) for f in figures), strict=True))
    return Errors(ours, theirs, 1.0, {}, model.adapter.unit(model.loss.scaling))


def _of_rows(model: Model, train: Rows, evaluation: Rows, seen: Rows | None) -> Errors:
    known = np.nan_to_num(_flat(model, train))
    target = _flat(model, evaluation)
    components = min(model.network.latent_dim, *known.shape)
    through: dict[str, float] = {}
    if seen is not None:
        noisy = np.nan_to_num(_flat(model, seen))
        through = {
            "model": float(error_through(model, evaluation, seen).mean()),
            "pca": pca_error(known, target, components, noisy),
            "rows": float(_mean_square(target - noisy).mean()),
        }
    return Errors(
        error=float(model.squared_error_per_row(evaluation).mean()),
        pca=pca_error(known, target, components),
        constant=float(_mean_square(target - known.mean(axis=0)).mean()),
        seen=through,
        unit=model.adapter.unit(model.loss.scaling),
    )


def in_units_of_the_network(model: Model, rows: Rows) -> Rows:
    """Return rows scaled as for the network, (n, ...), without the flags of series, NaN where a value is missing."""
    return model.adapter.values(model.adapter.adapt(rows))


def _flat(model: Model, rows: Rows) -> Rows:
    return in_units_of_the_network(model, rows).reshape(len(rows), -1)


def _mean_square(away: Rows) -> Rows:
    """Return the mean of squares of each row, (n,), over the values that are present."""
    present = np.maximum((~np.isnan(away)).sum(axis=1), 1)
    return np.asarray(np.nansum(np.square(away, dtype=np.float64), axis=1) / present)


def error_through(model: Model, rows: Rows, seen: Rows) -> Rows:
    """Return the mean squared error of each row, (n,), reconstructed from its corrupted version in `seen`."""
    return _mean_square(_flat(model, rows) - _flat(model, model.reconstruct(seen)))


def pca_error(train: Rows, evaluation: Rows, components: int, seen: Rows | None = None) -> float:
    """Return the mean squared error of a feature by PCA: no linear auto-encoder of this size is better on `train`.

    Args:
        train: rows (n, features) without gaps, that PCA is fitted on.
        evaluation: rows (m, features); NaN is not compared.
        components: how many.
        seen: rows to reconstruct `evaluation` from; None: those themselves, with 0 for NaN.
    """
    if len(train) < 2 or not np.ptp(train, axis=0).any():
        return float(
            _mean_square(evaluation - train.mean(axis=0)).mean()
        )  # all rows are equal, and PCA has no direction to find
    start = np.nan_to_num(evaluation) if seen is None else seen
    return float(_mean_square(evaluation - through_pca(train, start, components)).mean())
