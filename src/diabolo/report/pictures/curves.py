"""Curves: the course of a training, the error for each number of latents, a learning-rate range test."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from diabolo.model.model import Model
from diabolo.report.card import limits
from diabolo.report.pictures.canvas import BLUE, GREY, ORANGE, open_axes, picture


def training(model: Model) -> Figure:
    """Return the curve of a training: loss in nats a row against epochs, with the best epoch marked."""
    history, best = model.record.history, model.record.best_epoch
    epochs = np.arange(1, len(history["loss"]) + 1)
    figure = picture(7, 3.6)
    axes = figure.add_subplot()
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(epochs, history["loss"], color=BLUE, label="training rows", marker=marker)
    curve = history.get("val_loss")
    if curve:
        axes.plot(epochs, curve, color=ORANGE, label="validation rows", linestyle="--", marker=marker)
    chosen = (curve or history["loss"])[best - 1]
    axes.plot([best], [chosen], "o", color=ORANGE if curve else BLUE, markersize=6)
    axes.annotate(
        f"epoch {best}: {chosen:.4g}",
        (best, chosen),
        textcoords="offset points",
        xytext=(0, 9),
        ha="left" if best < len(epochs) / 3 else "right",
        fontsize=9,
        bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
    axes.set_ylim(limits(history))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{model.loss.kind} loss (nats a row)")
    open_axes(axes, grid="y")
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
    figure = picture(7, 4)
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
    open_axes(axes, grid="y")
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
    figure = picture(7, 3.6)
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
    open_axes(axes, grid="y")
    return figure
