"""The article's way: a TensorFlow 1 graph, a session, a feed for each batch."""

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.task import Laps, Task


def epochs(task: Task) -> list[float]:
    rows, rng = task.scaled, np.random.default_rng(0)
    with tf.Graph().as_default(), tf.Session() as session:
        X = tf.placeholder(tf.float32, [None, task.sizes[0]])
        values, width = X, task.sizes[0]
        for place, units in enumerate(task.layers):
            limit = (6 / (width + units)) ** 0.5
            W = tf.Variable(tf.random_uniform([width, units], -limit, limit, seed=place))
            values = tf.matmul(values, W) + tf.Variable(tf.zeros([units]))
            values, width = tf.nn.relu(values) if place < len(task.layers) - 1 else values, units
        cost = tf.reduce_mean(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=X, logits=values), axis=1))
        step = tf.train.AdamOptimizer(0.001).minimize(cost)
        session.run(tf.global_variables_initializer())
        laps = Laps()
        for _ in range(task.epochs):
            order = rng.permutation(len(rows))
            for start in range(0, len(rows), task.batch_size):
                session.run(step, {X: rows[order[start : start + task.batch_size]]})
            laps.lap()
    return laps.seconds
