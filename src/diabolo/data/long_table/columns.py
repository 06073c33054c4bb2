"""The columns of a long table as numbers: texts are read as `frames` reads them in any other table."""

from typing import NamedTuple

import numpy as np

from diabolo.data import frames
from diabolo.data.frames import texts
from diabolo.data.frames.cells import as_texts
from diabolo.data.frames.forms import Form
from diabolo.data.frames.reading import present_texts
from diabolo.errors import DataError
from diabolo.typing import ArrowArray, Float64Array


class OfTexts(NamedTuple):
    """Texts as numbers (n,), NaN where one is missing; how they are written (None: they are words), and any doubt."""

    values: Float64Array
    form: Form | None
    doubt: str


def is_text(array: ArrowArray) -> bool:
    """Return whether an Arrow array holds texts."""
    import pyarrow as pa

    types = pa.types
    return bool(types.is_string(array.type) or types.is_large_string(array.type) or types.is_string_view(array.type))


def of_texts(array: ArrowArray, name: str, how: frames.Cells, *, kind: str = "") -> OfTexts:
    """Return a column of texts as numbers. Args: kind: that it must have; empty: any."""
    array = as_texts(array)
    found = texts.find(array, name, how, kind=kind)
    if found.form is None or found.doubt:
        return OfTexts(np.full(len(array), np.nan), None, found.doubt)
    return OfTexts(found.form.read(present_texts(array, found.marks, ())), found.form, "")


def channel_of(array: ArrowArray, name: str, where: str, how: frames.Cells) -> Float64Array:
    """Return a column as numbers (n,), NaN where one is missing. Raises DataError for any that holds other things."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if not is_text(array):
        values = frames.floats(array, name, where, "numbers")
        for mark in how.missing:
            values = np.where(values == _number(mark), np.nan, values)
        return values
    read = of_texts(array, name, how)
    if read.form is None or read.form.kind not in ("number", "boolean"):
        doubt = f" ({read.doubt})" if read.doubt and how.typed else ""
        raise DataError(f"{where}: column {name!r} holds {array.type}, expected numbers{doubt}.")
    return read.values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
