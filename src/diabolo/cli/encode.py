"""`diabolo encode MODEL DATA`: rows to latents."""

from typing import TYPE_CHECKING, Annotated

import typer

from diabolo.cli.options import Data, DataDir, Force, Keep, ModelPath, Output
from diabolo.cli.reading import OF_KNOWN_COLUMNS, reads
from diabolo.cli.rows import write_rows

if TYPE_CHECKING:
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
    keep: Keep = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the latents of each row of DATA. Default: DATA-latents.npy, or .csv with --keep. Needs no TensorFlow."""
    write_rows(
        model,
        data,
        lambda trained: trained.codes if codes else trained.encode,
        output=output,
        ending="codes" if codes else "latents",
        name="code" if codes else "latent",
        keep=keep,
        how=how,
        data_dir=data_dir,
        force=force,
    )
