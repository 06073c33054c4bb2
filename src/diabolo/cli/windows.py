"""`diabolo windows DATA`: a long table with one row per moment, to series of equal length."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.options import Force
from diabolo.cli.reading import OF_TEXT_TABLES, reads
from diabolo.cli.writing import stem

if TYPE_CHECKING:
    from diabolo.data.long_table.cut import Windows
    from diabolo.data.tables import Reading
    from diabolo.typing import ArrowTable, ArrowType

GAPS = "Gaps, and times that stand twice"
Table = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A table: .csv, .parquet, .feather, .jsonl, .xlsx, ..., a folder or a pattern; - reads CSV from "
        "standard input.",
    ),
]
Window = Annotated[int, typer.Option(help="Rows in a window.")]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="The time of each row; rows are sorted by it. Default: the only column of dates."
    ),
]
Entity = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of the machine, patient, ...; a window never has two. Default: all rows belong to one.",
    ),
]
Step = Annotated[
    int | None, typer.Option(help="Rows from the start of a window to the start of the next. Default: --window.")
]
MaxGap = Annotated[
    str,
    typer.Option(
        metavar="DURATION|NUMBER|none",
        help="A longer step in time is a gap, which no window spans: 10min, 2h, or a number of median steps. none: "
        "there are no gaps, as in a table of working days. Default: 1.5 median steps; with --resample, half a "
        "window.",
        rich_help_panel=GAPS,
        show_default=False,
    ),
]
Duplicates = Annotated[
    str | None,
    typer.Option(
        metavar="first|mean",
        help="Of rows with the same time keep the first, or take the mean. Default: such rows are refused.",
        rich_help_panel=GAPS,
    ),
]
Resample = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Take the mean of all rows within each 5min, 1h, ...; a moment without a row is a missing value. "
        "Windows of which less than half have a row are left out.",
        rich_help_panel=GAPS,
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(
        metavar="ZONE",
        help="The time zone of local times, such as Europe/Berlin: tells the hour apart that stands twice when "
        "clocks are put back, and knows the one that is missing when they are put forward.",
        rich_help_panel=GAPS,
    ),
]
WindowsOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Where to write: .npz, which keeps the names of channels and the times, or .npy, the numbers alone. "
        "Default: DATA-windows.npz",
    ),
]


@reads("drop", "missing", "dates", "thousands", "decimal", *OF_TEXT_TABLES, "query")
def windows(
    *,
    how: "Reading",
    data: Table,
    window: Window,
    time: Time = None,
    entity: Entity = None,
    step: Step = None,
    max_gap: MaxGap = "auto",
    duplicates: Duplicates = None,
    resample: Resample = None,
    zone: Zone = None,
    output: WindowsOutput = None,
    force: Force = False,
) -> None:
    """Cut DATA into windows (n, window, channels) for `diabolo fit`, and say how many rows are in them, and why not.

    All other columns are channels. The file DATA-windows-where.csv lists where each window begins, in the order of
    their latents.
    """
    from diabolo.data import sinks
    from diabolo.data.long_table import cutting, files
    from diabolo.data.long_table.form import Given, checked
    from diabolo.data.opening import check_options, columns_of, open_frame
    from diabolo.errors import OptionError, OutputError, unknown
    from diabolo.storage.files import refuse_existing

    given = Given(window, step, max_gap, duplicates, resample, zone, typed=True)
    checked(channels=(), time="", entity="", given=given)
    path = output or Path(f"{stem(data)}-windows.npz")
    if path.suffix not in (".npz", ".npy"):
        raise OutputError(
            f"{path}: series have three axes, so they cannot go to a table: choose a name that ends in .npz or .npy."
        )
    check_options(data, how)
    known = [name for name in columns_of(data, how) if name not in how.drop]
    for column in (time, entity):
        if known and column is not None and column not in known:
            raise OptionError(unknown("column", column, known))
    where = path.with_name(f"{path.stem}-where.csv")
    for each in (path, where):
        refuse_existing(each, force=force)
    # Of a CSV file the entity is kept as it is written: 007 is not 7.
    frame = open_frame(data, how._replace(types={entity: "category"} if entity else {}))
    cut = cutting.windows(
        frame,
        time=time,
        entity=entity,
        window=window,
        step=step,
        max_gap=max_gap,
        duplicates=duplicates,
        resample=resample,
        zone=zone,
        where="standard input" if data == "-" else data,
        how=how.cells._replace(typed=True),
    )
    if path.suffix == ".npz":
        files.write(path, cut, force=force)
        print(f"{path}: {cut.rows.dtype} {cut.rows.shape}, with names and times")
    else:
        print(sinks.write(path, [cut.rows], name="row", force=force))
    print(sinks.write(where, [_where(frame, cut)], name="row", force=force))
    print(f"channels: {', '.join(cut.channels)}")
    print(cut.count.words)
    print(f"go on with: diabolo fit {shlex.quote(str(path))}{' --series' if path.suffix == '.npy' else ''}")


def _where(frame: "ArrowTable", cut: "Windows") -> "ArrowTable":
    """Return a table of the entity of each window, and the time of its first row."""
    import pyarrow as pa

    columns = {}
    if cut.form.entity:
        name = cut.form.entity
        columns[name] = pa.array([entity for entity, _ in cut.where], _plain(frame, name))
    columns[cut.form.time] = cut.labels.clock.moments(cut.labels.ticks[:, 0])
    return pa.table(columns)


def _plain(frame: "ArrowTable", name: str) -> "ArrowType":
    """Return the Arrow type of the values of a column."""
    import pyarrow as pa

    kind = frame.schema.field(name).type
    return kind.value_type if pa.types.is_dictionary(kind) else kind
