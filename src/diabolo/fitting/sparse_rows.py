"""How a network is fitted to sparse rows: their loss, their adapter, and the parts that suit them.

Nothing is subtracted from sparse rows before they are divided, so that zeros stay zeros.
"""

from typing import Any

import numpy as np

from diabolo.data.adapters import ArrayAdapter, Rows
from diabolo.errors import OptionError, unknown
from diabolo.network import layers as layers
from diabolo.network import losses
from diabolo.network.corruptions import Corruption, Masking
from diabolo.network.network import Network
from diabolo.parts import read_part

LOSSES = tuple(kind for kind, loss in losses.LOSSES.items() if loss.sparse)


def choose_loss(name: str | losses.Loss, matrix: Any, evaluation_rows: Rows | None = None) -> losses.Choice:
    """Return the loss of sparse rows: bernoulli of zeros and ones, else gaussian, or the one that is asked for.

    Args:
        name: of the loss, "auto", or a loss.
        matrix: CSR.
        evaluation_rows: dense rows that the loss must be able to compare too.

    Raises: OptionError.
    """
    values = (
        matrix.data if evaluation_rows is None else np.concatenate([matrix.data, evaluation_rows[evaluation_rows != 0]])
    )
    binary = bool((values == 1).all())
    if name == "auto":
        if binary:
            return losses.Choice(losses.Bernoulli(), "sparse zeros and ones")
        return losses.Choice(losses.Gaussian(), "sparse numbers")
    if isinstance(name, str) and name.partition(":")[0] not in LOSSES:
        raise OptionError(unknown("reconstruction_loss for sparse rows", name, ["auto", *LOSSES]))
    loss = read_part("reconstruction_loss", losses.LOSSES, name)
    if loss.kind not in LOSSES or loss.weights((1,)):
        raise OptionError(
            f"reconstruction_loss {loss.kind!r} cannot be used with sparse rows: choose one of {', '.join(LOSSES)}."
        )
    if loss.scaling == "widest" and values.size and (values.min() < 0 or values.max() > 1):
        raise OptionError(f"reconstruction_loss {loss.kind!r} needs values in [0, 1]: choose 'gaussian'.")
    return losses.Choice(loss, "asked for")


def learn(matrix: Any, loss: losses.Loss) -> ArrayAdapter:
    """Return the adapter of sparse rows: no offset, and one scale for all features.

    The scale is 1 for a loss of values in [0, 1], otherwise the root mean square of the values that are not zero.
    """
    bounded = loss.scaling == "widest"
    mean_square = float(np.square(matrix.data, dtype=np.float64).mean()) if matrix.nnz else 1.0
    features = matrix.shape[1]
    return ArrayAdapter(
        row_shape=(features,),
        dtype="float32",
        bounded=bounded,
        offset=np.zeros(features),
        scale=np.full(features, 1.0 if bounded else max(mean_square, 1e-30) ** 0.5),
    )


def fits(network: Network, corruption: Corruption | None, penalty: object) -> None:
    """Raise OptionError if the network, the corruption or the penalty needs dense rows."""
    first, last = network.encoder[:1], network.decoder[-1:]
    if not all(end and type(end[0]) is layers.Dense for end in (first, last)):
        raise OptionError(
            "sparse rows need a dense layer first and last: structure='dense', or widths such as [256], not tied."
        )
    if penalty is not None:
        raise OptionError("sparse rows cannot be trained with a penalty: leave penalty (--penalty) out.")
    if corruption is not None and not (isinstance(corruption, Masking) and not corruption.hidden_only):
        raise OptionError("the only corruption for sparse rows is 'masking', which leaves values out.")
