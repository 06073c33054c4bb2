"""Cells of a table: which numbers of a tensor represent one column."""

from typing import NamedTuple

from diabolo.network.tensors import Array, Tensor


class Cells(NamedTuple):
    """Which numbers of a row represent one column: a corruption hides or swaps all numbers of a cell together.

    Attributes:
        owners: the column of each number, without the flags.
        flags: how many flags follow, one a column, that mark missing cells; or 0.
        smooth: how many numbers at the start are neither counts nor zeros and ones.
    """

    owners: Array
    flags: int
    smooth: int

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return int(max(self.owners)) + 1

    def spread(self, drawn: Tensor) -> Tensor:
        """Return for every number, flags included, the value of its column: (batch, columns) -> (batch, ...)."""
        from keras import ops

        numbers = ops.take(drawn, self.owners, axis=1)
        return ops.concatenate([numbers, drawn], axis=1) if self.flags else numbers
