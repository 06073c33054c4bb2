"""Whole jobs, from the start of the process to the file: `python -m benchmarks.jobs`.

Each job reads rows from a .npy file, trains, and writes a file; the detectors write scores. Diabolo and its peers run
in turn, each in a process of its own, several rounds: seconds on the clock, seconds of the processor, the largest peak
of memory. All networks have the same widths, batches of 64 rows and AdamW, and hold back a tenth of the rows; each
script is written as the documentation of its library says. Install the peers with `python -m benchmarks.environment`.

    --jobs table rows mnist conv lstm attention deep detector ...   --rounds 5   --peers diabolo keras ...
    --keep benchmarks/jobs.json

In the jobs model-2 and model-10 (epochs) Diabolo trains a Keras model of the user's, by `diabolo.training.fit`; they
count the seconds of the call alone, because both import Keras.

Order: the rows, Diabolo, Keras, PyTorch, scikit-learn and PyOD, the run.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

JOBS: dict[str, dict[str, Any]] = {
    "table": {"rows": 1_000, "shape": (20,), "hidden": [32, 16], "latents": 5, "epochs": 50},
    "rows": {"rows": 100_000, "shape": (20,), "hidden": [32, 16], "latents": 5, "epochs": 20},
    "mnist": {"rows": 60_000, "shape": (784,), "hidden": [], "latents": 128, "epochs": 10},
    "conv": {"rows": 10_000, "shape": (28, 28, 1), "filters": [16, 32], "latents": 32, "epochs": 3},
    "lstm": {"rows": 5_000, "shape": (40, 3), "units": 32, "latents": 8, "epochs": 5},
    "attention": {"rows": 5_000, "shape": (40, 3), "units": 32, "latents": 8, "epochs": 5},
    "deep": {"rows": 60_000, "shape": (784,), "hidden": [1000, 500, 250], "latents": 30, "epochs": 3},
    "detector": {"rows": 10_000, "shape": (30,)},
    "detector-large": {"rows": 100_000, "shape": (30,)},
    "model-2": {"rows": 60_000, "shape": (784,), "hidden": [], "latents": 128, "epochs": 2},
    "model-10": {"rows": 60_000, "shape": (784,), "hidden": [], "latents": 128, "epochs": 10},
}
PEERS = {
    "table": ("diabolo", "command", "keras", "tuned", "pytorch", "sklearn"),
    "rows": ("diabolo", "command", "keras", "tuned", "pytorch", "sklearn"),
    "mnist": ("diabolo", "command", "keras", "tuned", "pytorch"),
    "conv": ("diabolo", "keras", "tuned"),
    "lstm": ("diabolo", "keras", "tuned"),
    "attention": ("diabolo", "keras", "tuned"),
    "deep": ("diabolo", "keras", "tuned", "pytorch"),
    "detector": ("diabolo", "forest", "pyod"),
    "detector-large": ("diabolo", "forest"),
    "model-2": ("diabolo", "keras", "tuned"),
    "model-10": ("diabolo", "keras", "tuned"),
}
WORDS = {
    "diabolo": "Diabolo, three lines of Python",
    "command": "`diabolo fit`",
    "keras": "Keras `fit`",
    "tuned": "Keras `fit`, steps_per_execution=100, jit_compile=True",
    "pytorch": "PyTorch, tensors in memory",
    "sklearn": "scikit-learn MLPRegressor",
    "forest": "scikit-learn IsolationForest",
    "pyod": "PyOD AutoEncoder",
}
BATCH, RATE = 64, 1e-3


# The rows.


def write_rows(job: str, path: Path) -> None:
    """Write the rows of a job: digits for images, otherwise numbers made of a few factors, with noise."""
    task, rng = JOBS[job], np.random.default_rng(0)
    count, shape = task["rows"], task["shape"]
    if int(np.prod(shape)) == 784:
        from benchmarks.task import Task

        images = Task((784,), BATCH, 1, count).images.reshape(count, *shape)
        np.save(path, (images / 255).astype(np.float32))
        return
    factors = rng.normal(size=(count, 5)) @ rng.normal(size=(5, int(np.prod(shape))))
    np.save(path, (factors + 0.3 * rng.normal(size=factors.shape)).reshape(count, *shape).astype(np.float32))


# Diabolo.


def diabolo(job: str, rows: str, out: str) -> None:
    """Train in Python."""
    task = JOBS[job]
    if job.startswith("model"):
        _fit_model(job, rows, out)
        return
    if job.startswith("detector"):
        from diabolo import AnomalyDetector

        X = np.load(rows)
        np.save(out, AnomalyDetector(random_state=0).fit(X).score_samples(X))
        return
    from diabolo import Autoencoder

    structures = {"conv": "conv 16-32", "lstm": "lstm 32", "attention": "attention 32x2"}
    model = Autoencoder(
        task["latents"],
        structure=structures.get(job, task.get("hidden", [])),
        activation="elu" if job == "lstm" else "relu",
        epochs=task["epochs"],
        patience=0,
        series=job in ("lstm", "attention"),
        random_state=0,
        verbose=False,
    )
    model.fit(np.load(rows)).save(out)


def _fit_model(job: str, rows: str, out: str) -> None:
    from diabolo import training

    X, model = np.load(rows), _network(job)
    _compile(job, model, len(X))
    with _timed():
        training.fit(model, X, batch_size=BATCH, epochs=JOBS[job]["epochs"], validation_split=0.1, verbose=0)
    model.save(f"{out}.keras")


def command(job: str, rows: str, out: str) -> None:
    """Train on the command line, which also evaluates and draws."""
    from diabolo.cli import main as command_line

    task = JOBS[job]
    sizes = "-".join(map(str, [task["shape"][0], *task["hidden"], task["latents"]]))
    settings = ["--structure", sizes, "--activation", "relu", "--epochs", str(task["epochs"]), "--patience", "0"]
    sys.argv = ["diabolo", "fit", rows, *settings, "-o", out]
    try:
        command_line()
    except SystemExit as end:
        if end.code:
            raise


# Keras.


def _network(job: str) -> Any:
    import keras
    from keras import layers

    task = JOBS[job]
    shape, latents = task["shape"], task["latents"]
    inputs = keras.Input(shape)
    if job == "conv":
        one, two = task["filters"]
        x = layers.Conv2D(one, 3, strides=2, padding="same", activation="relu")(inputs)
        x = layers.Conv2D(two, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.Dense(latents)(layers.Flatten()(x))
        x = layers.Reshape((7, 7, two))(layers.Dense(7 * 7 * two, activation="relu")(x))
        x = layers.Conv2DTranspose(one, 3, strides=2, padding="same", activation="relu")(x)
        return keras.Model(inputs, layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(x))
    if job == "attention":
        x = layers.Dense(latents)(layers.Flatten()(_blocks(layers.Dense(task["units"])(inputs))))
        x = layers.Reshape((shape[0], task["units"]))(layers.Dense(shape[0] * task["units"])(x))
        return keras.Model(inputs, layers.Dense(shape[1])(_blocks(x)))
    if job == "lstm":
        x = layers.Dense(latents)(layers.LSTM(task["units"])(inputs))
        x = layers.LSTM(task["units"], return_sequences=True)(layers.RepeatVector(shape[0])(x))
        return keras.Model(inputs, layers.TimeDistributed(layers.Dense(shape[1]))(x))
    x = inputs
    for units in task["hidden"]:
        x = layers.Dense(units, activation="relu")(x)
    x = layers.Dense(latents)(x)
    for units in reversed(task["hidden"]):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(shape[0], activation="sigmoid" if shape[0] == 784 else None)(x))


def _blocks(x: Any) -> Any:
    """Return two transformer blocks."""
    from keras import layers

    width = x.shape[-1]
    for _ in range(2):
        normal = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, width // 4)(normal, normal)])
        wide = layers.Dense(2 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(wide)])
    return x


def keras(job: str, rows: str, out: str, **more: Any) -> None:
    """Train by fit()."""
    import keras as library

    library.utils.set_random_seed(0)
    X, model = np.load(rows), _network(job)
    _compile(job, model, len(X), **more)
    with _timed():
        model.fit(X, X, batch_size=BATCH, epochs=JOBS[job]["epochs"], validation_split=0.1, verbose=0)
    model.save(f"{out}.keras")


def _compile(job: str, model: Any, rows: int, **more: Any) -> None:
    import keras

    falling = keras.optimizers.schedules.CosineDecay(RATE, -(-rows * 9 // 10 // BATCH) * JOBS[job]["epochs"])
    pixels = int(np.prod(JOBS[job]["shape"])) == 784
    model.compile(keras.optimizers.AdamW(falling), "binary_crossentropy" if pixels else "mse", **more)


@contextlib.contextmanager
def _timed() -> Iterator[None]:
    """Print the seconds of a call, on the clock and of the processor."""
    started, before = time.perf_counter(), time.process_time()
    yield
    print(json.dumps({"call": time.perf_counter() - started, "call_cpu": time.process_time() - before}))


def tuned(job: str, rows: str, out: str) -> None:
    """Train by fit() with the two arguments that make it faster."""
    keras(job, rows, out, steps_per_execution=100, jit_compile=True)


# PyTorch.


def pytorch(job: str, rows: str, out: str) -> None:
    """Train by hand, on tensors in memory."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    task = JOBS[job]
    widths = [task["shape"][0], *task["hidden"], task["latents"], *reversed(task["hidden"]), task["shape"][0]]
    linear = (len(widths) // 2 - 1, len(widths) - 2)  # the layers without an activation: the latents and the output
    parts: list[nn.Module] = []
    for at, (before, after) in enumerate(itertools.pairwise(widths)):
        parts += [nn.Linear(before, after)] + ([] if at in linear else [nn.ReLU()])
    model = nn.Sequential(*parts)
    X = torch.from_numpy(np.load(rows))
    train, held = X[: len(X) * 9 // 10], X[len(X) * 9 // 10 :]
    loss = nn.BCEWithLogitsLoss() if widths[0] == 784 else nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, -(-len(train) // BATCH) * task["epochs"])
    for _ in range(task["epochs"]):
        for places in torch.randperm(len(train)).split(BATCH):
            batch = train[places]
            optimizer.zero_grad()
            loss(model(batch), batch).backward()
            optimizer.step()
            falling.step()
        with torch.no_grad():
            loss(model(held), held)
    torch.save(model.state_dict(), f"{out}.pt")


# scikit-learn and PyOD.


def sklearn(job: str, rows: str, out: str) -> None:
    """Train an MLP whose target is its input; its activation is also that of the latents."""
    import warnings

    import joblib
    from sklearn.neural_network import MLPRegressor

    task, X = JOBS[job], np.load(rows)
    widths = [*task["hidden"], task["latents"], *reversed(task["hidden"])]
    settings = {"batch_size": BATCH, "learning_rate_init": RATE, "max_iter": task["epochs"], "n_iter_no_change": 1000}
    model = MLPRegressor(hidden_layer_sizes=widths, random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that max_iter is reached
        model.fit(X, X)
    joblib.dump(model, f"{out}.joblib")


def forest(job: str, rows: str, out: str) -> None:
    """Fit and score."""
    from sklearn.ensemble import IsolationForest

    X = np.load(rows)
    np.save(out, IsolationForest(random_state=0).fit(X).score_samples(X))


def pyod(job: str, rows: str, out: str) -> None:
    """Fit and score."""
    from pyod.models.auto_encoder import AutoEncoder

    X = np.load(rows)
    np.save(out, AutoEncoder(verbose=0, random_state=0).fit(X).decision_function(X))


# The run.

SCRIPTS: dict[str, Callable[[str, str, str], None]] = {
    each.__name__: each for each in (diabolo, command, keras, tuned, pytorch, sklearn, forest, pyod)
}


def do(peer: str, job: str, rows: str, out: str) -> None:
    """Run a job in this process, and print the peak of memory as the last line."""
    from benchmarks.streaming import peak

    SCRIPTS[peer](job, rows, out)
    print(json.dumps({"peak": peak() / 1e6}))


def measured(peer: str, job: str, rows: Path, folder: Path) -> dict[str, float]:
    """Return seconds on the clock and of the processor, and the peak in megabytes, of a job in a new process."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.jobs", "--do", peer, job, str(rows), str(Path(work) / "out")],
            capture_output=True,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            check=False,
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or not any(Path(work).iterdir()):
            raise SystemExit(f"{peer}, {job} failed:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {"wall": wall, "cpu": cpu, **{name: value for each in said for name, value in each.items()}}
    if job.startswith("model"):
        found |= {"wall": found["call"], "cpu": found["call_cpu"]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="*", choices=JOBS, default=list(JOBS))
    parser.add_argument("--peers", nargs="*", choices=SCRIPTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="a JSON file for the medians, which scripts/draw_jobs.py draws")
    parser.add_argument("--do", nargs=4, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.do:
        do(*settings.do)
        return
    with tempfile.TemporaryDirectory() as folder:
        for job in settings.jobs:
            rows = Path(folder) / f"{job}.npy"
            write_rows(job, rows)
            peers = [each for each in PEERS[job] if not settings.peers or each in settings.peers]
            rounds = [{peer: measured(peer, job, rows, Path(folder)) for peer in peers} for _ in range(settings.rounds)]
            task = JOBS[job]
            print(f"\n{job}: {task['rows']:,} rows of {' x '.join(map(str, task['shape']))}\n")
            print("| | seconds | Diabolo's ratio | CPU seconds | Diabolo's ratio | peak memory |")
            print("|---|---|---|---|---|---|")
            found = {}
            for peer in peers:
                wall, cpu = (statistics.median(each[peer][what] for each in rounds) for what in ("wall", "cpu"))
                ratios = [
                    statistics.median(each["diabolo"][what] / each[peer][what] for each in rounds)
                    if "diabolo" in peers
                    else float("nan")
                    for what in ("wall", "cpu")
                ]
                most = max(each[peer]["peak"] for each in rounds)
                found[peer] = {"wall": round(wall, 2), "cpu": round(cpu, 2), "peak": round(most)}
                print(
                    f"| {WORDS[peer]} | {wall:.2f} | {ratios[0]:.2f} | {cpu:.2f} | {ratios[1]:.2f} | {most:.0f} MB |",
                    flush=True,
                )
            if settings.keep:
                kept = json.loads(settings.keep.read_text()) if settings.keep.is_file() else {}
                settings.keep.write_text(json.dumps(kept | {job: found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
