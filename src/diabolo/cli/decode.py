"""`diabolo decode MODEL LATENTS`: latents to rows."""

from pathlib import Path
from typing import Annotated

import typer

from diabolo.cli.options import Force, ImageOutput, ModelPath, stem


def decode(
    model: ModelPath,
    latents: Annotated[str, typer.Argument(metavar="LATENTS", help="A file of latents: .npy, .npz or .csv.")],
    output: ImageOutput = None,
    force: Force = False,
) -> None:
    """Write the rows that LATENTS stand for, as they came to fit. Default: LATENTS-decoded.npy. Needs no TensorFlow."""
    from diabolo import modelfile
    from diabolo.data import sinks
    from diabolo.data.streams import open_stream
    from diabolo.inference import by_chunk

    path = output or Path(f"{stem(latents)}-decoded.npy")
    trained = modelfile.load(model)
    sinks.check(path, force=force, images=trained.adapter.kind == "image")
    print(
        sinks.write(
            path, by_chunk(trained.decode, open_stream(latents), widest=trained.numbers), name="row", force=force
        )
    )
