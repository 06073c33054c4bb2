"""Writing files so that nothing is lost: never over another file unasked, and never half."""

import contextlib
import errno
import os
import stat
import sys
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


def write_atomically(path: Path, write: Callable[[Any], Any], *, force: bool) -> None:
    """Let `write` fill a temporary file next to `path`, then give it that name.

    A reader sees the old file, the complete new one, or none, whatever happens. A file that is replaced keeps its
    permissions; a link is kept, and the file it points to is replaced.

    Args:
        path: the name of the file.
        write: is given the open file.
        force: replace a file that exists. Otherwise a file that appeared since the output was checked is kept, too.

    Raises: OutputError where a file exists and `force` is false, or where the disk refuses.
    """
    temporary = None
    try:
        path = path.resolve() if force and path.is_symlink() else path
        temporary = temporary_name(path)
        replaced = path.stat() if force and path.is_file() else None
        # The system takes the umask off the permissions of a new file. To ask for the umask would mean to change it.
        with _new_file(temporary, 0o666 if replaced is None else 0o600) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if replaced is not None:
            os.chmod(temporary, stat.S_IMODE(replaced.st_mode))
        if force:
            os.replace(temporary, path)
        else:
            _rename_to_new(temporary, path)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):  # it is gone where all went well
                os.unlink(temporary)
    sync_folder(path.parent)


def temporary_name(path: Path) -> Path:
    """Return a hidden name next to `path` that nothing has, for what will be renamed to it."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}")


def _new_file(path: Path, mode: int) -> Any:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return open(path, "w+b", opener=lambda name, _: os.open(name, flags, mode))


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file to a name that no file has. Raises OutputError where one has it by now."""
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
    """Have the names in a folder survive a power cut, where the file system can do so."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
