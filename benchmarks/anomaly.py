"""Odd rows of the tables of ADBench, beside other detectors: `python -m benchmarks.anomaly FOLDER [--seeds 5]`.

DIABOLO_DATA must hold `anomaly/*.npz`. At most 10,000 rows of each, standardised by those that are trained on. Two
protocols: all rows are trained on and judged; half of the ordinary rows are trained on and all others judged. What is
done is kept in FOLDER and not done again. Printed are areas under the ROC curve, the mean over tables of medians over
seeds; and how many times as long PyOD's auto-encoder takes.

Order: the data, the detectors, the run, the table.
"""

import argparse
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

Array = np.ndarray[Any, Any]
ROWS = 10_000


def tables() -> Iterator[tuple[str, Array, Array]]:
    """Give the name, rows and labels of each table, small ones first."""
    for path in sorted(
        (Path(os.environ["DIABOLO_DATA"]) / "anomaly").glob("*.npz"), key=lambda each: each.stat().st_size
    ):
        with np.load(path) as data:
            yield path.stem, data["X"].astype(float), data["y"].astype(int)


def divide(name: str, rows: Array, labels: Array, seed: int, protocol: str) -> tuple[Array, Array, Array]:
    """Return rows to train on, rows to judge, and which of these are odd."""
    chance = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if len(rows) > ROWS:
        some = chance.permutation(len(rows))[:ROWS]
        rows, labels = rows[some], labels[some]
    train = judged = np.arange(len(rows))
    if protocol == "half of the ordinary rows":
        ordinary = chance.permutation(np.flatnonzero(labels == 0))
        train = ordinary[: len(ordinary) // 2]
        judged = np.setdiff1d(judged, train)
    scaled = StandardScaler().fit(rows[train]).transform(rows)
    return scaled[train], scaled[judged], labels[judged]


def diabolo(train: Array, judged: Array, seed: int) -> Array:
    from diabolo import AnomalyDetector

    return -AnomalyDetector(random_state=seed).fit(train).score_samples(judged)


def forest(train: Array, judged: Array, seed: int) -> Array:
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(random_state=seed).fit(train).score_samples(judged)


def pyod(name: str, *, seeded: bool = False) -> Callable[[Array, Array, int], Array]:
    """Return a detector of PyOD with its defaults; its own scores of the rows of fit(), as it keeps them."""

    def run(train: Array, judged: Array, seed: int) -> Array:
        import importlib

        module = importlib.import_module(f"pyod.models.{name.lower() if name != 'AutoEncoder' else 'auto_encoder'}")
        settings: dict[str, Any] = {"random_state": seed} if seeded else {}
        if name == "AutoEncoder":
            settings |= {"verbose": 0}
        detector = getattr(module, name)(**settings).fit(train)
        same = judged is train or np.array_equal(judged, train)
        # PCA divides by the variance of components that have none: what it calls infinite is the oddest there is.
        return np.nan_to_num(detector.decision_scores_ if same else detector.decision_function(judged))

    return run


DETECTORS: dict[str, Callable[[Array, Array, int], Array]] = {
    "Diabolo": diabolo,
    "IsolationForest": forest,
    "PCA": pyod("PCA", seeded=True),
    "ECOD": pyod("ECOD"),
    "kNN": pyod("KNN"),
    "PyOD AutoEncoder": pyod("AutoEncoder", seeded=True),
}
PROTOCOLS = ("all rows", "half of the ordinary rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="to keep results in")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(DETECTORS), choices=list(DETECTORS))
    settings = parser.parse_args()
    settings.folder.mkdir(parents=True, exist_ok=True)
    path = settings.folder / "anomaly.json"
    done: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.is_file() else {}
    for seed in range(settings.seeds):
        for protocol in PROTOCOLS:
            for name, rows, labels in tables():
                train, judged, odd = divide(name, rows, labels, seed, protocol)
                for detector in settings.only:
                    key = f"{protocol}|{name}|{seed}|{detector}"
                    if key in done:
                        continue
                    started = time.perf_counter()
                    scores = DETECTORS[detector](train, judged, seed)
                    seconds = time.perf_counter() - started
                    done[key] = {
                        "auc": float(roc_auc_score(odd, scores)),
                        "seconds": seconds,
                        "rows": len(train),
                    }
                    path.write_text(json.dumps(done))
    report(done)


def report(done: dict[str, dict[str, float]]) -> None:
    print("| | all rows | half of the ordinary rows |\n|---|---|---|")
    for detector in DETECTORS:
        cells = []
        for protocol in PROTOCOLS:
            found: dict[str, list[float]] = {}
            for key, result in done.items():
                which, name, _, whose = key.split("|")
                if (which, whose) == (protocol, detector):
                    found.setdefault(name, []).append(result["auc"])
            medians = [float(np.median(each)) for each in found.values()]
            cells.append(f"{np.mean(medians):.3f} ({len(medians)} tables)" if medians else "")
        print(f"| {detector} | {' | '.join(cells)} |")
    ratios = {}
    for key, result in done.items():
        theirs = done.get(key.replace("|Diabolo", "|PyOD AutoEncoder")) if key.endswith("|Diabolo") else None
        if theirs is not None and result["rows"] > 1000:
            ratios.setdefault(key.split("|")[1], []).append(theirs["seconds"] / result["seconds"])
    for name, each in ratios.items():
        print(f"{name}: PyOD AutoEncoder takes {np.median(each):.1f} times as long")


if __name__ == "__main__":
    main()
