"""The same network by hand: an auto-encoder in plain TensorFlow operations, to be read from top to bottom.

    X  --W1, b1-->  Z = relu(X W1 + b1)  --W2, b2-->  logits = Z W2 + b2  -->  X_hat = sigmoid(logits)

X has one example per row, with values in [0, 1]. Z holds the latents. The cost is the cross-entropy of X and X_hat,
summed over the features. No Keras: the variables, the gradient and the two optimizers are all on this page.

    from diabolo import datasets, lowlevel
    digits = datasets.digits()
    net = lowlevel.Autoencoder([784, 128, 784]).fit(digits.x_train.reshape(-1, 784) / 255, epochs=3)
    net.run("Z", {"X": digits.x_test[:1].reshape(1, 784) / 255})       # the latent of one image
    net.run("X_hat", {"Z": net.encode(...)})                           # its reconstruction

docs/from-the-article.md names what replaces placeholder, variable, tensor, session and initialiser of TensorFlow 1.
Order: the optimizers, the network, its values, training.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from diabolo.checks import is_whole, whole
from diabolo.data.adapters import check_rows
from diabolo.errors import CutError, DataError, DivergedError, OptionError, ShapeError, unknown

Array = np.ndarray[Any, Any]


class Optimizer(Protocol):
    """What the training needs of an optimizer."""

    def build(self, variables: Sequence[tf.Variable], /) -> None:
        """Create the state for these variables."""

    def apply(self, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable], /) -> None:
        """Take one step: change the variables, given the gradient of the cost for each."""


class RMSProp:
    """theta -= rate * g / sqrt(s), s the running mean of g**2. Source: Tieleman & Hinton 2012, lecture 6.5.

    Epsilon is inside the root and s starts at 1, as in the RMSPropOptimizer of TensorFlow 1.
    """

    def __init__(self, learning_rate: float = 0.001, decay: float = 0.9, epsilon: float = 1e-10) -> None:
        self.learning_rate, self.decay, self.epsilon = learning_rate, decay, epsilon
        self.mean_squares: list[tf.Variable] = []

    def build(self, variables: Sequence[tf.Variable]) -> None:
        """Create the state: a mean square for each parameter."""
        self.mean_squares = [tf.Variable(tf.ones_like(variable)) for variable in variables]

    def apply(self, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]) -> None:
        """Take one step."""
        for gradient, variable, s in zip(gradients, variables, self.mean_squares, strict=True):
            s.assign(self.decay * s + (1 - self.decay) * tf.square(gradient))
            variable.assign_sub(self.learning_rate * gradient / tf.sqrt(s + self.epsilon))


class Adam:
    """theta -= rate * m / (sqrt(v) + eps), m and v running means of g and g**2, corrected for their start at 0.

    Source: Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.
    """

    def __init__(
        self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        self.means: list[tf.Variable] = []
        self.mean_squares: list[tf.Variable] = []
        self.step: tf.Variable | None = None

    def build(self, variables: Sequence[tf.Variable]) -> None:
        """Create the state: two running means for each parameter, and the number of steps."""
        self.means = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
        self.mean_squares = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
        self.step = tf.Variable(0.0)

    def apply(self, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]) -> None:
        """Take one step."""
        assert self.step is not None
        t = self.step.assign_add(1.0)
        for gradient, variable, m, v in zip(gradients, variables, self.means, self.mean_squares, strict=True):
            m.assign(self.beta1 * m + (1 - self.beta1) * gradient)
            v.assign(self.beta2 * v + (1 - self.beta2) * tf.square(gradient))
            m_hat = m / (1 - self.beta1**t)
            v_hat = v / (1 - self.beta2**t)
            variable.assign_sub(self.learning_rate * m_hat / (tf.sqrt(v_hat) + self.epsilon))


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {"rmsprop": RMSProp, "adam": Adam}


def _normal(fan_in: int, fan_out: int, seed: Sequence[int]) -> tf.Tensor:
    # The weighted sum of the 784 pixels has a standard deviation of about 9: units start saturated or dead.
    return tf.random.stateless_normal((fan_in, fan_out), seed)


def _glorot(fan_in: int, fan_out: int, seed: Sequence[int]) -> tf.Tensor:
    # This limit keeps the size of signals and gradients from layer to layer: Glorot & Bengio 2010, equation 16.
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return tf.random.stateless_uniform((fan_in, fan_out), seed, -limit, limit)


# recipe -> initialiser of the weights, reduction of the losses of a batch to one cost, default optimizer
RECIPES: dict[str, tuple[Callable[..., tf.Tensor], Callable[..., tf.Tensor], Callable[[], Optimizer]]] = {
    "default": (_glorot, tf.reduce_mean, lambda: Adam(0.001)),
    "article": (_normal, tf.reduce_sum, lambda: RMSProp(0.005)),
}


class Autoencoder:
    """An auto-encoder of dense layers.

    Args:
        sizes: number of features, of units of each hidden layer, and of features again: [784, 128, 784]. The narrowest
            hidden layer (the first, if there are several) gives Z. Hidden layers have ReLU; the last gives the logits.
        recipe: "default" (Glorot initialisation, mean cost over the rows of a batch, Adam 0.001), or "article", exactly
            as there (normal(0, 1) weights and biases, summed cost, RMSProp 0.005).
        optimizer: "adam", "rmsprop", or an object with `build` and `apply` as above; None: that of the recipe.
        random_state: a whole number of at least 0; the same number gives the same bits.

    Attributes:
        variables: [W1, b1, W2, b2, ...], float32, W (inputs, units) and b (units,); also as attributes W1, b1, ...
        bottleneck: number of the layer whose output is Z, counted from 1.
        history: {"cost": [mean cost of a batch in each epoch]}.

    Raises: OptionError for invalid arguments.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (784, 128, 784),
        *,
        recipe: str = "default",
        optimizer: str | Optimizer | None = None,
        random_state: int = 0,
    ) -> None:
        if (
            not hasattr(sizes, "__iter__")
            or len(sizes := list(sizes)) < 3
            or not all(is_whole(size, 1) for size in sizes)
            or sizes[0] != sizes[-1]
        ):
            raise OptionError(
                f"sizes must be [features, units of each hidden layer, features], such as [784, 128, 784], got "
                f"{sizes!r:.60}."
            )
        self.sizes: list[int] = list(map(int, sizes))
        if recipe not in RECIPES:
            raise OptionError(unknown("recipe", recipe, RECIPES))
        if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
            raise OptionError(unknown("optimizer", optimizer, OPTIMIZERS))
        initialise, self._reduce, by_default = RECIPES[recipe]
        self.random_state = whole("random_state", random_state, 0)
        self.variables: list[tf.Variable] = []
        for layer, (fan_in, fan_out) in enumerate(zip(self.sizes[:-1], self.sizes[1:], strict=True), 1):
            W = initialise(fan_in, fan_out, (self.random_state, layer))
            b = _normal(1, fan_out, (self.random_state, -layer))[0] if recipe == "article" else tf.zeros(fan_out)
            self.variables += [tf.Variable(W, name=f"W{layer}"), tf.Variable(b, name=f"b{layer}")]
        self.bottleneck = 1 + int(np.argmin(self.sizes[1:-1]))
        self.optimizer: Optimizer = OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer or by_default()
        self.optimizer.build(self.variables)
        self.history: dict[str, list[float]] = {"cost": []}

    def __getattr__(self, name: str) -> tf.Variable:
        for variable in self.__dict__.get("variables", ()):
            if variable.name.split(":")[0] == name:
                return variable
        raise AttributeError(f"{type(self).__name__} has no {name!r}; its variables are W1, b1, W2, b2, ...")

    # The network: each value is computed from the one before.

    def Z_of(self, X: tf.Tensor) -> tf.Tensor:
        """Rows (n, features) -> latents (n, sizes[bottleneck]): relu(X W1 + b1), repeated for each layer up to Z."""
        return self._layers(X, 0, self.bottleneck)

    def logits_of(self, Z: tf.Tensor) -> tf.Tensor:
        """Latents (n, sizes[bottleneck]) -> logits (n, features): Z W2 + b2; layers before the last have ReLU."""
        return self._layers(Z, self.bottleneck, len(self.sizes) - 1)

    def X_hat_of(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits (n, features) -> reconstruction in (0, 1), the same shape."""
        return tf.sigmoid(logits)

    def cost_of(self, X: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Rows and logits (n, features) -> cost: cross-entropy summed over features, then mean or sum over rows.

        Computed from the logits, not from X_hat: -log(sigmoid(-200)) is 200, but float32 rounds sigmoid(-200) to 0.
        """
        per_row = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=X, logits=logits), axis=1)  # (n,)
        return self._reduce(per_row)

    def _layers(self, values: tf.Tensor, first: int, last: int) -> tf.Tensor:
        for layer in range(first, last):
            W, b = self.variables[2 * layer : 2 * layer + 2]
            values = values @ W + b
            if layer < len(self.sizes) - 2:
                values = tf.nn.relu(values)
        return values

    # Like a session of TensorFlow 1: any value, from any values that determine it.

    def run(self, fetch: str | Sequence[str], feed: Mapping[str, ArrayLike]) -> Any:
        """Return the values named in `fetch`, computed from those in `feed`: a NumPy array, or a list of them.

        Args:
            fetch: one of "X", "Z", "logits", "X_hat", "cost", or a list of them.
            feed: arrays by the same names, except "cost". A value in `feed` is not computed.

        Raises: CutError, with the name of the missing value, where `feed` does not determine `fetch`; ShapeError,
            DataError where a value in `feed` has another shape or is not finite.
        """
        values: dict[str, tf.Tensor] = {name: self._fed(name, value) for name, value in feed.items()}
        if len({len(value) for value in values.values()}) > 1:
            sizes = ", ".join(f"{len(value)} of {name}" for name, value in values.items())
            raise ShapeError(f"run() expected the same number of rows for each value in feed, got {sizes}.")
        if isinstance(fetch, str):
            return self._value(fetch, fetch, values).numpy()
        return [self._value(name, name, values).numpy() for name in fetch]

    # value -> the values it is computed from, and the method
    _graph: Mapping[str, tuple[tuple[str, ...], str]] = {
        "X": ((), ""),
        "Z": (("X",), "Z_of"),
        "logits": (("Z",), "logits_of"),
        "X_hat": (("logits",), "X_hat_of"),
        "cost": (("X", "logits"), "cost_of"),
    }

    def _value(self, name: str, fetch: str, values: dict[str, tf.Tensor]) -> tf.Tensor:
        if name not in self._graph:
            raise CutError(unknown("value", name, self._graph))
        if name not in values:
            needs, function = self._graph[name]
            if not needs:
                raise CutError(f"run({fetch!r}) needs {name!r}, which follows from nothing else: add it to the feed.")
            values[name] = getattr(self, function)(*[self._value(need, fetch, values) for need in needs])
        return values[name]

    def _fed(self, name: str, value: ArrayLike) -> tf.Tensor:
        if name not in self._graph or name == "cost":
            raise CutError(unknown("value to feed", name, [key for key in self._graph if key != "cost"]))
        width = self.sizes[self.bottleneck] if name == "Z" else self.sizes[0]
        rows = check_rows(value, where=f"feed[{name!r}]")
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ShapeError(f"feed[{name!r}] expected shape (n, {width}), got {rows.shape}.")
        return tf.constant(rows, tf.float32)

    def encode(self, X: ArrayLike) -> Array:
        """Return the latents (n, sizes[bottleneck]) of rows (n, features); errors as for `run`."""
        return np.asarray(self.run("Z", {"X": X}))

    def decode(self, Z: ArrayLike) -> Array:
        """Return the reconstruction (n, features) from latents (n, sizes[bottleneck]); errors as for `run`."""
        return np.asarray(self.run("X_hat", {"Z": Z}))

    def reconstruct(self, X: ArrayLike) -> Array:
        """Return decode(encode(X)), (n, features); errors as for `run`."""
        return np.asarray(self.run("X_hat", {"X": X}))

    # Training.

    def fit(self, X: ArrayLike, epochs: int = 10, batch_size: int = 64) -> Self:
        """Train for `epochs` epochs, each with all rows in a new order; the last batch may be smaller.

        Args:
            X: rows (n, features), values in [0, 1].
            epochs: more of them, if the network is trained already.
            batch_size: rows per step.

        Raises: ShapeError, OptionError; DataError for values outside [0, 1]; DivergedError for a cost that is not
            finite.
        """
        rows = self._fed("X", X)
        if float(tf.reduce_min(rows)) < 0 or float(tf.reduce_max(rows)) > 1:
            raise DataError("fit() expected values in [0, 1]: divide pixels by 255 first.")
        epochs, batch_size = whole("epochs", epochs, 1), whole("batch_size", batch_size, 1)
        train_epoch = tf.function(self.train_epoch, reduce_retracing=True)
        for _ in range(epochs):
            epoch = len(self.history["cost"])
            order = np.random.default_rng([self.random_state, epoch]).permutation(len(rows))
            cost = float(train_epoch(rows, tf.constant(order, tf.int32), tf.constant(batch_size)))
            if not np.isfinite(cost):
                raise DivergedError(
                    f"training diverged in epoch {epoch + 1}: the cost is {cost}. Lower the learning rate."
                )
            self.history["cost"].append(cost)
        return self

    def train_epoch(self, X: tf.Tensor, order: tf.Tensor, batch_size: tf.Tensor) -> tf.Tensor:
        """Take a step for each batch of rows X (n, features) in this order (n,); return the mean cost of a batch."""
        total, batches = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, tf.shape(order)[0], batch_size):
            batch = tf.gather(X, order[start : start + batch_size])  # (batch_size or fewer, features)
            total += self.train_step(batch)
            batches += 1.0
        return total / batches

    def train_step(self, X: tf.Tensor) -> tf.Tensor:
        """Take one step down the gradient of the cost of these rows; return the cost before the step."""
        with tf.GradientTape() as tape:
            cost = self.cost_of(X, self.logits_of(self.Z_of(X)))
        self.optimizer.apply(tape.gradient(cost, self.variables), self.variables)
        return cost
