"""`diabolo reconstruct MODEL DATA`: rows through the waist and back."""

from pathlib import Path

from diabolo.cli.options import Data, DataDir, Force, ImageOutput, ModelPath, stem


def reconstruct(
    model: ModelPath, data: Data, output: ImageOutput = None, data_dir: DataDir = None, force: Force = False
) -> None:
    """Write the reconstruction of DATA. Default: DATA-reconstructed.npy. Needs no TensorFlow."""
    from diabolo import modelfile
    from diabolo.data import sinks
    from diabolo.data.streams import open_stream
    from diabolo.inference import by_chunk

    path = output or Path(f"{stem(data)}-reconstructed.npy")
    trained = modelfile.load(model)
    sinks.check(path, force=force, images=trained.adapter.kind == "image")
    print(
        sinks.write(
            path,
            by_chunk(trained.reconstruct, open_stream(data, data_dir=data_dir), widest=trained.numbers),
            name="row",
            force=force,
        )
    )
