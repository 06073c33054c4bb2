"""`diabolo score MODEL DATA`: how badly each row is reconstructed."""

from diabolo.cli.options import (
    Data,
    DataDir,
    Decimal,
    Force,
    Grayscale,
    Keep,
    ModelPath,
    Output,
    Separator,
    Size,
    SkipBad,
    reading,
)
from diabolo.cli.rows import write_rows


def score(
    model: ModelPath,
    data: Data,
    output: Output = None,
    keep: Keep = None,
    separator: Separator = "",
    decimal: Decimal = ".",
    size: Size = None,
    grayscale: Grayscale = False,
    skip_bad: SkipBad = False,
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
        how=reading(separator=separator, decimal=decimal, size=size, grayscale=grayscale, skip_bad=skip_bad),
        data_dir=data_dir,
        force=force,
    )
