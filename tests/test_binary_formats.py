"""Sheets, JSON, ARFF, arrays of MATLAB and HDF5, remote files: what they hold, and what they are refused for."""

import datetime
import logging
import sys

import h5py
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from scipy import io

from diabolo import Autoencoder
from diabolo.data.formats import format_of
from diabolo.data.opening import open_rows, open_stream
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.inside import inside
from diabolo.data.streams import Stream
from diabolo.errors import DataError, MissingExtraError, OutputError

LIMIT = 1 << 30


def table_of(path):
    return format_of(path).read(path, Options(), {})


def book(path, **sheets):
    """Write sheets of rows by openpyxl."""
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_a_sheet_is_read_below_its_title_and_without_empty_rows_and_columns(tmp_path):
    rows = [["Sales of 2024"], [], [None, "city", None, "sold", "day"]]
    rows += [[None, "Ulm", None, 3, datetime.date(2024, 1, 2)], [], [None, None, None, 4, datetime.date(2024, 1, 3)]]
    table = table_of(book(tmp_path / "t.xlsx", Sheet=rows))
    assert table.to_pydict() == {
        "city": ["Ulm", None],
        "sold": [3, 4],
        "day": [datetime.date(2024, 1, 2), datetime.date(2024, 1, 3)],
    }
    assert table.schema.field("sold").type == pa.int64()


def test_titles_of_groups_of_columns_are_no_names(tmp_path):
    rows = [[None, "All", None, None, "Some", None], [None, "a", "b", "c", "d", "d"]]
    rows += [[at, at * 2, at * 3, at * 4, at * 5, at * 6] for at in range(1, 9)]
    table = table_of(book(tmp_path / "t.xlsx", Sheet=rows))
    assert table.column_names == ["a", "b", "c", "d", "d_2"]  # the first column, without a name, is an index


def test_a_sheet_is_chosen_by_its_name_and_else_the_first_that_is_not_empty(tmp_path, caplog):
    path = book(tmp_path / "t.xlsx", Empty=[], First=[["a"], [1], [2]], Second=[["b"], [3.5], [4]])
    with caplog.at_level(logging.WARNING):
        assert table_of(path).column_names == ["a"]
    assert "read sheet 'First'; others: 'Empty', 'Second' (t.xlsx:NAME)" in caplog.text
    assert table_of(inside(path, "Second")).to_pydict() == {"b": [3.5, 4.0]}
    assert open_rows(f"{path}:Second", LIMIT).name == "t.xlsx:Second"
    assert open_rows(f"{path}:Second", LIMIT).rows.tolist() == [[3.5], [4.0]]
    with pytest.raises(DataError, match=r"t.xlsx:Secnd: unknown sheet 'Secnd'. Did you mean 'Second'\?"):
        open_rows(f"{path}:Secnd", LIMIT)


def test_a_sheet_of_numbers_alone_has_no_names(tmp_path):
    path = book(tmp_path / "t.xlsx", Sheet=[[1, 2.5], [3, 4]])
    assert open_rows(path, LIMIT).rows.tolist() == [[1, 2.5], [3, 4]]
    assert open_rows(path, LIMIT).schema is None


def test_a_column_of_several_kinds_is_text_as_it_stands(tmp_path):
    path = book(tmp_path / "t.xlsx", Sheet=[["a"], [1], ["x"], [True], [2.5], [datetime.date(2024, 5, 31)]])
    assert table_of(path)["a"].to_pylist() == ["1", "x", "true", "2.5", "2024-05-31"]


def test_a_text_of_a_stranger_stays_a_text_in_excel(tmp_path):
    table = pa.table({"a": ["=1+1", "http://example.org", "007", None], "b": [0.1, float("nan"), 1e300, -1.0]})
    with (tmp_path / "t.xlsx").open("wb") as file:
        format_of(tmp_path / "t.xlsx").write([table], file)
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert [cell.data_type for cell in sheet["A"]] == ["s", "s", "s", "s", "n"]
    assert sheet["A2"].hyperlink is None
    assert table_of(tmp_path / "t.xlsx").to_pydict() == {
        "a": ["=1+1", "http://example.org", "007", None],
        "b": [0.1, None, 1e300, -1.0],
    }


def test_excel_gets_no_more_rows_than_a_sheet_has(tmp_path):
    column = pa.array(np.zeros(1 << 20))
    with (
        (tmp_path / "t.xlsx").open("wb") as file,
        pytest.raises(OutputError, match="a sheet has at most 1,048,576 rows"),
    ):
        format_of(tmp_path / "t.xlsx").write([pa.table({"a": column})], file)


def test_the_same_rows_give_the_same_bytes_in_excel_and_gzip(cli, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 4)))
    assert cli("fit", "rows.npy", "--latent", "2", "--epochs", "1", "-o", "m").code == 0
    for ending in (".xlsx", ".csv.gz", ".json"):
        for name in ("one", "two"):
            done = cli("encode", "m.safetensors", "rows.npy", "-o", f"{name}{ending}")
            assert done.code == 0, done.err
        assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()
    latents = pd.read_excel(tmp_path / "one.xlsx", engine="openpyxl").to_numpy()
    np.testing.assert_allclose(latents, pd.read_csv(tmp_path / "one.csv.gz"), atol=1e-6)
    np.testing.assert_allclose(latents, pd.read_json(tmp_path / "one.json"), atol=1e-6)


FORMS_OF_JSON = {
    "a list": '[{"a": 1, "b": "x"}, {"a": 2.5}, {"b": null, "a": 3}]',
    "an object with a list": '{"source": "here", "rows": [{"a": 1, "b": "x"}, {"a": 2.5}, {"a": 3}]}',
    "columns": '{"a": [1, 2.5, 3], "b": ["x", null, null]}',
    "pandas": '{"a": {"0": 1, "1": 2.5, "2": 3}, "b": {"0": "x", "1": null, "2": null}}',
    "pandas, split": '{"columns": ["a", "b"], "index": [0, 1, 2], "data": [[1, "x"], [2.5, null], [3, null]]}',
    "lines": '{"a": 1, "b": "x"}\n{"a": 2.5}\n{"a": 3}\n',
    "a mark of bytes": '\ufeff[{"a": 1, "b": "x"}, {"a": 2.5}, {"a": 3}]',
}


@pytest.mark.parametrize("form", FORMS_OF_JSON)
def test_json_is_read_in_every_form(form, tmp_path):
    (tmp_path / "t.json").write_text(FORMS_OF_JSON[form], encoding="utf-8")
    assert table_of(tmp_path / "t.json").to_pydict() == {"a": [1, 2.5, 3], "b": ["x", None, None]}


@pytest.mark.parametrize("orient", ["index", "columns"])
def test_json_of_a_frame_by_column_or_by_row_is_the_same_table_with_its_index(orient, tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5, 4.5], "b": [1, 2, 3, 4]})
    for index in (None, ["u", "v", "w", "x"]):
        frame.index = pd.RangeIndex(4) if index is None else index
        frame.to_json(tmp_path / "t.json", orient=orient)
        columns = {} if index is None else {"index": index}
        assert table_of(tmp_path / "t.json").to_pydict() == columns | frame.to_dict("list")


def test_an_unnamed_index_of_texts_in_parquet_is_a_column_and_one_of_numbers_is_not(tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5]})
    for index, names in ((["u", "v", "w"], ["a", "__index_level_0__"]), ([7, 3, 1], ["a"])):
        frame.index = index
        frame.to_parquet(tmp_path / "t.parquet")
        assert table_of(tmp_path / "t.parquet").column_names == names


def test_json_with_several_lists_asks_for_one(tmp_path):
    (tmp_path / "t.json").write_text('{"a": [{"x": 1}], "b": [{"y": 2}, {"y": 3}]}')
    with pytest.raises(DataError, match=r"expected one list of objects, got 'a', 'b': name one of them, t.json:a"):
        open_rows(tmp_path / "t.json", LIMIT)
    assert open_rows(f"{tmp_path}/t.json:b", LIMIT).rows.tolist() == [[2], [3]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON, .* after record 0 .it is empty"),
        ("nonsense", "expected JSON, .* after record 0 .it begins with 'n'"),
        ('[{"a": 1}, {"a": }]', "expected JSON, .* after record 1"),
        ('[{"a": 1}, 7]', "expected objects, .* got 7 in record 1"),
        ('[{"a": 1}', "expected JSON, .* after record 1 .the list has no end"),
        ("[]", "expected rows, got none"),
        ("[" * 100_000, "nested too deep in record 0"),
        ('[{"a": ' + "[" * 100_000, "nested too deep in record 0"),
        ('[{"a": "\\ud800"}]', "text that is not valid Unicode"),
    ],
)
def test_a_fault_in_json_is_said_with_its_place(text, message, tmp_path):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        open_rows(tmp_path / "t.json", LIMIT)
    assert "\n" not in str(caught.value)


def test_json_is_read_piece_by_piece(tmp_path):
    numbers = np.random.default_rng(0).normal(size=(30_000, 3))
    pd.DataFrame(numbers, columns=list("abc")).to_json(tmp_path / "t.json", orient="records", double_precision=15)
    stream = open_rows(tmp_path / "t.json", 1_000_000)
    assert isinstance(stream, Stream)
    np.testing.assert_allclose(np.concatenate(list(stream.chunks(1000))), numbers, atol=1e-14)


def test_arff_has_the_kinds_of_its_header(tmp_path):
    text = """% a comment
@RELATION 'some name'
@attribute "sepal length" REAL
@ATTRIBUTE kind {x, 'y z', "q,r"}
@attribute note string
@attribute day date "dd.MM.yyyy"
@attribute good {TRUE,false}
@data
1.5, x, 'he said, \\'hi\\'', 31.05.2024, true
?, 'y z', ?, ?, FALSE

{0 2, 1 "q,r", 3 01.02.2024}
"""
    (tmp_path / "t.arff").write_text(text)
    table = table_of(tmp_path / "t.arff")
    assert table.to_pydict() == {
        "sepal length": [1.5, None, 2.0],
        "kind": ["x", "y z", "q,r"],
        "note": ["he said, 'hi'", None, "0"],
        "day": [datetime.datetime(2024, 5, 31), None, datetime.datetime(2024, 2, 1)],
        "good": [True, False, True],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no line @data"),
        ("hello\n", "expected @attribute or @data in line 1, got 'hello'"),
        ("@data\n1\n", "expected lines @attribute NAME TYPE, got none"),
        ("@attribute a numeric\n@attribute a real\n@data\n1,2\n", "two columns are called 'a'"),
        ("@attribute a relational\n@data\n", "column 'a' expected numeric, .* in line 1, got 'relational'"),
        ("@attribute a numeric\n@data\nx\n", "column 'a' expected a numeric value"),
        ("@attribute a {u,v}\n@data\nw\n", "column 'a' expected one of the values in its header, got 'w'"),
        ("@attribute a numeric\n@data\n1,2\n", "expected 1 cells in line 3, got 2"),
        ("@attribute a numeric\n@data\n{5 1}\n", "expected a column below 1, got 5"),
        ("@attribute a numeric\n@data\n", "expected rows, got none"),
    ],
)
def test_a_fault_in_arff_is_said_with_its_place(text, message, tmp_path):
    (tmp_path / "t.arff").write_text(text)
    with pytest.raises(DataError, match=message):
        open_rows(tmp_path / "t.arff", LIMIT)


@pytest.fixture
def arrays(tmp_path):
    """The same array in every format of arrays, next to others."""
    rows = np.random.default_rng(0).normal(size=(500, 6))
    for name, packed in (("packed.mat", True), ("plain.mat", False)):
        others = {"y": np.arange(500.0)[:, None], "note": "hello", "more": {"a": 1}}
        io.savemat(tmp_path / name, {"X": rows, **others}, do_compression=packed)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["X"], file["y"] = rows, np.arange(500)
        file.create_dataset("group/packed", data=rows, chunks=(64, 6), compression="gzip")
        file["group/round"] = file["group"]
        file["out"], file["soft"] = h5py.ExternalLink("other.h5", "X"), h5py.SoftLink("/X")
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        file["X"] = rows.T  # as MATLAB 7.3 writes it
    with (tmp_path / "new.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    return rows


NAMES = ["packed.mat", "plain.mat:X", "rows.h5", "rows.h5:X", "rows.h5:group/packed", "new.mat", "new.mat:X"]


@pytest.mark.parametrize("name", NAMES)
def test_an_array_is_read_whole_and_in_parts(name, arrays, tmp_path):
    np.testing.assert_array_equal(open_rows(f"{tmp_path}/{name}", LIMIT).rows, arrays)
    chunks = list(open_stream(f"{tmp_path}/{name}").chunks(70))
    assert max(map(len, chunks)) <= 70
    np.testing.assert_array_equal(np.concatenate(chunks), arrays)


def test_an_array_of_hdf5_trains_and_encodes_as_the_array_itself(cli, arrays, tmp_path):
    np.save(tmp_path / "rows.npy", arrays)
    assert cli("fit", "rows.h5:group/packed", "--latent", "2", "--epochs", "1").code == 0
    for name, output in (("rows.npy", "a.csv"), ("rows.h5:X", "b.csv"), ("new.mat", "c.csv")):
        done = cli("encode", "rows-group-packed.safetensors", name, "-o", output)
        assert done.code == 0, done.err
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("packed.mat:Y", "unknown array of numbers 'Y'. Did you mean 'X|unknown array of numbers 'Y'"),
        ("packed.mat:note", "unknown array of numbers 'note'"),
        ("rows.h5:out", "'out' is a link to the file 'other.h5', which is not followed"),
        ("rows.h5:soft", "'soft' is a link to '/X', which is not followed"),
        ("rows.h5:none", "unknown array of numbers 'none'"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(name, message, arrays, tmp_path):
    with pytest.raises(DataError, match=message):
        open_rows(f"{tmp_path}/{name}", LIMIT)


def test_pictures_of_hdf5_keep_their_axes(tmp_path):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["pictures"] = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    opened = open_rows(tmp_path / "p.h5", LIMIT)
    assert (opened.rows.shape, opened.rows.dtype) == ((2, 8, 8, 3), np.uint8)


def test_a_remote_file_is_copied_and_read(cli, tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    class Store(MemoryFileSystem):
        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.replace("s3://", "memory://"))

    fsspec.register_implementation("s3", Store, clobber=True)
    frame = pd.DataFrame({"a": np.arange(60.0), "b": ["x", "y", "z"] * 20})
    store = fsspec.filesystem("memory")
    with store.open("/bucket/t.parquet", "wb") as file:
        frame.to_parquet(file)
    book(tmp_path / "t.xlsx", One=[["a"], [1], [2]], Two=[["b"], [3.5], [4]])
    store.pipe("/bucket/t.xlsx", (tmp_path / "t.xlsx").read_bytes())
    done = cli("fit", "s3://bucket/t.parquet", "--latent", "1", "--epochs", "1")
    assert done.code == 0, done.err
    model = Autoencoder(1, structure=[4], epochs=1, random_state=0, verbose=False).fit("s3://bucket/t.parquet")
    np.testing.assert_array_equal(model.encode("s3://bucket/t.parquet"), model.encode(frame))
    assert open_rows("s3://bucket/t.xlsx:Two", LIMIT).rows.tolist() == [[3.5], [4.0]]
    done = cli("fit", "s3://bucket/none.csv")
    assert done.code == 2
    assert "s3://bucket/none.csv: cannot be read" in done.err
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        MissingExtraError, match=r"gs://b/t.csv: fsspec and gcsfs, .* not installed: pip install fsspec gcsfs"
    ):
        open_rows("gs://b/t.csv", LIMIT)
