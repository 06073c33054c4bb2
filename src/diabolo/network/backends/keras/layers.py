"""Keras layers that Keras does not have: residual blocks, skips, attention, patches, outputs that are cut to a shape.

The weights have the names that `diabolo.network.layers` gives them; its `to_keras` makes these layers.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from diabolo.network.random_numbers import normal, uniform
from diabolo.network.tensors import Tensor
from diabolo.parts import Shape, Sizes


def _glorot(seed: int) -> Any:
    return keras.initializers.GlorotUniform(seed)


def silu(x: Tensor) -> Tensor:
    """X * sigmoid(x), the same as in Keras, and under its name, by which Keras saves it.

    Keras' own has a custom gradient, which TensorFlow keeps in a table from which nothing is ever removed, and with it
    every program that it is traced in.
    """
    return x * ops.sigmoid(x)


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """Return an activation by its name."""
    function: Callable[[Tensor], Tensor] = silu if name == "silu" else keras.activations.get(name)
    return function


def initializer_for(activation: str, seed: int) -> Any:
    """Return the initializer of the kernel of a layer that ends in this activation."""
    # He's variance compensates for the half that relu sets to 0; Glorot's suits functions nearly linear around 0.
    # Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852.
    rectified = activation in ("relu", "leaky_relu")
    return (keras.initializers.HeUniform if rectified else keras.initializers.GlorotUniform)(seed)


def _normalise(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Tensor:
    mean, variance = ops.moments(x, axes=[-1], keepdims=True)
    return (x - mean) / ops.sqrt(variance + epsilon) * gamma + beta


def _times(x: Tensor, kernel: Tensor) -> Tensor:
    """(..., features) times (features, units) -> (..., units)."""
    # Not `x @ kernel`: if an axis before the last two is 1, TensorFlow on a processor computes batches of
    # products, which gives wrong numbers or ends the process. ops.matmul makes one product of it.
    return ops.matmul(x, kernel)


class TiedDense(keras.layers.Layer):
    """activation(x @ kernel' + bias), with the kernel of another layer, which `tie` names."""

    def __init__(self, units: int, activation: str, use_bias: bool, name: str) -> None:
        super().__init__(name=name)
        self._units, self._use_bias = units, use_bias
        self._activation = activation_of(activation)
        self._kernel: Any = None

    def tie(self, layer: keras.layers.Layer) -> None:
        """Take the kernel of this layer, which must be built before this one is called."""
        # In a function, or Keras would count the other's weights among this layer's own.
        self._kernel = lambda: layer.kernel

    def build(self, input_shape: Shape) -> None:
        """Make the bias."""
        if self._use_bias:
            self.bias = self.add_weight(shape=(self._units,), initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., units)."""
        product = ops.matmul(x, ops.transpose(self._kernel()))
        return self._activation(product + self.bias if self._use_bias else product)


class Skip(keras.layers.Layer):
    """concat(x, activation(x @ kernel + bias))."""

    def __init__(self, units: int, activation: str, seed: int, name: str) -> None:
        super().__init__(name=name)
        self._units, self._activation = units, activation_of(activation)
        self._initializer = initializer_for(activation, seed)

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self._units), initializer=self._initializer, name="kernel"
        )
        self.bias = self.add_weight(shape=(self._units,), initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        """(..., features) -> (..., features + units)."""
        return ops.concatenate([x, self._activation(_times(x, self.kernel) + self.bias)], axis=-1)


class Residual(keras.layers.Layer):
    """x + activation(normalise(x) @ kernel_in + bias_in) @ kernel_out + bias_out."""

    def __init__(self, units: int, activation: str, epsilon: float, seed: int, name: str) -> None:
        super().__init__(name=name)
        self._units, self._activation, self._seed = units, activation_of(activation), seed
        self._epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        features = input_shape[-1]
        self.gamma = self.add_weight(shape=(features,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(features,), initializer="zeros", name="beta")
        self.kernel_in = self.add_weight(
            shape=(features, self._units), initializer=_glorot(self._seed), name="kernel_in"
        )
        self.bias_in = self.add_weight(shape=(self._units,), initializer="zeros", name="bias_in")
        self.kernel_out = self.add_weight(shape=(self._units, features), initializer="zeros", name="kernel_out")
        self.bias_out = self.add_weight(shape=(features,), initializer="zeros", name="bias_out")

    def call(self, x: Tensor) -> Tensor:
        """(..., features) -> the same."""
        normal = _normalise(x, self.gamma, self.beta, self._epsilon)
        hidden = self._activation(_times(normal, self.kernel_in) + self.bias_in)
        return x + _times(hidden, self.kernel_out) + self.bias_out


class ResidualConvolution(keras.layers.Layer):
    """x + activation(activation(x) * kernel_in + bias_in) * kernel_out + bias_out."""

    def __init__(self, filters: int, size: int, activation: str, seed: int, name: str) -> None:
        super().__init__(name=name)
        self._filters, self._size, self._seed = filters, size, seed
        self._activation = activation_of(activation)

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        channels, around = input_shape[-1], (self._size,) * (len(input_shape) - 2)
        self.kernel_in = self.add_weight(
            shape=(*around, channels, self._filters), initializer=_glorot(self._seed), name="kernel_in"
        )
        self.bias_in = self.add_weight(shape=(self._filters,), initializer="zeros", name="bias_in")
        self.kernel_out = self.add_weight(
            shape=(*around, self._filters, channels), initializer="zeros", name="kernel_out"
        )
        self.bias_out = self.add_weight(shape=(channels,), initializer="zeros", name="bias_out")

    def call(self, x: Tensor) -> Tensor:
        """(..., channels) -> the same."""
        hidden = ops.conv(self._activation(x), self.kernel_in, padding="same") + self.bias_in
        return x + ops.conv(self._activation(hidden), self.kernel_out, padding="same") + self.bias_out


class Attention(keras.layers.Layer):
    """x + softmax(q k' / sqrt(size)) v @ kernel_out + bias_out for each head, of normalise(x)."""

    def __init__(self, heads: int, epsilon: float, seed: int, name: str) -> None:
        super().__init__(name=name)
        self._heads, self._epsilon, self._seed = heads, epsilon, seed

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        features = input_shape[-1]
        self.gamma = self.add_weight(shape=(features,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(features,), initializer="zeros", name="beta")
        self.kernel_in = self.add_weight(
            shape=(features, 3 * features), initializer=_glorot(self._seed), name="kernel_in"
        )
        self.bias_in = self.add_weight(shape=(3 * features,), initializer="zeros", name="bias_in")
        self.kernel_out = self.add_weight(shape=(features, features), initializer="zeros", name="kernel_out")
        self.bias_out = self.add_weight(shape=(features,), initializer="zeros", name="bias_out")

    def call(self, x: Tensor) -> Tensor:
        """(batch, time, features) -> the same."""
        time, features = x.shape[1:]
        size = features // self._heads
        mixed = _times(_normalise(x, self.gamma, self.beta, self._epsilon), self.kernel_in) + self.bias_in
        split = ops.reshape(mixed, (-1, time, 3, self._heads, size))
        query, key, value = ops.unstack(ops.transpose(split, (2, 0, 3, 1, 4)), 3)  # (batch, heads, time, size) each
        alike = query @ ops.swapaxes(key, 2, 3) / size**0.5  # (batch, heads, time, time)
        weights = ops.softmax(alike) if time > 1 else ops.ones_like(alike)  # of one place Keras would warn
        taken = ops.reshape(ops.transpose(weights @ value, (0, 2, 1, 3)), (-1, time, features))
        return x + _times(taken, self.kernel_out) + self.bias_out


class Position(keras.layers.Layer):
    """x + offset."""

    def __init__(self, seed: int, name: str) -> None:
        super().__init__(name=name)
        self._seed = seed

    def build(self, input_shape: Shape) -> None:
        """Make the offsets, small compared with the features."""
        start = keras.initializers.RandomNormal(stddev=0.02, seed=self._seed)
        self.offset = self.add_weight(shape=input_shape[1:], initializer=start, name="offset")

    def call(self, x: Tensor) -> Tensor:
        """(batch, time, features) -> the same."""
        return x + self.offset


class Patches(keras.layers.Layer):
    """Squares of an image, line by line."""

    def __init__(self, size: int, name: str) -> None:
        super().__init__(name=name)
        self._size = size

    def call(self, x: Tensor) -> Tensor:
        """(batch, h, w, c) -> (batch, patches, size * size * c)."""
        size, (height, width, channels) = self._size, x.shape[1:]
        down, across = -(-height // size), -(-width // size)
        x = ops.pad(x, ((0, 0), (0, down * size - height), (0, across * size - width), (0, 0)))
        x = ops.reshape(x, (-1, down, size, across, size, channels))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, down * across, size * size * channels))


class FromPatches(keras.layers.Layer):
    """The image that squares make."""

    def __init__(self, size: int, shape: tuple[int, ...], name: str) -> None:
        super().__init__(name=name)
        self._size, self._shape = size, shape

    def call(self, x: Tensor) -> Tensor:
        """(batch, patches, size * size * c) -> (batch, h, w, c)."""
        size, (height, width) = self._size, self._shape
        down, across = -(-height // size), -(-width // size)
        channels = x.shape[2] // size**2
        x = ops.transpose(ops.reshape(x, (-1, down, across, size, size, channels)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, down * size, across * size, channels))[:, :height, :width]


class TransposedConvolution(keras.layers.Layer):
    """activation(transposed convolution, cut to `shape`)."""

    def __init__(
        self,
        filters: int,
        shape: tuple[int, ...],
        size: Sizes,
        stride: Sizes,
        activation: str,
        use_bias: bool,
        padding: str,
        initializer: Any,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self._filters, self._shape, self._size, self._stride = filters, shape, size, stride
        self._activation, self._use_bias, self._start = activation_of(activation), use_bias, initializer
        self._padding = padding

    def build(self, input_shape: Shape) -> None:
        """Make the weights."""
        around = (self._size,) * len(self._shape) if isinstance(self._size, int) else self._size
        self.kernel = self.add_weight(
            shape=(*around, self._filters, input_shape[-1]), initializer=self._start, name="kernel"
        )
        if self._use_bias:
            self.bias = self.add_weight(shape=(self._filters,), initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        """(batch, ..., channels) -> (batch, *shape, filters)."""
        x = ops.conv_transpose(x, self.kernel, strides=self._stride, padding=self._padding)
        x = x[(slice(None), *(slice(size) for size in self._shape))]
        left = [size - got for size, got in zip(self._shape, x.shape[1:-1], strict=True)]
        x = ops.pad(x, [(0, 0), *((0, size) for size in left), (0, 0)]) if any(left) else x
        return self._activation(x + self.bias if self._use_bias else x)


class Upsampling(keras.layers.Layer):
    """Places repeated, cut to `shape`."""

    def __init__(self, size: Sizes, shape: tuple[int, ...], name: str) -> None:
        super().__init__(name=name)
        self._size, self._shape = size, shape

    def call(self, x: Tensor) -> Tensor:
        """(batch, ..., channels) -> (batch, *shape, channels)."""
        sizes = (self._size,) * len(self._shape) if isinstance(self._size, int) else self._size
        for axis, size in enumerate(sizes, 1):
            x = ops.repeat(x, size, axis=axis)
        return x[(slice(None), *(slice(size) for size in self._shape))]


class TopK(keras.layers.Layer):
    """All but the numbers farthest from 0 set to 0."""

    def __init__(self, active: int, name: str) -> None:
        super().__init__(name=name)
        self._active = active

    def call(self, x: Tensor) -> Tensor:
        """(..., features) -> the same."""
        least = ops.top_k(ops.abs(x), self._active)[0][..., -1:]
        return ops.where(ops.abs(x) >= least, x, 0.0)


class Quantize(keras.layers.Layer):
    """The nearest vectors of a code book; in training a code is the moving average of the vectors next to it."""

    # Of the moving averages. van den Oord et al. 2017, appendix A.1, use 0.99; on 9,000 digits, 15 epochs, 256 codes,
    # 0.95 reaches 0.0188 a pixel and 0.99 0.0195, and in a short training it loses fewer codes.
    DECAY = 0.95
    UNUSED = 0.1  # of an even share: a code with fewer vectors is moved to the vector of a row

    def __init__(self, codes: int, groups: int, seed: int, name: str) -> None:
        super().__init__(name=name)
        self._codes, self._groups, self._seed = codes, groups, seed
        self._generator = keras.random.SeedGenerator(seed, name="generator")

    def build(self, input_shape: Shape) -> None:
        """Make the book and the averages; the model file keeps only the book.

        Counts start at 0, so that the first batch moves most codes to the vectors of rows.
        """
        size = input_shape[-1] // self._groups
        start = keras.initializers.RandomNormal(stddev=1.0, seed=self._seed)
        self.book = self.add_weight(shape=(self._codes, size), initializer=start, trainable=False, name="book")
        self.counts = self.add_weight(shape=(self._codes,), initializer="zeros", trainable=False, name="counts")
        self.sums = self.add_weight(shape=(self._codes, size), initializer="zeros", trainable=False, name="sums")

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """(batch, features) -> the same; gradients pass unchanged."""
        vectors = ops.reshape(x, (-1, self.book.shape[1]))  # (batch * groups, size)
        # The square of the vector itself is the same for all codes.
        distance = ops.sum(ops.square(self.book), axis=1) - 2 * vectors @ ops.transpose(self.book)
        nearest = ops.argmin(distance, axis=1)  # (batch * groups,)
        chosen = ops.reshape(ops.take(self.book, nearest, axis=0), ops.shape(x))
        if training:
            self._follow(ops.stop_gradient(vectors), nearest)
        return x + ops.stop_gradient(chosen - x)

    def _follow(self, vectors: Tensor, nearest: Tensor) -> None:
        mine = ops.one_hot(nearest, self._codes, dtype="float32")  # (vectors, codes)
        counts = self.DECAY * self.counts + (1 - self.DECAY) * ops.sum(mine, axis=0)
        sums = self.DECAY * self.sums + (1 - self.DECAY) * (ops.transpose(mine) @ vectors)
        rows = ops.shape(vectors)[0]
        unused = (counts < self.UNUSED * ops.cast(rows, "float32") / self._codes)[:, None]
        places = ops.floor(uniform((self._codes,), self._generator) * ops.cast(rows, "float32"))
        drawn = ops.take(vectors, ops.cast(ops.minimum(places, ops.cast(rows - 1, "float32")), "int32"), axis=0)
        share = ops.cast(rows, "float32") / self._codes
        self.counts.assign(ops.where(unused[:, 0], share, counts))
        self.sums.assign(ops.where(unused, drawn * share, sums))
        self.book.assign(self.sums / ops.maximum(self.counts, 1e-6)[:, None])


class Drawn(keras.layers.Layer):
    """The base of layers that draw numbers in training, by the algorithm of `diabolo.network.random_numbers`.

    Not subclasses of Keras' own: their generators have numbered names, and TensorFlow keeps a kernel for each name.
    """

    def __init__(self, rate: float = 0.0, seed: int | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed, name="generator")
        self.supports_masking = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the input, and in training what `changed` makes of it."""
        return self.changed(inputs) if training else inputs

    def changed(self, x: Tensor) -> Tensor:
        """Return what the numbers become in training."""
        raise TypeError(f"{type(self).__name__} must define changed()")

    def kept(self, x: Tensor, shape: Any) -> Tensor:
        """Return 0 for a share `rate` of the places of a shape, and 1 for the others."""
        return ops.cast(uniform(shape, self.seed_generator) >= self.rate, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class Dropout(Drawn):
    """As Keras'."""

    def changed(self, x: Tensor) -> Tensor:
        """Set a share of the numbers to 0, and scale up the others."""
        return x * self.kept(x, ops.shape(x)) / (1 - self.rate)


class SpatialDropout(Drawn):
    """As Keras' SpatialDropout1D and SpatialDropout2D."""

    def changed(self, x: Tensor) -> Tensor:
        """Set a share of the channels to 0 at all places, and scale up the others."""
        shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 2), x.shape[-1])
        return x * self.kept(x, shape) / (1 - self.rate)


class AlphaDropout(Drawn):
    """As Keras'."""

    LOWEST = -1.7580993408473766  # of selu

    def changed(self, x: Tensor) -> Tensor:
        """Set a share of the numbers to the lowest, and restore mean 0 and variance 1."""
        kept, rate = self.kept(x, ops.shape(x)), self.rate
        scale = ((1 - rate) * (1 + rate * self.LOWEST**2)) ** -0.5
        return scale * (x * kept + self.LOWEST * (1 - kept)) - scale * self.LOWEST * rate


class GaussianDropout(Drawn):
    """As Keras'."""

    def changed(self, x: Tensor) -> Tensor:
        """Multiply each number by one of mean 1."""
        spread = (self.rate / (1 - self.rate)) ** 0.5
        return x * (1 + spread * normal(ops.shape(x), self.seed_generator))


class GaussianNoise(Drawn):
    """As Keras'."""

    def __init__(self, stddev: float, seed: int | None = None, **more: Any) -> None:
        super().__init__(seed=seed, **more)
        self.stddev = stddev

    def changed(self, x: Tensor) -> Tensor:
        """Add normal noise."""
        return x + self.stddev * normal(ops.shape(x), self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        config: dict[str, Any] = super().get_config()
        del config["rate"]
        return {**config, "stddev": self.stddev}
