"""A network at work without TensorFlow: ONNX Runtime sessions on graphs made in memory, and rows in batches.

`Runtime` checks rows, runs them batch by batch so that only one batch is in memory, and writes results into `out=`
where it is given. Every failure is a DataError or a ShapeError that names the row.

Order: the sessions and batches of one network, the verbs of a model chunk by chunk, checks of results, one session.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diabolo.data.adapters import Adapter, Rows, as_rows, check_finite
from diabolo.data.adapters.rows import check_no_infinity
from diabolo.data.sparse import check as check_sparse
from diabolo.data.sparse import is_sparse
from diabolo.data.streams import Stream, ahead, rows_at_once
from diabolo.errors import DataError, ShapeError
from diabolo.model import privacy
from diabolo.network.losses import Loss
from diabolo.network.structures import Network

Floats = np.ndarray[Any, np.dtype[np.float32]]
Work = Callable[[Rows, int], Rows]  # a batch, and how many rows came before it -> one result for each row

# The number of rows in a batch is chosen so that what lies between two layers stays in the processor's cache:
# 2^21 numbers are 8 MB. Fewer than 64 rows a call waste the call, more than 8,192 gain nothing.
NUMBERS_AT_ONCE = 1 << 21
# The largest tensor of a batch of several rows: no larger than one row of the largest model that a file may hold.
MOST_AT_ONCE = 1 << 24
MOST_DENSE = 1 << 29  # numbers that results for sparse rows may have, 2 GB


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The sessions of one network, made when they are first used, and rows in batches through them."""

    network: Network
    weights: Mapping[str, Floats]
    adapter: Adapter
    loss: Loss

    def encode(self, tensors: Floats, row: int) -> Floats:
        """Return the latents of a batch of tensors. Args: row: rows that came before, for messages."""
        return _run(self._encoder, "rows", tensors, "latent", row)

    def decode(self, latents: Floats, row: int) -> Rows:
        """Return rows, as they came to fit(), of a batch of latents; `row` as for `encode`."""
        return self.adapter.restore(self.loss.linked(_run(self._decoder, "latent", latents, "reconstruction", row)))

    def decode_raw(self, latents: Floats, row: int) -> Floats:
        """Return the raw numbers that the decoder ends in for a batch of latents; `row` as for `encode`."""
        return _run(self._decoder, "latent", latents, "raw", row)

    def raw(self, tensors: Floats, row: int) -> Floats:
        """Return the raw numbers that the decoder ends in for a batch of tensors; `row` as for `encode`."""
        return self.decode_raw(self.encode(tensors, row), row)

    def posterior(self, tensors: Floats, row: int) -> list[Floats]:
        """Return mean and log-variance of the latents of a batch of tensors, unclipped; `row` as for `encode`."""
        return _outputs(self._posterior, "rows", tensors, ["latent", "log_var"], row)

    def each(
        self,
        X: Any,
        function: Work,
        row_shape: tuple[int, ...],
        *,
        where: str,
        out: Any = None,
        first_row: int = 0,
    ) -> Rows:
        """Return what a function gives for rows, checked and passed to it batch by batch.

        Args:
            X: rows like those of fit(), dense or sparse.
            function: gets a batch and the number of rows before it.
            row_shape: axes of the result for one row.
            where: name of the caller, to begin a message with.
            out: an array (n, *row_shape) to write into and return.
            first_row: rows that came before X, for messages.

        Raises: DataError, ShapeError.
        """
        if is_sparse(X):
            return self._each_of_sparse(X, function, row_shape, where, out, first_row)
        rows = as_rows(X, where=where)
        self.adapter.check_shape(rows, where=where)

        def one(batch: Rows, row: int) -> Rows:
            self._check_values(batch, where, first_row + row)
            with np.errstate(all="ignore"):  # numbers that are too large are refused below, without NumPy's warning
                return finite(function(batch, first_row + row), first_row + row)

        return self.in_batches(rows, one, row_shape, out)

    def _each_of_sparse(
        self, X: Any, function: Work, row_shape: tuple[int, ...], where: str, out: Any, first_row: int
    ) -> Rows:
        """Do the work of `each` on sparse rows, of which one batch at a time is made dense."""
        matrix, size = check_sparse(X, where=where), self.rows_at_once
        self.adapter.check_shape(matrix, where=where)  # before rows of any width are made dense
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
            values = self.each(dense, function, row_shape, where=where, first_row=first_row + start)
            if out is None:
                pieces.append(values)
            else:
                _check_type(out, values)
                out[start : start + size] = values
        return np.concatenate(pieces) if out is None else np.asarray(out)

    def in_batches(self, rows: Rows, function: Work, row_shape: tuple[int, ...], out: Any = None) -> Rows:
        """Return what a function gives for checked rows or latents, batch by batch; arguments as for `each`."""
        size = self.rows_at_once
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

    def checked(self, X: Any, *, where: str, first_row: int = 0) -> Rows:
        """Return X as rows like those of fit(). Raises DataError or ShapeError where they are not."""
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

    @cached_property
    def rows_at_once(self) -> int:
        """How many rows a batch has."""
        widest = self.network.widest
        # With wide rows the call itself takes little of the time.
        return max(1, min(64, MOST_AT_ONCE // widest), min(8192, NUMBERS_AT_ONCE // widest))

    @cached_property
    def _encoder(self) -> Any:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_encoder(self.network, self.weights, self.loss))

    @cached_property
    def _posterior(self) -> Any:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_encoder(self.network, self.weights, self.loss, heads=True))

    @cached_property
    def _decoder(self) -> Any:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_decoder(self.network, self.weights, link=self.loss.link))

    def _session(self, graph: Any) -> Any:
        rows = self.rows_at_once
        return _session(
            graph,
            blocks=self.network.blocked * rows <= MOST_AT_ONCE,
            keep=self.network.widest * rows <= NUMBERS_AT_ONCE,
        )


def by_chunk(verb: Callable[..., Rows], stream: Stream, *, widest: int) -> Iterator[Rows]:
    """Give the result of a model's verb for each chunk of rows or latents, while the next chunk is read.

    Args: widest: numbers in a row of the input or of the output, whichever has more.
    """
    for chunk in ahead(stream.read(range(len(stream.parts)), rows_at_once((widest,)))):
        yield verb(chunk.rows, where=chunk.name, first_row=chunk.first_row)


def fill(out: Any, chunks: Iterator[Rows], rows: int | None) -> Rows:
    """Write chunks into `out` one after the other and return it. Args: rows: how many will come, where that is known.

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


def finite(values: Rows, first_row: int) -> Rows:
    """Return results for rows if all are finite. Args: first_row: rows that came before. Raises: DataError."""
    if values.dtype.kind != "f":
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # one pass, without a mask of the same size
            return values
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        raise DataError(
            f"row {first_row + int(bad.argmax())} gives numbers that are not finite (NaN or infinity): the numbers of "
            f"the row or the weights of the model are too large. Drop the row, or use another model."
        )
    return values


def _check_shape(out: Any, expected: tuple[int, ...]) -> None:
    if getattr(out, "shape", None) != expected:
        raise ShapeError(f"out expected shape {expected}, got {getattr(out, 'shape', out)!r:.60}.")


def _check_type(out: Any, values: Rows) -> None:
    if not np.can_cast(values.dtype, out.dtype, "same_kind"):
        raise ShapeError(f"out expected {values.dtype}, got {out.dtype}, which cannot hold it.")


def _run(session: Any, start: str, tensors: Floats, end: str, first_row: int) -> Floats:
    """Return one output of a graph for a batch; see `_outputs`."""
    (result,) = _outputs(session, start, tensors, [end], first_row)
    return result


def _outputs(session: Any, start: str, tensors: Floats, ends: list[str], first_row: int) -> list[Floats]:
    """Return outputs of a graph for a batch. Raises DataError where they cannot be computed, or are not finite."""
    try:
        results = session.run(ends, {start: tensors})
    except Exception as error:  # its errors have no common base class, and MemoryError is one of them
        several = f"{len(tensors):,} rows" if len(tensors) > 1 else "a row"
        raise DataError(_failed(f"from row {first_row} on, {several} of shape {tensors.shape[1:]}", error)) from error
    return [finite(result, first_row) for result in results]


def _failed(what: str, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"{what} cannot be computed, ONNX Runtime says {reason:.300}. Is memory free for it? One row of this model "
        f"takes up to 320 MB and five times its weights."
    )


def _session(graph: Any, *, blocks: bool = True, keep: bool = True) -> Any:
    """Return a session of ONNX Runtime. Raises DataError where it cannot be made.

    Args:
        graph: in ONNX.
        blocks: whether convolutions may store their tensors in blocks of channels, see `Layer.blocked`.
        keep: whether memory is kept for the next batch, which saves time where rows are not wide.
    """
    onnxruntime = privacy.import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = keep
    options.log_severity_level = 4  # nothing: its errors are raised, and users can do nothing about its warnings
    try:
        return onnxruntime.InferenceSession(
            graph.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=[] if blocks else ["NchwcTransformer"],
        )
    except Exception as error:  # as in `_outputs`; and a graph with more than 2 GB of weights cannot be written
        raise DataError(_failed("the network", error)) from error
