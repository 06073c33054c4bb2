"""Rows larger than memory beside the same rows in memory: `python -m benchmarks.streaming`.

Makes a Parquet file of random factors, trains on it under a limit and without, each in a process of its own, in turn,
several rounds. Says rows a second behind the first epoch, the seconds up to the end of the first, in which the file is
read once more beforehand or once and for all, and the peak of memory of the process.
"""

import argparse
import itertools
import json
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.task import run

COLUMNS, FACTORS, ROWS_AT_ONCE = 100, 10, 1_000_000


def make(path: Path, gigabytes: float) -> None:
    """Write a Parquet file of so many 10^9 bytes of float32."""
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(FACTORS, COLUMNS)).astype(np.float32)
    rows = int(gigabytes * 1e9 / 4 / COLUMNS)
    names = [f"column_{at}" for at in range(COLUMNS)]
    with parquet.ParquetWriter(path, pa.schema([(name, pa.float32()) for name in names])) as writer:
        for start in range(0, rows, ROWS_AT_ONCE):
            factors = rng.normal(size=(min(ROWS_AT_ONCE, rows - start), FACTORS)).astype(np.float32)
            values = factors @ mixing + 0.3 * rng.normal(size=(len(factors), COLUMNS)).astype(np.float32)
            writer.write_table(pa.table(dict(zip(names, values.T, strict=True))))


def train(path: str, memory: str, epochs: int) -> None:
    """Train and print, as JSON, rows a second of each epoch, the last loss and the peak of memory in 10^9 bytes."""
    from diabolo import Autoencoder

    ends: list[float] = []
    # Nothing is held back: of a stream that would be fewer rows than in memory, and validating takes time.
    model = Autoencoder(10, structure=[64], epochs=epochs, validation_fraction=0, random_state=0, memory=memory)
    started = time.perf_counter()
    model.fit(path, report=lambda progress: ends.append(time.perf_counter()) if progress.epoch_done else None)
    rows = model.model_.record.rows
    print(
        json.dumps(
            {
                "rows_per_second": [rows / (end - start) for start, end in itertools.pairwise(ends)],
                "before": ends[0] - started,
                "loss": model.history_["loss"][-1],
                "peak": peak() / 1e9,
            }
        )
    )


def peak() -> int:
    """Return the most bytes that this process held; Linux alone."""
    # Not ru_maxrss, which a process inherits from the one that started it.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found, "Linux says so"
    return 1024 * int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folder", help="where to put the file; default: a temporary one")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.make:
        make(Path(settings.make), settings.gigabytes)
        print("{}")
        return
    if settings.train:
        train(*settings.train, settings.epochs)
        return
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        path = Path(folder) / "rows.parquet"
        run("benchmarks.streaming", "--gigabytes", str(settings.gigabytes), "--make", str(path))
        print(f"{settings.gigabytes:g} GB of float32, {path.stat().st_size / 1e9:.2f} GB on the disk", flush=True)
        rounds = []
        for _ in range(settings.rounds):
            both = [
                run("benchmarks.streaming", "--epochs", str(settings.epochs), "--train", str(path), memory)
                for memory in (settings.memory, "1TB")
            ]
            rounds.append(both)
            print(json.dumps(both), flush=True)
    ratios = [
        statistics.median(one["rows_per_second"]) / statistics.median(all_["rows_per_second"]) for one, all_ in rounds
    ]
    print(f"rows a second, streamed over in memory: {statistics.median(ratios):.2f}")
    before = [statistics.median(each[place]["before"] for each in rounds) for place in range(2)]
    print(f"seconds to the end of the first epoch: {before[0]:.0f} streamed, {before[1]:.0f} in memory")
    print(f"peak, GB: {max(one['peak'] for one, _ in rounds):.2f} streamed, {rounds[0][1]['peak']:.2f} in memory")


if __name__ == "__main__":
    main()
