"""`diabolo sizes DATA`: the error against the size of the latent, and where more latents gain little."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import Data, DataDir, Force, Json, names, reads, trains

if TYPE_CHECKING:
    from diabolo.data.tables import Reading


@reads()
@trains("latent_dim")
def sizes(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", metavar="NUMBER,...", help="Latents to try. Default: powers of two up to 64."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Draw the error against the size: a .png file.")
    ] = None,
    data_dir: DataDir = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a network for each size of the latent on DATA, and show how far each is off, PCA beside it."""
    from diabolo import files
    from diabolo.cli.show import print_tables, table
    from diabolo.data.memory import limit
    from diabolo.data.streams import open_rows
    from diabolo.errors import OptionError
    from diabolo.search import error_by_size

    if picture is not None:
        files.refuse_existing(picture, force=force)
    asked = names(sizes)
    if not all(each.isascii() and each.isdigit() for each in asked):
        raise OptionError(f"--sizes must be whole numbers with commas between, such as 2,8,32, got {sizes!r:.40}.")
    rows = open_rows(data, limit(settings["memory"]), data_dir=data_dir, reading=how)
    found = error_by_size(
        rows,
        [int(each) for each in asked] or None,
        report=lambda point: print(f"{point.latents} latents: {point.error:.4g}", file=sys.stderr, flush=True),
        **settings,
        types=dict(how.types) or None,
    )
    if picture is not None:
        from diabolo.report import pictures

        files.write_atomically(picture, lambda file: pictures.save(pictures.front(found), file))
    if json:
        import json as writer

        print(writer.dumps(found._asdict() | {"points": [each._asdict() for each in found.points]}))
        return
    shown = table(header=True)
    for head in ("latents", "error", "of PCA's", ""):
        shown.add_column(head, justify="right", no_wrap=True)
    for each in found.points:
        share = f"{each.error / each.pca_error:.0%}" if each.pca_error else ""
        remark = "knee" if each.latents == found.knee else "" if each.latents in found.front else "no gain"
        shown.add_row(str(each.latents), f"{each.error:.4g}", share, remark, style="bold" if remark == "knee" else "")
    print_tables(
        shown,
        "",
        f"mean squared error a feature, {found.unit}, of rows held back; the mean row: {found.mean_row_error:.4g}",
        f"try: diabolo fit {shlex.quote(data)} --latent {found.knee}",
        *([str(picture)] if picture is not None else []),
    )
