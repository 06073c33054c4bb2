"""The report of a search: what mattered, close results, what to try next; in words, in pictures and as a page.

Order: words, pictures, the page.
"""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from diabolo.report import page
from diabolo.report.pictures import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from diabolo.report.summary import Summary
    from diabolo.search import SearchResult

Row = dict[str, Any]

SAME = 0.02  # errors whose relative difference is lower count as equal
LITTLE = 0.02  # names that explain a lower share of the variance in error hardly matter
NEAR = 0.1  # fraction of a range, on a logarithmic scale: a best value nearer to an end suggests a wider range
FACTS = ("number", "error", "epochs", "of", "seconds", "state", "reason")  # columns that were not chosen
SHARES = ("taper", "noise")  # fractions, whose best value is often at an end
NATURAL = {"depth": 1, "width": 8, "batch_size": 1}  # lowest values, below which no space can go


def chosen(row: Row) -> str:
    """Return what was chosen for a trial, in words, or why it failed."""
    values = [choice(name, value) for name, value in row.items() if name not in FACTS and value is not None]
    return row["reason"] or ", ".join(values)


def choice(name: str, value: object) -> str:
    """Return "rate 0.51", "kind dense"."""
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"


def conclusions(found: "SearchResult") -> list[str]:
    """Return in words what mattered, how much the best gains from refined latents, and what to try next."""
    return [*what_mattered(found), *_refined(found), *what_next(found)]


def _refined(found: "SearchResult") -> Iterator[str]:
    if found.refined is not None:
        before, after = found.refined
        rows = "validation rows" if found.best.model_.record.validation_rows else "rows"
        yield (
            f"refined latents lower the loss of {rows} from {before:.5g} to {after:.5g}; encoding takes about "
            f"{found.best.model_.network.latent_dim} times as long (--no-refine switches this off)"
        )


def what_mattered(found: "SearchResult") -> list[str]:
    """Return which choices mattered, and which trials are as good as the best."""
    lines = []
    if found.importance:
        shares = [f"{name} {share:.0%}" for name, share in list(found.importance.items())[:4]]
        lines.append(f"what explains the error after the first stop: {', '.join(shares)}")
    best, *others = _whole(found.trials)
    close = [row["number"] for row in others if row["error"] <= best["error"] + SAME * abs(best["error"])]
    if close:
        lines.append(f"within {SAME:.0%} of the best: {', '.join(map(str, close))}")
    return lines


def what_next(found: "SearchResult") -> list[str]:
    """Return what to try next."""
    lines = [*_at_an_end(found)]
    best, *others = _whole(found.trials)
    if any(row["state"] == "stopped" for row in found.trials) and not others:
        lines.append("only one trial came to its end: a longer --budget would compare more")
    little = [name for name, share in found.importance.items() if share < LITTLE and name in best]
    if little:
        fixed = _json({name: [best[name]] for name in little if best[name] is not None})
        lines.append(f"these hardly mattered, and can be fixed to the values of the best: --space FILE with {fixed}")
    return lines


def _whole(trials: Sequence[Row]) -> list[Row]:
    return [row for row in trials if row["state"] == "whole"] or list(trials[:1])


def _at_an_end(found: "SearchResult") -> Iterator[str]:
    """Give in words which choices of the best that mattered lie at an end of the values tried."""
    best = found.trials[0]
    for name, values in found.space.items():
        value = best.get(name)
        if name in SHARES or found.importance.get(name, 1.0) < LITTLE:
            continue
        if not all(type(each) in (int, float) for each in (value, *values)) or value <= 0:
            continue
        low, high = min(values), max(values)
        if isinstance(values, tuple):
            place = math.log(value / low) / math.log(high / low)
            most, least = place > 1 - NEAR, place < NEAR
            wider = [value, 5 * high] if most else [low / 5, value]
        else:
            most, least = value == high > low, value == low < high and value != NATURAL.get(name)
            wider = [value, 2 * value] if most else [value / 2 if low < 1 else value // 2, value]
        if most or least:
            side, space = "high" if most else "low", _json({name: wider})
            yield f"{choice(name, value)} is at the {side} end of what was tried: --space FILE with {space}"


def _json(space: dict[str, list[Any]]) -> str:
    """Return a space as JSON, with short numbers."""
    short = {
        name: [float(f"{each:.3g}") if isinstance(each, float) else each for each in values]
        for name, values in space.items()
    }
    return json.dumps(short)


def curves(found: "SearchResult") -> Figure:
    """Return the picture of all trials: the error wherever one stopped, against its epochs."""
    figure = Figure(figsize=(7.5, 4), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    best, whole = found.trials[0]["number"], {row["number"] for row in found.trials if row["state"] == "whole"}
    for number, curve in found.curves.items():
        epochs, errors = zip(*curve, strict=True)
        colour, order = (ORANGE, 3) if number == best else (BLUE, 2) if number in whole else (GREY, 1)
        axes.plot(epochs, errors, "o-", color=colour, zorder=order, linewidth=1 + (order > 1), markersize=2 + order)
    for colour, words in ((ORANGE, f"the best, number {best}"), (BLUE, "others, whole"), (GREY, "stopped")):
        axes.plot([], [], "o-", color=colour, label=words)
    every = sorted(error for curve in found.curves.values() for _, error in curve)
    low, high = every[0], every[int(0.9 * (len(every) - 1))]  # a few that went wrong would hide the others
    span = max(high - low, 1e-9)
    axes.set_ylim(low - 0.06 * span, high + 0.06 * span)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("epochs")
    axes.set_ylabel("validation loss per row (nats)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


def importance(found: "SearchResult") -> Figure:
    """Return the picture of the importances: a bar for each choice."""
    names, shares = [*found.importance], [*found.importance.values()]
    figure = Figure(figsize=(7.5, 0.9 + 0.3 * len(names)), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    axes.barh(names, shares, height=0.62, color=BLUE)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share of the variance in the error after the first stop", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def as_page(
    found: "SearchResult", summary: "Summary", drawn: dict[str, Figure], findings: Sequence[str], name: str
) -> str:
    """Return the page of a search.

    Args:
        found: its result.
        summary: the figures of the best.
        drawn: pictures of the best, by name.
        findings: what was noticed in the best.
        name: of the data.
    """
    states = [row["state"] for row in found.trials]
    parts = [
        page.paragraph(
            f"{len(states)} trials begun, {states.count('whole')} came to their end, {summary.seconds:.0f} seconds. "
            f"The best is number {found.trials[0]['number']}: {chosen(found.trials[0])}."
        ),
        page.heading("How good the best is"),
        page.table(
            ["squared error", "relative to PCA", f"error of {summary.evaluated_on} rows"],
            _errors(summary),
            texts=1,
            best=0,
        ),
        page.paragraph(f"{summary.latent_dim} latents for {summary.features:,} features; {summary.unit}."),
        *(page.picture(figure, words) for words, figure in drawn.items()),
        *((page.paragraph("Noticed:"), page.listing(findings)) if findings else ()),
    ]
    if found.curves:
        words = "Error against epochs of all trials; the best is highlighted."
        parts += [page.heading("What happened"), page.picture(curves(found), words)]
    if found.importance:
        parts += [page.heading("What mattered"), page.picture(importance(found), "A bar for each choice.")]
    if lines := conclusions(found):
        parts += [page.heading("Conclusions"), page.listing(lines)]
    heads = ["trial", "error", "epochs", "seconds", "state", "choice"]
    parts += [page.heading("All trials"), page.table(heads, map(_cells, found.trials), texts=2, best=0)]
    return page.page(f"A search: {name}", parts)


def _errors(summary: "Summary") -> list[list[str]]:
    _, pca, _ = summary.errors.values()
    compare = pca > 1e-9 * summary.mean_row_error
    return [[f"{error:.5f}", f"{error / pca:.2f}" if compare else "", name] for name, error in summary.errors.items()]


def _cells(row: Row) -> list[str]:
    return [
        str(row["number"]),
        "" if math.isnan(row["error"]) else f"{row['error']:.5g}",
        f"{row['epochs']}/{row['of']}",
        f"{row['seconds']:.0f}",
        row["state"],
        chosen(row),
    ]
