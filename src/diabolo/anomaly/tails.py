"""Shares of training rows: how rare a value is among them, how rare several are together, and a probability from that.

A share p is held as its height -log p. Several views of a row are joined by the weighted harmonic mean of their shares
(Wilson 2019, The harmonic mean p-value): a row is an anomaly if any of them says so.

Order: tails, joining, the probability.
"""

from functools import lru_cache

import numpy as np

from diabolo.model.detection import Floats, Tails

KNOTS, TAIL = 65, 0.1  # above the highest tenth of the training rows, the share falls exponentially
TINY = 1e-6
WEIGHTS = (0.5, 0.25, 0.25)  # of what is near, the forest and the ellipse: half for each of near rows and all rows
# Of the odds that a row is normal; with 1, what the largest scores state is too bold for rows whose normal part has
# long tails.
POWER = 0.8


def of_values(several: list[Floats]) -> Tails:
    """Return the tails of several values of training rows, (n,) each."""
    knots, heights, slopes = zip(*map(_tail, several), strict=True)
    return Tails(np.stack(knots), np.stack(heights), np.array(slopes))


def _tail(values: Floats) -> tuple[Floats, Floats, float]:
    """Return knots, heights and the slope above the last knot."""
    levels = np.linspace(0, 1 - TAIL, KNOTS)
    knots = np.quantile(values, levels)
    # A value that many rows have stands at several knots: it gets their mean height.
    _, which, counts = np.unique(knots, return_inverse=True, return_counts=True)
    heights = (np.bincount(which, -np.log1p(-levels)) / counts)[which]
    beyond = values[values >= knots[-1]] - knots[-1]
    return knots, heights, 1 / (beyond.mean() + TINY)


def height(tails: Tails, which: int, values: Floats) -> Floats:
    """Return -log of the share of training rows with at least these values, (n,). Args: which: of the tails."""
    knots = tails.knots[which]
    known = np.interp(values, knots, tails.heights[which])
    return np.asarray(known + tails.slopes[which] * np.maximum(values - knots[-1], 0))


def joined(tails: Tails, views: list[Floats]) -> Floats:
    """Return the score of rows from the values of their views: -log of the harmonic mean of their shares, (n,)."""
    heights = np.stack([height(tails, which, values) for which, values in enumerate(views)])
    highest = heights.max(axis=0)
    return np.asarray(highest + np.log(np.array(WEIGHTS) @ np.exp(heights - highest)))


def probability(tails: Tails, scores: Floats, contamination: float) -> Floats:
    """Return the probability that rows with these scores are anomalies, 1 / (1 + (k p)**POWER), (n,).

    p is the share of training rows with at least this score. k is such that the mean over p from 0 to 1 is
    `contamination`.
    """
    return _logistic(height(tails, len(WEIGHTS), scores) - level(contamination))


@lru_cache
def level(contamination: float) -> float:
    """Return the height at which the probability is a half."""
    # Heights of training rows have the density exp(-height).
    heights = np.arange(0.005, 60, 0.01)
    shares = np.exp(-heights) / np.exp(-heights).sum()
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if shares @ _logistic(heights - middle) > contamination else (low, middle)
    return middle


def _logistic(away: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(np.minimum(-POWER * away, 700))))
