"""Principal component analysis in NumPy: of scikit-learn's, the import alone takes longer than most fits."""

from typing import Any

import numpy as np

MOST_FEATURES = 1_000  # up to which their covariance is decomposed; above that, by random projections
WIDE = 256  # features from which sums are in float32

Floats = np.ndarray[Any, np.dtype[np.float64]]


def components_of(centered: np.ndarray[Any, Any], count: int) -> tuple[Floats, Floats]:
    """Return the first principal components of centered rows, (count, features), and the variance along each."""
    rows, features = centered.shape
    if features <= MOST_FEATURES:
        summed: np.ndarray[Any, Any] = centered.astype(np.float32 if features > WIDE else np.float64)
        variances, vectors = np.linalg.eigh((summed.T @ summed).astype(np.float64) / rows)
        largest = slice(None, -count - 1, -1)
        return vectors.T[largest], np.maximum(variances[largest], 0)
    from sklearn.utils.extmath import randomized_svd

    _, lengths, components = randomized_svd(centered, count, random_state=0)
    return components, np.square(lengths) / rows


def through_pca(known: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], count: int) -> Floats:
    """Return rows as PCA of `known`, (n, features), with so many components reconstructs them."""
    mean = known.mean(axis=0, dtype=np.float64)
    components, _ = components_of(known - mean, count)
    found: Floats = (rows - mean) @ components.T @ components + mean
    return found
