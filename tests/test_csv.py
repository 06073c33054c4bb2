"""Text tables as people write them: what is recognized, what is said about it, and the options that override it.

What is read is compared with what each file was made of, and with pandas where pandas reads the form.
"""

import bz2
import codecs
import gzip
import io
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from diabolo.data.formats import BY_ENDING
from diabolo.data.frames.marks import MISSING
from diabolo.data.opening import open_frame
from diabolo.data.readers import csv, csv_encoding, csv_scan, csv_text, csv_types
from diabolo.data.readers.csv_form import Options
from diabolo.data.tables import Reading
from diabolo.errors import DataError, OptionError

ROWS = [("Uri", 1.5, 12), ("Zug", 2.25, 7), ("Bern", -3.0, 40), ("Uri", 4.5, 9), ("Zug", 0.25, 3)]


def lines(sep=",", rows=ROWS):
    return "".join(sep.join(map(str, row)) + "\n" for row in rows)


BODY = lines()
HEADER = "land,share,count\n"
TABLE = {"land": [r[0] for r in ROWS], "share": [r[1] for r in ROWS], "count": [r[2] for r in ROWS]}
NUMBERS = {"a": [0.5, 1.25, 2.0, 3.5], "b": [10, 20, 30, 41]}
PAIRS = "0.5{0}10\n1.25{0}20\n2.0{0}30\n3.5{0}41\n"
UNNAMED = {f"f{at}": column for at, column in enumerate(TABLE.values())}
BLANKS = "  a   b\n  0.5   10\n 1.25\t20\n 2.0    30  \n 3.5 41\n"
YEARS = {"land": TABLE["land"], "1952": TABLE["share"], "1957": [2.5, 3.5, 1.5, 0.5, 9.5]}

# Bytes or text of a file, the columns that it has, and a part of what is said about it ("" for nothing).
FORMS = {
    "comma": (HEADER + BODY, TABLE, ""),
    "semicolon": (HEADER.replace(",", ";") + lines(";"), TABLE, ""),
    "tab": (HEADER.replace(",", "\t") + lines("\t"), TABLE, ""),
    "bar": (HEADER.replace(",", "|") + lines("|"), TABLE, ""),
    "blanks": (BLANKS, NUMBERS, ""),
    "returns": ((HEADER + BODY).replace("\n", "\r"), TABLE, ""),
    "Windows": ((HEADER + BODY).replace("\n", "\r\n"), TABLE, ""),
    "no end of the last line": ((HEADER + BODY)[:-1], TABLE, ""),
    "empty lines on top": ("\n\n" + HEADER + BODY, TABLE, ""),
    "index": (
        "," + HEADER + "".join(f"{at},{row}\n" for at, row in enumerate(BODY.split())),
        {"": [0, 1, 2, 3, 4]} | TABLE,
        "",
    ),
    "R": (
        HEADER + "".join(f'"r{at}",{row}\n' for at, row in enumerate(BODY.split())),
        {"": ["r0", "r1", "r2", "r3", "r4"]} | TABLE,
        "the first column has no name: it holds the names of the rows",
    ),
    "R with blanks": (
        '"x" "y" "z"\n' + "".join(f'"{at}" {at} {at / 2} "a  b"\n' for at in range(1, 5)),
        {"": [1, 2, 3, 4], "x": [1, 2, 3, 4], "y": [0.5, 1.0, 1.5, 2.0], "z": ["a  b"] * 4},
        "the first column has no name",
    ),
    "a comma at the end": ((HEADER + BODY).replace("\n", ",\n"), TABLE, ""),
    "a comma at the end of rows": (HEADER + BODY.replace("\n", ",\n"), TABLE, ""),
    "a comma at the end of the header": (HEADER.replace("\n", ",\n") + BODY, TABLE, ""),
    "no name in the middle": (
        "land,,count\n" + BODY,
        dict(zip(("land", "Unnamed: 1", "count"), TABLE.values(), strict=True)),
        "column 2 has no name in the header: called 'Unnamed: 1', as in pandas",
    ),
    "a name twice": (
        "land,n,n\n" + BODY,
        dict(zip(("land", "n", "n.1"), TABLE.values(), strict=True)),
        "the header has names twice: the later columns are called 'n.1', as in pandas",
    ),
    "years": (
        "land,1952,1957\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(*YEARS.values(), strict=True)),
        YEARS,
        "",
    ),
    "comments on top": ("# made by hand\n# in 2024\n" + HEADER + BODY, TABLE, ""),
    "comments between": (
        "# made by hand\n" + HEADER + BODY + "# half of it\n" + BODY,
        {name: cells * 2 for name, cells in TABLE.items()},
        "1 line with comments (#) between the rows: left out",
    ),
    "a header of savetxt": ("# a b\n" + PAIRS.format(" "), NUMBERS, ""),
    "a name with #": ("#a,b\n" + PAIRS.format(","), {"#a": NUMBERS["a"], "b": NUMBERS["b"]}, ""),
    "cells with #": (
        "colour,n\n" + "".join(f"#ff{at}000,{at}\n" for at in range(4)),
        {"colour": [f"#ff{at}000" for at in range(4)], "n": [0, 1, 2, 3]},
        "",
    ),
    "a title": (
        "Lands and shares\n" + HEADER + BODY,
        TABLE,
        "the table begins in line 2: left out above it is 'Lands and shares'",
    ),
    "titles with separators": ("Lands,,\n,,\n" + HEADER + BODY, TABLE, "the table begins in line 3"),
    "two titles with separators": (
        "Lands,,\nPeriod: 2023,,\n" + HEADER + BODY,
        TABLE,
        "the table begins in line 3: left out above it is 'Lands,,'; if that has the names, add --header",
    ),
    "three titles, one in quotes, and a line of separators": (
        'Office\n"Released: March 3, 2020",,\nby hand,,\n,,\n' + HEADER + BODY,
        TABLE,
        "the table begins in line 5: left out above it is 'Office'",
    ),
    "titles with separators above texts": (
        "Lands,,\nby hand,,\na,b,c\nu,v,w\nx,y,z\nu,v,z\n",
        {
            "Lands": ["by hand", "a", "u", "x", "u"],
            "Unnamed: 1": [None, "b", "v", "y", "v"],
            "Unnamed: 2": [None, "c", "w", "z", "z"],
        },
        "called 'Unnamed: 1' and so on, as in pandas; if the names are in a later line, add --skip LINES",
    ),
    "rows of one text": (
        "land,share,count\nUri,,\nZug,,\nBern,1.5,7\nZug,2.5,8\n",
        {"land": ["Uri", "Zug", "Bern", "Zug"], "share": [None, None, 1.5, 2.5], "count": [None, None, 7, 8]},
        "",
    ),
    "units": (HEADER + ",%,pieces\n" + BODY, TABLE, "line 2, below the names, has no values"),
    "units in brackets": (HEADER + ",(%),\n" + BODY, TABLE, "line 2, below the names, has no values"),
    "sep=": ("sep=;\n" + HEADER.replace(",", ";") + lines(";"), TABLE, ""),
    "a total below numbers": (
        "n,share,count\n" + "1,1.5,12\n2,2.5,7\n3,-3.0,40\nTotal,1.0,59\n",
        {"n": [1, 2, 3], "share": [1.5, 2.5, -3.0], "count": [12, 7, 40]},
        "the last line is no row ('Total,1.0,59'): left out",
    ),
    "a source": (HEADER + BODY + "\nSource: office\n", TABLE, "the last line is no row ('Source: office')"),
    "a source with commas": (
        "land,count\n" + "Uri,12\nZug,7\nUri,40\nZug,8\nSource: Office, 2021\n",
        {"land": ["Uri", "Zug", "Uri", "Zug"], "count": [12, 7, 40, 8]},
        "the last line is no row ('Source: Office, 2021')",
    ),
    "a German total and a source": (
        "n,share,count\n" + "1,1.5,12\n2,2.5,7\n3,-3.0,40\nInsgesamt,1.0,59\nQuelle: Amt, Bern\n",
        {"n": [1, 2, 3], "share": [1.5, 2.5, -3.0], "count": [12, 7, 40]},
        "the last 2 lines are no rows ('Insgesamt,1.0,59'): left out",
    ),
    "a comment at the end": (
        HEADER + BODY + "# by hand\n",
        TABLE,
        "1 line with comments (#) between the rows: left out",
    ),
    "a mark as the last row": (
        "mark,p\n" + "*,0.01\n**,0.02\n,0.5\n*,0.83\n",
        {"mark": ["*", "**", None, "*"], "p": [0.01, 0.02, 0.5, 0.83]},
        "",
    ),
    "a row with gaps at the end": ("a,b\n1.5,u\n,v\n", {"a": [1.5, None], "b": ["u", "v"]}, ""),
    "a French total that may be a row": (
        HEADER + BODY + "Somme,8.0,71\n",
        {name: [*cells, last] for (name, cells), last in zip(TABLE.items(), ("Somme", 8.0, 71), strict=True)},
        "the last row ('Somme,8.0,71') seems to be a sum of the others: if so, delete it",
    ),
    "a total that may be a row": (
        HEADER + BODY + "Total,8.0,71\n",
        {name: [*cells, last] for (name, cells), last in zip(TABLE.items(), ("Total", 8.0, 71), strict=True)},
        "the last row ('Total,8.0,71') seems to be a sum of the others: if so, delete it",
    ),
    "separators at the end": (HEADER + BODY + ",,\n,,\n", TABLE, "the last 2 lines are no rows"),
    "the header again": (
        HEADER + BODY + HEADER + BODY,
        {name: cells * 2 for name, cells in TABLE.items()},
        "the header stands again between the rows, in 1 line: left out",
    ),
    "the header of two again": (
        "a,b\n" + PAIRS.format(",") + "a,b\n" + PAIRS.format(","),
        {name: cells * 2 for name, cells in NUMBERS.items()},
        "the header stands again",
    ),
    "no header": (BODY, UNNAMED, "no line names the columns, because the first one ('Uri,1.5,12') is a row"),
    "no header, numbers": (PAIRS.format(","), {"f0": NUMBERS["a"], "f1": NUMBERS["b"]}, ""),
    "no header, texts": (
        "p,x,s\ne,x,y\np,b,s\ne,x,w\n" * 3,
        {"f0": ["p", "e", "p", "e"] * 3, "f1": ["x", "x", "b", "x"] * 3, "f2": ["s", "y", "s", "w"] * 3},
        "no line names the columns",
    ),
    "numbers that count": (
        "0,1,2\n" + "".join(f"{at / 7:.3f},{at / 3:.3f},{at / 9:.3f}\n" for at in range(1, 9)),
        {str(by): [round(at / part, 3) for at in range(1, 9)] for by, part in enumerate((7, 3, 9))},
        "the first line, 0, 1, 2, is read as the names of the columns: if it is a row, add --no-header",
    ),
    "rows that count": (
        "1,2,3\n4,5,6\n7,8,9\n10,11,12\n",
        {f"f{at}": [1 + at, 4 + at, 7 + at, 10 + at] for at in range(3)},
        "the first line, 1, 2, 3, is read as a row: if it names the columns, add --header",
    ),
    "an unnamed series of pandas": (",0\nu,1.5\nv,2.5\nw,0.5\n", {"": ["u", "v", "w"], "0": [1.5, 2.5, 0.5]}, ""),
    "an index and names that are numbers": (
        ",2,5\n" + "".join(f"{at},{at / 4},{at * 3}\n" for at in range(5)),
        {"": list(range(5)), "2": [at / 4 for at in range(5)], "5": [at * 3 for at in range(5)]},
        "",
    ),
    "fractions as names": (
        "id,0.5,1.5,2.5\n" + "".join(f"{at},{at / 4},{at / 2},{at / 8}\n" for at in range(5)),
        {"id": list(range(5))}
        | {name: [at / by for at in range(5)] for name, by in (("0.5", 4), ("1.5", 2), ("2.5", 8))},
        "",
    ),
    "a word among numbers in the first row": (
        "1.5,none known,u\n2.5,3,v\n4.5,4,u\n" + "2.5,3,u\n" * 12 + "3.5,none known,u\n",
        {
            "f0": [1.5, 2.5, 4.5] + [2.5] * 12 + [3.5],
            "f1": ["none known", "3", "4"] + ["3"] * 12 + ["none known"],
            "f2": ["u", "v", "u"] + ["u"] * 12 + ["u"],
        },
        "no line names the columns",
    ),
    "a byte order mark": (codecs.BOM_UTF8 + (HEADER + BODY).encode(), TABLE, ""),
    "UTF-16": ((HEADER + BODY).encode("utf-16"), TABLE, ""),
    "UTF-16 without a mark": ((HEADER + BODY).encode("utf-16-le"), TABLE, ""),
    "blanks around cells": (HEADER.replace(",", " , ") + lines(" ,  "), TABLE, ""),
    "blanks around quotes": (HEADER.replace(",", ", ") + lines(", ").replace("Uri", '"Uri"'), TABLE, ""),
    "decimal commas": (
        "a;b\n" + PAIRS.format(";").replace(".", ","),
        {"a": ["0,5", "1,25", "2,0", "3,5"], "b": NUMBERS["b"]},
        "",
    ),
    "codes": (
        "zip,n\n01002,1\n90210,2\n00501,3\n",
        {"zip": ["01002", "90210", "00501"], "n": [1, 2, 3]},
        "",
    ),
    "codes in quotes": ('zip,n\n90210,1\n"01002",2\n', {"zip": ["90210", "01002"], "n": [1, 2]}, ""),
    "times": ("at,n\n10:30,1\n11:45,2\n", {"at": ["10:30", "11:45"], "n": [1, 2]}, ""),
    "one column": ("word\nred\ngreen\nblue\n", {"word": ["red", "green", "blue"]}, ""),
    "sentences": ("said\nI came, I saw\nhello\n", {"said": ["I came, I saw", "hello"]}, ""),
}
SPEAKS = {"blanks": ".txt", "R with blanks": ".dat", "a header of savetxt": ".data"}


def write(folder, name, content):
    path = folder / f"t{SPEAKS.get(name, '.csv')}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", FORMS)
def test_a_table_is_read_as_a_person_reads_it(tmp_path, caplog, name):
    content, columns, said = FORMS[name]
    path = write(tmp_path, name, content)
    with caplog.at_level(logging.WARNING):
        table = csv.read_table(path)
        csv.read_table(path)
    assert table.to_pydict() == columns
    if said:
        assert caplog.text.count(said) == 1
    else:
        assert caplog.text == ""


@pytest.mark.parametrize("name", FORMS)
def test_a_table_that_is_read_in_parts_is_the_same(tmp_path, name):
    content, columns, _ = FORMS[name]
    path = write(tmp_path, name, content)
    parts = list(csv.tables(path, None, {}, 3))
    assert max(map(len, parts)) <= 3
    assert pa.concat_tables(parts).equals(csv.read_table(path).combine_chunks())
    assert tuple(csv.schema(path).names) == tuple(columns)


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "data", "dat"])
def test_every_ending_of_text_takes_every_separator(tmp_path, ending):
    for separator in (",", ";", "\t", "|", "  "):
        (tmp_path / f"t.{ending}").write_text(f"a{separator}b\n" + PAIRS.format(separator))
        own = BY_ENDING[f".{ending}"]
        assert own.read(tmp_path / f"t.{ending}", Options(), {}).to_pydict() == NUMBERS
        assert own.names(tmp_path / f"t.{ending}", Options()) == ("a", "b")
        assert own.is_plain(tmp_path / f"t.{ending}")
        rows = np.concatenate(list(own.parts(tmp_path / f"t.{ending}")[0].read(3)))
        np.testing.assert_array_equal(rows, np.array(list(NUMBERS.values())).T)


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "data", "dat"])
def test_what_is_written_is_read_again_by_pandas(tmp_path, ending):
    table = pa.table({"a": [1.5, None], "b": ["x, y", "u\tv"]})
    with (tmp_path / f"t.{ending}").open("wb") as file:
        BY_ENDING[f".{ending}"].write([table, table], file)
    frame = pd.read_csv(tmp_path / f"t.{ending}", sep="\t" if ending == "tsv" else ",")
    pd.testing.assert_frame_equal(frame, pa.concat_tables([table, table]).to_pandas(), check_dtype=False)
    assert csv.read_table(tmp_path / f"t.{ending}").to_pydict() == pa.concat_tables([table, table]).to_pydict()


def test_what_numpy_writes_is_read(tmp_path, rng):
    rows = rng.normal(size=(50, 4))
    np.savetxt(tmp_path / "t.txt", rows)
    read = csv.read_table(tmp_path / "t.txt")
    np.testing.assert_array_equal(np.array(read.columns).T, rows)
    np.savetxt(tmp_path / "t.txt", rows, header="a b c d", delimiter=",")
    assert csv.read_table(tmp_path / "t.txt").num_rows == 50


def test_what_pandas_writes_and_reads_is_read_the_same(tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(30, 3)), columns=["a", "b", "c"]).assign(k=["u", None, 'v "w", x'] * 10)
    for how in ({}, {"sep": ";"}, {"index": False}, {"sep": "\t", "encoding": "utf-16"}, {"quoting": 1}):
        frame.to_csv(tmp_path / "t.csv", **how)
        read = csv.read_table(tmp_path / "t.csv").to_pandas().rename(columns={"": "Unnamed: 0"})
        again = pd.read_csv(tmp_path / "t.csv", sep=how.get("sep", ","), encoding=how.get("encoding"))
        if "quoting" in how:  # everything in quotes
            again["k"] = again["k"].fillna("")
            read = read.astype(again.dtypes.to_dict())
        pd.testing.assert_frame_equal(read, again, check_dtype=False)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Zürich;Größe\nMüller;5\nGérard;7\n"),
        ("cp1252", "name;price\nthe cook\u2019s “best”;5 €\nplain \u2013 simple;7 €\n"),
        ("mac_roman", "name;city\nJosé Rodríguez;Málaga\nIñigo Núñez;Logroño\nChloë;Zürich\n"),
        ("cp1251", "город;число\nМосква;5\nСанкт-Петербург;6\nНовосибирск;7\nЕкатеринбург;8\n"),  # noqa: RUF001
        ("gb18030", "城市;数\n北京市朝阳区;5\n上海市浦东新区;6\n广州市天河区人民政府;7\n"),
    ],
)
def test_another_encoding_is_found_by_its_words_and_said(tmp_path, caplog, encoding, text):
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    with caplog.at_level(logging.WARNING):
        read = csv.read_table(tmp_path / "t.csv")
    expected = pd.read_csv(io.StringIO(text), sep=";")
    assert read.column_names == list(expected)
    assert read.column(0).to_pylist() == expected.iloc[:, 0].tolist()
    assert f"it is not UTF-8, and is read as {encoding}: if letters are wrong, add --encoding NAME" in caplog.text


def test_letters_that_are_not_utf8_are_found_far_into_a_file(tmp_path, caplog):
    rows = "".join(f"place {at},{at}\n" for at in range(150_000))
    assert len(rows) > csv_scan.FIRST_BYTES
    (tmp_path / "t.csv").write_bytes(("name,n\n" + rows + "Zürich,1\nKöln,2\n").encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        assert csv.read_table(tmp_path / "t.csv").column(0)[-2:].to_pylist() == ["Zürich", "Köln"]
    assert "read as cp1252" in caplog.text


def test_options_override_what_is_recognized(tmp_path):
    path = tmp_path / "t.csv"

    def read(text, **options):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return csv.read_table(path, Options(**options)).to_pydict()

    assert read(BODY, header=True) == {"Uri": TABLE["land"][1:], "1.5": TABLE["share"][1:], "12": TABLE["count"][1:]}
    assert read(HEADER + BODY, header=False)["f0"] == ["land", *TABLE["land"]]
    assert read("name,n,m\nu,n.d.,unk\n" + "v,1,2.5\n" * 4, header=True)["name"] == ["u", "v", "v", "v", "v"]
    assert read("a title\nx,y,z\n1,2,3\n", skip=1, header=True) == {"x": [1], "y": [2], "z": [3]}
    assert read("a title, with commas, three\nand more\n" + HEADER + BODY, skip=2) == TABLE
    assert read("% by hand\n" + HEADER + BODY + "% the end\n", comment="%") == TABLE
    assert read((HEADER + BODY).replace("Uri", "Zürich").encode("latin-1"), encoding="latin-1")["land"][0] == "Zürich"
    assert read((HEADER + BODY).replace("Uri", "Zürich").encode("utf-8-sig"), encoding="utf-8")["land"][0] == "Zürich"
    assert read("a b\n1,5 2\n2,5 3\n", separator=" ", decimal=",") == {"a": [1.5, 2.5], "b": [2, 3]}
    assert read("a,b c\n1,2 3\n", separator=",") == {"a": [1], "b c": ["2 3"]}
    assert read("a,b\nleer,1\nx,leer\n", missing=("leer",)) == {"a": [None, "x"], "b": [1, None]}


def test_options_are_obeyed_when_a_table_is_read_in_parts(tmp_path):
    (tmp_path / "t.csv").write_text("% by hand\ntitle\n" + HEADER.replace("count", "leer") + BODY + "% x\nleer,1.5,2\n")
    options = Options(skip=2, comment="%", missing=("leer",))
    parts = pa.concat_tables(csv.tables(tmp_path / "t.csv", options, {}, 2))
    assert parts.equals(csv.read_table(tmp_path / "t.csv", options).combine_chunks())
    assert parts.column("land").to_pylist() == [*TABLE["land"], None]


@pytest.mark.parametrize("mark", [mark for mark in MISSING if mark])
def test_every_mark_for_a_missing_value_is_one_among_numbers_and_texts(tmp_path, mark):
    (tmp_path / "t.csv").write_text(f"a,b,c\n1,x,2024-05-31\n{mark},{mark},{mark}\n2.5,y,2024-06-01\n")
    read = csv.read_table(tmp_path / "t.csv")
    assert [str(kind) for kind in read.schema.types] == ["double", "string", "date32[day]"]
    assert [column.null_count for column in read.columns] == [1, 1, 1]


def test_the_marks_of_pandas_are_all_there():
    assert set(MISSING) >= pd._libs.parsers.STR_NA_VALUES - {"None"}  # None is a level of some columns


def test_types_come_from_all_rows_however_they_are_read(tmp_path, monkeypatch):
    rows = ["1,true,2024-01-01,1,x,"] * 400
    rows += ["2.5,false,2024-01-01 10:30,a,5,7", "3,,2024-01-02,2,6,8"]
    (tmp_path / "t.csv").write_text("a,b,c,d,e,f\n" + "\n".join(rows) + "\n")
    monkeypatch.setattr(csv_text, "BYTES_AT_ONCE", 1 << 10)
    whole = csv.read_table(tmp_path / "t.csv")
    parts = pa.concat_tables(csv.tables(tmp_path / "t.csv", None, {}, 100))
    assert [str(kind) for kind in parts.schema.types] == ["double", "bool", "timestamp[s]", "string", "string", "int64"]
    assert parts.equals(whole.combine_chunks())


@pytest.mark.parametrize("long", ["y" * 3_000_000, '"' + "y\n" * 1_500_000 + '"'])
def test_a_row_that_is_longer_than_a_block_is_read(tmp_path, long):
    rows = "".join(f"{at},{at * 0.5},x\n" for at in range(60_000))
    (tmp_path / "long.csv").write_text(f"a,b,t\n{rows}60000,1,{long}\n60001,2,z\n")
    whole = csv.read_table(tmp_path / "long.csv")
    streamed = list(csv.tables(tmp_path / "long.csv", None, None, 5000))
    assert whole["a"].to_pylist() == list(range(60_002))
    assert whole["t"][60_000].as_py() == long.strip('"')
    assert pa.concat_tables(streamed).equals(whole)


def test_types_that_are_known_are_not_inferred(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + PAIRS.format(","))
    table = next(csv.tables(tmp_path / "t.csv", None, {"a": pa.string(), "b": pa.float64(), "c": pa.int64()}, 9))
    assert table.to_pydict() == {"a": ["0.5", "1.25", "2.0", "3.5"], "b": [10.0, 20.0, 30.0, 41.0]}
    assert not csv_types.types_of(tmp_path / "t.csv", csv_scan.form_of(tmp_path / "t.csv"), Options(), ("a", "b"))


@pytest.mark.parametrize("ending", [".gz", ".bz2"])
def test_a_compressed_table_is_read_as_the_plain_one(tmp_path, ending):
    for name in ("comma", "UTF-16", "blanks around cells", "the header again", "a source"):
        content, columns, _ = FORMS[name]
        packed = {".gz": gzip, ".bz2": bz2}[ending].compress(
            content if isinstance(content, bytes) else content.encode()
        )
        path = tmp_path / f"{name}.csv{ending}"
        path.write_bytes(packed)
        assert csv.read_table(path).to_pydict() == columns
        assert pa.concat_tables(csv.tables(path, None, {}, 2)).to_pydict() == columns


@pytest.mark.parametrize(
    "cell",
    ["line {}\n#tag{}", "line\nSource: {}{}", "thank\nyou {}{}", "a\n\nTotal{}{}"],
)
@pytest.mark.parametrize("places", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_line_within_quotes_is_no_comment_and_no_remark(tmp_path, cell, places, caplog):
    rows = [[f'"{cell.format(at, at)}"', f"{at / 4}", f"{at % 7}"] for at in range(60)]
    lines = [",".join(row[place] for place in places) for row in [["text", "a", "b"], *rows]]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    with caplog.at_level(logging.WARNING):
        read = csv.read_table(tmp_path / "t.csv")
    assert read["text"].to_pylist() == [cell.format(at, at) for at in range(60)]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("phone,x\n" + "".join(f"+49 103 5657{at:03},{at}\n" for at in range(60)), ["phone", "x"]),
        ("all;rate\n" + "".join(f"2 996 {at:03};0,{at:02}\n" for at in range(60)), ["all", "rate"]),
        ("day,x\n" + "".join(f"2024 01 {1 + at % 28:02},{at}.5\n" for at in range(60)), ["day", "x"]),
        ("rgb,n,g\n" + "".join(f"{at} 179 37,{at},{'ab'[at % 2]}\n" for at in range(60)), ["rgb", "n", "g"]),
    ],
)
def test_blanks_within_numbers_do_not_separate_where_the_header_says_so(tmp_path, text, columns):
    (tmp_path / "t.csv").write_text(text)
    read = csv.read_table(tmp_path / "t.csv")
    assert read.column_names == columns
    assert len(read) == 60


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_lines_are_cleaned_wherever_pieces_of_a_file_end(tmp_path, monkeypatch, size):
    rows = [f'  {at} , "p , {at}\n #x" ,  {"uv"[at % 2]}  ' for at in range(200)]
    text = "# top\na, b, c\n" + "\n# amid\n".join(rows) + "\na, b, c\n"
    (tmp_path / "t.csv").write_text(text)
    form = csv_scan.form_of(tmp_path / "t.csv")
    monkeypatch.setattr(csv_text, "BYTES_AT_ONCE", size)
    with form.rows(tmp_path / "t.csv") as file:
        read = file.readall().decode()
    assert read.split() == "".join(f'{at},"p , {at}\n #x",{"uv"[at % 2]}\n' for at in range(200)).split()


def test_blanks_within_quotes_stay_where_blanks_separate(tmp_path):
    (tmp_path / "t.txt").write_text('18.0   8\t"chevrolet  chevelle"\n15.5  10   "buick"  \n  9.5 4 "a ""b"" c"\n')
    assert csv.read_table(tmp_path / "t.txt").to_pydict() == {
        "f0": [18.0, 15.5, 9.5],
        "f1": [8, 10, 4],
        "f2": ["chevrolet  chevelle", "buick", 'a "b" c'],
    }


BAD = [
    ("a,b\n1,2\n3\n4,5\n", "row 1 has 1 cell, expected 2: correct it ('3'); a text with a separator needs quotes"),
    ("a,b\n1,2\n% x\n4,5\n", "if it is a comment, add --comment '%'"),
    (
        "a,b,\n" + "1,2,\n" * 1500 + "1,2,x\n",
        "column 3 has no name in the header, and holds 'x' in row 1500: give it a name",
    ),
    ("a,b\n", "expected rows under the header ('a', 'b'), got none"),
    ("a,b", "expected rows under the header ('a', 'b'), got none"),
    ("a,b\n\n\n", "expected rows under the header ('a', 'b'), got none"),
    ("", "expected a table, got an empty file"),
    ("\n\n", "expected a table, got an empty file"),
    ('a,b\n1,"2\n3,4\n', "a quote is opened and not closed, perhaps in line 2 of 3: close it"),
    (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\2\3",
        "expected a text table, got other bytes in line 3: check the ending of the file",
    ),
]


@pytest.mark.parametrize(("content", "said"), BAD)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, content, said):
    path = write(tmp_path, "", content)
    with pytest.raises(DataError) as refused:
        csv.read_table(path)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)
    if "got none" in said:
        assert list(csv.tables(path, None, {}, 9)) == []
        return
    with pytest.raises(DataError) as again:
        list(csv.tables(path, None, {}, 9))
    assert str(again.value) == str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"skip": -1}, "--skip must be a number of lines, 0 or more, got -1"),
        ({"comment": " "}, "--comment must be the mark that begins a comment"),
        ({"encoding": "klingon"}, "unknown encoding 'klingon': expected a name such as utf-8"),
        ({"encoding": "base64"}, "unknown encoding 'base64'"),
    ],
)
def test_an_option_with_a_wrong_value_is_refused(tmp_path, options, said):
    (tmp_path / "t.csv").write_text(HEADER + BODY)
    with pytest.raises(OptionError) as refused:
        csv.read_table(tmp_path / "t.csv", Options(**options))
    assert said in str(refused.value)


def test_an_option_that_does_not_suit_the_file_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes((HEADER + BODY).replace("Uri", "Zürich").encode("cp1252"))
    with pytest.raises(DataError, match=r"expected text in the encoding utf-8 in line 2, got 'Z.rich,1.5,12': name"):
        csv.read_table(tmp_path / "t.csv", Options(encoding="utf-8"))
    with pytest.raises(DataError, match="expected text in the encoding ascii in line 2"):
        csv.read_table(tmp_path / "t.csv", Options(encoding="ascii"))
    with pytest.raises(DataError, match="got 6 lines, of which --skip leaves out 6"):
        csv.read_table(tmp_path / "t.csv", Options(skip=6))


def test_an_encoding_is_guessed_from_few_letters():
    for text in ("25 °C", "5 µm", "price in €", "Málaga", "François", "naïve", "Ærø"):
        assert csv_encoding.guess(f"name,{text},x\n".encode("cp1252")) == "cp1252"
    for text in ("Málaga", "François", "Núñez", "Chloé"):
        assert csv_encoding.guess(f"name,{text},x\n".encode("mac_roman")) == "mac_roman"


def test_every_real_table_is_read(caplog):
    """Files that were published are read as tables with the number of columns and rows that pandas finds."""
    folder = Path(os.environ.get("DIABOLO_DATA") or "nowhere") / "tables"
    if not folder.is_dir():
        pytest.skip("set DIABOLO_DATA to a folder that holds tables/")
    others = {  # read otherwise than pandas reads them, by eye
        "nfl-ticket-prices",  # lines of separators at the end
        "Dash-Curriculum_Chapter7",  # row names, which pandas takes for its index
        "diamonds_filtered",
        "diamonds_select",
        "cabinet-turnover",  # columns without names and cells
        "masculinity",  # a second line of names
        "nfl-fandom",  # a title
        "bachelorette",  # the header again
        "tsne_data",
    }
    for path in sorted(folder.glob("*/*")):
        if path.suffix == ".xlsx":
            continue
        table = csv.read_table(path)
        form = csv_scan.form_of(path)
        if any(other in path.name for other in others):
            continue
        frame = pd.read_csv(
            path,
            sep=r"\s+" if form.separator == " " else form.separator,
            header=0 if form.named else None,
            encoding=form.encoding,
        )
        assert table.shape == frame.shape, path.name
        if form.named:
            names = ["" if name == "Unnamed: 0" else name.strip() for name in frame.columns]
            assert [name.strip() for name in table.column_names] == names, path.name


def test_a_table_of_many_columns_is_read(tmp_path):
    names = [f"column {at % 40_000}" for at in range(60_000)]
    (tmp_path / "t.csv").write_text(",".join(names) + "\n" + ("1," * 60_000)[:-1] + "\n")
    table = csv.read_table(tmp_path / "t.csv")
    assert table.column_names[39_999:40_001] == ["column 39999", "column 0.1"]
    assert table.num_columns == 60_000


def test_notes_next_to_tables_are_no_tables(tmp_path):
    for at in range(2):
        (tmp_path / f"{at}.csv").write_text(HEADER + BODY)
    (tmp_path / "readme.txt").write_text("what this is")
    assert len(open_frame(tmp_path, Reading())) == 2 * len(ROWS)
    for at in range(2):
        (tmp_path / f"{at}.csv").rename(tmp_path / f"{at}.txt")
    (tmp_path / "readme.txt").unlink()
    assert len(open_frame(tmp_path, Reading())) == 2 * len(ROWS)
