"""Conditional auto-encoders: columns that the decoder is given, and that the latents do not carry."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from diabolo import AnomalyDetector, Autoencoder, load
from diabolo.errors import DataError, ModelFileError, OptionError, ShapeError
from diabolo.fitting import preparation, start
from diabolo.model import file as modelfile
from diabolo.model.condition import Condition
from diabolo.model.settings import Settings
from diabolo.network.bottlenecks import BOTTLENECKS
from diabolo.network.independence import beyond_chance, distance_correlation, with_gradient
from diabolo.network.losses import for_table
from diabolo.network.structures import build
from diabolo.search import search
from diabolo.training.engines import dense

SITES, COLUMNS = "ABC", [f"x{at}" for at in range(8)]
SHIFTS = np.random.default_rng(1).normal(0, 1.5, (3, 8))
WEIGHTS = np.random.default_rng(2).normal(size=(3, 8))
QUICK = {"random_state": 0, "verbose": False}


def made(rows, seed, *, scales=(1.0, 1.0, 1.0)):
    """Return a table of 8 numbers made of 3 factors, to which each site adds a shift; and the numbers without it."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 3, rows)
    plain = (rng.normal(size=(rows, 3)) @ WEIGHTS + 0.1 * rng.normal(size=(rows, 8))) * np.array(scales)[site][:, None]
    table = pd.DataFrame(plain + SHIFTS[site], columns=COLUMNS)
    table.insert(3, "site", np.array(list(SITES))[site])
    table["old"] = rng.random(rows) < 0.4
    return table, plain


@pytest.fixture(scope="module")
def table():
    return made(2000, 0)[0]


@pytest.fixture(scope="module")
def fitted(table):
    return Autoencoder(3, condition=["site", "old"], **QUICK).fit(table)


@pytest.fixture(scope="module")
def small(table):
    """A model that is quick to make, for what does not depend on how good it is."""
    return Autoencoder(3, condition=["site", "old"], structure=[8], epochs=2, **QUICK).fit(table[:200])


def accuracy(latents, labels):
    """Return the share of rows whose label two classifiers of scikit-learn tell from latents of other rows."""
    half = len(latents) // 2
    classifiers = LogisticRegression(max_iter=1000), RandomForestClassifier(100, min_samples_leaf=5, random_state=0)
    return [each.fit(latents[:half], labels[:half]).score(latents[half:], labels[half:]) for each in classifiers]


def explained(truth, found):
    return 1 - np.square(truth - found).sum() / np.square(truth - truth.mean(axis=0)).sum()


def numbers(model, frame):
    return model.encode(frame).filter(like="latent_").to_numpy()


def test_latents_do_not_tell_the_condition_where_those_of_another_model_do(table, fitted):
    new, plain = made(3000, 3)
    chance = accuracy(PCA(3).fit_transform(plain), new.site)  # of what no site has changed
    assert min(accuracy(numbers(Autoencoder(3, **QUICK).fit(table), new), new.site)) > 0.9
    assert (np.subtract(accuracy(numbers(fitted, new), new.site), chance) < 0.03).all()
    assert max(accuracy(numbers(fitted, new), new.old)) < 0.63  # 60 % are not old


def test_reconstructions_are_as_good(table, fitted):
    new, _ = made(1000, 3)
    plain = Autoencoder(3, **QUICK).fit(table)
    ours, theirs = (
        explained(new[COLUMNS].to_numpy(), each.reconstruct(new)[COLUMNS].to_numpy()) for each in (fitted, plain)
    )
    assert ours > max(0.99, theirs)


def test_a_transfer_changes_what_the_site_changes_and_nothing_else(fitted):
    new, plain = made(1000, 3)
    for at, site in enumerate(SITES):
        moved = fitted.transfer(new, site=site)
        assert explained(plain + SHIFTS[at], moved[COLUMNS].to_numpy()) > 0.985
        assert (moved.site == site).all()
        pd.testing.assert_series_equal(moved.old, new.old)
        own = fitted.reconstruct(new)
        at_home = (new.site == site).to_numpy()
        pd.testing.assert_frame_equal(moved[at_home], own[at_home])
    each = np.array(list(SITES))[np.arange(1000) % 3]
    pd.testing.assert_frame_equal(
        fitted.transfer(new, site=each, old=True)[::3], fitted.transfer(new, site="A", old=True)[::3]
    )


def test_independence_counts_where_a_shift_alone_does_not_explain_a_site():
    known, new = made(2000, 0, scales=(1, 1.6, 0.6))[0], made(3000, 3, scales=(1, 1.6, 0.6))[0]
    without, ours = (
        Autoencoder(3, condition=["site", "old"], independence=each, **QUICK).fit(known) for each in (0, 1)
    )
    assert accuracy(numbers(without, new), new.site)[1] > 0.55
    assert accuracy(numbers(ours, new), new.site)[1] < 0.45
    assert ours.best_epoch_ > len(ours.history_["loss"]) // 2
    assert explained(new[COLUMNS].to_numpy(), ours.reconstruct(new)[COLUMNS].to_numpy()) > 0.98
    assert set(ours.history_) == {f"{p}{n}" for p in ("", "val_") for n in ("loss", "reconstruction", "penalty")}
    assert set(without.history_) == {"loss", "val_loss"}


def by_definition(points, others):
    """The bias-corrected distance correlation of Székely & Rizzo 2014, written out with loops."""
    count = len(points)
    matrices = []
    for rows in (points, others):
        away = np.array([[np.linalg.norm(a - b) for b in rows] for a in rows])
        centered = np.zeros_like(away)
        for i in range(count):
            for j in range(count):
                if i != j:
                    means = away[i].sum() / (count - 2) + away[:, j].sum() / (count - 2)
                    centered[i, j] = away[i, j] - means + away.sum() / ((count - 1) * (count - 2))
        matrices.append(centered)
    one, other = matrices
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


def whitened(points):
    centered = points - points.mean(axis=0)
    covariance = centered.T @ centered / len(points)
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread) + 0.001 * np.eye(len(covariance))
    return points / spread @ np.linalg.inv(np.linalg.cholesky(correlation)).T


def test_the_distance_correlation_is_that_of_its_definition():
    from keras import ops

    rng = np.random.default_rng(0)
    condition = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 30)]
    points = (rng.normal(size=(30, 2)) + condition[:, :2]).astype(np.float32)
    expected = by_definition(whitened(points.astype(np.float64)), condition)
    assert 0.05 < expected < 1
    assert with_gradient(points, condition)[0] == pytest.approx(expected, abs=1e-3)
    assert float(distance_correlation(points, condition, ops)) == pytest.approx(expected, abs=1e-3)
    assert (
        with_gradient(points[:3], condition[:3])[0] == 0 == float(distance_correlation(points[:3], condition[:3], ops))
    )
    assert with_gradient(condition[:, :2], condition)[0] > 0.9
    same = np.ones((30, 1), np.float32)  # all rows of a batch may have one condition
    assert with_gradient(points, same)[0] == pytest.approx(0, abs=1e-3)


def test_of_independent_rows_the_distance_correlation_is_zero_but_for_chance():
    rng = np.random.default_rng(0)
    found = [
        with_gradient(rng.normal(size=(64, 3)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 64)])[
            0
        ]
        for _ in range(200)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)
    assert np.mean([beyond_chance(each, 64, np) > 0 for each in found]) < 0.1


def test_gradients_are_those_of_tensorflow(table):
    import keras
    import tensorflow as tf

    from diabolo.network.backends.keras import builder as keras_builder
    from diabolo.training.program import Reconstruction

    settings = Settings(latent_dim=3, condition=["site", "old"], structure="skip 8", random_state=0)
    prepared = preparation.prepare(table[:200], settings)
    network, loss = prepared.network, prepared.loss.loss
    rows = prepared.shard.rows[:60]
    weights = dense.Weights(network, np.random.default_rng(0), independence=2.0)
    by_name = weights.by_name(weights.values)
    lost = weights.learn(loss, rows, rows)
    models = keras_builder.build_trained(network, by_name, link=loss.link)
    steps = Reconstruction(models, network, loss, keras.optimizers.SGD(1.0), independence=2.0)
    steps.train(tf.constant(rows))
    after = keras_builder.get_weights(models, network)
    for name, gradient in weights.by_name(weights.gradients).items():
        np.testing.assert_allclose(by_name[name] - after[name], gradient, atol=2e-4 * max(1, np.abs(gradient).max()))
    found = steps.results()
    assert found["reconstruction"] == pytest.approx(lost.reconstruction / 60, rel=1e-4)
    assert found["penalty"] == pytest.approx(lost.penalty / 60, rel=1e-2, abs=1e-4)


def test_a_training_begins_with_the_pca_of_what_the_condition_does_not_tell(table):
    settings = Settings(latent_dim=2, condition="site", random_state=0)
    prepared = preparation.prepare(table.drop(columns="old"), settings)
    network, rows = prepared.network, prepared.shard.rows.astype(np.float64)
    given = list(network.condition)
    begun = start.weights(network, prepared.loss.loss, prepared.shard)
    into = begun["bottleneck/kernel"][: rows.shape[1]]
    latents = rows @ into + begun["bottleneck/bias"]
    site = rows[:, given]
    assert np.abs(LinearRegression().fit(site, latents).predict(site)).max() < 1e-4  # not even the mean of a site
    last = network.decoder_steps[-1].layer.name
    back = np.concatenate([latents, site], axis=1) @ begun[f"{last}/kernel"][:5] + begun[f"{last}/bias"]
    ours = [at for at in range(rows.shape[1]) if at not in given]
    expected = LinearRegression().fit(site, rows[:, ours]).predict(site)
    left = rows[:, ours] - expected
    pca = PCA(2).fit(left)
    np.testing.assert_allclose(back[:, ours], pca.inverse_transform(pca.transform(left)) + expected, atol=1e-3)


BOTTLENECKS_TO_TRY = [*BOTTLENECKS, "gaussian:samples=3", "ordered:sizes=1-2"]


@pytest.mark.parametrize("bottleneck", BOTTLENECKS_TO_TRY)
def test_any_bottleneck_takes_a_condition(bottleneck, table, tmp_path):
    rows = table[:100]
    ours = Autoencoder(3, condition=["site", "old"], structure=[8], bottleneck=bottleneck, epochs=2, **QUICK).fit(rows)
    model = ours.model_
    tensors = model.adapter.adapt(model.checked(ours._read(rows, "test"), where="test"))
    if not model.network.bottleneck.refining_steps:  # whose steps are not in Keras
        raw = model.raw_outputs(tensors)
        assert np.ptp(raw, axis=0).min() > 0
        np.testing.assert_allclose(ours.to_keras()(tensors), raw, atol=2e-5)
    back = ours.reconstruct(rows)
    assert list(back.columns) == list(rows.columns)
    pd.testing.assert_frame_equal(back[["site", "old"]], rows[["site", "old"]])
    pd.testing.assert_frame_equal(ours.decode(ours.encode(rows)), back)
    again = load(ours.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.transfer(rows, site="B"), ours.transfer(rows, site="B"))
    assert np.isfinite(ours.score_samples(rows)).all()
    assert np.diff(ours.error_by_size(rows)).shape == (2,)


def test_latents_are_refined_with_the_condition_of_their_row(table):
    plain, refined = (
        Autoencoder(3, condition="site", structure=[8], epochs=3, bottleneck=each, **QUICK).fit(table)
        for each in ("plain", "refined:steps=3")
    )
    assert np.median(refined.score_samples(table) - plain.score_samples(table)) > 0
    assert (refined.score_samples(table) >= plain.score_samples(table) - 1e-4).all()


def test_a_saved_model_decodes_as_numpy_does_with_its_weights(table, tmp_path):
    from safetensors.numpy import load_file

    ours = Autoencoder(3, condition=["site", "old"], structure="dense 8", epochs=2, **QUICK).fit(table[:200])
    weights = load_file(ours.save(tmp_path / "model"))
    model, network = ours.model_, ours.model_.network
    rows = model.checked(ours._read(table, "test"), where="test")
    tensors, latents = model.adapter.adapt(rows), model.encode(rows)
    # Numbers come first, then the boolean, then the three sites.
    assert network.condition == (8, 9, 10, 11)
    assert weights["decoder_1/kernel"].shape == (3 + 4, 8)
    hidden = np.concatenate([latents, tensors[:, 8:]], axis=1) @ weights["decoder_1/kernel"] + weights["decoder_1/bias"]
    hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
    raw = hidden @ weights["decoder_2/kernel"] + weights["decoder_2/bias"]
    features = model.adapter.features[:3]
    expected = [raw[:, at] * each.scale + each.center for at, each in enumerate(features)]
    np.testing.assert_allclose(ours.reconstruct(table)[COLUMNS[:3]], np.stack(expected, axis=1), atol=1e-4)
    # The condition does not count, neither in the loss nor in residuals.
    loss = 0.5 * np.square(tensors[:, :8] - raw[:, :8]).sum(axis=1) / 0.5
    np.testing.assert_allclose(-ours.score_samples(table), loss, rtol=1e-4)
    assert not model.residuals(rows)[:, 8:].any()
    np.testing.assert_allclose(model.squared_error_per_row(rows), loss / 8, rtol=1e-4)


def test_encode_gives_the_condition_next_to_the_latents(small, table):
    rows = table[:20].set_index(np.arange(20) * 7)
    latents = small.encode(rows)
    assert list(latents.columns) == ["site", "old", "latent_0", "latent_1", "latent_2"]
    pd.testing.assert_frame_equal(small.decode(latents), small.reconstruct(rows))
    alone = latents.filter(like="latent_").to_numpy()
    given = small.decode(alone, condition={"site": rows.site, "old": list(rows.old)})
    pd.testing.assert_frame_equal(given.set_index(rows.index), small.reconstruct(rows))
    pd.testing.assert_frame_equal(small.decode(alone, condition=rows), given)
    moved = small.decode(latents, condition={"site": "B"})  # the other column is that of the frame
    pd.testing.assert_frame_equal(moved, small.transfer(rows, site="B"))
    assert small.transform(rows).shape == (20, 3)
    pd.testing.assert_frame_equal(small.inverse_transform(latents), small.reconstruct(rows))


def test_frames_of_polars_and_a_file_have_conditions(table, tmp_path):
    polars = pytest.importorskip("polars")
    rows = table[:200]
    ours = Autoencoder(3, condition=("site",), structure=[8], epochs=2, **QUICK).fit(polars.from_pandas(rows))
    latents = ours.encode(polars.from_pandas(rows))
    assert latents.columns[0] == "site"
    assert (ours.decode(latents, condition={"site": "C"})["site"] == "C").all()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    again = Autoencoder(3, condition=("site",), structure=[8], epochs=2, **QUICK).fit(tmp_path / "rows.csv")
    moved = again.transfer(tmp_path / "rows.csv", site="A")
    assert set(moved["site"].to_pylist()) == {"A"}


def test_numbers_counts_booleans_and_dates_can_be_a_condition():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(200, 4)), columns=list("abcd"))
    rows["age"] = rng.normal(50, 9, 200)
    rows["visits"] = rng.poisson(3, 200)
    rows["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, 200), "D")
    ours = Autoencoder(
        2, condition=["age", "visits", "day"], structure=[8], epochs=2, types={"visits": "count"}, **QUICK
    ).fit(rows)
    names = ["age", "visits", "day"]
    pd.testing.assert_frame_equal(ours.reconstruct(rows)[names], rows[names])
    moved = ours.transfer(rows, day="2025-03-01", age=31.5)
    assert (moved.day == pd.Timestamp("2025-03-01")).all()
    assert (moved.age == 31.5).all()
    assert (moved.visits == rows.visits).all()
    # A table of numbers alone is scaled column by column as well.
    alone = Autoencoder(2, condition="d", structure=[8], epochs=2, **QUICK).fit(rows[list("abcd")])
    assert (alone.transfer(rows[list("abcd")], d=0.25).d == 0.25).all()


def test_missing_cells_are_filled_in_and_drawn_for_the_condition_of_their_row(table, tmp_path):
    gaps = table[:300].copy()
    gaps[COLUMNS] = gaps[COLUMNS].mask(np.random.default_rng(0).random((300, 8)) < 0.1)
    ours = Autoencoder(3, condition=["site", "old"], epochs=30, **QUICK).fit(gaps)
    filled = ours.reconstruct(gaps, fill="missing")
    hidden = gaps[COLUMNS].isna().to_numpy()
    assert explained(table[:300][COLUMNS].to_numpy()[hidden], filled[COLUMNS].to_numpy()[hidden]) > 0.9
    for each in (filled, *ours.reconstruct(gaps, fill="missing", n_samples=2, random_state=0)):
        pd.testing.assert_frame_equal(each[["site", "old"]], gaps[["site", "old"]])
        assert each.notna().all(axis=None)
    again = load(ours.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.transfer(gaps, site="B"), ours.transfer(gaps, site="B"))


def test_new_rows_are_drawn_for_a_condition(table):
    ours = Autoencoder(3, condition=["site", "old"], structure=[8], bottleneck="gaussian", epochs=2, **QUICK)
    ours.fit(table[:200])
    drawn = ours.sample(4, condition={"site": "B", "old": [True, False, True, False]}, random_state=0)
    assert list(drawn.site) == ["B"] * 4
    assert list(drawn.old) == [True, False, True, False]
    with pytest.raises(
        OptionError, match=r"sample\(\) needs 'site' of each row.*condition=\{'site': 'A', 'old': True\}"
    ):
        ours.sample(4)
    first, second = table[:1], table[table.site != table.site[0]][:1]
    way = ours.interpolate(first, second, steps=3)
    assert (way.site == table.site[0]).all()
    pd.testing.assert_frame_equal(way[:1], ours.reconstruct(first))
    varied = ours.traverse(first, 0, values=[0.0, 1.0])
    assert (varied.site == table.site[0]).all()


@pytest.mark.parametrize(
    ("settings", "rows", "message"),
    [
        ({"condition": "town"}, "frame", r"condition: unknown column 'town'\. Known: old, site, x0"),
        ({"condition": ["sit"]}, "frame", r"Did you mean 'site'\?"),
        ({"condition": ["site", "site"]}, "frame", "names a column twice: site, site"),
        ({"condition": []}, "frame", r"must be names of columns, such as \['site', 'sex'\], got \[\]"),
        ({"condition": 1.5}, "frame", "must be names of columns"),
        ({"condition": ["site", "old"]}, "two", "is all columns that are learnt"),
        ({"condition": "name"}, "names", "'name' is a column from which nothing can be learnt"),
        ({"condition": "site"}, "array", r"an array has no names of columns: pass a frame or a file.*assign\(site="),
        ({"condition": "site"}, "sparse", "a sparse matrix has no names of columns"),
        ({"condition": "site"}, "series", "names columns, but"),
        ({"condition": "site", "tied": True, "structure": [8]}, "frame", r"leave tied \(--tied\) or condition"),
        ({"condition": "site", "structure": "pair"}, "frame", "structure has one of its own"),
        ({"condition": "site", "independence": -1}, "frame", "independence must be a number of at least 0, got -1"),
        ({"condition": "site"}, "gaps", r"'site' of the condition has no value in 3 rows, the first is row 1"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_is_refused_in_one_line(settings, rows, message, table):
    import scipy.sparse

    from diabolo.network.layers import Dense

    gaps = table[:60].copy()
    gaps.loc[[1, 4, 9], "site"] = None
    several = {
        "frame": table[:60],
        "two": table[["site", "old"]][:60],
        "names": table[:60].assign(name=[f"person {at} {at * 7}" for at in range(60)]),
        "array": np.zeros((60, 4)) + np.arange(4),
        "sparse": scipy.sparse.csr_matrix(np.eye(60)),
        "series": np.random.default_rng(0).normal(size=(60, 5, 2)),
        "gaps": gaps,
    }
    if settings.get("structure") == "pair":
        settings = settings | {"structure": ([Dense(units=2)], [Dense(units=12)])}
    if rows == "series":
        settings = settings | {"series": True}
    with pytest.raises((OptionError, DataError), match=message) as error:
        Autoencoder(2, epochs=1, **QUICK, **settings).fit(several[rows])
    assert "\n" not in str(error.value)


def test_a_stream_cannot_have_a_condition(table, tmp_path):
    table.drop(columns=["site", "old"]).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(OptionError, match=r"is read in chunks: raise the limit \(memory=, --memory\)"):
        Autoencoder(2, condition="x0", memory=200_000, epochs=1, **QUICK).fit(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("condition", "kind", "message"),
    [
        (None, OptionError, r"decode\(\) needs 'site' of each row.*condition=\{'site': 'A', 'old': True\} \(--con"),
        ({"site": "A"}, OptionError, r"decode\(\) needs 'old' of each row"),
        ({"site": "Z", "old": True}, DataError, r"decode\(\): column 'site': unknown level 'Z'\. Known: A, B, C"),
        ({"site": None, "old": True}, DataError, "row 0 has no value in column 'site'"),
        ({"site": "A", "old": "perhaps"}, DataError, "'old' expected .*perhaps"),
        ({"site": ["A", "B"], "old": True}, ShapeError, r"one value of 'site', or one for each of 5 rows, got 2"),
        ({"sight": "A"}, OptionError, r"unknown column of the condition 'sight'\. Did you mean 'site'\?"),
        ("A", OptionError, "condition must have a value by column"),
        (pd.DataFrame({"site": ["A"] * 4, "old": [True] * 4}), ShapeError, "expected a condition of 5 rows, got 4"),
    ],
)  # fmt: skip
def test_a_wrong_condition_of_latents_is_refused_in_one_line(condition, kind, message, small):
    with pytest.raises(kind, match=message) as error:
        small.decode(np.zeros((5, 3)), condition=condition)
    assert "\n" not in str(error.value)


def test_rows_need_a_condition_that_fit_saw(small, table):
    rows = table[:5].copy()
    rows.loc[2, "site"] = "Z"
    for verb in (small.encode, small.reconstruct, small.score_samples):
        with pytest.raises(
            DataError, match=r"row 2 has a level in column 'site' that fit\(\) did not see.*'A', 'B', 'C'"
        ):
            verb(rows)
    rows = table[:5]
    with pytest.raises(OptionError, match=r"unknown column of the condition 'x0'\. Known: old, site"):
        small.transfer(rows, x0=3)
    with pytest.raises(OptionError, match=r"transfer\(\) needs what to change: transfer\(frame, site='A', old=True\)"):
        small.transfer(rows)
    plain = Autoencoder(3, structure=[8], epochs=1, **QUICK).fit(table[:100])
    with pytest.raises(OptionError, match=r"transfer\(\) needs a model with a condition: fit with condition="):
        plain.transfer(table, site="B")
    with pytest.raises(OptionError, match=r"decode\(\) got a condition, and the model has none: leave it out"):
        plain.decode(np.zeros((2, 3)), condition={"site": "A"})
    arrays = Autoencoder(2, epochs=1, **QUICK).fit(np.random.default_rng(0).normal(size=(60, 8)))
    with pytest.raises(OptionError, match="the model has none"):
        arrays.decode(np.zeros((2, 2)), condition={"site": "A"})


def test_a_detector_compares_rows_given_their_condition(table):
    rows = table[:600]
    detector = AnomalyDetector(Autoencoder(3, condition="site", epochs=20, **QUICK)).fit(rows)
    wrong = rows[:100].copy()
    wrong["site"] = wrong.site.map({"A": "B", "B": "C", "C": "A"})
    assert np.median(detector.score_samples(wrong) - detector.score_samples(rows[:100])) < 0
    blamed = detector.explain(wrong[:20])
    assert not blamed.scores[:, blamed.names.index("site")].any()
    assert (blamed.expected.site == wrong.site[:20]).all()


def test_a_condition_passes_through_searches_partial_fits_and_counted_latents(table):
    rows = table[:150]
    ours = Autoencoder(2, condition="site", structure=[8], **QUICK).partial_fit(rows).partial_fit(rows)
    assert len(ours.history_["loss"]) == 2
    assert (ours.transfer(rows, site="B").site == "B").all()
    found = search(rows, trials=2, latent_dim=2, epochs=3, condition=["site"], random_state=0)
    assert (found.best.transfer(rows, site="B").site == "B").all()


def test_the_file_states_the_condition_and_nothing_else_of_a_model_without_one(small, table):
    model = small.model_
    assert model.network.to_config()["condition"] == [8, 9, 10, 11]
    assert "condition" not in Autoencoder(2, structure=[8], epochs=1, **QUICK).fit(table).model_.network.to_config()
    assert modelfile.from_bytes(modelfile.to_bytes(model)).condition.names == ("site", "old")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ([8, 9], "must be whole columns of the table"),
        ([9, 8, 10, 11], "must be rising places"),
        (list(range(12)), "whole row"),
        ([-1, 8], "must be rising places"),
        ([8, 99], "must be rising places"),
        ("all", "must be a list of places"),
        ([True], "must be a list of places"),
    ],
)  # fmt: skip
def test_a_file_with_another_condition_is_refused(condition, message, small):
    model = small.model_
    content = modelfile.to_bytes(model)
    head = modelfile.header_length(content)
    header = json.loads(content[8 : 8 + head])
    config = json.loads(header["__metadata__"]["diabolo"])
    config["network"]["condition"] = condition
    if message.startswith("must be whole"):
        network = dataclasses.replace(model.network, condition=tuple(condition))
        with pytest.raises(ModelFileError, match=message):
            Condition.of(network, model.adapter, model.schema)
        with pytest.raises(ModelFileError, match="a table whose columns have names"):
            Condition.of(network, model.adapter, None)
        return
    with pytest.raises((OptionError, ShapeError), match=message):
        type(model.network).from_config(config["network"])


def test_the_command_line_has_conditions(cli, tmp_path, table):
    rows = table[:120].assign(id=[f"person {at} of all" for at in range(120)])
    rows.to_csv(tmp_path / "people.csv", index=False)
    made = cli(
        "fit", "people.csv", "--condition", "site,old", "--latent", 3, "--structure", "dense 8", "--epochs", 2,
        "--no-pictures", "-o", "m",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "site" not in made.out.partition("column")[2]  # it is given, not reconstructed
    assert cli("encode", "m.safetensors", "people.csv").code == 0
    latents = pd.read_csv(tmp_path / "people-latents.csv")
    assert sorted(latents.columns) == ["id", "latent_0", "latent_1", "latent_2", "old", "site"]
    assert cli("decode", "m.safetensors", "people-latents.csv", "-o", "own.csv").code == 0
    assert cli("reconstruct", "m.safetensors", "people.csv", "-o", "back.csv").code == 0
    own, back = (pd.read_csv(tmp_path / name)[rows.columns[:-1]] for name in ("own.csv", "back.csv"))
    pd.testing.assert_frame_equal(own, back, atol=1e-4)
    assert cli("decode", "m.safetensors", "people-latents.csv", "--condition", "site=B", "-o", "b.csv").code == 0
    moved = pd.read_csv(tmp_path / "b.csv")
    assert (moved.site == "B").all()
    assert list(moved.old) == list(rows.old)
    expected = Autoencoder.load(tmp_path / "m.safetensors").transfer(rows, site="B")
    pd.testing.assert_frame_equal(moved[COLUMNS], expected[COLUMNS].reset_index(drop=True), atol=1e-4)
    cli("encode", "m.safetensors", "people.csv", "-o", "z.npy")
    lacking = cli("decode", "m.safetensors", "z.npy")
    assert lacking.code == 2
    assert "--condition site=A,old=True" in lacking.err
    given = cli("decode", "m.safetensors", "z.npy", "--condition", "site=C,old=true", "-o", "c.csv")
    assert given.code == 0, given.err
    assert pd.read_csv(tmp_path / "c.csv").old.all()
    for condition, message in (("site=Q,old=true", "unknown level 'Q'"), ("site", "must be NAME=VALUE")):
        wrong = cli("decode", "m.safetensors", "z.npy", "--condition", condition, "-o", "d.csv")
        assert (wrong.code, wrong.err.count("\n")) == (2, 1)
        assert message in wrong.err


def test_the_loss_of_a_table_leaves_the_condition_out():
    from diabolo.data.adapters import TableAdapter

    rng = np.random.default_rng(0)
    rows = np.stack([rng.normal(size=50), rng.integers(0, 3, 50), rng.normal(size=50)], axis=1)
    adapter = TableAdapter.learn(rows, [("a", "number", 0), ("site", "category", 3), ("b", "number", 0)], gaps=False)
    whole = for_table(adapter.blocks, gaps=False)
    ours = for_table(adapter.blocks, gaps=False, condition=(2, 3, 4))
    tensors, raw = adapter.adapt(rows), rng.normal(size=(50, 5)).astype(np.float32)
    each = whole.each(tensors, raw, np)
    np.testing.assert_allclose(ours.per_row(tensors, raw, np), each[:, :2].sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(ours.error(tensors, raw), each[:, :2].sum(axis=1) / 2, rtol=1e-5)


def test_a_network_with_a_condition_has_a_wider_decoder():
    network = build("dense 8", (12,), latent_dim=2, condition=(8, 9))
    assert network.decoder_steps[0].input_shape == (4,)
    assert network.weights()["decoder_1/kernel"] == (4, 8)
    assert type(network).from_config(network.to_config()) == network
    with pytest.raises(OptionError, match="must be below the number of features"):
        build("dense 8", (12,), latent_dim=10, condition=(8, 9))
