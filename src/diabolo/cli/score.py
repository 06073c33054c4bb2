"""`diabolo score MODEL DATA`: how badly each row is reconstructed."""

from pathlib import Path

from diabolo.cli.options import Data, DataDir, Force, ModelPath, Output, stem


def score(model: ModelPath, data: Data, output: Output = None, data_dir: DataDir = None, force: Force = False) -> None:
    """Write the reconstruction loss of each row of DATA, in nats. Default: DATA-scores.npy. Needs no TensorFlow."""
    from diabolo import modelfile
    from diabolo.data import sinks
    from diabolo.data.streams import open_stream
    from diabolo.inference import by_chunk

    path = output or Path(f"{stem(data)}-scores.npy")
    sinks.check(path, force=force)
    trained = modelfile.load(model)
    chunks = by_chunk(trained.loss_per_row, open_stream(data, data_dir=data_dir), widest=trained.numbers)
    print(sinks.write(path, chunks, name="score", force=force))
