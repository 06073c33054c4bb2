"""A race of optimizers, each at a few learning rates, for a fifth of the cost of training all of them to their end.

The advice (fitting/automatic/advice.py) predicts which are likely to win, so that only the best third of them begin.
Each is trained for a third of the epochs with a complete schedule of the learning rate, which predicts its final loss
better than a whole training after a third of its epochs, whose rate is still high. The best of these, and those that
the advice ranks first, then train for all epochs.

Order: the result, the race, the ranking.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from diabolo import fitting
from diabolo.data.sources import Source
from diabolo.errors import CheckpointError, DivergedError, OptionError, unknown
from diabolo.fitting.automatic import advice
from diabolo.model.model import Model
from diabolo.model.settings import Settings, seed_of
from diabolo.network.optimizers import check
from diabolo.parts import plain
from diabolo.search.budget import EPOCHS
from diabolo.search.scheduler import By, Row, Search, Task
from diabolo.search.study import folder_of, in_memory, with_latents
from diabolo.storage.files import locked, make_folder, write_atomically
from diabolo.training.progress import Progress
from diabolo.typing import RandomState

BY_ADVICE = 0.4  # fraction of the last round that is chosen by the advice alone
SHORT_DIVISOR = 3  # a training of the first round has a third of the epochs
UNKNOWN = 0.3  # the expected loss above the best, as a fraction, of an optimizer that the advice does not know
PER_E_FOLD = 0.1  # added to it for each factor of e in seconds per step, where all have the same time
EQUAL = ("epochs", "time")
SECONDS_MEASURED = 2.0  # for which an optimizer is trained, to see how long its steps take
ROUNDS = (0.3, 0.1)  # fraction of all pairs in each round: 0.3 / SHORT_DIVISOR + 0.1 = a fifth of the cost of all


class RaceResult(NamedTuple):
    """The result of a race.

    Attributes:
        optimizer, learning_rate: of the winner.
        trials: a row for each trial, the best first: as `SearchResult.trials`, its state "whole", "short" or "failed".
        epochs: how many were trained in all; with equal="time", converted to epochs of the fastest optimizer.
        epochs_of_all: how many it would have taken to train every pair to its end.
        evaluation: the network of the winner compared with PCA and the best constant.
    """

    optimizer: str
    learning_rate: float
    trials: list[Row]
    epochs: int
    epochs_of_all: int
    evaluation: fitting.Evaluation


def race(
    X: object,
    *,
    optimizers: Sequence[str] | None = None,
    times: Sequence[float] = advice.RATE_FACTORS,
    epochs: int = EPOCHS,
    equal: str = "epochs",
    run: str | Path | None = None,
    random_state: RandomState = None,
    report: Callable[[list[Row]], None] | None = None,
    by: By | None = None,
    **settings: Any,
) -> RaceResult:
    """Let optimizers race on rows, for a network that stays the same, and return the winner with the evidence.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        optimizers: names of `diabolo.training.OPTIMIZERS`, with settings after a colon; None: those of the advice.
        times: learning rates, in units of the rate that suits each optimizer in general.
        epochs: of a whole training, which the best tenth gets.
        equal: what all trials have in common: "epochs", or "time": as long as `epochs` of the fastest optimizer take.
            Steps of "muon" take three to twelve times as long as others.
        run: a folder in which the race is kept, and continues; None: nowhere.
        random_state: the seed; the same seed gives the same table.
        report: is called with the table whenever it changes.
        by: what trains, see `diabolo.cluster.race`; None: this process.
        settings: of the `Autoencoder`.

    Raises: as `search`.
    """
    names, times = _checked(advice.NAMES if optimizers is None else optimizers, times)
    if equal not in EQUAL:
        raise OptionError(unknown("value of equal (--equal)", equal, EQUAL))
    opened = in_memory(X, settings, own=("epochs", "patience", "optimizer", "learning_rate"))
    seed = seed_of(random_state)
    asked = with_latents(opened, settings | {"random_state": seed}).changed(epochs=epochs)
    settings = {"latent_dim": None} | settings | {"latent_dim": asked.latent_dim}
    earlier: list[Row] = []

    def show(rows: list[Row]) -> None:
        if report is not None:
            report(_numbered(rows, earlier))

    # One process at a time: the finalists are known when all short trainings have ended.
    with folder_of(run, "a race") as where, locked(where / "lock"):
        slower = dict.fromkeys(names, 1.0)
        if equal == "time":
            slower = _how_slow(opened, asked, names, where / "seconds.json")
        pairs = _by_advice(opened, asked, names, times, slower)
        first, last = (max(least, round(share * len(pairs))) for share, least in zip(ROUNDS, (3, 1), strict=True))

        task = Task(opened=opened, settings=settings, space={}, depth=1, folder=where, seed=seed, report=show, by=by)
        work = _run(
            task, pairs[:first], max(1, epochs // SHORT_DIVISOR), slower, make_folder(where / "short", "a race")
        )
        ended = [row for row in work.table() if row["state"] == "whole"]
        trials = [row | {"state": "short"} if row in ended else row for row in work.table()]
        if not work.stopped:
            earlier += trials
            with suppress(KeyboardInterrupt, DivergedError):  # then the result of the short trainings stands
                finalists = _finalists(pairs, ended, last)
                work = _run(task, finalists, epochs, slower, make_folder(where / "whole", "a race"))
                trials = _numbered(work.table(), trials)
        evaluation = _evaluation(work.model(work.table()[0]["number"]), opened, asked)
    best = trials[0]
    trained = round(sum(row["epochs"] * slower[row["optimizer"]] for row in trials))
    rate = advice.rate_of(best["optimizer"], best["rate"])
    return RaceResult(best["optimizer"], rate, trials, trained, epochs * len(names) * len(times), evaluation)


def _evaluation(model: Model, opened: Source, asked: Settings) -> fitting.Evaluation:
    """Return how good a model is on the validation rows."""
    sample = fitting.prepare(opened, asked).sample
    assert sample is not None  # the rows of a race are in memory
    return fitting.evaluate(model, sample)


def _checked(optimizers: object, times: object) -> tuple[list[str], list[float]]:
    """Return the optimizers and the factors of their rates as lists. Raises OptionError."""
    names, factors = _several("optimizers", optimizers), _several("times", times)
    for name in names:
        check(name, None, "constant")
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) and 0 < each < 1e30 for each in factors):
        raise OptionError(f"times must be numbers above 0, got {factors!r:.60}.")
    return names, factors


def _run(task: Task, pairs: Sequence[Row], epochs: int, slower: Mapping[str, float], folder: Path) -> Search:
    """Train pairs to their end, with fewer epochs for slower optimizers, and return the search that did."""
    work = Search(
        replace(
            task,
            space={name: sorted({pair[name] for pair in pairs}) for name in ("optimizer", "rate")},
            first=pairs,
            trials=len(pairs),
            epochs=epochs,
            lengths={name: max(1, round(epochs / factor)) for name, factor in slower.items()},
            folder=folder,
        )
    )
    work.work()
    return work


def _finalists(pairs: Sequence[Row], ended: Sequence[Row], count: int) -> list[Row]:
    """Return the pairs that train for all epochs: most by their short trainings, some by the advice alone.

    A third of few epochs favours high rates; the advice knows what the end favours.
    """
    complete = [{name: row[name] for name in ("optimizer", "rate")} for row in ended]
    sure = [pair for pair in pairs[: round(BY_ADVICE * count)] if pair in complete]
    return (sure + [pair for pair in complete if pair not in sure])[:count]


def _several(what: str, values: object) -> list[Any]:
    """Return values as a list. Raises OptionError where they are one, or none."""
    if isinstance(values, str) or not hasattr(values, "__iter__") or not (found := plain(list(values))):
        raise OptionError(f"{what} must be a list with something in it, got {values!r:.60}.")
    return list(found)


def _numbered(rows: list[Row], earlier: list[Row]) -> list[Row]:
    """Return the rows of both rounds, numbered consecutively."""
    return [row | {"number": row["number"] + len(earlier)} for row in rows] + earlier


def _how_slow(opened: Source, asked: Settings, names: Sequence[str], kept: Path) -> dict[str, float]:
    """Return how many times as long as the fastest optimizer each takes for an epoch.

    Args: kept: a file with what was measured before. A clock never says the same twice, but a race that continues must
        have trainings as long as before.
    """
    try:
        seen: dict[str, float] = json.loads(kept.read_text("ascii")) if kept.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{kept} cannot be read ({error!s:.80}): delete it, or choose another folder.") from error
    for name in names:
        if name not in seen:
            seen[name] = _seconds_a_row(opened, asked.changed(optimizer=name, learning_rate=None))
    write_atomically(kept, lambda file: file.write(json.dumps(seen).encode("ascii")), force=True)
    # A training may end before its speed was measured.
    fastest = min((seen[name] for name in names if seen[name]), default=math.inf)
    return {name: max(1.0, seen[name] / fastest) for name in names}


class _SeenEnough(Exception):
    """Ends a training; never leaves the race."""


def _seconds_a_row(opened: Source, settings: Settings) -> float:
    """Return how long a training takes for one row, measured for some seconds; 0 where it ended too soon."""
    started, found = math.inf, 0.0

    def measure(progress: Progress) -> None:
        nonlocal started, found
        if not progress.rows_per_second:
            return
        started, found = min(started, time.monotonic()), 1 / progress.rows_per_second
        if time.monotonic() - started > SECONDS_MEASURED:
            raise _SeenEnough

    with suppress(_SeenEnough, DivergedError):  # at a rate that diverges a step takes as long as at others
        fitting.fit(fitting.prepare(opened, settings), settings, report=measure, completes=False)
    return found


def _by_advice(
    opened: Source, asked: Settings, names: Sequence[str], times: Sequence[float], slower: Mapping[str, float]
) -> list[Row]:
    """Return all pairs, the lowest expected loss first; of equal ones first the rate nearest to the usual one."""
    said = fitting.advise_on(opened, asked)
    above = {(each.optimizer.partition(":")[0], each.learning_rate): each.excess for each in said.answers}

    def expected(pair: Row) -> tuple[float, float]:
        kind = pair["optimizer"].partition(":")[0]
        nearest = min(advice.RATE_FACTORS, key=lambda known: _apart(known, pair["rate"]))
        loss = above.get((kind, advice.rate_of(kind, nearest)), UNKNOWN)
        return loss + PER_E_FOLD * math.log(slower[pair["optimizer"]]), _apart(pair["rate"], 1.0)

    pairs = [{"optimizer": name, "rate": float(each)} for name in names for each in times]
    return sorted(pairs, key=expected)


def _apart(times: float, other: float) -> float:
    return max(times / other, other / times)
