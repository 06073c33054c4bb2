"""Whatever the disk does and whoever kills the writer: the last good file is read, and no scrap is left by an error."""

import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from diabolo.model import file as modelfile
from diabolo.training import checkpoints

ERRORS = ("ENOSPC", "EIO", "EACCES")
# Of a save, the system calls that speak of files; not those that take memory or ask for the time.
OF_FILES = re.compile(
    r"open|openat|creat|write|pwrite64|writev|fsync|fdatasync|close|f?chmod|fchmodat\d?|rename(at2?)?|unlink(at)?|link|"
    r"l?stat|fstat|newfstatat|statx|f?access|faccessat2?|umask|lseek|ioctl|fcntl|f?truncate|f?chown"
)

# Holds a model and a checkpoint, and for every line on its standard input makes a process that saves one of them when
# it is asked to continue. The result is an exit code, as anything else would be one more system call to go wrong: 0
# it was saved, 2 one line of an OutputError, 3 something else.
SAVER = """
import os, pathlib, signal, sys
from dataclasses import replace
import numpy as np
from diabolo.model import file as modelfile
from diabolo.errors import OutputError
from diabolo.training import checkpoints

model = modelfile.load(sys.argv[1])

def state(step):
    return checkpoints.State([np.full(1000, step, np.float32)], {"loss": [1.0]}, 1, None, step=step)

def write(kind, path, number):
    if kind == "model":
        modelfile.save(replace(model, record=replace(model.record, rows=number)), path, force=True)
    else:
        checkpoints.write(pathlib.Path(path), state(number), "this")
"""

FAULTS = """
for line in sys.stdin:
    kind, path = line.split()
    pid = os.fork()
    if not pid:
        code = 3
        try:
            os.kill(os.getpid(), signal.SIGSTOP)
            write(kind, path, 2)
            code = 0
        except OutputError as error:
            code = 2 if str(error).count("\\n") == 0 and len(str(error)) < 500 else 3
        finally:
            os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""

# Kills a process that saves one state after the other and tells the number of each that was saved.
KILLS = """
import json, random, select, time
kills, seed, folder = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
chance = random.Random(seed)
for at in range(kills):
    kind = ("model", "checkpoint")[at % 2]
    path = f"{folder}/{kind}.safetensors"
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        number = at * 1_000_000
        while True:
            number += 1
            write(kind, path, number)
            os.write(writing, b"%d\\n" % number)
    os.close(writing)
    if not os.path.exists(path):
        select.select([reading], [], [])
    time.sleep(chance.random() * 0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        reported = [int(line) for line in pipe.read().split()]
    try:
        if kind == "model":
            found = modelfile.load(path).record.rows
        else:
            found = checkpoints.read(pathlib.Path(path), "this").step
    except Exception as error:
        found = repr(error)
    scraps = [name for name in os.listdir(folder) if name.startswith(".")]
    for name in scraps:
        os.unlink(f"{folder}/{name}")
    print(json.dumps([kind, reported[-1] if reported else 0, len(reported), found, len(scraps)]), flush=True)
"""


@pytest.fixture(scope="module")
def saver(model_path):
    """A process that saves under strace: give it what and where, and what strace shall do."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    process = subprocess.Popen(
        [sys.executable, "-c", SAVER + FAULTS, str(model_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def save(kind, path, log, *options):
        process.stdin.write(f"{kind} {path}\n")
        process.stdin.flush()
        pid = int(process.stdout.readline())
        while "T (stopped)" not in _status(pid):
            pass
        tracer = subprocess.Popen(
            ["strace", "-o", str(log), *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True
        )
        line = tracer.stderr.readline()
        os.kill(pid, signal.SIGCONT)
        code = int(process.stdout.readline())
        tracer.communicate()
        if "attached" not in line:
            pytest.skip(f"strace cannot look into processes here: {line}")
        return code

    yield save
    process.stdin.close()
    process.stdout.close()
    process.wait()


def _status(pid):
    with open(f"/proc/{pid}/status") as file:
        return file.read()


def sound(kind, path):
    """Return the number in a file, and refuse scraps next to it."""
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return modelfile.load(path).record.rows if kind == "model" else checkpoints.read(path, "this").step


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_an_error_at_any_system_call_of_a_save_leaves_the_last_good_file(saver, kind, tmp_path):
    folder, log = tmp_path / "here", tmp_path / "log"
    folder.mkdir()
    path = folder / "a.safetensors"
    assert saver(kind, path, log) == 0
    assert sound(kind, path) == 2
    new = path.read_bytes()
    calls = collections.Counter(re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE))
    calls = {name: count for name, count in calls.items() if OF_FILES.fullmatch(name)}
    assert {"openat", "write", "fsync", "close", "rename"} <= set(calls)
    if kind == "model":
        model = modelfile.load(path)
        old = modelfile.to_bytes(replace(model, record=replace(model.record, rows=1)))
    else:
        old = checkpoints.to_bytes(checkpoints.read(path, "this")._replace(step=1), "this")
    codes = collections.Counter()
    for name, count in calls.items():
        for when in range(1, count + 1):
            for error in ERRORS:
                path.write_bytes(old)
                code = saver(kind, path, log, "-e", f"inject={name}:error={error}:when={when}")
                where = f"{error} at call {when} of {name}"
                assert code in (0, 2), f"{where}: exit code {code}"
                assert sound(kind, path) == (2 if code == 0 else 1), where
                assert path.read_bytes() in (old, new), where
                codes[code] += 1
    assert codes[2] >= 3 * 5
    print(f"{kind}: {sum(codes.values())} faults in {len(calls)} kinds of calls, {codes[2]} of them reported")


def test_a_disk_that_is_full_half_way_is_one_line(run, model_path, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        SAVER
        + """
import resource

for kind in ("model", "checkpoint"):
    path = f"{sys.argv[2]}/{kind}.safetensors"
    write(kind, path, 1)
    for room in (0, 1, 500, 3000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            write(kind, path, 2)
        except OutputError as error:
            print(str(error).replace("\\n", " LINE "))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    )
    folder = tmp_path / "here"
    folder.mkdir()
    done = run(script, model_path, folder)
    assert done.code == 0, done.err
    assert done.out.count("could not be written: File too large.\n") == done.out.count("\n") == 8
    assert modelfile.load(folder / "model.safetensors").record.rows == 1
    assert checkpoints.read(folder / "checkpoint.safetensors", "this").step == 1
    assert len(list(folder.iterdir())) == 2


def kill(model_path, folder, kills, seed):
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SAVER + KILLS, str(model_path), str(kills), str(seed), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == kills
    for kind, reported, _, found, _ in answers:
        assert isinstance(found, int), f"{kind}: {found}"
        # The reported state is there, or what was being saved when the kill came.
        assert reported <= found <= reported + 1 or reported == 0, f"{kind}: {reported:,} reported, {found:,} found"
    within = sum(scraps for *_, scraps in answers)
    assert within, "no kill came within a save"
    saved = sum(saves for _, _, saves, _, _ in answers)
    print(f"{kills} kills, {within} within a save, {saved:,} states reported, 0 lost, 0 unreadable")


def test_a_killed_writer_leaves_what_it_reported(model_path, tmp_path):
    kill(model_path, tmp_path / "here", 50, seed=0)


@pytest.mark.slow
def test_a_writer_killed_500_times_leaves_what_it_reported(model_path, tmp_path):
    kill(model_path, tmp_path / "here", 500, seed=1)


GONE = """
import os, shutil
from diabolo import fitting
from diabolo.cli import main
from diabolo.training.engines import Compiled

fit = fitting.fit

def rising(job):
    import keras
    steps = -(-job.shard.row_count // job.batch_size)
    return keras.optimizers.SGD(keras.optimizers.schedules.PiecewiseConstantDecay([steps], [1e-3, 1e30]))

def and_the_folder_is_gone(*arguments, **options):
    if "DIVERGES" in os.environ:
        options["engine"] = Compiled(optimizer=rising, steps_a_call=1, compile=False)
    try:
        return fit(*arguments, **options)
    finally:
        shutil.rmtree("out")

fitting.fit = and_the_folder_is_gone
main()
"""


@pytest.mark.parametrize(
    ("more", "code", "reason"), [({}, 2, ""), ({"DIVERGES": "1"}, 3, "training diverged in epoch 2, by step ")]
)
def test_a_training_is_kept_elsewhere_where_its_folder_is_gone_at_the_end(run, table, tmp_path, more, code, reason):
    (tmp_path / "out").mkdir()
    (tmp_path / "temporary").mkdir()
    np.save(tmp_path / "rows.npy", table)
    options = ("fit", "rows.npy", "-o", "out/model", "--epochs", "2", "--latent", "3")
    done = run("-c", GONE, *options, env={"TMPDIR": str(tmp_path / "temporary")} | more)
    assert done.code == code
    line = done.err.strip().splitlines()[-1]
    (kept,) = (tmp_path / "temporary").rglob("*.safetensors")
    assert reason in line
    assert line.endswith(f"the folder out does not exist: make it first. The model is kept as {kept}.")
    assert modelfile.load(kept).network.latent_dim == 3
