"""The examples run as they stand, and the documentation's Python does what it says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["article_graph_mode", "article_keras"])
def test_an_example_runs(run, name):
    done = run(ROOT / "examples" / f"{name}.py", "--epochs", "1")
    assert done.code == 0, done.err
    error = float(re.search(r"mean squared error (\d\.\d+)", done.out)[1])
    assert 0 < error < 0.2


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=lambda page: page.name
)
def test_the_python_of_a_page_runs(run, page):
    blocks = re.findall(r"^( *)```python\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE)
    done = run("-c", "\n".join(re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in blocks))
    assert done.code == 0, done.err


def test_links_between_pages_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
