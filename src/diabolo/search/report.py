"""What a search tells: what mattered, close calls, what to try next; in words, in pictures and as a page.

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
    from diabolo.search import Found

Row = dict[str, Any]

SAME = 0.02  # of the error: what is nearer is no difference
LITTLE = 0.02  # of the differences in error: what explains less hardly matters
NEAR = 0.1  # of a range, by its logarithm: what is nearer to an end wants more room there
FACTS = ("number", "error", "epochs", "of", "seconds", "state", "reason")  # of a row; all else was chosen
SHARES = ("taper", "noise")  # below 1, and an end of theirs is mostly where they belong
NATURAL = {"depth": 1, "width": 8, "batch_size": 1}  # ends that no space goes beyond


def chosen(row: Row) -> str:
    """Return what was chosen for a training, in words, or why it failed."""
    values = [choice(name, value) for name, value in row.items() if name not in FACTS and value is not None]
    return row["reason"] or ", ".join(values)


def choice(name: str, value: Any) -> str:
    """Return "rate 0.51", "kind dense"."""
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"


def conclusions(found: "Found") -> list[str]:
    """Return in words what mattered, what the best gains by refined latents, and what to try next."""
    return [*what_mattered(found), *_refined(found), *what_next(found)]


def _refined(found: "Found") -> Iterator[str]:
    if found.refined is not None:
        before, after = found.refined
        row = "a row held back" if found.best.model_.record.validation_rows else "a row"
        yield (
            f"the best refines its latents, so that {row} costs {after:.5g} in place of {before:.5g}; encoding takes "
            f"about {found.best.model_.network.latent_dim} times as long (--no-refine leaves that out)"
        )


def what_mattered(found: "Found") -> list[str]:
    """Return which choices mattered, and which trainings are as good as the best."""
    told = []
    if found.importance:
        shares = [f"{name} {share:.0%}" for name, share in list(found.importance.items())[:4]]
        told.append(f"what mattered for the first error: {', '.join(shares)}")
    best, *others = _whole(found.trials)
    close = [row["number"] for row in others if row["error"] <= best["error"] + SAME * abs(best["error"])]
    if close:
        told.append(f"as good as the best within {SAME:.0%}: {', '.join(map(str, close))}")
    return told


def what_next(found: "Found") -> list[str]:
    """Return what to try next."""
    told = [*_at_an_end(found)]
    best, *others = _whole(found.trials)
    if any(row["state"] == "stopped" for row in found.trials) and not others:
        told.append("one training alone came to its end: a longer --budget would tell more")
    little = [name for name, share in found.importance.items() if share < LITTLE and name in best]
    if little:
        fixed = _json({name: [best[name]] for name in little if best[name] is not None})
        told.append(f"these hardly mattered, and can be left to what the best has: --space FILE with {fixed}")
    return told


def _whole(trials: Sequence[Row]) -> list[Row]:
    return [row for row in trials if row["state"] == "whole"] or list(trials[:1])


def _at_an_end(found: "Found") -> Iterator[str]:
    """Give in words which choice of the best lies at an end of what was tried, of those that mattered."""
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
    """Return a space as a file may hold it, numbers short."""
    short = {
        name: [float(f"{each:.3g}") if isinstance(each, float) else each for each in values]
        for name, values in space.items()
    }
    return json.dumps(short)


def curves(found: "Found") -> Figure:
    """Return the picture of all trainings: the error wherever one stopped, against the epochs until there."""
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
    low, high = every[0], every[int(0.9 * (len(every) - 1))]  # those that went astray tower over the rest
    span = max(high - low, 1e-9)
    axes.set_ylim(low - 0.06 * span, high + 0.06 * span)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("epochs")
    axes.set_ylabel("error of rows held back (nats a row)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GREY, alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    return figure


def importance(found: "Found") -> Figure:
    """Return the picture of what mattered: a bar for each choice."""
    names, shares = [*found.importance], [*found.importance.values()]
    figure = Figure(figsize=(7.5, 0.9 + 0.3 * len(names)), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    axes.barh(names, shares, height=0.62, color=BLUE)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("of the differences in the first error", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def as_page(found: "Found", summary: "Summary", drawn: dict[str, Figure], findings: Sequence[str], name: str) -> str:
    """Return the page of a search.

    Args:
        found: what it found.
        summary: how good the best is.
        drawn: pictures of the best, by what they show.
        findings: what was noticed at the best.
        name: of the data.
    """
    states = [row["state"] for row in found.trials]
    parts = [
        page.paragraph(
            f"{len(states)} trainings begun, {states.count('whole')} came to their end, {summary.seconds:.0f} seconds. "
            f"The best is number {found.trials[0]['number']}: {chosen(found.trials[0])}."
        ),
        page.heading("How good the best is"),
        page.table(
            ["mean square", "of PCA's", f"error of {summary.evaluated_on} rows"], _errors(summary), texts=1, best=0
        ),
        page.paragraph(f"{summary.latent_dim} numbers for {summary.features:,}; {summary.unit}."),
        *(page.picture(figure, words) for words, figure in drawn.items()),
        *((page.paragraph("Noticed:"), page.listing(findings)) if findings else ()),
    ]
    if found.curves:
        words = "Error against epochs of all trainings; the best stands out."
        parts += [page.heading("What happened"), page.picture(curves(found), words)]
    if found.importance:
        parts += [page.heading("What mattered"), page.picture(importance(found), "A bar for each choice.")]
    if told := conclusions(found):
        parts += [page.heading("What to make of it"), page.listing(told)]
    heads = ["training", "error", "epochs", "seconds", "state", "choice"]
    parts += [page.heading("All trainings"), page.table(heads, map(_cells, found.trials), texts=2, best=0)]
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
