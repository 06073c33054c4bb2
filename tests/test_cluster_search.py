"""Search and race on several machines, by Ray."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from clusters import Nodes, descendants, needs_namespace
from diabolo import cluster
from diabolo.errors import OptionError
from diabolo.search import race, search
from diabolo.training import checkpoints

pytest.importorskip("ray")

QUICK = {
    "structure": ["dense 16", "dense 32-16"],
    "activation": ["elu", "tanh"],
    "noise": [0.0],
    "batch_size": [64],
    "optimizer": ["adam"],
    "rate": (0.5, 5.0),
}
ASKED = {"trials": 3, "epochs": 9, "latent_dim": 3, "space": QUICK, "random_state": 0, "refine": False}


def without_seconds(trials):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in trials]


def equal(trials, others):
    """Assert that two tables are equal up to the rounding of the errors."""
    one, other = without_seconds(trials), without_seconds(others)
    errors = [[row.pop("error") for row in table] for table in (one, other)]
    assert one == other
    assert errors[0] == pytest.approx(errors[1], rel=1e-4, nan_ok=True)


def test_a_search_on_a_cluster_has_the_table_of_one_process(table, tmp_path):
    seen = []
    found = cluster.search(table, cluster="local", workers=2, run=tmp_path, report=seen.append, **ASKED)
    alone = search(table, **ASKED)
    equal(found.trials, alone.trials)
    equal(seen[-1], found.trials)
    np.testing.assert_allclose(found.best.encode(table), alone.best.encode(table), rtol=1e-3, atol=1e-4)
    again = search(table, run=tmp_path, **ASKED)  # nothing is left to train in the folder
    assert again.trials == found.trials


def test_workers_without_a_cluster_and_an_address_that_is_none_are_one_line(cli, tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((9, 3)))
    for command in ("search", "race"):
        said = cli(command, "rows.npy", "--workers", "2", cwd=tmp_path).err
        assert "--workers 2 is for a cluster: add --cluster local, auto or HOST:PORT" in said
        said = cli(command, "rows.npy", "--cluster", "there", cwd=tmp_path).err
        assert "cluster (--cluster) must be 'local', 'auto' or HOST:PORT" in said
        said = cli(command, "rows.npy", "--cluster", "local", "--workers", "0", cwd=tmp_path).err
        assert "workers (--workers) must be a whole number of at least 1, got 0" in said
    with pytest.raises(OptionError, match="unknown setting 'worker'"):
        cluster.search(np.zeros((9, 3)), cluster="local", worker=2)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_does_not_change_the_table(table, workers):
    # By TensorFlow and by NumPy; after the eighth, choices depend on results.
    asked = ASKED | {"trials": 14, "space": QUICK | {"activation": ["elu", "selu"]}}
    equal(cluster.search(table, cluster="local", workers=workers, **asked).trials, search(table, **asked).trials)


@pytest.mark.slow
def test_a_race_on_a_cluster_has_the_table_of_one_process(table):
    asked = {"optimizers": ["adam", "sgd", "rmsprop"], "epochs": 9, "latent_dim": 3, "random_state": 0}
    raced, alone = cluster.race(table, cluster="local", workers=2, **asked), race(table, **asked)
    equal(raced.trials, alone.trials)
    assert (raced.optimizer, raced.learning_rate) == (alone.optimizer, alone.learning_rate)


@pytest.mark.slow
def test_in_a_budget_of_time_the_best_is_whole(table):
    asked = ASKED | {"trials": None, "budget": "120s", "epochs": 60}
    trials = cluster.search(table, cluster="local", workers=2, **asked).trials
    assert trials[0]["state"] == "whole"
    assert len(trials) > 4


@pytest.mark.slow
def test_the_command_line_searches_and_races_on_a_cluster(cli, table, tmp_path):
    np.save(tmp_path / "rows.npy", table)
    (tmp_path / "space.json").write_text(json.dumps(QUICK))
    more = ["--latent", "3", "--epochs", "6", "--cluster", "local", "--workers", "2"]
    assert "this model" in cli("search", "rows.npy", "--trials", "3", "--space", "space.json", *more, cwd=tmp_path).out
    out = cli("race", "rows.npy", "--optimizers", "adam,sgd", *more, cwd=tmp_path).out
    assert "try: diabolo fit rows.npy --latent 3 --epochs 6 --optimizer " in out


# Trials of some seconds each; what they reached is kept all the time.
SCRIPT = """
import json, sys
import numpy as np
from diabolo import cluster
from diabolo.search import search, trials

trials.SECONDS_BETWEEN = 0.2
rows = np.random.default_rng(0).normal(size=(40_000, 12)) @ np.random.default_rng(1).normal(size=(12, 12))
space = {"structure": ["dense 64", "dense 32"], "noise": [0.0], "batch_size": [32], "optimizer": ["adam"],
         "activation": ["elu"], "rate": (0.3, 3.0)}
asked = dict(trials=COUNT, epochs=36, latent_dim=3, space=space, run=sys.argv[1], random_state=0, refine=False)
where = sys.argv[2] if len(sys.argv) > 2 else None
found = search(rows, **asked) if where is None else cluster.search(rows, cluster=where, **asked)
print(json.dumps(found.trials))
"""


def until(happens, process, seconds=240):
    """Wait for something that happens while a process works."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def epochs_in(folder):
    """Return by number how many epochs the trials in a folder have, and the losses of these."""
    found = {}
    for path in Path(folder).glob("trial-*.safetensors"):
        state, _ = checkpoints.from_bytes(path.read_bytes())
        found[int(path.stem.partition("-")[2])] = state.history.get("loss", [])
    return found


def count(epochs):
    return sum(map(len, epochs.values()))


def keeps(before, after):
    """Assert that no epoch was trained again: the bits of another training would differ, those of threads do."""
    for number, losses in before.items():
        assert after[number][: len(losses)] == losses


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    script = SCRIPT.replace("COUNT", "12")
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def trainers(process):
    """Return the actors among the processes that a process has started."""
    found = []
    for pid in descendants(process.pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Trainer.train"):
                found.append(pid)
    return found


@pytest.mark.slow
def test_a_trial_whose_actor_is_killed_goes_on_from_its_checkpoint(tmp_path, alone):
    script = SCRIPT.replace("COUNT", "12")
    command = [sys.executable, "-c", script, tmp_path, "local"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(3):
            until(lambda: trainers(process) and any(epochs_in(tmp_path).values()), process)
            before = epochs_in(tmp_path)
            os.kill(trainers(process)[0], signal.SIGKILL)
            until(lambda before=before: count(epochs_in(tmp_path)) > 2 + count(before), process)
            keeps(before, epochs_in(tmp_path))
        said = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    equal(json.loads(said.splitlines()[-1]), alone)


@pytest.mark.slow
@needs_namespace
def test_a_node_that_is_lost_loses_no_trial_and_a_new_one_is_used(tmp_path, alone):
    script = SCRIPT.replace("COUNT", "12")
    with Nodes(1, 1) as nodes:
        process = nodes.start(sys.executable, "-c", script, tmp_path, nodes.address, stdout=subprocess.PIPE, text=True)
        with process:
            until(lambda: len(epochs_in(tmp_path)) >= 3, process)
            before = epochs_in(tmp_path)
            nodes.kill("10.77.0.2")
            joined = nodes.running[nodes.add(1)]
            until(lambda: trainers(joined), process)
            keeps(before, epochs_in(tmp_path))
            said = process.communicate(timeout=300)[0]
        assert process.returncode == 0
        (line,) = said.splitlines()  # Ray says nothing of the lost node where the result is
        equal(json.loads(line), alone)


@pytest.mark.slow
@needs_namespace
def test_a_search_whose_driver_is_killed_continues_with_the_same_command(tmp_path, alone):
    with Nodes(2) as nodes:
        command = [sys.executable, "-c", SCRIPT.replace("COUNT", "12"), tmp_path, nodes.address]
        with nodes.start(*command, stdout=subprocess.PIPE) as process:
            until(lambda: len(epochs_in(tmp_path)) >= 3, process)
            process.send_signal(signal.SIGKILL)
        before = epochs_in(tmp_path)
        said = nodes.check(*command)
        keeps(before, epochs_in(tmp_path))
        equal(json.loads(said.splitlines()[-1]), alone)


DEADLY = """
import os, signal
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from diabolo import cluster
from diabolo.errors import DivergedError
from diabolo.network.layers import Dense

@dataclass(frozen=True)
class Deadly(Dense):
    kind: ClassVar[str] = "deadly"

    def to_keras(self, *args, **more):
        os.kill(os.getpid(), signal.SIGKILL)

try:
    cluster.search(np.random.default_rng(0).normal(size=(200, 5)), cluster="local", workers=1, trials=1, epochs=3,
                   latent_dim=2, structure=[Deadly(units=4, activation="selu")])
except DivergedError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_trial_that_ends_each_process_is_given_up():
    done = subprocess.run([sys.executable, "-c", DEADLY], capture_output=True, text=True, check=False)
    assert "no trial came to an end: it ended the process 3 times" in done.stdout, done.stderr
