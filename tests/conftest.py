"""What several tests share: data, one small trained model, and a way to run the command line."""

import io
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before anything imports TensorFlow
if "PYTEST_XDIST_WORKER" in os.environ:  # parallel processes would compete for cores with all their threads
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np
import pytest

from diabolo import Autoencoder, datasets
from diabolo.cli import main

# A shell has what it starts in the background ignore Ctrl-C, which the tests send to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Linux lets a process inherit ru_maxrss from the one that started it, which here is as large as a test run.
PEAK = """
import pathlib, re, resource
status = pathlib.Path("/proc/self/status")
own = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
print(own[1] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def peak():
    """The end of a script that prints the most memory its process held, in kB."""
    return PEAK


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def digits():
    return datasets.digits()


@pytest.fixture(scope="session")
def data_dir():
    """The folder with the complete data sets; tests that need them are skipped without it."""
    folder = os.environ.get("DIABOLO_DATA")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("set DIABOLO_DATA to a folder that holds mnist/ and fashion-mnist/ to run this")
    return Path(folder)


@pytest.fixture(scope="session")
def table():
    """600 rows of 8 numbers on very different scales, made of 3 factors and a little noise."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 8)) + 0.05 * rng.normal(size=(600, 8))
    return rows * 10.0 ** np.arange(-3, 5) + 10.0 ** np.arange(8)


@pytest.fixture(scope="session")
def fitted(digits):
    """A small auto-encoder of 1,000 digits."""
    return Autoencoder(8, structure=[32], epochs=3, random_state=0).fit(digits.x_train[:1000])


@pytest.fixture(scope="session")
def fitted_table(table):
    """A small auto-encoder of the table."""
    return Autoencoder(3, structure=[16], epochs=20, random_state=0).fit(table)


@pytest.fixture(scope="session")
def model_path(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("models") / "digits")


@pytest.fixture
def run(tmp_path):
    """Run `python ARGUMENTS` in an empty folder; give its exit code, stdout and stderr."""

    def go(*arguments, env=None, cwd=tmp_path):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return go


@pytest.fixture
def command(run):
    """Run `diabolo ARGUMENTS` in a process of its own, for what only a process shows."""
    return lambda *arguments, **options: run("-m", "diabolo", *arguments, **options)


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Run `diabolo ARGUMENTS` in this process, in an empty folder; give its exit code, stdout and stderr.

    A process of its own takes seconds to start Python and TensorFlow, and gives the same results. `fit` draws no
    pictures, which take half a second, unless the test asks for `--pictures`.
    """

    def go(*arguments, env=None, cwd=tmp_path):
        if arguments[:1] == ("fit",) and not {"--pictures", "--no-pictures"} & set(arguments):
            arguments = ("fit", "--no-pictures", *arguments[1:])
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        # Python prints warnings of loggers without handlers on stderr; pytest has given the root logger one.
        handler = logging.StreamHandler(err)
        handler.setLevel(logging.WARNING)
        signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        logging.root.addHandler(handler)
        try:
            with monkeypatch.context() as patch:
                patch.chdir(cwd)
                for name, value in (env or {}).items():
                    patch.setenv(name, value)
                patch.setattr(sys, "argv", ["diabolo", *map(str, arguments)])
                patch.setattr(sys, "stdout", out)
                patch.setattr(sys, "stderr", err)
                with pytest.raises(SystemExit) as ended:
                    main()
        finally:
            logging.root.removeHandler(handler)
            for number, before in signals.items():
                signal.signal(number, before)
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return SimpleNamespace(code=ended.value.code, out=texts[0], err=texts[1])

    return go
