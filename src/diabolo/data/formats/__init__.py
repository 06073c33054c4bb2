"""The formats of files: one file each, which reads and writes it, and one line here.

Order: the formats, by the endings of their files.
"""

from pathlib import Path

from diabolo.data.formats.arff import Arff
from diabolo.data.formats.base import ArrayFormat, TableFormat
from diabolo.data.formats.csv import Csv, Tsv
from diabolo.data.formats.feather import Feather
from diabolo.data.formats.hdf5 import Hdf5
from diabolo.data.formats.json_lines import JsonLines
from diabolo.data.formats.json_records import JsonRecords
from diabolo.data.formats.matlab import Matlab
from diabolo.data.formats.ods import Ods
from diabolo.data.formats.parquet import Parquet
from diabolo.data.formats.xlsx import Xlsx
from diabolo.data.readers import opened

FORMATS: tuple[TableFormat, ...] = (
    Csv(),
    Tsv(),
    Parquet(),
    Feather(),
    JsonLines(),
    JsonRecords(),
    Xlsx(),
    Ods(),
    Arff(),
)
ARRAYS: tuple[ArrayFormat, ...] = (Hdf5(), Matlab())

BY_ENDING: dict[str, TableFormat] = {ending: each for each in FORMATS for ending in each.endings}
ARRAYS_BY_ENDING: dict[str, ArrayFormat] = {ending: each for each in ARRAYS for ending in each.endings}

__all__ = ["ARRAYS", "BY_ENDING", "FORMATS", "ArrayFormat", "TableFormat", "ending_of", "format_of"]


def ending_of(path: Path) -> str:
    """Return the ending that shows the format of a file: of t.csv.gz .csv, of t.npy.gz .gz, which no format has."""
    inner = opened.ending_of(path)
    kind = BY_ENDING.get(inner)
    return inner if kind is not None and kind.compressible else path.suffix.lower()


def format_of(path: Path) -> TableFormat:
    """Return the format of a file, by its ending, which is one of BY_ENDING."""
    return BY_ENDING[ending_of(path)]
