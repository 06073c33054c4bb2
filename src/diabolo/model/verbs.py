"""What a trained model does with rows of users: frames, files, arrays. The estimator and a loaded model share it."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from diabolo import missing
from diabolo.checks import whole
from diabolo.data import sparse
from diabolo.data.adapters import Rows
from diabolo.errors import NotFittedError, OptionError
from diabolo.model import file as modelfile
from diabolo.model.model import Model
from diabolo.typing import Array, ArrayLike, Float64Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

V = TypeVar("V", bound="Verbs")


class Verbs:
    """Methods of a trained model.

    Attributes:
        model_: the trained `diabolo.model.model.Model`.
        history_: {"loss": [...], "val_loss": [...]}, one number per epoch: the mean over the rows, in nats. If the
            bottleneck or a penalty adds to the loss, also its parts "reconstruction" and "penalty", each with "val_".
        best_epoch_: from 1; the weights are those of this epoch.
        latent_dim_, reconstruction_loss_, random_state_: what was chosen.
        n_features_in_: numbers in a row.
        feature_names_in_: names of the columns, for a frame.
    """

    model_: Model
    history_: dict[str, list[float]]
    best_epoch_: int
    latent_dim_: int
    reconstruction_loss_: str
    random_state_: int
    n_features_in_: int
    feature_names_in_: np.ndarray[Any, Any]

    def encode(self, X: object, *, out: Array | None = None) -> Any:
        """Return latents (n, latent_dim), float32; for a frame a frame with its index and the columns left out.

        Args:
            X: an array, which may be memory-mapped; or a name, a file, a folder or chunks, as for fit().
            out: an array, which may be memory-mapped, to write into and return.
        """
        model = self._model
        return model.encode(X, out=out) if _is_plain(model, X) else _user_rows().encode(model, X, out=out)

    def decode(self, latents: object, *, condition: object = None, out: Array | None = None) -> Any:
        """Return rows in the form of fit() for latents (n, latent_dim); arguments as for encode().

        The columns of a frame are found by their names, as encode() gives them; other columns are ignored.

        Args: condition: for a model that has one: {"site": "B"}, each column with one value for all rows or one for
            each row; or a frame with these columns. Columns that are not given are taken from a frame of latents.
        """
        model = self._model
        if condition is None and _is_plain(model, latents):
            return model.decode(latents, out=out)
        return _user_rows().decode(model, latents, condition=condition, out=out)

    def transfer(self, X: object, /, **condition: object) -> Any:
        """Return rows as they would be with another condition, such as site="B", in the form of fit().

        Rows are encoded with their own condition, and decoded with these columns of it changed; other columns of the
        condition stay. All other columns are reconstructions.

        Args: X: a frame or a file, as for fit(); condition: by column, one value for all rows or one for each row.
        """
        return _user_rows().transfer(self._model, X, condition)

    def reconstruct(
        self,
        X: object,
        *,
        fill: str = "all",
        n_samples: int | None = None,
        random_state: int | np.random.Generator | None = None,
        out: Array | None = None,
    ) -> Any:
        """Return decode(encode(X)), in the shape and type of the rows of fit().

        Args:
            X: as for encode().
            fill: "all", or "missing": only the missing cells of a table are filled in, all others stay.
            n_samples: with fill="missing", return a list of this many tables, whose missing cells are drawn from
                likely values: the differences between them show how sure the model is (multiple imputation). The
                latents of a gaussian bottleneck are drawn as well.
            random_state: of these draws.
            out: as for encode().
        """
        if fill not in ("all", "missing"):
            raise OptionError(f"fill must be 'all' or 'missing', got {fill!r:.40}.")
        model = self._model
        if n_samples is not None:
            if fill == "all" or out is not None:
                raise OptionError("n_samples draws missing cells: pass fill='missing' as well, and no out.")
            return _user_rows().filled_by_chance(model, X, whole("n_samples", n_samples, 1), random_state)
        if fill == "all" and _is_plain(model, X):
            return model.reconstruct(X, out=out)
        return _user_rows().reconstruct(model, X, fill=fill == "missing", out=out)

    def score_samples(self, X: object) -> Float64Array:
        """Return minus the reconstruction loss of each row, (n,), in nats: the higher, the better it fits."""
        self._check_features(X, "score_samples()")
        model = self._model
        if _is_plain(model, X):
            return -model.loss_per_row(X)
        losses: Float64Array = _user_rows().apply(model, model.loss_per_row, X)
        return -losses

    def score(self, X: object, y: object = None) -> float:
        """Return the mean of `score_samples`: the higher, the better, as scikit-learn's searches expect."""
        return float(self.score_samples(X).mean())

    def error_of_moments(self, X: object) -> Float64Array:
        """Return the mean squared error of each row of a long table, (n,), in variances of the channels.

        For a model of windows: see `diabolo.windows` and `diabolo.model.moments`.

        Args: X: a long table with the columns of the one that the windows of fit() were cut from; it is cut in the same
            way. Or windows of it.
        Returns: in the order of the table; NaN for a row that is in no window.
        """
        from diabolo.model import moments

        return moments.error_of_rows(self._model, X, where="error_of_moments()")

    def codes(self, X: object, *, out: Array | None = None) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Return the codes of each row, (n, groups), int32, of a quantized bottleneck; arguments as for encode()."""
        found: np.ndarray[Any, np.dtype[np.int32]] = _user_rows().apply(self._model, self._model.codes, X, out)
        return found

    def sample(
        self, count: int, *, condition: object = None, random_state: int | np.random.Generator | None = None
    ) -> Any:
        """Return random rows in the form of fit(), drawn from what was learned: see `diabolo.model.generating.sample`.

        For a gaussian bottleneck, or a penalty that makes the latents standard normal: "mmd" or "adversarial".

        Args: condition: of a model that has one, as for decode().
        """
        from diabolo.model import generating

        rows = generating.sample(self._model, count, condition=condition, random_state=random_state)
        return _user_rows().as_frame(self._model, rows)

    def interpolate(self, first: object, second: object, *, steps: int = 10) -> Any:
        """Return rows between two rows, interpolated in the latents: see `diabolo.model.generating`."""
        from diabolo.model import generating

        ends = [_user_rows().read_one(self._model, row, where="interpolate()") for row in (first, second)]
        return _user_rows().as_frame(self._model, generating.interpolate(self._model, *ends, steps=steps), first)

    def traverse(self, row: object, latent: int, *, values: ArrayLike | None = None) -> Any:
        """Return rows that differ in one latent dimension only: see `diabolo.model.generating`."""
        from diabolo.model import generating

        one = _user_rows().read_one(self._model, row, where="traverse()")
        return _user_rows().as_frame(self._model, generating.traverse(self._model, one, latent, values=values), row)

    def log_likelihood(
        self, X: object, *, n_samples: int = 5000, random_state: int | np.random.Generator | None = None
    ) -> Float64Array:
        """Return an estimate of log p(row), (n,), nats, for a gaussian bottleneck: see `diabolo.model.generating`."""
        from diabolo.model import generating

        rows = X if sparse.is_sparse(X) else self._read(X, "log_likelihood()")
        return generating.log_likelihood(self._model, rows, n_samples=n_samples, random_state=random_state)

    def error_by_size(self, X: object) -> Float64Array:
        """Return the error with the first latent, the first two, ... up to all: see `Model.error_by_size`."""
        return self._model.error_by_size(self._read(X, "error_by_size()"))

    def report(
        self,
        X: object = None,
        path: str | Path = "report.html",
        *,
        rows: int | None = 10_000,
        labels: object = None,
        maps: Sequence[str] = (),
        without: Sequence[str] = (),
        only_model: bool = False,
        encoder: bool = False,
        title: str | None = None,
        force: bool = False,
    ) -> Path:
        """Write a page that shows the model and what it does with rows, as one file, and return its path.

        Args:
            X: rows, as for encode(); None: the model alone.
            path: of the page.
            rows: how many are in the page at most, spread evenly over X; None: all.
            labels: one for each row, or the name of a column of X, to colour rows by. None: those of data sets by
                name and of pictures in subfolders.
            maps: of the latents in addition to PCA: "tsne", "umap", "pacmap".
            without: what the page must not contain: "originals", "labels", "decoder".
            only_model: the model and its training alone, without any row.
            encoder: put the encoder into the page even if it is large, so that rows can be edited.
            title: of the page; None: the name of the file.
            force: overwrite the file if it exists.

        Raises: as encode(); OptionError; OutputError where the file exists or cannot be written.
        """
        path = Path(path)
        written: Path = _page().report(
            self._model,
            X,
            path,
            rows=rows,
            labels=labels,
            maps=_several(maps),
            without=_several(without),
            only_model=only_model,
            encoder=encoder,
            title=title,
            file=path.stem,
            force=force,
        )
        return written

    def explore(
        self, X: object = None, *, rows: int | None = None, labels: object = None, maps: Sequence[str] = ()
    ) -> Any:
        """Show the latent space: in a notebook as a widget, else in the browser until Ctrl-C.

        Args: X, labels, maps: as for report(); rows: how many at most; None: all, but 10,000 in a notebook.
        Returns: the widget in a notebook, else None.
        """
        return _page().explore(self._model, X, rows=rows, labels=labels, maps=_several(maps))

    def plot_reconstructions(
        self,
        X: object,
        *,
        rows: object = None,
        count: int = 12,
        path: str | Path | None = None,
        force: bool = False,
    ) -> "Figure":
        """Return rows above their reconstructions, as a figure of Matplotlib; pyplot is not used.

        Images are drawn as images, series as lines with a panel for each channel, rows of a table as their cells.

        Args:
            X: rows, as for encode().
            rows: numbers of the rows to draw, from 0; None: typical rows, with errors of any size, and the worst ones.
            count: how many rows to draw if `rows` is None; a third of them are the worst.
            path: a file to write as well, .png, .svg or .pdf.
            force: overwrite the file if it exists.

        Raises: as encode(); OptionError; OutputError where the file exists or cannot be written.
        """
        return _plot("reconstructions", self._model, X, rows=rows, count=count, path=path, force=force)

    def plot_history(self, *, path: str | Path | None = None, force: bool = False) -> "Figure":
        """Return the loss of each epoch, with the best epoch marked; `path` and `force` as in plot_reconstructions."""
        return _plot("history", self._model, path=path, force=force)

    def plot_latents(
        self, X: object, *, color: object = None, path: str | Path | None = None, force: bool = False
    ) -> "Figure":
        """Return a map of the latents: a histogram of one, the plane of two, two principal components of more.

        Args:
            X: rows, as for encode().
            color: the name of a column of X, which fit() need not have seen, or one value for each row. Categories get
                a legend, where those after the first ten are one entry; numbers and times get a colour bar. None: the
                labels of data sets by name and of pictures in subfolders.
            path: as for plot_reconstructions().
            force: as for plot_reconstructions().
        """
        return _plot("latents", self._model, X, color=color, path=path, force=force)

    def plot_traversal(
        self,
        row: object,
        *,
        latents: object = None,
        steps: int = 9,
        X: object = None,
        path: str | Path | None = None,
        force: bool = False,
    ) -> "Figure":
        """Return what each latent does to a row: the row decoded with other values of one latent at a time.

        For a table, each panel shows the columns that change most.

        Args:
            row: one row, as for traverse().
            latents: numbers of latents, from 0; None: at most eight, those that change the row most.
            steps: how many values of each.
            X: rows whose latents give the values: from their 1st to their 99th percentile. None: from -3 to 3 for a
                gaussian bottleneck, else to three times the root mean square of the row's latents, below and above 0.
            path: as for plot_reconstructions().
            force: as for plot_reconstructions().
        """
        return _plot("traversal", self._model, row, latents=latents, steps=steps, X=X, path=path, force=force)

    def plot_errors(self, X: object, *, path: str | Path | None = None, force: bool = False) -> "Figure":
        """Return the histogram of the errors of rows and, for a table, the error of each column.

        The error of a column is relative to that of the best constant guess; the worst thirty are drawn.

        Args: X: rows, as for encode(); path, force: as for plot_reconstructions().
        """
        return _plot("errors", self._model, X, path=path, force=force)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the model file and return its path (with `.safetensors` where it has no ending).

        Raises: OutputError where the file exists (pass force=True) or cannot be written.
        """
        return modelfile.save(self._model, path, force=force)

    def to_keras(self) -> Any:
        """Return the trained network as a `keras.Model`, rows as float32 tensors -> reconstruction as tensors.

        It does not scale: feed it `model_.adapter.adapt(X)`. Its bottleneck is the layer `bottleneck`.
        """
        model = self._model
        missing.check("tensorflow", "to_keras()")
        from diabolo.network.backends.keras import builder

        return builder.build_trained(model.network, model.weights, link=model.loss.link).autoencoder

    @property
    def _model(self) -> Model:
        if not hasattr(self, "model_"):
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted: call fit(X) first, or {type(self).__name__}.load(path)."
            )
        return self.model_

    def _read(self, X: object, where: str) -> Rows:
        rows: Rows = _user_rows().read(self._model, X, where=where, who=type(self).__name__)
        return rows

    def _check_features(self, X: object, where: str) -> None:
        _user_rows().refuse_other_features(self._model, X, where=where, who=type(self).__name__)

    def _pickled(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state with the model as the bytes of its file: checked when it comes back, and small."""
        if "model_" not in state:
            return state
        kept = {name: value for name, value in state.items() if not name.endswith("_")}
        state = kept | {"model_": modelfile.to_bytes(self.model_)}
        if own := self.model_.network.own_layers():  # by the names of their modules, as all classes in pickles
            state["_own_layers"] = own
        return state


def with_model(estimator: V, model: Model) -> V:
    """Give an object with verbs a trained model and all attributes of `Verbs`, and return it."""
    estimator.model_ = model
    estimator.history_ = model.record.history
    estimator.best_epoch_ = model.record.best_epoch
    estimator.latent_dim_ = model.network.latent_dim
    estimator.reconstruction_loss_ = model.loss.kind
    estimator.random_state_ = model.record.settings["random_state"]
    estimator.n_features_in_ = int(np.prod(model.adapter.row_shape))
    if model.schema is not None and not model.schema.numbered and model.schema.library != "array":
        estimator.feature_names_in_ = np.array(model.schema.names, object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    return estimator


def _is_plain(model: Model, X: object) -> bool:
    """Return whether X is an array of numbers for a model of arrays, which needs nothing of the module `rows`."""
    return (
        type(X) is np.ndarray
        and X.dtype.kind in "fiub"
        and model.schema is None
        and model.series is None
        and not model.adapter.takes_shorter_series
    )


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def _page() -> ModuleType:
    """Return the module that makes pages. It imports all others, so it is imported by name when it is needed."""
    with missing.named("the page"):
        return importlib.import_module("diabolo.page.views")


def card(model: Model, title: str) -> str:
    """Return a model as HTML for a notebook, by `diabolo.report.card`, which is imported by name."""
    found: str = importlib.import_module("diabolo.report.card").card(model, title)
    return found


def _plot(name: str, *arguments: Any, **settings: Any) -> "Figure":
    """Return a plot of `diabolo.report.plots`, which is imported by name because it imports models."""
    with missing.named("a plot"):
        plots = importlib.import_module("diabolo.report.plots")
        figure: Figure = getattr(plots, name)(*arguments, **settings)
    return figure


def _user_rows() -> ModuleType:
    """Return the module for rows of all other kinds, with its readers of files: an array is encoded without them."""
    from diabolo.model import rows

    return rows
