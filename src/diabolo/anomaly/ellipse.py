"""How far a row is outside of an ellipse around most training rows: a Mahalanobis distance.

It finds broken correlations, and clusters of anomalies far outside. The ellipse is fitted to the inner 80 % of rows,
chosen again by the ellipse of the last choice (the C-steps of Rousseeuw & Van Driessen 1999); its variances are shrunk
to their mean. Of many values only the directions in which rows vary most have a variance of their own.

Order: fitting, distances, the directions.
"""

import numpy as np

from diabolo.model.detection import Ellipse, Floats

INNER, STEPS = 0.8, 3  # the share of rows that the ellipse is fitted to, and how often these are chosen again
FOLDS = 5  # of rows whose distance is that from an ellipse of the others
AXES = 64  # all other directions share one variance
ROUNDS = 4  # of subspace iteration
LEAST_VARIANCE = 1e-9


def fit(rows: Floats, random: np.random.Generator) -> Ellipse:
    """Return the ellipse of rows (n, values)."""
    axes = _axes(rows, random)
    ellipse = _around(rows, axes)
    for _ in range(STEPS):
        far = distances(ellipse, rows)
        ellipse = _around(rows[far <= np.quantile(far, INNER)], axes)
    return ellipse


def _around(rows: Floats, axes: Floats) -> Ellipse:
    """Return the ellipse of all rows. Source of the shrinkage: Ledoit & Wolf 2004."""
    count, width = rows.shape
    center = rows.mean(axis=0)
    away = rows - center
    inside = away @ axes
    variances, turn = np.linalg.eigh(inside.T @ inside / count)
    variances = np.maximum(variances, 0.0)
    lengths = np.square(away).sum(axis=1)
    mean, others = lengths.mean() / width, width - len(variances)
    rest = max(mean * width - variances.sum(), 0.0) / max(others, 1)
    squares = np.square(variances).sum() + others * rest**2
    noise = max(np.square(lengths).mean() - squares, 0.0) / count
    shrink = min(1.0, noise / max(squares - mean**2 * width, 1e-12))
    shrunk = (1 - shrink) * np.append(variances, rest) + shrink * mean + LEAST_VARIANCE
    return Ellipse(center, axes @ turn, shrunk)


def distances(ellipse: Ellipse, rows: Floats) -> Floats:
    """Return the logarithm of the Mahalanobis distance of each row, (n,)."""
    away = rows - ellipse.center
    inside = np.square(away @ ellipse.axes)
    far = inside @ (1 / ellipse.variances[:-1])
    if ellipse.axes.shape[1] < rows.shape[1]:
        far += np.maximum(np.square(away).sum(axis=1) - inside.sum(axis=1), 0) / ellipse.variances[-1]
    return np.asarray(0.5 * np.log(far + LEAST_VARIANCE))


def distances_from_others(rows: Floats, random: np.random.Generator) -> Floats:
    """Return the log distance of each row from an ellipse of other rows, (n,): those of the other folds."""
    found = np.empty(len(rows))
    for fold in range(min(FOLDS, len(rows))):
        held = np.arange(len(rows)) % FOLDS == fold
        found[held] = distances(fit(rows[~held], random), rows[held])
    return found


def _axes(rows: Floats, random: np.random.Generator) -> Floats:
    """Return the directions in which rows vary most, (values, k): all of them up to AXES values."""
    width = rows.shape[1]
    if width <= AXES:
        return np.eye(width)
    away = rows - rows.mean(axis=0)
    axes = random.standard_normal((width, AXES))
    for _ in range(ROUNDS):
        axes, _ = np.linalg.qr(away.T @ (away @ axes))
    return axes
