"""The most anomalous rows of a page, the cells that cause them, and how reliable the probabilities are.

The scores are those of the detector; for any other model they are the reconstruction loss. Order: all of it, the most
anomalous rows, labels.
"""

from typing import Any

import numpy as np

from diabolo.anomaly import scoring
from diabolo.anomaly.explain import by_column
from diabolo.data import frames
from diabolo.data.adapters import Rows
from diabolo.model.model import Model
from diabolo.page import cells
from diabolo.page.blocks import Blocks
from diabolo.page.rows import PageRows
from diabolo.typing import BoolArray, Float64Array, Int64Array

SHOWN = 30  # rows
CELLS = 5  # of each row
EDGES = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0001])  # of the bins of probabilities
# Labels with two levels that say which rows are anomalies, and the level of anomalies.
ODD: dict[tuple[str, ...], str] = {
    ("0", "1"): "1",
    ("0.0", "1.0"): "1.0",
    ("False", "True"): "True",
    ("anomaly", "normal"): "anomaly",
    ("-1", "1"): "-1",
}

Facts = dict[str, Any]


def anomalies(model: Model, rows: PageRows, blocks: Blocks, *, originals: bool = True) -> Facts:
    """Return the anomalies of a page, as `Anomalies` in web/src/format.ts."""
    detection = model.detection
    if detection is None:
        scores = model.loss_per_row(rows.values)
        note, probabilities = (
            "Scores are the reconstruction loss of each row, in nats: the model was not fitted as a detector.",
            None,
        )
    else:
        scores = scoring.score(model, detection, rows.values)
        probabilities = scoring.probability(detection, scores)
        note = f"Scores come from the detector, with an expected share of anomalies of {detection.contamination:.3g}."
    top = np.argsort(-scores, kind="stable")[:SHOWN]
    return {
        "note": note,
        "scores": blocks.add("scores", scores, "f4"),
        "probabilities": None if probabilities is None else blocks.add("probabilities", probabilities, "f4"),
        "threshold": None if detection is None else float(detection.threshold),
        "top": _top(model, rows, top, scores, probabilities, shown=originals and cells.form(model) == "cells"),
        "reliability": None if probabilities is None else _reliability(rows, probabilities),
    }


def _top(
    model: Model,
    rows: PageRows,
    top: Int64Array,
    scores: Float64Array,
    probabilities: Float64Array | None,
    *,
    shown: bool,
) -> list[Facts]:
    """Return the most anomalous rows. Args: shown: whether to name their cells, with the original values."""
    values = rows.values[top]
    by_cell, theirs, expected, names = np.zeros((len(top), 0)), list[list[str]](), list[list[str]](), list[str]()
    if shown:
        found = by_column(model, values)
        by_cell = found.scores if model.detection is None else scoring.scaled(model.detection, found.scores)
        theirs, expected = _texts(model, values), _texts(model, found.expected.reshape(values.shape))
        names = [each[0] for each in cells.names(model)]
    lines = []
    for place, row in enumerate(top.tolist()):
        line: Facts = {
            "row": row,
            "score": float(scores[row]),
            "probability": None if probabilities is None else float(probabilities[row]),
            "cells": [],
        }
        share = np.maximum(by_cell[place], 0)
        share = share / (share.sum() or 1.0)
        for at in np.argsort(-share, kind="stable")[:CELLS].tolist():
            if share[at] > 0:
                value, other = theirs[at][place], expected[at][place]
                line["cells"].append(
                    {"column": names[at], "value": value, "expected": other, "share": float(share[at])}
                )
        lines.append(line)
    return lines


def _texts(model: Model, rows: Rows) -> list[list[str]]:
    """Return the cells of rows as texts, column by column."""
    if model.schema is None:
        return [[f"{value:.4g}" for value in column] for column in rows.T.tolist()]
    table = frames.write(rows, model.schema, "pyarrow")
    return [[_text(each) for each in column.to_pylist()] for column in table.columns]


def _text(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _reliability(rows: PageRows, probabilities: Float64Array) -> Facts | None:
    """Return how the probabilities agree with labels that mark anomalies; None: there are no such labels."""
    odd = _odd(rows)
    if odd is None:
        return None
    places = np.digitize(probabilities, EDGES) - 1
    bins = [
        {"probability": float(probabilities[here].mean()), "share": float(odd[here].mean()), "count": int(here.sum())}
        for at in range(len(EDGES) - 1)
        if (here := places == at).any()
    ]
    share = float(odd.mean())
    brier = float(np.square(probabilities - odd).mean())
    return {"bins": bins, "brier": brier, "brierOfShare": share * (1 - share)}


def _odd(rows: PageRows) -> BoolArray | None:
    if rows.labels is None or None in rows.labels:
        return None
    levels = tuple(sorted({str(each) for each in rows.labels}))
    level = ODD.get(levels)
    return None if level is None else np.array([each == level for each in rows.labels])
