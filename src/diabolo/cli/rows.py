"""What `encode`, `decode`, `reconstruct` and `score` share: rows through a model, from a file to a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from diabolo.cli.options import stem


def write_rows(
    model: Path,
    data: str,
    verb: Callable[[Any], Callable[..., Any]],
    *,
    output: Path | None,
    ending: str,
    name: str,
    images: bool = False,
    data_dir: Path | None = None,
    force: bool,
) -> None:
    """Write what a verb makes of rows, chunk by chunk, and say what was written.

    Args:
        model: path of the model file.
        data: rows or latents, as a user names them.
        verb: Model -> its method for rows.
        output: where to write; None: beside the command, called DATA-ending.npy.
        ending: what the file holds, in a word.
        name: of the numbers in the file, for the kinds that name them.
        images: whether they are rows as they came, which may be images and then go to a folder.
        data_dir: folder of the data sets.
        force: overwrite what exists.
    """
    from diabolo import modelfile
    from diabolo.data import sinks
    from diabolo.data.streams import open_stream
    from diabolo.inference import by_chunk

    path = output or Path(f"{stem(data)}-{ending}.npy")
    trained = modelfile.load(model)
    sinks.check(path, force=force, images=images and trained.adapter.kind == "image")
    chunks = by_chunk(verb(trained), open_stream(data, data_dir=data_dir), widest=trained.widest)
    print(sinks.write(path, chunks, name=name, force=force))
