"""A trained auto-encoder: what fit() makes and a model file holds, with one method for each thing it does to rows.

The estimator and the command line both use it. Every method takes rows as the user holds them and gives rows as they
came. It needs no TensorFlow: `diabolo.model.runtime` runs the network, `diabolo.model.generating` makes new rows.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diabolo.data.adapters import Adapter, Rows, as_rows, check_finite
from diabolo.data.frames import Schema
from diabolo.errors import OptionError, ShapeError
from diabolo.model.detection import Detection
from diabolo.model.record import Record
from diabolo.model.runtime import Floats, Runtime, finite
from diabolo.network.losses import Loss
from diabolo.network.structures import Network


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with its weights, the adapter for its rows, its loss, and the record of its training.

    Attributes:
        weights: name ("encoder_1/kernel") to float32 array, exactly those of `network.weights()`, and of the loss
            ("loss/log_var") where it learns.
        record: the settings of the estimator, and what happened in training.
        schema: for rows that came as a table, the columns: between a frame and the array that all methods here take.
        detection: for an `AnomalyDetector`, what it learnt about anomalies.
    """

    network: Network
    weights: Mapping[str, Floats]
    adapter: Adapter
    loss: Loss
    record: Record
    schema: Schema | None = None
    detection: Detection | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Sessions of ONNX Runtime cannot be pickled; they are made again when they are needed.
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @cached_property
    def runtime(self) -> Runtime:
        """The sessions that run the network."""
        return Runtime(network=self.network, weights=self.weights, adapter=self.adapter, loss=self.loss)

    @cached_property
    def learnt(self) -> dict[str, Floats]:
        """What the loss learnt, by name."""
        return {name: self.weights[f"loss/{name}"] for name in self.loss.weights(self.network.input_shape)}

    @property
    def widest(self) -> int:
        """How many numbers a row or a latent has, whichever has more."""
        return max(math.prod(self.adapter.row_shape), self.network.latent_dim)

    @property
    def numbers(self) -> int:
        """How many values a row has in the network, without the flags of missing cells."""
        return self.loss.values(self.network.input_shape)

    def encode(self, X: Any, *, where: str = "encode()", out: Any = None, first_row: int = 0) -> Floats:
        """Return latents (n, latent_dim), float32, of rows (n, *row_shape).

        Args:
            X: rows; a memory-mapped array is read batch by batch and never held whole.
            where: name of the caller, to begin a message with.
            out: an array (n, latent_dim) to write into and return, which may be memory-mapped as well.
            first_row: rows that came before these, for messages.

        Raises: DataError, ShapeError.
        """

        def one(batch: Rows, row: int) -> Floats:
            return self.runtime.encode(self.adapter.adapt(batch, first_row=row), row)

        return self.runtime.each(X, one, (self.network.latent_dim,), where=where, out=out, first_row=first_row)

    def decode(self, latents: Any, *, where: str = "decode()", out: Any = None, first_row: int = 0) -> Rows:
        """Return rows (n, *row_shape), as they came to fit(), of latents. Raises DataError, ShapeError."""
        values = self.check_latents(latents, where=where, first_row=first_row)
        return self.runtime.in_batches(
            values, lambda batch, row: self.runtime.decode(batch, first_row + row), self.adapter.row_shape, out
        )

    def reconstruct(self, X: Any, *, where: str = "reconstruct()", out: Any = None, first_row: int = 0) -> Rows:
        """Return decode(encode(X)); arguments and errors as for `encode`, with `out` of shape (n, *row_shape)."""
        return self.runtime.each(
            X, self._reconstruct, self.adapter.row_shape, where=where, out=out, first_row=first_row
        )

    def fill_in(self, X: Any, *, where: str = "reconstruct()", out: Any = None, first_row: int = 0) -> Rows:
        """Return rows with their missing cells (NaN) reconstructed, and all others as they are; as `reconstruct`."""

        def one(batch: Rows, row: int) -> Rows:
            return np.where(np.isnan(batch), self._reconstruct(batch, row), batch)

        return self.runtime.each(X, one, self.adapter.row_shape, where=where, out=out, first_row=first_row)

    def _reconstruct(self, batch: Rows, row: int) -> Rows:
        latents = self.runtime.encode(self.adapter.adapt(batch, first_row=row), row)
        return self.runtime.decode(latents, row)

    def loss_per_row(
        self, X: Any, *, where: str = "score_samples()", out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the reconstruction loss of each row, (n,), in nats, summed over its features; arguments as above."""
        return self._per_row(X, self._loss, where=where, out=out, first_row=first_row)

    def squared_error_per_row(self, X: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the mean squared error of each row, (n,), over its features in the units of the network.

        For tables with several kinds of columns it is the mean loss of the columns, where the best constant guess
        costs 1.
        """
        return self._per_row(X, self.loss.error, where="squared_error_per_row()")

    def _per_row(
        self,
        X: Any,
        measure: Callable[[Floats, Floats], Any],
        *,
        where: str,
        out: Any = None,
        first_row: int = 0,
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            raw = self.runtime.raw(target, row)
            return np.asarray(measure(target.astype(np.float64), raw.astype(np.float64)))

        return self.runtime.each(X, one, (), where=where, out=out, first_row=first_row)

    def _loss(self, target: Rows, raw: Rows) -> Any:
        return self.loss.per_row(target, raw, np, self.learnt)

    def error_by_size(self, X: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the mean squared error of a feature, (latent_dim,), with the first latent, the first two, ... and all.

        In the units of the network. For an ordered bottleneck it says how many latents are enough.
        """
        where = "error_by_size()"
        latents, target = self.encode(X, where=where), self.adapter.adapt(self.checked(X, where=where))
        errors = np.empty(self.network.latent_dim)
        for size in range(1, self.network.latent_dim + 1):
            kept = np.where(np.arange(self.network.latent_dim) < size, latents, np.float32(0))

            def one(batch: Rows, row: int) -> Rows:
                raw = self.runtime.decode_raw(batch, row)
                theirs = target[row : row + len(batch)]
                with np.errstate(all="ignore"):
                    error = self.loss.error(theirs.astype(np.float64), raw.astype(np.float64))
                return finite(np.asarray(error), row)

            errors[size - 1] = self.runtime.in_batches(kept, one, ()).mean()
        return errors

    def residuals(self, X: Any, *, where: str = "residuals()") -> Floats:
        """Return rows minus their reconstruction, (n, numbers), float32, in the units of the network.

        For categories and booleans the reconstruction is a probability, for counts the expected count; cells that are
        missing have no residual.
        """

        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            return np.asarray(self.loss.residuals(target, self.runtime.raw(target, row)), np.float32)

        return self.runtime.each(X, one, (self.numbers,), where=where)

    def codes(
        self, X: Any, *, where: str = "codes()", out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Return which codes represent each row, (n, groups), int32, of a quantized bottleneck; arguments as above."""
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

        return self.runtime.each(X, one, (part.codes_per_row,), where=where, out=out, first_row=first_row)

    def raw(self, tensors: Floats) -> Floats:
        """Return the raw numbers that the decoder ends in, (n, ...), for tensors as the adapter makes them."""
        size = self.runtime.rows_at_once
        starts = range(0, len(tensors), size)
        return np.concatenate([self.runtime.raw(tensors[start : start + size], start) for start in starts])

    def shown(self, raw: Floats) -> Floats:
        """Return the reconstruction, in the units of the network, for the raw numbers that the decoder ends in."""
        with np.errstate(all="ignore"):
            return finite(self.loss.reconstruction(raw), 0)

    def cost(self, target: Floats, raw: Floats) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the reconstruction loss of each row, (n,), from its tensors and the decoder's raw numbers."""
        with np.errstate(all="ignore"):
            return finite(np.asarray(self._loss(target.astype(np.float64), raw.astype(np.float64))), 0)

    def checked(self, X: Any, *, where: str, first_row: int = 0) -> Rows:
        """Return X as rows like those of fit(). Raises DataError or ShapeError where they are not."""
        return self.runtime.checked(X, where=where, first_row=first_row)

    def check_latents(self, latents: Any, *, where: str, first_row: int = 0) -> Floats:
        """Return latents as float32 (n, latent_dim). Raises DataError or ShapeError where they are not such."""
        try:
            values = np.asarray(latents)
        except ValueError as error:
            raise ShapeError(f"{where} expected latents of one length, got several ({error}).") from error
        cut = self.network.bottleneck.can_be_cut
        if cut and values.ndim == 2 and 1 <= values.shape[1] < self.network.latent_dim:
            missing = np.zeros((len(values), self.network.latent_dim - values.shape[1]), values.dtype)
            values = np.concatenate([values, missing], axis=1)
        if values.ndim != 2 or values.shape[1] != self.network.latent_dim or not len(values):
            one = " For one row pass latent[None]." if values.shape == (self.network.latent_dim,) else ""
            expected = f"(n, {self.network.latent_dim}) with n >= 1"
            raise ShapeError(f"{where} expected latents of shape {expected}, got {values.shape}.{one}")
        with np.errstate(over="ignore"):
            values = as_rows(values, where=where).astype(np.float32)
        check_finite(values, where, first_row)  # only now: a double may be too large for a float32
        return values
