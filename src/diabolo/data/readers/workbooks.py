"""Workbooks, .xlsx and .ods: which sheets there are, and the cells of one, through calamine.

calamine takes memory for every cell of the rectangle that the cells of a sheet span, and for every use of a text. A
file of a kilobyte can ask for terabytes so, and the process would be killed. Therefore the file is looked through
before: what it unpacks to, the rectangle, the texts.
Order: limits, sheets, what a file unpacks to, .xlsx, .ods.
"""

import logging
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from diabolo.data import memory
from diabolo.data.readers.inside import part_of, shown
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.errors import DataError, MissingExtraError, listed, unknown

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

MAX_RATIO = 1 << 8  # times the size of a file; XML of a sheet shrinks 10 to 30 times
ANY_BYTES = 1 << 28  # that a file of any size may unpack to
MAX_MEMBERS = 10_000  # files in the archive; a sheet is one
MAX_ROWS, MAX_COLUMNS = 1 << 20, 1 << 14  # of a sheet, in every program
BYTES_A_CELL = 80  # in calamine, in a list, and as an object of Python
ANY_CELLS = 1 << 22  # of a rectangle in a file of any size
CELLS_A_BYTE = 2  # of XML, in larger files: most cells are empty then
MUCH_TEXT = 1 << 27  # bytes of shared texts, above which they are counted one by one
LONGEST_TAG = 1 << 20
BYTES_AT_ONCE = 1 << 20
OLD = b"\xd0\xcf\x11\xe0"  # an .xls file, or one that is protected by a password

Row = list[object]

logger = logging.getLogger(__name__)


def rows(path: Path, words: str) -> list[Row]:
    """Return the rows of the sheet that a path names, else of the first that is not empty; an empty cell is "".

    Raises: DataError for a damaged or hostile file, a sheet that does not exist, and a workbook without cells.
    """
    _check(path, words)
    with _open(path, words) as book:
        names = list(book.sheet_names)
        part = part_of(path)
        if part and part not in names:
            raise DataError(f"{shown(path)}: {unknown('sheet', part, names)}")
        for name in [part] if part else names:
            cells: list[Row] = _sheet(book, name, path, words)
            if any(cell != "" for row in cells for cell in row):
                if len(names) > 1 and not part:
                    others = listed([each for each in names if each != name])
                    logger.warning("%s: read sheet %r; others: %s (%s:NAME)", path, name, others, path.name)
                return cells
    raise DataError(f"{shown(path)}: expected rows, got only empty cells.")


def _open(path: Path, words: str) -> "CalamineWorkbook":
    try:
        import python_calamine
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: python-calamine, which reads it, is not installed: pip install 'diabolo[data]'."
        ) from error
    with _refused(f"{path}: expected {words}"):
        return python_calamine.CalamineWorkbook.from_path(path)


def _sheet(book: "CalamineWorkbook", name: str, path: Path, words: str) -> list[Row]:
    with _refused(f"{path}: expected {words}, got a damaged sheet {name!r}"):
        return [list(row) for row in book.get_sheet_by_name(name).to_python(skip_empty_area=True)]


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Raise the errors of calamine as a DataError."""
    import python_calamine

    try:
        yield
    except BaseException as error:
        # A bug of calamine in a damaged file raises a PanicException, which is no Exception.
        if isinstance(error, (python_calamine.CalamineError, OSError, ValueError)) or _is_panic(error):
            raise DataError(f"{what} ({_line(error)}): save it again.") from error
        raise


def _is_panic(error: BaseException) -> bool:
    return type(error).__name__ == "PanicException"


def _line(error: BaseException) -> str:
    return f"{(str(error).splitlines() or [type(error).__name__])[0]:.120}"


def _check(path: Path, words: str) -> None:
    """Raise DataError for a file that is not a workbook, or that takes more memory than there is."""
    with path.open("rb") as file:
        if file.read(4) == OLD:
            raise DataError(
                f"{path}: expected {words}, got an .xls file or one with a password: save it without, anew."
            )
    size = _size(path, stamp(path))
    needed = size.cells * BYTES_A_CELL + size.text
    if needed > memory.free():
        raise DataError(
            f"{path}: its sheets take about {memory.words(needed)}, more than {memory.words(memory.free())} of memory: "
            f"save the rows that you need as .csv or .parquet."
        )


class _Size(NamedTuple):
    """What a workbook may take: cells of the largest rectangle, and bytes of texts."""

    cells: int
    text: int


@lru_cache(maxsize=16)
def _size(path: Path, when: Stamp) -> _Size:
    """Return what a workbook takes, as far as its XML shows. Raises DataError where no true workbook would."""
    most, unpacked = max(ANY_BYTES, when[0] * MAX_RATIO), 0
    excel, opened = _Excel(), _Open()
    try:
        members = _members(path, most)
        for member in members:
            found = opened if member.filename == "content.xml" else excel
            for piece in _tags(path, member):
                unpacked += len(piece)
                if unpacked > most:
                    raise DataError(_unpacks(path, unpacked))
                found.add(path, piece)
            found.end(path)
        text = excel.uses * max(excel.lengths, default=0)
        if text > MUCH_TEXT:
            used = (int(place) for member in members for place in _shared(path, member))
            text = sum(excel.lengths[place] for place in used if place < len(excel.lengths))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: expected a workbook, got no archive or a damaged one ({_line(error)}).") from error
    cells = max(excel.cells, opened.cells)
    if cells > max(ANY_CELLS, CELLS_A_BYTE * unpacked):
        raise DataError(
            f"{path}: a sheet spans {cells:,} cells, of which most are empty: delete the cells far from the table, "
            f"and save it again."
        )
    return _Size(cells, text + opened.text)


def _members(path: Path, most: int) -> list[zipfile.ZipInfo]:
    """Return what an archive holds. Raises DataError if it announces more than `most` bytes."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise DataError(f"{path}: holds {len(members):,} files, expected at most {MAX_MEMBERS:,}.")
    announced = sum(member.file_size for member in members)
    if announced > most:
        raise DataError(_unpacks(path, announced))
    return members


def _unpacks(path: Path, size: int) -> str:
    return f"{path}: unpacks to {size:,} bytes or more, expected a workbook: save the rows that you need as .csv."


def _tags(path: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member in pieces that do not end within a tag. Raises DataError."""
    rest = b""
    for block in _content(path, member):
        text = rest + block
        end = text.rfind(b"<")
        if end <= 0:
            end = len(text) if b">" in text or b"<" not in text else 0
        yield text[:end]
        rest = text[end:]
        if len(rest) > LONGEST_TAG:
            if b">" not in rest:
                raise DataError(f"{path}: expected a workbook, got a tag of more than {LONGEST_TAG:,} bytes.")
            yield rest  # a long text after a tag
            rest = b""
    yield rest


def _content(path: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member of an archive. Raises DataError if it is not as long as announced.

    zipfile reads only as many bytes as the archive announces, other readers all that there are.
    """
    if member.flag_bits & 1:
        raise DataError(f"{path}: is protected by a password: save it without.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path}: expected a workbook, got an archive with another compression: save it again.")
    unpack = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == zipfile.ZIP_DEFLATED else None
    done, left = 0, member.compress_size
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(30)
        if header[:4] != b"PK\3\4" or len(header) < 30:
            raise zipfile.BadZipFile("a file in it has no header")
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        while left > 0:
            packed = file.read(min(left, BYTES_AT_ONCE))
            if not packed:
                raise EOFError("it ends too early")
            left -= len(packed)
            while packed:
                piece = packed if unpack is None else unpack.decompress(packed, BYTES_AT_ONCE)
                packed = b"" if unpack is None else unpack.unconsumed_tail
                done += len(piece)
                if done > member.file_size:
                    raise DataError(f"{path}: a file in it is longer than announced: save it again.")
                yield piece


ROW_OF_EXCEL = re.compile(rb"<(?:\w+:)?row\b")
COLUMN_OF_CELL = re.compile(rb"r\s*=\s*[\"']([A-Za-z]{1,9})\d")
ROW_OF_CELL = re.compile(rb"r\s*=\s*[\"'][A-Za-z]{0,9}(\d{1,9})")
TEXT_OF_EXCEL = re.compile(rb"<(?:\w+:)?si\b")
SHARED = re.compile(rb"t\s*=\s*[\"']s[\"'][^<]*<(?:\w+:)?v[^>]*>\s*(\d{1,9})")


class _Excel:
    """The XML of an .xlsx file: its largest rectangle of cells, the lengths and uses of its texts.

    Rows and cells without a place follow each other.
    """

    def __init__(self) -> None:
        self.cells, self.uses, self.lengths = 0, 0, list[int]()
        self._row, self._columns, self._in_row, self._in_texts = 0, 0, 0, False

    def add(self, path: Path, piece: bytes) -> None:
        """Look at a piece of XML. Raises DataError for a place outside every sheet."""
        before, *rows = ROW_OF_EXCEL.split(piece)
        if self._row or rows:
            self._columns = max(self._columns, *map(_columns_of, set(COLUMN_OF_CELL.findall(piece))), 0)
            self._row = max(self._row + len(rows), *map(int, set(ROW_OF_CELL.findall(piece))), 0)
            if self._row > MAX_ROWS or self._columns > MAX_COLUMNS:
                raise DataError(
                    f"{path}: names the cell in row {self._row:,}, column {self._columns:,}: save it again."
                )
            # This counts a few other tags, too, which matters to no true sheet.
            counts = [each.count(b"<c") + each.count(b":c") for each in (before, *rows)]
            self._columns = max(self._columns, self._in_row + counts[0], *counts[1:-1])
            self._in_row = counts[-1] + (0 if rows else self._in_row)
        self.uses += piece.count(b'"s"') + piece.count(b"'s'")
        if self._in_texts or b"<si" in piece or b":si" in piece:
            rest, *texts = TEXT_OF_EXCEL.split(piece)
            if self._in_texts:
                self.lengths[-1] += len(rest)
            self.lengths += map(len, texts)
            self._in_texts = bool(self.lengths)

    def end(self, path: Path) -> None:
        """End a file of the archive, which is one sheet, or all texts."""
        self.cells = max(self.cells, self._row * max(self._columns, self._in_row))
        self._row, self._columns, self._in_row, self._in_texts = 0, 0, 0, False


def _columns_of(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _shared(path: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the numbers of the shared texts that cells use."""
    for piece in _tags(path, member):
        yield from SHARED.findall(piece)


ROW_OF_OPEN = re.compile(rb"<table:table-row\b")
SHEET_OF_OPEN = re.compile(rb"<table:table\b")
CELL_OF_OPEN = re.compile(rb"<table:(?:covered-)?table-cell\b")
CONTENT = re.compile(rb"value-type|<text:p")
REPEATED_ROWS = re.compile(rb"number-rows-repeated\s*=\s*[\"'](\d+)")
REPEATED_COLUMNS = re.compile(rb"number-columns-repeated\s*=\s*[\"'](\d+)")


class _Open:
    """The content of an .ods file: the rectangles of its cells and the bytes of its texts.

    Rows and cells may be repeated; those without content at the end are not counted, because no reader keeps them.
    """

    def __init__(self) -> None:
        self.cells, self.text = 0, 0
        self._rows, self._empty, self._columns, self._segment = 0, 0, 0, b""

    def add(self, path: Path, piece: bytes) -> None:
        """Look at a piece of XML."""
        first, *others = ROW_OF_OPEN.split(piece)
        self._segment += first
        for segment in others:
            self._end_row(path)
            self._segment = segment
        if len(self._segment) > LONGEST_TAG << 4:
            raise DataError(f"{path}: expected a sheet, got a row of more than {LONGEST_TAG << 4:,} bytes.")
        self._end_row(path, keep=True)

    def _end_row(self, path: Path, *, keep: bool = False) -> None:
        """Count the row that was gathered. Args: keep: whether more of it may follow, which is counted again."""
        segment, last = self._segment, -1
        sheet = SHEET_OF_OPEN.search(segment)
        for found in CONTENT.finditer(segment):
            last = found.end()
        times = REPEATED_ROWS.search(segment.partition(b"<")[0])
        rows = int(times[1][:9]) if times else 1
        if last < 0:
            if not keep:
                self._empty += rows
        else:
            end = segment.find(b"<", last)
            within = segment[: end if end > 0 else len(segment)]
            repeated = [int(each[:9]) for each in REPEATED_COLUMNS.findall(within)]
            columns = len(CELL_OF_OPEN.findall(within)) + sum(repeated)
            total = self._rows + self._empty + rows
            self._columns = max(self._columns, columns)
            self.cells = max(self.cells, total * self._columns)
            if not keep:
                self._rows, self._empty = total, 0
                self.text += len(within) * rows * max(repeated, default=1)
        if sheet and not keep:
            self._rows, self._empty, self._columns = 0, 0, 0

    def end(self, path: Path) -> None:
        """End the file."""
        self._end_row(path)
