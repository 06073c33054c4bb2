"""Which kind of source a user named: asked here once, in one order.

`identify` looks at types, names, endings and headers of files; it reads no rows.
Order: the kinds and the options that each can use, a named source, the questions, files in parts.
"""

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple, TypeGuard

from diabolo.data import datasets, sparse, tables
from diabolo.data.formats import ARRAYS_BY_ENDING, BY_ENDING, FORMATS, ending_of
from diabolo.data.formats.base import OF_COLUMNS
from diabolo.data.frames import from_arrow, is_frame
from diabolo.data.readers import images, numpy_files, picture_files, scipy_files, sql
from diabolo.data.readers.inside import inside, shown
from diabolo.data.readers.parts import Part
from diabolo.data.sources import Source
from diabolo.data.streams import Stream
from diabolo.data.temporary import is_remote
from diabolo.errors import DataError


class Kind(NamedTuple):
    """A kind of source, in words, and the names of the options that it can use."""

    words: str
    options: frozenset[str]


def _kind(words: str, *options: str) -> Kind:
    return Kind(words, frozenset(options))


ARRAY = _kind("an array", "series")
CHUNKS = _kind("an iterator of chunks", "series")
COLUMNS = _kind("named columns in an .npz file", *OF_COLUMNS)
DATABASE = _kind("a database", *OF_COLUMNS, "query")
DATA_SET = _kind("a data set", "data_dir", "series")
DIGITS = _kind("a data set in the package", "series")
FRAME = _kind("a frame", *OF_COLUMNS - {"drop"})
MATRIX = _kind("a sparse matrix")
PICTURES = _kind("pictures", "size", "fit", "grayscale", "color", "skip_bad", "series")
REMOTE = _kind("a remote file")  # as standard input
STDIN = _kind("standard input")  # another kind once it is in a file: its options are checked then
TABLE_FILES = {each: Kind(each.words, each.options) for each in FORMATS}  # a kind for each format
TABLES = (*TABLE_FILES.values(), COLUMNS)


class Named(NamedTuple):
    """A source as a user named it, and its kind.

    Attributes:
        source: rows, a path, a pattern, the name of a data set.
        kind: one of the kinds above; None for a source that is open already, or that cannot be opened, such as a
            file that does not exist: opening it raises the error.
        files: the pictures, or the files that can be read in parts, in the order of their rows; None for other kinds.
    """

    source: object
    kind: Kind | None
    files: list[Path] | None = None

    @property
    def name(self) -> str:
        """What files are called in messages: the last two parts of a path, or the name of the only file."""
        if isinstance(self.source, (list, tuple)):
            return f"{len(self.source):,} pictures"
        files = self.files or []
        if len(files) == 1 and self.kind is not PICTURES:
            return Path(tables.shown(files[0])).name + shown(files[0]).removeprefix(str(files[0]))
        return "/".join(Path(str(self.source)).parts[-2:])


def identify(source: object) -> Named:
    """Return the kind of a source, and its files. Raises DataError for a folder or pattern without such files."""
    if isinstance(source, (Stream, Source)):
        return Named(source, None)
    if isinstance(source, (str, Path)):
        return _identify_path(source)
    if sparse.is_sparse(source):
        return Named(source, MATRIX)
    source = from_arrow(source)
    if is_frame(source):
        return Named(source, FRAME)
    if comes_in_chunks(source):
        return Named(source, CHUNKS)
    if isinstance(source, (list, tuple)) and source and all(isinstance(each, (str, Path)) for each in source):
        return Named(source, PICTURES, [Path(each) for each in source])
    return Named(source, ARRAY)


def _identify_path(source: str | Path) -> Named:
    if source == "-":
        return Named(source, STDIN)
    if not str(source).strip():
        return Named(source, None)
    if sql.is_address(source):
        return Named(source, DATABASE)
    if is_remote(source):
        return Named(source, REMOTE)
    if names_data_set(source):
        return Named(source, DIGITS if str(source).partition(":")[0] == "digits" else DATA_SET)
    path = named_part(source) or Path(source)
    ending = ending_of(path)
    if path.is_dir():
        if pictures := images.find(path):
            return Named(source, PICTURES, pictures)
        return _of_files(source, _readable([each for each in sorted(path.iterdir()) if each.name[0] != "."], source))
    if ending in sql.ENDINGS:
        return Named(source, DATABASE)
    if path.is_file():
        if ending in picture_files.ENDINGS:
            return Named(source, PICTURES, [path])
        if scipy_files.is_matrix(path):
            return Named(source, MATRIX)
        if tables.is_named_columns(path):
            return Named(source, COLUMNS, [path])
        return _of_files(source, [path]) if ending in IN_PARTS else Named(source, ARRAY)
    if glob.has_magic(str(source)):
        found = [Path(each) for each in sorted(glob.glob(str(source), recursive=True))]
        if pictures := [each for each in found if each.suffix.lower() in picture_files.ENDINGS and each.is_file()]:
            return Named(source, PICTURES, pictures)
        return _of_files(source, _readable(found, source))
    return Named(source, ARRAY if ending.startswith(".npz:") else None)


def named_part(source: str | Path) -> Path | None:
    """Return the path of a part of a file, as in book.xlsx:Sheet2; None for any other name."""
    file, colon, part = str(source).rpartition(":")
    if not colon or not part or isinstance(source, Path) or Path(source).exists() or not Path(file).is_file():
        return None
    ending = ending_of(Path(file))
    several = ending in ARRAYS_BY_ENDING or (ending in BY_ENDING and BY_ENDING[ending].holds_several)
    return inside(Path(file), part) if several else None


OF_NOTES = (".txt", ".data", ".dat")  # endings that files next to the tables of a folder have, such as a readme


def _readable(found: Sequence[Path], source: str | Path) -> list[Path]:
    """Return those files, not empty, that can be read in parts. Raises DataError if there are none."""
    files = [each for each in found if ending_of(each) in IN_PARTS and each.is_file() and each.stat().st_size]
    if not files:
        raise DataError(f"{source}: expected pictures, or files of kind {', '.join(IN_PARTS)} there, found none.")
    return [each for each in files if ending_of(each) not in OF_NOTES] or files


def _of_files(source: str | Path, files: list[Path]) -> Named:
    endings = {ending_of(file) for file in files}
    if not endings <= {*BY_ENDING}:
        return Named(source, ARRAY, files)
    # Of files in several formats, the options of CSV files can be used if there are any.
    found = [each for each in FORMATS if endings & {*each.endings}]
    return Named(source, TABLE_FILES[found[0]], files)


# How the rows of a file are read in parts, by its ending.
IN_PARTS: dict[str, Callable[[Path], list[Part]]] = {".npy": numpy_files.parts}
IN_PARTS |= {ending: table.parts for ending, table in BY_ENDING.items()}
IN_PARTS |= {ending: array.parts for ending, array in ARRAYS_BY_ENDING.items()}


def names_data_set(source: str | Path) -> bool:
    """Return whether a text is the name of a data set, or of a part of one, and not of a file or folder."""
    name = str(source).partition(":")[0].replace("_", "-")
    return name in datasets.DATASETS and not Path(source).exists()


def comes_in_chunks(source: object) -> TypeGuard[Iterable[object]]:
    """Return whether a source is an iterator of chunks, a generator or a `tf.data.Dataset`, not rows themselves."""
    return (
        isinstance(source, Iterable)
        and not hasattr(source, "__array__")
        and not hasattr(source, "toarray")
        and not hasattr(source, "__arrow_c_stream__")
        and not is_frame(source)
        and not isinstance(source, (str, Path, Sequence, Mapping, Set, Stream))
    )


def is_stream(source: object) -> bool:
    """Return whether rows must be opened first: a name, path, pattern or chunks, and not an array or a frame."""
    return (
        isinstance(source, (str, Path, Stream))
        or comes_in_chunks(source)
        or (isinstance(source, (list, tuple)) and len(source) > 0 and isinstance(source[0], (str, Path)))
    )


def is_table_of_rows(source: object) -> bool:
    """Return whether a source is a table in files, or a database, from which rows can be read as they are."""
    kind = identify(source).kind
    return kind is DATABASE or (kind in TABLES and kind is not COLUMNS)


def may_have_columns(source: object) -> bool:
    """Return whether rows of a source have columns besides those of a model, as far as its name tells."""
    return identify(source).kind in (*TABLES, DATABASE, PICTURES, REMOTE, STDIN)


def pictures_in(source: object) -> list[Path] | None:
    """Return the pictures of a folder, a pattern, a path or a list of paths; None for any other source."""
    named = identify(source)
    return named.files if named.kind is PICTURES else None
