"""The weights that a training begins with against scikit-learn's PCA, and how long a training is by default."""

import math

import numpy as np
import pytest
from sklearn import datasets
from sklearn.decomposition import PCA

from diabolo import Autoencoder
from diabolo.fitting import plan, prepare, start
from diabolo.fitting.training import _even
from diabolo.model.settings import Settings
from diabolo.training.engines import Compiled, Numpy


@pytest.fixture(scope="module")
def wine():
    rows = datasets.load_wine().data
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


def rows_through(network, weights, rows):
    """Return the raw numbers of a network of skips, written out: each hands its input on next to its own numbers."""

    def through(steps, numbers):
        for step in steps:
            kernel, bias = (weights[f"{step.layer.name}/{name}"] for name in ("kernel", "bias"))
            made = numbers @ kernel + bias
            numbers = (
                np.concatenate([numbers, np.where(made > 0, made, np.expm1(made))], axis=1)
                if step.layer.kind == "skip"
                else made
            )
        return numbers

    return through(network.decoder_steps, through(network.encoder_steps, rows))


def drawn_and_started(prepared, seed=0):
    """Return all weights of a training before its first step: Numpy draws those that are not set."""
    from diabolo.training.engines import dense

    weights = dense.Weights(prepared.network, np.random.default_rng(seed))
    weights.take(start.weights(prepared.network, prepared.loss.loss, prepared.shard))
    return weights.by_name(weights.values)


@pytest.mark.parametrize("bottleneck", ["plain", "refined", "ordered"])
def test_a_training_begins_as_pca(wine, bottleneck):
    prepared = prepare(wine, Settings(latent_dim=4, bottleneck=bottleneck, validation_fraction=0, random_state=0))
    found = rows_through(prepared.network, drawn_and_started(prepared), wine)
    pca = PCA(4).fit(wine)
    np.testing.assert_allclose(found, pca.inverse_transform(pca.transform(wine)), atol=2e-5)


def test_wide_rows_begin_as_pca_up_to_random_projections():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 1200)) + 0.01 * rng.normal(size=(200, 1200))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    prepared = prepare(rows, Settings(latent_dim=3, structure="skip 8", validation_fraction=0, random_state=0))
    found = rows_through(prepared.network, drawn_and_started(prepared), rows)
    pca = PCA(3, svd_solver="full").fit(rows)
    np.testing.assert_allclose(found, pca.inverse_transform(pca.transform(rows)), atol=2e-3)


def test_rows_held_back_do_not_count(wine):
    settings = Settings(latent_dim=4, validation_fraction=0.3, random_state=0)
    prepared = prepare(wine, settings)
    known = prepared.shard.training()
    found = rows_through(prepared.network, drawn_and_started(prepared), known)
    pca = PCA(4).fit(known)
    np.testing.assert_allclose(found, pca.inverse_transform(pca.transform(known)), atol=2e-5)


@pytest.mark.parametrize("loss", ["bernoulli", "huber"])
def test_other_losses_begin_below_that_of_the_best_constant(loss):
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(500, 2))
    rates = np.exp(0.5 * hidden @ rng.normal(size=(2, 12)))
    rows = {"bernoulli": (rates > 1).astype(float), "huber": rates}[loss]
    settings = Settings(latent_dim=2, reconstruction_loss=loss, validation_fraction=0, random_state=0)
    prepared = prepare(rows, settings)
    known, weights = prepared.shard.training().astype(np.float64), drawn_and_started(prepared)
    raw = rows_through(prepared.network, weights, known)
    last = prepared.network.decoder_steps[-1].layer.name
    constant = np.broadcast_to(weights[f"{last}/bias"], raw.shape)
    ours, theirs = (prepared.loss.loss.per_row(known, each, np).mean() for each in (raw, constant))
    assert ours < 0.95 * theirs


def test_a_table_of_several_kinds_begins_below_the_best_constant():
    import pandas as pd

    rng = np.random.default_rng(2)
    hidden = rng.normal(size=(600, 2))
    frame = pd.DataFrame(
        {
            "size": hidden[:, 0] + 0.1 * rng.normal(size=600),
            "weight": 2 * hidden[:, 0] + 0.1 * rng.normal(size=600),
            "colour": np.where(hidden[:, 1] > 0.5, "red", np.where(hidden[:, 1] > -0.5, "green", "blue")),
            "heavy": hidden[:, 0] > 0.3,
            "level": np.where(hidden[:, 1] > 0, "high", "low"),
        }
    )
    prepared = prepare(frame, Settings(latent_dim=2, validation_fraction=0, random_state=0))
    known, weights = prepared.shard.training(), drawn_and_started(prepared)
    raw = rows_through(prepared.network, weights, known)
    constant = np.broadcast_to(weights[f"{prepared.network.decoder_steps[-1].layer.name}/bias"], raw.shape)
    ours, theirs = (prepared.loss.loss.per_row(known, each, np).mean() for each in (raw, constant))
    assert ours < 0.6 * theirs


@pytest.mark.parametrize(
    "settings",
    [
        {"structure": "dense"},
        {"structure": "dense 32, skip 32"},
        {"structure": "skip 16", "bottleneck": "gaussian"},
        {"structure": "skip 16", "bottleneck_activation": "tanh"},
        {"structure": []},
        {"reconstruction_loss": "poisson"},
    ],
    ids=str,
)
def test_networks_without_a_linear_path_begin_as_drawn(wine, settings):
    prepared = prepare(np.round(np.abs(wine)), Settings(latent_dim=3, random_state=0, **settings))
    assert start.weights(prepared.network, prepared.loss.loss, prepared.shard) == {}


@pytest.mark.parametrize("engine", [Numpy(), Compiled()], ids=["Numpy", "Compiled"])
def test_engines_begin_with_these_weights(wine, engine):
    # At a rate of almost 0 the first epoch changes nothing.
    model = Autoencoder(4, epochs=1, learning_rate=1e-9, validation_fraction=0, random_state=0, verbose=False)
    model.fit(wine, engine=engine)
    pca = PCA(4).fit(wine)
    np.testing.assert_allclose(model.reconstruct(wine), pca.inverse_transform(pca.transform(wine)), atol=1e-4)


def test_a_small_table_is_not_reconstructed_worse_than_by_pca():
    # The median of five seeds; benchmarks/against_pca.py has 30 such tables.
    rows, gains = datasets.load_wine().data, []
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(rows)
        held, rest = mixed[:35], mixed[35:]
        mean, spread = rest.mean(axis=0), rest.std(axis=0)
        held, rest = (held - mean) / spread, (rest - mean) / spread
        pca = PCA(3).fit(rest)
        theirs = np.square(held - pca.inverse_transform(pca.transform(held))).sum()
        model = Autoencoder(3, random_state=seed, verbose=False).fit(rest)
        gains.append(1 - np.square(held - model.reconstruct(held)).sum() / theirs)
    assert np.median(gains) > -0.02


@pytest.mark.parametrize(("rows", "epochs", "patience"), [(100, 1500, 0), (2_000, 104, 0), (30_000, 50, 10)])
def test_few_rows_are_trained_for_3000_steps(rows, epochs, patience):
    X = np.random.default_rng(0).normal(size=(rows, 10))
    found = plan(X, Settings(random_state=0)).settings
    assert (found.epochs, found.patience) == (epochs, patience)
    steps = math.ceil(math.ceil(0.9 * rows) / 64)
    assert epochs == max(50, math.ceil(3_000 / steps))


def test_large_networks_are_not_trained_for_longer_than_they_were():
    X = np.random.default_rng(0).normal(size=(300, 3_000))
    assert plan(X, Settings(structure="dense 4000-4000", random_state=0)).settings.epochs == 50


def test_what_a_user_asks_for_stays():
    X = np.random.default_rng(0).normal(size=(100, 10))
    found = plan(X, Settings(epochs=7, patience=3, random_state=0)).settings
    assert (found.epochs, found.patience) == (7, 3)
    assert plan(X, Settings(epochs=7, random_state=0)).settings.patience == 0


def test_the_steps_of_an_epoch_are_about_equally_large():
    from diabolo.data.shard import Shard

    for rows in (1, 63, 64, 65, 129, 1_000):
        size = _even(64, Shard(rows=np.zeros((rows, 1), np.float32)))
        sizes = [min(size, rows - at) for at in range(0, rows, size)]
        assert len(sizes) == math.ceil(rows / 64)
        assert max(sizes) <= 64
        assert sizes[-1] >= size - len(sizes)
