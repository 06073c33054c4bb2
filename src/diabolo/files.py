"""Writing files so that nothing is lost: never over another file unasked, and never half."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diabolo.errors import OutputError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise OutputError where something would be overwritten, or where no file can be."""
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder: choose the name of a file.")
        if path.exists() and not force:
            raise OutputError(f"{path} exists: choose another name, or pass force=True (--force) to overwrite it.")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist: make it first.")
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise OutputError(f"{str(path)!r:.80} cannot be the name of a file ({error.args[-1]!s:.80}).") from error
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: you may not write to the folder {path.parent}.")


def umask() -> int:
    """Return which permissions new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_atomically(path: Path, write: Callable[[Any], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place; OutputError where the disk says no."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~umask())  # temporary files are private; what replaces a file should not be
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error
        raise
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder; the file itself is safe
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
