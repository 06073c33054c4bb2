"""Keras' optimizers, traced with fewer operations and without what only several machines need.

Tracing takes most of a short training. Keras computes learning rate and decay rates for each variable anew; here they
are computed once a step, and Adam and AdamW use TensorFlow's own kernel. The results are the same up to the
rounding of the decay rates to float32.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

FUSED = (keras.optimizers.Adam, keras.optimizers.AdamW)  # not those derived from them, which may have another step


@contextmanager
def traced(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Replace methods of a Keras optimizer while its step is traced.

    Keras sums gradients over machines in a function with a gradient of its own. TensorFlow keeps it in a table from
    which nothing is removed, and with it the whole traced program: 6 MB for each training of a small network.
    """
    if tf.distribute.has_strategy():
        yield
        return
    both = [optimizer, getattr(optimizer, "inner_optimizer", None)]  # an optimizer that scales the loss has another
    patched = list[tuple[keras.optimizers.Optimizer, str]]()
    for each in filter(None, both):
        for name, method in _methods(each).items():
            if hasattr(each, name) and name not in vars(each):
                setattr(each, name, method)
                patched.append((each, name))
    try:
        yield
    finally:
        for each, name in patched:
            delattr(each, name)


def _methods(optimizer: keras.optimizers.Optimizer) -> dict[str, Callable[..., Any]]:
    """Return what replaces the methods of an optimizer, by name."""
    methods: dict[str, Callable[..., Any]] = {"_all_reduce_sum_gradients": lambda gradients: gradients}
    if type(optimizer) in FUSED:
        methods["_apply_weight_decay"] = _decay(optimizer)
        if not optimizer.amsgrad:
            methods["update_step"] = _adam(optimizer)
    return methods


def _decay(optimizer: keras.optimizers.Optimizer) -> Callable[..., None]:
    def apply(variables: Sequence[Any]) -> None:
        if optimizer.weight_decay is None:
            return
        share = tf.cast(optimizer.learning_rate, tf.float32) * tf.constant(optimizer.weight_decay, tf.float32)
        for variable in variables:
            if optimizer._use_weight_decay(variable):
                value = getattr(variable, "value", variable)
                value.assign_sub(value * tf.cast(share, value.dtype))

    return apply


def _adam(optimizer: keras.optimizers.Optimizer) -> Callable[..., None]:
    powers = dict[Any, tuple[tf.Tensor, tf.Tensor]]()  # by graph, as tensors belong to one

    def step(gradient: Any, variable: Any, learning_rate: tf.Tensor) -> None:
        if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            type(optimizer).update_step(optimizer, gradient, variable, learning_rate)
            return
        graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        betas = [tf.constant(each, tf.float32) for each in (optimizer.beta_1, optimizer.beta_2)]
        if graph is None or graph not in powers:
            done = tf.cast(tf.convert_to_tensor(optimizer.iterations), tf.float32) + 1
            powers[graph] = tf.pow(betas[0], done), tf.pow(betas[1], done)
        place = optimizer._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[place].value.handle,
            v=optimizer._velocities[place].value.handle,
            beta1_power=powers[graph][0],
            beta2_power=powers[graph][1],
            lr=tf.cast(learning_rate, tf.float32),
            beta1=betas[0],
            beta2=betas[1],
            epsilon=tf.constant(optimizer.epsilon, tf.float32),
            grad=tf.cast(gradient, tf.float32),
        )

    return step
