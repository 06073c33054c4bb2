"""The examples run as they stand, and the documentation's Python does what it says."""

import re
from pathlib import Path

import pytest

from diabolo.network.bottlenecks import BOTTLENECKS
from diabolo.network.corruptions import CORRUPTIONS
from diabolo.network.losses import LOSSES
from diabolo.network.penalties import PENALTIES
from diabolo.network.structures import STRUCTURES

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


def test_the_readme_counts_the_parts_that_there_are():
    parts = {
        "structures": STRUCTURES,
        "bottlenecks": BOTTLENECKS,
        "corruptions": CORRUPTIONS,
        "penalties": PENALTIES,
        "losses": LOSSES,
    }
    counted = ", ".join(f"{len(known)} {name}" for name, known in parts.items())
    assert f"parts that mix: {counted} |" in (ROOT / "README.md").read_text()


FOLDERS = ("benchmarks", "docs", "examples", "fuzz", "src")
MARKDOWN = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])


def prose(page):
    """Give the number and the text of each line outside tables, code and link definitions."""
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not re.match(r"\s*(\||\[[^\]]+\]: )", line):
            yield number, line


def anchors(page):
    """Give what the headings of a page are linked by: lower case, hyphens for spaces, no punctuation."""
    for _, line in prose(page):
        if heading := re.match("#+ (.*)", line):
            yield re.sub(r"[^\w -]", "", heading[1].lower()).replace(" ", "-")


def test_links_between_pages_lead_somewhere():
    for page in MARKDOWN:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
            other = page.parent / target if target else page
            assert other.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(other), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_line_of_prose_has_fewer_than_120_characters(page):
    long = [number for number, line in prose(page) if len(line) >= 120]
    assert not long, f"break lines {long}"
