"""Writing files without losing anything: no file is overwritten unasked, and no file is written half. Locks.

Order: checks of names, locks, reading, atomic writing.
"""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from diabolo.errors import CheckpointError, OptionError, OutputError

# Called before a complete file gets its name; the command line sets it, to stop handling signals then.
before_naming: Callable[[Path], None] | None = None


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise OutputError if a file would be overwritten without `force`, or if no file can be written there."""
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder, expected the name of a file: choose another name.")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is a pipe or a device, expected the name of a file: choose another name.")
        if os.path.lexists(path) and not force:  # lexists: a link to a missing file counts, too
            raise OutputError(f"{path} exists: choose another name, or pass force=True (--force) to overwrite it.")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist: make it first.")
    except (OSError, ValueError) as error:  # a name that is too long, or contains NUL
        raise OutputError(f"{str(path)!r:.80} cannot be the name of a file ({error.args[-1]!s:.80}).") from error
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: you may not write to the folder {path.parent}: choose another folder.")


def make_folder(path: object, what: str) -> Path:
    """Return a folder that can be written to; it is created if it does not exist.

    Args: path: of the folder; what: the folder is for, such as "a run", for messages.
    Raises: OptionError if the path is not a path; OutputError if the folder cannot be created or written to.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
        raise OptionError(f"the folder of {what} must be a path, got {path!r:.60}.")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be the folder of {what}: {error.strerror or error}: choose another folder."
        ) from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder} cannot be the folder of {what}: you may not write to it: choose another folder.")
    return folder


# Not filelock: up to version 3 it empties the file before it asks for the lock, which would erase the number of the
# process that holds it, or a file of somebody else; from 3.21 on it deletes the file on release. On Windows it locks
# the first byte, so that no other process could read the number.
def hold(file: IO[str], *, wait: bool = False) -> bool:
    """Lock an open file for this process; return False if another process holds the lock.

    The lock ends when the file is closed, or when the process ends in any way.

    Args: file: open for writing; wait: until the other process releases the lock.
    Raises: OutputError if the file system cannot lock files.
    """
    if sys.platform == "win32":  # a locked part cannot be read there: lock a byte far after the end
        import msvcrt

        file.seek(1 << 30)
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:  # with LK_LOCK, after ten seconds
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
    """Hold a lock file, which contains the number of this process.

    Raises: CheckpointError if another process holds it, or if the file is not a lock file; OutputError if it cannot be
        written.
    """
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
            raise CheckpointError(f"{path} is not a lock file of Diabolo and is left as it is: choose another folder.")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def open_file(path: Path) -> BinaryIO:
    """Return a file that is open for reading bytes. Raises OSError, also for a pipe or a device.

    Reading would wait for ever at a pipe that nobody writes to, and never end at a device.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "it is a pipe or a device, expected a file")


def read_file(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError, also for a pipe or a device."""
    with open_file(path) as file:
        return file.read()


def write_atomically(path: Path, write: Callable[[BinaryIO], object], *, force: bool) -> None:
    """Fill a temporary file next to `path`, then rename it to `path`.

    At any moment there is the old file, the complete new file, or no file. A file that is replaced keeps its
    permissions; a link is kept, and the file that it points to is replaced.

    Args:
        path: the name of the file.
        write: called with the open temporary file.
        force: replace a file that exists. Otherwise a file that appeared since the output was checked is kept, too.

    Raises: OutputError if a file exists and `force` is false, or if the file cannot be written.
    """
    temporary, asked = None, path
    try:
        path = path.resolve() if force and path.is_symlink() else path
        temporary = temporary_name(path)
        replaced = path.stat() if force and path.is_file() else None
        # The system subtracts the umask from the permissions of a new file. Reading the umask would change it.
        with _new_file(temporary, 0o666 if replaced is None else 0o600) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if replaced is not None:
            os.chmod(temporary, stat.S_IMODE(replaced.st_mode))
        if before_naming is not None:
            before_naming(asked)
        if force:
            os.replace(temporary, path)
        else:
            _rename_to_new(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # after success it no longer exists
                os.unlink(temporary)
    sync_folder(path.parent)


def temporary_name(path: Path) -> Path:
    """Return an unused hidden name next to `path`, for a file that will be renamed to `path`."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}")


def _new_file(path: Path, mode: int) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return open(path, "w+b", opener=lambda name, _: os.open(name, flags, mode))


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file to an unused name. Raises OutputError if a file has that name by now."""
    try:
        try:
            os.link(temporary, path)  # unlike a rename, a link never replaces a file
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: an empty file reserves the name
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            os.replace(temporary, path)
            return
        os.unlink(temporary)
    except FileExistsError as error:
        raise OutputError(
            f"{path} appeared while this ran, and was not overwritten: choose another name, or pass force=True "
            f"(--force) to overwrite it."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, if the file system can do so."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
