"""Encoding one row and many, beside Keras `predict` and bare ONNX Runtime: `python -m benchmarks.inference`.

784-512-256-32, the default network of the digits. One process, the three in turn, medians; a cold `diabolo encode` of
one row against the import of TensorFlow, each in a process of its own.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diabolo import Autoencoder, datasets, split


def median_seconds(functions: dict[str, Callable[[], Any]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Return the median seconds of each function; in each round each is called `calls` times in turn.

    With several calls the first of a round does not count: it finds the processor's caches full of another's data.
    """
    laps: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            for call in range(calls):
                started = time.perf_counter()
                function()
                if call or calls == 1:
                    laps[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in laps.items()}


def show(title: str, seconds: dict[str, float]) -> None:
    print(f"\n{title}")
    for name, each in seconds.items():
        print(f"{name:36}{1e3 * each:>12.3f} ms {each / next(iter(seconds.values())):>10.2f}")


def main() -> None:
    digits = datasets.digits()
    estimator = Autoencoder(32, epochs=1, random_state=0).fit(digits.x_train[:2000])
    encoder, _ = split(estimator.to_keras())
    session, adapter = estimator.model_.runtime._encoder, estimator.model_.adapter
    one = digits.x_test[:1]
    tensor = adapter.adapt(one)
    show(
        "one row",
        median_seconds(
            {
                "Diabolo": lambda: estimator.encode(one),
                "ONNX Runtime, bare": lambda: session.run(["latent"], {"rows": tensor}),
                "Keras predict": lambda: encoder.predict(tensor, verbose=0),
            },
            rounds=5,
            calls=20,
        ),
    )
    many = np.resize(digits.x_train, (60_000, 28, 28))
    tensors = adapter.adapt(many)
    show(
        "60,000 rows",
        median_seconds(
            {
                "Diabolo, bytes": lambda: estimator.encode(many),
                "ONNX Runtime, bare, one batch": lambda: session.run(["latent"], {"rows": tensors}),
                "Keras predict, batch 32": lambda: encoder.predict(tensors, verbose=0),
                "Keras predict, batch 8192": lambda: encoder.predict(tensors, batch_size=8192, verbose=0),
            },
            rounds=5,
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        model = estimator.save(Path(folder) / "model")
        np.save(Path(folder) / "row.npy", one)

        def process(*arguments: str) -> Callable[[], Any]:
            return lambda: subprocess.run(
                [sys.executable, *arguments], cwd=folder, check=True, capture_output=True, text=True
            )

        encode = process("-m", "diabolo", "encode", str(model), "row.npy", "-o", "z.npy", "--force")
        cold = {"diabolo encode, one row": encode, "import tensorflow": process("-c", "import tensorflow")}
        show("a cold process", median_seconds(cold, 5))
        light = {
            "diabolo --help": process("-m", "diabolo", "--help"),
            "import diabolo": process("-c", "import diabolo"),
        }
        show("a light process", median_seconds(light, 5))


if __name__ == "__main__":
    main()
