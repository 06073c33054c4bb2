"""The parts that training adds to a network, each against a formula or an estimate that does not share its code."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp

from diabolo import Autoencoder
from diabolo.errors import OptionError, ShapeError
from diabolo.model import generating
from diabolo.network import losses, structures
from diabolo.network.backends.keras import builder as keras_builder
from diabolo.network.backends.keras import layers as keras_layers
from diabolo.network.bottlenecks import BOTTLENECKS, Gaussian, Ordered, Plain, Quantized, Sparse
from diabolo.network.bottlenecks.gaussian import gaussian_kl
from diabolo.network.bottlenecks.sparse import bernoulli_kl
from diabolo.network.corruptions import CORRUPTIONS, Binarize, GaussianNoise, Masking, SaltAndPepper, Swap, corrupted
from diabolo.network.layers import Activation, BatchNormalization, Dense, Dropout
from diabolo.network.penalties import PENALTIES, Batch, Contractive, Decay, mmd, total_correlation
from diabolo.network.random_numbers import Seeds
from diabolo.parts import from_config, from_text
from diabolo.training.program import Reconstruction

WORDS = [
    "plain",
    "sparse",
    "sparse:method=kl",
    "sparse:method=top_k,active=2",
    "gaussian",
    "gaussian:samples=3",
    "gaussian:beta=0.5,warmup_epochs=2,free_nats=0.1",
    "ordered",
    "quantized:codes=16,groups=2",
]


def chance(seed=0):
    return keras.random.SeedGenerator(seed)


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.fixture(scope="module")
def models(digits):
    """A trained model of each bottleneck, by its words."""
    return {
        words: Autoencoder(8, structure=[32], bottleneck=words, epochs=4, random_state=0).fit(digits.x_train[:1000])
        for words in WORDS
    }


def test_gaussian_kl_matches_a_monte_carlo_estimate(rng):
    mean, log_var = rng.normal(size=3), rng.normal(size=3)
    drawn = rng.normal(size=(400_000, 3)) * np.exp(log_var / 2) + mean
    log_ratio = stats.norm.logpdf(drawn, mean, np.exp(log_var / 2)) - stats.norm.logpdf(drawn)
    np.testing.assert_allclose(gaussian_kl(mean, log_var, np), log_ratio.mean(axis=0), atol=0.02)


def test_bernoulli_kl_is_that_of_scipy():
    for target, mean in ((0.05, 0.2), (0.3, 0.3), (0.9, 0.1)):
        expected = stats.entropy([target, 1 - target], [mean, 1 - mean])
        assert bernoulli_kl(target, np.array(mean), np) == pytest.approx(expected, abs=1e-12)


def gaussian_objective(bottleneck, mean, log_var, slope=0.0, warm=math.inf, seed=0):
    """Return what a batch costs where the loss of a latent is `slope` times its sum."""
    tensors = {"latent": keras.ops.convert_to_tensor(mean), "log_var": keras.ops.convert_to_tensor(log_var)}
    objective = bottleneck.train(tensors, lambda latents: slope * keras.ops.sum(latents, axis=1), chance(seed), warm)
    return numpy(objective.reconstruction), numpy(objective.penalty)


def test_the_gaussian_bottleneck_costs_its_divergence_weighed_by_beta_and_warmed_up(rng):
    mean, log_var = (rng.normal(size=(5, 3)).astype(np.float32) for _ in range(2))
    divergence = gaussian_kl(mean, log_var, np).sum(axis=1)
    for beta, warmup, warm, weight in ((1.0, 0, 0.0, 1), (4.0, 0, 9.0, 4), (2.0, 10, 5.0, 1), (2.0, 10, math.inf, 2)):
        part = Gaussian(latent_dim=3, beta=beta, warmup_epochs=warmup)
        _, penalty = gaussian_objective(part, mean, log_var, warm=warm)
        np.testing.assert_allclose(penalty, weight * divergence, rtol=1e-5)


def test_a_warm_up_is_neither_stopped_early_nor_where_the_best_epoch_lies(rng):
    rows = rng.normal(size=(1500, 2)) @ rng.normal(size=(2, 8)) + 0.1 * rng.normal(size=(1500, 8))
    model = Autoencoder(
        4,
        structure=[16],
        bottleneck="gaussian:beta=20,warmup_epochs=30",
        epochs=40,
        patience=3,
        learning_rate=0.01,
        random_state=0,
    ).fit(rows)
    assert len(model.history_["loss"]) > 30
    assert model.best_epoch_ > 30


def test_free_nats_cost_the_same_whatever_a_latent_says_below_them(rng):
    mean = np.array([[0.0, 2.0], [0.1, -2.0]], np.float32)
    log_var = np.zeros_like(mean)
    _, penalty = gaussian_objective(Gaussian(latent_dim=2, free_nats=0.5), mean, log_var)
    np.testing.assert_allclose(penalty, [0.5 + 2, 0.5 + 2], rtol=1e-6)


def test_latents_are_drawn_with_the_mean_and_variance_of_the_heads(rng):
    mean = np.tile(np.array([[1.0, -2.0]], np.float32), (40_000, 1))
    log_var = np.full_like(mean, math.log(4))
    reconstruction, _ = gaussian_objective(Gaussian(latent_dim=2), mean, log_var, slope=1.0)
    assert reconstruction.mean() == pytest.approx(-1, abs=0.06)
    assert reconstruction.var() == pytest.approx(8, rel=0.05)


def test_the_importance_weighted_bound_is_that_of_its_definition(rng):
    """With one sample it is the evidence lower bound; with many it nears log p, which is known for a linear loss."""
    mean, log_var = np.array([[0.3, -0.7]], np.float32), np.array([[-0.5, 0.4]], np.float32)
    # p(row|latent) = exp(-(z1 + z2)): log of its mean over a standard normal is (1 + 1) / 2.
    exact = -1.0
    costs = []
    for samples in (1, 5, 50, 500):
        part, many = Gaussian(latent_dim=2, samples=samples), (4_000 if samples < 500 else 200)
        reconstruction, penalty = gaussian_objective(
            part, np.tile(mean, (many, 1)), np.tile(log_var, (many, 1)), slope=1.0
        )
        costs.append(float((reconstruction + penalty).mean()))
    elbo = float(mean.sum() + gaussian_kl(mean, log_var, np).sum())
    assert costs[0] == pytest.approx(elbo, abs=0.1)
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(exact, abs=0.05)
    assert min(costs) > exact - 0.05


def test_sparse_penalties_are_those_of_their_definitions(rng):
    latent = rng.random((50, 4)).astype(np.float32)
    tensors = {"latent": keras.ops.convert_to_tensor(latent)}
    objective = Sparse(latent_dim=4, weight=0.5).train(tensors, lambda z: z[:, 0], None, 0.0)
    np.testing.assert_allclose(objective.penalty, 0.5 * np.abs(latent).sum(axis=1), rtol=1e-6)
    objective = Sparse(latent_dim=4, method="kl", weight=2.0, target=0.1).train(tensors, lambda z: z[:, 0], None, 0.0)
    expected = sum(stats.entropy([0.1, 0.9], [mean, 1 - mean]) for mean in latent.mean(axis=0).astype(float))
    np.testing.assert_allclose(objective.penalty, 2 * expected, rtol=1e-5)


def test_top_k_keeps_as_many_latents_as_it_says(models, digits):
    latents = models["sparse:method=top_k,active=2"].encode(digits.x_test)
    assert ((latents != 0).sum(axis=1) <= 2).all()
    assert (latents != 0).any()


def test_a_sparse_bottleneck_may_be_wider_than_a_row(rng):
    model = Autoencoder(20, structure=[], bottleneck="sparse", epochs=1).fit(rng.normal(size=(100, 8)))
    assert model.encode(rng.normal(size=(3, 8))).shape == (3, 20)


def test_ordered_latents_are_cut_at_sizes_whose_logarithm_is_uniform():
    part = Ordered(latent_dim=16, share_whole=0.25)
    seen = []
    part.train({"latent": keras.ops.ones((20_000, 16))}, lambda z: seen.append(numpy(z)) or z[:, 0], chance(), 0.0)
    sizes = seen[0].sum(axis=1).astype(int)
    np.testing.assert_array_equal(seen[0], np.arange(16) < sizes[:, None])
    shares = np.bincount(sizes, minlength=17)[1:] / len(sizes)
    expected = 0.75 * np.diff(np.log(np.arange(1, 18))) / math.log(17)
    expected[-1] += 0.25
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_named_sizes_are_all_decoded_and_count_by_their_power_of_three_quarters(rng):
    part = from_text("bottleneck", BOTTLENECKS, "ordered:sizes=1-4", latent_dim=9)
    latent, seen = rng.normal(size=(5, 9)).astype(np.float32), []

    def loss(z):
        seen.append(numpy(z))
        return keras.ops.sum(z, axis=1)

    cost = numpy(part.train({"latent": latent}, loss, chance(), 0.0).reconstruction)
    assert seen[0].shape == (5 * part.copies, 9)
    cut = [latent[:, :size].sum(axis=1) for size in (1, 4, 9)]
    expected = np.average(cut, axis=0, weights=[1, 4**0.75, 9**0.75])
    np.testing.assert_allclose(cost, expected, rtol=1e-5)
    for written in ("sizes=4-1", "sizes=9", "sizes=0-3"):
        with pytest.raises(OptionError, match="expected rising sizes from 1 to below latent_dim"):
            from_text("bottleneck", BOTTLENECKS, f"ordered:{written}", latent_dim=9)
    with pytest.raises(OptionError, match="sizes must be a list such as 2-8, got 'two'"):
        from_text("bottleneck", BOTTLENECKS, "ordered:sizes=two", latent_dim=9)


def test_an_ordered_linear_auto_encoder_finds_the_principal_directions_in_order(rng):
    scales = np.array([8.0, 4.0, 2.0, 1.0, 0.2, 0.2])
    turned, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    rows = rng.normal(size=(3000, 6)) * scales @ turned.T
    settings = {"structure": [], "reconstruction_loss": "gaussian", "random_state": 0, "epochs": 60, "patience": 0}
    model = Autoencoder(3, bottleneck="ordered", learning_rate=0.01, **settings).fit(rows)
    scaled = model.model_.adapter.adapt(rows)
    directions = np.linalg.svd(scaled - scaled.mean(axis=0), full_matrices=False)[2]
    decoder = model.model_.weights["decoder_1/kernel"]  # (3, 6)
    for place in range(3):
        learnt = decoder[place] / np.linalg.norm(decoder[place])
        assert abs(learnt @ directions[place]) > 0.95
    errors = model.error_by_size(rows)
    assert (np.diff(errors) < 0).all()


def test_codes_are_the_nearest_by_brute_force_and_gradients_pass(models, digits, rng):
    model = models["quantized:codes=16,groups=2"].model_
    book = model.weights["bottleneck/book"]
    assert book.shape == (16, 4)
    latents = model.encode(digits.x_test).reshape(-1, 4)
    distance = ((latents[:, None] - book[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(distance.min(axis=1), 0, atol=1e-6)
    # The features before, by NumPy on the weights, fall to the nearest code.
    hidden = model.adapter.adapt(digits.x_test).reshape(-1, 784)
    hidden = hidden @ model.weights["encoder_2/kernel"] + model.weights["encoder_2/bias"]
    hidden = np.where(hidden > 0, hidden, np.expm1(np.minimum(hidden, 0)))
    before = hidden @ model.weights["bottleneck_features/kernel"] + model.weights["bottleneck_features/bias"]
    nearest = ((before.reshape(-1, 4)[:, None] - book[None]) ** 2).sum(axis=2).argmin(axis=1)
    agree = (np.abs(book[nearest] - latents) < 1e-5).all(axis=1).mean()
    assert agree > 0.999  # but for ties by rounding
    assert len(np.unique(nearest)) > 4  # codes that stood for nothing were put where rows are
    codes = models["quantized:codes=16,groups=2"].codes(digits.x_test)
    assert (codes.shape, codes.dtype) == ((1000, 2), np.int32)
    np.testing.assert_array_equal(book[codes].reshape(-1, 4), latents)


@pytest.mark.parametrize("words", WORDS)
def test_a_saved_model_encodes_and_decodes_the_same_alone_and_in_a_batch(models, words, digits, tmp_path):
    model = models[words]
    again = Autoencoder.load(model.save(tmp_path / "m"))
    rows = digits.x_test[:200]
    latents = model.encode(rows)
    np.testing.assert_array_equal(again.encode(rows), latents)
    np.testing.assert_array_equal(again.decode(latents), model.decode(latents))
    np.testing.assert_allclose(model.encode(rows[7:8]), latents[7:8], atol=1e-4)
    keras_model = again.to_keras()
    expected = numpy(keras_model(model.model_.adapter.adapt(rows)))
    np.testing.assert_allclose(model.reconstruct(rows) / 255, expected[..., 0], atol=0.5 / 255 + 1e-4)
    assert again.get_params()["bottleneck"] == words


def test_what_a_latent_says_is_more_than_nothing_in_a_default_variational_auto_encoder(models):
    assert models["gaussian"].history_["val_penalty"][-1] > 1


def test_log_likelihood_matches_the_exact_one_of_a_linear_model(rng):
    """Linear encoder and decoder, Gaussian loss: p(row) is a normal whose covariance is known."""
    rows = (rng.normal(size=(2000, 2)) @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(size=(2000, 4))) * [1, 10, 0.1, 3]
    model = Autoencoder(2, structure=[], bottleneck="gaussian", epochs=200, random_state=0).fit(rows).model_
    kernel, bias = (model.weights[f"decoder_1/{name}"].astype(float) for name in ("kernel", "bias"))
    scale, offset = model.adapter.divisor, model.adapter.offset
    exact = stats.multivariate_normal(
        (bias * scale) + offset, (kernel.T @ kernel + np.eye(4)) * np.outer(scale, scale)
    ).logpdf(rows[:20])
    estimate = generating.log_likelihood(model, rows[:20], n_samples=20_000, random_state=0)
    np.testing.assert_allclose(estimate, exact, atol=0.05)
    # The bound of fewer samples is lower, and that of training lowest.
    each = [generating.log_likelihood(model, rows[:20], n_samples=2, random_state=seed) for seed in range(200)]
    fewer = np.mean(each, axis=0)
    assert fewer.mean() < exact.mean()


def test_samples_interpolations_and_traversals_are_rows(models, digits):
    model = models["gaussian"]
    drawn = model.sample(5, random_state=1)
    assert (drawn.shape, drawn.dtype) == ((5, 28, 28), np.uint8)
    np.testing.assert_array_equal(drawn, model.sample(5, random_state=1))
    assert not np.array_equal(drawn, model.sample(5, random_state=2))
    way = model.interpolate(digits.x_test[0], digits.x_test[1], steps=7)
    np.testing.assert_array_equal(way[[0, -1]], model.reconstruct(digits.x_test[:2]))
    varied = model.traverse(digits.x_test[0], 3, values=[-2, float(model.encode(digits.x_test[:1])[0, 3])])
    np.testing.assert_array_equal(varied[1], model.reconstruct(digits.x_test[:1])[0])
    assert not np.array_equal(varied[0], varied[1])


def test_gradients_pass_codes_as_if_nothing_had_been_chosen(rng):
    layer = keras_layers.Quantize(8, 2, 0, "tested")
    rows = tf.Variable(rng.normal(size=(5, 4)).astype("f"))
    slopes = rng.normal(size=(5, 4)).astype("f")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(rows) * slopes)
    np.testing.assert_allclose(tape.gradient(total, rows), slopes)


def test_codes_follow_the_averages_of_what_they_stand_for(rng):
    layer = keras_layers.Quantize(3, 1, 0, "tested")
    layer.build((None, 2))
    book = np.array([[0, 0], [10, 0], [0, 10]], "f")
    for weight, value in ((layer.book, book), (layer.counts, np.full(3, 20.0)), (layer.sums, book * 20)):
        weight.assign(value)
    rows = np.concatenate([book[0] + rng.normal(size=(30, 2)), book[1] + rng.normal(size=(30, 2))]).astype("f")
    layer(rows, training=True)
    # Exponential averages by NumPy; the third code stood for nothing and fades, but is not yet put elsewhere.
    kept = layer.DECAY
    for code, mine in enumerate((rows[:30], rows[30:], rows[:0])):
        count = kept * 20 + (1 - kept) * len(mine)
        total = kept * 20 * book[code] + (1 - kept) * mine.sum(axis=0)
        np.testing.assert_allclose(layer.book.numpy()[code], total / count, atol=1e-4)
    for _ in range(80):
        layer(rows, training=True)
    assert np.abs(rows - layer.book.numpy()[2]).sum(axis=1).min() < 3  # where rows are


def test_the_first_latents_of_an_ordered_bottleneck_can_be_decoded_alone(models, digits):
    model = models["ordered"]
    latents = model.encode(digits.x_test[:5])
    cut = np.where(np.arange(8) < 3, latents, 0)
    np.testing.assert_array_equal(model.decode(latents[:, :3]), model.decode(cut))
    with pytest.raises(ShapeError, match=r"expected latents of shape \(n, 8\)"):
        models["plain"].decode(latents[:, :3])


def test_codes_need_a_book(models, digits):
    with pytest.raises(OptionError, match="fit with bottleneck='quantized'"):
        models["plain"].codes(digits.x_test)


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda model, row: model.sample(0), "sample.*: count must be a whole number of at least 1, got 0"),
        (lambda model, row: model.sample(2, random_state="x"), "random_state must be None, a whole number"),
        (lambda model, row: model.traverse(row, 8), "a latent from 0 to 7, got 8"),
        (lambda model, row: model.traverse(row, 0, values=3), "values must be a list of numbers, got 3"),
        (lambda model, row: model.traverse(row, 0, values=["a"]), "values must be a list of numbers"),
        (lambda model, row: model.traverse(row, 0, values=[[1], [2, 3]]), "values must be a list of numbers"),
        (lambda model, row: model.interpolate(row, row, steps=1), "steps must be a whole number of at least 2, got 1"),
        (lambda model, row: model.log_likelihood(row[None], n_samples=0), "n_samples must be a whole number"),
    ],
)
def test_verbs_of_a_distribution_refuse_what_they_cannot_do(verb, message, models, digits):
    with pytest.raises(OptionError, match=message):
        verb(models["gaussian"], digits.x_test[0])


def test_a_row_of_several_lengths_is_refused_in_one_line(models, digits):
    for verb in (
        lambda model: model.interpolate([[1], [2, 3]], digits.x_test[0]),
        lambda model: model.traverse([[1], [2, 3]], 0),
    ):
        with pytest.raises(ShapeError, match="expected rows of one length, got rows of several"):
            verb(models["plain"])


def test_numbers_of_numpy_are_numbers(models, digits):
    model = models["gaussian"]
    np.testing.assert_array_equal(model.sample(np.int64(2), random_state=1), model.sample(2, random_state=1))
    assert len(model.traverse(digits.x_test[0], np.int32(1))) == 9


def test_what_needs_a_distribution_says_so(models):
    for verb in (lambda model: model.sample(3), lambda model: model.log_likelihood(np.zeros((1, 28, 28), np.uint8))):
        with pytest.raises(OptionError, match="fit with bottleneck='gaussian'"):
            verb(models["plain"])
    with pytest.raises(OptionError, match="or penalty='mmd:100'"):
        models["plain"].sample(3)


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize(
    ("part", "share"),
    [
        (GaussianNoise(sigma=0.5), 1.0),
        (Masking(share=0.3), 0.3),
        (Masking(share=0.3, what="pixels"), 0.3),
        (Masking(share=0.25, what="blocks"), 0.25),
        (SaltAndPepper(share=0.2), 0.2),
        (Swap(share=0.4), 0.4),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_corruptions_touch_the_share_they_say_and_differ_each_time(part, share, bounded, rng):
    rows = rng.uniform(0.1, 0.9, (500, 12, 12, 3)).astype(np.float32)
    draws = chance()
    first, second = (
        numpy(part.apply(keras.ops.convert_to_tensor(rows), draws, bounded=bounded).rows) for _ in range(2)
    )
    again = numpy(part.apply(keras.ops.convert_to_tensor(rows), chance(), bounded=bounded).rows)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)
    assert (first != rows).mean() == pytest.approx(share, abs=0.02)
    if bounded:
        assert first.min() >= 0
        assert first.max() <= 1
    if isinstance(part, Masking) and part.what != "values":
        changed = first != rows
        assert (changed.all(axis=3) == changed.any(axis=3)).all()
    if isinstance(part, Swap):
        assert set(np.round(first.ravel(), 6)) <= set(np.round(rows.ravel(), 6))
    if isinstance(part, GaussianNoise) and not bounded:
        assert (first - rows).std() == pytest.approx(0.5, rel=0.02)


def test_noise_is_another_for_every_seed_and_every_purpose():
    zeros, noise = np.zeros((50, 20), np.float32), GaussianNoise(sigma=1.0)
    network = structures.build([], (20,), latent_dim=2)
    models, drawn = keras_builder.build(network), []
    for seed in (0, 1, 2, 3):
        steps = Reconstruction(
            models, network, losses.Gaussian(), keras.optimizers.SGD(0.0), corruption=noise, seed=seed
        )
        for step in (steps.train, steps.test):
            steps.reset()
            step(tf.constant(zeros))
            drawn.append(steps.results()["loss"])  # of the noise alone, as no row holds anything else
        seen = corrupted(noise, losses.Gaussian(), zeros, seed, bounded=False)
        again = corrupted(noise, losses.Gaussian(), zeros, seed, bounded=False)
        np.testing.assert_array_equal(seen, again)
        raw = numpy(models.raw(seen))
        drawn.append(np.square(raw).sum(axis=1).mean() / 2)
    assert len({f"{each:.5g}" for each in drawn}) == len(drawn)
    assert len({each for seed in range(1000) for each in Seeds.of(seed)}) == 4000


def test_swapped_numbers_come_from_the_same_feature_of_another_row(rng):
    rows = rng.normal(size=(200, 6)).astype("f")
    seen = numpy(Swap(share=0.5).apply(rows, chance(), bounded=False).rows)
    places = (np.abs(seen[:, None] - rows[None]) == 0).argmax(axis=1)  # of which row each number is, by feature
    np.testing.assert_array_equal(np.take_along_axis(rows, places, axis=0), seen)
    moved = seen != rows
    assert 0.4 < moved.mean() < 0.6
    # All that a row borrows is from one other.
    assert all(len(set(places[row, moved[row]])) <= 1 for row in range(200))


def test_masked_columns_are_the_same_in_all_rows_of_a_batch(rng):
    table = numpy(Masking(share=0.5, what="columns").apply(np.ones((50, 40), "f"), chance(), bounded=False).rows)
    assert (table == table[0]).all()
    assert 5 < table[0].sum() < 35
    images = numpy(Masking(share=0.5, what="columns").apply(np.ones((50, 6, 8, 3), "f"), chance(), bounded=True).rows)
    assert (images == images[:, :1, :, :1]).all()
    assert not (images == images[:1]).all()


def test_measuring_changes_nothing_but_the_sums(rng):
    hidden = [Dense(units=8), BatchNormalization(), Activation(function="relu"), Dropout(rate=0.5)]
    network = structures.build(hidden, (6,), latent_dim=2)
    models = keras_builder.build(network, seed=1)
    steps = Reconstruction(models, network, losses.Gaussian(), keras.optimizers.SGD(0.1), penalty=Contractive())
    before = keras_builder.get_weights(models, network)
    found = []
    for _ in range(2):
        steps.reset()
        steps.test(tf.constant(rng.normal(size=(20, 6)) * 0 + np.arange(6), tf.float32))
        found.append(steps.results())
    assert found[0] == found[1]  # the same noise each time, and no dropout
    for name, value in keras_builder.get_weights(models, network).items():
        np.testing.assert_array_equal(value, before[name])


def test_a_block_is_one_rectangle_a_row(rng):
    rows = np.ones((50, 20, 10, 1), np.float32)
    hidden = numpy(Masking(share=0.25, what="blocks").apply(rows, chance(), bounded=True).rows)[..., 0] == 0
    for one in hidden:
        down, across = one.any(axis=1), one.any(axis=0)
        assert one.sum() == down.sum() * across.sum() == 50
        assert np.ptp(np.flatnonzero(down)) + 1 == down.sum() == 10


def test_a_loss_on_hidden_values_counts_nothing_else(digits):
    settings = {"structure": [16], "epochs": 2, "random_state": 0}
    everywhere = Autoencoder(4, corruption="masking:0.25", **settings).fit(digits.x_train[:500])
    hidden = Autoencoder(4, corruption="masking:0.25,hidden_only=true", **settings).fit(digits.x_train[:500])
    assert hidden.history_["loss"][0] == pytest.approx(everywhere.history_["loss"][0] / 4, rel=0.1)


def test_a_contractive_penalty_is_the_norm_of_the_numerical_jacobian(rng):
    rows = rng.normal(size=(4, 6)).astype(np.float32)
    for structure, exact in (([], True), ([5], False)):
        network = structures.build(structure, (6,), latent_dim=3, activation="tanh", bottleneck_activation="tanh")
        encoder = keras_builder.build(network, seed=1).bottleneck

        def encode(at, encoder=encoder):
            return numpy(encoder(at)["latent"])

        step = 1e-2
        columns = [
            (encode(rows + step * unit) - encode(rows - step * unit)) / (2 * step) for unit in np.eye(6, dtype="f")
        ]
        norm = np.square(np.stack(columns)).sum(axis=(0, 2))
        copies = 1 if exact else 3000  # each with a draw of its own
        batch = Batch(keras.ops.convert_to_tensor(np.repeat(rows, copies, axis=0)), {}, encoder, None, None)
        costs = numpy(Contractive().cost(network, batch, chance())).reshape(4, copies)
        np.testing.assert_allclose(costs.mean(axis=1), norm, rtol=2e-3 if exact else 0.1)


def test_mmd_is_that_of_its_definition_and_tells_a_shift(rng):
    first, second = rng.normal(size=(2, 30, 3))
    expected = 0.0
    for width in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        c = 2 * 3 * width

        def kernel(a, b, c=c):
            return c / (c + ((a - b) ** 2).sum())

        own = sum(kernel(s[i], s[j]) for s in (first, second) for i in range(30) for j in range(30) if i != j)
        expected += own / (30 * 29) - 2 * np.mean([[kernel(a, b) for b in second] for a in first])
    assert mmd(first, second, np) == pytest.approx(expected, rel=1e-9)
    assert mmd(first, second + 2, np) > 20 * abs(mmd(first, second, np))


def test_total_correlation_of_a_batch_is_that_of_its_mixture(rng):
    mean, log_var = rng.normal(size=(2, 7, 3))
    drawn = mean + np.exp(log_var / 2) * rng.normal(size=(7, 3))
    each = stats.norm.logpdf(drawn[:, None], mean[None], np.exp(log_var / 2)[None])  # (7, 7, 3)
    together = logsumexp(each.sum(axis=2), axis=1) - math.log(7)
    expected = together - (logsumexp(each, axis=1) - math.log(7)).sum(axis=1)
    np.testing.assert_allclose(total_correlation(drawn, mean, log_var, np), expected, rtol=1e-9)


@pytest.mark.parametrize("penalty", ["contractive:0.1", "mmd:5", "total_correlation:0.1"])
def test_a_penalty_lowers_what_it_names(penalty, digits):
    kind = penalty.partition(":")[0]
    bottleneck = "gaussian" if kind == "total_correlation" else "plain"
    settings = {"structure": [32], "epochs": 8, "random_state": 0, "bottleneck": bottleneck}
    rows = digits.x_train[:1000]

    def named(model):
        """What the penalty is about, by other means than the training's."""
        latents = model.encode(rows)
        if kind == "contractive":
            step = 4 * np.random.default_rng(0).normal(size=rows.shape)
            moved = model.encode(np.clip(rows + step, 0, 255).astype(np.uint8)) - latents
            return np.square(moved).sum()
        if kind == "mmd":
            prior = np.random.default_rng(0).normal(size=latents.shape)
            return mmd(latents.astype(float), prior, np)
        mean, log_var = generating.posterior(model.model_, rows)
        drawn = mean + np.exp(log_var / 2) * np.random.default_rng(0).normal(size=mean.shape)
        return total_correlation(drawn, mean, log_var, np).mean()

    heavy = Autoencoder(4, penalty=f"{kind}:300", **settings).fit(rows)
    light = Autoencoder(4, penalty=penalty, **settings).fit(rows)
    assert named(heavy) < 0.5 * named(light)
    assert heavy.score(rows) < light.score(rows)  # it costs reconstruction
    assert set(light.history_) >= {"loss", "reconstruction", "penalty"}


def test_binarised_rows_are_drawn_with_their_own_odds_and_are_the_target(rng):
    rows = np.tile(rng.random(6).astype("f"), (20_000, 1))
    seen = Binarize().apply(rows, chance(), bounded=True)
    drawn = numpy(seen.rows)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(drawn.mean(axis=0), rows[0], atol=0.02)
    assert seen.target is seen.rows


def test_shares_and_shades_are_not_binarised(digits):
    symbols = np.eye(3, dtype=np.float32)[digits.x_train[:50, 8:18, 8:17] // 86]
    for loss, rows in (("categorical", symbols), ("ssim", digits.x_train[:50])):
        with pytest.raises(OptionError, match=f"draws 0 or 1, which reconstruction_loss '{loss}' does not"):
            Autoencoder(2, reconstruction_loss=loss, corruption="binarize").fit(rows)


def test_the_likelihood_of_a_model_of_binarised_rows_is_above_its_bound(digits):
    model = Autoencoder(8, structure=[64], bottleneck="gaussian", corruption="binarize", epochs=8, random_state=0)
    model.fit(digits.x_train[:2000])
    rows = (np.random.default_rng(0).random((60, 28, 28)) < digits.x_test[:60] / 255).astype(np.uint8) * 255
    by_samples = [model.log_likelihood(rows, n_samples=count, random_state=1).mean() for count in (1, 10, 1000)]
    assert by_samples == sorted(by_samples)
    # One sample is the bound of training, which validation rows, binarised too, tell.
    assert by_samples[0] == pytest.approx(-model.history_["val_loss"][model.best_epoch_ - 1], rel=0.15)


def test_an_adversarial_penalty_takes_latents_to_the_prior(rng):
    rows = rng.random((2000, 2)) * [4, 8] + rng.choice([0, 9], (2000, 1))  # two clumps, far from normal
    settings = {"structure": [32], "epochs": 60, "learning_rate": 3e-3, "allow_overcomplete": True, "random_state": 0}
    far, near = (
        stats.kstest(Autoencoder(2, penalty=penalty, **settings).fit(rows).encode(rows)[:, 0], "norm").statistic
        for penalty in (None, "adversarial:5")
    )
    assert near < 0.5 * far


@pytest.mark.slow
@pytest.mark.parametrize("penalty", ["mmd:30", "adversarial:5"])
def test_latents_that_a_penalty_made_normal_are_drawn_anew(penalty, rng, tmp_path):
    side = rng.choice([0, 9], (2000, 1))
    rows = side + 0.5 * rng.normal(size=(2000, 4))  # two clumps
    settings = {"structure": [32], "epochs": 60, "learning_rate": 3e-3}
    # Of several trainings, because one of two opponents may end away from their balance.
    models = [Autoencoder(2, penalty=penalty, random_state=seed, **settings).fit(rows) for seed in range(3)]
    model = models[0]
    drawn = Autoencoder.load(model.save(tmp_path / "m")).sample(1000, random_state=0)
    np.testing.assert_array_equal(drawn, model.sample(1000, random_state=0))
    several = np.stack([each.sample(1000, random_state=0) for each in models])
    np.testing.assert_allclose(several.mean(axis=(0, 1)), rows.mean(axis=0), atol=1)
    np.testing.assert_allclose(several.std(axis=1).mean(axis=0), rows.std(axis=0), rtol=0.4)
    with pytest.raises(OptionError, match=r"log_likelihood\(\) needs a gaussian \(VAE\) bottleneck"):
        model.log_likelihood(rows[:2])


def test_the_l2_penalty_is_the_sum_of_squares_of_all_kernels(rng):
    network = structures.build([5], (6,), latent_dim=3)
    models = keras_builder.build(network, seed=1)
    weights = keras_builder.get_weights(models, network)
    batch = Batch(None, {}, models.bottleneck, models.raw_decoder, None)
    expected = sum(np.square(value).sum() for name, value in weights.items() if name.endswith("kernel"))
    np.testing.assert_allclose(numpy(Decay().cost(network, batch, chance())), expected, rtol=1e-5)


TABLES = {"bottleneck": BOTTLENECKS, "corruption": CORRUPTIONS, "penalty": PENALTIES}


@pytest.mark.parametrize("sort", TABLES)
def test_every_part_survives_json(sort):
    for kind in TABLES[sort]:
        given = {"latent_dim": 8} if sort == "bottleneck" else {}
        needed = [field for field in dataclasses.fields(TABLES[sort][kind]) if field.default is dataclasses.MISSING]
        one = from_text(sort, TABLES[sort], f"{kind}:0.1" if len(needed) > len(given) else kind, **given)
        assert from_config(sort, TABLES[sort], one.to_config()) == one


def test_parts_in_words():
    assert from_text("bottleneck", BOTTLENECKS, "gaussian:4", latent_dim=3) == Gaussian(latent_dim=3, beta=4.0)
    expected = Quantized(latent_dim=8, codes=32, groups=4)
    assert from_text("bottleneck", BOTTLENECKS, "quantized: codes=32, groups=4", latent_dim=8) == expected
    assert from_text("corruption", CORRUPTIONS, "masking:0.3,hidden_only=true") == Masking(share=0.3, hidden_only=True)
    assert from_text("bottleneck", BOTTLENECKS, "plain", latent_dim=2) == Plain(latent_dim=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bottleneck": "gausian"}, "Did you mean 'gaussian'"),
        ({"bottleneck": "gaussian:bta=2"}, "Did you mean 'beta'"),
        ({"bottleneck": "gaussian:beta=x"}, "beta must be of type float, got 'x'"),
        ({"bottleneck": "gaussian:beta=-1"}, "beta, warmup_epochs, free_nats >= 0"),
        ({"bottleneck": "gaussian:samples=5,beta=2"}, "beta 1 and no free_nats with several samples"),
        ({"bottleneck": "quantized:groups=3"}, "groups that divide latent_dim"),
        ({"bottleneck": "sparse:method=l3"}, "method l1, kl, top_k"),
        ({"bottleneck": "sparse:method=kl", "bottleneck_activation": "relu"}, "activation 'sigmoid' with method 'kl'"),
        ({"bottleneck": "gaussian", "bottleneck_activation": "relu"}, "a gaussian bottleneck has none"),
        ({"bottleneck": None}, "bottleneck must be a text such as 'plain', got None"),
        ({"corruption": "masking"}, "needs share: write 'masking:0.3'"),
        ({"corruption": "masking:2"}, r"a share in \(0, 1\)"),
        ({"corruption": "masking:0.5,what=blocks"}, "needs images or series"),
        ({"corruption": "binarize"}, "reconstruction_loss 'gaussian' does not compare: pass .*'bernoulli'"),
        ({"corruption": 3}, "corruption must be a text such as 'gaussian', got 3"),
        ({"penalty": "total_correlation"}, "needs a gaussian bottleneck"),
        ({"penalty": "contractive", "bottleneck": "quantized"}, "cannot be used with"),
        ({"penalty": "mmd", "bottleneck": "quantized"}, "'mmd' cannot be used with a quantized bottleneck"),
        (
            {"penalty": "adversarial", "bottleneck": "quantized"},
            "'adversarial' cannot be used with a quantized bottleneck",
        ),
        ({"penalty": "mmd:-1"}, "weight above 0"),
    ],
)
def test_parts_that_cannot_be_or_do_not_go_together_are_refused_in_one_line(settings, message, rng):
    with pytest.raises(OptionError, match=message) as caught:
        Autoencoder(8, allow_overcomplete=True, **settings).fit(rng.normal(size=(50, 12)))
    assert "\n" not in str(caught.value)
