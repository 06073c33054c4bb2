"""Keras' fit with `steps_per_execution`, and XLA: its own way to leave Python less often."""

import keras

from benchmarks.peers.keras_fit import model
from benchmarks.task import Laps, Task


def epochs(task: Task) -> list[float]:
    rows, laps = task.scaled, Laps()
    clock = keras.callbacks.LambdaCallback(on_epoch_end=laps.lap)
    network = model(task)
    network.compile(network.optimizer, network.loss, steps_per_execution=100, jit_compile=True)
    network.fit(rows, rows, batch_size=task.batch_size, epochs=task.epochs, verbose=0, callbacks=[clock])
    return laps.seconds
