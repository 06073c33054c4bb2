"""The types of the library's arguments and results, each under one name.

A shape stands in the docstring of the function, because NumPy's types cannot express (n, features). The types of
pyarrow are only names here: pyarrow is imported where a function needs it.
Order: arrays, tables, sparse matrices, JSON, files, randomness.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

# Arrays, by the type of their numbers; of any number of axes.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Float32Array: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Float64Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Int64Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
ByteArray: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
BoolArray: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

Rows: TypeAlias = Array  # (n, ...), n rows as a user gave them: real numbers of any type
Shape: TypeAlias = tuple[int, ...]


class ArrayLike(Protocol):
    """An object that becomes an array: of NumPy, TensorFlow, PyTorch, JAX."""

    def __array__(self) -> Array: ...


class Frame(Protocol):
    """A frame of pandas, polars or pyarrow: rows in columns, each with a name and a type."""

    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


class SparseMatrix(Protocol):
    """A matrix or array of scipy.sparse, in any of its formats."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    nnz: int
    data: Array

    def tocsr(self) -> "SparseMatrix":
        """Return the matrix in rows, CSR."""

    def toarray(self) -> Array:
        """Return the matrix as a dense array."""

    def __getitem__(self, rows: "slice | Array") -> "SparseMatrix": ...


if TYPE_CHECKING:
    ArrowArray: TypeAlias = pa.Array | pa.ChunkedArray
    ArrowBatch: TypeAlias = pa.RecordBatch | pa.Table  # both have columns, a schema and rows
    ArrowSchema: TypeAlias = pa.Schema
    ArrowTable: TypeAlias = pa.Table
    ArrowType: TypeAlias = pa.DataType
    ArrowConvert: TypeAlias = arrow_csv.ConvertOptions
else:
    ArrowArray = ArrowBatch = ArrowSchema = ArrowTable = ArrowType = ArrowConvert = Any

# A JSON value, as json.loads returns it. Only the inner names are quoted, so that `Json | None` works at run time.
Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
JsonObject: TypeAlias = dict[str, Json]

PathLike: TypeAlias = str | os.PathLike[str]
Say: TypeAlias = Callable[[str], None]  # takes one line for the user, such as logger.warning

RandomState: TypeAlias = int | np.integer[Any] | np.random.RandomState | np.random.Generator | None
