"""Penalties: what training minimises beside the reconstruction, whatever the bottleneck.

Order: the base, one after the other, the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from diabolo.errors import OptionError
from diabolo.network.bottlenecks import Bottleneck, Gaussian, Quantized
from diabolo.network.bottlenecks.gaussian import LOG_VAR_LIMIT
from diabolo.network.chance import normal, uniform
from diabolo.network.layers import Dense, Flatten, Reshape
from diabolo.network.parts import Part
from diabolo.network.structures import Network


class Batch(NamedTuple):
    """What a penalty looks at."""

    rows: Any  # (batch, ...), as the network saw them
    tensors: Mapping[str, Any]  # "latent" (batch, latent_dim), and the heads of the bottleneck
    waist: Any  # the Keras model rows -> tensors
    decoder: Any  # the Keras model latent -> raw numbers
    helper: Any  # what `Penalty.helper` gave
    training: bool = True  # or only measuring


@dataclass(frozen=True, kw_only=True)
class Penalty(Part):
    """What all penalties share.

    `judges` says whether the value of rows held back tells how good a model is, `makes_prior` whether the latents of
    all rows together become a standard normal, from which new ones can be drawn.
    """

    judges: ClassVar[bool] = True
    makes_prior: ClassVar[bool] = False

    weight: float = 1.0  # beside a loss in nats

    def check(self) -> None:
        """Refuse rewards."""
        self.require(0 < self.weight < 1e12, "weight above 0")

    def fits(self, bottleneck: Bottleneck) -> None:
        """Raise OptionError where the bottleneck cannot be penalised so."""

    def helper(self, network: Network, seed: int) -> Any:
        """Return a Keras model that is trained along and then forgotten; None where there is no need of one."""
        return None

    def cost(self, network: Network, batch: Batch, chance: Any) -> Any:
        """Return what a batch costs, (batch,) or a number for all of it, without the weight.

        Args: network: as facts; chance: a `keras.random.SeedGenerator`.
        """
        raise TypeError(f"{type(self).__name__} must say what a batch costs")


@dataclass(frozen=True, kw_only=True)
class Contractive(Penalty):
    """The squared Frobenius norm of the Jacobian of the latent by the row: latents shall move little when rows do.

    Exact where one dense layer makes the latent. Deeper networks take the gradient along one random direction of signs,
    whose expectation is the norm (Hutchinson 1989). Source: Rifai et al. 2011, Contractive Auto-Encoders.
    """

    kind: ClassVar[str] = "contractive"

    def fits(self, bottleneck: Bottleneck) -> None:
        """Codes do not move."""
        if isinstance(bottleneck, Quantized):
            raise OptionError(
                "a contractive penalty and a quantized bottleneck do not go together: codes do not slope."
            )

    def cost(self, network: Network, batch: Batch, chance: Any) -> Any:
        """Return the norm of each row, (batch,)."""
        import tensorflow as tf

        from diabolo.network.backends.keras.layers import activation_of

        rows, waist = batch.rows, batch.waist
        only = network.encoder_steps[-1].layer
        flat = all(isinstance(step.layer, (Flatten, Reshape)) for step in network.encoder_steps[:-1])
        if isinstance(only, Dense) and only.activation != "softmax" and flat:
            layer = waist.get_layer(only.name)
            before = tf.reshape(rows, (tf.shape(rows)[0], -1)) @ layer.kernel + (layer.bias if only.use_bias else 0.0)
            with tf.GradientTape() as tape:
                tape.watch(before)
                after = tf.reduce_sum(activation_of(only.activation)(before))
            slopes = tape.gradient(after, before)  # (batch, latent_dim)
            return tf.reduce_sum(tf.square(slopes) * tf.reduce_sum(tf.square(layer.kernel), axis=0), axis=1)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            latent = waist(rows, training=batch.training)["latent"]
            signs = tf.sign(uniform(tf.shape(latent), chance) - 0.5)
            along = tf.reduce_sum(latent * signs)
        return tf.reduce_sum(tf.square(tape.gradient(along, rows)), axis=list(range(1, len(rows.shape))))


def _refuse_codes(kind: str, bottleneck: Bottleneck) -> None:
    if isinstance(bottleneck, Quantized):
        raise OptionError(f"penalty {kind!r} and a quantized bottleneck do not go together: codes lie apart.")


@dataclass(frozen=True, kw_only=True)
class PriorMatching(Penalty):
    """The distance of the latents of a batch from a standard normal: a Wasserstein auto-encoder.

    Maximum mean discrepancy with inverse multiquadratic kernels of seven widths, without bias. Source: Tolstikhin et
    al. 2018, arXiv:1711.01558.
    """

    weight: float = 100.0

    kind: ClassVar[str] = "mmd"
    makes_prior: ClassVar[bool] = True

    def fits(self, bottleneck: Bottleneck) -> None:
        """A book of codes is no normal."""
        _refuse_codes(self.kind, bottleneck)

    def cost(self, network: Network, batch: Batch, chance: Any) -> Any:
        """Return one number for the batch."""
        from keras import ops

        latent = batch.tensors["latent"]
        return mmd(latent, normal(ops.shape(latent), chance), ops)


WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def mmd(first: Any, second: Any, xp: Any) -> Any:
    """Return the squared maximum mean discrepancy of two samples (n, d) without bias: it may be below 0."""
    count, size = first.shape[0] or xp.shape(first)[0], first.shape[1]

    def kernel(a: Any, b: Any) -> Any:
        distance = xp.sum(xp.square(a), axis=1)[:, None] + xp.sum(xp.square(b), axis=1)[None] - 2 * a @ xp.transpose(b)
        return sum(2.0 * size * width / (2.0 * size * width + distance) for width in WIDTHS)

    number = xp.cast(count, "float32") if hasattr(xp, "cast") else float(count)
    own = xp.sum(kernel(first, first)) + xp.sum(kernel(second, second)) - 2 * len(WIDTHS) * number
    return own / (number * xp.maximum(number - 1, 1.0)) - 2 * xp.mean(kernel(first, second))


@dataclass(frozen=True, kw_only=True)
class TotalCorrelation(Penalty):
    """How far the latents are from independent of each other, of a gaussian bottleneck: weight + 1 times it in all.

    Estimated by weighting the batch as a sample of all rows. Source: Chen et al. 2018, arXiv:1802.04942, appendix C.1;
    the constant log(rows * batch), which has no gradient, is taken for a batch alone.
    """

    weight: float = 5.0

    kind: ClassVar[str] = "total_correlation"

    def fits(self, bottleneck: Bottleneck) -> None:
        """Only a distribution of latents can be independent."""
        if not isinstance(bottleneck, Gaussian):
            raise OptionError(
                f"a total correlation penalty needs a gaussian bottleneck, got a {bottleneck.kind} one: pass "
                f"bottleneck='gaussian'."
            )

    def cost(self, network: Network, batch: Batch, chance: Any) -> Any:
        """Return log q(latent) - sum log q(latent_j) of each row, (batch,)."""
        from keras import ops

        mean = batch.tensors["latent"]
        log_var = ops.clip(batch.tensors["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
        drawn = mean + ops.exp(log_var / 2) * normal(ops.shape(mean), chance)
        return total_correlation(drawn, mean, log_var, ops)


def total_correlation(drawn: Any, mean: Any, log_var: Any, xp: Any) -> Any:
    """Return log q(latent) - sum_j log q(latent_j), (batch,), q being the mixture of the batch's own gaussians."""
    # Of each latent drawn (axis 0) under each gaussian (axis 1), the constant of pi left out: it cancels.
    away = xp.square(drawn[:, None] - mean[None]) * xp.exp(-log_var)[None]
    each = -(away + log_var[None]) / 2  # (batch, batch, latent_dim)
    count = xp.log(xp.cast(xp.shape(mean)[0], "float32")) if hasattr(xp, "cast") else xp.log(len(mean))
    together = _logsumexp(xp.sum(each, axis=2), 1, xp) - count
    return together - xp.sum(_logsumexp(each, 1, xp) - count, axis=1)


def _logsumexp(values: Any, axis: int, xp: Any) -> Any:
    top = xp.max(values, axis=axis, keepdims=True)
    return xp.squeeze(top, axis) + xp.log(xp.sum(xp.exp(values - top), axis=axis))


@dataclass(frozen=True, kw_only=True)
class Adversarial(Penalty):
    """How well a small network tells latents from draws of a standard normal: an adversarial auto-encoder.

    It learns to tell them while the encoder, to which the gradient comes reversed, learns to be taken for the prior.
    The value is the cross-entropy of the small network, log(4) = 1.39 nats where it is lost. Sources: Makhzani et al.
    2016, arXiv:1511.05644; the reversed gradient: Ganin & Lempitsky 2015, arXiv:1409.7495.
    """

    units: int = 64  # of both hidden layers of the small network

    kind: ClassVar[str] = "adversarial"
    judges: ClassVar[bool] = False  # it is lowest where the small network is best
    makes_prior: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse a judge without units."""
        super().check()
        self.require(1 <= self.units <= 1 << 14, "1 to 16,384 units")

    def fits(self, bottleneck: Bottleneck) -> None:
        """A book of codes is no normal."""
        _refuse_codes(self.kind, bottleneck)

    def helper(self, network: Network, seed: int) -> Any:
        """Return the judge: latent -> the odds, as a logit, that it was drawn from the prior."""
        import keras

        def dense(units: int, activation: str | None, more: int) -> Any:
            return keras.layers.Dense(
                units,
                activation,
                kernel_initializer=keras.initializers.GlorotUniform((seed + more) % (1 << 31)),
                name=f"judge_{more}",
            )

        return keras.Sequential(
            [
                keras.Input((network.latent_dim,), dtype="float32"),
                dense(self.units, "leaky_relu", 1),
                dense(self.units, "leaky_relu", 2),
                dense(1, None, 3),
            ],
            name="judge",
        )

    def cost(self, network: Network, batch: Batch, chance: Any) -> Any:
        """Return the cross-entropy of both judgements, (batch,)."""
        import keras
        import tensorflow as tf

        latent = batch.tensors["latent"]
        # The same numbers, whose gradient is reversed. Not by tf.custom_gradient: TensorFlow would keep that function,
        # and with it the whole traced program, for as long as the process lasts.
        backwards = 2 * tf.stop_gradient(latent) - latent
        prior = normal(tf.shape(latent), chance)
        ours = batch.helper(backwards)[:, 0]  # (batch,)
        drawn = batch.helper(prior)[:, 0]
        return keras.ops.softplus(ours) + keras.ops.softplus(-drawn)


@dataclass(frozen=True, kw_only=True)
class Decay(Penalty):
    """The squares of all kernels: smaller weights, smoother functions. Biases are free."""

    weight: float = 1e-3

    kind: ClassVar[str] = "l2"

    def cost(self, network: Network, batch: Batch, chance: Any) -> Any:
        """Return the sum of squares, a number."""
        from keras import ops

        variables = [*batch.waist.trainable_variables, *batch.decoder.trainable_variables]
        return sum(ops.sum(ops.square(each)) for each in variables if "kernel" in each.name)


PENALTIES: dict[str, type[Penalty]] = {
    each.kind: each for each in (Contractive, PriorMatching, Adversarial, TotalCorrelation, Decay)
}
