"""`diabolo sizes DATA`: the error against the number of latents, and where more latents gain little."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diabolo.cli.checks import check_training, to_train_on
from diabolo.cli.options import SEVERAL, Data, DataDir, Force, Json, Picture, names, trains
from diabolo.cli.reading import reads
from diabolo.cli.writing import as_json, draw, fit_command, png

if TYPE_CHECKING:
    from diabolo.data.tables import Reading


@reads()
@trains(*(name for name in SEVERAL if name != "latent_dim"), random_state=0)
def sizes(
    *,
    how: "Reading",
    settings: dict[str, Any],
    data: Data,
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", metavar="NUMBER,...", help="Latents to try. Default: powers of two up to 64."),
    ] = None,
    picture: Picture = None,
    data_dir: DataDir = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a network for each number of latents on DATA, and show its error, compared with PCA."""
    from diabolo.cli.show import print_tables, table
    from diabolo.errors import OptionError
    from diabolo.search import error_by_size

    asked = names(sizes)
    if (sizes is not None and not asked) or not all(each.isascii() and each.isdigit() for each in asked):
        raise OptionError(f"--sizes must be whole numbers with commas between, such as 2,8,32, got {sizes!r:.40}.")
    check_training(data, how, settings, data_dir)
    png(picture, force=force)
    rows, settings = to_train_on(data, how, settings, data_dir)
    found = error_by_size(
        rows,
        [int(each) for each in asked] or None,
        report=lambda point: print(f"{point.latents} latents: {point.error:.4g}", file=sys.stderr, flush=True),
        **settings,
    )
    draw(picture, "front", found, force=force)
    if json:
        print(as_json(found))
        return
    shown = table(header=True)
    for head in ("latents", "error", "relative to PCA", ""):
        shown.add_column(head, justify="right", no_wrap=True)
    for each in found.points:
        share = f"{each.error / each.pca_error:.0%}" if each.pca_error else ""
        remark = "knee" if each.latents == found.knee else "" if each.latents in found.front else "no gain"
        shown.add_row(str(each.latents), f"{each.error:.4g}", share, remark, style="bold" if remark == "knee" else "")
    print_tables(
        shown,
        "",
        f"mean squared error per feature, {found.unit}, of test rows; the mean row: {found.mean_row_error:.4g}",
        f"try: {fit_command('--latent', str(found.knee), without=('--sizes',))}",
        *([str(picture)] if picture is not None else []),
    )
