"""The search: structures, noise, optimizers and rates are tried under a budget of time or of trials.

`scheduler.py` does the work. Order: the result, the entry, the limits and rows, the final model, the folder.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from diabolo import fitting
from diabolo.autoencoder import Autoencoder, from_model
from diabolo.checks import whole
from diabolo.data import memory
from diabolo.data.opening import open_whole
from diabolo.data.sources import Source
from diabolo.errors import OptionError, ShapeError, unknown
from diabolo.model import file as modelfile
from diabolo.model.settings import AUTO, Settings, seed_of
from diabolo.network.bottlenecks import Plain, Refined
from diabolo.search import space as spaces
from diabolo.search.budget import BUDGET, duration
from diabolo.search.scheduler import By, Row, Search, Task
from diabolo.search.workers import workers
from diabolo.storage import files
from diabolo.typing import RandomState

MOST_REFINED = 64  # latents: the refined bottleneck decodes a neighbour of each for every row
SCRAPS = {
    "study.db",
    "study.db-journal",
    ".study.lock",
    ".round.lock",
    "lock",
}  # in a folder in which nothing was trained


class SearchResult(NamedTuple):
    """The result of a search.

    Attributes:
        best: fitted, with the best choice.
        trials: a row for each trial, the best first: number, error (mean loss of the validation rows, in nats), epochs,
            of (epochs of a whole training), seconds, state, and what was chosen.
        importance: for each name in the space the share of the variance in error that it explains.
        curves: for each trial, by its number, (epochs, error) wherever it stopped.
        space: what was tried.
        refined: the mean loss of the validation rows with the latents of the encoder, and with refined ones, which
            `best` has; None where it has none. After `refit` it has learned from these rows.
    """

    best: Autoencoder
    trials: list[Row]
    importance: dict[str, float]
    curves: dict[int, list[tuple[int, float]]]
    space: spaces.Space
    refined: tuple[float, float] | None = None


def search(
    X: object,
    *,
    budget: str | float | None = None,
    trials: int | None = None,
    space: Mapping[str, object] | None = None,
    latent_dim: int | str | None = None,
    epochs: int | None = None,
    run: str | Path | None = None,
    storage: str | None = None,
    refit: bool = False,
    refine: bool = True,
    random_state: RandomState = None,
    report: Callable[[list[Row]], None] | None = None,
    by: By | None = None,
    **fixed: Any,
) -> SearchResult:
    """Try structures, activations, noise, batches, optimizers and rates on rows, and return the best.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        budget: seconds, or a text such as "90s", "10m", "2h"; default 10 minutes, unless `trials` is given.
        trials: how many trials to begin; with one `random_state` two searches then give the same table.
        space: what may be chosen, in place of parts of `diabolo.search.space.DEFAULT`: {"structure": ["dense 256"],
            "rate": (0.5, 2.0)}.
        latent_dim: as for `Autoencoder`; the same for all trials, because more latents always have a lower error.
        epochs: of a whole training, at most; None: 300 under a budget of time, about half of which the best trial gets,
            otherwise 60.
        run: a folder for checkpoints and the table, in which a search continues; None: a temporary one.
        storage: a database for table, checkpoints and locks, "postgresql://..."; of another kind, which Optuna knows,
            for the table alone; None: all are in the folder.
        refit: train the best once more, on all rows.
        refine: where no bottleneck is asked for, give the best one a refined bottleneck, which improves the latents of
            the encoder: lower error, slower encoding (`diabolo.network.bottlenecks.Refined`).
        random_state: the seed.
        report: is called with the table whenever it changes.
        by: what trains the trials, see `diabolo.cluster.search`; None: processes of this machine.
        fixed: other settings of `Autoencoder`, the same for all trials.

    Raises: DataError, ShapeError, OptionError for bad input; CheckpointError for the folder of another search;
        OutputError where folder or storage cannot be used; DivergedError where no trial came to an end.
    """
    settings = fixed | {"latent_dim": latent_dim}
    seconds = check_limits(budget, trials, epochs)
    opened, seed = in_memory(X, settings), seed_of(random_state)
    with folder_of(run) as where:
        settings |= {"latent_dim": with_latents(opened, settings | {"random_state": seed}).latent_dim}
        shape = opened.rows.shape[1:]
        tried = spaces.read(space, shape, settings)
        task = Task(
            opened=opened,
            settings=settings,
            space=tried,
            first=spaces.first(tried, shape),
            default=0 if spaces.default_choice(tried, shape) is not None else None,
            seconds=seconds,
            trials=None if trials is None else whole("trials", trials, 1),
            epochs=None if epochs is None else whole("epochs", epochs, 1),
            # Under a budget of time the first rung is lower, because a whole training takes half of it.
            depth=3 if seconds is None else 4,
            folder=where,
            storage=storage,
            seed=seed,
            report=report,
            begun=time.monotonic(),
            by=by,
        )
        work = Search(task)
        with workers(task) if by is None else nullcontext():
            number = work.work()
        best = from_model(work.model(number))
        if refit:
            best.set_params(validation_fraction=0, epochs=best.best_epoch_, verbose=False).fit(opened)
        costs = None
        if refine and "bottleneck" not in {*settings, *tried}:
            best, costs = _refined(best, work)
        return SearchResult(best, work.table(), work.ledger.importance(seed), work.curves(), tried, costs)


def check_limits(budget: str | float | None, trials: int | None, epochs: int | None) -> float | None:
    """Return the seconds of a search, None where only `trials` limits it. Raises OptionError."""
    for name, value in (("trials", trials), ("epochs", epochs)):
        if value is not None:
            whole(name, value, 1)
    return None if trials is not None and budget is None else duration(BUDGET if budget is None else budget)


def in_memory(X: object, settings: Mapping[str, object], own: Sequence[str] = ("epochs", "patience")) -> Source:
    """Return the rows of a search in memory, after the check of its settings.

    Args: own: settings that the search decides itself; they are refused in `settings`.
    Raises: DataError, ShapeError, OptionError.
    """
    known = sorted({*spaces.SETTINGS} - {*own})
    for name in settings:
        if name not in known:
            raise OptionError(unknown("setting", name, known))
    if settings.get("optimizer") == AUTO:
        raise OptionError("optimizer='auto' is for fit(): name one, or leave it out.")
    checked = Settings.of(settings)
    limit, reading = memory.limit(checked.memory), checked.reading
    return open_whole(X, limit, reading=reading, what="a search, a race or a test")


def with_latents(opened: Source, given: Mapping[str, object]) -> Settings:
    """Return the settings, with latent_dim="auto" replaced by the number that is counted once for all trials.

    Args: given: settings by name, with a seed.
    """
    settings = Settings.of(given)
    if settings.latent_dim != AUTO:
        return settings
    return settings.changed(latent_dim=fitting.count_latents(opened, settings))


def _refined(best: Autoencoder, work: Search) -> tuple[Autoencoder, tuple[float, float] | None]:
    """Return the best with refined latents, and the validation loss without and with; as it is if that is no lower."""
    model = best.model_
    bottleneck = model.network.bottleneck
    if bottleneck.latent_dim > MOST_REFINED or bottleneck != Plain(latent_dim=bottleneck.latent_dim):
        return best, None
    network = replace(model.network, bottleneck=Refined(latent_dim=bottleneck.latent_dim))
    settings = {"bottleneck": Refined.kind, "bottleneck_activation": None}  # the linear one has no name
    record = replace(model.record, settings=model.record.settings | settings)
    better = replace(model, network=network, record=record)
    try:
        modelfile.check_size(network)
    except OptionError:  # its neighbours would take too much memory
        return best, None
    before, after = work.error(model), work.error(better)
    return (from_model(better), (before, after)) if after < before else (best, None)


@contextmanager
def folder_of(asked: str | Path | None, what: str = "a search") -> Iterator[Path]:
    """Give the folder of a search, made where it is missing; a temporary one where none is asked for.

    A folder that was made for a search that is then refused is removed.
    """
    if asked is None:
        with tempfile.TemporaryDirectory(prefix="diabolo-search-") as temporary:
            yield Path(temporary)
        return
    there = isinstance(asked, (str, os.PathLike)) and Path(asked).exists()
    folder = files.make_folder(asked, what)
    try:
        yield folder
    except (OptionError, ShapeError):
        if not there and {each.name for each in folder.iterdir()} <= SCRAPS:
            shutil.rmtree(folder, ignore_errors=True)
        raise
