"""`diabolo score MODEL DATA`: how badly each row is reconstructed."""

from diabolo.cli.options import Data, DataDir, Decimal, Force, Keep, ModelPath, Output, Separator
from diabolo.cli.rows import write_rows


def score(
    model: ModelPath,
    data: Data,
    output: Output = None,
    keep: Keep = None,
    separator: Separator = "",
    decimal: Decimal = ".",
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write the reconstruction loss of each row of DATA, in nats. Default: DATA-scores.npy. Needs no TensorFlow."""
    write_rows(
        model,
        data,
        lambda trained: trained.loss_per_row,
        output=output,
        ending="scores",
        name="score",
        keep=keep,
        separator=separator,
        decimal=decimal,
        data_dir=data_dir,
        force=force,
    )
