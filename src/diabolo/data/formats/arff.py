"""ARFF, the format of Weka: a header that declares each column, then lines of cells; only for reading.

Sparse rows, {3 7, 9 x}, are read: a cell that is not named is 0, or the first level of a nominal column.
Order: the format, the header, lines, columns.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple, TextIO

from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.cells import MOST_COLUMNS
from diabolo.data.readers import opened
from diabolo.data.readers.csv_form import Options
from diabolo.errors import DataError
from diabolo.typing import ArrowArray, ArrowSchema, ArrowTable

LONGEST_LINE = 1 << 24  # characters
MOST_LEVELS = 1 << 17
CELLS_AT_ONCE = 1 << 17
# A cell in quotes, in which \ takes the meaning from the next character, or one without.
CELL = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,]*?))\s*(?:,|$)""", re.DOTALL)
ATTRIBUTE = re.compile(r"""@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s{]+))\s*(\S.*)$""", re.I | re.S)
NUMBERS = ("numeric", "real", "integer")
# Letters of Java's SimpleDateFormat, and those of strptime.
DATES = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
ISO = "yyyy-MM-dd'T'HH:mm:ss"


class _Attribute(NamedTuple):
    name: str
    kind: str  # numeric, nominal, string, date
    levels: tuple[str, ...] = ()
    form: str = ""  # of dates, for strptime


class Arff(TableFormat):
    """Columns of numbers, nominal values, texts and dates; ? is a missing cell."""

    endings: ClassVar[tuple[str, ...]] = (".arff",)
    words: ClassVar[str] = "an ARFF file"
    compressible: ClassVar[bool] = True
    writes: ClassVar[bool] = False

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the rows, up to `rows` at a time, with the types that the header declares."""
        with _open(path) as file:
            try:
                attributes, header = _header(path, file)
                rows = max(1, min(rows, CELLS_AT_ONCE // len(attributes)))
                chunk, first_line = list[list[str | None]](), header
                for line, text in enumerate(_lines(path, file), header + 1):
                    cells = text.strip()
                    if cells and cells[0] != "%":
                        if not chunk:
                            first_line = line
                        chunk.append(_row(path, attributes, cells, line))
                        if len(chunk) == rows:
                            yield _table(path, attributes, chunk, first_line)
                            chunk = []
                if chunk:
                    yield _table(path, attributes, chunk, first_line)
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: expected UTF-8 text ({error.reason}): save it so.") from error

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of the header."""
        with _open(path) as file:
            attributes, _ = _header(path, file)
        return _table(path, attributes, [], 0).schema


def _open(path: Path) -> TextIO:
    return io.TextIOWrapper(opened.open_binary(path), encoding="utf-8-sig")


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield the lines of a file. Raises DataError for one that has no end."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise DataError(f"{path}: expected lines of less than {LONGEST_LINE:,} characters.")
        yield line


def _header(path: Path, file: TextIO) -> tuple[list[_Attribute], int]:
    """Return the columns, and the number of the line @data. Raises DataError."""
    attributes = list[_Attribute]()
    try:
        for number, line in enumerate(_lines(path, file), 1):
            text = line.strip()
            word = text.split(None, 1)[0].lower() if text else "%"
            if word == "@data":
                break
            if word == "@attribute":
                attributes.append(_attribute(path, text, number))
                if len(attributes) > MOST_COLUMNS:
                    raise DataError(f"{path}: expected at most {MOST_COLUMNS:,} columns.")
            elif word[0] != "%" and word != "@relation":
                raise DataError(f"{path}: expected @attribute or @data in line {number}, got {text!r:.40}.")
        else:
            raise DataError(f"{path}: expected an ARFF file, got no line @data.")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text ({error.reason}): save it so.") from error
    names = [each.name for each in attributes]
    if not names:
        raise DataError(f"{path}: expected lines @attribute NAME TYPE, got none.")
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise DataError(f"{path}: two columns are called {twice!r:.60}: give each a name of its own.")
    return attributes, number


def _attribute(path: Path, text: str, line: int) -> _Attribute:
    found = ATTRIBUTE.fullmatch(text)
    if found is None:
        raise DataError(f"{path}: expected @attribute NAME TYPE in line {line}, got {text!r:.60}.")
    name = _unescaped(found[1]) if found[1] is not None else _unescaped(found[2]) if found[2] is not None else found[3]
    declared = found[4].split("%")[0].strip() if found[4][0] != "{" else found[4]
    if declared[0] == "{":
        inner = declared[1:].rpartition("}")[0]
        levels = tuple(dict.fromkeys(value for value in _cells(inner) if value is not None))
        if len(levels) > MOST_LEVELS:
            raise DataError(f"{path}: column {name!r:.60} expected at most {MOST_LEVELS:,} values.")
        return _Attribute(name, "nominal", levels)
    word, _, form = declared.partition(" ")
    if word.lower() in NUMBERS:
        return _Attribute(name, "numeric")
    if word.lower() == "string":
        return _Attribute(name, "string")
    if word.lower() == "date":
        return _Attribute(name, "date", form=_strptime(form.strip().strip("\"'") or ISO))
    raise DataError(
        f"{path}: column {name!r:.60} expected numeric, nominal values, string or date in line {line}, got "
        f"{word!r:.40}: leave it out of the file."
    )


def _strptime(form: str) -> str:
    """Return a format of Java's dates for strptime; an empty text for one that has other letters."""
    made = ""
    for quoted, letters, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", form):
        for word in re.findall(r"(?:([A-Za-z])(?!\1))|((?:([A-Za-z])\3+))", letters):
            if (word[0] or word[1]) not in DATES:
                return ""
            made += DATES[word[0] or word[1]]
        made += (quoted or other).replace("%", "%%")
    return made


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


def _cells(text: str) -> list[str | None]:
    """Return the cells of a line; ? without quotes is a missing one."""
    if "'" not in text and '"' not in text:
        return [None if (cell := each.strip()) in ("?", "") else cell for each in text.split(",")]
    cells, at = list[str | None](), 0
    while at < len(text) or (cells and text[at - 1] == ","):
        found = CELL.match(text, at)
        if found is None:  # what follows a quote
            raise ValueError(f"expected a comma after a quote, got {text[at : at + 40]!r}")
        quoted = found[1] if found[1] is not None else found[2]
        plain = found[3]
        cells.append(_unescaped(quoted) if quoted is not None else None if plain in ("?", "") else plain)
        if found.end() == at and at >= len(text):
            break
        at = found.end()
    return cells


def _row(path: Path, attributes: list[_Attribute], text: str, line: int) -> list[str | None]:
    """Return the cells of a line. Raises DataError for one with more or fewer cells than columns."""
    try:
        if text[0] == "{":
            return _sparse(attributes, text)
        cells = _cells(text)
    except ValueError as error:
        raise DataError(f"{path}: {error} in line {line}.") from error
    if len(cells) == len(attributes) + 1 and cells[-1] is not None and re.fullmatch(r"\{[\d.]+\}", cells[-1]):
        return cells[:-1]  # a weight of the row, which Weka allows
    if len(cells) != len(attributes):
        raise DataError(
            f"{path}: expected {len(attributes)} cells in line {line}, got {len(cells)}: quote texts with a comma."
        )
    return cells


def _sparse(attributes: list[_Attribute], text: str) -> list[str | None]:
    inner, brace, _ = text[1:].rpartition("}")
    if not brace:
        raise ValueError("expected a } at the end")
    row = [each.levels[0] if each.levels else "0" for each in attributes]
    cells: list[str | None] = list(row)
    if not inner.strip():
        return cells
    for pair in re.findall(r"""\s*(\d{1,9})\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)""", inner):
        place = int(pair[0])
        if place >= len(attributes):
            raise ValueError(f"expected a column below {len(attributes)}, got {place},")
        cells[place] = _cells(pair[1])[0]
    return cells


def _table(path: Path, attributes: list[_Attribute], rows: list[list[str | None]], line: int) -> ArrowTable:
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else iter([()] * len(attributes))
    return pa.table(
        {each.name: _column(path, each, list(cells), line) for each, cells in zip(attributes, columns, strict=True)}
    )


def _column(path: Path, attribute: _Attribute, cells: list[str | None], line: int) -> ArrowArray:
    """Return the cells of a column in the type that the header declares. Raises DataError for another cell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = pa.array(cells, pa.string())
        if attribute.kind == "numeric":
            return texts.cast(pa.float64())
        if attribute.kind == "date" and attribute.form:
            return pc.strptime(texts, attribute.form, "us")
        if attribute.kind != "nominal":
            return texts
        if {level.lower() for level in attribute.levels} == {"true", "false"}:
            return pc.utf8_lower(texts).cast(pa.bool_())
        places = pc.index_in(texts, pa.array(attribute.levels, pa.string()))
        unknown = pc.and_(pc.is_null(places), pc.is_valid(texts))
        if pc.any(unknown).as_py():
            value = texts.filter(unknown)[0].as_py()
            raise DataError(
                f"{path}: column {attribute.name!r:.60} expected one of the values in its header, got {value!r:.40} "
                f"after line {line - 1}: add it there."
            )
        return pa.DictionaryArray.from_arrays(places, pa.array(attribute.levels, pa.string()))
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: holds text that is not valid Unicode: save it again.") from error
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: column {attribute.name!r:.60} expected a {attribute.kind} value after line {line - 1} "
            f"({str(error).splitlines()[0]:.120})."
        ) from error
