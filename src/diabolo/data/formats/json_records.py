"""JSON: a list of objects, an object that holds one such list, an object of columns, or objects one after the other.

A list, and objects one after the other, are read piece by piece, twice: for the types of the columns, which any record
may change, and for the rows. An object is read whole.
Order: the format, records of a file, an object, tables.
"""

import io
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TextIO

from diabolo.data import memory
from diabolo.data.formats.base import TableFormat, Types
from diabolo.data.formats.cells import MOST_COLUMNS, table_of, unified
from diabolo.data.formats.writing import as_json
from diabolo.data.readers import opened
from diabolo.data.readers.arrow import gathered
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.inside import part_of, shown
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.errors import DataError, listed
from diabolo.typing import ArrowSchema, ArrowTable

CHARACTERS_AT_ONCE = 1 << 20
LONGEST = 1 << 24  # characters of one record
COPIES = 12  # times the size of an object in a file that Python takes for it
CELLS = 1 << 20  # of records, of which most may be missing
RECORDS_AT_ONCE = 2048
DECODER = json.JSONDecoder(parse_constant={"NaN": None, "Infinity": float("inf"), "-Infinity": float("-inf")}.get)
BLANKS = " \t\r\n"
EXAMPLE = '[{"age": 31, "city": "Ulm"}, ...]'

Record = dict[str, Any]


class JsonRecords(TableFormat):
    """Objects of texts, numbers, booleans and null; a name that an object does not have is a missing cell."""

    endings: ClassVar[tuple[str, ...]] = (".json",)
    words: ClassVar[str] = "a JSON file"
    compressible: ClassVar[bool] = True
    nested: ClassVar[bool] = True
    holds_several: ClassVar[bool] = True

    def tables(self, path: Path, form: Options, types: Types, rows: int) -> Iterator[ArrowTable]:
        """Yield the records as tables, each with all columns of the file."""
        kinds = {field.name: field.type for field in self.schema(path, form)}

        def read() -> Iterator[ArrowTable]:
            for columns, _ in _columns(path):
                gaps = [None] * len(next(iter(columns.values())))
                yield table_of({name: columns.get(name, gaps) for name in kinds}, str(path), kinds)

        return gathered(read(), rows)

    def schema(self, path: Path, form: Options) -> ArrowSchema:
        """Return the schema of all records."""
        return _schema(path, part_of(path), stamp(path))

    def size(self, path: Path, columns: int) -> int:
        """Return the approximate bytes of the rows as doubles: a list may stand on one line."""
        with opened.open_binary(path) as file:
            start = file.read(1 << 16)
        return round(opened.unpacked_bytes(path) / max(1, len(start)) * max(1, start.count(b"{")) * columns * 8)

    def write(self, tables: Iterable[ArrowTable], file: BinaryIO) -> None:
        """Write a list with one object a row, on a line of its own."""
        separator = b"[\n"
        for table in tables:
            for row in table.to_pylist():
                file.write(separator + as_json(row))
                separator = b",\n"
        file.write(b"\n]\n" if separator == b",\n" else b"[]\n")


@lru_cache(maxsize=64)
def _schema(path: Path, _part: str, _when: Stamp) -> ArrowSchema:
    """Return all columns with types that hold their cells in every record. Raises DataError."""
    import pyarrow as pa

    known, rows, cells = pa.schema([]), 0, 0
    for columns, held in _columns(path):
        rows, cells = rows + len(next(iter(columns.values()))), cells + held
        count = len({*known.names, *columns})
        if count > MOST_COLUMNS or count * rows > max(CELLS, 64 * cells):
            raise DataError(f"{path}: expected records with the same names, got {count:,} different ones.")
        known = unified(known, table_of(columns, str(path)).schema)
    if not known.names:
        raise DataError(f"{path}: expected rows, got none.")
    return known


def _columns(path: Path) -> Iterator[tuple[dict[str, list[object]], int]]:
    """Yield the records of a file in chunks: lists of cells by the name of their column, and how many the file has."""
    records = _records(path)
    while chunk := list(islice(records, RECORDS_AT_ONCE)):
        names = dict.fromkeys(name for record in chunk for name in record)
        held = sum(map(len, chunk))
        if len(names) * len(chunk) > max(CELLS, 64 * held):
            raise DataError(f"{path}: expected records with the same names, got {len(names):,} different ones.")
        yield {name: [record.get(name) for record in chunk] for name in names}, held


def _records(path: Path) -> Iterator[Record]:
    """Yield the objects of a file. Raises DataError for anything else, with the number of records before it."""
    done = 0
    try:
        with io.TextIOWrapper(opened.open_binary(path), encoding="utf-8-sig") as file:
            for record in _values(path, _Text(file)):
                if not isinstance(record, dict) or not record:
                    got = json.dumps(record)
                    raise DataError(f"{path}: expected objects, {EXAMPLE}, got {got:.40} in record {done:,}.")
                yield record
                done += 1
    except RecursionError as error:
        raise DataError(
            f"{path}: expected plain values, got lists or objects nested too deep in record {done:,}."
        ) from error
    except ValueError as error:  # of the decoders of text and JSON
        if isinstance(error, DataError):
            raise
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: expected JSON, {EXAMPLE}, after record {done:,} ({reason:.120}).") from error


class _Text:
    """The text of a file, from which values are taken one after the other."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at = file, "", 0

    def following(self) -> str:
        """Return the next character that is not blank, which stays; an empty text at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in BLANKS:
                    return self._text[self._at]
                self._at += 1
            self._text, self._at = self._file.read(CHARACTERS_AT_ONCE), 0
            if not self._text:
                return ""

    def skip(self) -> None:
        """Skip the character that `following` returned."""
        self._at += 1

    def value(self, longest: int = LONGEST) -> object:
        """Take the next value. Raises ValueError if there is none within so many characters."""
        while True:
            try:
                value, self._at = DECODER.raw_decode(self._text, self._at)
                return value
            except json.JSONDecodeError:
                more = self._file.read(max(CHARACTERS_AT_ONCE, len(self._text) - self._at))
                if not more:
                    raise
                self._text, self._at = self._text[self._at :] + more, 0
                if len(self._text) > longest:
                    raise ValueError(f"a value has more than {longest:,} characters") from None


def _values(path: Path, text: _Text) -> Iterator[object]:
    """Yield the values of a list, or those that follow each other; of a single object its records."""
    start = text.following()
    if start == "[":
        text.skip()
        while text.following() not in ("]", ""):
            yield text.value()
            if text.following() not in (",", "]"):
                raise ValueError("the list has no end")
            if text.following() == ",":
                text.skip()
        return
    if start != "{":
        raise ValueError(f"it begins with {start!r}" if start else "it is empty")
    first = text.value(longest=memory.free() // COPIES)
    if not text.following():
        yield from _of_object(path, first)
        return
    yield first
    while text.following():  # JSON lines under another name
        yield text.value()


def _of_object(path: Path, found: Any) -> Iterator[object]:
    """Yield the records of an object: those of its one list of objects, of columns, or the object itself."""
    part = part_of(path)
    if part:
        if not isinstance(found.get(part), list):
            raise DataError(f"{shown(path)}: expected a list of that name, got only {listed(list(found))}.")
        yield from found[part]
        return
    lists = [name for name, value in found.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if len(lists) > 1:
        raise DataError(
            f"{path}: expected one list of objects, got {listed(lists)}: name one of them, {path.name}:{lists[0]}."
        )
    values = list(found.values())
    if lists:
        yield from found[lists[0]]
    elif {"columns", "data"} <= {*found} and all(isinstance(found[name], list) for name in ("columns", "data")):
        yield from (dict(zip(map(str, found["columns"]), row, strict=True)) for row in found["data"])  # pandas' split
    elif all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        yield from (dict(zip(found, row, strict=True)) for row in zip(*values, strict=True))
    elif all(isinstance(value, dict) and [*value] == [*values[0]] for value in values):
        yield from _of_nested(found)
    else:
        yield found


def _of_nested(found: dict[str, Record]) -> Iterator[Record]:
    """Yield the records of an object of objects, which pandas writes by column or by row: a table has more rows."""
    outer, inner = list(found), list(next(iter(found.values())))
    by_row = _are_places(outer) or (len(outer) > len(inner) and not _are_places(inner))
    keys, names = (outer, inner) if by_row else (inner, outer)
    index = "index"
    while index in names:
        index += "_"
    for key in keys:
        record = found[key] if by_row else {name: found[name][key] for name in names}
        yield record if _are_places(keys) else {index: key, **record}


def _are_places(keys: list[str]) -> bool:
    return keys == [str(at) for at in range(len(keys))]
