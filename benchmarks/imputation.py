"""Filling gaps in small tables of numbers, against scikit-learn's imputers: `python -m benchmarks.imputation`.

Six tables: four of scikit-learn, two of ADBench (the normal rows, in the folder `anomaly` of DIABOLO_DATA). A fifth of
the cells is removed: at random, or so that cells above the median of their column are removed four times as often as
those below. Every method learns from the table with its gaps and fills these; shown is the root mean squared error of
the removed cells in standard deviations of their columns, the median over seeds. All methods have their defaults.
"""

import argparse
import os
import statistics
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from diabolo import Autoencoder

SHARE, RATIO = 0.2, 4


def tables() -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and rows."""
    for name in ("breast_cancer", "wine", "diabetes", "iris"):
        yield name, getattr(datasets, f"load_{name}")().data
    for name in ("14_glass", "46_WPBC"):
        with np.load(Path(os.environ["DIABOLO_DATA"], "anomaly", f"{name}.npz")) as table:
            yield name.partition("_")[2], table["X"][table["y"] == 0].astype(float)


def removed(rows: np.ndarray, seed: int, *, at_random: bool) -> np.ndarray:
    """Return which cells are removed; each row keeps one."""
    chances = np.full(rows.shape, SHARE)
    if not at_random:
        above = rows > np.median(rows, axis=0)
        chances = np.where(above, RATIO, 1) * 2 * SHARE / (1 + RATIO)
    gone = np.random.default_rng(seed).random(rows.shape) < chances
    gone[gone.all(axis=1), 0] = False
    return gone


METHODS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "mean": lambda rows, seed: SimpleImputer().fit_transform(rows),
    "KNNImputer": lambda rows, seed: KNNImputer().fit_transform(rows),
    "IterativeImputer": lambda rows, seed: IterativeImputer(random_state=seed).fit_transform(rows),
    "Diabolo": lambda rows, seed: (
        Autoencoder(random_state=seed, verbose=False).fit(rows, evaluate=False).reconstruct(rows, fill="missing")
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    settings = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for at_random in (True, False):
        print(f"\ngaps {'' if at_random else 'not '}at random\n")
        print(f"| table | rows | columns | {' | '.join(METHODS)} |")
        print("|---|---|---|" + "---|" * len(METHODS))
        for name, rows in tables():
            scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
            found = []
            for fill in METHODS.values():
                errors = []
                for seed in range(settings.seeds):
                    gone = removed(scaled, seed, at_random=at_random)
                    filled = fill(np.where(gone, np.nan, scaled), seed)
                    errors.append(float(np.sqrt(np.square(filled[gone] - scaled[gone]).mean())))
                found.append(statistics.median(errors))
            figures = " | ".join(f"{each:.3f}" for each in found)
            print(f"| {name} | {len(rows):,} | {rows.shape[1]} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
