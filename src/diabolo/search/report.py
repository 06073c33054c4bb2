"""What a search found, in words: what mattered, close results, what to try next."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
