"""`diabolo sizes DATA`: the error against the size of the latent, and where more latents gain little."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.options import Data, DataDir, Force, Json, as_json, fit_command, names, png, reads, trains

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

    png(picture, force=force)
    asked = names(sizes)
    if (sizes is not None and not asked) or not all(each.isascii() and each.isdigit() for each in asked):
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
        print(as_json(found))
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
        f"try: {fit_command('--latent', str(found.knee), without=('--sizes',))}",
        *([str(picture)] if picture is not None else []),
    )
