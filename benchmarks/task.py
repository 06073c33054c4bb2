"""What every peer trains: the same rows, network, loss, batch and optimizer; each in a process of its own.

A peer is a module `benchmarks.peers.NAME` with a function `epochs(task)` that gives the seconds of one epoch after the
other, the first with whatever it compiles. `benchmarks.training` runs `python -m benchmarks.task NAME` for each and
reads the JSON it prints.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Task:
    """One training: sizes of the encoder from the features to the latent, relu between, a sigmoid at the end."""

    sizes: tuple[int, ...]
    batch_size: int
    epochs: int
    rows: int

    @cached_property
    def images(self) -> Any:
        """Rows (n, features), bytes: MNIST where DIABOLO_DATA holds it, else the packaged digits, repeated."""
        from diabolo import datasets

        folder = os.environ.get("DIABOLO_DATA")
        data = datasets.mnist(folder) if folder and (Path(folder) / "mnist").is_dir() else datasets.digits()
        repeated = np.resize(data.x_train.reshape(len(data.x_train), -1), (self.rows, 784))
        return np.ascontiguousarray(repeated[:, : self.sizes[0]])

    @property
    def scaled(self) -> Any:
        """The same as float32 in [0, 1]."""
        return (self.images / 255).astype(np.float32)

    @property
    def layers(self) -> list[int]:
        """Widths of all layers behind the input, decoder included."""
        return [*self.sizes[1:], *self.sizes[-2::-1]]


def main() -> None:
    """Run one peer on the task that the arguments describe; print seconds an epoch as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--sizes", default="784-128")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rows", type=int, default=60_000)
    settings = parser.parse_args()
    sizes = tuple(int(size) for size in settings.sizes.split("-"))
    task = Task(sizes, settings.batch_size, settings.epochs, settings.rows)
    started = time.perf_counter()
    peer = importlib.import_module(f"benchmarks.peers.{settings.peer}")
    imported = time.perf_counter()
    laps = peer.epochs(task)
    ended = time.perf_counter()
    print(json.dumps({"laps": laps, "import": imported - started, "whole": ended - imported}))


def run(module: str, *arguments: str) -> Any:
    """Run `python -m module arguments` in a process of its own and return the JSON of the last line it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Laps:
    """A stopwatch for epochs."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = time.perf_counter()

    def restart(self) -> None:
        """Start the watch anew."""
        self._last = time.perf_counter()

    def lap(self, *_: Any) -> None:
        """End one epoch."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


if __name__ == "__main__":
    main()
