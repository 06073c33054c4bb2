"""Rows that are drawn with their reconstructions, and what a picture says of each."""

from collections.abc import Sequence
from typing import NamedTuple

from diabolo.data.adapters import Rows
from diabolo.data.long_table.labels import Labels
from diabolo.model.model import Model
from diabolo.report.pictures.canvas import words
from diabolo.typing import Float64Array, Int64Array


class Group(NamedTuple):
    """Rows with one title and colour. Attributes: title: in the plural; places: of the rows, (k,)."""

    title: str
    places: Int64Array
    colour: str


class Chosen(NamedTuple):
    """A row that is drawn. Attributes: title: its number and its error, in words; place: among the rows."""

    title: str
    place: int
    colour: str


class Drawn(NamedTuple):
    """Rows of which some are drawn.

    Attributes:
        model: that reconstructs them.
        rows: (n, ...).
        seen: the same rows with the corruption of the training; None: there is none.
        errors: (n,), of each row.
        numbers: (n,), of each row in the data that a user gave.
        groups: those that are drawn.
        labels: the names and times of windows.
    """

    model: Model
    rows: Rows
    seen: Rows | None
    errors: Float64Array
    numbers: Int64Array
    groups: Sequence[Group]
    labels: Labels | None = None

    @property
    def start(self) -> Rows:
        """The rows that reconstructions start from."""
        return self.rows if self.seen is None else self.seen

    @property
    def chosen(self) -> list[Chosen]:
        """The rows that are drawn, one after the other."""
        return [
            Chosen(
                f"{group.title[:-1]} {self._name(int(place))}, error {self.errors[place]:.3g}", int(place), group.colour
            )
            for group in self.groups
            for place in group.places
        ]

    def _name(self, place: int) -> str:
        number = str(self.numbers[place])
        return number if self.labels is None else f"{number}, window {words(self.labels.window(place), 60)}"
