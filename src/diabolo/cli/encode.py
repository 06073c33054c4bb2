"""`diabolo encode MODEL DATA`: rows to latents, as numbers and as a map."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.options import Data, DataDir, Force, Keep, ModelPath, Output
from diabolo.cli.reading import OF_KNOWN_COLUMNS, reads
from diabolo.cli.rows import write_rows

if TYPE_CHECKING:
    from diabolo.cli.latent_map import LatentMap
    from diabolo.data.tables import Reading


@reads(*OF_KNOWN_COLUMNS)
def encode(
    *,
    how: "Reading",
    model: ModelPath,
    data: Data,
    output: Output = None,
    codes: Annotated[
        bool,
        typer.Option(
            "--codes", help="For a quantized model: write the numbers of the codes in place of their vectors."
        ),
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="A PNG file: a map of the latents.")] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column of DATA to colour the map by. Of data sets and subfolders: known."
        ),
    ] = None,
    keep: Keep = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the latents of each row of DATA. Default: DATA-latents.npy, or .csv with --keep. Needs no TensorFlow."""
    drawn = _map(model, data, how, picture, label, data_dir, codes=codes, force=force)
    write_rows(
        model if drawn is None else drawn.model,
        data,
        lambda trained: trained.codes if codes else trained.encode if drawn is None else drawn.encode,
        output=output,
        ending="codes" if codes else "latents",
        name="code" if codes else "latent",
        keep=keep,
        spare=() if label is None else (label,),
        how=how,
        data_dir=data_dir,
        look=None if drawn is None else drawn.look,
        force=force,
    )
    if drawn is not None and picture is not None:
        drawn.save(picture, force=force)
        print(picture, file=sys.stderr if str(output) == "-" else sys.stdout)


def _map(
    model: Path,
    data: str,
    how: "Reading",
    picture: Path | None,
    label: str | None,
    data_dir: Path | None,
    *,
    codes: bool,
    force: bool,
) -> "LatentMap | None":
    """Check what a picture needs before any work; return what draws it, or None. Raises OptionError, DataError."""
    from diabolo.errors import OptionError

    if picture is None:
        if label is not None:
            raise OptionError("--label is only used in a picture: add --picture FILE.png.")
        return None
    if codes:
        raise OptionError("--picture draws latents, not codes: leave --codes out, or --picture.")
    from diabolo.cli.checks import check_data, check_swapped
    from diabolo.cli.writing import png
    from diabolo.data.kinds import may_have_columns
    from diabolo.model import file as modelfile

    check_swapped(model, data)
    check_data(data, how, data_dir, fitted=True, keep=() if label is None else (label,))
    if label is not None and not may_have_columns(data):
        raise OptionError(f"--label {label}: {data} has no columns: leave --label out.")
    png(picture, force=force)
    from diabolo.cli.latent_map import LatentMap

    return LatentMap(modelfile.load(model), data, label, data_dir)
