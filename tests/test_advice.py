"""Advice on optimizers before any training, learning-rate range tests, and the error against the size of the latent."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import diabolo
from diabolo import Autoencoder
from diabolo.errors import OptionError
from diabolo.fitting.automatic import advice
from diabolo.network.structures import build
from diabolo.search import error_by_size, range_test
from diabolo.search.sizes import knee

RACES = Path(__file__).parents[1] / "benchmarks" / "races.csv"


def facts(level, **given):
    """Facts of a problem, all of one size but for some."""
    return dict.fromkeys(advice.FACTS, level) | given


def test_facts_are_what_the_rows_and_the_network_are_made_of(rng):
    # Four directions of one variance, two thirds of the columns empty.
    rows = np.zeros((800, 12), np.float32)
    rows[:, :4] = np.linalg.qr(rng.normal(size=(800, 4)))[0]
    rows[:, :4] -= rows[:, :4].mean(axis=0)
    rows[:, :4] = np.linalg.qr(rows[:, :4])[0]
    network = build("dense 64-32", (12,), latent_dim=2, activation="tanh")
    found = advice.facts(network, rows, rows=800, batch_size=50, epochs=10, bounded=True)
    assert 10 ** found["log_rank"] == pytest.approx(4, rel=1e-3)
    assert found["zeros"] == pytest.approx(8 / 12)
    assert (found["depth"], found["bounded"], found["saturating"]) == (3, 1, 1)
    assert [10 ** found[name] for name in ("log_rows", "log_steps", "log_width", "log_latents", "log_batch")] == (
        pytest.approx([800, 160, 64, 2, 50])
    )


def test_a_line_that_the_facts_draw_is_found_and_not_followed_beyond_what_was_seen(rng):
    known = rng.normal(size=(400, len(advice.FACTS)))
    count = len(advice.candidates())
    excess = np.full((400, count), 0.45)
    excess[:, 7] = 0.25 + 0.1 * known[:, 0]  # good where the first fact is low
    excess[:, 31] = 0.25 - 0.1 * known[:, 0]
    lines = advice.learn([f"p{at}" for at in range(400)], known, excess, [str(at % 20) for at in range(400)])
    assert lines.spread[7] < 0.01
    pairs = advice.candidates()
    for first, best in ((-2.0, pairs[7]), (2.0, pairs[31])):
        said = advice.advise_by(lines, facts(0.0, **{advice.FACTS[0]: first}))
        assert (said.answers[0].optimizer, said.answers[0].learning_rate) == (best[0], advice.rate_of(*best))
        assert said.answers[0].excess == pytest.approx(math.expm1(0.05), abs=0.02)
    most = known[:, 0].max()
    far, edge = (advice.advise_by(lines, facts(0.0, **{advice.FACTS[0]: at})) for at in (1e6, most))
    assert far.answers == edge.answers
    # What is not known counts as usual.
    unknown = advice.advise_by(lines, facts(math.nan))
    assert unknown.answers[0].excess == pytest.approx(math.expm1(0.25), abs=0.02)


def test_the_problems_most_like_are_named():
    known = np.array([[level] * len(advice.FACTS) for level in (1.0, 2.0, 3.0, 9.0)])
    lines = advice.Lines(["a", "b", "c", "d"], known, np.zeros(50), np.zeros((len(advice.FACTS), 50)), np.ones(50))
    assert advice.advise_by(lines, facts(2.9)).alike == ["c", "b", "a"]


def of_races():
    """Return (names, data, facts, excess) of the trainings next to the benchmark, by itself."""
    with RACES.open(newline="") as file:
        lines = list(csv.DictReader(file))
    names = list(dict.fromkeys(line["problem"] for line in lines))
    errors = np.array([[float(line["error"]) for line in lines if line["problem"] == name] for name in names])
    firsts = [next(line for line in lines if line["problem"] == name) for name in names]
    known = np.array([[float(line[fact]) for fact in advice.FACTS] for line in firsts])
    excess = np.minimum(np.log(errors / errors.min(axis=1, keepdims=True)), advice.MAX_LOG_EXCESS)
    return names, [line["data"] for line in firsts], known, excess


def test_the_lines_of_the_package_are_those_of_the_races():
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    names, _, known, excess = of_races()
    carried = advice.packaged_regression()
    assert carried.names == names
    ridge = Ridge(advice.RIDGE).fit(StandardScaler().fit_transform(known), excess)
    np.testing.assert_allclose(carried.slopes, ridge.coef_.T, atol=2e-4)
    np.testing.assert_allclose(carried.base, ridge.intercept_, atol=2e-4)


def test_the_first_choice_on_unseen_rows_is_nearer_to_the_best_than_adam_at_its_usual_rate():
    names, data, known, excess = of_races()
    pairs = {(name, advice.rate_of(name, times)): at for at, (name, times) in enumerate(advice.candidates())}
    ours = []
    for at, kind in enumerate(data):
        others = [other for other, each in enumerate(data) if each != kind]
        lines = advice.learn(
            [names[each] for each in others], known[others], excess[others], [data[each] for each in others]
        )
        first = advice.advise_by(lines, dict(zip(advice.FACTS, known[at], strict=True))).answers[0]
        ours.append(excess[at, pairs[first.optimizer, first.learning_rate]])
    adam = excess[:, advice.candidates().index(("adam", 1.0))]
    assert np.mean(ours) < 0.5 * np.mean(adam)
    assert np.median(ours) < np.median(adam)


def test_an_estimator_lets_the_optimizer_be_chosen(table, tmp_path, caplog):
    settings = {"structure": [16], "random_state": 0, "verbose": False}
    with caplog.at_level("INFO", logger="diabolo"):
        model = Autoencoder(3, optimizer="auto", epochs=30, **settings).fit(table)
    said = model.model_.record.settings
    assert said["optimizer"] in advice.NAMES
    assert said["learning_rate"] > 0
    assert model.optimizer_reason_.startswith(said["optimizer"])
    assert any(f"optimizer: {said['optimizer']}" in record.getMessage() for record in caplog.records)
    # What was chosen, asked for by name, is the same training.
    named = Autoencoder(3, optimizer=said["optimizer"], learning_rate=said["learning_rate"], epochs=30, **settings)
    np.testing.assert_array_equal(named.fit(table).encode(table), model.encode(table))
    loaded = Autoencoder.load(model.save(tmp_path / "model"))
    assert loaded.optimizer == said["optimizer"]


def test_a_short_training_and_one_in_parts_go_by_the_advice_alone(table):
    settings = {"structure": [16], "random_state": 0, "verbose": False}
    first = Autoencoder(3, epochs=4, **settings).advise(table).answers[0]
    short = Autoencoder(3, optimizer="auto", epochs=4, **settings).fit(table).model_.record.settings
    assert (short["optimizer"], short["learning_rate"]) == (first.optimizer, first.learning_rate)
    parts = Autoencoder(3, optimizer="auto", epochs=4, **settings).partial_fit(table).partial_fit(table)
    assert parts.model_.record.settings["optimizer"] in advice.NAMES


def test_a_rate_together_with_auto_is_refused(table):
    with pytest.raises(OptionError, match="optimizer='auto' chooses the rate as well: leave learning_rate out"):
        Autoencoder(optimizer="auto", learning_rate=0.1).fit(table)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_rate_of_a_range_test_trains_better_than_far_lower_and_higher_ones(table, optimizer):
    settings = {"latent_dim": 3, "structure": [32]}
    found = range_test(table, optimizer=optimizer, random_state=0, **settings)
    assert found.rates == sorted(found.rates)
    assert min(found.losses) < 0.7 * found.losses[0]
    losses = []
    for rate in (found.learning_rate / 100, found.learning_rate, found.learning_rate * 100):
        model = Autoencoder(
            optimizer=optimizer, learning_rate=rate, epochs=15, random_state=0, verbose=False, patience=0, **settings
        )
        try:
            losses.append(min(model.fit(table).history_["val_loss"]))
        except diabolo.DivergedError:
            losses.append(math.inf)
    assert losses[1] == min(losses)


def test_the_knee_is_where_a_curve_bends():
    # Each of four latents takes a factor of ten; what comes after is noise.
    assert knee([(0, 1.0), (1, 0.1), (2, 0.01), (3, 1e-3), (4, 1e-4), (8, 0.99e-4), (16, 0.98e-4)]) == 4
    assert knee([(0, 1.0), (3, 0.5)]) == 3


def test_more_latents_than_factors_gain_little_and_none_beats_pca_on_flat_rows(rng):
    rows = rng.normal(size=(1000, 4)) @ rng.normal(size=(4, 20)) + 0.1 * rng.normal(size=(1000, 20))
    seen = []
    found = error_by_size(
        rows, [1, 2, 4, 8], epochs=60, learning_rate=0.01, structure=[64], random_state=0, report=seen.append
    )
    assert [each.latents for each in found.points] == [1, 2, 4, 8]
    assert seen == found.points
    assert found.knee == 4
    assert found.mean_row_error == pytest.approx(1, rel=0.1)
    assert found.points[0].error < found.mean_row_error
    for point in found.points[:3]:
        assert 0.9 * point.pca_error < point.error < point.pca_error + 0.02
    with pytest.raises(OptionError, match="sizes must be whole numbers of at least 1"):
        error_by_size(rows, [0])
    with pytest.raises(OptionError, match="tries several latent_dim: give `sizes`"):
        error_by_size(rows, latent_dim=3)


def test_the_command_line_advises_without_tensorflow(cli, run, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    out = cli("advise", "rows.npy", "--latent", "3", "--epochs", "60", cwd=tmp_path).out
    first = Autoencoder(3, epochs=60).advise(table).answers[0]
    chosen = f"--optimizer {first.optimizer} --learning-rate {first.learning_rate:g}"
    assert f"try: diabolo fit rows.npy --latent 3 --epochs 60 {chosen}" in out
    said = json.loads(cli("advise", "rows.npy", "--latent", "3", "--epochs=60", "--json", cwd=tmp_path).out)
    assert said["answers"][0]["optimizer"] == first.optimizer
    script = "import sys, diabolo; diabolo.Autoencoder(3).advise(__import__('numpy').load('rows.npy'));"
    assert run("-c", script + "print('tensorflow' in sys.modules)", cwd=tmp_path).out.strip() == "False"


def test_a_sparse_matrix_is_advised_on_and_only_a_race_refuses_it(cli, tmp_path):
    matrix = sparse.random(300, 40, 0.1, format="csr", random_state=0)
    sparse.save_npz(tmp_path / "rows.npz", matrix)
    out = cli("advise", "rows.npz", "--latent", "3", cwd=tmp_path).out
    first = Autoencoder(3).advise(matrix).answers[0]
    assert f"--optimizer {first.optimizer} --learning-rate {first.learning_rate:g}" in out
    assert "diabolo race" not in out
    raced = cli("race", "rows.npz", cwd=tmp_path)
    assert raced.code == 2
    assert "needs dense rows" in raced.err


def test_the_command_line_tests_rates_and_sizes_and_draws_them(cli, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    # A network that begins as PCA may have nothing left to learn from so simple a table.
    options = ("--latent", "3", "--structure", "dense")
    out = cli("rates", "rows.npy", *options, "--picture", "rates.png", cwd=tmp_path).out
    assert "try: diabolo fit rows.npy --latent 3 --structure dense --optimizer adamw:0.1 --learning-rate 0." in out
    out = cli("sizes", "rows.npy", "--sizes", "1,2,3", "--epochs", "5", "-p", "sizes.png", cwd=tmp_path).out
    assert "try: diabolo fit rows.npy --epochs 5 --latent " in out
    for name in ("rates.png", "sizes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    refused = cli("sizes", "rows.npy", "--sizes", "1,two", cwd=tmp_path)
    assert refused.code == 2
    assert "--sizes must be whole numbers with commas between, such as 2,8,32, got '1,two'" in refused.err
