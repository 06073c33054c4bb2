"""The estimator: `Autoencoder(32).fit(X)`, then encode, decode, reconstruct, score.

It brings the rooms together: adapter, network, training, inference, model file. Only fit() loads TensorFlow.
"""

import functools
import logging
import numbers
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone

from diabolo.checks import is_whole, whole
from diabolo.data import frames, memory, sparse
from diabolo.data.adapters import Rows, SeriesAdapter
from diabolo.data.readers import scipy_files
from diabolo.data.series import are_shorter, is_ragged, padded
from diabolo.data.sources import Source
from diabolo.data.streams import is_stream, open_rows, open_stream, open_whole
from diabolo.data.tables import Reading
from diabolo.errors import DataError, DivergedError, ModelFileError, NotFittedError, OptionError, ShapeError
from diabolo.fitting.automatic import advice
from diabolo.fitting.automatic import latents as factors
from diabolo.fitting.automatic import optimizer as choosing
from diabolo.fitting.automatic.advice import Advice
from diabolo.fitting.preparation import Prepared, prepare, prepare_again
from diabolo.model import file as modelfile
from diabolo.model import generating
from diabolo.model.model import Model
from diabolo.model.record import MAX_EPOCHS, PARTS, SETTINGS, Record
from diabolo.model.runtime import by_chunk, fill
from diabolo.network import losses, structures
from diabolo.network.bottlenecks import Bottleneck
from diabolo.network.corruptions import Corruption
from diabolo.network.layers import LAYERS, Layer
from diabolo.network.penalties import Penalty
from diabolo.parts import Part, from_config, plain, read_part
from diabolo.training import backend, optimizers, runs
from diabolo.training.checkpoints import State
from diabolo.training.progress import Progress, Report, shown, verbosity
from diabolo.training.runs import Run

logger = logging.getLogger(__name__)

FEW_ROWS = 20  # below which a warning says so

# Parts that may be missing.
OPTIONAL = ("corruption", "penalty")

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Autoencoder(TransformerMixin, BaseEstimator):
    """An auto-encoder over rows of numbers or images, as a scikit-learn estimator.

    X is (n, features), (n, height, width) or (n, height, width, channels), bytes or any real numbers; whatever scaling
    the network needs is learnt from X and undone on the way out.

    Args:
        latent_dim: numbers in a latent; None: what the structure says, else 32 or a quarter of the features; "auto":
            as many as the rows have factors, counted by two short trainings (`diabolo.fitting.automatic.latents`).
        structure: in words ("dense", "conv 32-64, dense 256": `diabolo.network.words`), sizes from features to latent
            ("784-256-128"), hidden widths ([256]), or `diabolo.network.layers` of the encoder; the decoder mirrors it.
            Or a pair (encoder, decoder) of lists of layers or of Keras models of your own, of which the layers are
            taken and not the weights.
        tied: the dense layers of the decoder use the kernels of those they mirror, turned over: half the weights.
        activation: of the hidden layers; one of `diabolo.network.layers.ACTIVATIONS`.
        bottleneck: what makes the latent: "plain", "sparse", "gaussian" (a variational auto-encoder), "quantized",
            "ordered", "refined", with settings behind a colon ("gaussian:beta=4,warmup_epochs=10"), or one of
            `diabolo.network.bottlenecks`.
        bottleneck_activation: of the latent, where the bottleneck leaves a choice; None: what suits it.
        corruption: noise on the input, not on the target: "gaussian:0.5", "masking:0.3", "salt_and_pepper:0.1",
            "swap:0.15", "binarize", or one of `diabolo.network.corruptions`; None: none; "auto": none, but of tables
            with gaps "masking:0.1", from which it learns to fill them in.
        penalty: beside the reconstruction and what the bottleneck costs: "contractive:0.1", "mmd:100",
            "adversarial:10", "total_correlation:5", "l2:0.001", or one of `diabolo.network.penalties`.
        reconstruction_loss: "bernoulli", "gaussian" ("gaussian:variance=learnt"), "huber", "poisson", "categorical",
            "ssim", one of `diabolo.network.losses`, or "auto": bernoulli or gaussian, chosen from the data; the reason
            is logged.
        optimizer: one of `diabolo.training.OPTIMIZERS`, with settings behind a colon: "adamw:0.1" (the weight decay),
            "adam:epsilon=1e-4"; None: adamw:0.1, whose decay long trainings need, but adam for a gaussian bottleneck;
                "auto": what `advise` says, where several are close what a short race among them says.
        learning_rate: None: what suits the optimizer (0.001 for Adam).
        learning_rate_schedule: "cosine" (down to 0 over the epochs) or "constant".
        epochs: at most so many passes over the rows.
        batch_size: rows a step; fewer rows make one batch.
        validation_fraction: share of the rows held back, in [0, 1), to tell the best epoch; 0 keeps the last.
        patience: epochs without a better validation loss before training ends; 0 never ends early.
        allow_overcomplete: accept latent_dim >= features.
        random_state: a whole number, which makes two runs give the same bits; None draws one and keeps it in
            `random_state_`; or a numpy RandomState or Generator to draw it from.
        memory: what rows may take while they are trained on: bytes or a text such as "2GB"; None: a quarter of what is
            free, rounded down to a power of two. Rows of files that would take more are read again for every epoch, in
            an order that depends on it.
        types: kinds of a frame's columns by name, where what is inferred will not do: {"code": "category"}; "number",
            "count", "boolean", "category" or "date".
        series: whether arrays of three axes are series (n, time, channels), each channel with a scale of its own and
            NaN where a value is missing, rather than grey images. Lists of arrays of different lengths always are.
        verbose: 0 or False shows nothing, 1 or True a progress bar, 2 a line per epoch, "auto" a bar on a terminal or
            in a notebook and else nothing. A notebook shows it on stdout, everything else on stderr.

    Attributes:
        model_: the trained `diabolo.model.model.Model`.
        history_: {"loss": [...], "val_loss": [...]}, one number an epoch, in nats a row.
        best_epoch_: from 1; the weights are those of this epoch.
        latent_dim_, reconstruction_loss_, random_state_: what was chosen.
        optimizer_reason_: of optimizer="auto", which was chosen and why.
        n_features_in_: numbers in a row.
    """

    def __init__(
        self,
        latent_dim: int | str | None = None,
        *,
        structure: structures.Structure = "dense",
        tied: bool = False,
        activation: str = "elu",
        bottleneck: str | Bottleneck = "plain",
        bottleneck_activation: str | None = None,
        corruption: str | Corruption | None = "auto",
        penalty: str | Penalty | None = None,
        reconstruction_loss: str | losses.Loss = "auto",
        optimizer: str | None = None,
        learning_rate: float | None = None,
        learning_rate_schedule: str = "cosine",
        epochs: int = 50,
        batch_size: int = 64,
        validation_fraction: float = 0.1,
        patience: int = 10,
        allow_overcomplete: bool = False,
        random_state: Any = None,
        memory: int | str | None = None,
        types: dict[str, str] | None = None,
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
        self.reconstruction_loss = reconstruction_loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.allow_overcomplete = allow_overcomplete
        self.random_state = random_state
        self.memory = memory
        self.types = types
        self.series = series
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        report: Report | None = None,
        source: str | None = None,
        also: Any = None,
        run: str | Path | None = None,
        resume: bool = False,
    ) -> Self:
        """Learn from rows (n, features) or images (n, height, width[, channels]).

        X is an array; the name of a data set, a file, a folder or a pattern of files; or an iterable of chunks of rows,
        such as a generator or a `tf.data.Dataset`.

        Args: y: ignored; report: takes a `diabolo.training.Progress` about twice a second, in place of what
            `verbose` would show; source: what the record calls the rows;
            also: rows that will be judged later; nothing is learnt from them, but a loss is chosen that can take them.
            run: a folder in which the training is kept: whatever ends it, it can go on; resume: go on in that folder.
        Raises: DataError, ShapeError, OptionError for bad input; CheckpointError for a run that cannot begin or go on;
            DivergedError, behind which this is the estimator of the epochs before, where there were any.
        """
        settings = self.checked_settings()
        if resume and run is None:
            raise OptionError("resume=True (--resume) needs the folder of the run: give run (--run) as well.")
        with nullcontext() if run is None else Run(run, resume=resume) as kept:
            return self._fit(X, also, settings, kept, report=report, source=source)

    def _fit(
        self, X: Any, also: Any, settings: dict[str, Any], run: Run | None, *, report: Report | None, source: str | None
    ) -> Self:
        def before(name: str) -> Any:
            return None if run is None else run.settled(name)

        self.__dict__.pop("optimizer_reason_", None)  # of an earlier fit
        seed = before("random_state") if self.random_state is None else None
        seed = seed_of(self.random_state) if seed is None else seed
        asked = self.get_params(deep=False)
        wanted = settings
        if self.latent_dim == factors.AUTO:
            X = self._opened(X)
            counted = before("latents") or clone(self).set_params(random_state=seed).count_latents(X)
            wanted = settings | {"latent_dim": counted}
            asked["latent_dim"] = counted
        if self.optimizer == advice.AUTO and not (is_stream(X) or sparse.is_sparse(X) or scipy_files.is_matrix(X)):
            X = open_rows(X, memory.limit(plain(self.memory)), reading=Reading(types=self.types or {}))
        ready = prepare(asked, X, also, wanted, seed)
        if (count := ready.rows + ready.validation_rows) < FEW_ROWS:
            logger.warning("fit(): %d row%s to learn from: the model may not fit other rows", count, "s" * (count > 1))
        logger.info("reconstruction loss: %s (%s)", ready.loss.loss.kind, ready.loss.reason)
        if self.optimizer == advice.AUTO and before("optimizer") is not None:
            settings |= {name: before(name) for name in ("optimizer", "learning_rate")}
        elif self.optimizer == advice.AUTO:
            settings |= choosing.optimizer_for(self, ready, X if isinstance(X, Source) else None, wanted, seed)
        self._state = None
        return self._learn(ready, settings, seed, report=report, source=source, run=run)

    def count_latents(self, X: Any) -> int:
        """Return how many latents rows need, as latent_dim="auto" does: see `diabolo.fitting.automatic.latents`.

        Raises: as fit().
        """
        if structures.says_latents(self.structure):
            raise OptionError(f"structure {self.structure!r} says how many latents: leave latent_dim='auto' out.")
        opened, seed = self._opened(X), seed_of(self.random_state)
        asked = self.get_params(deep=False) | {"latent_dim": 1, "verbose": False, "random_state": seed}
        ready = prepare(asked, opened, None, Autoencoder(**asked).checked_settings(), seed)
        features = int(np.prod(ready.network.input_shape))
        pilots = factors.pilots(asked, ready.loss.loss.kind, features, ready.rows)
        tried = [Autoencoder(**settings).fit(opened) for settings in pilots]
        model = min(tried, key=lambda each: min(each.history_.get("val_loss", each.history_["loss"]))).model_
        return factors.used(model, model.checked(opened.rows, where="fit()"))

    def advise(self, X: Any) -> Advice:
        """Return which optimizers, at which rates, are likely to suit rows and this network; nothing is trained.

        Raises: as fit().
        """
        settings, seed = self.checked_settings(), seed_of(self.random_state)
        if self.latent_dim == factors.AUTO:
            settings |= {"latent_dim": None}  # to count them would be a training
        ready = prepare(self.get_params(deep=False), X, None, settings, seed)
        return advice.advise(ready.facts(batch_size=settings["batch_size"], epochs=settings["epochs"]))

    def _opened(self, X: Any) -> Source:
        """Return rows that can be trained on twice. Raises DataError where they are streamed."""
        limit, reading = memory.limit(plain(self.memory)), Reading(types=self.types or {})
        return open_whole(X, limit, reading=reading, what="latent_dim='auto'")

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Go over rows once more, or over new ones, from where this estimator is: one epoch, at a constant rate.

        The first call learns from its rows what their columns are and how to scale them, as fit() does; later rows
        must look alike. Behind fit() or `diabolo.load` it goes on from that model. Nothing is held back. Of two calls
        in a row the second goes on with the state of the optimizer; a saved or pickled estimator has the weights alone.

        Raises: DataError, ShapeError, OptionError for bad input; DivergedError.
        """
        settings = self.checked_settings()
        if sparse.is_sparse(X) or scipy_files.is_matrix(X):
            raise DataError("partial_fit() expected dense rows, got a sparse matrix: pass X.toarray().")
        if not hasattr(self, "model_"):
            if self.latent_dim == factors.AUTO:
                raise OptionError("partial_fit() cannot count latents: give latent_dim as a number, or fit() first.")
            self._state, seed = None, seed_of(self.random_state)
            asked = self.get_params(deep=False) | {"validation_fraction": 0}
            ready = prepare(asked, X, None, settings | {"validation_fraction": 0}, seed)
        else:
            seed = self.random_state_
            rows = self.as_numbers(X, where="partial_fit()")
            ready = prepare_again(self.get_params(deep=False), self.model_, rows)
        return self._learn(ready, settings, seed, partial=True)

    def _learn(
        self,
        ready: Prepared,
        settings: dict[str, Any],
        seed: int,
        *,
        report: Report | None = None,
        source: str | None = None,
        run: Run | None = None,
        partial: bool = False,
    ) -> Self:
        """Train and keep the model: from nothing, or for one epoch more."""
        before = self.model_ if partial and hasattr(self, "model_") else None
        backend.load_tensorflow()  # seconds, so not before every check above has passed
        from diabolo.network.backends.keras import builder as keras_builder
        from diabolo.training import loop

        network, loss = ready.network, ready.loss.loss
        models = keras_builder.build(network, link=loss.link, seed=seed)
        history, seen = dict[str, list[float]](), 0
        if before is not None:
            keras_builder.set_weights(models, network, before.weights)
            history = {name: curve for name, curve in before.record.history.items() if not name.startswith("val_")}
            seen = before.record.rows
        state = None if before is None else getattr(self, "_state", None) or State(None, history, 0, None)
        epochs = len(history.get("loss", [])) + 1 if partial else settings["epochs"]
        if settings["optimizer"] == advice.AUTO and before is not None:
            known = before.record.settings
            settings = settings | {name: known[name] for name in ("optimizer", "learning_rate")}
        elif settings["optimizer"] == advice.AUTO:
            settings = settings | choosing.optimizer_for(self, ready, None, settings, seed)
        batch_size, optimizer = settings["batch_size"], settings["optimizer"]
        optimizer = optimizers.suiting(network.bottleneck) if optimizer is None else optimizer
        schedule = "constant" if partial else settings["learning_rate_schedule"]
        rate = optimizers.check(optimizer, settings["learning_rate"], schedule)
        steps = epochs * -(-ready.rows // batch_size)
        spec = loop.Spec(
            models=models,
            network=network,
            loss=loss,
            corruption=ready.corruption,
            penalty=ready.penalty,
            optimizer=optimizers.make(optimizer, rate, schedule, steps),
            epochs=epochs,
            batch_size=batch_size,
            patience=settings["patience"],
            seed=seed,
            learnt={} if before is None else before.learnt,
        )

        def model(outcome: loop.Outcome) -> Model:
            record = Record(
                settings=settings | {"random_state": seed},
                source=source or ready.name,
                rows=ready.rows + seen,
                validation_rows=ready.validation_rows,
                learning_rate=rate,
                loss_reason=ready.loss.reason,
                best_epoch=outcome.best_epoch,
                history=outcome.history,
                compiled=outcome.choice.compiled,
                streamed_within=ready.streamed_within,
                versions=loop.versions(),
            )
            weights = keras_builder.get_weights(models, network)
            weights |= {f"loss/{weight}": value for weight, value in outcome.learnt.items()}
            return Model(
                network=network, weights=weights, adapter=ready.adapter, loss=loss, record=record, schema=ready.schema
            )

        shard, keep = loop.Shard(**ready.shard), {"restored": state, "keep": self._keep} if partial else {}
        try:
            with self._shown(report) as show:
                train = functools.partial(self._train, spec, shard, show)
                if run is None:
                    outcome = train(**keep)
                else:
                    known = settings | {"random_state": seed, "latents": network.latent_dim}
                    about = runs.about(known, ready.shard, loop.versions(), within=ready.streamed_within)
                    outcome = run.train(train, about)
        except DivergedError as error:
            if error.outcome is not None:
                error.model = model(error.outcome)
                self.take(error.model)
            raise
        return self.take(model(outcome))

    def _train(self, spec: Any, shard: Any, report: Report, **where: Any) -> Any:
        from diabolo.training import loop

        return loop.train(spec, shard, report, **where)

    def _keep(self, progress: Progress, state: Callable[[], Any]) -> None:
        if progress.epoch_done:
            self._state = state()

    def encode(self, X: Any, *, out: Any = None) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return latents (n, latent_dim), float32, of rows like those of fit(); of a frame a frame, index and all.

        Args:
            X: an array, which may be memory-mapped; or, as for fit(), a name, a file, a folder or chunks, read in
                parts.
            out: an array, which may be memory-mapped, to write into and return.
        """
        latents = self._each(self._model.encode, X, out)
        return frames.numbers_as_frame(latents, "latent", like=X) if frames.is_frame(X) else latents

    def decode(self, latents: Any, *, out: Any = None) -> Any:
        """Return rows as they came to fit(), of latents (n, latent_dim); arguments as for encode().

        The columns of a frame are found by their names, as encode() gives them; others beside them are left alone.
        """
        values = self._latents(latents) if frames.is_frame(latents) else latents
        rows = self._each(self._model.decode, values, out)
        return rows if out is not None else self._as_frame(rows, latents)

    def reconstruct(self, X: Any, *, fill: str = "all", out: Any = None) -> Any:
        """Return decode(encode(X)), in the shape and type of the rows of fit(); other arguments as for encode().

        Args: fill: "all", or "missing": of a table with gaps what is there stays, and only missing cells are filled in.
        """
        if fill not in ("all", "missing"):
            raise OptionError(f"fill must be 'all' or 'missing', got {fill!r:.40}.")
        verb = self._model.reconstruct if fill == "all" else self._model.fill_in
        rows = self._each(verb, X, out)
        if self._are_shorter(X):
            several = [row[: len(each)] for row, each in zip(rows, X, strict=True)]
            return np.stack(several) if isinstance(X, np.ndarray) else several
        if out is not None or not (frames.is_frame(X) or is_stream(X)):
            return rows
        return self._as_frame(rows, X, known=X if fill == "missing" and frames.is_frame(X) else None)

    def transform(self, X: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Encode, under scikit-learn's name: an array, or what `set_output` says."""
        return self._each(self._model.encode, self._as_in_fit(X, "transform()"), None)

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return what the columns of `transform` are called: latent_0, latent_1, ..., whatever came in."""
        return np.array([f"latent_{at}" for at in range(self._model.network.latent_dim)], object)

    def inverse_transform(self, X: Any) -> Any:
        """Decode, under scikit-learn's name."""
        return self.decode(X)

    def score_samples(self, X: Any) -> Floats:
        """Return minus the reconstruction loss of each row, (n,), in nats: the higher, the better it fits."""
        return -self._each(self._model.loss_per_row, self._as_in_fit(X, "score_samples()"), None)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of `score_samples`: the higher, the better, as scikit-learn's searches expect."""
        return float(self.score_samples(X).mean())

    def codes(self, X: Any, *, out: Any = None) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Return which codes of a quantized bottleneck stand for each row, (n, groups), int32; as for encode()."""
        return self._each(self._model.codes, X, out)

    def sample(self, count: int, *, random_state: Any = None) -> Any:
        """Return rows drawn from what was learnt, as they came to fit(): see `diabolo.model.generating.sample`.

        For a gaussian bottleneck, or a penalty that makes latents a standard normal, "mmd" or "adversarial".
        """
        return self._as_frame(generating.sample(self._model, count, random_state=random_state), None)

    def interpolate(self, first: Any, second: Any, *, steps: int = 10) -> Any:
        """Return rows on the way from one row to another, through the latents: see `diabolo.model.generating`."""
        ends = [self._one(row, "interpolate()") for row in (first, second)]
        return self._as_frame(generating.interpolate(self._model, *ends, steps=steps), first)

    def traverse(self, row: Any, latent: int, *, values: Any = None) -> Any:
        """Return rows that differ in one latent alone: see `diabolo.model.generating`."""
        return self._as_frame(
            generating.traverse(self._model, self._one(row, "traverse()"), latent, values=values), row
        )

    def log_likelihood(self, X: Any, *, n_samples: int = 5000, random_state: Any = None) -> Floats:
        """Return an estimate of log p(row), (n,), in nats, of a gaussian bottleneck: see `diabolo.model.generating`."""
        rows = X if sparse.is_sparse(X) else self.as_numbers(X, where="log_likelihood()")
        return generating.log_likelihood(self._model, rows, n_samples=n_samples, random_state=random_state)

    def error_by_size(self, X: Any) -> Floats:
        """Return the error from the first latent, the first two, ... to all: see `Model.error_by_size`."""
        return self._model.error_by_size(self.as_numbers(X, where="error_by_size()"))

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the model file and return its path (with `.safetensors` where it has no ending).

        Raises: OutputError where the file exists (pass force=True) or cannot be written.
        """
        return modelfile.save(self._model, path, force=force)

    def to_keras(self) -> Any:
        """Return the trained network as a `keras.Model`, rows as float32 tensors -> reconstruction as tensors.

        It knows nothing of the scaling: feed it `model_.adapter.adapt(X)`. Its waist is the layer `bottleneck`.
        """
        model = self._model
        backend.load_tensorflow()
        from diabolo.network.backends.keras import builder as keras_builder

        models = keras_builder.build(model.network, link=model.loss.link)
        keras_builder.set_weights(models, model.network, model.weights)
        return models.autoencoder

    @property
    def _model(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(X) first, or diabolo.load(path).")
        return self.model_

    def _as_frame(self, rows: Rows, like: Any, known: Any = None) -> Any:
        """Return rows of a table as a frame of the library of `like`, or of that of fit(); any others as they are."""
        schema = self._model.schema
        if schema is None:
            return rows
        if not frames.is_frame(like):
            return frames.write(rows, schema)
        index = getattr(like, "index", None)
        index = index if index is not None and len(index) == len(rows) else None
        return frames.write(rows, schema, frames.library_of(like), index=index, known=known)

    def as_numbers(self, X: Any, *, where: str, who: str | None = None) -> Rows:
        """Return rows as the model takes them, (n, *row_shape), checked: of a frame its cells as numbers.

        Args: where: what asked, to open a message with; who: an estimator that stands for this one.
        """
        X = self._numbers(self._as_in_fit(X, where, who), where)
        if is_stream(X):
            stream = open_stream(X, schema=self._model.schema, row_shape=self._model.adapter.row_shape)
            X = np.concatenate(list(stream.chunks(1 << 16)))
        return self._model.checked(X, where=where)

    def _numbers(self, X: Any, where: str) -> Any:
        """Return a frame as numbers, series that are shorter than in fit() with gaps, and anything else as it is."""
        if self._are_shorter(X):
            return padded(X, self._model.adapter.row_shape[0])
        schema = self._model.schema
        if schema is None or is_stream(X):
            return X
        if frames.is_frame(X):
            rows, notes = frames.read(X, schema, where=where)
            for note in notes:
                logger.warning("%s: %s", where, note)
            return rows
        coded = next((each.name for each in schema.columns if each.kind in ("category", "date")), None)
        if coded is not None:
            raise DataError(
                f"{where} expected a frame, as fit() had, got {type(X).__name__}: no array says which {coded!r} is "
                f"meant."
            )
        return X

    def _are_shorter(self, X: Any) -> bool:
        """Whether X are series of other lengths than those of fit(): of a model that saw such, a list always is."""
        adapter = self._model.adapter
        takes = isinstance(adapter, SeriesAdapter) and adapter.gaps
        return is_ragged(X) or (takes and are_shorter(X, adapter.row_shape[0]))

    def _latents(self, frame: Any) -> Rows:
        """Return a frame of latents as numbers, (n, latent_dim), or of an ordered bottleneck as many as there are."""
        names, size = frames.frame_names(frame), self._model.network.latent_dim
        if self._model.network.bottleneck.can_be_cut:
            size = next((at for at in range(1, size) if f"latent_{at}" not in names), size)
        rows, notes = frames.read(frame, frames.of_latents(size), where="decode()", spare=set(map(str, names)))
        for note in notes:
            logger.warning("decode(): %s", note)
        return rows

    def _as_in_fit(self, X: Any, where: str, who: str | None = None) -> Any:
        """Return X; ShapeError in scikit-learn's words, which its checks look for, where features are missing."""
        known: tuple[int, ...] = self._model.adapter.row_shape
        shape: tuple[int, ...] = getattr(X, "shape", ())
        if len(known) == 1 and len(shape) == 2 and shape[1] != known[0] and not frames.is_frame(X):
            raise ShapeError(
                f"{where}: X has {shape[1]} features, but {who or type(self).__name__} is expecting {known[0]} "
                f"features as input."
            )
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # a missing cell
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]  # which latents always are
        return tags

    def _one(self, row: Any, where: str) -> Any:
        """Return a row as numbers: of a frame, the only one it has."""
        if self._model.schema is None or not frames.is_frame(row):
            return row
        rows = frames.read(row, self._model.schema, where=where).rows
        if len(rows) != 1:
            raise ShapeError(f"{where} expected a frame of one row, got {len(rows)}: frame.iloc[[0]].")
        return rows[0]

    def _each(self, verb: Callable[..., Rows], X: Any, out: Any) -> Rows:
        """Return what a verb makes of an array, a frame, or of rows that are read chunk by chunk."""
        schema = self._model.schema
        if verb != self._model.decode:
            X = self._numbers(X, f"{verb.__name__}()")
        if not is_stream(X):
            return verb(X, out=out)
        if verb == self._model.decode:
            stream = open_stream(X)
        else:
            stream = open_stream(X, schema=schema, row_shape=self._model.adapter.row_shape)
        chunks = by_chunk(verb, stream, widest=self._model.widest)
        return np.concatenate(list(chunks)) if out is None else fill(out, chunks, stream.rows)

    def __getstate__(self) -> dict[str, Any]:
        # The model goes as the bytes of its file: checked when it comes back, and of the same size everywhere.
        state: dict[str, Any] = super().__getstate__()
        if "model_" in state:
            kept = {name: value for name, value in state.items() if not name.endswith("_")}
            state = kept | {"model_": modelfile.to_bytes(self.model_)}
            if own := self.model_.network.own_layers():  # by the names of their modules, as all classes in pickles
                state["_own_layers"] = own
        state.pop("_state", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        model, own = state.pop("model_", None), state.pop("_own_layers", None)
        super().__setstate__(state)
        if model is not None:
            self.take(modelfile.from_bytes(model, own))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def take(self, model: Model) -> Self:
        """Make a trained model this estimator's own."""
        self.model_ = model
        self.history_ = model.record.history
        self.best_epoch_ = model.record.best_epoch
        self.latent_dim_ = model.network.latent_dim
        self.reconstruction_loss_ = model.loss.kind
        self.random_state_ = model.record.settings["random_state"]
        self.n_features_in_ = int(np.prod(model.adapter.row_shape))
        if model.schema is not None and not model.schema.numbered and model.schema.library != "array":
            self.feature_names_in_ = np.array(model.schema.names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def checked_settings(self) -> dict[str, Any]:
        """Return the settings as JSON values; OptionError with the one that cannot hold."""
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0)):
            whole(name, getattr(self, name), least)
        if self.epochs > MAX_EPOCHS:
            raise OptionError(f"epochs must be at most {MAX_EPOCHS:,}, which a model file holds, got {self.epochs:,}.")
        fraction: Any = plain(self.validation_fraction)
        if isinstance(fraction, bool) or not isinstance(fraction, numbers.Real) or not 0 <= float(fraction) < 1:
            raise OptionError(f"validation_fraction must be in [0, 1), got {fraction!r}.")
        verbosity(self.verbose)
        if isinstance(self.latent_dim, str) and self.latent_dim != factors.AUTO:
            raise OptionError(f"latent_dim must be a whole number or 'auto', got {self.latent_dim!r:.40}.")
        if self.optimizer is not None and not isinstance(self.optimizer, str):
            raise OptionError(f"optimizer must be a text such as 'adamw:0.1', got {self.optimizer!r:.60}.")
        if self.optimizer == advice.AUTO and self.learning_rate is not None:
            raise OptionError("optimizer='auto' chooses the rate as well: leave learning_rate out.")
        named = None if self.optimizer == advice.AUTO else self.optimizer
        optimizers.check(named or "adam", plain(self.learning_rate), self.learning_rate_schedule)
        if not isinstance(self.series, bool):
            raise OptionError(f"series must be True or False, got {self.series!r:.60}.")
        if self.types is not None and not (
            isinstance(self.types, dict) and all(type(each) is str for pair in self.types.items() for each in pair)
        ):
            raise OptionError(f"types must be kinds by name, such as {{'code': 'category'}}, got {self.types!r:.60}.")
        settings = {name: getattr(self, name) for name in self._get_param_names() if name in SETTINGS}
        settings = {name: plain(value) for name, value in settings.items()}
        settings["reconstruction_loss"] = losses.full_name(settings["reconstruction_loss"])
        for name, table in PARTS.items():
            if isinstance(settings[name], Part):
                settings[name] = read_part(name, table, settings[name]).to_config()
            elif not isinstance(settings[name], str) and (settings[name] is not None or name not in OPTIONAL):
                raise OptionError(f"{name} must be a text such as {next(iter(table))!r}, got {settings[name]!r:.60}.")
        both = structures.pair(self.structure)
        if both is not None:
            settings["structure"] = [[layer.to_config() for layer in part] for part in both]
        elif isinstance(settings["structure"], list):
            settings["structure"] = [
                layer.to_config() if isinstance(layer, Layer) else layer for layer in settings["structure"]
            ]
        return settings

    def _shown(self, report: Report | None) -> Any:
        return shown(self.verbose) if report is None else nullcontext(report)


def load(
    path: str | Path, *, layers: Mapping[str, type[Layer]] | None = None, expect_sha256: str | None = None
) -> Autoencoder:
    """Return the fitted estimator in a model file. Raises ModelFileError for anything that is not a sound model.

    Needs no TensorFlow, and runs no code from the file.

    Args:
        path: of the file.
        layers: classes of layers of your own, by the kinds that the file names: {"scaled": Scaled}.
        expect_sha256: of the whole file, in hexadecimal, as `diabolo verify` prints it; any other file is refused.

    Raises: OptionError for what is no SHA-256, or no layer.
    """
    model = modelfile.load(path, layers=layers, expect_sha256=expect_sha256)
    try:
        return from_model(model)
    except OptionError as error:  # layers in the settings that are none
        raise ModelFileError(f"{path} is not a sound Diabolo model: {error}") from error


def from_model(model: Model) -> Autoencoder:
    """Return the estimator of a trained model, with the settings that it was fitted with."""
    settings = dict(model.record.settings)
    settings["structure"] = _layers(settings.get("structure"), LAYERS | model.network.own_layers())
    for name, table in PARTS.items():
        if isinstance(settings.get(name), dict):
            settings[name] = from_config(name, table, settings[name])
    return Autoencoder(**settings).take(model)


def _layers(config: Any, table: Mapping[str, type[Layer]]) -> Any:
    """Return a structure whose layers were JSON objects."""
    if isinstance(config, list):
        return [_layers(item, table) for item in config]
    return from_config("layer", table, config) if isinstance(config, dict) else config


def seed_of(random_state: Any) -> int:
    """Return the seed that a whole number, a generator or None stands for; OptionError for anything else."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if is_whole(random_state, 0) and random_state < 2**32:
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**32))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**32, dtype=np.uint32))
    raise OptionError(
        f"random_state must be None, a whole number from 0 to 2**32 - 1 or a generator, got {random_state!r}."
    )
