"""Progress: in a notebook that a real kernel executes, on a terminal, in a pipe, and nowhere; `verbose` everywhere."""

import contextlib
import os
import pty
import re
import subprocess
import sys

import keras
import nbclient
import nbformat
import numpy as np
import pytest

from diabolo import AnomalyDetector, Autoencoder, training
from diabolo.errors import OptionError

SETUP = """
import numpy as np, diabolo
rng = np.random.default_rng(0)
rows = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 6))
settings = {"structure": [8], "epochs": 3, "random_state": 0}  # so few epochs that fit() would say so, on stderr
"""
KERAS = """
import keras
plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2), keras.layers.Dense(6)])
plain.compile("adam", "mse", metrics=["mae"])
history = diabolo.training.fit(plain, rows, epochs=2)
"""
BAR = r"epoch 1/3 █*░+ loss [\d.]+  validation [\d.]+ .*\d:\d\d left"
END = r"{} epochs in \d:\d\d: loss [\d.]+, validation [\d.]+, lowest validation [\d.]+ in epoch {}"
CELLS = {
    # By TensorFlow, whose log is not shown either; the others by NumPy.
    'model = diabolo.Autoencoder(2, optimizer="nadam", **settings).fit(rows, evaluate=False)': (
        BAR,
        END.format(3, "[123]"),
    ),
    "model = diabolo.Autoencoder(2, **settings).fit(rows, evaluate=False)": (BAR, END.format(3, "[123]")),
    "model = diabolo.Autoencoder(2, **settings, verbose=1).fit(rows, evaluate=False)": (BAR, END.format(3, "[123]")),
    "model = diabolo.Autoencoder(2, **settings, verbose=2).fit(rows, evaluate=False)": (
        "epoch 1/3  loss .*\nepoch 2/3  loss",
        ".*epoch 3/3  loss [^\n]*",
    ),
    "detector = diabolo.AnomalyDetector(random_state=0).fit(rows)": (
        r"epoch +\d+/3000 ",
        END.format(r"\d+( of 3000)?", r"\d+"),
    ),
    KERAS: (r"epoch 1/2 █*░* mae [\d.]+  loss [\d.]+|epoch 1/2 █*░* loss [\d.]+  mae", r"2 epochs in .* mae [\d.]+"),
    "model = diabolo.Autoencoder(2, **settings, verbose=0).fit(rows, evaluate=False)": None,
    "detector = diabolo.AnomalyDetector(random_state=0, verbose=False).fit(rows)": None,
}
INTERRUPTED = """
def stop(progress):
    raise KeyboardInterrupt
try:
    diabolo.training.fit(plain, rows, epochs=2, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=stop)])
except TypeError:
    pass
"""


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Execute cells in a kernel of this Python, and give what each shows."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    # As users have it: with the first of these, TensorFlow is quieter; with the second, the kernel passes on less.
    unset = ("TF_CPP_MIN_LOG_LEVEL", "PYTEST_CURRENT_TEST")

    def go(*cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        env = {name: value for name, value in os.environ.items() if name not in unset}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path), env=env)
        return [cell.outputs for cell in notebook.cells]

    return go


@pytest.mark.parametrize(
    "ipywidgets",
    [pytest.param(True, id="with ipywidgets"), pytest.param(False, id="without ipywidgets", marks=pytest.mark.slow)],
)
def test_a_notebook_shows_progress_on_stdout_and_keeps_one_line_of_it(execute, ipywidgets):
    there = "import ipywidgets" if ipywidgets else "import sys; sys.modules['ipywidgets'] = None  # not installed"
    *before, stopped = execute(there, SETUP, *CELLS, INTERRUPTED)
    assert before[:2] == [[], []]
    for (cell, expected), outputs in zip(CELLS.items(), before[2:], strict=True):
        assert {(output.output_type, output.get("name")) for output in outputs} <= {("stream", "stdout")}, cell
        text = "".join(output.text for output in outputs)
        if expected is None:
            assert text == ""
            continue
        during, end = expected
        assert re.search(during, text), text
        assert "\r" in text or "verbose=2" in cell
        assert re.fullmatch(end, text.rstrip().rpartition("\r")[2], re.DOTALL), text
        assert text.endswith("\n")
    assert re.search("\rstopped in epoch 1 of 2: loss .*\n$", "".join(output.text for output in stopped))


SAID = (
    ((0, False, np.int64(0), np.False_), 0),
    ((1, True, np.int64(1), np.True_, np.array(1), 2, np.int64(2)), 2),
    (("auto",), 0),
)


@pytest.mark.parametrize(("verbose", "lines"), [(verbose, lines) for values, lines in SAID for verbose in values])
def test_verbose_means_the_same_for_all_that_trains(table, capsys, verbose, lines):
    rows = table[:100]
    network = {"structure": [4], "epochs": 2, "random_state": 0}
    model = keras.Sequential([keras.layers.Dense(8)])
    model.compile("sgd", "mse")
    Autoencoder(2, **network, verbose=verbose).fit(rows)
    AnomalyDetector(Autoencoder(2, **network), verbose=verbose).fit(rows)
    AnomalyDetector(Autoencoder(2, **network, verbose=verbose)).fit(rows)
    training.fit(model, rows, epochs=2, compile=False, verbose=verbose)
    out, err = capsys.readouterr()
    assert out == ""  # results go there
    assert [line.split()[1] for line in err.splitlines()] == ["1/2", "2/2"][:lines] * 4


@pytest.mark.parametrize("verbose", [3, -1, 1.0, "loud", "", [1], np.float64(1), np.array([1, 2])])
def test_any_other_verbose_is_one_line_that_names_those_that_hold(table, verbose):
    model = keras.Sequential([keras.layers.Dense(8)])
    model.compile("sgd", "mse")
    for act in (
        lambda: Autoencoder(2, verbose=verbose).fit(table),
        lambda: AnomalyDetector(verbose=verbose).fit(table),
        lambda: training.fit(model, table, verbose=verbose),
    ):
        with pytest.raises(
            OptionError, match=r"^verbose must be 0 or False .*, 1 or True .*, 2 .* or 'auto', got [^\n]*$"
        ):
            act()


ON_A_TERMINAL = """
import sys
import numpy as np
from diabolo import AnomalyDetector
for verbose in ("auto", 1, 2, 0):
    print(f"<{verbose}>", file=sys.stderr)
    AnomalyDetector(random_state=0, verbose=verbose).fit(np.random.default_rng(0).normal(size=(99, 5)))
"""


@pytest.mark.slow
def test_a_terminal_shows_a_bar_and_keeps_nothing_of_it():
    terminal, end = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", ON_A_TERMINAL], stderr=end, stdout=subprocess.PIPE, env=env)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while some := os.read(terminal, 1 << 16):
            shown += some
    os.close(terminal)
    assert process.communicate() == (b"", None)
    assert process.returncode == 0
    _, auto, bar, lines, nothing = re.split(r"<[a-z\d]+>\r\n", shown.decode())
    for text in (auto, bar):
        assert re.search(r"epoch \d+/3000 .*━.* loss .*left", text), text
        assert text.endswith("\x1b[2K"), text  # erases the line that the cursor stands in
    assert re.fullmatch(r"(epoch +\d+/3000  loss [^\r\n]*\r\n)+", lines), lines
    assert nothing == ""
