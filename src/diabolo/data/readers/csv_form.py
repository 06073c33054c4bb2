"""The form of a CSV file, from its first lines: separator, header, index, quotes, blanks around cells.

The first line is a header if any of its cells is neither a number nor a gap; otherwise it is a row.
Order: options, the form, blanks, reading the first lines.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from diabolo.data.frames.marks import MISSING
from diabolo.errors import DataError
from diabolo.typing import ArrowConvert, ArrowType

NUMBER = re.compile(
    r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE | re.ASCII
)
GAPS = {"", "?", "-", "na", "n/a", "#n/a", "nan", "null", "none"}  # cells that mean "no value", in lower case

# Cells that are read as gaps: those of pyarrow, and "?", which the tables of UCI use. Within quotes they are texts.
NULLS = list(MISSING)
# With points, the day comes before the month; with slashes the order is not known.
DAY_FIRST = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S")
SEPARATORS = ",;\t|"
LONGEST_LINE = 1 << 24  # characters; the first lines are held in memory
MOST_COLUMNS = 1 << 17  # a file with more columns is not a table
QUOTES_WITHIN = 1 << 20  # characters at the start that are searched for quotes

BYTES_AT_ONCE = 1 << 20  # pyarrow's default; larger blocks are not faster, and pyarrow reads several ahead
LINES_AT_ONCE = 4  # a block holds at least so many of the longest first lines, because it must hold whole rows


class Options(NamedTuple):
    """How a file is written, as far as its first lines do not show it."""

    separator: str = ""  # empty: whichever of , ; tab | gives the first line the most cells
    decimal: str = "."


class Form(NamedTuple):
    """The form of a file."""

    blank: int  # empty lines before it
    header: tuple[str, ...] | None  # names of the columns; None: the file has no header
    columns: int
    header_bytes: int  # of the header and the lines before it
    longest: int  # the longest of the first lines, in bytes
    separator: str
    quoted: bool  # whether there are quotes, inside which a line may end
    counts: bool  # whether the first line is 0, 1, 2, ..., pandas' names for unnamed columns
    indexed: bool  # whether there is a first column without a name, which is left out
    padded: bool  # whether there are blanks around cells

    def options(self) -> dict[str, Any]:
        """Return pyarrow's options for reading and parsing the file."""
        from pyarrow import csv as arrow

        return {
            "read_options": arrow.ReadOptions(
                skip_rows=self.blank,
                autogenerate_column_names=not self.header,
                block_size=max(BYTES_AT_ONCE, LINES_AT_ONCE * self.longest),
            ),
            # In a file with one column an empty line is a gap; in other files it means nothing.
            "parse_options": arrow.ParseOptions(
                delimiter=self.separator, ignore_empty_lines=self.columns > 1, newlines_in_values=self.quoted
            ),
        }

    def convert(self, options: Options | None, types: Mapping[str, ArrowType] | None = None) -> ArrowConvert:
        """Return pyarrow's options for converting the cells.

        Args: types: Arrow types of columns by name; the others are inferred.
        """
        from pyarrow import csv as arrow

        return arrow.ConvertOptions(
            null_values=NULLS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            timestamp_parsers=[arrow.ISO8601],
            decimal_point=(options or Options()).decimal,
            column_types=dict(types or {}),
            include_columns=self.included,
        )

    @property
    def included(self) -> list[str]:
        """The columns that pyarrow should read; an empty list means all of them."""
        return list(self.header or ()) if self.indexed else []

    def open(self, path: Path) -> Any:
        """Return the source that pyarrow should read: the path, or a stream without the blanks around cells."""
        return io.BufferedReader(_Trimmed(path, self.separator), BYTES_AT_ONCE) if self.padded else path

    def names(self, columns: list[str]) -> list[str]:
        """Return the columns for a message: by name, or by number in a file without a header."""
        return [repr(name) if self.header else f"{place + 1}" for place, name in enumerate(columns)]


class _Trimmed(io.RawIOBase):
    """A CSV file without the blanks around its cells; blanks inside quotes stay.

    The file is processed in pieces of whole lines, in which every opened quote is closed.
    """

    def __init__(self, path: Path, separator: str) -> None:
        self._file, self._separator = path.open("rb"), separator.encode()
        self._rest, self._ready = b"", memoryview(b"")
        mark = re.escape(self._separator)
        self._around = re.compile(
            rb'(?:\A|(?<=[%b\n])) *("(?:[^"]|"")*")|(?:\A|(?<=[%b\n])) +| +(?=[%b\r\n]|\Z)' % (mark, mark, mark)
        )

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._file.read(BYTES_AT_ONCE)
            if not piece and not self._rest:
                return 0
            self._rest += piece
            end = len(self._rest) if not piece else self._rest.rfind(b"\n") + 1
            # A quote inside a cell does not open a quotation and is never closed: LONGEST_LINE limits the wait for it.
            if piece and len(self._rest) < LONGEST_LINE and (not end or self._rest.count(b'"', 0, end) % 2):
                continue
            end = end or len(self._rest)
            self._ready, self._rest = memoryview(self._trimmed(self._rest[:end])), self._rest[end:]
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _trimmed(self, lines: bytes) -> bytes:
        if b'"' in lines:
            return self._around.sub(lambda found: found[1] or b"", lines)
        # Without quotes this is several times as fast.
        for mark in (self._separator, b"\n", b"\r"):
            for padded in (mark + b" ", b" " + mark):
                while padded in lines:
                    lines = lines.replace(padded, mark)
        return lines.strip(b" ")


def form_of(path: Path, options: Options | None = None) -> Form:
    """Return the form of a file, from its first lines; DataError if it is not a table of UTF-8 text."""
    try:
        before = 0
        with path.open(encoding="utf-8-sig", newline="") as file:
            for blank, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), "")):
                if line.strip():
                    if len(line) == LONGEST_LINE or max(map(line.count, SEPARATORS)) > MOST_COLUMNS:
                        raise DataError(
                            f"{path}: expected a table, got a first line of more than {LONGEST_LINE:,} characters or "
                            f"{MOST_COLUMNS:,} columns."
                        )
                    cells, known, used, separator = _first_row(line, file, (options or Options()).separator)
                    known.append(file.readline(LONGEST_LINE))
                    start = "".join(known) + file.read(QUOTES_WITHIN)
                    padded = separator != " " and any(
                        each in start for each in (f"{separator} ", f" {separator}", "\n ", " \n", " \r")
                    )
                    cells = [cell.strip(" ") for cell in cells] if padded else cells
                    # pandas writes an index and unnamed columns like this.
                    counted = cells[:1] == [""] and cells[1:] == [str(at) for at in range(len(cells) - 1)] != []
                    numbers = not counted and all(
                        NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS for cell in cells
                    )
                    before += len("".join(known[:used]).encode())
                    longest = max(len("".join(known[:used]).encode()), len(known[used].encode()))
                    index = not numbers and not cells[0] and len(cells) > 1 and all(cells[1:])
                    return Form(
                        blank=blank,
                        header=None if numbers else tuple(cells),
                        columns=len(cells),
                        header_bytes=0 if numbers else before,
                        longest=longest,
                        separator=separator,
                        quoted='"' in start,
                        counts=len(cells) > 2 and cells == [str(at) for at in range(len(cells))],
                        indexed=False,
                        padded=padded,
                    )
                before += len(line.encode())
    except UnicodeDecodeError as error:
        raise DataError(not_text(path)) from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    raise DataError(f"{path}: expected a table, got an empty file.")


def _first_row(line: str, file: TextIO, asked: str) -> tuple[list[str], list[str], int, str]:
    """Return the cells of the first row, the lines read, how many of them it takes, and the separator.

    A name in quotes may continue in the lines after `line`.

    Args: asked: the separator; empty: the one that gives the most cells, or a comma if all give one cell.
    """
    known = [line]

    def row(separator: str) -> tuple[list[str], int]:
        used = 0

        def lines() -> Iterator[str]:
            nonlocal used
            while used < len(known) or (sum(map(len, known)) < LONGEST_LINE and (more := file.readline(LONGEST_LINE))):
                if used == len(known):
                    known.append(more)
                used += 1
                yield known[used - 1]

        return next(csv.reader(lines(), delimiter=separator)), used

    rows = {separator: row(separator) for separator in ([asked] if asked else SEPARATORS)}
    separator = max(rows, key=lambda each: len(rows[each][0]))
    return rows[separator][0], known, rows[separator][1], separator


def not_text(path: Path) -> str:
    """Return one line that says that a file is not UTF-8 text, with the number of the first such line."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            wide = number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff")
            try:
                line.decode()
            except UnicodeDecodeError as error:
                got = (
                    ""
                    if wide
                    else f", got {line[max(0, error.start - 12) : error.start + 12].decode('latin1').strip()!r}"
                )
                return (
                    f"{path}: expected UTF-8 text in line {number}{got}: convert it, for example with "
                    f"iconv -f {'utf16' if wide else 'latin1'} -t utf8 {path.name}."
                )
    return f"{path}: expected UTF-8 text."


def is_number(kind: ArrowType) -> bool:
    """Return whether an Arrow type holds numbers, or only gaps."""
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))
