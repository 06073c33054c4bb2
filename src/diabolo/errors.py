"""Every error that a user can cause, and the exit code each one has on the command line.

    DiaboloError                exit 2
    |-- OptionError             a setting that cannot hold, an unknown name
    |-- DataError               rows that cannot be used
    |   |-- ShapeError          rows, images or latents of the wrong size
    |   `-- NoNumberError       a cell that is neither number nor text
    |-- ModelFileError          a file that is not a model file, or a damaged one
    |-- CheckpointError         a training that cannot go on from what is there
    |-- OutputError             an output that exists, or cannot be written
    |-- CutError                split() or evaluate() asked for something the network does not determine
    |-- NotFittedError          a verb before fit()
    |-- DivergedError           exit 3: the loss is not finite any more
    `-- MissingExtraError       exit 4: an optional part is not installed

Each message is one line: where, what was expected, what came, what to type instead. Any other exception is a bug
of ours and shows its traceback.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class DiaboloError(Exception):
    """The root: whatever a user can cause and mend. `exit_code` is what the command line ends with."""

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())  # also where a name in a file has a line of its own


class OptionError(DiaboloError, ValueError):
    """A setting that cannot hold, or an unknown name."""


class DataError(DiaboloError, ValueError):
    """Rows that cannot be used: text, gaps, infinities, nothing at all."""


class ShapeError(DataError):
    """Rows, images or latents of another size than the model was fitted on."""


class NoNumberError(DataError, TypeError):
    """A cell that is neither number nor text. Also what scikit-learn expects to catch: TypeError."""


class ModelFileError(DiaboloError):
    """A file that is not a Diabolo model, or one that is damaged."""


class CheckpointError(DiaboloError):
    """A checkpoint that is damaged, of another training, or in use by another process."""


class OutputError(DiaboloError):
    """An output that exists already, or that cannot be written."""


class CutError(DiaboloError, ValueError):
    """A cut that does not separate a network, or a value that its inputs do not determine."""


class NotFittedError(DiaboloError, ValueError, AttributeError):
    """A verb that needs a fitted estimator. Also what scikit-learn expects to catch: ValueError, AttributeError."""


class DivergedError(DiaboloError, ArithmeticError):
    """The training loss, or a weight, is not finite any more.

    Attributes:
        outcome: of the epochs before, from `diabolo.training.train`; None where there were none.
        trained: the same from an engine.
        model: a `diabolo.model.model.Model` with the best weights of these; None where there were none.
    """

    exit_code = 3
    outcome: Any = None
    trained: Any = None
    model: Any = None


class MissingExtraError(DiaboloError, ImportError):
    """An optional part is not installed; the message names the extra."""

    exit_code = 4


def printable(text: str) -> str:
    """Return a text with every sign that would do something else than be printed written out.

    Names and words in a file from a stranger could end a line, or have a terminal draw over what was said before.
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """Return the sentence for a name that is not in a table, with the nearest that is."""
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5) if isinstance(name, str) else []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {name!r:.60}.{hint} Known: {', '.join(names)}."


def listed(names: Sequence[str]) -> str:
    """Return names as a message should have them: the first few, and how many there are."""
    shown = ", ".join(map(repr, names[:6]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > 6 else "")
