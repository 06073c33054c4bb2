"""Several processes that train one network together, each on its part of every batch.

The result is that of one process, up to rounding: gradients are summed before they are clipped, batch normalisation
uses the rows of all processes, and noise is drawn for the whole batch. Each process keeps all weights and makes the
same update, so that any of them can write a checkpoint, and another number of processes can go on from it.

The sums are TensorFlow's collectives over gRPC, without authentication or encryption: for a private network alone.
Order: who has which rows, the sums, the steps, the program, the rows of a process.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from diabolo.data.adapters.rows import taken
from diabolo.data.windows import Window
from diabolo.network.random_numbers import RowsOf, of_rows
from diabolo.training.backend import flags_for_xla, tensor
from diabolo.training.program import NO_TRACING, VALIDATION_BATCH, Reconstruction, Tracing, compiled_function, timed

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Slices:
    """Which rows of each batch a process has: as many as the others, in the order of the processes.

    Attributes:
        rows: of an epoch, those of all processes.
        batch: rows of a batch; the last one may have fewer.
        rank, world: the number of the process, from 0, and how many there are.
    """

    rows: int
    batch: int
    rank: int
    world: int

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.rows / self.batch)

    @property
    def full(self) -> int:
        """How many batches have all their rows."""
        return self.rows // self.batch

    @property
    def mine(self) -> int:
        """How many rows of an epoch this process has."""
        return self.full * self.of(self.batch).own + self.of(self.rows % self.batch).own

    def of(self, total: int) -> RowsOf:
        """Return the rows of this process in a batch of so many."""
        first = total * self.rank // self.world
        return RowsOf(first, total * (self.rank + 1) // self.world - first, total)

    def places(self) -> Array:
        """Return where the rows of this process stand in an epoch, (mine,) int64."""
        whole, last = self.of(self.batch), self.of(self.rows % self.batch)
        starts = np.arange(self.full)[:, None] * self.batch + whole.first
        rest = self.full * self.batch + last.first + np.arange(last.own)
        return np.concatenate([(starts + np.arange(whole.own)).ravel(), rest])


class Group:
    """The processes of one training, connected to each other.

    All processes must call the same methods in the same order; a call waits for the others.

    Args:
        rank: the number of this process, from 0.
        addresses: of all processes, "HOST:PORT" each, in the order of their ranks.
    """

    def __init__(self, rank: int, addresses: Sequence[str]) -> None:
        self.rank, self.world = rank, len(addresses)
        cluster = tf.train.ClusterSpec({"worker": list(addresses)})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=rank, rpc_layer="grpc"
        )
        ring = tf.distribute.experimental.CommunicationImplementation.RING
        options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
        # It starts the servers; its other parts are not used, because it clips gradients before it sums them.
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
        self._calls = 0
        self._small: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {}

    def sum(self, values: tf.Tensor) -> tf.Tensor:
        """Return the sum over the processes, the same bits in each; the gradient of each is the sum of theirs."""

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def summed(local: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            return self._reduce(local, "Add"), lambda upstream: self._reduce(upstream, "Add")

        return summed(values)

    def _reduce(self, values: tf.Tensor, operation: str) -> tf.Tensor:
        # Each call in a program has a key of its own; all processes trace the same program, so that keys agree.
        self._calls += 1
        return tf.raw_ops.CollectiveReduceV2(
            input=values,
            group_size=self.world,
            group_key=1,
            instance_key=self._calls,
            ordering_token=[],
            merge_op=operation,
            final_op="Id",
            communication_hint="ring",
        )

    def total(self, values: Array) -> Array:
        """Return the sum over the processes of a few numbers, float64."""
        return self._now(values, "Add")

    def least(self, value: float) -> float:
        """Return the lowest value of all processes."""
        return float(self._now(np.array([value]), "Min")[0])

    def first(self, value: float) -> float:
        """Return the value of the first process."""
        return float(self.total(np.array([value if self.rank == 0 else 0.0]))[0])

    def _now(self, values: Array, operation: str) -> Array:
        known = f"{operation} {values.shape}"
        if known not in self._small:
            self._small[known] = tf.function(lambda local: self._reduce(local, operation), autograph=False)
        return np.asarray(self._small[known](tf.constant(values, tf.float64)))


class GroupSteps(Reconstruction):
    """The steps of an auto-encoder on the rows of one process.

    Args:
        args, more: as `Reconstruction`.
        group: the processes.
        compiled: whether XLA compiles what a process computes by itself, and draws the numbers, which are others then.
    """

    def __init__(self, *args: Any, group: Group, compiled: bool, **more: Any) -> None:
        super().__init__(*args, **more)
        self.group, self._compiled = group, compiled
        self._rows = RowsOf(0, 1, 1)  # of the batch whose step is traced
        # The sums of this process since they were last added to those of the whole training.
        self._own = {name: tf.Variable(0.0, dtype=tf.float64, name=f"own_{name}") for name in self._totals}
        self._counted = self._own
        self._normalised = False
        for model in (self._encoder, self._decoder):
            for layer in model._flatten_layers(include_self=False):
                if isinstance(layer, keras.layers.BatchNormalization):
                    _synchronise(layer, self)
                    self._normalised = True

    def train_rows(self, batch: tf.Tensor, rows: RowsOf, *, whole: bool) -> None:
        """Take one step down the gradient of the mean loss of a batch, of which this process has these rows.

        Args: whole: whether the batch is not the smaller one that ends an epoch, which XLA does not compile.
        """
        self._rows, compiled = rows, self._compiled and whole
        in_xla = partial(compiled_function, jit_compile=True)

        def gradient(batch: tf.Tensor) -> tf.Tensor:
            gradients, objective = self._gradients(batch)
            self._count(objective)
            return self._joined(gradients)

        def apply(joined: tf.Tensor) -> None:
            self._apply(self._parted(joined))

        with of_rows(rows, compiled=compiled):
            # Batch normalisation sums over the processes within the gradient.
            own = (in_xla(gradient) if compiled and not self._normalised else gradient)(batch)
        joined = self.group.sum(own)
        (in_xla(apply) if compiled else apply)(joined)

    def test_rows(self, batch: tf.Tensor, rows: RowsOf, *, whole: bool) -> None:
        """Add the loss of the rows, with the same noise each time."""
        self._rows = rows
        with of_rows(rows):
            self.test(batch)

    def total_rows(self) -> int:
        """Return the rows of all processes in the batch whose step is traced."""
        return self._rows.total

    def results(self) -> dict[str, float]:
        """Return the means over the rows of all processes; all of them must call it."""
        sums = self.group.total(np.array([float(own) for own in self._own.values()]))
        for own, total, more in zip(self._own.values(), self._totals.values(), sums, strict=True):
            own.assign(0.0)
            total.assign_add(more)
        return super().results()

    def reset(self) -> None:
        """Set the sums to 0, and the noise of validation to its start."""
        super().reset()
        for own in self._own.values():
            own.assign(0.0)

    def _mean(self, per_row: tf.Tensor) -> tf.Tensor:
        # Of this process; the sum over the processes is the mean of the batch.
        return tf.reduce_sum(per_row) / self._rows.total

    def _joined(self, gradients: list[tf.Tensor | None]) -> tf.Tensor:
        """Return the gradients as one vector, because each message takes a millisecond."""
        self._there = [each is not None for each in gradients]
        there = [tf.cast(tf.convert_to_tensor(each), tf.float32) for each in gradients if each is not None]
        return tf.concat([tf.reshape(each, [-1]) for each in there], 0)

    def _parted(self, joined: tf.Tensor) -> list[tf.Tensor | None]:
        """Return the gradient of each variable, None where it has none."""
        having = [each for each, there in zip(self._trainable, self._there, strict=True) if there]
        parts = iter(tf.split(joined, [math.prod(each.shape) for each in having]))
        return [
            tf.reshape(next(parts), each.shape) if there else None
            for each, there in zip(self._trainable, self._there, strict=True)
        ]


def _synchronise(layer: keras.layers.BatchNormalization, steps: GroupSteps) -> None:
    """Let a batch normalisation use mean and variance of the rows of all processes."""

    def moments(self: keras.layers.BatchNormalization, inputs: tf.Tensor, mask: object) -> tuple[tf.Tensor, tf.Tensor]:
        axes = self._reduction_axes
        places = math.prod(inputs.shape[axis] for axis in axes if axis)  # of a row
        count = float(steps.total_rows() * places)
        mean = steps.group.sum(tf.reduce_sum(inputs, axes)) / count
        return mean, steps.group.sum(tf.reduce_sum(tf.square(inputs - mean), axes)) / count

    if not hasattr(layer, "_moments"):
        raise TypeError("this version of Keras has another BatchNormalization: _moments is missing")
    layer._moments = MethodType(moments, layer)


class GroupProgram:
    """Many steps in one call, on the rows of one process: as `diabolo.training.program.Program`.

    Args:
        steps: the steps to repeat.
        slices: which rows of a batch this process has.
        test: whether the steps measure, in place of training.
    """

    def __init__(self, steps: GroupSteps, slices: Slices, *, test: bool = False) -> None:
        self.steps, self.slices, self.batch_size = steps, slices, slices.batch
        self._step = steps.test_rows if test else steps.train_rows
        self._full, self._last = compiled_function(self._many), compiled_function(self._one_smaller)

    def run(self, window: Window, start: int, count: int) -> Tracing:
        """Run steps `start` to `start + count` of a window of tensors, and return the time that tracing took."""
        data, order, own = window.data, window.order, self.slices.of(self.batch_size).own
        full, traced = max(0, min(count, self.slices.full - window.first - start)), NO_TRACING
        if full:
            with flags_for_xla():
                traced = timed(self._full, full, data, order, tf.constant(start * own), tf.constant(full))
        if full < count:
            places = tf.constant((start + full) * own), tf.constant(window.rows)
            more = timed(self._last, 1, data, order, *places)
            traced = Tracing(traced.steps + more.steps, traced.seconds + more.seconds)
        return traced

    def _many(self, data: tf.Tensor, order: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> None:
        rows = self.slices.of(self.batch_size)

        def one(step: tf.Tensor) -> tuple[tf.Tensor]:
            places = tf.gather(order, start + step * rows.own + tf.range(rows.own))  # (rows.own,)
            self._step(tf.gather(data, places), rows, whole=True)
            return (step + 1,)

        tf.while_loop(lambda step: step < count, one, (tf.constant(0),))

    def _one_smaller(self, data: tf.Tensor, order: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> None:
        rows = self.slices.of(self.slices.rows % self.batch_size)
        places = tf.ensure_shape(order[start:end], [rows.own])
        self._step(tf.gather(data, places), rows, whole=False)


class GroupMeasure:
    """The validation: each process measures its rows of every batch. Args: rows: of all processes, (n, ...)."""

    def __init__(self, steps: GroupSteps, rows: Array) -> None:
        slices = Slices(rows=len(rows), batch=VALIDATION_BATCH, rank=steps.group.rank, world=steps.group.world)
        self._steps, self._program, self._count = steps, GroupProgram(steps, slices, test=True), slices.steps
        mine = taken(rows, slices.places())
        self._window = Window(tensor(mine), tensor(np.arange(len(mine), dtype=np.int32)), len(mine))

    def run(self) -> dict[str, float]:
        """Return the results of the validation rows, and reset the sums before and after."""
        self._steps.reset()
        self._program.run(self._window, 0, self._count)
        results = self._steps.results()
        self._steps.reset()
        return results


class GroupRows:
    """The rows of one process in each epoch, of rows that are all in memory: in the order that one process would have.

    Args: rows: of all processes, (n, ...); slices: which are those of this process; seed: decides the order.
    """

    def __init__(self, rows: Array, slices: Slices, *, seed: int) -> None:
        self.rows, self._all, self._slices, self._seed = len(rows), rows, slices, seed
        self._places = slices.places()

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield one window: the rows of this process, in the order of the steps."""
        order = np.random.default_rng([self._seed, number]).permutation(self.rows)
        mine = taken(self._all, order[self._places])
        yield Window(mine, np.arange(len(mine)), len(mine), steps=self._slices.steps)
