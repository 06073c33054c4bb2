"""Tables with columns of several kinds and with gaps: in as a frame, out as the same frame."""

import datetime
import json
import logging
import re
import shlex
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from sklearn.metrics import log_loss

from diabolo import AnomalyDetector, Autoencoder, fitting, load
from diabolo.cli.options import names
from diabolo.cli.reading import reading
from diabolo.data import frames, sinks
from diabolo.data.adapters import TableAdapter
from diabolo.data.adapters.features import Category, Count, Date, Number
from diabolo.errors import DataError, ModelFileError, OptionError, OutputError, as_option, as_types
from diabolo.model.settings import Settings
from diabolo.network.bottlenecks import BOTTLENECKS
from diabolo.network.corruptions import Masking, Swap
from diabolo.network.losses import for_table

FAST = {"epochs": 2, "structure": [16], "random_state": 0, "verbose": False}


def people(count=400, seed=0):
    """A table of every kind of column, where most follow from one hidden number; a tenth of the cells is missing."""
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(size=count)
    place = np.digitize(hidden, [0.3, 0.5, 0.8])
    frame = pd.DataFrame(
        {
            "age": pd.array((20 + 50 * hidden).round().astype(int), dtype="Int64"),
            "wage": 1000 * np.exp(2 * hidden) + rng.normal(size=count),
            "city": np.array(["Bern", "Uster", "Zug", "Chur"])[place],
            "grade": pd.Categorical(np.array(list("dcba"))[place], categories=list("abcde"), ordered=True),
            "member": pd.array(hidden > 0.5, dtype="boolean"),
            "born": pd.Timestamp("2000-01-01") - pd.to_timedelta((hidden * 18_000).round(), unit="D"),
            "seen": pd.Timestamp("2024-05-01 12:00", tz="Europe/Zurich") + pd.to_timedelta(hidden * 1e5, unit="min"),
            "visits": rng.poisson(3 * hidden),
        },
        index=pd.Index(np.arange(count) * 3, name="number"),
    )
    for at, name in enumerate(frame.columns[:-1]):
        hide = rng.random(count) < 0.1
        frame.loc[frame.index[hide], name] = pd.NaT if frame[name].dtype.kind == "M" else pd.NA if at != 1 else np.nan
    return frame


@pytest.fixture(scope="module")
def frame():
    return people()


@pytest.fixture(scope="module")
def model(frame):
    return Autoencoder(4, epochs=150, patience=0, random_state=0, verbose=False, types={"visits": "count"}).fit(frame)


def test_a_frame_comes_back_with_its_names_types_levels_index_and_zone(model, frame):
    latents = model.encode(frame)
    assert list(latents.columns) == [f"latent_{at}" for at in range(4)]
    back = model.decode(latents)
    pd.testing.assert_frame_equal(back.iloc[:0], frame.iloc[:0])
    pd.testing.assert_index_equal(back.index, frame.index)
    assert back.notna().all().all()


def test_what_is_decoded_is_close_to_what_was_there(model, frame):
    back = model.reconstruct(frame)
    there = frame.notna()
    for name in ("age", "wage"):
        truth, guess = (each[name][there[name]].to_numpy(float) for each in (frame, back))
        assert np.square(truth - guess).mean() < 0.1 * truth.var()
    days = (back["born"] - frame["born"]).dt.total_seconds().abs() / 86_400
    assert days.median() < 600  # of 18,000
    for name in ("city", "grade", "member"):
        assert (back[name] == frame[name])[there[name]].mean() > 0.9


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_other_libraries_get_their_own_frames_back(frame, library):
    ours = pl.from_pandas(frame.reset_index())
    given_ = ours if library == "polars" else ours.to_arrow()
    net = Autoencoder(3, **FAST).fit(given_)
    back = net.decode(net.encode(given_))
    assert type(back) is type(given_)
    assert back.schema == given_.schema
    # A model of one library takes frames of the others, and gives those back.
    assert isinstance(net.reconstruct(frame.reset_index()), pd.DataFrame)


def test_every_type_of_column_survives_the_way_to_numbers_and_back():
    day = datetime.date(2020, 2, 29)
    frame = pl.DataFrame(
        {
            "text": ["a", None, "b"],
            "level": pl.Series(["x", "y", None], dtype=pl.Categorical),
            "enum": pl.Series(["lo", "hi", "lo"], dtype=pl.Enum(["lo", "mid", "hi"])),
            "day": [day, None, datetime.date(1960, 1, 1)],
            "moment": pl.Series([datetime.datetime(2020, 1, 1, 3, 4, 5, 6), None, datetime.datetime(1950, 1, 1)]),
            "zoned": pl.Series([0, 10**15, None]).cast(pl.Datetime("us", "Asia/Tokyo")),
            "clock": [datetime.time(1, 2), None, datetime.time(23, 59, 59)],
            "money": pl.Series(["1.25", "-2.50", None]).cast(pl.Decimal(10, 2)),
            "lasted": [datetime.timedelta(hours=1), None, datetime.timedelta(days=-2)],
            "small": pl.Series([1, -128, 127], dtype=pl.Int8),
            "large": pl.Series([2**40, 0, None], dtype=pl.UInt64),
            "half": pl.Series([1.5, None, -2], dtype=pl.Float32),
            "yes": [True, None, False],
        }
    )
    schema = frames.learn(frame, where="frame")
    assert frames.write(frames.read(frame, schema, where="frame").rows, schema).equals(frame)
    assert frames.from_config(json.loads(json.dumps(schema.to_config()))) == schema
    arrow = frame.to_arrow()
    schema = frames.learn(arrow, where="frame")
    assert frames.write(frames.read(arrow, schema, where="frame").rows, schema).equals(arrow)


def test_pandas_types_survive_as_well():
    frame = pd.DataFrame(
        {
            "object": pd.Series(["x", None, "y"], dtype=object),
            "truth": pd.Series([True, None, False], dtype=object),
            "codes": pd.Categorical([3, 1, 3], categories=[3, 2, 1]),
            "arrow": pd.array([1, None, 2], dtype="int64[pyarrow]"),
            "byte": np.array([1, 2, 3], np.uint8),
            "bool": [True, False, True],
        }
    ).set_index(pd.Index(["i", "j", "k"]))
    schema = frames.learn(frame, where="frame")
    back = frames.write(frames.read(frame, schema, where="frame").rows, schema, index=frame.index)
    pd.testing.assert_frame_equal(back, frame)
    numbered = pd.DataFrame(np.eye(3))
    schema = frames.learn(numbered, where="frame")
    back = frames.write(frames.read(numbered, schema, where="frame").rows, schema)
    pd.testing.assert_frame_equal(back, numbered, check_column_type=False)


def test_a_frame_of_numbers_alone_is_what_its_array_is(table):
    frame = pd.DataFrame(table, columns=[f"c{at}" for at in range(table.shape[1])])
    with_names, without = Autoencoder(3, **FAST).fit(frame), Autoencoder(3, **FAST).fit(table)
    np.testing.assert_array_equal(with_names.encode(frame).to_numpy(), without.encode(table))
    assert list(with_names.decode(with_names.encode(frame)).columns) == list(frame.columns)


# Gaps.


def test_filling_in_changes_missing_cells_alone(model, frame):
    filled = model.reconstruct(frame, fill="missing")
    assert filled.notna().all().all()
    for name in frame:
        there = frame[name].notna()
        pd.testing.assert_series_equal(filled[name][there], frame[name][there], check_freq=False)


WIDER = {
    "Int8 and Int16": (pd.array([1, 2, None] * 10, "Int8"), pd.array([300, 2, None] * 10, "Int16")),
    "whole and not": (pd.array([1, 2, None] * 10, "Int64"), [5.5, 0.1, np.nan] * 10),
    "float32 and float64": (np.array([1.5, 2.5, np.nan] * 10, np.float32), [0.1, 2.1, np.nan] * 10),
    "seconds": (
        np.array(["2020-01-01", "2020-01-02", "NaT"] * 10, "M8[s]"),
        np.array(["2020-01-01T00:00:00.25", "2020-01-02", "NaT"] * 10, "M8[us]"),
    ),
    "days": (
        pd.Series([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2), None] * 10),
        np.array(["2020-01-01T17:00", "2020-01-02", "NaT"] * 10, "M8[us]"),
    ),
    "levels": (pd.Categorical(["a", "b", None] * 10), pd.Categorical(["z", "b", None] * 10)),
    "order": (
        pd.Categorical(["a", "b", None] * 10, ordered=True),
        pd.Categorical(["z", "b", None] * 10, ordered=True),
    ),
    "numbers as levels": (pd.Categorical([1, 2, None] * 10), pd.Categorical(["z", "2", None] * 10)),
}


@pytest.mark.parametrize("name", sorted(WIDER))
@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_what_is_there_stays_though_fit_saw_a_narrower_type(rng, library, name):
    frames_ = [pd.DataFrame({"x": rng.normal(size=30), "y": rng.normal(size=30), "c": cells}) for cells in WIDER[name]]
    if library == "pyarrow":
        frames_ = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames_]
    filled = Autoencoder(1, **FAST).fit(frames_[0]).reconstruct(frames_[1], fill="missing")
    theirs, ours = (
        pd.Series(frame["c"].to_pylist() if library == "pyarrow" else frame["c"]) for frame in (frames_[1], filled)
    )
    assert ours.notna().all()
    assert (ours[theirs.notna()].astype(object) == theirs[theirs.notna()].astype(object)).all()


def test_a_decimal_that_is_predicted_beyond_its_digits_is_the_largest_there_is():
    table = pa.table({"d": pa.array(["9.5", "-9.5", "0", "1"]).cast(pa.decimal128(6, 2))})
    schema = frames.learn(table, where="t")
    back = frames.write(np.array([[1e9], [-1e9], [12345.67], [1.005]]), schema)["d"].to_pylist()
    assert [float(each) for each in back] == [9999.99, -9999.99, 9999.99, 1.0]


def test_hidden_cells_are_filled_in_better_than_by_mean_and_mode(model):
    whole = people(seed=5)
    rng = np.random.default_rng(1)
    for name in ("age", "city"):
        there = whole[name].notna().to_numpy()
        hidden = whole.copy()
        hide = there & (rng.random(len(whole)) < 0.3)
        hidden.loc[whole.index[hide], name] = pd.NA
        filled = model.reconstruct(hidden, fill="missing")[name][hide]
        truth = whole[name][hide]
        if name == "age":
            left = np.square(filled.to_numpy(float) - truth.to_numpy(float)).mean()
            assert left < 0.3 * truth.to_numpy(float).var()
        else:
            assert (filled == truth).mean() > 0.8 > (truth == truth.mode()[0]).mean()


def test_an_array_with_nan_is_a_table_of_numbers(table):
    rng = np.random.default_rng(0)
    gaps = np.where(rng.random(table.shape) < 0.1, np.nan, table)
    net = Autoencoder(3, epochs=30, random_state=0, verbose=False).fit(gaps)
    filled = net.reconstruct(gaps, fill="missing")
    np.testing.assert_array_equal(filled[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    away = ((filled - table) / table.std(axis=0))[np.isnan(gaps)]
    assert np.square(away).mean() < 0.5  # the mean would leave 1
    assert np.isfinite(net.reconstruct(gaps)).all()


def test_a_npy_file_with_nan_goes_all_the_way_on_the_command_line(cli, table, trained, tmp_path):
    gaps = table.copy()
    gaps[::5, 1] = np.nan
    np.save(tmp_path / "rows.npy", gaps)
    done = cli("fit", "rows.npy", "--latent", "3", "--epochs", "2")
    assert done.code == 0, done.err
    assert cli("reconstruct", "rows.safetensors", "rows.npy", "--fill").code == 0
    filled = np.load(tmp_path / "rows-filled.npy")
    np.testing.assert_array_equal(filled[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    assert np.isfinite(filled).all()
    assert cli("score", "rows.npy", "--top", "2").code == 0
    # Under a model of other columns the message is about its columns, whether cells are to be filled in or not.
    for option in ("--force", "--fill"):
        done = cli("reconstruct", trained[1], "rows.npy", option)
        assert done.code == 2
        assert "rows.npy expected 9 columns (number, age, wage, city" in done.err


def test_the_index_without_a_name_that_pandas_writes_is_no_column(tmp_path, table):
    frame = pd.DataFrame(table, columns=list("abcdefgh")).sample(frac=1, random_state=0)
    frame.to_parquet(tmp_path / "cut.parquet")
    assert "__index_level_0__" in parquet.read_schema(tmp_path / "cut.parquet").names
    net = Autoencoder(3, **FAST).fit(tmp_path / "cut.parquet")
    np.testing.assert_array_equal(net.encode(tmp_path / "cut.parquet"), net.encode(table[frame.index]))
    named = frame.rename_axis("place").assign(kind=["u", "v"] * (len(frame) // 2))
    named.to_parquet(tmp_path / "named.parquet")
    assert Autoencoder(3, **FAST).fit(tmp_path / "named.parquet").feature_names_in_[-1] == "place"


@pytest.mark.parametrize("said", [b"{nope", b"", b"\xff", b"[1]", b"5", b'{"index_columns": null}'])
def test_a_parquet_file_that_pandas_says_nonsense_of_is_read_whole(tmp_path, table, said):
    frame = pa.table({f"c{at}": column for at, column in enumerate(table.T)}).replace_schema_metadata({"pandas": said})
    parquet.write_table(frame, tmp_path / "t.parquet")
    assert Autoencoder(3, **FAST).fit(tmp_path / "t.parquet").n_features_in_ == 8


def test_a_bad_table_on_standard_input_is_called_so(run):
    command = "import sys, subprocess\nsys.exit(subprocess.run([sys.executable, '-m', 'diabolo', 'fit', '-'], "
    done = run("-c", command + "input=b'a,b\\n1,2\\n3\\n').returncode)")
    assert done.code == 2
    assert done.err.startswith("diabolo: standard input: row 1 has 1 cell, expected 2: correct it")


def test_gaps_where_fit_saw_none_are_refused(frame):
    whole = frame.dropna()
    net = Autoencoder(3, **FAST).fit(whole)
    with pytest.raises(DataError, match="column 'age' has gaps, and fit\\(\\) saw none"):
        net.encode(frame)


# Losses and corruptions, against formulas of others.


def adapter(rows, kinds, gaps=True):
    return TableAdapter.learn(rows, [(f"c{at}", kind, levels) for at, (kind, levels) in enumerate(kinds)], gaps=gaps)


def several(rng, count=500):
    """Rows of a number, a category of 4 levels, a boolean and a count, with gaps."""
    rows = np.column_stack(
        [rng.normal(5, 3, count), rng.integers(0, 4, count), rng.random(count) < 0.3, rng.poisson(2.5, count)]
    )
    return np.where(rng.random(rows.shape) < 0.2, np.nan, rows)


KINDS = [("number", 0), ("category", 4), ("boolean", 0), ("count", 0)]


def loss_of(table):
    return for_table(table.blocks, gaps=table.gaps)


def by_column(table, costs):
    """Return what each column costs, (n, columns), from the costs of each number."""
    owners = np.array(table.owners)
    return np.stack([costs[:, : len(owners)][:, owners == at].sum(axis=1) for at in range(len(table.names))], axis=1)


def test_the_best_constant_guess_costs_one_a_column(rng):
    rows = several(rng)
    table = adapter(rows, KINDS)
    shares = np.bincount(rows[:, 1][~np.isnan(rows[:, 1])].astype(int)) / (~np.isnan(rows[:, 1])).sum()
    share = np.nanmean(rows[:, 2])
    # By loss: the number's mean, the count's mean, the odds of the boolean, those of the levels, flags.
    raw = np.concatenate([[0.0, 0.0, np.log(share / (1 - share))], np.log(shares), np.zeros(4)])
    costs = loss_of(table).each(table.adapt(rows), np.tile(raw, (len(rows), 1)), np)
    means = by_column(table, costs).sum(axis=0) / (~np.isnan(rows)).sum(axis=0)
    np.testing.assert_allclose(means, 1, rtol=1e-4)


def test_the_loss_of_a_category_is_that_of_scikit_learn(rng):
    rows = several(rng)
    table, raw = adapter(rows, KINDS), rng.normal(size=(500, 11))
    costs = by_column(table, loss_of(table).each(table.adapt(rows), raw, np))
    there = ~np.isnan(rows[:, 1])
    odds = np.exp(raw[:, 3:7])
    theirs = log_loss(rows[there, 1], (odds / odds.sum(axis=1, keepdims=True))[there], normalize=False)
    np.testing.assert_allclose(costs[:, 1].sum() * table.features[1].cost, theirs, rtol=1e-5)
    assert not costs[np.isnan(rows)].any()


@pytest.mark.parametrize("corruption", [Masking(share=0.3), Masking(share=0.3, hidden_only=True), Swap(share=0.3)])
def test_cells_are_hidden_and_swapped_whole(rng, corruption):
    import keras

    table = adapter(several(rng), KINDS)
    rows = table.adapt(several(rng))
    seen = corruption.apply(rows, keras.random.SeedGenerator(0), bounded=False, cells=loss_of(table).cells)
    now = np.asarray(seen.rows)
    flags, before = now[:, 7:], rows[:, 7:]
    for at, place in table.places.items():
        changed = (now[:, place] != rows[:, place]).any(axis=1) | (flags[:, at] != before[:, at])
        assert 0.05 < changed.mean() < 0.35
        missing = flags[:, at] == 1
        assert not now[missing, place].any()  # the flag alone marks a missing cell
        if at == 1:
            np.testing.assert_array_equal(now[:, place].sum(axis=1), ~missing)  # one level a cell
    if isinstance(corruption, Masking) and corruption.hidden_only:
        hidden = np.asarray(seen.hidden)
        np.testing.assert_array_equal(hidden[:, 7:][before == 0], flags[before == 0])


@pytest.mark.parametrize("word", ["salt_and_pepper:0.1", "binarize"])
def test_noise_that_suits_no_cells_is_refused(frame, word):
    with pytest.raises(OptionError, match="corruption"):
        Autoencoder(3, corruption=word, **FAST).fit(frame)


@pytest.mark.parametrize("bottleneck", sorted(BOTTLENECKS))
def test_every_bottleneck_takes_a_table_and_its_file_gives_the_same(frame, bottleneck, tmp_path):
    word = {"quantized": "quantized:codes=8,groups=2"}.get(bottleneck, bottleneck)
    net = Autoencoder(4, bottleneck=word, **FAST).fit(frame)
    again = load(net.save(tmp_path / "m"))
    latents = net.encode(frame)
    pd.testing.assert_frame_equal(again.encode(frame), latents)
    pd.testing.assert_frame_equal(again.decode(latents), net.decode(latents))
    np.testing.assert_allclose(again.score_samples(frame.iloc[:1]), net.score_samples(frame)[:1], rtol=1e-4)
    if bottleneck == "gaussian":
        pd.testing.assert_frame_equal(net.sample(3, random_state=0), again.sample(3, random_state=0))


# Features.

numbers = st.lists(st.one_of(st.floats(-1e9, 1e9, width=32), st.just(float("nan"))), min_size=2, max_size=60).map(
    np.array
)


@given(numbers)
def test_a_number_comes_back_from_its_tensor(values):
    known = values[~np.isnan(values)]
    feature = Number.learn(values)
    back = feature.from_tensor(feature.to_tensor(values))
    if feature.scale:
        width = np.ptp(known) or 1.0
        np.testing.assert_allclose(back[~np.isnan(values)], known, atol=1e-4 * width, rtol=1e-5)


@given(st.lists(st.floats(0, 1e6), min_size=30, max_size=80).map(np.array))
def test_a_skewed_number_keeps_its_order(values):
    values = np.concatenate([values, [1e12]])
    feature = Number.learn(values)
    tensor = feature.to_tensor(np.sort(values))[:, 0]
    assert (np.diff(tensor) >= 0).all()
    assert np.abs(tensor[:-1]).max() < 40


@given(st.lists(st.integers(-(10**9), 4 * 10**9), min_size=2, max_size=40).map(np.array))
def test_a_date_comes_back_to_the_second_of_its_span(values):
    feature = Date.learn(values.astype(float))
    back = feature.from_tensor(feature.to_tensor(values.astype(float)))
    np.testing.assert_allclose(back, values, atol=max(1.0, 1e-5 * np.ptp(values)))


def test_levels_and_counts_come_back(rng):
    levels = rng.integers(0, 5, 50).astype(float)
    category = Category.learn(levels, 5)
    np.testing.assert_array_equal(category.from_tensor(category.to_tensor(levels)), levels)
    assert not category.to_tensor(np.array([5.0, np.nan])).any()  # never seen, missing
    counts = rng.poisson(3, 50).astype(float)
    count = Count.learn(counts)
    np.testing.assert_allclose(count.from_tensor(count.to_tensor(counts)), counts, atol=1e-4)


# Columns by their names.


def test_another_order_is_corrected_and_reported(model, frame, caplog):
    with caplog.at_level(logging.WARNING):
        latents = model.encode(frame[frame.columns[::-1]])
    pd.testing.assert_frame_equal(latents, model.encode(frame))
    assert "put columns in the order of fit()" in caplog.text


@pytest.mark.parametrize(
    "change", [lambda f: f, pl.from_pandas, lambda f: pa.Table.from_pandas(f, preserve_index=False)]
)
def test_latents_are_found_by_their_names_as_well(model, frame, change, caplog):
    latents = model.encode(frame)
    turned = change(latents[latents.columns[::-1]].assign(id="x"))
    with caplog.at_level(logging.WARNING):
        back = model.decode(turned)
    assert "decode(): put columns in the order of fit()" in caplog.text
    expected = model.decode(change(latents))
    assert back.equals(expected)
    with pytest.raises(DataError, match="column 'latent_2' is missing"):
        model.decode(latents.drop(columns="latent_2"))


def test_the_first_latents_of_an_ordered_model_do_as_a_frame_too(frame):
    net = Autoencoder(4, bottleneck="ordered", **FAST).fit(frame)
    latents = net.encode(frame)
    few = net.decode(latents[["latent_0", "latent_1"]])
    pd.testing.assert_frame_equal(few, net.decode(latents.assign(latent_2=0.0, latent_3=0.0)))


def test_every_verb_finds_columns_by_their_names(rng):
    from diabolo.report.diagnosis import diagnose

    frame = pd.DataFrame(
        rng.normal(size=(200, 3)) @ rng.normal(size=(3, 6)) * 10.0 ** np.arange(6), columns=[*"abcdef"]
    )
    net = Autoencoder(3, bottleneck="gaussian", **FAST).fit(frame)
    turned = frame[frame.columns[::-1]]
    np.testing.assert_array_equal(net.error_by_size(turned), net.error_by_size(frame))
    theirs, ours = (net.log_likelihood(each[:5], n_samples=20, random_state=0) for each in (frame, turned))
    np.testing.assert_array_equal(ours, theirs)
    assert diagnose(net.model_, turned) == diagnose(net.model_, frame.to_numpy())


def test_a_table_of_several_kinds_has_an_error_by_size_and_a_diagnosis(model, frame):
    from diabolo.report.diagnosis import diagnose

    assert model.error_by_size(frame)[-1] < 1  # what the best constant guess costs
    assert isinstance(diagnose(model.model_, frame), list)


def test_other_columns_and_levels_never_seen_are_reported_and_counted(model, frame, caplog):
    other = frame.assign(more=1, city=["Basel", "Basel", *frame["city"][2:]])
    with caplog.at_level(logging.WARNING):
        scores = model.score_samples(other)
    assert "left out columns that fit() did not see: 'more'" in caplog.text
    assert "column 'city': 2 cells with a level that fit() never saw, the first 'Basel' in row 0" in caplog.text
    assert (scores[:2] < model.score_samples(frame)[:2]).all()
    kept = model.reconstruct(other, fill="missing")
    assert list(kept["city"][:2]) == ["Basel", "Basel"]


def test_filling_in_from_a_file_keeps_cells_that_no_number_holds(model, frame, tmp_path):
    other = frame.reset_index(drop=True).assign(seen=frame["seen"].array.as_unit("ns") + pd.Timedelta(1, "ns"))
    other.loc[0, "city"] = "Basel"
    for name in ("p.parquet", "q.parquet"):
        other[:200].to_parquet(tmp_path / name, index=False)
    filled = model.reconstruct(tmp_path / "*.parquet", fill="missing")
    known = pd.concat([other[:200]] * 2, ignore_index=True)
    assert filled.shape == known.shape
    assert filled.notna().all().all()
    assert filled["city"][200] == "Basel"
    for name in frame.columns:
        there = known[name].notna()
        assert (filled[name][there].astype(known[name].dtype) == known[name][there]).all(), name


def wide(columns, count=60):
    """A table of so many columns, every second of which is a category of ten levels."""
    rng = np.random.default_rng(0)
    texts = np.array(list("abcdefghij"))
    return pd.DataFrame(
        {f"c{at}": texts[rng.integers(10, size=count)] if at % 2 else rng.normal(size=count) for at in range(columns)}
    )


@pytest.mark.parametrize(("columns", "latents"), [(2, 1), (3, 1), (6, 3), (14, 7), (70, 32)])
def test_by_default_a_table_gets_at_most_half_as_many_latents_as_columns(columns, latents):
    prepared = fitting.prepare(wide(columns), Settings().seeded(0))
    assert prepared.network.latent_dim == latents


@pytest.mark.parametrize(("rows", "latents"), [((40, 2), 1), ((40, 20), 5), ((40, 200), 32), ((40, 8, 8), 16)])
def test_by_default_arrays_get_a_quarter_of_their_features(rows, latents, rng):
    prepared = fitting.prepare(rng.normal(size=rows), Settings().seeded(0))
    assert prepared.network.latent_dim == latents


def test_flags_of_missing_cells_are_no_columns(rng):
    rows = rng.normal(size=(60, 8))
    rows[::3, 1] = np.nan  # 16 features, of which half are flags
    assert fitting.prepare(rows, Settings().seeded(0)).network.latent_dim == 4


def test_a_bottleneck_that_is_not_smaller_than_the_table_is_mentioned(caplog):
    def said(**settings):
        caplog.clear()
        fitting.plan(wide(4), Settings(**settings).seeded(0))
        return caplog.text

    assert (
        "fit(): 4 latents for 4 columns: nothing is compressed, and anomalies are reconstructed as well as other rows: "
        "choose fewer, such as latent_dim=2 (--latent 2)" in said(latent_dim=4)
    )
    assert "10 latents for 4 columns" in said(latent_dim=10)
    assert said(latent_dim=3) == said() == ""
    # Whoever asks for it knows it, and sparse latents are few even so.
    assert said(latent_dim=10, allow_overcomplete=True) == said(latent_dim=10, bottleneck="sparse") == ""
    with pytest.raises(
        OptionError, match=r"number of features \(22, which 4 columns become\), got 30: choose at most 3, or pass"
    ):
        said(latent_dim=30)


BAD = [
    (lambda f: f.drop(columns="age"), "column 'age' is missing"),
    (lambda f: f.assign(age="old"), "column 'age' expected a number, got 'old' in row 0"),
    (lambda f: f.assign(wage=np.inf), "column 'wage' holds infinity in row 0"),
    (lambda f: f.assign(born="x"), "column 'born' expected a date such as 2024-05-31, got 'x' in row 0"),
    (lambda f: f.to_numpy(), "expected a frame, as fit\\(\\) had"),
    (lambda f: f.iloc[:0], "expected a table with rows and columns, got 0 rows"),
    (lambda f: pd.concat([f, f[["age"]]], axis=1), "two columns are called 'age'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_frame_that_does_not_fit_is_refused(model, frame, change, message):
    with pytest.raises(DataError, match=message):
        model.encode(change(frame))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("yes", 99, r"a boolean \(0 or 1\)"), ("seen", -5, r"a count \(0, 1, 2, ...\)"), ("seen", 0.5, "a count")],
)
def test_what_is_no_boolean_or_count_is_refused_with_its_row(rng, tmp_path, name, value, message):
    frame = pd.DataFrame({"yes": rng.random(60) < 0.5, "seen": rng.poisson(3, 60), "x": rng.normal(size=60)})
    net = Autoencoder(1, types={"seen": "count"}, **FAST).fit(frame)
    odd = frame.astype(float)
    odd.loc[7, name] = value
    with pytest.raises(DataError, match=f"column '{name}' expected {message}.*, got {value} in row 7"):
        net.encode(odd)
    with pytest.raises(DataError, match=f"{value} in row 7, column '{name}', is not {message}"):
        net.score_samples(odd.to_numpy())
    frame = frame.astype(object)
    frame.loc[7, name] = value
    frame.to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(DataError, match=f"column '{name}' expected a .*, got '?{value}'? in"):
        net.encode(tmp_path / "odd.csv")


BAD_FITS = [
    ({"name": [f"n{at}" for at in range(60)]}, r"'name' \(text with 60 different values in 60 rows\)"),
    ({"empty": [None, None], "a": [1, 2]}, r"'empty' \(no value in any row\)"),
    ({"lists": [[1], [2]]}, r"'lists' \(holds list"),
    ({"mixed": [1, "a"]}, r"'mixed' \(mixes types"),
]


STRANGE = {
    "complex": (
        lambda: pd.DataFrame({"a": [1.0, 2.0], "b": [1j, 2j]}),
        r"'b' \(holds complex128, not numbers, texts, booleans or dates\)",
    ),
    "sparse": (lambda: pd.DataFrame({"b": pd.arrays.SparseArray([0.0, 1.0])}), r"'b' \(holds Sparse\[float64, "),
    "wide": (lambda: pl.DataFrame({"b": pl.Series([1, 2], dtype=pl.Int128)}), r"'b' \(holds Int128, not numbers"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_columns_of_a_type_that_is_not_taken_are_named_with_it(name):
    make, message = STRANGE[name]
    with pytest.raises(DataError, match=message):
        Autoencoder(1, strict=True, **FAST).fit(make())


@pytest.mark.parametrize(("cells", "message"), BAD_FITS)
def test_columns_that_say_nothing_are_refused_by_name(cells, message):
    with pytest.raises(DataError, match=message):
        Autoencoder(1, strict=True, **FAST).fit(pd.DataFrame(cells))


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"cty": "category"}, "unknown column 'cty'. Did you mean 'city'"),
        ({"city": "number"}, "column 'city' holds text such as .*, which cannot be of kind 'number'"),
        ({"wage": "counts"}, "unknown kind 'counts'. Did you mean 'count'"),
        ({"wage": "count"}, "column 'wage' holds .*, expected a count \\(0, 1, 2, ...\\): choose 'number'"),
        ({"age": "boolean"}, "column 'age' holds .*, expected a boolean \\(0 or 1\\)"),
        (["age"], "types must be kinds by name"),
    ],
)
def test_types_that_cannot_be_are_refused(frame, types, message):
    with pytest.raises(OptionError, match=message):
        Autoencoder(2, types=types, **FAST).fit(frame)


def test_a_loss_for_all_columns_is_refused(frame):
    with pytest.raises(OptionError, match="get a loss for each column automatically: pass reconstruction_loss='auto'"):
        Autoencoder(2, reconstruction_loss="gaussian", **FAST).fit(frame)


def test_a_column_of_one_value_comes_back_and_another_value_there_costs(rng):
    frame = pd.DataFrame({"a": rng.normal(size=100), "b": rng.normal(size=100), "one": 7, "same": "x"})
    net = Autoencoder(1, types={"one": "number", "same": "category"}, **FAST).fit(frame)
    back = net.reconstruct(frame)
    assert (back["one"] == 7).all()
    assert (back["same"] == "x").all()
    odd = net.score_samples(frame.assign(one=9))
    assert (odd < net.score_samples(frame)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["columns"].pop(), "columns do not fit rows"),
        (lambda s: s["columns"][0].update(kind="count"), "differ between the schema and the table"),
        (lambda s: s["columns"][0].update(kind="date"), "a date cannot be of type"),
        (lambda s: s["columns"][2].update(levels=["a", "a", "b", "c"]), "each once"),
        (lambda s: s["columns"][0].update(arrow="tensor"), "not a type of a column"),
        (lambda s: s["columns"][0].update(more=1), "a key 'more' that is not known"),
        (lambda s: s["columns"][0].pop("arrow"), "must have exactly the keys"),
        (lambda s: s.update(library="pickle"), "must name one of"),
        (lambda s: s["columns"][1].update(name="age"), "must not name a column twice"),
    ],
)
def test_a_model_file_with_another_schema_is_refused(model, tmp_path, change, message):
    from diabolo.model import file as modelfile

    class Changed:
        def to_config(self):
            config = json.loads(json.dumps(model.model_.schema.to_config()))
            change(config)
            return config

    ours = dict(vars(model.model_)) | {"schema": Changed()}
    fields = {name: ours[name] for name in ("network", "weights", "adapter", "loss", "record", "schema")}
    (tmp_path / "m.safetensors").write_bytes(modelfile.to_bytes(type(model.model_)(**fields)))
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "m.safetensors")


# Files and the command line.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    frame = people().reset_index()
    frame.to_csv(folder / "people.csv", index=False)
    frame.to_csv(folder / "people.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "people.parquet")
    (folder / "parts").mkdir()
    frame[:250].to_parquet(folder / "parts" / "a.parquet")
    frame[250:].to_parquet(folder / "parts" / "b.parquet")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    net = Autoencoder(4, **FAST).fit(folder / "people.csv")
    return net, net.save(folder / "people")


def test_a_file_whose_texts_stand_for_a_type_of_fit_is_filled_in_without_loss(folder, frame):
    frame = frame.reset_index()
    net = Autoencoder(2, **FAST).fit(frame)
    frame.to_csv(folder / "zones.csv", index=False)  # with nanoseconds and an offset, which Arrow reads as text
    filled = net.reconstruct(str(folder / "zones.csv"), fill="missing")
    for name in ("seen", "born"):
        there = frame[name].notna().to_numpy()
        moments = pd.to_datetime(filled[name], utc=True)
        assert (moments[there] == pd.to_datetime(frame[name], utc=True)[there]).all()
    written = frame.assign(wage=frame["wage"].map(lambda wage: f"{wage:,.2f}" if wage == wage else None))
    filled = net.reconstruct(written, fill="missing")["wage"].to_list()
    there = written["wage"].notna()
    assert [cell for cell, known in zip(filled, there, strict=True) if known] == written["wage"][there].to_list()
    assert None not in filled


def test_a_file_and_what_pandas_makes_of_it_are_the_same_rows(rng, tmp_path):
    codes = rng.choice(["01067", "80331", "10115"], 80)
    lines = [f"{code},{value:.3f}" for code, value in zip(codes, rng.normal(size=80), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["zip, work", *lines]))  # with a blank in a name, and a zero in front
    by_pandas = pd.read_csv(tmp_path / "t.csv")
    assert by_pandas["zip"].dtype == np.int64
    for fitted_on in (tmp_path / "t.csv", pd.read_csv(tmp_path / "t.csv", dtype={"zip": str})):
        net = Autoencoder(1, **FAST).fit(fitted_on)
        np.testing.assert_array_equal(net.encode(tmp_path / "t.csv"), net.encode(by_pandas).filter(like="latent"))


def test_whole_numbers_too_large_for_doubles_are_kept_when_gaps_are_filled_in(cli, rng, tmp_path):
    accounts = 758350470402408450 + np.sort(rng.choice(10**9, 100, replace=False)) * 12345
    frame = pd.DataFrame({"account": accounts, "x": rng.normal(size=100)})
    frame.loc[3, "x"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    cli("fit", "t.csv", "--epochs", "1", "-o", "m", cwd=tmp_path)
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        done = cli("reconstruct", "m.safetensors", name, "--fill", "-o", "filled.csv", "--force", cwd=tmp_path)
        assert done.err == ""
        assert pd.read_csv(tmp_path / "filled.csv")["account"].to_list() == accounts.tolist()
        filled = load(tmp_path / "m.safetensors").reconstruct(tmp_path / name, fill="missing")
        assert filled["account"].to_pylist() == accounts.tolist()
    cli("reconstruct", "m.safetensors", "t.csv", "--fill", "-o", "filled.xlsx", cwd=tmp_path)
    assert pd.read_excel(tmp_path / "filled.xlsx", dtype=str, engine="openpyxl")["account"].to_list() == list(
        map(str, accounts)
    )


@pytest.mark.parametrize("gaps", [True, False])
def test_rounding_of_large_numbers_is_no_distance(rng, gaps):
    rows = np.column_stack([7.6e17 + 128.0 * rng.integers(0, 5_000, 200), rng.normal(size=200)])
    if gaps:
        rows[3, 1] = np.nan
    tensors = Autoencoder(1, **FAST).fit(rows).model_.adapter.adapt(rows)
    assert np.abs(tensors).max() < 10  # one huge input would be all that a network sees


def test_names_with_commas_can_be_typed_as_the_messages_show_them(cli, tmp_path):
    header = '"Price, EUR",o\'clock,x,y'
    rows = [f"p{at},q{at},{at % 7},{at % 5}" for at in range(60)]
    (tmp_path / "t.csv").write_text("\n".join([header, *rows]))
    refused = cli("schema", "t.csv", "--strict", cwd=tmp_path).err
    options = shlex.split(re.search(r"leave them out \((--drop .*?)\), or", refused)[1])
    assert cli("schema", "t.csv", "--strict", *options, cwd=tmp_path).code == 0
    shown = cli("schema", "t.csv", "--types", '"Price, EUR"=category, y=count', "--json", cwd=tmp_path).out
    kinds = {each["name"]: each["kind"] for each in json.loads(shown)["columns"]}
    assert kinds == {"Price, EUR": "category", "x": "number", "y": "count"}


@pytest.mark.parametrize(
    "given", [["a"], ["a, b", "c"], ["line\nbreak"], ['5" pipe', "x"], ['say "a, b"'], ["it's", "€"], ["a", "b", "c"]]
)
def test_names_come_back_from_what_a_message_tells_to_type(given):
    (typed,) = shlex.split(as_option(given))
    assert list(names(typed)) == given
    (typed,) = shlex.split(as_types(dict.fromkeys(given, "date:%d, %m")))
    assert reading(types=typed).types == dict.fromkeys(given, "date:%d, %m")


def test_a_lone_quote_is_a_name():
    assert names('"') == ('"',)
    assert names('"a, b') == ('"a', "b")
    assert names(" a ,, b ") == ("a", "b")
    assert names(None) == names("") == ()


def test_schema_says_which_reading_of_numbers_and_dates_was_taken(cli, tmp_path):
    rows = [f'"{12 + at},{100 + at}",{1 + at % 9}/{13 + at % 9}/{24 + at % 2}' for at in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["amount,day", *rows]))
    done = cli("schema", "t.csv", cwd=tmp_path)
    assert "12100 to 51139" in done.out
    assert "2024-01-13 to" in done.out
    assert "12,100 is read as 12100: add --decimal , if they are decimal commas" in done.err


def test_files_of_every_kind_are_the_same_table(folder, trained):
    net, _ = trained
    latents = net.encode(folder / "people.csv")
    for name in ("people.tsv", "people.parquet", "parts", "parts/*.parquet"):
        np.testing.assert_allclose(net.encode(str(folder / name)), latents, atol=1e-5)


def test_a_table_goes_all_the_way_on_the_command_line(cli, folder, tmp_path):
    asked = ("--latent", "4", "--epochs", "3", "--drop", "number", "-o", "m", "--pictures")
    done = cli("fit", folder / "people.csv", *asked)
    assert done.code == 0, done.err
    assert "mixed: each column by its kind" in done.out
    assert "cells correct" in done.out
    assert (tmp_path / "m-reconstructions.png").stat().st_size > 10_000
    done = cli("encode", "m.safetensors", folder / "people.parquet", "--keep", "number", "-o", "latents.parquet")
    assert done.code == 0, done.err
    assert "number" not in done.err
    latents = parquet.read_table(tmp_path / "latents.parquet")
    assert latents.column_names == ["number", *(f"latent_{at}" for at in range(4))]
    assert cli("decode", "m.safetensors", "latents.parquet", "--keep", "number").code == 0
    back = pd.read_csv(tmp_path / "latents-decoded.csv")
    assert list(back.columns) == list(people().reset_index().columns)
    assert (back["number"] == people().index).all()
    assert cli("reconstruct", "m.safetensors", folder / "people.csv", "--fill").code == 0
    filled = pd.read_csv(tmp_path / "people-filled.csv")
    given_ = pd.read_csv(folder / "people.csv")
    assert filled.notna().all().all()
    there = given_["age"].notna()
    assert (filled["age"][there] == given_["age"][there]).all()
    assert cli("score", "m.safetensors", folder / "people.csv", "--keep", "number", "-o", "s.csv").code == 0
    assert list(pd.read_csv(tmp_path / "s.csv").columns) == ["number", "score"]
    done = cli("info", "m.safetensors")
    assert "8 columns (age, wage, city" in done.out


def test_a_table_of_several_kinds_is_drawn_and_its_own_columns_are_not_kept_twice(cli, folder, trained, tmp_path):
    model, data = trained[1], folder / "people.csv"
    done = cli("reconstruct", model, data, "-o", "back.csv", "--picture", "p.png", "--keep", "city")
    assert done.code == 2
    assert "--keep city: the output has a column of that name itself: leave it out." in done.err
    assert not (tmp_path / "back.csv").exists()
    done = cli("reconstruct", model, data, "-o", "back.csv", "--picture", "p.png")
    assert done.code == 0, done.err
    assert (tmp_path / "p.png").stat().st_size > 10_000


def test_a_pipe_goes_in_and_out(run, folder, trained):
    command = "import sys, subprocess\nwith open(sys.argv[1], 'rb') as file:\n    "
    command += "subprocess.run([sys.executable, '-m', 'diabolo', 'encode', sys.argv[2], '-', '-o', '-'], stdin=file)"
    for name in ("people.csv", "people.parquet"):
        done = run("-c", command, folder / name, trained[1])
        lines = done.out.splitlines()
        assert lines[0] == '"latent_0","latent_1","latent_2","latent_3"' or lines[0].startswith("latent_0,latent_1")
        assert len(lines) == 401
        assert "400 rows" in done.err


def test_rows_from_a_pipe_are_drawn_too(run, folder, trained, tmp_path):
    command = "import sys, subprocess\nwith open(sys.argv[1], 'rb') as file:\n    "
    command += "subprocess.run([sys.executable, '-m', 'diabolo', 'reconstruct', sys.argv[2], '-', '--picture', 'p.png'"
    done = run("-c", f"{command}], stdin=file, check=True)", folder / "people.csv", trained[1])
    assert done.code == 0, done.err
    assert (tmp_path / "p.png").stat().st_size > 10_000
    assert len((tmp_path / "rows-reconstructed.csv").read_text().splitlines()) == 401


def test_a_file_of_numbers_is_read_by_its_names(cli, tmp_path, rng):
    frame = pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "b", "c"])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame[["c", "a", "b"]].to_csv(tmp_path / "turned.csv", index=False)
    frame[["a", "b"]].to_csv(tmp_path / "short.csv", index=False)
    assert cli("fit", "rows.csv", "--epochs", "2").code == 0
    for name in ("rows", "turned"):
        done = cli("encode", "rows.safetensors", f"{name}.csv")
        assert done.code == 0, done.err
    assert "put columns in the order of fit()" in done.err
    np.testing.assert_array_equal(np.load(tmp_path / "turned-latents.npy"), np.load(tmp_path / "rows-latents.npy"))
    done = cli("encode", "rows.safetensors", "short.csv")
    assert done.code == 2
    assert "column 'c' is missing" in done.err
    assert cli("reconstruct", "rows.safetensors", "rows.csv", "-o", "back.csv").code == 0
    assert list(pd.read_csv(tmp_path / "back.csv").columns) == ["a", "b", "c"]


BAD_FILES = {
    "ragged.csv": ("a,b\n1,x\n2\n", "ragged.csv: row 1 has 1 cell, expected 2: correct it"),
    "open.csv": ('a,b\n1,"x\n2,y\n', "a quote is opened and not closed, perhaps in line 2 of 3"),
    "header.csv": ("a,b\n", "expected rows under the header ('a', 'b'), got none"),
    "text.csv": ("a,b\n" + "1,2\n" * 30 + "old,2\n", "'a' (numbers, but also 'old' (frame['a'].replace('old', None)"),
    "names.csv": ("b\n" + "".join(f"n{at}\n" for at in range(50)), "'b' (text with 50 different values in 50 rows)"),
    "gone.csv": ("a,b\n1,\n2,\n", "'b' (no value in any row)"),
}


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("a,b\n" + "1,Zürich\n2,y\n" * 20, "latin1", True),
        ("a,b\n" + "1,x\n2,y\n" * 20, "utf16", False),  # its byte order mark leaves no doubt
        ("a,b\n" + "1,x\n2,y\n" * 400_000 + "3,é\n", "latin1", True),
    ],
    ids=["early", "wide", "late"],
)
def test_a_file_that_is_no_utf8_text_is_decoded_and_a_guess_is_said(tmp_path, text, encoding, said, caplog):
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(1, **FAST).fit(tmp_path / "rows.csv")
    levels = {line.split(",")[1] for line in text.splitlines()[1:]}
    assert set(net.model_.schema.columns[1].levels) == levels
    assert ("--encoding" in caplog.text) == said


def test_a_date_that_is_none_is_named_with_its_row_whether_lines_are_blank_or_not(tmp_path, rng):
    days = [f"2024-03-{1 + at % 28:02d},{at}\n" for at in range(60)]
    (tmp_path / "days.csv").write_text("day,x\n" + "".join(days))
    net = Autoencoder(1, **FAST).fit(tmp_path / "days.csv")
    days[40] = "tomorrow,1\n"
    for before in ("", "\n\n"):
        (tmp_path / "bad.csv").write_text(before + "day,x\n" + "".join(days))
        with pytest.raises(
            DataError, match=r"column 'day' expected a date such as 2024-05-31, got 'tomorrow' in row 40: correct"
        ):
            net.encode(tmp_path / "bad.csv")


def test_days_that_stand_before_their_month_are_read_where_points_part_them(tmp_path):
    moments = [datetime.datetime(2024, 1 + at % 12, 1 + at % 28, at % 24) for at in range(60)]
    write = lambda form: "day,x\n" + "".join(f"{each:{form}},{at}\n" for at, each in enumerate(moments))  # noqa: E731
    (tmp_path / "points.csv").write_text(write("%d.%m.%Y %H:%M"))
    (tmp_path / "dashes.csv").write_text(write("%Y-%m-%d %H:%M"))
    points, dashes = (Autoencoder(1, **FAST).fit(tmp_path / f"{name}.csv") for name in ("points", "dashes"))
    assert points.model_.schema.columns[0].kind == "date"
    np.testing.assert_array_equal(points.encode(tmp_path / "points.csv"), dashes.encode(tmp_path / "dashes.csv"))
    (tmp_path / "slashes.csv").write_text(write("%d/%m/%Y %H:%M"))  # a day above 12 settles the order
    np.testing.assert_array_equal(dashes.encode(tmp_path / "slashes.csv"), dashes.encode(tmp_path / "dashes.csv"))


HEADERS = {
    "city,age,when\n": (["city", "age", "when"], 40),
    "": (["f0", "f1", "f2"], 40),
    "city,2020,when\n": (["city", "2020", "when"], 40),
    "city,age,2020-01-01\n": (["city", "age", "2020-01-01"], 40),
    "city,,2020-01-01\n": (["f0", "f1", "f2"], 41),  # more like a row with a gap than like names
    "city,?,2020-01-01\n": (["f0", "f1", "f2"], 41),
    "0,1,2\n": (["0", "1", "2"], 40),
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_row_is_not_taken_for_names_and_what_is_no_plain_header_is_said(tmp_path, header, caplog):
    names, count = HEADERS[header]
    rows = "".join(f"{'Bern' if at % 2 else 'Zug'},{12 + at},2021-03-{1 + at % 28:02d}\n" for at in range(40))
    (tmp_path / "rows.csv").write_text(header + rows)
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(1, **FAST).fit(tmp_path / "rows.csv")
    assert list(net.model_.schema.names) == names
    assert len(net.encode(tmp_path / "rows.csv")) == count
    assert ("no line names the columns, because the first one" in caplog.text) == (names[0] == "f0")
    assert ("if it has the names, add --header" in caplog.text) == (names[0] == "f0")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("yes,red\nno,blue\n" * 20, "f0 f1"),  # texts alone: the first row stands below too
        ("red,kind\n" + "red,blue\nblue,blue\n" * 20, "red kind"),  # one column is called like one of its levels
        ("land,2019,2020\n" + "Uri,1,2\nZug,3,4\n" * 20, "land 2019 2020"),  # years
        ("land,2000,2010,2020\n" + "Uri,1,2,3\nZug,3,4,5\n" * 20, "land 2000 2010 2020"),
        ("land,2020-01-31\n" + "Uri,1\nZug,3\n" * 20, "land 2020-01-31"),  # no date stands below
        ("land,1.5,2\n" + "Uri,1,2\nZug,3,4\n" * 20, "land 1.5 2"),  # numbers, but not in rising whole steps
        (
            f"land,{','.join(str(1.5**at) for at in range(8))}\n" + "Uri,1,2,3,4,5,6,7,8\nZug,2,3,4,5,6,7,8,9\n" * 20,
            "land " + " ".join(str(1.5**at) for at in range(8)),
        ),
        ("true,land\n" + "true,Uri\nfalse,Zug\n" * 20, "true land"),
    ],
)
def test_names_that_look_like_values_are_names_where_they_count_on(tmp_path, text, names, caplog):
    (tmp_path / "rows.csv").write_text(text)
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(1, **FAST).fit(tmp_path / "rows.csv")
    schema = net.model_.schema
    assert [*schema.names, *(each.name for each in schema.left_out)] == names.split()
    # Where another reading is likely, the option for it is named.
    if names in ("land 1.5 2", "true land"):
        assert "is read as the names of the columns: if it is a row, add --no-header" in caplog.text


def test_numbers_that_pandas_calls_columns_by_are_names_and_the_other_reading_is_named(tmp_path, rng, caplog):
    pd.DataFrame(rng.normal(size=(40, 4))).to_csv(tmp_path / "rows.csv", index=False)
    with caplog.at_level(logging.WARNING):
        net = Autoencoder(1, **FAST).fit(tmp_path / "rows.csv")
    assert "the first line, 0, 1, 2, ..., is read as the names of the columns: if it is a row, add" in caplog.text
    assert len(net.encode(tmp_path / "rows.csv")) == 40


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_a_bad_table_is_one_line(tmp_path, name):
    text, message = BAD_FILES[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as refused:
        Autoencoder(1, strict=True, **FAST).fit(tmp_path / name)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('"height,\nin cm";weight', ["height,\nin cm", "weight"]),
        ('5" pipes;"a;\n\nb";c', ['5" pipes', "a;\n\nb", "c"]),  # found by fuzzing: names in quotes that go over lines
    ],
)
def test_a_name_in_quotes_may_go_over_several_lines(cli, tmp_path, header, names):
    rows = [";".join(str(row * 7 % 5 + at) for at in range(len(names))) for row in range(30)]
    (tmp_path / "rows.csv").write_text("\n".join([header, *rows]) + "\n")
    seen = json.loads(cli("schema", "rows.csv", "--json", cwd=tmp_path).out)
    assert [column["name"] for column in seen["columns"]] == names
    latents = Autoencoder(1, **FAST).fit_transform(tmp_path / "rows.csv")
    assert latents.shape == (30, 1)


def test_semicolons_decimal_commas_and_quotes_are_read(cli, tmp_path):
    lines = [f'{at % 7},5;"x {"yz"[at % 2]}";{at}' for at in range(60)]
    (tmp_path / "rows.csv").write_text("a;b;c\n" + "\n".join(lines) + "\n")
    done = cli("fit", "rows.csv", "--decimal", ",", "--epochs", "2", "--latent", "2", "--json")
    assert done.code == 0, done.err
    columns = json.loads(done.out)["columns"]
    assert [(each["name"], each["kind"]) for each in columns] == [("a", "number"), ("b", "category"), ("c", "number")]


def test_codes_of_digits_can_be_declared_as_levels(tmp_path):
    (tmp_path / "zip.csv").write_text("zip,a\n" + "".join(f"{at % 3:03d},{at}\n" for at in range(60)))
    net = Autoencoder(1, types={"zip": "category"}, **FAST).fit(tmp_path / "zip.csv")
    assert net.model_.schema.columns[0].levels == ("000", "001", "002")
    assert set(net.reconstruct(tmp_path / "zip.csv")["zip"].to_pylist()) <= {"000", "001", "002"}


def test_dates_of_arrow_keep_their_unit():
    table = pa.table({"at": pa.array([0, 10**9, 2 * 10**9], pa.timestamp("s")), "n": [1.0, 2.0, 3.0]})
    schema = frames.learn(table, where="t")
    assert frames.write(frames.read(table, schema, where="t").rows, schema).equals(table)


def test_later_rows_of_a_parquet_file_take_the_types_of_the_first_or_say_that_they_cannot(tmp_path):
    whole, broken = pa.table({"a": [1, 2]}), pa.table({"a": [5.0, 6.5]})
    sinks.write(tmp_path / "a.parquet", [broken, whole], name="row", force=False)
    assert parquet.read_table(tmp_path / "a.parquet")["a"].to_pylist() == [5.0, 6.5, 1.0, 2.0]
    with pytest.raises(OutputError, match=r"later rows need wider types of columns .*: write \.csv"):
        sinks.write(tmp_path / "b.parquet", [whole, broken], name="row", force=False)
    assert not (tmp_path / "b.parquet").exists()


def test_schema_says_what_columns_are_taken_for(cli, folder):
    done = cli("schema", folder / "people.csv", "--drop", "number")
    assert done.code == 0, done.err
    assert "people.csv: 400 rows of 8 columns" in done.out
    assert "category" in done.out
    assert "Bern, Chur, Uster, Zug" in done.out
    done = cli("schema", folder / "people.parquet", "--types", "visits=count", "--json")
    shown = {each["name"]: each for each in json.loads(done.out)["columns"]}
    assert shown["visits"]["kind"] == "count"
    assert shown["grade"]["levels"] == list("abcde")
    assert shown["age"]["missing"] == int(people()["age"].isna().sum())


def test_schema_shows_what_can_be_learnt_from_and_all_that_cannot(cli, tmp_path):
    ids = "".join(f"i{at},{at},,n{at}\n" for at in range(60))
    (tmp_path / "rows.csv").write_text("id,x,nothing,name\n" + ids)
    done = cli("schema", "rows.csv")
    assert done.code == 0, done.err
    assert "rows.csv: 60 rows of 4 columns" in done.out
    assert re.search(r"x +number", done.out)
    for name in ("id", "name", "nothing"):
        assert f"left out: '{name}' (" in done.out
    shown = json.loads(cli("schema", "rows.csv", "--json").out)
    assert [each["name"] for each in shown["columns"]] == ["x"]
    assert list(shown["left_out"]) == ["id", "nothing", "name"]


def test_days_of_a_zone_come_back_as_days_and_far_ones_as_dates(rng):
    days = pd.date_range("2024-01-01", periods=200, tz="Europe/Zurich")  # over both ends of summer time
    plain = [each.date() for each in days]
    frame = pd.DataFrame({"zoned": days, "plain": plain, "x": np.arange(200.0)})
    net = Autoencoder(1, **(FAST | {"epochs": 20})).fit(frame)
    back = net.reconstruct(frame)
    assert (back["zoned"].dt.normalize() == back["zoned"]).all()
    assert str(back["zoned"].dt.tz) == "Europe/Zurich"
    far = net.decode(pa.table({"latent_0": [-1e30, 1e30]}))
    years = [each.year for each in far["plain"].to_pylist()]
    assert all(1 <= year <= 9999 for year in years)


def test_the_largest_anomalies_are_shown_with_the_cells_that_cause_them(cli, tmp_path):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 900)
    frame = pd.DataFrame(
        {
            "id": [f"i{at}" for at in range(900)],
            "kind": np.array(["car", "bike", "boat"])[kind],
            "wheels": np.array([4, 2, 0])[kind],
            "weight": (np.array([1200.0, 12.0, 400.0])[kind] * rng.lognormal(0, 0.1, 900)).round(1),
            "length": (np.array([4.0, 1.8, 7.0])[kind] * rng.lognormal(0, 0.05, 900)).round(2),
        }
    )
    frame.loc[17, "weight"] = 9000.0
    frame.loc[5, "kind"] = "car" if kind[5] else "boat"
    frame.to_csv(tmp_path / "things.csv", index=False)
    done = cli("score", "things.csv", "--drop", "id", "--keep", "id", "--top", "3")
    assert done.code == 0, done.err
    table = done.out.split("(expected value)")[1].splitlines()
    rows = {int(line.split()[0]): line for line in table if line.strip()}
    assert {5, 17} <= set(rows)
    assert "weight=9000 (" in rows[17]
    assert f"kind={frame['kind'][5]} ({['car', 'bike', 'boat'][kind[5]]})" in rows[5]
    scores = pd.read_csv(tmp_path / "things-scores.csv")
    assert list(scores["id"]) == list(frame["id"])
    assert set(scores["score"].nlargest(3).index) == set(rows)
    assert cli("fit", "things.csv", "--drop", "id", "--latent", "1", "--epochs", "60").code == 0
    done = cli("score", "things.safetensors", "things.csv", "--top", "2", "-o", "-")
    assert done.out.startswith("score\n") or done.out.startswith('"score"')
    assert "weight=9000" in done.err
    for arguments, line in [
        (["score", "things.safetensors"], "write diabolo score things.safetensors DATA"),
        (["score", "-"], "standard input can be read once"),
        (["score", "things.csv", "--drop", "id", "--top", "-1"], "--top must be at least 0"),
    ]:
        done = cli(*arguments)
        assert done.code == 2
        assert line in done.err


def test_named_columns_of_an_npz_are_a_table(tmp_path, rng):
    cells = {
        "size": rng.normal(size=80),
        "kind": np.array(["a", "b"])[rng.integers(0, 2, 80)],
        "yes": rng.random(80) < 0.5,
    }
    np.savez(tmp_path / "columns.npz", **cells)
    net = Autoencoder(2, **FAST).fit(tmp_path / "columns.npz")
    assert [(each.name, each.kind) for each in net.model_.schema.columns] == [
        ("size", "number"),
        ("kind", "category"),
        ("yes", "boolean"),
    ]
    assert net.decode(net.encode(pa.table(cells))).column_names == ["size", "kind", "yes"]


def test_named_columns_of_an_npz_are_read_by_the_names_and_levels_of_fit(cli, tmp_path, rng):
    kinds = np.array(list("abc"))[rng.integers(0, 3, 80)]
    cells = {"size": np.where(rng.random(80) < 0.2, np.nan, rng.normal(size=80)), "kind": kinds}
    np.savez(tmp_path / "columns.npz", **cells)
    there = kinds != "a"  # the levels that are left have other numbers among themselves
    np.savez(tmp_path / "others.npz", kind=kinds[there], size=cells["size"][there])
    net = Autoencoder(2, **FAST).fit(tmp_path / "columns.npz")
    expected = net.encode(pa.table(cells)).to_pandas().to_numpy()[there]
    np.testing.assert_allclose(net.encode(tmp_path / "others.npz"), expected, atol=1e-6)
    net.save(tmp_path / "m")
    done = cli("reconstruct", "m.safetensors", "others.npz", "--fill", "-o", "filled.csv")
    assert done.code == 0, done.err
    filled = pd.read_csv(tmp_path / "filled.csv")
    assert (filled["kind"] == kinds[there]).all()
    own = cells["size"][there]
    np.testing.assert_allclose(filled["size"][~np.isnan(own)], own[~np.isnan(own)])
    assert filled["size"].notna().all()


HALF = "\ud800"  # half of a surrogate pair, which is no text that a file could hold


def of_objects(values):
    return pd.Series(values, dtype=object)


def with_one(value, rows=40):
    """Random numbers as objects, one of which is something else."""
    cells = np.random.default_rng(0).normal(size=(rows, 2)).astype(object)
    cells[3, 1] = value
    return cells


def huge(gap):
    values = 1e300 * np.random.default_rng(0).normal(size=40)
    values[:gap] = np.nan
    return values


ODD_VALUES = {
    "whole numbers of 71 bits": (
        lambda: pd.DataFrame({"a": np.arange(40.0), "big": of_objects([2**70, -1] * 20)}),
        r"'big' \(holds whole numbers that do not fit 64 bits\)",
    ),
    "whole numbers of 64 bits with negative ones": (
        lambda: pd.DataFrame({"a": np.arange(40.0), "big": of_objects([2**64 - 1, -1] * 20)}),
        r"'big' \(holds whole numbers that do not fit 64 bits\)",
    ),
    "half a pair as text": (
        lambda: pd.DataFrame({"a": np.arange(40.0), "c": of_objects(["x", HALF] * 20)}),
        r"'c' \(holds text that is not valid Unicode",
    ),
    "half a pair as a level": (
        lambda: pd.DataFrame({"c": pd.Categorical.from_codes([0, 1] * 20, pd.Index(["x", HALF], dtype=object))}),
        r"'c' \(holds text that is not valid Unicode",
    ),
    "half a pair as a name": (
        lambda: pd.DataFrame(np.eye(8, 2), columns=pd.Index(["a", HALF], dtype=object)),
        "of a column is not valid Unicode: rename the column",
    ),
    "a number that no double stands for": (lambda: with_one(10**400), "expected numbers that fit a double, got 1000"),
    "a list in an array": (lambda: with_one([1]), r"expected numbers, got '\[1\]' \(list\) in row 3, column 1"),
    "squares beyond a double, with a gap": (
        lambda: pd.DataFrame({"a": np.arange(40.0), "wide": huge(1)}),
        r"squares fit a double, got .*e\+\d+ in row \d+, column 'wide': rescale the column",
    ),
    "squares beyond a double, with a category": (
        lambda: pd.DataFrame({"c": ["u", "v"] * 20, "wide": huge(0)}),
        r"squares fit a double, got .*e\+\d+ in row \d+, column 'wide': rescale the column",
    ),
    "squares beyond a double, without a gap": (
        lambda: np.stack([np.arange(40.0), huge(0)], 1),
        r"squares fit a double, got .*e\+300 in column 1, counted from 0: rescale the rows",
    ),
    "nothing": (lambda: None, "expected rows, such as an array .* or a frame, got None"),
    "a dict": (lambda: {"a": [1.0, 2.0]}, r"expected rows, .* got a dict: pass pandas.DataFrame\(X\)"),
    "fields": (
        lambda: np.zeros(9, [("x", "f8"), ("y", "i4")]),
        r"expected an array of numbers, got one of the fields x, y: pass a frame, pandas.DataFrame\(X\)",
    ),
}


@pytest.mark.parametrize("name", sorted(ODD_VALUES))
def test_an_unusual_value_is_refused_in_one_line_by_every_estimator(name):
    make, line = ODD_VALUES[name]
    strict = Autoencoder(1, epochs=1, strict=True, verbose=False)
    for estimator in (AnomalyDetector(strict, random_state=0), strict):
        with pytest.raises(DataError, match=line) as caught:
            estimator.fit(make())
        assert "\n" not in str(caught.value)


def test_decimals_of_arrow_in_a_frame_of_pandas_are_explained():
    kind = pd.ArrowDtype(pa.decimal128(5, 2))
    cells = [Decimal(at) / 4 if at % 5 else None for at in range(40)]
    frame = pd.DataFrame({"price": pd.Series(cells, dtype=kind), "load": np.arange(40.0)})
    detector = AnomalyDetector(random_state=0).fit(frame)
    assert len(detector.explain(frame.head(3)).expected) == 3


def test_decimals_and_fractions_in_an_array_are_numbers(rng):
    floats = rng.integers(-800, 800, size=(40, 3)) / 8
    exact = np.array([[Decimal(each) for each in row] for row in floats.tolist()], object)
    exact[:, 2] = [Fraction(each) for each in floats[:, 2].tolist()]
    detector = AnomalyDetector(random_state=0).fit(exact)
    np.testing.assert_array_equal(detector.score_samples(exact), detector.score_samples(floats))


def test_columns_called_true_and_false_are_explained_and_come_back_by_these_names(rng):
    frame = pd.DataFrame({True: rng.normal(size=60), False: rng.normal(size=60)})
    explained = AnomalyDetector(random_state=0).fit(frame).explain(frame)
    assert explained[0] == ("True", "False")
    assert list(explained.expected.columns) == ["True", "False"]
    model = Autoencoder(1, structure=[4], epochs=1, random_state=0, verbose=False).fit(frame)
    assert list(model.reconstruct(frame).columns) == ["True", "False"]
    with pytest.raises(DataError, match="expected names of columns to be texts, got True"):
        model.fit(pd.DataFrame({True: [1.0, 2.0], 2: [3.0, 5.0]}))


def test_a_missing_cell_of_a_column_of_views_is_no_level():
    texts = pa.array(["x", "y", None] * 10)
    frame = pa.table({"a": texts.cast(pa.string_view()), "b": list(range(30))})
    assert frames.learn(frame, where="fit()").columns[0].levels == ("x", "y")
