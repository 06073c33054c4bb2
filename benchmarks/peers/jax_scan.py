"""JAX by hand: an epoch is one lax.scan, Adam written out."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.task import Laps, Task


def epochs(task: Task) -> list[float]:
    rows, rng = jnp.asarray(task.scaled), np.random.default_rng(0)
    widths = [task.sizes[0], *task.layers]
    parameters = [
        (jnp.asarray(rng.uniform(-1, 1, pair).astype("f4") * (6 / sum(pair)) ** 0.5), jnp.zeros(pair[1]))
        for pair in pairwise(widths)
    ]

    def cost(parameters, batch):
        values = batch
        for place, (W, b) in enumerate(parameters):
            values = values @ W + b
            if place < len(parameters) - 1:
                values = jax.nn.relu(values)
        each = jnp.maximum(values, 0) - values * batch + jnp.log1p(jnp.exp(-jnp.abs(values)))
        return each.sum(axis=1).mean()

    def step(state, places):
        parameters, means, squares, count = state
        gradients = jax.grad(cost)(parameters, rows[places])
        count = count + 1
        means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
        squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
        rate = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), parameters, means, squares)
        return (parameters, means, squares, count), None

    @jax.jit
    def epoch(state, order):
        return jax.lax.scan(step, state, order)[0]

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, zeros, jnp.zeros(()))
    full = len(rows) // task.batch_size
    laps = Laps()
    for _ in range(task.epochs):
        order = rng.permutation(len(rows)).astype(np.int32)
        state = epoch(state, order[: full * task.batch_size].reshape(full, -1))
        if len(order) % task.batch_size:
            state = epoch(state, order[None, full * task.batch_size :])
        jax.block_until_ready(state)
        laps.lap()
    return laps.seconds
