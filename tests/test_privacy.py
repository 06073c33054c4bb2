"""Nothing is sent, and nothing is written but what a command says: seen from outside, by the system calls it makes."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

STRACE = shutil.which("strace")


@pytest.fixture
def watched(tmp_path):
    """Run a command in an empty folder, with an empty home and temporary folder; give what it left and what it sent."""
    if STRACE is None:
        pytest.skip("strace is not installed: apt-get install strace")
    places = {name: tmp_path / name for name in ("home", "temporary", "work")}
    for place in places.values():
        place.mkdir()
    # The variables that people set to choose otherwise, and those that would move a folder out of the home.
    chosen = ("ORT_DISABLE_TELEMETRY", "KERAS_HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    env = {name: value for name, value in os.environ.items() if name not in chosen}
    env |= {"HOME": str(places["home"]), "TMPDIR": str(places["temporary"])}

    def go(*arguments):
        log = tmp_path / "calls.txt"
        command = [STRACE, "-f", "-qq", "-e", "trace=network", "-o", log, sys.executable, *arguments]
        done = subprocess.run(
            list(map(str, command)),
            cwd=places["work"],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        left = [str(path) for name in ("home", "temporary") for path in places[name].rglob("*")]
        calls = re.findall(r"\d+ +(\w+\(.*)", log.read_text())
        written = {path.name for path in places["work"].iterdir()}
        return left, [call for call in calls if not call.startswith(("+++", "---"))], written

    return go


def test_a_process_that_opens_a_socket_is_seen(watched):
    _, calls, _ = watched("-c", "import socket; socket.socket().close()")
    assert any(call.startswith("socket(AF_INET") for call in calls)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ("fit", "digits", "--epochs", "1", "-o", "m"),
            {"m.safetensors", "m-reconstructions.png", "m-training.png"},
        ),
        (("encode", "MODEL", "digits:test"), {"digits-test-latents.npy"}),
        (("score", "MODEL", "digits:test"), {"digits-test-scores.npy"}),
        (("score", "rows.npy", "--top", "2"), {"rows-scores.npy"}),
        (
            ("search", "rows.npy", "--trials", "2", "--epochs", "2", "--latent", "2"),
            {
                "rows.safetensors",
                "rows-reconstructions.png",
                "rows-training.png",
                "rows-trials.csv",
                "rows-report.html",
                "rows-search",
            },
        ),
        (("fit", "shop.duckdb", "--query", "select * from t", "--epochs", "1", "-o", "m"), None),
        (("info", "MODEL"), set()),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_command_opens_no_socket_and_writes_only_what_it_says(
    watched, model_path, table, tmp_path, command, expected
):
    work = tmp_path / "work"
    np.save(work / "rows.npy", table[:120])
    if "shop.duckdb" in command:
        duckdb = pytest.importorskip("duckdb")
        with duckdb.connect(str(work / "shop.duckdb")) as base:
            base.execute("create table t as select range as a, range * 2 as b, range % 7 as c from range(80)")
    before = {path.name for path in work.iterdir()}
    left, calls, written = watched("-m", "diabolo", *(str(model_path) if word == "MODEL" else word for word in command))
    assert left == []
    assert calls == []
    if expected is not None:
        assert written - before == expected


def test_using_a_model_in_python_opens_no_socket_and_leaves_the_environment_alone(watched, model_path):
    script = (
        "import os, diabolo; before = dict(os.environ); "
        f"model = diabolo.load({str(model_path)!r}); model.encode(diabolo.datasets.digits().x_test); "
        "assert dict(os.environ) == before"
    )
    assert watched("-c", script) == ([], [], set())


@pytest.mark.parametrize(("chosen", "expected"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_onnx_runtime_sees_the_choice_of_the_user_and_a_no_where_there_is_none(run, tmp_path, chosen, expected):
    # One that only says what it sees, so that nothing is sent where the user wants that.
    (tmp_path / "onnxruntime.py").write_text("import os; seen = os.environ['ORT_DISABLE_TELEMETRY']")
    script = (
        "import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None); "
        f"os.environ.update({chosen!r}); before = dict(os.environ); "
        "from diabolo.model import privacy; print(privacy.import_onnxruntime().seen); assert dict(os.environ) == before"
    )
    done = run("-c", script)
    assert done.code == 0, done.err
    assert done.out.strip() == expected


def test_a_download_still_finds_its_library(run):
    script = (
        "from diabolo.model import privacy; privacy.contain_command(); import sys, requests; "
        "assert 'urllib3' not in sys.modules; import requests.adapters; assert 'urllib3' in sys.modules; "
        "import pooch, requests; assert requests.get"
    )
    done = run("-c", script)
    assert done.code == 0, done.err


@pytest.mark.parametrize("name", ["KERAS_HOME", "MPLCONFIGDIR"])
def test_folders_that_the_user_chose_are_used(run, tmp_path, name):
    done = run(
        "-c",
        f"from diabolo.model import privacy; privacy.contain_command(); import os; print(os.environ[{name!r}])",
        env={name: "mine"},
    )
    assert done.out.strip() == "mine"
