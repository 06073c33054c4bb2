"""Maps of latents: the plane of two, a histogram of one, the first two principal components of more.

Order: the map, the plane, its colours, the histogram.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba_array
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diabolo.data.splits import spread_evenly
from diabolo.report.colouring import Colouring
from diabolo.report.pca import components_of
from diabolo.report.pictures.canvas import (
    BLUE,
    CATEGORICAL,
    MUTED,
    OTHERS,
    SEQUENTIAL,
    bin_edges,
    open_axes,
    picture,
    words,
)
from diabolo.typing import Array, Float64Array, Int64Array

NAMED = len(CATEGORICAL)  # levels with a colour of their own
MOST_POINTS = 50_000  # that are drawn
IN_VECTORS = 5_000  # points of an SVG or PDF, of which more would make it slow
DAY = 86_400.0


def latents(found: Array, colouring: Colouring | None = None, note: str = "") -> Figure:
    """Return the map of latents.

    Args: found: (n, latent_dim); colouring: of the rows; note: which rows these are, in words.
    """
    values = np.asarray(found, np.float64)
    figure = picture(7 if colouring else 5.6, 4.9 if values.shape[1] > 1 else 3.8)
    axes = figure.add_subplot()
    axes.set_title(note or f"{len(values):,} rows", loc="left", fontsize=9, color=MUTED)
    open_axes(axes)
    if values.shape[1] == 1:
        _histogram(figure, axes, values[:, 0], colouring)
        axes.set(xlabel="latent 0", ylabel="rows")
        return figure
    if values.shape[1] == 2:
        names = ["latent 0", "latent 1"]
    else:
        values, shares = principal_components(values)
        names = [f"principal component {at + 1}: {share:.0%} of the variance" for at, share in enumerate(shares)]
    _plane(figure, axes, values, colouring)
    axes.set(xlabel=names[0], ylabel=names[1])
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def principal_components(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the first two principal components of latents, (n, 2), and their shares of the variance, (2,)."""
    centered = values - values.mean(axis=0)
    components, variances = components_of(centered, 2)
    # A component may as well be its negative: the largest of its numbers is positive.
    largest = components[np.arange(2), np.abs(components).argmax(axis=1)]
    components = components * np.where(largest < 0, -1, 1)[:, None]
    return centered @ components.T, variances / max(centered.var(axis=0).sum(), 1e-300)


def _plane(figure: Figure, axes: Axes, places: Float64Array, colouring: Colouring | None) -> None:
    drawn = spread_evenly(len(places), MOST_POINTS)
    if len(drawn) < len(places):
        axes.set_title(f"{len(drawn):,} of {axes.get_title('left')}", loc="left", fontsize=9, color=MUTED)
    # In the order of the data a category that comes last would hide the others.
    drawn = drawn[np.random.default_rng(0).permutation(len(drawn))]
    colours: Array = to_rgba_array(BLUE)
    if colouring is not None and colouring.texts is not None:
        levels = levels_of(colouring)
        colours = to_rgba_array(levels.colours)[levels.places[drawn]]
        _legend(figure, levels, colouring.name)
    elif colouring is not None:
        scale = _scale(colouring)
        colours = SEQUENTIAL(scale.norm(_plain(colouring)[drawn]))
        _colour_bar(figure, axes, scale, colouring)
    axes.scatter(
        places[drawn, 0],
        places[drawn, 1],
        c=colours,
        s=float(np.clip(12_000 / len(drawn), 4, 30)),
        alpha=0.9 if len(drawn) < 500 else 0.7,
        linewidths=0,
        rasterized=len(drawn) > IN_VECTORS,
    )


class Levels(NamedTuple):
    """The levels of a category as they are drawn: at most ten of their own, others together, rows without a value.

    Attributes: names, colours: one for each; places: (n,), the one of each row; counts: the rows of each.
    """

    names: list[str]
    colours: list[str]
    places: Int64Array
    counts: list[int]


def levels_of(colouring: Colouring) -> Levels:
    """Return the levels of a category: the most frequent ones, in the order of their names."""
    texts = np.array(["" if each is None else each for each in colouring.texts or ()], object)
    missing = np.array([each is None for each in colouring.texts or ()], bool)
    every, inverse, counts = np.unique(texts[~missing].astype(str), return_inverse=True, return_counts=True)
    frequent = set(np.argsort(-counts, kind="stable")[:NAMED].tolist())
    order = sorted(frequent, key=lambda at: _in_order(str(every[at])))
    place = np.full(len(every), len(order))
    place[order] = np.arange(len(order))
    places = np.full(len(texts), len(order) + (len(every) > len(order)))
    places[~missing] = place[inverse]
    names, colours = [words(every[at], 24) for at in order], list(CATEGORICAL[: len(order)])
    if len(every) > len(order):
        names, colours = [*names, f"others, {len(every) - len(order)} levels"], [*colours, OTHERS]
    if missing.any():
        names, colours = [*names, "no value"], [*colours, "#D0D3D7"]
    return Levels(names, colours, places, np.bincount(places, minlength=len(names)).tolist())


def _in_order(text: str) -> tuple[bool, float, str]:
    """Return what orders names: numbers by their size, before all others."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def _legend(figure: Figure, levels: Levels, name: str) -> None:
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colour, markersize=6, label=f"{level} ({count:,})")
        for level, colour, count in zip(levels.names, levels.colours, levels.counts, strict=True)
    ]
    title = words(name) or None
    figure.legend(handles=handles, title=title, loc="outside right upper", frameon=False, fontsize=8, title_fontsize=9)


class _Scale(NamedTuple):
    """From numbers to colours. Attributes: norm; extend: at which ends there are numbers beyond, as Matplotlib says."""

    norm: Normalize
    extend: str


def _plain(colouring: Colouring) -> Float64Array:
    """Return the numbers as Matplotlib takes them: times in days."""
    assert colouring.numbers is not None
    return colouring.numbers / DAY if colouring.times else colouring.numbers


def _scale(colouring: Colouring) -> _Scale:
    """Return the scale from the 1st to the 99th percentile where a few numbers are far away, else of all numbers."""
    known = _plain(colouring)
    known = known[~np.isnan(known)]
    if not len(known):
        return _Scale(Normalize(0, 1), "neither")
    low, high, least, most = *np.quantile(known, [0.01, 0.99]), known.min(), known.max()
    below, above = low - least > 0.2 * (high - low), most - high > 0.2 * (high - low)
    start, end = float(low if below else least), float(high if above else most)
    if start == end:
        start, end = start - 0.5, end + 0.5
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    return _Scale(Normalize(start, end), extend)


def _colour_bar(figure: Figure, axes: Axes, scale: _Scale, colouring: Colouring, prefix: str = "") -> None:
    bar = figure.colorbar(ScalarMappable(scale.norm, SEQUENTIAL), ax=axes, extend=scale.extend, aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    bar.set_label(f"{prefix}{words(colouring.name)}" if colouring.name else prefix and f"{prefix}color", fontsize=9)
    if colouring.times:
        locator = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        bar.ax.yaxis.set_major_locator(locator)
        bar.ax.yaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _histogram(figure: Figure, axes: Axes, values: Float64Array, colouring: Colouring | None) -> None:
    """Draw how many rows have which latent: categories one above the other, numbers by their mean in each bar."""
    edges = bin_edges(values)
    if colouring is None:
        axes.hist(values, edges.tolist(), color=BLUE)
    elif colouring.texts is not None:
        levels = levels_of(colouring)
        parts = [values[levels.places == at] for at in range(len(levels.names))]
        axes.hist(parts, edges.tolist(), stacked=True, color=levels.colours)
        _legend(figure, levels, colouring.name)
    else:
        scale, numbers = _scale(colouring), _plain(colouring)
        known = ~np.isnan(numbers)
        counts, _ = np.histogram(values, edges)
        (sums, _), (many, _) = (np.histogram(values[known], edges, weights=each) for each in (numbers[known], None))
        means = np.where(many > 0, sums / np.maximum(many, 1), np.nan)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=SEQUENTIAL(scale.norm(means)))
        _colour_bar(figure, axes, scale, colouring, "mean of ")
