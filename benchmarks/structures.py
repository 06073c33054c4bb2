"""Convolutional, recurrent and other networks, beside Keras `fit`: `python -m benchmarks.structures`.

The very same Keras model, built from words, trained by the compiled loop and by Keras; each in a process of its own, in
turn, medians of several rounds; a round is the median of the epochs behind the first, which compiles.
"""

import argparse
import json
import statistics

import numpy as np

from benchmarks.task import Laps, Task, run

WORDS = ("dense", "conv 32-64", "pool 16-32", "conv1d 64-128", "lstm 64", "gru 64", "attention 64x2", "residual 256x3")


def one(who: str, words: str, rows: int, batch_size: int, epochs: int) -> None:
    """Train one network one way and print the seconds of its epochs as JSON."""
    import keras

    import diabolo.training
    from diabolo.network import structures
    from diabolo.network.backends.keras import builder as keras_builder

    images = Task((784,), batch_size, epochs, rows).scaled.reshape(-1, 28, 28, 1)
    network = structures.build(words, (28, 28, 1), latent_dim=32)
    model = keras_builder.build(network, link="sigmoid").autoencoder
    model.compile("adam", "binary_crossentropy")
    laps = Laps()
    watch = keras.callbacks.LambdaCallback(on_epoch_end=laps.lap)
    if who == "diabolo":
        # As of a training of the usual length, because what is worth compiling depends on the work ahead.
        def stop(epoch: int, logs: object) -> None:
            model.stop_training = epoch + 1 >= epochs

        callbacks = [watch, keras.callbacks.LambdaCallback(on_epoch_end=stop)]
        diabolo.training.fit(model, images, batch_size=batch_size, epochs=50, verbose=0, callbacks=callbacks, seed=0)
    else:
        model.fit(images, images, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[watch])
    print(json.dumps({"laps": laps.seconds}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=6_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--structures", nargs="*", default=WORDS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.one:
        one(*settings.one, settings.rows, settings.batch_size, settings.epochs)
        return
    common = [f"--rows={settings.rows}", f"--batch-size={settings.batch_size}", f"--epochs={settings.epochs}"]
    print("| structure | Diabolo, seconds an epoch | Keras fit | times as long |\n|---|---|---|---|")
    for words in settings.structures:
        rounds = [
            [
                float(np.median(run("benchmarks.structures", "--one", who, words, *common)["laps"][1:]))
                for who in ("diabolo", "keras")
            ]
            for _ in range(settings.rounds)
        ]
        ours, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
        ratio = statistics.median(each[1] / each[0] for each in rounds)
        print(f"| {words} | {ours:.3g} | {theirs:.3g} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
