"""Time against workers, by a model whose constants are measured here: `python -m benchmarks.scale [--keep FILE]`.

Measures steps of one process, sums over 2 and 4 processes, reading, and parts of a search and of bulk work. Fits the
constants of `benchmarks.scale_model`, compares predicted steps of 1, 2 and 4 processes with measured ones, and
extrapolates to 64 machines. `--keep` writes all samples to a file; `--use` reads them from there.

TensorFlow's servers listen on all addresses, so that all processes run in a network namespace: needs Linux, unshare,
nsenter and ip. Order: a process that measures, its start, search and bulk work, the model, the tables.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scale_model
from benchmarks.scale_model import Array, Net, Network, Part, Training

SMALL, MIDDLE, LARGE = Net((784, 64)), Net((784, 256, 64)), Net((784, 1000, 500, 250, 30))
HUGE = Net((784, 4000, 4000, 1000, 30))  # extrapolated alone
NAMES = {net: "-".join(map(str, net.sizes)) for net in (SMALL, MIDDLE, LARGE, HUGE)}
FITTED = [(SMALL, 64), (SMALL, 256), (SMALL, 1024), (MIDDLE, 128), (MIDDLE, 1024), (LARGE, 64), (LARGE, 256)]
CHECKED = [(SMALL, 512), (SMALL, 2048), (LARGE, 256), (LARGE, 1024)]
VECTORS = (1, 10_000, 100_000, 1_000_000, 3_000_000)
OPERATIONS = 1e10  # of one call of a program, about an eighth of a second of a core
CALLS, EPOCHS = 4, 3
MACHINES = (1, 2, 4, 8, 16, 32, 64)
NETWORK = Network(rate=1.25e9, latency=50e-6)  # 10 Gbit/s
CORES = len(os.sched_getaffinity(0))
FEATURES, ROWS_OF_PART, PARTS = 64, 60_000, 8
TRIALS = {"search": 12, "short search": 4}  # two, so that what a search needs once is not taken for a trial's
DRAWS = 500

# A process that measures.


class Lone:
    """A group of one process whose sums cost nothing, to measure what a process of a group computes."""

    rank, world = 0, 1

    def sum(self, values: Any) -> Any:
        return values

    total = least = first = sum


def steps_of(net: Net, batch: int, *, compiled: bool, group: Any) -> list[float]:
    """Return seconds of a step, a sample for each call of the program; of a group all processes must call it."""
    from dataclasses import replace

    from diabolo import fitting
    from diabolo.fitting.training import job_of
    from diabolo.model.settings import Settings
    from diabolo.training.engines import Compiled
    from diabolo.training.progress import Progress

    steps = int(np.clip(OPERATIONS / (6 * net.weights * batch), 2, 20))
    count = int(batch * steps * CALLS / 0.9) + 2 * batch  # a tenth is held back
    rows = np.random.default_rng(0).integers(0, 256, (count, net.sizes[0]), np.uint8)
    known = {"latent_dim": net.sizes[-1], "structure": [*net.sizes[1:-1]], "activation": "relu", "random_state": 0}
    settings = Settings.of(known | {"epochs": EPOCHS, "patience": 0})
    job = replace(job_of(fitting.prepare(rows, settings), settings), batch_size=batch)
    samples, before = [], [0.0, 0]

    def report(progress: Progress) -> None:
        now = time.perf_counter()
        # Not the first epoch, which compiles, nor the first call of another, for which rows are gathered.
        if progress.epoch > 1 and before[1] and progress.step - before[1] == steps:
            samples.append((now - before[0]) / steps)
        before[:] = [time.perf_counter(), 0 if progress.epoch_done else progress.step]

    Compiled(compile=compiled, steps_a_call=steps, group=group).train(job, report)
    return samples


def sums_of(size: int, group: Any) -> list[float]:
    """Return seconds of a sum of so many float32 over the processes, a sample for each call."""
    import tensorflow as tf

    count, samples = (20 if size <= 100_000 else 4), []

    def many(values: Any) -> Any:
        def one(at: Any, values: Any) -> Any:
            return at + 1, tf.ensure_shape(group.sum(values), (size,))

        return tf.while_loop(lambda at, values: at < count, one, (tf.constant(0), values))[1]

    function, zeros = tf.function(many, autograph=False), tf.zeros(size)
    for _ in range(10):
        started = time.perf_counter()
        function(zeros).numpy()
        samples.append((time.perf_counter() - started) / count)
    return samples[2:]


def reading() -> dict[str, list[float]]:
    """Return seconds of a row of 784 numbers: of Parquet chunks, and of rows in memory that are put in order."""
    import pyarrow as pa
    from pyarrow import parquet

    from diabolo.data.adapters.rows import taken
    from diabolo.data.opening import open_stream
    from diabolo.data.windows import Streamed

    count, random = 40_000, np.random.default_rng(0)
    rows = random.random((count, 784), np.float32)
    found: dict[str, list[float]] = {"parquet": [], "memory": []}
    with tempfile.TemporaryDirectory() as folder:
        table = pa.table({f"x{at}": np.ascontiguousarray(rows[:, at]) for at in range(784)})
        parquet.write_table(table, f"{folder}/rows.parquet", row_group_size=count // 16)
        stream = open_stream(f"{folder}/rows.parquet")
        streamed = Streamed(stream, np.asarray, rows=count, shape=(784,), dtype=np.float32, limit=1 << 26,
                            batch_size=64, seed=0)  # fmt: skip
        for number in range(5):
            started = time.process_time()  # of all its threads: what a worker with one core would take
            read = sum(window.rows for window in streamed.epoch(number))
            found["parquet"].append((time.process_time() - started) / read)
    for _ in range(5):
        started = time.perf_counter()
        taken(rows, random.permutation(count))
        found["memory"].append((time.perf_counter() - started) / count)
    return found


def measure(asked: dict[str, Any]) -> None:
    """Measure what a process is asked for, and write the samples to a file."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(asked["threads"])
    from diabolo.training import backend

    backend.load_tensorflow()
    group: Any = Lone() if asked["lone"] else None
    if asked["addresses"]:
        from diabolo.training.group import Group

        group = Group(asked["rank"], asked["addresses"])
    found: dict[str, Any] = {"steps": [], "sums": []}
    for sizes, batch in asked["points"]:
        found["steps"].append(steps_of(Net(tuple(sizes)), batch, compiled=asked["compiled"], group=group))
    for size in asked["vectors"]:
        found["sums"].append(sums_of(size, group))
    if asked["reads"]:
        found["reading"] = reading()
    Path(asked["out"]).write_text(json.dumps(found))
    os._exit(0)  # TensorFlow's servers would wait for each other


# Its start.


def together(
    inside: Any, count: int, points: Any, *, threads: int, lone: bool = False, compiled: bool = True, **more: Any
) -> Any:
    """Run so many processes in a namespace, and return the samples of the first one.

    Args: lone: each computes for itself; otherwise several are a group.
    """
    load, began = os.getloadavg()[0], time.time()
    ports = range(24_000 + 10 * count, 24_000 + 11 * count)
    addresses = [f"127.0.0.1:{port}" for port in ports] if count > 1 and not lone else []
    with tempfile.TemporaryDirectory() as folder:
        sizes = [(net.sizes, batch) for net, batch in points]
        asked = {"addresses": addresses, "points": sizes, "threads": threads, "compiled": compiled}
        asked |= {"lone": lone, "vectors": (), "reads": False} | more
        env = {"TF_CPP_MIN_LOG_LEVEL": "3"}
        processes = []
        for rank in range(count):
            words = json.dumps(asked | {"rank": rank, "out": f"{folder}/{rank}"})
            command = [sys.executable, "-m", "benchmarks.scale", "--process", words]
            processes.append(inside.start(*command, env=env, stderr=subprocess.PIPE, text=True))
        errors = [process.communicate()[1] for process in processes]
        if any(process.returncode for process in processes):
            raise SystemExit(f"a process failed:\n{errors[0][-3000:]}")
        found = json.loads(Path(f"{folder}/0").read_text())
    said = f"{count} processes, {threads} threads each, {len(points)} networks and batches"
    loads = f"load {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(f"<!-- {said}: {time.time() - began:.0f} s; {loads} -->", flush=True)
    return found


def measure_steps(found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Measure what the model of a step needs, and is not there yet."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import clusters

    half, quarter = max(1, CORES // 2), max(1, CORES // 4)
    sets: dict[str, dict[str, Any]] = {
        "alone": {"count": 1, "points": [*FITTED, *CHECKED], "threads": CORES, "reads": True},
        # As many as there are cores for, because they slow each other down: they share memory and its caches.
        "part of some cores": {"count": CORES // half, "points": FITTED, "threads": half, "lone": True},
        "2": {"count": 2, "points": CHECKED, "threads": half, "vectors": VECTORS},
        "4": {"count": 4, "points": CHECKED, "threads": quarter, "vectors": VECTORS},
        "part": {"count": 1, "points": FITTED, "threads": CORES, "lone": True},
        "plain": {"count": 1, "points": FITTED, "threads": CORES, "compiled": False},
    }
    with clusters.namespace() as inside:
        for name, asked in sets.items():
            if name not in found:
                found[name] = together(inside, **asked)
                keep()


# Search and bulk work.


def job(kind: str, workers: int, folder: str) -> dict[str, Any]:
    """Run a search or bulk work in this process; 0 workers: without a cluster."""
    cluster = {"cluster": "local", "workers": workers} if workers else {}
    started = time.perf_counter()
    if kind == "bulk":
        from diabolo.cluster import bulk

        ended: list[float] = []

        def report(progress: Any) -> None:
            if progress.done > len(ended):
                ended.append(time.perf_counter() - started)

        cpu = time.process_time()
        bulk(
            f"{folder}/model.safetensors", "encode", f"{folder}/parts", f"{folder}/{workers}", report=report, **cluster
        )
        wall, used = time.perf_counter() - started, time.process_time() - cpu
        return {"wall": wall, "first": ended[0], "cpu": used}
    from diabolo.cluster import searching
    from diabolo.search import search

    rng = np.random.default_rng(0)
    rows = np.tanh(rng.normal(size=(600, 5)) @ rng.normal(size=(5, 8))) + 0.05 * rng.normal(size=(600, 8))
    space = {"structure": ["dense 16", "dense 32-16"], "noise": [0.0], "optimizer": ["adam"], "batch_size": [32]}
    known = {"trials": TRIALS[kind], "epochs": 100, "latent_dim": 3, "space": space, "random_state": 0, "refine": False}
    started = time.perf_counter()  # without imports, which are no time of the driver for each trial
    found = (searching.search if workers else search)(rows.astype(np.float32), **known, **cluster).trials
    return {"wall": time.perf_counter() - started, "trials": [row["seconds"] for row in found]}


def make_parts(folder: Path) -> dict[str, list[float]]:
    """Write parts and a model, and return processor seconds of reading, encoding and writing a part."""
    import pyarrow as pa
    from pyarrow import parquet

    from diabolo import Autoencoder

    (folder / "parts").mkdir()
    rng = np.random.default_rng(0)
    for number in range(PARTS):
        values = rng.normal(size=(ROWS_OF_PART, FEATURES)).astype(np.float32)
        table = pa.table({f"x{at}": np.ascontiguousarray(values[:, at]) for at in range(FEATURES)})
        parquet.write_table(table, folder / "parts" / f"{number}.parquet")
    model = Autoencoder(8, structure=[128, 32], epochs=1, random_state=0, verbose=False)
    model.fit(table.slice(0, 5_000), evaluate=False).save(folder / "model")
    found: dict[str, list[float]] = {"read": [], "infer": [], "write": []}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = work()
        found[name].append(time.process_time() - started)
        return result

    for path in sorted((folder / "parts").iterdir()):
        rows = timed("read", lambda path=path: parquet.read_table(path))
        codes = timed("infer", lambda rows=rows: model.encode(rows))
        timed("write", lambda codes=codes: parquet.write_table(codes, folder / "codes.parquet"))
    return found


def measure_pieces(found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Measure what is not there yet of a search and of bulk work: one process, and a cluster of one or two workers."""
    # Ray gives its workers a low priority, so that on a machine that others use as well they would wait for these.
    env = os.environ | {"RAY_worker_niceness": "0"}
    with tempfile.TemporaryDirectory() as folder:
        found["parts"] = make_parts(Path(folder))
        for name in (*(f"{kind} {workers}" for kind in ("search", "bulk") for workers in (0, 1, 2)), "short search 0"):
            if name in found:
                continue
            kind, _, workers = name.rpartition(" ")
            load = os.getloadavg()[0]
            command = [sys.executable, "-m", "benchmarks.scale", "--job", kind, workers, folder]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{kind} failed:\n{done.stderr[-3000:]}")
            found[name] = json.loads(done.stdout.splitlines()[-1])
            print(f"<!-- {kind}, {workers} workers: load {load:.1f} before -->", flush=True)
            keep()


# The model.


def model_of(found: dict[str, Any], part: str, pick: Callable[[Sequence[Array]], list[float]]) -> Training:
    """Fit the constants. Args: part: whose computing is that of a worker; pick: a figure from each list of samples."""

    def computed(name: str) -> Array:
        samples = [np.asarray(each) for each in found[name]["steps"][: len(FITTED)]]
        terms = np.array([scale_model.compute_terms(*point) for point in FITTED])
        return scale_model.fitted(terms, np.array(pick(samples)))

    terms, seconds = [], []
    for workers in (2, 4):
        crowded = scale_model.crowd(workers, max(1, CORES // workers), CORES)
        terms += [crowded * scale_model.reduce_terms(size, workers) for size in VECTORS]
        seconds += pick([np.asarray(each) for each in found[str(workers)]["sums"]])
    return Training(computed("alone"), computed(part), scale_model.fitted(np.array(terms), np.array(seconds)))


def typical(samples: Sequence[Array]) -> list[float]:
    """Return a typical sample of each list of samples."""
    return [scale_model.typical(each) for each in samples]


def checked(found: dict[str, Any]) -> list[tuple[Net, int, int, float, float]]:
    """Return network, batch, workers, the predicted and the measured seconds of a step."""
    model = model_of(found, "part of some cores", typical)
    lines = []
    for workers, name in ((1, "alone"), (2, "2"), (4, "4")):
        crowded = scale_model.crowd(workers, max(1, CORES // workers), CORES)
        measured = found[name]["steps"][-len(CHECKED) :]
        for (net, batch), samples in zip(CHECKED, measured, strict=True):
            predicted = model.step(net, batch, workers, crowded=crowded)
            lines.append((net, batch, workers, predicted, scale_model.typical(samples)))
    return lines


def gains(found: dict[str, Any], net: Net, batch: int, error: float) -> list[tuple[float, float, float]]:
    """Return how many times as fast machines are as one: by the lower quartiles, and the bounds of 90 % of the draws.

    The draws take other samples, overlap of copying and sending or none, and the typical error of a prediction.
    """
    random, drawn = np.random.default_rng(0), []

    def times(model: Training, network: Network) -> list[float]:
        alone = model.apart(net, batch, 1, network)
        return [alone / model.apart(net, batch, machines, network) for machines in MACHINES]

    for _ in range(DRAWS):
        model = model_of(found, "part", lambda samples: scale_model.resampled(samples, random))
        network = NETWORK._replace(overlaps=bool(random.integers(2)))
        factor = np.exp(random.normal() * np.log(error))
        drawn.append([1.0, *(factor * each for each in times(model, network)[1:])])
    middle = times(model_of(found, "part", typical), NETWORK)
    return [(each, *scale_model.interval(draws)) for each, draws in zip(middle, zip(*drawn, strict=True), strict=True)]


# The tables.


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table of Markdown."""
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    sys.stdout.flush()


def show_training(found: dict[str, Any]) -> None:
    """Print constants, predictions, extrapolations."""
    apart, shared = model_of(found, "part", typical), model_of(found, "part of some cores", typical)
    plain = model_of(found | {"alone": found["plain"]}, "part", typical).alone
    sets = {
        f"alone, {CORES} threads": apart.alone,
        f"alone, {CORES} threads, without XLA": plain,
        f"in a group, {CORES} threads": apart.part,
        f"in a group, {max(1, CORES // 2)} threads": shared.part,
    }
    lines = [[name, *(f"{each:.3g}" for each in constants * [1e3, 1e9, 1e12, 1e9])] for name, constants in sets.items()]
    table("Computing", ["", "step, ms", "weight, ns", "weight and row, ps", "output and row, ns"], lines)
    call, hop, byte = apart.reduce
    reads = {name: scale_model.typical(samples) for name, samples in found["alone"]["reading"].items()}
    print(f"\nA sum: {1e3 * call:.3g} ms, {1e3 * hop:.3g} ms a hop, {1e9 * byte:.3g} ns a byte.")
    print(f"Rows of 784 a second: {1 / reads['parquet']:,.0f} of Parquet, {1 / reads['memory']:,.0f} in memory.")
    lines = checked(found)
    shown = [
        [NAMES[net], batch, workers, f"{1e3 * guess:.1f}", f"{1e3 * real:.1f}", f"{100 * (guess / real - 1):+.0f} %"]
        for net, batch, workers, guess, real in lines
    ]
    table("Steps on one machine", ["network", "batch", "processes", "predicted, ms", "measured, ms", "error"], shown)
    error = scale_model.typical_error(*zip(*[line[3:] for line in lines if line[2] > 1], strict=True))
    print(f"\nTypical error of steps of 2 and 4 processes: a factor of {error:.2f}.")
    shown = []
    for net in (SMALL, MIDDLE, LARGE, HUGE):
        for batch in (512, 8_192, 65_536):
            three = gains(found, net, batch, error)
            cells = [f"{middle:.2g} ({low:.2g} to {high:.2g})" for middle, low, high in three[1:]]
            shown.append([NAMES[net], f"{net.weights:,}", f"{batch:,}", *cells])
    head = ["network", "weights", "batch", *(f"{machines} machines" for machines in MACHINES[1:])]
    table("Times as fast as one machine, extrapolated; 90 % of draws", head, shown)

    def least(net: Net, machines: int, gain: float, overlaps: bool) -> str:
        network = NETWORK._replace(overlaps=overlaps)
        found = scale_model.least_batch(lambda batch, n: apart.apart(net, batch, n, network), machines, gain)
        return "none" if found is None else f"{found:,}"

    shown = []
    for net in (SMALL, MIDDLE, LARGE, HUGE):
        cells = [least(net, machines, gain, True) for machines in (2, 8, 64) for gain in (1.0, machines / 2)]
        shown.append([NAMES[net], f"{net.weights:,}", *cells[:1], *cells[2:]])
    head = ["network", "weights", "2 machines pay", "8 pay", "8 are 4 times as fast", "64 pay", "64 are 32 times"]
    table("Least batch, a power of two", head, shown)


def show_pieces(found: dict[str, Any]) -> None:
    """Print predictions and extrapolations of search and bulk work."""
    trials = found["search 0"]["trials"]
    # What is not training: some of it once, such as loading TensorFlow, some for each trial.
    beyond = {kind: max(0.0, found[f"{kind} 0"]["wall"] - sum(found[f"{kind} 0"]["trials"])) for kind in TRIALS}
    driver = max(0.0, beyond["search"] - beyond["short search"]) / (TRIALS["search"] - TRIALS["short search"])
    once = max(0.0, beyond["search"] - TRIALS["search"] * driver)
    start = found["search 1"]["wall"] - found["search 0"]["wall"]
    part = Part(*(scale_model.typical(found["parts"][name]) for name in ("read", "infer", "write")))
    part = part._replace(bytes=ROWS_OF_PART * (FEATURES + 8) * scale_model.BYTES)
    begun = found["bulk 1"]["first"] - part.seconds
    low, high = scale_model.pieces_bounds(trials, 2, driver=driver)
    print(f"\nSearch: trials of {np.median(trials):.2f} s, {once:.1f} s once, driver {driver:.2f} s a trial.")
    print(f"A cluster: {start:.1f} s more.")
    words = ", ".join(f"{name} {getattr(part, name):.2f} s" for name in ("read", "infer", "write"))
    print(f"Bulk: a part of {ROWS_OF_PART:,} rows: {words}; start {begun:.1f} s.")
    guess = scale_model.bulk(part, PARTS, 2, start=begun, crowded=scale_model.crowd(2, 1, CORES))
    low, high = low + once + start, high + once + start
    rows = [
        ["search of 12 trials", f"{low:.1f} to {high:.1f}", f"{found['search 2']['wall']:.1f}"],
        [f"bulk work on {PARTS} parts", f"{guess:.1f}", f"{found['bulk 2']['wall']:.1f}"],
    ]
    table("Two workers on one machine", ["", "predicted, s", "measured, s"], rows)
    lines = []
    for seconds in (1.0, 60.0, 600.0):
        rounds = [
            (81, seconds / 9),
            (27, 2 * seconds / 9),
            (9, 6 * seconds / 9),
        ]  # a third goes on, three times as long
        alone = once + sum(trials * (each + driver) for trials, each in rounds)
        cells = []
        for machines in MACHINES[1:]:
            least, most = scale_model.halving_bounds(rounds, machines, start=once + start, driver=driver)
            cells.append(f"{alone / most:.2g} to {alone / least:.2g}")
        lines.append([f"search, 81 trials, the longest {seconds:.0f} s", *cells])
    for parts in (16, 256, 4_096):
        alone = scale_model.bulk(part, parts, 1, start=0.0)
        cells = []
        for machines in MACHINES[1:]:
            disks = [scale_model.bulk(part, parts, machines * CORES, start=begun, disk=disk) for disk in (1e9, np.inf)]
            cells.append(" to ".join(f"{alone / CORES / seconds:.2g}" for seconds in disks))
        lines.append([f"bulk work, {parts:,} parts", *cells])
    table("Times as fast as one machine", ["", *(f"{machines} machines" for machines in MACHINES[1:])], lines)


def main() -> None:
    """Measure, unless samples are given, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="write the samples to this file")
    parser.add_argument("--use", type=Path, help="read the samples from this file")
    parser.add_argument("--process", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--job", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.process:
        measure(asked.process)
        return
    if asked.job:
        print(json.dumps(job(asked.job[0], int(asked.job[1]), asked.job[2])))
        return
    found = json.loads(asked.use.read_text()) if asked.use else {}

    def keep() -> None:
        if asked.keep:
            asked.keep.write_text(json.dumps(found))

    measure_steps(found, keep)
    measure_pieces(found, keep)
    show_training(found)
    show_pieces(found)


if __name__ == "__main__":
    main()
