"""The versions of dependencies that may be installed; scripts/oldest.sh tries the oldest and the newest of them."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in lines
    if not line.startswith("diabolo[")
]
# The last version that a published advisory names.
VULNERABLE = {
    "keras": ("3.14.1", "CVE-2026-12481"),
    "onnx": ("1.20.1", "CVE-2026-27489"),
    "pillow": ("12.2.0", "PYSEC-2026-2253"),
    "protobuf": ("6.33.4", "CVE-2026-0994"),
    "pyarrow": ("23.0.0", "CVE-2026-25087"),
    "pytest": ("9.0.2", "CVE-2025-71176"),
    "requests": ("2.32.5", "CVE-2026-25645"),
    "scikit-learn": ("1.4.2", "CVE-2024-5206"),
    "tensorflow": ("2.18.0", "CVE-2025-55559"),
    "urllib3": ("2.6.3", "CVE-2026-44432"),
}


@pytest.mark.parametrize("name", VULNERABLE)
def test_no_version_with_a_published_advisory_may_be_installed(name):
    version, advisory = VULNERABLE[name]
    (required,) = [each for each in REQUIRED if each.name == name]
    assert not required.specifier.contains(version), advisory


def test_every_dependency_has_a_lower_bound():
    for required in REQUIRED:
        assert any(each.operator == ">=" for each in required.specifier), required


def test_the_versions_that_the_suite_is_run_with_are_within_the_bounds():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}
    for required in REQUIRED:
        if required.name != "atheris":  # for fuzzing alone
            assert pinned[canonicalize_name(required.name)] in required.specifier, required
