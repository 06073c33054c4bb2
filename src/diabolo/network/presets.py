"""Presets: the settings of the estimator for well-known kinds of auto-encoders.

Further settings may be added: `Autoencoder(**PRESETS["vae"].settings, corruption="masking:0.2")`.
"""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Settings of `Autoencoder`, and a description."""

    settings: dict[str, Any]
    about: str


PRESETS: dict[str, Preset] = {
    "plain": Preset({}, "a narrow bottleneck and nothing else"),
    "conv": Preset({"structure": "conv"}, "convolutions, for images"),
    "denoising": Preset({"corruption": "gaussian:0.5"}, "reconstructs rows from noisy ones"),
    "masked": Preset({"corruption": "masking:0.5,hidden_only=true"}, "fills in hidden numbers"),
    "sparse": Preset({"bottleneck": "sparse"}, "few latents are active at a time"),
    "k-sparse": Preset({"bottleneck": "sparse:method=top_k"}, "only the largest tenth of the latents is active"),
    "contractive": Preset({"penalty": "contractive:0.1"}, "latents change little when rows do"),
    "vae": Preset({"bottleneck": "gaussian"}, "variational: latents are distributions, new rows can be drawn"),
    "beta-vae": Preset(
        {"bottleneck": "gaussian:beta=4"}, "variational, with fewer latents in use, each for one factor"
    ),
    "tc-vae": Preset(
        {"bottleneck": "gaussian", "penalty": "total_correlation:5"}, "variational, latents independent of each other"
    ),
    "iwae": Preset({"bottleneck": "gaussian:samples=5"}, "variational, a tighter bound from several samples"),
    "wae": Preset({"penalty": "mmd:100"}, "Wasserstein: latents of all rows together are a standard normal"),
    "aae": Preset(
        {"penalty": "adversarial:10"}, "adversarial: a discriminator cannot tell latents from a standard normal"
    ),
    "vq": Preset({"bottleneck": "quantized"}, "latents are entries of a code book"),
    "ordered": Preset(
        {"bottleneck": "ordered"}, "the first latents carry most information, as in PCA: can be cut anywhere"
    ),
    "refined": Preset({"bottleneck": "refined"}, "better reconstructions, slower encoding"),
}
