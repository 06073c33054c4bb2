"""Between rows as the user holds them and the float tensors of a network. One file for each kind.

Everything that an adapter learnt is saved with the model, so that `decode` returns rows as they came.
"""

from diabolo.data.adapters.array import ArrayAdapter
from diabolo.data.adapters.base import Adapter
from diabolo.data.adapters.image import ImageAdapter
from diabolo.data.adapters.rows import Rows, as_rows, check_finite, check_rows
from diabolo.data.adapters.series import SeriesAdapter
from diabolo.data.adapters.statistics import Statistics
from diabolo.data.adapters.table import TableAdapter

__all__ = [
    "ADAPTERS",
    "Adapter",
    "ArrayAdapter",
    "ImageAdapter",
    "Rows",
    "SeriesAdapter",
    "Statistics",
    "TableAdapter",
    "as_rows",
    "check_finite",
    "check_rows",
    "learn",
]

# The adapters that consist of an offset and a scale.
ADAPTERS: dict[str, type[ArrayAdapter]] = {"array": ArrayAdapter, "image": ImageAdapter, "series": SeriesAdapter}


def learn(statistics: Statistics, *, scaling: str, widest: float = 1.0) -> ArrayAdapter:
    """Return the adapter for rows of these statistics: (features,) for an array, (h, w) or (h, w, c) for images."""
    adapter = ArrayAdapter if len(statistics.row_shape) == 1 else ImageAdapter
    return adapter.learn(statistics, scaling=scaling, widest=widest)
