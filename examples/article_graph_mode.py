"""The article's first network in the form of TensorFlow 1: placeholders, a graph, a session.

Kept as the thing to compare `diabolo.lowlevel` with, which is the same network in today's form; a test holds the two
to the same numbers. Run it on the packaged digits:

    python examples/article_graph_mode.py --epochs 3

The recipe is the article's: every weight and bias drawn from normal(0, 1), the cross-entropy summed over pixels and
rows, RMSProp with a rate of 0.005. docs/from-the-article.md says why it trains badly.
"""

import argparse
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from diabolo import datasets


class Graph(NamedTuple):
    """The tensors that a session can be asked for, and the variables."""

    X: Any
    Z: Any
    logits: Any
    X_hat: Any
    cost: Any
    step: Any
    variables: dict[str, Any]


def build(features: int = 784, latent: int = 128, learning_rate: float = 0.005, seed: int = 0) -> Graph:
    """Add the network to the default graph."""
    X = tf.placeholder(tf.float32, [None, features], name="X")
    variables = {
        "W1": tf.Variable(tf.random_normal([features, latent], seed=seed)),
        "b1": tf.Variable(tf.random_normal([latent], seed=seed + 1)),
        "W2": tf.Variable(tf.random_normal([latent, features], seed=seed + 2)),
        "b2": tf.Variable(tf.random_normal([features], seed=seed + 3)),
    }
    Z = tf.nn.relu(tf.matmul(X, variables["W1"]) + variables["b1"])
    logits = tf.matmul(Z, variables["W2"]) + variables["b2"]
    X_hat = tf.sigmoid(logits)
    cost = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=X, logits=logits))
    step = tf.train.RMSPropOptimizer(learning_rate).minimize(cost)
    return Graph(X, Z, logits, X_hat, cost, step, variables)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    settings = parser.parse_args()

    digits = datasets.digits()
    rows = digits.x_train.reshape(-1, 784) / 255
    test = digits.x_test.reshape(-1, 784) / 255
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.Session() as session:
        graph = build()
        session.run(tf.global_variables_initializer())
        for epoch in range(settings.epochs):
            order = rng.permutation(len(rows))
            costs = []
            for start in range(0, len(rows), settings.batch_size):
                batch = rows[order[start : start + settings.batch_size]]
                cost, _ = session.run([graph.cost, graph.step], {graph.X: batch})
                costs.append(cost / len(batch))
            print(f"epoch {epoch + 1}: cost {np.mean(costs):.1f} nats an image")
        cost, X_hat = session.run([graph.cost, graph.X_hat], {graph.X: test})
        print(
            f"test: {cost / len(test):.1f} nats an image, mean squared error {np.mean((X_hat - test) ** 2):.4f} a pixel"
        )


if __name__ == "__main__":
    main()
