"""How good a model is, in one table: its error on rows it never saw, beside PCA of the same size and the mean row."""

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from diabolo.data.adapters import ArrayAdapter, Rows, TableAdapter
from diabolo.model.model import Model
from diabolo.network.losses import Masked
from diabolo.report.columns import ColumnFigures, judge_columns


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Figures of one training. Errors are mean squared errors a feature, in `unit`, over the `judged_on` rows."""

    rows: int
    validation_rows: int
    test_rows: int
    judged_on: str  # "test", or "training" where there was nothing to hold back
    features: int
    latent_dim: int
    compression: float  # numbers in a row for each number in a latent
    weights: int
    reconstruction_loss: str
    loss_per_row: float  # nats
    error: float
    pca_error: float
    pca_components: int  # latent_dim, or as many as the training rows have
    mean_row_error: float
    seen_errors: dict[str, float]  # where rows were corrupted in training: "model", "pca", "rows", of rows seen so
    unit: str
    columns: list[dict[str, Any]]  # of a table: see report/columns.py
    epochs: int
    best_epoch: int
    seconds: float

    @property
    def errors(self) -> dict[str, float]:
        """The model's error, PCA's, and that of the best constant, by what they are called, in this order."""
        pca = f"PCA, {self.pca_components} component{'s' * (self.pca_components != 1)}"
        constant = "the best constant" if self.columns else "the mean row"
        return {"this model": self.error, pca: self.pca_error, constant: self.mean_row_error}

    def to_config(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return asdict(self)


def summarise(
    model: Model,
    train: Rows,
    judge: Rows,
    *,
    judged_on: str,
    test_rows: int,
    seconds: float,
    seen: Rows | None = None,
) -> Summary:
    """Return the figures of a model, judged on rows that PCA, fitted on `train`, is judged on as well.

    Args: seen: the rows to judge by once more, as a corruption of training leaves them.
    """
    network, record = model.network, model.record
    figures = judge_columns(model, train, judge) if isinstance(model.adapter, TableAdapter) else []
    errors = _of_columns(figures) if figures else _of_rows(model, train, judge, seen)
    return Summary(
        rows=record.rows,
        validation_rows=record.validation_rows,
        test_rows=test_rows,
        judged_on=judged_on,
        features=math.prod(model.adapter.row_shape),
        latent_dim=network.latent_dim,
        compression=math.prod(model.adapter.row_shape) / network.latent_dim,
        weights=network.weight_count,
        reconstruction_loss=model.loss.kind,
        loss_per_row=float(model.loss_per_row(judge).mean()),
        error=errors.error,
        pca_error=errors.pca,
        pca_components=min(network.latent_dim, len(train), math.prod(network.input_shape)),
        mean_row_error=errors.mean_row,
        seen_errors=errors.seen,
        unit=errors.unit,
        columns=[asdict(each) for each in figures],
        epochs=len(record.history["loss"]),
        best_epoch=record.best_epoch,
        seconds=seconds,
    )


class _Errors(NamedTuple):
    error: float
    pca: float
    mean_row: float
    seen: dict[str, float]
    unit: str


def _of_columns(figures: list[ColumnFigures]) -> _Errors:
    ours, theirs = (float(np.mean(each)) for each in zip(*((f.left, f.left_by_pca) for f in figures), strict=True))
    return _Errors(ours, theirs, 1.0, {}, "of what the best constant guess leaves")


def _of_rows(model: Model, train: Rows, judge: Rows, seen: Rows | None) -> _Errors:
    known = np.nan_to_num(_flat(model, train))
    target = _flat(model, judge)
    units = {"widest": "of values in [0, 1]", "standardise": "in standard deviations", "mean": "in means of all counts"}
    unit, adapter = units[model.loss.scaling], model.adapter
    if model.loss.scaling == "standardise" and isinstance(adapter, ArrayAdapter) and not adapter.offset.any():
        unit = "in quadratic means of what is not zero"  # of sparse rows, from which nothing is taken
    components = min(model.network.latent_dim, *known.shape)
    through: dict[str, float] = {}
    if seen is not None:
        noisy = np.nan_to_num(_flat(model, seen))
        through = {
            "model": float(error_through(model, judge, seen).mean()),
            "pca": pca_error(known, target, components, noisy),
            "rows": float(_mean_square(target - noisy).mean()),
        }
    return _Errors(
        error=float(model.squared_error_per_row(judge).mean()),
        pca=pca_error(known, target, components),
        mean_row=float(_mean_square(target - known.mean(axis=0)).mean()),
        seen=through,
        unit=unit,
    )


def in_units_of_the_network(model: Model, rows: Rows) -> Rows:
    """Return rows as the network sees them, (n, ...), of series with gaps the values, NaN where one is missing."""
    tensors = model.adapter.adapt(rows)
    if not isinstance(model.loss, Masked):
        return tensors
    return np.where(tensors[..., model.loss.channels :] == 1, np.nan, tensors[..., : model.loss.channels])


def _flat(model: Model, rows: Rows) -> Rows:
    return in_units_of_the_network(model, rows).reshape(len(rows), -1)


def _mean_square(away: Rows) -> Rows:
    """Return the mean of squares of each row, (n,), over what is not missing."""
    there = np.maximum((~np.isnan(away)).sum(axis=1), 1)
    return np.asarray(np.nansum(np.square(away, dtype=np.float64), axis=1) / there)


def error_through(model: Model, rows: Rows, seen: Rows) -> Rows:
    """Return the mean squared error of each row, (n,), where the model gets to see it as it stands in `seen`."""
    return _mean_square(_flat(model, rows) - _flat(model, model.reconstruct(seen)))


def pca_error(train: Rows, judge: Rows, components: int, seen: Rows | None = None) -> float:
    """Return the mean squared error a feature of PCA: no linear auto-encoder of this size does better on `train`.

    Args: train: without gaps; judge: where NaN is not compared; seen: rows to reconstruct `judge` from; None: those
        themselves, 0 where one is NaN.
    """
    if len(train) < 2 or not np.ptp(train, axis=0).any():
        return float(
            _mean_square(judge - train.mean(axis=0)).mean()
        )  # no direction to find: the mean row is the answer
    from sklearn.decomposition import PCA

    pca = PCA(components, random_state=0).fit(train)
    start = np.nan_to_num(judge) if seen is None else seen
    return float(_mean_square(judge - pca.inverse_transform(pca.transform(start))).mean())
