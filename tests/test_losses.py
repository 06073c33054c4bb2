import keras
import numpy as np
import pytest
from scipy import stats

from diabolo.network import losses


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


@pytest.mark.parametrize("kind", sorted(losses.LOSSES))
def test_training_and_scoring_compute_the_same_number(kind, target_and_raw):
    target, raw = (array.astype(np.float32) for array in target_and_raw)
    loss = losses.LOSSES[kind]()
    trained = loss.per_row(keras.ops.convert_to_tensor(target), keras.ops.convert_to_tensor(raw), keras.ops)
    np.testing.assert_allclose(loss.per_row(target, raw, np), trained, rtol=1e-5)


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
