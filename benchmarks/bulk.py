"""Bulk work of one process against workers of a Ray cluster: `python -m benchmarks.bulk`.

2,000,000 rows of 64 numbers and an id, in 16 Parquet files, through a model of 64 inputs. Each way is a process of its
own; "after the first" is the time from the first finished file to the last. Every result is checked: each id once, in
order, and the checksums of the manifest. `--nodes` adds real nodes in a network namespace, one of which is killed.
Needs Linux, unshare and ip. Order: the data, one run, the checks, the losses, the table.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PARTS, WIDE = 16, 64
JOB = """
import json, sys, time
from diabolo.cluster.bulk import bulk
start, ended = time.perf_counter(), []
def report(progress):
    if progress.done > len(ended):
        ended.append(time.perf_counter())
        print("done", progress.done, flush=True)
notes = []
cluster = sys.argv[4] if len(sys.argv) > 4 else None
result = bulk(sys.argv[1], "encode", sys.argv[2], sys.argv[3], cluster=cluster, keep=["id"], report=report,
              say=notes.append)
wall = time.perf_counter() - start
print(json.dumps({"wall": wall, "first": ended[0] - start if ended else 0.0, "done": result.done,
                  "after": ended[-1] - ended[0] if ended else 0.0, "skipped": result.skipped, "notes": notes}))
"""


def make(folder: Path, rows: int) -> Path:
    """Write the parts, and return the path of a model."""
    import pyarrow as pa
    from pyarrow import parquet

    from diabolo import Autoencoder

    rng = np.random.default_rng(0)
    (folder / "parts").mkdir()
    factors, each = rng.normal(size=(8, WIDE)), rows // PARTS
    for number in range(PARTS):
        values = (rng.normal(size=(each, 8)) @ factors + 0.1 * rng.normal(size=(each, WIDE))).astype(np.float32)
        columns = {f"x{at}": np.ascontiguousarray(values[:, at]) for at in range(WIDE)}
        ids = np.arange(number * each, (number + 1) * each)
        parquet.write_table(pa.table({"id": ids, **columns}), folder / "parts" / f"{number:02}.parquet")
    some = pa.table({name: values[:10_000] for name, values in columns.items()})
    model = Autoencoder(8, structure=[128, 32], epochs=2, random_state=0, verbose=False).fit(some, evaluate=False)
    return model.save(folder / "model")


def command(folder: Path, out: str, cluster: str | None) -> list[str]:
    parts = [sys.executable, "-c", JOB, str(folder / "model.safetensors"), str(folder / "parts"), str(folder / out)]
    return parts if cluster is None else [*parts, cluster]


def run(folder: Path, out: str, cluster: str | None, nodes: Any = None, after: Any = None, at: int = 4) -> Any:
    """Run a job in a process and return its figures. Args: after: is called when `at` files are done."""
    start = subprocess.Popen if nodes is None else lambda words, **options: nodes.start(*words, **options)
    with start(command(folder, out, cluster), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if after is not None and line.split() == ["done", str(at)]:
                after(process)
        errors = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise RuntimeError(errors[-3000:])
    return json.loads(lines[-1])


def check(folder: Path, out: str, rows: int) -> str:
    """Return what is found in the results, which must be each row once."""
    import pyarrow as pa
    from pyarrow import parquet

    entries = json.loads((folder / out / "manifest.json").read_text())["parts"]
    for each in entries:
        content = (folder / out / each["output"]).read_bytes()
        if each["state"] != "done" or each["sha256"] != hashlib.sha256(content).hexdigest():
            raise AssertionError(each)
    every = pa.concat_tables([parquet.read_table(path) for path in sorted((folder / out).glob("*.parquet"))])
    if not np.array_equal(every["id"].to_numpy(), np.arange(rows)):
        raise AssertionError("rows are missing, or there twice")
    left = [path.name for path in (folder / out).iterdir() if path.suffix != ".parquet"]
    if sorted(left) != [".lock", "manifest.json"]:
        raise AssertionError(left)
    return hashlib.sha256(b"".join(every[f"latent_{at}"].to_numpy().tobytes() for at in range(8))).hexdigest()[:12]


def kill_worker(process: Any) -> None:
    """End one worker of a job, as the kernel does where memory runs out."""
    import clusters

    for pid in clusters.descendants(process.pid):
        title = Path(f"/proc/{pid}/cmdline").read_text()
        if title.startswith("ray::Worker.do"):
            os.kill(pid, signal.SIGKILL)
            return
    raise RuntimeError("no worker found")


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=1, help="of the first two lines, whose best counts")
    parser.add_argument("--nodes", action="store_true", help="also two real nodes, one of which is killed")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    # Ray gives its workers a low priority, so that on a machine that others use as well they would wait for these.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, asked.rows)
        print("| way | wall, s | to the first file, s | after it, s | made | skipped |\n|---|---|---|---|---|---|")

        def line(way: str, found: Any, out: str) -> None:
            sums = check(folder, out, asked.rows)
            figures = f"{found['wall']:.1f} | {found['first']:.1f} | {found['after']:.1f}"
            print(f"| {way} | {figures} | {found['done']} | {found['skipped']} | <!-- {sums} -->", flush=True)

        for number in range(asked.rounds):
            line("one process", run(folder, f"one{number}", None), f"one{number}")
            line("--cluster local", run(folder, f"local{number}", "local"), f"local{number}")
            shutil.rmtree(folder / f"one{number}")
            if number:
                shutil.rmtree(folder / f"local{number}")
        line("again", run(folder, "local0", "local"), "local0")
        (folder / "local0" / "07.parquet").unlink()
        line("again, one result deleted", run(folder, "local0", "local"), "local0")
        line("a worker killed after 4 files", run(folder, "worker", "local", after=kill_worker), "worker")
        if asked.nodes:
            import clusters

            with clusters.Nodes(1, 1) as nodes:
                line("two nodes of one CPU", run(folder, "nodes", nodes.address, nodes), "nodes")

                def kill_node(process: Any) -> None:
                    nodes.kill("10.77.0.2")

                time.sleep(1)
                found = run(folder, "lost", nodes.address, nodes, kill_node)
                line("two nodes, one killed after 4 files", found, "lost")


if __name__ == "__main__":
    main()
