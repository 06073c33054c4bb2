"""A search in a PostgreSQL database: states and locks lie there too, so that its machines share nothing else.

States are rows of the table `diabolo_states`, next to the tables of Optuna. Locks are advisory locks, which the server
releases when the connection of a process ends. Order: the address, the states.
"""

import hashlib
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from diabolo import missing
from diabolo.errors import CheckpointError, MissingExtraError, OutputError
from diabolo.training import checkpoints
from diabolo.training.checkpoints import INVALID, State

SCHEMES = ("postgresql", "postgres")
# After so many seconds the server takes a machine that was switched off for lost: idle, between, times.
KEEPALIVES = {"idle": 30, "interval": 10, "count": 3}
OF_ALL = ("study", "table")  # locks that are not of one search
TABLE = (
    "CREATE TABLE IF NOT EXISTS diabolo_states (search TEXT, number INTEGER, version BIGINT NOT NULL, "
    "content BYTEA NOT NULL, PRIMARY KEY (search, number))"
)
WRITE = (
    "INSERT INTO diabolo_states VALUES (:search, :number, 1, :content) ON CONFLICT (search, number) "
    "DO UPDATE SET content = EXCLUDED.content, version = diabolo_states.version + 1"
)
ANOTHER = "give another address, or leave --storage out"
AGAIN = "when it can be used again, run the same command: the search continues"
WHERE = "FROM diabolo_states WHERE search = :search"
ONE = f"{WHERE} AND number = :number"


def is_postgres(storage: str | None) -> bool:
    """Return whether an address is one of PostgreSQL."""
    return isinstance(storage, str) and storage.partition("://")[0].partition("+")[0] in SCHEMES


def with_driver(storage: str) -> str:
    """Return an address with the driver that is installed, where it names none. Raises MissingExtraError."""
    scheme, _, rest = storage.partition("://")
    if not is_postgres(storage) or "+" in scheme:
        return storage
    driver = "psycopg2" if find_spec("psycopg") is None and find_spec("psycopg2") is not None else "psycopg"
    missing.check(driver, "a search in PostgreSQL")
    return f"{SCHEMES[0]}+{driver}://{rest}"


def without_password(storage: str) -> str:
    """Return an address without its password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(storage).render_as_string()
    except ArgumentError:
        return storage


def unusable(storage: str, error: BaseException, instead: str = ANOTHER) -> OutputError:
    """Return the error for a storage. Args: instead: what to do."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return OutputError(f"the storage {without_password(storage)} cannot be used: {reason:.160}: {instead}.")


class InPostgres:
    """States and locks in a database, see `diabolo.search.states.States`. Raises OutputError, MissingExtraError."""

    def __init__(self, storage: str, identity: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError

        self._storage, self._identity, self._held = storage, identity, set[str]()
        try:
            self._engine = create_engine(with_driver(storage), pool_pre_ping=True)
            weakref.finalize(self, self._engine.dispose)
            # One connection for all locks: they end with it.
            self._locks = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            weakref.finalize(self, self._locks.close)
        except (SQLAlchemyError, ImportError) as error:
            if isinstance(error, MissingExtraError):
                raise
            raise unusable(storage, error) from error
        for name, value in KEEPALIVES.items():
            self._lock(f"SET tcp_keepalives_{name} = {value}")
        with self.locked("table", wait=True):  # of two processes that make it, one would fail
            self._do(TABLE)

    def read(self, number: int, identity: str) -> State | None:
        """See `States`."""
        found = self._do(f"SELECT content {ONE}", number=number)
        if not found:
            return None
        try:
            state, owner = checkpoints.from_bytes(bytes(found[0][0]))
        except INVALID as error:
            raise CheckpointError(
                f"the state of trial {number} in the database is damaged ({error!s:.120}): choose another storage."
            ) from error
        if owner != identity:
            raise CheckpointError(
                f"the state of trial {number} in the database belongs to another search: choose another storage."
            )
        return state

    def write(self, number: int, content: bytes) -> None:
        """See `States`."""
        self._do(WRITE, number=number, content=content)

    def remove(self, number: int) -> None:
        """See `States`."""
        self._do(f"DELETE {ONE}", number=number)

    def numbers(self) -> set[int]:
        """See `States`."""
        return {number for (number,) in self._do(f"SELECT number {WHERE}")}

    def changed(self, number: int) -> int:
        """See `States`."""
        found = self._do(f"SELECT version {ONE}", number=number)
        return int(found[0][0]) if found else 0

    @contextmanager
    def locked(self, name: str, *, wait: bool = False) -> Iterator[bool]:
        """See `States`."""
        if name in self._held:  # a connection may take its own lock again
            yield False
            return
        whose = "" if name in OF_ALL else self._identity
        digest = hashlib.sha256(f"diabolo {whose} {name}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        taken = self._lock(f"SELECT pg_{'' if wait else 'try_'}advisory_lock({key})")
        if not wait and not taken:
            yield False
            return
        self._held.add(name)
        try:
            yield True
        finally:
            self._held.remove(name)
            self._lock(f"SELECT pg_advisory_unlock({key})")

    def _lock(self, statement: str) -> Any:
        """Return the value that a statement gives, by the connection that holds the locks."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        try:
            done = self._locks.execute(text(statement))
            return done.scalar() if done.returns_rows else None
        except SQLAlchemyError as error:
            raise unusable(self._storage, error) from error

    def _do(self, statement: str, **values: Any) -> list[Any]:
        """Return the rows that a statement gives."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        about = {"search": self._identity, **values} if ":" in statement else {}
        try:
            with self._engine.begin() as connection:
                done = connection.execute(text(statement), about)
                return list(done.all()) if done.returns_rows else []
        except SQLAlchemyError as error:
            raise unusable(self._storage, error) from error
