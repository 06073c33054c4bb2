"""Rows of a file through a model, into another file: the columns that are copied, and those of a condition.

`diabolo encode`, `decode`, `reconstruct` and `score` do this with one source, bulk work on a cluster with each part of
one. Memory does not grow with the rows. Order: what is asked, the conversion, the rows and their columns.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from diabolo.data import sinks
from diabolo.data.frames import Schema, of_latents, with_left_out, write
from diabolo.data.kinds import pictures_in
from diabolo.data.opening import columns_of, open_stream
from diabolo.data.pngs import check_name
from diabolo.data.tables import ENDINGS, Reading
from diabolo.errors import DataError, OptionError, unknown
from diabolo.model import condition as conditions
from diabolo.model.model import Model
from diabolo.model.runtime import by_chunk
from diabolo.typing import ArrowTable, Rows, Say

Verb: TypeAlias = Callable[..., Rows]  # takes rows, `where` and `first_row`, such as Model.encode
Chunks: TypeAlias = Iterator[Rows] | Iterator[ArrowTable]


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What is made of the rows of a source, and how they are read.

    Attributes:
        verb: Model -> its method for rows.
        name: of the numbers in the output, for formats that name them.
        rows: whether it writes rows in the form of fit: images may go to a folder, columns have their names.
        latents: whether it reads latents.
        fill: whether cells that are not missing are kept.
        keep: columns of the data to copy.
        spare: columns that are known to be unused by the model.
        how: how files are to be read.
        condition: of all rows that are decoded, by the names of its columns.
        data_dir: folder of the data sets.
        look: is shown each table of the data that is read.
        say: takes notes about a table, such as columns that are left out.
    """

    verb: Callable[[Model], Verb]
    name: str
    rows: bool = False
    latents: bool = False
    fill: bool = False
    keep: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    how: Reading = field(default_factory=Reading)
    condition: Mapping[str, str] | None = None
    data_dir: Path | None = None
    look: Callable[[ArrowTable], object] | None = None
    say: Say = lambda note: None

    def as_columns(self, model: Model, data: str) -> bool:
        """Return whether columns of the output have names and kinds, so that it should be a table; no row is read."""
        return self._typed(model) or bool(self._passing(model, data))

    def _typed(self, model: Model) -> bool:
        """Whether columns are of several kinds, which an array cannot hold."""
        return bool(self.keep) or (self._framed(model) and model.adapter.kind == "table")

    def _framed(self, model: Model) -> bool:
        return self.rows and model.schema is not None

    def _passing(self, model: Model, data: str) -> tuple[str, ...]:
        """Return the columns that are copied without --keep."""
        passing = passed_through(model, data, self.how)
        return passing if self.rows or self.latents else (*passing, *_of_condition(model, self.keep))


class Converted(NamedTuple):
    """What was written.

    Attributes:
        line: describes the output.
        rows: their number.
        files: the name of the picture of each row, below the folder DATA; empty for other rows.
    """

    line: str
    rows: int
    files: list[str | None]


def convert(model: Model, data: str, path: Path, asked: Conversion, *, force: bool) -> Converted:
    """Write the result of a verb on rows, chunk by chunk, and return what was written.

    Pictures keep their names: in a table they are the column 'file', in a folder the names of the PNGs.

    Args: data: rows or latents, as a user names them; path: of the output; force: overwrite what exists.
    Raises: DataError, ShapeError, OptionError, OutputError; then no file is left.
    """
    framed, kept, passing = asked._framed(model), asked.keep, asked._passing(model, data)
    pictures = not asked.latents and pictures_in(data) is not None
    sinks.check(path, force=force, images=asked.rows and model.adapter.kind == "image", table=asked._typed(model))
    in_columns = path == sinks.STDOUT or (path.suffix not in (".npy", ".npz") and not sinks.is_folder(path))
    if pictures and in_columns and not kept:
        kept = ("file",)
    taken = RowsFor(
        model,
        data,
        asked,
        kept=kept,
        whole=asked.fill and framed,
        passing=passing if in_columns else (),
        named=pictures or (asked.latents and asked.rows and sinks.is_folder(path)),
    )
    arrays = by_chunk(taken.conditioned(asked.verb(model)), taken.stream, max_width=model.max_width)
    chunks = taken.with_columns(arrays, asked.name, model.schema if asked.rows and in_columns else None)
    rows = 0

    def counted() -> Chunks:
        nonlocal rows
        for chunk in chunks:
            rows += len(chunk)
            yield chunk

    line = sinks.write(path, counted(), name=asked.name, force=force, files=taken.files)
    return Converted(line, rows, taken.files)


def passed_through(model: Model, data: str, how: Reading) -> tuple[str, ...]:
    """Return the columns of DATA that fit() left out, which are copied to the output; no row is read.

    The columns of standard input are not known before it is read: then all that fit() left out.
    """
    if model.schema is None or not model.schema.left_out:
        return ()
    if data == "-":
        return model.schema.spare
    there = columns_of(data, how)
    return tuple(name for name in model.schema.spare if name in there)


def _of_condition(model: Model, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the condition, which stand next to latents for decode; without those of --keep."""
    return () if model.condition is None else tuple(name for name in model.condition.names if name not in kept)


class RowsFor:
    """Rows of a user for a model: the columns of fit() by their names, and the columns that are to be kept.

    Attributes: files: the names of the pictures that were read so far; None where a row has none.
    """

    def __init__(
        self,
        trained: Model,
        data: str,
        asked: Conversion,
        *,
        kept: tuple[str, ...],
        whole: bool,
        named: bool,
        passing: tuple[str, ...],
    ) -> None:
        # What the decoder is given besides latents: columns of their table, and values of --condition.
        latents = asked.latents
        self._condition, self._given = trained.condition if latents else None, asked.condition
        conditions.check_given(self._condition, self._given, where="diabolo decode")
        needed = () if self._condition is None else self._condition.names
        self._of_latents = deque[ArrowTable]()

        self._name, self._kept, self._passing, self._whole = data, kept, passing, whole
        self._tables, self._look = deque[ArrowTable](), asked.look
        self._latents, self._named, self.files = latents, named, list[str | None]()
        self.stream = open_stream(
            data,
            data_dir=asked.data_dir,
            schema=of_latents(trained.network.latent_dim) if latents else trained.schema,
            reading=asked.how,
            # A file of latents may have other columns, which were kept: no note.
            say=(lambda note: None) if latents else asked.say,
            spare=(*kept, *asked.spare, *needed),
            # As they are written: the text of a date stays this text.
            copied=(*passing, *(trained.schema.whole_numbers if whole and trained.schema is not None else ())),
            keep=self._keep if kept or whole or passing or named or needed or self._look is not None else None,
            row_shape=() if latents else trained.adapter.row_shape,
            row_type="" if latents else trained.adapter.dtype,
        )

    def _keep(self, table: ArrowTable, first_row: int) -> None:
        for name in self._kept:
            if name not in table.column_names:
                raise DataError(unknown("column", name, table.column_names))
        if self._look is not None:
            self._look(table)
        if self._named and "file" in table.column_names:
            names = [None if each is None else str(each) for each in table["file"].to_pylist()]
            for each in names if self._latents else ():
                check_name(each, self._name)
            self.files += names
        if self._condition is not None:
            self._of_latents.append(table)
        if self._kept or self._passing or self._whole:
            self._tables.append(table if self._whole else table.select(self._copied(table)))

    def conditioned(self, verb: Verb) -> Verb:
        """Return a verb for latents that gives the decoder their condition; any other as it is."""
        condition = self._condition
        if condition is None:
            return verb

        def decode(latents: Rows, *, where: str, first_row: int) -> Rows:
            table = self._of_latents.popleft() if self._of_latents else None
            values = condition.read(self._given, len(latents), where=where, frame=table)
            return verb(latents, condition=values, where=where, first_row=first_row)

        return decode

    def _copied(self, table: ArrowTable) -> list[str]:
        """Return the columns of a table that are copied to the output, in its order."""
        wanted = {*self._kept, *self._passing}
        return [name for name in table.column_names if name in wanted]

    def with_columns(self, chunks: Iterator[Rows], name: str, schema: Schema | None) -> Chunks:
        """Give results with the columns that belong to them, or as they are if there are none.

        Args: name: of the numbers; schema: of fit(), where the results are rows whose columns have their names.
        """
        if schema is not None:
            return self.as_tables(chunks, schema)
        return self.with_kept(chunks, name) if self._kept or self._passing else chunks

    def as_tables(self, chunks: Iterator[Rows], schema: Schema) -> Iterator[ArrowTable]:
        """Give rows as tables with all columns of fit(), after those of --keep; with --fill only gaps change."""
        for chunk in chunks:
            source = self._next_source()
            table = write(chunk, schema, "pyarrow", known=source if self._whole else None)
            if source is not None:
                table = with_left_out(table, source.select(self._copied(source)), schema)
                table = self._after_kept(table, source, schema.spare)
            yield table

    def with_kept(self, chunks: Iterator[Rows], name: str) -> Iterator[ArrowTable]:
        """Give tables of the columns that are copied, followed by the numbers of the chunks."""
        for chunk in chunks:
            source, table = self._next_source(), sinks.as_table(chunk, name)
            if source is None:
                yield table
                continue
            passing = [name for name in self._copied(source) if name not in self._kept]
            ours = source.select(passing)
            for column, values in zip(table.column_names, table.columns, strict=True):
                ours = ours.append_column(column, values)
            yield self._after_kept(ours, source)

    def _next_source(self) -> ArrowTable | None:
        """Return the table that the next chunk was read from; None if there is none, and none is needed."""
        if self._tables:
            return self._tables.popleft()
        if not self._kept:
            return None
        raise DataError(
            f"{self._name}: only files of tables ({', '.join(ENDINGS)}) have columns to keep; folders of "
            f"pictures have the columns 'file' and 'label', which is the subfolder."
        )

    def _after_kept(self, table: ArrowTable, source: ArrowTable, passed: Collection[str] = ()) -> ArrowTable:
        """Return a table after the columns of --keep. Those that pass through anyway stay where they are."""
        for name in reversed(self._kept):
            if name in passed and name in table.column_names:
                continue
            if name in table.column_names:
                raise OptionError(f"--keep {name}: the output has a column of that name itself: leave it out.")
            table = table.add_column(0, name, source.column(name))
        return table
