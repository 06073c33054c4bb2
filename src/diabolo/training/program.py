"""The compiled program: one call runs many steps on rows that already lie where the network runs.

Keras' fit goes back to Python each step, which for the networks of this field is most of the time. `Program` puts a
step, whatever it is, into a loop that TensorFlow runs by itself. Steps come from outside: `Reconstruction` is that of
this library, `KerasSteps` is the `train_step` of any compiled Keras model.

Order: what a step is, ours, Keras', the program.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from diabolo.data.windows import Window
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.network.backends.keras.builder import Models
from diabolo.network.bottlenecks import Objective
from diabolo.network.corruptions import Corrupted, Corruption, corrupt
from diabolo.network.losses import Loss
from diabolo.network.penalties import Batch, Penalty
from diabolo.network.random_numbers import Seeds
from diabolo.network.structures import Network
from diabolo.training.backend import flags_for_xla, tensor

Array = np.ndarray[Any, Any]
VALIDATION_BATCH = 1024


class Steps(Protocol):
    """What a program repeats. Both steps take a batch (a nest of tensors), and add to what `results` reads."""

    def train(self, batch: Any) -> None:
        """Take one step down the gradient."""

    def test(self, batch: Any) -> None:
        """Measure, and change nothing else."""

    def results(self) -> dict[str, float]:
        """Return means over all rows since `reset`, the loss under "loss"."""

    def reset(self) -> None:
        """Forget what was added."""

    def variables(self) -> list[Any]:
        """Return everything that a step changes."""


class Reconstruction:
    """Steps of an auto-encoder: the target is the input as it was, whatever the network gets to see of it.

    Args:
        models: the network.
        network: its facts; the bottleneck says what a batch costs beside its reconstruction.
        loss: of a reconstruction.
        optimizer: a Keras optimizer.
        offset, scale: tensor = (row - offset) / scale, computed inside the program so that bytes stay bytes.
        bounded: whether tensors lie in [0, 1].
        corruption: of the input.
        penalty: beside what the bottleneck costs.
        steps_an_epoch: tells how far a training is.
        seed: of everything that is drawn.
        learnt: what the loss has learnt before, by name.
    """

    def __init__(
        self,
        models: Models,
        network: Network,
        loss: Loss,
        optimizer: Any,
        *,
        offset: Any = 0.0,
        scale: Any = 1.0,
        bounded: bool = False,
        corruption: Corruption | None = None,
        penalty: Penalty | None = None,
        steps_an_epoch: int = 1,
        seed: int = 0,
        learnt: Mapping[str, Array] | None = None,
    ) -> None:
        self._waist, self._decoder, self._bottleneck = models.bottleneck, models.raw_decoder, network.bottleneck
        self._loss, self._optimizer, self._bounded = loss, optimizer, bounded
        self._network, self._corruption, self._penalty = network, corruption, penalty
        self._offset, self._scale = tf.constant(offset, tf.float32), tf.constant(scale, tf.float32)
        self._steps_an_epoch = steps_an_epoch
        seeds = Seeds.of(seed)
        # Named, because TensorFlow keeps a kernel for each name of a variable for as long as the process lasts, and
        # Keras would count its own names up.
        self._chance = keras.random.SeedGenerator(seeds.training, name="chance")
        # Validation draws the same noise every time, so that epochs compare.
        self._fixed_chance = keras.random.SeedGenerator(seeds.validation, name="fixed_chance")
        self._first = self._fixed_chance.state.numpy()
        # In doubles, so that the means of a long epoch have the digits of their parts.
        parts = ("rows", "reconstruction", "penalty")
        self._totals = {part: tf.Variable(0.0, dtype=tf.float64, name=f"total_{part}") for part in parts}
        self._penalised = False
        self._weights = [*self._waist.variables, *self._decoder.variables]
        self._learnt = {
            name: keras.Variable(
                (learnt or {}).get(name, np.zeros(shape, np.float32)), dtype="float32", name=f"loss_{name}"
            )
            for name, shape in loss.weights(network.input_shape).items()
        }
        self._weights += self._learnt.values()
        with keras_builder.in_float32():
            self._helper = None if penalty is None else penalty.helper(network, seeds.helper)
        helping = [] if self._helper is None else self._helper.trainable_variables
        self._trainable = [
            *self._waist.trainable_variables,
            *self._decoder.trainable_variables,
            *self._learnt.values(),
            *helping,
        ]
        if self._learnt:
            # A decay would pull what is no weight, such as a variance, towards a value that means something.
            optimizer.exclude_from_weight_decay(var_list=list(self._learnt.values()))
        optimizer.build(self._trainable)

    def train(self, batch: tf.Tensor) -> None:
        """Take one step down the gradient of the mean cost of the rows."""
        seen = self._seen(batch, self._chance)
        warm = tf.cast(self._optimizer.iterations, tf.float32) / self._steps_an_epoch
        with tf.GradientTape() as tape:
            objective = self._objective(seen, self._chance, warm, training=True)
            per_row = objective.reconstruction
            if objective.penalty is not None:
                per_row += objective.penalty
            loss = self._optimizer.scale_loss(tf.reduce_mean(per_row))
        with alone(self._optimizer):
            self._optimizer.apply(tape.gradient(loss, self._trainable), self._trainable)
        self._count(objective)

    def test(self, batch: tf.Tensor) -> None:
        """Add what the rows cost, seen through the same noise each time."""
        seen = self._seen(batch, self._fixed_chance)
        self._count(self._objective(seen, self._fixed_chance, tf.constant(math.inf), training=False))

    def results(self) -> dict[str, float]:
        """Return the mean cost of a row, and its two parts where there are two."""
        rows, reconstruction, penalty = (float(total) for total in self._totals.values())
        loss = {"loss": (reconstruction + penalty) / rows}
        if self._penalised:
            loss |= {"reconstruction": reconstruction / rows, "penalty": penalty / rows}
        return loss

    def reset(self) -> None:
        """Start at nothing."""
        self._fixed_chance.state.assign(self._first)
        for total in self._totals.values():
            total.assign(0.0)

    def weights(self) -> list[Any]:
        """Return what a trained network keeps."""
        return self._weights

    def learnt(self) -> dict[str, Array]:
        """Return what the loss learnt, by name."""
        return {name: variable.numpy() for name, variable in self._learnt.items()}

    def variables(self) -> list[Any]:
        """Weights, state of the optimizer, sums so far, what chance will draw next."""
        chance = [self._chance.state, self._fixed_chance.state]
        helping = [] if self._helper is None else self._helper.variables
        return [*self._weights, *helping, *self._optimizer.variables, *self._totals.values(), *chance]

    def _seen(self, rows: tf.Tensor, chance: Any) -> Corrupted:
        """Return what the network sees, and what it shall give back."""
        target = (tf.cast(rows, tf.float32) - self._offset) / self._scale  # (batch, ...)
        seen = Corrupted(target)
        if self._corruption is not None:
            seen = corrupt(self._corruption, self._loss, target, chance, bounded=self._bounded)
        return seen if seen.target is not None else seen._replace(target=target)

    def _objective(self, seen: Corrupted, chance: Any, warm: tf.Tensor, *, training: bool) -> Objective:
        target = seen.target

        def loss(latents: tf.Tensor) -> tf.Tensor:
            copies = [self._bottleneck.copies, *[1] * (len(target.shape) - 1)]
            targets = target if copies[0] == 1 else tf.tile(target, copies)
            raw = self._decoder(latents, training=training)
            hidden = seen.hidden if seen.hidden is None or copies[0] == 1 else tf.tile(seen.hidden, copies)
            return self._loss.per_row(targets, raw, keras.ops, self._learnt, hidden)

        tensors = self._waist(seen.rows, training=training)
        objective = self._bottleneck.train(tensors, loss, chance, warm)
        if self._penalty is None:
            return objective
        cost = tf.constant(0.0)
        if training or self._penalty.measures:
            batch = Batch(seen.rows, tensors, self._waist, self._decoder, self._helper, training)
            cost = self._penalty.weight * self._penalty.cost(self._network, batch, chance)
        cost += tf.zeros_like(objective.reconstruction) if objective.penalty is None else objective.penalty
        return objective._replace(penalty=cost)

    def _count(self, objective: Objective) -> None:
        self._penalised = objective.penalty is not None
        parts = {"reconstruction": objective.reconstruction, "penalty": objective.penalty}
        for name, per_row in parts.items():
            if per_row is not None:
                self._totals[name].assign_add(tf.reduce_sum(tf.cast(per_row, tf.float64)))
        self._totals["rows"].assign_add(tf.cast(tf.shape(objective.reconstruction)[0], tf.float64))


class KerasSteps:
    """Steps of a compiled Keras model: its own `train_step` and `test_step`, so its loss, metrics and overrides hold.

    Args: batch: a few rows as the steps will get them, to build what is not built yet: nothing may be made in a loop.
    """

    def __init__(self, model: keras.Model, batch: Any) -> None:
        self._model = model
        model._symbolic_build(data_batch=batch)
        model.optimizer.build(model.trainable_variables)

    def train(self, batch: Any) -> None:
        """Run the model's `train_step`."""
        with alone(self._model.optimizer):
            self._model.train_step(batch)

    def test(self, batch: Any) -> None:
        """Run the model's `test_step`."""
        self._model.test_step(batch)

    def results(self) -> dict[str, float]:
        """Return the model's loss and metrics."""
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def reset(self) -> None:
        """Reset the model's metrics."""
        self._model.reset_metrics()

    def variables(self) -> list[Any]:
        """Weights, state of the optimizer, metrics."""
        model = self._model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


@contextmanager
def alone(optimizer: Any) -> Iterator[None]:
    """Let a Keras optimizer be traced without its sum of gradients over machines, of which there is one.

    The sum is a function with a gradient of its own, which TensorFlow keeps in a table that nothing is ever taken out
    of, and with it the whole traced program: 6 MB for each training of a small network.
    """
    every = [optimizer, getattr(optimizer, "inner_optimizer", None)]  # the latter of one that scales the loss
    name = "_all_reduce_sum_gradients"
    taken = [each for each in every if hasattr(each, name) and name not in vars(each)]
    if tf.distribute.has_strategy():
        taken = []
    for each in taken:
        setattr(each, name, _as_they_are)
    try:
        yield
    finally:
        for each in taken:
            delattr(each, name)


def _as_they_are(gradients: Any) -> Any:
    return gradients


class Making(NamedTuple):
    """Steps that ran only after their program had been made, and the seconds of both."""

    steps: int
    seconds: float


NOTHING = Making(0, 0.0)


class Program:
    """Many steps in one call; `compiled` says whether XLA makes it."""

    def __init__(self, steps: Steps, batch_size: int, *, compiled: bool) -> None:
        self.steps, self.batch_size, self.compiled = steps, batch_size, compiled
        self._full: Callable[..., Any] = _function(self._many_full, jit_compile=compiled)
        # Batches of any size, without XLA: the smaller one that ends an epoch, or all where XLA is off.
        self._any: Callable[..., Any] = _function(self._many_of_any_size)

    def run(self, window: Window, start: int, count: int) -> Making:
        """Run steps `start` to `start + count` of a window of tensors, and return what went into making programs."""
        data, order, rows = window
        size = self.batch_size
        full, made = max(0, min(count, rows // size - start)) if self.compiled else 0, NOTHING
        if full:
            with flags_for_xla():
                made = _timed(self._full, full, data, order, tf.constant(start * size), tf.constant(full))
        if full < count:
            places = tf.constant((start + full) * size), tf.constant(min(rows, (start + count) * size))
            more = _timed(self._any, count - full, data, order, *places)
            made = Making(made.steps + more.steps, made.seconds + more.seconds)
        return made

    def _many_full(self, data: Any, order: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> None:
        # while and gather, not `for in tf.range` and slice: XLA takes the bounds of those two as constants of the
        # program, so every new start and every new count would compile it again.
        step = tf.constant(0)
        while step < count:
            self._one(data, tf.gather(order, start + step * self.batch_size + tf.range(self.batch_size)))  # (batch,)
            step += 1

    def _many_of_any_size(self, data: Any, order: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> None:
        while start < end:
            stop = tf.minimum(start + self.batch_size, end)
            self._one(data, order[start:stop])  # (batch,) or fewer
            start = stop

    def _one(self, data: Any, places: tf.Tensor) -> None:
        self.steps.train(keras.tree.map_structure(lambda values: tf.gather(values, places), data))


class Measure:
    """The compiled validation: all rows, batch by batch, in one call."""

    def __init__(self, steps: Steps, data: Any) -> None:
        self._steps, self._data = steps, data
        self._all = _function(self._every_batch)

    def run(self) -> dict[str, float]:
        """Return the results of these rows alone."""
        self._steps.reset()
        self._all()
        results = self._steps.results()
        self._steps.reset()
        return results

    def _every_batch(self) -> None:
        rows = tf.shape(keras.tree.flatten(self._data)[0])[0]
        start = tf.constant(0)
        while start < rows:
            self._steps.test(_slice(self._data, start, tf.minimum(start + VALIDATION_BATCH, rows)))
            start += VALIDATION_BATCH


def on_device(window: Window) -> Window:
    """Return a window whose rows are where the network runs."""
    order = tensor(window.order.astype(np.int32, copy=False))
    return Window(keras.tree.map_structure(tensor, window.data), order, window.rows)


def _function(body: Callable[..., Any], **settings: Any) -> Any:
    """Return tf.function(body), without its warning: each training makes its own, and each is traced once or twice."""
    function = tf.function(body, **settings)
    function._omit_frequent_tracing_warning = True  # where TensorFlow has no such switch, this does nothing
    return function


def _timed(function: Any, steps: int, *arguments: Any) -> Making:
    """Call a function of so many steps; return how long it took if it was traced first, which is most of it."""
    before, started = function.experimental_get_tracing_count(), time.perf_counter()
    function(*arguments)
    if function.experimental_get_tracing_count() == before:
        return NOTHING
    return Making(steps, time.perf_counter() - started)


def _slice(data: Any, start: tf.Tensor, stop: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda values: values[start:stop], data)
