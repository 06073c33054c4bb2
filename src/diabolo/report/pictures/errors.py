"""How large errors are: of rows, and of each column of a table, alone and compared with PCA.

Order: columns compared with PCA, rows with columns.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diabolo.report.columns import ColumnError, ColumnFigures
from diabolo.report.pictures.canvas import BLUE, GREY, ORANGE, bin_edges, ink, open_axes, picture, words
from diabolo.typing import Float64Array

COLUMNS = 30  # of a table, at most, that are drawn


def columns(figures: Sequence[ColumnFigures]) -> Figure:
    """Return a picture of how well each column of a table is reconstructed, compared with PCA; the worst first."""
    worst = sorted(figures, key=lambda each: each.left, reverse=True)[:COLUMNS]
    figure = picture(7, 1.2 + 0.26 * len(worst))
    axes = figure.add_subplot()
    places = np.arange(len(worst))
    # The bar is empty if even a constant is better.
    ours = [max(0.0, 1 - each.left) for each in worst]
    theirs = [max(0.0, 1 - each.left_by_pca) for each in worst]
    axes.barh(places, ours, height=0.62, color=BLUE, label="this model")
    axes.plot(theirs, places, "|", color=ORANGE, markersize=11, markeredgewidth=2.2, label="PCA of the same size")
    axes.set_yticks(places, [f"{words(each.name)}, {each.kind}" for each in worst], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the error of the best constant guess that is removed", fontsize=9)
    left_out = len(figures) - len(worst)
    title = f"the {len(worst)} worst of {len(figures)} columns" if left_out else "columns, the worst first"
    axes.set_title(title, loc="left", fontsize=10)
    open_axes(axes, grid="x")
    figure.legend(frameon=False, fontsize=9, ncols=2, loc="outside lower center")
    return figure


SKEWED = 10.0  # from this ratio of the 99th percentile to the median on, the axis is logarithmic


def row_errors(found: Float64Array, unit: str, of_columns: Sequence[ColumnError] = ()) -> Figure:
    """Return the histogram of the errors of rows and, of a table, the error of each column.

    Args: found: (n,), of each row; unit: what they are, in words; of_columns: of each column.
    """
    worst = sorted(of_columns, key=lambda each: each.relative, reverse=True)[:COLUMNS]
    below = 0.9 + 0.26 * len(worst) if worst else 0.0
    figure = picture(7, 3.4 + below)
    panels = figure.subplots(2 if worst else 1, 1, squeeze=False, height_ratios=[3.4, below] if worst else [1])
    _histogram(panels[0, 0], found, unit)
    if worst:
        _bars(panels[1, 0], worst, len(of_columns))
    return figure


def _histogram(axes: Axes, found: Float64Array, unit: str) -> None:
    median, far = np.quantile(found, [0.5, 0.99])
    long_tail = found.min() > 0 and far > SKEWED * median
    edges = np.exp(bin_edges(np.log(found))) if long_tail else bin_edges(found)
    axes.hist(found, edges.tolist(), color=BLUE)
    if long_tail:
        axes.set_xscale("log")
    axes.axvline(median, color=ink(), linewidth=1.4, label=f"median {median:.4g}")
    axes.axvline(far, color=ORANGE, linewidth=1.4, linestyle="--", label=f"99th percentile {far:.4g}")
    axes.set_xlabel(unit, fontsize=9)
    axes.set_ylabel(f"rows, {len(found):,} in all", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    open_axes(axes)


def _bars(axes: Axes, worst: Sequence[ColumnError], count: int) -> None:
    """Draw the error of columns; a bar of more than twice the error of a constant is cut, and its number says so."""
    places, relative = np.arange(len(worst)), np.array([each.relative for each in worst])
    end = float(np.clip(1.12 * relative.max(), 0.01, 2))
    axes.barh(places, np.minimum(relative, end), height=0.66, color=[ORANGE if each > 1 else BLUE for each in relative])
    if end > 1:
        axes.axvline(1, color=GREY, linewidth=1.2, linestyle="--")
    for place, each in zip(places, relative, strict=True):
        within = each > 0.5 * end  # there is room in the bar
        axes.annotate(
            f"{each:.3g}",
            (min(each, end), place),
            (-4 if within else 4, 0),
            textcoords="offset points",
            fontsize=8,
            ha="right" if within else "left",
            va="center_baseline",
            color="white" if within else ink(),
        )
    axes.set_yticks(places, [_label(each) for each in worst], fontsize=9)
    axes.set_ylim(len(worst) - 0.4, -0.6)
    axes.set_xlim(0, end)
    axes.set_xlabel("error relative to the best constant guess: 0 is perfect, 1 is no better", fontsize=9)
    left_out = count - len(worst)
    title = f"the {len(worst)} worst of {count} columns" if left_out else "columns, the worst first"
    axes.set_title(title, loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
    open_axes(axes, grid="x")


def _label(column: ColumnError) -> str:
    return f"column {column.name}" if column.name.isdecimal() else f"{words(column.name)}, {column.kind}"
