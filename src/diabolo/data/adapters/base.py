"""The base of all adapters. Other modules ask an adapter for facts about its rows, and never for its class."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from diabolo.data.adapters.rows import Rows
from diabolo.parts import Numbers, Shape

Tensor: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


class Column(NamedTuple):
    """A column of a table. Attributes: name, kind; levels: how many, of a category; else 0."""

    name: str
    kind: str
    levels: int


class Block(NamedTuple):
    """The numbers of one column of a table in a tensor.

    Attributes:
        column: which column, counted from 0.
        loss: the kind of loss that compares them, see `diabolo.network.losses.for_table`.
        factors: the weight of each number in the loss.
    """

    column: int
    loss: str
    factors: Numbers


class Cell(NamedTuple):
    """Where the numbers of one column are in a row of tensors, flattened, and where its flag is; None: no flag."""

    numbers: slice
    flag: int | None


class Scaling(NamedTuple):
    """tensor = (row - offset) / divisor, feature by feature."""

    offset: Vector
    divisor: Vector


class Adapter(ABC):
    """Between rows as the user holds them, (n, *row_shape), and the tensors of a network, (n, *tensor_shape).

    Attributes:
        kind: its name in the model file.
        row_shape: axes of one row as the user holds it.
        dtype: the type of the rows in fit().
        bounded: whether tensors lie in [0, 1], and fit() saw no rows outside.
        gaps: whether values may be missing (NaN).
    """

    kind: ClassVar[str]

    if TYPE_CHECKING:  # fields in some adapters; a dataclass would take a property for the default of its field

        @property
        def row_shape(self) -> Shape: ...  # noqa: D102
        @property
        def dtype(self) -> str: ...  # noqa: D102
        @property
        def bounded(self) -> bool: ...  # noqa: D102
        @property
        def gaps(self) -> bool: ...  # noqa: D102

    @property
    @abstractmethod
    def tensor_shape(self) -> Shape:
        """Axes of one row as the network takes it."""

    # Facts about the kind of rows.

    @property
    def columns(self) -> Sequence[Column]:
        """The columns of a table; empty for other rows."""
        return ()

    @property
    def is_table(self) -> bool:
        """Whether rows have columns of several kinds, or cells that may be missing."""
        return bool(self.columns)

    @property
    def blocks(self) -> Sequence[Block]:
        """The numbers of the columns of a table in the order that they have in a tensor; empty for other rows."""
        return ()

    @property
    def gives_bytes(self) -> bool:
        """Whether `restore` returns bytes."""
        return False

    @property
    def scaling_of_bytes(self) -> Scaling | None:
        """For rows of bytes, how to turn them into tensors: training keeps them as bytes; None for other rows."""
        return None

    @property
    def largest(self) -> float:
        """The value that becomes 1 in a tensor, if tensors are bounded."""
        return 1.0

    @property
    def default_corruption(self) -> str | None:
        """The corruption that suits the rows if none is asked for; None: none."""
        return None

    @property
    def takes_shorter_series(self) -> bool:
        """Whether rows are series that may be shorter than `row_shape`, filled up with NaN."""
        return False

    def unit(self, scaling: str) -> str:
        """Return the unit of errors in words. Args: scaling: of the loss, see `diabolo.network.losses.Loss`."""
        units = {"widest": "of values in [0, 1]", "mean": "in means of all counts"}
        return units.get(scaling, "in standard deviations")

    def cell(self, column: int) -> Cell:
        """Return where a column is in tensors; of rows with several axes, the columns are the numbers of a flat row."""
        return Cell(slice(column, column + 1), None)

    def describe(self) -> str:
        """Return the rows in words, for messages."""
        return f"rows of shape {self.row_shape}"

    # Checks.

    def check(self, rows: Rows, *, where: str) -> None:
        """Raise ShapeError or DataError if rows are not like those of fit(). Args: where: begins the message."""
        self.check_shape(rows, where=where)
        self.check_values(rows, where=where)

    @abstractmethod
    def check_shape(self, rows: Rows, *, where: str) -> None:
        """Raise ShapeError if rows have other axes than those of fit()."""

    @abstractmethod
    def check_values(self, rows: Rows, *, where: str) -> None:
        """Raise DataError if rows hold values that the rows of fit() could not."""

    @abstractmethod
    def within(self, rows: Rows) -> Rows:
        """Return checked rows, clipped to the range of values that the network can compute with."""

    # There and back.

    def is_identity(self, rows: Rows) -> bool:
        """Whether the tensors of these rows are the rows themselves."""
        return False

    def adapt_few(self, rows: Rows) -> Tensor | None:
        """Return the tensors of a few rows (n, ...), checked and adapted; None: they need `check` and `adapt`."""
        return None

    @abstractmethod
    def adapt(
        self,
        rows: Rows,
        *,
        first_row: int | None = 0,
        numbers: Callable[[], Rows] | None = None,
        reuse: bool = False,
    ) -> Tensor:
        """Return float32 tensors (n, *tensor_shape) of checked rows (n, *row_shape), perhaps the rows themselves.

        Args:
            rows: as the user holds them.
            first_row: how many rows came before these, for the message of an error; None: unknown.
            numbers: returns the number of each row instead, (n,), if they are not consecutive.
            reuse: the caller needs the rows no longer, so that the tensors may take their place in memory.

        Raises: DataError for values that are too large.
        """

    @abstractmethod
    def restore(self, tensors: np.ndarray[Any, Any]) -> Rows:
        """Return rows (n, *row_shape) of tensors: the inverse of `adapt`. Flags may be left out of the tensors."""

    def as_value(self, column: int, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the reconstructed numbers of a column, (n, width), as if restored and then adapted again.

        For example, the probabilities of a category become 1 at the most likely level and 0 elsewhere.
        """
        return numbers

    def values(self, tensors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return tensors of series without flags, (n, *row_shape), NaN where a value is missing; others as they are."""
        return tensors

    def missing(self, tensors: np.ndarray[Any, Any]) -> Mask:
        """Return which values are marked as missing in tensors, (n, *row_shape)."""
        return np.zeros((len(tensors), *self.row_shape), np.bool_)

    def log_scale(self, tensors: Rows) -> Any:
        """Return the logarithm of the product of the divisors of each row, (n,), or one number for all rows."""
        return 0.0

    # For the model file.

    def to_config(self) -> dict[str, Any]:
        """Return the columns of a table as JSON values; empty for other rows."""
        return {}

    def to_arrays(self) -> dict[str, Vector]:
        """Return the numbers of the adapter by name; empty for a table."""
        return {}
