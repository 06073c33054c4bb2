"""Penalties: what training minimises in addition to the reconstruction loss, with any bottleneck.

Order: the base, the penalties, the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from diabolo.errors import OptionError, unknown
from diabolo.network.bottlenecks import Bottleneck
from diabolo.network.bottlenecks.gaussian import LOG_VAR_LIMIT
from diabolo.network.layers import Dense, Flatten, Reshape, Step
from diabolo.network.network import Network
from diabolo.network.pairs import pair
from diabolo.network.random_numbers import normal, uniform
from diabolo.network.tensors import Backend, KerasModel, SeedGenerator, Tensor
from diabolo.parts import Numbers, Part, Texts, read_part


class Batch(NamedTuple):
    """The tensors and models from which a penalty is computed."""

    rows: Tensor  # (batch, ...), corrupted if there is a corruption
    tensors: Mapping[str, Tensor]  # "latent" (batch, latent_dim), and the heads of the bottleneck
    encoder: KerasModel  # rows -> tensors
    decoder: KerasModel  # latent -> raw numbers
    helper: KerasModel | None  # returned by `Penalty.helper`
    training: bool = True  # False: only measuring


@dataclass(frozen=True, kw_only=True)
class Penalty(Part):
    """The base of all penalties.

    Class attributes:
        measures: whether a lower value on validation rows means a better model.
        makes_prior: whether the latents of all rows together become a standard normal distribution, from which new ones
            can be drawn.
        by_row: whether the penalty of a row depends on that row alone, so that processes can share a batch.
    """

    measures: ClassVar[bool] = True
    makes_prior: ClassVar[bool] = False
    by_row: ClassVar[bool] = True

    weight: float = 1.0  # compared with a loss in nats

    def check(self) -> None:
        """Refuse weights of 0 or below."""
        self.require(0 < self.weight < 1e12, "weight above 0")

    def fits(self, bottleneck: Bottleneck) -> None:
        """Raise OptionError if the penalty cannot be used with this bottleneck."""

    def fits_network(self, network: Network) -> None:
        """Raise OptionError if the network lacks what the penalty is of."""

    def helper(self, network: Network, seed: int) -> KerasModel | None:
        """Return a Keras model that is trained too and not kept; None if the penalty needs none."""
        return None

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return the penalty of a batch without the weight, (batch,) or one number for the batch.

        Args: network: as facts; generator: a `keras.random.SeedGenerator`.
        """
        raise TypeError(f"{type(self).__name__} must define cost(): the penalty of a batch")


@dataclass(frozen=True, kw_only=True)
class Contractive(Penalty):
    """The squared Frobenius norm of the Jacobian of the latent with respect to the row: small if latents change little.

    Exact if one dense layer makes the latent. For deeper networks it is estimated without bias from the gradient of a
    sum of latents with random signs (Hutchinson 1989). Source: Rifai et al. 2011, Contractive Auto-Encoders.
    """

    kind: ClassVar[str] = "contractive"

    def fits(self, bottleneck: Bottleneck) -> None:
        """Codes have no Jacobian."""
        if bottleneck.codes_per_row:
            raise OptionError(
                "a contractive penalty cannot be used with a quantized bottleneck, whose codes have no gradient."
            )

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return the norm of each row, (batch,)."""
        import tensorflow as tf

        from diabolo.network.backends.keras.layers import activation_of

        rows, encoder = batch.rows, batch.encoder
        only = network.encoder_steps[-1].layer
        flat = all(isinstance(step.layer, (Flatten, Reshape)) for step in network.encoder_steps[:-1])
        if isinstance(only, Dense) and only.activation != "softmax" and flat:
            layer = encoder.get_layer(only.name)
            before = tf.reshape(rows, (tf.shape(rows)[0], -1)) @ layer.kernel + (layer.bias if only.use_bias else 0.0)
            with tf.GradientTape() as tape:
                tape.watch(before)
                after = tf.reduce_sum(activation_of(only.activation)(before))
            gradient = tape.gradient(after, before)  # (batch, latent_dim)
            return tf.reduce_sum(tf.square(gradient) * tf.reduce_sum(tf.square(layer.kernel), axis=0), axis=1)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            latent = encoder(rows, training=batch.training)["latent"]
            signs = tf.sign(uniform(tf.shape(latent), generator) - 0.5)
            along = tf.reduce_sum(latent * signs)
        return tf.reduce_sum(tf.square(tape.gradient(along, rows)), axis=list(range(1, len(rows.shape))))


def _refuse_codes(kind: str, bottleneck: Bottleneck) -> None:
    if bottleneck.codes_per_row:
        raise OptionError(f"penalty {kind!r} cannot be used with a quantized bottleneck, whose latents are codes.")


@dataclass(frozen=True, kw_only=True)
class PriorMatching(Penalty):
    """The distance of the latents of a batch from a standard normal distribution: a Wasserstein auto-encoder.

    Maximum mean discrepancy with inverse multiquadratic kernels of seven widths, estimated without bias. Source:
    Tolstikhin et al. 2018, arXiv:1711.01558.
    """

    weight: float = 100.0

    kind: ClassVar[str] = "mmd"
    by_row: ClassVar[bool] = False
    makes_prior: ClassVar[bool] = True

    def fits(self, bottleneck: Bottleneck) -> None:
        """Codes are not normally distributed."""
        _refuse_codes(self.kind, bottleneck)

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return one number for the batch."""
        from keras import ops

        latent = batch.tensors["latent"]
        return mmd(latent, normal(ops.shape(latent), generator), ops)


WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def mmd(first: Tensor, second: Tensor, xp: Backend) -> Tensor:
    """Return the squared maximum mean discrepancy of two samples (n, d) without bias: it may be below 0."""
    count, size = first.shape[0] or xp.shape(first)[0], first.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        distance = xp.sum(xp.square(a), axis=1)[:, None] + xp.sum(xp.square(b), axis=1)[None] - 2 * a @ xp.transpose(b)
        return sum(2.0 * size * width / (2.0 * size * width + distance) for width in WIDTHS)

    number = xp.cast(count, "float32") if hasattr(xp, "cast") else float(count)
    own = xp.sum(kernel(first, first)) + xp.sum(kernel(second, second)) - 2 * len(WIDTHS) * number
    return own / (number * xp.maximum(number - 1, 1.0)) - 2 * xp.mean(kernel(first, second))


@dataclass(frozen=True, kw_only=True)
class TotalCorrelation(Penalty):
    """The total correlation of the latents of a gaussian bottleneck: 0 if they are independent of each other.

    The objective of the VAE already contains it once, so it counts weight + 1 times. Estimated from the batch. Source:
    Chen et al. 2018, arXiv:1802.04942, appendix C.1; in the constant log(rows * batch), which has no gradient, the
    number of rows is left out.
    """

    weight: float = 5.0

    kind: ClassVar[str] = "total_correlation"
    by_row: ClassVar[bool] = False

    def fits(self, bottleneck: Bottleneck) -> None:
        """It needs a distribution of latents for each row."""
        if not bottleneck.is_stochastic:
            raise OptionError(
                f"a total correlation penalty needs a gaussian bottleneck, got a {bottleneck.kind} one: pass "
                f"bottleneck='gaussian'."
            )

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return log q(latent) - sum log q(latent_j) of each row, (batch,)."""
        from keras import ops

        mean = batch.tensors["latent"]
        log_var = ops.clip(batch.tensors["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
        drawn = mean + ops.exp(log_var / 2) * normal(ops.shape(mean), generator)
        return total_correlation(drawn, mean, log_var, ops)


def total_correlation(drawn: Tensor, mean: Tensor, log_var: Tensor, xp: Backend) -> Tensor:
    """Return log q(latent) - sum_j log q(latent_j), (batch,), where q is the mixture of the Gaussians of the batch.

    Args: drawn, mean, log_var: (batch, latent_dim); xp: numpy or keras.ops.
    """
    # For each drawn latent (axis 0) and each Gaussian (axis 1), without the constant of pi, which cancels.
    away = xp.square(drawn[:, None] - mean[None]) * xp.exp(-log_var)[None]
    each = -(away + log_var[None]) / 2  # (batch, batch, latent_dim)
    count = xp.log(xp.cast(xp.shape(mean)[0], "float32")) if hasattr(xp, "cast") else xp.log(len(mean))
    together = _logsumexp(xp.sum(each, axis=2), 1, xp) - count
    return together - xp.sum(_logsumexp(each, 1, xp) - count, axis=1)


def _logsumexp(values: Tensor, axis: int, xp: Backend) -> Tensor:
    top = xp.max(values, axis=axis, keepdims=True)
    return xp.squeeze(top, axis) + xp.log(xp.sum(xp.exp(values - top), axis=axis))


@dataclass(frozen=True, kw_only=True)
class Adversarial(Penalty):
    """How well a discriminator separates latents from draws of a standard normal: an adversarial auto-encoder.

    The discriminator, a small network, learns to separate them; the encoder receives the reversed gradient and learns
    to make that impossible. The value is the cross-entropy of the discriminator, which reaches log(4) = 1.39 nats if it
    cannot separate them. Sources: Makhzani et al.
    2016, arXiv:1511.05644; the reversed gradient: Ganin & Lempitsky 2015, arXiv:1409.7495.
    """

    units: int = 64  # in each of the two hidden layers of the discriminator

    kind: ClassVar[str] = "adversarial"
    by_row: ClassVar[bool] = False
    measures: ClassVar[bool] = False  # it is lowest when the discriminator is best
    makes_prior: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse a discriminator without units."""
        super().check()
        self.require(1 <= self.units <= 1 << 14, "1 to 16,384 units")

    def fits(self, bottleneck: Bottleneck) -> None:
        """Codes are not normally distributed."""
        _refuse_codes(self.kind, bottleneck)

    def helper(self, network: Network, seed: int) -> KerasModel:
        """Return the discriminator: latent -> the logit of the probability that it was drawn from the prior."""
        import keras

        def dense(units: int, activation: str | None, more: int) -> KerasModel:
            return keras.layers.Dense(
                units,
                activation,
                kernel_initializer=keras.initializers.GlorotUniform((seed + more) % (1 << 31)),
                name=f"discriminator_{more}",
            )

        return keras.Sequential(
            [
                keras.Input((network.latent_dim,), dtype="float32"),
                dense(self.units, "leaky_relu", 1),
                dense(self.units, "leaky_relu", 2),
                dense(1, None, 3),
            ],
            name="discriminator",
        )

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return the cross-entropy of the discriminator for latents and for draws, (batch,)."""
        import keras
        import tensorflow as tf

        latent = batch.tensors["latent"]
        # The same numbers, whose gradient is reversed. Not by tf.custom_gradient: TensorFlow would keep that function,
        # and with it the whole traced program, for as long as the process lasts.
        backwards = 2 * tf.stop_gradient(latent) - latent
        prior = normal(tf.shape(latent), generator)
        assert batch.helper is not None
        ours = batch.helper(backwards)[:, 0]  # (batch,)
        drawn = batch.helper(prior)[:, 0]
        return keras.ops.softplus(ours) + keras.ops.softplus(-drawn)


@dataclass(frozen=True, kw_only=True)
class Decay(Penalty):
    """The sum of squares of all kernels, which keeps weights small. Biases are not penalised."""

    weight: float = 1e-3

    kind: ClassVar[str] = "l2"

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return the sum of squares, a number."""
        from keras import ops

        variables = [*batch.encoder.trainable_variables, *batch.decoder.trainable_variables]
        return sum(ops.sum(ops.square(each)) for each in variables if "kernel" in each.name)


@dataclass(frozen=True, kw_only=True)
class Regularizers(Penalty):
    """l1 * sum(abs(w)) + l2 * sum(w**2) for each weight that is named, as Keras' `kernel_regularizer` and others.

    A name is that of a weight in the network, "encoder_1/kernel", or of all weights that are called so, "kernel".
    """

    of: Texts = ("kernel",)
    l1: Numbers = (1e-4,)
    l2: Numbers = (0.0,)

    kind: ClassVar[str] = "regularizers"

    def check(self) -> None:
        """Refuse lists of different lengths, and negative amounts."""
        super().check()
        same = len(self.of) == len(self.l1) == len(self.l2) >= 1
        self.require(same and min(*self.l1, *self.l2) >= 0, "as many amounts of at least 0 as names of weights")

    def fits_network(self, network: Network) -> None:
        """Refuse names that no weight has."""
        self._named(network)

    def _named(self, network: Network) -> list[tuple[Step, str, float, float]]:
        """Return the layer and the name of each weight that is named, with its l1 and l2."""
        steps = (*network.steps, *network.heads.values())
        weights = {
            f"{step.layer.name}/{name}": (step, name) for step in steps for name in step.layer.weights(step.input_shape)
        }
        known = (*(name for _, name in weights.values()), *weights)
        named = list[tuple[Step, str, float, float]]()
        for of, l1, l2 in zip(self.of, self.l1, self.l2, strict=True):
            layer, _, weight = of.rpartition("/")
            # The first layer of a bottleneck that has several is called otherwise.
            first = f"{network.bottleneck.layers()[0].name}/{weight}" if layer == "bottleneck" else of
            found = [place for name, place in weights.items() if name in (of, first) or of == place[1]]
            if not found:
                raise OptionError(f"penalty 'regularizers': {unknown('weight', of, dict.fromkeys(known))}")
            named += [(step, name, l1, l2) for step, name in found]
        return named

    def cost(self, network: Network, batch: Batch, generator: SeedGenerator) -> Tensor:
        """Return the sum over the weights, a number."""
        from keras import ops

        total: Tensor = ops.zeros(())
        for step, name, l1, l2 in self._named(network):
            model = batch.decoder if step in network.decoder_steps else batch.encoder
            variable = step.layer.keras_weight(model.get_layer(step.layer.name), name)
            total += l1 * ops.sum(ops.abs(variable)) + l2 * ops.sum(ops.square(variable))
        return total


def asked_for(penalty: object, structure: object) -> Penalty | None:
    """Return the penalty that is asked for: by its name or part, or by the regularizers of two Keras models.

    Losses of Keras are means over the features of a row, those here are sums, so the regularizers weigh as many times
    as much as a row has features. Raises OptionError for both.
    """
    both = pair(structure)
    found = None if both is None else both.regularizers
    if not found or both is None:
        return None if penalty is None else read_part("penalty", PENALTIES, penalty)
    if penalty is not None:
        raise OptionError(
            f"the Keras models have regularizers, of {found[0].weight!r} for example, which are a penalty, and there "
            f"is one more: leave out penalty (--penalty), or the regularizers."
        )
    of, l1, l2 = zip(*found, strict=True)
    return Regularizers(weight=float(both.features), of=of, l1=l1, l2=l2)


PENALTIES: dict[str, type[Penalty]] = {
    each.kind: each for each in (Contractive, PriorMatching, Adversarial, TotalCorrelation, Decay, Regularizers)
}
