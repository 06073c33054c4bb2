"""A trained auto-encoder at work, without TensorFlow: ONNX Runtime on graphs made in memory.

`Model` is what fit() makes and a model file holds; the estimator and the command line both speak through it.
Every verb takes rows as the user holds them and gives rows as they came.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diabolo import privacy
from diabolo.anomaly.scoring import Detection
from diabolo.checks import whole
from diabolo.data.adapters import Adapter, ArrayAdapter, Rows, as_rows, check_finite
from diabolo.data.adapters.rows import check_no_infinity
from diabolo.data.frames import Schema
from diabolo.data.sparse import check as check_sparse
from diabolo.data.sparse import is_sparse
from diabolo.data.streams import Stream, ahead, rows_at_once
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.model.record import Record
from diabolo.network.bottlenecks import Ordered, Quantized
from diabolo.network.bottlenecks.gaussian import LOG_VAR_LIMIT
from diabolo.network.losses import Loss, Masked, Mixed
from diabolo.network.parts import read_part
from diabolo.network.penalties import PENALTIES
from diabolo.network.structures import Network

Floats = np.ndarray[Any, np.dtype[np.float32]]
Work = Callable[[Rows, int], Rows]  # a batch, and how many rows came before it -> what is wanted of each row

# Rows at a time are chosen so that what lies between two layers stays in the processor's cache:
# 2^21 numbers are 8 MB. Fewer than 64 rows a call waste the call, more than 8,192 gain nothing.
NUMBERS_AT_ONCE = 1 << 21
NUMBERS_IN_CACHE = 1 << 18
# The largest tensor of a batch of several rows: no larger than one row of the largest model that a file may hold.
MOST_AT_ONCE = 1 << 24
MOST_DENSE = 1 << 29  # numbers that sparse rows may become, 2 GB


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with its weights, the adapter for its rows, its loss, and the record of its training.

    Attributes:
        weights: name ("encoder_1/kernel") to float32 array, exactly those of `network.weights()`, and of the loss
            ("loss/log_var") where it learns.
        record: the settings of the estimator, and what training saw and did.
        schema: of rows that came as a table, the columns: between a frame and the array that all verbs here take.
        detection: of an `AnomalyDetector`, what tells odd rows.
    """

    network: Network
    weights: Mapping[str, Floats]
    adapter: Adapter
    loss: Loss
    record: Record
    schema: Schema | None = None
    detection: Detection | None = None

    @property
    def widest(self) -> int:
        """How many a row has; a latent that has more counts instead."""
        return max(math.prod(self.adapter.row_shape), self.network.latent_dim)

    def __getstate__(self) -> dict[str, Any]:
        # Sessions of ONNX Runtime cannot be pickled; they are made again when they are needed.
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def encode(self, X: Any, *, where: str = "encode()", out: Any = None, first_row: int = 0) -> Floats:
        """Return latents (n, latent_dim), float32, of rows (n, *row_shape).

        Args:
            X: rows; a memory-mapped array is read batch by batch and never held whole.
            where: what asked, to open a message with.
            out: an array (n, latent_dim) to write into and return, which may be memory-mapped as well.
            first_row: rows that came before these, for messages.

        Raises: DataError, ShapeError.
        """

        def one(batch: Rows, row: int) -> Floats:
            return self._encode(self.adapter.adapt(batch, first_row=row), row)

        return self._each(X, where, one, (self.network.latent_dim,), out, first_row)

    def decode(self, latents: Any, *, where: str = "decode()", out: Any = None, first_row: int = 0) -> Rows:
        """Return rows (n, *row_shape), as they came to fit(), of latents. Raises DataError, ShapeError."""
        values = self.check_latents(latents, where=where, first_row=first_row)
        return self._in_batches(
            values, lambda batch, row: self._decode(batch, first_row + row), self.adapter.row_shape, out
        )

    def reconstruct(self, X: Any, *, where: str = "reconstruct()", out: Any = None, first_row: int = 0) -> Rows:
        """Return decode(encode(X)); arguments as for `encode`, `out` being (n, *row_shape). Raises as it does."""

        def one(batch: Rows, row: int) -> Rows:
            return self._decode(self._encode(self.adapter.adapt(batch, first_row=row), row), row)

        return self._each(X, where, one, self.adapter.row_shape, out, first_row)

    def fill_in(self, X: Any, *, where: str = "reconstruct()", out: Any = None, first_row: int = 0) -> Rows:
        """Return rows with their missing cells (NaN) reconstructed, and all others as they are; as `reconstruct`."""

        def one(batch: Rows, row: int) -> Rows:
            latents = self._encode(self.adapter.adapt(batch, first_row=row), row)
            return np.where(np.isnan(batch), self._decode(latents, row), batch)

        return self._each(X, where, one, self.adapter.row_shape, out, first_row)

    def loss_per_row(
        self, X: Any, *, where: str = "score_samples()", out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the reconstruction loss of each row, (n,), in nats, summed over its features; arguments as above."""
        return self._per_row(X, where, self._loss, out, first_row)

    def squared_error_per_row(self, X: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the mean squared error of each row, (n,), over its features in the units of the network.

        Of tables of several kinds the mean loss of its columns, where 1 is what the best constant guess costs.
        """
        return self._per_row(X, "squared_error_per_row()", self._error)

    def _error(self, target: Floats, raw: Floats) -> Rows:
        """Return the mean squared error of each row; of tables, whose columns have no common unit, the mean loss."""
        if isinstance(self.loss, Mixed):
            return np.asarray(self._loss(target, raw)) / math.prod(self.adapter.row_shape)
        if isinstance(self.loss, Masked):
            there = (1 - target[..., self.loss.channels :]).reshape(len(target), -1).sum(axis=1)
            return np.asarray(2 * self._loss(target, raw) / np.maximum(there, 1))
        away = np.square(target - _LINKS[self.loss.link](raw))
        return np.asarray(away.reshape(len(target), -1).mean(axis=1))

    @property
    def numbers(self) -> int:
        """Numbers of a row in the network, the flags of missing cells and values left out."""
        numbers = math.prod(self.network.input_shape)
        if isinstance(self.loss, Masked):
            return numbers // 2
        return numbers - (0 if self.loss.cells is None else self.loss.cells.flags)

    def raw(self, tensors: Floats) -> Floats:
        """Return what the decoder ends in, (n, ...), of tensors as the adapter makes them."""
        size = self._rows_at_once
        starts = range(0, len(tensors), size)
        return np.concatenate([self._raw(tensors[start : start + size], start) for start in starts])

    def shown(self, raw: Floats) -> Floats:
        """Return the reconstruction in the units of the network, of what the decoder ends in."""
        with np.errstate(all="ignore"):
            return _finite(np.asarray(_LINKS[self.loss.link](raw), np.float32), 0)

    def cost(self, target: Floats, raw: Floats) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the reconstruction loss of each row, (n,), of tensors and what the decoder ends in."""
        with np.errstate(all="ignore"):
            return _finite(np.asarray(self._loss(target.astype(np.float64), raw.astype(np.float64))), 0)

    def residuals(self, X: Any, *, where: str = "residuals()") -> Floats:
        """Return what the network saw less what it gave back, (n, numbers), float32, in its own units.

        Of categories and booleans the shares that were given back are meant, of counts the expected ones; cells that
        are missing have no residual.
        """

        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            raw = self._raw(target, row)
            if not isinstance(self.loss, (Masked, Mixed)):
                return np.asarray((target - _LINKS[self.loss.link](raw)).reshape(len(target), -1), np.float32)
            return np.asarray(self.loss.away(target, raw), np.float32)

        return self._each(X, where, one, (self.numbers,), None, 0)

    def codes(
        self, X: Any, *, where: str = "codes()", out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.int32]]:
        """Return which codes stand for each row, (n, groups), int32, of a quantized bottleneck; arguments as above."""
        part = self.network.bottleneck
        if not isinstance(part, Quantized):
            raise OptionError(
                f"codes() needs a quantized bottleneck, got a {part.kind} one: fit with bottleneck='quantized' "
                f"(--bottleneck quantized)."
            )
        book = self.weights["bottleneck/book"]  # (codes, latent_dim / groups)

        def one(batch: Rows, row: int) -> Rows:
            vectors = self.encode(batch, where=where, first_row=row).reshape(-1, book.shape[1])
            distance = np.square(book).sum(axis=1) - 2 * vectors @ book.T
            return np.asarray(distance.argmin(axis=1), np.int32).reshape(-1, part.groups)

        return self._each(X, where, one, (part.groups,), out, first_row)

    def sample(self, count: int, *, random_state: Any = None) -> Rows:
        """Return rows (count, *row_shape) drawn from what was learnt: latents from a standard normal, decoded.

        Args: random_state: None, a whole number, or a NumPy generator.
        Raises: OptionError where neither the bottleneck nor a penalty drew latents to one.
        """
        penalty = self.record.settings["penalty"]
        if penalty is None or not read_part("penalty", PENALTIES, penalty).makes_prior:
            self._gaussian("sample()", ", or penalty='mmd:100' (--penalty mmd:100)")
        count = whole("sample(): count", count, 1)
        latents = _chance(random_state).standard_normal((count, self.network.latent_dim), np.float32)
        return self.decode(latents, where="sample()")

    def interpolate(self, first: Any, second: Any, *, steps: int = 10) -> Rows:
        """Return rows (steps, *row_shape) on the straight line between the latents of two rows, both ends included."""
        steps = whole("interpolate(): steps", steps, 2)
        ends = [self.encode([row], where="interpolate()")[0] for row in (first, second)]
        shares = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        return self.decode((1 - shares) * ends[0] + shares * ends[1], where="interpolate()")

    def traverse(self, row: Any, latent: int, *, values: Any = None) -> Rows:
        """Return rows (len(values), *row_shape) that differ from the reconstruction of `row` in one latent alone.

        Args:
            row: (*row_shape).
            latent: which, from 0.
            values: what it shall be; None: nine from -3 to 3.
        """
        latent = whole("traverse(): latent", latent, 0)
        if latent >= self.network.latent_dim:
            raise OptionError(f"traverse() expected a latent from 0 to {self.network.latent_dim - 1}, got {latent}.")
        try:
            places = np.linspace(-3, 3, 9) if values is None else np.asarray(values)
        except ValueError:  # lists of several lengths
            places = np.empty(0)
        if places.ndim != 1 or not len(places) or places.dtype.kind not in "iuf":
            raise OptionError(f"traverse(): values must be a list of numbers, got {values!r:.60}.")
        latents = np.repeat(self.encode([row], where="traverse()"), len(places), axis=0)
        with np.errstate(over="ignore"):  # decode() refuses what is too large
            latents[:, latent] = places
        return self.decode(latents, where="traverse()")

    def log_likelihood(
        self, X: Any, *, n_samples: int = 5000, random_state: Any = None
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return an estimate of log p(row) of each row, (n,), in nats: importance sampling from the encoder.

        On average a lower bound, which rises with the samples. Of bytes and rows in [0, 1] the probability that rows
        are drawn so, for which they should be 0 and 1; of other rows the density in their own units, of series with
        gaps that of the values that are there. Raises: OptionError where the bottleneck is not gaussian. Source: Burda
        et al. 2016, arXiv:1509.00519.
        """
        self._gaussian("log_likelihood()")
        if not self.loss.likelihood:
            raise OptionError(
                f"log_likelihood() needs a reconstruction loss that is one, got {self.loss.kind!r}: fit with "
                f"reconstruction_loss='gaussian', or 'bernoulli' for values in [0, 1]."
            )
        n_samples, chance = whole("n_samples", n_samples, 1), _chance(random_state)

        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            mean, log_var = self.posterior(batch, where="log_likelihood()", first_row=row)
            each = zip(target, mean, log_var, strict=True)
            logs = np.array([self._log_mean_weight(*parts, n_samples, chance) for parts in each])
            return np.asarray(logs - self._scales(target))

        return self._each(X, "log_likelihood()", one, (), None, 0)

    def posterior(self, X: Any, *, where: str = "posterior()", first_row: int = 0) -> tuple[Floats, Floats]:
        """Return mean and log of the variance of latents, (n, latent_dim) each, of a gaussian bottleneck."""
        self._gaussian(where)
        rows = self.checked(X, where=where, first_row=first_row)
        size, parts = self._rows_at_once, []
        for start in range(0, len(rows), size):
            tensors = self.adapter.adapt(rows[start : start + size], first_row=first_row + start)
            parts.append(_outputs(self._posterior, "rows", tensors, ["latent", "log_var"], first_row + start))
        mean, log_var = (np.concatenate(part) for part in zip(*parts, strict=True))
        return mean, np.clip(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT)

    def _log_mean_weight(self, target: Floats, mean: Floats, log_var: Floats, samples: int, chance: Any) -> float:
        """Return log(mean(p(row|latent) p(latent) / q(latent|row))) over latents drawn from q."""
        logs = []
        # As many at a time as stay, with what is computed of them, in the processor's cache.
        at_once = max(1, min(self._rows_at_once, NUMBERS_IN_CACHE // target.size))
        for start in range(0, samples, at_once):
            count = min(at_once, samples - start)
            noise = chance.standard_normal((count, len(mean)), np.float32)
            latents = mean + np.exp(log_var / 2) * noise
            raw = _run(self._decoder, "latent", latents, "raw", 0)
            targets = np.broadcast_to(target, raw.shape)
            excess = (np.square(latents) - np.square(noise) - log_var).sum(axis=1, dtype=np.float64) / 2
            logs.append(-self._loss(targets, raw).astype(np.float64) - excess)
        left_out = np.sum(self.loss.left_out(target[None].astype(np.float64)))
        return float(np.logaddexp.reduce(np.concatenate(logs)) - np.log(samples) - left_out)

    def _loss(self, target: Rows, raw: Rows) -> Any:
        return self.loss.per_row(target, raw, np, self.learnt)

    @cached_property
    def learnt(self) -> dict[str, Floats]:
        """What the loss learnt, by name."""
        return {name: self.weights[f"loss/{name}"] for name in self.loss.weights(self.network.input_shape)}

    def _scales(self, target: Floats) -> Any:
        """Return the logarithm of what each row was divided by, (n,) or a number; probabilities have no units."""
        if self.loss.scaling != "standardise" or not isinstance(self.adapter, ArrayAdapter):
            return 0.0
        scales = np.log(self.adapter.divisor)
        if isinstance(self.loss, Masked):  # what is missing has no density
            return ((1 - target[..., self.loss.channels :]) * scales).sum(axis=(1, 2))
        return scales.sum() * (math.prod(self.adapter.row_shape) / len(scales))

    def error_by_size(self, X: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the mean squared error a feature, (latent_dim,), from the first latent, the first two, ... to all.

        In the units of the network. Of an ordered bottleneck it says how many latents are enough.
        """
        where = "error_by_size()"
        latents, target = self.encode(X, where=where), self.adapter.adapt(self.checked(X, where=where))
        errors = np.empty(self.network.latent_dim)
        for size in range(1, self.network.latent_dim + 1):
            kept = np.where(np.arange(self.network.latent_dim) < size, latents, np.float32(0))

            def one(batch: Rows, row: int) -> Rows:
                raw = _run(self._decoder, "latent", batch, "raw", row)
                theirs = target[row : row + len(batch)]
                with np.errstate(all="ignore"):
                    return _finite(self._error(theirs.astype(np.float64), raw.astype(np.float64)), row)

            errors[size - 1] = self._in_batches(kept, one, (), None).mean()
        return errors

    def _gaussian(self, where: str, other: str = "") -> None:
        if "log_var" not in self.network.heads:
            raise OptionError(
                f"{where} needs a bottleneck that knows how latents are distributed, got a "
                f"{self.network.bottleneck.kind} one: fit with bottleneck='gaussian' (--bottleneck gaussian){other}."
            )

    @cached_property
    def _posterior(self) -> Any:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_encoder(self.network, self.weights, self.loss, heads=True))

    def check_latents(self, latents: Any, *, where: str, first_row: int = 0) -> Floats:
        """Return latents as float32 (n, latent_dim), or raise DataError or ShapeError."""
        try:
            values = np.asarray(latents)
        except ValueError as error:
            raise ShapeError(f"{where} expected latents of one length, got several ({error}).") from error
        # Of an ordered bottleneck the first latents alone say something, and those that were cut off are 0.
        ordered = isinstance(self.network.bottleneck, Ordered)
        if ordered and values.ndim == 2 and 1 <= values.shape[1] < self.network.latent_dim:
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

    def _encode(self, tensors: Floats, row: int) -> Floats:
        return _run(self._encoder, "rows", tensors, "latent", row)

    def _decode(self, latents: Floats, row: int) -> Rows:
        return self.adapter.restore(_run(self._decoder, "latent", latents, "reconstruction", row))

    def _raw(self, tensors: Floats, row: int) -> Floats:
        return _run(self._decoder, "latent", self._encode(tensors, row), "raw", row)

    def _per_row(
        self, X: Any, where: str, measure: Callable[[Floats, Floats], Any], out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            raw = self._raw(target, row)
            return np.asarray(measure(target.astype(np.float64), raw.astype(np.float64)))

        return self._each(X, where, one, (), out, first_row)

    def _each(self, X: Any, where: str, function: Work, row_shape: tuple[int, ...], out: Any, first_row: int) -> Rows:
        """Check rows and work on them, batch by batch, so that only one batch is looked at a time."""
        if is_sparse(X):
            return self._each_of_sparse(X, where, function, row_shape, out, first_row)
        rows = as_rows(X, where=where)
        self.adapter.check_shape(rows, where=where)

        def one(batch: Rows, row: int) -> Rows:
            self._check_values(batch, where, first_row + row)
            with np.errstate(all="ignore"):  # what is too large for a number is refused here, not warned of
                return _finite(function(batch, first_row + row), first_row + row)

        return self._in_batches(rows, one, row_shape, out)

    def _each_of_sparse(
        self, X: Any, where: str, function: Work, row_shape: tuple[int, ...], out: Any, first_row: int
    ) -> Rows:
        """Work on sparse rows, of which one batch at a time is made dense."""
        matrix, size = check_sparse(X, where=where), self._rows_at_once
        self.adapter.check_shape(matrix, where=where)  # before a row of any width is made dense
        count = matrix.shape[0]
        if out is None and count * math.prod(row_shape) > MOST_DENSE:
            raise ShapeError(
                f"{where} would give {count:,} x {math.prod(row_shape):,} dense numbers: take fewer rows at a time, or "
                f"pass out=, which may be memory-mapped."
            )
        if out is not None:
            _check_shape(out, (count, *row_shape))
        pieces = []
        for start in range(0, count, size):
            dense = matrix[start : start + size].toarray()
            dense = dense.astype(np.float32) if dense.dtype.kind != "f" else dense
            values = self._each(dense, where, function, row_shape, None, first_row + start)
            if out is None:
                pieces.append(values)
            else:
                _check_type(out, values)
                out[start : start + size] = values
        return np.concatenate(pieces) if out is None else np.asarray(out)

    def checked(self, X: Any, *, where: str, first_row: int = 0) -> Rows:
        """Return X as rows like those of fit(); DataError, ShapeError where they are not."""
        rows = as_rows(X, where=where)
        self.adapter.check_shape(rows, where=where)
        self._check_values(rows, where, first_row)
        return rows

    def _check_values(self, rows: Rows, where: str, first_row: int) -> None:
        if self.adapter.kind in ("table", "series"):
            check_no_infinity(rows, where, first_row)
        else:
            check_finite(rows, where, first_row)
        self.adapter.check_values(rows, where=where)

    def _in_batches(self, rows: Rows, function: Work, row_shape: tuple[int, ...], out: Any) -> Rows:
        size = self._rows_at_once
        if out is None:
            if len(rows) <= size:
                return function(rows, 0)
            return np.concatenate([function(rows[start : start + size], start) for start in range(0, len(rows), size)])
        _check_shape(out, (len(rows), *row_shape))
        for start in range(0, len(rows), size):
            values = function(rows[start : start + size], start)
            _check_type(out, values)
            out[start : start + size] = values
        return np.asarray(out)

    @cached_property
    def _rows_at_once(self) -> int:
        widest = self.network.widest
        # Of wide rows the call is not what takes the time.
        return max(1, min(64, MOST_AT_ONCE // widest), min(8192, NUMBERS_AT_ONCE // widest))

    @cached_property
    def _encoder(self) -> Any:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_encoder(self.network, self.weights, self.loss))

    @cached_property
    def _decoder(self) -> Any:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_decoder(self.network, self.weights, link=self.loss.link))

    def _session(self, graph: Any) -> Any:
        rows = self._rows_at_once
        return _session(
            graph,
            blocks=self.network.blocked * rows <= MOST_AT_ONCE,
            keep=self.network.widest * rows <= NUMBERS_AT_ONCE,
        )


def by_chunk(verb: Callable[..., Rows], stream: Stream, *, widest: int) -> Iterator[Rows]:
    """Give what a verb of a model makes of each chunk of rows or latents; the next one is read meanwhile.

    Args: widest: numbers in a row that goes in or comes out, whichever has more.
    """
    for chunk in ahead(stream.read(range(len(stream.parts)), rows_at_once((widest,)))):
        yield verb(chunk.rows, where=chunk.name, first_row=chunk.first_row)


def fill(out: Any, chunks: Iterator[Rows], rows: int | None) -> Rows:
    """Write chunks into `out` one behind the other and return it. Args: rows: how many come, where that is known.

    Raises: ShapeError where they do not fit.
    """
    if rows is not None and len(out) != rows:
        raise ShapeError(f"out expected {rows:,} rows, got {len(out):,}.")
    done = 0
    for chunk in chunks:
        if np.shape(out)[1:] != chunk.shape[1:] or done + len(chunk) > len(out):
            raise ShapeError(f"out expected rows of shape {chunk.shape[1:]}, as many as come, got {np.shape(out)}.")
        _check_type(out, chunk)
        out[done : done + len(chunk)] = chunk
        done += len(chunk)
    if done < len(out):
        raise ShapeError(f"out expected {done:,} rows, got {len(out):,}.")
    return np.asarray(out)


def _check_shape(out: Any, expected: tuple[int, ...]) -> None:
    if getattr(out, "shape", None) != expected:
        raise ShapeError(f"out expected shape {expected}, got {getattr(out, 'shape', out)!r:.60}.")


def _check_type(out: Any, values: Rows) -> None:
    if not np.can_cast(values.dtype, out.dtype, "same_kind"):
        raise ShapeError(f"out expected {values.dtype}, got {out.dtype}, which cannot hold it.")


def _chance(random_state: Any) -> np.random.Generator:
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"random_state must be None, a whole number of at least 0 or a generator, got {random_state!r:.60}."
        ) from error


def _run(session: Any, start: str, tensors: Floats, end: str, first_row: int) -> Floats:
    """Return an output of a graph for a batch, before which `first_row` rows came; DataError as `_outputs`."""
    (result,) = _outputs(session, start, tensors, [end], first_row)
    return result


def _outputs(session: Any, start: str, tensors: Floats, ends: list[str], first_row: int) -> list[Floats]:
    """Return outputs of a graph; DataError where they cannot be computed, or are not finite."""
    try:
        results = session.run(ends, {start: tensors})
    except Exception as error:  # its errors have no root of their own, and MemoryError is one of them
        several = f"{len(tensors):,} rows" if len(tensors) > 1 else "a row"
        raise DataError(_failed(f"from row {first_row} on, {several} of shape {tensors.shape[1:]}", error)) from error
    return [_finite(result, first_row) for result in results]


def _failed(what: str, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"{what} cannot be computed, ONNX Runtime says {reason:.300}. Is memory free for it? One row of this model "
        f"takes up to 320 MB and five times its weights."
    )


def _finite(values: Rows, first_row: int) -> Rows:
    """Return results for rows, of which `first_row` came before; DataError where one is not finite."""
    if values.dtype.kind != "f":
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # one pass, without a mask as large as they are
            return values
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        raise DataError(
            f"row {first_row + int(bad.argmax())} gives numbers that are not finite (NaN or infinity): the numbers of "
            f"the row or the weights of the model are too large. Drop the row, or use another model."
        )
    return values


def _sigmoid(raw: Any) -> Any:
    return np.exp(-np.logaddexp(0, -raw))  # without overflow on either side


def _softmax(raw: Any) -> Any:
    shares = np.exp(raw - raw.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


_LINKS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda raw: raw,
    "sigmoid": _sigmoid,
    "exponential": np.exp,
    "softmax": _softmax,
}


def _session(graph: Any, *, blocks: bool = True, keep: bool = True) -> Any:
    """Return a session of ONNX Runtime; DataError where it makes none.

    Args:
        graph: in ONNX.
        blocks: whether convolutions may lay out their tensors in blocks of channels, see `Layer.blocked`.
        keep: whether memory is kept for the next batch, which saves time where rows are not wide.
    """
    onnxruntime = privacy.import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = keep
    options.log_severity_level = 4  # nothing: its errors are raised, and of what it warns of users can change nothing
    try:
        return onnxruntime.InferenceSession(
            graph.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=[] if blocks else ["NchwcTransformer"],
        )
    except Exception as error:  # as in `_outputs`; and of weights beyond 2 GB no graph can be written
        raise DataError(_failed("the network", error)) from error
