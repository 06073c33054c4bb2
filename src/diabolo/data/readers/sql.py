"""The result of an SQL query, as a Parquet file: from files of DuckDB and SQLite, and any database with an ADBC driver.

Files are opened read-only, and neither a query nor a view in a file reaches other files.
Order: which database, DuckDB, SQLite, ADBC.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diabolo.data.formats.cells import text_of
from diabolo.errors import DataError, MissingExtraError, OptionError, listed

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".duckdb", ".db", ".sqlite", ".sqlite3")
SQLITE = b"SQLite format 3\0"  # how such a file begins
SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# Schemes of addresses -> the package of the ADBC driver.
DRIVERS = {
    "postgresql": "adbc-driver-postgresql",
    "postgres": "adbc-driver-postgresql",
    "sqlite": "adbc-driver-sqlite",
    "snowflake": "adbc-driver-snowflake",
    "grpc": "adbc-driver-flightsql",
    "grpc+tls": "adbc-driver-flightsql",
    "bigquery": "adbc-driver-bigquery",
}
ROWS_AT_ONCE = 65_536


def is_address(source: object) -> bool:
    """Return whether a text is the address of a database, such as postgresql://host/name."""
    scheme, mark, _ = str(source).partition("://")
    return isinstance(source, str) and bool(mark) and scheme.lower() in DRIVERS


def name_of(database: str | Path) -> str:
    """Return what a database is called in messages: the name of a file, or an address without a password."""
    if not is_address(database):
        return Path(database).name
    return re.sub(r"//[^/@]*@", "//", str(database)).partition("?")[0]


def write_parquet(database: str | Path, query: str, folder: Path) -> Path:
    """Write the result of a query into a folder, batch by batch, and return the file.

    Raises: MissingExtraError without what reads the database; DataError for a file that is not a database, or a query
        that fails; OptionError without a query, or if it returns no rows and columns; OSError.
    """
    if is_address(database):
        path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', name_of(database))}.db.parquet"
        return _from_adbc(str(database), query, path)
    database = Path(database)
    if not database.is_file():
        raise DataError(f"no file {str(database)!r}: check the path (from {Path.cwd()}).")
    path = folder / f"{database.name}.parquet"
    with database.open("rb") as file:
        start = file.read(len(SQLITE))
    return _from_sqlite(database, query, path) if start == SQLITE else _from_duckdb(database, query, path)


def _without_query(database: str | Path, tables: list[str]) -> OptionError:
    return OptionError(
        f"{database}: expected a query: --query 'select * from TABLE', or in Python pass a frame. Its tables: "
        f"{listed(tables)}."
    )


def _not_a_select(query: str) -> OptionError:
    return OptionError(f"--query expected a select, got {query!r:.60}.")


def _write(path: Path, schema: "pa.Schema", batches: "Iterator[pa.RecordBatch]") -> Path:
    from pyarrow import parquet

    with parquet.ParquetWriter(path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return path


def _from_duckdb(database: Path, query: str, path: Path) -> Path:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(
            f"{database}: DuckDB, which reads it, is not installed: pip install 'diabolo[sql]'."
        ) from error
    import pyarrow as pa

    try:
        with duckdb.connect(str(database), read_only=True, config=SETTINGS) as opened:
            if not query:
                raise _without_query(database, [name for (name,) in opened.sql("show tables").fetchall()])
            found = opened.sql(query)
            if found is None:
                raise _not_a_select(query)
            with found.to_arrow_reader() as batches:
                return _write(path, batches.schema, batches)
    except (duckdb.Error, pa.ArrowException) as error:
        raise DataError(f"{database}: {str(error).splitlines()[0]}") from error


def _from_sqlite(database: Path, query: str, path: Path) -> Path:
    """Write the result of a query on a file of SQLite, whose columns may hold cells of several types.

    The query runs twice: for the types of all cells, and for the rows.
    """
    import pyarrow as pa

    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            opened.set_authorizer(_allowed)
            if not query:
                found = opened.execute("select name from sqlite_master where type in ('table', 'view') order by name")
                raise _without_query(database, [name for (name,) in found.fetchall()])
            rows = opened.execute(query)
            if rows.description is None:
                raise _not_a_select(query)
            names = [str(column[0]) for column in rows.description]
            twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
            if twice is not None:
                raise OptionError(
                    f"--query returns two columns {twice!r:.60}: rename one of them (select ... as NAME)."
                )
            kinds: list[set[type]] = [set() for _ in names]
            for row in rows:
                for kind, cell in zip(kinds, row, strict=True):
                    kind.add(type(cell))
            schema = pa.schema([(name, _arrow_type(kind)) for name, kind in zip(names, kinds, strict=True)])
            return _write(path, schema, _batches(opened.execute(query), schema))
    except (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError, pa.ArrowException) as error:
        raise DataError(f"{database}: {str(error).splitlines()[0]}") from error


# Reading alone, so that no query or view attaches another file.
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


def _allowed(action: int, _first: str | None, second: str | None, _base: str | None, _inner: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second is not None and second.lower() == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _arrow_type(kinds: set[type]) -> "pa.DataType":
    import pyarrow as pa

    found = kinds - {type(None)}
    if not found:
        return pa.null()
    if found <= {int, float}:
        return pa.int64() if found == {int} else pa.float64()
    return pa.binary() if found == {bytes} else pa.string()


def _batches(rows: sqlite3.Cursor, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    while chunk := rows.fetchmany(ROWS_AT_ONCE):
        columns = []
        for field, cells in zip(schema, zip(*chunk, strict=True), strict=True):
            values: Any = cells
            if pa.types.is_string(field.type):
                values = [None if cell is None else text_of(cell) for cell in cells]
            elif pa.types.is_floating(field.type):
                values = [None if cell is None else float(cell) for cell in cells]
            columns.append(pa.array(values, field.type))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _from_adbc(address: str, query: str, path: Path) -> Path:
    import pyarrow as pa

    name, package = name_of(address), DRIVERS[address.partition("://")[0].lower()]
    try:
        driver: Any = import_module(f"{package.replace('-', '_')}.dbapi")
    except ImportError as error:
        raise MissingExtraError(
            f"{name}: {package}, which reads it, is not installed: pip install {package}."
        ) from error
    if not query:
        raise OptionError(f"{name}: expected a query: --query 'select * from TABLE', or in Python pass a frame.")
    try:
        uri = address.partition("://")[2] if package == "adbc-driver-sqlite" else address
        with driver.connect(uri) as opened, opened.cursor() as cursor:
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
            if not reader.schema.names:
                raise _not_a_select(query)
            return _write(path, reader.schema, reader)
    except (driver.Error, pa.ArrowException) as error:
        raise DataError(f"{name}: {str(error).splitlines()[0]}") from error
