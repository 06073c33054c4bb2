"""Folders and files of bulk work: on a disk that all machines share, or in an object store that fsspec reads.

An address without a scheme, or of file:// or local://, is a path. Any other scheme (s3://, gs://, ...) is a file system
of fsspec, the extra `remote`. Nothing is ever seen half written: a file gets its name when it is complete.

Order: addresses, finding files, a file to read, the folder of the results.
"""

import contextlib
import glob
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from diabolo import missing
from diabolo.errors import DataError, DiaboloError, MissingExtraError, OptionError, OutputError
from diabolo.storage import files

ON_DISK = ("file", "local")
# File systems in which a file appears when all of it has arrived. In others it gets a temporary name first.
ATOMIC = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
MARKS = ("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified", "updated", "mtime", "created")
LOCK = ".lock"
DELAY = 30.0  # seconds after which a network disk shows at the latest what another machine has written


class Found(NamedTuple):
    """A file that exists.

    Attributes: address: a full path, or an address; size: bytes; mark: changes with the content: the time of the last
        change in nanoseconds, or what the object store has for it; empty: it has nothing.
    """

    address: str
    size: int
    mark: str


def scheme(address: str) -> str:
    """Return the scheme of an address of fsspec, such as "s3"; empty for a path."""
    before, mark, _ = address.partition("://")
    return "" if not mark or before.lower() in ON_DISK else before.lower()


def plain(address: str | os.PathLike[str]) -> str:
    """Return a path without file://, and any other address as it is."""
    text = os.fspath(address)
    before, mark, path = text.partition("://")
    return path if mark and before.lower() in ON_DISK else text


def _remote(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it. Raises MissingExtraError, OptionError."""
    missing.check("fsspec", scheme(address) + "://")
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)  # type: ignore[no-any-return]
    except ImportError as error:
        raise MissingExtraError(f"{address}: {error}.") from error
    except ValueError as error:  # an unknown scheme
        raise OptionError(f"{address}: {error}: give a path, or an address such as s3://bucket/folder.") from error


@contextlib.contextmanager
def _failing(address: str, kind: type[DiaboloError], what: str) -> Iterator[None]:
    """Turn an error of a file system into one line."""
    try:
        yield
    except DiaboloError:
        raise
    except Exception as error:  # of any file system of fsspec: they have no common class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise kind(f"{address}: cannot be {what} ({reason:.160}): check the address.") from error


def find(pattern: str) -> list[Found]:
    """Return the files of a path, a folder or a pattern, by name, without hidden ones. Raises DataError for none.

    In a folder, files that begin with a point or an underscore are left out, as Spark writes them.
    """
    if not scheme(pattern):
        found = [_stat(path) for path in _on_disk(plain(pattern))]
    else:
        system, path = _remote(pattern)
        with _failing(pattern, DataError, "read"):
            inside = f"{path.rstrip('/')}/*" if not glob.has_magic(path) and system.isdir(path) else path
            listed = system.glob(inside, detail=True) if glob.has_magic(inside) else {path: system.info(path)}
            infos = [each for each in listed.values() if each.get("type") == "file"]
        if inside != path:
            infos = [each for each in infos if each["name"].rpartition("/")[2][0] not in "._"]
        found = [_from_info(system, each) for each in sorted(infos, key=lambda each: str(each["name"]))]
    if not found:
        raise DataError(f"{pattern}: expected files, one for each part, found none: check the path.")
    return found


def _on_disk(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_dir():
        return [each for each in sorted(path.iterdir()) if each.name[0] not in "._" and each.is_file()]
    if path.is_file():
        return [path]
    named = (Path(each) for each in sorted(glob.glob(pattern, recursive=True)))
    return [each for each in named if each.is_file()]


def _stat(path: Path) -> Found:
    with _failing(str(path), DataError, "read"):
        facts = path.stat()
    return Found(os.path.abspath(path), facts.st_size, str(facts.st_mtime_ns))


def _from_info(system: Any, info: dict[str, Any]) -> Found:
    mark = next((_mark(info[name]) for name in MARKS if info.get(name)), "")
    return Found(str(system.unstrip_protocol(info["name"])), int(info.get("size") or 0), mark)


def _mark(value: object) -> str:
    """Return a mark as text: listings and single files may give one time as a number and as a date."""
    moment = value.timestamp() if isinstance(value, datetime) else value
    return f"{moment:.6f}" if isinstance(moment, float) else str(moment).strip('"')


def look(address: str) -> Found:
    """Return what a file is now. Raises DataError where it is gone."""
    if not scheme(address):
        return _stat(Path(address))
    system, path = _remote(address)
    with _failing(address, DataError, "read"):
        system.invalidate_cache(system._parent(path))
        return _from_info(system, system.info(path))


@contextlib.contextmanager
def copy_of(address: str) -> Iterator[Path]:
    """Yield the path of a file, or of a temporary copy of a remote one, which is deleted afterwards.

    Raises: DataError where it cannot be read.
    """
    if not scheme(address):
        yield Path(address)
        return
    system, path = _remote(address)
    with tempfile.TemporaryDirectory(prefix="diabolo-part-") as folder:
        copy = Path(folder) / (path.rpartition("/")[2] or "rows")
        with _failing(address, DataError, "read"):
            system.get_file(path, str(copy))
        yield copy


class Folder(Protocol):
    """Where results go: names are relative, with / between."""

    def address(self, name: str) -> str:
        """Return the full address of a file."""

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every file in it, by name."""

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file; None: there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which replaces one of that name at once."""

    def target(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """Give a path to write a file to, which has its name in the folder after the block."""

    def remove(self) -> None:
        """Delete the folder with all that it holds."""

    def tidy(self, names: set[str]) -> None:
        """Delete what processes that were killed have left of files with these names."""

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Make the folder, and keep other jobs from it during the block where that is possible."""


def folder(address: str) -> Folder:
    """Return the folder of an address, which need not exist. Raises OptionError, MissingExtraError."""
    return RemoteFolder(address) if scheme(address) else DiskFolder(plain(address))


def arrives(folder: Folder, name: str, size: int) -> bool:
    """Return whether a file of this size is seen in a folder, now or after the delay of a network disk."""
    if not isinstance(folder, DiskFolder):
        return True
    until = time.monotonic() + DELAY
    while True:
        with contextlib.suppress(OSError):
            if os.stat(folder.path / name).st_size == size:
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.2)


class DiskFolder:
    """A folder on a disk."""

    def __init__(self, path: str) -> None:
        self.path = Path(os.path.abspath(path))

    def address(self, name: str) -> str:
        """As `Folder`."""
        return str(self.path / name)

    def sizes(self) -> dict[str, int]:
        """As `Folder`."""
        found = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder) / name
                with contextlib.suppress(OSError):
                    found[path.relative_to(self.path).as_posix()] = path.stat().st_size
        return found

    def read(self, name: str) -> bytes | None:
        """As `Folder`."""
        try:
            return files.read_file(self.path / name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{self.path / name} cannot be read: {error.strerror or error}.") from error

    def write(self, name: str, content: bytes) -> None:
        """As `Folder`."""

        def fill(file: BinaryIO) -> None:
            file.write(content)

        files.write_atomically(self.path / name, fill, force=True)

    @contextlib.contextmanager
    def target(self, name: str) -> Iterator[Path]:
        """As `Folder`."""
        path = self.path / name
        files.make_folder(path.parent, "the results")
        yield path  # whoever writes it does so atomically

    def remove(self) -> None:
        """As `Folder`."""
        shutil.rmtree(self.path, ignore_errors=True)

    def tidy(self, names: set[str]) -> None:
        """As `Folder`."""
        for name in self.sizes():
            above, slash, own = name.rpartition("/")
            begun = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}", own)
            if begun and above + slash + begun[1] in names:
                (self.path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """As `Folder`."""
        files.make_folder(self.path, "the results")
        with files.locked(self.path / LOCK):
            yield


class RemoteFolder:
    """A folder of a file system of fsspec. Two jobs at once are not kept apart: object stores have no locks."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._system, path = _remote(self._address)
        self._path = path.rstrip("/")
        self._atomic = scheme(address) in ATOMIC

    def address(self, name: str) -> str:
        """As `Folder`."""
        return f"{self._address}/{name}"

    def sizes(self) -> dict[str, int]:
        """As `Folder`."""
        with _failing(self._address, OutputError, "read"):
            self._system.invalidate_cache()
            found = self._system.find(self._path, detail=True) if self._system.exists(self._path) else {}
        return {str(info["name"]).removeprefix(f"{self._path}/"): int(info.get("size") or 0) for info in found.values()}

    def read(self, name: str) -> bytes | None:
        """As `Folder`."""
        with _failing(self.address(name), OutputError, "read"):
            try:
                content: bytes = self._system.cat_file(f"{self._path}/{name}")
            except FileNotFoundError:
                return None
            return content

    def write(self, name: str, content: bytes) -> None:
        """As `Folder`."""
        with self.target(name) as path:
            path.write_bytes(content)

    @contextlib.contextmanager
    def target(self, name: str) -> Iterator[Path]:
        """As `Folder`."""
        with tempfile.TemporaryDirectory(prefix="diabolo-part-") as folder:
            local = Path(folder) / name.rpartition("/")[2]
            yield local
            with _failing(self.address(name), OutputError, "written"):
                self._put(local, f"{self._path}/{name}")

    def remove(self) -> None:
        """As `Folder`."""
        with _failing(self._address, OutputError, "deleted"):
            self._system.rm(self._path, recursive=True)

    def _put(self, local: Path, path: str) -> None:
        above, _, own = path.rpartition("/")
        self._system.makedirs(above, exist_ok=True)
        if self._atomic:
            self._system.put_file(str(local), path)
            return
        temporary = f"{above}/.{own}.{os.urandom(4).hex()}"
        try:
            self._system.put_file(str(local), temporary)
            self._system.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self._system.rm_file(temporary)
            raise

    def tidy(self, names: set[str]) -> None:
        """As `Folder`."""
        for name in [] if self._atomic else self.sizes():
            above, slash, own = name.rpartition("/")
            begun = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}", own)
            if begun and above + slash + begun[1] in names:
                with contextlib.suppress(Exception):
                    self._system.rm_file(f"{self._path}/{name}")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """As `Folder`."""
        yield
