"""Do rows come back from fit, encode, decode, reconstruct --fill, save and load as they were?"""

import contextlib
import csv
import io
import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.real_tables.commands import beside, diabolo, folder, in_pool


def table_of(path: Path) -> dict[str, list[str]] | None:
    """Return the texts of a plain file by column; None for a file that needs more than a separator to be read."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        return None
    mark = max("\t;,", key=text.splitlines()[0].count)
    lines = [line for line in csv.reader(io.StringIO(text, newline=None), delimiter=mark) if line]
    names = [each.strip() for each in lines[0]]
    number = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)
    if len(set(map(len, lines))) > 1 or len(set(names)) < len(names) or any(map(number.fullmatch, names)):
        return None
    # The names may stand between the rows once more, and a remark in the first cell or nothing below them.
    rows = [line for line in lines[1:] if sum(map(str.__eq__, line, lines[0])) < 2]
    while rows and len(names) > 1 and not any(cell.strip() for cell in rows[-1][1:]):
        rows.pop()
    return {name: [line[at].strip() for line in rows] for at, name in enumerate(names)}


def same_cell(before: str, after: str) -> bool:
    """Return whether a cell still says the same: the same text, number or truth."""
    if before == after:
        return True
    with contextlib.suppress(ValueError):
        return math.isclose(float(before), float(after), rel_tol=1e-6, abs_tol=1e-9)
    if {before.lower(), after.lower()} <= {"true", "false"}:
        return before.lower() == after.lower()
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(before) == datetime.fromisoformat(after)
    return False


def round_trip(file: str) -> list[str] | None:
    """Return what is wrong after a round trip of a file; None if the file is not one for it, as it needs an option."""
    before = table_of(folder() / file) if not file.endswith(".xlsx") else None
    if before is None:
        return None
    with beside(file):
        if diabolo("fit", file, "--epochs", "1", "-o", "model.safetensors").code:
            return None
        wrong = []
        for command in (
            ("encode", "model.safetensors", file, "-o", "latents.csv"),
            ("decode", "model.safetensors", "latents.csv", "-o", "back.csv"),
            ("reconstruct", "model.safetensors", file, "--fill", "-o", "filled.csv"),
            ("score", "model.safetensors", file, "-o", "scores.csv"),
        ):
            ran = diabolo(*command)
            if ran.code:
                return [f"diabolo {shlex.join(command)}: {ran.message}"]
        found = json.loads(diabolo("schema", file, "--json").out or "{}")
        kept = {each["name"].strip(): each["kind"] for each in found.get("columns", ())}
        if "f0" in kept and "f0" not in before:  # without names; tables-kinds.csv says whether that is right
            return None
        left_out = [name for name in before if name not in kept]
        latents, back, filled, scores = (
            table_of(Path(each)) or {} for each in ("latents.csv", "back.csv", "filled.csv", "scores.csv")
        )
        for where, table in (("encode", latents), ("decode", back), ("reconstruct --fill", filled), ("score", scores)):
            for name in left_out:
                column = repr(name) if name else "the column without a name"
                if name not in table:
                    wrong.append(f"{column}, which is left out, is lost by {where}")
                elif table[name] != before[name]:
                    wrong.append(f"{column}, which is left out, is changed by {where}")
        wrong += restored(before, back, kept)
        wrong += changed(before, filled, kept)
        wrong += reloaded(file, kept)
    return wrong


def restored(before: dict[str, list[str]], back: dict[str, list[str]], kept: dict[str, str]) -> list[str]:
    """Return what `decode` did wrong: other columns, levels that there were not, a table that the model cannot read."""
    wrong = []
    if list(back) != list(before):
        wrong.append(f"decode gives the columns {', '.join(back)}, expected {', '.join(before)}")
    for name, kind in kept.items():
        if kind in ("boolean", "category") and (new := set(back.get(name, ())) - set(before.get(name, ()))):
            wrong.append(f"{name}: decode gives {sorted(new)[0]!r}, which is not in the file")
    again = diabolo("encode", "model.safetensors", "back.csv", "-o", "latents-of-back.csv")
    if again.code:
        wrong.append(f"what decode wrote cannot be encoded: {again.message}")
    return wrong


def changed(before: dict[str, list[str]], filled: dict[str, list[str]], kept: dict[str, str]) -> list[str]:
    """Return what `reconstruct --fill` did wrong: cells that it changed, gaps that it left."""
    wrong = []
    for name, kind in kept.items():
        if name not in before:
            wrong.append(f"{name} is not a name of the file")
            continue
        if len(filled.get(name, ())) != len(before[name]):
            wrong.append(f"{name} has {len(filled.get(name, ()))} cells after --fill, expected {len(before[name])}")
            continue
        pairs = list(zip(before[name], filled[name], strict=True))
        other = [(old, new) for old, new in pairs if old and not same_cell(old, new)]
        empty = sum(not new for _, new in pairs)
        counts = Counter(old for old, _ in other)
        # A mark for missing cells, such as "?", is filled in; every other text must stay.
        marks = {
            text
            for text in counts
            if not re.search(r"[0-9A-Za-z]", text)
            or text in ("NA", "N/A", "nan", "None", "#DIV/0!")
            or (kind != "category" and text == "Unknown")
        }
        other = [pair for pair in other if pair[0] not in marks]
        if other:
            wrong.append(
                f"{name}: {len(other)} present cells changed by --fill, such as {other[0][0]!r} to {other[0][1]!r}"
            )
        if empty:
            wrong.append(f"{name}: {empty} gaps left by --fill")
    return wrong


def reloaded(file: str, kept: dict[str, str]) -> list[str]:
    """Return what is wrong with a model that is loaded, saved and loaded again."""
    import diabolo as library

    model = library.load("model.safetensors")
    model.save("again.safetensors")
    first, again = model.encode(file), library.load("again.safetensors").encode(file)
    written = table_of(Path("latents.csv")) or {}
    columns = [np.array(cells, float) for name, cells in written.items() if name.startswith("latent_")]
    wrong = [] if np.array_equal(first, again) else ["other latents after save and load"]
    schema = library.load("again.safetensors").model_.schema
    if schema is None or {each.name.strip(): each.kind for each in schema.columns} != kept:
        wrong.append("another schema after save and load")
    if not columns or not np.allclose(np.stack(columns, axis=1), first, rtol=1e-5, atol=1e-6):
        wrong.append("other latents by `diabolo encode` than by load().encode()")
    return wrong


def round_trips(names: Sequence[str], count: int, processes: int) -> bool:
    """Print what is wrong in the round trips of the first files that can make one; return whether all are right."""
    made = good = 0
    for file, wrong in zip(names, in_pool(round_trip, names, processes), strict=False):
        if wrong is None:
            continue
        made, good = made + 1, good + (not wrong)
        for each in wrong:
            print(f"{file}: {each}", flush=True)
        if made == count:
            break
    print(f"round trips without a fault: {good} of {made}, of {count} wanted")
    return good == made == count
