"""`diabolo encode MODEL DATA`: rows to latents."""

from typing import Annotated

import typer

from diabolo.cli.options import Data, DataDir, Decimal, Force, Keep, ModelPath, Output, Separator
from diabolo.cli.rows import write_rows


def encode(
    model: ModelPath,
    data: Data,
    output: Output = None,
    codes: Annotated[
        bool, typer.Option("--codes", help="Of a quantized model: the numbers of the codes, in place of their vectors.")
    ] = False,
    keep: Keep = None,
    separator: Separator = "",
    decimal: Decimal = ".",
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the latents of DATA, one row each. Default: DATA-latents.npy, or .csv with --keep. Needs no TensorFlow."""
    write_rows(
        model,
        data,
        lambda trained: trained.codes if codes else trained.encode,
        output=output,
        ending="codes" if codes else "latents",
        name="code" if codes else "latent",
        keep=keep,
        separator=separator,
        decimal=decimal,
        data_dir=data_dir,
        force=force,
    )
