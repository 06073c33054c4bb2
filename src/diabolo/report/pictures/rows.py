"""Rows above their reconstructions: pictures, series over time, cells of a table, other rows as lines over columns.

Order: which rows, pictures, lines over columns, series.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from diabolo.data.adapters import Rows
from diabolo.data.long_table.labels import Labels
from diabolo.model.model import Model
from diabolo.report.pictures import tables
from diabolo.report.pictures.canvas import BLUE, GREY, ORANGE, cell, ink, open_axes, picture, words
from diabolo.report.pictures.drawn import Drawn, Group
from diabolo.report.summary import error_through, in_units_of_the_network
from diabolo.typing import Float64Array, Int64Array

PICTURES, OTHERS = 12, 6  # rows that are drawn: pictures, and rows that take more room
WORST = 3  # of so many rows one is a worst one
CHOSEN = "rows"  # the title of those that a user chose


def reconstructions(
    model: Model,
    rows: Rows,
    seen: Rows | None = None,
    labels: Labels | None = None,
    numbers: Int64Array | None = None,
    *,
    places: Sequence[int] | Int64Array | None = None,
    count: int | None = None,
) -> Figure:
    """Return a picture of typical rows, of all sizes of error, and of the worst rows, above their reconstructions.

    Args:
        model: that reconstructs them.
        rows: to choose from.
        seen: the same rows with the corruption of the training; None: there is none.
        labels: the names and times of windows.
        numbers: (n,), of the rows in the data that they come from; None: they are all of it.
        places: of the rows to draw, in place of typical and worst ones.
        count: how many rows to draw; None: 12 pictures, or 6 other rows.
    """
    errors = model.squared_error_per_row(rows) if seen is None else error_through(model, rows, seen)
    count = count or (PICTURES if model.adapter.kind == "image" else OTHERS)
    groups = typical_and_worst(errors, count) if places is None else chosen(places)
    numbers = np.arange(len(rows)) if numbers is None else numbers
    return draw(Drawn(model, rows, seen, errors, numbers, groups, labels))


def chosen(places: Sequence[int] | Int64Array) -> list[Group]:
    """Return rows that a user chose."""
    return [Group(CHOSEN, np.asarray(places, np.int64), BLUE)]


def draw(drawn: Drawn) -> Figure:
    """Return the picture of rows that were chosen, as suits their kind."""
    model, kind = drawn.model, drawn.model.adapter.kind
    if kind == "image":
        return _images(drawn)
    if kind == "series":
        return _series(drawn)
    return tables.cells(drawn) if tables.suits(model) else _profiles(drawn)


def typical_and_worst(errors: Float64Array, count: int) -> list[Group]:
    """Return so many rows, or as many as there are: a third of them the worst, the others of all sizes of error."""
    by_error = np.argsort(errors, kind="stable")
    most = count // WORST if count > 1 else 0
    worst = by_error[::-1][: min(most, max(1, len(errors) // 2))]
    rest = by_error[: len(errors) - len(worst)]
    # From the best twentieth to the worst but one: these look as most rows do.
    places = np.linspace(0.05, 0.95, min(count - most, len(rest))) * (len(rest) - 1)
    typical = rest[places.round().astype(int)]
    groups = [Group("typical rows", typical, BLUE), Group("worst rows", worst, ORANGE)]
    return [group for group in groups if len(group.places)]


CELL, BETWEEN, APART = 0.72, 0.05, 0.2  # inches: a picture, the space between two, and between groups
ACROSS = 12  # pictures in a line
LEFT, ABOVE, BELOW = 1.05, 0.3, 0.36  # inches: for words


class _Place(NamedTuple):
    """Where a row is drawn: the line of rows, and the distance to its left edge, in inches."""

    line: int
    left: float


def _images(drawn: Drawn) -> Figure:
    names = ("original", "reconstruction") if drawn.seen is None else ("original", "as seen", "reconstruction")
    places, lines, width = _arranged([len(group.places) for group in drawn.groups])
    shape = drawn.model.adapter.row_shape
    tall = CELL * float(np.clip(shape[0] / shape[1], 0.25, 4))
    titled = [group.title for group in drawn.groups] != [CHOSEN]
    above = ABOVE if titled else BETWEEN
    band = above + len(names) * (tall + BETWEEN) + BELOW
    figure = picture(LEFT + width + 0.05, band * lines, dpi=160, layout=None)
    low, high = value_range(drawn.rows)
    at = 0
    for group in drawn.groups:
        restored = drawn.model.reconstruct(drawn.start[group.places])
        for number, (row, reconstruction) in enumerate(zip(group.places, restored, strict=True)):
            line, left = places[at]
            at += 1
            versions = [drawn.rows[row], reconstruction]
            versions[1:1] = [] if drawn.seen is None else [drawn.seen[row]]
            for down, (name, image) in enumerate(zip(names, versions, strict=True)):
                bottom = band * (lines - line) - above - down * (tall + BETWEEN) - tall
                axes = cell(figure, LEFT + left, bottom, CELL, tall)
                show_image(axes, image, low, high, group.colour)
                if left == 0:
                    axes.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center", labelpad=4)
                if down == 0 and titled and (number == 0 or left == 0):
                    axes.set_title(group.title, loc="left", fontsize=9, color=group.colour, fontweight="bold")
            axes.set_xlabel(f"{drawn.numbers[row]}\n{drawn.errors[row]:.4f}", fontsize=7, color=ink(), labelpad=2)
    for line in range(lines):
        top = (band * (lines - line) - band + BELOW + BETWEEN - 0.04) / figure.get_figheight()
        figure.text((LEFT - 0.07) / figure.get_figwidth(), top, "row\nerror", fontsize=7, ha="right", va="top")
    return figure


def _arranged(counts: Sequence[int]) -> tuple[list[_Place], int, float]:
    """Return the places of groups of pictures, how many lines they take, and the width of the longest, in inches."""
    places, line, left, width, in_line = list[_Place](), 0, 0.0, 0.0, 0
    for count in counts:
        left += APART if in_line else 0.0
        for _ in range(count):
            if in_line == ACROSS:
                line, left, in_line = line + 1, 0.0, 0
            places.append(_Place(line, left))
            left, in_line = left + CELL + BETWEEN, in_line + 1
            width = max(width, left - BETWEEN)
    return places, line + 1, width


def show_image(axes: Axes, image: Rows, low: float, high: float, colour: str) -> None:
    """Draw an image into axes with a frame. Args: low, high: what is white and what is black."""
    axes.imshow(_showable(image, low, high), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=1.2)


def value_range(rows: Rows) -> tuple[float, float]:
    """Return the least and the largest value that images are drawn with."""
    return (0.0, 255.0) if rows.dtype == np.uint8 and rows.max() > 1 else (float(rows.min()), float(rows.max()))


def _showable(image: Rows, low: float, high: float) -> Rows:
    """Return grey (h, w) or colour (h, w, 3 or 4) in [0, 1]; for other numbers of channels, their mean."""
    scaled = np.clip((image.astype(np.float64) - low) / ((high - low) or 1.0), 0, 1)
    if scaled.ndim == 3 and scaled.shape[2] not in (3, 4):
        scaled = scaled.mean(axis=2)
    return scaled


MARKED = 100  # numbers in a line, up to which each gets a marker; more markers make a solid band


def _profiles(drawn: Drawn) -> Figure:
    """Draw rows as lines over their columns, in units in which columns can be compared.

    Numbers are in the units of the network. Columns of several kinds, which are several numbers there, are drawn in
    standard deviations; a level is its number.
    """
    rows, mixed = drawn.rows, drawn.model.adapter.is_table
    known = np.ma.masked_invalid(rows) if mixed else rows  # all cells of a column may be missing
    middle, spread = (np.ma.filled(each, 0) for each in (known.mean(axis=0), known.std(axis=0)))

    def scaled(some: Rows) -> Rows:
        if not mixed:
            return in_units_of_the_network(drawn.model, some)
        return np.asarray((some - middle) / np.where(spread > 0, spread, 1))

    shown = drawn.chosen
    figure = picture(9, 1.1 + 1.15 * len(shown))
    features = np.arange(rows.shape[1])
    dot, cross = ("o", "x") if len(features) <= MARKED else ("", "")
    for at, (title, row, colour) in enumerate(shown):
        axes = figure.add_subplot(len(shown), 1, at + 1)
        original = scaled(rows[row][None])[0]
        start = drawn.start[row][None]
        restored = scaled(drawn.model.reconstruct(start))[0]
        if drawn.seen is not None:
            axes.plot(features, scaled(start)[0], color=GREY, linewidth=1, label="as seen")
        axes.plot(features, original, color=ink(), linewidth=1.2, marker=dot, markersize=3, label="original")
        axes.plot(features, restored, color=colour, linewidth=1.2, marker=cross, markersize=4, label="reconstruction")
        axes.set_title(title, loc="left", fontsize=9, color=colour)
        axes.tick_params(labelsize=8, labelbottom=at == len(shown) - 1)
        open_axes(axes)
        if at == 0:
            axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    axes.set_xlabel("column", fontsize=9)
    figure.supylabel("standard deviations" if mixed else "value as the network sees it", fontsize=9)
    return figure


CHANNELS = 4  # of series, at most, that are drawn


def channel_names(model: Model) -> Sequence[str]:
    """Return the names of the channels of series, as the data has them."""
    if model.series is not None:
        return model.series.channels
    return [f"channel {at}" for at in range(model.adapter.row_shape[1])]


def _series(drawn: Drawn) -> Figure:
    """Draw series over time in their own units, a panel for each channel, with the names that the data has."""
    rows, shown, labels = drawn.rows, drawn.chosen, drawn.labels
    count, names = rows.shape[2], channel_names(drawn.model)
    panels = min(CHANNELS, count)
    figure = picture(max(9, 3.4 * panels), 1.3 + 1.35 * len(shown))
    grid = figure.subplots(len(shown), panels, squeeze=False, sharey="col")
    dot = "o" if rows.shape[1] <= MARKED else ""
    for at, (title, row, colour) in enumerate(shown):
        start = drawn.start[row]
        restored = drawn.model.reconstruct(start[None])[0]
        times = np.arange(rows.shape[1]) if labels is None else labels.times(row)
        for channel, axes in enumerate(grid[at]):
            if drawn.seen is not None:
                axes.plot(times, start[:, channel], color=GREY, linewidth=1, label="as seen")
            original = rows[row][:, channel]
            axes.plot(times, original, color=ink(), linewidth=1.2, marker=dot, markersize=3, label="original")
            axes.plot(times, restored[:, channel], color=colour, linewidth=1.2, label="reconstruction")
            axes.tick_params(labelsize=7)
            open_axes(axes)
            if at == 0:
                axes.set_title(words(names[channel]), fontsize=9, fontweight="bold", pad=18)
            if times.dtype.kind == "M":
                _date_axis(axes)
        note = {"xycoords": "axes fraction", "xytext": (0, 3), "textcoords": "offset points"}
        grid[at][0].annotate(title, (0, 1), **note, fontsize=8, color=colour)
    handles, texts = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize=8, frameon=False, ncols=3, loc="outside upper right")
    over = "place in the series" if labels is None else labels.form.time or "time"
    figure.supxlabel(words(over), fontsize=9)
    if count > panels:
        figure.supylabel(f"the first {panels} of {count} channels", fontsize=9)
    return figure


def _date_axis(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    # The day stands in the name of the window.
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
