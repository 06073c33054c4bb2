"""`diabolo reconstruct MODEL DATA`: rows through the waist and back."""

from pathlib import Path

from diabolo.cli.options import Data, DataDir, Force, ImageOutput, ModelPath, stem


def reconstruct(
    model: ModelPath, data: Data, output: ImageOutput = None, data_dir: DataDir = None, force: Force = False
) -> None:
    """Write the reconstruction of DATA. Default: DATA-reconstructed.npy. Needs no TensorFlow."""
    from diabolo import modelfile
    from diabolo.cli.chunks import worked_on
    from diabolo.data import sinks

    path = output or Path(f"{stem(data)}-reconstructed.npy")
    trained = modelfile.load(model)
    sinks.check(path, force=force, images=trained.adapter.kind == "image")
    print(sinks.write(path, worked_on(trained, trained.reconstruct, data, data_dir), name="row", force=force))
