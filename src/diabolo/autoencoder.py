"""The estimator: `Autoencoder(32).fit(X)`, then encode, decode, reconstruct, score.

Parameters, scikit-learn's contract, and one short method for each verb; the work is done in `diabolo.fitting` and
`diabolo.model`. Only fit() loads TensorFlow. Order: the estimator, model files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin

from diabolo import fitting
from diabolo.data import sparse
from diabolo.data.adapters import Rows
from diabolo.data.readers import scipy_files
from diabolo.errors import DataError, DivergedError, OptionError
from diabolo.fitting.automatic.advice import Advice
from diabolo.model import file as modelfile
from diabolo.model import loaded, verbs
from diabolo.model import rows as user_rows
from diabolo.model.model import Model
from diabolo.model.record import arguments
from diabolo.model.settings import Settings
from diabolo.model.verbs import Verbs
from diabolo.network import losses, structures
from diabolo.network.bottlenecks import Bottleneck
from diabolo.network.corruptions import Corruption
from diabolo.network.layers import LAYERS, Layer
from diabolo.network.penalties import Penalty
from diabolo.report.card import card
from diabolo.report.diagnosis import Finding
from diabolo.training import backend
from diabolo.training.checkpoints import State
from diabolo.training.engines import Engine
from diabolo.training.progress import Report, display, verbosity
from diabolo.training.runs import Run
from diabolo.typing import Float32Array, RandomState

A = TypeVar("A", bound="Autoencoder")


class Autoencoder(Verbs, TransformerMixin, BaseEstimator):
    """An auto-encoder over rows of numbers or images, as a scikit-learn estimator.

    X is (n, features), (n, height, width) or (n, height, width, channels), bytes or any real numbers. The scaling that
    the network needs is learned from X and undone on the way out.

    Args:
        latent_dim: number of latent dimensions. None: as the structure states, else a quarter of the features, at most
            half of the columns of a table, at most 32; "auto": as many as two short trainings find in the rows
            (`diabolo.fitting.automatic.latents`).
        structure: in words ("skip", "conv 32-64, dense 256": `diabolo.network.words`), sizes from features to latent
            ("784-256-128"), hidden widths ([256]), or `diabolo.network.layers` of the encoder; the decoder mirrors it.
            "auto": "skip", which begins as PCA, or what else suits the rows. Or a pair (encoder, decoder) of lists of
            layers, or of Keras models of your own, without their weights.
        tied: the dense layers of the decoder use the transposed weights of the encoder: half as many weights.
        activation: of the hidden layers; one of `diabolo.network.layers.ACTIVATIONS`.
        bottleneck: what makes the latent: "plain", "sparse", "gaussian" (a variational auto-encoder), "quantized",
            "ordered" or "refined", with settings after a colon ("gaussian:beta=4,warmup_epochs=10"), or one of
            `diabolo.network.bottlenecks`.
        bottleneck_activation: of the latent, where the bottleneck allows one; None: what suits the bottleneck.
        corruption: noise on the input, not on the target: "gaussian:0.5", "masking:0.3", "salt_and_pepper:0.1",
            "swap:0.15", "binarize", or one of `diabolo.network.corruptions`; None: none; "auto": none, except for
            tables with gaps "masking:0.3", from which the network learns to fill them in.
        penalty: a term that is added to the loss: "contractive:0.1", "mmd:100", "adversarial:10",
            "total_correlation:5", "l2:0.001", "regularizers" (of single weights; those of Keras models in `structure`
            become one), or one of `diabolo.network.penalties`.
        condition: names of columns of a frame or a file of a table, ["site", "sex"], that encoder and decoder are given
            and that the latents need not carry: see `decode` and `transfer`.
        independence: with a condition, how much it counts in training that latents do not tell the condition: the
            weight of their distance correlation, in units of the loss before anything is learned; 0: not at all.
        reconstruction_loss: "bernoulli" (binary cross-entropy), "gaussian" (squared error; its variance is learned with
            "gaussian:variance=learnt"), "huber", "poisson", "categorical", "ssim", one of `diabolo.network.losses`, or
            "auto": bernoulli or gaussian, chosen from the rows; the reason is logged.
        optimizer: one of `diabolo.training.OPTIMIZERS`, with settings after a colon: "adamw:0.1" (the weight decay),
            "adam:epsilon=1e-4"; None: adamw:0.1, because long trainings need the decay, but adam for a gaussian
            bottleneck; "auto": what `advise` recommends, or a short race where several are close.
        learning_rate: None: what suits the optimizer (0.001 for Adam).
        learning_rate_schedule: "cosine" (falls to 0 over the epochs) or "constant".
        epochs: the most passes over the rows. None: 50, and more for few rows: small networks are trained for at least
            3,000 steps.
        batch_size: rows in a step; fewer rows make one batch.
        precision: of matrix products in training, "float32" or "bfloat16". The latter is for wide dense and
            convolutional layers in large batches, on processors that have it; weights, latents and losses stay float32.
        validation_fraction: fraction of the rows held back, in [0, 1), to find the best epoch; 0 keeps the last epoch.
        patience: epochs without a better validation loss before training ends; 0 never ends early; None: 10, but 0 for
            a training of at most 3,000 steps.
        allow_overcomplete: accept latent_dim >= features.
        random_state: a whole number, with which two trainings give the same bits; None draws one and keeps it in
            `random_state_`; or a NumPy RandomState or Generator to draw it from.
        memory: how much the training rows may take: bytes or a text such as "2GB"; None: a quarter of the free memory,
            rounded down to a power of two. Rows of files that take more are read again for every epoch, in an order
            that depends on it.
        types: kinds of columns by name, where the inferred kind is wrong: {"code": "category"}; "number", "count",
            "boolean", "category" or "date", which may have a format, "date:%d/%m/%Y".
        strict: refuse a table with columns from which nothing can be learnt; False: leave them out, to pass unchanged.
        series: whether arrays of three axes are series (n, time, channels), each channel with a scale of its own and
            NaN where a value is missing, and not grey images. Lists of arrays of different lengths always are series.
        verbose: 0 or False shows nothing, 1 or True a progress bar, 2 a line per epoch; "auto" a bar on a terminal or
            in a notebook. A notebook shows it on stdout, everything else on stderr.

    Attributes:
        model_ and others: see `diabolo.model.verbs.Verbs`.
        optimizer_reason_: of optimizer="auto", which was chosen and why.
        evaluation_: the errors of the model, of PCA and of the best constant on rows held back, a
            `diabolo.fitting.Evaluation`; of the last fit() to rows in memory.
        diagnosis_: the problems that were found, and what to try; serious ones are logged as warnings, too.
    """

    optimizer_reason_: str
    evaluation_: fitting.Evaluation
    diagnosis_: list[Finding]
    _state: State | None

    def __init__(
        self,
        latent_dim: int | str | None = None,
        *,
        structure: structures.Structure = "auto",
        tied: bool = False,
        activation: str = "elu",
        bottleneck: str | Bottleneck = "plain",
        bottleneck_activation: str | None = None,
        corruption: str | Corruption | None = "auto",
        penalty: str | Penalty | None = None,
        condition: str | Sequence[str] | None = None,
        independence: float = 1.0,
        reconstruction_loss: str | losses.Loss = "auto",
        optimizer: str | None = None,
        learning_rate: float | None = None,
        learning_rate_schedule: str = "cosine",
        epochs: int | None = None,
        batch_size: int = 64,
        precision: str = "float32",
        validation_fraction: float = 0.1,
        patience: int | None = None,
        allow_overcomplete: bool = False,
        random_state: RandomState = None,
        memory: int | str | None = None,
        types: dict[str, str] | None = None,
        strict: bool = False,
        series: bool = False,
        verbose: bool | int | str = "auto",
    ) -> None:
        self.latent_dim = latent_dim
        self.structure = structure
        self.tied = tied
        self.activation = activation
        self.bottleneck = bottleneck
        self.bottleneck_activation = bottleneck_activation
        self.corruption = corruption
        self.penalty = penalty
        self.condition = condition
        self.independence = independence
        self.reconstruction_loss = reconstruction_loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.precision = precision
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.allow_overcomplete = allow_overcomplete
        self.random_state = random_state
        self.memory = memory
        self.types = types
        self.strict = strict
        self.series = series
        self.verbose = verbose

    def fit(
        self,
        X: object,
        y: object = None,
        *,
        report: Report | None = None,
        source: str | None = None,
        evaluation_rows: Rows | None = None,
        run: str | Path | None = None,
        resume: bool = False,
        engine: Engine | None = None,
        evaluate: bool = True,
    ) -> Self:
        """Learn from rows (n, features) or images (n, height, width[, channels]).

        Args:
            X: an array; the name of a data set, a file, a folder or a pattern of files; or an iterable of chunks of
                rows, such as a generator or a `tf.data.Dataset`.
            y: ignored.
            report: is called with a `diabolo.training.Progress` about twice a second, in place of `verbose`.
            source: name of the rows in the record.
            evaluation_rows: (n, ...), numbers that the model will be evaluated on later. Nothing is learned from them,
                but the loss is chosen so that it can take them.
            run: a folder in which the state of the training is kept.
            resume: continue the training in that folder, with the settings that it was begun with: those of this
                estimator that are at their defaults do not matter, the others must be the same. Only `epochs` may be
                more, for a training that has ended as well; a cosine is then stretched over all of them.
            engine: runs the training steps, one of `diabolo.training.engines`; None: the quickest,
                which for small dense networks is NumPy.
            evaluate: compare the model with PCA and look for problems: see `evaluation_` and `diagnosis_`.

        Raises: DataError, ShapeError, OptionError for bad input; CheckpointError if the run cannot start or continue;
            DivergedError if the loss is no longer finite; the estimator then has the best model so far, if any.
        """
        settings = settings_of(self)
        if engine is None:
            fitting.check_installed(settings)
        if resume and run is None:
            raise OptionError("resume=True (--resume) needs the folder of the run: give run (--run) as well.")
        with nullcontext() if run is None else Run(run, resume=resume) as kept:
            about = None if kept is None else kept.about
            settings = settings.seeded() if about is None else fitting.resumed(settings.given(), about, str(run))
            plan = fitting.plan(X, settings, evaluation_rows=evaluation_rows, run=kept)
            _explain_optimizer(self, plan.optimizer_reason)
            with _last_model_kept(self), _progress(self, report) as show:
                fitted = fitting.fit(plan.prepared, plan.settings, engine=engine, report=show, run=kept, source=source)
        with_model(self, fitted.model)
        sample = plan.prepared.sample
        if evaluate and sample is not None:
            self.evaluation_ = fitting.evaluate(self.model_, sample)
            self.diagnosis_ = fitting.diagnose(self.model_, sample, self.evaluation_)
        return self

    def partial_fit(self, X: object, y: object = None) -> Self:
        """Train on rows for one more epoch, from where this estimator stands, at a constant learning rate.

        The first call learns from its rows what their columns are and how to scale them, as fit() does; later rows must
        look alike. After fit() or `diabolo.load` it continues from that model. No rows are held back. The second of two
        calls in a row continues with the state of the optimizer; a saved or pickled estimator has the weights alone.

        Raises: DataError, ShapeError, OptionError for bad input; DivergedError.
        """
        settings = settings_of(self)
        if sparse.is_sparse(X) or scipy_files.is_matrix(X):
            raise DataError("partial_fit() expected dense rows, got a sparse matrix: pass X.toarray().")
        before: Model | None = getattr(self, "model_", None)
        if before is None:
            plan = fitting.plan_epoch(X, settings.seeded())
            _explain_optimizer(self, plan.optimizer_reason)
        else:
            plan = fitting.plan_next_epoch(before, self._read(X, "partial_fit()"), settings)
        state: State | None = getattr(self, "_state", None)
        with _last_model_kept(self), _progress(self, None) as show:
            fitted = fitting.fit_epoch(plan.prepared, plan.settings, before=before, state=state, report=show)
        with_model(self, fitted.model)
        self._state = fitted.state
        return self

    def count_latents(self, X: object) -> int:
        """Return how many latents rows need, as latent_dim="auto" does: see `diabolo.fitting.automatic.latents`.

        Raises: as fit().
        """
        return fitting.count_latents(X, settings_of(self))

    def advise(self, X: object) -> Advice:
        """Return which optimizers and rates are likely to suit rows and this network, without training. As fit()."""
        return fitting.advise_on(X, settings_of(self))

    def transform(self, X: object) -> Float32Array:
        """Encode, under scikit-learn's name: an array, or what `set_output` says."""
        self._check_features(X, "transform()")
        return user_rows.apply(self._model, self._model.encode, X)

    def get_feature_names_out(self, input_features: object = None) -> Any:
        """Return the names of the columns of `transform`: latent_0, latent_1, ..., whatever came in."""
        return np.array([f"latent_{at}" for at in range(self._model.network.latent_dim)], object)

    def inverse_transform(self, X: object) -> Any:
        """Decode, under scikit-learn's name."""
        return self.decode(X)

    def to_keras(self) -> Any:
        """Return the trained network as a `keras.Model`: see `Verbs.to_keras`."""
        backend.load_tensorflow()
        return super().to_keras()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # a missing cell
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]  # which latents always are
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    @property
    def _repr_html_(self) -> Callable[[], str]:
        """A card of a fitted estimator, which notebooks show; of an unfitted one what scikit-learn shows."""
        if not hasattr(self, "model_") or not shows_html():
            found: Callable[[], str] = super()._repr_html_
            return found
        return partial(card, self.model_, type(self).__name__, getattr(self, "evaluation_", None))

    def _repr_mimebundle_(self, **asked: object) -> dict[str, str]:
        """The same; notebooks look for this one first."""
        if not hasattr(self, "model_") or not shows_html():
            found: dict[str, str] = super()._repr_mimebundle_(**asked)
            return found
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = self._pickled(super().__getstate__())
        state.pop("_state", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        model, own = state.pop("model_", None), state.pop("_own_layers", None)
        super().__setstate__(state)
        if model is not None:
            with_model(self, modelfile.from_bytes(model, own))

    @classmethod
    def load(
        cls, path: str | Path, *, layers: Mapping[str, type[Layer]] | None = None, expect_sha256: str | None = None
    ) -> "Autoencoder":
        """Return the fitted estimator in a model file, with the settings of its fit(); see `diabolo.load`.

        `diabolo.load` returns the model without scikit-learn. The estimator is needed to train further, or in a
        pipeline.

        Raises: as `diabolo.load`.
        """
        return from_model(loaded.load(path, layers=layers, expect_sha256=expect_sha256).model_)


def shows_html() -> bool:
    """Return whether scikit-learn is set to show estimators as HTML, as it is unless a user changes it."""
    return bool(sklearn.get_config()["display"] == "diagram")


def settings_of(estimator: Autoencoder) -> Settings:
    """Return the checked settings of an estimator. Raises OptionError for an invalid one."""
    verbosity(estimator.verbose)
    return Settings.of(vars(estimator))


def _progress(estimator: Autoencoder, report: Report | None) -> AbstractContextManager[Report]:
    return display(estimator.verbose) if report is None else nullcontext(report)


def _explain_optimizer(estimator: Autoencoder, reason: str | None) -> None:
    estimator.__dict__.pop("optimizer_reason_", None)  # of an earlier fit
    if reason is not None:
        estimator.optimizer_reason_ = reason


@contextmanager
def _last_model_kept(estimator: Autoencoder) -> Iterator[None]:
    """Give an estimator whose training diverges the model of the epochs before, where there were any."""
    try:
        yield
    except DivergedError as error:
        if error.model is not None:
            with_model(estimator, error.model)
        raise


def with_model(estimator: A, model: Model) -> A:
    """Return an estimator after it got a trained model."""
    estimator._state = None
    for of_before in ("evaluation_", "diagnosis_"):
        estimator.__dict__.pop(of_before, None)
    return verbs.with_model(estimator, model)


def from_model(model: Model) -> Autoencoder:
    """Return the estimator of a trained model, with the settings that it was fitted with."""
    given = arguments(model.record.settings, LAYERS | model.network.own_layers())
    return with_model(Autoencoder(**given), model)
