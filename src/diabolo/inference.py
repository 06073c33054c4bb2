"""A trained auto-encoder at work, without TensorFlow: ONNX Runtime on graphs made in memory.

`Model` is what fit() makes and a model file holds; the estimator and the command line both speak through it.
Every verb takes rows as the user holds them and gives rows as they came.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, get_origin

import numpy as np

from diabolo.data.adapters import ArrayAdapter, Rows, as_rows, check_finite
from diabolo.data.streams import Stream, ahead, rows_at_once
from diabolo.errors import OptionError, ShapeError
from diabolo.network.losses import Loss
from diabolo.network.structures import Network

Floats = np.ndarray[Any, np.dtype[np.float32]]
Work = Callable[[Rows, int], Rows]  # a batch, and how many rows came before it -> what is wanted of each row

# Rows at a time are chosen so that what lies between two layers stays in the processor's cache:
# 2^21 numbers are 8 MB. Fewer than 64 rows a call waste the call, more than 8,192 gain nothing.
NUMBERS_AT_ONCE = 1 << 21


# The settings of the estimator that a record holds, and the JSON types each may have.
SETTINGS: dict[str, tuple[type, ...]] = {
    "latent_dim": (int, type(None)),
    "structure": (str, list),
    "activation": (str,),
    "bottleneck_activation": (str,),
    "reconstruction_loss": (str,),
    "optimizer": (str,),
    "learning_rate": (float, int, type(None)),
    "learning_rate_schedule": (str,),
    "epochs": (int,),
    "batch_size": (int,),
    "validation_fraction": (float, int),
    "patience": (int,),
    "allow_overcomplete": (bool,),
    "random_state": (int,),
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """How a model came to be: JSON values only, and nothing that differs between two runs of the same training.

    Attributes:
        settings: what the estimator was made with; `random_state` is the seed that was used.
        source: name of the file or data set, or "an array".
        rows, validation_rows: trained on, and held back to tell the best epoch.
        learning_rate: at the start.
        loss_reason: why this reconstruction loss, in words.
        history: {"loss": [...], "val_loss": [...]}, one number an epoch.
        compiled: whether XLA made the program.
        streamed_within: bytes of memory within which rows were read again for every epoch, on which their order
            depends; 0: they were all in memory.
        versions: of the packages that decide the bits.
    """

    settings: dict[str, Any]
    source: str
    rows: int
    validation_rows: int
    learning_rate: float
    loss_reason: str
    best_epoch: int
    history: dict[str, list[float]]
    compiled: bool
    streamed_within: int
    versions: dict[str, str]

    def to_config(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Any) -> "Record":
        """Return the record that `to_config` described; OptionError where a key or a type is not as it must be."""
        hints: dict[str, Any] = {field.name: field.type for field in fields(cls)}
        if not isinstance(config, dict) or set(config) != set(hints):
            raise OptionError(f"the record must have exactly the keys {sorted(hints)}.")
        for name, hint in hints.items():
            expected = get_origin(hint) or hint
            if type(config[name]) is not expected:
                raise OptionError(f"record: {name} must be of type {expected.__name__}, got {config[name]!r:.60}.")
        record = cls(**config)
        if set(record.settings) != set(SETTINGS):
            raise OptionError(f"record: settings must have exactly the keys {sorted(SETTINGS)}.")
        for name, kinds in SETTINGS.items():
            if type(record.settings[name]) not in kinds:
                raise OptionError(f"record: setting {name} has the wrong type, got {record.settings[name]!r:.60}.")
        if record.rows < 1 or record.validation_rows < 0 or record.streamed_within < 0:
            raise OptionError(f"record: {record.rows} rows and {record.validation_rows} to validate cannot be.")
        curves = record.history
        if len({len(curve) for curve in curves.values() if isinstance(curve, list)}) > 1:
            raise OptionError("record: the curves of the history differ in length.")
        if not set(curves) <= {"loss", "val_loss"} or not all(
            isinstance(curve, list) and all(type(value) is float for value in curve) for curve in curves.values()
        ):
            raise OptionError("record: history must hold lists of numbers under 'loss' and 'val_loss'.")
        if not 1 <= record.best_epoch <= len(curves.get("loss", [])):
            raise OptionError(f"record: best_epoch {record.best_epoch} is not an epoch of the history.")
        if not all(type(version) is str for version in record.versions.values()):
            raise OptionError("record: versions must be texts.")
        return record


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network with its weights, the adapter for its rows, its loss, and the record of its training.

    Attributes:
        weights: name ("encoder_1/kernel") to float32 array, exactly those of `network.weights()`.
        record: the settings of the estimator, and what training saw and did.
    """

    network: Network
    weights: Mapping[str, Floats]
    adapter: ArrayAdapter
    loss: Loss
    record: Record

    @property
    def numbers(self) -> int:
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
            return _run(self._encoder, "rows", self.adapter.adapt(batch, first_row=row), "latent")

        return self._each(X, where, one, (self.network.latent_dim,), out, first_row)

    def decode(self, latents: Any, *, where: str = "decode()", out: Any = None, first_row: int = 0) -> Rows:
        """Return rows (n, *row_shape), as they came to fit(), of latents. Raises DataError, ShapeError."""
        values = self.check_latents(latents, where=where, first_row=first_row)
        return self._in_batches(values, self._decode, self.adapter.row_shape, out)

    def reconstruct(self, X: Any, *, where: str = "reconstruct()", out: Any = None, first_row: int = 0) -> Rows:
        """Return decode(encode(X)); arguments as for `encode`, `out` being (n, *row_shape). Raises as it does."""

        def one(batch: Rows, row: int) -> Rows:
            latents = _run(self._encoder, "rows", self.adapter.adapt(batch, first_row=row), "latent")
            return self._decode(latents, row)

        return self._each(X, where, one, self.adapter.row_shape, out, first_row)

    def loss_per_row(
        self, X: Any, *, where: str = "score_samples()", out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the reconstruction loss of each row, (n,), in nats, summed over its features; arguments as above."""
        return self._per_row(X, where, lambda target, raw: self.loss.per_row(target, raw, np), out, first_row)

    def squared_error_per_row(self, X: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the mean squared error of each row, (n,), over its features in the units of the network."""
        link = _LINKS[self.loss.link]
        return self._per_row(
            X,
            "squared_error_per_row()",
            lambda target, raw: np.square(target - link(raw)).reshape(len(target), -1).mean(axis=1),
        )

    def check_latents(self, latents: Any, *, where: str, first_row: int = 0) -> Floats:
        """Return latents as float32 (n, latent_dim), or raise DataError or ShapeError."""
        try:
            values = np.asarray(latents)
        except ValueError as error:
            raise ShapeError(f"{where} expected latents of one length, got several ({error}).") from error
        if values.ndim != 2 or values.shape[1] != self.network.latent_dim or not len(values):
            one = " For one row pass latent[None]." if values.shape == (self.network.latent_dim,) else ""
            expected = f"(n, {self.network.latent_dim}) with n >= 1"
            raise ShapeError(f"{where} expected latents of shape {expected}, got {values.shape}.{one}")
        with np.errstate(over="ignore"):
            values = as_rows(values, where=where).astype(np.float32)
        check_finite(values, where, first_row)  # only now: a double may be too large for a float32
        return values

    def _decode(self, latents: Floats, row: int) -> Rows:
        return self.adapter.restore(_run(self._decoder, "latent", latents, "reconstruction"))

    def _per_row(
        self, X: Any, where: str, measure: Callable[[Floats, Floats], Any], out: Any = None, first_row: int = 0
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        def one(batch: Rows, row: int) -> Rows:
            target = self.adapter.adapt(batch, first_row=row)
            raw = _run(self._decoder, "latent", _run(self._encoder, "rows", target, "latent"), "raw")
            return np.asarray(measure(target.astype(np.float64), raw.astype(np.float64)))

        return self._each(X, where, one, (), out, first_row)

    def _each(self, X: Any, where: str, function: Work, row_shape: tuple[int, ...], out: Any, first_row: int) -> Rows:
        """Check rows and work on them, batch by batch, so that only one batch is looked at a time."""
        rows = as_rows(X, where=where)
        self.adapter.check_shape(rows, where=where)

        def one(batch: Rows, row: int) -> Rows:
            check_finite(batch, where, first_row + row)
            self.adapter.check_values(batch, where=where)
            return function(batch, first_row + row)

        return self._in_batches(rows, one, row_shape, out)

    def _in_batches(self, rows: Rows, function: Work, row_shape: tuple[int, ...], out: Any) -> Rows:
        size = self._rows_at_once
        if out is None:
            if len(rows) <= size:
                return function(rows, 0)
            return np.concatenate([function(rows[start : start + size], start) for start in range(0, len(rows), size)])
        if getattr(out, "shape", None) != (len(rows), *row_shape):
            raise ShapeError(f"out expected shape {(len(rows), *row_shape)}, got {getattr(out, 'shape', out)!r:.60}.")
        for start in range(0, len(rows), size):
            values = function(rows[start : start + size], start)
            _check_type(out, values)
            out[start : start + size] = values
        return np.asarray(out)

    @cached_property
    def _rows_at_once(self) -> int:
        widest = max(math.prod(step.output_shape) for step in self.network.steps)
        return max(64, min(8192, NUMBERS_AT_ONCE // widest))

    @cached_property
    def _encoder(self) -> Any:
        from diabolo.network import onnx_builder

        return _session(onnx_builder.build_encoder(self.network, self.weights))

    @cached_property
    def _decoder(self) -> Any:
        from diabolo.network import onnx_builder

        return _session(onnx_builder.build_decoder(self.network, self.weights, link=self.loss.link))


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


def _check_type(out: Any, values: Rows) -> None:
    if not np.can_cast(values.dtype, out.dtype, "same_kind"):
        raise ShapeError(f"out expected {values.dtype}, got {out.dtype}, which cannot hold it.")


def _run(session: Any, start: str, tensors: Floats, end: str) -> Floats:
    result: Floats = session.run([end], {start: tensors})[0]
    return result


def _sigmoid(raw: Any) -> Any:
    return np.exp(-np.logaddexp(0, -raw))  # without overflow on either side


_LINKS: dict[str, Callable[[Any], Any]] = {"linear": lambda raw: raw, "sigmoid": _sigmoid}


def _session(graph: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: what it warns of, no user can mend
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
