"""The budget of a search: how long trainings may be, what they will cost, and the speeds measured so far."""

import math
import re
import time
from dataclasses import dataclass

import numpy as np

from diabolo.errors import OptionError
from diabolo.search import halving
from diabolo.search.ledger import TrialState

BUDGET = "10m"
EPOCHS = 60  # of a whole training,
EPOCHS_IN_TIME = 300  # or at most so many where the time bounds it
SHARE = 0.45  # fraction of a budget of time that one whole training may take
FEWEST = 9  # epochs that must go into that share: slower trials can hardly win
# A final training that needs more than 1 / FILLS of the time left may use all of it, as no other would fit after it.
FILLS = 1.6
SPARE = 0.96  # fraction of the time left that is planned with
SECONDS_TO_START = 3.0  # to build and compile a training; before anything was measured
OPERATIONS_A_SECOND = 2e10  # before anything was measured
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(budget: str | float, name: str = "budget") -> float:
    """Return the seconds of 90, "90s", "10m" or "1.5h". Args: name: of the setting. Raises OptionError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", budget) if isinstance(budget, str) else None
    seconds = float(found[1]) * UNITS[found[2] or "s"] if found else budget
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise OptionError(f"{name} must be a time such as 90s, 10m or 2h, got {budget!r:.40}.")
    return float(seconds)


class Budget:
    """The time of a search.

    Args:
        seconds: of the whole search; None: no end.
        epochs: of a whole training, at most; None: what suits the kind of budget.
        depth: rungs at which a trial may stop.
        begun: when the time began, by `time.monotonic`, which the processes of a machine share; None: now.
    """

    def __init__(self, seconds: float | None, epochs: int | None, depth: int, begun: float | None = None) -> None:
        self.seconds, self.depth = seconds, depth
        self.epochs = epochs if epochs is not None else EPOCHS if seconds is None else EPOCHS_IN_TIME
        self._started = time.monotonic() if begun is None else begun
        self._speeds: list[float] = []  # seconds per million operations
        self._starts: list[float] = []  # seconds that a trial took in addition to its epochs

    def begin(self) -> None:
        """Let the time begin now."""
        self._started = time.monotonic()

    def measured(self, operations: float, an_epoch: float, ran: int, taken: float) -> None:
        """Record that a training of `ran` epochs took `taken` seconds in all, and `an_epoch` seconds per epoch.

        Args: operations: of an epoch, in millions.
        """
        self._speeds.append(an_epoch / operations)
        self._starts.append(max(0.1, taken - ran * an_epoch))

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return math.inf if self.seconds is None else self.seconds - (time.monotonic() - self._started)

    @property
    def start(self) -> float:
        """Seconds that it takes to begin a training or to go on with one."""
        return float(np.median(self._starts)) if self._starts else SECONDS_TO_START

    @property
    def share(self) -> float:
        """Seconds that the epochs of one whole training may take."""
        if self.seconds is None:
            return math.inf
        # Starts alone may take a short budget: a tenth of it is for epochs all the same.
        return max(self.seconds * SHARE - self.depth * self.start, self.seconds / 10)

    @property
    def slowest(self) -> float:
        """Seconds that an epoch may take."""
        return self.share / min(FEWEST, self.epochs)

    def estimate_seconds(self, operations: float) -> float:
        """Return about how many seconds an epoch of so many million operations takes."""
        speed = float(np.median(self._speeds)) if self._speeds else 1e6 / OPERATIONS_A_SECOND
        return operations * speed

    def whole_training(self, an_epoch: float) -> int:
        """Return how many epochs of so many seconds a whole training has: all, or what its share of the time allows."""
        return _whole(self.epochs, self.share, an_epoch)

    def sooner(self, rung: int) -> "Sooner":
        """Return at which epoch a trial comes to a rung, once it is known how long an epoch takes."""
        return Sooner(self.epochs, self.share, self.depth, rung)

    def to_its_end(self, trial: TrialState) -> int:
        """Return the number of epochs of a trial that now trains to its end: as planned, or what the time left allows.

        The schedule then ends at this epoch, so that the learning rate falls to 0 there.
        """
        left, an_epoch = (self.left - self.start) * SPARE, trial.an_epoch
        if self.seconds is None or not an_epoch or left > FILLS * an_epoch * (trial.whole - trial.done):
            return trial.whole
        return int(min(self.epochs, trial.done + max(1, left // an_epoch)))

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs that a training of so many may stop at."""
        return halving.rungs(epochs, self.depth)

    def cost(self, trial: TrialState, rung: int) -> float:
        """Return about how many seconds it takes to bring a trial to a rung."""
        epochs = self.rungs(trial.whole)[rung] - trial.done
        an_epoch = self.estimate_seconds(trial.operations) if trial.an_epoch is None else trial.an_epoch
        return self.start + an_epoch * epochs


@dataclass(frozen=True)
class Sooner:
    """The epoch of a rung, by the seconds that an epoch takes; it can be sent to another process.

    Attributes: epochs: of a whole training, at most; share: seconds for them; depth, rung: as in `halving.rungs`.
    """

    epochs: int
    share: float
    depth: int
    rung: int

    def __call__(self, an_epoch: float) -> int:
        """Return the epoch of the rung."""
        return halving.rungs(_whole(self.epochs, self.share, an_epoch), self.depth)[self.rung]


def _whole(epochs: int, share: float, an_epoch: float) -> int:
    return int(min(epochs, max(3.0, share / max(an_epoch, 1e-9))))
