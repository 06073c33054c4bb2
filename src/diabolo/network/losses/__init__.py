"""Reconstruction losses, one file for each sort. `LOSSES` is the table of those that can be chosen.

Each compares a target (batch, ...) with the raw numbers of the decoder and returns (batch,): summed over the
features of a row, never averaged over rows; training/loop.py alone averages. The `link` is the activation that turns
raw numbers into a reconstruction. It is separate because a cross-entropy of logits is exact where one of probabilities
is not.

The formulas are written once for NumPy (scores, without TensorFlow) and for Keras (training).
"""

from collections import ChainMap
from collections.abc import Mapping

from diabolo.network.losses.base import Learnt, Local, Loss
from diabolo.network.losses.categorical import Categorical
from diabolo.network.losses.choice import Choice, choose
from diabolo.network.losses.elementwise import LOG_VAR_LIMIT, Bernoulli, Gaussian, Huber, Poisson
from diabolo.network.losses.series import Masked
from diabolo.network.losses.ssim import Ssim
from diabolo.network.losses.table import ColumnNumbers, Mixed, for_table

__all__ = [
    "ALIASES",
    "LOG_VAR_LIMIT",
    "LOSSES",
    "SAVED_LOSSES",
    "Bernoulli",
    "Categorical",
    "Choice",
    "ColumnNumbers",
    "Gaussian",
    "Huber",
    "Learnt",
    "Local",
    "Loss",
    "Masked",
    "Mixed",
    "Poisson",
    "Ssim",
    "choose",
    "for_table",
    "full_name",
]

# To add a loss, write its class in a file of this folder and add it here.
LOSSES: dict[str, type[Loss]] = {each.kind: each for each in (Bernoulli, Gaussian, Huber, Poisson, Categorical, Ssim)}
# The losses that a model file may name: also the one that series with gaps get, which nobody can choose.
SAVED_LOSSES: Mapping[str, type[Loss]] = ChainMap({Masked.kind: Masked}, LOSSES)
ALIASES = {"bce": Bernoulli.kind, "mse": Gaussian.kind}


def full_name(written: object) -> object:
    """Return the text of a loss with the name of an alias written in full: "mse:variance=learnt" is "gaussian:...".

    Everything else is returned as it is.
    """
    if not isinstance(written, str):
        return written
    name, colon, settings = written.partition(":")
    return ALIASES.get(name, name) + colon + settings
