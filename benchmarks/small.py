"""The whole `fit` call on little data, beside Keras `fit`: `python -m benchmarks.small`.

500 rows of 20 numbers, 100 epochs of batches of 64, 20-16-5-16-20, a tenth held back; both imports are done before.
"""

import time

import keras
import numpy as np

from benchmarks.inference import median_seconds, show
from diabolo import Autoencoder
from diabolo.training import backend


def ours(rows: np.ndarray) -> None:
    Autoencoder(
        5,
        structure=[16],
        optimizer="adam",
        learning_rate_schedule="constant",
        epochs=100,
        patience=0,
        random_state=0,
        verbose=False,
    ).fit(rows)


def theirs(rows: np.ndarray) -> None:
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    widths = ((16, "elu"), (5, None), (16, "elu"), (20, None))
    network = keras.Sequential([keras.Input((20,)), *(keras.layers.Dense(*each) for each in widths)])
    network.compile("adam", "mse")
    network.fit(scaled, scaled, batch_size=64, epochs=100, validation_split=0.1, verbose=0)


def main() -> None:
    backend.load_tensorflow()
    rows = np.random.default_rng(0).normal(size=(500, 20))
    ours(rows[:70])  # the first training of a process loads what all later ones share
    started = time.perf_counter()
    show("500 rows, 100 epochs", median_seconds({"Diabolo": lambda: ours(rows), "Keras fit": lambda: theirs(rows)}, 5))
    print(f"{time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
