"""Series: of one length or several, and cut from long tables."""

import json

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from diabolo import AnomalyDetector, Autoencoder, windows
from diabolo.data.series import padded
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.network.corruptions import GaussianNoise, Masking, SaltAndPepper, Swap, corrupt
from diabolo.network.losses import Masked

FAST = {"structure": [16], "epochs": 20, "random_state": 0, "verbose": False}


def waves(rng, count=300, time=24):
    """Series of two channels on very different scales that follow from a phase and a pace."""
    phase, pace = rng.uniform(0, 6, count)[:, None], rng.uniform(0.8, 1.2, count)[:, None]
    at = np.arange(time)[None] / 4
    return np.stack([np.sin(pace * at + phase), 1000 + 200 * np.cos(pace * at + phase)], axis=2)


def test_each_channel_has_a_scale_of_its_own(rng, tmp_path):
    rows = waves(rng)
    net = Autoencoder(4, series=True, **(FAST | {"epochs": 80})).fit(rows)
    tensors = net.model_.adapter.adapt(rows)
    np.testing.assert_allclose(tensors.mean(axis=(0, 1)), 0, atol=0.02)  # of the rows that are trained on it is 0
    np.testing.assert_allclose(tensors.std(axis=(0, 1)), 1, atol=0.02)
    left = np.square(net.reconstruct(rows) - rows).mean(axis=(0, 1)) / rows.var(axis=(0, 1))
    assert (left < 0.3).all()  # both channels, though one varies 200 times as much
    again = Autoencoder.load(net.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.reconstruct(rows), net.reconstruct(rows))
    assert again.get_params()["series"] is True


def test_series_of_several_lengths_come_back_in_theirs(rng, tmp_path):
    whole = waves(rng)
    lengths = rng.integers(12, 25, 300)
    series = [row[:length] for row, length in zip(whole, lengths, strict=True)]
    net = Autoencoder(4, **(FAST | {"epochs": 60})).fit(series)
    back = net.reconstruct(series)
    assert [each.shape for each in back] == [each.shape for each in series]
    left = np.concatenate([np.square(a - b) for a, b in zip(back, series, strict=True)]).mean(axis=0)
    assert (left / whole.var(axis=(0, 1)) < 0.3).all()
    assert net.decode(net.encode(series)).shape == (300, 24, 2)
    again = Autoencoder.load(net.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.encode(series), net.encode(series))
    with pytest.raises(ShapeError, match="series 1 has 30 time steps, and the longest series of fit"):
        net.encode([whole[0][:5], np.zeros((30, 2))])


@pytest.fixture(scope="module")
def several():
    """Series of several lengths, and a model of them."""
    rng = np.random.default_rng(3)
    series = [row[:length] for row, length in zip(waves(rng, 80), rng.integers(12, 25, 80), strict=True)]
    return series, Autoencoder(4, **FAST).fit(series)


def test_shorter_series_are_taken_alone_and_in_batches_of_one_length(several):
    series, net = several
    longest = max(map(len, series))
    latents = net.encode(series)
    np.testing.assert_allclose(net.encode(series[:1]), latents[:1], atol=1e-5)
    short = [each[:9] for each in series]
    filled_up = np.full((80, longest, 2), np.nan)
    filled_up[:, :9] = short
    for given in (short, np.stack(short)):
        np.testing.assert_array_equal(net.encode(given), net.encode(filled_up))
        np.testing.assert_array_equal(net.score_samples(given), net.score_samples(filled_up))
        assert np.shape(net.reconstruct(given)) == (80, 9, 2)
    assert isinstance(net.reconstruct(np.stack(short)), np.ndarray)


def test_series_of_the_wrong_size_are_called_series(several, rng):
    _, net = several
    with pytest.raises(ShapeError, match="expected series of 24 places and 2 channels, got series of 24 places and 3"):
        net.encode(np.zeros((5, 24, 3)))
    with pytest.raises(ShapeError, match=r"For one series pass \[series\]"):
        net.encode(np.zeros((9, 2)))
    whole = Autoencoder(2, series=True, **(FAST | {"epochs": 1})).fit(waves(rng, 20))
    with pytest.raises(ShapeError, match="Fit on series of several lengths to pass shorter ones"):
        whole.encode(np.zeros((5, 9, 2)))


def test_a_detector_of_series_of_several_lengths_scores_them(several):
    series, _ = several
    detector = AnomalyDetector(Autoencoder(4, **FAST)).fit(series)
    scores = detector.score_samples(series)
    np.testing.assert_allclose(detector.score_samples(series[:1]), scores[:1], atol=1e-4)
    assert (detector.predict(series) == -1).sum() == 8
    assert detector.score_samples([100 * series[0]])[0] < scores.min()


def test_values_after_the_end_of_a_series_cost_nothing(rng):
    rows = waves(rng, 20)
    rows[:, 15:] = np.nan
    net = Autoencoder(3, series=True, **(FAST | {"epochs": 1})).fit(rows)
    model = net.model_
    target = model.adapter.adapt(rows)
    raw = model.raw_outputs(target)
    by_hand = np.square(target[:, :15, :2] - raw[:, :15, :2]).sum(axis=(1, 2)) / 2
    assert isinstance(model.loss, Masked)
    np.testing.assert_allclose(-net.score_samples(rows), by_hand, rtol=1e-5)
    filled = net.reconstruct(rows, fill="missing")
    np.testing.assert_array_equal(filled[:, :15], rows[:, :15])
    assert np.isfinite(filled).all()


def test_the_log_likelihood_of_series_with_gaps_is_that_of_the_values_that_are_there(rng):
    """Linear encoder and decoder: what is there of a series is a normal whose covariance is known."""
    whole = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 8)) + 0.5 * rng.normal(size=(600, 8))
    rows = whole.reshape(600, 4, 2) * [1, 20]
    rows[::3, 2, 1] = rows[::3, 3] = np.nan
    net = Autoencoder(2, series=True, bottleneck="gaussian", **(FAST | {"structure": [], "epochs": 40})).fit(rows)
    origin, *ends = net.decode(np.concatenate([np.zeros((1, 2)), np.eye(2)])).reshape(3, 8)
    scale = np.tile(net.model_.adapter.scale, 4)
    covariance = (ends - origin).T @ (ends - origin) + np.diag(scale**2)
    seen, exact = rows[:18].reshape(18, 8), []
    for row, there in zip(seen, ~np.isnan(seen), strict=True):
        known = stats.multivariate_normal(origin[there], covariance[np.ix_(there, there)])
        exact.append(known.logpdf(row[there]))
    estimate = net.log_likelihood(rows[:18], n_samples=20_000, random_state=0)
    usual = exact > np.median(exact)  # where rows are rare the latents that the estimate draws are rare too
    assert 0 < usual[::3].sum() < usual.sum()
    np.testing.assert_allclose(estimate[usual], np.array(exact)[usual], atol=0.05)


@pytest.mark.parametrize(
    "part",
    [GaussianNoise(sigma=0.5), Masking(share=0.4), SaltAndPepper(share=0.4), Swap(share=0.4)],
    ids=lambda p: p.kind,
)
def test_corruptions_of_series_with_gaps_keep_the_flags_of_missing_values(part, rng):
    values, missing = rng.normal(size=(200, 6, 2)).astype("f"), rng.random((200, 6, 2)) < 0.3
    values[missing] = 0
    tensors = np.concatenate([values, missing], axis=-1, dtype="f")
    chance = keras.random.SeedGenerator(0)
    seen = np.asarray(
        corrupt(part, Masked(channels=2), keras.ops.convert_to_tensor(tensors), chance, bounded=False).rows
    )
    changed, flags = seen[..., :2] != values, seen[..., 2:]
    assert changed[~missing].mean() == pytest.approx(1 if part.kind == "gaussian" else 0.4, abs=0.05)
    assert set(np.unique(flags)) == {0, 1}
    assert not seen[..., :2][flags == 1].any()
    if part.kind == "masking":
        np.testing.assert_array_equal(flags == 1, missing | changed)
    elif part.kind == "swap":
        given = {tuple(each) for each in np.stack([values, missing], axis=-1, dtype="f").reshape(-1, 2)}
        assert {tuple(each) for each in np.stack([seen[..., :2], flags], axis=-1).reshape(-1, 2)} <= given
    else:
        np.testing.assert_array_equal(flags, missing)


def test_a_loss_on_hidden_values_of_series_with_gaps_counts_nothing_else(rng):
    rows = waves(rng)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    settings = FAST | {"series": True, "epochs": 1, "learning_rate": 1e-9}
    everywhere = Autoencoder(4, corruption="masking:0.25", **settings).fit(rows)
    hidden = Autoencoder(4, corruption="masking:0.25,hidden_only=true", **settings).fit(rows)
    assert hidden.history_["loss"][0] == pytest.approx(everywhere.history_["loss"][0] / 4, rel=0.1)


@pytest.mark.parametrize("structure", ["conv1d 8", "gru 8", "attention1d 8x1"])
def test_structures_over_time_take_series_with_gaps(rng, structure):
    rows = waves(rng, 40)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    net = Autoencoder(4, structure=structure, series=True, epochs=1, random_state=0, verbose=False).fit(rows)
    assert np.isfinite(net.reconstruct(rows)).all()


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_long_table_is_cut_into_windows(library):
    frame = library(
        {
            "when": pd.date_range("2024-01-01", periods=10, freq="h").tolist() * 2,
            "who": ["b"] * 10 + ["a"] * 10,
            "x": np.arange(20.0),
            "y": np.arange(20) % 3 == 0,
        }
    )
    shuffled = (
        frame.sample(fraction=1, shuffle=True, seed=0)
        if library is pl.DataFrame
        else frame.sample(frac=1, random_state=0)
    )
    cut = windows(shuffled, time="when", entity="who", window=4, step=3)
    assert cut.channels == ("x", "y")
    by_place = {(who, start.hour): rows for rows, (who, start) in zip(cut.rows, cut.where, strict=True)}
    assert sorted(by_place) == [(who, hour) for who in "ab" for hour in (0, 3, 6)]
    np.testing.assert_array_equal(by_place["a", 3][:, 0], [13, 14, 15, 16])
    np.testing.assert_array_equal(by_place["b", 6][:, 1], [1, 0, 0, 1])


def test_windows_do_not_span_gaps_in_time():
    at = np.concatenate([np.arange(10), np.arange(1000, 1010), [2000], 5000 + 60 * np.arange(9)])
    who = ["a"] * 21 + ["b"] * 9  # whose steps are longer
    frame = pd.DataFrame({"t": at, "who": who, "x": at.astype(float)})
    cut = windows(frame.sample(frac=1, random_state=0), time="t", entity="who", window=np.int64(8), step=1)
    starts = sorted(start for _, start in cut.where)
    assert starts == [0, 1, 2, 1000, 1001, 1002, 5000, 5060]
    assert set(np.diff(cut.rows[:, :, 0]).ravel()) == {1, 60}
    assert len(windows(frame, time="t", entity="who", window=8, step=1, max_gap=None).rows) == 14 + 2
    uneven = pd.DataFrame({"t": pd.to_datetime("2024-01-31") + pd.offsets.MonthEnd() * np.arange(12), "x": 1.0})
    assert len(windows(uneven, time="t", window=12).rows) == 1  # months are of 28 to 31 days


@pytest.mark.parametrize(
    ("change", "settings", "error", "message"),
    [
        (lambda f: pd.concat([f, f[:1]]), {}, DataError, "when 2024-01-01 00:00:00 of 'a' occurs twice"),
        (
            lambda f: f.assign(note="hello"),
            {},
            DataError,
            "column 'note' holds .*string, expected numbers: leave it out",
        ),
        (
            lambda f: f,
            {"window": 9},
            DataError,
            "no series has 9 rows, the longest has 6: choose a shorter window.$",
        ),
        (lambda f: f, {"time": "wen"}, OptionError, "unknown column 'wen'. Did you mean 'when'"),
        (
            lambda f: f.assign(who=f["who"].where(f["x"] != 4)),
            {},
            DataError,
            "column 'who' has no value in row 4",
        ),
        (lambda f: f.to_dict("list"), {}, DataError, "expected a frame of pandas, polars or pyarrow, got dict"),
        (lambda f: f.drop([2, 3]), {"window": 4}, DataError, "the longest has 2: .*, or max_gap=None to span gaps"),
        (lambda f: f, {"max_gap": 0.5}, OptionError, "max_gap must be None, a duration .* of at least 1, got 0.5"),
        (lambda f: f, {"step": 0}, OptionError, "step must be a whole number of at least 1, got 0"),
        (lambda f: f[["when", "who"]], {}, DataError, "expected columns of numbers in addition to those of the time"),
        (lambda f: f.assign(when=f["when"].where(f["x"] != 2)), {}, DataError, "column 'when' has no value in row 2"),
    ],
)
def test_a_long_table_that_cannot_be_cut_is_refused(change, settings, error, message):
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=6), "who": "a", "x": np.arange(6.0)})
    with pytest.raises(error, match=message):
        windows(change(frame), **({"time": "when", "entity": "who", "window": 3} | settings))


def test_series_that_are_none_are_refused(rng):
    with pytest.raises(ShapeError, match="the same number of channels"):
        padded([np.zeros((3, 2)), np.zeros((4, 1))])
    with pytest.raises(DataError, match="series 1: expected numbers, got 0"):
        padded([np.zeros((3, 2)), np.zeros((0, 2))])
    with pytest.raises(ShapeError, match="expected series \\(n, time, channels\\), got shape \\(5, 4\\)"):
        Autoencoder(2, series=True, **FAST).fit(np.ones((5, 4)))
    rows = waves(rng, 10)
    with pytest.raises(OptionError, match="series are standardised, which reconstruction_loss 'bernoulli' cannot take"):
        Autoencoder(2, series=True, reconstruction_loss="bernoulli", **FAST).fit(rows)
    net = Autoencoder(2, series=True, **(FAST | {"epochs": 1})).fit(rows)
    rows[0, 0] = np.nan
    with pytest.raises(DataError, match="values are missing, and fit\\(\\) saw none that are"):
        net.encode(rows)
    rows[:, :, 1] = np.nan
    with pytest.raises(DataError, match="channel 1 has no value in any series"):
        Autoencoder(2, series=True, **FAST).fit(rows)


def long_table(rng):
    """40 moments of two entities, shuffled."""
    when = pd.date_range("2024-05-01", periods=40, freq="h")
    both = [pd.DataFrame({"when": when, "who": who, "x": rng.normal(size=40), "y": range(40)}) for who in ("007", "b")]
    return pd.concat(both).sample(frac=1, random_state=0).reset_index(drop=True)


def test_the_command_line_cuts_a_long_table_and_says_where_each_piece_begins(cli, rng, tmp_path):
    frame = long_table(rng)
    frame.assign(note="hello").to_csv(tmp_path / "long.csv", index=False, sep=";", decimal=",")
    asked = ("--time", "when", "--entity", "who", "--window", "12", "--step", "6")
    done = cli("windows", "long.csv", *asked, "--drop", "note", "--decimal", ",", "-o", "pieces.npy")
    assert done.code == 0, done.err
    assert "pieces.npy: float64 (10, 12, 2)" in done.out
    assert "channels: x, y" in done.out
    assert "go on with: diabolo fit pieces.npy --series" in done.out
    pieces, where = np.load(tmp_path / "pieces.npy"), pd.read_csv(tmp_path / "pieces-where.csv", dtype={"who": str})
    assert list(where.columns) == ["who", "when"]
    assert len(pieces) == len(where) == 2 * 5
    for piece, (who, when) in zip(pieces, where.to_numpy(), strict=True):
        after = frame[(frame["who"] == who) & (frame["when"] >= when)].sort_values("when")
        np.testing.assert_allclose(piece, after[["x", "y"]].to_numpy()[:12])
    done = cli("fit", "pieces.npy", "--series", "--epochs", "1", "--latent", "2", "--structure", "gru 4")
    assert done.code == 0, done.err
    done = cli("encode", "pieces.safetensors", "pieces.npy")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "pieces-latents.npy").shape == (len(where), 2)


def test_windows_of_a_parquet_file_keep_times_to_the_zone_and_name_their_files(cli, rng, tmp_path):
    frame = long_table(rng)[["when", "who", "x"]].assign(who=lambda f: f["who"].astype("category"))
    frame["when"] = frame["when"].dt.tz_localize("Europe/Berlin")
    frame.to_parquet(tmp_path / "long.parquet")
    asked = ("windows", "long.parquet", "--time", "when", "--entity", "who", "--window", "40")
    done = cli(*asked)
    assert done.code == 0, done.err
    assert np.load(tmp_path / "long-windows.npz")["rows"].shape == (2, 40, 1)
    where = pd.read_csv(tmp_path / "long-windows-where.csv", parse_dates=["when"])
    assert set(where["when"]) == {frame["when"].min()}
    (tmp_path / "long-windows.npz").unlink()
    done = cli(*asked)
    assert done.code == 2
    assert "long-windows-where.csv exists" in done.err
    assert not (tmp_path / "long-windows.npz").exists()
    assert cli(*asked, "--force").code == 0


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda f: f, "--time wen --window 3", "unknown column 'wen'. Did you mean 'when'"),
        (
            lambda f: f,
            "--time when --window 3",
            "column 'who' holds string, expected numbers: leave it out (--drop who)",
        ),
        (lambda f: f, "--time when --entity who --window 41", "no series has 41 rows, the longest has 40"),
        (lambda f: f, "--time when --window 3 --drop who", "--duplicates first keeps the first"),
        (lambda f: f, "--time x --drop when --window 0", "window must be a whole number of at least 1, got 0"),
        (lambda f: f, "--time who --window 3", "column 'who' holds string, expected moments"),
        (lambda f: f, "--time when --window 3 -o a.csv", "a.csv: series have three axes, so they cannot go to a table"),
        (
            lambda f: f.assign(who=f["who"].where(f["who"] == "b")),
            "--time when --entity who --window 3",
            "column 'who' has no value in row ",
        ),
    ],
)
def test_the_command_line_says_in_one_line_why_a_table_cannot_be_cut(cli, rng, tmp_path, change, arguments, message):
    change(long_table(rng)).assign(who=lambda f: f["who"].replace("007", "a")).to_csv(tmp_path / "l.csv", index=False)
    done = cli("windows", "l.csv", *arguments.split())
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["l.csv"]


def test_windows_need_a_table_that_is_there_and_pieces_that_memory_holds(cli, digits, tmp_path):
    assert "no.csv: expected a table, one of .csv, " in cli("windows", "no.csv", "--time", "when", "--window", "3").err
    np.save(tmp_path / "rows.npy", digits.x_test[:2])
    assert cli("windows", "rows.npy", "--time", "when", "--window", "3").code == 2
    with pytest.raises(DataError, match="500,001 windows take 2 TB, more than is free: choose a longer step"):
        windows(pd.DataFrame({"at": np.arange(1_000_000), "x": 0.0}), time="at", window=500_000, step=1)


def test_the_command_line_takes_series_with_gaps_and_judges_what_is_there(cli, rng, tmp_path):
    rows = waves(rng, 200)
    rows[::3, 4:6] = np.nan
    np.save(tmp_path / "gaps.npy", rows)
    noise = ("--corruption", "masking:0.3", "--structure", "dense 32")
    done = cli(
        "fit", "gaps.npy", "--series", "--latent", "4", "--epochs", "40", *noise, "--json", "--pictures", "-o", "m"
    )
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    # What is there has mean 0 and variance 1, channel by channel, whatever is missing; flags are no error.
    assert facts["mean_row_error"] == pytest.approx(1, abs=0.15)
    assert facts["seen_errors"]["rows"] == pytest.approx(0.3, abs=0.1)
    assert max(facts["error"], facts["seen_errors"]["model"]) < facts["mean_row_error"] / 2
    assert (tmp_path / "m-reconstructions.png").exists()
    done = cli("encode", "m.safetensors", "gaps.npy", "-o", "latents.npy")
    assert done.code == 0, done.err
    assert np.isfinite(np.load(tmp_path / "latents.npy")).all()
