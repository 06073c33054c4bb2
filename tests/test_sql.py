"""Rows that a query gives."""

import duckdb
import numpy as np
import pandas as pd
import pytest

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
        (("t.csv", "--query", "select 1"), "--query can be used only with a database (.duckdb, .db), got t.csv."),
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
