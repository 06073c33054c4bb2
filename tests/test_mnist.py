"""The figures that both ways must reach on the complete MNIST, judged by NumPy on 10,000 test images.

784-128-784, Adam 0.001, batch 64, 10 epochs: cross-entropy at most 53 nats an image, squared error at most 0.0020 a
pixel. The article's own recipe ends near 183 and 0.058, where the mean image has 0.0675.
"""

import numpy as np
import pytest

from diabolo import Autoencoder, datasets, lowlevel


@pytest.fixture(scope="module")
def mnist(data_dir):
    return datasets.mnist(data_dir)


def figures(reconstruction, logits, images):
    target = images.reshape(-1, 784) / 255
    cross_entropy = (np.logaddexp(0, logits) - target * logits).sum(axis=1).mean()
    return cross_entropy, np.square(reconstruction - target).mean()


def test_lowlevel_reaches_the_figures(mnist):
    net = lowlevel.Autoencoder([784, 128, 784]).fit(mnist.x_train.reshape(-1, 784) / 255, epochs=10, batch_size=64)
    X_hat, logits = net.run(["X_hat", "logits"], {"X": mnist.x_test.reshape(-1, 784) / 255})
    cross_entropy, error = figures(X_hat, logits.astype(np.float64), mnist.x_test)
    assert cross_entropy <= 53
    assert error <= 0.0020


def test_the_estimator_reaches_the_figures(mnist):
    net = Autoencoder(
        structure="784-128", optimizer="adam", learning_rate=0.001, batch_size=64, epochs=10, random_state=0
    ).fit(mnist.x_train)
    reconstruction = net.reconstruct(mnist.x_test).reshape(-1, 784) / 255
    assert net.score(mnist.x_test) >= -53
    assert np.square(reconstruction - mnist.x_test.reshape(-1, 784) / 255).mean() <= 0.0020


@pytest.mark.slow
def test_the_articles_recipe_is_as_bad_as_it_was(mnist):
    net = lowlevel.Autoencoder(recipe="article").fit(mnist.x_train.reshape(-1, 784) / 255, epochs=10)
    X_hat, logits = net.run(["X_hat", "logits"], {"X": mnist.x_test.reshape(-1, 784) / 255})
    cross_entropy, error = figures(X_hat, logits.astype(np.float64), mnist.x_test)
    assert 160 < cross_entropy < 210
    assert 0.050 < error < 0.0675
