"""The gaussian bottleneck of variational auto-encoders: each latent is drawn in training from a normal distribution."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from diabolo.network.bottlenecks.base import Bottleneck, LossOf, Objective
from diabolo.network.layers import Dense, Layer
from diabolo.network.random_numbers import normal
from diabolo.network.tensors import Backend, Number, SeedGenerator, Tensor

# exp() overflows float32 above 88 and one such row turns the batch loss into inf; +-10 keeps sigma in [0.007, 148].
LOG_VAR_LIMIT = 10.0


@dataclass(frozen=True, kw_only=True)
class Gaussian(Bottleneck):
    """The bottleneck of a variational auto-encoder; with `samples` above 1, of an importance-weighted one.

    `encode` returns the mean. Sources: Kingma & Welling 2014, arXiv:1312.6114; beta: Higgins et al. 2017; free bits:
    Kingma et al. 2016, arXiv:1606.04934; importance samples: Burda et al. 2016, arXiv:1509.00519.
    """

    beta: float = 1.0  # weight of the KL divergence; 0 makes a noisy plain bottleneck
    warmup_epochs: int = 0  # in which that weight rises from 0 to beta, against posterior collapse
    free_nats: float = 0.0  # lower bound of the divergence of each latent (batch mean); below it there is no gradient
    samples: int = 1  # importance samples of each row

    kind: ClassVar[str] = "gaussian"
    is_stochastic: ClassVar[bool] = True
    # The divergence limits the weights already; half-way through 1,000 epochs of MNIST weight decay costs 3 nats.
    default_optimizer: ClassVar[str] = "adam"

    def check(self) -> None:
        """Refuse weights below 0 and no samples; several samples need beta 1 and no free nats."""
        super().check()
        self.require(min(self.beta, self.warmup_epochs, self.free_nats) >= 0, "beta, warmup_epochs, free_nats >= 0")
        self.require(1 <= self.samples < 1 << 10, "1 <= samples < 1024")
        if self.samples > 1:
            self.require(self.beta == 1 and not self.free_nats, "beta 1 and no free_nats with several samples")

    @property
    def copies(self) -> int:
        """One for each importance sample."""
        return self.samples

    @property
    def by_row(self) -> bool:
        """Free nats are compared with the mean of a batch."""
        return not self.free_nats

    @property
    def settles_after(self) -> int:
        """Validation gives the divergence its full weight from the start."""
        return self.warmup_epochs

    def layers(self) -> tuple[Layer, ...]:
        """The mean."""
        return (Dense(units=self.latent_dim, name="bottleneck"),)

    def heads(self) -> dict[str, Layer]:
        """The logarithm of the variance."""
        return {"log_var": Dense(units=self.latent_dim, name="bottleneck_log_var")}

    def train(self, tensors: Mapping[str, Tensor], loss: LossOf, generator: SeedGenerator, warm: Number) -> Objective:
        """Minus the evidence lower bound, of one sample or of several."""
        from keras import ops

        mean = tensors["latent"]  # (batch, latent_dim)
        log_var = ops.clip(tensors["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
        batch, weight = ops.shape(mean)[0], self._weight(warm)
        noise = normal((self.samples, batch, self.latent_dim), generator, axis=1)
        latents = mean + ops.exp(log_var / 2) * noise  # (samples, batch, latent_dim)
        per_sample = ops.reshape(loss(ops.reshape(latents, (-1, self.latent_dim))), (self.samples, batch))
        if self.samples == 1:
            return Objective(per_sample[0], weight * self._divergence(mean, log_var))
        # log q(latent|row) - log p(latent): the halves of log(2 pi) cancel.
        excess = ops.sum(ops.square(latents) - ops.square(noise) - log_var, axis=2) / 2  # (samples, batch)
        bound = math.log(self.samples) - ops.logsumexp(-per_sample - weight * excess, axis=0)
        reconstruction = ops.mean(per_sample, axis=0)
        return Objective(reconstruction, bound - reconstruction)

    def _weight(self, warm: Number) -> Number:
        from keras import ops

        return self.beta * (ops.minimum(warm / self.warmup_epochs, 1.0) if self.warmup_epochs else 1.0)

    def _divergence(self, mean: Tensor, log_var: Tensor) -> Tensor:
        from keras import ops

        each = gaussian_kl(mean, log_var, ops)
        if self.free_nats:
            # On average over the batch, so that a latent may inform about one row and not about another.
            each = ops.where(ops.mean(each, axis=0, keepdims=True) > self.free_nats, each, self.free_nats)
        return ops.sum(each, axis=1)


def gaussian_kl(mean: Tensor, log_var: Tensor, xp: Backend) -> Tensor:
    """Return KL(q(latent|row) || N(0, I)) of a diagonal Gaussian q, one value a latent, in nats, >= 0.

    Args: mean, log_var: (batch, latent_dim), log_var = log(sigma**2); xp: numpy or keras.ops.
    Source: Kingma & Welling 2014, arXiv:1312.6114, appendix B.
    """
    return (xp.exp(log_var) + xp.square(mean) - 1 - log_var) / 2
