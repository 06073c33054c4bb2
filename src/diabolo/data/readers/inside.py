"""The path of a file together with the name of what is read of it: a sheet of a workbook, a data set of an HDF5 file.

Users write it after a colon, as in book.xlsx:Sheet2; `kinds.identify` alone takes such a name apart.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # in Python 3.11 only the path of a system can be subclassed


class Inside(_Path):
    """The path of a file, and the name of a part of it."""

    part: str = ""


def inside(path: Path, part: str) -> Path:
    """Return the path of a part of a file."""
    named = Inside(path)
    named.part = part
    return named


def part_of(path: Path) -> str:
    """Return the name of the part of a file that was asked for; an empty text if none was."""
    return path.part if isinstance(path, Inside) else ""


def shown(path: Path) -> str:
    """Return a path as a user writes it, with the part after a colon."""
    return f"{path}:{part_of(path)}" if part_of(path) else str(path)
