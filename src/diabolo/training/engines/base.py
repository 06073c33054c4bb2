"""What every engine takes and gives. Order: the training, its result, the Protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from diabolo.data.shard import Shard
from diabolo.network.corruptions import Corruption
from diabolo.network.losses import Loss
from diabolo.network.network import Network
from diabolo.network.penalties import Penalty
from diabolo.training.checkpoints import State
from diabolo.training.progress import Progress, Report, quiet

Weights = Mapping[str, np.ndarray[Any, np.dtype[np.float32]]]

# Called about twice a second and after each epoch, with a function that returns the state; True after an epoch ends the
# training there.
Keep = Callable[[Progress, Callable[[], State]], bool | None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training: what to train, on which rows, how and how long.

    Attributes:
        network, loss, corruption, penalty: the parts.
        independence: the weight of the distance correlation of latents and condition, which is added to the loss.
        settles_after: epochs of which none is the best, and that do not count as waiting, because the latents are not
            independent of the condition yet.
        shard: the rows.
        optimizer: its name, with settings after a colon.
        learning_rate: at the start; schedule: "cosine" or "constant".
        epochs: at most.
        batch_size: rows in a step.
        precision: "float32" or "bfloat16", of the products of dense and convolutional layers.
        patience: epochs without a better validation loss before it ends; 0 never ends early.
        patience_after: epochs that do not count as waiting, because the number of epochs was raised after them.
        seed: for the first weights, the order of the rows and all random draws.
        weights: to begin with, by name; the others are drawn.
        learnt: initial values of the parameters of the loss, by name.
        restored: the state to continue from; None: start from the beginning.
        keep: see `Keep`.
        stopping: whether a signal to stop has come, for an engine that waits before it trains; None: never.
    """

    network: Network
    loss: Loss
    corruption: Corruption | None
    penalty: Penalty | None
    shard: Shard
    optimizer: str
    learning_rate: float
    schedule: str
    epochs: int
    batch_size: int
    patience: int
    seed: int
    precision: str = "float32"
    independence: float = 0.0
    settles_after: int = 0
    weights: Weights = field(default_factory=dict)
    learnt: Weights | None = None
    patience_after: int = 0
    restored: State | None = None
    keep: Keep | None = None
    stopping: Callable[[], bool] | None = None


class Trained(NamedTuple):
    """The result of a training.

    Attributes:
        weights: of the best epoch, by name, those that the loss learnt under "loss/...".
        history: one number per epoch, the mean per row, in nats: "loss", "val_loss" with validation rows, and
            the parts "reconstruction" and "penalty" if the loss has both.
        best_epoch: from 1; the last where no rows were held back.
        compiled: whether XLA compiled the steps.
        versions: of the packages that decide the bits.
    """

    weights: Weights
    history: dict[str, list[float]]
    best_epoch: int
    compiled: bool
    versions: dict[str, str]


class Engine(Protocol):
    """What runs the training steps."""

    def train(self, job: Job, report: Report = quiet) -> Trained:
        """Return the trained weights.

        Args: report: is called after each epoch; by `Compiled` about twice a second as well.
        Raises: DivergedError; its `trained` is the result of the epochs before, or None (always with `Numpy`).
        """

    def versions(self, job: Job) -> dict[str, str]:
        """Return the versions of the packages that decide the bits of this training."""
