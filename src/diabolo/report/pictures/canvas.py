"""What all pictures share: colours, a figure that notebooks show, and the one place where figures are saved.

Two colours of Okabe and Ito tell groups apart. Those of categories and of numbers are those of the page, see
web/src/shared/colours.ts: any two categories differ for normal vision, deuteranopia and protanopia. The global state of
pyplot is not touched. Order: colours, a figure, axes and names, saving.
"""

import io
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from diabolo.errors import printable
from diabolo.typing import Float64Array

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
MUTED = "#6E7278"  # of words that explain
CATEGORICAL = (
    "#1D65AA",  # blue
    "#E8AB02",  # orange
    "#008964",  # green
    "#CB5B00",  # vermilion
    "#CA8AB5",  # pink
    "#3EB6FB",  # sky blue
    "#5B5FEA",  # violet
    "#9B3B1E",  # brown
    "#8DB95B",  # leaf green
    "#66C893",  # mint
)
OTHERS = "#8C9198"  # of what has no colour of its own, or no value
SEQUENTIAL = LinearSegmentedColormap.from_list(
    "diabolo", ["#503894", "#4253A0", "#306EA0", "#218A9E", "#2AA491", "#62BB77", "#A5CD56", "#ECD942"]
).with_extremes(bad=OTHERS)
# The same without its end, which as a line on white can hardly be seen.
LINES = LinearSegmentedColormap.from_list("diabolo lines", SEQUENTIAL(np.linspace(0, 0.9, 64)))

# How figures are written, by the ending of the file: the version of Matplotlib, and the date, would change the bytes.
ENDINGS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def ink() -> str:
    """Return the colour of originals: nearly black, or what the user's style of Matplotlib writes in."""
    colour = str(mpl.rcParams["text.color"])
    return "#222222" if colour == "black" else colour


class Picture(Figure):
    """A figure that a notebook shows, and shows once, whether or not pyplot was imported.

    pyplot tells IPython how to show figures of its own; without it IPython looks for this method.
    """

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        save(self, file)
        return file.getvalue()


def picture(width: float, height: float, *, dpi: int = 120, layout: str | None = "constrained") -> Picture:
    """Return an empty figure. Args: width, height: in inches; layout: of Matplotlib; None: places are given."""
    return Picture(figsize=(width, height), dpi=dpi, layout=layout)  # type: ignore[arg-type]


def cell(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def open_axes(axes: Axes, *, grid: str = "") -> None:
    """Remove the frame above and on the right of axes. Args: grid: "x" or "y", the direction with lines."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(axis=grid, color=GREY, alpha=0.3)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def bin_edges(values: Float64Array) -> Float64Array:
    """Return the edges of the bars of a histogram: as many as the root of the number of values, 10 to 60."""
    return np.histogram_bin_edges(values, int(np.clip(len(values) ** 0.5, 10, 60)))


def words(text: object, most: int = 28) -> str:
    """Return a name from the data for a picture: at most so many letters, all printable, and none of them a formula."""
    shown = printable(str(text))
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}…"
    return shown.replace("$", r"\$")


def save(figure: Figure, path: str | Path | IO[bytes], ending: str = ".png") -> None:
    """Write a figure to a path or an open file, without the version of Matplotlib and the date.

    Args: ending: one of `ENDINGS`, which says how.
    """
    # Names of parts within an SVG are otherwise drawn at random.
    with mpl.rc_context({"svg.hashsalt": "diabolo"} if ending == ".svg" else {}):
        figure.savefig(path, format=ending[1:], metadata=ENDINGS[ending])
