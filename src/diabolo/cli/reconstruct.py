"""`diabolo reconstruct MODEL DATA`: rows through the bottleneck and back."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.checks import check_data, check_swapped
from diabolo.cli.options import Data, DataDir, Force, ImageOutput, Keep, ModelPath
from diabolo.cli.reading import OF_KNOWN_COLUMNS, reads
from diabolo.cli.rows import write_rows

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.typing import Rows

PICTURE_ROWS = 1_000  # the picture shows some of the first


@reads(*OF_KNOWN_COLUMNS)
def reconstruct(
    *,
    how: "Reading",
    model: ModelPath,
    data: Data,
    output: ImageOutput = None,
    picture: Annotated[
        Path | None, typer.Option(help="A PNG file: some rows, and their reconstructions below.")
    ] = None,
    clean: Annotated[
        str | None, typer.Option(metavar="DATA", help="The same rows without noise, to draw and to compare with.")
    ] = None,
    fill: Annotated[
        bool, typer.Option("--fill", help="In a table with gaps, fill in the missing cells and keep all others.")
    ] = False,
    keep: Keep = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the reconstruction of DATA. Default: DATA-reconstructed.npy, for tables .csv. Needs no TensorFlow."""
    from diabolo.data.kinds import names_data_set
    from diabolo.data.temporary import from_stdin

    if data == "-" and picture is not None:
        data = str(from_stdin())  # to be read twice
    draw = _ready(model, data, clean, picture, data_dir, how, force=force)
    if clean is not None and not names_data_set(data) and names_data_set(clean):
        data_dir = None  # it is the folder of the clean rows
    write_rows(
        model,
        data,
        lambda trained: trained.fill_in if fill else trained.reconstruct,
        output=output,
        ending="filled" if fill else "reconstructed",
        name="row",
        rows=True,
        fill=fill,
        keep=keep,
        how=how,
        data_dir=data_dir,
        force=force,
    )
    if draw is not None:
        print(draw())


def _ready(
    model: Path,
    data: str,
    clean: str | None,
    picture: Path | None,
    data_dir: Path | None,
    how: "Reading",
    *,
    force: bool,
) -> Callable[[], str] | None:
    """Check what a picture needs before any work; return a function that draws it and returns a message, or None."""
    from functools import partial

    from diabolo.data.kinds import names_data_set
    from diabolo.data.opening import open_stream
    from diabolo.errors import OptionError, ShapeError
    from diabolo.model import file as modelfile
    from diabolo.storage import files

    if picture is None:
        if clean is not None:
            raise OptionError("--clean is only used in a picture: add --picture FILE.png.")
        return None
    if picture.suffix.lower() != ".png":
        raise OptionError(f"--picture must end in .png, got {str(picture)!r}.")
    check_swapped(model, data)
    trained = modelfile.load(model)
    clean_only = clean is not None and names_data_set(clean) and not names_data_set(data)
    check_data(data, how, None if clean_only else data_dir, fitted=True)
    files.refuse_existing(picture, force=force)

    def some(rows: str) -> "Rows":
        # Notes about the rows are printed when all rows are read.
        stream = open_stream(
            rows,
            data_dir=data_dir if names_data_set(rows) else None,
            schema=trained.schema,
            reading=how,
            say=lambda note: None,
            row_shape=trained.adapter.row_shape,
            row_type=trained.adapter.dtype,
        )
        taken = next(stream.chunks(PICTURE_ROWS))
        trained.adapter.check(taken, where=rows)
        return taken

    noisy = some(data)
    rows = noisy if clean is None else some(clean)
    if len(rows) != len(noisy):
        raise ShapeError(f"{clean} has {len(rows):,} rows, but {data} has {len(noisy):,}: they must be the same rows.")

    def draw() -> str:
        from diabolo.report import pictures
        from diabolo.report.summary import error_through

        figure = pictures.reconstructions(trained, rows, None if clean is None else noisy)
        files.write_atomically(picture, partial(pictures.save, figure), force=force)
        if clean is None:
            return str(picture)
        import numpy as np

        before = float(np.square(trained.adapter.adapt(rows) - trained.adapter.adapt(noisy)).mean())
        after = float(error_through(trained, rows, noisy).mean())
        return f"{picture}: mean squared distance to {clean}: {before:.5f} before, {after:.5f} after"

    return draw
