"""The formats of tables in files: one file each, which reads and writes it, and one line here.

Order: the formats, by the endings of their files.
"""

from pathlib import Path

from diabolo.data.formats.base import TableFormat
from diabolo.data.formats.csv import Csv
from diabolo.data.formats.feather import Feather
from diabolo.data.formats.json_lines import JsonLines
from diabolo.data.formats.parquet import Parquet

FORMATS: tuple[TableFormat, ...] = (Csv(), Parquet(), Feather(), JsonLines())

BY_ENDING: dict[str, TableFormat] = {ending: each for each in FORMATS for ending in each.endings}

__all__ = ["BY_ENDING", "FORMATS", "TableFormat", "format_of"]


def format_of(path: Path) -> TableFormat:
    """Return the format of a file, by its ending, which is one of BY_ENDING."""
    return BY_ENDING[path.suffix.lower()]
