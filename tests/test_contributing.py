"""CONTRIBUTING.md is complete: its picture, its map of the tests, its paths; pre-commit checks what .ci/run checks."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
IN_THE_REPOSITORY = (ROOT / ".ci" / "run").exists()


def section(title):
    """Return the text below a heading, up to the next heading of the same rank or a higher one."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[2]


def test_the_picture_of_the_layers_is_drawn_from_the_import_contract():
    spec = importlib.util.spec_from_file_location("draw_layers", ROOT / "scripts" / "draw_layers.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PICTURE.read_text() == script.picture(), "run: python scripts/draw_layers.py"
    assert set(script.ABOUT) == {name for names in script.layers() for name in names}


def test_the_map_of_the_tests_names_each_test_file_once():
    named = re.findall(r"`(test_\w+\.py)`", section("Which tests cover which room"))
    assert sorted(named) == sorted(path.name for path in (ROOT / "tests").glob("test_*.py"))


def test_the_map_of_the_tests_names_every_room():
    rooms = {path.name for path in (ROOT / "src" / "diabolo").iterdir() if (path / "__init__.py").exists()}
    named = set(re.findall(r"^\| `(\w+)/", section("Which tests cover which room"), re.MULTILINE))
    assert named == rooms


def test_paths_on_the_page_exist():
    bases = (ROOT, ROOT / "src" / "diabolo")
    paths = re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|md|toml|sh)))`", PAGE)
    assert len(paths) > 40
    tests = {path for path in paths if path.startswith("test_")}  # the map above
    for path in set(paths) - tests:
        assert any((base / path).exists() for base in bases), path


@pytest.mark.skipif(not IN_THE_REPOSITORY, reason="needs .ci/run")
def test_pre_commit_checks_what_ci_checks_before_its_tests():
    steps = (ROOT / ".ci" / "run").read_text().splitlines()
    first = next(at for at, line in enumerate(steps) if line.startswith("pip install"))
    checks = [line for line in steps[first + 1 :] if line and not line.startswith(("#", "pytest"))]
    hooks = re.findall(
        r"^ +-? ?(repo|entry|language): (.*)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE
    )
    assert [value for key, value in hooks if key == "entry"] == checks
    assert {value for key, value in hooks if key == "repo"} == {"local"}  # no host is named
    assert {value for key, value in hooks if key == "language"} == {"system"}
