"""Rows in memory, and the files that are read whole, by their endings.

Order: a source, frames and tables, files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data import datasets, frames, tables
from diabolo.data.adapters.rows import has_gaps
from diabolo.data.formats import ARRAYS_BY_ENDING, ending_of
from diabolo.data.frames import Schema
from diabolo.data.long_table import files as window_files
from diabolo.data.long_table.cut import Windows
from diabolo.data.long_table.labels import Labels
from diabolo.data.readers import idx, numpy_files, opened, scipy_files
from diabolo.errors import DataError, unknown
from diabolo.typing import Array, Frame, PathLike, Shape


class Source(NamedTuple):
    """Rows in memory, and their origin.

    Attributes:
        name: of the source, for messages.
        rows: (n, ...).
        test: (m, ...), the test part of a data set that has one.
        schema: the columns of a table.
        gaps: whether cells are missing (NaN).
        series: whether each row is a series (time, channels).
        labels: the names of windows that were cut from a long table.
    """

    name: str
    rows: Array
    test: Array | None = None
    schema: Schema | None = None
    gaps: bool = False
    series: bool = False
    labels: Labels | None = None

    @property
    def row_shape(self) -> Shape:
        """The shape of one row."""
        return tuple(getattr(self.rows, "shape", ()))[1:]

    @property
    def is_table(self) -> bool:
        """True if columns are of several kinds, or cells are missing, so that each column is scaled by itself."""
        if self.series:
            return False
        return self.gaps or (self.schema is not None and any(each.kind != "number" for each in self.schema.columns))

    @property
    def everything(self) -> Array:
        """All rows, with the test part at the end."""
        return self.rows if self.test is None else np.concatenate([self.rows, self.test])


# By ending, in lower case. The original files of MNIST are recognized by their names; only IDX may be gzip.
READERS: dict[str, Callable[[Path], Array]] = {
    ".npy": numpy_files.read_npy,
    ".npz": numpy_files.read_npz,
    ".idx": idx.read,
}
ENDINGS = (*READERS, *ARRAYS_BY_ENDING, *tables.ENDINGS)


def of_frame(frame: Frame, name: str, reading: tables.Reading) -> Source:
    """Return a frame as numbers with a schema. Raises DataError, OptionError; as `frames.learn`."""
    columns = reading.learn(frame, name)
    rows = frames.read(frame, columns, where=name).rows
    return Source(name, rows, schema=columns, gaps=bool(np.isnan(rows).any()))


def of_windows(cut: Windows) -> Source:
    """Return windows of a long table as series with names."""
    gaps = bool(np.isnan(cut.rows).any())
    return Source(f"{len(cut):,} windows", cut.rows, gaps=gaps, series=True, labels=cut.labels)


def of_files(paths: Sequence[Path], name: str, reading: tables.Reading) -> Source:
    """Return the files of one table as rows. Raises DataError, OptionError."""
    table = tables.read(paths, reading, where=name)
    return Source(name, table.rows, schema=table.schema, gaps=table.gaps)


def read_file(source: PathLike, reading: tables.Reading) -> Source:
    """Return the rows of a file by its ending, or of one array of an .npz file, "rows.npz:X". Raises DataError."""
    text, path = str(source), Path(source)
    if not text.strip():
        raise DataError(f"expected a data set ({', '.join(sorted(datasets.DATASETS))}) or a file, got an empty name.")
    if not path.exists() and ".npz:" in text:
        file, _, array = text.rpartition(":")
        if Path(file).is_file():
            return Source(Path(file).name, numpy_files.read_npz(Path(file), array))
    _check_is_file(path, text)
    if ending_of(path) in tables.ENDINGS:
        return of_files([path], path.name, reading)
    if scipy_files.is_matrix(path):
        raise DataError(
            f"{path} is a sparse matrix, which only fit() and a fitted model take: fit a model to it first."
        )
    columns = numpy_files.columns(path) if path.suffix.lower() == ".npz" else None
    if columns is not None:
        import pyarrow as pa

        return of_frame(tables.dropped(pa.table(columns), reading, path), path.name, reading)
    rows = _reader(path)(path)
    labels = window_files.read_labels(path, rows)
    if labels is not None:
        return Source(path.name, rows, gaps=bool(np.isnan(rows).any()), series=True, labels=labels)
    return Source(path.name, rows, gaps=has_gaps(rows))


def _check_is_file(path: Path, text: str) -> None:
    """Raise DataError for a folder, a pipe, or a name that is neither a file nor a data set."""
    if path.is_file():
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder: expected a file ({', '.join(ENDINGS)}) or a data set.")
    if path.exists():
        raise DataError(
            f"{text!r} is a pipe or a device, expected a file: write the rows to a file, or pipe them into - (standard "
            f"input)."
        )
    if path.suffix or "/" in text:
        raise DataError(f"no file {text!r}: check the path (from {Path.cwd()}).")
    raise DataError(unknown("data set", text, datasets.DATASETS) + f" Or a file: {', '.join(ENDINGS)}.")


def is_idx(path: Path) -> bool:
    """Return whether the name of a file is that of an IDX file."""
    name = path.name.lower()
    return ("idx" in name and "ubyte" in name) or name.endswith((".idx", ".idx.gz"))


def _reader(path: Path) -> Callable[[Path], Array]:
    if is_idx(path):
        return idx.read
    ending = path.suffix.lower()
    if ending not in READERS:
        unpack = " Unpack it first." if ending in opened.COMPRESSED else ""
        raise DataError(f"{path}: {unknown('kind of file', ending or path.name, ENDINGS)}{unpack}")
    return READERS[ending]
