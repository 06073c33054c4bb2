"""What training by a local cluster costs: `python -m benchmarks.cluster_training [--rounds 3]`.

Digits of 784 pixels, 784-128, batches of 512, each job in a process of its own, from its start to the file; the ways
take turns. No cluster is the compiled engine, which a worker of a cluster has too. Two workers share the processors of
this machine, so they can only be slower; they run in a network namespace, because their servers listen on all
addresses. This needs Linux, unshare, nsenter and ip.

Order: one job, the table.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WAYS = {"no cluster": 0, "local, 1 worker": 1, "local, 2 workers": 2}
PIXELS, LATENTS, BATCH = 784, 128, 512


def train(workers: int, rows: int, epochs: int, out: str) -> dict[str, Any]:
    """Train and save, and return when steps were first reported, and when each epoch had ended."""
    from benchmarks.task import Task
    from diabolo import Autoencoder, cluster
    from diabolo.training.engines import Compiled
    from diabolo.training.progress import Progress

    images = Task((PIXELS, LATENTS), BATCH, epochs, rows).images
    first, ended = [], []

    def report(progress: Progress) -> None:
        now = time.time()
        if not first:
            first.append(now)
        if progress.epoch_done:
            ended.append(now)

    held = cluster.engine("local", workers=workers) if workers else contextlib.nullcontext(Compiled())
    with held as engine:
        model = Autoencoder(
            LATENTS, structure=[], epochs=epochs, batch_size=BATCH, patience=0, random_state=0, verbose=False
        )
        model.fit(images, engine=engine, report=report, evaluate=False)
    model.save(out)
    return {"first": first[0], "ended": ended, "loss": model.history_["loss"][-1]}


@contextlib.contextmanager
def starter() -> Iterator[Any]:
    """Yield a function that starts a process in a network namespace."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import clusters

    with clusters.namespace() as inside:
        yield lambda words, env, **options: inside.start(*words, env=env, **options)


def run(way: str, rows: int, epochs: int) -> dict[str, float]:
    """Run one job in a process, and return its figures: seconds, and the last loss."""
    # Ray gives its workers a low priority, so that on a machine that others use as well they would wait for these.
    env = os.environ | {"RAY_worker_niceness": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    alone = contextlib.nullcontext(subprocess.Popen)
    with tempfile.TemporaryDirectory() as folder, starter() if WAYS[way] > 1 else alone as start:
        asked = [str(WAYS[way]), str(rows), str(epochs), f"{folder}/model"]
        words = [sys.executable, "-m", "benchmarks.cluster_training", "--one", *asked]
        began = time.time()
        with start(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            said, errors = process.communicate()
        wall = time.time() - began
    if process.returncode:
        raise SystemExit(f"{way} failed:\n{errors[-3000:]}")
    found = json.loads(said.splitlines()[-1])
    # The first epochs compile, and the programs of the first calls are short.
    laps = [after - before for before, after in zip(found["ended"][4:], found["ended"][5:], strict=False)]
    return {
        "start": found["first"] - began,
        "epoch": statistics.median(laps),
        "wall": wall,
        "loss": found["loss"],
    }


def main() -> None:
    """Print a line for each job, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--ways", nargs="*", default=[*WAYS], choices=[*WAYS])
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        workers, rows, epochs = map(int, asked.one[:3])
        print(json.dumps(train(workers, rows, epochs, asked.one[3])))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in asked.ways}
    for number in range(asked.rounds):
        for way in asked.ways:
            load = os.getloadavg()[0]
            one = run(way, asked.rows, asked.epochs)
            found[way].append(one)
            figures = ", ".join(f"{name} {value:.3f}" for name, value in one.items())
            print(f"round {number + 1}, {way}: {figures}; load {load:.1f} before", flush=True)
    print("\n| | start, s | an epoch, s | the whole job, s | epoch, relative |\n|---|---|---|---|---|")
    for way, every in found.items():
        start, epoch, wall = (statistics.median(one[name] for one in every) for name in ("start", "epoch", "wall"))
        # Of the jobs of one round, because the machine is noisy.
        ratios = [one["epoch"] / alone["epoch"] for one, alone in zip(every, found[asked.ways[0]], strict=True)]
        print(f"| {way} | {start:.1f} | {epoch:.3f} | {wall:.1f} | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main()
