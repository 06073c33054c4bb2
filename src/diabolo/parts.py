"""The base of all parts of a network: a frozen dataclass of settings with a `kind`, checked when made, saved as JSON.

Layers, bottlenecks and losses are parts; each sort has a table from kind to class, and a new part joins by being in it.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np

from diabolo.errors import OptionError, unknown

LARGEST = 1 << 53  # of whole numbers
MOST_AXES = 8  # of one row; the product of so many sizes can still be printed

Shape = tuple[int, ...]  # sizes of the axes of one row, without the batch axis
Sizes = int | Shape  # one size for all axes, or one for each
Numbers = tuple[float, ...]
Texts = tuple[str, ...]
LISTS: dict[Any, tuple[type, str]] = {
    Shape: (int, "whole numbers"),
    Numbers: (float, "numbers"),
    Texts: (str, "texts"),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Settings that are checked when they are set: types exactly as annotated, then `check()` for the ranges.

    A setting that is newer than files of a released version has metadata={"since": ..., "before": ...}, see
    `model/file/upgrade.py`.
    """

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for field, expected in _fields(type(self)).items():
            object.__setattr__(self, field, self._typed(field, expected, getattr(self, field)))
        self.check()

    def _typed(self, field: str, expected: Any, value: Any) -> Any:
        # A number too long to be printed would end the message in another error.
        several = value if isinstance(value, (list, tuple)) else [value]
        if any(type(each) is int and abs(each) >= LARGEST for each in several):
            raise OptionError(
                f"{self.kind}: {field} must be between -{LARGEST - 1:,} and {LARGEST - 1:,}, got a larger number."
            )
        for each in several:
            if type(each) is float and not math.isfinite(each):
                raise OptionError(f"{self.kind}: {field} must be a finite number, got {each}.")
        # type(), not isinstance(): a file must not pass True off as 1.
        if type(value) is expected:
            return value
        if expected is float and type(value) is int and abs(value) < 1 << 53:
            return float(value)
        if expected == Sizes and type(value) is int:
            return value
        kinds = LISTS | {Sizes: (int, "whole numbers, or one of them")}
        if expected in kinds and isinstance(value, (tuple, list)):
            item = kinds[expected][0]
            values = [float(each) if item is float and type(each) is int else each for each in value]
            if all(type(each) is item for each in values):
                return tuple(values)
        wanted = f"a list of {kinds[expected][1]}" if expected in kinds else f"of type {expected.__name__}"
        raise OptionError(f"{self.kind}: {field} must be {wanted}, got {value!r:.60} ({type(value).__name__}).")

    def check(self) -> None:
        """Raise OptionError if a setting is out of its range."""

    def require(self, holds: bool, expected: str) -> None:
        """Raise OptionError with all settings unless `holds`."""
        if not holds:
            settings = ", ".join(f"{key}={value!r}" for key, value in dataclasses.asdict(self).items() if key != "name")
            raise OptionError(f"{self.kind}: expected {expected}, got {settings:.300}.")

    def to_config(self) -> dict[str, Any]:
        """Return the part as JSON values: its kind and every setting."""
        settings = dataclasses.asdict(self)
        return {"kind": self.kind} | {
            key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
        }


def _fields(part: Any) -> dict[str, Any]:
    found: dict[str, Any] = _hints(part)
    return found


@cache  # a wide table has thousands of parts of one class
def _hints(part: Any) -> dict[str, Any]:
    hints = get_type_hints(part)
    return {field.name: hints[field.name] for field in dataclasses.fields(part)}


P = TypeVar("P", bound=Part)


def from_config(sort: str, table: Mapping[str, type[P]], config: Any) -> P:
    """Return the part that `Part.to_config` described; OptionError if a key, a type or a range is wrong.

    Args: sort: the kind of parts in `table`, for the message ("layer"); config: a JSON value from anywhere.
    """
    if not isinstance(config, dict) or not isinstance(config.get("kind"), str):
        raise OptionError(f"a {sort} must be an object with a 'kind', got {config!r:.80}.")
    if config["kind"] not in table:
        raise OptionError(unknown(sort, config["kind"], table))
    part = table[config["kind"]]
    settings = {key: value for key, value in config.items() if key != "kind"}
    if set(settings) != set(_fields(part)):
        got = f"{sorted(settings)!s:.200}"
        raise OptionError(f"{sort} {part.kind!r} has exactly the keys {sorted(_fields(part))}, got {got}.")
    return part(**settings)


def from_text(sort: str, table: Mapping[str, type[P]], text: str, **given: Any) -> P:
    """Return the part for a text such as "masking:0.3" or "gaussian:beta=4,warmup_epochs=10".

    Args:
        sort: the kind of parts in `table`, for messages.
        table: kinds and their classes.
        text: a kind, and settings after a colon; the first one may have no name.
        given: settings that the text does not name.

    Raises: OptionError.
    """
    kind, _, written = text.partition(":")
    if kind not in table:
        raise OptionError(unknown(sort, kind, table))
    hints = {name: hint for name, hint in _fields(table[kind]).items() if name not in (*given, "name")}
    settings: dict[str, Any] = {}
    for place, item in enumerate(written.split(",") if written else []):
        name, equals, value = (piece.strip() for piece in item.partition("="))
        if not equals and place == 0 and hints:
            name, value = next(iter(hints)), name
        if name not in hints:
            raise OptionError(f"{sort} {text!r}: {unknown('setting', name, hints)}")
        settings[name] = _value(value, hints[name], f"{sort} {text!r}: {name}")
    missing = [
        field.name
        for field in dataclasses.fields(table[kind])
        if field.name in hints and field.name not in settings and field.default is dataclasses.MISSING
    ]
    if missing:
        raise OptionError(f"{sort} {text!r} needs {missing[0]}: write '{kind}:0.3' or '{kind}:{missing[0]}=0.3'.")
    return table[kind](**settings, **given)


def read_part(sort: str, table: Mapping[str, type[P]], written: Any) -> P:
    """Return the part for a text, a JSON object or a part itself; OptionError for anything else."""
    if isinstance(written, str):
        return from_text(sort, table, written)
    if isinstance(written, dict):
        return from_config(sort, table, written)
    if type(written) in table.values():
        part: P = written
        return part
    raise OptionError(f"{sort} must be a text such as {next(iter(table))!r} or a part, got {written!r:.60}.")


def _value(text: str, expected: Any, where: str) -> Any:
    try:
        if expected is bool:
            return {"true": True, "false": False}[text.lower()]
        if expected in LISTS:
            return [LISTS[expected][0](item) for item in text.split("-")]
        return expected(text)
    except (KeyError, ValueError) as error:
        wanted = "a list such as 2-8" if expected in LISTS else f"of type {expected.__name__}"
        raise OptionError(f"{where} must be {wanted}, got {text!r:.40}.") from error


def plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's, which JSON and parts need."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
