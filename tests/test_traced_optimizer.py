"""The steps of Adam and AdamW as they are traced, beside those of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from diabolo.training.traced_optimizer import traced

COSINE = {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 20)}
SETTINGS = {
    "Adam": (keras.optimizers.Adam, {"learning_rate": 0.1}),
    "a schedule": (keras.optimizers.Adam, COSINE),
    "weight decay": (keras.optimizers.AdamW, COSINE | {"weight_decay": 0.3}),
    "clipped": (keras.optimizers.AdamW, COSINE | {"global_clipnorm": 0.1}),
    "averaged": (keras.optimizers.AdamW, COSINE | {"use_ema": True, "ema_overwrite_frequency": 4}),
    "amsgrad": (keras.optimizers.AdamW, COSINE | {"amsgrad": True}),
    "accumulated": (keras.optimizers.Adam, COSINE | {"gradient_accumulation_steps": 3}),
    "another": (keras.optimizers.Nadam, COSINE),
}
STEPS = 12


def after_steps(optimizer, *, fused):
    """Return a kernel, an embedding and a bias after steps down the gradient, and how many operations one step has."""
    rng = np.random.default_rng(0)
    rows, places = tf.constant(rng.normal(size=(STEPS, 5, 3)), tf.float32), tf.constant(rng.integers(0, 4, (STEPS, 5)))
    kernel = keras.Variable(rng.normal(size=(3, 2)).astype(np.float32), constraint=keras.constraints.NonNeg())
    table, bias = keras.Variable(rng.normal(size=(4, 2)).astype(np.float32)), keras.Variable(np.zeros(2, np.float32))
    variables = [kernel, table, bias]
    optimizer.exclude_from_weight_decay(var_list=[bias])
    optimizer.build(variables)

    def step(at):
        with tf.GradientTape() as tape:
            found = rows[at] @ kernel.value + tf.gather(table.value, places[at]) + bias.value
            loss = tf.reduce_sum((found - 1) ** 2)
        slopes = tape.gradient(loss, [each.value for each in variables])
        if fused:
            with traced(optimizer):
                optimizer.apply(slopes, variables)
        else:
            optimizer.apply(slopes, variables)

    run = tf.function(step, autograph=False)
    for at in range(STEPS):
        run(tf.constant(at))
    assert int(optimizer.iterations.numpy()) == STEPS // (optimizer.gradient_accumulation_steps or 1)
    assert "update_step" not in vars(optimizer)
    return [each.numpy() for each in variables], len(run.get_concrete_function(tf.constant(0)).graph.get_operations())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_traced_optimizer_takes_the_steps_of_keras(name):
    make, settings = SETTINGS[name]
    expected, operations = after_steps(make(**settings), fused=False)
    found, fewer = after_steps(make(**settings), fused=True)
    for one, other in zip(found, expected, strict=True):
        # The kernel computes 1 - beta_2 from the float32 nearest to 0.999, which moves a step by up to 2e-5 of it.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert fewer <= operations
    if name == "weight decay":
        assert fewer < 0.8 * operations
