"""Which rows are anomalies, and why."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from diabolo import AnomalyDetector, Autoencoder, load
from diabolo.anomaly import draws as by_draws
from diabolo.anomaly.near import keys_of
from diabolo.errors import DataError, ModelFileError, NotFittedError, OptionError, OutputError
from diabolo.model import file as modelfile
from diabolo.model.draws import Draws

FAST = {"epochs": 10, "random_state": 0, "verbose": False}


def curved(rng, count, noise=0.05):
    """Rows of six numbers on a curved sheet of two."""
    a, b = rng.uniform(-1.5, 1.5, (2, count))
    rows = np.column_stack([a, b, a * b, np.sin(2 * a), np.cos(2 * b), a**2 - b])
    return rows + noise * rng.normal(size=rows.shape)


@pytest.fixture(scope="module")
def sheet():
    return curved(np.random.default_rng(0), 1500)


@pytest.fixture(scope="module")
def fitted(sheet):
    return AnomalyDetector(Autoencoder(2, epochs=150, verbose=False), random_state=0).fit(sheet)


def test_rows_off_the_sheet_are_anomalies(fitted):
    rng = np.random.default_rng(1)
    ordinary, off = curved(rng, 300), curved(rng, 300)
    off = rng.permuted(off, axis=0)  # each column as it is, no row as one
    scores = fitted.score_samples(np.concatenate([ordinary, off]))
    truth = np.repeat([1, 0], 300)
    forest = IsolationForest(random_state=0).fit(curved(rng, 1500)).score_samples(np.concatenate([ordinary, off]))
    assert roc_auc_score(truth, scores) > 0.95
    assert roc_auc_score(truth, scores) > roc_auc_score(truth, forest) + 0.05


def test_anomalies_that_form_a_cluster_are_still_anomalies(sheet):
    rng = np.random.default_rng(2)
    odd = sheet.mean(axis=0) + [3, -3, 3, 2, -2, 3] + 0.05 * rng.normal(size=(15, 6))
    rows, truth = np.concatenate([sheet[:1000], odd]), np.repeat([1, 0], [1000, 15])
    scores = AnomalyDetector(Autoencoder(2, **FAST)).fit(rows).score_samples(rows)
    # Ten neighbours of their own kind are near.
    theirs = LocalOutlierFactor(10).fit(rows).negative_outlier_factor_
    assert roc_auc_score(truth, scores) > max(0.85, roc_auc_score(truth, theirs) + 0.1)


def test_signs_are_those_of_scikit_learn(fitted, sheet):
    scores, decisions, labels = fitted.score_samples(sheet), fitted.decision_function(sheet), fitted.predict(sheet)
    np.testing.assert_allclose(decisions, scores - fitted.offset_)
    np.testing.assert_array_equal(labels, np.where(decisions < 0, -1, 1))
    assert (labels == -1).mean() == pytest.approx(0.1, abs=0.005)  # the contamination, of the rows of fit()
    chances = fitted.probability(sheet)
    assert ((chances >= 0) & (chances <= 1)).all()
    order = np.argsort(scores)
    assert (np.diff(chances[order]) <= 1e-12).all()


def test_a_false_alarm_rate_holds_on_ordinary_rows_that_fit_never_saw(sheet):
    detector = AnomalyDetector(Autoencoder(2, epochs=60, verbose=False), false_alarm_rate=0.05, random_state=0).fit(
        sheet
    )
    alarms = (detector.predict(curved(np.random.default_rng(7), 2000)) == -1).mean()
    assert 0.02 < alarms < 0.1


def test_the_cell_that_is_wrong_is_the_first_to_be_named(fitted, sheet):
    rng = np.random.default_rng(3)
    rows = curved(rng, 200)
    columns = rng.integers(0, 6, 200)
    before = rows[np.arange(200), columns].copy()
    rows[np.arange(200), columns] += 4 * sheet.std(axis=0)[columns] * rng.choice([-1, 1], 200)
    found = fitted.explain(rows)
    assert (found.scores.argmax(axis=1) == columns).mean() >= 0.9
    away = np.abs(found.expected[np.arange(200), columns] - before) / sheet.std(axis=0)[columns]
    assert np.median(away) < 1  # what stands there is 4 off


def test_a_frame_is_explained_by_its_names_and_levels():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 1200)
    frame = pd.DataFrame(
        {
            "kind": np.array(["car", "bike", "boat"])[kind],
            "wheels": np.array([4, 2, 0])[kind],
            "weight": np.array([1200.0, 12.0, 400.0])[kind] * rng.lognormal(0, 0.1, 1200),
            "colour": rng.choice(["red", "blue"], 1200),
        }
    )
    frame.loc[rng.random(1200) < 0.05, "weight"] = np.nan
    detector = AnomalyDetector(Autoencoder(3, epochs=40, verbose=False), random_state=0).fit(frame)
    odd = pd.DataFrame({"kind": ["bike"], "wheels": [4], "weight": [1250.0], "colour": ["red"]}, index=["x"])
    found = detector.explain(odd)
    assert found.names[found.scores[0].argmax()] == "kind"
    assert found.expected.loc["x", "kind"] == "car"
    assert detector.score_samples(odd)[0] < np.quantile(detector.score_samples(frame), 0.05)


def test_rows_of_fit_are_known_again_as_floats(fitted, sheet):
    short = sheet.astype(np.float32)
    np.testing.assert_allclose(fitted.score_samples(short), fitted.score_samples(sheet), atol=1e-3)
    np.testing.assert_array_equal(fitted.predict(short), fitted.predict(sheet))


def test_pictures_can_be_anomalies(digits):
    detector = AnomalyDetector(Autoencoder(8, structure=[64], **FAST)).fit(digits.x_train[:1000])
    noise = np.random.default_rng(0).integers(0, 255, (20, 28, 28), np.uint8)
    assert detector.score_samples(noise).max() < np.quantile(detector.score_samples(digits.x_test), 0.01)
    assert detector.explain(noise[:2]).scores.shape == (2, 784)


def by_the_definition(draws, rows):
    """Scores of rows that are their own coordinates, with all distances in doubles."""
    away = cdist(rows.astype(np.float64), draws.places.astype(np.float64))
    away[away == 0] = np.inf  # the row itself
    logs = [np.log(np.mean([away[:, drawn].min(axis=1) for drawn in group], axis=0) + 1e-6) for group in draws.draws]
    return np.mean(logs, axis=0)


@pytest.mark.parametrize("count", [1, 16, 17, 256, 257, 5_000])
@pytest.mark.parametrize("farthest", [0.0, 1e5])
def test_a_score_of_an_older_file_is_the_mean_distance_to_the_nearest_rows_of_draws(rng, count, farthest):
    rows = rng.normal(size=(6_000, 8)).astype(np.float32)
    rows[::50] += farthest  # these are near each other
    which = rng.permutation(6_000)[:4_000]
    drawn = [[rng.choice(4_000, size, replace=False) for _ in range(times)] for size, times in ((32, 64), (256, 24))]
    draws = Draws(rows[which], keys_of(rows[which]), drawn)
    found = by_draws.score_places(draws, rows[:count], rows[:count].astype(np.float64))
    np.testing.assert_allclose(found, by_the_definition(draws, rows[:count]), atol=1e-5)


def test_two_fits_with_one_seed_give_the_same_scores(sheet):
    first, second = (AnomalyDetector(Autoencoder(2, **FAST), random_state=3).fit(sheet[:300]) for _ in range(2))
    np.testing.assert_array_equal(first.score_samples(sheet), second.score_samples(sheet))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"contamination": 0}, "contamination must be a share in \\(0, 0.5\\], got 0"),
        ({"contamination": 0.7}, "contamination must be a share"),
        ({"false_alarm_rate": True}, "false_alarm_rate must be a share in \\(0, 1\\], got True"),
        ({"random_state": "x"}, "random_state must be None"),
    ],
)
def test_settings_that_cannot_hold_are_refused(sheet, settings, message):
    with pytest.raises(OptionError, match=message):
        AnomalyDetector(**settings).fit(sheet)


def test_a_value_that_fit_could_not_have_seen_is_an_anomaly_and_not_refused(fitted, sheet):
    far = np.repeat(sheet[:1], 3, axis=0)
    far[1, 2], far[2, 2] = 1e6, 1e200
    scores = fitted.score_samples(far)
    assert scores[0] > scores[1] > scores[2]
    assert list(fitted.predict(far)) == [1, -1, -1]
    assert fitted.explain(far[2:]).scores[0].argmax() == 2
    # In a table with gaps too, and where all that was seen are zeros and ones.
    holes = sheet.copy()
    holes[::9, 1] = np.nan
    assert AnomalyDetector(random_state=0).fit(holes).predict(far)[2] == -1
    flags = (sheet > 0).astype(float)
    detector = AnomalyDetector(random_state=0).fit(flags)
    assert list(detector.predict(np.concatenate([flags[:1], flags[:1] + 40]))) == [1, -1]


@pytest.mark.parametrize("gaps", [False, True])
def test_the_wrong_place_of_a_series_is_the_first_to_be_named(rng, gaps):
    time, phase = np.arange(12), rng.uniform(0, 6, (400, 1))
    series = np.stack([np.sin(0.5 * time + phase), np.cos(0.5 * time + phase)], axis=2) + rng.normal(
        0, 0.05, (400, 12, 2)
    )
    if gaps:
        series[rng.random(series.shape) < 0.1] = np.nan
    detector = AnomalyDetector(Autoencoder(3, epochs=40, series=True, verbose=False), random_state=0).fit(series)
    assert detector.model.residuals(series).shape == (400, 24)  # and none of flags
    wrong = series[:24].copy()
    wrong.reshape(24, 24)[np.arange(24), np.arange(24)] = 5.0
    found = detector.explain(wrong).scores
    assert np.mean(found.argmax(axis=1) == np.arange(24)) >= 0.9
    assert (found[np.isnan(wrong.reshape(24, 24))] == 0).all()


def test_the_refusal_of_sparse_rows_says_how_to_pass_them(sheet):
    with pytest.raises(DataError, match=r"pass X.toarray\(\)"):
        AnomalyDetector().fit(csr_array(sheet))


def test_a_verb_before_fit_and_a_single_row_say_so(sheet):
    with pytest.raises(NotFittedError, match="this AnomalyDetector is not fitted"):
        AnomalyDetector().predict(sheet)
    with pytest.raises(DataError, match="at least 2 rows to compare"):
        AnomalyDetector().fit(sheet[:1])


def test_a_saved_detector_scores_explains_and_labels_as_before(fitted, sheet, tmp_path):
    path = fitted.save(tmp_path / "odd")
    again = AnomalyDetector.load(path)
    np.testing.assert_array_equal(again.score_samples(sheet), fitted.score_samples(sheet))
    np.testing.assert_array_equal(again.predict(sheet), fitted.predict(sheet))
    np.testing.assert_array_equal(again.probability(sheet), fitted.probability(sheet))
    np.testing.assert_array_equal(again.explain(sheet[:9]).scores, fitted.explain(sheet[:9]).scores)
    assert again.save(tmp_path / "twice").read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(load(path).encode(sheet), fitted.autoencoder_.encode(sheet))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(sheet), fitted.predict(sheet))


def test_a_detector_takes_what_fit_takes(sheet, tmp_path):
    frame = pd.DataFrame(sheet[:200]).add_prefix("x").assign(code=np.arange(200) % 3)
    detector = AnomalyDetector(Autoencoder(2, types={"code": "category"}, **FAST), random_state=0).fit(frame)
    assert "category" in str(detector.model.schema.to_config())
    for at in range(2):
        np.save(tmp_path / f"{at}.npy", sheet[100 * at : 100 * (at + 1)])
    whole = AnomalyDetector(Autoencoder(2, **FAST), random_state=0).fit(sheet[:200])
    parts = AnomalyDetector(Autoencoder(2, **FAST), random_state=0).fit(str(tmp_path / "*.npy"))
    np.testing.assert_array_equal(parts.score_samples(sheet[:50]), whole.score_samples(sheet[:50]))


@pytest.mark.slow
def test_rows_that_do_not_fit_into_memory_are_scored_about_as_those_that_do(rng, tmp_path):
    rows = (rng.normal(size=(60_000, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(60_000, 10))).astype("f4")
    rows[::1000] += 3 * rng.normal(size=(60, 10)).astype("f4")
    np.save(tmp_path / "rows.npy", rows)
    scores = []
    for memory in (None, "12MB"):  # of the 24 MB of training rows and their copy
        autoencoder = Autoencoder(3, structure=[16], epochs=3, memory=memory, verbose=False)
        detector = AnomalyDetector(autoencoder, random_state=0).fit(tmp_path / "rows.npy")
        assert (detector.predict(rows) == -1).mean() == pytest.approx(0.1, abs=0.01)
        scores.append(detector.score_samples(tmp_path / "rows.npy"))
        np.testing.assert_allclose(scores[-1], detector.score_samples(rows), atol=1e-5)
        assert np.isin(np.argsort(scores[-1])[:60], np.arange(0, 60_000, 1000)).mean() > 0.9
    assert spearmanr(*scores).statistic > 0.9


def test_the_largest_anomalies_of_several_files_are_numbered_as_their_scores_are(cli, fitted, sheet, tmp_path):
    model, parts = fitted.save(tmp_path / "odd"), np.array_split(sheet[:90], 3)
    parts[2][7] += 50
    for at, part in enumerate(parts):
        np.save(tmp_path / f"part{at}.npy", part)
    out = cli("score", model, "part*.npy", "--top", "1", cwd=tmp_path).out
    assert np.load(tmp_path / "rows-scores.npy").argmax() == 67
    assert " 67 " in out


def test_a_model_without_a_detector_says_so(sheet, tmp_path):
    path = Autoencoder(2, **FAST).fit(sheet[:200]).save(tmp_path / "m")
    with pytest.raises(ModelFileError, match="holds an auto-encoder that was not saved by a detector"):
        AnomalyDetector.load(path)


def test_a_detector_is_kept_on_the_command_line_and_scores_other_rows(cli, sheet, tmp_path):
    np.save(tmp_path / "rows.npy", sheet[:400])
    np.save(tmp_path / "others.npy", curved(np.random.default_rng(5), 50))
    cli("score", "rows.npy", "--save", "odd", cwd=tmp_path)
    cli("score", "odd.safetensors", "others.npy", cwd=tmp_path)
    expected = AnomalyDetector.load(tmp_path / "odd.safetensors").score_samples(np.load(tmp_path / "others.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "others-scores.npy"), -expected)
    assert "anomalies: rows with a score above" in cli("info", "odd.safetensors", cwd=tmp_path).out


def swapped(tails):
    """Tails whose knots descend."""
    return tails._replace(knots=tails.knots[:, ::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d._replace(linear=1), "linear must be true or false"),
        (lambda d: d._replace(threshold=1), "threshold must be a number"),
        (lambda d: d._replace(column_scales=-d.column_scales), "usual must be above 0"),
        (lambda d: d._replace(column_scales=d.column_scales[1:]), "'detection/usual' must be F64 of shape"),
        (lambda d: d._replace(forest=d.forest._replace(columns=d.forest.columns + 6)), "must be numbers of the 6"),
        (lambda d: d._replace(forest=d.forest._replace(depths=-1 - d.forest.depths)), "must be at least 0"),
        (
            lambda d: d._replace(forest=d.forest._replace(cuts=d.forest.cuts[:, 1:])),
            "forest_cuts' must be F32 of shape",
        ),
        (lambda d: d._replace(tails=swapped(d.tails)), "must be in ascending order"),
    ],
)
def test_a_detector_that_cannot_be_is_refused(fitted, change, message):
    model = fitted.model
    with pytest.raises((ModelFileError, OptionError, OutputError), match=message):
        modelfile.from_bytes(modelfile.to_bytes(replace(model, detection=change(model.detection))))
