"""Windows in a file, with the names of their channels, their entities and their times: an .npz of four arrays.

    rows      (n, window, channels), float64
    times     (n, window), whole numbers or floats
    entities  (n,), texts
    form      one text, JSON: how the windows were cut, and the type of the times

`rows` is also what any reader of .npz files finds. A file may come from a stranger: all of it is checked.
Order: writing, reading.
"""

import json
from pathlib import Path
from typing import IO

import numpy as np

from diabolo.data import frames
from diabolo.data.frames.columns import UNITS
from diabolo.data.long_table.cut import Windows
from diabolo.data.long_table.form import SeriesForm
from diabolo.data.long_table.labels import Labels
from diabolo.data.long_table.times import Clock
from diabolo.data.readers import numpy_files
from diabolo.errors import DataError, DiaboloError
from diabolo.storage import files
from diabolo.typing import Rows

NAMES = ("rows", "times", "entities", "form")
LONGEST = 1 << 22  # characters of the form, which holds the names of the channels


def write(path: Path, cut: Windows, *, force: bool) -> None:
    """Write windows with their names. Raises OutputError."""
    labels = cut.labels
    form = json.dumps(labels.form.to_config() | {"clock": str(labels.clock.arrow)}, sort_keys=True)

    def into(file: IO[bytes]) -> None:
        np.savez(file, rows=cut.rows, times=labels.ticks, entities=labels.entities, form=np.array(form))

    files.write_atomically(path, into, force=force)


def read_labels(path: Path, rows: Rows | None = None) -> Labels | None:
    """Return the names of the windows in a file; None for a file of anything else.

    Args: rows: of the file, if they were read already, to compare with.
    Raises: DataError for a file that contradicts itself.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    found = numpy_files.arrays(path, NAMES[1:], among=NAMES)
    if found is None:
        return None
    times, entities, text = found["times"], found["entities"], found["form"]
    try:
        if text.dtype.kind != "U" or text.ndim or text.dtype.itemsize > 4 * LONGEST:
            raise ValueError("'form' is not one text")
        config = json.loads(text.item())
        clock = _clock(config.pop("clock") if isinstance(config, dict) else None)
        form = SeriesForm.from_config(config)
        if entities.dtype.kind != "U" or entities.ndim != 1:
            raise ValueError("'entities' are not texts")
        if times.dtype.kind != ("f" if clock.per_second is None else "i") or times.dtype.itemsize != 8:
            raise ValueError(f"'times' are {times.dtype}")
        expected = (len(entities), form.window)
        if times.shape != expected:
            raise ValueError(f"'times' have the shape {times.shape}, expected {expected}")
        if rows is not None and rows.shape != (*expected, len(form.channels)):
            raise ValueError(f"'rows' have the shape {rows.shape}, expected {(*expected, len(form.channels))}")
        clock.texts(times[:1].reshape(-1))  # fails if the type cannot hold such times
    except (DiaboloError, ValueError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: expected windows as `diabolo windows` writes them ({reason:.200}).") from error
    return Labels(form, clock, entities, times)


def _clock(text: object) -> Clock:
    """Return the clock of times of an Arrow type. Raises ValueError, OptionError."""
    import pyarrow as pa

    if not isinstance(text, str):
        raise ValueError("'form' names no type of times")
    kind = frames.arrow_type(text)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        return Clock(kind, int(UNITS[kind.unit]))
    return Clock(kind, 1 if pa.types.is_date(kind) else None)
