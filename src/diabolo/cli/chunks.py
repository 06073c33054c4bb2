"""The way of the data for verbs that stream: read a chunk ahead, work on it, hand it on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def worked_on(model: Any, verb: Callable[..., Any], data: str, data_dir: Path | None) -> Iterator[Any]:
    """Give `verb` of each chunk of DATA, as many rows at a time as fit comfortably in memory."""
    from diabolo.data.streams import ahead, open_stream, rows_at_once

    stream, done = open_stream(data, data_dir=data_dir), 0
    for chunk in ahead(stream.chunks(rows_at_once(model.adapter.row_shape))):
        yield verb(chunk, where=data, first_row=done)
        done += len(chunk)
