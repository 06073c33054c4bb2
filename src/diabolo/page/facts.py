"""Facts of a model for its page: what it is, how it was trained, how good it is, what its latents mean.

Order: the model, its layers, its settings, the evaluation, the latents.
"""

import math
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from diabolo.data.splits import spread_evenly
from diabolo.model.model import Model
from diabolo.model.settings import DEFAULTS, SETTINGS
from diabolo.network.layers.base import Step
from diabolo.page import cells
from diabolo.page.rows import PageRows
from diabolo.report import diagnosis
from diabolo.report.columns import evaluate_columns
from diabolo.report.diagnosis import Finding
from diabolo.report.summary import errors_of
from diabolo.typing import Float32Array, Float64Array, Rows

EVALUATED = 5_000  # rows, spread evenly, on which a model is compared with PCA
MEASURED = 64  # rows on which the importance of the latents is measured
CORRELATED = 20_000  # rows for correlations

Facts = dict[str, Any]


def model_facts(model: Model, file: str) -> Facts:
    """Return what the model is, as `ModelFacts` in web/src/format.ts."""
    network, record = model.network, model.record
    settings = record.settings
    return {
        "file": file,
        "source": record.source,
        "rows": record.rows,
        "validationRows": record.validation_rows,
        "form": cells.form(model),
        "rowShape": cells.shape(model),
        "features": math.prod(model.adapter.row_shape),
        "latents": network.latent_dim,
        "weights": network.weight_count,
        "structure": settings["structure"] if isinstance(settings["structure"], str) else "custom",
        "bottleneck": network.bottleneck.kind,
        "loss": model.loss.kind,
        "lossReason": record.loss_reason,
        "settings": _settings(settings),
        "versions": record.versions,
        "layers": _layers(model),
        "bestEpoch": record.best_epoch,
        "history": record.history,
        "command": command(model),
    }


def _layers(model: Model) -> list[Facts]:
    network = model.network
    ends = [("encoder", step) for step in network.encoder_steps[: len(network.encoder)]]
    ends += [("bottleneck", step) for step in network.encoder_steps[len(network.encoder) :]]
    ends += [("decoder", step) for step in network.decoder_steps]
    return [
        {
            "part": part,
            "kind": step.layer.kind,
            "words": _words(step),
            "shape": list(step.output_shape),
            "weights": sum(math.prod(shape) for shape in step.layer.weights(step.input_shape).values()),
        }
        for part, step in ends
    ]


def _words(step: Step) -> str:
    """Return a layer in words: its sizes, and its activation."""
    config = step.layer.to_config()
    sizes = [str(config[name]) for name in ("units", "filters", "heads") if isinstance(config.get(name), int)]
    activation = config.get("activation") or config.get("function")
    return ", ".join([*sizes, *([str(activation)] if activation not in (None, "linear") else [])])


def _settings(given: Facts) -> list[Facts]:
    found = [
        {"name": name, "value": _text(value), "isDefault": value == DEFAULTS[name]} for name, value in given.items()
    ]
    return sorted(found, key=lambda each: each["isDefault"])


def _text(value: object) -> str:
    return "none" if value is None else value if isinstance(value, str) else str(value)


def command(model: Model) -> str:
    """Return the command that trains a model again; empty if only Python can."""
    record, words = model.record, list[str]()
    for name, value in record.settings.items():
        known = SETTINGS[name]
        if value == DEFAULTS[name] and name != "random_state":
            continue
        if known.option is None or isinstance(value, (dict, list)):
            return ""
        option = known.names[0].partition("/")[0] if known.names else f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option if value else f"--no-{name.replace('_', '-')}"]
        elif value is not None:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(["diabolo", "fit", record.source, *words]) if " " not in record.source else ""


def evaluation(model: Model, rows: PageRows, *, train: Rows | None = None, evaluated_on: str = "given") -> Facts:
    """Return how good a model is on rows, as `Evaluation` in web/src/format.ts.

    Args:
        model: to evaluate.
        rows: of the page; some, spread evenly, are evaluated.
        train: rows that PCA is fitted on; None: those of the page.
        evaluated_on: which rows these are.
    """
    some = rows.values[spread_evenly(len(rows.values), EVALUATED)]
    known = some if train is None else train[spread_evenly(len(train), EVALUATED)]
    columns = evaluate_columns(model, known, some)
    errors = errors_of(model, known, some, columns=columns)
    return {
        "rows": len(some),
        "evaluatedOn": evaluated_on,
        "model": errors.error,
        "pca": errors.pca,
        "constant": errors.constant,
        "unit": errors.unit,
        "columns": [
            {
                "name": each.name,
                "kind": each.kind,
                "measure": each.measure,
                "model": each.model,
                "pca": each.pca,
                "guess": each.guess,
            }
            for each in columns
        ],
    }


def findings(model: Model, rows: PageRows, evaluated: Facts) -> list[Facts]:
    """Return the findings on a model: problems, and what to try."""
    some = rows.values[spread_evenly(len(rows.values), EVALUATED)]
    found: list[Finding] = list(diagnosis.diagnose(model, some))
    if evaluated["evaluatedOn"] != "given":  # else PCA is fitted on the rows that it is judged by
        worse = diagnosis.worse_than_pca(model, evaluated["model"], evaluated["pca"])
        found += [] if worse is None else [worse]
    return [{"what": each.what, "attempt": each.attempt, "serious": each.serious} for each in found]


def latent_facts(model: Model, rows: PageRows, latents: Float32Array) -> Facts:
    """Return ranges, importance and correlations of the latents, as `LatentFacts` in web/src/format.ts."""
    wide = latents.astype(np.float64)
    low, high = np.percentile(wide, [0.5, 99.5], axis=0)
    flat = high <= low  # a latent that does not vary
    low, high = np.where(flat, low - 1, low), np.where(flat, high + 1, high)
    return {
        "low": low.tolist(),
        "high": high.tolist(),
        "mean": wide.mean(axis=0).tolist(),
        "deviation": wide.std(axis=0).tolist(),
        "importance": importance(model, latents, rows.values).tolist(),
        "correlations": _correlations(model, rows, wide),
    }


def importance(model: Model, latents: Float32Array, rows: Rows) -> Float64Array:
    """Return for each latent how much reconstructions change, (latent_dim,), if it is replaced by its mean.

    It is the mean squared change of the decoded tensors, divided by the change if all latents are replaced.
    """
    some = spread_evenly(len(latents), MEASURED)
    given = model.runtime.condition_of(model.adapter.adapt(rows[some]))
    mean = latents.mean(axis=0)

    def decoded(values: Float32Array) -> Float64Array:
        raw = model.runtime.decode_raw(values, 0, given)
        return np.asarray(model.apply_link(raw), np.float64).reshape(len(values), -1)

    usual, found = decoded(latents[some]), np.zeros(latents.shape[1])
    whole = float(np.square(usual - decoded(np.repeat(mean[None], len(some), axis=0))).mean()) or 1.0
    for at in range(latents.shape[1]):
        moved = latents[some].copy()
        moved[:, at] = mean[at]
        found[at] = np.square(usual - decoded(moved)).mean() / whole
    return found


def _correlations(model: Model, rows: PageRows, latents: Float64Array) -> Facts | None:
    """Return the correlations of latents with columns of a table and with labels; None if there are no columns."""
    some = spread_evenly(len(latents), CORRELATED)
    columns, values = list[str](), list[Sequence[float | None]]()
    if cells.form(model) == "cells":
        for at, (name, kind, _) in enumerate(cells.names(model)):
            columns.append(name)
            values.append(_with(latents[some], rows.values[some, at].astype(np.float64), by_level=kind == "category"))
    if rows.labels is not None and rows.label not in columns:
        codes = {each: at for at, each in enumerate(sorted({each for each in rows.labels if each is not None}))}
        if len(codes) <= cells.LEVELS:
            missing = math.nan
            labels = np.array([missing if (each := rows.labels[int(at)]) is None else codes[each] for at in some])
            columns.append(rows.label)
            values.append(_with(latents[some], labels, by_level=True))
    if not columns:
        return None
    return {"columns": columns, "values": [list(each) for each in zip(*values, strict=True)]}


def _with(latents: Float64Array, values: Float64Array, *, by_level: bool) -> Sequence[float | None]:
    """Return the correlation of each latent with values, or its correlation ratio with levels; None: undefined."""
    known = ~np.isnan(values)
    latents, values = latents[known], values[known]
    spread = latents.std(axis=0)
    if len(values) < 3 or np.ptp(values) == 0:
        return [None] * latents.shape[1]
    if by_level:
        levels, places = np.unique(values, return_inverse=True)
        counts = np.bincount(places)[:, None]
        means = np.zeros((len(levels), latents.shape[1]))
        np.add.at(means, places, latents)
        between = ((means / counts - latents.mean(axis=0)) ** 2 * counts).sum(axis=0) / len(values)
        found = np.sqrt(between) / np.where(spread > 0, spread, 1)
    else:
        centered = values - values.mean()
        covariance = (latents - latents.mean(axis=0)).T @ centered / len(values)
        found = covariance / (values.std() * np.where(spread > 0, spread, 1))
    return [float(each) if ok else None for each, ok in zip(found, spread > 0, strict=True)]
