"""Checks of the values of settings, whatever the rows are: each raises OptionError for a value that is invalid.

`diabolo.model.settings` says which setting has which check. Those of parts, such as a bottleneck, stand there.
"""

from collections.abc import Callable
from typing import Any

from diabolo.checks import is_whole, whole
from diabolo.errors import OptionError, unknown

AUTO = "auto"  # for latent_dim, structure, optimizer, corruption and reconstruction_loss: chosen from the rows
PRECISIONS = ("float32", "bfloat16")
MAX_EPOCHS = 1 << 18  # of a history, which is lists of numbers in memory, four times as large as in a file

Check = Callable[[str, object], object]


def whole_from(least: int) -> Check:
    """Return the check for a whole number from a least one."""
    return lambda name, value: whole(name, value, least)


def patience(name: str, value: object) -> None:
    """A whole number from 0, or None."""
    if value is not None:
        whole(name, value, 0)


def epochs(name: str, value: object) -> None:
    """A whole number of epochs that a model file holds, or None."""
    if value is not None and whole(name, value, 1) > MAX_EPOCHS:
        raise OptionError(f"epochs must be at most {MAX_EPOCHS:,}, which a model file holds, got {value:,}.")


def boolean(name: str, value: object) -> None:
    """True or False."""
    if not isinstance(value, bool):
        raise OptionError(f"{name} must be True or False, got {value!r:.60}.")


def latent_dim(name: str, value: object) -> None:
    """A whole number from 1, 'auto' or None."""
    if isinstance(value, str) and value != AUTO:
        raise OptionError(f"latent_dim must be a whole number or 'auto', got {value!r:.40}.")
    if value is not None and value != AUTO:
        whole(name, value, 1)


def optimizer(name: str, value: object) -> None:
    """A text or None; `optimizers.check` reads it."""
    if value is not None and not isinstance(value, str):
        raise OptionError(f"optimizer must be a text such as 'adamw:0.1', got {value!r:.60}.")


def types(name: str, value: object) -> None:
    """Kinds of columns by name, or None."""
    if value is not None and not (
        isinstance(value, dict) and all(type(each) is str for pair in value.items() for each in pair)
    ):
        raise OptionError(f"types must be kinds by name, such as {{'code': 'category'}}, got {value!r:.60}.")


def condition(name: str, value: object) -> None:
    """A list of names of columns, each once, or None."""
    if value is None:
        return
    if not isinstance(value, list) or not value or not all(type(each) is str and each for each in value):
        raise OptionError(f"{name} must be names of columns, such as ['site', 'sex'], got {value!r:.60}.")
    if len(set(value)) < len(value):
        raise OptionError(f"{name} names a column twice: {', '.join(value):.60}.")


def names(value: Any) -> Any:
    """Return one or several names of columns as a list of texts; anything else as it is."""
    several = value if isinstance(value, (list, tuple)) else [value]
    return [str(each) if is_whole(each, 0) else each for each in several]


def not_negative(name: str, value: object) -> None:
    """A number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise OptionError(f"{name} must be a number of at least 0, got {value!r:.60}.")


def activation(name: str, value: object) -> None:
    """The name of an activation."""
    from diabolo.network.structures import check_words

    if not isinstance(value, str):
        raise OptionError(f"{name} must be a text such as 'elu', got {value!r:.60}.")
    check_words("dense", value)


def precision(name: str, value: object) -> None:
    """One of `PRECISIONS`."""
    if value not in PRECISIONS:
        raise OptionError(unknown(name, value, list(PRECISIONS)))
