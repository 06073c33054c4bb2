"""Anomalies in the tables of ADBench, compared with other detectors: `python -m benchmarks.anomaly FOLDER [--seeds 5]`.

DIABOLO_DATA must hold `anomaly/*.npz`. At most 10,000 rows of each, standardised by the training rows. Two protocols:
all rows are trained on and scored; half of the normal rows are trained on and all others scored. Results are kept in
FOLDER, and are not computed again. Printed are areas under the ROC curve and average precisions, the mean over tables
of medians over seeds; on how many tables Diabolo is better, as good and worse; the Brier scores of its probabilities;
and how many times as long PyOD's auto-encoder takes.

Order: the data, the detectors, the run, the tables.
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
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

Array = np.ndarray[Any, Any]
ROWS = 10_000
TIE = 0.005  # a smaller difference is none


def tables() -> Iterator[tuple[str, Array, Array]]:
    """Give the name, rows and labels of each table, small ones first."""
    for path in sorted(
        (Path(os.environ["DIABOLO_DATA"]) / "anomaly").glob("*.npz"), key=lambda each: each.stat().st_size
    ):
        with np.load(path) as data:
            yield path.stem, data["X"].astype(float), data["y"].astype(int)


def divide(name: str, rows: Array, labels: Array, seed: int, protocol: str) -> tuple[Array, Array, Array]:
    """Return rows to train on, rows to score, and which of these are anomalies."""
    chance = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if len(rows) > ROWS:
        some = chance.permutation(len(rows))[:ROWS]
        rows, labels = rows[some], labels[some]
    train = judged = np.arange(len(rows))
    if protocol == "half of the normal rows":
        ordinary = chance.permutation(np.flatnonzero(labels == 0))
        train = ordinary[: len(ordinary) // 2]
        judged = np.setdiff1d(judged, train)
    scaled = StandardScaler().fit(rows[train]).transform(rows)
    return scaled[train], scaled[judged], labels[judged]


class Scores(np.ndarray):
    """Scores (n,) of rows, with the detector that gave them."""

    detector: Any = None


def diabolo(train: Array, judged: Array, seed: int) -> Array:
    from diabolo import AnomalyDetector

    detector = AnomalyDetector(random_state=seed, verbose=False).fit(train)
    scores = (-detector.score_samples(judged)).view(Scores)
    scores.detector = detector
    return scores


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
        # PCA divides by the variance of components that have none: what it calls infinite is the largest anomaly.
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
PROTOCOLS = ("all rows", "half of the normal rows")


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
                    done[key] = {"seconds": seconds, "rows": len(train)} | measures(odd, scores)
                    path.write_text(json.dumps(done))
    report(done)


def measures(odd: Array, scores: Array) -> dict[str, float]:
    """Return the measures of scores, and of probabilities where there are any."""
    plain = np.asarray(scores)
    found = {"auc": float(roc_auc_score(odd, plain)), "ap": float(average_precision_score(odd, plain))}
    detector = getattr(scores, "detector", None)
    if detector is None:
        return found
    from diabolo.anomaly import scoring

    detection, share = detector.model.detection, float(odd.mean())
    known = detection._replace(contamination=min(share, 0.5))
    return found | {
        "brier": float(brier_score_loss(odd, scoring.probability(detection, plain))),
        "brier_of_known_share": float(brier_score_loss(odd, scoring.probability(known, plain))),
        "brier_of_base_rate": share * (1 - share),
    }


def medians(done: dict[str, dict[str, float]], protocol: str, detector: str, measure: str) -> dict[str, float]:
    """Return the median over seeds of a measure, for each table."""
    found: dict[str, list[float]] = {}
    for key, result in done.items():
        which, name, _, whose = key.split("|")
        if (which, whose) == (protocol, detector) and measure in result:
            found.setdefault(name, []).append(result[measure])
    return {name: float(np.median(each)) for name, each in found.items()}


def report(done: dict[str, dict[str, float]]) -> None:
    for measure in ("auc", "ap"):
        print(f"\n| {measure} | {' | '.join(PROTOCOLS)} |\n|---|---|---|")
        for detector in DETECTORS:
            cells = []
            for protocol in PROTOCOLS:
                ours = medians(done, protocol, "Diabolo", measure)
                theirs = medians(done, protocol, detector, measure)
                away = np.array([ours[name] - theirs[name] for name in theirs if name in ours])
                better, worse = int((away > TIE).sum()), int((away < -TIE).sum())
                counts = "" if detector == "Diabolo" else f" ({better}/{len(away) - better - worse}/{worse})"
                cells.append(f"{np.mean(list(theirs.values())):.3f}{counts}" if theirs else "")
            print(f"| {detector} | {' | '.join(cells)} |")
    print(f"\nIn brackets: tables on which Diabolo is better / within {TIE:g} / worse.\n")
    for protocol in PROTOCOLS:
        base = medians(done, protocol, "Diabolo", "brier_of_base_rate")
        for measure in ("brier", "brier_of_known_share"):
            ours = medians(done, protocol, "Diabolo", measure)
            better = sum(ours[name] < base[name] for name in ours)
            print(
                f"{protocol}: {measure} {np.mean(list(ours.values())):.3f}, of the base rate "
                f"{np.mean(list(base.values())):.3f}, better on {better} of {len(ours)} tables"
            )
    ratios: dict[str, list[float]] = {}
    for key, result in done.items():
        theirs = done.get(key.replace("|Diabolo", "|PyOD AutoEncoder")) if key.endswith("|Diabolo") else None
        if theirs is not None and result["rows"] > 1000:
            ratios.setdefault(key.split("|")[1], []).append(theirs["seconds"] / result["seconds"])
    for name, each in ratios.items():
        print(f"{name}: PyOD AutoEncoder takes {np.median(each):.1f} times as long")


if __name__ == "__main__":
    main()
