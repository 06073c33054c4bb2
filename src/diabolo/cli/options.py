"""Arguments that several commands share, each explained once."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A data set (digits, mnist, fashion-mnist; one part as mnist:test), a file (.npy, .npz, .csv, .parquet, "
        "IDX; one array of several as rows.npz:X), or a folder or pattern of files ('parts/*.parquet').",
    ),
]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file, as `diabolo fit` writes it.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write: .npy, .npz or .csv.")]
ImageOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Where to write: .npy, .npz, .csv, or for images a folder of PNGs."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder that holds mnist/ and fashion-mnist/. Default: $DIABOLO_DATA, else fetched once."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def stem(data: str) -> str:
    """Return what files made from `data` are called: mnist:test gives mnist-test, a/b.npz:X b-X, parts/*.npy parts."""
    if any(mark in data for mark in "*?["):
        data = next((part for part in reversed(Path(data).parts) if not any(mark in part for mark in "*?[")), "rows")
    name = (Path(data).name or Path(data).resolve().name).removesuffix(".gz").replace(".npz:", "-").replace(":", "-")
    name = name.strip("-")
    return name.removesuffix(Path(name).suffix) or "rows"
