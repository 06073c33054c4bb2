"""Opens what a user names: an array, a path, or a data set.

    "digits"  "mnist:test"     a data set by name, whole or one part
    "rows.npy"  "rows.csv"     a file, by its ending
    "rows.npz:X"               one array of several

Order: what comes out, the opening, the formats.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.data import datasets, frames, tables
from diabolo.data.adapters.rows import has_gaps, unmasked
from diabolo.data.frames import Schema
from diabolo.data.readers import idx, numpy_files, scipy_files
from diabolo.data.series import is_ragged, padded
from diabolo.errors import DataError, unknown

Array = np.ndarray[Any, Any]


class Source(NamedTuple):
    """Rows and where they came from.

    Attributes:
        name: what they are called.
        rows: (n, ...).
        test: the part that a data set keeps for judging, if it has one.
        schema: of a table, its columns.
        gaps: whether cells are missing: NaN.
        series: whether rows are (time, channels).
    """

    name: str
    rows: Array
    test: Array | None = None
    schema: Schema | None = None
    gaps: bool = False
    series: bool = False

    @property
    def is_table(self) -> bool:
        """Whether columns are of several kinds, or cells are missing: then each column is a matter of its own."""
        if self.series:
            return False
        return self.gaps or (self.schema is not None and any(each.kind != "number" for each in self.schema.columns))

    @property
    def everything(self) -> Array:
        """All rows, the test part last."""
        return self.rows if self.test is None else np.concatenate([self.rows, self.test])


# By ending, in lower case. MNIST's own files are known by their names; of all, IDX alone may be gzip.
READERS: dict[str, Callable[[Path], Array]] = {
    ".npy": numpy_files.read_npy,
    ".npz": numpy_files.read_npz,
    ".idx": idx.read,
}
ENDINGS = (*READERS, *tables.ENDINGS)


def of_frame(frame: Any, name: str, types: Mapping[str, str] | None = None) -> Source:
    """Return the rows of a frame as numbers, and its columns."""
    columns = frames.learn(frame, where=name, types=types)
    rows = frames.read(frame, columns, where=name).rows
    return Source(name, rows, schema=columns, gaps=bool(np.isnan(rows).any()))


def of_files(paths: Sequence[Path], name: str, reading: tables.Reading) -> Source:
    """Return the rows of files of one table."""
    table = tables.read(paths, reading, where=name)
    return Source(name, table.rows, schema=table.schema, gaps=table.gaps)


def open_source(source: Any, *, data_dir: str | Path | None = None, reading: tables.Reading | None = None) -> Source:
    """Return the rows behind a name, a path, an array or a frame; DataError where there are none.

    Args: reading: how the columns of a table are to be taken.
    """
    if frames.is_frame(source):
        return of_frame(source, f"a frame of {frames.library_of(source)}", reading.types if reading else None)
    if isinstance(source, Source):
        return source
    if is_ragged(source):
        rows = padded(source)
        return Source(f"{len(rows):,} series", rows, gaps=bool(np.isnan(rows).any()), series=True)
    if not isinstance(source, (str, Path)):
        source = unmasked(source) if np.ma.is_masked(source) else source
        return Source("an array", source, gaps=isinstance(source, np.ndarray) and has_gaps(source))
    text = str(source)
    name, _, part = text.partition(":")
    if not text.strip():
        raise DataError(f"expected a data set ({', '.join(sorted(datasets.DATASETS))}) or a file, got an empty name.")
    if names_data_set(source):
        return _named(name.replace("_", "-"), part, data_dir)
    path = Path(text)
    if not path.exists() and ".npz:" in text:
        file, _, array = text.rpartition(":")
        if Path(file).is_file():
            return Source(Path(file).name, numpy_files.read_npz(Path(file), array))
    if path.is_dir():
        raise DataError(f"{path} is a folder: expected a file ({', '.join(ENDINGS)}) or a data set.")
    if path.exists() and not path.is_file():
        raise DataError(f"{text!r} is a pipe or a device, expected a file: pass - and pipe the rows in, or write them.")
    if not path.is_file():
        if path.suffix or "/" in text:
            raise DataError(f"no file {text!r}: check the path (from {Path.cwd()}).")
        raise DataError(unknown("data set", text, datasets.DATASETS) + f" Or a file: {', '.join(ENDINGS)}.")
    if path.suffix.lower() in tables.ENDINGS:
        return of_files([path], path.name, reading or tables.Reading())
    if scipy_files.is_matrix(path):
        raise DataError(
            f"{path} is a sparse matrix, which fit() and a fitted model alone take: fit a model to it first."
        )
    columns = numpy_files.columns(path) if path.suffix.lower() == ".npz" else None
    if columns is not None:
        import pyarrow as pa

        reading = reading or tables.Reading()
        return of_frame(tables.dropped(pa.table(columns), reading, path), path.name, reading.types)
    rows = _reader(path)(path)
    return Source(path.name, rows, gaps=has_gaps(rows))


def names_data_set(source: str | Path) -> bool:
    """Whether a text is the name of a data set, or of a part of one, and of no file or folder."""
    name = str(source).partition(":")[0].replace("_", "-")
    return name in datasets.DATASETS and not Path(source).exists()


def _named(name: str, part: str, data_dir: str | Path | None) -> Source:
    if part not in ("", "train", "test"):
        raise DataError(unknown(f"part of {name}", part, ("train", "test")))
    data = datasets.DATASETS[name](data_dir)
    if part:
        return Source(f"{name}:{part}", data.x_train if part == "train" else data.x_test)
    return Source(name, data.x_train, data.x_test)


def is_idx(path: Path) -> bool:
    """Whether a file is called as those of IDX are."""
    name = path.name.lower()
    return ("idx" in name and "ubyte" in name) or name.endswith((".idx", ".idx.gz"))


def _reader(path: Path) -> Callable[[Path], Array]:
    if is_idx(path):
        return idx.read
    ending = path.suffix.lower()
    if ending not in READERS:
        unpack = " Unpack it first." if ending == ".gz" else ""
        raise DataError(f"{path}: {unknown('kind of file', ending or path.name, ENDINGS)}{unpack}")
    return READERS[ending]
