"""What every part of a network is: a frozen dataclass of settings with a `kind`, checked at birth, kept as JSON.

Layers, bottlenecks and losses are parts; each sort has a table from kind to class, and a new part joins by being in it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

from diabolo.errors import OptionError, unknown

Shape = tuple[int, ...]  # sizes of the axes of one row, without the batch axis


@dataclass(frozen=True, kw_only=True)
class Part:
    """Settings that are checked when they are set: types exactly as annotated, then `check()` for the ranges."""

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for field, expected in _fields(type(self)).items():
            object.__setattr__(self, field, self._typed(field, expected, getattr(self, field)))
        self.check()

    def _typed(self, field: str, expected: Any, value: Any) -> Any:
        # type(), not isinstance(): a file must not pass True off as 1.
        if type(value) is expected:
            return value
        if expected is float and type(value) is int and abs(value) < 1 << 53:
            return float(value)
        if expected == Shape and isinstance(value, (tuple, list)) and all(type(size) is int for size in value):
            return tuple(value)
        wanted = "a list of whole numbers" if expected == Shape else f"of type {expected.__name__}"
        raise OptionError(f"{self.kind}: {field} must be {wanted}, got {value!r:.60} ({type(value).__name__}).")

    def check(self) -> None:
        """Raise OptionError where a setting is out of its range."""

    def require(self, holds: bool, expected: str) -> None:
        """Raise OptionError with all settings unless `holds`."""
        if not holds:
            settings = ", ".join(f"{key}={value!r}" for key, value in dataclasses.asdict(self).items() if key != "name")
            raise OptionError(f"{self.kind}: expected {expected}, got {settings}.")

    def to_config(self) -> dict[str, Any]:
        """Return the part as JSON values: its kind and every setting."""
        settings = dataclasses.asdict(self)
        return {"kind": self.kind} | {
            key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()
        }


def _fields(part: type[Part]) -> dict[str, Any]:
    hints = get_type_hints(part)
    return {field.name: hints[field.name] for field in dataclasses.fields(part)}


P = TypeVar("P", bound=Part)


def from_config(sort: str, table: Mapping[str, type[P]], config: Any) -> P:
    """Return the part that `Part.to_config` described; OptionError where a key, a type or a range is not as it must be.

    Args: sort: what `table` holds, for the message ("layer"); config: a JSON value from anywhere.
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
