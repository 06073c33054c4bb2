"""Rows that a query gives."""

import sqlite3
from contextlib import closing

import duckdb
import numpy as np
import pandas as pd
import pytest

from diabolo import Autoencoder

SALES = """
create table sales as select range as id, case when range % 3 = 0 then 'tea' else 'milk' end as what,
range % 7 as pieces, 2.5 * (range % 7) + random() as paid, date '2024-01-01' + cast(range as integer) as day
from range(400)
"""


@pytest.fixture
def shop(tmp_path):
    """A database of 400 sales, with a view of a file next to it."""
    pd.DataFrame({"a": [1.0, 2.0]}).to_parquet(tmp_path / "elsewhere.parquet")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as base:
        base.execute(SALES)
        base.execute(f"create view elsewhere as select * from '{tmp_path}/elsewhere.parquet'")
    return tmp_path / "shop.duckdb"


def test_a_query_fits_encodes_and_scores_as_its_table_does(cli, shop, tmp_path):
    with duckdb.connect(str(shop), read_only=True) as base:
        frame = base.execute("select what, pieces, paid, day from sales order by id").df()
    frame.to_csv(tmp_path / "t.csv", index=False)
    query = ("--query", "select id, what, pieces, paid, day from sales order by id")
    done = cli("schema", "shop.duckdb", *query)
    assert done.code == 0, done.err
    assert done.out.startswith("shop.duckdb: 400 rows of 5 columns")
    done = cli("fit", "shop.duckdb", *query, "--drop", "id", "--latent", "2", "--epochs", "1")
    assert done.code == 0, done.err
    done = cli("encode", "shop.safetensors", "shop.duckdb", *query, "--keep", "id", "-o", "latents.csv")
    assert done.code == 0, done.err
    assert done.err == ""
    assert cli("encode", "shop.safetensors", "t.csv", "-o", "same.csv").code == 0
    latents, same = pd.read_csv(tmp_path / "latents.csv"), pd.read_csv(tmp_path / "same.csv")
    assert latents["id"].tolist() == list(range(400))
    np.testing.assert_allclose(latents.drop(columns="id"), same, atol=1e-5)
    done = cli("score", "shop.safetensors", "shop.duckdb", "--query", "select * from sales where id < 9")
    assert done.code == 0, done.err
    assert done.err.startswith("diabolo: shop.duckdb: ")  # that id was left out
    assert np.load(tmp_path / "shop-scores.npy").shape == (9,)
    whole = ("--query", "select id, pieces as x from sales")
    done = cli("windows", "shop.duckdb", *whole, "--time", "id", "--window", "100")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load(tmp_path / "shop-windows.npz")["rows"].ravel(), np.arange(400) % 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shop.duckdb",), "expected a query: --query 'select * from TABLE', or in Python pass a frame. Its tables: "),
        (("shop.duckdb", "--query", "select * from nothing"), "shop.duckdb: Catalog Error: Table with name nothing"),
        (("shop.duckdb", "--query", "selec 1"), "shop.duckdb: Parser Error"),
        (("shop.duckdb", "--query", " "), "--query expected a select"),
        (("shop.duckdb", "--query", "drop table sales"), "read-only"),
        (("shop.duckdb", "--query", "select * from 'elsewhere.parquet'"), "shop.duckdb: "),
        (("shop.duckdb", "--query", "select * from elsewhere"), "shop.duckdb: Permission Error"),
        (("shop.duckdb", "--query", "copy sales to 'out.csv'"), "shop.duckdb: Permission Error"),
        (("shop.duckdb", "--query", "select * from sales where id < 0"), "expected rows, got none"),
        (("shop.duckdb", "--query", "select interval 1 day as x"), "shop.duckdb: "),
        (("none.duckdb", "--query", "select 1"), "no file 'none.duckdb': check the path"),
        (("text.db", "--query", "select 1"), "not a valid DuckDB database"),
        (
            ("t.csv", "--query", "select 1"),
            "--query can be used only with a database (.duckdb, .db, .sqlite, .sqlite3), got t.csv.",
        ),
    ],
)
def test_what_cannot_be_read_from_a_database_is_said_in_one_line(cli, shop, tmp_path, arguments, message):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (tmp_path / "text.db").write_text("hello")
    done = cli("schema", *arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_without_duckdb_the_line_names_the_extra(command, shop, tmp_path):
    (tmp_path / "duckdb.py").write_text("raise ImportError")  # the folder of a command comes before those of packages
    done = command("fit", "shop.duckdb", "--query", "select * from sales")
    assert done.code == 4
    assert done.err == "diabolo: shop.duckdb: DuckDB, which reads it, is not installed: pip install 'diabolo[sql]'.\n"


@pytest.fixture
def lite(tmp_path):
    """A file of SQLite with the same kinds of columns, among them cells of several types."""
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as base:
        base.execute("create table sales (id integer, what text, pieces integer, paid real, day text, code)")
        rows = [
            (
                at,
                "tea" if at % 3 else "milk",
                at % 7,
                at * 0.25 if at % 5 else None,
                f"2024-01-{1 + at % 28:02}",
                at % 9,
            )
            for at in range(300)
        ]
        base.executemany("insert into sales values (?, ?, ?, ?, ?, ?)", rows)
        base.execute("update sales set code = 'x7' where id = 299")
        base.commit()
    return path


def test_a_query_on_sqlite_gives_the_rows_of_its_table(cli, lite, tmp_path):
    with closing(sqlite3.connect(lite)) as base:
        frame = pd.read_sql_query("select * from sales", base)
    model = Autoencoder(2, structure=[8], epochs=2, random_state=0, verbose=False).fit(frame.drop(columns="code"))
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "shop.db").write_bytes(lite.read_bytes())  # an ending that DuckDB's files have, too
    for name in ("shop.sqlite", "shop.db"):
        query = ("--query", "select * from sales order by id")
        done = cli("encode", "m.safetensors", name, *query, "-o", "latents.csv", "--force")
        assert done.code == 0, done.err
        latents = pd.read_csv(tmp_path / "latents.csv").filter(like="latent_")
        np.testing.assert_allclose(latents, model.transform(frame), atol=1e-5)
    done = cli("schema", "shop.sqlite", "--query", "select code, paid from sales", "--types", "code=category")
    assert done.code == 0, done.err
    assert done.out.startswith("shop.sqlite: 300 rows of 2 columns")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ((), "expected a query: --query 'select * from TABLE', or in Python pass a frame. Its tables: 'sales'."),
        (("--query", "select * from nowhere"), "shop.sqlite: no such table: nowhere"),
        (("--query", "drop table sales"), "shop.sqlite: not authorized"),
        (("--query", "attach 'other.db' as other"), "shop.sqlite: not authorized"),
        (("--query", "select load_extension('x')"), "shop.sqlite: "),
        (("--query", "select readfile('x')"), "shop.sqlite: no such function"),
        (("--query", "select id, id from sales"), "returns two columns 'id': rename one of them"),
        (("--query", "select * from sales where id < 0"), "expected rows, got none"),
    ],
)
def test_what_sqlite_does_not_give_is_said_in_one_line(cli, lite, query, message):
    done = cli("schema", "shop.sqlite", *query)
    assert done.code == 2, done.err
    assert message in done.err
    assert done.err.count("\n") == 1


def test_an_address_is_read_by_its_driver(cli, lite, tmp_path):
    pytest.importorskip("adbc_driver_sqlite")
    done = cli("schema", f"sqlite://{lite}", "--query", "select pieces, what from sales")
    assert done.code == 0, done.err
    assert ": 300 rows of 2 columns" in done.out
    done = cli("schema", f"sqlite://{lite}", "--query", "select * from nowhere")
    assert done.code == 2
    assert "no such table: nowhere" in done.err


def test_a_driver_that_is_missing_is_named_without_the_password(cli):
    done = cli("schema", "postgresql://me:secret@host/shop", "--query", "select 1")
    assert done.code == 4
    assert "postgresql://host/shop: adbc-driver-postgresql, which reads it, is not installed" in done.err
    assert "secret" not in done.err
