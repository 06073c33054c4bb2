"""Which of several arrays in a file holds the rows, if the user names none."""

from collections.abc import Mapping
from pathlib import Path

from diabolo.data.readers.inside import part_of, shown
from diabolo.data.readers.numpy_files import NAMES_OF_ROWS
from diabolo.errors import DataError, listed, unknown
from diabolo.typing import Shape

MAX_RATIO = 1 << 10  # times the size of a file: numbers that shrink more are repetitions
ANY_BYTES = 1 << 28  # that an array in a file of any size may take


def chosen(path: Path, arrays: Mapping[str, Shape]) -> str:
    """Return the name of the array to read: the one after a colon, the only one with rows of several numbers, or X.

    Args: arrays: the shapes of the arrays of numbers in the file, by name.
    Raises: DataError if there is none, or no way to know.
    """
    part = part_of(path)
    if part:
        if part not in arrays:
            known = (
                unknown("array of numbers", part, arrays)
                if len(arrays) < 20
                else f"no such one of {listed([*arrays])}."
            )
            raise DataError(f"{shown(path)}: {known}")
        return part
    if not arrays:
        raise DataError(f"{path}: expected an array of numbers, got none.")
    wide = [name for name, shape in arrays.items() if len(shape) > 1]
    several = [name for name in wide if len(arrays[name]) > 2 or arrays[name][1] > 1]
    for found in ([name for name in wide if name in NAMES_OF_ROWS], several, wide, list(arrays)):
        if len(found) == 1:
            return found[0]
    raise DataError(
        f"{path}: expected one array, got {listed(list(arrays))}: name one of them, {path.name}:{next(iter(arrays))}."
    )


def check_size(path: Path, name: str, size: int) -> None:
    """Raise DataError for an array that is far larger than its file, which only repetitions are."""
    most = max(ANY_BYTES, path.stat().st_size * MAX_RATIO)
    if size > most:
        raise DataError(
            f"{path}: {name!r:.60} announces {size:,} bytes in a file of {path.stat().st_size:,}: expected at most "
            f"{most:,}."
        )
