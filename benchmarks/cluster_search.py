"""How long a search takes alone and on a local cluster: `python -m benchmarks.cluster_search [--rounds 3]`.

Twelve trials, each way in a process of its own, imports and the start of Ray included; the ways take turns. Two cases:
tiny networks, which NumPy trains, and wide ones on 10,000 images of 784 pixels, which TensorFlow trains.

Order: the cases, one way, the table.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

WAYS = {"alone": None, "1 worker": (1, 1.0), "2 workers": (2, 1.0), "4 workers, two on each CPU": (4, 0.5)}
SHARED = {"noise": [0.0], "optimizer": ["adam"], "rate": (0.3, 3.0)}
CASES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "tiny": (
        (600, 8),
        {"structure": ["dense 16", "dense 32-16"], "activation": ["elu", "tanh"], "batch_size": [64], **SHARED},
    ),
    "wide": (
        (10_000, 784),
        {"structure": ["dense 512", "dense 512-256"], "activation": ["elu", "relu"], "batch_size": [128], **SHARED},
    ),
}


def search_once(case: str, workers: int | None, cpus: float) -> list[dict[str, Any]]:
    """Search, and return the table without seconds."""
    from diabolo.search import search

    (count, features), space = CASES[case]
    rng = np.random.default_rng(0)
    rows = np.tanh(rng.normal(size=(count, 5)) @ rng.normal(size=(5, features)) / 2).astype(np.float32)
    rows += 0.05 * rng.standard_normal(rows.shape, np.float32)
    asked = {"trials": 12, "epochs": 60, "latent_dim": 3, "space": space, "random_state": 0, "refine": False}
    if workers is None:
        trials = search(rows, **asked).trials
    else:
        from diabolo.cluster import searching

        searching.CPUS = cpus
        trials = searching.search(rows, cluster="local", workers=workers, **asked).trials
    return [{name: value for name, value in row.items() if name not in ("seconds", "error")} for row in trials]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=[*CASES])
    parser.add_argument("--ways", nargs="*", default=[*WAYS], choices=[*WAYS])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        case, workers, cpus = asked.one
        print(json.dumps(search_once(case, int(workers) or None, float(cpus))))
        return
    for case in asked.cases:
        taken: dict[str, list[float]] = {way: [] for way in asked.ways}
        tables = set()
        for _ in range(asked.rounds):
            for way in asked.ways:
                workers, cpus = WAYS[way] or (0, 1.0)
                command = [sys.executable, "-m", "benchmarks.cluster_search", "--one", case, str(workers), str(cpus)]
                started = time.perf_counter()
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                taken[way].append(time.perf_counter() - started)
                tables.add(done.stdout.splitlines()[-1])
        print(f"\n{case}: {len(tables)} table(s) of choices and epochs\n\n| | least s | all s |\n|---|---|---|")
        for way, seconds in taken.items():
            print(f"| {way} | {min(seconds):.1f} | {', '.join(f'{each:.1f}' for each in seconds)} |", flush=True)


if __name__ == "__main__":
    main()
