"""What the rows of a map are coloured by: categories, numbers or times, from a column of a table or a list of values.

Order: the colouring, from values, from a column, from numbers, from a model, from a
data set, some rows.
"""

from typing import Any, NamedTuple

import numpy as np

from diabolo.data import datasets, frames
from diabolo.data.frames.columns import kind_of
from diabolo.errors import OptionError
from diabolo.model.model import Model
from diabolo.typing import Array, ArrowArray, Float64Array, Int64Array, PathLike

FEW = 10  # whole numbers of so few different values are categories, such as the labels of digits


class Colouring(NamedTuple):
    """What rows are coloured by: either texts or numbers.

    Attributes:
        name: of the column; empty: it has none.
        texts: (n,), of categories; None where one has no value.
        numbers: (n,), NaN where one has no value; of times, seconds since 1970.
        times: whether the numbers are times.
    """

    name: str
    texts: list[str | None] | None = None
    numbers: Float64Array | None = None
    times: bool = False


def of_values(values: object, count: int, where: str) -> Colouring:
    """Return the colouring of a list, an array, a series of a frame: one value for each row.

    Raises: OptionError for something else, or another number of values.
    """
    given: Any = values
    if hasattr(given, "__array__") and type(given).__module__.partition(".")[0] not in ("pandas", "polars", "pyarrow"):
        given = np.asarray(given)  # of TensorFlow, PyTorch, JAX
    if isinstance(given, str) or not hasattr(given, "__len__") or getattr(given, "ndim", 1) != 1 or len(given) != count:
        got = f"shape {given.shape}" if hasattr(given, "shape") else f"{values!r:.60}"
        raise OptionError(
            f"{where}: color must be the name of a column, or one value for each of {count:,} rows, got {got}."
        )
    return of_column(_arrow(given), str(getattr(given, "name", None) or ""))


def _arrow(values: Any) -> ArrowArray:
    """Return values as an Arrow array; of mixed types, as texts."""
    import pyarrow as pa

    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    if hasattr(values, "to_arrow"):  # a series of polars
        return values.to_arrow()
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array([None if each is None or each != each else str(each) for each in values])


def of_column(column: ArrowArray, name: str) -> Colouring:
    """Return the colouring of a column: texts, booleans and few whole numbers are categories."""
    import pyarrow as pa

    coded = pa.types.is_dictionary(column.type)
    kind = kind_of(column.type.value_type if coded else column.type, False)
    if kind == "date":
        return Colouring(name, numbers=frames.floats(column, name, "color"), times=True)
    if kind == "number":
        return of_numbers(frames.floats(column, name, "color"), name)
    return Colouring(name, texts=[None if each is None else str(each) for each in column.to_pylist()])


def of_numbers(values: Array, name: str) -> Colouring:
    """Return the colouring of numbers; whole ones of few different values are categories."""
    found = np.where(np.isinf(values), np.nan, values.astype(np.float64))
    different = np.unique(found[~np.isnan(found)])
    if len(different) <= FEW and (different % 1 == 0).all():
        return Colouring(name, texts=[None if np.isnan(each) else f"{each:.0f}" for each in found])
    return Colouring(name, numbers=found)


def read_by_model(model: Model, name: str) -> int | None:
    """Return the place of a column whose numbers or dates are written as texts, which the model reads; None: it is not.

    As texts they would be categories.
    """
    for at, column in enumerate(() if model.schema is None else model.schema.columns):
        if column.name == name and column.form is not None and column.kind in ("number", "count", "date"):
            return at
    return None


def of_model(model: Model, values: Array, at: int) -> Colouring:
    """Return the colouring of a column of the model. Args: values: (n,), as the model takes it; at: its place."""
    name, kind = model.adapter.columns[at].name, model.adapter.columns[at].kind
    return Colouring(name, numbers=values, times=True) if kind == "date" else of_numbers(values, name)


def of_data_set(source: object, data_dir: PathLike | None = None) -> Colouring | None:
    """Return the labels of a data set by name, such as "digits:test", in the order of its rows; None: it has none."""
    if not isinstance(source, str):
        return None
    name, _, part = source.partition(":")
    name = name.replace("_", "-")
    if name not in datasets.DATASETS:
        return None
    found = datasets.DATASETS[name](data_dir)
    parts = {"train": found.y_train, "test": found.y_test}
    return of_numbers(parts[part] if part else np.concatenate([found.y_train, found.y_test]), "label")


def several(found: Colouring | None) -> Colouring | None:
    """Return a colouring that nobody asked for, if it tells rows apart."""
    return None if found is None or len(set(found.texts or ())) < 2 else found


def taken(found: Colouring, places: Int64Array) -> Colouring:
    """Return the colouring of some of the rows."""
    texts = None if found.texts is None else [found.texts[at] for at in places]
    return found._replace(texts=texts, numbers=None if found.numbers is None else found.numbers[places])
