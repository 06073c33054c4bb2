"""The article's second network, in Keras, with its two slips mended; and its parts taken out with Diabolo.

    python examples/article_keras.py --epochs 3

Slip one: a sigmoid applied twice. The last layer already ends in one, and the loss was given its output as logits,
so a second sigmoid was applied inside the loss: probabilities can then only move between 0.5 and 0.73, and black pixels
never become black. Mend: end in logits and say `from_logits=True`, or end in a sigmoid and say `from_logits=False`;
below, the first, because it is exact for large numbers.

Slip two: the bottleneck was asked for under another name than it had been given, so taking the encoder out failed.
Mend: name the layer once, in one place, and take it out by that name.
"""

import argparse

import keras
import numpy as np

from diabolo import datasets, evaluate, split

BOTTLENECK = "bottleneck"


def build(features: int = 784, latent: int = 128, seed: int = 0) -> keras.Model:
    """Return the network: rows -> logits."""
    return keras.Sequential(
        [
            keras.Input((features,), name="X"),
            keras.layers.Dense(
                latent, activation="relu", name=BOTTLENECK, kernel_initializer=keras.initializers.GlorotUniform(seed)
            ),
            keras.layers.Dense(features, name="logits", kernel_initializer=keras.initializers.GlorotUniform(seed + 1)),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    settings = parser.parse_args()

    digits = datasets.digits()
    rows = digits.x_train.reshape(-1, 784).astype("float32") / 255
    test = digits.x_test.reshape(-1, 784).astype("float32") / 255
    model = build()
    # Keras averages this loss over the pixels; times 784 it is the article's cost of one image.
    model.compile(keras.optimizers.RMSprop(0.001), keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(rows, rows, batch_size=64, epochs=settings.epochs, verbose=2)

    encoder, decoder = split(model, at=BOTTLENECK)
    latents = encoder.predict(test, verbose=0)
    X_hat = keras.ops.convert_to_numpy(keras.ops.sigmoid(decoder.predict(latents, verbose=0)))
    print(f"latents {latents.shape}, mean squared error {np.mean((X_hat - test) ** 2):.4f} a pixel")

    # The same without making models: any layer from any other.
    same = evaluate(model, fetch="logits", feed={BOTTLENECK: latents})
    print(f"evaluate() and decoder agree: {np.allclose(same, decoder.predict(latents, verbose=0), atol=1e-5)}")


if __name__ == "__main__":
    main()
