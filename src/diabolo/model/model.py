"""A trained auto-encoder: the content of a model file, with one method for each operation on rows.

The estimator and the command line both use it. Methods take and return rows as arrays in the user's units; the rows of
a table are the numbers that its `schema` makes from a frame. It needs no TensorFlow: `diabolo.model.runtime` runs the
network, `diabolo.model.generating` makes new rows.

Order: the facts, encode and decode, losses and residuals, codes, the raw outputs of the decoder, checks.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diabolo.data.adapters import Adapter, Rows, TableAdapter
from diabolo.data.frames import Schema
from diabolo.data.long_table.form import SeriesForm
from diabolo.errors import OptionError
from diabolo.model import completion
from diabolo.model.completion import Completion
from diabolo.model.condition import Condition, given_for
from diabolo.model.detection import Detection
from diabolo.model.draws import DrawsDetection
from diabolo.model.record import Record
from diabolo.model.runtime import Floats, Runtime, finite
from diabolo.network.bottlenecks.gaussian import LOG_VAR_LIMIT
from diabolo.network.losses import Loss, Mixed
from diabolo.network.network import Network


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with its weights, the adapter for its rows, its loss, and the record of its training.

    Attributes:
        network: the layers, without weights.
        weights: float32 arrays by name ("encoder_1/kernel"): those of `network.weights()`, and the parameters of the
            loss ("loss/log_var") if it has any.
        adapter: between rows (n, *row_shape) and the tensors of the network.
        loss: the reconstruction loss.
        record: the settings of the estimator, and the history of the training.
        schema: the columns of a table, if fit() got one: between a frame and the array that the methods here take.
        series: the names of the channels of series, and how windows were cut from a long table, if fit() got such.
        detection: the facts of an `AnomalyDetector`, if one was fitted.
        completion: how missing numbers of a table are filled in; None: by the network alone.
    """

    network: Network
    weights: Mapping[str, Floats]
    adapter: Adapter
    loss: Loss
    record: Record
    schema: Schema | None = None
    series: SeriesForm | None = None
    detection: Detection | DrawsDetection | None = None
    completion: Completion | None = None

    def __getstate__(self) -> dict[str, Any]:
        # The sessions of ONNX Runtime cannot be pickled; they are created again when they are needed.
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @cached_property
    def runtime(self) -> Runtime:
        """The sessions that run the network."""
        return Runtime(
            network=self.network, weights=self.weights, adapter=self.adapter, loss=self.loss, condition=self.condition
        )

    @cached_property
    def condition(self) -> Condition | None:
        """The columns that the decoder is given; None: it is given latents only."""
        return Condition.of(self.network, self.adapter, self.schema)

    @cached_property
    def learnt(self) -> dict[str, Floats]:
        """The parameters of the loss, by name."""
        return {name: self.weights[f"loss/{name}"] for name in self.loss.weights(self.network.input_shape)}

    @property
    def max_width(self) -> int:
        """The number of values in a row, or of latents if there are more of them."""
        return max(math.prod(self.adapter.row_shape), self.network.latent_dim)

    @property
    def values_per_row(self) -> int:
        """The number of values of a row in the network, without the flags of missing cells."""
        return self.loss.values(self.network.input_shape)

    def encode(self, X: object, *, where: str = "encode()", out: Rows | None = None, first_row: int = 0) -> Floats:
        """Return latents (n, latent_dim), float32, of rows (n, *row_shape).

        Args:
            X: rows, dense or a scipy sparse matrix; a memory-mapped array is read batch by batch.
            where: name of the caller, for messages.
            out: an array (n, latent_dim) to write into and return, which may be memory-mapped as well.
            first_row: number of rows before these, for messages.

        Raises: DataError, ShapeError.
        """
        few = self.runtime.encode_few(X) if out is None else None
        if few is not None:
            return few

        def one(batch: Rows, row: int) -> Floats:
            return self.runtime.encode(self.adapter.adapt(batch, first_row=row), row)

        return self.runtime.map_rows(X, one, (self.network.latent_dim,), where=where, out=out, first_row=first_row)

    def decode(
        self,
        latents: object,
        *,
        condition: Rows | None = None,
        where: str = "decode()",
        out: Rows | None = None,
        first_row: int = 0,
    ) -> Rows:
        """Return rows (n, *row_shape), in the units of the rows of fit(), for latents (n, latent_dim).

        The latents of an ordered bottleneck may be cut: (n, k) with k below latent_dim. Other arguments and errors as
        for `encode`, with `out` of shape (n, *row_shape).

        Args: condition: of a model that has one, the numbers of its columns, (n, k): see `Condition.read`.
        """
        values = self.runtime.check_latents(latents, where=where, first_row=first_row)
        given = given_for(self.condition, condition, len(values), where)

        def one(batch: Rows, row: int) -> Rows:
            theirs = None if given is None else given[row : row + len(batch)]
            return self.runtime.decode(batch, first_row + row, theirs)

        return self.runtime.map_batches(values, one, self.adapter.row_shape, out)

    def reconstruct(
        self, X: object, *, where: str = "reconstruct()", out: Rows | None = None, first_row: int = 0
    ) -> Rows:
        """Return decode(encode(X)), (n, *row_shape). As for `encode`, with `out` of this shape."""
        return self.runtime.map_rows(
            X, self._reconstruct, self.adapter.row_shape, where=where, out=out, first_row=first_row
        )

    def fill_in(self, X: object, *, where: str = "reconstruct()", out: Rows | None = None, first_row: int = 0) -> Rows:
        """Return rows with their missing cells (NaN) filled in and all others unchanged; as `reconstruct`."""

        def one(batch: Rows, row: int) -> Rows:
            return np.where(np.isnan(batch), self._filled(batch, row), batch)

        return self.runtime.map_rows(X, one, self.adapter.row_shape, where=where, out=out, first_row=first_row)

    def _filled(self, batch: Rows, row: int) -> Rows:
        if self.completion is None or not isinstance(self.loss, Mixed) or not isinstance(self.adapter, TableAdapter):
            return self._reconstruct(batch, row)
        tensors = self.adapter.adapt(batch, first_row=row)
        shown = completion.fill(
            self.completion, self.adapter, self.loss, tensors, self.runtime.raw_outputs(tensors, row)
        )
        return self.adapter.restore(finite(shown, row))

    def fill_in_by_chance(self, X: object, draw: np.random.Generator, *, where: str, first_row: int = 0) -> Rows:
        """Return rows whose missing cells are drawn from the values that are likely there, and all others unchanged.

        Of a gaussian bottleneck the latents are drawn as well.

        Raises: OptionError where the model does not know how likely values are; DataError, ShapeError.
        """
        known, loss, adapter = self.completion, self.loss, self.adapter
        if known is None or not isinstance(loss, Mixed) or not isinstance(adapter, TableAdapter):
            raise OptionError(
                f"{where}: n_samples needs a model of a table with gaps, of not too many columns: leave n_samples out."
            )

        def one(batch: Rows, row: int) -> Rows:
            tensors = adapter.adapt(batch, first_row=row)
            latents = self.runtime.encode(tensors, row)
            if self.network.bottleneck.is_stochastic:
                _, log_var = self.runtime.posterior(tensors, row)
                deviation = np.exp(0.5 * np.clip(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT))
                latents = latents + deviation * draw.standard_normal(latents.shape, np.float32)
            raw = self.runtime.decode_raw(latents, row, self.runtime.condition_of(tensors))
            filled = adapter.restore(finite(completion.fill(known, adapter, loss, tensors, raw, draw), row))
            return np.where(np.isnan(batch), filled, batch)

        return self.runtime.map_rows(X, one, adapter.row_shape, where=where, first_row=first_row)

    def _reconstruct(self, batch: Rows, row: int) -> Rows:
        latents = self.runtime.encode(self.adapter.adapt(batch, first_row=row), row)
        return self.runtime.decode(latents, row, None if self.condition is None else self.condition.of_rows(batch))

    def loss_per_row(
        self, X: object, *, where: str = "score_samples()", out: Rows | None = None, first_row: int = 0
    ) -> NDArray[np.float64]:
        """Return the reconstruction loss of each row, (n,), float64, in nats, summed over its features.

        Arguments and errors as for `encode`, with `out` of shape (n,).
        """
        return self._per_row(X, self._loss, where=where, out=out, first_row=first_row)

    def squared_error_per_row(self, X: object) -> NDArray[np.float64]:
        """Return the mean squared error of each row, (n,), float64, over its features in the units of the network.

        For tables with several kinds of columns it is the mean loss of the columns, where the best constant
        prediction has a loss of 1. Errors as for `encode`.
        """
        return self._per_row(X, self.loss.error, where="squared_error_per_row()")

    def _per_row(
        self,
        X: object,
        loss: Callable[[Rows, Rows], Rows],
        *,
        where: str,
        out: Rows | None = None,
        first_row: int = 0,
    ) -> NDArray[np.float64]:
        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            raw = self.runtime.raw_outputs(target, row)
            if not self.loss.exact_in_float32:
                target, raw = target.astype(np.float64), raw.astype(np.float64)
            return np.asarray(loss(target, raw), np.float64)

        return self.runtime.map_rows(X, one, (), where=where, out=out, first_row=first_row)

    def _loss(self, target: Rows, raw: Rows) -> Rows:
        return np.asarray(self.loss.per_row(target, raw, np, self.learnt))

    def error_by_size(self, X: object) -> NDArray[np.float64]:
        """Return the mean squared error of a feature, (latent_dim,), float64, in the units of the network.

        Entry k is the error with the first k + 1 latents, the others set to 0. It shows how many latents of an ordered
        bottleneck are enough. Errors as for `encode`.
        """
        where = "error_by_size()"
        latents, target = self.encode(X, where=where), self.adapter.adapt(self.checked(X, where=where))
        errors = np.empty(self.network.latent_dim)
        for size in range(1, self.network.latent_dim + 1):
            kept = np.where(np.arange(self.network.latent_dim) < size, latents, np.float32(0))

            def one(batch: Rows, row: int) -> Rows:
                rows = target[row : row + len(batch)]
                raw = self.runtime.decode_raw(batch, row, self.runtime.condition_of(rows))
                with np.errstate(all="ignore"):
                    error = self.loss.error(rows.astype(np.float64), raw.astype(np.float64))
                return finite(np.asarray(error), row)

            errors[size - 1] = self.runtime.map_batches(kept, one, ()).mean()
        return errors

    def residuals(self, X: object, *, where: str = "residuals()") -> Floats:
        """Return rows minus their reconstruction, (n, values_per_row), float32, in the units of the network.

        For categories and booleans the reconstruction is a probability, for counts the expected count. Missing cells
        have a residual of 0. Errors as for `encode`.
        """

        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            return np.asarray(self.loss.residuals(target, self.runtime.raw_outputs(target, row)), np.float32)

        return self.runtime.map_rows(X, one, (self.values_per_row,), where=where)

    def described(self, X: object, *, where: str = "score_samples()") -> Floats:
        """Return the values of rows in the network, their latents and their residuals, side by side, float32.

        The shape is (n, values_per_row + latent_dim + values_per_row). A missing cell has a value and a residual of 0.
        Errors as for `encode`.
        """
        loss = self.loss

        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            latents = self.runtime.encode(target, row)
            raw = self.runtime.decode_raw(latents, row, self.runtime.condition_of(target))
            residuals = loss.residuals(target, raw)
            return np.concatenate([loss.numbers(target), latents, residuals], axis=1, dtype=np.float32)

        return self.runtime.map_rows(X, one, (2 * self.values_per_row + self.network.latent_dim,), where=where)

    def codes(
        self, X: object, *, where: str = "codes()", out: Rows | None = None, first_row: int = 0
    ) -> NDArray[np.int32]:
        """Return the indices of the codes of each row, (n, groups), int32, of a quantized bottleneck.

        Arguments and errors as for `encode`, with `out` of shape (n, groups); OptionError for another bottleneck.
        """
        part = self.network.bottleneck
        if not part.codes_per_row:
            raise OptionError(
                f"codes() needs a quantized bottleneck, got a {part.kind} one: fit with bottleneck='quantized' "
                f"(--bottleneck quantized)."
            )
        book = self.weights["bottleneck/book"]  # (codes, latent_dim / groups)

        def one(batch: Rows, row: int) -> Rows:
            vectors = self.encode(batch, where=where, first_row=row).reshape(-1, book.shape[1])
            distance = np.square(book).sum(axis=1) - 2 * vectors @ book.T
            return np.asarray(distance.argmin(axis=1), np.int32).reshape(-1, part.codes_per_row)

        return self.runtime.map_rows(X, one, (part.codes_per_row,), where=where, out=out, first_row=first_row)

    def raw_outputs(self, tensors: Floats) -> Floats:
        """Return the outputs of the decoder before the link function, (n, ...), for tensors of the adapter (n, ...).

        Raises: DataError where they are not finite.
        """
        size = self.runtime.rows_at_once
        starts = range(0, len(tensors), size)
        return np.concatenate([self.runtime.raw_outputs(tensors[start : start + size], start) for start in starts])

    def apply_link(self, raw: Floats) -> Floats:
        """Return the reconstruction, in the units of the network, for raw outputs of the decoder; the same shape.

        Raises: DataError where it is not finite.
        """
        with np.errstate(all="ignore"):
            return finite(self.loss.reconstruction(raw), 0)

    def loss_from_raw(self, target: Floats, raw: Floats) -> NDArray[np.float64]:
        """Return the reconstruction loss of each row, (n,), in nats, for its tensors and raw outputs of the decoder.

        Raises: DataError where it is not finite.
        """
        with np.errstate(all="ignore"):
            return finite(np.asarray(self._loss(target.astype(np.float64), raw.astype(np.float64))), 0)

    def checked(self, X: object, *, where: str, first_row: int = 0) -> Rows:
        """Return X as rows (n, *row_shape) like those of fit(). Raises DataError or ShapeError for others."""
        return self.runtime.checked(X, where=where, first_row=first_row)
