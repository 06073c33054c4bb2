"""Checks of settings that several places share, with one message for each."""

import numbers
from typing import TypeGuard

from diabolo.errors import OptionError


def is_whole(value: object, least: int) -> TypeGuard[int]:
    """Return whether a value is a whole number of at least `least`, of Python or NumPy; True and False are not."""
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and int(value) >= least


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number as an int. Raises OptionError for any other value, or one below `least`.

    Args: name: of the setting, which begins the message.
    """
    if not is_whole(value, least):
        raise OptionError(f"{name} must be a whole number of at least {least}, got {value!r:.60}.")
    return int(value)
