"""What `encode`, `decode`, `reconstruct` and `score` have in common: rows through a model, from file to file."""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from diabolo.cli import process
from diabolo.cli.checks import check_data, check_swapped
from diabolo.cli.options import names
from diabolo.cli.writing import stem

if TYPE_CHECKING:
    from diabolo.data.frames import Schema
    from diabolo.data.tables import Reading
    from diabolo.model.model import Model
    from diabolo.typing import ArrowTable, Rows

    Verb: TypeAlias = Callable[..., Rows]  # takes rows, `where` and `first_row`, such as Model.encode
    Chunks: TypeAlias = Iterator[Rows] | Iterator[ArrowTable]


def write_rows(
    model: "Path | Model",
    data: str,
    verb: "Callable[[Model], Verb]",
    *,
    output: Path | None,
    ending: str,
    name: str,
    rows: bool = False,
    latents: bool = False,
    fill: bool = False,
    keep: str | None = None,
    spare: tuple[str, ...] = (),
    how: "Reading | None" = None,
    condition: str | None = None,
    data_dir: Path | None = None,
    look: "Callable[[ArrowTable], object] | None" = None,
    force: bool,
) -> "list[str | None]":
    """Write the result of a verb on rows, chunk by chunk, print what was written, and return the names of pictures.

    Pictures keep their names: in a table they are the column 'file', in a folder the names of the PNGs.

    Args:
        model: path of the model file, or a model.
        data: rows or latents, as a user names them.
        verb: Model -> its method for rows.
        output: where to write; None: DATA-ending.npy in the current folder, or .csv where columns have names.
        ending: what the file holds, in one word.
        name: of the numbers in the file, for formats that name them.
        rows: whether it writes rows in the form of fit: images may go to a folder, columns have their names.
        latents: whether it reads latents.
        fill: whether cells that are not missing are kept.
        keep: columns of the data to copy.
        spare: columns that are known to be unused by the model.
        how: how files are to be read.
        condition: of all rows that are decoded, "site=B,sex=true".
        data_dir: folder of the data sets.
        look: is shown each table of the data that is read, and the names of pictures.
        force: overwrite what exists.

    Returns: the name of the picture of each row, below the folder DATA; empty for other rows.
    """
    from diabolo.data import sinks
    from diabolo.data.kinds import pictures_in
    from diabolo.model import file as modelfile
    from diabolo.model.runtime import by_chunk

    if isinstance(model, Path):
        check_swapped(model, data)
    trained, kept = modelfile.load(model) if isinstance(model, Path) else model, names(keep)
    check_data(data, how, data_dir, fitted=True, keep=kept)
    if not latents:
        _refuse_long_table(trained, data)
    framed = rows and trained.schema is not None
    pictures = not latents and pictures_in(data) is not None
    typed = bool(kept) or (framed and trained.adapter.kind == "table")
    passing = passed_through(trained, data, how) + (() if rows or latents else _of_condition(trained, kept))
    path = output or default_output(data, ending, table=typed or bool(passing))
    sinks.check(path, force=force, images=rows and trained.adapter.kind == "image", table=typed)
    in_columns = path == sinks.STDOUT or (path.suffix not in (".npy", ".npz") and not sinks.is_folder(path))
    passing = passing if in_columns else ()
    if pictures and in_columns and not kept:
        kept = ("file",)
    taken = RowsFor(
        trained,
        data,
        data_dir,
        kept,
        spare,
        how,
        latents=latents,
        whole=fill and framed,
        passing=passing,
        named=pictures or (latents and rows and sinks.is_folder(path)),
        condition=condition,
        look=look,
    )
    arrays = by_chunk(taken.conditioned(verb(trained)), taken.stream, max_width=trained.max_width)
    chunks = taken.with_columns(arrays, name, trained.schema if rows and in_columns else None)
    process.stop_before(path)
    said = sinks.write(path, chunks, name=name, force=force, files=taken.files)
    print(said, file=sys.stderr if str(path) == "-" else sys.stdout)
    return taken.files


def passed_through(model: "Model", data: str, how: "Reading | None") -> tuple[str, ...]:
    """Return the columns of DATA that fit() left out, which are copied to the output; no row is read.

    The columns of standard input are not known before it is read: then all that fit() left out.
    """
    from diabolo.data.opening import columns_of
    from diabolo.data.tables import Reading

    if model.schema is None or not model.schema.left_out:
        return ()
    if data == "-":
        return model.schema.spare
    there = columns_of(data, how or Reading())
    return tuple(name for name in model.schema.spare if name in there)


def _of_condition(model: "Model", kept: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of the condition, which stand next to latents for decode; without those of --keep."""
    return () if model.condition is None else tuple(name for name in model.condition.names if name not in kept)


def _refuse_long_table(model: "Model", data: str) -> None:
    """Raise DataError for a long table in place of windows, with the command that cuts it."""
    import shlex

    from diabolo.data.kinds import is_table_of_rows
    from diabolo.data.long_table.form import as_written
    from diabolo.errors import DataError

    if model.series is not None and data != "-" and is_table_of_rows(data):
        cut = f"diabolo windows {shlex.quote(data)} {as_written(model.series, typed=True)}"
        raise DataError(
            f"{data} is a table, and the model takes windows: write {cut}, then give {stem(data)}-windows.npz in place "
            f"of it."
        )


def default_output(data: str, ending: str, *, table: bool) -> Path:
    """Return where to write a result of `data`: columns that have names go to a table."""
    return Path(f"{stem(data)}-{ending}.{'csv' if table else 'npy'}")


class RowsFor:
    """Rows of a user for a model: the columns of fit() by their names, and the columns that are to be kept.

    Attributes: files: the names of the pictures that were read so far; None where a row has none.
    """

    def __init__(
        self,
        trained: "Model",
        data: str,
        data_dir: Path | None,
        kept: tuple[str, ...],
        spare: tuple[str, ...],
        reading: "Reading | None",
        *,
        latents: bool,
        whole: bool,
        named: bool,
        passing: tuple[str, ...] = (),
        condition: str | None = None,
        look: "Callable[[ArrowTable], object] | None" = None,
    ) -> None:
        from diabolo.data.frames import of_latents
        from diabolo.data.opening import open_stream
        from diabolo.model import condition as conditions

        # What the decoder is given besides latents: columns of their table, and values of --condition.
        self._condition = trained.condition if latents else None
        self._given = None if condition is None else conditions.texts(names(condition))
        conditions.check_given(self._condition, self._given, where="diabolo decode")
        asked = () if self._condition is None else self._condition.names
        self._of_latents = deque["ArrowTable"]()

        self._name, self._kept, self._passing, self._whole = data, kept, passing, whole
        self._tables, self._look = deque["ArrowTable"](), look
        self._latents, self._named, self.files = latents, named, list[str | None]()
        self.stream = open_stream(
            data,
            data_dir=data_dir,
            schema=of_latents(trained.network.latent_dim) if latents else trained.schema,
            reading=reading,
            # A file of latents may have other columns, which were kept: no note.
            say=(lambda note: None) if latents else (lambda note: print(f"diabolo: {note}", file=sys.stderr)),
            spare=(*kept, *spare, *asked),
            # As they are written: the text of a date stays this text.
            copied=(*passing, *(trained.schema.whole_numbers if whole and trained.schema is not None else ())),
            keep=self._keep if kept or whole or passing or named or asked or look is not None else None,
            row_shape=() if latents else trained.adapter.row_shape,
            row_type="" if latents else trained.adapter.dtype,
        )

    def _keep(self, table: "ArrowTable", first_row: int) -> None:
        from diabolo.data.pngs import check_name
        from diabolo.errors import DataError, unknown

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

    def conditioned(self, verb: "Verb") -> "Verb":
        """Return a verb for latents that gives the decoder their condition; any other as it is."""
        condition = self._condition
        if condition is None:
            return verb

        def decode(latents: "Rows", *, where: str, first_row: int) -> "Rows":
            table = self._of_latents.popleft() if self._of_latents else None
            values = condition.read(self._given, len(latents), where=where, frame=table)
            return verb(latents, condition=values, where=where, first_row=first_row)

        return decode

    def _copied(self, table: "ArrowTable") -> list[str]:
        """Return the columns of a table that are copied to the output, in its order."""
        wanted = {*self._kept, *self._passing}
        return [name for name in table.column_names if name in wanted]

    def with_columns(self, chunks: "Iterator[Rows]", name: str, schema: "Schema | None") -> "Chunks":
        """Give results with the columns that belong to them, or as they are if there are none.

        Args: name: of the numbers; schema: of fit(), where the results are rows whose columns have their names.
        """
        if schema is not None:
            return self.as_tables(chunks, schema)
        return self.with_kept(chunks, name) if self._kept or self._passing else chunks

    def as_tables(self, chunks: "Iterator[Rows]", schema: "Schema") -> "Iterator[ArrowTable]":
        """Give rows as tables with all columns of fit(), after those of --keep; with --fill only gaps change."""
        from diabolo.data.frames import with_left_out, write

        for chunk in chunks:
            source = self._next_source()
            table = write(chunk, schema, "pyarrow", known=source if self._whole else None)
            if source is not None:
                table = with_left_out(table, source.select(self._copied(source)), schema)
                table = self._after_kept(table, source, schema.spare)
            yield table

    def with_kept(self, chunks: "Iterator[Rows]", name: str) -> "Iterator[ArrowTable]":
        """Give tables of the columns that are copied, followed by the numbers of the chunks."""
        from diabolo.data.sinks import as_table

        for chunk in chunks:
            source, table = self._next_source(), as_table(chunk, name)
            if source is None:
                yield table
                continue
            passing = [name for name in self._copied(source) if name not in self._kept]
            ours = source.select(passing)
            for column, values in zip(table.column_names, table.columns, strict=True):
                ours = ours.append_column(column, values)
            yield self._after_kept(ours, source)

    def _next_source(self) -> "ArrowTable | None":
        """Return the table that the next chunk was read from; None if there is none, and none is needed."""
        from diabolo.data.tables import ENDINGS
        from diabolo.errors import DataError

        if self._tables:
            return self._tables.popleft()
        if not self._kept:
            return None
        raise DataError(
            f"{self._name}: only files of tables ({', '.join(ENDINGS)}) have columns to keep; folders of "
            f"pictures have the columns 'file' and 'label', which is the subfolder."
        )

    def _after_kept(self, table: "ArrowTable", source: "ArrowTable", passed: "Collection[str]" = ()) -> "ArrowTable":
        """Return a table after the columns of --keep. Those that pass through anyway stay where they are."""
        from diabolo.errors import OptionError

        for name in reversed(self._kept):
            if name in passed and name in table.column_names:
                continue
            if name in table.column_names:
                raise OptionError(f"--keep {name}: the output has a column of that name itself: leave it out.")
            table = table.add_column(0, name, source.column(name))
        return table
