"""A row with other values of one latent at a time: pictures, lines over time, the columns that change most.

Order: pictures, lines over time or over columns, columns of a table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from diabolo.data.adapters import Rows
from diabolo.model.model import Model
from diabolo.report.columns import named_columns
from diabolo.report.pictures import rows as of_rows
from diabolo.report.pictures.canvas import (
    CATEGORICAL,
    GREY,
    LINES,
    MUTED,
    ORANGE,
    cell,
    ink,
    open_axes,
    picture,
    words,
)
from diabolo.report.traversal import Traversed
from diabolo.typing import Array, Float64Array


def traversal(model: Model, row: Rows, found: Traversed) -> Figure:
    """Return the picture of a row with other values of some latents. Args: row: (*row_shape), as it is."""
    kind = model.adapter.kind
    if kind == "image":
        return _images(row, found)
    if kind == "series":
        names = of_rows.channel_names(model)
        return _lines(found, found.rows, row, [words(name) for name in names], "place in the series", "")
    if model.adapter.is_table or model.schema is not None:
        return _columns(model, found)
    original = model.adapter.values(model.adapter.adapt(row[None]))[0]
    return _lines(found, found.tensors[..., None], original[:, None], [""], "column", "value as the network sees it")


def _number(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"


def _same_values(found: Traversed) -> bool:
    return bool((found.values == found.values[:1]).all())


def _about(found: Traversed) -> str:
    """Return which latents are drawn, where these are not all."""
    count = len(found.latents)
    return "" if count == found.out_of else f"{count} of {found.out_of} latents"


LEFT, TOP, BELOW = 0.95, 0.32, 0.17  # inches: names of latents, values of all, values of one


def _images(row: Rows, found: Traversed) -> Figure:
    """Draw a line of pictures for each latent; a frame marks the one whose value is nearest to that of the row."""
    shape, steps, same = row.shape, found.values.shape[1], _same_values(found)
    wide, tall = of_rows.CELL, of_rows.CELL * float(np.clip(shape[0] / shape[1], 0.25, 4))
    line = tall + of_rows.BETWEEN + (0 if same else BELOW)
    width = LEFT + steps * (wide + of_rows.BETWEEN)
    top = TOP if same else of_rows.BETWEEN
    height = top + len(found.latents) * line + 0.28
    figure = picture(width, height, dpi=160, layout=None)
    low, high = of_rows.value_range(np.concatenate([row[None], found.rows.reshape(-1, *shape)]))
    for down, (latent, values, own) in enumerate(zip(found.latents, found.values, found.own, strict=True)):
        inside = values[0] - (values[1] - values[0]) / 2 <= own <= values[-1] + (values[1] - values[0]) / 2
        nearest = int(np.abs(values - own).argmin()) if inside else -1
        for across, value in enumerate(values):
            left = LEFT + across * (wide + of_rows.BETWEEN)
            axes = cell(figure, left, height - top - down * line - tall, wide, tall)
            of_rows.show_image(axes, found.rows[down, across], low, high, ORANGE if across == nearest else "#D0D3D7")
            if across == nearest:
                for spine in axes.spines.values():
                    spine.set_linewidth(2)
            if across == 0:
                axes.set_ylabel(f"latent {latent}", fontsize=8, rotation=0, ha="right", va="center", labelpad=4)
            if not same:
                axes.set_xlabel(_number(value), fontsize=7, labelpad=2)
            elif down == 0:
                axes.set_title(_number(value), fontsize=8, pad=4)
    said = [_about(found), "frame: nearest to the row as it is"]
    said += [] if same else ["below each picture: the value of the latent"]
    figure.text(0.08 / width, 0.1 / height, "; ".join(filter(None, said)), fontsize=7, color=MUTED)
    return figure


def _lines(found: Traversed, rows: Rows, original: Rows, names: Sequence[str], across: str, up: str) -> Figure:
    """Draw for each latent and channel a line for each value, coloured by it, and the row as it is.

    Args: rows: (k, steps, time, channels); original: (time, channels); names: of the channels; across, up: of axes.
    """
    count, steps, time, channels = rows.shape
    panels = min(of_rows.CHANNELS, channels)
    figure = picture(max(8, 3.6 * panels), 1.3 + 1.5 * count)
    grid = figure.subplots(count, panels, squeeze=False, sharex=True, sharey="col")
    colours = LINES(np.linspace(0, 1, steps))
    for down, (latent, values) in enumerate(zip(found.latents, found.values, strict=True)):
        for channel, axes in enumerate(grid[down]):
            for line, colour in zip(rows[down], colours, strict=True):
                axes.plot(np.arange(time), line[:, channel], color=colour, linewidth=1.1)
            axes.plot(np.arange(time), original[:, channel], color=ink(), linewidth=1.2, linestyle=":", label="the row")
            axes.tick_params(labelsize=7)
            open_axes(axes)
            if down == 0 and names[channel]:
                axes.set_title(names[channel], fontsize=9, fontweight="bold", pad=18)
        span = f"from {_number(values[0])} to {_number(values[-1])}; of the row {_number(found.own[down])}"
        note = {"xycoords": "axes fraction", "xytext": (0, 3), "textcoords": "offset points"}
        grid[down][0].annotate(f"latent {latent}, {span}", (0, 1), fontsize=8, **note)
    scale = ScalarMappable(Normalize(0, 1), LINES)
    bar = figure.colorbar(scale, ax=grid[:, -1], aspect=40, pad=0.02, shrink=min(1.0, 3 / count))
    bar.outline.set_visible(False)
    bar.set_ticks([0, 1], labels=["least", "largest"], fontsize=8)
    bar.set_label("value of the latent", fontsize=8, labelpad=-12)
    handles, texts = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize=8, frameon=False, loc="outside upper right")
    figure.supxlabel(across, fontsize=9)
    more = [_about(found), f"the first {panels} of {channels} channels" if channels > panels else "", up]
    figure.supylabel("; ".join(filter(None, more)), fontsize=9)
    return figure


DRAWN = 5  # columns of a panel
LEAST = 1e-3  # change of a column, in the units of the network, below which it is not drawn


class _Line(NamedTuple):
    """A column of a table, and one of its levels. Attributes: name; values: (k, steps)."""

    name: str
    values: Float64Array


def _columns(model: Model, found: Traversed) -> Figure:
    """Draw for each latent the columns that change most, against the value of the latent."""
    lines = _of_columns(model, found)
    count = len(found.latents)
    across = 1 if count <= 2 else 2
    down = -(-count // across)
    figure = picture(6.4 if across == 1 else 11, 0.7 + 2.1 * down)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    change = np.array([np.ptp(line.values, axis=1) for line in lines])  # (lines, k)
    order = np.argsort(-change.max(axis=1), kind="stable")
    place = {int(line): at for at, line in enumerate(order)}
    for panel, (axes, latent) in enumerate(zip(grid, found.latents, strict=False)):
        most = [int(at) for at in np.argsort(-change[:, panel], kind="stable")[:DRAWN] if change[at, panel] > LEAST]
        for line in most:
            colour, turn = CATEGORICAL[place[line] % len(CATEGORICAL)], place[line] // len(CATEGORICAL)
            values = lines[line].values[panel]
            style = ("-", "--", ":", "-.")[turn % 4]
            axes.plot(found.values[panel], values, style, color=colour, linewidth=1.6, label=lines[line].name)
        axes.axvline(found.own[panel], color=GREY, linewidth=1, linestyle=":")
        low, high = found.values[panel, [0, -1]]
        axes.set_xlim(low, high)
        axes.set_title(f"latent {latent}", loc="left", fontsize=9)
        axes.tick_params(labelsize=8)
        open_axes(axes, grid="y")
        if most:
            axes.legend(fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.4)
        else:
            axes.annotate("changes nothing", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=8, color=MUTED)
    for axes in grid[count:]:
        axes.set_axis_off()
    figure.supxlabel("; ".join(filter(None, ["value of the latent (dotted: of the row)", _about(found)])), fontsize=9)
    figure.supylabel("value as the network sees it, or probability", fontsize=9)
    return figure


def _of_columns(model: Model, found: Traversed) -> list[_Line]:
    """Return a line for each column: of a category its level that changes most, of a boolean that it is true."""
    lines, given = [], () if model.condition is None else model.condition.columns
    for at, (name, kind) in enumerate(named_columns(model)):
        if at in given:
            continue
        numbers: Array = found.tensors[..., model.adapter.cell(at).numbers].astype(np.float64)
        if kind == "category":
            level = int(np.ptp(numbers, axis=1).max(axis=0).argmax())
            lines.append(_Line(f"{words(name, 18)} is {_level(model, at, level)}", numbers[..., level]))
        else:
            lines.append(_Line(f"{words(name, 18)}{' is true' if kind == 'boolean' else ''}", numbers[..., 0]))
    return lines


def _level(model: Model, column: int, level: int) -> str:
    levels = () if model.schema is None else model.schema.columns[column].levels
    return words(levels[level], 18) if level < len(levels) else f"level {level}"
