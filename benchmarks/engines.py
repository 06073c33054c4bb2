"""Seconds a step of the two engines, next to what `Quickest` expects: `python -m benchmarks.engines`.

Dense networks of several sizes are trained on random rows by NumPy and by TensorFlow, loaded and compiled before the
clock starts. `Quickest` (`diabolo.training.engines`) chooses by these numbers.
"""

import argparse
import statistics
import time

import numpy as np

from diabolo.data.shard import Shard
from diabolo.network.losses import Gaussian
from diabolo.network.structures import build
from diabolo.training import engines
from diabolo.training.engines import Compiled, Job, Numpy

# Features, hidden widths, latents, rows of a batch.
SHAPES = [
    (8, [], 3, 64),
    (20, [32, 16], 5, 64),
    (20, [32, 16], 5, 512),
    (30, [64, 32, 16], 8, 64),
    (100, [128, 64], 16, 64),
    (100, [128, 64], 16, 512),
    (200, [256, 64], 32, 64),
    (784, [128], 32, 64),
    (256, [], 32, 64),
]
STEPS = 400


def job(features: int, hidden: list[int], latents: int, batch: int, steps: int = STEPS) -> Job:
    """Return a training of two epochs."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(batch * steps // 2, features)).astype(np.float32)
    return Job(
        network=build(hidden, (features,), latent_dim=latents),
        loss=Gaussian(),
        corruption=None,
        penalty=None,
        shard=Shard(rows=rows),
        optimizer="adamw:0.1",
        learning_rate=1e-3,
        schedule="cosine",
        epochs=2,
        batch_size=batch,
        patience=0,
        seed=0,
    )


def seconds_a_step(engine: Numpy | Compiled, work: Job) -> float:
    """Return the seconds of a step in the second epoch."""
    ends = []

    def report(progress: object) -> None:
        if getattr(progress, "epoch_done", False):
            ends.append(time.perf_counter())

    engine.train(work, report)
    return (ends[1] - ends[0]) / (STEPS / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("network, batch: microseconds a step in NumPy (expected), in TensorFlow with XLA (expected)")
    for shape in SHAPES:
        work = job(*shape)
        found = [
            statistics.median(seconds_a_step(engine, work) for _ in range(rounds)) * 1e6
            for engine in (Numpy(), Compiled(compile=True))
        ]
        steps = 400
        expected = [
            engines.numpy_seconds(work) / steps * 1e6,
            (engines.compiled_seconds(work) - engines.STARTING) / steps * 1e6,
        ]
        name = "-".join(map(str, (shape[0], *shape[1], shape[2])))
        print(f"{name}, {shape[3]}: {found[0]:.0f} ({expected[0]:.0f}), {found[1]:.0f} ({expected[1]:.0f})", flush=True)


if __name__ == "__main__":
    main()
