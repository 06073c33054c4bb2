"""Is each column of tables-kinds.csv read as what it is, with the right values?

Order: a file as Diabolo reads it, the column that a line is about, what is right, the comparison.
"""

import contextlib
import csv
import io
import logging
import math
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.real_tables.commands import advised, beside, folder

KINDS = Path(__file__).parents[1] / "tables-kinds.csv"


class Read(NamedTuple):
    """One column as Diabolo reads it."""

    kind: str
    first: object = None
    last: object = None
    largest: object = None
    missing: int | None = None


class Opened(NamedTuple):
    """The columns of a file as Diabolo reads them, by name, and the options that were needed."""

    columns: dict[str, Read]
    left_out: tuple[str, ...]
    options: list[str]
    refusal: str = ""


def opened(file: str) -> Opened:
    """Read a file; where it is refused, with the options that the refusal names."""
    import typer

    from diabolo.data import memory
    from diabolo.data.opening import open_rows
    from diabolo.errors import DiaboloError

    usage_error: Any = typer.BadParameter.__mro__[1]
    options: list[str] = []
    for _ in range(3):
        try:
            with beside(file):
                source: Any = open_rows(file, memory.limit(None), reading=reading(options))
            break
        except DiaboloError as error:
            more = advised(str(error))
            if not more or more == options:
                return Opened({}, (), options, str(error))
            options = more
        except usage_error as error:
            return Opened({}, (), options, f"the advice {shlex.join(options)} is not valid: {error}")
    else:
        return Opened({}, (), options, "still refused")
    rows = np.asarray(source.rows)
    if source.schema is None:  # numbers without names
        columns = {f"f{at}": column("number", rows[:, at], ()) for at in range(rows.shape[1])}
    else:
        columns = {
            each.name: column(each.kind, rows[:, at], each.levels) for at, each in enumerate(source.schema.columns)
        }
    left_out = tuple(getattr(each, "name", each) for each in getattr(source.schema, "left_out", ()))
    return Opened(columns, left_out, options)


def reading(options: Sequence[str]) -> Any:
    """Return how `diabolo schema FILE` with some options reads a file."""
    import typer

    from diabolo.cli import app
    from diabolo.cli import reading as made
    from diabolo.data.tables import Reading

    if not options:
        return Reading()
    command: Any = typer.main.get_command(app)
    given = command.commands["fit"].make_context("fit", ["FILE", *options]).params
    return made.reading(**{name: given[name] for name in made.READING if name in given})


def column(kind: str, values: Any, levels: Sequence[object]) -> Read:
    """Return what is compared of a column: `values` are numbers, seconds since 1970, or places among the levels."""
    values = np.asarray(values, float)
    present = values[~np.isnan(values)]
    kind = {"count": "number"}.get(kind, kind)
    if not len(present):
        return Read(kind, missing=len(values))
    ends: list[object] = [float(each) for each in (present[0], present[-1], present.max())]
    if kind == "date":
        ends = [
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(each))
            for each in (*present[[0, -1]], present.max())
        ]
    if kind == "category":
        ends = [levels[int(present[0])], levels[int(present[-1])], None]
    return Read(kind, ends[0], ends[1], ends[2], len(values) - len(present))


def header(file: str) -> list[str]:
    """Return the cells of the first line of a file of texts."""
    path = folder() / file
    if path.suffix == ".xlsx":
        return []
    line = path.read_bytes()[:100_000].decode("latin-1").removeprefix("\u00ef\u00bb\u00bf")
    mark = max("\t;,", key=line.splitlines()[0].count)
    return next(csv.reader(io.StringIO(line, newline=None), delimiter=mark))


def find(name: str, file: str, found: Opened) -> Read:
    """Return a column by its name or its place; a column that is neither learnt nor named as left out is lost."""
    known = {each.strip(): read for each, read in found.columns.items()}
    if not name.startswith("#"):
        dropped = any(name in option for option in found.options)
        named = dropped or name in map(str.strip, found.left_out)
        return known.get(name, Read("left_out" if named else "lost"))
    place, names = int(name[1:]) - 1, [each.strip() for each in header(file)]
    if set(known) & set(names) - {""}:  # the first line is a header
        return known.get(names[place], Read("left_out"))
    numbers = {int(end[0]): read for each, read in known.items() if (end := re.findall(r"\d+$", each))}
    first = min([*numbers, *(int(end[0]) for each in found.left_out if (end := re.findall(r"\d+$", each)))], default=0)
    return numbers.get(place + min(first, 1), Read("left_out"))


def agrees(text: str, value: object) -> bool:
    """Return whether a value is one of those that are right."""
    return any(_same(each, value) for each in text.split("|"))


def _same(text: str, value: object) -> bool:
    if isinstance(value, datetime):
        with contextlib.suppress(ValueError):
            right = datetime.fromisoformat(text)
            return right.replace(tzinfo=UTC) == value
        return False
    try:
        return math.isclose(float(text), float(str(value)), rel_tol=1e-6, abs_tol=1e-9)
    except ValueError:
        return text == str(value)


def kinds(names: Sequence[str]) -> bool:
    """Print every difference from tables-kinds.csv; return whether there is none."""
    logging.disable()  # notes about columns that are left out, which are counted below
    with KINDS.open(newline="", encoding="utf-8") as lines:
        truth = [each for each in csv.DictReader(lines) if each["file"] in names]
    wrong: Counter[str] = Counter()
    read: dict[str, Opened] = {}
    for right in truth:
        file = right["file"]
        if file not in read:
            read[file] = opened(file)
            if read[file].refusal:
                print(f"{file}: refused: {read[file].refusal}")
            elif read[file].options:
                print(f"{file}: read with {shlex.join(read[file].options)}")
        if read[file].refusal:
            wrong["not read"] += 1
            continue
        got, where = find(right["column"], file, read[file]), f"{file}: {right['column']}"
        if got.kind not in right["kind"].split("|"):
            wrong["kind"] += 1
            print(f"{where}: expected {right['kind']}, got {got.kind}  ({right['note']})")
            continue
        if got.kind == "left_out":
            continue
        for what in ("first", "last", "largest"):
            value = getattr(got, what)
            if right[what] and value is not None and not agrees(right[what], value):
                wrong["value"] += 1
                print(f"{where}: expected {right[what]} as the {what} value, got {value}  ({right['note']})")
                break
        if right["missing"] and str(got.missing) not in right["missing"].split("|"):
            wrong["missing"] += 1
            print(f"{where}: expected {right['missing']} missing, got {got.missing}  ({right['note']})")
    print(f"{len(truth)} columns of {len(read)} files: {wrong['kind']} of the wrong kind, {wrong['value']} with wrong")
    print(
        f"values, {wrong['missing']} with a wrong count of missing cells; {wrong['not read']} in files that are refused"
    )
    return not wrong
