"""One search by several processes, whose machines share a PostgreSQL database and nothing else."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from diabolo.errors import CheckpointError, OutputError
from diabolo.search import search, states
from diabolo.search.postgres import InPostgres
from diabolo.training import checkpoints
from diabolo.training.checkpoints import State

psycopg = pytest.importorskip("psycopg")

NOBODY = 65534
PASSWORD = "not-to-be-shown"


def program(name):
    """Return where a program of PostgreSQL is; Debian keeps those of each version in a folder of its own."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


def as_other(*command):
    """Return a command for another user, where this one is root: PostgreSQL does not start as root."""
    if os.geteuid():
        return [*command]
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]


@pytest.fixture(scope="module")
def server():
    """Start PostgreSQL in a temporary folder, on a free port of 127.0.0.1, and give its address."""
    if program("postgres") is None or program("initdb") is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="dp") as folder, socket.socket() as free:
        if not os.geteuid():
            os.chown(folder, NOBODY, NOBODY)
        Path(folder, "password").write_text(PASSWORD)
        Path(folder, "password").chmod(0o644)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        data = f"{folder}/data"
        make = [program("initdb"), "-D", data, "-U", "diabolo", "--auth=scram-sha-256", f"--pwfile={folder}/password"]
        subprocess.run(as_other(*make, "--no-sync", "-E", "UTF8"), check=True, capture_output=True, cwd="/")
        run = [program("postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
        with Path(folder, "log").open("w") as log:
            process = subprocess.Popen(as_other(*run), stdout=log, stderr=log, cwd="/")
        try:
            address = f"postgresql://diabolo:{PASSWORD}@127.0.0.1:{port}/"
            deadline = time.monotonic() + 60
            while True:
                try:
                    psycopg.connect(f"{address}postgres").close()
                    break
                except psycopg.OperationalError:
                    log = Path(folder, "log").read_text()
                    assert process.poll() is None, log
                    assert time.monotonic() < deadline, log
                    time.sleep(0.1)
            yield address
        finally:
            process.send_signal(signal.SIGINT)  # which ends its connections too
            process.wait()


@pytest.fixture
def database(server, request):
    """Make a database of its own, and give its address."""
    name = f"d{abs(hash(request.node.name)):x}"
    with psycopg.connect(f"{server}postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}{name}"


def closing(kept):
    """Close the connections of states at the end of a block; otherwise they are closed with the process."""
    held = contextlib.ExitStack()
    held.callback(kept._engine.dispose)
    held.callback(kept._locks.close)
    return held


@pytest.fixture(params=["folder", "database"])
def several(request, tmp_path):
    """Give a function that opens the states of a search, as each of its processes does."""
    if request.param == "folder":
        yield lambda: states.states_of(tmp_path, None, "search")
        return
    address = request.getfixturevalue("database")
    with contextlib.ExitStack() as every:

        def open_states(identity="search"):
            opened = states.states_of(tmp_path, address, identity)
            assert isinstance(opened, InPostgres)
            every.enter_context(closing(opened))
            return opened

        yield open_states


def test_a_state_is_read_by_another_process_as_it_was_written(several):
    one, other = several(), several()
    state = State([np.arange(6.0).reshape(2, 3)], {"loss": [2.0, 1.0]}, 2, None)
    assert (one.read(3, "trial"), one.numbers(), one.changed(3)) == (None, set(), 0)
    one.write(3, checkpoints.to_bytes(state, "trial"))
    found, before = other.read(3, "trial"), other.changed(3)
    np.testing.assert_array_equal(found.variables[0], state.variables[0])
    assert found.history == state.history
    assert other.numbers() == {3}
    other.write(3, checkpoints.to_bytes(state, "trial"))
    assert one.changed(3) != before
    with pytest.raises(CheckpointError, match="belongs to another"):
        one.read(3, "another")
    other.write(3, b"damaged")
    with pytest.raises(CheckpointError, match=r"damaged|not a valid checkpoint"):
        one.read(3, "trial")
    one.remove(3)
    assert other.numbers() == set()


def test_a_lock_is_held_by_one_and_released_at_the_end(several):
    one, other = several(), several()
    with one.locked("trial") as mine:
        assert mine
        with other.locked("trial") as theirs, other.locked("another") as free, one.locked("trial") as again:
            assert (theirs, free, again) == (False, True, False)
    with other.locked("trial", wait=True) as mine:
        assert mine


def test_two_searches_in_one_database_do_not_meet(server, database, tmp_path):
    one, other = (states.states_of(tmp_path, database, identity) for identity in ("one", "other"))
    with closing(one), closing(other):
        one.write(0, b"one")
        assert other.numbers() == set()
        with one.locked("trial-0000"), other.locked("trial-0000") as mine:
            assert mine


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(table, server):
    with pytest.raises(OutputError) as refused:
        search(table, trials=1, storage=f"{server}nowhere")
    said = str(refused.value)
    assert said.startswith("the storage postgresql://diabolo:***@127.0.0.1:")
    assert 'database "nowhere" does not exist' in said
    assert said.endswith("give another address, or leave --storage out.")
    assert PASSWORD not in said


SCRIPT = """
import json, sys
import numpy as np
from diabolo.search import search, trials

trials.SECONDS_BETWEEN = 0.2
rows = np.random.default_rng(0).normal(size=(6_000, 12)) @ np.random.default_rng(1).normal(size=(12, 12))
space = {"structure": ["dense 64", "dense 32"], "noise": [0.0], "batch_size": [32], "optimizer": ["adam"],
         "activation": ["elu"], "rate": (0.3, 3.0)}
found = search(rows, trials=10, epochs=27, latent_dim=3, space=space, random_state=0, refine=False,
               storage=sys.argv[1] if len(sys.argv) > 1 else None)
print(json.dumps([{name: value for name, value in row.items() if name != "seconds"} for row in found.trials]))
"""


def start(*more):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *more], stdout=subprocess.PIPE, text=True)


def table_of(process):
    said = process.communicate(timeout=600)[0]
    assert process.returncode == 0
    return json.loads(said.splitlines()[-1])


def losses(database):
    """Return by number the losses of the epochs so far."""
    with psycopg.connect(database) as connection:
        try:
            found = connection.execute("SELECT number, content FROM diabolo_states").fetchall()
        except psycopg.errors.UndefinedTable:
            return {}
    return {number: checkpoints.from_bytes(bytes(content))[0].history["loss"] for number, content in found}


@pytest.mark.slow
def test_two_processes_at_one_database_find_the_table_of_one_also_when_one_is_killed(database):
    alone = table_of(start())
    both = [start(database), start(database)]
    deadline = time.monotonic() + 300
    while len(losses(database)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    both[0].send_signal(signal.SIGKILL)
    before = losses(database)
    both[0].communicate()
    assert table_of(both[1]) == alone
    assert table_of(start(database)) == alone  # nothing is left to do
    after = losses(database)
    for number, seen in before.items():  # no epoch was trained again
        assert after[number][: len(seen)] == seen
