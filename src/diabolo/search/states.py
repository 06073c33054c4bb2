"""Where the states of the trials lie, and the locks with which several processes share a search.

In the folder of the search; or, where the table of trials is in a PostgreSQL database, there (postgres.py).

A lock ends with the process that holds it, however that ends.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from diabolo.search.postgres import InPostgres, is_postgres
from diabolo.storage import files
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State

_NAME = re.compile(r"trial-(\d+)\.safetensors")


class States(Protocol):
    """The states of the trials of one search by their numbers, and its locks by name."""

    def read(self, number: int, identity: str) -> State | None:
        """Return a state; None: there is none. Raises CheckpointError where it is not of this training."""

    def write(self, number: int, content: bytes) -> None:
        """Keep a state, as `checkpoints.to_bytes` returns it. Raises OutputError."""

    def remove(self, number: int) -> None:
        """Forget a state."""

    def numbers(self) -> set[int]:
        """Return which trials have a state."""

    def changed(self, number: int) -> int:
        """Return a number that is another one after each write; 0: there is no state."""

    def locked(self, name: str, *, wait: bool = False) -> AbstractContextManager[bool]:
        """Give whether this process alone holds a lock now. Args: wait: until another has released it."""


def states_of(folder: Path, storage: str | None, identity: str) -> States:
    """Return the states of a search. Raises OutputError where a database cannot be used, MissingExtraError."""
    if storage is not None and is_postgres(storage):
        return InPostgres(storage, identity)
    return InFolder(folder)


class InFolder:
    """States as files `trial-0000.safetensors` of a folder, locks as hidden ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, number: int, identity: str) -> State | None:
        """See `States`."""
        path = self._path(number)
        return checkpoints.read(path, identity) if path.is_file() else None

    def write(self, number: int, content: bytes) -> None:
        """See `States`."""
        files.write_atomically(self._path(number), lambda file: file.write(content), force=True)

    def remove(self, number: int) -> None:
        """See `States`."""
        self._path(number).unlink(missing_ok=True)

    def numbers(self) -> set[int]:
        """See `States`."""
        found = (_NAME.fullmatch(each.name) for each in self._folder.iterdir())
        return {int(each[1]) for each in found if each}

    def changed(self, number: int) -> int:
        """See `States`."""
        path = self._path(number)
        return path.stat().st_mtime_ns if path.is_file() else 0

    @contextmanager
    def locked(self, name: str, *, wait: bool = False) -> Iterator[bool]:
        """See `States`."""
        with (self._folder / f".{name}.lock").open("w") as file:
            yield files.hold(file, wait=wait)

    def _path(self, number: int) -> Path:
        return self._folder / f"trial-{number:04d}.safetensors"
