"""`diabolo encode MODEL DATA`: rows to latents."""

from diabolo.cli.options import Data, DataDir, Force, ModelPath, Output
from diabolo.cli.rows import write_rows


def encode(model: ModelPath, data: Data, output: Output = None, data_dir: DataDir = None, force: Force = False) -> None:
    """Write the latents of DATA, one row each. Default: DATA-latents.npy. Needs no TensorFlow."""
    write_rows(
        model,
        data,
        lambda trained: trained.encode,
        output=output,
        ending="latents",
        name="latent",
        data_dir=data_dir,
        force=force,
    )
