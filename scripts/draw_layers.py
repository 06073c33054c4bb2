"""Draw the layers of the package, from the import contract in pyproject.toml: docs/images/layers.svg.

    python scripts/draw_layers.py

A test holds the picture equal to the contract. A new module at the top level needs a line in ABOUT.
"""

import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "layers.svg"

# At most 80 characters for a module that has a layer to itself, 30 for one that shares it.
ABOUT = {
    "cli": "one file for each command: parse, call, show",
    "page": "the report and explorer",
    "cluster": "several machines, by Ray",
    "search": "structures, rates, sizes",
    "anomaly": "detector, scores, reasons",
    "autoencoder": "the estimator",
    "lowlevel": "the network by hand",
    "fitting": "from rows and settings to a trained model",
    "report": "pictures, figures, the diagnosis",
    "training": "the loop, its engines, checkpoints",
    "model": "a trained network in use without TensorFlow, and its file",
    "data": "rows to tensors and back",
    "network": "the mathematics",
    "storage": "files written without losing anything, locks",
    "checks": "checks of settings",
    "missing": "parts not installed",
    "parts": "the base class of everything that has settings",
    "typing": "array types",
    "errors": "the tree of errors, exit codes",
    "_version": "the version",
}

TEXT = "Helvetica, Arial, DejaVu Sans, sans-serif"
NAMES = "Menlo, Consolas, DejaVu Sans Mono, monospace"
WIDTH, HEIGHT, GAP, LEFT = 840, 40, 8, 48  # of the picture, of a layer, between layers, room for the arrow


def layers() -> list[list[str]]:
    """Return the modules of each layer, the top layer first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def picture() -> str:
    """Return the picture as SVG."""
    rows = layers()
    height = len(rows) * (HEIGHT + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-label="The layers of the package">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<g font-family="{TEXT}" font-size="14" fill="#333333">',
        f'<path d="M {LEFT - 18} {GAP * 2} V {height - GAP * 2 - 10}" stroke="#555555" stroke-width="2"/>',
        f'<path d="M {LEFT - 25} {height - GAP * 2 - 12} h 14 l -7 12 z" fill="#555555"/>',
        f'<text transform="translate(15 {height / 2}) rotate(-90)" text-anchor="middle">imports go down</text>',
    ]
    for place, names in enumerate(rows):
        top = GAP + place * (HEIGHT + GAP)
        wide = (WIDTH - LEFT - GAP * len(names)) / len(names)
        for at, name in enumerate(names):
            left = LEFT + at * (wide + GAP)
            lines += [
                f'<rect x="{left:g}" y="{top}" width="{wide:g}" height="{HEIGHT}" rx="5" fill="#e8f1fa" '
                'stroke="#2f6690"/>',
                f'<text x="{left + 12:g}" y="{top + 25}" font-weight="bold" font-family="{NAMES}" '
                f'fill="#12385a">{escape(name)}</text>',
                f'<text x="{left + (128 if len(names) == 1 else 30 + 8.5 * len(name)):g}" y="{top + 25}">'
                f"{escape(ABOUT[name])}</text>",
            ]
    return "\n".join([*lines, "</g>", "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture())
