"""The condition of a model: the columns of a table that its decoder is given, and what users write for them.

Order: the columns, from rows, what a user gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from diabolo.data import frames
from diabolo.data.adapters import Adapter, Rows
from diabolo.data.frames import Column, LeftOut, Schema
from diabolo.errors import DataError, ModelFileError, OptionError, ShapeError, listed, unknown
from diabolo.network.network import Network
from diabolo.typing import Float32Array, Float64Array, Frame


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The columns of a condition. Their values are numbers (n, k), as a schema makes them of cells.

    Attributes:
        columns: which columns of a row, counted from 0, rising.
        places: of their numbers in a row of tensors, rising.
        adapter: of the rows.
        schema: of these columns alone.
    """

    columns: tuple[int, ...]
    places: tuple[int, ...]
    adapter: Adapter
    schema: Schema

    @classmethod
    def of(cls, network: Network, adapter: Adapter, schema: Schema | None) -> "Condition | None":
        """Return the condition of a model; None: it has none. Raises ModelFileError if its parts do not agree."""
        places = network.condition
        if not places:
            return None
        if schema is None or not adapter.is_table:
            raise ModelFileError("only a table whose columns have names can have a condition.")
        cells = [adapter.cell(at).numbers for at in range(len(adapter.columns))]
        columns = tuple(at for at, cell in enumerate(cells) if cell.start in places)
        if sorted(place for at in columns for place in range(cells[at].start, cells[at].stop)) != list(places):
            raise ModelFileError(f"the condition must be whole columns of the table, got the places {places!s:.80}.")
        if len(columns) == len(cells):
            raise ModelFileError("the condition must leave columns that the latents are of.")
        own = replace(schema, columns=tuple(schema.columns[at] for at in columns), left_out=())
        return cls(columns=columns, places=places, adapter=adapter, schema=own)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.schema.names

    def of_rows(self, rows: Rows) -> Float64Array:
        """Return the values of the condition of rows: (n, columns) -> (n, k)."""
        return np.asarray(rows[:, list(self.columns)], np.float64)

    def tensors(self, values: Rows) -> Float32Array:
        """Return the numbers that the decoder takes, (n, numbers), of checked values (n, k)."""
        # A row of zeros is valid for columns of every kind.
        rows = np.zeros((len(values), len(self.adapter.columns)))
        rows[:, list(self.columns)] = values
        return np.ascontiguousarray(self.adapter.adapt(rows, first_row=None)[:, list(self.places)])

    def put(self, rows: Rows, values: Rows) -> Rows:
        """Return rows (n, columns) with these values of the condition, in place."""
        rows[:, list(self.columns)] = values
        return rows

    def check(self, values: Float64Array, where: str, first_row: int = 0) -> None:
        """Raise DataError for a value (n, k) that is missing, and for a level that fit() did not see."""
        for at, column in enumerate(self.schema.columns):
            known = values[:, at] < len(column.levels) if column.kind == "category" else ~np.isnan(values[:, at])
            if known.all():
                continue
            row = int((~known).argmax())
            if np.isnan(values[row, at]):
                raise DataError(
                    f"{where}: row {first_row + row} has no value in column {column.name!r}, on which the model is "
                    f"conditioned: fill it in, or drop the row."
                )
            raise DataError(
                f"{where}: row {first_row + row} has a level in column {column.name!r} that fit() did not see, and the "
                f"model is conditioned on it: give one of {listed([str(level) for level in column.levels])}."
            )

    def read(self, given: object, count: int, *, where: str, frame: Frame | None = None) -> Float64Array:
        """Return the values of so many rows, (count, k).

        Args:
            given: by column one value for all rows, or one for each; or a frame; None: all are in `frame`.
            count: of the rows.
            where: begins a message.
            frame: of the rows, whose columns have the values that are not given.

        Raises: OptionError, DataError, ShapeError.
        """
        given = frames.from_arrow(given)
        if not (given is None or isinstance(given, Mapping) or frames.is_frame(given)):
            raise OptionError(
                f"{where}: condition must have a value by column, {self.example}, or be a frame with these columns, "
                f"got {given!r:.60}."
            )
        from_frames = [each for each in (given, frame) if frames.is_frame(each)]
        single: Mapping[str, object] = given if isinstance(given, Mapping) else {}
        for name in map(str, single):
            if name not in self.names:
                raise OptionError(f"{where}: {unknown('column of the condition', name, self.names)}")
        values = np.empty((count, len(self.names)))
        for at, column in enumerate(self.schema.columns):
            own = replace(self.schema, columns=(column,))
            source = next((each for each in from_frames if column.name in map(str, frames.frame_names(each))), None)
            if column.name in map(str, single):
                key = next(key for key in single if str(key) == column.name)
                values[:, at] = self._written(single[key], own, count, where)
            elif source is None:
                self._refuse_missing(column.name, where, of_frame=frame is not None)
            else:
                spare = set(map(str, frames.frame_names(source)))
                found = frames.read(source, own, where=where, spare=spare).rows[:, 0]
                if len(found) != count:
                    raise ShapeError(f"{where} expected a condition of {count:,} rows, got {len(found):,}.")
                values[:, at] = found
        self.check(values, where)
        return values

    def changed(self, given: Mapping[str, object], count: int, *, where: str) -> tuple[list[int], Float64Array]:
        """Return which columns of the condition are given, and their values, (count, given). Raises as `read`."""
        columns = [at for at, name in enumerate(self.names) if name in map(str, given)]
        several = replace(self.schema, columns=tuple(self.schema.columns[at] for at in columns))
        for name in map(str, given):
            if name not in self.names:
                raise OptionError(f"{where}: {unknown('column of the condition', name, self.names)}")
        return columns, replace(self, schema=several).read(given, count, where=where)

    @property
    def to_copy(self) -> Schema:
        """A schema that leaves the columns of the condition out, with which they are copied next to latents."""
        left_out = (LeftOut(name=name, place=at, reason="condition") for at, name in enumerate(self.names))
        return replace(self.schema, columns=(), left_out=tuple(left_out))

    @property
    def arguments(self) -> str:
        """Other values as arguments of transfer()."""
        return ", ".join(f"{each.name}={_example(each)!r}" for each in self.schema.columns)

    @property
    def example(self) -> str:
        """A condition as a user writes it in Python."""
        return f"condition={{{', '.join(f'{each.name!r}: {_example(each)!r}' for each in self.schema.columns)}}}"

    def _written(self, value: Any, schema: Schema, count: int, where: str) -> Float64Array:
        """Return what a user wrote for one column as numbers, (count,) or (1,)."""
        import pyarrow as pa

        (column,) = schema.columns
        several = not isinstance(value, (str, bytes)) and hasattr(value, "__len__") and np.ndim(value) > 0
        cells = list(value) if several else [value]
        if several and len(cells) != count:
            raise ShapeError(
                f"{where} expected one value of {column.name!r}, or one for each of {count:,} rows, got {len(cells):,}."
            )
        levels = {str(level): level for level in column.levels} if column.kind == "category" else {}
        cells = [levels.get(cell, cell) if isinstance(cell, str) else cell for cell in cells]
        wrong = next((cell for cell in cells if levels and cell is not None and str(cell) not in levels), None)
        if wrong is not None and wrong == wrong:
            raise DataError(f"{where}: column {column.name!r}: {unknown('level', str(wrong), levels)}")
        try:
            array = pa.array([levels.get(str(cell), cell) for cell in cells])
        except (pa.ArrowException, TypeError, OverflowError) as error:
            raise DataError(
                f"{where}: column {column.name!r} of the condition got {value!r:.60}, which is not a {column.kind}: "
                f"pass {self.example}."
            ) from error
        return frames.read(pa.table({column.name: array}), schema, where=where).rows[:, 0]

    def _refuse_missing(self, name: str, where: str, *, of_frame: bool) -> NoReturn:
        also = f", or give the frame of latents a column {name!r}, as encode() does" if of_frame else ""
        raise OptionError(
            f"{where} needs {name!r} of each row, on which the model is conditioned: pass {self.example} (--condition "
            f"{self.option}){also}."
        )

    @property
    def option(self) -> str:
        """A condition as a user types it after --condition."""
        return ",".join(f"{each.name}={_example(each)}" for each in self.schema.columns)


def _example(column: Column) -> Any:
    """Return a value that a column can have."""
    if column.kind == "category":
        return column.levels[0]
    return {"boolean": True, "date": "2024-05-31"}.get(column.kind, 1)


def given_for(condition: Condition | None, values: object, count: int, where: str) -> Float64Array | None:
    """Return the values of a condition, (n, k), of a model that has one; None for another.

    Raises: OptionError where a condition is given to a model without one, or lacks; DataError, ShapeError.
    """
    if condition is None:
        if values is not None:
            raise OptionError(
                f"{where} got a condition, and the model has none: leave it out, or fit with condition=['site'] "
                f"(--condition site)."
            )
        return None
    if values is None:
        condition.read(None, count, where=where)  # which says what to type
    rows = np.asarray(values, np.float64)
    if rows.shape != (count, len(condition.names)):
        raise ShapeError(f"{where} expected a condition of shape {(count, len(condition.names))}, got {rows.shape}.")
    condition.check(rows, where)
    return rows


def check_given(condition: Condition | None, given: Mapping[str, object] | None, *, where: str) -> None:
    """Raise OptionError or DataError for what is wrong with a condition whatever the rows are."""
    if given is None:
        return
    if condition is None:
        given_for(None, given, 0, where)
    else:
        condition.changed(given, 1, where=where)


def texts(written: Sequence[str]) -> dict[str, str]:
    """Return "site=B" and others as values by column. Raises OptionError for a text without =."""
    for each in written:
        if "=" not in each:
            raise OptionError(f"--condition must be NAME=VALUE, such as site=B, got {each!r:.60}.")
    return {name.strip(): value.strip() for name, _, value in (each.partition("=") for each in written)}
