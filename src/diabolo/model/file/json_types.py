"""JSON values with the types that they must have.

Each function checks a value of any type and returns it under its own type, so that later code and the type checker
rely on the same check. Types are compared exactly: type(), not isinstance(), because True == 1 in Python.
"""

from typing import TypeVar

from diabolo.errors import ModelFileError
from diabolo.typing import Json, JsonObject

T = TypeVar("T")


def exact_keys(value: Json, expected: set[str], where: str) -> JsonObject:
    """Return an object that has exactly the expected keys. Raises ModelFileError for any other value."""
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} must have exactly the keys {sorted(expected)!s:.300}, got {value!r:.60}.")
    if set(value) != expected:
        missing, more = sorted(expected - set(value)), sorted(set(value) - expected)
        raise ModelFileError(
            f"{where} must have exactly the keys {sorted(expected)!s:.300}: missing are {missing!s:.150}, not known "
            f"{more!s:.150}."
        )
    return value


def of_type(kind: type[T], value: Json, name: str) -> T:
    """Return a value of exactly this type. Raises ModelFileError, with the name of the value, for any other."""
    if type(value) is not kind or not isinstance(value, kind):
        raise ModelFileError(f"{name} must be of type {kind.__name__}, got {value!r:.40}.")
    return value


def whole_numbers(value: Json) -> list[int] | None:
    """Return a list of whole numbers; None for any other value."""
    if not isinstance(value, list):
        return None
    numbers = [each for each in value if type(each) is int]
    return numbers if len(numbers) == len(value) else None


def objects(value: Json) -> list[JsonObject] | None:
    """Return a list of JSON objects; None for any other value."""
    if not isinstance(value, list):
        return None
    found = [each for each in value if isinstance(each, dict)]
    return found if len(found) == len(value) else None
