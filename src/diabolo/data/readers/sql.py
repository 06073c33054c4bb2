"""The result of an SQL query, through DuckDB: read-only, and without the files and extensions that a database names."""

from pathlib import Path

from diabolo.errors import DataError, MissingExtraError, OptionError, listed

ENDINGS = (".duckdb", ".db")
SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def write_parquet(database: Path, query: str, folder: Path) -> Path:
    """Write the result of a query into a folder, batch by batch, and return the file: DATABASE.parquet.

    Raises: MissingExtraError without DuckDB; DataError for a file that is not a database, or a query that fails;
        OptionError without a query, or if it returns no rows and columns; OSError.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(
            f"{database}: DuckDB, which reads it, is not installed: pip install 'diabolo[sql]'."
        ) from error
    import pyarrow as pa
    from pyarrow import parquet

    if not database.is_file():
        raise DataError(f"no file {str(database)!r}: check the path (from {Path.cwd()}).")
    path = folder / f"{database.name}.parquet"
    try:
        with duckdb.connect(str(database), read_only=True, config=SETTINGS) as opened:
            if not query:
                names = [name for (name,) in opened.sql("show tables").fetchall()]
                raise OptionError(
                    f"{database}: expected a query: --query 'select * from TABLE', or in Python pass a frame. Its "
                    f"tables: {listed(names)}."
                )
            found = opened.sql(query)
            if found is None:
                raise OptionError(f"--query expected a select, got {query!r:.60}.")
            with found.to_arrow_reader() as batches, parquet.ParquetWriter(path, batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
    except (duckdb.Error, pa.ArrowException) as error:
        raise DataError(f"{database}: {str(error).splitlines()[0]}") from error
    return path
