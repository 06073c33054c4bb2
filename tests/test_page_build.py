"""The built page is what its source says: built again, it has the same bytes. Needs Node 20 and `npm ci` in web/."""

import base64
import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from diabolo.page import networks

ROOT = Path(__file__).parents[1]
WEB, BUILT = ROOT / "web", ROOT / "src" / "diabolo" / "page" / "built"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    if shutil.which("node") is None or not (WEB / "node_modules" / "vite").is_dir():
        pytest.skip("needs Node 20 and its packages: npm ci in web/")
    folder = tmp_path_factory.mktemp("built")
    command = ["node", "scripts/build.mjs", "--out", str(folder)]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def unpacked(folder):
    """Return the files of a folder; what is compressed is unpacked, because versions of zlib differ."""
    files = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        files[path.name] = gzip.decompress(content) if path.suffix == ".gz" else content
    page = files["page.html"].decode()
    packed = re.search(r'id="diabolo-script">([A-Za-z0-9+/=]+)<', page)[1]
    files["page.html"] = page.replace(packed, "")
    files["script"] = gzip.decompress(base64.b64decode(packed))
    return files


def test_the_page_in_the_package_is_built_from_its_source(rebuilt):
    ours, theirs = unpacked(BUILT), unpacked(rebuilt)
    assert sorted(ours) == sorted(theirs)
    for name, content in ours.items():
        assert content == theirs[name], f"{name} differs: npm run build in web/"


def test_the_page_without_data_is_small():
    assert len(gzip.compress((BUILT / "page.html").read_bytes())) <= 150_000


def test_the_packages_in_the_built_files_are_named_with_their_licences():
    text = (BUILT / "THIRD-PARTY.txt").read_text()
    for name in ("svelte", "hyparquet-writer", "onnxruntime-web"):
        assert re.search(rf"^{name} [\d.]+ \(MIT\)$", text, re.MULTILINE), name


def test_no_file_names_a_registry():
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "registry" not in lock


def test_python_and_the_browser_know_the_same_operators():
    source = (WEB / "src" / "engine" / "operators.ts").read_text() + (WEB / "src" / "engine" / "program.ts").read_text()
    for name in networks.OPERATORS:
        assert re.search(rf"\b{name}\b", source), name
