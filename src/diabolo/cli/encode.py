"""`diabolo encode MODEL DATA`: rows to latents."""

from typing import Annotated

import typer

from diabolo.cli.options import Data, DataDir, Force, ModelPath, Output
from diabolo.cli.rows import write_rows


def encode(
    model: ModelPath,
    data: Data,
    output: Output = None,
    codes: Annotated[
        bool, typer.Option("--codes", help="Of a quantized model: the numbers of the codes, in place of their vectors.")
    ] = False,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the latents of DATA, one row each. Default: DATA-latents.npy. Needs no TensorFlow."""
    write_rows(
        model,
        data,
        lambda trained: trained.codes if codes else trained.encode,
        output=output,
        ending="codes" if codes else "latents",
        name="code" if codes else "latent",
        data_dir=data_dir,
        force=force,
    )
