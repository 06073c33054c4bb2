"""Pictures: rows above their reconstructions, and the curve of a training.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish; text is readable at the width of a
README. Each function returns a matplotlib Figure; the caller saves it. The global state of pyplot is not touched.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from diabolo.data.adapters import Rows
from diabolo.data.long_table.labels import Labels
from diabolo.model.model import Model
from diabolo.report.columns import ColumnFigures
from diabolo.report.summary import error_through, in_units_of_the_network

BLUE, ORANGE, GREY, BLACK = "#0072B2", "#D55E00", "#999999", "#222222"
TYPICAL, WORST = 8, 4  # columns of the picture


def reconstructions(model: Model, rows: Rows, seen: Rows | None = None, labels: Labels | None = None) -> Figure:
    """Return a picture of typical rows, of all sizes of error, and of the worst rows, above their reconstructions.

    Args:
        model: that reconstructs them.
        rows: to draw.
        seen: the same rows with the corruption of the training; None: there is none.
        labels: the names and times of windows.
    """
    errors = model.squared_error_per_row(rows) if seen is None else error_through(model, rows, seen)
    by_error = np.argsort(errors, kind="stable")
    worst = by_error[::-1][: min(WORST, max(1, len(rows) // 2))]
    rest = by_error[: len(rows) - len(worst)]
    # From the best twentieth to the worst but one: these look as most rows do.
    places = np.linspace(0.05, 0.95, min(TYPICAL, len(rest))) * (len(rest) - 1)
    typical = rest[places.round().astype(int)]
    groups = [("typical rows", typical, BLUE), ("worst rows", worst, ORANGE)]
    groups = [group for group in groups if len(group[1])]
    if model.adapter.kind == "series":
        return _series(model, rows, seen, errors, groups, labels)
    draw = _images if model.adapter.kind == "image" else _profiles
    return draw(model, rows, seen, errors, groups)


COLUMNS = 30  # of a table, at most, that are drawn


def columns(figures: Sequence[ColumnFigures]) -> Figure:
    """Return a picture of how well each column of a table is reconstructed, compared with PCA; the worst first."""
    worst = sorted(figures, key=lambda each: each.left, reverse=True)[:COLUMNS]
    figure = Figure(figsize=(7, 1.2 + 0.26 * len(worst)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(worst))
    # The bar is empty if even a constant is better.
    ours = [max(0.0, 1 - each.left) for each in worst]
    theirs = [max(0.0, 1 - each.left_by_pca) for each in worst]
    axes.barh(places, ours, height=0.62, color=BLUE, label="this model")
    axes.plot(theirs, places, "|", color=ORANGE, markersize=11, markeredgewidth=2.2, label="PCA of the same size")
    axes.set_yticks(places, [f"{each.name:.28}, {each.kind}" for each in worst], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the error of the best constant guess that is removed", fontsize=9)
    left_out = len(figures) - len(worst)
    title = f"the {len(worst)} worst of {len(figures)} columns" if left_out else "columns, the worst first"
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.set_axisbelow(True)
    figure.legend(frameon=False, fontsize=9, ncols=2, loc="outside lower center")
    return figure


def _images(
    model: Model, rows: Rows, seen: Rows | None, errors: Rows, groups: Sequence[tuple[str, Rows, str]]
) -> Figure:
    count, start = sum(len(places) for _, places, _ in groups), rows if seen is None else seen
    names = ("original", "reconstruction") if seen is None else ("original", "as seen", "reconstruction")
    height = 0.8 * len(names) + 0.7
    figure = Figure(figsize=(0.75 * count + 1.1, height), dpi=160)
    # A narrow empty column separates the two groups.
    widths = [width for _, places, _ in groups for width in (*[1.0] * len(places), 0.25)][:-1]
    grid = figure.add_gridspec(
        len(names),
        len(widths),
        width_ratios=widths,
        left=1.3 / (count + 1.3),
        right=0.995,
        top=1 - 0.3 / height,
        bottom=0.28 / height,
        wspace=0.08,
        hspace=0.06,
    )
    low, high = _range(rows)
    column = 0
    for title, places, colour in groups:
        for at, (place, reconstruction) in enumerate(zip(places, model.reconstruct(start[places]), strict=True)):
            images = (rows[place], reconstruction) if seen is None else (rows[place], seen[place], reconstruction)
            for line, image in enumerate(images):
                axes = figure.add_subplot(grid[line, column])
                axes.imshow(_showable(image, low, high), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                for spine in axes.spines.values():
                    spine.set(color=colour, linewidth=1.2)
                if line == 0 and at == 0:
                    axes.set_title(title, loc="left", fontsize=10, color=colour, fontweight="bold")
                if column == 0:
                    axes.set_ylabel(names[line], fontsize=9, rotation=0, ha="right", va="center")
            axes.set_xlabel(f"{errors[place]:.4f}", fontsize=8, color=BLACK, labelpad=2)
            column += 1
        column += 1
    figure.text(1.25 / (count + 1.3), 0.23 / height, "error", fontsize=8, color=BLACK, ha="right")
    return figure


def _range(rows: Rows) -> tuple[float, float]:
    return (0.0, 255.0) if rows.dtype == np.uint8 and rows.max() > 1 else (float(rows.min()), float(rows.max()))


def _showable(image: Rows, low: float, high: float) -> Rows:
    """Return grey (h, w) or colour (h, w, 3 or 4) in [0, 1]; for other numbers of channels, their mean."""
    scaled = np.clip((image.astype(np.float64) - low) / ((high - low) or 1.0), 0, 1)
    if scaled.ndim == 3 and scaled.shape[2] not in (3, 4):
        scaled = scaled.mean(axis=2)
    return scaled


def _profiles(
    model: Model, rows: Rows, seen: Rows | None, errors: Rows, groups: Sequence[tuple[str, Rows, str]]
) -> Figure:
    """Draw rows as lines over their columns, in the units of the network so that columns can be compared.

    Columns of several kinds, which are several numbers there, are drawn in standard deviations; a level is its number.
    """
    mixed, names = model.adapter.is_table, [f"{each.name:.12}" for each in model.adapter.columns]
    known = np.ma.masked_invalid(rows) if mixed else rows  # all cells of a column may be missing
    middle, spread = (np.ma.filled(each, 0) for each in (known.mean(axis=0), known.std(axis=0)))

    def scaled(some: Rows) -> Rows:
        if not mixed:
            return in_units_of_the_network(model, some)
        return np.asarray((some - middle) / np.where(spread > 0, spread, 1))

    chosen = [(title, place, colour) for title, places, colour in groups for place in places[-3:]]
    figure = Figure(figsize=(9, 1.1 + 1.15 * len(chosen)), dpi=120, layout="constrained")
    features = np.arange(rows.shape[1])
    dot, cross = ("o", "x") if len(features) <= 100 else ("", "")  # more markers than that make a solid band
    for at, (title, place, colour) in enumerate(chosen):
        axes = figure.add_subplot(len(chosen), 1, at + 1)
        original = scaled(rows[place][None])[0]
        start = (rows if seen is None else seen)[place][None]
        restored = scaled(model.reconstruct(start))[0]
        if seen is not None:
            axes.plot(features, scaled(start)[0], color=GREY, linewidth=1, label="as seen")
        axes.plot(features, original, color=BLACK, linewidth=1.2, marker=dot, markersize=3, label="original")
        axes.plot(features, restored, color=colour, linewidth=1.2, marker=cross, markersize=4, label="reconstruction")
        axes.set_title(f"{title[:-1]} {place}, error {errors[place]:.3g}", loc="left", fontsize=9, color=colour)
        axes.tick_params(labelsize=8, labelbottom=at == len(chosen) - 1)
        axes.spines[["top", "right"]].set_visible(False)
        if at == 0:
            axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    if mixed and len(features) <= COLUMNS:
        axes.set_xticks(features, names)
    axes.set_xlabel("column", fontsize=9)
    units = "standard deviations" if mixed else "value as the network sees it"
    figure.supylabel(units, fontsize=9)
    return figure


CHANNELS = 4  # of series, at most, that are drawn


def _series(
    model: Model,
    rows: Rows,
    seen: Rows | None,
    errors: Rows,
    groups: Sequence[tuple[str, Rows, str]],
    labels: Labels | None,
) -> Figure:
    """Draw series over time in their own units, a panel for each channel, with the names that the data has."""
    chosen = [(title, place, colour) for title, places, colour in groups for place in places[-3:]]
    count = rows.shape[2]
    names = model.series.channels if model.series is not None else [f"channel {at}" for at in range(count)]
    drawn = min(CHANNELS, count)
    start = rows if seen is None else seen
    figure = Figure(figsize=(max(9, 3.4 * drawn), 1.3 + 1.35 * len(chosen)), dpi=120, layout="constrained")
    grid = figure.subplots(len(chosen), drawn, squeeze=False, sharey="col")
    dot = "o" if rows.shape[1] <= 100 else ""
    for at, (title, place, colour) in enumerate(chosen):
        restored = model.reconstruct(start[place][None])[0]
        times = np.arange(rows.shape[1]) if labels is None else labels.times(place)
        for channel, axes in enumerate(grid[at]):
            if seen is not None:
                axes.plot(times, start[place][:, channel], color=GREY, linewidth=1, label="as seen")
            original = rows[place][:, channel]
            axes.plot(times, original, color=BLACK, linewidth=1.2, marker=dot, markersize=3, label="original")
            axes.plot(times, restored[:, channel], color=colour, linewidth=1.2, label="reconstruction")
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
            if at == 0:
                axes.set_title(f"{names[channel]:.28}", fontsize=9, fontweight="bold", pad=18)
            if times.dtype.kind == "M":
                locator = AutoDateLocator(minticks=2, maxticks=5)  # type: ignore[no-untyped-call]
                axes.xaxis.set_major_locator(locator)
                # The day stands in the name of the window.
                formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
                axes.xaxis.set_major_formatter(formatter)
        name = f"row {place}" if labels is None else f"window {labels.window(place)}"
        grid[at][0].annotate(
            f"{title.partition(' ')[0]} {name}, error {errors[place]:.3g}",
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
            color=colour,
        )
    handles, texts = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize=8, frameon=False, ncols=3, loc="outside upper right")
    figure.supxlabel("place in the series" if labels is None else labels.form.time or "time", fontsize=9)
    if count > drawn:
        figure.supylabel(f"the first {drawn} of {count} channels", fontsize=9)
    return figure


def training(model: Model) -> Figure:
    """Return the curve of a training: loss in nats a row against epochs, with the best epoch marked."""
    history, best = model.record.history, model.record.best_epoch
    epochs = np.arange(1, len(history["loss"]) + 1)
    figure = Figure(figsize=(7, 3.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, history["loss"], color=BLUE, label="training rows", marker=marker)
    curve = history.get("val_loss")
    if curve:
        axes.plot(epochs, curve, color=ORANGE, label="validation rows", linestyle="--", marker=marker)
    chosen = (curve or history["loss"])[best - 1]
    axes.plot([best], [chosen], "o", color=ORANGE if curve else BLUE, markersize=6)
    axes.annotate(
        f"epoch {best}: {chosen:.4g}", (best, chosen), textcoords="offset points", xytext=(0, 9), ha="right", fontsize=9
    )
    # The loss of the first epochs is much larger; the axis shows the later ones.
    values = np.concatenate([history["loss"], curve or []])
    top = np.quantile(values, 0.9) if len(epochs) > 10 else values.max()
    span = max(top - values.min(), 1e-9)
    axes.set_ylim(values.min() - 0.08 * span, top + 0.25 * span)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{model.loss.kind} loss (nats a row)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.3)
    axes.legend(frameon=False)
    return figure


class SizeError(Protocol):
    """The errors with one number of latents, as in `search.Point`."""

    @property
    def latents(self) -> int:
        """Number of latent dimensions."""

    @property
    def error(self) -> float:
        """Of a network, the mean squared error per feature."""

    @property
    def pca_error(self) -> float:
        """Of PCA with as many components."""


class SizeErrors(Protocol):
    """The errors with several numbers of latents, as in `search.Sizes`."""

    @property
    def points(self) -> Sequence[SizeError]:
        """The smallest first."""

    @property
    def knee(self) -> int:
        """The number of latents after which more of them gain little."""

    @property
    def mean_row_error(self) -> float:
        """Of the mean row, which needs no latents."""

    @property
    def unit(self) -> str:
        """Of the errors."""


def front(sizes: SizeErrors) -> Figure:
    """Return the picture of the error against the number of latents, with PCA and the knee."""
    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    latents = [each.latents for each in sizes.points]
    axes.plot(latents, [each.error for each in sizes.points], "o-", color=BLUE, label="auto-encoder of this size")
    axes.plot(latents, [each.pca_error for each in sizes.points], "s--", color=ORANGE, label="PCA", markersize=4)
    axes.axhline(sizes.mean_row_error, color=GREY, linewidth=1, linestyle=":", label="the mean row")
    knee = next(each for each in sizes.points if each.latents == sizes.knee)
    axes.plot([knee.latents], [knee.error], "o", color=BLUE, markersize=11, fillstyle="none", markeredgewidth=2)
    axes.annotate(
        f"knee: {knee.latents} latents, {knee.error:.3g}",
        (knee.latents, knee.error),
        textcoords="offset points",
        xytext=(-8, -14),
        ha="right",
        va="top",
        fontsize=9,
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(latents, [str(each) for each in latents])
    axes.set_xlabel("latent dimensions")
    axes.set_ylabel(f"mean squared error, {sizes.unit}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


class RateLosses(Protocol):
    """The losses at rising learning rates, and the rate that suits, as in `search.RangeTest`."""

    @property
    def learning_rate(self) -> float:
        """The rate that suits."""

    @property
    def rates(self) -> Sequence[float]:
        """Rising."""

    @property
    def losses(self) -> Sequence[float]:
        """In nats per row, one for each rate."""


def rates(found: RateLosses) -> Figure:
    """Return the picture of a learning-rate range test: the loss against the rate."""
    figure = Figure(figsize=(7, 3.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color=BLUE)
    axes.axvline(found.learning_rate, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.set_xscale("log")
    least, start = min(found.losses), found.losses[0]
    span = max(start - least, 1e-9)
    axes.set_ylim(least - 0.08 * span, start + 0.25 * span)  # a diverging loss is cut off
    axes.annotate(
        f"{found.learning_rate:g} ",
        (found.learning_rate, start + 0.2 * span),
        ha="right",
        va="top",
        fontsize=9,
        color=ORANGE,
    )
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss (nats a row)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.3)
    return figure


def save(figure: Figure, path: str | Path | IO[bytes]) -> None:
    """Write a figure as PNG to a path or an open file, without Matplotlib's version, which would change its bytes."""
    figure.savefig(path, format="png", metadata={"Software": None})
