"""A race of optimizers: each at a few learning rates, most of them stopped early.

The same machine as a search, on a space of two names, of which every pair begins before any goes on. Order: what comes
out, the race.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from diabolo.autoencoder import seed_of
from diabolo.errors import OptionError, unknown
from diabolo.search.study import EPOCHS, Row, Search, folder_of, in_memory
from diabolo.training.optimizers import OPTIMIZERS

TIMES = (0.1, 0.3, 1.0, 3.0, 10.0)  # what suits an optimizer in general
DEPTH = 4  # rungs: of 50 pairs 16, 5 and 1 go on, for a fifth of what all would cost


class Raced(NamedTuple):
    """How a race ended.

    Attributes:
        optimizer, learning_rate: of the winner.
        rows: a row for each pair, the best first: as `Found.trials`.
        epochs: that were trained in all.
        epochs_of_all: that all pairs would have taken to their end.
    """

    optimizer: str
    learning_rate: float
    rows: list[Row]
    epochs: int
    epochs_of_all: int


def race(
    X: Any,
    *,
    optimizers: Sequence[str] | None = None,
    times: Sequence[float] = TIMES,
    epochs: int = EPOCHS,
    folder: str | Path | None = None,
    random_state: Any = None,
    report: Callable[[list[Row]], None] | None = None,
    **settings: Any,
) -> Raced:
    """Let optimizers race on rows, for a network that stays the same, and return the winner with the evidence.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        optimizers: names of `diabolo.training.OPTIMIZERS`, with settings behind a colon; None: all.
        times: learning rates, in units of the rate that suits each optimizer in general.
        epochs: of a whole training, which the winner gets.
        folder: where the race is kept, and goes on; None: nowhere.
        random_state: the seed; one gives one table.
        report: takes the table whenever it changes.
        settings: of the `Autoencoder`.

    Raises: as `search`.
    """
    names = list(OPTIMIZERS) if optimizers is None else list(optimizers)
    for name in names:
        if not isinstance(name, str) or name.partition(":")[0] not in OPTIMIZERS:
            raise OptionError(unknown("optimizer", name, OPTIMIZERS))
    if not names or not times or not all(isinstance(each, (int, float)) and each > 0 for each in times):
        raise OptionError(f"a race needs optimizers and times above 0, got {names!r:.60} and {times!r:.60}.")
    pairs = [{"optimizer": name, "rate": float(each)} for each in sorted(times, key=_nearest) for name in names]
    space: dict[str, Any] = {"optimizer": names, "rate": sorted({float(each) for each in times})}
    with folder_of(folder) as where:
        work = Search(
            in_memory(X, settings),
            {"latent_dim": None} | settings,
            space,
            None,
            len(pairs),
            epochs,
            where,
            None,
            seed_of(random_state),
            report,
            pairs=pairs,
            depth=DEPTH,
        )
        work.work()
        rows = work.table()
    best = rows[0]
    rate = best["rate"] * OPTIMIZERS[best["optimizer"].partition(":")[0]].learning_rate
    trained = sum(row["epochs"] for row in rows)
    return Raced(best["optimizer"], float(f"{rate:.3g}"), rows, trained, epochs * len(pairs))


def _nearest(times: float) -> float:
    """Return how far a rate is from what suits in general: such begin first."""
    return max(times, 1 / times)
