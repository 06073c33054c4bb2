"""Long tables cut into windows: which rows are in them and which are not, times, and the way back to the table.

Everything is compared with pandas and NumPy, which share no code with it.
"""

import json
import logging
import os
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from diabolo import AnomalyDetector, Autoencoder, load, windows
from diabolo.data.long_table import files
from diabolo.data.long_table.form import SeriesForm
from diabolo.data.long_table.times import duration, seconds_of
from diabolo.data.sources import read_file
from diabolo.data.tables import Reading
from diabolo.errors import DataError, ModelFileError, OptionError, ShapeError
from diabolo.model import file as modelfile
from diabolo.report import pictures
from hostile import changed, with_json

FAST = {"structure": [16], "epochs": 2, "random_state": 0, "verbose": False}
MINUTE = pd.Timedelta("1min")


def uneven(seed, entities=3, rows=120):
    """A shuffled table of several entities whose times are whole minutes, with gaps, and a channel with NaN."""
    rng = np.random.default_rng(seed)
    parts = []
    for entity in range(entities):
        count = int(rng.integers(3, rows))
        steps = rng.choice([1, 1, 1, 1, 1, 1, 2, 3, 9, 40], count)
        when = pd.Timestamp("2024-02-28 23:00") + np.cumsum(steps) * MINUTE
        parts.append(pd.DataFrame({"when": when, "who": f"e{entity}", "x": rng.normal(size=count)}))
    frame = pd.concat(parts).sample(frac=1, random_state=seed).reset_index(drop=True)
    frame["y"] = rng.normal(size=len(frame))
    frame.loc[rng.random(len(frame)) < 0.05, "y"] = np.nan
    return frame


def by_hand(frame, window, step, longest):
    """Return the windows, as numbers of rows: each entity sorted, divided where a step is longer than `longest`."""
    found = []
    for _, own in frame.groupby("who", sort=False):
        own = own.sort_values("when", kind="stable")
        part = (own["when"].diff() > longest(own["when"])).cumsum()
        for _, rows in own.groupby(part):
            numbers = rows.index.to_list()
            found += [numbers[at : at + window] for at in range(0, len(numbers) - window + 1, step)]
    return found


def same_rows(found, expected):
    """Compare windows in any order."""

    def key(piece):
        return tuple(np.nan_to_num(piece, nan=1e9).ravel())

    assert sorted(map(key, found)) == sorted(map(key, expected))


def added_up(count):
    """The rows of a table by where they are: in windows, or left out for each of the reasons."""
    return count.used + count.twice + count.between_gaps + count.short + count.sparse + count.rest


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("max_gap", "longest"),
    [
        ("auto", lambda when: 1.5 * when.diff().median()),
        (2, lambda when: 2 * when.diff().median()),
        ("3min", lambda when: 3 * MINUTE),
        (pd.Timedelta("10min"), lambda when: 10 * MINUTE),
        (None, lambda when: pd.Timedelta.max),
    ],
)
def test_rows_are_in_windows_that_span_no_gap_and_all_others_are_counted(seed, max_gap, longest):
    frame, window, step = uneven(seed), 5, int(np.random.default_rng(seed).integers(1, 8))
    expected = by_hand(frame, window, step, longest)
    cut = windows(frame, time="when", entity="who", window=window, step=step, max_gap=max_gap)
    same_rows(cut.rows, [frame.loc[piece, ["x", "y"]].to_numpy() for piece in expected])
    inside = {row for piece in expected for row in piece}
    assert cut.count.used == len(inside)
    assert cut.count.rows == len(frame) == added_up(cut.count)
    assert (cut.count.twice, cut.count.merged, cut.count.missing, cut.count.sparse) == (0, 0, 0, 0)
    assert cut.count.gaps == sum(
        (own["when"].sort_values().diff() > longest(own["when"].sort_values())).sum() for _, own in frame.groupby("who")
    )
    known = cut.per_row(np.ones(len(cut)))
    assert set(np.flatnonzero(~np.isnan(known))) == inside
    assert f"{len(inside):,} of {len(frame):,} rows are in windows" in cut.count.words


def test_the_reasons_are_told_apart():
    minutes = [*range(10), *range(100, 103), *range(200, 204)]
    other = pd.DataFrame({"when": [0, 1], "who": "b", "x": 0.0})
    frame = pd.concat([pd.DataFrame({"when": minutes, "who": "a", "x": np.arange(17.0)}), other])
    count = windows(frame, time="when", entity="who", window=4).count
    # 8 of 10 rows, none of 3, and 4 of 4; the two of b are too few.
    assert (count.used, count.between_gaps, count.rest, count.short, count.gaps) == (12, 3, 2, 2, 2)
    assert count.words == (
        "12 of 19 rows are in windows, 7 are not: 3 because 2 gaps in time, longer than 1.5, leave fewer than 4 "
        "together; 2 in series with fewer than 4 rows; 2 between or after the windows of a series"
    )


def test_a_warning_says_how_to_lose_fewer_rows_in_the_words_of_python_and_of_the_command_line(cli, tmp_path, caplog):
    steps = np.where(np.arange(300) % 3 == 0, 10, 5) + 25 * (np.arange(300) % 50 == 0)
    frame = pd.DataFrame({"when": pd.Timestamp("2024-01-01") + np.cumsum(steps) * MINUTE, "x": np.arange(300.0)})
    with caplog.at_level(logging.WARNING):
        cut = windows(frame, time="when", window=2)
    assert "max_gap=None to span gaps, or max_gap='10min' to span the shorter ones, or resample='5min'" in caplog.text
    assert "--" not in caplog.text
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--time", "when", "--window", "2", "-o", "a.npz")
    assert done.code == 0, done.err
    assert cut.count.words in done.out
    assert "--max-gap none to span gaps, or --max-gap 10min to span the shorter ones, or --resample 5min" in done.err
    assert "=" not in done.err
    for at, options in enumerate(("--max-gap none", "--max-gap 10min", "--resample 5min")):
        again = cli("windows", "t.csv", "--time", "when", "--window", "2", *options.split(), "-o", f"{at}.npz")
        assert again.code == 0, again.err
        assert len(np.load(tmp_path / f"{at}.npz")["rows"]) > len(cut)
    done = cli("windows", "t.csv", "--time", "when", "--window", "100", "-o", "b.npz")
    assert done.code == 2
    assert "choose a shorter --window, or --max-gap none to span gaps" in done.err


def test_nothing_is_said_where_all_rows_are_in_windows(caplog):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=30, freq="h"), "x": 1.0})
    with caplog.at_level(logging.WARNING):
        cut = windows(frame, window=10)
    assert caplog.text == ""
    assert cut.count.words == "30 of 30 rows are in windows"


# Times that stand twice.


def twice(seed=0):
    """A shuffled table in which every fifth moment stands two or three times."""
    rng = np.random.default_rng(seed)
    when = np.repeat(pd.date_range("2024-01-01", periods=60, freq="5min"), np.where(np.arange(60) % 5, 1, 2 + seed % 2))
    frame = pd.DataFrame({"when": when, "x": rng.normal(size=len(when)), "y": rng.normal(size=len(when))})
    frame.loc[::7, "y"] = np.nan
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("seed", range(2))
def test_of_rows_of_the_same_time_the_first_is_kept_or_their_mean(seed):
    frame = twice(seed)
    first = frame.drop_duplicates("when").set_index("when").sort_index()
    mean = frame.groupby("when").mean()
    for how, expected in (("first", first), ("mean", mean)):
        cut = windows(frame, time="when", window=10, duplicates=how)
        np.testing.assert_allclose(cut.rows.reshape(60, 2), expected.to_numpy(), rtol=1e-12)
    assert cut.count.used == len(frame)
    assert cut.count.merged == len(frame) - 60
    kept = windows(frame, time="when", window=10, duplicates="first")
    assert (kept.count.used, kept.count.twice) == (60, len(frame) - 60)
    left_out = np.isnan(kept.per_row(np.ones(len(kept))))
    np.testing.assert_array_equal(left_out, frame.duplicated("when"))


def test_a_time_that_stands_twice_is_refused_with_rows_and_options(cli, tmp_path):
    frame = pd.DataFrame({"when": pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-02", "2024-01-03"]), "x": 1.0})
    with pytest.raises(DataError, match=r"2024-01-03 00:00:00 occurs twice \(rows 1 and 3\): duplicates='first' keeps"):
        windows(frame, time="when", window=2)
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--time", "when", "--window", "2")
    assert done.code == 2
    assert "--duplicates first keeps the first, --duplicates mean the mean" in done.err
    assert cli("windows", "t.csv", "--time", "when", "--window", "2", "--duplicates", "mean").code == 0
    both = pd.concat([frame[:3].assign(who="a"), frame[:3].assign(who="b")])
    with pytest.raises(DataError, match="if the rows are of several series, entity='COLUMN' tells them apart"):
        windows(both.drop(columns="who"), time="when", window=2)
    assert len(windows(both, time="when", entity="who", window=2)) == 2


# Resampling.


@pytest.mark.parametrize(("rule", "window", "step"), [("5min", 6, 6), ("7min", 4, 2), ("1h", 3, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_resampled_moments_are_those_of_pandas_and_windows_are_half_full(rule, window, step, seed):
    frame = uneven(seed, entities=1, rows=400).drop(columns="who")
    found = windows(frame, time="when", window=window, step=step, resample=rule, max_gap=None)
    grid = frame.set_index("when")[["x", "y"]].resample(rule, origin="epoch").mean()
    held = frame.set_index("when")["x"].resample(rule, origin="epoch").count() > 0
    starts = range(0, len(grid) - window + 1, step)
    kept = [at for at in starts if held.iloc[at : at + window].mean() >= 0.5]
    np.testing.assert_allclose(found.rows, np.stack([grid.to_numpy()[at : at + window] for at in kept]), rtol=1e-9)
    assert [start for _, start in found.where] == [grid.index[at] for at in kept]
    inside = np.zeros(len(grid), bool)
    for at in kept:
        inside[at : at + window] = True
    place = grid.index.get_indexer(frame["when"].dt.floor(rule) if rule != "7min" else _floor(frame["when"], 7))
    assert found.count.used == inside[place].sum()
    assert found.count.rows == added_up(found.count)
    assert found.count.missing == (inside & ~held.to_numpy()).sum()


def _floor(when, minutes):
    step = minutes * 60
    return pd.to_datetime(when.astype("datetime64[s]").astype("int64") // step * step, unit="s")


def test_resampled_series_do_not_go_on_over_half_a_window_without_rows():
    minutes = [*range(0, 50, 5), *range(50 + 5 * 3, 120, 5)]  # three moments without a row
    frame = pd.DataFrame({"when": pd.Timestamp("2024-01-01") + np.array(minutes) * MINUTE, "x": 1.0})
    assert windows(frame, window=6, resample="5min").count.gaps == 0
    assert windows(frame, window=4, resample="5min").count.gaps == 1
    assert windows(frame, window=4, resample="5min", max_gap="20min").count.gaps == 0
    assert windows(frame, window=4, resample="5min", max_gap="19min").count.gaps == 1
    assert windows(frame, window=6, resample="5min", max_gap=3.5).count.gaps == 1  # steps of 5 minutes
    assert windows(frame, window=6, resample="5min", max_gap=4).count.gaps == 0


def test_resampling_joins_rows_of_one_time_and_obeys_what_is_asked_of_them():
    frame = twice().sort_values("when", kind="stable")
    every = frame.set_index("when").resample("15min", origin="epoch").mean()
    cut = windows(frame, time="when", window=4, resample="15min")
    np.testing.assert_allclose(cut.rows.reshape(-1, 2), every.to_numpy(), rtol=1e-9)
    for how, one in (
        ("first", frame.drop_duplicates("when").set_index("when")),
        ("mean", frame.groupby("when").mean()),
    ):
        found = windows(frame, time="when", window=4, resample="15min", duplicates=how)
        np.testing.assert_allclose(found.rows.reshape(-1, 2), one.resample("15min", origin="epoch").mean(), rtol=1e-9)
    assert found.per_row(np.ones(len(found))).shape == (len(frame),)


def test_numbers_as_times_are_resampled_in_their_unit():
    frame = pd.DataFrame({"cycle": [0.5, 1.0, 2.5, 3.0, 7.0, 7.5], "x": np.arange(6.0)})
    cut = windows(frame, time="cycle", window=2, resample=1)
    np.testing.assert_array_equal(cut.rows[..., 0], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(cut.labels.ticks, [[0, 1], [2, 3]])
    with pytest.raises(OptionError, match="resample 5min: the times of column 'cycle' are numbers, so give a number"):
        windows(frame, time="cycle", window=2, resample="5min")


def test_a_resampling_that_is_too_fine_is_refused_with_the_step_of_the_rows():
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=50, freq="5min"), "x": 1.0})
    with pytest.raises(
        DataError, match=r"no window of 8 has a row at half of its moments, which are 1min apart, .* 5min"
    ):
        windows(frame, window=8, resample="1min", max_gap=None)
    far = pd.DataFrame({"when": pd.to_datetime(["1970-01-01", "2200-01-01"]), "x": 1.0})
    with pytest.raises(DataError, match="take more memory than is free: give a longer resample"):
        windows(far, window=2, resample="1ms", max_gap=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_gap": 0.5}, "max_gap must be None, a duration such as 10min, or a number of median steps of at least 1"),
        ({"max_gap": "many"}, "max_gap must be None, .* got 'many'"),
        ({"max_gap": "5"}, None),
        ({"resample": "5"}, "resample 5: give the unit as well, such as 5min or 5s"),
        ({"resample": "0min"}, "resample must be a duration such as 5min"),
        ({"resample": "5 lightyears"}, "resample must be a duration such as 5min"),
        ({"resample": "0.1us"}, "resample 0.1us is shorter than the times are exact"),
        ({"duplicates": "last"}, "duplicates must be first or mean, got 'last'"),
        ({"zone": "Europe/Berlun"}, "unknown time zone 'Europe/Berlun': write zone as Europe/Berlin or UTC"),
        ({"zone": 3}, "zone must be the name of a time zone, got 3"),
        ({"window": 0}, "window must be a whole number of at least 1, got 0"),
        ({"step": 2.5}, "step must be a whole number of at least 1, got 2.5"),
        ({"time": "wenn"}, "unknown column 'wenn'. Did you mean 'when'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=50, freq="5min"), "x": 1.0})
    if message is None:
        assert len(windows(frame, **({"time": "when", "window": 5} | settings))) == 10
        return
    with pytest.raises(OptionError, match=message) as refusal:
        windows(frame, **({"time": "when", "window": 5} | settings))
    assert "\n" not in str(refusal.value)


def test_columns_that_are_no_numbers_are_all_named_at_once(cli, tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=50), "a": "x", "x": 1.0, "b": "y"})
    with pytest.raises(
        DataError,
        match=r"column 'a' holds .*string, expected numbers: leave it and 1 more such out "
        r"\(frame.drop\(columns=\['a', 'b'\]\)\)",
    ):
        windows(frame, window=5)
    assert len(windows(frame.drop(columns=["a", "b"]), window=5)) == 10
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--window", "5")
    assert "leave it and 1 more such out (--drop a,b)" in done.err
    assert cli("windows", "t.csv", "--window", "5", "--drop", "a,b").code == 0


# Where the times are.


def test_an_index_of_times_is_taken():
    when = pd.date_range("2024-01-01", periods=40, freq="h")
    plain = pd.DataFrame({"x": np.arange(40.0)}, index=when)
    expected = np.arange(40.0).reshape(4, 10, 1)
    shuffled = plain.sample(frac=1, random_state=0)
    for frame, time in (
        (shuffled, None),
        (shuffled.rename_axis("when"), None),
        (shuffled.rename_axis("when"), "when"),
        (plain.set_axis(when.to_period("h")), None),
        (plain.set_axis(when - when[0]), None),
        (plain.reset_index(), None),  # the only column of dates
        (plain.reset_index(names="when"), "when"),
    ):
        before = frame.copy()
        cut = windows(frame, time=time, window=10)
        np.testing.assert_array_equal(cut.rows, expected)
        pd.testing.assert_frame_equal(frame, before)
    cut = windows(shuffled, window=10)
    assert [start for _, start in cut.where] == list(when[::10])
    np.testing.assert_array_equal(cut.per_row(cut.rows[..., 0]), shuffled["x"])


def test_levels_of_an_index_are_taken_as_time_and_entity():
    when = pd.date_range("2024-01-01", periods=20, freq="h")
    index = pd.MultiIndex.from_product([["a", "b"], when], names=["who", "when"])
    frame = pd.DataFrame({"x": np.arange(40.0)}, index=index)
    for time in (None, "when"):
        cut = windows(frame, time=time, entity="who", window=10)
        np.testing.assert_array_equal(cut.rows, np.arange(40.0).reshape(4, 10, 1))
        assert [who for who, _ in cut.where] == ["a", "a", "b", "b"]
        assert cut.form.time == "when"


def test_which_column_holds_the_times_is_asked_where_it_is_not_clear(cli, tmp_path):
    frame = pd.DataFrame(
        {"made": pd.date_range("2024-01-01", periods=9), "sold": pd.date_range("2025-01-01", periods=9)}
    )
    with pytest.raises(
        OptionError, match=r"which column holds the times\? 'made', 'sold' hold dates: write time='COLUMN'"
    ):
        windows(frame.assign(x=1.0), window=3)
    with pytest.raises(OptionError, match="no column holds dates"):
        windows(pl.DataFrame({"x": [1.0, 2.0]}), window=2)
    frame.assign(x=1).to_csv(tmp_path / "t.csv", index=False)
    assert "write --time COLUMN" in cli("windows", "t.csv", "--window", "3").err


def test_dates_as_texts_in_iso_form_are_times():
    texts = ["2024-01-01 00:00:00", "2024-01-01T02:00:00", "2024-01-01 01:00:00"]
    for library in (pd.DataFrame, pl.DataFrame):
        cut = windows(library({"when": texts, "x": [0.0, 2.0, 1.0]}), time="when", window=3)
        np.testing.assert_array_equal(cut.rows.ravel(), [0, 1, 2])
    zoned = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00", "2024-10-27T03:30:00+01:00"]
    cut = windows(pd.DataFrame({"when": zoned, "x": [0.0, 1.0, 2.0]}), time="when", window=3)
    np.testing.assert_array_equal(np.diff(cut.labels.ticks[0]), [3_600_000_000] * 2)
    with pytest.raises(DataError, match=r"column 'when' holds .*string, expected moments: dates such as 2024-05-31"):
        windows(pd.DataFrame({"when": ["soon", "later"], "x": 1.0}), time="when", window=2)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_exact_in_every_unit(unit):
    step = np.timedelta64(1, unit)
    when = np.datetime64("2024-01-01T00:00:00", unit) + np.arange(20) * step
    for frame in (pd.DataFrame({"when": when, "x": 1.0}), pa.table({"when": when, "x": np.ones(20)})):
        cut = windows(frame, time="when", window=5)
        assert len(cut) == 4
        np.testing.assert_array_equal(cut.labels.times(1), when[5:10])


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M", "%b %d, %Y %I:%M %p", "%Y/%m/%d %H:%M:%S"])
def test_times_as_people_write_them_are_read_from_files_and_frames(cli, tmp_path, form):
    when = pd.date_range("2024-01-25", periods=60, freq="6h")
    frame = pd.DataFrame({"x": np.arange(60.0), "when": when.strftime(form)}).sample(frac=1, random_state=0)
    cut = windows(frame, window=10)
    np.testing.assert_array_equal(cut.rows.ravel(), np.arange(60))
    assert [start for _, start in cut.where] == list(when[::10])
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--window", "10")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load(tmp_path / "t-windows.npz")["rows"], cut.rows)


def test_dates_with_two_readings_are_asked_for(cli, tmp_path):
    when = ["01/02/2024", "03/02/2024", "02/02/2024", "04/02/2024"]
    frame = pd.DataFrame({"when": when, "x": [0.0, 2.0, 1.0, 3.0]})
    with pytest.raises(DataError, match=r"whose order of day and month is not certain: dates='%m/%d/%Y' or dates='%d"):
        windows(frame, time="when", window=4)
    np.testing.assert_array_equal(windows(frame, time="when", window=4, dates="%d/%m/%Y").rows.ravel(), range(4))
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--time", "when", "--window", "4")
    assert "--dates '%m/%d/%Y' or --dates '%d/%m/%Y'" in done.err
    assert cli("windows", "t.csv", "--time", "when", "--window", "4", "--dates", "%d/%m/%Y").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "t-windows.npz")["rows"].ravel(), range(4))


def test_numbers_as_people_write_them_are_channels(cli, tmp_path):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=40, freq="h"), "x": 1000.0 + np.arange(40)})
    written = frame.assign(x=[f"{each:,.0f}" for each in frame["x"]])
    written.loc[3, "x"] = "--"
    frame.loc[3, "x"] = np.nan
    written.to_csv(tmp_path / "t.csv", index=False)
    done = cli("windows", "t.csv", "--window", "8")
    assert done.code == 0, done.err
    np.testing.assert_array_equal(np.load(tmp_path / "t-windows.npz")["rows"].ravel(), frame["x"])
    np.testing.assert_array_equal(windows(written, window=8).rows.ravel(), frame["x"])
    frame.fillna({"x": -99}).to_csv(tmp_path / "u.csv", index=False)
    assert cli("windows", "u.csv", "--window", "8", "--missing", "-99").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "u-windows.npz")["rows"].ravel(), frame["x"])


# Daylight-saving time.


@pytest.mark.parametrize(("zone", "start"), [("Europe/Berlin", "2024-10-26"), ("America/New_York", "2024-11-02")])
@pytest.mark.parametrize("freq", ["10min", "1h", "20min"])
@pytest.mark.parametrize("backward", [False, True])
def test_the_hour_that_stands_twice_is_told_apart_by_the_order_of_the_rows(zone, start, freq, backward):
    moments = pd.date_range(start, periods=48 * (pd.Timedelta("1h") // pd.Timedelta(freq)), freq=freq, tz=zone)
    frame = pd.DataFrame({"when": moments.tz_localize(None), "x": np.arange(len(moments), dtype=float)})
    frame = frame[::-1] if backward else frame
    assert frame["when"].duplicated().any()
    with pytest.raises(DataError, match="if clocks were put back, zone='Europe/Berlin'"):
        windows(frame, time="when", window=12)
    cut = windows(frame, time="when", window=12, zone=zone)
    np.testing.assert_array_equal(cut.rows.ravel(), np.arange(len(moments)))
    assert cut.count.gaps == 0
    assert [start.timestamp() for _, start in cut.where] == [each.timestamp() for each in moments[::12]]


def test_the_hour_that_is_missing_is_no_gap_in_its_zone():
    moments = pd.date_range("2024-03-30", periods=72, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"when": moments.tz_localize(None), "x": np.arange(72.0)})
    assert windows(frame, time="when", window=12).count.gaps == 1
    cut = windows(frame, time="when", window=12, zone="Europe/Berlin")
    assert cut.count.gaps == 0
    np.testing.assert_array_equal(cut.rows.ravel(), np.arange(72))
    assert cut.labels.window(3) == "2024-03-31 13:00:00+02:00"
    aware = pd.DataFrame({"when": moments, "x": np.arange(72.0)})
    assert windows(aware, time="when", window=12).count.gaps == 0


def test_a_time_that_does_not_exist_in_its_zone_is_refused():
    frame = pd.DataFrame({"when": pd.to_datetime(["2024-03-31 01:30", "2024-03-31 02:30"]), "x": 1.0})
    with pytest.raises(DataError, match=r"2024-03-31 02:30:00 in row 1 does not exist in Europe/Berlin, where clocks"):
        windows(frame, time="when", window=2, zone="Europe/Berlin")
    aware = frame.assign(when=frame["when"].dt.tz_localize("UTC"))
    with pytest.raises(OptionError, match="the times of column 'when' have a time zone, UTC: leave zone out"):
        windows(aware, time="when", window=2, zone="Europe/Berlin")
    with pytest.raises(OptionError, match="zone can be used only with times of day and date, and column 'at' holds"):
        windows(pd.DataFrame({"at": [1, 2], "x": 1.0}), time="at", window=2, zone="UTC")


def test_each_entity_has_an_hour_of_its_own_that_stands_twice():
    moments = pd.date_range("2024-10-26 20:00", periods=12, freq="h", tz="Europe/Berlin")
    local = moments.tz_localize(None)
    late = local[8:]  # begins after the hour: nothing stands twice
    frame = pd.concat(
        [pd.DataFrame({"when": local, "who": "a", "x": 1.0}), pd.DataFrame({"when": late, "who": "b", "x": 1.0})]
    )
    cut = windows(frame, time="when", entity="who", window=4, zone="Europe/Berlin")
    assert cut.count.words == "16 of 16 rows are in windows"


def test_durations_are_written_as_they_are_read():
    for text, seconds in (
        ("5min", 300),
        ("1.5 h", 5400),
        ("90s", 90),
        ("2 days", 172800),
        ("250ms", 0.25),
        ("1w", 604800),
    ):
        assert seconds_of(text) == pytest.approx(seconds)
    for text in ("", "min", "5", "5 parsecs", "-5min", None, 5, "1e3s"):
        assert seconds_of(text) is None
    for seconds in (1e-6, 0.5, 7.5, 300, 450, 5400, 86400, 1e6, 99 * 604800):
        assert seconds_of(duration(seconds)) == pytest.approx(seconds, rel=1e-5)
        assert seconds_of(duration(seconds, up=True)) >= seconds * (1 - 1e-9)


# Names and times stay with the model.


@pytest.fixture(scope="module")
def log():
    """A long table of two channels for two machines, and one value of channel "volt" that is wrong."""
    rng = np.random.default_rng(5)
    when = pd.date_range("2024-03-30 12:00", periods=300, freq="10min")
    parts = []
    for at, who in enumerate(("007", "b")):
        angle = np.arange(300) / 6 + at
        parts.append(pd.DataFrame({"when": when, "who": who, "amp": np.sin(angle), "volt": 230 + 5 * np.cos(angle)}))
    frame = pd.concat(parts, ignore_index=True)
    frame[["amp", "volt"]] += 0.02 * rng.normal(size=(600, 2))
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


WRONG = ("007", pd.Timestamp("2024-03-31 08:00"))


@pytest.fixture(scope="module")
def wrong(log):
    """The table with one wrong value, and its row."""
    frame = log.copy()
    row = int(np.flatnonzero((frame["who"] == WRONG[0]) & (frame["when"] == WRONG[1]))[0])
    frame.loc[row, "volt"] = 280.0
    return frame, row


@pytest.fixture(scope="module")
def fitted(log):
    """A model of windows of the table."""
    cut = windows(log, time="when", entity="who", window=18, step=3)
    return Autoencoder(4, structure=[32], epochs=30, random_state=0, verbose=False).fit(cut), cut


def test_windows_are_fitted_and_encoded_as_they_are(fitted, tmp_path):
    net, cut = fitted
    np.testing.assert_array_equal(net.encode(cut), net.encode(cut.rows))
    np.testing.assert_array_equal(net.reconstruct(cut), net.reconstruct(cut.rows))
    assert net.model_.series == cut.form
    again = load(net.save(tmp_path / "m"))
    assert again.model_.series == cut.form
    other = Autoencoder(4, series=True, **FAST).fit(cut.rows)
    assert other.model_.series is None


def test_the_error_of_each_row_of_a_table_is_that_of_its_windows(fitted, wrong):
    net, _ = fitted
    frame, row = wrong
    errors = net.error_of_moments(frame)
    assert errors.shape == (600,)
    assert errors.argmax() == row
    assert not np.isnan(errors).any()  # a last window of each series ends with its last row
    # By hand: windows of 18 rows, 3 apart, and one at the end of each machine.
    scale, sums, many = net.model_.adapter.scale, np.zeros(600), np.zeros(600)
    for _, own in frame.groupby("who"):
        rows = own.sort_values("when").index.to_numpy()
        for start in sorted({*range(0, 300 - 18 + 1, 3), 300 - 18}):
            piece = rows[start : start + 18]
            values = frame.loc[piece, ["amp", "volt"]].to_numpy()
            back = net.reconstruct(values[None])[0]
            sums[piece] += np.square((values - back) / scale).mean(axis=1)
            many[piece] += 1
    np.testing.assert_allclose(errors, sums / many, rtol=1e-3, atol=1e-6)
    indexed = frame.set_index("when")
    np.testing.assert_allclose(net.error_of_moments(indexed), errors)


def test_a_row_that_is_in_no_window_has_no_error(fitted, log):
    net, _ = fitted
    short = log[(log["who"] == "b") | (log["when"] < "2024-03-30 14:00")]
    errors = net.error_of_moments(short)
    np.testing.assert_array_equal(np.isnan(errors), (short["who"] == "007").to_numpy())


def test_rows_of_one_moment_share_its_error_and_missing_moments_cost_nothing():
    rng = np.random.default_rng(2)
    when = pd.Timestamp("2024-01-01") + np.sort(rng.choice(600, 400, replace=False)) * MINUTE
    frame = pd.DataFrame({"when": when, "x": np.sin(np.arange(400) / 30), "y": rng.normal(size=400)})
    frame.loc[::9, "y"] = np.nan
    cut = windows(frame, window=8, step=4, resample="2min")
    assert cut.count.missing > 0
    assert cut.count.merged > 0
    net = Autoencoder(3, **FAST).fit(cut)
    errors = net.error_of_moments(frame)
    grid = frame.set_index("when").resample("2min", origin="epoch").mean()
    starts = sorted({*range(0, len(grid) - 8 + 1, 4), len(grid) - 8})
    held = grid["x"].notna().to_numpy()
    sums, many = np.zeros((len(grid), 2)), np.zeros((len(grid), 2))
    for start in (at for at in starts if held[at : at + 8].mean() >= 0.5):
        values = grid.to_numpy()[start : start + 8]
        away = np.square((values - net.reconstruct(values[None])[0]) / net.model_.adapter.scale)
        sums[start : start + 8] += np.nan_to_num(away)
        many[start : start + 8] += ~np.isnan(away)
    known = many > 0
    expected = np.where(known, sums / np.maximum(many, 1), 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    expected[~known.any(axis=1)] = np.nan
    place = grid.index.get_indexer(frame["when"].dt.floor("2min"))
    np.testing.assert_allclose(errors, expected[place], rtol=1e-3, atol=1e-6)


def test_a_model_says_what_it_needs_in_place_of_a_table(fitted, log):
    net, cut = fitted
    with pytest.raises(
        DataError, match=r"encode\(\) expected windows, got a frame: pass windows\(frame, (.*)\)\."
    ) as got:
        net.encode(log)
    arguments = str(got.value).split("pass windows(frame, ")[1].rpartition(")")[0]
    np.testing.assert_array_equal(eval(f"windows(log, {arguments})", {"windows": windows, "log": log}).rows, cut.rows)
    with pytest.raises(DataError, match="unknown column 'volt'"):
        net.error_of_moments(log.drop(columns="volt"))
    other = windows(log[["when", "who", "volt", "amp"]], time="when", entity="who", window=18)
    with pytest.raises(DataError, match="expected windows of the channels 'amp', 'volt', got 'volt', 'amp'"):
        net.encode(other)
    bare = Autoencoder(4, series=True, **FAST).fit(cut.rows)
    with pytest.raises(DataError, match="needs a model of windows with names and times"):
        bare.error_of_moments(log)
    with pytest.raises(DataError, match="expected windows or a long table as a frame, got list"):
        net.error_of_moments([1])


def test_a_detector_names_the_channel_and_the_place(fitted, wrong):
    _, cut = fitted
    detector = AnomalyDetector(Autoencoder(4, **FAST)).fit(cut)
    frame, _ = wrong
    bad = windows(frame, time="when", entity="who", window=18)
    found = detector.explain(bad)
    worst = int(detector.score_samples(bad).argmin())
    assert bad.where[worst][0] == "007"
    place = int((WRONG[1] - bad.where[worst][1]) / pd.Timedelta("10min"))
    assert found.names[found.scores[worst].argmax()] == f"volt, place {place}"


def test_what_a_fitted_model_cannot_change_is_named_with_the_command_that_can(fitted, log):
    net, _ = fitted
    twice = pd.concat([log, log[:1]])
    with pytest.raises(DataError, match=r"occurs twice .*: windows\(duplicates='first'\) keeps the first"):
        net.error_of_moments(twice)


def test_values_of_windows_come_back_to_the_rows_of_the_table(fitted, log):
    _, cut = fitted
    np.testing.assert_allclose(
        cut.per_row(cut.rows[..., 1]), np.where(np.isnan(cut.per_row(np.ones(len(cut)))), np.nan, log["volt"])
    )
    with pytest.raises(ShapeError, match=r"per_row\(\) expected one value for each window, "):
        cut.per_row(np.ones(3))


def test_the_command_line_keeps_names_and_times_from_the_table_to_the_score(cli, log, wrong, tmp_path):
    log.to_csv(tmp_path / "log.csv", index=False)
    frame, row = wrong
    frame.to_csv(tmp_path / "new.csv", index=False)
    how = "--time when --entity who --window 18 --step 3"
    done = cli("windows", "log.csv", *how.split())
    assert done.code == 0, done.err
    assert "go on with: diabolo fit log-windows.npz\n" in done.out
    assert "588 of 600 rows are in windows" in done.out or "600 of 600 rows are in windows" in done.out
    done = cli("fit", "log-windows.npz", "--latent", "4", "--epochs", "30", "-o", "m")
    assert done.code == 0, done.err
    assert load(tmp_path / "m.safetensors").model_.series.channels == ("amp", "volt")
    done = cli("score", "m.safetensors", "new.csv", "--top", "1", "--keep", "amp")
    assert done.code == 0, done.err
    scores = pd.read_csv(tmp_path / "new-scores.csv", dtype={"who": str}, parse_dates=["when"])
    assert list(scores.columns) == ["who", "when", "amp", "score"]
    pd.testing.assert_frame_equal(scores[["who", "when", "amp"]], frame[["who", "when", "amp"]], check_dtype=False)
    np.testing.assert_allclose(scores["score"], load(tmp_path / "m.safetensors").error_of_moments(frame), rtol=1e-6)
    assert scores["score"].idxmax() == row
    assert "2024-03-31 08:00:00" in done.out
    assert "volt=280" in done.out
    assert "600 of 600 rows are in windows" in done.out
    assert cli("windows", "new.csv", *how.split(), "-o", "n.npz").code == 0
    done = cli("score", "m.safetensors", "n.npz", "--top", "1", "-o", "n.npy")
    assert done.code == 0, done.err
    assert "007, 2024-03-31 " in done.out
    assert "volt=280 (" in done.out.replace("\n", "")
    assert "at 2024-03-31 08:00:00" in " ".join(done.out.split())
    done = cli("encode", "m.safetensors", "new.csv")
    assert done.code == 2
    command = done.err.split("write diabolo ")[1].split(", then")[0]
    assert cli(*shlex.split(command), "-o", "again.npz").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "again.npz")["rows"], np.load(tmp_path / "n.npz")["rows"])
    assert cli("encode", "m.safetensors", "again.npz").code == 0
    done = cli("score", "m.safetensors", "new.csv", "-o", "all.npy", "--drop", "amp")
    assert done.code == 2  # the model knows its columns
    assert cli("score", "m.safetensors", "new.csv", "-o", "all.npy").code == 0
    np.testing.assert_allclose(np.load(tmp_path / "all.npy"), scores["score"], rtol=1e-6)
    assert "unknown column 'nope'" in cli("score", "m.safetensors", "new.csv", "--keep", "nope", "--force").err


def test_windows_as_npy_are_numbers_alone_and_say_how_to_go_on(cli, log, tmp_path):
    log.to_csv(tmp_path / "log.csv", index=False)
    done = cli("windows", "log.csv", "--time", "when", "--entity", "who", "--window", "18", "-o", "w.npy")
    assert "go on with: diabolo fit w.npy --series" in done.out
    assert np.load(tmp_path / "w.npy").shape == (32, 18, 2)
    assert len(pd.read_csv(tmp_path / "w-where.csv")) == 32


def test_a_picture_of_windows_has_a_panel_for_each_channel_with_its_name_and_times(fitted):
    net, cut = fitted
    figure = pictures.reconstructions(net.model_, cut.rows, None, cut.labels)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["amp", "volt"]
    notes = [each.get_text() for axes in figure.axes for each in axes.texts]
    starts = {f"{who}, {start}" for who, start in cut.where}
    assert len(notes) == 6
    for note in notes:
        assert note.split(" window ")[1].rpartition(", error")[0] in starts
    place = [f"{who}, {start}" for who, start in cut.where].index(
        notes[0].split(" window ")[1].rpartition(", error")[0]
    )
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    np.testing.assert_array_equal(lines["original"].get_ydata(), cut.rows[place, :, 1])
    np.testing.assert_array_equal(lines["original"].get_xdata(), cut.labels.times(place))
    plain = pictures.reconstructions(net.model_, cut.rows)
    assert "row" in plain.axes[0].texts[0].get_text()


# Files of windows.


@pytest.mark.parametrize("seed", range(3))
def test_a_file_of_windows_gives_back_all_of_them(tmp_path, seed):
    frame = uneven(seed)
    frame["when"] = frame["when"].dt.tz_localize("Asia/Tokyo") if seed == 1 else frame["when"]
    if seed == 2:
        frame["when"] = frame["when"].astype("int64") / 1e9
    cut = windows(frame, time="when", entity="who", window=5)
    files.write(tmp_path / "w.npz", cut, force=False)
    read = read_file(tmp_path / "w.npz", Reading())
    np.testing.assert_array_equal(read.rows, cut.rows)
    assert read.series
    assert read.labels.form == cut.form
    assert read.labels.clock == cut.labels.clock
    for at in range(len(cut)):
        assert read.labels.window(at) == cut.labels.window(at)


def test_a_file_of_windows_that_contradicts_itself_is_refused_in_one_line(tmp_path):
    cut = windows(uneven(0), time="when", entity="who", window=5)
    path = tmp_path / "w.npz"
    files.write(path, cut, force=False)
    sound = dict(np.load(path))
    form = json.loads(sound["form"].item())

    def formed(**new):
        return {"form": np.array(json.dumps(form | new))}

    wrong = {
        "no text": {"form": np.zeros(3)},
        "no JSON": {"form": np.array("import os")},
        "nested": {"form": np.array("[" * 100_000)},
        "a list": {"form": np.array("[]")},
        "a key too few": {"form": np.array("{}")},
        "another key": formed(code="os"),
        "no clock": formed(clock=3),
        "another clock": formed(clock="timestamp[us, tz=Nowhere]"),
        "a clock of numbers": formed(clock="double"),
        "a channel too few": formed(channels=["x"]),
        "a channel twice": formed(channels=["x", "x"]),
        "no channels": formed(channels=[]),
        "a window too long": formed(window=6),
        "a window of another type": formed(window=5.0),
        "a step of 0": formed(step=0),
        "a gap": formed(max_gap="very long"),
        "entities of numbers": {"entities": np.zeros(len(cut))},
        "entities too few": {"entities": sound["entities"][1:]},
        "times of another shape": {"times": sound["times"][:, 1:]},
        "times of floats": {"times": sound["times"].astype(float)},
        "times that do not exist": {"times": np.full_like(sound["times"], 2**62)},
    }
    for name, change in wrong.items():
        np.savez(path, **(sound | change))
        with pytest.raises(DataError, match="expected windows as `diabolo windows` writes them") as refusal:
            read_file(path, Reading())
        assert "\n" not in str(refusal.value), name
    np.savez(path, **(sound | {"more": np.zeros(3)}))
    assert read_file(path, Reading()).labels is None  # some other file


def test_a_model_file_whose_names_do_not_fit_is_refused(fitted):
    content = modelfile.to_bytes(fitted[0].model_)
    assert modelfile.from_bytes(content).series == fitted[0].model_.series
    wrong = {
        "a channel too few": {"channels": ["amp"]},
        "a channel twice": {"channels": ["amp", "amp"]},
        "another window": {"window": 17},
        "a step of 0": {"step": 0},
        "a window of another type": {"window": 18.0},
        "a gap": {"max_gap": "1e400"},
        "a zone of another type": {"zone": None},
        "another key": {"code": "os"},
    }
    for name, new in wrong.items():
        with pytest.raises((ModelFileError, OptionError)) as refusal:
            modelfile.from_bytes(with_json(content, "series", lambda form, new=new: form.update(new)))
        assert "\n" not in str(refusal.value), name
    with pytest.raises((ModelFileError, OptionError)):
        modelfile.from_bytes(changed(content, "series", to=False))
    with pytest.raises((ModelFileError, OptionError)):
        modelfile.from_bytes(changed(content, "series", to="yes"))


def test_a_form_is_read_back_as_it_was_written():
    form = SeriesForm(
        channels=("a", "b"),
        time="t",
        entity="who",
        window=3,
        step=2,
        max_gap="10min",
        resample="5min",
        duplicates="mean",
        zone="UTC",
    )
    assert SeriesForm.from_config(json.loads(json.dumps(form.to_config()))) == form


# Real series.


def real(folder):
    """The files of a folder of real tables; skipped where they are not there."""
    path = Path(os.environ.get("DIABOLO_DATA") or "nowhere") / "tables" / folder
    if not path.is_dir():
        pytest.skip(f"set DIABOLO_DATA to a folder that holds tables/{folder}")
    return sorted(path.glob("*.csv"))


@pytest.mark.parametrize("folder", ["numenta+NAB", "waico+SKAB"])
def test_real_series_can_be_windowed_with_at_most_one_option(folder):
    for path in real(folder):
        frame = pd.read_csv(path, sep=";" if "SKAB" in folder else ",")
        found = []
        for options in ({}, {"duplicates": "first"}, {"max_gap": None}):
            try:
                found.append(windows(frame, time=frame.columns[0], window=48, **options).count)
            except DataError:
                continue
        assert max(count.used / count.rows for count in found) > 0.8, path
        assert all(added_up(count) == count.rows for count in found)
