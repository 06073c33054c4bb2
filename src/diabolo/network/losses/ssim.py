"""The loss of images by structural similarity."""

import math
from dataclasses import dataclass
from typing import ClassVar

from diabolo.errors import OptionError
from diabolo.network import links
from diabolo.network.losses.base import Learnt, Loss
from diabolo.network.tensors import Backend, Tensor
from diabolo.parts import Shape

WINDOW = 7  # pixels along an edge of a window
STEADY = (0.01**2, 0.03**2)  # keep quotients of two numbers near 0 at 1


@dataclass(frozen=True, kw_only=True)
class Ssim(Loss):
    """For images in [0, 1]: (1 - structural similarity) / 2 times the numbers of a row.

    Means, variances and the covariance are those of every window of 7 x 7. The refined bottleneck lowers the squared
    error instead. Source: Wang et al. 2004, Image Quality Assessment: From Error Visibility to Structural Similarity,
    with equal weights for all pixels of a window.
    """

    kind: ClassVar[str] = "ssim"
    link: ClassVar[str] = "sigmoid"
    scaling: ClassVar[str] = "widest"
    likelihood: ClassVar[bool] = False
    masks: ClassVar[bool] = False

    def fits(self, input_shape: Shape) -> None:
        """Rows must be images."""
        if len(input_shape) != 3:
            raise OptionError(
                f"reconstruction_loss 'ssim' needs images (height, width[, channels]), got rows of {input_shape}."
            )

    def per_row(
        self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None, counts: Tensor | None = None
    ) -> Tensor:
        """Of images (batch, height, width, channels)."""
        shown = links.clipped_sigmoid(raw, xp)
        mean_t, mean_s = _means(target), _means(shown)
        variance_t = _means(target * target) - mean_t * mean_t
        variance_s = _means(shown * shown) - mean_s * mean_s
        covariance = _means(target * shown) - mean_t * mean_s
        first, second = STEADY
        similarity = (2 * mean_t * mean_s + first) * (2 * covariance + second)
        similarity /= (mean_t * mean_t + mean_s * mean_s + first) * (variance_t + variance_s + second)
        return math.prod(target.shape[1:]) * (1 - xp.mean(similarity, axis=(1, 2, 3))) / 2


def _means(images: Tensor) -> Tensor:
    """Return the mean of every window, (batch, h, w, c) -> (batch, h - 6, w - 6, c); smaller images are one window."""
    height, width = (min(WINDOW, size) for size in images.shape[1:3])
    rows, columns = images.shape[1] - height + 1, images.shape[2] - width + 1
    sums: Tensor = sum(images[:, at : at + rows] for at in range(height))
    total: Tensor = sum(sums[:, :, at : at + columns] for at in range(width))
    return total / (height * width)
