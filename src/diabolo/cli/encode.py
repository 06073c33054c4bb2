"""`diabolo encode MODEL DATA`: rows to latents."""

from pathlib import Path

from diabolo.cli.options import Data, DataDir, Force, ModelPath, Output, stem


def encode(model: ModelPath, data: Data, output: Output = None, data_dir: DataDir = None, force: Force = False) -> None:
    """Write the latents of DATA, one row each. Default: DATA-latents.npy. Needs no TensorFlow."""
    from diabolo import modelfile
    from diabolo.cli.chunks import worked_on
    from diabolo.data import sinks

    path = output or Path(f"{stem(data)}-latents.npy")
    sinks.check(path, force=force)
    trained = modelfile.load(model)
    print(sinks.write(path, worked_on(trained, trained.encode, data, data_dir), name="latent", force=force))
