"""The result of a search or a race, for its page: `SearchFacts` in web/src/format.ts."""

import math
from collections.abc import Sequence
from typing import Any

from diabolo.search import report
from diabolo.search.report import Row
from diabolo.search.study import SearchResult

Facts = dict[str, Any]


def facts(found: SearchResult, name: str) -> Facts:
    """Return what a search found. Args: name: of the data."""
    return {
        "title": f"A search: {name}",
        "trials": _trials(found.trials),
        "curves": {str(number): [list(point) for point in curve] for number, curve in found.curves.items()},
        "importance": dict(found.importance),
        "conclusions": report.conclusions(found),
    }


def _trials(rows: Sequence[Row]) -> list[Facts]:
    return [
        {name: row[name] for name in ("number", "epochs", "of", "seconds", "state")}
        | {"error": None if math.isnan(row["error"]) else row["error"], "choice": report.chosen(row)}
        for row in rows
    ]
