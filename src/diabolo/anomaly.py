"""Which rows do not fit, and which of their columns make it so: an Autoencoder with a threshold.

A row is odd where its latents and its residual are far from those of other rows. Far is measured to the nearest of a
few rows drawn by chance, many times over: odd rows that keep company with each other find none of it in a small draw,
and one that is odd by a little is still seen in a larger one.

Order: the estimator, the space that rows are compared in, the distances, the columns.
"""

import hashlib
import math
import numbers
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn import exceptions as theirs
from sklearn.base import BaseEstimator, OutlierMixin, clone

from diabolo.autoencoder import Autoencoder, seed_of
from diabolo.data import schema as frames
from diabolo.data.adapters import Rows, as_rows
from diabolo.data.sources import open_source
from diabolo.errors import DataError, NotFittedError, OptionError
from diabolo.explain import ByColumn, by_column
from diabolo.inference import Model
from diabolo.preparation import HIDDEN

Floats = np.ndarray[Any, np.dtype[np.float64]]

# How many rows are drawn at a time, and how often. Small draws see through clusters of odd rows, large ones see small
# differences; beside each other they are better than either on 20 tables of ADBench, with clean training rows or not.
DRAWS = ((32, 64), (256, 24))
ROWS_AT_ONCE = 4_096
KNOWN = 2_000  # rows that say how large the score of a column usually is
# Nats of a column's loss, of which the best constant guess costs 0.5 to 1. Without it a column that is nearly always
# foreseen would be blamed for its neighbours' faults: of 200 cells planted in a table of several kinds 88 % are found,
# with it 92.
STEADY = 0.5
LEAST = 1e-6  # a distance, so that equal rows have a logarithm


class AnomalyDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """An outlier detector of scikit-learn's kind: rows in, scores, labels and reasons out.

    Args:
        autoencoder: a `diabolo.Autoencoder` with the settings to use; None: the defaults. It is cloned, and learns to
            foresee hidden cells unless it has a corruption of its own, or None.
        contamination: share of the training rows that is called odd, in (0, 0.5].
        false_alarm_rate: in place of it the share of ordinary rows that may be called odd; for training rows that are
            all ordinary.
        random_state: as for `Autoencoder`; None: that of the autoencoder.

    Attributes:
        autoencoder_: fitted.
        offset_: scores below it are odd.
        n_features_in_, feature_names_in_: as for `Autoencoder`.
    """

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        contamination: float = 0.1,
        false_alarm_rate: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what rows are like. X is what `Autoencoder.fit` takes, in memory; y is ignored.

        Raises: DataError, ShapeError, OptionError for bad input; DivergedError.
        """
        share = self._share()
        inner = Autoencoder(verbose=False) if self.autoencoder is None else clone(self.autoencoder)
        seed = seed_of(inner.random_state if self.random_state is None else self.random_state)
        inner.set_params(random_state=seed)
        # What is learnt from hidden cells is needed to name the wrong ones; the scores gain by it too.
        if isinstance(inner.corruption, str) and inner.corruption == "auto":
            inner.set_params(corruption=HIDDEN)
        opened = open_source(X)
        count = len(as_rows(opened.rows, where="fit()"))
        if count < 2:
            raise DataError(f"fit() expected at least 2 rows to compare, got n_samples = {count}.")
        self.autoencoder_ = inner.fit(opened)
        model = self.autoencoder_.model_
        rows = model.checked(opened.rows, where="fit()")
        self._space = Space.of(model, rows)
        places = self._space.place(model, rows)
        self._draws = Draws.of(rows, places, seed)
        scores = self._draws.score(rows, places)
        self._center, self._spread = float(np.median(scores)), _spread(scores)
        self.offset_ = -float(np.quantile(scores, 1 - share))
        self.n_features_in_ = inner.n_features_in_
        if hasattr(inner, "feature_names_in_"):
            self.feature_names_in_ = inner.feature_names_in_
        chosen = np.sort(np.random.default_rng([seed, 1]).permutation(len(rows))[:KNOWN])
        self._usual = Usual.of(by_column(model, rows[chosen]))
        return self

    def score_samples(self, X: Any) -> Floats:
        """Return how well each row fits, (n,): the lower, the odder.

        A row of fit() is compared with the others alone.
        """
        return -self.score_rows(self._rows(X, "score_samples()"))

    def score_rows(self, rows: Rows) -> Floats:
        """Return how odd rows are that passed `Model.checked`, (n,): the higher, the odder."""
        return self._fitted.score(rows, self._space.place(self.model, rows))

    def scale(self, scores: Floats) -> Floats:
        """Return the scores of columns, (n, columns) of `by_column`, in units of what is usual there."""
        return self._usual.scale(scores)

    def decision_function(self, X: Any) -> Floats:
        """Return `score_samples` less `offset_`, (n,): odd rows are below 0."""
        scores: Floats = self.score_samples(X) - self.offset_
        return scores

    def predict(self, X: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return -1 for odd rows and 1 for others, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def probability(self, X: Any) -> Floats:
        """Return how likely each row is odd, (n,), in [0, 1]: 0 for the middle of what fit() saw, and less than that.

        Source: the Gaussian scaling of Kriegel, Kroeger, Schubert & Zimek 2011, Interpreting and Unifying Outlier
        Scores.
        """
        away = (-self.score_samples(X) - self._center) / self._spread
        return np.array([max(0.0, math.erf(each / math.sqrt(2))) for each in away])

    def explain(self, X: Any) -> "Explanation":
        """Return what each column adds to the oddity of each row, and what was expected there.

        Every column is hidden in turn and foreseen from the others; a column is as odd as the row is less odd without
        it, in units of what is usual for that column.
        """
        rows = self._rows(X, "explain()")
        found = by_column(self.model, rows)
        schema = self.model.schema
        expected: Any = found.expected
        if schema is not None:
            library = frames.library_of(X) if frames.is_frame(X) else None
            expected = schema.write(found.expected, library, index=getattr(X, "index", None))
        names = schema.names if schema is not None else tuple(map(str, range(found.scores.shape[1])))
        return Explanation(names, self._usual.scale(found.scores), expected)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "autoencoder_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # a missing cell
        return tags

    @property
    def model(self) -> Model:
        """The auto-encoder at work."""
        assert self._fitted
        return self.autoencoder_.model_

    @property
    def _fitted(self) -> "Draws":
        if not hasattr(self, "autoencoder_"):
            raise _NotFittedError(f"this {type(self).__name__} is not fitted: call fit(X) first.")
        return self._draws

    def _rows(self, X: Any, where: str) -> Rows:
        assert self._fitted
        return self.autoencoder_.as_numbers(X, where=where, who=type(self).__name__)

    def _share(self) -> float:
        name, most = "contamination", 0.5
        share: Any = self.contamination
        if self.false_alarm_rate is not None:
            name, share, most = "false_alarm_rate", self.false_alarm_rate, 1.0
        if isinstance(share, bool) or not isinstance(share, numbers.Real) or not 0 < float(share) <= most:
            raise OptionError(f"{name} must be a share in (0, {most:g}], got {share!r}.")
        return float(share)


class _NotFittedError(NotFittedError, theirs.NotFittedError):  # type: ignore[misc]
    """Ours, and the one that scikit-learn's checks look for."""


class Explanation(NamedTuple):
    """Why rows are odd.

    Attributes:
        names: of the columns.
        scores: (n, columns): how much odder each column makes the row, in units of what is usual there; above 3 or so
            is worth a look.
        expected: what the other columns let expect in each cell: a frame where fit() had one, else an array.
    """

    names: tuple[str, ...]
    scores: Floats
    expected: Any


class Space(NamedTuple):
    """Where rows are compared: latents beside residuals, each as wide as the other."""

    center: Floats  # of latents
    latent_scale: Floats
    residual_scale: Floats

    @classmethod
    def of(cls, model: Model, rows: Rows) -> "Space":
        """Return the space of a model and the rows that it was fitted on."""
        latents, squares = model.encode(rows), np.square(model.residuals(rows), dtype=np.float64).mean(axis=0)
        columns, cells = len(squares), model.loss.cells
        if cells is not None:
            # The numbers of a column go together, so that one of forty levels weighs no more than one number does, and
            # the rarest level not more than the others.
            columns, squares = cells.columns, np.bincount(cells.owners, squares)[cells.owners]
        spread = latents.std(axis=0, dtype=np.float64) + LEAST
        return cls(
            center=latents.mean(axis=0, dtype=np.float64),
            # As many residuals as there are weigh as much as all latents together.
            latent_scale=spread * math.sqrt(latents.shape[1] / columns),
            # A residual that is hardly ever there must not drown all others where it is there by rounding.
            residual_scale=np.sqrt(squares) + 1e-2,
        )

    def place(self, model: Model, rows: Rows) -> Floats:
        """Return where rows are, (n, latents + residuals)."""
        latents = (model.encode(rows) - self.center) / self.latent_scale
        residuals = model.residuals(rows) / self.residual_scale
        return np.concatenate([latents, residuals], axis=1, dtype=np.float64)


class Draws(NamedTuple):
    """Rows drawn by chance, many times over."""

    places: Floats  # of all training rows that were drawn, once each
    known: dict[bytes, int]  # which of them a row is, so that it is not compared with itself
    draws: list[list[Rows]]  # of each size, the drawn ones as numbers into `places`

    @classmethod
    def of(cls, rows: Rows, places: Floats, seed: int) -> "Draws":
        """Draw from rows (n, ...) and their places."""
        chance, most = np.random.default_rng([seed, 0]), max(1, len(rows) // 2)
        drawn = [
            [chance.choice(len(rows), min(size, most), replace=False) for _ in range(times)] for size, times in DRAWS
        ]
        which, at = np.unique(np.concatenate([each for group in drawn for each in group]), return_inverse=True)
        ends = np.cumsum([len(each) for group in drawn for each in group])[:-1]
        pieces = iter(np.split(at.reshape(-1), ends))
        known = {key: at for at, key in enumerate(_keys(rows[which]))}
        return cls(places[which], known, [[next(pieces) for _ in group] for group in drawn])

    def score(self, rows: Rows, places: Floats) -> Floats:
        """Return how odd rows are, (n,): the mean logarithm of the mean distance to the nearest of a draw."""
        scores = np.empty(len(places))
        squares = np.square(self.places).sum(axis=1)
        for start in range(0, len(places), ROWS_AT_ONCE):
            some = places[start : start + ROWS_AT_ONCE]
            away = np.square(some).sum(axis=1)[:, None] + squares[None] - 2 * (some @ self.places.T)
            for at, key in enumerate(_keys(rows[start : start + ROWS_AT_ONCE])):
                if key in self.known:
                    away[at, self.known[key]] = np.inf
            np.sqrt(np.maximum(away, 0, out=away), out=away)
            logs = []
            for draws in self.draws:
                nearest = np.stack([away[:, drawn].min(axis=1) for drawn in draws])
                there = np.isfinite(nearest)  # but for a draw of nothing but the row itself
                mean = np.where(there, nearest, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
                logs.append(np.log(mean + LEAST))
            scores[start : start + len(some)] = np.mean(logs, axis=0)
        return scores


def _keys(rows: Rows) -> list[bytes]:
    """Return what tells a row from others."""
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in np.asarray(rows, np.float64)]


class Usual(NamedTuple):
    """How large the scores of each column are on training rows."""

    spread: Floats

    @classmethod
    def of(cls, found: ByColumn) -> "Usual":
        """Return it, of scores (n, columns)."""
        return cls(found.scores.std(axis=0) + STEADY)

    def scale(self, scores: Floats) -> Floats:
        """Return scores in units of what is usual."""
        scaled: Floats = scores / self.spread
        return scaled


def _spread(values: Floats) -> float:
    """Return a standard deviation that a few odd values do not move."""
    away = np.abs(values - np.median(values))
    return max(float(1.4826 * np.median(away)), LEAST)
