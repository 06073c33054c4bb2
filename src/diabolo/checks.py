"""What is asked of settings in several places, asked in one way and refused in the same words."""

import numbers
from typing import Any

from diabolo.errors import OptionError


def is_whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, Python's or NumPy's, of at least so much; True and False are none."""
    return not isinstance(value, bool) and isinstance(value, numbers.Integral) and int(value) >= least


def whole(name: str, value: Any, least: int) -> int:
    """Return a whole number as Python's. Raises OptionError for what is none, or below `least`.

    Args: name: of the setting, to open the message with.
    """
    if not is_whole(value, least):
        raise OptionError(f"{name} must be a whole number of at least {least}, got {value!r:.60}.")
    return int(value)
