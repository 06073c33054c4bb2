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
    for wrong in (np.empty((1501, 300), np.float32), np.empty((1500, 300), int)):
        with pytest.raises(ShapeError, match="out expected"):
            fitted.reconstruct(words, out=wrong)


def test_it_learns_what_dense_rows_teach(fitted, words):
    dense = Autoencoder(4, reconstruction_loss="bernoulli", **FAST).fit(words.toarray())
    shares = np.asarray(words.mean(axis=0)).clip(1e-4, 1 - 1e-4)
    constant = -(words @ np.log(shares.T) + (1 - words.toarray()) @ np.log(1 - shares.T)).mean()
    assert -fitted.score(words) < 0.6 * constant
    assert -fitted.score(words) < 1.1 * -dense.score(words.toarray())


def test_the_loss_from_a_draw_of_zeros_is_right_on_average(words, monkeypatch):
    """Against the same loss of the dense rows, written by NumPy from the saved weights."""
    from diabolo.fitting.sparse_rows import choose_loss, learn
    from diabolo.network import optimizers, structures
    from diabolo.network.backends.keras import builder as keras_builder
    from diabolo.training import sparse_steps

    loss = choose_loss("auto", words).loss
    net = structures.build([16], (300,), latent_dim=3, activation="tanh", bottleneck="plain")
    models = keras_builder.build(net, link=loss.link, seed=0)
    monkeypatch.setattr(sparse_steps, "DRAWN", 64)
    steps = sparse_steps.SparseReconstruction(
        models, net, loss, optimizers.make("adam", 1e-3, "constant", 10), matrix=words, seed=0
    )
    raw = models.raw(learn(words, loss).adapt(words[:40].toarray())).numpy()
    exact = losses.Bernoulli().per_row(words[:40].toarray(), raw, np).mean()
    drawn = []
    for _ in range(300):
        seen = steps._seen(np.arange(40, dtype=np.int32), steps._generator)
        objective = steps._objective(seen, steps._generator, 0.0, training=False)
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
        ({"penalty": "mmd:1"}, None, OptionError, "sparse rows cannot be trained with a penalty"),
        ({"corruption": "gaussian:0.1"}, None, OptionError, "the only corruption for sparse rows is 'masking'"),
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
    with pytest.raises(ShapeError, match="pass fewer rows at a time, or out="):
        fitted.reconstruct(many)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_a_matrix_in_a_file_is_that_matrix(fitted, words, form, tmp_path):
    path = tmp_path / "words.npz"
    sp.save_npz(path, words.asformat(form))
    np.testing.assert_allclose(fitted.encode(path), fitted.encode(words), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fitted.score_samples(str(path)), fitted.score_samples(words), rtol=1e-5)
    if form == "coo":
        settings = FAST | {"epochs": 1}
        from_file, from_matrix = (Autoencoder(4, **settings).fit(each) for each in (path, words))
        np.testing.assert_array_equal(from_file.encode(words), from_matrix.encode(words))
        assert from_file.model_.record.source == "words.npz"
        with pytest.raises(DataError, match="partial_fit\\(\\) expected dense rows, got a sparse matrix"):
            from_file.partial_fit(path)


def test_the_command_line_fits_encodes_and_scores_a_matrix_in_a_file(cli, words, tmp_path):
    import json

    counts = words * 3.0
    sp.save_npz(tmp_path / "counts.npz", counts)
    done = cli("fit", "counts.npz", "--latent", "3", "--epochs", "2", "--structure", "300-16-3", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["rows"] + facts["validation_rows"] + facts["test_rows"] == 1500
    assert facts["test_rows"] == 150
    assert facts["unit"] == "in quadratic means of the values that are not 0"
    model = load(tmp_path / "counts.safetensors")
    assert facts["mean_row_error"] == pytest.approx(words.toarray().var(axis=0).mean(), rel=0.1)  # a mean of 3 is 1
    for verb, ending, expected in (("encode", "latents", model.encode), ("score", "scores", model.score_samples)):
        done = cli(verb, "counts.safetensors", "counts.npz")
        assert done.code == 0, done.err
        written = np.load(tmp_path / f"counts-{ending}.npy")
        np.testing.assert_allclose(np.abs(written), np.abs(expected(counts)), rtol=1e-4, atol=1e-5)
    done = cli("score", "counts.npz", "-o", "other.npy")
    assert done.code == 2
    assert "counts.npz is a sparse matrix" in done.err
    sp.save_npz(tmp_path / "wide.npz", sp.hstack([counts, counts]))
    done = cli("encode", "counts.safetensors", "wide.npz")
    assert done.code == 2
    assert "expected 300 features, got 600 features" in done.err


def test_wide_rows_are_judged_by_fewer_of_them(words):
    from diabolo.data.splits import HELD_BACK_DIVISOR, hold_back_sparse

    judged = hold_back_sparse(words, 0.5, 0, limit=HELD_BACK_DIVISOR * 300 * 4 * 20)
    assert judged.test.shape == judged.sample.shape == (20, 300)
    assert judged.train.shape == (1480, 300)
    assert judged.test.sum() + judged.train.sum() == words.sum()
    with pytest.raises(OptionError, match="needs values in \\[0, 1\\]"):
        Autoencoder(4, reconstruction_loss="bernoulli", **FAST).fit(judged.train, evaluation_rows=judged.test * 2)


BROKEN = {
    "a place outside": ({"indices": [0, 9]}, "its indices reach from 0 to 9, expected 0 to 2"),
    "a place below 0": ({"indices": [-1, 1]}, "its indices reach from -1 to 1"),
    "lines that end before 0": ({"indptr": [0, 1, -9]}, "its indptr are not the bounds of 2 lines"),
    "lines that go back": (
        {"indptr": np.array([0, 3, 2], np.uint32)},
        "its indptr are not the bounds of 2 lines",
    ),
    "too few numbers": ({"data": [1.0]}, "it has 1 numbers and places of 1 or 2"),
    "a shape without end": ({"shape": [2, 10**15]}, "unpacks to 8e\\+03 TB, more than"),
    "no shape": ({"shape": [2]}, "its shape is \\[2\\], expected rows and features"),
    "text": ({"data": ["a", "b"]}, "its data are <U1 of shape \\(2,\\), expected a line of numbers"),
    "pickles": ({"data": np.array([1, "b"], object)}, "it is a pickle"),
    "another format": ({"format": b"dia"}, "its format is 'dia', expected csr, csc, coo: save matrix.tocsr\\(\\)"),
    "nothing but a header": ({"format": b"coo"}, "row is not a file in the archive"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_file_that_holds_no_sound_matrix_is_refused_in_one_line(fitted, name, tmp_path):
    change, message = BROKEN[name]
    whole = {"format": b"csr", "shape": [2, 3], "data": [1.0, 2.0], "indices": [0, 1], "indptr": [0, 1, 2]}
    np.savez(tmp_path / "rows.npz", **{key: np.asarray(value) for key, value in (whole | change).items()})
    for verb in (fitted.encode, Autoencoder(1, **FAST).fit):
        with pytest.raises(DataError, match=message) as refused:
            verb(tmp_path / "rows.npz")
        assert "\n" not in str(refused.value)


def test_a_place_that_is_named_twice_counts_as_the_sum():
    rows = sp.random(200, 12, 0.2, "csr", rng=0, dtype=np.float32)
    twice = sp.csr_matrix((np.repeat(rows.data / 2, 2), np.repeat(rows.indices, 2), 2 * rows.indptr), rows.shape)
    settings = {"structure": [8], "epochs": 2, "random_state": 0, "verbose": False}
    one, other = (Autoencoder(3, **settings).fit(each) for each in (rows, twice))
    np.testing.assert_array_equal(other.encode(rows), one.encode(rows))
    np.testing.assert_array_equal(other.encode(twice), one.encode(rows))
    assert twice.nnz == 2 * rows.nnz  # it is the caller's, and stays as it was
