import re

import keras
import numpy as np
import pytest
from scipy import ndimage, special, stats

from diabolo import Autoencoder
from diabolo.errors import OptionError
from diabolo.network import links, losses
from diabolo.parts import from_text


@pytest.fixture
def target_and_raw(rng):
    return rng.random((5, 3, 2)), rng.normal(0, 4, (5, 3, 2))


def test_bernoulli_is_the_cross_entropy_of_probabilities(target_and_raw):
    target, raw = target_and_raw
    p = 1 / (1 + np.exp(-raw))
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(axis=(1, 2))
    np.testing.assert_allclose(losses.Bernoulli().per_row(target, raw, np), expected)


def test_bernoulli_stays_exact_where_probabilities_round_to_one():
    loss = losses.Bernoulli().per_row(np.array([[0.0], [1.0]]), np.array([[300.0], [300.0]]), np)
    np.testing.assert_allclose(loss, [300.0, 0.0], atol=1e-9)


def test_gaussian_is_the_likelihood_of_unit_variance_less_its_constant(target_and_raw):
    target, raw = target_and_raw
    constant = 6 * np.log(2 * np.pi) / 2
    expected = -stats.norm.logpdf(target, raw, 1).sum(axis=(1, 2)) - constant
    np.testing.assert_allclose(losses.Gaussian().per_row(target, raw, np), expected)


def test_a_learnt_variance_is_that_of_the_likelihood(target_and_raw, rng):
    target, raw = target_and_raw
    log_var = rng.normal(size=2)
    constant = 6 * np.log(2 * np.pi) / 2
    expected = -stats.norm.logpdf(target, raw, np.exp(log_var / 2)).sum(axis=(1, 2)) - constant
    loss = losses.Gaussian(variance="learnt").per_row(target, raw, np, {"log_var": log_var})
    np.testing.assert_allclose(loss, expected)


def test_huber_is_that_of_scipy(target_and_raw):
    target, raw = target_and_raw
    expected = special.huber(0.7, target - raw).sum(axis=(1, 2))
    np.testing.assert_allclose(losses.Huber(delta=0.7).per_row(target, raw, np), expected)


def test_poisson_is_the_likelihood_of_counts_with_what_it_leaves_out(rng):
    counts, raw = rng.poisson(3.0, (5, 4)), rng.normal(size=(5, 4))
    loss = losses.Poisson().with_mean(2.5)
    expected = -stats.poisson.logpmf(counts, 2.5 * np.exp(raw)).sum(axis=1)
    target = counts / 2.5
    np.testing.assert_allclose(loss.per_row(target, raw, np) + loss.left_out(target), expected)
    seen = np.maximum(counts, 1) / 2.5
    np.testing.assert_allclose(loss.per_row(seen, np.log(seen), np), 0, atol=1e-12)  # a perfect reconstruction


def test_categorical_is_the_cross_entropy_of_a_softmax(rng):
    target, raw = special.softmax(rng.normal(size=(5, 3, 4)), axis=-1), rng.normal(0, 5, (5, 3, 4))
    expected = -(target * special.log_softmax(raw, axis=-1)).sum(axis=(1, 2))
    np.testing.assert_allclose(losses.Categorical().per_row(target, raw, np), expected)


@pytest.mark.parametrize("size", [(20, 15), (7, 30), (5, 3), (1, 1)])
def test_ssim_is_that_of_its_definition(size, rng):
    target, raw = rng.random((3, *size, 2)), rng.normal(0, 2, (3, *size, 2))
    shown = special.expit(raw)
    window = tuple(min(7, n) for n in size)
    inside = tuple(slice(n // 2, length - (n - 1) // 2) for n, length in zip(window, size, strict=True))

    def mean(values):
        return ndimage.uniform_filter(values, (0, *window, 0))[:, *inside]

    spread = mean(target**2) - mean(target) ** 2, mean(shown**2) - mean(shown) ** 2
    together = mean(target * shown) - mean(target) * mean(shown)
    alike = (2 * mean(target) * mean(shown) + 1e-4) / (mean(target) ** 2 + mean(shown) ** 2 + 1e-4)
    alike *= (2 * together + 9e-4) / (spread[0] + spread[1] + 9e-4)
    expected = np.prod(target.shape[1:]) * (1 - alike.mean(axis=(1, 2, 3))) / 2
    np.testing.assert_allclose(losses.Ssim().per_row(target, raw, np), expected, rtol=1e-6)


def test_links_are_those_of_scipy_and_never_overflow():
    raw = np.array([[-1e4, -60.0, -3.0], [0.5, 60.0, 1e4]])
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(links.sigmoid(raw), special.expit(raw), rtol=1e-12)
        np.testing.assert_allclose(links.clipped_sigmoid(raw, np), special.expit(raw), rtol=1e-12, atol=1e-26)
        np.testing.assert_allclose(links.softmax(raw), special.softmax(raw, axis=1), rtol=1e-12)
        np.testing.assert_allclose(links.minus_log_softmax(raw, np), -special.log_softmax(raw, axis=1), rtol=1e-12)
        np.testing.assert_allclose(links.rate(raw, np), np.exp(np.minimum(raw, 50)), rtol=1e-12)


EVERY = [*losses.LOSSES, "gaussian:variance=learnt"]


@pytest.mark.parametrize("words", EVERY)
def test_training_and_scoring_compute_the_same_number(words, rng):
    loss = from_text("loss", losses.LOSSES, words)
    target, raw = rng.random((5, 9, 8, 2)).astype("f"), rng.normal(0, 2, (5, 9, 8, 2)).astype("f")
    learnt = {name: rng.normal(size=shape).astype("f") for name, shape in loss.weights((9, 8, 2)).items()}
    tensors = [keras.ops.convert_to_tensor(array) for array in (target, raw)]
    trained = loss.per_row(*tensors, keras.ops, learnt)
    np.testing.assert_allclose(loss.per_row(target, raw, np, learnt), trained, rtol=1e-5)


@pytest.mark.parametrize("words", EVERY)
def test_an_image_tiled_to_twice_its_size_costs_as_much_a_feature(words, rng):
    loss = from_text("loss", losses.LOSSES, words)
    target, raw = rng.random((4, 32, 32, 2)), rng.normal(0, 2, (4, 32, 32, 2))
    learnt = {name: rng.normal(size=shape) for name, shape in loss.weights((32, 32, 2)).items()}
    small = loss.per_row(target, raw, np, learnt)
    large = loss.per_row(*(np.tile(array, (1, 2, 2, 1)) for array in (target, raw)), np, learnt)
    # Windows over the seam see what no window of the small image sees.
    np.testing.assert_allclose(large / 4, small, rtol=0.02 if words == "ssim" else 1e-9)


def test_numbers_that_do_not_count_cost_nothing(target_and_raw, rng):
    target, raw = target_and_raw
    counts = (rng.random(target.shape) < 0.5).astype(float)
    for loss in (losses.Bernoulli(), losses.Gaussian(), losses.Huber(), losses.Poisson()):
        full = loss.each(target, raw, np)
        np.testing.assert_allclose(loss.per_row(target, raw, np, None, counts), (full * counts).sum(axis=(1, 2)))
        changed = np.where(counts == 1, target, 0.5)
        np.testing.assert_allclose(
            loss.per_row(changed, raw, np, None, counts), loss.per_row(target, raw, np, None, counts)
        )


def test_a_variance_learnt_in_training_is_that_of_the_noise(rng):
    factor = rng.normal(size=(4000, 1))
    noise = np.array([0.1, 0.3, 0.6, 1.0])
    rows = factor * [1, -1, 1, 1] + noise * rng.normal(size=(4000, 4))
    model = Autoencoder(
        1, structure=[], reconstruction_loss="gaussian:variance=learnt", epochs=60, learning_rate=0.01, random_state=0
    ).fit(rows)
    learnt = np.exp(model.model_.weights["loss/log_var"] / 2) * rows.std(axis=0)
    left = (rows - model.reconstruct(rows)).std(axis=0)  # what the network does not explain, by NumPy
    # The one latent becomes the column with the least noise, whose variance falls to the limit.
    np.testing.assert_allclose(learnt[1:], left[1:], rtol=0.1)
    assert learnt[0] < 0.01


def test_counts_come_back_as_counts_would_be_expected(rng):
    rate = np.exp(rng.normal(size=(3000, 1)) * [0.5, -0.5, 0.3, 0.8, 0.1] + [0, 1, 2, 3, 4])
    rows = rng.poisson(rate)
    model = Autoencoder(1, structure=[32], reconstruction_loss="poisson", epochs=60, learning_rate=3e-3, random_state=0)
    model.fit(rows)
    restored = model.reconstruct(rows)
    assert (restored > 0).all()
    assert np.corrcoef(np.log(restored[:, 3]), np.log(rate[:, 3]))[0, 1] > 0.9
    np.testing.assert_allclose(restored.mean(axis=0), rows.mean(axis=0), rtol=0.05)
    with pytest.raises(OptionError, match="needs counts, 0 or more, got -1 to"):
        Autoencoder(1, reconstruction_loss="poisson").fit(rows - 1)


@pytest.mark.parametrize(
    ("words", "rows", "message"),
    [
        ("ssim", np.zeros((9, 12)), "'ssim' needs images"),
        ("categorical", np.zeros((9, 6, 4)), "of rows (places, levels) pass X[:, :, None, :]"),
        ("categorical", np.random.default_rng(0).random((9, 12)), "needs shares that sum to"),
        ("huber:delta=0", np.zeros((9, 12)), "expected delta above 0, got delta=0.0"),
        ("gaussian:variance=big", np.zeros((9, 12)), "variance 'fixed' or 'learnt'"),
        ("hubre", np.zeros((9, 12)), "Did you mean 'huber'?"),
        (None, np.zeros((9, 12)), "reconstruction_loss must be a text such as 'bernoulli', got None"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_in_one_line(words, rows, message):
    with pytest.raises(OptionError, match=re.escape(message)) as caught:
        Autoencoder(2, reconstruction_loss=words).fit(rows)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (np.random.default_rng(0).integers(0, 2, (100, 5)), "bernoulli"),
        (np.random.default_rng(0).random((100, 5)), "gaussian"),
        (np.random.default_rng(0).normal(size=(100, 5)), "gaussian"),
        (np.full((100, 5), 0.5), "gaussian"),
        (np.zeros((100, 5)), "gaussian"),
    ],
    ids=["zeros and ones", "uniform", "normal", "constant", "zero"],
)
def test_the_loss_is_chosen_by_how_near_the_data_are_to_zeros_and_ones(rows, kind):
    assert losses.choose(rows.min(), rows.max(), rows.mean(), rows.var()).loss.kind == kind


def test_digits_are_odds_and_the_reason_says_how_much(digits):
    values = digits.x_train / 255
    choice = losses.choose(values.min(), values.max(), values.mean(), values.var())
    assert choice.loss.kind == "bernoulli"
    assert "84%" in choice.reason


@pytest.mark.parametrize("mean", [1.0, 1e5])
def test_the_loss_of_large_counts_is_that_of_doubles_and_an_outlier_has_one(rng, mean):
    rows = rng.poisson(mean * np.array([1.0, 2.0, 3.0]), (300, 3)).astype(np.float64)
    settings = {"reconstruction_loss": "poisson", "structure": [4], "epochs": 3, "random_state": 0, "verbose": False}
    model = Autoencoder(1, **settings).fit(rows)
    tensors = model.model_.adapter.adapt(rows)
    raw = model.model_.raw_outputs(tensors).astype(np.float64)
    target = tensors.astype(np.float64)
    rest = np.where(target > 0, target * (np.log(np.maximum(target, 1e-300)) - 1), 0)
    expected = model.model_.loss.unit * (np.exp(raw) - target * raw + rest).sum(axis=1)
    np.testing.assert_allclose(-model.score_samples(rows), expected, rtol=1e-6, atol=1e-9 * mean)
    assert np.isfinite(model.score_samples(1000 * rows[:2])).all()
