"""Writing files so that nothing is lost: never over another file unasked, and never half."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from diabolo.errors import CheckpointError, OptionError, OutputError


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


def make_folder(path: Any, what: str) -> Path:
    """Return a folder, made where it is missing, that can be written to. Raises OptionError, OutputError.

    Args: what: it is the folder of, for the message.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
        raise OptionError(f"the folder of {what} must be a path, got {path!r:.60}.")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be the folder of {what}: {error.strerror or error}.") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder} cannot be the folder of {what}: you may not write to it.")
    return folder


def hold(file: Any, *, wait: bool = False) -> bool:
    """Lock an open file for this process, until it is closed; return False where another process has it.

    Args: wait: until the other lets go.
    Raises: OutputError where files cannot be locked.
    """
    if sys.platform == "win32":  # no part of a file that is locked can be read there: a byte far behind its end is
        import msvcrt

        file.seek(1 << 30)
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:  # after ten seconds, where it waits
                if not wait:
                    return False
            else:
                file.seek(0)
                return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        raise OutputError(
            f"{file.name} cannot be locked ({error.strerror}): choose a folder on another disk."
        ) from error
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, with the number of this process inside; CheckpointError where another process does."""
    try:
        file = path.open("a+")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    with file:
        if not hold(file):
            file.seek(0)
            holder = file.read(20).strip() or "unknown"
            raise CheckpointError(
                f"{path.parent} is in use by process {holder}: wait for it, or choose another folder."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


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
