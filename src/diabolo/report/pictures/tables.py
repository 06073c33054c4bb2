"""Rows of a table as cells, each value above its reconstruction; cells that differ much are marked.

Order: whether they suit, the picture, the texts of cells, how much cells differ.
"""

import re
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diabolo.data.adapters import Rows
from diabolo.data.frames.writing import array_of
from diabolo.model.model import Model
from diabolo.report.columns import WITH_LEVELS, named_columns
from diabolo.report.pictures.canvas import GREY, MUTED, ORANGE, ink, picture, words
from diabolo.report.pictures.drawn import Drawn
from diabolo.typing import ArrowArray, Float64Array

MOST_COLUMNS = 30  # of more, lines show more than cells
WIDEST = 11.0  # inches of all columns together
LETTER, LINE = 0.072, 0.19  # inches: the width of a letter, the height of a line
LONGEST, SHORTEST = 14, 5  # letters of a cell
LONGEST_TIME = 19  # 2024-01-31 12:30:59
MISSING = "\N{EN DASH}"


def suits(model: Model) -> bool:
    """Return whether rows have columns with names, and not too many."""
    return model.adapter.is_table or (model.schema is not None and model.adapter.row_shape[0] <= MOST_COLUMNS)


class _Cells(NamedTuple):
    """What is drawn of some columns. Attributes: names; widths: in inches; texts: by version, row and column."""

    names: list[str]
    widths: list[float]
    texts: list[list[list[str]]]
    shades: Float64Array  # (rows, columns), in [0, 1]


def cells(drawn: Drawn) -> Figure:
    """Return a picture of rows as lines of cells, in the units of the data; what differs is shaded."""
    chosen, names = drawn.chosen, ["original", "reconstruction"]
    places = [each.place for each in chosen]
    restored = drawn.model.reconstruct(drawn.start[places])
    versions = [drawn.rows[places], restored]
    if drawn.seen is not None:
        names, versions = ["original", "as seen", "reconstruction"], [versions[0], drawn.seen[places], restored]
    found, left_out = _fitting(drawn, versions)
    left, block = 1.1, LINE * (len(names) + 1.6)
    width, height = left + sum(found.widths) + 0.1, 0.45 + block * len(chosen) + 0.35
    figure = picture(max(width, 6.5), height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, figure.get_figwidth()), ylim=(height, 0))
    axes.set_axis_off()
    starts = np.cumsum([left, *found.widths])
    for name, start in zip(found.names, starts, strict=False):
        axes.text(start, 0.3, name, fontsize=8, fontweight="bold", va="center")
    for at, (title, _, colour) in enumerate(chosen):
        top = 0.5 + block * at
        axes.plot([0.08, left + sum(found.widths)], [top - 0.02] * 2, color=GREY, linewidth=0.6)
        axes.text(0.1, top + LINE / 2, title, fontsize=8.5, color=colour, va="center", fontweight="bold")
        for down, (name, texts) in enumerate(zip(names, found.texts, strict=True)):
            middle = top + LINE * (down + 1.5)
            axes.text(left - 0.12, middle, name, fontsize=8, color=MUTED, ha="right", va="center")
            last = down == len(names) - 1
            for column, text in enumerate(texts[at]):
                shade = found.shades[at, column] if last else 0.0
                if shade > 0:
                    corner = (starts[column] - 0.04, middle - LINE / 2)
                    size = (found.widths[column] - 0.04, LINE)
                    axes.add_patch(Rectangle(corner, *size, color=ORANGE, alpha=0.65 * shade, linewidth=0))
                axes.text(starts[column], middle, text, fontsize=8, color=ink(), va="center")
    said = "shaded: differs from the original, darkest by two standard deviations or by another level"
    more = f"; of {left_out + len(found.names)} columns those that differ most" if left_out else ""
    axes.text(0.1, height - 0.15, said + more, fontsize=7.5, color=MUTED, va="center")
    return figure


def _fitting(drawn: Drawn, versions: list[Rows]) -> tuple[_Cells, int]:
    """Return the columns that differ most, as many as fit, in their order; and how many are left out."""
    names = [each.name for each in named_columns(drawn.model)]
    texts = [_texts(drawn.model, rows) for rows in versions]
    differ = _differences(drawn.model, drawn.rows, versions[0], versions[-1])
    letters = [
        max(SHORTEST, len(words(name, LONGEST)), *(len(line[at]) for part in texts for line in part))
        for at, name in enumerate(names)
    ]
    widths = np.array([LETTER * each + 0.14 for each in letters])
    by_difference = np.argsort(-np.nan_to_num(differ).mean(axis=0), kind="stable")
    kept = np.sort(by_difference[np.cumsum(widths[by_difference]) <= max(WIDEST, widths[by_difference[0]])])
    shown = _Cells(
        [words(names[at], LONGEST) for at in kept],
        [float(widths[at]) for at in kept],
        [[[line[at] for at in kept] for line in part] for part in texts],
        np.clip(np.nan_to_num(differ[:, kept]) / 2, 0, 1),
    )
    return shown, len(names) - len(kept)


def _texts(model: Model, rows: Rows) -> list[list[str]]:
    """Return the cells of rows as texts, (rows, columns), as the data has them."""
    schema = model.schema
    if schema is None:
        return [[MISSING if np.isnan(value) else f"{value:.5g}" for value in row] for row in rows]
    unseen = np.array([len(each.levels) if each.kind == "category" else np.inf for each in schema.columns])
    known = np.where(rows >= unseen, np.nan, rows)
    columns = [_column(array_of(known[:, at], each), each.kind) for at, each in enumerate(schema.columns)]
    return [
        ["another" if rows[at, place] >= unseen[place] else column[at] for place, column in enumerate(columns)]
        for at in range(len(rows))
    ]


def _column(column: ArrowArray, kind: str) -> list[str]:
    """Return the cells of a column as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = pc.local_timestamp(column)
    if kind == "date" and pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    values = column.to_pylist()
    if kind == "date":  # without a fraction of seconds
        values = [None if each is None else re.sub(r"( 00:00:00|:00)?(\.\d+)?Z?$", "", str(each)) for each in values]
    texts = [f"{each:.5g}" if isinstance(each, float) else str(each) for each in values]
    longest = LONGEST_TIME if kind == "date" else LONGEST
    return [MISSING if value is None else words(text, longest) for value, text in zip(values, texts, strict=True)]


def _differences(model: Model, every: Rows, original: Rows, restored: Rows) -> Float64Array:
    """Return how much cells differ, (rows, columns): numbers in standard deviations; 2 for another level."""
    levels = np.array([each.kind in WITH_LEVELS for each in named_columns(model)])
    known = np.ma.masked_invalid(every.astype(np.float64))
    spread = np.ma.filled(known.std(axis=0), 0)
    away = np.abs(restored.astype(np.float64) - original)
    found: Float64Array = np.where(levels, 2.0 * (away > 0), away / np.where(spread > 0, spread, 1))
    return found
