"""`diabolo reconstruct MODEL DATA`: rows through the waist and back."""

from diabolo.cli.options import Data, DataDir, Force, ImageOutput, ModelPath
from diabolo.cli.rows import write_rows


def reconstruct(
    model: ModelPath, data: Data, output: ImageOutput = None, data_dir: DataDir = None, force: Force = False
) -> None:
    """Write the reconstruction of DATA. Default: DATA-reconstructed.npy. Needs no TensorFlow."""
    write_rows(
        model,
        data,
        lambda trained: trained.reconstruct,
        output=output,
        ending="reconstructed",
        name="row",
        images=True,
        data_dir=data_dir,
        force=force,
    )
