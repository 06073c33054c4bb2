"""The process of a command: closed and full streams, signals at any moment, two commands that write the same file."""

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diabolo.errors import OutputError
from diabolo.model import file as modelfile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and devices of POSIX")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (300, 28, 28), np.uint8))
    return path


@pytest.fixture
def shell(tmp_path):
    """Run a line of a shell in which `diabolo` is this one; give exit code, stdout and stderr."""

    def go(line, *arguments):
        done = subprocess.run(
            ["sh", "-c", f'diabolo() {{ "$PYTHON" -m diabolo "$@"; }}; {line}', "sh", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHON": sys.executable},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return go


# Streams.


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_command_works_with_closed_streams(shell, model_path, rows, tmp_path, closed):
    assert shell(f'diabolo encode "$1" rows.npy -o z.npy {closed}', model_path)[0] == 0
    assert np.load(tmp_path / "z.npy").shape == (300, 8)


def test_a_file_never_takes_the_place_of_a_closed_stream(shell, model_path, rows, tmp_path):
    code, _, _ = shell('diabolo encode "$1" missing.npy -o z.csv 1>&- 2>&-', model_path)
    assert code == 2
    assert not (tmp_path / "z.csv").exists()
    assert shell('diabolo encode "$1" rows.npy -o z.csv 0<&- 1>&- 2>&-', model_path)[0] == 0
    lines = (tmp_path / "z.csv").read_text().splitlines()
    assert len(lines) == 301
    assert lines[0].startswith("latent_0,")


def test_an_error_does_not_go_to_standard_output_where_standard_error_is_closed(shell, model_path):
    code, out, _ = shell('diabolo encode "$1" missing.npy 2>&-', model_path)
    assert (code, out) == (2, "")


def test_results_for_a_closed_standard_output_are_refused(shell, model_path, rows):
    code, _, err = shell('diabolo encode "$1" rows.npy -o - 1>&-', model_path)
    assert (code, err) == (2, "diabolo: standard output is closed: choose the name of a file (-o FILE).\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_streams_keep_the_exit_code(shell, model_path, rows, tmp_path):
    assert shell('diabolo encode "$1" missing.npy 2>/dev/full', model_path)[0] == 2
    code, _, err = shell('diabolo encode "$1" rows.npy -o - >/dev/full', model_path)
    assert (code, err) == (2, "diabolo: standard output could not be written: No space left on device.\n")
    assert shell('diabolo encode "$1" rows.npy -o z.npy 2>/dev/full', model_path)[0] == 0
    assert shell("diabolo fit rows.npy --epochs 1 -o m 2>/dev/full")[0] == 0  # its progress goes there
    assert (tmp_path / "m.safetensors").exists()


def test_a_reader_of_standard_error_that_leaves_costs_no_result(shell, rows, tmp_path):
    code, _, _ = shell("{ diabolo fit rows.npy --epochs 3 -o m; echo $? >code; } 2>&1 >/dev/null | true")
    assert code == 0
    assert (tmp_path / "code").read_text() == "0\n"
    assert (tmp_path / "m.safetensors").exists()


# Signals.

# Sends itself a signal when a module is looked for the first time: where a person presses Ctrl-C cannot be timed.
INTERRUPTED = """
import os, signal, sys
name, number = sys.argv.pop(1), int(sys.argv.pop(1))
class Finder:
    def find_spec(self, module, path=None, target=None):
        if module == name:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Finder())
from diabolo.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "diabolo.cli.fit", "numpy", "pyarrow", "keras"])
def test_ctrl_c_in_an_import_is_one_line_and_exit_code_130(run, rows, module):
    # A network that NumPy cannot train loads Keras.
    done = run("-c", INTERRUPTED, module, int(signal.SIGINT), "fit", "rows.npy", "--activation", "gelu")
    assert (done.code, done.out) == (130, "")
    assert done.err == "diabolo: interrupted: no unfinished output is left behind.\n"


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_ctrl_c_in_an_import_keeps_its_exit_code_where_standard_error_cannot_be_written(tmp_path, redirection):
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    line = f"{shlex.quote(sys.executable)} interrupted.py typer {int(signal.SIGINT)} --version {redirection}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (130, b"")


@pytest.fixture
def large(tmp_path, model_path):
    """Inputs that take a command a second or so, and the commands; what they write goes to tmp_path/out."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "large.npy", rng.integers(0, 255, (40_000, 28, 28), np.uint8))
    (tmp_path / "out").mkdir()
    (tmp_path / "temporary").mkdir()
    model, rows = str(model_path), str(tmp_path / "large.npy")
    commands = {
        "encode": ("encode", model, rows, "-o", "out/z.csv"),
        "score": ("score", model, rows, "-o", "out/s.npy"),
        "reconstruct": ("reconstruct", model, rows, "-o", "out/r.npy"),
    }
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as base:
        base.execute("create table t as select range as a, random() as b, random() as c from range(3000000)")
    query = ("--query", "select * from t", "-o", "out/q.safetensors", "--epochs", "1")
    commands["query"] = ("fit", str(tmp_path / "shop.duckdb"), *query)
    return commands


def kill_at_random_moments(commands, tmp_path, number, kills, seed):
    """Send a signal to commands at random moments; return how many it ended, of those that had begun to write."""
    chance, ended, writing = random.Random(seed), 0, 0
    for at in range(kills):
        command = list(commands.values())[at % len(commands)]
        process = subprocess.Popen(
            [sys.executable, "-m", "diabolo", *command],
            cwd=tmp_path,
            env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # From the moment that there is something that could remain.
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if any((tmp_path / "out").iterdir()) or any((tmp_path / "temporary").iterdir()):
                writing += 1
                break
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        left = [
            *(tmp_path / "temporary").rglob("*"),
            *(path for path in (tmp_path / "out").iterdir() if path.name[0] == "."),
        ]
        assert left == [], (command[0], left, err, process.returncode)
        if process.returncode:
            assert process.returncode == 128 + number, err
            assert err.splitlines()[-1].endswith("no unfinished output is left behind.")
            assert "Traceback" not in err
            assert not list((tmp_path / "out").iterdir())  # nor what only looks finished
            ended += 1
        for path in (tmp_path / "out").iterdir():
            path.unlink()
    return ended, writing


@pytest.mark.parametrize("number", [pytest.param(signal.SIGHUP, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_leaves_no_file(large, tmp_path, number):
    ended, writing = kill_at_random_moments(large, tmp_path, number, 8, seed=0)
    assert ended >= 2
    assert writing >= 4


@pytest.mark.parametrize(("when", "code"), [("before", 143), ("after", 0)])
def test_a_signal_comes_too_late_once_the_output_is_complete(model_path, rows, tmp_path, when, code):
    # At the very moment that a complete file gets its name, and just before.
    script = f"""
import os, signal, sys
from diabolo import cli
from diabolo.storage import files
link, sync = os.link, os.fsync
def named(*paths):
    link(*paths)
    os.kill(os.getpid(), signal.SIGTERM)
def written(file):
    sync(file)
    os.kill(os.getpid(), signal.SIGTERM)
if {when!r} == "after":
    files.os.link = named
else:
    files.os.fsync = written
sys.argv = ["diabolo", "encode", {str(model_path)!r}, "rows.npy", "-o", "z.npy"]
cli.main(own_process=True)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "z.npy").exists() == (code == 0)
    assert not list(tmp_path.glob(".z.npy*"))


@pytest.mark.slow
def test_a_hundred_hang_ups_leave_no_file(large, tmp_path):
    ended, writing = kill_at_random_moments(large, tmp_path, signal.SIGHUP, 100, seed=1)
    print(f"{ended} ended by the signal, {writing} while something was written")
    assert ended >= 50


def test_a_hang_up_that_nohup_has_ignored_stays_ignored(shell, rows, tmp_path):
    line = "trap '' HUP; diabolo fit rows.npy --epochs 2 -o m & sleep 1; kill -HUP $!; wait $!"
    assert shell(line)[0] == 0
    assert (tmp_path / "m.safetensors").exists()


@pytest.mark.slow
def test_a_hang_up_leaves_a_run_that_goes_on(run, rows, tmp_path):
    command = [sys.executable, "-m", "diabolo", "fit", "rows.npy", "--run", "r", "-o", "m", "--patience", "0"]
    process = subprocess.Popen([*command, "--epochs", "100000"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline()  # an epoch is over
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 129, err
    assert list((tmp_path / "r").glob("*.safetensors"))


# Two writers.


def race(model_path, tmp_path, rounds):
    """Have two processes write one file at the same time; return how often both said that they did."""
    script = (
        "import sys; from diabolo.model import file as modelfile; from diabolo.errors import OutputError\n"
        "from dataclasses import replace\n"
        "model = modelfile.load(sys.argv[1]); mine = int(sys.argv[2])\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        "        changed = replace(model, record=replace(model.record, rows=mine))\n"
        "        modelfile.save(changed, line.strip()); print('written', flush=True)\n"
        "    except OutputError as error:\n"
        "        print('refused:', error, flush=True)\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(model_path), str(mine)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for mine in (1, 2)
    ]
    said = []
    for at in range(rounds):
        path = tmp_path / f"{at}.safetensors"
        for writer in writers:
            writer.stdin.write(f"{path}\n")
            writer.stdin.flush()
        answers = [writer.stdout.readline().strip() for writer in writers]
        said.append(answers)
        assert sorted(answer.split()[0] for answer in answers) == ["refused:", "written"], answers
        assert modelfile.load(path).record.rows == 1 + answers.index("written")
        assert f"{path} " in next(answer for answer in answers if answer != "written")
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert len(list(tmp_path.glob(".*"))) == 0
    return said


def test_of_two_writers_of_one_file_one_is_refused_200_times(model_path, tmp_path):
    said = race(model_path, tmp_path, 200)
    assert {answers.index("written") for answers in said} == {0, 1}  # each was first at times
    assert any("appeared while this ran" in answer for answers in said for answer in answers)


def test_what_appears_while_a_command_runs_is_kept(cli, shell, large, tmp_path, model_path):
    line = 'diabolo encode "$1" large.npy -o o.csv & '
    line += "while ! ls .o.csv.* >/dev/null 2>&1; do sleep 0.01; done; echo precious >o.csv; wait $!"
    code, _, err = shell(line, model_path)
    assert code == 2
    assert "o.csv appeared while this ran, and was not overwritten" in err
    assert (tmp_path / "o.csv").read_text() == "precious\n"
    assert not list(tmp_path.glob(".o.csv*"))


def test_force_replaces_what_is_there_and_keeps_its_permissions(cli, model_path, rows, tmp_path):
    (tmp_path / "z.npy").write_bytes(b"old")
    (tmp_path / "z.npy").chmod(0o640)
    assert cli("encode", model_path, "rows.npy", "-o", "z.npy", "--force").code == 0
    assert np.load(tmp_path / "z.npy").shape == (300, 8)
    assert (tmp_path / "z.npy").stat().st_mode & 0o777 == 0o640


def test_a_file_system_without_hard_links_loses_nothing_either(model_path, tmp_path, monkeypatch):
    def no_links(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)  # as FAT and some network file systems answer
    saved = modelfile.save(modelfile.load(model_path), tmp_path / "m")
    assert saved.read_bytes() == model_path.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        modelfile.save(modelfile.load(model_path), tmp_path / "m")
    monkeypatch.setattr(
        "diabolo.model.file.writing.refuse_existing", lambda *arguments, **options: None
    )  # it appears after that
    with pytest.raises(OutputError, match="appeared while this ran"):
        modelfile.save(modelfile.load(model_path), tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_files_and_folders_have_the_permissions_that_the_umask_leaves(shell, model_path, rows, tmp_path, umask):
    code, _, err = shell(
        f'umask {umask:03o}; diabolo encode "$1" rows.npy -o z.npy && diabolo reconstruct "$1" rows.npy -o pictures',
        model_path,
    )
    assert code == 0, err
    assert (tmp_path / "z.npy").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "pictures").stat().st_mode & 0o777 == 0o777 & ~umask


def test_saving_in_threads_never_changes_the_umask(run, model_path):
    script = """
import os, sys, threading
from diabolo.model import file as modelfile
sys.setswitchinterval(1e-6)
changed = []
real = os.umask
os.umask = lambda mask: changed.append(mask) or real(mask)
model = modelfile.load(sys.argv[1])
def save(at):
    for number in range(20):
        modelfile.save(model, f"{at}-{number}")
threads = [threading.Thread(target=save, args=(at,)) for at in range(4)]
[each.start() for each in threads]; [each.join() for each in threads]
assert not changed
modes = {os.stat(name).st_mode & 0o777 for name in os.listdir() if name.endswith(".safetensors")}
assert modes == {0o666 & ~real(0)}, modes
"""
    done = run("-c", script, model_path)
    assert done.code == 0, done.err
