"""Strict JSON from bytes.

Refused are repeated keys, NaN, infinity, half of a surrogate pair, and JSON that would take too much memory as objects.
"""

import json
import math
import re

from diabolo.errors import DiaboloError, ModelFileError
from diabolo.model.file.limits import MAX_DEPTH, MAX_VALUES
from diabolo.typing import Json, JsonObject


def text_of(content: memoryview, where: str, encoding: str = "ascii") -> str:
    """Return bytes as text: ASCII by default, because one other letter can quadruple the memory of a text."""
    try:
        return str(content, encoding)
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{where} is not JSON ({error!s:.100}).") from error


def strict_object(text: str, where: str, known: set[str] | None = None) -> JsonObject:
    """Return a JSON object; refuse repeated keys, NaN, deep nesting, and numbers beyond the range of a double.

    Args: known: the only keys allowed, at any depth, for JSON whose size was checked before; None: any key.
    """

    def pairs(items: list[tuple[str, Json]]) -> JsonObject:
        keys = dict(items)
        if len(keys) < len(items):
            raise ModelFileError(f"{where} names a key twice.")
        if known is not None and not keys.keys() <= known:
            raise ModelFileError(f"{where} has a key {min(keys.keys() - known)!r:.60} that is not known.")
        return keys

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ModelFileError(f"{where} holds a number that is not finite.")
        return value

    if known is None:
        check_size_of_json(text, where, MAX_VALUES)
    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, DiaboloError):
            raise
        raise ModelFileError(f"{where} is not JSON ({error!s:.100}).") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} must be a JSON object, got {type(value).__name__}.")
    if HALF.search(text):  # rare, and usually a complete pair
        _check_texts(value, where)
    return value


HALF = re.compile(r"\\u[dD][89a-fA-F]")


def _check_texts(value: Json, where: str) -> None:
    """Refuse texts with half of a surrogate pair, which no encoding can write."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ModelFileError(f"{where} has a text that is not Unicode: {value!r:.60}.")
    elif isinstance(value, (dict, list)):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_texts(each, where)


# Matches whole texts, so that their content is not taken for structure. Possessive, so that no backtracking is stored.
TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|([][{},:])', re.DOTALL)


def check_size_of_json(text: str, where: str, most_keys: int) -> int:
    """Return how many values a JSON text has; refuse one that would take far more memory as objects than as text."""
    values = 0
    keys: list[int] = []  # how many keys each open object or list has
    for token in TOKENS.finditer(text):
        letter = token[1]
        if letter == ":" and keys:
            keys[-1] += 1
            if keys[-1] > most_keys:
                raise ModelFileError(f"{where} has an object of more than {most_keys:,} keys.")
        elif letter in ("]", "}"):
            if not keys:
                raise ModelFileError(f"{where} is not JSON (a closing bracket without an opening one).")
            keys.pop()
        elif letter in ("[", "{", ","):
            values += 1 if letter == "," else 2
            if letter != ",":
                keys.append(0)
            if len(keys) > MAX_DEPTH:
                raise ModelFileError(f"{where} is nested more than {MAX_DEPTH} deep.")
            if values > MAX_VALUES:
                raise ModelFileError(f"{where} holds more than {MAX_VALUES:,} values.")
    return values
