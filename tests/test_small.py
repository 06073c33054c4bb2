"""Training of small dense networks in NumPy, held against Keras and PCA."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from diabolo import AnomalyDetector, Autoencoder
from diabolo.data.shard import Shard
from diabolo.errors import DivergedError
from diabolo.network.corruptions import Masking
from diabolo.network.losses import Bernoulli, Gaussian, Huber, Mixed, Poisson
from diabolo.network.structures import build
from diabolo.training import checkpoints
from diabolo.training.engines import Compiled, Job, Numpy, Trained, dense, numpy

SETTINGS = {"epochs": 30, "batch_size": 64, "seed": 3}


@pytest.fixture(scope="module")
def rows():
    """600 rows of 8 numbers made of 3, standardised, with noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(600, 8))
    return ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)


def train(network, rows, held=None, *, hidden=0.0, loss=None, report=lambda progress: None, **settings) -> Trained:
    """Train in NumPy, with AdamW under a cosine."""
    job = Job(
        network=network,
        loss=loss or Gaussian(),
        corruption=Masking(share=hidden) if hidden else None,
        penalty=None,
        shard=Shard(rows=rows, validation=held),
        **{"optimizer": "adamw:0.1", "learning_rate": 1e-3, "schedule": "cosine", "patience": 0, "seed": 0} | settings,
    )
    return Numpy().train(job, report)


def first_weights(network, seed):
    weights = dense.Weights(network, np.random.default_rng([seed, 2]))
    return weights.by_name(weights.values)


def forward(network, weights, rows):
    """The network written out once more: elu is x above 0 and exp(x) - 1 below."""
    for step in network.steps:
        rows = rows @ weights[f"{step.layer.name}/kernel"] + weights[f"{step.layer.name}/bias"]
        if step.layer.activation == "elu":
            rows = np.where(rows > 0, rows, np.expm1(rows))
    return rows


def test_its_steps_are_those_of_keras(rows):
    import keras

    from diabolo.network.backends.keras import builder as keras_builder

    network = build("dense", (8,), latent_dim=3)
    # A batch is all rows, so that their order does not matter.
    ours = train(network, rows, epochs=40, batch_size=len(rows), seed=5)
    models = keras_builder.build(network, link="linear", seed=0)
    start = first_weights(network, 5)
    keras_builder.set_weights(models, network, start)
    falling = keras.optimizers.schedules.CosineDecay(1e-3, decay_steps=40)
    models.autoencoder.compile(
        keras.optimizers.AdamW(falling, weight_decay=0.1),
        loss=lambda there, back: keras.ops.sum(keras.ops.square(there - back), axis=1) / 2,
    )
    losses = models.autoencoder.fit(rows, rows, batch_size=len(rows), epochs=40, verbose=0).history["loss"]
    np.testing.assert_allclose(ours.history["loss"], losses, rtol=1e-4)
    for name, value in keras_builder.get_weights(models, network).items():
        np.testing.assert_allclose(ours.weights[name], value, atol=1e-4)
        assert np.abs(value - start[name]).max() > 1e-3


TABLE = Mixed(
    gaussian=2,
    poisson=1,
    bernoulli=1,
    levels=(3,),
    factors=(1.0, 2.0, 0.5, 1.5, 0.7, 0.7, 0.7),
    owners=(0, 1, 2, 3, 4, 4, 4),
    flags=5,
)
EVERY = {
    "gaussian": (Gaussian(), "elu", "adamw:0.1", "cosine"),
    "bernoulli": (Bernoulli(), "relu", "adam", "constant"),
    "huber": (Huber(delta=0.5), "tanh", "adam:beta_1=0.8,epsilon=1e-4", "cosine"),
    "poisson": (Poisson(unit=2.5), "softplus", "adamw", "cosine"),
    "a table": (TABLE, "leaky_relu", "adamw:0.1", "cosine"),
    "sigmoid": (Gaussian(), "sigmoid", "adamw:0.1", "cosine"),
}


def rows_for(loss, rng):
    """60 rows that suit a loss."""
    if loss == TABLE:
        flags = (rng.random((60, 5)) < 0.2).astype(np.float32)
        levels = np.eye(3)[rng.integers(0, 3, 60)]
        parts = [rng.normal(size=(60, 2)), rng.poisson(3, (60, 1)), rng.random((60, 1)) < 0.4, levels]
        numbers = np.concatenate(parts, axis=1) * (1 - flags[:, list(TABLE.owners)])
        return np.concatenate([numbers, flags], axis=1).astype(np.float32)
    drawn = {"bernoulli": rng.random((60, 12)) < 0.6, "poisson": rng.poisson(2, (60, 12)) / 2}
    return drawn.get(loss.kind, rng.normal(size=(60, 12))).astype(np.float32)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_numpy_and_tensorflow_take_the_same_steps(name, wide, monkeypatch):
    if wide:  # ONNX Runtime multiplies
        monkeypatch.setattr(numpy, "WIDE", 0)
    loss, activation, optimizer, schedule = EVERY[name]
    rows = rows_for(loss, np.random.default_rng(0))
    network = build([9], (12,), latent_dim=3, activation=activation)
    # Biases other than 0, because TensorFlow's gradient of max(raw, 0) and |raw| is not exact where raw is 0.
    start = {each: value + np.float32(0.01) for each, value in first_weights(network, 0).items()}
    job = Job(
        network=network,
        loss=loss,
        corruption=None,
        penalty=None,
        shard=Shard(rows=rows, validation=rows[:20]),
        optimizer=optimizer,
        learning_rate=0.01,
        schedule=schedule,
        epochs=25,
        batch_size=len(rows),  # so that the order of rows does not matter
        patience=0,
        seed=0,
        weights=start,
    )
    assert numpy.is_wide(job) == wide
    ours, theirs = Numpy().train(job), Compiled(compile=False).train(job)
    for curve in ("loss", "val_loss"):
        np.testing.assert_allclose(ours.history[curve], theirs.history[curve], rtol=2e-4)
        assert ours.history[curve][-1] < 0.95 * ours.history[curve][0]
    for each, value in theirs.weights.items():
        np.testing.assert_allclose(ours.weights[each], value, atol=2e-3)


@pytest.mark.parametrize("hidden", [0.0, 0.3])
def test_a_training_that_is_stopped_at_any_step_goes_on_to_the_same_bits(rows, hidden, monkeypatch):
    monkeypatch.setattr(numpy, "SECONDS_BETWEEN", 0)  # a state after each step
    network, states = build("dense", (8,), latent_dim=3), []
    settings = {"epochs": 4, "batch_size": 100, "hidden": hidden}

    def keep(progress, state):
        states.append(checkpoints.from_bytes(checkpoints.to_bytes(state(), "it"))[0])

    whole = train(network, rows, rows[:90], keep=keep, **settings)
    assert len(states) == 4 * 6
    for state in states[3::4]:
        again = train(network, rows, rows[:90], restored=state, **settings)
        assert again.history == whole.history
        for name, value in whole.weights.items():
            np.testing.assert_array_equal(again.weights[name], value)


@pytest.mark.parametrize("grey", [True, False])  # False: all are predicted well, and little loss is left
def test_the_loss_of_likely_and_unlikely_bits_is_exact(grey):
    rng = np.random.default_rng(0)
    raw = np.concatenate([rng.normal(size=(50, 13)), 200 * rng.normal(size=(50, 13))]).astype(np.float32)
    target = rng.random(raw.shape).astype(np.float32) if grey else (raw > 0).astype(np.float32)
    lost, slope = dense.compare(Bernoulli(), target, raw)
    wide = raw.astype(np.float64)
    expected = (np.logaddexp(0, wide) - wide * target).sum()
    assert lost == pytest.approx(expected, rel=2e-6)
    np.testing.assert_allclose(slope, np.exp(-np.logaddexp(0, -wide)) - target, atol=3e-7)


def test_a_report_may_train_a_network_of_its_own(rows):
    network, inner = build("dense", (8,), latent_dim=3), []

    def report(progress):
        inner.append(train(network, rows, epochs=1, batch_size=64))

    train(network, rows, epochs=2, batch_size=64, report=report)
    assert len(inner) == 2


def test_cells_of_a_table_are_hidden_together_and_marked_as_missing():
    rows = np.concatenate([np.ones((5000, 7)), np.zeros((5000, 5))], axis=1).astype(np.float32)
    seen = dense.hidden(rows, 0.3, TABLE.cells, np.random.default_rng(0))
    flags = seen[:, 7:]
    np.testing.assert_array_equal(seen[:, :7], 1 - flags[:, list(TABLE.owners)])
    np.testing.assert_allclose(flags.mean(axis=0), 0.3, atol=0.03)


def test_a_linear_network_is_about_as_good_as_pca(rows):
    network = build("8-3-8", (8,))
    found = train(network, rows, epochs=1500, batch_size=64, seed=0)
    pca = PCA(3).fit(rows)
    least = np.square(pca.inverse_transform(pca.transform(rows)) - rows).mean()
    error = np.square(forward(network, found.weights, rows) - rows).mean()
    assert least <= error < 1.1 * least


def test_the_weights_are_those_of_the_best_epoch_and_patience_ends_it(rows):
    network, held = build("dense", (8,), latent_dim=3), rows[:100]
    few = rows[100:130]  # so few that they are soon learnt by heart
    found = train(network, few, held, epochs=900, batch_size=10, patience=20, seed=0)
    curve = found.history["val_loss"]
    assert len(curve) == found.best_epoch + 20 < 900
    assert found.best_epoch == int(np.argmin(curve)) + 1
    cost = np.square(forward(network, found.weights, held) - held).sum(axis=1).mean() / 2
    assert cost == pytest.approx(curve[found.best_epoch - 1], rel=1e-4)


def test_an_epoch_that_is_as_good_as_the_best_is_no_better():
    rows, reported = np.zeros((300, 5), np.float32), []
    found = train(build("dense", (5,)), rows, rows, epochs=60, batch_size=64, patience=5, report=reported.append)
    assert (len(found.history["loss"]), found.best_epoch) == (6, 1)
    assert [each.epoch for each in reported] == [1, 2, 3, 4, 5, 6]


def test_trainings_in_threads_leave_blas_as_it_was(rows):
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_info

    before = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
    network = build("dense", (8,), latent_dim=3)
    with ThreadPoolExecutor(3) as several:
        found = list(several.map(lambda _: train(network, rows, **SETTINGS), range(3)))
    assert [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"] == before
    for name, value in found[0].weights.items():
        np.testing.assert_array_equal(value, found[2].weights[name])


def test_hidden_numbers_are_predicted_better_after_training_on_masked_rows(rows):
    network = build("dense", (8,), latent_dim=3)
    hole = rows.copy()
    hole[:, 2] = 0
    away = []
    for share in (0.0, 0.2):
        weights = train(network, rows, hidden=share, **SETTINGS | {"epochs": 100}).weights
        away.append(np.square(forward(network, weights, hole) - rows)[:, 2].mean())
    assert away[1] < 0.75 * away[0]


def test_one_seed_gives_the_same_weights_and_another_gives_others(rows):
    network = build("dense", (8,), latent_dim=3)
    first, again, other = (train(network, rows, **SETTINGS | {"seed": seed}) for seed in (3, 3, 4))
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, again.weights[name])
    assert not np.array_equal(first.weights["encoder_1/kernel"], other.weights["encoder_1/kernel"])


def test_rows_that_cannot_be_computed_with_are_said_to_diverge(rows):
    network = build("dense", (8,), latent_dim=3)
    with pytest.raises(
        DivergedError, match=r"training diverged in epoch 1, by step 10 of 10: .* look for extreme values"
    ):
        train(network, rows * np.float32(1e25), None, **SETTINGS)


def test_a_detector_of_numbers_loads_no_tensorflow_and_others_do(run, rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    script = (
        "import sys, numpy, diabolo; rows = numpy.load('rows.npy')\n"
        "detector = diabolo.AnomalyDetector(random_state=0).fit(rows)\n"
        "detector.score_samples(rows); detector.explain(rows[:3]); detector.save('d')\n"
        "print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = run("-c", script)
    assert done.out.strip() == "False", done.err
    np.testing.assert_array_equal(
        AnomalyDetector.load(tmp_path / "d.safetensors").score_samples(rows),
        AnomalyDetector(random_state=0).fit(rows).score_samples(rows),
    )


def test_a_detector_says_the_same_whoever_trained_it(rows):
    anomalies = rows[:50].copy()
    anomalies[:25] = anomalies[:25][:, np.random.default_rng(1).permutation(8)]
    inner = Autoencoder(3, random_state=0, verbose=False)
    both = [
        AnomalyDetector(each).fit(rows[50:]).score_samples(anomalies)
        # A rate that is named is another training than NumPy's, with the same number.
        for each in (inner, Autoencoder(3, learning_rate=0.001, random_state=0, verbose=False))
    ]
    assert np.corrcoef(both[0], both[1])[0, 1] > 0.9
