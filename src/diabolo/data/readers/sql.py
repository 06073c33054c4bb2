"""What an SQL query gives, through DuckDB: read-only, and without the files and extensions that a database may name."""

from pathlib import Path

from diabolo.errors import DataError, MissingExtraError, OptionError, listed

ENDINGS = (".duckdb", ".db")
SETTINGS = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def write_parquet(base: Path, query: str, folder: Path) -> Path:
    """Write what a query gives into a folder, batch by batch, and return the file: BASE.parquet.

    Raises: MissingExtraError; DataError for what is no database or no query; OptionError without a query; OSError.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError(f"{base}: DuckDB, which reads it, is not there: pip install 'diabolo[sql]'.") from error
    import pyarrow as pa
    from pyarrow import parquet

    if not base.is_file():
        raise DataError(f"no file {str(base)!r}: check the path (from {Path.cwd()}).")
    path = folder / f"{base.name}.parquet"
    try:
        with duckdb.connect(str(base), read_only=True, config=SETTINGS) as opened:
            if not query:
                names = [name for (name,) in opened.sql("show tables").fetchall()]
                raise OptionError(
                    f"{base}: say what to read: --query 'select * from TABLE', or in Python pass a frame. Its tables: "
                    f"{listed(names)}."
                )
            found = opened.sql(query)
            if found is None:
                raise OptionError(f"--query expected a select, got {query!r:.60}.")
            with found.to_arrow_reader() as batches, parquet.ParquetWriter(path, batches.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
    except (duckdb.Error, pa.ArrowException) as error:
        raise DataError(f"{base}: {str(error).splitlines()[0]}") from error
    return path
