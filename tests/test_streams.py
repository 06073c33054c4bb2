"""Rows in chunks: the same rows as in one piece, from every kind of file, in memory that does not grow."""

import json
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from diabolo import Autoencoder
from diabolo.data import sinks
from diabolo.data.opening import open_source, open_stream
from diabolo.data.prefetch import ahead
from diabolo.errors import DataError, ShapeError


@pytest.fixture
def rows(rng):
    return rng.normal(size=(1000, 4)).round(6)


def write(path, rows):
    """Write rows to a file of the kind that its ending says."""
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez(path, X=rows)
    elif path.suffix == ".parquet":
        table = pa.table({f"c{at}": column for at, column in enumerate(rows.T)})
        parquet.write_table(table, path, row_group_size=130)
    else:
        np.savetxt(path, rows, delimiter=",", header="c0,c1,c2,c3", comments="", fmt="%.6f")
    return path


@pytest.mark.parametrize("size", [1, 7, 130, 10_000])
@pytest.mark.parametrize("ending", [".npy", ".npz", ".parquet", ".csv"])
def test_chunks_are_the_rows_in_their_order(tmp_path, rows, ending, size):
    stream = open_stream(write(tmp_path / f"rows{ending}", rows))
    chunks = list(stream.chunks(size))
    assert max(map(len, chunks)) <= size
    np.testing.assert_allclose(np.concatenate(chunks), rows, rtol=1e-12)
    np.testing.assert_array_equal(np.concatenate(chunks), open_source(tmp_path / f"rows{ending}").rows)
    assert stream.rows in (None, 1000)


def test_a_folder_and_a_pattern_are_their_files_by_name(tmp_path, rows):
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder / "b.parquet", rows[300:700])
    write(folder / "a.npy", rows[:300])
    write(folder / "c.csv", rows[700:])
    (folder / "notes.txt").write_text("not rows")
    for source in (folder, f"{folder}/*"):
        np.testing.assert_allclose(np.concatenate(list(open_stream(source).chunks(97))), rows, rtol=1e-12)
    assert open_stream(f"{folder}/[ab].*").rows == 700


def test_files_of_other_columns_in_one_folder_are_refused(tmp_path, rows):
    write(tmp_path / "a.npy", rows)
    write(tmp_path / "b.npy", rows[:, :3])
    with pytest.raises(ShapeError, match=r"b.npy: expected rows of shape \(4,\) as in .*a.npy, got \(3,\)"):
        list(open_stream(tmp_path).chunks(100))


def test_images_and_arrays_stored_by_column_come_in_chunks_too(tmp_path, digits, rows):
    for name, array in {
        "images": digits.x_test,
        "columns": rows,
        "colours": digits.x_test.reshape(-1, 14, 28, 2),
    }.items():
        for number, stored in enumerate((array, np.asfortranarray(array))):
            np.save(tmp_path / f"{name}{number}.npy", stored)
            chunks = list(open_stream(tmp_path / f"{name}{number}.npy").chunks(300))
            assert [len(chunk) for chunk in chunks[:-1]] == [300] * (len(chunks) - 1)
            np.testing.assert_array_equal(np.concatenate(chunks), array)


def test_columns_of_the_same_number_but_in_another_order_are_refused(tmp_path):
    for name, columns in {"a": "x,y", "b": "y,x"}.items():
        (tmp_path / f"{name}.csv").write_text(f"{columns}\n1,2\n")
        parquet.write_table(pa.table({each: [1.0] for each in columns.split(",")}), tmp_path / f"{name}.parquet")
    for kind in ("csv", "parquet"):
        with pytest.raises(DataError, match=r"b\.\w+: expected the columns 'x', 'y' as in .*a\.\w+, got 'y', 'x'"):
            list(open_stream(f"{tmp_path}/*.{kind}").chunks(10))


def test_files_without_rows_among_others_are_passed_over(tmp_path, rows):
    write(tmp_path / "a.parquet", rows)
    pq = pa.table({f"c{at}": np.empty(0) for at in range(4)})
    parquet.write_table(pq, tmp_path / "b.parquet")
    np.save(tmp_path / "c.npy", np.empty((0, 4)))
    np.testing.assert_array_equal(np.concatenate(list(open_stream(tmp_path).chunks(600))), rows)


def test_text_without_letters_is_no_number(tmp_path):
    (tmp_path / "x.npy").write_bytes(header("<U0", (5, 3)))
    with pytest.raises(DataError, match="expected numbers"):
        Autoencoder(2).fit(tmp_path / "x.npy")


def test_decimals_are_numbers(tmp_path):
    parquet.write_table(pa.table({"a": pa.array([1, 2], pa.decimal128(6, 2))}), tmp_path / "x.parquet")
    np.testing.assert_array_equal(open_source(tmp_path / "x.parquet").rows, [[1.0], [2.0]])


def test_whole_numbers_in_the_first_block_of_a_csv_do_not_forbid_fractions_later(tmp_path):
    lines = ["a,b", *("1,2" for _ in range(5_000_000 // 2)), "1.5,"]
    (tmp_path / "long.csv").write_text("\n".join(lines[:-1]) + "\n1.5,2.25\n")
    last = list(open_stream(tmp_path / "long.csv").chunks(1_000_000))[-1]
    np.testing.assert_array_equal(last[-1], [1.5, 2.25])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: write(folder / "x.npy", np.ones((50, 3))).write_bytes(b"no"), "expected a .npy file"),
        (lambda folder: cut_off(write(folder / "x.npy", np.ones((50, 3)))), "announces 50 rows, but ends in row 4"),
        (lambda folder: cut_off(write(folder / "x.parquet", np.ones((50, 3)))), "expected a Parquet file"),
        (lambda folder: gap(folder / "x.parquet"), "column 'a' has empty cells, the first in row 2"),
        (lambda folder: text(folder / "x.parquet"), "column 'a' expected numbers, got 'x' in row 0"),
        (lambda folder: (folder / "x.csv").write_text("a,b\n1,2\n3\n"), "CSV parse error"),
        (lambda folder: (folder / "x.csv").write_text("a\n"), "x.csv: expected rows, got none"),
        (lambda folder: np.save(folder / "x.npy", np.ones((0, 3))), "x.npy: expected rows, got none"),
        (lambda folder: (folder / "x.npy").write_bytes(header("<f8", (5, -3))), "expected a .npy file"),
        (lambda folder: (folder / "x.npy").write_bytes(header("<f8", (True, 3))), "expected a .npy file"),
    ],
)
def test_what_breaks_on_the_way_is_said(tmp_path, make, message):
    make(tmp_path)
    (path,) = tmp_path.iterdir()
    with pytest.raises(DataError, match=message):
        list(open_stream(path).chunks(2))


def test_a_text_far_down_is_said_with_its_row(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n" + "1,2\n" * 3_000_001 + "1,x\n")
    with pytest.raises(DataError, match="column 'b' expected numbers, got 'x' in row 3000001"):
        list(open_stream(tmp_path / "x.csv").chunks(100_000))


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-200])


def gap(path):
    parquet.write_table(pa.table({"a": [1.0, 2.0, None]}), path)


def header(dtype, shape):
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(120)


def text(path):
    parquet.write_table(pa.table({"a": ["x", "y"]}), path)


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match=r"expected pictures, or files of kind .npy, "):
        open_stream(tmp_path)


def test_reading_ahead_changes_neither_items_nor_errors():
    assert list(ahead(iter(range(100)))) == list(range(100))

    def breaks():
        yield 1
        raise DataError("here")

    reader = ahead(breaks())
    assert next(reader) == 1
    with pytest.raises(DataError, match="here"):
        next(reader)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".csv"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_what_is_written_in_chunks_reads_as_one(tmp_path, rng, ending, dtype):
    values = (200 * rng.random((50, 3))).astype(dtype)
    said = sinks.write(
        tmp_path / f"out{ending}", iter([values[:20], values[20:21], values[21:]]), name="X", force=False
    )
    assert said.endswith(f"{np.dtype(dtype)} (50, 3)")
    read = open_source(tmp_path / f"out{ending}").rows
    np.testing.assert_array_equal(read.astype(dtype), values)
    if ending != ".csv":
        assert read.dtype == dtype


def test_an_error_on_the_way_leaves_no_output(tmp_path):
    def breaks():
        yield np.ones((3, 2))
        raise DataError("here")

    for ending in (".npy", ".npz", ".csv"):
        with pytest.raises(DataError, match="here"):
            sinks.write(tmp_path / f"out{ending}", breaks(), name="X", force=False)
    assert list(tmp_path.iterdir()) == []


def test_encode_streams_files_and_says_where_in_all_of_them_a_gap_is(cli, fitted_table, table, tmp_path):
    model = fitted_table.save(tmp_path / "table")
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(3):
        columns = {f"c{at}": column for at, column in enumerate(table[200 * number : 200 * (number + 1)].T)}
        parquet.write_table(pa.table(columns), folder / f"{number}.parquet")
    done = cli("encode", model, "parts", "-o", "z.npy")
    assert done.out == "z.npy: float32 (600, 3)\n", done.err
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), fitted_table.encode(table), rtol=1e-5, atol=1e-6)

    spoilt = table.copy()
    spoilt[450, 2] = np.nan
    np.save(tmp_path / "spoilt.npy", spoilt)
    done = cli("encode", model, "spoilt.npy")
    assert done.code == 2
    assert "the first is NaN in row 450, column 2" in done.err


MEASURE = """
import json, sys
sys.argv = ["diabolo", *json.loads(sys.argv[1])]
from diabolo.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def test_memory_does_not_grow_with_the_data(run, peak, model_path, tmp_path):
    peaks = {}
    for rows in (2_000, 500_000):  # 1.6 MB and 392 MB
        header = np.lib.format.open_memmap(tmp_path / f"{rows}.npy", "w+", np.uint8, (rows, 28, 28))
        del header  # zeros that take no room on the disk
        arguments = json.dumps(["reconstruct", str(model_path), f"{rows}.npy", "-o", f"{rows}-out.npy"])
        done = run("-c", MEASURE + peak, arguments)
        assert done.code == 0, done.err
        peaks[rows] = int(done.out.split()[-1]) / 1024  # MB
        assert np.load(tmp_path / f"{rows}-out.npy", mmap_mode="r").shape == (rows, 28, 28)
    # 32 MB a chunk, read ahead and being worked on, and what is computed from one: far from 392 MB twice.
    assert peaks[500_000] < peaks[2_000] + 200


def test_latents_of_a_mapped_array_go_into_a_mapped_array(fitted, digits, tmp_path):
    np.save(tmp_path / "rows.npy", digits.x_train[:5000])
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(tmp_path / "latents.npy", "w+", np.float32, (5000, 8))
    fitted.encode(rows, out=out)
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "latents.npy"), fitted.encode(digits.x_train[:5000]))
    with pytest.raises(ShapeError, match=r"out expected shape \(5000, 8\), got \(5000, 9\)"):
        fitted.encode(rows, out=np.empty((5000, 9)))


def test_what_is_made_ahead_until_taken_runs_one_ahead_and_no_more():
    made = []

    def items():
        for number in range(5):
            made.append(number)
            yield number

    for item in ahead(items(), until_taken=True):
        time.sleep(0.05)
        assert made[-1] == min(item + 1, 4)


def test_the_thread_that_reads_ahead_ends_with_whoever_reads():
    before = threading.active_count()
    for until_taken in (False, True):
        reader = ahead(iter(range(10**9)), until_taken=until_taken)
        assert next(reader) == 0
        reader.close()
        assert threading.active_count() == before


def test_decode_holds_no_more_than_encode_though_rows_are_wider_than_latents(run, peak, model_path, tmp_path):
    peaks = {}
    for rows in (2_000, 300_000):  # 8 latents each: 0.06 and 9.6 MB, which decode to 1.6 and 235 MB
        np.save(tmp_path / f"{rows}.npy", np.zeros((rows, 8), np.float32))
        arguments = json.dumps(["decode", str(model_path), f"{rows}.npy", "-o", f"{rows}-out.npy"])
        done = run("-c", MEASURE + peak, arguments)
        assert done.code == 0, done.err
        peaks[rows] = int(done.out.split()[-1]) / 1024  # MB
    assert peaks[300_000] < peaks[2_000] + 150
