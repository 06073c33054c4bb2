"""Tables in files: whatever the format, the same rows have the same kinds and give the same latents."""

import bz2
import datetime
import gzip
import json
import lzma

import duckdb
import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from pyarrow import dataset, feather, parquet

from diabolo import Autoencoder
from diabolo.data.formats import BY_ENDING, FORMATS, TableFormat, format_of
from diabolo.data.opening import open_rows, open_stream
from diabolo.data.readers.csv_form import Options
from diabolo.data.streams import Stream
from diabolo.data.tables import Reading
from diabolo.errors import DataError

ENDINGS = [each.endings[0] for each in FORMATS]
WRITTEN = [each.endings[0] for each in FORMATS if each.writes]
PACKED = [
    f"{each}{packed}" for each in (".csv", ".jsonl", ".json", ".arff") for packed in (".gz", ".bz2", ".zst", ".xz")
]
KINDS = ["number", "number", "boolean", "category", "date"]
LIMIT = 1 << 30


@pytest.fixture(scope="module")
def frame():
    """300 rows: numbers, whole numbers with gaps, booleans, texts, dates, and missing cells."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "weight": rng.normal(70, 9, 300).round(2),
            "visits": pd.array(rng.integers(0, 9, 300), "Int64"),
            "member": rng.random(300) < 0.4,
            "city": rng.choice(["Ulm", "Bonn", "Kiel"], 300),
            "since": [datetime.date(2024, 1, 1) + datetime.timedelta(int(day)) for day in rng.integers(0, 700, 300)],
        }
    )
    frame.loc[::17, "weight"] = np.nan
    frame.loc[3::23, "visits"] = pd.NA
    frame.loc[5::29, "city"] = None
    return frame


def arff(frame):
    """Return a frame as ARFF; no library at hand writes it with missing cells."""
    kinds = ["numeric", "numeric", "{True,False}", "{Ulm,Bonn,Kiel}", "date yyyy-MM-dd"]
    head = [f"@attribute {name} {kind}\n" for name, kind in zip(frame.columns, kinds, strict=True)]
    rows = [
        ",".join("?" if pd.isna(cell) else str(cell) for cell in row) + "\n" for row in frame.itertuples(index=False)
    ]
    return "".join(["@relation t\n", *head, "@data\n", *rows])


@pytest.fixture(scope="module")
def folder(frame, tmp_path_factory):
    """The frame in each format, written by pandas, pyarrow and compressing libraries."""
    folder = tmp_path_factory.mktemp("formats")
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "t.parquet", index=False)
    feather.write_feather(pa.Table.from_pandas(frame, preserve_index=False), folder / "t.feather")
    texts = frame.assign(since=frame["since"].astype(str))
    texts.to_json(folder / "t.jsonl", orient="records", lines=True)
    texts.to_json(folder / "t.json", orient="records")
    frame.to_excel(folder / "t.xlsx", index=False, engine="openpyxl")
    frame.to_excel(folder / "t.ods", index=False, engine="odf")
    (folder / "t.arff").write_text(arff(frame))
    for ending in (".csv", ".jsonl", ".json", ".arff"):
        content = (folder / f"t{ending}").read_bytes()
        (folder / f"t{ending}.gz").write_bytes(gzip.compress(content))
        (folder / f"t{ending}.bz2").write_bytes(bz2.compress(content))
        (folder / f"t{ending}.xz").write_bytes(lzma.compress(content))
        (folder / f"t{ending}.zst").write_bytes(pa.compress(content, "zstd", asbytes=True))
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return Autoencoder(3, structure=[16], epochs=3, random_state=0, verbose=False).fit(folder / "t.csv")


@pytest.mark.parametrize("ending", [*ENDINGS, *PACKED])
def test_every_format_gives_the_same_kinds_and_the_same_latents(ending, folder, model):
    opened = open_rows(folder / f"t{ending}", LIMIT)
    assert [column.kind for column in opened.schema.columns] == KINDS
    latents = model.encode(folder / f"t{ending}")
    np.testing.assert_allclose(latents, model.encode(folder / "t.csv"), atol=1e-6)


FRAMES = {
    "pandas": lambda frame, table: frame,
    "polars": lambda frame, table: polars.from_arrow(table),
    "a lazy frame of polars": lambda frame, table: polars.from_arrow(table).lazy(),
    "pyarrow": lambda frame, table: table,
    "record batches": lambda frame, table: table.to_reader(70),
    "one record batch": lambda frame, table: table.combine_chunks().to_batches()[0],
    "a data set of pyarrow": lambda frame, table: dataset.dataset(table),
    "a relation of DuckDB": lambda frame, table: duckdb.from_arrow(table),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_gives_the_same_kinds_and_the_same_latents(name, frame, folder, model):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    opened = open_rows(FRAMES[name](frame, table), LIMIT)
    assert [column.kind for column in opened.schema.columns] == KINDS
    expected = model.encode(folder / "t.csv")
    latents = model.encode(FRAMES[name](frame, table))
    np.testing.assert_allclose(np.asarray(latents), expected, atol=1e-6)
    filled = model.reconstruct(FRAMES[name](frame, table), fill="missing")
    assert len(filled) == 300
    own = Autoencoder(3, structure=[16], epochs=3, random_state=0, verbose=False).fit(FRAMES[name](frame, table))
    np.testing.assert_allclose(own.transform(FRAMES[name](frame, table)), own.transform(frame), atol=1e-6)
    assert np.isfinite(own.score_samples(FRAMES[name](frame, table))).all()


@pytest.mark.parametrize("ending", WRITTEN)
def test_what_a_format_writes_it_reads_again(ending, folder, tmp_path):
    each = BY_ENDING[ending]
    table = pa.Table.from_pandas(pd.read_parquet(folder / "t.parquet"), preserve_index=False)
    with (tmp_path / f"again{ending}").open("wb") as file:
        each.write([table.slice(0, 100), table.slice(100)], file)
    again = each.read(tmp_path / f"again{ending}", Options(), {})
    assert again.column_names == table.column_names
    assert len(again) == 300
    for name in ("weight", "visits", "city"):
        assert again[name].to_pylist() == table[name].to_pylist()
    days = [str(moment)[:10] for moment in again["since"].to_pylist()]  # some formats have no dates without a time
    assert days == list(map(str, table["since"].to_pylist()))


@pytest.mark.parametrize("ending", WRITTEN)
def test_numbers_of_every_format_are_read_in_parts(ending, tmp_path):
    rows = np.random.default_rng(1).normal(size=(5000, 4)).astype(np.float32)
    table = pa.table({f"x{at}": rows[:, at] for at in range(4)})
    path = tmp_path / f"rows{ending}"
    with path.open("wb") as file:
        BY_ENDING[ending].write([table.slice(at, 1000) for at in range(0, 5000, 1000)], file)
    assert BY_ENDING[ending].is_plain(path)
    stream = open_rows(path, 100_000)
    assert isinstance(stream, Stream)
    chunks = list(open_stream(path).chunks(700))
    assert max(map(len, chunks)) <= 700
    np.testing.assert_allclose(np.concatenate(chunks), rows, rtol=1e-6)


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".jsonl"])
@pytest.mark.parametrize(
    "content", [b"", b"no such format", b"ARROW1\0\0" + b"\xff" * 64, b"PAR1" + b"\0" * 64, b'{"a": }']
)
def test_a_damaged_file_is_refused_in_one_line(ending, content, tmp_path):
    path = tmp_path / f"bad{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        open_rows(path, LIMIT)
    assert "\n" not in str(error.value)
    assert f"bad{ending}" in str(error.value)


def test_a_feather_file_that_is_cut_off_is_refused(folder, tmp_path):
    whole = (folder / "t.feather").read_bytes()
    for size in (8, 100, len(whole) // 2, len(whole) - 9):
        (tmp_path / "cut.feather").write_bytes(whole[:size])
        with pytest.raises(DataError, match="expected a Feather or Arrow file"):
            open_rows(tmp_path / "cut.feather", LIMIT)


@pytest.mark.parametrize("text", ['{"a": 1, "b": [1, 2]}\n{"a": 2, "b": []}\n', '[{"a": 1, "b": {"c": 2}}, {"a": 2}]'])
def test_a_column_of_lists_or_objects_is_left_out(text, tmp_path):
    path = tmp_path / ("lists.json" if text[0] == "[" else "lists.jsonl")
    path.write_text(text)
    assert open_rows(path, LIMIT).schema.names == ("a",)
    with pytest.raises(DataError, match=r"'b' .holds (list|struct)"):
        open_rows(path, LIMIT, reading=Reading(strict=True))
    np.testing.assert_array_equal(open_rows(path, LIMIT, reading=Reading(drop=("b",))).rows, [[1], [2]])


def test_json_lines_with_a_broken_line_are_refused_with_the_place(tmp_path):
    (tmp_path / "broken.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match="expected one JSON object on each line"):
        open_rows(tmp_path / "broken.jsonl", LIMIT)


def test_a_column_of_json_lines_with_two_kinds_of_cells_is_refused_with_what_to_write(tmp_path):
    (tmp_path / "two.jsonl").write_text('{"a": 1, "b": 2}\n{"a": "x", "b": 3}\n')
    said = "expected cells of one kind in column 'a', got number and in row 1 string: write one kind in every line"
    with pytest.raises(DataError, match=said):
        open_rows(tmp_path / "two.jsonl", LIMIT)
    # The first piece of a mebibyte has one kind, the next one the other.
    (tmp_path / "late.jsonl").write_text('{"a": 1, "b": 2}\n' * 61_680 + '{"a": "x", "b": 3}\n' * 9)
    with pytest.raises(DataError, match="one kind in column 'a', got int64 and from row 61,680 on string: write one"):
        open_rows(tmp_path / "late.jsonl", LIMIT)


def test_a_name_that_is_missing_on_a_line_is_a_missing_cell(tmp_path):
    lines = [f'{{"a": {at}, "b": {at % 7}}}' if at % 5 else f'{{"a": {at}}}' for at in range(100)]
    (tmp_path / "gaps.jsonl").write_text("\n".join(lines) + "\n")
    opened = open_rows(tmp_path / "gaps.jsonl", LIMIT)
    assert np.isnan(opened.rows[:, 1]).tolist() == [at % 5 == 0 for at in range(100)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_command_line_reads_and_writes_every_format(cli, ending, folder, tmp_path):
    model, out = tmp_path / "m.safetensors", ending if ending in WRITTEN else ".csv"
    cli("fit", folder / f"t{ending}", "-o", model, "--latent", "2", "--epochs", "1", cwd=tmp_path)
    cli("encode", model, folder / f"t{ending}", "-o", f"latents{out}", "--keep", "city", cwd=tmp_path)
    cli("decode", model, f"latents{out}", "-o", f"back{out}", cwd=tmp_path)
    back = BY_ENDING[out].read(tmp_path / f"back{out}", Options(), {})
    assert back.column_names == ["weight", "visits", "member", "city", "since"]
    assert len(back) == 300


def test_a_format_of_ones_own_is_one_class(monkeypatch, tmp_path):
    class Fixed(TableFormat):
        """Numbers of eight characters each."""

        endings, words = (".fix",), "a file of fixed width"

        def tables(self, path, form, types, rows):
            lines = path.read_text().splitlines()
            values = [[float(line[at : at + 8]) for at in range(0, len(line), 8)] for line in lines]
            table = pa.table({f"c{at}": column for at, column in enumerate(zip(*values, strict=True))})
            return (table.slice(start, rows) for start in range(0, len(table), rows))

        def schema(self, path, form):
            return next(self.tables(path, form, {}, 1)).schema

        def write(self, tables, file):
            for table in tables:
                for row in zip(*table.to_pydict().values(), strict=True):
                    file.write("".join(f"{value:8.3f}" for value in row).encode() + b"\n")

    own, path = Fixed(), tmp_path / "rows.fix"
    rows = np.arange(12.0).reshape(4, 3)
    with path.open("wb") as file:
        own.write([pa.table({f"c{at}": rows[:, at] for at in range(3)})], file)
    assert own.is_plain(path)
    assert own.names(path, Options()) == ("c0", "c1", "c2")
    (part,) = own.parts(path)
    np.testing.assert_array_equal(np.concatenate(list(part.read(3))), rows)
    assert len(own.read(path, Options(), {})) == 4


def test_parquet_of_this_test_is_what_pyarrow_reads(folder):
    assert parquet.read_table(folder / "t.parquet").num_rows == 300  # the yardstick itself


def lines(records: list[dict[str, object]]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


def as_text(records: list[dict[str, object]], ending: str) -> str:
    return json.dumps(records) if ending == ".json" else lines(records)


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_a_late_column_and_a_late_fraction_of_json_are_read_whole_and_in_chunks(ending, tmp_path):
    records: list[dict[str, object]] = [{"a": at, "b": at % 3, "c": "x" * 40} for at in range(40_000)]
    records[-1] = {"a": 0.5, "b": 1, "late": 7}
    path = tmp_path / f"late{ending}"
    path.write_text(as_text(records, ending))
    assert path.stat().st_size > 2 << 20
    found = format_of(path)
    whole = found.read(path, Options(), {})
    streamed = list(found.tables(path, Options(), {}, 1000))
    assert {each.schema for each in streamed} == {whole.schema}
    assert [str(kind) for kind in whole.schema.types] == ["double", "int64", "string", "int64"]
    assert whole["a"].to_pylist() == [each["a"] for each in records]
    assert [cell for each in streamed for cell in each["late"].to_pylist()] == [each.get("late") for each in records]
    assert max(map(len, streamed)) <= 1000


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_times_of_json_have_a_zone_on_the_way_back(ending, tmp_path):
    times = [f"2024-05-{day:02}T08:30:00+02:00" for day in range(1, 29)]
    path = tmp_path / f"zoned{ending}"
    path.write_text(as_text([{"a": at * 0.5, "when": time} for at, time in enumerate(times)], ending))
    model = Autoencoder(2, epochs=1, random_state=0, verbose=False).fit(path)
    assert [column.kind for column in model.model_.schema.columns] == ["number", "date"]
    written = pa.table(model.reconstruct(path))
    assert all(datetime.datetime.fromisoformat(each).tzinfo is not None for each in written["when"].to_pylist())


@pytest.mark.parametrize("packed", [".gz", ".bz2", ".xz"])
def test_a_damaged_compressed_file_of_json_lines_is_refused(packed, folder, tmp_path):
    whole = (folder / f"t.jsonl{packed}").read_bytes()
    (tmp_path / f"cut.jsonl{packed}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged file"):
        open_rows(tmp_path / f"cut.jsonl{packed}", LIMIT)
