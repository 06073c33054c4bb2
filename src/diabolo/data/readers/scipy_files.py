"""SciPy's own files: the .npz of scipy.sparse.save_npz. Never a pickle.

The places of the numbers are checked here: SciPy's check accepts some with which its loops leave their arrays.
"""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from diabolo.data import memory
from diabolo.data.readers import numpy_files
from diabolo.errors import DataError
from diabolo.typing import Array, SparseMatrix

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

MEMBERS = {"format", "shape", "data"}  # next to the places of the numbers
PLACES = {"csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "coo": ("row", "col")}
FEW_BYTES = 1 << 12  # a format and a shape are shorter


def is_matrix(source: object) -> TypeGuard[str | Path]:
    """Return whether a source is the path of a sparse matrix."""
    if not isinstance(source, (str, Path)) or Path(source).suffix.lower() != ".npz" or not Path(source).is_file():
        return False
    try:
        return set(_sizes(Path(source))) >= MEMBERS
    except (OSError, zipfile.BadZipFile):
        return False


def read(path: Path, limit: int) -> SparseMatrix:
    """Return a sparse matrix as CSR; numbers at the same place are added.

    Args: limit: bytes that it may take. The file announces its size, which is checked before anything is unpacked.
    Raises: DataError for a larger matrix, a damaged file, or places outside the matrix.
    """
    try:
        sizes = _sizes(path)
        if max(sizes["format"], sizes["shape"]) > FEW_BYTES:
            raise ValueError("its format or its shape is too long")
        with np.load(path, allow_pickle=False) as arrays:
            form, shape = _form(arrays["format"]), _shape(arrays["shape"])
            # Rows and features take memory even if the file holds few numbers.
            size = sum(sizes.values()) + 8 * sum(shape)
            if size > limit:
                raise DataError(
                    f"{path} unpacks to {memory.words(size)}, more than {memory.words(limit)} of memory: save fewer "
                    f"rows in a file, or raise the limit (memory=, --memory)."
                )
            values, *places = (_line(arrays, name) for name in ("data", *PLACES[form]))
        return _matrix(form, shape, values, places)
    except DataError:
        raise
    except Exception as error:  # of NumPy's parser, SciPy and zipfile, a dozen kinds
        reason = f"{numpy_files.reason(error):.200}"
        raise DataError(f"{path}: expected a matrix as scipy.sparse.save_npz writes it ({reason}).") from error


def _sizes(path: Path) -> dict[str, int]:
    with zipfile.ZipFile(path) as archive:
        return {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}


def _form(array: Array) -> str:
    text = np.asarray(array).item()
    form = text.decode("latin-1") if isinstance(text, bytes) else text
    if form not in PLACES:
        raise ValueError(f"its format is {form!r:.40}, expected {', '.join(PLACES)}: save matrix.tocsr()")
    return str(form)


def _shape(array: Array) -> tuple[int, int]:
    shape = np.asarray(array)
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise ValueError(f"its shape is {shape.tolist()!r:.40}, expected rows and features")
    return int(shape[0]), int(shape[1])


def _line(arrays: "NpzFile", name: str) -> Array:
    line = np.asarray(arrays[name])
    kinds = "biuf" if name == "data" else "iu"
    if line.ndim != 1 or line.dtype.kind not in kinds:
        raise ValueError(f"its {name} are {line.dtype} of shape {line.shape}, expected a line of numbers")
    return line


def _matrix(form: str, shape: tuple[int, int], values: Array, places: list[Array]) -> SparseMatrix:
    import scipy.sparse

    first, second = places
    rows, features = shape
    if form == "coo":
        _check_within("row", first, rows)
        _check_within("col", second, features)
        lengths, matrix = {len(first), len(second), len(values)}, scipy.sparse.coo_matrix
        given: tuple[object, ...] = (values, (first, second))
    else:
        lines, across = shape if form == "csr" else shape[::-1]
        second = second.astype(np.int64)  # differences of unsigned numbers are never negative
        _check_within("indices", first, across)
        if len(second) != lines + 1 or second[0] != 0 or (np.diff(second) < 0).any():
            raise ValueError(f"its indptr are not the bounds of {lines:,} lines")
        lengths = {len(first), int(second[-1]), len(values)}
        matrix = scipy.sparse.csr_matrix if form == "csr" else scipy.sparse.csc_matrix
        given = (values, first, second)
    if len(lengths) > 1:
        raise ValueError(f"it has {len(values):,} numbers and places of {' or '.join(map(str, sorted(lengths)))}")
    result = matrix(given, shape=shape).tocsr()
    result.sum_duplicates()
    csr: SparseMatrix = result
    return csr


def _check_within(name: str, places: Array, end: int) -> None:
    """Raise ValueError for places outside of 0 to `end` - 1."""
    if len(places) and (places.min() < 0 or places.max() >= end):
        raise ValueError(f"its {name} reach from {places.min()} to {places.max()}, expected 0 to {end - 1}")
