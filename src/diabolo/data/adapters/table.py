"""Tables: columns of several kinds, with gaps, (n, columns) -> tensors (n, numbers) and back.

A tensor has the numbers of all columns, grouped by the kind of their loss, followed by one flag a column if there are
gaps, which is 1 if the cell is missing.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from diabolo.data.adapters.array import FARTHEST
from diabolo.data.adapters.base import Adapter, Block, Cell, Column, Mask, Tensor
from diabolo.data.adapters.features import FEATURES, LOSS_ORDER, Category, Feature, Values
from diabolo.data.adapters.rows import Rows
from diabolo.data.adapters.statistics import MOST
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.parts import from_config

HIDDEN = "masking:0.1"
GAPS_HIDDEN = "masking:0.3"  # so many that the network cannot learn single rows; fewer fill in worse


@dataclass(frozen=True, kw_only=True)
class TableAdapter(Adapter):
    """Columns -> numbers, feature by feature, and back.

    Attributes:
        features: one for each column.
        names: of the columns, for messages.
        gaps: whether cells may be missing.
    """

    features: tuple[Feature, ...]
    names: tuple[str, ...]
    gaps: bool

    kind: ClassVar[str] = "table"

    @classmethod
    def learn(cls, rows: Rows, columns: Sequence[tuple[str, str, int]] | None = None, *, gaps: bool) -> Self:
        """Return the adapter for rows (n, columns).

        Args:
            rows: NaN where a cell is missing.
            columns: name, kind and number of levels of each; None: they are numbers.
            gaps: whether cells may be missing.
        """
        if columns is None:
            columns = [(str(at), "number", 0) for at in range(rows.shape[1])]
        features = []
        for at, (name, kind, levels) in enumerate(columns):
            values = rows[:, at].astype(np.float64)
            large = np.abs(values) > MOST
            if large.any():
                raise DataError(
                    f"fit() expected numbers whose squares fit a double, got {values[large.argmax()]:.3g} in row "
                    f"{int(large.argmax())}, column {name!r}: rescale the column."
                )
            features.append(Category.learn(values, levels) if kind == "category" else FEATURES[kind].learn(values))
        return cls(features=tuple(features), names=tuple(name for name, _, _ in columns), gaps=gaps)

    def to_config(self) -> dict[str, Any]:
        """Return the adapter as JSON values."""
        return {
            "features": [each.to_config() for each in self.features],
            "names": list(self.names),
            "gaps": self.gaps,
        }

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the adapter that `to_config` described; OptionError if a key or a type is wrong."""
        if not isinstance(config, dict) or set(config) != {"features", "names", "gaps"}:
            raise OptionError("a table must have exactly the keys 'features', 'gaps' and 'names'.")
        features, names, gaps = config["features"], config["names"], config["gaps"]
        if not isinstance(features, list) or not isinstance(names, list) or type(gaps) is not bool:
            raise OptionError("a table must have lists of features and names, and gaps must be true or false.")
        if not features or len(names) != len(features) or not all(type(name) is str for name in names):
            raise OptionError(f"a table must have as many names as features, got {len(names)} and {len(features)}.")
        parts = tuple(from_config("feature", FEATURES, each) for each in features)
        return cls(features=parts, names=tuple(names), gaps=gaps)

    dtype: ClassVar[str] = "float64"
    bounded: ClassVar[bool] = False

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(columns,)."""
        return (len(self.features),)

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        """(numbers,), flags included."""
        # Summed, not counted in `owners`, which of a file with 2^50 levels would take all memory before it is refused.
        return (sum(each.width for each in self.features) + len(self.features) * self.gaps,)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The columns in the order that their numbers have in a tensor."""
        return tuple(sorted(range(len(self.features)), key=lambda at: LOSS_ORDER.index(self.features[at].loss)))

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The numbers of the columns, in the order that they have in a tensor."""
        return tuple(Block(at, self.features[at].loss, self.features[at].factors) for at in self.order)

    @property
    def is_table(self) -> bool:
        """Whether rows have columns of several kinds: always true here."""
        return True

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Name, kind and number of levels of each column."""
        return tuple(
            Column(name, each.kind, each.level_count) for name, each in zip(self.names, self.features, strict=True)
        )

    @property
    def default_corruption(self) -> str | None:
        """Of a table with gaps three tenths of the cells are hidden, from which the network learns to fill them in."""
        return GAPS_HIDDEN if self.gaps else None

    def unit(self, scaling: str) -> str:
        """Columns have no common unit but the loss of the best constant guess."""
        return "of the error of the best constant guess"

    def cell(self, column: int) -> Cell:
        """The numbers of a column, and its flag if there are gaps."""
        return Cell(self.places[column], len(self.owners) + column if self.gaps else None)

    def as_value(self, column: int, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """As the feature of the column."""
        feature = self.features[column]
        return feature.to_tensor(feature.from_tensor(numbers))

    def missing(self, tensors: np.ndarray[Any, Any]) -> Mask:
        """Where the flag is 1."""
        return np.asarray(tensors[:, len(self.owners) :] == 1) if self.gaps else super().missing(tensors)

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """The column of each number, without the flags."""
        return tuple(np.repeat(self.order, [self.features[at].width for at in self.order]).tolist())

    @cached_property
    def places(self) -> dict[int, slice]:
        """Where the numbers of each column are."""
        ends = np.cumsum([0, *(self.features[at].width for at in self.order)]).tolist()
        return {at: slice(*both) for at, both in zip(self.order, itertools.pairwise(ends), strict=True)}

    def check_shape(self, rows: Rows, *, where: str) -> None:
        """Raise ShapeError if rows have other columns than those of fit()."""
        if rows.shape[1:] != self.row_shape:
            raise ShapeError(
                f"{where} expected {self.describe()}, got rows of shape {rows.shape[1:]}."
                f"{' For one row pass row[None].' if rows.shape == self.row_shape else ''}"
            )

    def check_values(self, rows: Rows, *, where: str) -> None:
        """Raise DataError for gaps if fit() saw none."""
        if self.gaps or rows.dtype.kind != "f":
            return
        missing = np.isnan(rows).any(axis=0)
        if missing.any():
            at = int(missing.argmax())
            raise DataError(
                f"{where}: column {self.names[at]!r} has gaps, and fit() saw none in any column: fill them in, or fit "
                f"on rows that have some."
            )

    def within(self, rows: Rows) -> Rows:
        """Return checked rows, clipped to the range of values that the network can compute with."""
        near = [each.within(rows[:, at].astype(np.float64)) for at, each in enumerate(self.features)]
        return np.stack(near, axis=1)

    def adapt(
        self,
        rows: Rows,
        *,
        first_row: int | None = 0,
        numbers: Callable[[], Rows] | None = None,
        reuse: bool = False,
    ) -> Tensor:
        """Return float32 tensors (n, numbers) of rows (n, columns); arguments as in the base."""
        rows = np.asarray(rows, np.float64)
        tensors = np.empty((len(rows), *self.tensor_shape), np.float32)
        with np.errstate(all="ignore"):
            for at, place in self.places.items():
                refused = self.features[at].refused(rows[:, at])
                if refused.any():
                    row = int(refused.argmax())
                    raise DataError(
                        f"{rows[row, at]:.6g} in {_row(row, first_row, numbers)}, column {self.names[at]!r}, is not "
                        f"{self.features[at].words}: drop or correct the row."
                    )
                tensors[:, place] = self.features[at].to_tensor(rows[:, at])
        if self.gaps:
            tensors[:, len(self.owners) :] = np.isnan(rows)
        far = np.abs(tensors).max(axis=1, initial=0.0) > FARTHEST
        if far.any():
            row = int(far.argmax())
            at = self.owners[int(np.abs(tensors[row, : len(self.owners)]).argmax())]
            raise DataError(
                f"{_row(row, first_row, numbers)}, column {self.names[at]!r}: {rows[row, at]:.3g} is too far from the "
                f"rows of fit() for the network (float32): correct the value, or drop the row."
            )
        return tensors

    def restore(self, tensors: np.ndarray[Any, Any]) -> Values:
        """Return rows (n, columns), float64, of tensors (n, numbers); flags may follow, and are ignored."""
        rows = np.empty((len(tensors), len(self.features)))
        for at, place in self.places.items():
            rows[:, at] = self.features[at].from_tensor(tensors[:, place])
        return rows

    def describe(self) -> str:
        """Return the rows in words, for messages."""
        shown = ", ".join(self.names[:6]) + (", ..." if len(self.names) > 6 else "")
        return f"{len(self.names)} column{'s' * (len(self.names) != 1)} ({shown})"


def _row(row: int, first_row: int | None, numbers: Callable[[], Rows] | None) -> str:
    """Return the number of a row in words, from the arguments of `TableAdapter.adapt`."""
    if numbers is not None:
        return f"row {int(numbers()[row])}"
    return "a row" if first_row is None else f"row {first_row + row}"
