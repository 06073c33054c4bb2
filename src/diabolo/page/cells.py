"""What the rows of a page look like: the columns of a table, pictures in sheets, series, plain numbers.

Order: the form of rows, all columns, columns of the model, other columns, original rows, sheets of pictures.
"""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diabolo.data.frames import Column
from diabolo.model.model import Model
from diabolo.page.blocks import Blocks
from diabolo.page.rows import PageRows
from diabolo.typing import ArrowTable, Float64Array, Rows

SHEET = 4_096  # pixels of the longest side of a sheet of pictures; browsers refuse larger ones
EXACT_NUMBERS = 1 << 19  # most cells that are kept exactly; with more cells, numbers are rounded to 65,534 steps
SENT = 1 << 24  # most numbers that a server sends at once; with more, the page asks for single rows
WIDEST = 512  # most features of an array that are shown as columns; with more, a row is a vector
LEVELS = 250  # most levels of a column of texts that is shown as a category
LONGEST = 10_000  # characters of a text

Facts = dict[str, Any]


def form(model: Model) -> str:
    """Return what rows look like, as `Form` in web/src/format.ts."""
    kind = model.adapter.kind
    if kind in ("image", "series"):
        return kind
    return "cells" if model.schema is not None or math.prod(model.adapter.row_shape) <= WIDEST else "vector"


def shape(model: Model) -> list[int]:
    """Return the axes of one row; pictures have a channel axis."""
    axes = list(model.adapter.row_shape)
    return [*axes, 1] if model.adapter.kind == "image" and len(axes) == 2 else axes


def value_range(rows: Rows, model: Model) -> list[float]:
    """Return the values of black and of white in pictures."""
    if rows.dtype == np.uint8 and model.adapter.gives_bytes:
        return [0.0, 255.0]
    if rows.dtype == np.uint16:
        return [0.0, 65_535.0]
    if rows.dtype == np.uint8:
        return [0.0, 1.0]
    low, high = (float(rows.min()), float(rows.max())) if rows.size else (0.0, 1.0)
    return [0.0, 1.0] if low >= 0 and high <= 1 else [low, high]


def columns(model: Model, rows: PageRows | None, blocks: Blocks, *, originals: bool) -> list[Facts]:
    """Return all columns with their blocks, as `Column` in web/src/format.ts.

    Args: rows: of the page; None: there are none; originals: whether the cells may be in the page.
    """
    found = _own(model, rows, blocks, originals=originals)
    if rows is None:
        return found
    if rows.labels is not None and rows.given and any(each["name"] == rows.label for each in found):
        rows = rows._replace(label="labels")
    if rows.labels is not None and not any(each["name"] == rows.label for each in found):
        found.append(_text(rows.label, rows.labels, blocks, f"column/{len(found)}") | {"role": "label"})
    elif rows.labels is not None:
        next(each for each in found if each["name"] == rows.label)["role"] = "label"
    if originals and rows.table is not None:
        known = {each["name"] for each in found}
        for name in rows.table.column_names:
            if name not in known:
                found.append(_other(rows.table, name, model, blocks, f"column/{len(found)}"))
    return found


def _own(model: Model, rows: PageRows | None, blocks: Blocks, *, originals: bool) -> list[Facts]:
    """Return the columns that the model uses; none if rows are not cells."""
    if form(model) != "cells":
        return []
    given = () if model.condition is None else model.condition.columns
    known = () if model.schema is None else model.schema.columns
    found = []
    for at, (name, kind, _) in enumerate(names(model)):
        facts: Facts = {"name": name, "kind": kind, "block": f"column/{at}", "at": at}
        column = known[at] if known else None
        if column is not None and kind == "category":
            facts["levels"] = [str(level) for level in column.levels]
        if column is not None and kind == "date":
            facts["time"] = not column.whole
        if at in given:
            facts["role"] = "condition"
        if rows is not None and (originals or at in given):  # the decoder needs the condition of a row
            facts |= _block(rows.values[:, at].astype(np.float64), kind, column, facts["block"], blocks, rows)
        found.append(facts)
    return found


def names(model: Model) -> Sequence[tuple[str, str, int]]:
    """Return name, kind and number of levels of each column of rows that are cells."""
    if model.adapter.is_table:
        return [(each.name, each.kind, each.levels) for each in model.adapter.columns]
    count = math.prod(model.adapter.row_shape)
    names = [str(at) for at in range(count)] if model.schema is None else list(model.schema.names)
    return [(name, "number", 0) for name in names]


def _block(values: Float64Array, kind: str, column: Column | None, name: str, blocks: Blocks, rows: PageRows) -> Facts:
    """Store the values of a column, and return more facts of it."""
    if kind in ("category", "boolean"):
        levels = 2 if column is None else max(2, len(column.levels))
        codes, gap = ("u1", 255) if levels < 255 else ("u2", 65_535)
        missing = np.isnan(values) | (values >= max(levels, 2) if kind == "category" else False)
        blocks.add(name, np.where(missing, gap, values), codes, missing=gap)
        return {}
    if kind == "date" or rows.values.size <= EXACT_NUMBERS:
        short = values.astype(np.float32)
        same = bool((short.astype(np.float64) == values)[~np.isnan(values)].all())
        blocks.add(name, short if same else values, "f4" if same else "f8")
        return {}
    whole = values[~np.isnan(values)]
    if len(whole) and (whole % 1 == 0).all() and whole.min() >= 0 and whole.max() < 65_535:
        blocks.add(name, np.where(np.isnan(values), 65_535, values), "u2", missing=65_535)
        return {}
    blocks.add_short(name, values, "u2")
    return {"rounded": True} if blocks.all[name].facts["type"] == "u2" else {}


def _other(table: ArrowTable, name: str, model: Model, blocks: Blocks, block: str) -> Facts:
    """Return a column that the model does not use."""
    import pyarrow as pa

    column = table[name]
    left_out = () if model.schema is None else model.schema.spare
    role: Facts = {"role": "id"} if name in left_out or name == "file" else {}
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = np.array([math.nan if each is None else each for each in column.to_pylist()], np.float64)
        blocks.add(block, values, "f8")
        return {"name": name, "kind": "number", "block": block, "at": None, **role}
    return _text(name, [None if each is None else str(each) for each in column.to_pylist()], blocks, block) | role


def _text(name: str, texts: Sequence[str | None], blocks: Blocks, block: str) -> Facts:
    """Return a column of texts: a category if it has few levels."""
    facts: Facts = {"name": name, "kind": "text", "block": block, "at": None}
    levels = sorted({each for each in texts if each is not None}, key=_in_order)
    if len(levels) > LEVELS or any(len(level) > 200 for level in levels):
        blocks.add_json(block, [None if each is None else each[:LONGEST] for each in texts])
        return facts
    places = {level: at for at, level in enumerate(levels)}
    blocks.add(block, np.array([255 if each is None else places[each] for each in texts]), "u1", missing=255)
    return facts | {"kind": "category", "levels": levels}


def _in_order(text: str) -> tuple[bool, float, str]:
    """Return the sort key of a text: numbers by their size, before all other texts."""
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text


def originals(model: Model, rows: PageRows, blocks: Blocks, *, served: bool) -> Facts:
    """Return where the original rows are, as `Originals` in web/src/format.ts.

    Args: served: whether a server may be asked for single rows.
    """
    kind = form(model)
    if kind == "cells":
        return {"way": "columns"}
    if served and rows.values.size > SENT:
        return {"way": "server"}
    if kind == "image" and shape(model)[-1] in (1, 3) and rows.values.dtype == np.uint8:
        return _sheets(model, rows.values, blocks)
    values = rows.values.reshape(len(rows.values), -1)
    if rows.values.dtype in (np.uint8, np.uint16):
        kind_of = "u1" if rows.values.dtype == np.uint8 else "u2"
        return {"way": "block", "block": blocks.add("originals", rows.values, kind_of)}
    if values.size <= EXACT_NUMBERS:
        return {"way": "block", "block": blocks.add("originals", rows.values, "f4")}
    channels = rows.values.reshape(-1, rows.values.shape[-1]) if kind == "series" else values
    name = blocks.add_short("originals", channels, "u2")
    blocks.all[name].facts["shape"] = list(rows.values.shape)
    return {"way": "block", "block": name}


def _sheets(model: Model, values: Rows, blocks: Blocks) -> Facts:
    """Store pictures side by side in large ones, the sheets, without loss, and return where they are."""
    from PIL import Image

    height, width, channels = shape(model)
    low, high = value_range(values, model)
    across = max(1, min(SHEET // width, math.isqrt(max(1, len(values) * height // width)) or 1))
    per = across * max(1, SHEET // height)
    names = []
    for number, start in enumerate(range(0, len(values), per)):
        part = values[start : start + per].reshape(-1, height, width, channels)
        if values.dtype != np.uint8 or (low, high) != (0.0, 255.0):
            part = np.clip(np.rint((part.astype(np.float64) - low) / ((high - low) or 1.0) * 255), 0, 255)
        down = math.ceil(len(part) / across)
        sheet = np.zeros((down * across, height, width, channels), np.uint8)
        sheet[: len(part)] = part
        laid = sheet.reshape(down, across, height, width, channels).swapaxes(1, 2)
        picture = laid.reshape(down * height, across * width, channels)
        file = io.BytesIO()
        Image.fromarray(picture[..., 0] if channels == 1 else picture).save(file, "WEBP", lossless=True, quality=80)
        names.append(blocks.add_file(f"sheet/{number}", file.getvalue()))
    return {"way": "sheets", "blocks": names, "columns": across, "per": per}
