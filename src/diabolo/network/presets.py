"""Names for mixes of parts: settings of the estimator under which an auto-encoder is known.

Any of them may be mixed further: `Autoencoder(**PRESETS["vae"].settings, corruption="masking:0.2")`.
"""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Settings of `Autoencoder`, and what they make."""

    settings: dict[str, Any]
    about: str


PRESETS: dict[str, Preset] = {
    "plain": Preset({}, "a narrow bottleneck and nothing else"),
    "conv": Preset({"structure": "conv"}, "convolutions, for images"),
    "denoising": Preset({"corruption": "gaussian:0.5"}, "gets rows with noise, returns them without it"),
    "masked": Preset({"corruption": "masking:0.5,hidden_only=true"}, "fills in what was hidden"),
    "sparse": Preset({"bottleneck": "sparse"}, "few latents are active at a time"),
    "k-sparse": Preset({"bottleneck": "sparse:method=top_k"}, "only the largest tenth of the latents is active"),
    "contractive": Preset({"penalty": "contractive:0.1"}, "latents move little when rows do"),
    "vae": Preset({"bottleneck": "gaussian"}, "variational: latents are distributions, new rows can be drawn"),
    "beta-vae": Preset({"bottleneck": "gaussian:beta=4"}, "variational, fewer latents in use, each for another factor"),
    "tc-vae": Preset(
        {"bottleneck": "gaussian", "penalty": "total_correlation:5"}, "variational, latents independent of each other"
    ),
    "iwae": Preset({"bottleneck": "gaussian:samples=5"}, "variational, a tighter bound from several samples"),
    "wae": Preset({"penalty": "mmd:100"}, "Wasserstein: the latents of all rows together are a standard normal"),
    "aae": Preset(
        {"penalty": "adversarial:10"}, "adversarial: latents that a discriminator cannot tell from a standard normal"
    ),
    "vq": Preset({"bottleneck": "quantized"}, "latents are entries of a code book"),
    "ordered": Preset({"bottleneck": "ordered"}, "the first latents hold most information, as in PCA: cut anywhere"),
    "refined": Preset({"bottleneck": "refined"}, "lower reconstruction error, slower encoding"),
}
