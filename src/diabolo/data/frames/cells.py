"""What a user said of the texts in cells, what was found in them, and what both need.

Order: options, the result, missing cells, texts that do not fit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diabolo.data.frames.forms import SEPARATORS, DateForm, Form
from diabolo.data.frames.marks import MISSING
from diabolo.errors import OptionError, as_option
from diabolo.typing import ArrowArray

SAMPLE = 2_000  # different texts that are looked at one by one; a form that fits them is tried on all
MOST_MARKS = 5  # texts that are named in the remedy for a column
FEW_TEXTS = 0.1  # if a smaller share of cells are not numbers (or dates), they are mistakes, not levels


class Cells(NamedTuple):
    """What a user said of the texts in cells.

    Attributes:
        missing: texts, or numbers, that stand for a missing cell.
        decimal: the decimal mark; empty: found from the texts.
        thousands: the mark between thousands; empty: found from the texts.
        dates: the format of dates, as for strptime; empty: found from the texts.
        typed: whether these came from a command line, so that messages name the options of commands.
    """

    missing: tuple[str, ...] = ()
    decimal: str = ""
    thousands: str = ""
    dates: str = ""
    typed: bool = False

    def check(self) -> None:
        """Raise OptionError for a mark or a format that cannot be."""
        if self.decimal not in ("", ".", ","):
            raise OptionError(f"--decimal expected . or , as the decimal mark, got {self.decimal!r:.20}.")
        if self.thousands not in ("", *SEPARATORS) or (self.thousands and self.thousands == self.decimal):
            known = " ".join(repr(each) for each in SEPARATORS[:4])
            raise OptionError(
                f"--thousands expected a mark between thousands ({known}) other than the decimal mark, got "
                f"{self.thousands!r:.20}."
            )
        if self.dates:
            DateForm(format=self.dates).check()


# What a declared kind may have after a colon, with an example.
KIND_SETTINGS = {"date": "date:%m/%d/%Y", "number": "number:,"}


def split_kind(kind: str) -> tuple[str, str]:
    """Return a declared kind, and what follows its colon. Raises OptionError for a setting that it cannot have."""
    name, colon, setting = kind.partition(":")
    if name == "date" and colon:
        DateForm(format=setting).check()
    elif name == "number" and colon and setting not in (".", ","):
        raise OptionError(f"kind 'number' may have a decimal mark after a colon, 'number:,', got {kind!r:.40}.")
    elif colon and name not in KIND_SETTINGS:
        raise OptionError(f"kind {name!r:.40} has no settings, got {kind!r:.40}: write {name}.")
    return name, setting


class Found(NamedTuple):
    """What the texts of a column are.

    Attributes:
        form: how numbers, dates or booleans are written; None: the texts are words.
        marks: texts that were taken as missing, besides those that always are.
        doubt: why the texts are neither a number, a date nor words, and what to do; empty: they are one of these.
        note: a choice that was made between two readings, to be said.
    """

    form: Form | None = None
    marks: tuple[str, ...] = ()
    doubt: str = ""
    note: str = ""


def present(cells: ArrowArray, marks: Sequence[str] = ()) -> ArrowArray:
    """Return which texts are not a mark for a missing cell, as booleans (n,)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array([*MISSING, *(each.strip() for each in marks)], pa.string())
    return pc.and_(pc.is_valid(cells), pc.invert(pc.is_in(pc.utf8_trim_whitespace(cells), known)))


def used(cells: ArrowArray, marks: Sequence[str]) -> tuple[str, ...]:
    """Return the marks of a user that occur."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(cells)
    return tuple(each for each in marks if pc.any(pc.equal(trimmed, pa.scalar(each.strip()))).as_py())


def as_texts(cells: ArrowArray) -> ArrowArray:
    """Return an array of any text type as an array of strings, which the functions here take."""
    import pyarrow as pa

    return cells if pa.types.is_string(cells.type) else cells.cast(pa.string())


def share(texts: ArrowArray, known: ArrowArray, which: list[str]) -> float:
    """Return the share of cells that are one of some texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return float(pc.mean(pc.is_in(known, pa.array(which, pa.string())).cast(pa.float64())).as_py() or 0.0)


def misfits(form: Form, texts: ArrowArray) -> list[str]:
    """Return the texts that are not of a form."""
    import pyarrow as pa

    wrong = np.isnan(form.read(texts))
    return list(texts.filter(pa.array(wrong)).to_pylist()) if wrong.any() else []


def remedy(name: str, texts: list[str], how: Cells) -> str:
    """Return what to type so that a few texts count as missing."""
    words = sorted({each.strip() for each in texts})
    words = words if len(words) <= MOST_MARKS else words[:1]
    them = "it" if len(words) == 1 else "them"
    if how.typed:
        return f"--missing {as_option(words)} takes {them} as missing"
    shown = repr(words[0]) if len(words) == 1 else repr(words)
    return f"frame[{name!r}].replace({shown}, None) takes {them} as missing"
