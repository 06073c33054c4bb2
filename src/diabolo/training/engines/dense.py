"""Dense layers in a chain in NumPy, with or without skips: their outputs, and the gradients of a loss.

All weights are parts of one vector, so that a step of the optimizer is a few operations on it. Order: activations, the
gradients of losses, hidden cells, the network, the optimizer.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from diabolo.model.products import Products
from diabolo.network import links
from diabolo.network.cells import Cells
from diabolo.network.independence import beyond_chance, with_gradient
from diabolo.network.layers import Dense, Flatten, Layer, Reshape, Skip, Step
from diabolo.network.losses import Bernoulli, Gaussian, Huber, Loss, Mixed, Poisson
from diabolo.network.network import Network

Array = np.ndarray[Any, np.dtype[np.float32]]
Activated = tuple[Array, Array | None]  # the output, and the derivative; None: 1 everywhere

ZERO = np.float32(0)  # a Python int in its place takes five times as long
LEAK = np.float32(0.2)  # of leaky_relu, as in Keras
ROWS_AT_ONCE = 512  # of the validation
FACTORS_AT_ONCE = 16  # numbers of 1/2 to 1 whose product float32 holds without loss


def _elu(numbers: Array) -> Activated:
    derivative = np.minimum(numbers, ZERO)
    np.exp(derivative, out=derivative)  # above 0 it is 1; below 0 the output is exp - 1
    return np.maximum(numbers, derivative - 1, out=numbers), derivative


def _relu(numbers: Array) -> Activated:
    derivative = (numbers > ZERO).astype(np.float32)
    return np.maximum(numbers, ZERO, out=numbers), derivative


def _leaky_relu(numbers: Array) -> Activated:
    derivative = np.where(numbers > ZERO, np.float32(1), LEAK)
    numbers *= derivative
    return numbers, derivative


def _tanh(numbers: Array) -> Activated:
    np.tanh(numbers, out=numbers)
    return numbers, 1 - numbers * numbers


def _sigmoid(numbers: Array) -> Activated:
    shares = links.clipped_sigmoid(numbers, np)
    return shares, shares * (1 - shares)


def _softplus(numbers: Array) -> Activated:
    return np.logaddexp(numbers, ZERO), links.clipped_sigmoid(numbers, np)


# By Keras' names, those whose derivative is cheap.
ACTIVATIONS: dict[str, Callable[[Array], Activated]] = {
    "linear": lambda numbers: (numbers, None),
    "elu": _elu,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
}


def activation(layer: Layer) -> str | None:
    """Return the activation of a dense layer with a bias, or of a skip; None: it is another layer."""
    if type(layer) is Skip or (type(layer) is Dense and layer.use_bias):
        return layer.activation
    return None


def multiplying(network: Network) -> list[Step]:
    """Return the layers that multiply; the others, of a network that `chained`, only change the axes."""
    return [step for step in network.steps if type(step.layer) not in (Flatten, Reshape)]


def chained(network: Network) -> bool:
    """Return whether a network is a chain of layers with an activation of `ACTIVATIONS`, for rows in one axis."""
    flat = all(len(step.input_shape) == 1 == len(step.output_shape) for step in multiplying(network))
    return flat and all(activation(step.layer) in ACTIVATIONS for step in multiplying(network))


def has_gradient(loss: Loss) -> bool:
    """Return whether `gradient` can compute the gradient of a loss."""
    return type(loss) in (Gaussian, Bernoulli, Huber, Poisson, Mixed) and getattr(loss, "variance", "fixed") == "fixed"


def compare(loss: Loss, target: Array, raw: Array) -> tuple[float, Array]:
    """Return the sum of the loss of rows, and the derivative of each number's loss by the raw number."""
    match loss:
        case Bernoulli():
            return _bernoulli(target, raw)
        case Gaussian():
            away = raw - target
            return 0.5 * _squares(away), away
        case Huber():
            slope = np.clip(raw - target, np.float32(-loss.delta), np.float32(loss.delta))
        case Poisson():
            slope = np.float32(loss.unit) * (np.exp(raw) - target)
        case Mixed():
            slope = _of_table(loss, target, raw)
        case _:
            raise TypeError(f"no gradient for {type(loss).__name__}")
    return total(loss, target, raw), np.asarray(slope)


def _bernoulli(target: Array, raw: Array) -> tuple[float, Array]:
    """The loss is max(r, 0) - r t + log(1 + exp(-|r|)), its derivative sigmoid(r) - t; one tanh gives both."""
    halves = np.tanh(raw * np.float32(0.5))
    halves *= np.float32(0.5)
    likelier = np.abs(halves).reshape(-1)  # 1 / (1 + exp(-|r|)) is this and 1/2
    likelier += np.float32(0.5)
    # One logarithm for the product of several numbers.
    most = likelier.size - likelier.size % FACTORS_AT_ONCE
    products = np.multiply.reduce(likelier[:most].reshape(FACTORS_AT_ONCE, -1), axis=0)
    logarithms = np.log(products).sum() + np.log(likelier[most:]).sum()
    # Subtracted number by number: their sums are large, and what is left may be little.
    above = np.maximum(raw, ZERO)
    above -= raw * target
    halves += np.float32(0.5)
    halves -= target
    return float(above.sum() - logarithms), halves


def _squares(numbers: Array) -> float:
    flat = numbers.reshape(-1)
    return float(np.vdot(flat, flat))


def _of_table(loss: Mixed, target: Array, raw: Array) -> Array:
    found = np.zeros_like(raw)
    wide = len(loss.factors)
    numbers, counts, booleans, *categories = loss.spans
    found[:, numbers] = raw[:, numbers] - target[:, numbers]
    if loss.poisson:
        rates = np.exp(np.minimum(raw[:, counts], np.float32(links.MOST_LOG_RATE)))
        found[:, counts] = np.where(raw[:, counts] > links.MOST_LOG_RATE, ZERO, rates - target[:, counts])
    if loss.bernoulli:
        found[:, booleans] = links.clipped_sigmoid(raw[:, booleans], np) - target[:, booleans]
    for span in categories:
        known = target[:, span].sum(axis=1, keepdims=True)
        found[:, span] = known * links.softmax(raw[:, span]) - target[:, span]
    found[:, :wide] *= np.asarray(loss.factors, np.float32)
    if loss.flags:
        found[:, :wide] *= 1 - target[:, wide:][:, np.asarray(loss.owners)]
    return found


def total(loss: Loss, target: Array, raw: Array) -> float:
    """Return the sum of the loss of rows."""
    if type(loss) is Gaussian:
        return 0.5 * _squares(raw - target)
    if type(loss) is Bernoulli:
        return _bernoulli(target, raw)[0]
    return float(loss.per_row(target, raw, np).sum(dtype=np.float64))


def hidden(rows: Array, share: float, cells: Cells | None, rng: np.random.Generator) -> Array:
    """Return rows of which a share of the numbers, or of a table of the cells, is hidden, as `Masking` does."""
    if cells is None:
        return rows * (rng.random(rows.shape, np.float32) >= share)
    drawn = rng.random((len(rows), cells.columns), np.float32) < share
    wide, seen = len(cells.owners), rows.copy()
    seen[:, :wide] *= ~drawn[:, cells.owners]
    if cells.flags:
        np.maximum(seen[:, wide:], drawn, out=seen[:, wide:])
    return seen


class Lost(NamedTuple):
    """The loss of rows: the reconstruction loss, and what is added to it."""

    reconstruction: float
    penalty: float = 0.0


class Weights:
    """The weights of a network, and their gradients.

    Args: independence: the weight of the distance correlation of latents and condition.
    Attributes: values, gradients: one vector each.
    """

    def __init__(
        self,
        network: Network,
        rng: np.random.Generator,
        products: Products | None = None,
        independence: float = 0.0,
    ) -> None:
        self._shapes, self._products = shapes(network), products or Products()
        self._condition, self._latents = list(network.condition), network.latent_dim
        self._independence = independence if network.condition else 0.0
        # The layer that takes the condition as well: the first that multiplies after the latents.
        encoding = sum(type(step.layer) not in (Flatten, Reshape) for step in network.encoder_steps)
        self._takes_condition = encoding if network.condition else None
        self.values = np.zeros(sum(map(math.prod, self._shapes.values())), np.float32)
        self.gradients = np.zeros_like(self.values)
        self._kernels, self._biases = self._layers(self.values)
        self._to_kernels, self._to_biases = self._layers(self.gradients)
        steps = multiplying(network)
        self._activate = [ACTIVATIONS[activation(step.layer) or ""] for step in steps]
        self._keep_input = [step.layer.keeps_input for step in steps]
        for kernel, step in zip(self._kernels, steps, strict=True):
            # As Keras' layers begin: see `initializer_for` of `diabolo.network.backends.keras.layers`.
            rectified = activation(step.layer) in ("relu", "leaky_relu")
            limit = math.sqrt(6 / (kernel.shape[0] if rectified else sum(kernel.shape)))
            kernel[:] = rng.uniform(-limit, limit, kernel.shape)

    def _layers(self, vector: Array) -> tuple[list[Array], list[Array]]:
        pieces = list(self._pieces(vector).values())
        return pieces[::2], pieces[1::2]

    def _pieces(self, vector: Array) -> dict[str, Array]:
        ends = np.cumsum([math.prod(shape) for shape in self._shapes.values()])[:-1]
        pieces = np.split(vector, ends)
        return {name: piece.reshape(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)}

    def take(self, weights: Mapping[str, Array]) -> None:
        """Set those weights that are given, by name."""
        for name, piece in self._pieces(self.values).items():
            if name in weights:
                piece[:] = weights[name]

    def by_name(self, vector: Array) -> dict[str, Array]:
        """Return the weights of a vector like `values`, by their names in a `Model`."""
        return {name: piece.copy() for name, piece in self._pieces(vector).items()}

    def learn(self, loss: Loss, seen: Array, target: Array) -> Lost:
        """Compute the gradients of the mean loss of a batch, and return the sum of the loss."""
        outputs, derivatives = self._outputs(seen, target)
        (lost, away), penalty = compare(loss, target, outputs[-1]), 0.0
        away /= np.float32(len(seen))
        for at in range(len(self._kernels) - 1, -1, -1):
            derivative, kept = derivatives[at], None
            if self._keep_input[at]:
                width = outputs[at].shape[1]
                kept, away = away[:, :width], np.ascontiguousarray(away[:, width:])
            if derivative is not None:
                away *= derivative
            self._products.left_transposed(outputs[at], away, out=self._to_kernels[at])
            np.sum(away, axis=0, out=self._to_biases[at])
            if at:
                away = self._products.right_transposed(away, self._kernels[at])
                if kept is not None:
                    away += kept
            if at == self._takes_condition:
                away = np.ascontiguousarray(away[:, : self._latents])
                if self._independence:
                    dependence, gradient = with_gradient(outputs[at][:, : self._latents], target[:, self._condition])
                    away += np.float32(self._independence) * gradient
                    penalty = self._independence * dependence * len(seen)
        return Lost(lost, penalty)

    def cost(self, loss: Loss, seen: Array, target: Array) -> Lost:
        """Return the mean loss of rows."""
        lost = penalty = 0.0
        for start in range(0, len(seen), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            outputs, _ = self._outputs(seen[part], target[part])
            lost += total(loss, target[part], outputs[-1])
            if self._independence and self._takes_condition is not None:
                latents = outputs[self._takes_condition][:, : self._latents]
                dependence, _ = with_gradient(latents, target[part][:, self._condition])
                beyond = float(beyond_chance(dependence, len(latents), np))
                penalty += self._independence * beyond * len(latents)
        return Lost(lost / len(seen), penalty / len(seen))

    def _outputs(self, rows: Array, target: Array) -> tuple[list[Array], list[Array | None]]:
        """Return the input of each layer and the output of the last, and the derivative of each activation.

        Args: target: the rows before a corruption, which have the condition.
        """
        outputs, derivatives = [rows], list[Array | None]()
        layers = zip(self._kernels, self._biases, self._activate, self._keep_input, strict=True)
        for at, (kernel, bias, activate, keeps_input) in enumerate(layers):
            if at == self._takes_condition:
                outputs[-1] = np.concatenate([outputs[-1], target[:, self._condition]], axis=1)
            numbers = self._products.affine(outputs[-1], kernel, bias)
            numbers, derivative = activate(numbers)
            outputs.append(np.concatenate([outputs[-1], numbers], axis=1) if keeps_input else numbers)
            derivatives.append(derivative)
        return outputs, derivatives


def shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight, by its name in a `Model`."""
    return {
        f"{step.layer.name}/{name}": shape
        for step in multiplying(network)
        for name, shape in step.layer.weights(step.input_shape).items()
    }


class Adam:
    """Adam, and with a decay of the weights AdamW, in place.

    The means are kept without their factors (1 - beta_1) and (1 - beta_2), which saves two operations on each.
    Source: Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    def __init__(self, weights: Weights, *, beta_1: float, beta_2: float, epsilon: float, decay: float) -> None:
        self._values, self._gradients = weights.values, weights.gradients
        self._beta_1, self._beta_2, self._epsilon, self._decay = beta_1, beta_2, epsilon, decay
        self.mean, self.squares, self._spare = (np.zeros_like(self._values) for _ in range(3))
        self.done = 0

    def step(self, rate: float) -> None:
        """Take one step down the gradient at a learning rate; what is in the gradients afterwards is no gradient."""
        values, slopes, mean, squares, spare = self._values, self._gradients, self.mean, self.squares, self._spare
        one, two, root = self._beta_1, self._beta_2, math.sqrt(1 - self._beta_2)
        self.done += 1
        if self._decay:
            np.multiply(values, 1 - rate * self._decay, out=values)
        np.multiply(mean, one, out=mean)
        np.add(mean, slopes, out=mean)
        np.multiply(slopes, slopes, out=slopes)
        np.multiply(squares, two, out=squares)
        np.add(squares, slopes, out=squares)
        np.sqrt(squares, out=spare)
        np.add(spare, self._epsilon / root, out=spare)
        np.divide(mean, spare, out=spare)
        factor = (1 - one) / (1 - one**self.done) * math.sqrt(1 - two**self.done) / root
        np.multiply(spare, rate * factor, out=spare)
        np.subtract(values, spare, out=values)
