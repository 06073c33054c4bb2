"""Sparse rows, which are never made dense as a whole."""

import numpy as np
import pytest
import scipy.sparse as sp

from diabolo import Autoencoder, load
from diabolo.errors import DataError, OptionError, ShapeError
from diabolo.network import losses

FAST = {"structure": [32], "epochs": 8, "random_state": 0, "verbose": False}


@pytest.fixture(scope="module")
def words():
    """1,500 rows of 300 zeros and ones, of which those of a row's topic are mostly there."""
    rng = np.random.default_rng(0)
    topics = rng.random((5, 300)) < 0.06
    there = topics[rng.integers(0, 5, 1500)] & (rng.random((1500, 300)) < 0.8)
    return sp.csr_matrix((there | (rng.random((1500, 300)) < 0.004)).astype(np.float32))


@pytest.fixture(scope="module")
def fitted(words):
    return Autoencoder(4, **FAST).fit(words)


def test_sparse_rows_encode_as_the_same_dense_ones(fitted, words, tmp_path):
    dense = words.toarray()
    np.testing.assert_array_equal(fitted.encode(words), fitted.encode(dense))
    np.testing.assert_allclose(fitted.score_samples(sp.csc_array(words)), fitted.score_samples(dense), rtol=1e-6)
    again = load(fitted.save(tmp_path / "m"))
    np.testing.assert_array_equal(again.encode(words), fitted.encode(words))
    out = np.empty((1500, 300), np.float32)
    assert fitted.reconstruct(words, out=out) is not None
    np.testing.assert_allclose(out, fitted.reconstruct(dense), atol=1e-6)


def test_it_learns_what_dense_rows_teach(fitted, words):
    dense = Autoencoder(4, reconstruction_loss="bernoulli", **FAST).fit(words.toarray())
    shares = np.asarray(words.mean(axis=0)).clip(1e-4, 1 - 1e-4)
    constant = -(words @ np.log(shares.T) + (1 - words.toarray()) @ np.log(1 - shares.T)).mean()
    assert -fitted.score(words) < 0.6 * constant
    assert -fitted.score(words) < 1.1 * -dense.score(words.toarray())


def test_the_loss_from_a_draw_of_zeros_is_right_on_average(words, monkeypatch):
    """Against the same loss of the dense rows, written by NumPy from the saved weights."""
    from diabolo.data.sparse import choose_loss, learn
    from diabolo.network import keras_builder, structures
    from diabolo.training import optimizers, sparse

    loss = choose_loss("auto", words).loss
    net = structures.build([16], (300,), latent_dim=3, activation="tanh", bottleneck="plain")
    models = keras_builder.build(net, link=loss.link, seed=0)
    monkeypatch.setattr(sparse, "DRAWN", 64)
    steps = sparse.SparseReconstruction(
        models, net, loss, optimizers.make("adam", 1e-3, "constant", 10), matrix=words, seed=0
    )
    raw = models.raw(learn(words, loss).adapt(words[:40].toarray())).numpy()
    exact = losses.Bernoulli().per_row(words[:40].toarray(), raw, np).mean()
    drawn = []
    for _ in range(300):
        seen = steps._seen(np.arange(40, dtype=np.int32), steps._chance)
        objective = steps._objective(seen, steps._chance, 0.0, training=False)
        drawn.append(float(objective.reconstruction.numpy().mean()))
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert abs(np.mean(drawn) - exact) < 4 * error
    assert error < 0.05 * exact


def test_numbers_that_are_not_zero_and_one_are_compared_by_squares(words):
    rng = np.random.default_rng(1)
    counts = words.copy()
    counts.data = rng.gamma(2.0, 3.0, counts.nnz).astype(np.float32)
    net = Autoencoder(4, corruption="masking:0.2", **FAST).fit(counts)
    assert net.reconstruction_loss_ == "gaussian"
    left = np.square(net.reconstruct(counts) - counts.toarray()).mean()
    assert left < 0.8 * counts.toarray().var()


@pytest.mark.parametrize("bottleneck", ["gaussian:samples=3", "sparse", "ordered"])
def test_other_bottlenecks_go_with_sparse_rows(words, bottleneck):
    net = Autoencoder(4, bottleneck=bottleneck, **(FAST | {"epochs": 1})).fit(words[:200])
    assert np.isfinite(net.encode(words[:10])).all()


@pytest.mark.parametrize(
    ("settings", "change", "error", "message"),
    [
        ({"tied": True}, None, OptionError, "sparse rows need a dense layer first and last"),
        ({"penalty": "mmd:1"}, None, OptionError, "sparse rows go with no penalty"),
        ({"corruption": "gaussian:0.1"}, None, OptionError, "sparse rows can have 'masking' alone"),
        ({"reconstruction_loss": "ssim"}, None, OptionError, "unknown reconstruction_loss for sparse rows 'ssim'"),
        ({}, lambda m: m * np.float32(np.nan), DataError, "with NaN or infinity"),
        ({}, lambda m: m.astype(complex), DataError, "expected real numbers, got complex128"),
        ({}, lambda m: m * np.float32(0), DataError, "with no value other than zero"),
        ({}, lambda m: sp.csr_matrix(m.shape), DataError, "with no value other than zero"),
        ({}, lambda m: m[:0], ShapeError, "with rows and features, got \\(0, 300\\)"),
        ({"reconstruction_loss": "bernoulli"}, lambda m: m * 3, OptionError, "needs values in \\[0, 1\\]"),
    ],
)
def test_what_sparse_rows_cannot_have_is_refused(words, settings, change, error, message):
    with pytest.raises(error, match=message):
        Autoencoder(4, **(FAST | settings)).fit(words if change is None else change(words))


def test_more_than_memory_holds_is_not_made_dense(fitted, words):
    many = sp.vstack([words] * 1200)
    with pytest.raises(ShapeError, match="take fewer rows at a time, or pass out="):
        fitted.reconstruct(many)
