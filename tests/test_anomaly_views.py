"""The views of a row that an anomaly score joins, each against a library that does not share its code."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from scipy.stats import spearmanr
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from diabolo import AnomalyDetector, Autoencoder
from diabolo.anomaly import ellipse, forest, learning, linear, near, scoring, tails
from diabolo.data.adapters import Statistics
from diabolo.model.detection import Pool

QUIET = {"random_state": 0, "verbose": False}
SHORT = Autoencoder(1, epochs=2, allow_overcomplete=True, verbose=False)


def factors(rng, count, columns=8):
    """Normal rows of three factors, with correlated columns."""
    mix = np.random.default_rng(5).normal(size=(3, columns))
    return rng.normal(size=(count, 3)) @ mix + 0.5 * rng.normal(size=(count, columns))


def pool_of(places):
    return Pool(places.astype(np.float32), near.keys_of(places))


# Near rows.


def test_the_distance_to_a_pool_is_the_mean_of_those_to_the_nearest_rows_of_its_blocks(rng):
    pool, rows = rng.normal(size=(333, 5)).astype(np.float32), rng.normal(size=(50, 5))
    logs = []
    edges = np.linspace(0, 333, 8, endpoint=False).astype(int)
    for step in (1, 2, 4, 8):
        blocks = np.split(pool, edges[::step][1:])
        nearest = [NearestNeighbors(n_neighbors=1).fit(each).kneighbors(rows)[0][:, 0] for each in blocks]
        logs.append(np.log(np.mean(nearest, axis=0) + 1e-6))
    found = near.distances(pool_of(pool), rows, near.keys_of(rows))
    np.testing.assert_allclose(found, np.mean(logs, axis=0), rtol=1e-6)


def test_a_row_of_the_pool_is_not_compared_with_itself(rng):
    pool = rng.normal(size=(40, 3)).astype(np.float32)
    found = near.distances(pool_of(pool), pool.astype(np.float64), near.keys_of(pool))
    away = cdist(pool, pool)
    np.fill_diagonal(away, np.inf)
    # The block of a row may hold it alone, and then does not count: blocks of one row differ, so compare the whole.
    assert (found >= np.log(away.min(axis=1)) - 1e-6).all()
    assert (near.distances(pool_of(pool), pool.astype(np.float64), [b""] * 40) < found).all()


def test_the_scales_of_the_space_are_those_of_all_training_rows(rng):
    joined = rng.normal(3, [1, 2, 5, 1, 1, 0.1, 0.2, 0.3], size=(500, 8)).astype(np.float32)
    what = near.Described.of(joined, 3)
    space = near.space_of(Statistics.of(joined), what, None)
    np.testing.assert_allclose(space.values.width, joined[:, :3].std(axis=0), rtol=1e-4)
    np.testing.assert_allclose(space.latents.center, joined[:, 3:5].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(space.residuals, np.sqrt(np.square(joined[:, 5:]).mean(axis=0)) + 1e-2, rtol=1e-4)
    places = near.places(space, what)
    assert places[:, :3].var(axis=0).sum() == pytest.approx(1, rel=0.01)
    assert places[:, 3:].var(axis=0).sum() == pytest.approx(1, rel=0.01)
    owned = near.space_of(Statistics.of(joined), what, np.array([0, 1, 1]))
    assert owned.values.width[1] == owned.values.width[2] == pytest.approx(np.sqrt(2**2 + 5**2), rel=0.1)


# The forest.


def test_a_forest_ranks_rows_as_that_of_scikit_learn_does(rng):
    train = factors(rng, 2_000)
    rows = np.concatenate([factors(rng, 500), 3 * factors(rng, 500)])
    theirs = -IsolationForest(random_state=0).fit(train).score_samples(rows)
    ours = forest.isolation(forest.grow(train, np.random.default_rng(0)).forest, rows)
    assert spearmanr(ours, theirs).statistic > 0.97
    np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=0.02)  # both in the units of the paper


def test_a_row_goes_down_a_tree_as_its_cuts_say(rng):
    rows = rng.normal(size=(60, 4))
    grown = forest.grow(rows, np.random.default_rng(0)).forest
    depths = []
    for columns, cuts, leaves in zip(*grown, strict=True):
        node = 0
        while node < len(cuts):
            node = 2 * node + 1 + int(np.float32(rows[7, columns[node]]) > cuts[node])
        depths.append(leaves[node - len(cuts)])
    np.testing.assert_allclose(forest.isolation(grown, rows[7:8]), 2 ** -np.mean(depths), rtol=1e-6)


def test_rows_are_scored_by_trees_that_were_not_grown_from_them(rng):
    rows = rng.normal(size=(30, 2))
    rows[0] += 8
    grown = forest.grow(rows, np.random.default_rng(0))
    assert (grown.grown_from.sum(axis=1) == 15).all()
    without = forest.isolation(grown.forest, rows, grown.grown_from)
    assert np.argmax(without) == 0
    assert without[1:].mean() > forest.isolation(grown.forest, rows)[1:].mean()  # a known row lies deeper


def test_all_values_of_a_category_are_cut_as_often_as_one_column(rng):
    levels = np.eye(20)[rng.integers(0, 20, 1_000)]
    rows, owners = np.concatenate([rng.normal(size=(1_000, 1)), levels], axis=1), np.repeat([0, 1], [1, 20])
    first = forest.grow(rows, np.random.default_rng(0), owners).forest.columns[:, 0]
    assert 0.35 < (first == 0).mean() < 0.65
    assert (forest.grow(rows, np.random.default_rng(0)).forest.columns[:, 0] == 0).mean() < 0.2


# The ellipse.


def test_the_distance_from_an_ellipse_is_that_of_mahalanobis(rng):
    rows = factors(rng, 400)
    found = ellipse.fit(rows, np.random.default_rng(0))
    covariance = (found.axes * found.variances[:-1]) @ found.axes.T
    expected = [mahalanobis(each, found.center, np.linalg.inv(covariance)) for each in rows[:20]]
    np.testing.assert_allclose(np.exp(ellipse.distances(found, rows[:20])), expected, rtol=1e-6)


def test_an_ellipse_of_all_rows_is_shrunk_as_ledoit_and_wolf_say(rng):
    rows = factors(rng, 60)
    found = ellipse._around(rows, np.eye(8))
    covariance = (found.axes * found.variances[:-1]) @ found.axes.T
    np.testing.assert_allclose(covariance, LedoitWolf().fit(rows).covariance_, rtol=1e-5, atol=1e-6)


def test_a_fifth_of_wild_rows_does_not_move_an_ellipse(rng):
    rows = factors(rng, 1_000)
    clean = ellipse.fit(rows, np.random.default_rng(0))
    wild = np.concatenate([rows, 30 + rng.normal(size=(180, 8))])
    moved = ellipse.fit(wild, np.random.default_rng(0))
    assert np.abs(moved.center - clean.center).max() < 0.3
    assert np.exp(ellipse.distances(moved, wild[1_000:])).min() > 10


def test_many_columns_have_as_many_axes_as_matter(rng):
    rows = rng.normal(size=(500, 5)) @ rng.normal(size=(5, 200)) + 0.01 * rng.normal(size=(500, 200))
    found = ellipse.fit(rows, np.random.default_rng(0))
    assert found.axes.shape == (200, 64)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(64), atol=1e-8)
    off = rows[:50] + 0.1 * rng.normal(size=(50, 200))
    assert roc_auc_score(np.repeat([0, 1], 50), ellipse.distances(found, np.concatenate([rows[:50], off]))) > 0.99


# Tails, and what is joined of them.


def test_the_height_of_a_value_is_minus_the_log_of_the_share_of_values_above(rng):
    values = rng.normal(size=20_000)
    known = tails.of_values([values])
    at = np.array([-1.0, 0.0, 1.0, 2.0])
    shares = [(values >= each).mean() for each in at]
    np.testing.assert_allclose(np.exp(-tails.height(known, 0, at)), shares, rtol=0.1)
    exponential = tails.of_values([rng.exponential(2, 20_000)])
    np.testing.assert_allclose(tails.height(exponential, 0, np.array([20.0])), 10, rtol=0.05)


def test_values_that_many_rows_share_have_their_mean_height():
    known = tails.of_values([np.repeat([0.0, 1.0], [700, 300])])
    low, high = tails.height(known, 0, np.array([0.0, 1.0]))
    assert 0 < low < -np.log(0.3) < high
    assert (np.diff(known.heights) >= 0).all()


def test_heights_are_joined_by_the_harmonic_mean_of_their_shares(rng):
    views = [rng.normal(size=500) for _ in range(3)]
    known = tails.of_values(views)
    shares = [np.exp(-tails.height(known, at, each)) for at, each in enumerate(views)]
    harmonic = 1 / (0.5 / shares[0] + 0.25 / shares[1] + 0.25 / shares[2])
    np.testing.assert_allclose(np.exp(-tails.joined(known, views)), harmonic, rtol=1e-9)


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.3, 0.5])
def test_the_probability_of_training_rows_is_the_contamination_in_the_mean(rng, contamination):
    scores = rng.gamma(2, size=100_000)
    known = tails.of_values([scores] * 4)
    assert tails.probability(known, scores, contamination).mean() == pytest.approx(contamination, rel=0.05)


# The detector.


@pytest.mark.parametrize("count", [200, 3_000])
def test_probabilities_of_new_normal_rows_are_the_contamination_in_the_mean(count):
    rng = np.random.default_rng(1)
    detector = AnomalyDetector(**QUIET).fit(factors(rng, count))
    assert detector.probability(factors(rng, 5_000)).mean() == pytest.approx(0.1, abs=0.03)


def test_probabilities_do_not_overstate_and_say_more_than_the_share_of_anomalies():
    rng = np.random.default_rng(2)

    def mixed(count):
        odd = rng.random(count) < 0.1
        rows = factors(rng, count)
        rows[odd] = rng.permuted(rows[odd], axis=0) * 1.5  # each column about as it is, no row as one
        return rows, odd

    train, _ = mixed(3_000)
    rows, odd = mixed(4_000)
    stated = AnomalyDetector(contamination=0.1, **QUIET).fit(train).probability(rows)
    assert brier_score_loss(odd, stated) < 0.7 * odd.mean() * (1 - odd.mean())
    shares = []
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 1.01)):
        some = (stated >= low) & (stated < high)
        shares.append(odd[some].mean())
        assert shares[-1] > stated[some].mean() - 0.1  # cautious: anomalies here stand out clearly
    assert (np.diff(shares) > 0).all()


def test_the_names_of_scikit_learn_and_pyod_say_the_same(rng):
    rows = factors(rng, 400)
    detector = AnomalyDetector(SHORT, random_state=0).fit(rows)
    np.testing.assert_array_equal(detector.decision_scores_, -detector.score_samples(rows))
    np.testing.assert_array_equal(detector.labels_, (detector.predict(rows) == -1).astype(int))
    assert detector.threshold_ == -detector.offset_
    assert detector.labels_.sum() == 40
    both = detector.predict_proba(rows)
    np.testing.assert_allclose(both.sum(axis=1), 1)
    np.testing.assert_array_equal(both[:, 1], detector.probability(rows))


def test_what_is_not_in_a_file_is_not_there_after_load(rng, tmp_path):
    detector = AnomalyDetector(SHORT, random_state=0).fit(factors(rng, 60))
    again = AnomalyDetector.load(detector.save(tmp_path / "d"))
    assert again.threshold_ == detector.threshold_
    assert not hasattr(again, "decision_scores_")


@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_few_rows_are_enough(rng, count):
    rows = rng.normal(size=(count, 3))
    detector = AnomalyDetector(Autoencoder(1, epochs=2, verbose=False), random_state=0).fit(rows)
    assert np.isfinite(detector.score_samples(rows)).all()
    assert np.isfinite(detector.probability(rows + 5)).all()


def test_equal_rows_constant_columns_and_zeros_and_ones_have_scores(rng):
    for rows in (
        np.ones((50, 3)),
        (rng.random((200, 4)) < 0.5).astype(float),
        np.repeat(rng.normal(size=(9, 2)), 9, 0),
    ):
        detector = AnomalyDetector(SHORT, random_state=0).fit(rows)
        assert np.isfinite(detector.score_samples(rows)).all()
        assert detector.predict(rows[:1] + 30)[0] == -1


def test_one_row_has_the_score_that_it_has_among_others(rng):
    rows = factors(rng, 1_500)
    detector = AnomalyDetector(Autoencoder(3, epochs=5, verbose=False), random_state=0).fit(rows[:1_000])
    together = detector.score_samples(rows)
    alone = [detector.score_samples(rows[at : at + 1])[0] for at in range(0, 1_500, 100)]
    np.testing.assert_allclose(alone, together[::100], rtol=1e-5)


def test_an_unseen_level_and_a_missing_cell_are_scored(rng):
    frame = pd.DataFrame(factors(rng, 500, 3)).add_prefix("x").assign(kind=rng.choice(["a", "b", "c"], 500))
    frame.loc[::11, "x1"] = np.nan
    detector = AnomalyDetector(Autoencoder(2, epochs=5, verbose=False), random_state=0).fit(frame)
    scores = detector.score_samples(frame)
    assert np.isfinite(scores).all()
    gone = np.isnan(frame["x1"].to_numpy())
    assert abs((detector.predict(frame)[gone] == -1).mean() - 0.1) < 0.15  # a missing cell is not an anomaly


# Cells that are named.


def agreeing(rng, count):
    """Ten columns of four factors; the second agrees with the first."""
    mix = np.random.default_rng(6).normal(size=(4, 10))
    rows = rng.normal(size=(count, 4)) @ (mix / np.linalg.norm(mix, axis=0)) + rng.normal(size=(count, 10))
    rows[:, 1] = rows[:, 0] + 0.3 * rng.normal(size=count)
    return rows


@pytest.mark.parametrize("seed", [0, 1])
def test_a_broken_correlation_is_found_and_its_columns_are_named(seed):
    rng = np.random.default_rng(seed)
    train, planted = agreeing(rng, 200), agreeing(rng, 600)
    assert np.corrcoef(train[:, :2].T)[0, 1] > 0.95
    planted = planted[np.abs(planted[:, 0] - train[:, 0].mean()) > train[:, 0].std()]  # else hardly anything changes
    planted[:, 0] = 2 * train[:, 0].mean() - planted[:, 0]
    detector = AnomalyDetector(random_state=seed, verbose=False).fit(train)
    assert np.isin(detector.explain(planted).scores.argmax(axis=1), (0, 1)).mean() >= 0.9
    ordinary = agreeing(rng, len(planted))
    scores = -detector.score_samples(np.concatenate([ordinary, planted]))
    assert roc_auc_score(np.repeat([0, 1], len(planted)), scores) > 0.95


def test_a_cell_is_predicted_as_by_a_linear_regression_on_the_others():
    rng = np.random.default_rng(0)
    train, rows = factors(rng, 3_000), factors(rng, 50)
    detector = AnomalyDetector(Autoencoder(1, epochs=1, verbose=False), random_state=0).fit(train)
    assert detector.model.detection.linear
    expected = detector.explain(rows).expected
    for column in range(8):
        theirs = LinearRegression().fit(np.delete(train, column, 1), train[:, column])
        away = expected[:, column] - theirs.predict(np.delete(rows, column, 1))
        assert np.abs(away).mean() < 0.15 * train[:, column].std()  # values are predicted through a logarithm


def test_what_a_cell_adds_is_what_its_prediction_takes_from_the_squared_distance(rng):
    detector = AnomalyDetector(Autoencoder(1, epochs=1, verbose=False), random_state=0).fit(factors(rng, 500))
    model, detection, rows = detector.model, detector.model.detection, factors(rng, 5)
    found = linear._split(detection, linear._squashed(model, detection, rows))
    squashed = linear._squashed(model, detection, rows)
    before = np.exp(2 * ellipse.distances(detection.ellipse, squashed))
    for column in range(8):
        changed = squashed.copy()
        changed[:, column] = found.expected[:, column]
        after = np.exp(2 * ellipse.distances(detection.ellipse, changed))
        np.testing.assert_allclose(found.scores[:, column], (before - after) / 2, rtol=1e-6, atol=1e-6)


def test_a_network_that_predicts_better_explains_the_cells(rng):
    a, b = rng.uniform(-1.5, 1.5, (2, 1_000))
    sheet = np.column_stack([a, b, a * b, np.sin(2 * a), np.cos(2 * b), a**2 - b]) + 0.05 * rng.normal(size=(1_000, 6))
    assert not AnomalyDetector(Autoencoder(2, verbose=False), random_state=0).fit(sheet).model.detection.linear


def test_scores_in_parts_are_those_of_all_rows(rng, monkeypatch):
    rows = factors(rng, 3_000)
    detector = AnomalyDetector(Autoencoder(3, epochs=2, verbose=False), random_state=0).fit(rows)
    whole = detector.score_samples(rows)
    monkeypatch.setattr(scoring, "NUMBERS_AT_ONCE", 1_000)
    np.testing.assert_allclose(detector.score_samples(rows), whole, rtol=1e-9)


# Explanations as frames and as HTML.


def explained(frame_of, rng):
    """A detector of a frame with two columns that agree, a level that may be anything, and rows with wrong cells."""
    first = rng.normal(size=300)
    columns = {"a <b>": first, "b": first + 0.05 * rng.normal(size=300), "kind": list("xy" * 150)}
    wrong = {"a <b>": [0.0, 5.0, 0.1], "b": [0.0, 0.0, 0.1], "kind": ["x", "y", "x"]}
    detector = AnomalyDetector(Autoencoder(2, epochs=100, verbose=False), random_state=0).fit(frame_of(columns))
    return detector.explain(frame_of(wrong))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_an_explanation_is_a_frame_of_the_library_of_the_rows(library, rng):
    module = pytest.importorskip(library)
    frame_of = module.table if library == "pyarrow" else module.DataFrame
    found = explained(frame_of, rng)
    frame = found.to_frame()
    assert type(frame).__module__.partition(".")[0] == library
    rows = (
        frame.to_pylist()
        if library == "pyarrow"
        else frame.to_dict("records")
        if library == "pandas"
        else frame.to_dicts()
    )
    assert list(rows[0]) == ["row", "column", "value", "expected", "score"]
    assert rows[0]["row"] == 1
    assert rows[0]["column"] in ("a <b>", "b")
    assert {each["row"] for each in rows} == {1}
    scores = [each["score"] for each in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == found.scores.max()
    assert min(scores) >= 3
    assert len(found.to_frame(least=scores[0] + 1)) == 0


def test_an_explanation_of_an_array_has_numbers(rng):
    rows = factors(rng, 300)
    detector = AnomalyDetector(Autoencoder(3, epochs=20, verbose=False), random_state=0).fit(rows)
    wrong = rows[:5].copy()
    wrong[3, 2] += 30
    frame = detector.explain(wrong).to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.loc[0, ["row", "column", "value"]].tolist() == [3, "2", wrong[3, 2]]
    assert frame["expected"].dtype == float


def test_an_explanation_in_html_is_escaped_and_limited(rng):
    found = explained(pd.DataFrame, rng)
    text = found._repr_html_()
    assert text == found.to_html()
    assert "<b>" not in text
    assert text.count("<tr>") == 1 + len(found.to_frame())
    everything = found._replace(scores=np.full((3, 3), 9.0)).to_html()
    assert everything.count("<tr>") == 10
    many = found._replace(
        names=("c",), scores=np.full((150, 1), 9.0), expected=np.zeros((150, 1)), values=np.ones((150, 1))
    )
    assert "50 more with lower scores" in many.to_html()
    assert "no anomalous cells" in found.to_html(least=1e9)
    names = found._replace(names=("<script>x</script>",) * 3, scores=np.full((3, 3), 9.0)).to_html()
    assert "<script>" not in names


# Rows in parts.


def test_facts_of_rows_in_parts_are_those_of_all_rows_at_once(rng):
    rows = factors(rng, 6_000)
    model = AnomalyDetector(SHORT, random_state=0).fit(rows[:500]).model
    whole = learning.learn(model, lambda: iter([rows]), 3, some=50)
    parts = learning.learn(model, lambda: iter(np.array_split(rows, 7)), 3, some=50)
    np.testing.assert_array_equal(parts.some, whole.some)
    assert parts.detection.pool.keys == whole.detection.pool.keys
    np.testing.assert_allclose(parts.scores, whole.scores, atol=1e-5)
    np.testing.assert_allclose(parts.as_new, whole.as_new, atol=1e-5)
    assert len(whole.detection.pool.keys) == learning.POOL
    assert len(whole.as_new) == learning.SAMPLE


def test_rows_drawn_at_random_come_in_the_order_of_the_draw(rng):
    rows, which = rng.normal(size=(100, 2)), rng.permutation(100)[:30]
    first, second = learning._taken(iter(np.array_split(rows, 9)), which, which[::-1])
    np.testing.assert_array_equal(first, rows[which])
    np.testing.assert_array_equal(second, rows[which[::-1]])
