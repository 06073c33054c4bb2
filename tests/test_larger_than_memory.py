"""Training on more than memory may hold: every row once an epoch, none that was held back, the same quality."""

import gc
import json

import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from PIL import Image
from pyarrow import parquet
from scipy import sparse

import diabolo
from diabolo import Autoencoder
from diabolo.data import memory, sinks
from diabolo.data.adapters import Statistics
from diabolo.data.opening import open_rows, open_stream
from diabolo.data.splits import TEST, VALIDATION, Sample, divide, held_back, hold_back, hold_back_test
from diabolo.data.streams import Stream
from diabolo.data.windows import Streamed
from diabolo.errors import DataError, DiaboloError, OptionError, ShapeError
from diabolo.training import fit


@pytest.fixture(scope="module")
def rows():
    """3,000 rows of 12 numbers made of 2 factors; the first tells which row it is."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(3000, 2)) @ rng.normal(size=(2, 12)) + 0.1 * rng.normal(size=(3000, 12)) + 5
    rows[:, 0] = np.arange(3000)
    return rows.astype(np.float32)


@pytest.fixture
def parts(tmp_path, rows):
    """The rows in a folder of three files of different kinds."""
    folder = tmp_path / "parts"
    folder.mkdir()
    np.save(folder / "a.npy", rows[:700])
    names = [f"c{at}" for at in range(12)]
    table = pa.table(dict(zip(names, rows[700:2500].T, strict=True)))
    parquet.write_table(table, folder / "b.parquet", row_group_size=130)
    np.savetxt(folder / "c.csv", rows[2500:], delimiter=",", header=",".join(names), comments="", fmt="%.9g")
    return folder


def windows(source, rows, limit, batch_size=16, seed=0):
    return Streamed(
        open_stream(source),
        lambda part: part.astype(np.float32),
        rows=len(rows),
        shape=rows.shape[1:],
        dtype=np.float32,
        limit=limit,
        batch_size=batch_size,
        seed=seed,
    )


def taken(windows, epoch):
    """Return the rows of an epoch in the order they are trained on, and the sizes of its windows."""
    seen, sizes = [], []
    for window in windows.epoch(epoch):
        seen.append(window.data[window.order[: window.rows]].copy())
        sizes.append(window.rows)
    return np.concatenate(seen), sizes


@pytest.mark.parametrize("limit", [12_000, 40_000, 250_000, 10_000_000])
def test_every_row_is_seen_once_an_epoch_in_whole_batches(parts, rows, limit):
    stream = windows(parts, rows, limit)
    seen, sizes = taken(stream, 0)
    np.testing.assert_allclose(seen[np.argsort(seen[:, 0])], rows, rtol=1e-6)
    assert all(size % 16 == 0 for size in sizes[:-1])
    assert (len(sizes) == 1) == (limit > 1_000_000)


def test_the_order_follows_from_the_seed_and_the_epoch_alone(parts, rows):
    first, again = windows(parts, rows, 60_000), windows(parts, rows, 60_000)
    np.testing.assert_array_equal(taken(first, 3)[0], taken(again, 3)[0])
    assert not np.array_equal(taken(first, 3)[0], taken(first, 4)[0])
    assert not np.array_equal(taken(first, 3)[0], taken(windows(parts, rows, 60_000, seed=1), 3)[0])


def test_rows_from_far_apart_meet_in_a_batch(parts, rows):
    seen, _ = taken(windows(parts, rows, 150_000), 0)
    # Uniform rows of 0 to 2999 have a standard deviation of 866; rows read from front to back, of a few.
    spreads = [seen[start : start + 16, 0].std() for start in range(0, 2900, 16)]
    assert np.median(spreads) > 400


def test_a_memory_too_small_for_a_batch_says_how_much_is_needed(tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    with pytest.raises(OptionError, match=r"too small for batches of 64 rows of 12 numbers: give at least 41 kB"):
        Autoencoder(2, memory="20kB").fit(tmp_path / "rows.npy")


def test_a_memory_too_small_is_found_before_the_rows_are_read(tmp_path, rows):
    np.savetxt(tmp_path / "rows.csv", np.concatenate([rows, [[1e400] * 12]]), delimiter=",", header="", comments="")
    with pytest.raises(OptionError, match="too small for batches"):
        Autoencoder(2, memory=3).fit(tmp_path / "rows.csv")


@pytest.mark.parametrize("other", [slice(0, 2900), slice(0, 3000), slice(100, 3000)])
def test_a_file_that_changes_while_it_is_trained_on_is_noticed(tmp_path, rows, other):
    np.save(tmp_path / "rows.npy", rows[:2900])
    stream = windows(tmp_path / "rows.npy", rows[:2900], 60_000)
    assert len(taken(stream, 0)[0]) == 2900
    np.save(tmp_path / "rows.npy", rows[other])
    with pytest.raises(DataError, match=r"rows.npy changed while it was read"):
        taken(stream, 1)


def test_rows_that_do_not_come_again_are_noticed(rows):
    for known in (rows[:2900], np.concatenate([rows, rows])):
        with pytest.raises(DataError, match="has other rows than when training began"):
            taken(windows(rows, known, 60_000), 0)


def test_rows_held_back_are_never_given_and_are_the_same_each_time(parts, rows):
    seen, numbers = [], []

    def visit(rows, places):
        seen.append(rows)
        numbers.extend(places)

    stream, apart = hold_back(open_stream(parts), 0.2, 7, VALIDATION, at_most=10**9, visit=visit)
    held = apart.rows
    np.testing.assert_array_equal(held[:, 0], apart.numbers)
    np.testing.assert_array_equal(np.concatenate(seen)[:, 0], numbers)
    assert 450 < len(held) < 750
    assert set(held[:, 0]) | set(np.concatenate(seen)[:, 0]) == set(range(3000))
    for size in (13, 500):
        given = np.concatenate(list(stream.chunks(size)))
        np.testing.assert_array_equal(given, np.concatenate(seen))
    # Another purpose holds back others; one on top of the other takes nothing twice.
    _, other = hold_back(stream, 0.2, 7, TEST, at_most=10**9, visit=visit)
    assert not set(other.rows[:, 0]) & set(held[:, 0])


def test_what_is_held_back_fits_and_what_does_not_is_trained_on(parts, rows):
    seen = []

    def visit(rows, places):
        np.testing.assert_array_equal(rows[:, 0], places)  # also of rows that were held back for a while
        seen.append(rows)

    stream, apart = hold_back(open_stream(parts), 0.5, 0, VALIDATION, at_most=10_000, visit=visit)
    held = apart.rows
    np.testing.assert_array_equal(held[:, 0], apart.numbers)
    assert 2_000 < held.nbytes <= 10_000
    assert sorted([*held[:, 0], *np.concatenate(seen)[:, 0]]) == list(range(3000))
    assert sorted(np.concatenate(list(stream.chunks(100)))[:, 0]) == sorted(np.concatenate(seen)[:, 0])


def test_a_sample_takes_each_row_alike(rng):
    sample, total = Sample(1.0, 8_000), 0
    for start in range(0, 100_000, 777):
        chunk = np.arange(start, min(start + 777, 100_000), dtype=np.float64)[:, None]
        total += len(chunk) - sum(
            len(given) for given, _ in sample.add(chunk, rng.random(len(chunk)), chunk[:, 0].astype(int))
        )
    assert total == len(sample.rows) <= 1_000
    assert abs(sample.rows.mean() / 50_000 - 1) < 0.1  # 0.577 / sqrt(500) is a standard error of 2.6 %


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, bool, np.int32])
@pytest.mark.parametrize("shape", [(1000, 5), (1000, 4, 3), (400, 4, 3, 2)])
def test_statistics_of_chunks_are_those_of_numpy(rng, dtype, shape):
    rows = (100 * rng.random(shape)).astype(dtype)
    whole, parts = Statistics.of(rows), Statistics()
    for start in range(0, len(rows), 170):
        parts.add(rows[start : start + 170])
    columns = rows.reshape(-1, shape[-1] if len(shape) != 3 else 1).astype(np.float64)
    for statistics in (whole, parts):
        np.testing.assert_allclose(statistics.mean, columns.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(statistics.variance, columns.var(axis=0), rtol=1e-9)
        np.testing.assert_array_equal(statistics.low, columns.min(axis=0))
        np.testing.assert_array_equal(statistics.high, columns.max(axis=0))
        np.testing.assert_allclose(statistics.overall, (columns.mean(), columns.var()), rtol=1e-9)
        assert (statistics.rows, statistics.row_shape, statistics.dtype) == (len(rows), shape[1:], dtype)


def test_statistics_do_not_lose_a_small_variance_under_a_large_mean():
    rows = 1.7e9 + np.tile([0.0, 1.0], 50_000)[:, None]
    statistics = Statistics.of(rows)
    np.testing.assert_allclose(statistics.variance, 0.25, rtol=1e-6)
    constant = np.full((1000, 1), 1e149)
    assert Statistics.of(np.concatenate([constant] * 200)).variance == 0
    with pytest.raises(DataError, match=r"squares fit a double, got 1e\+200 in column 0"):
        _ = Statistics.of(np.full((1000, 1), 1e200)).variance  # which no model file could hold


def test_training_in_windows_reaches_the_loss_of_training_in_memory(parts, rows):
    settings = {"structure": [16], "epochs": 15, "random_state": 0, "validation_fraction": 0.1}
    streamed = Autoencoder(2, memory="80kB", **settings).fit(parts)
    in_memory = Autoencoder(2, memory="1GB", **settings).fit(parts)
    assert in_memory.model_.record.rows == 2700
    assert streamed.model_.record.rows + streamed.model_.record.validation_rows == 3000
    assert streamed.score(rows) == pytest.approx(in_memory.score(rows), rel=0.1)
    # The same scaling, learnt in one pass over chunks; the rows held back are others.
    np.testing.assert_allclose(streamed.model_.adapter.scale, in_memory.model_.adapter.scale, rtol=0.05)


def test_the_same_seed_and_memory_give_the_same_bits(parts, tmp_path):
    files = []
    for number in range(2):
        model = Autoencoder(2, structure=[8], epochs=2, random_state=3, memory="80kB").fit(parts)
        files.append(model.save(tmp_path / str(number)).read_bytes())
    assert files[0] == files[1]


def test_bytes_stay_bytes_and_images_stay_images(digits, tmp_path):
    np.save(tmp_path / "images.npy", digits.x_train[:2000])
    settings = {"structure": [32], "epochs": 4, "random_state": 0}
    streamed = Autoencoder(8, memory="2MB", **settings).fit(tmp_path / "images.npy")
    in_memory = Autoencoder(8, **settings).fit(tmp_path / "images.npy")
    assert streamed.reconstruction_loss_ == "bernoulli"
    assert streamed.reconstruct(digits.x_test).dtype == np.uint8
    assert streamed.score(digits.x_test) == pytest.approx(in_memory.score(digits.x_test), rel=0.05)


def test_a_mapped_array_larger_than_the_limit_is_streamed(rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert isinstance(open_rows(mapped, 10_000), Stream)
    assert isinstance(open_rows(mapped, 10_000_000).rows, np.memmap)
    given = np.concatenate(list(open_rows(mapped, 10_000).chunks(99)))
    np.testing.assert_array_equal(given, rows)


def test_chunks_that_come_once_are_kept_for_every_epoch(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def chunks():
        for start in range(0, 3000, 250):
            yield rows[start : start + 250]

    settings = {"structure": [8], "epochs": 2, "random_state": 0, "memory": "80kB"}
    model = Autoencoder(2, **settings).fit(chunks())
    assert model.model_.record.source == "generator of chunks"
    assert len(model.history_["loss"]) == 2
    np.testing.assert_allclose(model.encode(chunks()), model.encode(rows), atol=1e-6)
    del model
    gc.collect()
    assert not list(tmp_path.glob("diabolo-*"))


def test_a_tf_data_set_is_trained_on(rows):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(rows).shuffle(3000).batch(100)
    model = Autoencoder(2, structure=[8], epochs=2, random_state=0).fit(data)
    assert model.model_.record.rows + model.model_.record.validation_rows == 3000
    with pytest.raises(DataError, match=r"repeats for ever: leave out .repeat\(\)"):
        Autoencoder(2).fit(data.repeat())
    with pytest.raises(DataError, match="got a tuple of them: give the rows alone"):
        Autoencoder(2).fit(data.map(lambda batch: (batch, batch)))
    with pytest.raises(ShapeError, match="chunk 0 expected rows"):
        Autoencoder(2).fit(data.unbatch())


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "expected chunks of rows, got none: a generator can be read only once"),
        ([[np.ones((4, 3))]], "chunk 0 expected rows .*, got a list of them: give the rows alone"),
        (
            [np.ones((2, 3)), np.ones((2, 4))],
            r"chunk 1 expected rows of float64 of shape \(3,\) as in the first chunk, got .*\(4,\)",
        ),
        ([np.ones((2, 3)), np.ones((2, 3), np.uint8)], "got uint8"),
        ([np.array([["a"]])], "chunk 0 expected numbers, got 'a'"),
    ],
)
def test_chunks_that_are_no_rows_are_refused(chunks, message):
    with pytest.raises(DataError, match=message):
        Autoencoder(2).fit(iter(chunks))


def test_a_gap_far_into_a_file_is_named_by_its_row(rows, tmp_path):
    spoilt = rows.copy()
    spoilt[2345, 6] = np.nan
    np.save(tmp_path / "rows.npy", spoilt)
    with pytest.raises(DataError, match=r"rows.npy expected finite numbers, got 1 .* NaN in row 2345, column 6"):
        Autoencoder(2, memory="80kB").fit(tmp_path / "rows.npy")


def test_a_number_too_far_off_is_named_by_its_row_in_memory(rows):
    for place in np.flatnonzero(held_back(1000, 0.5, 0, VALIDATION))[[0, 100, -1]]:
        spoilt = rows[:1000].copy()
        spoilt[place, 3] = 1e30
        with pytest.raises(DataError, match=rf"row {place}, feature 3: 1e\+30"):
            Autoencoder(2, epochs=1, validation_fraction=0.5, random_state=0).fit(spoilt)


def test_an_npz_larger_than_memory_is_refused_with_a_way_out(rows, tmp_path):
    np.savez(tmp_path / "rows.npz", X=rows)
    with pytest.raises(DataError, match=r"unpacks to 144 kB.*more than 80 kB of memory: save its array as .npy"):
        Autoencoder(2, memory="80kB").fit(tmp_path / "rows.npz")


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("2GB", 2e9),
        ("1.5 MB", 1.5e6),
        ("500kb", 5e5),
        ("4 GiB", 2**32),
        ("7", 7),
        (12_345, 12_345),
        ("3T", 3e12),
        ("1e9", 1e9),
        (np.int64(5), 5),
    ],
)
def test_sizes_are_read_as_people_write_them(said, size):
    assert memory.limit(said) == size


@pytest.mark.parametrize(
    "said", ["", "9" * 400 + "GB", "1e99", "GB", "-1GB", "two", "0", "1.5.2MB", 0, -3, True, 2.5, "1 XB", "5ib"]
)
def test_what_is_no_size_is_refused(said):
    with pytest.raises(OptionError, match="memory must be a size such as 2GB or 500MB"):
        memory.limit(said)


def test_a_quarter_of_what_is_free_is_the_default_rounded_down_and_never_very_little(monkeypatch):
    for free, expected in ((5 * 2**30, 2**30), (4 * 2**30 - 1, 2**29), (0, 2**28), (1000, 2**28)):
        monkeypatch.setattr(memory, "free", lambda free=free: free)
        assert memory.limit(None) == expected


def test_what_a_container_may_still_take_counts_without_files_kept_in_memory(tmp_path):
    group = tmp_path / "groups" / "job" / "step"
    group.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    for folder, most in ((group, "max"), (group.parent, "4000")):
        (folder / "memory.max").write_text(most)
        (folder / "memory.current").write_text("3900")
        (folder / "memory.stat").write_text("anon 100\ninactive_file 3000\n")
    assert list(memory._left_in_cgroups(tmp_path / "cgroup", tmp_path / "groups")) == [3100]
    assert list(memory._left_in_cgroups(tmp_path / "none", tmp_path / "groups")) == []


def test_fit_reads_a_folder_in_parts_where_it_must_and_shows_how_good_the_model_is(cli, parts, rows, tmp_path):
    done = cli(
        "fit", "parts", "-l", "2", "--structure", "16-2", "--epochs", "8", "--memory", "80kB", "-o", "m", "--json"
    )
    assert done.code == 2
    assert "structure" in done.err  # sizes begin with the features
    asked = ("--structure", "12-16-2", "--epochs", "8", "--memory", "80kB", "-o", "m", "--json", "--pictures")
    done = cli("fit", "parts", *asked)
    assert done.code == 0, done.err
    assert "kB, and 3 times that for training, is more than 80 kB: read in chunks" in done.err
    summary = json.loads(done.out)
    assert summary["rows"] + summary["validation_rows"] + summary["test_rows"] == 3000
    assert summary["evaluated_on"] == "test"
    assert summary["error"] < summary["mean_row_error"]
    assert {path.name for path in tmp_path.iterdir()} >= {"m.safetensors", "m-reconstructions.png", "m-training.png"}

    scored = cli("score", "m.safetensors", "parts", "-o", "scores.csv")
    assert scored.out == "scores.csv: float64 (3000,)\n", scored.err
    from diabolo import load

    table = np.genfromtxt(tmp_path / "scores.csv", names=True)
    np.testing.assert_allclose(table["score"], -load(tmp_path / "m.safetensors").score_samples(rows), rtol=1e-5)


MEASURE = """
import sys
from diabolo import Autoencoder
Autoencoder(4, structure=[16], epochs=1, random_state=0, memory="100MB").fit(sys.argv[1])
"""


def test_the_command_streams_a_table_of_numbers_as_python_does(cli, parts):
    settings = {"structure": "dense 8", "epochs": 2, "random_state": 0, "memory": "40kB", "batch_size": 8}
    done = cli(
        "fit", "parts/b.parquet", "-l", "2", "--structure", "dense 8", "--epochs", "2", "--batch-size", "8",
        "--memory", "40kB", "--test-fraction", "0", "-o", "m", "--no-pictures",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "read in chunks" in done.err
    there = Autoencoder(2, **settings).fit(parts / "b.parquet", evaluate=False)
    assert diabolo.load(parts.parent / "m.safetensors").history_ == there.history_


@pytest.mark.slow
def test_memory_is_bounded_however_many_rows_there_are(run, peak, tmp_path):
    peaks = {}
    for rows in (400_000, 2_000_000):  # 160 MB and 800 MB; XLA, which takes memory too, compiles both
        file = np.lib.format.open_memmap(tmp_path / f"{rows}.npy", "w+", np.float32, (rows, 100))
        file[:1000] = np.random.default_rng(0).normal(size=(1000, 100))  # all others zero: no room on the disk
        del file
        done = run("-c", MEASURE + peak, tmp_path / f"{rows}.npy")
        assert done.code == 0, done.err
        peaks[rows] = int(done.out.split()[-1]) / 1024  # MB
    assert peaks[2_000_000] < peaks[400_000] + 60


def test_the_first_row_may_be_one_to_judge_by(cli, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32))
    # With this seed the first row is held back, so that the stream without it starts with nothing.
    done = cli("fit", "rows.npy", "--memory", "500kB", "--random-state", "149", "--epochs", "1")
    assert done.code == 0, done.err


def test_files_whose_only_row_is_held_back_are_passed_over(tmp_path):
    rows = np.random.default_rng(0).normal(size=(400, 800)).astype(np.float32)
    for place, row in enumerate(rows):
        np.save(tmp_path / f"{place:03}.npy", row[None])
    judged = hold_back_test(open_rows(tmp_path, 2_100_000), 0.1, 0, limit=2_100_000)
    part = divide(judged.train, 0.1, 0, limit=2_100_000)
    sizes = part.statistics.rows, len(part.validation), len(judged.test)
    assert sum(sizes) == 400
    assert min(sizes) > 0


def test_a_table_of_many_columns_says_what_reading_it_takes(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20_000, 300))
    parquet.write_table(pa.table({f"c{at}": column for at, column in enumerate(rows.T)}), tmp_path / "wide.parquet")
    with pytest.raises(OptionError, match=r"reading wide.parquet takes about 1\d\d MB in addition to its rows"):
        Autoencoder(2, memory="20MB").fit(tmp_path / "wide.parquet")


def test_the_size_of_a_csv_is_that_of_its_rows_and_not_of_its_header(tmp_path):
    header = ",".join(f"a_rather_long_name_of_column_{at:05d}" for at in range(1500))
    np.savetxt(tmp_path / "rows.csv", np.eye(200, 1500), fmt="%d", delimiter=",", header=header, comments="")
    assert open_stream(tmp_path / "rows.csv").bytes == pytest.approx(200 * 1500 * 8, rel=0.05)


def test_errors_of_whoever_gives_chunks_come_out_as_they_are():
    def chunks():
        yield np.ones((3, 2))
        raise ConnectionError("server gone")

    with pytest.raises(ConnectionError, match="server gone"):
        Autoencoder(1).fit(chunks())


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (sparse.random(10, 5, format="csr"), "pass X.toarray"),
        ([[1, 2], [3]], "rows of one length"),
        (tf.RaggedTensor.from_row_lengths([1.0, 2.0, 3.0], [2, 1]), "expected a dense tensor"),
    ],
)
def test_chunks_that_are_no_rows_are_refused_in_one_line(chunk, message):
    with pytest.raises(DiaboloError, match=message):
        open_stream(iter([chunk]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation_data": ("k.npy", "k.npy")}, "validation_data must be arrays"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_settings_for_keras_models_are_checked(settings, message, rows):
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(12)])
    model.compile("adam", "mse")
    with pytest.raises(OptionError, match=message):
        fit(model, rows, **settings)


@pytest.mark.parametrize("through", ["file", "array"])
def test_an_output_that_cannot_hold_latents_is_refused(through, rows, tmp_path):
    model = Autoencoder(2, structure=[8], epochs=1, random_state=0).fit(rows[:100])
    np.save(tmp_path / "rows.npy", rows[:100])
    with pytest.raises(ShapeError, match="out expected float32, got int64"):
        model.encode(tmp_path / "rows.npy" if through == "file" else rows[:100], out=np.zeros((100, 2), int))


def test_hidden_and_empty_files_of_a_folder_are_passed_over(rows, tmp_path):
    np.save(tmp_path / "a.npy", rows)
    (tmp_path / "b.csv").touch()
    (tmp_path / "._a.npy").write_bytes(b"\0\5\x16\7")
    np.testing.assert_array_equal(np.concatenate(list(open_stream(tmp_path).chunks(1000))), rows)


def test_a_folder_named_like_a_data_set_is_the_folder(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    np.save(tmp_path / "digits" / "a.npy", rows)
    assert open_stream("digits").rows == len(rows)


def test_pictures_of_an_unfinished_run_are_removed(tmp_path):
    def chunks():
        yield np.zeros((3, 4, 4), np.uint8)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        sinks.write(tmp_path / "pictures", chunks(), name="row", force=False)
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_all_chunks_share_one_scale(tmp_path):
    image = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 4, 4)
    sinks.write(tmp_path / "pictures", iter([image, image * 3, image]), name="row", force=False)
    shown = [np.asarray(Image.open(path)).astype(int) for path in sorted((tmp_path / "pictures").iterdir())]
    np.testing.assert_array_equal(shown[0], shown[2])
    np.testing.assert_allclose((shown[0] - 127.5) * 3, shown[1] - 127.5, atol=2)
