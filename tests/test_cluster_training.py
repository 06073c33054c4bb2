"""Training by several machines gives the model of one, whatever happens to them.

Processes that train together run in a network namespace of their own, because their servers listen on all addresses.
"""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import group_processes
from clusters import Nodes, descendants, namespace, needs_namespace
from diabolo import Autoencoder, cluster, datasets, fitting
from diabolo.cluster.training import Workers, check
from diabolo.data.opening import open_stream
from diabolo.data.windows import Streamed
from diabolo.errors import OptionError
from diabolo.fitting.training import job_of
from diabolo.model.file import load
from diabolo.model.settings import Settings
from diabolo.network.random_numbers import RowsOf, normal, of_rows, uniform
from diabolo.training.engines import Compiled
from diabolo.training.group import GroupStream, Slices

TESTS = Path(__file__).parent
FAST = ["dense norm / clip", "vae"]
NETWORKS = ["dense", "conv", "vae"]
SLOW = [
    *(f"{network}{norm}{clip}" for network in NETWORKS for norm in ("", " norm") for clip in ("", " / clip")),
    *("default", "dropout", "samples", "masking", "gaussian noise", "contractive", "ordered", "top k"),
    *("dense / xla", "vae / xla", "vae norm / xla / clip", "masking / xla", "dropout / xla"),
]


@pytest.fixture(scope="module")
def rows():
    return datasets.digits().x_train[:1_003]


@pytest.mark.parametrize(("batch", "world"), [(50, 4), (7, 3), (3, 4), (1, 2), (1_003, 5)])
def test_processes_share_each_batch_without_a_row_left_or_doubled(batch, world):
    parts = [Slices.even(1_003, batch, rank=rank, world=world) for rank in range(world)]
    places = [part.places() for part in parts]
    assert np.array_equal(np.sort(np.concatenate(places)), np.arange(1_003))
    for part, mine in zip(parts, places, strict=True):
        assert len(mine) == part.mine
        of_batch = np.bincount(mine // batch, minlength=part.steps)
        assert of_batch.min() >= 0
        assert np.ptp([np.bincount(each // batch, minlength=part.steps)[0] for each in places]) <= 1


@pytest.mark.parametrize("draw", [uniform, normal])
def test_processes_draw_the_noise_that_one_process_would_draw(draw):
    import keras

    def drawn(shape, axis, rows=None):
        generator = keras.random.SeedGenerator(5)
        if rows is None:
            return np.asarray(draw(shape, generator, axis=axis))
        with of_rows(rows):
            return np.asarray(draw(shape, generator, axis=axis))

    first, second = RowsOf(0, 4, 10), RowsOf(4, 6, 10)
    for axis, sizes in ((0, (10, 3)), (1, (2, 10, 3))):
        parts = [
            drawn(tuple(each.own if at == axis else size for at, size in enumerate(sizes)), axis, each)
            for each in (first, second)
        ]
        assert np.array_equal(np.concatenate(parts, axis), drawn(sizes, axis))
    # Two copies of the rows follow each other, as for several samples of a latent.
    copies = [drawn((2 * each.own, 3), 0, each).reshape(2, each.own, 3) for each in (first, second)]
    assert np.array_equal(np.concatenate(copies, 1).reshape(20, 3), drawn((20, 3), 0))
    assert np.array_equal(drawn((1, 3), None, first), drawn((1, 3), None))


def histories(folder, cases, world, port=24_000):
    """Train cases by so many processes, and return the histories of each."""
    addresses = [f"127.0.0.1:{port + rank}" for rank in range(world)]
    files = [folder / f"{world}-{rank}.json" for rank in range(world)]
    with namespace() as inside:
        processes = [
            inside.start(
                sys.executable,
                TESTS / "group_processes.py",
                rank,
                file,
                ",".join(cases),
                *addresses,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank, file in enumerate(files)
        ]
        said = [process.communicate(timeout=900)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * world, said[0][-3_000:]
    return [json.loads(file.read_text()) for file in files]


def compare(folder, cases, worlds):
    alone = {case: group_processes.train(case, None) for case in cases}
    for world in worlds:
        every = histories(folder, cases, world)
        assert all(each == every[0] for each in every)
        for case in cases:
            assert alone[case].keys() == every[0][case].keys()
            for name, curve in alone[case].items():
                assert len(curve) == 3
                # In the default structure the first gradients of some weights are little more than rounding.
                bound = 1e-4 if case in ("default", "ordered") else 1e-5
                assert np.allclose(every[0][case][name], curve, rtol=bound, atol=0), (case, world, name)


@needs_namespace
def test_two_processes_get_the_losses_of_one(tmp_path):
    compare(tmp_path, FAST, [2])


@needs_namespace
@pytest.mark.slow
def test_any_number_of_processes_gets_the_losses_of_one(tmp_path):
    compare(tmp_path, SLOW, [2, 4])


def estimator(**more):
    return Autoencoder(8, **{"structure": "dense 64", "epochs": 3, "random_state": 3} | more)


def test_a_worker_of_a_local_cluster_gives_the_model_of_this_process(rows):
    with cluster.engine("local", workers=1) as engine:
        there = estimator().fit(rows, engine=engine, evaluate=False)
    here = estimator().fit(rows, engine=Compiled(timed=False), evaluate=False)
    for name, curve in here.history_.items():
        assert np.allclose(there.history_[name], curve, rtol=1e-5)
    assert np.allclose(there.encode(rows[:20]), here.encode(rows[:20]), atol=1e-4)
    assert there.model_.record.versions["tensorflow"] == here.model_.record.versions["tensorflow"]


@pytest.mark.parametrize(("text", "workers"), [(4, (4, 4)), ("2-4", (2, 4)), (" 1 ", (1, 1))])
def test_workers_are_a_number_or_a_range(text, workers):
    assert Workers.of(text) == workers


@pytest.mark.parametrize("text", ["0", "4-2", "-1", "two", "", "1-", 2.5, None, True])
def test_other_numbers_of_workers_are_refused(text):
    with pytest.raises(OptionError, match=r"must be a number such as 4, or a range such as 2-4, got"):
        Workers.of(text)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"corruption": "swap:0.1"}, "corruption 'swap'"),
        ({"penalty": "mmd"}, "penalty 'mmd'"),
        ({"bottleneck": "quantized"}, "bottleneck 'quantized' with these settings"),
        ({"bottleneck": "sparse:kl"}, "bottleneck 'sparse' with these settings"),
        ({"bottleneck": "gaussian:free_nats=0.1"}, "bottleneck 'gaussian' with these settings"),
    ],
)
def test_what_compares_the_rows_of_a_batch_is_refused_with_several_workers(rows, settings, named):
    asked = Settings.of({"latent_dim": 8, "structure": "dense 64", "random_state": 3} | settings)
    job = job_of(fitting.prepare(rows, asked), asked)
    with pytest.raises(OptionError, match=f"{named} compares the rows of a batch.*--workers 1"):
        check(job, Workers(1, 2))
    check(job, Workers(1, 1))
    small = Settings.of({"latent_dim": 8, "batch_size": 3, "random_state": 3})
    with pytest.raises(OptionError, match="less than one row for each of 4 workers"):
        check(job_of(fitting.prepare(rows, small), small), Workers(2, 4))


@pytest.fixture
def parts(tmp_path):
    """Five Parquet files of different sizes."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(2, 6))
    (tmp_path / "parts").mkdir()
    for number in range(5):
        rows = random.normal(size=(300 + 40 * number, 2)) @ mixing + 0.1 * random.normal(size=(300 + 40 * number, 6))
        columns = dict(zip("abcdef", rows.astype(np.float32).T, strict=True))
        parquet.write_table(pa.table(columns), tmp_path / "parts" / f"{number}.parquet", row_group_size=100)
    return tmp_path / "parts"


@pytest.mark.parametrize("world", [1, 2, 3])
def test_workers_read_each_row_of_a_stream_once_an_epoch(parts, world):
    stream = open_stream(str(parts / "*.parquet"))
    rows = Streamed(stream, np.asarray, rows=1_900, shape=(6,), dtype=np.float32, limit=1 << 17,
                    batch_size=64, seed=0)  # fmt: skip

    class Alone:
        """The part of a group that counts rows: the counts of all are known."""

        def __init__(self, rank):
            self.rank, self.world = rank, world

        def total(self, counts):
            return np.array([rows.count(rows.parts_of(rank, world)) for rank in range(world)])

    seen, steps = [], set()
    for rank in range(world):
        done = 0
        for window in GroupStream(pickle.loads(pickle.dumps(rows)), 64, Alone(rank)).epoch(0):
            assert window.first == done
            done += window.steps
            seen.append(window.data[window.order[: window.rows]].copy())
        steps.add(done)
    assert len(steps) == 1
    whole = np.concatenate(list(stream.chunks(1_000)))
    assert np.array_equal(np.sort(np.concatenate(seen), 0), np.sort(whole, 0))


@needs_namespace
@pytest.mark.slow
def test_workers_learn_from_rows_that_each_reads_for_itself(tmp_path, parts):
    options = ["--latent", 2, "--structure", "dense 16", "--epochs", 30, "--memory", "80kB", "--json", "--no-pictures"]
    with Nodes(2, 2) as nodes:
        said = [
            nodes.run(sys.executable, "-m", "diabolo", "fit", parts / "*.parquet", "--cluster", "auto",
                      "--workers", workers, "--output", tmp_path / f"{workers}.safetensors", *options)
            for workers in (1, 2)
        ]  # fmt: skip
    assert [each.returncode for each in said] == [0, 0], said[1].stderr[-3_000:]
    assert all("read in chunks" in each.stderr for each in said)
    alone, both = (json.loads(each.stdout) for each in said)
    assert alone["rows"] == both["rows"]
    assert both["error"] == pytest.approx(alone["error"], rel=0.1)
    assert both["error"] < 0.05 * both["mean_row_error"]


EPOCHS = 300


@pytest.fixture(scope="module")
def table(tmp_path_factory, rows):
    """Rows in a file, and the model that they give without a cluster."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "rows.npy", rows)
    done = subprocess.run(
        [sys.executable, "-m", "diabolo", *fit(folder / "rows.npy", folder / "alone.safetensors")],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


def fit(data, output, *more):
    """Return a command that trains for about a quarter of a minute by two workers."""
    options = ["--latent", 8, "--structure", "dense 64", "--bottleneck", "gaussian", "--epochs", EPOCHS]
    options += ["--patience", 0, "--no-pictures", "--output", output, *more]
    return ["fit", str(data), *map(str, options)]


class Training:
    """A training on a cluster, in a process of its own."""

    def __init__(self, nodes, folder, table, *more):
        self.run, output = folder / "run", folder / "there.safetensors"
        self._said = folder / f"said-{len(list(folder.iterdir()))}.txt"
        if table is None:
            command = ["-c", *more, folder / "rows.npy", output, 2_500]
        else:
            options = ["--cluster", "auto", "--run", self.run, *more]
            command = ["-m", "diabolo", *fit(table / "rows.npy", output, *options)]
        with self._said.open("w") as said:
            self.process = nodes.start(sys.executable, *command, stdout=said, stderr=said, cwd=folder)

    @property
    def said(self):
        return self._said.read_text()

    @property
    def epoch(self):
        return max(map(int, re.findall(r"epoch +(\d+)/", self.said)), default=0)

    @property
    def losses(self):
        return self.said.count("was lost")

    def reach(self, *, epoch=0, losses=0):
        """Wait until an epoch has ended, and so many losses were noticed."""
        until = time.monotonic() + 240
        while self.epoch < epoch or self.losses < losses:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, f"no epoch {epoch} and {losses} losses: {self.said}"
            time.sleep(0.05)

    def end(self, code=0):
        assert self.process.wait(timeout=400) == code, self.said
        return self.said


def workers_of(nodes, address=None):
    """Return the processes that train, those of one node if it is given."""
    found = []
    for node, process in nodes.running.items():
        for pid in descendants(process.pid) if address in (None, node) else ():
            try:
                found += [pid] if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Worker") else []
            except OSError:
                continue
    return found


def check_model(folder, table, rows, epochs=EPOCHS):
    """Compare the model of a training with the one that was trained without a cluster."""
    there, alone = load(folder / "there.safetensors"), load(table / "alone.safetensors")
    for name, curve in alone.record.history.items():
        assert len(there.record.history[name]) == epochs
        # Rounding grows over 300 epochs, at a rate that falls to 0.
        assert np.allclose(there.record.history[name], curve, rtol=1e-3), name
    assert np.abs(there.encode(rows) - alone.encode(rows)).mean() < 0.01 * alone.encode(rows).std()


@needs_namespace
@pytest.mark.slow
def test_workers_that_are_killed_twenty_times_change_nothing(tmp_path, table, rows):
    random, killed = np.random.default_rng(0), 0
    with Nodes(2, 2) as nodes:
        for attempt in range(5):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            training = Training(nodes, folder, table, "--workers", 2)
            for losses in range(1, 5):
                training.reach(epoch=training.epoch + int(random.integers(1, 40)))
                time.sleep(random.random())
                os.kill(random.choice(workers_of(nodes)), signal.SIGKILL)
                killed += 1
                training.reach(losses=losses)
            training.end()
            check_model(folder, table, rows)
    assert killed == 20


@needs_namespace
@pytest.mark.slow
def test_a_spare_machine_takes_the_place_of_one_that_is_lost(tmp_path, table, rows):
    with Nodes(1, 1, 1) as nodes:
        training = Training(nodes, tmp_path, table, "--workers", 2)
        training.reach(epoch=20)
        (lost, *_) = [node for node in [*nodes.running][1:] if workers_of(nodes, node)]
        nodes.kill(lost)
        assert "was lost" in training.end()
        check_model(tmp_path, table, rows)


ELASTIC = """
import sys
from diabolo import Autoencoder, cluster
from diabolo.training.progress import display

def say(line):
    print(f"diabolo: {line}", file=sys.stderr, flush=True)

rows, output, epochs = sys.argv[1:]
with cluster.engine("auto", workers="1-2", say=say) as engine, display(2) as report:
    engine.settled = 2.0
    model = Autoencoder(8, structure="dense 64", bottleneck="gaussian", epochs=int(epochs), patience=0, random_state=0)
    model.fit(rows, engine=engine, report=report, evaluate=False).save(output)
"""


@needs_namespace
@pytest.mark.slow
def test_a_training_shrinks_with_its_cluster_and_grows_again(tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    with Nodes(1, 1) as nodes:
        training = Training(nodes, tmp_path, None, ELASTIC)
        training.reach(epoch=20)
        nodes.kill("10.77.0.2")
        training.reach(losses=1)
        training.reach(epoch=training.epoch + 5)
        nodes.add(1)
        training.end()
    assert "one of 2 workers was lost" in training.said
    assert re.search(r"machines have joined: going on after epoch \d+ with more workers", training.said)
    alone = Autoencoder(8, structure="dense 64", bottleneck="gaussian", epochs=2_500, patience=0, random_state=0)
    compiled = Compiled(timed=False, epochs=2_500)  # XLA as for the whole training, which draws other numbers
    alone.fit(rows, engine=compiled, evaluate=False).save(tmp_path / "alone.safetensors")
    check_model(tmp_path, tmp_path, rows, 2_500)


@needs_namespace
@pytest.mark.slow
def test_a_training_without_enough_machines_ends_with_a_line_and_goes_on_later(tmp_path, table, rows):
    with Nodes(1, 1) as nodes:
        training = Training(nodes, tmp_path, table, "--workers", 2, "--wait", "10s")
        training.reach(epoch=20)
        nodes.kill("10.77.0.2")
        assert "no room for 2 workers within 10 s: the cluster has 1 node, 1 CPUs" in training.end(2)
        nodes.add(1)
        Training(nodes, tmp_path, table, "--workers", 2, "--resume").end()
        check_model(tmp_path, table, rows)


@needs_namespace
@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_training_goes_on_after_the_command_was_ended(tmp_path, table, rows, number, code):
    with Nodes(2, 2) as nodes:
        training = Training(nodes, tmp_path, table, "--workers", 2)
        training.reach(epoch=20)
        training.process.send_signal(number)
        training.end(code)
        assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
        again = Training(nodes, tmp_path, table, "--workers", 1, "--resume")
        again.end()
        assert min(map(int, re.findall(r"epoch +(\d+)/", again.said))) > 1
        check_model(tmp_path, table, rows)
