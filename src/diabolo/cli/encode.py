"""`diabolo encode MODEL DATA`: rows to latents."""

from typing import Annotated

import typer

from diabolo.cli.options import (
    Data,
    DataDir,
    Decimal,
    Force,
    Grayscale,
    Keep,
    ModelPath,
    Output,
    Query,
    Separator,
    Size,
    SkipBad,
    reading,
)
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
    query: Query = "",
    size: Size = None,
    grayscale: Grayscale = False,
    skip_bad: SkipBad = False,
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
        how=reading(
            separator=separator, decimal=decimal, query=query, size=size, grayscale=grayscale, skip_bad=skip_bad
        ),
        data_dir=data_dir,
        force=force,
    )
