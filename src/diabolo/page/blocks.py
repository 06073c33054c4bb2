"""Blocks of numbers, texts and files in a page: what the browser reads in addition to the header.

Numbers are little-endian. A block is compressed by gzip, unless that hardly makes it smaller. Numbers of rows may be
rounded to 8 or 16 bits between the smallest and the largest value of each column.
"""

import gzip
import json
from typing import Any, NamedTuple

import numpy as np

from diabolo.typing import Array

TYPES = {"f2": "<f2", "f4": "<f4", "f8": "<f8", "u1": "u1", "u2": "<u2", "u4": "<u4", "i4": "<i4"}
# The range of all numbers, in ranges of nine tenths of them, beyond which a rounded number has too few steps.
FAR = {"u1": 8.0, "u2": 500.0}
WORST, BEST = 0.9, 6  # a block stays as it is unless gzip shrinks it below this share; the level of gzip


class Block(NamedTuple):
    """One block. Attributes: facts: as `Block` in web/src/format.ts; content: its bytes, perhaps compressed."""

    facts: dict[str, Any]
    content: bytes


class Blocks:
    """All blocks of a page, by name."""

    def __init__(self) -> None:
        self.all: dict[str, Block] = {}

    def add(self, name: str, values: Array, kind: str, **facts: Any) -> str:
        """Keep numbers as a type of `TYPES`, and return the name. Args: facts: more facts of the block."""
        content = np.ascontiguousarray(values, TYPES[kind]).tobytes()
        return self._keep(name, content, {"type": kind, "shape": list(values.shape), **facts})

    def add_rounded(self, name: str, values: Array, kind: str) -> str:
        """Keep numbers (n,) or (n, columns) rounded to "u1" or "u2", column by column; NaN is missing."""
        table = values.reshape(len(values), -1).astype(np.float64)
        most, gap = {"u1": (254, 255), "u2": (65_534, 65_535)}[kind]
        missing = np.isnan(table)
        known = ~missing.all(axis=0)
        low, high = np.zeros(table.shape[1]), np.zeros(table.shape[1])
        if len(table) and known.any():
            low[known], high[known] = np.nanmin(table[:, known], axis=0), np.nanmax(table[:, known], axis=0)
        span = np.where(high > low, high - low, 1.0)
        with np.errstate(invalid="ignore", over="ignore"):
            codes = np.where(missing, gap, np.rint((table - low) / span * most))
        scale = {"low": low.tolist(), "high": high.tolist(), "most": most}
        more: dict[str, Any] = {"missing": gap} if missing.any() else {}
        return self.add(name, codes.reshape(values.shape), kind, scale=scale, **more)

    def add_short(self, name: str, values: Array, kind: str) -> str:
        """Store numbers (n,) or (n, columns) rounded to "u1" or "u2" if every column keeps enough steps, else longer.

        A few values far from all others would leave the others with too few steps.
        """
        low, some, most, high = _quantiles(values)
        for each in ("u1", "u2") if kind == "u1" else ("u2",):
            if (high - low <= FAR[each] * (most - some)).all():
                return self.add_rounded(name, values, each)
        return self.add(name, values, "f4")

    def add_json(self, name: str, value: object) -> str:
        """Keep a JSON value, such as texts, and return the name."""
        content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        return self._keep(name, content, {"type": "json", "shape": []})

    def add_file(self, name: str, content: bytes, *, zipped: bool = False) -> str:
        """Keep the content of a file and return the name. Args: zipped: whether it is compressed by gzip already."""
        if zipped:
            self.all[name] = Block({"type": "bytes", "shape": [], "gzip": True}, content)
            return name
        return self._keep(name, content, {"type": "bytes", "shape": []})

    def _keep(self, name: str, content: bytes, facts: dict[str, Any]) -> str:
        packed = gzip.compress(content, BEST, mtime=0)
        smaller = len(packed) < WORST * len(content)
        self.all[name] = Block(facts | {"gzip": smaller}, packed if smaller else content)
        return name

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """The facts of all blocks, for the header."""
        return {name: block.facts for name, block in self.all.items()}


def _quantiles(values: Array) -> Array:
    """Return the least, the 5th and 95th percentile and the most of each column, (4, columns), of known numbers."""
    table = values.reshape(len(values), -1).astype(np.float64)
    known = table[:, ~np.isnan(table).all(axis=0)] if len(table) else table
    found: Array = np.nanpercentile(known, [0, 5, 95, 100], axis=0) if known.size else np.zeros((4, 1))
    return found
