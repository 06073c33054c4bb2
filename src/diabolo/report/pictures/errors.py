"""How large errors are: of each column of a table, compared with PCA."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from diabolo.report.columns import ColumnFigures
from diabolo.report.pictures.canvas import BLUE, ORANGE, open_axes, picture, words

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
