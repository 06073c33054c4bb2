"""The compiled program: one call runs many steps on rows that are already in the memory of the device.

The fit() of Keras returns to Python after each step, which takes most of the time of a small network. `Program` puts a
step into a loop that TensorFlow runs without Python. `Reconstruction` has the steps of an auto-encoder, `KerasSteps`
those of any compiled Keras model (its `train_step` and `test_step`).

Order: the types of a step, the steps of an auto-encoder, the steps of a Keras model, the program.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from diabolo.data.windows import Window
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.network.backends.keras.builder import Models
from diabolo.network.bottlenecks import Objective
from diabolo.network.corruptions import Corrupted, Corruption, corrupt
from diabolo.network.independence import beyond_chance, distance_correlation
from diabolo.network.losses import Loss
from diabolo.network.network import Network
from diabolo.network.penalties import Batch, Penalty
from diabolo.network.random_numbers import Seeds
from diabolo.training.backend import flags_for_xla, tensor
from diabolo.training.traced_optimizer import traced

Array = np.ndarray[Any, Any]
# A tensor (n, ...), or a tuple, list or dict of them with as many rows each.
Tensors: TypeAlias = tf.Tensor | Sequence["Tensors"] | Mapping[str, "Tensors"]
VALIDATION_BATCH = 1024


class Steps(Protocol):
    """The steps that a program repeats. Both take a batch and add its loss to the sums that `results` reads."""

    def train(self, batch: Tensors) -> None:
        """Take one step down the gradient."""

    def test(self, batch: Tensors) -> None:
        """Add the loss of the batch, and change nothing but the sums and the state of the random generator."""

    def results(self) -> dict[str, float]:
        """Return means over all rows since `reset`; the loss has the name "loss"."""

    def reset(self) -> None:
        """Set the sums to 0."""

    def variables(self) -> list[tf.Variable]:
        """Return every variable that a step changes."""


class TrainableBottleneck(Protocol):
    """What a step needs of a bottleneck; `network.bottlenecks` has the classes."""

    @property
    def copies(self) -> int:
        """How many latents of each row are decoded in training."""

    @property
    def settles_after(self) -> int:
        """How many epochs of warm-up must end before an epoch can be the best."""

    def train(
        self,
        tensors: Mapping[str, tf.Tensor],
        loss: Callable[[tf.Tensor], tf.Tensor],
        generator: keras.random.SeedGenerator,
        warm: tf.Tensor,
        /,
    ) -> Objective:
        """Return the loss of a batch, reconstruction and penalty, (batch,) each: see `Bottleneck.train`."""


class Reconstruction:
    """Steps of an auto-encoder: the target is the uncorrupted input.

    Args:
        models: the network as Keras models.
        network: the facts of the network; its bottleneck adds a penalty to the reconstruction loss.
        loss: the reconstruction loss.
        optimizer: a Keras optimizer.
        offset, scale: tensor = (row - offset) / scale, computed inside the program so that bytes stay bytes.
        bounded: whether tensors lie in [0, 1].
        corruption: of the input, in training alone.
        penalty: added to that of the bottleneck.
        independence: the weight of the distance correlation of latents and condition.
        steps_an_epoch: number of steps in an epoch, for the warm-up of the bottleneck.
        seed: of the corruption and of all other random draws.
        learnt: initial values of the parameters of the loss, by name.
    """

    def __init__(
        self,
        models: Models,
        network: Network,
        loss: Loss,
        optimizer: keras.optimizers.Optimizer,
        *,
        offset: Array | float = 0.0,
        scale: Array | float = 1.0,
        bounded: bool = False,
        corruption: Corruption | None = None,
        penalty: Penalty | None = None,
        independence: float = 0.0,
        steps_an_epoch: int = 1,
        seed: int = 0,
        learnt: Mapping[str, Array] | None = None,
    ) -> None:
        self._encoder, self._decoder = models.bottleneck, models.raw_decoder
        self._bottleneck: TrainableBottleneck = network.bottleneck
        self._loss, self._optimizer, self._bounded = loss, optimizer, bounded
        self._network, self._corruption, self._penalty = network, corruption, penalty
        self._independence = independence if network.condition else 0.0
        self._offset, self._scale = tf.constant(offset, tf.float32), tf.constant(scale, tf.float32)
        self._steps_an_epoch = steps_an_epoch
        seeds = Seeds.of(seed)
        # Fixed names, because TensorFlow keeps a kernel for each name of a variable until the process ends, and Keras
        # would number the names.
        self._generator = keras.random.SeedGenerator(seeds.training, name="training_generator")
        # Validation draws the same noise every time, so that epochs can be compared.
        self._fixed_generator = keras.random.SeedGenerator(seeds.validation, name="validation_generator")
        self._fixed_start = self._fixed_generator.state.numpy()
        # In float64, so that the sums of a long epoch lose no digits.
        parts = ("rows", "reconstruction", "penalty")
        self._totals = {part: tf.Variable(0.0, dtype=tf.float64, name=f"total_{part}") for part in parts}
        self._penalised = False
        self._weights = [*self._encoder.variables, *self._decoder.variables]
        self._learnt = {
            name: keras.Variable(
                (learnt or {}).get(name, np.zeros(shape, np.float32)), dtype="float32", name=f"loss_{name}"
            )
            for name, shape in loss.weights(network.input_shape).items()
        }
        self._weights += self._learnt.values()
        with keras_builder.in_float32():
            self._helper = None if penalty is None else penalty.helper(network, seeds.helper)
        helper_variables = [] if self._helper is None else self._helper.trainable_variables
        self._trainable = [
            *self._encoder.trainable_variables,
            *self._decoder.trainable_variables,
            *self._learnt.values(),
            *helper_variables,
        ]
        if self._learnt:
            # Weight decay would pull these parameters towards 0, which for a log-variance means a variance of 1.
            optimizer.exclude_from_weight_decay(var_list=list(self._learnt.values()))
        optimizer.build(self._trainable)

    def train(self, batch: tf.Tensor) -> None:
        """Take one step down the gradient of the mean loss of the rows."""
        gradients, objective = self._gradients(batch)
        self._apply(gradients)
        self._count(objective)

    def _gradients(self, batch: tf.Tensor) -> tuple[list[tf.Tensor | None], Objective]:
        seen = self._seen(batch, self._generator)
        warm = tf.cast(self._optimizer.iterations, tf.float32) / self._steps_an_epoch
        with tf.GradientTape() as tape:
            objective = self._objective(seen, self._generator, warm, training=True)
            per_row = objective.reconstruction
            if objective.penalty is not None:
                per_row += objective.penalty
            loss = self._optimizer.scale_loss(self._mean(per_row))
        return tape.gradient(loss, self._trainable), objective

    def _mean(self, per_row: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(per_row)

    def _apply(self, gradients: list[tf.Tensor | None]) -> None:
        with traced(self._optimizer):
            self._optimizer.apply(gradients, self._trainable)

    def test(self, batch: tf.Tensor) -> None:
        """Add the loss of the rows, with the same noise each time."""
        seen = self._seen(batch, self._fixed_generator)
        self._count(self._objective(seen, self._fixed_generator, tf.constant(math.inf), training=False))

    def results(self) -> dict[str, float]:
        """Return the mean loss of a row, and its parts "reconstruction" and "penalty" if it has both."""
        rows, reconstruction, penalty = (float(total) for total in self._totals.values())
        loss = {"loss": (reconstruction + penalty) / rows}
        if self._penalised:
            loss |= {"reconstruction": reconstruction / rows, "penalty": penalty / rows}
        return loss

    def reset(self) -> None:
        """Set the sums to 0, and the noise of validation to its start."""
        self._fixed_generator.state.assign(self._fixed_start)
        for total in self._totals.values():
            total.assign(0.0)

    def weights(self) -> list[tf.Variable]:
        """Return the variables that a trained model keeps."""
        return self._weights

    def learnt(self) -> dict[str, Array]:
        """Return the parameters of the loss, by name."""
        return {name: variable.numpy() for name, variable in self._learnt.items()}

    def variables(self) -> list[tf.Variable]:
        """Return weights, state of the optimizer, sums so far, state of the random generators."""
        generators = [self._generator.state, self._fixed_generator.state]
        helper_variables = [] if self._helper is None else self._helper.variables
        return [*self._weights, *helper_variables, *self._optimizer.variables, *self._totals.values(), *generators]

    def _seen(self, rows: tf.Tensor, generator: keras.random.SeedGenerator) -> Corrupted:
        """Return the input of the network, corrupted, and its target."""
        target = (tf.cast(rows, tf.float32) - self._offset) / self._scale  # (batch, ...)
        seen = Corrupted(target)
        if self._corruption is not None:
            seen = corrupt(self._corruption, self._loss, target, generator, bounded=self._bounded)
        return seen if seen.target is not None else seen._replace(target=target)

    def _objective(
        self, seen: Corrupted, generator: keras.random.SeedGenerator, warm: tf.Tensor, *, training: bool
    ) -> Objective:
        target = seen.target
        # Of the target: a corruption may hide it in the input.
        condition = keras_builder.condition_of(target, self._network) if self._network.condition else None

        def loss(latents: tf.Tensor) -> tf.Tensor:
            copies = [self._bottleneck.copies, *[1] * (len(target.shape) - 1)]
            targets = target if copies[0] == 1 else tf.tile(target, copies)
            given = condition if condition is None or copies[0] == 1 else tf.tile(condition, copies)
            raw = self._decoder(latents if given is None else [latents, given], training=training)
            hidden = seen.hidden if seen.hidden is None or copies[0] == 1 else tf.tile(seen.hidden, copies)
            return self._loss.per_row(targets, raw, keras.ops, self._learnt, hidden)

        tensors = self._encoder(seen.rows, training=training)
        objective = self._bottleneck.train(tensors, loss, generator, warm)
        if self._penalty is None and not self._independence:
            return objective
        penalty = tf.constant(0.0)
        if self._penalty is not None and (training or self._penalty.measures):
            batch = Batch(seen.rows, tensors, self._encoder, self._decoder, self._helper, training)
            penalty = self._penalty.weight * self._penalty.cost(self._network, batch, generator)
        if self._independence:
            dependence = distance_correlation(tensors["latent"], condition, keras.ops)
            if not training:
                dependence = beyond_chance(dependence, tf.shape(target)[0], keras.ops)
            penalty += self._independence * dependence
        penalty += tf.zeros_like(objective.reconstruction) if objective.penalty is None else objective.penalty
        return objective._replace(penalty=penalty)

    def _count(self, objective: Objective) -> None:
        self._penalised = objective.penalty is not None
        parts = {"reconstruction": objective.reconstruction, "penalty": objective.penalty}
        for name, per_row in parts.items():
            if per_row is not None:
                self._add(name, tf.reduce_sum(tf.cast(per_row, tf.float64)))
        self._add("rows", tf.cast(tf.shape(objective.reconstruction)[0], tf.float64))

    def _add(self, name: str, amount: tf.Tensor) -> None:
        self._totals[name].assign_add(amount)


class KerasSteps:
    """Steps of a compiled Keras model: its own `train_step` and `test_step`, with its loss, metrics and overrides.

    Args:
        model: compiled.
        batch: a few rows like those of the steps, to build the model with: no variable may be created in a loop.
    """

    def __init__(self, model: keras.Model, batch: Tensors) -> None:
        self._model = model
        model._symbolic_build(data_batch=batch)
        model.optimizer.build(model.trainable_variables)

    def train(self, batch: Tensors) -> None:
        """Run the model's `train_step`."""
        with traced(self._model.optimizer):
            self._model.train_step(batch)

    def test(self, batch: Tensors) -> None:
        """Run the model's `test_step`."""
        self._model.test_step(batch)

    def results(self) -> dict[str, float]:
        """Return the model's loss and metrics."""
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def reset(self) -> None:
        """Reset the model's metrics."""
        self._model.reset_metrics()

    def variables(self) -> list[tf.Variable]:
        """Return weights, state of the optimizer, metrics."""
        model = self._model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


class Tracing(NamedTuple):
    """A call that traced (and compiled) the program: the steps that it ran, and the seconds that it took."""

    steps: int
    seconds: float


NO_TRACING = Tracing(0, 0.0)


class Program:
    """Many steps in one call.

    Args:
        steps: the steps to repeat.
        batch_size: rows per step.
        compiled: whether XLA compiles the program.
    """

    def __init__(self, steps: Steps, batch_size: int, *, compiled: bool) -> None:
        self.steps, self.batch_size, self.compiled = steps, batch_size, compiled
        self._full: _Function = compiled_function(self._many_full, jit_compile=compiled)
        # Batches of any size, without XLA: the smaller one that ends an epoch, or all where XLA is off.
        self._any: _Function = compiled_function(self._many_of_any_size)

    def steps_in(self, rows: int) -> int:
        """Return how many steps an epoch of so many rows has."""
        return math.ceil(rows / self.batch_size)

    def run(self, window: Window, start: int, count: int) -> Tracing:
        """Run steps `start` to `start + count` of a window of tensors, and return the time that tracing took."""
        data, order, rows, size = window.data, window.order, window.rows, self.batch_size
        full, traced = max(0, min(count, rows // size - start)) if self.compiled else 0, NO_TRACING
        if full:
            with flags_for_xla():
                traced = timed(self._full, full, data, order, tf.constant(start * size), tf.constant(full))
        if full < count:
            places = tf.constant((start + full) * size), tf.constant(min(rows, (start + count) * size))
            more = timed(self._any, count - full, data, order, *places)
            traced = Tracing(traced.steps + more.steps, traced.seconds + more.seconds)
        return traced

    def _many_full(self, data: Tensors, order: tf.Tensor, start: tf.Tensor, count: tf.Tensor) -> None:
        def one(step: tf.Tensor) -> tuple[tf.Tensor]:
            # gather, not slice: XLA treats the bounds of a slice as constants, so every new start would compile again.
            self._one(data, tf.gather(order, start + step * self.batch_size + tf.range(self.batch_size)))  # (batch,)
            return (step + 1,)

        tf.while_loop(lambda step: step < count, one, (tf.constant(0),))

    def _many_of_any_size(self, data: Tensors, order: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> None:
        def one(start: tf.Tensor) -> tuple[tf.Tensor]:
            stop = tf.minimum(start + self.batch_size, end)
            self._one(data, order[start:stop])  # (batch,) or fewer
            return (stop,)

        tf.while_loop(lambda start: start < end, one, (start,))

    def _one(self, data: Tensors, places: tf.Tensor) -> None:
        self.steps.train(keras.tree.map_structure(lambda values: tf.gather(values, places), data))


class Measure:
    """The validation as a TensorFlow function: all rows, batch by batch, in one call.

    Args:
        steps: whose `test` measures.
        data: the validation rows.
        batch_size: rows in a batch; it does not change means over rows.
    """

    def __init__(self, steps: Steps, data: Tensors, batch_size: int = VALIDATION_BATCH) -> None:
        self._steps, self._data, self._batch_size = steps, data, batch_size
        self._all = compiled_function(self._every_batch)

    def run(self) -> dict[str, float]:
        """Return the results of the validation rows, and reset the sums before and after."""
        self._steps.reset()
        self._all()
        results = self._steps.results()
        self._steps.reset()
        return results

    def _every_batch(self) -> None:
        rows = tf.shape(keras.tree.flatten(self._data)[0])[0]

        def one(start: tf.Tensor) -> tuple[tf.Tensor]:
            self._steps.test(_slice(self._data, start, tf.minimum(start + self._batch_size, rows)))
            return (start + self._batch_size,)

        tf.while_loop(lambda start: start < rows, one, (tf.constant(0),))


def on_device(window: Window) -> Window:
    """Return a window whose rows are in the memory of the device."""
    order = tensor(window.order.astype(np.int32, copy=False))
    return window._replace(data=keras.tree.map_structure(tensor, window.data), order=order)


class _Function(Protocol):
    """A tf.function that runs steps."""

    def __call__(self, data: Tensors, order: tf.Tensor, start: tf.Tensor, end: tf.Tensor, /) -> None: ...

    def experimental_get_tracing_count(self) -> int: ...


def compiled_function(body: Callable[..., object], *, jit_compile: bool | None = None) -> Any:
    """Return tf.function(body), without its warning: each training makes its own, and each is traced once or twice.

    Without AutoGraph, which would take longer to rewrite a step than to trace it; fit() of Keras has none either.
    """
    function = tf.function(body, jit_compile=jit_compile, autograph=False)
    function._omit_frequent_tracing_warning = True  # a version of TensorFlow without this attribute ignores it
    return function


def timed(
    function: _Function, steps: int, data: Tensors, order: tf.Tensor, start: tf.Tensor, end: tf.Tensor
) -> Tracing:
    """Call a function that runs so many steps; if it was traced, return the steps and seconds, mostly of tracing."""
    before, started = function.experimental_get_tracing_count(), time.perf_counter()
    function(data, order, start, end)
    if function.experimental_get_tracing_count() == before:
        return NO_TRACING
    return Tracing(steps, time.perf_counter() - started)


def _slice(data: Tensors, start: tf.Tensor, stop: tf.Tensor) -> Tensors:
    return keras.tree.map_structure(lambda values: values[start:stop], data)
