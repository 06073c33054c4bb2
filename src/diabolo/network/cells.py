"""Cells of a table: the numbers of a tensor that stand for one column hang together."""

from typing import Any, NamedTuple


class Cells(NamedTuple):
    """How the numbers of a table hang together: what hides or swaps one number of a cell does so with all of them.

    Attributes:
        owners: the column of each number, flags left out.
        flags: how many flags follow, one a column, that say that a cell is missing; or 0.
        smooth: how many numbers at the front are neither counts nor zeros and ones.
    """

    owners: Any
    flags: int
    smooth: int

    @property
    def columns(self) -> int:
        """How many there are."""
        return int(max(self.owners)) + 1

    def spread(self, drawn: Any) -> Any:
        """Return for every number, flags included, what was drawn for its column: (batch, columns) -> (batch, ...)."""
        from keras import ops

        numbers = ops.take(drawn, self.owners, axis=1)
        return ops.concatenate([numbers, drawn], axis=1) if self.flags else numbers
