"""The map of the latents that a command writes: it sees them chunk by chunk, and keeps rows spread evenly.

Loaded by `encode --picture` alone, since it needs Matplotlib.
"""

from collections.abc import Callable, Sized
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from diabolo.data.kinds import pictures_in
from diabolo.errors import DataError, unknown
from diabolo.model.model import Model
from diabolo.report import colouring, pictures
from diabolo.report.colouring import Colouring
from diabolo.storage import files
from diabolo.typing import ArrowArray, ArrowTable, Float32Array, Int64Array, PathLike, Rows

MOST = 20_000  # rows; fewer are kept, but more than half of it, where there are so many


T = TypeVar("T", bound=Sized)


class Evenly(Generic[T]):
    """Of values that come in parts, every so many-th: their number is not known before the last part.

    Attributes: step: from one value to the next; total: how many came.
    """

    def __init__(self, take: Callable[[T, Int64Array], T], most: int = MOST) -> None:
        self.step, self.total, self._take, self._most = 1, 0, take, most
        self._parts: list[tuple[Int64Array, T]] = []

    def add(self, values: T) -> None:
        """Keep some of the values of the next part."""
        numbers = np.arange(self.total, self.total + len(values))
        self.total += len(values)
        self._parts.append((numbers, values))
        self._thin()
        while sum(len(numbers) for numbers, _ in self._parts) > self._most:
            self.step *= 2
            self._thin()

    def _thin(self) -> None:
        found = []
        for numbers, values in self._parts:
            kept = np.flatnonzero(numbers % self.step == 0)
            found.append((numbers[kept], self._take(values, kept)) if len(kept) < len(numbers) else (numbers, values))
        self._parts = found

    @property
    def numbers(self) -> Int64Array:
        """The numbers of the values that are kept, from 0."""
        return np.concatenate([numbers for numbers, _ in self._parts])

    @property
    def parts(self) -> list[T]:
        """The values that are kept."""
        return [values for _, values in self._parts]


def _taken(values: Rows, places: Int64Array) -> Rows:
    return values[places]


class LatentMap:
    """Latents and what they are coloured by, of rows that come in chunks.

    Attributes: model: whose latents they are.
    """

    def __init__(self, model: Model, data: str, label: str | None, data_dir: PathLike | None) -> None:
        self.model, self._data, self._data_dir, self._asked = model, data, data_dir, label
        self._label = "label" if label is None and data != "-" and pictures_in(data) is not None else label
        self._place = None if label is None else colouring.read_by_model(model, label)
        self._latents, self._values = Evenly[Rows](_taken), Evenly[Rows](_taken)
        self._cells = Evenly[ArrowArray](lambda cells, places: cells.take(places))

    def encode(self, rows: Rows, *, where: str, first_row: int) -> Float32Array:
        """Return the latents of a chunk, as `Model.encode`, and remember some."""
        found = self.model.encode(rows, where=where, first_row=first_row)
        self._latents.add(found)
        if self._place is not None:
            self._values.add(rows[:, self._place])
        return found

    def look(self, table: ArrowTable) -> None:
        """See a table of the data, before or after its rows are encoded."""
        if self._label is None or self._place is not None:
            return
        if self._label not in table.column_names:
            raise DataError(unknown("column", self._label, table.column_names))
        self._cells.add(table[self._label])

    def save(self, path: Path, *, force: bool) -> None:
        """Write the picture. Raises OutputError."""
        found = np.concatenate(self._latents.parts)
        note = f"{len(found):,} of {self._latents.total:,} rows" if len(found) < self._latents.total else ""
        figure = pictures.latents(found, self._colouring(), note)
        files.write_atomically(path, partial(pictures.save, figure), force=force)

    def _colouring(self) -> Colouring | None:
        import pyarrow as pa

        if self._place is not None:
            return colouring.of_model(self.model, np.concatenate(self._values.parts), self._place)
        if self._label is not None and self._cells.total:
            cells = pa.concat_tables([pa.table({"": each}) for each in self._cells.parts], promote_options="permissive")
            found = colouring.of_column(cells[""], self._label)
            return found if self._asked is not None else colouring.several(found)
        labels = colouring.of_data_set(self._data, self._data_dir)
        return None if labels is None else colouring.taken(labels, self._latents.numbers)
