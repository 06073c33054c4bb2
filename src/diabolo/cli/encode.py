"""`diabolo encode MODEL DATA`: rows to latents."""

from pathlib import Path

from diabolo.cli.options import Data, DataDir, Force, ModelPath, Output, stem


def encode(model: ModelPath, data: Data, output: Output = None, data_dir: DataDir = None, force: Force = False) -> None:
    """Write the latents of DATA, one row each. Default: DATA-latents.npy. Needs no TensorFlow."""
    from diabolo import modelfile
    from diabolo.data import sinks
    from diabolo.data.streams import open_stream
    from diabolo.inference import by_chunk

    path = output or Path(f"{stem(data)}-latents.npy")
    sinks.check(path, force=force)
    trained = modelfile.load(model)
    print(
        sinks.write(
            path,
            by_chunk(trained.encode, open_stream(data, data_dir=data_dir), widest=trained.numbers),
            name="latent",
            force=force,
        )
    )
