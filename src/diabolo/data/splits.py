"""Which rows are held back: decided by the seed alone, in a stream of its own for each purpose."""

import numpy as np

from diabolo.data.adapters.rows import Rows

# Streams beside those of the epochs, which count from 0.
VALIDATION, TEST = 2**32 - 1, 2**32 - 2


def split_rows(rows: Rows, fraction: float, seed: int, stream: int) -> tuple[Rows, Rows | None]:
    """Return rows to use and rows held back (None where the fraction of these rows is less than one row).

    Args: stream: VALIDATION or TEST. Both parts keep the order that the rows had.
    """
    held = int(len(rows) * fraction)
    if held == 0:
        return rows, None
    chosen = np.zeros(len(rows), bool)
    chosen[np.random.default_rng([seed, stream]).permutation(len(rows))[:held]] = True
    return rows[~chosen], rows[chosen]
