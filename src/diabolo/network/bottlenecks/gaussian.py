"""The gaussian bottleneck: a mean and a variance for each latent, drawn in training, held near a standard normal."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from diabolo.network.bottlenecks.base import Bottleneck, LossOf, Objective
from diabolo.network.chance import normal
from diabolo.network.layers import Dense, Layer

# exp() overflows float32 above 88 and one such row turns the batch loss into inf; +-10 keeps sigma in [0.007, 148].
LOG_VAR_LIMIT = 10.0


@dataclass(frozen=True, kw_only=True)
class Gaussian(Bottleneck):
    """A variational auto-encoder's waist; with `samples` above 1 an importance-weighted one's.

    `encode` gives the mean. Sources: Kingma & Welling 2014, arXiv:1312.6114; beta: Higgins et al. 2017; free bits:
    Kingma et al. 2016, arXiv:1606.04934; importance samples: Burda et al. 2016, arXiv:1509.00519.
    """

    beta: float = 1.0  # weight of the KL term; 0 makes a noisy plain bottleneck
    warmup_epochs: int = 0  # the KL weight climbs from 0 over these: the cure for posterior collapse
    free_nats: float = 0.0  # of each latent, on average over the batch, that cost nothing
    samples: int = 1  # importance samples of each row

    kind: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Refuse weights below 0 and no samples; importance weights are those of beta 1 alone."""
        super().check()
        self.require(min(self.beta, self.warmup_epochs, self.free_nats) >= 0, "beta, warmup_epochs, free_nats >= 0")
        self.require(1 <= self.samples < 1 << 10, "1 <= samples < 1024")
        if self.samples > 1:
            self.require(self.beta == 1 and not self.free_nats, "beta 1 and no free_nats with several samples")

    @property
    def copies(self) -> int:
        """Each row is decoded from so many latents."""
        return self.samples

    @property
    def settles_after(self) -> int:
        """Validation weighs the divergence in full from the start."""
        return self.warmup_epochs

    def layers(self) -> tuple[Layer, ...]:
        """The mean."""
        return (Dense(units=self.latent_dim, name="bottleneck"),)

    def heads(self) -> dict[str, Layer]:
        """The logarithm of the variance."""
        return {"log_var": Dense(units=self.latent_dim, name="bottleneck_log_var")}

    def train(self, tensors: Mapping[str, Any], loss: LossOf, chance: Any, warm: Any) -> Objective:
        """Minus the evidence lower bound, of one sample or of several."""
        from keras import ops

        mean = tensors["latent"]  # (batch, latent_dim)
        log_var = ops.clip(tensors["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
        batch, weight = ops.shape(mean)[0], self._weight(warm)
        noise = normal((self.samples, batch, self.latent_dim), chance)
        latents = mean + ops.exp(log_var / 2) * noise  # (samples, batch, latent_dim)
        per_sample = ops.reshape(loss(ops.reshape(latents, (-1, self.latent_dim))), (self.samples, batch))
        if self.samples == 1:
            return Objective(per_sample[0], weight * self._divergence(mean, log_var))
        # log q(latent|row) - log p(latent): the halves of log(2 pi) cancel.
        excess = ops.sum(ops.square(latents) - ops.square(noise) - log_var, axis=2) / 2  # (samples, batch)
        bound = math.log(self.samples) - ops.logsumexp(-per_sample - weight * excess, axis=0)
        reconstruction = ops.mean(per_sample, axis=0)
        return Objective(reconstruction, bound - reconstruction)

    def _weight(self, warm: Any) -> Any:
        from keras import ops

        return self.beta * (ops.minimum(warm / self.warmup_epochs, 1.0) if self.warmup_epochs else 1.0)

    def _divergence(self, mean: Any, log_var: Any) -> Any:
        from keras import ops

        each = gaussian_kl(mean, log_var, ops)
        if self.free_nats:
            # On average over the batch, so that a latent may say much of one row and nothing of another.
            each = ops.where(ops.mean(each, axis=0, keepdims=True) > self.free_nats, each, self.free_nats)
        return ops.sum(each, axis=1)


def gaussian_kl(mean: Any, log_var: Any, xp: Any) -> Any:
    """Return KL(q(latent|row) || N(0, I)) of a diagonal Gaussian q, one value a latent, in nats, >= 0.

    Args: mean, log_var: (batch, latent_dim), log_var = log(sigma**2); xp: numpy or keras.ops.
    Source: Kingma & Welling 2014, arXiv:1312.6114, appendix B.
    """
    return (xp.exp(log_var) + xp.square(mean) - 1 - log_var) / 2
