"""Keras' own fit on TensorFlow, default settings."""

import keras

from benchmarks.task import Laps, Task


def model(task: Task) -> keras.Model:
    """Return the compiled network, rows -> logits."""
    layers = [keras.Input((task.sizes[0],))]
    layers += [keras.layers.Dense(width, activation="relu") for width in task.layers[:-1]]
    network = keras.Sequential([*layers, keras.layers.Dense(task.layers[-1])])
    network.compile(keras.optimizers.Adam(0.001), keras.losses.BinaryCrossentropy(from_logits=True))
    return network


def epochs(task: Task) -> list[float]:
    rows, laps = task.scaled, Laps()
    clock = keras.callbacks.LambdaCallback(on_epoch_end=laps.lap)
    model(task).fit(rows, rows, batch_size=task.batch_size, epochs=task.epochs, verbose=0, callbacks=[clock])
    return laps.seconds
