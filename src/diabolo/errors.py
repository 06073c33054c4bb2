"""Every error that a user can cause, and the exit code each one has on the command line.

    DiaboloError                exit 2
    |-- OptionError             a setting that is not valid, an unknown name
    |-- DataError               rows that cannot be used
    |   |-- ShapeError          rows, images or latents of the wrong size
    |   `-- NoNumberError       a cell that is neither a number nor text
    |-- ModelFileError          a file that is not a model file, or a damaged one
    |-- CheckpointError         a training that cannot be continued
    |-- ClusterError            a cluster that cannot be reached, or has too few machines
    |-- OutputError             an output that exists, or cannot be written
    |-- CutError                split() or evaluate() cannot compute a value from the network's inputs
    |-- NotFittedError          a method that needs fit() first
    |-- DivergedError           exit 3: the loss is no longer finite
    `-- MissingExtraError       exit 4: an optional part is not installed

Each message is one line: where, what was expected, what came, what to type instead. Any other exception is a bug in
Diabolo and shows its traceback.
"""

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class DiaboloError(Exception):
    """The root of all errors that a user can cause and fix. `exit_code`: the exit code of the command line."""

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())  # a name in a file may contain line breaks


class OptionError(DiaboloError, ValueError):
    """A setting that is not valid, or an unknown name."""


class DataError(DiaboloError, ValueError):
    """Rows that cannot be used: text, gaps, infinities, no rows."""


class ShapeError(DataError):
    """Rows, images or latents whose size is not that of the model."""


class NoNumberError(DataError, TypeError):
    """A cell that is neither a number nor text; a TypeError, too, as scikit-learn expects."""


class ModelFileError(DiaboloError):
    """A file that is not a Diabolo model, or a damaged model."""


class CheckpointError(DiaboloError):
    """A checkpoint that is damaged, of another training, or in use by another process."""


class ClusterError(DiaboloError):
    """A cluster that cannot be reached, lost too many machines, or lacks what the work needs."""


class OutputError(DiaboloError):
    """An output that exists already, or that cannot be written."""


class CutError(DiaboloError, ValueError):
    """A cut that does not separate a network, or a value that its inputs do not determine."""


class NotFittedError(DiaboloError, ValueError, AttributeError):
    """A method that needs a fitted estimator; a ValueError and AttributeError, too, as scikit-learn expects."""


class DivergedError(DiaboloError, ArithmeticError):
    """The training loss, or a weight, is no longer finite.

    Its attributes hold the result of the epochs before. They are None if there were none, or if the engine kept none.

    Attributes:
        outcome: a `diabolo.training.Outcome`, from `diabolo.training.train`.
        trained: a `diabolo.training.engines.Trained`, from an engine.
        model: a `diabolo.model.model.Model` with the best weights.
    """

    exit_code = 3
    outcome: Any = None
    trained: Any = None
    model: Any = None


class MissingExtraError(DiaboloError, ModuleNotFoundError):
    """An optional part is not installed; the message names the extra."""

    exit_code = 4


def printable(text: str) -> str:
    """Return a text in which every character that cannot be printed is escaped.

    Names and texts in a file from a stranger could end a line, or make a terminal draw over earlier output.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Return the sentence for a name that is not in a table, with the nearest name in it."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5) if isinstance(name, str) else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r:.60}.{hint} Known: {', '.join(names)}."


def as_option(names: Iterable[str]) -> str:
    """Return names as a user types them after an option: for the shell, those with a comma within double quotes."""
    return shlex.quote(",".join(map(_quoted, names)))


def as_types(kinds: Mapping[str, str]) -> str:
    """Return kinds by name as a user types them after --types."""
    return shlex.quote(",".join(f"{_quoted(name)}={kind}" for name, kind in kinds.items()))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if re.search('[,"]', name) else name


def listed(names: Sequence[str]) -> str:
    """Return names for a message: the first six, and how many there are."""
    shown = ", ".join(map(repr, names[:6]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > 6 else "")
