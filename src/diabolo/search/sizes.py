"""The error against the number of latents: a network for each size, compared with PCA, and the knee of the curve.

Order: the result, the measurement, the knee.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from diabolo import fitting
from diabolo.checks import is_whole
from diabolo.data.splits import VALIDATION, held_back
from diabolo.errors import OptionError
from diabolo.model.settings import Settings, seed_of
from diabolo.parts import plain
from diabolo.report.summary import summarise
from diabolo.search.study import in_memory
from diabolo.typing import RandomState

MAX_LATENTS = 64  # latents of the largest network, where no sizes are given
SHARE = 0.1  # of the rows, held back for the evaluation


class Point(NamedTuple):
    """A size, and the mean squared errors per feature of rows that were not used for training, in `unit`."""

    latents: int
    error: float
    pca_error: float


class Sizes(NamedTuple):
    """The error against the number of latents.

    Attributes:
        points: one for each size, the smallest first.
        front: the sizes whose error is lower than that of every smaller size.
        knee: the size after which more latents gain little.
        mean_row_error: the error of the mean row, which needs 0 latents.
        unit: of the errors.
    """

    points: list[Point]
    front: list[int]
    knee: int
    mean_row_error: float
    unit: str


def error_by_size(
    X: object,
    sizes: Sequence[int] | None = None,
    *,
    random_state: RandomState = None,
    report: Callable[[Point], None] | None = None,
    **settings: Any,
) -> Sizes:
    """Train a network for each size and return the error of its reconstructions.

    Args:
        X: rows as for `Autoencoder.fit`, in memory.
        sizes: of the latent; None: powers of two below the number of features, up to 64.
        random_state: the seed.
        report: is called with each point as soon as it is known.
        settings: of the `Autoencoder`.

    Raises: DataError, ShapeError, OptionError for bad input; DivergedError.
    """
    if "latent_dim" in settings:
        raise OptionError("error_by_size tries several latent_dim: give `sizes` in place of it.")
    seed = seed_of(random_state)
    opened = in_memory(X, settings, own=())
    features = math.prod(opened.rows.shape[1:])
    if sizes is not None and not hasattr(sizes, "__iter__"):
        raise OptionError(f"sizes must be a list of whole numbers of at least 1, got {sizes!r:.60}.")
    sizes = plain(list(sizes)) if sizes is not None else None
    if sizes is None:
        sizes = [1 << at for at in range(int(math.log2(MAX_LATENTS)) + 1) if 1 << at < max(features, 2)]
    if not sizes or not all(is_whole(size, 1) for size in sizes):
        raise OptionError(f"sizes must be whole numbers of at least 1, got {list(sizes)!r:.60}.")
    held = held_back(len(opened.rows), SHARE, seed + 1, VALIDATION)
    every = np.arange(len(opened.rows))
    training = every if held is None else np.flatnonzero(~held)
    evaluation = every if held is None else np.flatnonzero(held)
    train, test = opened._replace(rows=opened.rows[training], test=None), opened.rows[evaluation]
    points = []
    asked = Settings(**settings, random_state=seed)
    for size in (min(sizes), max(sizes)):  # what cannot be trained is said before anything is trained
        fitting.prepare(train, asked.changed(latent_dim=size))
    for size in sorted({*sizes}):
        plan = fitting.plan(train, asked.changed(latent_dim=size))
        model = fitting.fit(plan.prepared, plan.settings).model
        summary = summarise(model, train.rows, test, evaluated_on="test", test_rows=len(test), seconds=0.0)
        points.append(Point(size, summary.error, summary.pca_error))
        if report is not None:
            report(points[-1])
    front = [each.latents for at, each in enumerate(points) if all(each.error < other.error for other in points[:at])]
    curve = [(0, summary.mean_row_error), *((each.latents, each.error) for each in points)]
    return Sizes(points, front, knee(curve), summary.mean_row_error, summary.unit)


def knee(curve: Sequence[tuple[int, float]]) -> int:
    """Return the size at which a falling curve bends most: where it is furthest below the line between its ends.

    Sizes count by their logarithm, errors by theirs: half the error is as much gained at the end as at the start.
    """
    sizes, errors = (np.array(each, float) for each in zip(*curve, strict=True))
    across = np.log2(1 + sizes)
    down = np.log(np.maximum(np.minimum.accumulate(errors), 1e-12))
    across, down = ((each - each[0]) / ((each[-1] - each[0]) or 1.0) for each in (across, down))
    gained = down - across  # above 0: more was gained than a straight fall would have
    return int(sizes[1:][int(np.argmax(gained[1:]))])
