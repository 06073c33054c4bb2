"""The estimator through its public door."""

import copy
import logging
import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import diabolo
from diabolo import Autoencoder
from diabolo.errors import DataError, DivergedError, NotFittedError, OptionError, OutputError, ShapeError
from diabolo.network import layers


def quick(latent_dim=None, **settings):
    return Autoencoder(latent_dim, **{"structure": [8], "epochs": 2, "random_state": 0} | settings)


def test_a_linear_network_comes_near_pca_and_never_below_it(table):
    linear = Autoencoder(
        3, structure=[], learning_rate=0.01, epochs=150, batch_size=32, validation_fraction=0, random_state=0
    ).fit(table)
    scaled = linear.model_.adapter.adapt(table)
    pca = PCA(3).fit(scaled)
    floor = np.square(scaled - pca.inverse_transform(pca.transform(scaled))).mean()
    error = linear.model_.squared_error_per_row(table).mean()
    # Adapters learn in doubles and hand out floats: a hair of room below.
    assert 0.999 * floor <= error <= 1.25 * floor


def test_a_curved_network_beats_pca_on_digits(digits):
    rows, test = digits.x_train[:4000], digits.x_test
    model = Autoencoder(16, epochs=25, random_state=0).fit(rows).model_
    flat, judge = rows.reshape(-1, 784) / 255, test.reshape(-1, 784) / 255
    pca = PCA(16, random_state=0).fit(flat)
    pca_error = np.square(judge - pca.inverse_transform(pca.transform(judge))).mean()
    assert model.squared_error_per_row(test).mean() < 0.7 * pca_error


def test_encode_and_decode_are_numpy_on_the_saved_weights(fitted, digits):
    rows = digits.x_test[:50]
    weights = {name: value.astype(np.float64) for name, value in fitted.model_.weights.items()}
    dense = lambda x, name: x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]  # noqa: E731
    elu = lambda x: np.where(x > 0, x, np.expm1(x))  # noqa: E731
    latents = dense(elu(dense(rows.reshape(-1, 784) / 255, "encoder_2")), "bottleneck")
    np.testing.assert_allclose(fitted.encode(rows), latents, rtol=1e-4, atol=1e-4)
    logits = dense(elu(dense(latents, "decoder_1")), "decoder_2")
    expected = (255 / (1 + np.exp(-logits))).reshape(-1, 28, 28)
    assert np.abs(fitted.reconstruct(rows) - expected).max() <= 0.51  # rounded to bytes
    target = rows.reshape(-1, 784) / 255
    nats = (np.logaddexp(0, logits) - target * logits).sum(axis=1)
    np.testing.assert_allclose(fitted.score_samples(rows), -nats, rtol=1e-4)
    assert fitted.score(rows) == pytest.approx(-nats.mean(), rel=1e-4)


def test_the_history_ends_where_a_score_of_the_same_rows_does(digits):
    rows = digits.x_train[:500]
    net = quick(4, epochs=5, validation_fraction=0, patience=0, learning_rate=1e-9).fit(rows)
    # At a rate of nothing the weights stand still, so every epoch's mean loss is the score of the rows.
    np.testing.assert_allclose(net.history_["loss"], -net.score(rows), rtol=1e-4)


def test_what_comes_out_is_as_what_went_in(digits, rng):
    images = digits.x_train[:100]
    for rows, dtype in (
        (images, np.uint8),
        (images.reshape(100, 784), np.uint8),
        (images[..., None], np.uint8),
        (np.stack([images] * 3, axis=-1), np.uint8),
        (images.astype(np.float32) / 255, np.float32),
        (images.astype(np.float64) / 255, np.float64),
        (rng.integers(0, 2, (100, 12)).astype(bool), np.float32),
        (rng.integers(0, 2, (100, 12)).astype(np.uint8), np.float32),
        (rng.integers(-500, 500, (100, 12)), np.float32),
        (rng.normal(size=(100, 12)).astype(np.float16), np.float32),
    ):
        restored = quick(2, epochs=1).fit(rows).reconstruct(rows[:7])
        assert restored.shape == (7, *rows.shape[1:])
        assert restored.dtype == dtype


def test_scaling_is_learnt_and_undone(table):
    net = Autoencoder(3, structure=[16], epochs=60, random_state=0).fit(table)
    error = np.abs(net.reconstruct(table) - table).mean(axis=0)
    assert (error < 0.5 * table.std(axis=0)).all()  # on columns from 1e-3 to 1e4


def test_scaling_keeps_the_seconds_of_a_time_stamp(rng):
    rows = np.column_stack([1.7e9 + np.arange(64.0), rng.normal(size=64)])
    adapted = quick(1).fit(rows).model_.adapter.adapt(rows)
    assert np.unique(adapted[:, 0]).size == 64


@pytest.mark.parametrize("images", [True, False])
def test_one_row_encodes_the_same_alone_and_in_a_batch(fitted, fitted_table, digits, table, images):
    net, rows = (fitted, digits.x_test[:300]) if images else (fitted_table, table[:300])
    together = net.encode(rows)
    alone = np.concatenate([net.encode(row[None]) for row in rows[:20]])
    np.testing.assert_allclose(alone, together[:20], rtol=1e-4, atol=1e-5)


def test_two_runs_with_one_seed_give_the_same_file_and_another_seed_another(digits, tmp_path):
    rows = digits.x_train[:700]
    options = {"structure": [layers.Dense(units=16), layers.BatchNormalization(), layers.Dropout(rate=0.2)]}
    paths = [
        quick(4, random_state=seed, **options).fit(rows).save(tmp_path / f"{number}")
        for number, seed in enumerate((1, 1, 2))
    ]
    contents = [path.read_bytes() for path in paths]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_the_compiled_program_gives_the_same_bits_twice_and_the_same_loss_as_the_plain_one(digits):
    from diabolo.network import losses, structures
    from diabolo.network.backends.keras import builder as keras_builder
    from diabolo.training import Shard, Spec, train

    network = structures.build([32], (28, 28, 1), latent_dim=8)
    rows = digits.x_train[:1000, ..., None]

    def history(compiled):
        models = keras_builder.build(network, seed=0)
        spec = Spec(
            models=models,
            network=network,
            loss=losses.Bernoulli(),
            optimizer=keras.optimizers.Adam(0.001),
            epochs=3,
            batch_size=64,
            compile=compiled,
        )
        return train(spec, Shard(rows=rows[:900], validation=rows[900:], scale=255.0)).history

    first = history(True)
    assert first == history(True)
    plain = history(False)
    for curve in ("loss", "val_loss"):
        np.testing.assert_allclose(first[curve], plain[curve], rtol=1e-3)


def test_the_loop_computes_what_keras_fit_computes(digits):
    """One epoch in the same order from the same weights, compared with Keras' own trainer."""
    from diabolo.network import losses, structures
    from diabolo.network.backends.keras import builder as keras_builder
    from diabolo.training import Shard, Spec, train

    network = structures.build([32], (784,), latent_dim=8)
    rows = digits.x_train[:640].reshape(-1, 784)
    ours, theirs = keras_builder.build(network, seed=0), keras_builder.build(network, seed=0)
    spec = Spec(
        models=ours,
        network=network,
        loss=losses.Bernoulli(),
        optimizer=keras.optimizers.Adam(0.001),
        epochs=1,
        batch_size=64,
        seed=9,
    )
    outcome = train(spec, Shard(rows=rows, scale=255.0))
    order = np.random.default_rng([9, 0]).permutation(640)
    scaled = (rows[order] / 255).astype(np.float32)
    theirs.raw.compile(
        keras.optimizers.Adam(0.001),
        loss=lambda target, raw: 784 * keras.losses.binary_crossentropy(target, raw, from_logits=True),
    )
    peer = theirs.raw.fit(scaled, scaled, batch_size=64, epochs=1, shuffle=False, verbose=0)
    assert outcome.history["loss"][0] == pytest.approx(peer.history["loss"][0], rel=1e-3)


def test_the_best_weights_are_kept_and_training_ends_early(digits):
    rows = digits.x_train[:300]
    # A rate that overshoots makes the validation loss rise again.
    net = quick(16, structure=[128], epochs=60, patience=3, learning_rate=0.02, learning_rate_schedule="constant").fit(
        rows
    )
    curve = net.history_["val_loss"]
    assert len(curve) < 60
    assert net.best_epoch_ == int(np.argmin(curve)) + 1 == len(curve) - 3
    held = _held_back(net, rows)
    assert -net.score(held) == pytest.approx(min(curve), rel=1e-4)


def _held_back(net, rows):
    from diabolo.data.splits import VALIDATION, split_rows

    return split_rows(rows, net.validation_fraction, net.random_state_, VALIDATION)[1]


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (np.random.default_rng(0).normal(size=(5, 6)), {}),
        (np.random.default_rng(0).normal(size=(1, 6)), {}),
        (np.random.default_rng(0).normal(size=(50, 6)), {"latent_dim": 1}),
        (np.random.default_rng(0).normal(size=(50, 1)), {"latent_dim": 1}),
        (np.full((50, 6), 7.0), {}),
        (np.zeros((50, 6), np.uint8), {}),
        (np.column_stack([np.full(50, 3.3e7), np.random.default_rng(0).normal(size=50)]), {"latent_dim": 1}),
        (np.random.default_rng(0).normal(size=(50, 1, 3)), {"latent_dim": 1}),
        (np.random.default_rng(0).normal(size=(70, 6)) * 1e300, {}),
        (np.random.default_rng(0).normal(size=(70, 6)) * 1e-300, {}),
    ],
    ids=["few", "one row", "one latent", "one feature", "constant", "zero", "part constant", "thin", "huge", "tiny"],
)
def test_unusual_data_trains_and_gives_finite_numbers(rows, settings):
    if rows.size and np.abs(rows).max() > 1e200:
        with pytest.raises(DataError, match="rescale the rows"):
            quick(**settings).fit(rows)
        return
    net = quick(**settings).fit(rows)
    assert np.isfinite(net.encode(rows)).all()
    assert np.isfinite(net.reconstruct(rows)).all()
    assert np.isfinite(net.score(rows))


def test_constant_features_come_back_exactly_and_count_when_they_vary(rng):
    rows = np.column_stack([np.full(200, 4.2e-6), rng.normal(size=(200, 4))])
    net = quick(2).fit(rows)
    np.testing.assert_array_equal(net.reconstruct(rows)[:, 0], 4.2e-6)
    changed = rows.copy()
    changed[:, 0] = 5.0
    assert (net.score_samples(changed) < net.score_samples(rows)).all()


def test_the_loss_is_chosen_from_the_data_and_said(digits, table, caplog):
    with caplog.at_level(logging.INFO, logger="diabolo"):
        assert quick(2).fit(digits.x_train[:200]).reconstruction_loss_ == "bernoulli"
        assert quick(2).fit(table).reconstruction_loss_ == "gaussian"
    assert "reconstruction loss: bernoulli (all in [0, 1], mostly near 0 or 1 (8" in caplog.text
    assert "reconstruction loss: gaussian (values run from" in caplog.text


def test_it_is_an_estimator_of_scikit_learn(table):
    net = quick(3, structure="8-6-3")
    assert clone(net).get_params() == net.get_params()
    with pytest.raises(ValueError, match="latent_dims"):
        net.set_params(latent_dims=2)
    pipeline = make_pipeline(StandardScaler(), net).fit(table)
    assert pipeline.transform(table).shape == (600, 3)
    back = pipeline.inverse_transform(pipeline.transform(table))
    assert back.shape == table.shape
    np.testing.assert_array_equal(net.fit_transform(table), net.transform(table))
    np.testing.assert_array_equal(net.inverse_transform(net.transform(table)), net.reconstruct(table))
    assert net.n_features_in_ == 8


def test_a_generator_as_random_state_draws_a_new_seed_each_time(table):
    generator = np.random.default_rng(3)
    seeds = {quick(2, random_state=generator).fit(table).random_state_ for _ in range(2)}
    assert len(seeds) == 2
    drawn = quick(2, random_state=None).fit(table)
    again = quick(2, random_state=drawn.random_state_).fit(table)
    np.testing.assert_array_equal(drawn.encode(table), again.encode(table))


def test_fit_touches_neither_its_data_nor_global_chance(table):
    before = table.copy()
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    quick(2).fit(table)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    np.testing.assert_array_equal(table, before)


def test_fit_reports_its_progress_and_says_nothing_by_itself(table, capfd):
    seen = []
    quick(2, epochs=3).fit(table, report=seen.append)
    ends = [progress for progress in seen if progress.epoch_done]
    assert [progress.epoch for progress in ends] == [1, 2, 3]
    assert all(progress.step == progress.steps for progress in ends)
    assert capfd.readouterr() == ("", "")


def test_verbose_writes_a_line_an_epoch(table, capsys):
    quick(2, epochs=2, verbose=True).fit(table)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]


def test_settings_of_an_optimizer_follow_a_colon(table):
    norms = [
        sum(np.square(value).sum() for name, value in model.model_.weights.items() if name.endswith("kernel"))
        for model in (quick(3, optimizer=f"adamw:{decay}", epochs=4).fit(table) for decay in (0, 50))
    ]
    assert norms[1] < 0.8 * norms[0]


def test_every_optimizer_of_the_table_learns(table):
    from diabolo.training import OPTIMIZERS

    for optimizer in OPTIMIZERS:
        curve = quick(3, optimizer=optimizer, epochs=4).fit(table).history_["loss"]
        assert curve[-1] < curve[0], optimizer


def test_a_training_that_diverges_says_so(table):
    with pytest.raises(DivergedError, match="learning rate ten times smaller"):
        quick(2, structure=[], optimizer="sgd", learning_rate=1e5, learning_rate_schedule="constant", epochs=30).fit(
            table
        )


def test_save_never_overwrites_unasked(fitted, tmp_path):
    path = fitted.save(tmp_path / "model")
    assert path.name == "model.safetensors"
    with pytest.raises(OutputError, match="force=True"):
        fitted.save(path)
    assert fitted.save(path, force=True) == path
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_loaded_model_is_the_estimator_that_was_saved(fitted, model_path, digits):
    loaded = Autoencoder.load(model_path)
    # A file holds how long was trained, where that was left open.
    assert {**loaded.get_params(), "verbose": 0} == {**fitted.get_params(), "verbose": 0, "patience": 0}
    assert loaded.history_ == fitted.history_
    np.testing.assert_array_equal(loaded.encode(digits.x_test), fitted.encode(digits.x_test))
    np.testing.assert_array_equal(loaded.score_samples(digits.x_test), fitted.score_samples(digits.x_test))


def test_a_loaded_model_names_the_estimator_for_what_only_that_can_do(model_path):
    loaded = diabolo.load(model_path)
    with pytest.raises(AttributeError, match=r"no attribute 'fit': .* which Autoencoder.load\(path\) returns"):
        loaded.fit([[1.0]])
    assert not hasattr(loaded, "nothing")


NAN = np.array([[1.0, 2.0], [3.0, np.nan], [np.inf, 4.0]])


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (NAN, DataError, r"1 that are infinite; the first in row 2, column 0"),
        (np.full((2, 3, 3), np.nan), DataError, "18 that are not; the first is NaN in row 0, y 0, x 0"),
        (np.full((2, 3, 3), np.inf), DataError, "18 that are not; the first is infinity in row 0, y 0, x 0"),
        ([["a", "b"], ["c", "d"]], DataError, "expected numbers, got 'a' in row 0, column 0"),
        (np.array([[1, "x"]], object), DataError, "got 'x' in row 0, column 1"),
        (np.ones((3, 2), complex), DataError, "expected real numbers, got complex128"),
        (np.empty((0, 4)), ShapeError, r"at least 1 row"),
        (np.empty((4, 0)), ShapeError, r"0 feature\(s\)"),
        (np.ones(5), ShapeError, r"one row is row\[None\]"),
        (np.ones((2, 2, 2, 2, 2)), ShapeError, "got 5 axes"),
        (3.0, ShapeError, "got a single value"),
        ([[1.0], [1.0, 2.0]], ShapeError, "rows of one length"),
        ("no-such-set", DataError, "unknown data set"),
    ],
)
def test_bad_rows_are_refused_in_one_line(rows, error, message):
    with pytest.raises(error, match=message) as caught:
        quick(1).fit(rows)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"patience": -1}, "patience must be"),
        ({"validation_fraction": 1.0}, r"in \[0, 1\)"),
        ({"optimizer": "adm"}, "Did you mean 'adam'"),
        ({"optimizer": "adamw:decay=1"}, "optimizer 'adamw:decay=1': unknown setting 'decay'"),
        ({"optimizer": "adam:much"}, "beta_1 must be a number, got 'much'"),
        ({"optimizer": "adam:beta_1=2"}, "beta_1 must be at least 0 and below 1, got 2"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0"),
        ({"learning_rate_schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"reconstruction_loss": "bernouli"}, "Did you mean 'bernoulli'"),
        ({"random_state": -1}, "random_state must be"),
        ({"verbose": "loud"}, "verbose must be"),
        ({"latent_dim": 8}, "choose at most 7"),
        ({"structure": "9-2"}, "write '8-2'"),
        ({"reconstruction_loss": "bernoulli"}, r"needs values in \[0, 1\], got"),
    ],
)
def test_bad_settings_are_refused_in_one_line_at_fit(table, settings, message):
    with pytest.raises(OptionError, match=message) as caught:
        quick(**{"latent_dim": None} | settings).fit(table)
    assert "\n" not in str(caught.value)


def test_verbs_before_fit_say_what_to_do():
    with pytest.raises(NotFittedError, match=r"call fit\(X\) first"):
        Autoencoder(2).encode([[1.0, 2.0]])


def test_rows_unlike_those_of_fit_are_refused(fitted, fitted_table, digits, table):
    with pytest.raises(ShapeError, match="expected 8 features, got 7 features"):
        fitted_table.encode(table[:, :7])
    with pytest.raises(ShapeError, match=r"expected images of 28 x 28 \(784 numbers\), got images of 28 x 27"):
        fitted.encode(digits.x_test[:, :, :27])
    with pytest.raises(ShapeError, match=r"one row is row\[None\]"):
        fitted_table.encode(table[0])
    with pytest.raises(DataError, match=r"pass \(X \* 255\)"):
        fitted.encode(digits.x_test / 255)
    with pytest.raises(DataError, match="expected values from 0 to 255"):
        fitted.encode(digits.x_test.astype(float) * 2)
    with pytest.raises(ShapeError, match=r"latents of shape \(n, 8\) with n >= 1, got \(2, 9\)"):
        fitted.decode(np.zeros((2, 9)))
    with pytest.raises(ShapeError, match=r"latent\[None\]"):
        fitted.decode(np.zeros(8))
    with pytest.raises(DataError, match="finite"):
        fitted.decode(np.full((2, 8), np.nan))
    with pytest.raises(DataError, match="finite"):
        fitted.decode(np.full((2, 8), 1e300))


def test_a_fitted_estimator_pickles_and_copies_before_and_after_use(fitted_table, table):
    expected = fitted_table.encode(table)
    for copied in (copy.deepcopy(fitted_table), pickle.loads(pickle.dumps(fitted_table))):
        np.testing.assert_array_equal(copied.encode(table), expected)


def test_a_search_over_numpy_numbers_works_and_its_best_can_be_saved(table, tmp_path):
    grid = {"batch_size": np.array([16, 64]), "epochs": np.arange(1, 3), "latent_dim": np.array([2])}
    search = GridSearchCV(quick(learning_rate=np.float32(0.01), structure=np.array([6])), grid, cv=2).fit(table)
    path = search.best_estimator_.save(tmp_path / "best")
    assert Autoencoder.load(path).get_params()["structure"] == [6]


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", np.longdouble])
def test_numbers_in_another_byte_order_save_and_load(rng, dtype, tmp_path):
    rows = rng.integers(-50, 50, (60, 5)).astype(dtype)
    net = quick(2).fit(rows)
    loaded = diabolo.load(net.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.encode(rows), net.encode(np.asarray(rows, np.float64)))


def test_a_mask_marks_gaps_as_nan_does(table):
    gaps = np.where(table > np.quantile(table, 0.95), np.nan, table)
    masked = np.ma.masked_invalid(gaps)
    np.testing.assert_array_equal(quick(2).fit(masked).encode(masked), quick(2).fit(gaps).encode(gaps))


def test_numbers_as_text_in_an_object_array_are_not_parsed():
    with pytest.raises(DataError, match="expected numbers, got '1'"):
        quick(1).fit(np.array([["1", "2"], ["3", "4"]], object))


def test_a_value_that_is_too_far_off_is_refused_and_named(fitted_table, table):
    far = table[:3].copy()
    far[1, 2] = 1e200
    with pytest.raises(DataError, match="row 1, feature 2: 1e\\+200 is too far from the rows of fit"):
        fitted_table.encode(far)


def test_bytes_that_are_zeros_and_ones_but_for_one_row_train(rng):
    rows = rng.integers(0, 2, (60, 5)).astype(np.uint8)
    for place in range(0, 60, 7):  # in the training part or in the validation part
        mixed = rows.copy()
        mixed[place, 0] = 255
        assert quick(2, epochs=1).fit(mixed).reconstruct(mixed).dtype == np.uint8


def test_a_loss_is_chosen_that_can_take_the_rows_to_be_judged(rng):
    rows = rng.integers(0, 2, (60, 5)).astype(float)
    assert quick(2).fit(rows).reconstruction_loss_ == "bernoulli"
    assert quick(2).fit(rows, evaluation_rows=rows + 1).reconstruction_loss_ == "gaussian"


def test_many_trainings_in_one_process_say_nothing(table, capfd):
    for _ in range(7):
        quick(2, epochs=1).fit(table)
    assert capfd.readouterr() == ("", "")


def test_the_settings_of_a_record_are_those_of_the_estimator():
    from diabolo.model.settings import SETTINGS

    kept = {name for name, known in SETTINGS.items() if known.types}
    assert kept == set(Autoencoder().get_params()) - {"memory", "verbose"}


def test_epochs_by_partial_fit_are_those_of_one_fit(table):
    settings = {"epochs": 3, "learning_rate_schedule": "constant", "validation_fraction": 0, "random_state": 1}
    whole = quick(3, **settings, corruption="gaussian:0.1").fit(table)
    pieces = quick(3, **settings, corruption="gaussian:0.1")
    for _ in range(3):
        pieces.partial_fit(table)
    np.testing.assert_allclose(pieces.history_["loss"], whole.history_["loss"], rtol=1e-6)
    np.testing.assert_allclose(pieces.encode(table), whole.encode(table), rtol=1e-5, atol=1e-6)


def test_a_loaded_model_learns_more_rows_in_the_scale_of_the_first(fitted_table, table, tmp_path):
    more = Autoencoder.load(fitted_table.save(tmp_path / "first"))
    before = more.score(table[300:])
    for _ in range(5):
        more.partial_fit(table[300:])
    assert more.score(table[300:]) > before
    np.testing.assert_array_equal(more.model_.adapter.scale, fitted_table.model_.adapter.scale)
    assert more.model_.record.rows == fitted_table.model_.record.rows + 5 * 300
    diabolo.load(more.save(tmp_path / "second"))
    with pytest.raises(ShapeError, match="8 features"):
        more.partial_fit(table[:, :5])


def test_what_a_loss_learnt_is_not_forgotten_by_partial_fit(table, tmp_path):
    first = quick(3, reconstruction_loss="gaussian:variance=learnt", epochs=20, learning_rate=0.01).fit(table)
    known = first.model_.learnt["log_var"]
    again = Autoencoder.load(first.save(tmp_path / "first")).set_params(learning_rate=1e-6).partial_fit(table)
    assert np.abs(known).min() > 0.1
    np.testing.assert_allclose(again.model_.learnt["log_var"], known, atol=1e-3)
