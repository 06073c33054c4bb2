"""`diabolo windows DATA`: a long table with one row per moment, to series of equal length."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.options import OF_TEXT_TABLES, Force, reads, stem

if TYPE_CHECKING:
    from diabolo.data.tables import Reading
    from diabolo.typing import ArrowTable, ArrowType


@reads("drop", "decimal", *OF_TEXT_TABLES, "query")
def windows(
    *,
    how: "Reading",
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A table: .csv, .parquet, .feather, .jsonl, .xlsx, ..., a folder or a pattern; - reads CSV from "
            "standard input.",
        ),
    ],
    time: Annotated[str, typer.Option(metavar="COLUMN", help="The time of each row; rows are sorted by it.")],
    window: Annotated[int, typer.Option(help="Rows in a window.")],
    entity: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the machine, patient, ...; a window never has two. Default: all rows belong to one.",
        ),
    ] = None,
    step: Annotated[
        int | None, typer.Option(help="Rows from the start of a window to the start of the next. Default: --window.")
    ] = None,
    max_gap: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|none",
            help="A step in time longer than this many median steps is a gap, which no window spans; none: there are "
            "no gaps, as in a table of working days.",
        ),
    ] = "1.5",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write: .npy. Default: DATA-windows.npy")
    ] = None,
    force: Force = False,
) -> None:
    """Cut DATA into windows (n, window, channels) for `diabolo fit --series`, and write where each begins.

    All other columns are channels. The file DATA-windows-where.csv lists the windows in the order of their latents.
    """
    import pyarrow as pa

    from diabolo.data import series, sinks
    from diabolo.data.opening import check_options, columns_of, open_frame
    from diabolo.errors import OptionError, OutputError, unknown
    from diabolo.storage import files

    farthest = _max_gap(max_gap)
    series.check_windows(window, step, farthest)
    path = output or Path(f"{stem(data)}-windows.npy")
    if path.suffix != ".npy":
        raise OutputError(
            f"{path}: series have three axes, so they cannot go to a table: choose a name that ends in .npy."
        )
    check_options(data, how)
    known = [name for name in columns_of(data, how) if name not in how.drop]
    for column in (time, entity):
        if known and column is not None and column not in known:
            raise OptionError(unknown("column", column, known))
    where = path.with_name(f"{path.stem}-where.csv")
    for each in (path, where):
        files.refuse_existing(each, force=force)
    # Of a CSV file the entity is kept as it is written: 007 is not 7.
    frame = open_frame(data, how._replace(types={entity: "category"} if entity else {}))
    name = "standard input" if data == "-" else data
    cut = series.windows(
        frame, time=time, entity=entity, window=window, step=step, max_gap=farthest, where=name, typed=True
    )
    begins = dict(zip((entity, time), zip(*cut.where, strict=True), strict=True))
    table = pa.table({name: pa.array(begins[name], _plain(frame, name)) for name in (entity, time) if name})
    print(sinks.write(path, [cut.rows], name="row", force=force))
    print(sinks.write(where, [table], name="row", force=force))
    print(f"channels: {', '.join(cut.channels)}")
    print(f"go on with: diabolo fit {shlex.quote(str(path))} --series")


def _max_gap(text: str) -> float | None:
    """Return the value of --max-gap; None for "none". Raises OptionError."""
    from diabolo.errors import OptionError

    try:
        return None if text.lower() == "none" else float(text)
    except ValueError:
        raise OptionError(f"--max-gap must be a number of at least 1, or none, got {text!r:.40}.") from None


def _plain(frame: "ArrowTable", name: str) -> "ArrowType":
    """Return the Arrow type of the values of a column."""
    import pyarrow as pa

    kind = frame.schema.field(name).type
    return kind.value_type if pa.types.is_dictionary(kind) else kind
