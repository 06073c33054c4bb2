"""An outlier detector: an Autoencoder with a threshold, and the cells that cause an anomaly.

`diabolo.anomaly.scoring` computes the scores of rows; this is the estimator around it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn import exceptions as theirs
from sklearn.base import BaseEstimator, OutlierMixin, clone

from diabolo.anomaly import learning, scoring
from diabolo.anomaly.explain import by_column
from diabolo.anomaly.explanation import Explanation
from diabolo.anomaly.linear import by_column as by_regressions
from diabolo.anomaly.linear import is_better
from diabolo.autoencoder import Autoencoder, shows_html, with_model
from diabolo.checks import share
from diabolo.data import frames, memory
from diabolo.data.adapters import Rows
from diabolo.data.adapters.table import HIDDEN
from diabolo.data.kinds import is_stream
from diabolo.data.opening import open_dense
from diabolo.data.sources import Source
from diabolo.data.streams import Stream
from diabolo.data.tables import Reading
from diabolo.errors import ModelFileError, NotFittedError
from diabolo.model import rows as user_rows
from diabolo.model.detection import Detection
from diabolo.model.draws import DrawsDetection
from diabolo.model.model import Model
from diabolo.model.runtime import by_chunk
from diabolo.model.settings import seed_of
from diabolo.network.layers import Layer
from diabolo.parts import plain
from diabolo.report.card import card
from diabolo.training.engines import Quickest
from diabolo.training.progress import verbosity
from diabolo.typing import Float64Array, Int64Array, RandomState

# How many cells the typical score of each column is measured on, and the least and most rows for that.
KNOWN_CELLS, KNOWN_ROWS = 10_000, (100, 2_000)
# Where no autoencoder is given: as good as 50 epochs of batches of 64 on 20 tables of ADBench, and much faster. Few
# rows get the automatic number of epochs, some 3,000 steps: without these, wrong cells are often not found.
QUICK: dict[str, Any] = {"batch_size": 256, "allow_overcomplete": True}  # also for rows of one number
EPOCHS, FEW_ROWS = 40, 2_000


class AnomalyDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """An outlier detector with scikit-learn's interface: rows in, scores, labels and explanations out.

    Args:
        autoencoder: a `diabolo.Autoencoder` with the settings to use; None: the defaults, but a batch size of 256, 40
            epochs for 2,000 rows and more, and rows of one number are accepted. It is cloned. Unless it has a
            corruption of its own, or None, it learns to predict hidden cells; unless it has a loss of its own, plain
            numbers are compared by squared error. A small dense network for rows of floats is trained without
            TensorFlow: see `diabolo.training.engines.numpy`.
        contamination: fraction of the training rows that are labelled as anomalies, in (0, 0.5].
        false_alarm_rate: in place of it the fraction of normal rows that may be labelled as anomalies; for training
            rows that are all normal.
        random_state: as for `Autoencoder`; None: that of the autoencoder.
        verbose: as for `Autoencoder`; None: that of the autoencoder, "auto" without one.

    Attributes:
        autoencoder_: fitted.
        offset_: rows with `score_samples` below it are anomalies.
        threshold_, decision_scores_, labels_: as in PyOD: scores above the threshold are anomalies; the scores of the
            training rows, (n,), higher is more anomalous; 1 for training rows that are anomalies, else 0, (n,). Model
            files do not keep the last two.
        n_features_in_, feature_names_in_: as for `Autoencoder`.
    """

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        contamination: float = 0.1,
        false_alarm_rate: float | None = None,
        random_state: RandomState = None,
        verbose: bool | int | str | None = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: object, y: object = None) -> Self:
        """Fit to rows. X is what `Autoencoder.fit` takes, except sparse matrices; y is ignored.

        Rows that do not fit into the memory (`memory=` of the autoencoder) are read again for each epoch, and three
        times for their scores.

        Raises: DataError, ShapeError, OptionError for bad input; DivergedError.
        """
        rate = self._rate()
        inner = Autoencoder(**QUICK) if self.autoencoder is None else clone(self.autoencoder)
        if self.verbose is not None:
            inner.set_params(verbose=verbosity(self.verbose))
        seed = seed_of(inner.random_state if self.random_state is None else self.random_state)
        inner.set_params(random_state=seed)
        # Predicting hidden cells is needed to explain anomalies, and it improves the scores too.
        if isinstance(inner.corruption, str) and inner.corruption == "auto":
            inner.set_params(corruption=HIDDEN)
        limit, reading = memory.limit(plain(inner.memory)), Reading(types=inner.types or {}, strict=inner.strict)
        opened = open_dense(X, limit, reading=reading, what="fit()")
        if isinstance(opened, Source):
            learning.check_count(len(opened.rows))
        if self.autoencoder is None and (isinstance(opened, Stream) or len(opened.rows) >= FEW_ROWS):
            inner.set_params(epochs=EPOCHS)
        # A loss for numbers in [0, 1] refuses all others, but an anomaly outside this range must get a score.
        if _numbers_alone(opened) and inner.reconstruction_loss == "auto" and inner.condition is None:
            inner.set_params(reconstruction_loss="gaussian")
        # Only our own estimator is known to take an engine.
        more: dict[str, Any] = {"engine": Quickest(), "evaluate": False} if type(inner) is Autoencoder else {}
        model = inner.fit(opened, **more).model_
        some = int(np.clip(KNOWN_CELLS // math.prod(model.adapter.row_shape), *KNOWN_ROWS))
        facts = learning.learn(model, partial(_checked, model, opened), seed, some=some)
        # New rows are to be called anomalies as often as stated, hence their scores; else the training rows.
        decides = facts.scores if self.false_alarm_rate is None else facts.as_new
        cells = by_column(model, facts.some)
        if linear := is_better(model, facts.detection, facts.some, cells.expected):
            cells = by_regressions(model, facts.detection, model.adapter.within(facts.some))
        detection = facts.detection._replace(
            column_scales=scoring.column_scales(cells.scores),
            linear=linear,
            threshold=float(np.quantile(decides, 1 - rate)),
            contamination=float(self.contamination),
            false_alarm_rate=None if self.false_alarm_rate is None else float(self.false_alarm_rate),
        )
        self.decision_scores_ = facts.scores
        self.labels_ = (facts.scores > detection.threshold).astype(np.int64)
        return self._set_fitted(with_model(inner, replace(model, detection=detection)), detection)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write a model file, for `AnomalyDetector.load` and `diabolo score`; as `Autoencoder.save`."""
        assert self._fitted
        return self.autoencoder_.save(path, force=force)

    @classmethod
    def load(
        cls, path: str | Path, *, layers: Mapping[str, type[Layer]] | None = None, expect_sha256: str | None = None
    ) -> "AnomalyDetector":
        """Return the fitted detector in a model file; arguments as for `diabolo.load`.

        Raises: ModelFileError for anything that is not a valid model, or a model without a detector.
        """
        autoencoder = Autoencoder.load(path, layers=layers, expect_sha256=expect_sha256)
        detection = autoencoder.model_.detection
        if detection is None:
            raise ModelFileError(f"{path} holds an auto-encoder that was not saved by a detector: use diabolo.load().")
        return cls(
            clone(autoencoder), contamination=detection.contamination, false_alarm_rate=detection.false_alarm_rate
        )._set_fitted(autoencoder, detection)

    def score_samples(self, X: object) -> Float64Array:
        """Return how normal each row is, (n,): the lower, the more anomalous.

        A row of fit() is compared only with the others.
        """
        X = frames.from_arrow(X)
        if is_stream(X):
            found: Float64Array = user_rows.apply(self.model, self._scores_of_part, X)
            return -found
        return -self.score_rows(self._rows(X, "score_samples()"))

    def _scores_of_part(self, X: object, *, where: str, first_row: int = 0) -> Float64Array:
        return self.score_rows(self.model.checked(X, where=where, first_row=first_row))

    def score_rows(self, rows: Rows) -> Float64Array:
        """Return the anomaly scores, (n,), of rows that passed `Model.checked`: higher is more unusual."""
        return scoring.score(self.model, self._fitted, rows)

    def decision_function(self, X: object) -> Float64Array:
        """Return `score_samples` minus `offset_`, (n,): anomalies are below 0."""
        scores: Float64Array = self.score_samples(X) - self.offset_
        return scores

    def predict(self, X: object) -> Int64Array:
        """Return -1 for anomalies and 1 for other rows, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def probability(self, X: object) -> Float64Array:
        """Return the probability that each row is an anomaly, (n,).

        It is 1 / (1 + (k p)**0.8), where p is the share of training rows with at least the score of the row, and k is
        such that the mean over rows like the training rows is `contamination`. So it is as right as `contamination` is:
        state the share of anomalies that you expect. A detector from a file that was written before there were such
        probabilities returns its score scaled to [0, 1].
        """
        return scoring.probability(self._fitted, -self.score_samples(X))

    def predict_proba(self, X: object) -> Float64Array:
        """Return the probabilities that each row is normal and that it is an anomaly, (n, 2)."""
        anomaly = self.probability(X)
        return np.stack([1 - anomaly, anomaly], axis=1)

    def explain(self, X: object) -> Explanation:
        """Return how much each cell adds to the reconstruction loss of its row, and the value that was expected there.

        Every column is hidden in turn and predicted from the others. The score of a cell is how much the
        reconstruction loss of the row drops if the cell is replaced by its prediction, divided by the typical score of
        its column. If linear regressions predict the cells of training rows better than the network, for up to 64
        columns of numbers, they are used instead: `diabolo.anomaly.linear`. Rows with more than 512 columns, such as
        images, get their squared residuals.
        """
        X = frames.from_arrow(X)
        rows, schema = self._rows(X, "explain()"), self.model.schema
        found = by_column(self.model, rows)
        values: Any = rows.reshape(found.expected.shape)
        expected: Any = found.expected
        library = frames.library_of(X) if frames.is_frame(X) else None
        if schema is not None:
            index = getattr(X, "index", None)
            expected, values = (frames.write(each, schema, library, index=index) for each in (expected, values))
        names = schema.names if schema is not None else tuple(map(str, range(found.scores.shape[1])))
        if self.model.series is not None:
            names = tuple(self.model.series.names)
        return Explanation(names, scoring.scaled(self._fitted, found.scores), expected, values, library)

    @property
    def _repr_html_(self) -> Callable[[], str]:
        """A card of a fitted detector, which notebooks show; of an unfitted one what scikit-learn shows."""
        if not hasattr(self, "autoencoder_") or not shows_html():
            found: Callable[[], str] = super()._repr_html_
            return found
        return partial(card, self.model, type(self).__name__, getattr(self.autoencoder_, "evaluation_", None))

    def _repr_mimebundle_(self, **asked: object) -> dict[str, str]:
        """The same; notebooks look for this one first."""
        if not hasattr(self, "autoencoder_") or not shows_html():
            found: dict[str, str] = super()._repr_mimebundle_(**asked)
            return found
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def report(self, X: object = None, path: str | Path = "report.html", **asked: Any) -> Path:
        """Write a page with the most anomalous rows and their cells, and return its path; as `Autoencoder.report`.

        Labels 0 and 1, normal and anomaly, or False and True, add a reliability diagram of the probabilities.
        """
        assert self._fitted
        return self.autoencoder_.report(X, path, **asked)

    def explore(self, X: object = None, **asked: Any) -> Any:
        """Show the latent space in a notebook or in the browser; as `Autoencoder.explore`."""
        assert self._fitted
        return self.autoencoder_.explore(X, **asked)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "autoencoder_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # a missing cell
        return tags

    @property
    def model(self) -> Model:
        """The model of the auto-encoder."""
        assert self._fitted
        return self.autoencoder_.model_

    @property
    def _fitted(self) -> Detection | DrawsDetection:
        if not hasattr(self, "autoencoder_"):
            raise _NotFittedError(f"this {type(self).__name__} is not fitted: call fit(X) first.")
        detection = self.autoencoder_.model_.detection
        assert detection is not None, "fit() and load() keep one"
        return detection

    def _set_fitted(self, autoencoder: Autoencoder, detection: Detection | DrawsDetection) -> Self:
        """Keep the model and the threshold of a training or of a file."""
        self.autoencoder_ = autoencoder
        self.offset_, self.threshold_ = -detection.threshold, detection.threshold
        self.n_features_in_ = autoencoder.n_features_in_
        if hasattr(autoencoder, "feature_names_in_"):
            self.feature_names_in_ = autoencoder.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _rows(self, X: object, where: str) -> Rows:
        return user_rows.read(self.model, X, where=where, who=type(self).__name__)

    def _rate(self) -> float:
        """Return the fraction of rows to call anomalies, after a check of both settings."""
        contamination = share("contamination", self.contamination, 0.5)
        rate = self.false_alarm_rate
        return contamination if rate is None else share("false_alarm_rate", rate, 1.0)


def _numbers_alone(opened: Source | Stream) -> bool:
    """Return whether rows are numbers without gaps (n, features), and not bytes."""
    if opened.schema is not None:
        return False
    if isinstance(opened, Source):
        return opened.rows.ndim == 2 and opened.rows.dtype != np.uint8 and not opened.gaps
    first = next(opened.chunks(1))
    return first.ndim == 2 and first.dtype != np.uint8


def _checked(model: Model, opened: Source | Stream) -> Iterator[Rows]:
    """Return the rows that a model was fitted on, in parts."""
    if isinstance(opened, Stream):
        return by_chunk(model.checked, opened, max_width=model.max_width)
    return iter([model.checked(opened.rows, where="fit()")])


class _NotFittedError(NotFittedError, theirs.NotFittedError):  # type: ignore[misc]
    """Our error, and the one that scikit-learn's checks expect."""
