"""A race of optimizers, each at a few learning rates: a fifth of the trainings' cost, the answer with its evidence.

Who is likely to win is known before (training/advice.py), so that only the first third begins. What these do in a third
of the epochs, the rate annealed to its end, tells better than where a whole training stands after a third, whose rate
has not come down yet. The best of them, and those that promised most, then run all epochs.

Order: what comes out, the race.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from diabolo.autoencoder import Autoencoder, seed_of
from diabolo.data.sources import Source
from diabolo.errors import CheckpointError, DivergedError, OptionError, unknown
from diabolo.fitting.automatic import advice
from diabolo.parts import plain
from diabolo.search.budget import EPOCHS
from diabolo.search.study import Row, Search, counted, folder_of, in_memory
from diabolo.storage.files import locked, make_folder, write_atomically
from diabolo.training.optimizers import check
from diabolo.training.progress import Progress

SURE = 0.4  # of the last round, who is in it by the advice alone
SHORT = 3  # times shorter is a training of the first round than a whole one
UNKNOWN = 0.3  # how far behind the best an optimizer is expected that the advice knows nothing of
DEARER = 0.1  # further behind it is for each e-fold of time that its steps take, where time is what all have alike
EQUAL = ("epochs", "time")
SECONDS_LOOKED = 2.0  # at an optimizer, to see how long its steps take
ROUNDS = (0.3, 0.1)  # of all pairs, those that run in each: 0.3 / SHORT + 0.1 = a fifth of what all would cost


class Raced(NamedTuple):
    """How a race ended.

    Attributes:
        optimizer, learning_rate: of the winner.
        rows: a row for each training, the best first: as `Found.trials`, its state "whole", "short" or "failed".
        epochs: that were trained in all; where time is what all have alike, in epochs of the fastest optimizer.
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
    times: Sequence[float] = advice.TIMES,
    epochs: int = EPOCHS,
    equal: str = "epochs",
    folder: str | Path | None = None,
    random_state: Any = None,
    report: Callable[[list[Row]], None] | None = None,
    **settings: Any,
) -> Raced:
    """Let optimizers race on rows, for a network that stays the same, and return the winner with the evidence.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        optimizers: names of `diabolo.training.OPTIMIZERS`, with settings behind a colon; None: those of the advice.
        times: learning rates, in units of the rate that suits each optimizer in general.
        epochs: of a whole training, which the best tenth gets.
        equal: what all trainings have alike: "epochs", or "time": as long as `epochs` of the fastest optimizer take.
            Steps of "muon" take three to twelve times as long as others.
        folder: where the race is kept, and goes on; None: nowhere.
        random_state: the seed; one gives one table.
        report: takes the table whenever it changes.
        settings: of the `Autoencoder`.

    Raises: as `search`.
    """
    names, times = _several("optimizers", advice.NAMES if optimizers is None else optimizers), _several("times", times)
    for name in names:
        check(name, None, "constant")
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) and 0 < each < 1e30 for each in times):
        raise OptionError(f"times must be numbers above 0, got {times!r:.60}.")
    if equal not in EQUAL:
        raise OptionError(unknown("measure that is equal for all", equal, EQUAL))
    opened = in_memory(X, settings, own=("epochs", "patience", "optimizer", "learning_rate"))
    seed = seed_of(random_state)
    settings = counted(opened, {"latent_dim": None} | settings, seed)
    ran: list[Row] = []

    def told(rows: list[Row]) -> None:
        if report is not None:
            report(_numbered(rows, ran))

    # One process at a time: who goes on to the end is known when all short trainings have ended.
    with folder_of(folder, "a race") as where, locked(where / "lock"):
        dearer = dict.fromkeys(names, 1.0)
        if equal == "time":
            dearer = _how_dear(opened, settings | {"epochs": epochs}, names, where / "seconds.json", seed)
        pairs = _by_promise(opened, settings | {"epochs": epochs}, names, times, dearer)
        first, last = (max(least, round(share * len(pairs))) for share, least in zip(ROUNDS, (3, 1), strict=True))

        def run(begun: list[Row], length: int, inside: Path) -> Search:
            space = {name: sorted({pair[name] for pair in begun}) for name in ("optimizer", "rate")}
            lengths = {name: max(1, round(length / times_as_dear)) for name, times_as_dear in dearer.items()}
            more: dict[str, Any] = {"pairs": begun, "lengths": lengths}
            work = Search(opened, settings, space, None, len(begun), length, inside, None, seed, told, **more)
            work.work()
            return work

        work = run(pairs[:first], max(1, epochs // SHORT), make_folder(where / "short", "a race"))
        ended = [row for row in work.table() if row["state"] == "whole"]
        ran = [row | {"state": "short"} if row in ended else row for row in work.table()]
        if not work.stopped:
            with suppress(KeyboardInterrupt, DivergedError):  # then what the short trainings found stands
                finalists = _finalists(pairs, ended, last)
                ran = _numbered(run(finalists, epochs, make_folder(where / "whole", "a race")).table(), ran)
    best = ran[0]
    trained = round(sum(row["epochs"] * dearer[row["optimizer"]] for row in ran))
    rate = advice.rate_of(best["optimizer"], best["rate"])
    return Raced(best["optimizer"], rate, ran, trained, epochs * len(names) * len(times))


def _finalists(pairs: Sequence[Row], ended: Sequence[Row], count: int) -> list[Row]:
    """Return who runs all epochs: most by their short trainings, some by promise alone.

    A third of few epochs favours high rates, of which the advice knows better.
    """
    sound = [{name: row[name] for name in ("optimizer", "rate")} for row in ended]
    sure = [pair for pair in pairs[: round(SURE * count)] if pair in sound]
    return (sure + [pair for pair in sound if pair not in sure])[:count]


def _several(what: str, values: Any) -> list[Any]:
    """Return values as a list. Raises OptionError where they are one, or none."""
    if isinstance(values, str) or not hasattr(values, "__iter__") or not (found := plain(list(values))):
        raise OptionError(f"{what} must be a list with something in it, got {values!r:.60}.")
    return list(found)


def _numbered(rows: list[Row], short: list[Row]) -> list[Row]:
    """Return the rows of both rounds, numbered on."""
    return [row | {"number": row["number"] + len(short)} for row in rows] + short


def _how_dear(
    opened: Source, settings: dict[str, Any], names: Sequence[str], kept: Path, seed: int
) -> dict[str, float]:
    """Return how many times as long as the fastest each optimizer takes for an epoch; `kept` has what was seen before.

    A clock never says the same twice: a race that goes on must have trainings as long as before.
    """
    try:
        seen: dict[str, float] = json.loads(kept.read_text("ascii")) if kept.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{kept} cannot be read ({error!s:.80}): delete it, or choose another folder.") from error
    for name in names:
        if name not in seen:
            seen[name] = _seconds_a_row(
                Autoencoder(**settings, optimizer=name, random_state=seed, verbose=False), opened
            )
    write_atomically(kept, lambda file: file.write(json.dumps(seen).encode("ascii")), force=True)
    # A training may be over before its speed was seen.
    fastest = min((seen[name] for name in names if seen[name]), default=math.inf)
    return {name: max(1.0, seen[name] / fastest) for name in names}


class _SeenEnough(Exception):
    """Ends a training; never leaves the race."""


def _seconds_a_row(estimator: Autoencoder, opened: Source) -> float:
    """Return how long a training takes for a row, after a look at it; 0 where it was over too soon."""
    started, found = math.inf, 0.0

    def look(progress: Progress) -> None:
        nonlocal started, found
        if not progress.rows_per_second:
            return
        started, found = min(started, time.monotonic()), 1 / progress.rows_per_second
        if time.monotonic() - started > SECONDS_LOOKED:
            raise _SeenEnough

    with suppress(_SeenEnough, DivergedError):  # at a rate that breaks it is as long as at others
        estimator.fit(opened, report=look)
    return found


def _by_promise(
    opened: Source,
    settings: dict[str, Any],
    names: Sequence[str],
    times: Sequence[float],
    dearer: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Return all pairs, the one that is expected to end best first; of equal promise the rate nearest to the usual."""
    said = Autoencoder(**settings).advise(opened)
    behind = {(each.optimizer.partition(":")[0], each.learning_rate): each.behind for each in said.answers}

    def promise(pair: dict[str, Any]) -> tuple[float, float]:
        kind = pair["optimizer"].partition(":")[0]
        nearest = min(advice.TIMES, key=lambda known: _apart(known, pair["rate"]))
        # An optimizer that the advice does not know stands in the middle of the field.
        expected = behind.get((kind, advice.rate_of(kind, nearest)), UNKNOWN)
        return expected + DEARER * math.log(dearer[pair["optimizer"]]), _apart(pair["rate"], 1.0)

    pairs = [{"optimizer": name, "rate": float(each)} for name in names for each in times]
    return sorted(pairs, key=promise)


def _apart(times: float, other: float) -> float:
    return max(times / other, other / times)
