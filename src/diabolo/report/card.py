"""A trained model as a small card of HTML, which notebooks show: facts and the training curve.

It has no script and no links. Text and background keep the colours of the notebook, light or dark. Every text from the
data is escaped. It needs no Matplotlib. Order: the card, its facts, the curve.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Protocol

import numpy as np

from diabolo.data.splits import spread_evenly
from diabolo.errors import printable
from diabolo.model.model import Model
from diabolo.typing import Float64Array

LOSS, VALIDATION = "#2488CC", "#D55E00"  # blue and orange, with a contrast of at least 3.5 to white and to black
BOX = (
    "display:inline-flex;flex-wrap:wrap;gap:.4em 2em;align-items:center;max-width:64em;padding:.7em 1em;"
    "border:1px solid rgba(128,128,128,.45);border-radius:6px;font:13px/1.5 system-ui,sans-serif;text-align:left"
)
FACTS = "display:grid;grid-template-columns:max-content minmax(0,26em);gap:0 1em"
WIDTH, HEIGHT = 280, 132  # of the curve
LEFT, TOP, ACROSS, DOWN = 8, 20, 264, 86  # the part of the curve that lines are drawn in
MOST_POINTS = 300
LONGEST = 300  # characters of one fact, which may name a thousand channels


class Compared(Protocol):
    """How good a model is compared with PCA, as in `fitting.Evaluation`."""

    @property
    def rows(self) -> int:
        """How many rows it was evaluated on."""

    @property
    def evaluated_on(self) -> str:
        """Which rows."""

    @property
    def error(self) -> float:
        """Of the model."""

    @property
    def pca_error(self) -> float:
        """Of PCA of the same size."""

    @property
    def constant_error(self) -> float:
        """Of the best constant."""

    @property
    def unit(self) -> str:
        """Of the errors, in words."""


def card(model: Model, title: str, evaluation: Compared | None = None) -> str:
    """Return the card of a model. Args: title: the class that holds it; evaluation: of fit(), None: there is none."""
    label = "color:inherit;opacity:.65"
    facts = "".join(
        f'<div style="{label}">{_text(name)}</div><div>{_text(words)}</div>'
        for name, words in _facts(model, evaluation)
    )
    return (
        f'<div class="diabolo-card" style="{BOX}"><div><div style="font-weight:600">{_text(title)}</div>'
        f'<div style="{FACTS}">{facts}</div></div>{curve(model)}</div>'
    )


def _facts(model: Model, evaluation: Compared | None) -> Iterator[tuple[str, str]]:
    network, record, detection = model.network, model.record, model.detection
    features = int(np.prod(model.adapter.row_shape))
    yield "rows", model.adapter.describe()
    if model.series is not None:
        yield "channels", ", ".join(model.series.channels)
    validation = f", {record.validation_rows:,} more for validation" if record.validation_rows else ""
    yield "trained on", f"{record.rows:,} rows of {record.source}{validation}"
    kind = "" if network.bottleneck.kind == "plain" else f", {network.bottleneck.kind}"
    yield "latents", f"{network.latent_dim:,} for {features:,}, 1 : {features / network.latent_dim:.3g}{kind}"
    yield "weights", f"{network.weight_count:,}"
    yield "loss", f"{model.loss.kind}: {record.loss_reason}"
    if evaluation is not None:
        pca = evaluation.pca_error
        share = f" (ratio {evaluation.error / pca:.2f})" if pca > 1e-9 * evaluation.constant_error else ""
        yield (
            "error",
            f"{evaluation.error:.4g}, of PCA of the same size {pca:.4g}{share}, of the best constant "
            f"{evaluation.constant_error:.4g}; {evaluation.rows:,} {evaluation.evaluated_on} rows, {evaluation.unit}",
        )
    yield "epochs", f"{len(record.history['loss'])}, best {record.best_epoch}"
    if detection is not None:
        rate = detection.false_alarm_rate
        share = f"contamination {detection.contamination:g}" if rate is None else f"false alarms {rate:g}"
        yield "detects", f"anomalies: rows with a score above {detection.threshold:.4g} ({share})"


def limits(history: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Return the lowest and the highest loss on the axis of a training curve.

    The losses of the first epochs are much larger; the axis is chosen for the later ones.
    """
    values = np.array([*history["loss"], *history.get("val_loss", ())], np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    top = np.quantile(values, 0.9) if len(history["loss"]) > 10 else values.max()
    span = max(top - values.min(), 1e-9)
    return float(values.min() - 0.08 * span), float(top + 0.25 * span)


def curve(model: Model) -> str:
    """Return the training curve as SVG: the loss against epochs, with the best epoch marked."""
    history, best = model.record.history, model.record.best_epoch
    validation = history.get("val_loss") or []
    chosen = (validation or history["loss"])[best - 1]
    lines = _line(history["loss"], history, best, f'stroke="{LOSS}"')
    if validation:
        lines += _line(validation, history, best, f'stroke="{VALIDATION}" stroke-dasharray="4 2"')
    [(across, down)] = _points(np.array([best]), np.array([chosen]), history)
    dot = VALIDATION if validation else LOSS
    mark = f'<circle cx="{across:.2f}" cy="{down:.2f}" r="3" fill="{dot}"/>' if np.isfinite(chosen) else ""
    said = f"epoch {best}: {chosen:.4g}"
    legend = f'<tspan fill="{LOSS}">training</tspan>'
    legend += f' <tspan fill="{VALIDATION}">validation</tspan>' if validation else ""
    bottom, right = TOP + DOWN, LEFT + ACROSS
    return (
        f'<svg role="img" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui,sans-serif" font-size="10" fill="currentColor">'
        f"<title>loss of each epoch; {_text(said)}</title>"
        f'<text x="{LEFT}" y="11">loss: {legend}</text>'
        f'<text x="{right}" y="11" text-anchor="end">{_text(said)}</text>'
        # A nested SVG, which cuts off the losses of the first epochs.
        f'<svg x="{LEFT}" y="{TOP}" width="{ACROSS}" height="{DOWN}" viewBox="{LEFT} {TOP} {ACROSS} {DOWN}" '
        f'overflow="hidden">{lines}{mark}</svg>'
        f'<path d="M{LEFT} {bottom}H{right}" stroke="currentColor" stroke-opacity=".4"/>'
        f'<text x="{LEFT}" y="{bottom + 13}">epoch 1</text>'
        f'<text x="{right}" y="{bottom + 13}" text-anchor="end">{len(history["loss"])}</text></svg>'
    )


def _line(losses: Sequence[float], history: Mapping[str, Sequence[float]], best: int, look: str) -> str:
    """Return a line of the losses of some epochs: at most 300, and the best one among them."""
    epochs = np.union1d(spread_evenly(len(losses), MOST_POINTS) + 1, [best])
    values = np.array(losses, np.float64)[epochs - 1]
    known = np.isfinite(values)
    points = " ".join(f"{across:.2f},{down:.2f}" for across, down in _points(epochs[known], values[known], history))
    return f'<polyline points="{points}" fill="none" stroke-width="1.5" {look}/>'


def _points(epochs: Float64Array, losses: Float64Array, history: Mapping[str, Sequence[float]]) -> Float64Array:
    """Return the places of losses in the drawing, (n, 2)."""
    low, high = limits(history)
    across = LEFT + 3 + (ACROSS - 6) * (epochs - 1) / max(len(history["loss"]) - 1, 1)
    return np.column_stack([across, TOP + DOWN * (high - losses) / (high - low)])


def _text(words: str) -> str:
    shown = printable(words)
    return escape(shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…")
