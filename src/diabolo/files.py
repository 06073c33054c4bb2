"""Writing files so that nothing is lost: never over another file unasked, and never half."""

import contextlib
import errno
import os
import stat
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
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is a pipe or a device: choose the name of a file.")
        if os.path.lexists(path) and not force:  # also a link to what is not there
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
        file.seek(0)
        if not (content := file.read(21).strip()).isdigit() and content:
            raise CheckpointError(f"{path} is a file of somebody else's: choose another folder.")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def open_file(path: Path) -> Any:
    """Return a file that is open to be read as bytes. Raises OSError, also for what is no file.

    A pipe that nobody writes to would be waited for, and a device never ends.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is a pipe or a device, expected a file")


def read_file(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError, also for what is no file."""
    with open_file(path) as file:
        return bytes(file.read())


def umask() -> int:
    """Return which permissions new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_atomically(path: Path, write: Callable[[Any], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place; OutputError where the disk says no.

    What is replaced leaves its permissions; a link stays, and the file that it leads to is replaced.
    """
    temporary = None
    try:
        path = path.resolve() if path.is_symlink() else path
        # Temporary files are private; what has no file before it should not be.
        mode = stat.S_IMODE(path.stat().st_mode) if path.is_file() else 0o666 & ~umask()
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
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
