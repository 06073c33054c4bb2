"""Between rows as the user holds them and the float tensors of a network. One file a kind; `ADAPTERS` is the table.

Everything an adapter learnt is saved with the model, so that `decode` gives rows back as they came.
"""

from diabolo.data.adapters.array import ArrayAdapter
from diabolo.data.adapters.image import ImageAdapter
from diabolo.data.adapters.rows import Rows, as_rows, check_finite, check_rows

__all__ = ["ADAPTERS", "ArrayAdapter", "ImageAdapter", "Rows", "as_rows", "check_finite", "check_rows", "learn"]

ADAPTERS: dict[str, type[ArrayAdapter]] = {"array": ArrayAdapter, "image": ImageAdapter}


def learn(rows: Rows, *, standardise: bool, widest: float = 1.0) -> ArrayAdapter:
    """Return the adapter for these rows: (n, features) are an array, (n, h, w) and (n, h, w, channels) are images."""
    return (ArrayAdapter if rows.ndim == 2 else ImageAdapter).learn(rows, standardise=standardise, widest=widest)
