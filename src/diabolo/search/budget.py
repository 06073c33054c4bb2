"""What time allows: how long trainings may be, what they will cost, and what was measured of that so far."""

import math
import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from diabolo.errors import OptionError
from diabolo.search import halving

BUDGET = "10m"
EPOCHS = 60  # of a whole training,
EPOCHS_IN_TIME = 300  # or at most so many where the time bounds it
SHARE = 0.45  # of a budget of time that one whole training may take: what is tried before is stopped early
FEWEST = 9  # epochs that must go into that share: what is slower can hardly win
FILLS = 1.6  # a training that would take more than the time left over so much takes all of it: none would come after it
SPARE = 0.96  # of the time left, that is planned with
SECONDS_TO_START = 3.0  # a training: its network, its program; before anything was measured
OPERATIONS_A_SECOND = 2e10  # before anything was measured
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(budget: str | float) -> float:
    """Return the seconds of 90, "90s", "10m" or "1.5h". Raises OptionError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", budget) if isinstance(budget, str) else None
    seconds = float(found[1]) * UNITS[found[2] or "s"] if found else budget
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise OptionError(f"budget must be a time such as 90s, 10m or 2h, got {budget!r:.40}.")
    return float(seconds)


class Budget:
    """The time of a search, from now on.

    Trainings are told by what the search wrote down of each: "epochs" of its whole, "done", "operations" of an epoch
    in millions, and "an_epoch", the seconds that one took, as soon as that was measured.

    Args:
        seconds: of the whole search; None: no end.
        epochs: of a whole training, at most; None: what suits the kind of budget.
        depth: rungs that a training may stop at.
    """

    def __init__(self, seconds: float | None, epochs: int | None, depth: int) -> None:
        self.seconds, self.depth = seconds, depth
        self.epochs = epochs if epochs is not None else EPOCHS if seconds is None else EPOCHS_IN_TIME
        self._started = time.monotonic()
        self._speeds: list[float] = []  # seconds a million operations took,
        self._starts: list[float] = []  # and everything but the epochs of a training

    def measured(self, operations: float, an_epoch: float, ran: int, taken: float) -> None:
        """Learn from a training that ran so many epochs in `taken` seconds."""
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

    def an_epoch(self, about: Mapping[str, Any]) -> float:
        """Return the seconds that an epoch of a training takes, or is thought to take."""
        speed = float(np.median(self._speeds)) if self._speeds else 1e6 / OPERATIONS_A_SECOND
        return float(about.get("an_epoch", about["operations"] * speed))

    def whole_training(self, an_epoch: float) -> int:
        """Return how many epochs of so many seconds a whole training has: all, or what its share of the time allows."""
        return int(min(self.epochs, max(3.0, self.share / max(an_epoch, 1e-9))))

    def to_its_end(self, about: Mapping[str, Any]) -> int:
        """Return how many epochs a training has that goes to its end now: its own, or what the time left allows.

        The learning rate comes down to the end that is set here, wherever it was before.
        """
        epochs, done, an_epoch = (about.get(name, 0) for name in ("epochs", "done", "an_epoch"))
        left = (self.left - self.start) * SPARE
        if self.seconds is None or not an_epoch or left > FILLS * an_epoch * (epochs - done):
            return int(epochs)
        return int(min(self.epochs, done + max(1, left // an_epoch)))

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs that a training of so many may stop at."""
        return halving.rungs(epochs, self.depth)

    def cost(self, about: Mapping[str, Any], rung: int) -> float:
        """Return about how many seconds it takes to bring a training to a rung."""
        epochs: int = self.rungs(about["epochs"])[rung] - about.get("done", 0)
        return self.start + self.an_epoch(about) * epochs
