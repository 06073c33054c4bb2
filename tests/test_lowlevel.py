"""The network by hand against NumPy, against the TensorFlow 1 session, and against its own promises."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow.compat.v1 as tf1

from diabolo import lowlevel
from diabolo.errors import CutError, DataError, DivergedError, OptionError, ShapeError

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def rows(digits):
    return digits.x_train[:300].reshape(-1, 784) / 255


def numpy_forward(net, X):
    W1, b1, W2, b2 = (variable.numpy().astype(np.float64) for variable in net.variables)
    Z = np.maximum(X @ W1 + b1, 0)
    logits = Z @ W2 + b2
    return {
        "X": X,
        "Z": Z,
        "logits": logits,
        "X_hat": 1 / (1 + np.exp(-logits)),
        "cost": (np.logaddexp(0, logits) - X * logits).sum(axis=1).mean(),
    }


def test_every_value_is_what_numpy_makes_of_the_same_weights(rows):
    net = lowlevel.Autoencoder([784, 128, 784])
    expected = numpy_forward(net, rows)
    for name, value in zip(expected, net.run(list(expected), {"X": rows}), strict=True):
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-5)


class Session:
    """The article's graph in a session of its own, with given weights."""

    def __init__(self, weights):
        spec = importlib.util.spec_from_file_location("graph_mode", EXAMPLES / "article_graph_mode.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.session = tf1.Session(graph=tf1.Graph())
        with self.session.graph.as_default():
            self.graph = module.build()
            self.session.run(tf1.global_variables_initializer())
            for name, value in weights.items():
                self.graph.variables[name].load(value, self.session)

    def run(self, name, X):
        return self.session.run(getattr(self.graph, name), {self.graph.X: X})

    def weights(self):
        return self.session.run(self.graph.variables)


# TensorFlow 1's own RMSPropOptimizer calls an initialiser in a way that TensorFlow calls old; and load() likewise.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_session_and_lowlevel_agree_on_values_and_on_one_step_of_rmsprop(rows):
    net = lowlevel.Autoencoder([784, 128, 784], recipe="article", random_state=3)
    before = {name: getattr(net, name).numpy() for name in ("W1", "b1", "W2", "b2")}
    session = Session(before)
    for name in ("Z", "logits", "X_hat"):
        ours, theirs = net.run(name, {"X": rows}), session.run(name, rows)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
    np.testing.assert_allclose(net.run("cost", {"X": rows}), session.run("cost", rows), rtol=1e-5)

    batch = rows[:64]
    net.train_step(lowlevel.tf.constant(batch, lowlevel.tf.float32))
    session.run("step", batch)
    for name, value in session.weights().items():
        assert np.abs(value - before[name]).max() > 1e-3  # a step was taken
        np.testing.assert_allclose(getattr(net, name).numpy(), value, rtol=0, atol=1e-5)


def test_three_steps_of_adam_are_those_of_keras(rng):
    start = rng.normal(size=(20, 7)).astype(np.float32)
    ours, theirs = lowlevel.tf.Variable(start), keras.Variable(start)
    adam, peer = lowlevel.Adam(0.01), keras.optimizers.Adam(0.01, epsilon=1e-8)
    adam.build([ours])
    for _ in range(3):
        gradient = rng.normal(size=(20, 7)).astype(np.float32)
        adam.apply([lowlevel.tf.constant(gradient)], [ours])
        peer.apply([keras.ops.convert_to_tensor(gradient)], [theirs])
    assert np.abs(ours.numpy() - start).min() > 1e-5
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-6)


def test_any_list_of_sizes_and_the_narrowest_layer_is_Z(rows):
    net = lowlevel.Autoencoder([784, 32, 5, 32, 784])
    assert net.encode(rows).shape == (300, 5)
    assert net.decode(net.encode(rows)).shape == (300, 784)
    assert net.W4.shape == (32, 784)


def test_what_is_fed_is_taken_and_the_rest_follows(rows):
    net = lowlevel.Autoencoder([784, 16, 784])
    Z, X_hat = net.run(["Z", "X_hat"], {"X": rows})
    np.testing.assert_array_equal(net.run("X_hat", {"Z": Z}), X_hat)
    np.testing.assert_array_equal(net.decode(Z), net.reconstruct(rows))
    np.testing.assert_array_equal(net.run("Z", {"Z": Z}), Z)
    # With Z and b2 at 0 every logit is 0, and every pixel costs log 2 whatever X says.
    assert net.run("cost", {"X": rows, "Z": np.zeros_like(Z)}) == pytest.approx(784 * np.log(2), rel=1e-6)


def test_run_names_what_is_missing(rows):
    net = lowlevel.Autoencoder([784, 16, 784])
    with pytest.raises(CutError, match=r"run\('cost'\) needs 'X', which follows from nothing else"):
        net.run("cost", {"Z": net.encode(rows)})
    with pytest.raises(CutError, match="Did you mean 'X_hat'"):
        net.run("X_hut", {"X": rows})
    with pytest.raises(CutError, match="unknown value to feed 'cost'"):
        net.run("X_hat", {"cost": rows})
    with pytest.raises(ShapeError, match=r"expected shape \(n, 16\), got \(300, 784\)"):
        net.run("X_hat", {"Z": rows})


def test_training_lowers_the_cost_and_a_smaller_last_batch_counts(rows):
    net = lowlevel.Autoencoder([784, 16, 784]).fit(rows, epochs=3, batch_size=64)  # 300 = 4 * 64 + 44
    assert net.history["cost"] == sorted(net.history["cost"], reverse=True)
    # Adam counts its steps: five an epoch, so no row was dropped.
    assert float(net.optimizer.step) == 15


def test_two_runs_with_one_seed_give_the_same_bits(rows):
    nets = [lowlevel.Autoencoder([784, 16, 784], random_state=seed).fit(rows, epochs=2) for seed in (5, 5, 6)]
    weights = [np.concatenate([variable.numpy().ravel() for variable in net.variables]) for net in nets]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_the_articles_weights_start_saturated_and_the_default_ones_do_not(rows):
    spread = {
        recipe: lowlevel.Autoencoder(recipe=recipe).run("logits", {"X": rows}).std() for recipe in lowlevel.RECIPES
    }
    assert spread["article"] > 30  # sigmoid(30) is 1 to thirteen digits
    assert spread["default"] < 3


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda X: lowlevel.Autoencoder([784, 784]), OptionError, "sizes must be"),
        (lambda X: lowlevel.Autoencoder([784, 3, 780]), OptionError, "sizes must be"),
        (lambda X: lowlevel.Autoencoder(recipe="artcle"), OptionError, "Did you mean 'article'"),
        (lambda X: lowlevel.Autoencoder(optimizer="adm"), OptionError, "Did you mean 'adam'"),
        (lambda X: lowlevel.Autoencoder().fit(X * 255), DataError, "divide pixels by 255"),
        (lambda X: lowlevel.Autoencoder().fit(X, epochs=0), OptionError, "at least 1"),
        (lambda X: lowlevel.Autoencoder().fit(X[:, :5]), ShapeError, r"\(n, 784\), got \(300, 5\)"),
        (lambda X: lowlevel.Autoencoder(optimizer=lowlevel.Adam(1e30)).fit(X, epochs=3), DivergedError, "diverged"),
        (lambda X: lowlevel.Autoencoder().W9, AttributeError, "W1, b1, W2, b2"),
    ],
)
def test_bad_input_is_one_line(rows, act, error, message):
    with pytest.raises(error, match=message):
        act(rows)
