"""Running a network without TensorFlow: ONNX Runtime sessions of graphs built in memory, and rows in batches.

`Runtime` checks rows, runs them batch by batch so that only one batch is in memory, and writes results into `out=` if
it is given. Every failure is a DataError or a ShapeError that names the row.

Order: the sessions and batches of one network, the methods of a model chunk by chunk, checks of results, one session.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from diabolo.data.adapters import Adapter, Rows, as_rows, check_finite
from diabolo.data.adapters.rows import check_no_infinity
from diabolo.data.sparse import check as check_sparse
from diabolo.data.sparse import is_sparse
from diabolo.errors import DataError, ShapeError
from diabolo.model import privacy
from diabolo.model.condition import Condition
from diabolo.network.losses import Loss
from diabolo.network.network import Network

if TYPE_CHECKING:
    import onnx

    from diabolo.data.streams import Stream

Floats = np.ndarray[Any, np.dtype[np.float32]]
Work = Callable[[Rows, int], Rows]  # a batch, and the number of rows before it -> one result for each row

# The number of rows in a batch is chosen so that the tensors between layers stay in the cache of the CPU: 2^20 floats
# are 4 MB. With fewer than 64 rows per call, calls take most of the time.
CACHE_FLOATS = 1 << 20
FEW = 64  # rows that are encoded at once without the checks that name a row
# The largest tensor of a batch of several rows: no larger than one row of the largest model that a file may hold.
MAX_TENSOR = 1 << 24
MAX_DENSE = 1 << 29  # floats in dense results for sparse rows, 2 GB

# Threads of a session; 0: one for each core. A process that shares the machine with others of its kind, as a worker of
# bulk work does, sets it before it loads a model.
threads = 0


class Session(Protocol):
    """A session of ONNX Runtime, as far as it is used here."""

    def run(self, outputs: list[str], inputs: dict[str, Floats], /) -> list[Floats]:
        """Return the outputs of the graph, (batch, ...) each, for its inputs, by name."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The sessions of one network, created when they are first used, and the loop over batches of rows.

    Attributes: as those of `Model`.
    """

    network: Network
    weights: Mapping[str, Floats]
    adapter: Adapter
    loss: Loss
    condition: Condition | None = None

    def encode(self, tensors: Floats, row: int) -> Floats:
        """Return the latents of a batch, (batch, latent_dim).

        Args: tensors: (batch, ...), as the adapter makes them; row: number of rows before the batch, for messages.
        Raises: DataError where they are not finite.
        """
        return _run(self._encoder, "rows", tensors, "latent", row)

    def encode_few(self, X: object) -> Floats | None:
        """Return latents (n, latent_dim) of a few rows of floats without delay; None: `map_rows` must check them."""
        if type(X) is not np.ndarray or X.ndim < 2 or not 0 < len(X) <= min(FEW, self.rows_at_once):
            return None
        tensors = self.adapter.adapt_few(X)
        if tensors is None:
            return None
        try:
            (latents,) = self._encode_few(["latent"], {"rows": tensors}, None)
        except Exception:
            return None  # `encode` says why
        flat = latents.reshape(-1)
        return latents if math.isfinite(np.vdot(flat, flat)) else None

    @cached_property
    def _encode_few(self) -> Callable[..., list[Floats]]:
        # Without the checks of `InferenceSession.run`, which take as long as a small network.
        session = self._encoder
        inner = getattr(session, "_sess", None)
        quick: Callable[..., list[Floats]] = session.run if inner is None else inner.run
        return quick

    def decode(self, latents: Floats, row: int, values: Rows | None = None) -> Rows:
        """Return rows (batch, *row_shape), in the units of fit(), for a batch of latents; `row` as for `encode`.

        Args: values: of the columns of the condition, (batch, k), which the rows get as they are; None: it has none.
        """
        if self.condition is None or values is None:
            return self.adapter.restore(self.loss.linked(_decoded(self._decoder, latents, None, row)))
        shown = self.loss.linked(_decoded(self._decoder, latents, self.condition.tensors(values), row))
        return self.condition.put(self.adapter.restore(shown), values)

    def decode_raw(self, latents: Floats, row: int, condition: Floats | None = None) -> Floats:
        """Return the decoder's outputs before the link function, (batch, ...), for latents; `row` as for `encode`.

        Args: condition: what the decoder is given in addition, (batch, numbers), see `condition_of`.
        """
        return _decoded(self._raw_decoder, latents, condition, row)

    def condition_of(self, tensors: Floats) -> Floats | None:
        """Return the condition of tensors, (batch, numbers); None for a network without one."""
        places = list(self.network.condition)
        return np.ascontiguousarray(tensors[:, places]) if places else None

    def raw_outputs(self, tensors: Floats, row: int) -> Floats:
        """Return the decoder's outputs before the link function, (batch, ...); arguments as for `encode`."""
        return self.decode_raw(self.encode(tensors, row), row, self.condition_of(tensors))

    def posterior(self, tensors: Floats, row: int) -> list[Floats]:
        """Return mean and log-variance of the latents, (batch, latent_dim) each, unclipped; as for `encode`."""
        return _outputs(self._posterior, {"rows": tensors}, ["latent", "log_var"], row)

    def map_rows(
        self,
        X: object,
        function: Work,
        result_shape: tuple[int, ...],
        *,
        where: str,
        out: Rows | None = None,
        first_row: int = 0,
    ) -> Rows:
        """Call a function on checked rows, batch by batch, and return its results, (n, *result_shape).

        Args:
            X: rows like those of fit(), dense or a scipy sparse matrix.
            function: gets a batch and the number of rows before it.
            result_shape: shape of the result for one row.
            where: name of the caller, for messages.
            out: an array (n, *result_shape) to write into and return.
            first_row: number of rows before X, for messages.

        Raises: DataError, ShapeError where rows or `out` do not fit; DataError where results are not finite.
        """
        if is_sparse(X):
            return self._map_sparse(X, function, result_shape, where, out, first_row)
        rows = as_rows(X, where=where)
        self.adapter.check_shape(rows, where=where)

        def one(batch: Rows, row: int) -> Rows:
            self._check_values(batch, where, first_row + row)
            with np.errstate(all="ignore"):  # finite() refuses what overflows, so that NumPy need not warn
                return finite(function(batch, first_row + row), first_row + row)

        return self.map_batches(rows, one, result_shape, out)

    def _map_sparse(
        self,
        X: object,
        function: Work,
        result_shape: tuple[int, ...],
        where: str,
        out: Rows | None,
        first_row: int,
    ) -> Rows:
        """Do the same as `map_rows` for sparse rows, and make one batch at a time dense."""
        matrix, size = check_sparse(X, where=where), self.rows_at_once
        self.adapter.check_shape(matrix, where=where)  # before rows of any width are made dense
        count = matrix.shape[0]
        if out is None and count * math.prod(result_shape) > MAX_DENSE:
            raise ShapeError(
                f"{where} would return {count:,} x {math.prod(result_shape):,} dense numbers: pass fewer rows at a "
                f"time, or out=, which may be memory-mapped."
            )
        if out is not None:
            _check_shape(out, (count, *result_shape))
        pieces = []
        for start in range(0, count, size):
            dense = matrix[start : start + size].toarray()
            dense = dense.astype(np.float32) if dense.dtype.kind != "f" else dense
            values = self.map_rows(dense, function, result_shape, where=where, first_row=first_row + start)
            if out is None:
                pieces.append(values)
            else:
                _check_type(out, values)
                out[start : start + size] = values
        return np.concatenate(pieces) if out is None else np.asarray(out)

    def map_batches(self, rows: Rows, function: Work, result_shape: tuple[int, ...], out: Rows | None = None) -> Rows:
        """Return the results of a function for checked rows or latents; arguments as for `map_rows`."""
        size = self.rows_at_once
        if out is None:
            if len(rows) <= size:
                return function(rows, 0)
            first = function(rows[:size], 0)
            out = np.empty((len(rows), *first.shape[1:]), first.dtype)
            out[:size], begin = first, size
        else:
            _check_shape(out, (len(rows), *result_shape))
            begin = 0
        for start in range(begin, len(rows), size):
            values = function(rows[start : start + size], start)
            _check_type(out, values)
            out[start : start + size] = values
        return np.asarray(out)

    def checked(self, X: object, *, where: str, first_row: int = 0) -> Rows:
        """Return X as rows (n, *row_shape) like those of fit(). Raises DataError or ShapeError for others."""
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
        if self.condition is not None:
            self.condition.check(self.condition.of_rows(rows), where, first_row)

    def check_latents(self, latents: object, *, where: str, first_row: int = 0) -> Floats:
        """Return latents as float32 (n, latent_dim); cut ones are filled up with 0 where the bottleneck allows it.

        Raises: DataError or ShapeError for others.
        """
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
        check_finite(values, where, first_row)  # after the cast: a double may be too large for a float32
        return values

    @cached_property
    def rows_at_once(self) -> int:
        """The number of rows in a batch."""
        widest = self.network.widest
        # A call for few but wide rows is long, so the time of the call itself does not matter.
        return max(1, min(64, MAX_TENSOR // widest), CACHE_FLOATS // widest)

    @cached_property
    def _encoder(self) -> Session:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_encoder(self.network, self.weights, self.loss))

    @cached_property
    def _posterior(self) -> Session:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_encoder(self.network, self.weights, self.loss, heads=True))

    @cached_property
    def _decoder(self) -> Session:
        from diabolo.network.backends.onnx import builder as onnx_builder

        return self._session(onnx_builder.build_decoder(self.network, self.weights, link=self.loss.link))

    @cached_property
    def _raw_decoder(self) -> Session:
        from diabolo.network.backends.onnx import builder as onnx_builder

        if self.loss.link == "linear":
            return self._decoder
        return self._session(onnx_builder.build_decoder(self.network, self.weights))

    def _session(self, graph: "onnx.ModelProto") -> Session:
        rows = self.rows_at_once
        return _session(
            graph,
            blocks=self.network.blocked * rows <= MAX_TENSOR,
            keep=self.network.widest * rows <= CACHE_FLOATS,
        )


def by_chunk(verb: Callable[..., Rows], stream: "Stream", *, max_width: int) -> Iterator[Rows]:
    """Yield the result of a method of `Model` for each chunk of rows or latents, while the next chunk is read.

    Args:
        verb: takes rows, `where` and `first_row`, such as `Model.encode`.
        stream: the rows.
        max_width: number of values in a row of the input or of the output, whichever has more.

    Raises: as the method.
    """
    from diabolo.data.prefetch import ahead
    from diabolo.data.streams import rows_at_once

    for chunk in ahead(stream.read(range(len(stream.parts)), rows_at_once((max_width,)))):
        yield verb(chunk.rows, where=chunk.name, first_row=chunk.first_row)


def fill(out: Rows, chunks: Iterator[Rows], rows: int | None) -> Rows:
    """Write chunks into `out` one after the other and return it.

    Args:
        out: (rows, ...).
        chunks: (k, ...) each.
        rows: number of rows in all chunks; None: unknown.

    Raises: ShapeError where they do not fit.
    """
    if rows is not None and len(out) != rows:
        raise ShapeError(f"out expected {rows:,} rows, got {len(out):,}.")
    done = 0
    for chunk in chunks:
        if np.shape(out)[1:] != chunk.shape[1:] or done + len(chunk) > len(out):
            raise ShapeError(f"out expected a row of shape {chunk.shape[1:]} for each row, got {np.shape(out)}.")
        _check_type(out, chunk)
        out[done : done + len(chunk)] = chunk
        done += len(chunk)
    if done < len(out):
        raise ShapeError(f"out expected {done:,} rows, got {len(out):,}.")
    return np.asarray(out)


def finite(values: Rows, first_row: int) -> Rows:
    """Return results (n, ...) if all are finite. Raises DataError with the number of the first row that is not.

    Args: values: the results; first_row: number of rows before them.
    """
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


def _check_shape(out: Rows, expected: tuple[int, ...]) -> None:
    if getattr(out, "shape", None) != expected:
        raise ShapeError(f"out expected shape {expected}, got {getattr(out, 'shape', out)!r:.60}.")


def _check_type(out: Rows, values: Rows) -> None:
    if not np.can_cast(values.dtype, out.dtype, "same_kind"):
        raise ShapeError(f"out expected {values.dtype}, got {out.dtype}, which cannot hold it.")


def _run(session: Session, start: str, tensors: Floats, end: str, first_row: int) -> Floats:
    """Return one output of a graph for a batch; see `_outputs`."""
    (result,) = _outputs(session, {start: tensors}, [end], first_row)
    return result


def _decoded(session: Session, latents: Floats, condition: Floats | None, first_row: int) -> Floats:
    """Return the output of a decoder for latents, and the condition if it takes one; see `_outputs`."""
    inputs = {"latent": latents} if condition is None else {"latent": latents, "condition": condition}
    (result,) = _outputs(session, inputs, ["reconstruction"], first_row)
    return result


def _outputs(session: Session, inputs: dict[str, Floats], ends: list[str], first_row: int) -> list[Floats]:
    """Return outputs of a graph for a batch.

    Args:
        session: of the graph.
        inputs: by name, (batch, ...) each.
        ends: names of the outputs.
        first_row: number of rows before the batch, for messages.

    Raises: DataError where they cannot be computed, or are not finite.
    """
    try:
        results = session.run(ends, inputs)
    except Exception as error:  # the errors of ONNX Runtime have no common base class; a MemoryError may come too
        tensors = next(iter(inputs.values()))
        several = f"{len(tensors):,} rows" if len(tensors) > 1 else "a row"
        raise DataError(_failed(f"from row {first_row} on, {several} of shape {tensors.shape[1:]}", error)) from error
    return [finite(result, first_row) for result in results]


def _failed(what: str, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"{what} cannot be computed, ONNX Runtime says {reason:.300}. Is enough memory free? One row of this model "
        f"takes up to 320 MB, and five times the size of its weights."
    )


def _session(graph: "onnx.ModelProto", *, blocks: bool = True, keep: bool = True) -> Session:
    """Return a session of ONNX Runtime. Raises DataError where it cannot be created.

    Args:
        graph: the network.
        blocks: whether convolutions may store their tensors in blocks of channels, see `Layer.blocked`.
        keep: whether to keep memory for the next batch, which saves time unless rows are wide.
    """
    onnxruntime = privacy.import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = options.enable_mem_pattern = keep
    options.intra_op_num_threads = threads
    # After a batch, threads wait for the next one in a loop; by default so long that they keep those of the next
    # session from a core. Versions that do not know this entry ignore it.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "50")
    options.log_severity_level = 4  # no log: errors are raised, and users can do nothing about the warnings
    try:
        session: Session = onnxruntime.InferenceSession(
            graph.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=[] if blocks else ["NchwcTransformer"],
        )
    except Exception as error:  # as in `_outputs`; and a graph with more than 2 GB of weights cannot be serialised
        raise DataError(_failed("the network", error)) from error
    return session
