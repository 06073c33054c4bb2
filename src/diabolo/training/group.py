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
from diabolo.data.windows import Streamed, Window
from diabolo.network.random_numbers import RowsOf, of_rows
from diabolo.training.backend import flags_for_xla, tensor
from diabolo.training.program import NO_TRACING, VALIDATION_BATCH, Reconstruction, Tracing, compiled_function, timed

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Slices:
    """Which rows of each batch a process has, in the order of the processes.

    Attributes:
        counts: rows of an epoch, of each process.
        batches: rows of a batch, of each process, as long as it has so many left.
        rank: the number of this process, from 0.
    """

    counts: tuple[int, ...]
    batches: tuple[int, ...]
    rank: int

    @classmethod
    def even(cls, rows: int, batch: int, *, rank: int, world: int) -> "Slices":
        """Divide every batch of so many rows evenly among the processes."""
        batches, rest = _divided(batch, world), _divided(rows % batch, world)
        counts = tuple(rows // batch * each + more for each, more in zip(batches, rest, strict=True))
        return cls(counts=counts, batches=batches, rank=rank)

    @property
    def mine(self) -> int:
        """How many rows of an epoch this process has."""
        return self.counts[self.rank]

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return max(-(-rows // batch) for rows, batch in zip(self.counts, self.batches, strict=True) if batch)

    @property
    def full(self) -> int:
        """How many of the first batches have all their rows."""
        return min(rows // batch for rows, batch in zip(self.counts, self.batches, strict=True) if batch)

    @property
    def of_full(self) -> RowsOf:
        """The rows of this process in a batch that has all its rows."""
        return RowsOf(sum(self.batches[: self.rank]), self.own, sum(self.batches))

    @property
    def own(self) -> int:
        """How many rows this process has in a batch that has all its rows."""
        return self.batches[self.rank]

    def of(self, step: tf.Tensor) -> RowsOf:
        """Return the rows of this process in the batch of a step, as scalar tensors."""
        batches = tf.constant(self.batches)
        left = tf.clip_by_value(tf.constant(self.counts) - step * batches, 0, batches)  # (world,)
        return RowsOf(tf.reduce_sum(left[: self.rank]), left[self.rank], tf.reduce_sum(left))

    def places(self) -> Array:
        """Return where the rows of this process stand in an epoch of batches that are full but for the last."""
        batch, mine = sum(self.batches), self.own
        first = np.arange(self.full)[:, None] * batch + sum(self.batches[: self.rank]) + np.arange(mine)
        left = [rows - self.full * each for rows, each in zip(self.counts, self.batches, strict=True)]
        rest = self.full * batch + sum(left[: self.rank]) + np.arange(left[self.rank])
        return np.concatenate([first.ravel(), rest])


def _divided(rows: int, world: int) -> tuple[int, ...]:
    return tuple(rows // world + (rank < rows % world) for rank in range(world))


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
        # Of the batch whose step is traced: the rows, and what each counts, 0 where the process has none.
        self._rows, self._weight = RowsOf(0, 1, 1), tf.constant(1.0)
        # The sums of this process since they were last added to those of the whole training.
        self._own = {name: tf.Variable(0.0, dtype=tf.float64, name=f"own_{name}") for name in self._totals}
        self._normalised = False
        for model in (self._encoder, self._decoder):
            for layer in model._flatten_layers(include_self=False):
                if isinstance(layer, keras.layers.BatchNormalization):
                    _synchronise(layer, self)
                    self._normalised = True

    def train_rows(self, batch: tf.Tensor, rows: RowsOf, *, weight: tf.Tensor | None = None) -> None:
        """Take one step down the gradient of the mean loss of a batch, of which this process has these rows.

        Args: weight: of each row; None: 1, in a batch that is not one of the smaller ones that end an epoch, which XLA
            does not compile.
        """
        compiled = self._compiled and weight is None
        self._rows, self._weight = rows, tf.constant(1.0) if weight is None else weight
        in_xla = partial(compiled_function, jit_compile=True)

        def gradient(batch: tf.Tensor) -> list[tf.Tensor]:
            gradients, objective = self._gradients(batch)
            self._count(objective)
            self._there = [each is not None for each in gradients]
            return [tf.cast(tf.convert_to_tensor(each), tf.float32) for each in gradients if each is not None]

        def apply(joined: tf.Tensor) -> None:
            self._apply(self._parted(joined))

        with of_rows(rows, compiled=compiled):
            # Batch normalisation sums over the processes within the gradient.
            own = (in_xla(gradient) if compiled and not self._normalised else gradient)(batch)
        # As one vector, because each message takes a millisecond. Not joined in XLA, which with several threads would
        # compute the sums of some gradients again for every number of the vector.
        joined = self.group.sum(tf.concat([tf.reshape(each, [-1]) for each in own], 0))
        (in_xla(apply) if compiled else apply)(joined)

    def test_rows(self, batch: tf.Tensor, rows: RowsOf, *, weight: tf.Tensor | None = None) -> None:
        """Add the loss of the rows, with the same noise each time. Args: as `train_rows`."""
        self._rows, self._weight = rows, tf.constant(1.0) if weight is None else weight
        with of_rows(rows):
            self.test(batch)

    def mean_over_rows(self, sums: tf.Tensor, places: int) -> tf.Tensor:
        """Return sums over the rows of this process, and so many places in each, as means over those of all."""
        rows = tf.cast(self._rows.total, tf.float32)
        return self.group.sum(self._weight * sums) / (rows * float(places))

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
        return self._weight * tf.reduce_sum(per_row) / tf.cast(self._rows.total, tf.float32)

    def _add(self, name: str, amount: tf.Tensor) -> None:
        self._own[name].assign_add(tf.cast(self._weight, tf.float64) * amount)

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
        mean = steps.mean_over_rows(tf.reduce_sum(inputs, axes), places)
        return mean, steps.mean_over_rows(tf.reduce_sum(tf.square(inputs - mean), axes), places)

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
        self.steps, self.slices, self.batch_size = steps, slices, sum(slices.batches)
        self._tests, self._step = test, steps.test_rows if test else steps.train_rows
        self._full, self._rest = compiled_function(self._many_full), compiled_function(self._many_smaller)

    def steps_in(self, rows: int) -> int:
        """Return how many steps an epoch of so many rows has."""
        return self.slices.steps

    def run(self, window: Window, start: int, count: int) -> Tracing:
        """Run steps `start` to `start + count` of a window of tensors, and return the time that tracing took."""
        step, own = window.first + start, self.slices.own
        full, traced = max(0, min(count, self.slices.full - step)), NO_TRACING
        if full:
            places = tf.constant(start * own), tf.constant(full)
            with flags_for_xla():
                traced = timed(self._full, full, window.data, window.order, *places)
        if full < count:
            bounds = tf.constant([step + full, step + count])
            more = timed(self._rest, count - full, window.data, window.order, tf.constant(window.first), bounds)
            traced = Tracing(traced.steps + more.steps, traced.seconds + more.seconds)
        return traced

    def _many_full(self, data: tf.Tensor, order: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> None:
        rows, own = self.slices.of_full, self.slices.own

        def one(step: tf.Tensor) -> tuple[tf.Tensor]:
            places = tf.gather(order, start + step * own + tf.range(own))  # (own,)
            self._step(tf.gather(data, places), rows)
            return (step + 1,)

        tf.while_loop(lambda step: step < count, one, (tf.constant(0),))

    def _many_smaller(self, data: tf.Tensor, order: tf.Tensor, first: tf.Tensor, bounds: tf.Tensor) -> None:
        """Run the steps within bounds, of which the window begins with step `first`."""

        def one(step: tf.Tensor) -> tuple[tf.Tensor]:
            rows, start = self.slices.of(step), (step - first) * self.slices.own
            weight = tf.cast(rows.own > 0, tf.float32)
            if not self._tests:  # where a process has no row, it takes any: layers have no gradient of no rows
                rows = RowsOf(tf.minimum(rows.first, rows.total - 1), tf.maximum(rows.own, 1), rows.total)
                start = tf.minimum(start, tf.shape(order)[0] - rows.own)
            self._step(tf.gather(data, order[start : start + rows.own]), rows, weight=weight)
            return (step + 1,)

        tf.while_loop(lambda step: step < bounds[1], one, (bounds[0],))


class GroupMeasure:
    """The validation: each process measures its rows of every batch. Args: rows: of all processes, (n, ...)."""

    def __init__(self, steps: GroupSteps, rows: Array) -> None:
        batch = min(len(rows), VALIDATION_BATCH)
        slices = Slices.even(len(rows), batch, rank=steps.group.rank, world=steps.group.world)
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


class GroupStream:
    """The rows of one process in each epoch, of rows that are read in chunks: those of its own parts of the stream.

    The order of the rows depends on how many processes there are. Where one has fewer rows than the others, the last
    batches have fewer. All rows are read once, to count them.

    Args: rows: of all processes; batch: rows of a batch, of all; group: the processes.
    """

    def __init__(self, rows: Streamed, batch: int, group: Group) -> None:
        parts = rows.parts_of(group.rank, group.world)
        counts = np.zeros(group.world)
        counts[group.rank] = rows.count(parts)
        every = tuple(map(int, group.total(counts)))
        self.slices = Slices(counts=every, batches=_divided(batch, group.world), rank=group.rank)
        self.rows, self._own = sum(every), self.slices.own
        self._windows = rows.only(parts, rows=self.slices.mine, batch_size=self._own)

    def epoch(self, number: int) -> Iterator[Window]:
        """Yield windows, of which all but the last hold whole batches."""
        first, left = 0, self.slices.mine
        for window in self._windows.epoch(number):
            left -= window.rows
            steps = window.rows // self._own if left else self.slices.steps - first
            yield window._replace(first=first, steps=steps)
            first += steps
