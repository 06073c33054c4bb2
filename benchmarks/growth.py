"""How cost grows with rows and with features: `python -m benchmarks.growth`.

One epoch of the default network, encoding, scoring and a detector (fit and score, two epochs), with imports and first
compilations done before. The exponent of each column is the slope of a line through the logarithms of sizes and
seconds: 1 is proportional.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from diabolo import AnomalyDetector, Autoencoder

ROWS = (1_000, 10_000, 100_000, 1_000_000)
FEATURES = (10, 100, 1_000, 10_000)
SETTINGS = {"random_state": 0, "verbose": False, "patience": 0}


def made(rows: int, features: int) -> np.ndarray:
    """Return rows made of five factors, with noise."""
    rng = np.random.default_rng(0)
    loads = rng.normal(size=(5, features)).astype(np.float32)
    found = rng.normal(size=(rows, 5)).astype(np.float32) @ loads
    found += 0.3 * rng.standard_normal(found.shape, np.float32)
    return found


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the least seconds of some rounds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def measured(rows: int, features: int) -> list[float]:
    """Return the seconds of each column."""
    X = made(rows, features)
    rounds = 3 if X.size < 1 << 24 else 1
    model = Autoencoder(5, epochs=1, **SETTINGS).fit(X)
    detector = Autoencoder(5, epochs=2, batch_size=256, **SETTINGS)
    return [
        seconds(lambda: Autoencoder(5, epochs=1, **SETTINGS).fit(X), rounds),
        seconds(lambda: model.encode(X), rounds),
        seconds(lambda: model.score_samples(X), rounds),
        seconds(lambda: AnomalyDetector(detector).fit(X).score_samples(X), rounds),
    ]


def table(title: str, sizes: tuple[int, ...], found: list[list[float]]) -> None:
    print(f"\n| {title} | one epoch, s | encode, s | score, s | detector, fit and score, s |\n|---|---|---|---|---|")
    for size, row in zip(sizes, found, strict=True):
        print(f"| {size:,} | " + " | ".join(f"{each:.3g}" for each in row) + " |")
    # From the second size on: below it the cost of a call counts for more than the numbers.
    slopes = np.polyfit(np.log(sizes[1:]), np.log(found[1:]), 1)[0]
    print("| exponent from the second size on | " + " | ".join(f"{each:.2f}" for each in slopes) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    Autoencoder(5, epochs=1, optimizer="sgd", **SETTINGS).fit(made(1_000, 20))  # loads TensorFlow
    table("rows of 20 features", ROWS, [measured(rows, 20) for rows in ROWS])
    table("features of 1,000 rows", FEATURES, [measured(1_000, features) for features in FEATURES])


if __name__ == "__main__":
    main()
