"""Sparse rows: scipy matrices, which are never made dense as a whole."""

from typing import Any

import numpy as np

from diabolo.errors import DataError, ShapeError


def is_sparse(value: Any) -> bool:
    """Whether a value is a matrix or array of scipy.sparse."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def check(X: Any, *, where: str) -> Any:
    """Return a sparse matrix as CSR of finite real numbers. Raises DataError, ShapeError."""
    if len(X.shape) != 2 or not all(X.shape):
        raise ShapeError(f"{where} expected a sparse matrix (n, features) with rows and features, got {X.shape}.")
    if X.dtype.kind not in "biuf":
        raise DataError(f"{where} expected real numbers, got {X.dtype}.")
    matrix = X.tocsr()
    if not matrix.has_canonical_format:  # a place that is named twice counts as the sum, as everywhere in SciPy
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        raise DataError(f"{where} expected finite numbers, got a sparse matrix with NaN or infinity.")
    return matrix
