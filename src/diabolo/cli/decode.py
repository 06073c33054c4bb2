"""`diabolo decode MODEL LATENTS`: latents to rows."""

from typing import Annotated

import typer

from diabolo.cli.options import Force, ImageOutput, Keep, ModelPath
from diabolo.cli.rows import write_rows


def decode(
    model: ModelPath,
    latents: Annotated[
        str,
        typer.Argument(
            metavar="LATENTS", help="A file of latents (.npy, .npz, .csv, .parquet, .xlsx, ...), or a folder."
        ),
    ],
    output: ImageOutput = None,
    condition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="For a model that was fitted with --condition: what all rows are decoded with, such as site=B. "
            "Columns that are not named are those next to the latents, as encode writes them.",
        ),
    ] = None,
    keep: Keep = None,
    force: Force = False,
) -> None:
    """Decode LATENTS to rows in the form that fit had. Needs no TensorFlow.

    Default: LATENTS-decoded.npy, for tables .csv.
    """
    write_rows(
        model,
        latents,
        lambda trained: trained.decode,
        output=output,
        ending="decoded",
        name="row",
        rows=True,
        latents=True,
        condition=condition,
        keep=keep,
        force=force,
    )
