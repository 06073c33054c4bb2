"""Reconstruction of rows that were held back, against PCA and a network by hand: `python -m benchmarks.against_pca`.

30 combinations of a table and a number of latents: tables of scikit-learn, made linear tables, and the normal rows of
tables of ADBench in the folder `anomaly` of DIABOLO_DATA. Each table has at most 2,500 rows, a fifth of which is held
back; columns are standardised by the other rows. R2 is 1 minus the squared error over that of the mean. Every method
gets the same rows and the same number of latents, Diabolo with its defaults; the median over seeds is shown.

The network by hand is written in PyTorch as a user would: one hidden layer twice as wide as a row on either side, relu,
Adam at 0.001, batches of 64, 1,500 steps, the weights of the best epoch by a tenth of the rows.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.decomposition import PCA

from diabolo import Autoencoder
from diabolo.network.structures import default_latent_dim

MOST_ROWS, HELD_BACK = 2_500, 5
STEPS, BATCH = 1_500, 64


def tables() -> Iterator[tuple[str, np.ndarray, int]]:
    """Yield name, rows and number of latents."""
    for rows in (100, 2_000):
        rng = np.random.default_rng(0)
        factors = rng.normal(size=(rows, 5)) @ rng.normal(size=(5, 30))
        yield f"linear, {rows} rows", factors + 0.3 * rng.normal(size=(rows, 30)), 7
    known = {"wine": (3, 6), "breast_cancer": (7,), "diabetes": (2, 5), "iris": (1,), "digits": (15,)}
    for name, counts in known.items():
        rows = getattr(datasets, f"load_{name}")().data
        for latents in counts:
            yield name, rows, latents
    for path in sorted(Path(os.environ["DIABOLO_DATA"], "anomaly").glob("*.npz")):
        with np.load(path) as table:
            rows = table["X"][table["y"] == 0].astype(float)
        name = path.stem.split("_", 1)[1]
        yield name, rows, 1 if name == "glass" else default_latent_dim(rows.shape[1], rows.shape[1])
        if name == "pendigits":
            yield name, rows, 2


def divided(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the standardised rows to learn from, and those to evaluate on."""
    rows = rows[np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS]]
    held, rest = np.split(rows, [len(rows) // HELD_BACK])
    spread = rest.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1)  # columns that are constant but for rounding stay as they are
    return (rest - rest.mean(axis=0)) / scale, (held - rest.mean(axis=0)) / scale


def pca(rest: np.ndarray, held: np.ndarray, latents: int, seed: int) -> np.ndarray:
    model = PCA(latents, random_state=seed).fit(rest)
    return model.inverse_transform(model.transform(held))


def default(rest: np.ndarray, held: np.ndarray, latents: int, seed: int, **settings: Any) -> np.ndarray:
    return Autoencoder(latents, random_state=seed, verbose=False, **settings).fit(rest).reconstruct(held)


def by_hand(rest: np.ndarray, held: np.ndarray, latents: int, seed: int) -> np.ndarray:
    import torch
    from torch import nn

    torch.manual_seed(seed)
    rows = torch.tensor(rest, dtype=torch.float32)[torch.randperm(len(rest))]
    validation, rows = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    width = rows.shape[1]
    network = nn.Sequential(
        nn.Linear(width, 2 * width),
        nn.ReLU(),
        nn.Linear(2 * width, latents),
        nn.Linear(latents, 2 * width),
        nn.ReLU(),
        nn.Linear(2 * width, width),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    best, least, done = None, float("inf"), 0
    while done < STEPS:
        for batch in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(rows[batch]), rows[batch]).backward()
            optimizer.step()
            done += 1
        with torch.no_grad():
            found = nn.functional.mse_loss(network(validation), validation).item()
            if found < least:
                best, least = network(torch.tensor(held, dtype=torch.float32)).numpy(), found
    return best


def r2(held: np.ndarray, reconstruction: np.ndarray) -> float:
    return float(1 - np.square(held - reconstruction).sum() / np.square(held).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of tables")
    parser.add_argument("--peers", nargs="*", default=["by hand"])
    parser.add_argument("--settings", nargs="*", default=[], help="of Autoencoder in addition, NAME=VALUE")
    chosen = parser.parse_args()
    settings = {name: _read(value) for name, _, value in (each.partition("=") for each in chosen.settings)}
    methods: dict[str, Callable[..., np.ndarray]] = {
        "PCA": pca,
        "Diabolo": lambda *rows: default(*rows, **settings),
    }
    if "by hand" in chosen.peers:
        methods["by hand"] = by_hand
    print(f"| table | latents | rows | {' | '.join(methods)} | seconds |")
    print("|---|---|---|" + "---|" * (len(methods) + 1))
    found: dict[str, list[float]] = {name: [] for name in methods}
    for name, rows, latents in tables():
        if chosen.only and name not in chosen.only:
            continue
        seconds = []
        for method, reconstruct in methods.items():
            each = []
            for seed in range(chosen.seeds):
                rest, held = divided(rows, seed)
                started = time.perf_counter()
                each.append(r2(held, reconstruct(rest, held, latents, seed)))
                if method == "Diabolo":
                    seconds.append(time.perf_counter() - started)
            found[method].append(statistics.median(each))
        figures = " | ".join(f"{found[method][-1]:.3f}" for method in methods)
        print(f"| {name} | {latents} | {len(rest):,} | {figures} | {statistics.median(seconds):.2f} |", flush=True)
    ours = np.array(found["Diabolo"])
    for method, theirs in found.items():
        if method != "Diabolo":
            gain = ours - np.array(theirs)
            print(
                f"against {method}: below by more than 0.005 on {(gain < -0.005).sum()}, above by 0.02 on "
                f"{(gain >= 0.02).sum()}, at least as good on {(gain >= 0).sum()} of {len(gain)}; "
                f"mean {gain.mean():+.4f}"
            )


def _read(value: str) -> Any:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


if __name__ == "__main__":
    main()
