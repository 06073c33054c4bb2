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


def share(name: str, value: object, most: float | None = None) -> float:
    """Return a share of rows as a float: in [0, 1), or in (0, most] where `most` is given. Raises OptionError.

    Args: name: of the setting, which begins the message.
    """
    number = float(value) if not isinstance(value, bool) and isinstance(value, numbers.Real) else -1.0
    if not (0 <= number < 1 if most is None else 0 < number <= most):
        wanted = "in [0, 1)" if most is None else f"a share in (0, {most:g}]"
        raise OptionError(f"{name} must be {wanted}, got {value!r:.60}.")
    return number
