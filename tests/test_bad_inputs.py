"""Every bad input, through the door that it comes in by: one line, nothing written, nothing repaired in silence."""

import signal
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import diabolo
from bad_inputs import BEFORE_OUTPUTS, CALLS, COMMANDS, make, make_with_outputs
from diabolo import AnomalyDetector, Autoencoder, datasets, windows
from diabolo.cli import main
from diabolo.network.layers import Dense
from diabolo.search import error_by_size, race, range_test, search

# What the calls use, besides the rows and models made below.
KNOWN = (
    AnomalyDetector,
    Autoencoder,
    Dense,
    datasets,
    diabolo,
    error_by_size,
    np,
    pd,
    race,
    range_test,
    search,
    windows,
)


def test_there_are_many():
    assert len(COMMANDS) + len(CALLS) >= 150
    assert len({call for call, _, _ in CALLS}) == len(CALLS)


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    make(folder)
    return folder


@pytest.fixture
def inside(monkeypatch, capfd):
    """Run the command line in this process, which saves a second of imports a case."""

    def go(*arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["diabolo", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        out, err = capfd.readouterr()
        return SimpleNamespace(code=ended.value.code, out=out, err=err)

    return go


@pytest.mark.parametrize(
    ("arguments", "line"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_one_line_exit_code_two_and_nothing_written(inside, bad, model_path, arguments, line):
    before = {path: path.stat().st_mtime_ns for path in bad.rglob("*")}
    done = inside(*[model_path if word == "MODEL" else word for word in arguments], cwd=bad)
    assert done.code == 2, done.err
    assert line in done.err
    assert done.err.startswith("diabolo: ")
    assert done.err.count("\n") == 1, done.err
    assert done.out == ""
    assert {path: path.stat().st_mtime_ns for path in bad.rglob("*")} == before


@pytest.fixture(scope="module")
def with_outputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    make_with_outputs(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "line"), BEFORE_OUTPUTS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_is_wrong_with_an_option_is_said_before_an_output_that_exists(
    inside, with_outputs, model_path, arguments, line
):
    before = {path: path.stat().st_mtime_ns for path in with_outputs.rglob("*")}
    done = inside(*[model_path if word == "MODEL" else word for word in arguments], cwd=with_outputs)
    assert done.code == 2, done.err
    assert line in done.err
    assert "exists" not in done.err
    assert done.err.count("\n") == 1, done.err
    assert {path: path.stat().st_mtime_ns for path in with_outputs.rglob("*")} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "rows.npy"],
        ["search", "rows.npy"],
        ["sizes", "rows.npy", "-p", "p.png"],
        ["rates", "rows.npy", "-p", "p.png"],
        ["encode", "MODEL", "rows.npy"],
        ["decode", "MODEL", "rows.npy"],
        ["reconstruct", "MODEL", "rows.npy"],
        ["reconstruct", "MODEL", "rows.npy", "--picture", "p.png"],
        ["score", "rows.npy"],
        ["score", "MODEL", "rows.npy"],
        ["windows", "rows.csv", "--time", "a", "--window", "2"],
    ],
    ids=" ".join,
)
def test_an_output_that_exists_is_refused_before_rows_are_read(
    inside, with_outputs, model_path, arguments, monkeypatch
):
    monkeypatch.setattr(np, "load", None)  # nor, for a CSV file, as a table:
    monkeypatch.setattr("diabolo.data.readers.csv.read_table", None)
    done = inside(*[model_path if word == "MODEL" else word for word in arguments], cwd=with_outputs)
    assert done.code == 2, done.err
    assert " exists: choose another name, or pass force=True (--force) to overwrite it." in done.err


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the calls speak of."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6))
    images = rng.integers(0, 255, (40, 12, 12)).astype(np.uint8)
    when = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"a": X[:, 0], "b": ["u", "v"] * 30, "when": when})
    quick = {"epochs": 1, "verbose": False, "random_state": 0}
    m, mf, mi = (Autoencoder(2, **quick).fit(rows) for rows in (X, frame, images))
    model_path = m.save(tmp_path_factory.mktemp("model") / "m")
    det = AnomalyDetector(random_state=0).fit(X)
    known = {each.__name__.rpartition(".")[2]: each for each in KNOWN}
    return known | locals() | {"np": np, "pd": pd, "sp": sp}


@pytest.mark.parametrize(("call", "error", "line"), CALLS, ids=[call for call, _, _ in CALLS])
def test_a_bad_call_raises_one_line_that_says_where_and_what(names, call, error, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(diabolo.DiaboloError) as caught:
        eval(call, names)  # calls of ours, written out in bad_inputs.py
    assert type(caught.value).__name__.lstrip("_") == error
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
