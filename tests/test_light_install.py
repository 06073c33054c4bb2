"""Environments that lack parts: what works without them, and the line that says what to install.

An environment is a folder with links to the packages of some extras and to those that they need, and nothing else.
"""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from packaging.requirements import Requirement

import diabolo
from diabolo import missing

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MOST_BYTES = 250e6


def needed(extras):
    """Return the names of the distributions that `pip install diabolo[extras]` would install."""
    waiting = [Requirement(each) for each in PROJECT["dependencies"]]
    waiting += [Requirement(f"diabolo[{each}]") for each in extras]
    found = set()
    while waiting:
        one = waiting.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        if one.name == "diabolo":
            options = PROJECT["optional-dependencies"]
            waiting += [Requirement(each) for extra in one.extras for each in options[extra]]
            continue
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name not in found:
            found.add(name)
            waiting += [Requirement(each) for each in importlib.metadata.requires(name) or ()]
    return found


class Environment(NamedTuple):
    """A folder of packages; `run` starts Python with them and Diabolo alone."""

    folder: Path
    size: int

    def run(self, *arguments, cwd):
        """Return a finished process."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        variables["PYTHONPATH"] = str(self.folder)
        command = [sys.executable, "-S", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=300, check=False)


def environment(folder, extras):
    size = 0
    (folder / "diabolo").symlink_to(Path(diabolo.__file__).parent)  # alone: where it is installed, other packages are
    for name in needed(extras):
        for file in importlib.metadata.files(name) or ():
            place = Path(file.locate())
            if ".." in file.parts or file.parts[0] == "__pycache__":
                continue
            size += place.stat().st_size if place.exists() else 0
            link = folder / file.parts[0]
            if not link.exists():
                link.symlink_to(place.parents[len(file.parts) - 2] if len(file.parts) > 1 else place)
    return Environment(folder, size)


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    return environment(tmp_path_factory.mktemp("light"), ())


@pytest.fixture(scope="module")
def without_training(tmp_path_factory):
    return environment(tmp_path_factory.mktemp("data"), ("data",))


@pytest.fixture(scope="module")
def work(tmp_path_factory, model_path):
    folder = tmp_path_factory.mktemp("work")
    np.save(folder / "rows.npy", diabolo.datasets.digits().x_test[:20])
    (folder / "table.csv").write_text("a,b,c\n" + "".join(f"{at},{at * 0.5},{at % 7}\n" for at in range(100)))
    (folder / "m.safetensors").write_bytes(model_path.read_bytes())
    return folder


def modules_of(folder):
    return {each.name.partition(".")[0] for each in folder.iterdir()}


def test_the_light_environment_lacks_what_extras_bring_and_is_small(light):
    assert not modules_of(light.folder) & {*missing.EXTRAS}
    assert 100e6 < light.size < MOST_BYTES


def test_every_extra_brings_the_packages_that_a_message_names():
    provided = importlib.metadata.packages_distributions()
    installed = [each for each in missing.EXTRAS.items() if each[1] != "maps"]  # which the tests do without
    for module, extra in installed:
        names = {re.sub(r"[-_.]+", "-", each).lower() for each in provided[module]}
        assert names & needed([extra]), module


@pytest.mark.parametrize("verb", ["info", "verify", "encode", "reconstruct", "score"])
def test_a_model_is_used_with_a_light_install(light, work, verb):
    data = [] if verb in ("info", "verify") else ["rows.npy", "-o", f"{verb}.npy", "--force"]
    done = light.run("-m", "diabolo", verb, "m.safetensors", *data, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    if data:
        model, rows = diabolo.load(work / "m.safetensors"), np.load(work / "rows.npy")
        expected = {"encode": model.encode, "reconstruct": model.reconstruct, "score": model.score_samples}[verb](rows)
        found = np.load(work / f"{verb}.npy")
        np.testing.assert_allclose(found, -expected if verb == "score" else expected, rtol=1e-5, atol=1e-6)


def test_a_model_is_loaded_in_python_with_a_light_install(light, work):
    script = (
        "import diabolo, numpy as np, pickle; model = diabolo.load('m.safetensors'); rows = np.load('rows.npy'); "
        "latents = model.encode(rows); model.decode(latents); print(model.score(rows), model); "
        "assert (pickle.loads(pickle.dumps(model)).encode(rows) == latents).all()"
    )
    done = light.run("-c", script, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-> 8 latents>" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "needs", "extra"),
    [
        (("encode", "m.safetensors", "table.csv"), "pyarrow", "data"),
        (("encode", "m.safetensors", "rows.npy", "-o", "latents.parquet"), "pyarrow", "data"),
        (("fit", "table.csv"), "pyarrow", "data"),
        (("search", "nowhere.csv"), "TensorFlow", "train"),
        (("race", "nowhere.csv"), "TensorFlow", "train"),
    ],
)
def test_a_command_says_in_one_line_what_is_missing(light, work, arguments, needs, extra):
    done = light.run("-m", "diabolo", *arguments, cwd=work)
    assert done.returncode == 4
    assert re.fullmatch(
        rf"diabolo: .* needs {needs}, which is not installed: pip install 'diabolo\[{extra}\]'\.\n", done.stderr
    )


@pytest.mark.parametrize(
    ("statement", "needs", "extra"),
    [
        ("diabolo.Autoencoder", "scikit-learn", "data"),
        ("diabolo.AnomalyDetector", "scikit-learn", "data"),
        ("diabolo.split", "Keras", "train"),
        ("diabolo.load('m.safetensors').encode('table.csv')", "pyarrow", "data"),
    ],
)
def test_python_says_in_one_line_what_is_missing(light, work, statement, needs, extra):
    script = (
        "import diabolo\n"
        f"try:\n    {statement}\n"
        "except diabolo.DiaboloError as error:\n    print(isinstance(error, ModuleNotFoundError), error)"
    )
    done = light.run("-c", script, cwd=work)
    assert f" needs {needs}, which is not installed: pip install 'diabolo[{extra}]'." in done.stdout, done.stderr
    assert done.stdout.startswith("True ")


def test_tables_are_learnt_and_anomalies_found_without_tensorflow(without_training, work):
    structure = ("--structure", "dense 8-4")
    done = without_training.run(
        "-m", "diabolo", "fit", "table.csv", "--epochs", "3", *structure, "-o", "t", "--force", cwd=work
    )
    assert done.returncode == 0, done.stderr
    done = without_training.run("-m", "diabolo", "encode", "t.safetensors", "table.csv", "--force", cwd=work)
    assert done.returncode == 0, done.stderr
    script = (
        "import diabolo, numpy as np, sys; rows = np.random.default_rng(0).normal(size=(300, 4)); "
        "print(diabolo.AnomalyDetector(random_state=0).fit(rows).score_samples(rows).mean())"
    )
    done = without_training.run("-c", script, cwd=work)
    assert done.returncode == 0, done.stderr


def test_what_needs_tensorflow_says_so_before_it_reads_anything(without_training, work):
    said = "training needs TensorFlow, which is not installed: pip install 'diabolo[train]'."
    for script in ("diabolo.Autoencoder(2, structure='conv 4').fit('nowhere.csv')",):
        done = without_training.run("-c", f"import diabolo; {script}", cwd=work)
        assert done.stderr.strip().endswith(said)
    for command in (
        ("fit", "nowhere.csv", "--structure", "conv 4"),
        ("search", "nowhere.csv"),
        ("race", "nowhere.csv"),
    ):
        done = without_training.run("-m", "diabolo", *command, cwd=work)
        assert (done.returncode, done.stderr) == (4, f"diabolo: {said}\n")
