"""How well latent_dim="auto" counts the factors of made data: `python -m benchmarks.latents`.

Rows are made of k independent factors, plainly or through something curved, with noise. Order: the data, the table.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from diabolo import Autoencoder

FACTORS = (2, 5, 10, 20)
SHAPES = ((2_000, 30, 0.1), (5_000, 100, 0.05), (3_000, 50, 0.2))  # rows, features, noise of 1

Rows = np.ndarray[Any, Any]


def linear(factors: Rows, features: int, chance: np.random.Generator) -> Rows:
    """Weighted sums."""
    return factors @ chance.normal(size=(factors.shape[1], features))


def squares(factors: Rows, features: int, chance: np.random.Generator) -> Rows:
    """Sums, and squares of other sums."""
    count = factors.shape[1]
    plain, other = (factors @ chance.normal(size=(count, features)) / np.sqrt(count) for _ in range(2))
    return plain + 0.5 * (other**2 - 1)


def network(factors: Rows, features: int, chance: np.random.Generator) -> Rows:
    """A network of 64 hidden units with random weights."""
    count = factors.shape[1]
    hidden = np.tanh(factors @ chance.normal(size=(count, 64)) / np.sqrt(count))
    return hidden @ chance.normal(size=(64, features)) / 8


def folded(factors: Rows, features: int, chance: np.random.Generator) -> Rows:
    """Sums of factors, of their cosines and squares, and of products of neighbours; factors in [-1, 1]."""
    flat = np.tanh(factors)
    every = np.concatenate([flat, np.cos(2 * flat), flat**2, flat * np.roll(flat, 1, axis=1)], axis=1)
    return every @ chance.normal(size=(every.shape[1], features))


MADE: dict[str, Callable[..., Rows]] = {"linear": linear, "squares": squares, "network": network, "folded": folded}


def main() -> None:
    """Print a line for each kind and shape."""
    print("| rows x features, noise | made by | found for 2, 5, 10, 20 factors | seconds each |\n|---|---|---|---|")
    for rows, features, noise in SHAPES:
        for name, make in MADE.items():
            found, started = [], time.perf_counter()
            for count in FACTORS:
                chance = np.random.default_rng([rows, count])
                clean = make(chance.normal(size=(rows, count)), features, chance)
                data = clean / clean.std() + noise * chance.normal(size=clean.shape)
                model = Autoencoder("auto", epochs=1, random_state=0, verbose=False).fit(data)
                found.append(str(model.latent_dim_))
            seconds = (time.perf_counter() - started) / len(FACTORS)
            print(f"| {rows:,} x {features}, {noise} | {name} | {', '.join(found)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
