"""What `encode`, `decode`, `reconstruct` and `score` have in common: rows through a model, from file to file."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from diabolo.cli import process
from diabolo.cli.checks import check_data, check_swapped
from diabolo.cli.options import names
from diabolo.cli.writing import stem

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.model.conversion import Verb
    from diabolo.model.model import Model
    from diabolo.typing import ArrowTable


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

    Args:
        model: path of the model file, or a model.
        data: rows or latents, as a user names them.
        verb: Model -> its method for rows.
        output: where to write; None: DATA-ending.npy in the current folder, or .csv where columns have names.
        ending: what the file holds, in one word.
        name: of the numbers in the file, for formats that name them.
        rows: whether it writes rows in the form of fit.
        latents: whether it reads latents.
        fill: whether cells that are not missing are kept.
        keep: columns of the data to copy, with commas between.
        spare: columns that are known to be unused by the model.
        how: how files are to be read.
        condition: of all rows that are decoded, "site=B,sex=true".
        data_dir: folder of the data sets.
        look: is shown each table of the data that is read.
        force: overwrite what exists.

    Returns: the name of the picture of each row, below the folder DATA; empty for other rows.
    """
    from diabolo.data.tables import Reading
    from diabolo.model import condition as conditions
    from diabolo.model import file as modelfile
    from diabolo.model.conversion import Conversion, convert

    if isinstance(model, Path):
        check_swapped(model, data)
    trained, kept = modelfile.load(model) if isinstance(model, Path) else model, names(keep)
    check_data(data, how, data_dir, fitted=True, keep=kept)
    if not latents:
        _refuse_long_table(trained, data)
    asked = Conversion(
        verb=verb,
        name=name,
        rows=rows,
        latents=latents,
        fill=fill,
        keep=kept,
        spare=spare,
        how=how or Reading(),
        condition=None if condition is None else conditions.texts(names(condition)),
        data_dir=data_dir,
        look=look,
        say=lambda note: print(f"diabolo: {note}", file=sys.stderr),
    )
    path = output or default_output(data, ending, table=asked.as_columns(trained, data))
    process.stop_before(path)
    written = convert(trained, data, path, asked, force=force)
    print(written.line, file=sys.stderr if str(path) == "-" else sys.stdout)
    return written.files


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
