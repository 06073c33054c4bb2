"""What the first lines of a CSV file say: separator, header, index, quotes, blanks around cells.

The first line is a header if any of its cells is neither a number nor a gap; a first line of numbers is a row.
Order: options, the form, blanks, reading the first lines.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from diabolo.data.frames import texts
from diabolo.errors import DataError

NUMBER = re.compile(texts.number(), re.IGNORECASE | re.ASCII)
GAPS = {"", "?", "-", "na", "n/a", "#n/a", "nan", "null", "none"}  # what stands for nothing, in lower case

# What pyarrow takes for a gap, and what the tables of UCI write; in quotes they are texts.
NULLS = [
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-NaN",
    "-nan",
    "1.#IND",
    "?",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "n/a",
    "nan",
]
NULLS += ["null"]
# Where points part it from the month, the day stands first; of slashes nobody knows.
DAY_FIRST = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S")
SEPARATORS = ",;\t|"
LONGEST_LINE = 1 << 24  # letters of the first lines, which are held whole
MOST_COLUMNS = 1 << 17  # more are no table, but a file of another kind
QUOTES_WITHIN = 1 << 20  # letters from the start in which quotes are looked for

BYTES_AT_ONCE = 1 << 20  # pyarrow's own; larger blocks are no faster, and it reads several ahead
LINES_AT_ONCE = 4  # at least: a block must hold whole rows


class Options(NamedTuple):
    """How a file is written, where its first line does not tell."""

    separator: str = ""  # empty: the one of , ; tab | that cuts the first line into most cells
    decimal: str = "."


class Form(NamedTuple):
    """What the first line of a file tells."""

    blank: int  # empty lines before it
    header: tuple[str, ...] | None  # names of the columns, if it has them
    columns: int
    header_bytes: int  # of the first line, if it is a header, and what comes before it
    longest: int  # of the first lines, in bytes
    separator: str
    quoted: bool  # whether there are quotes, within which a line may end
    counts: bool  # whether it is 0, 1, 2, ..., as pandas calls columns without names
    indexed: bool  # whether a first column without a name stands before those of the header, which is left out
    padded: bool  # whether there are blanks around cells

    def options(self) -> dict[str, Any]:
        """Return how pyarrow should read and parse such a file."""
        from pyarrow import csv as arrow

        return {
            "read_options": arrow.ReadOptions(
                skip_rows=self.blank,
                autogenerate_column_names=not self.header,
                block_size=max(BYTES_AT_ONCE, LINES_AT_ONCE * self.longest),
            ),
            # In a file of one column an empty line is a gap; in any other it is just an empty line.
            "parse_options": arrow.ParseOptions(
                delimiter=self.separator, ignore_empty_lines=self.columns > 1, newlines_in_values=self.quoted
            ),
        }

    def convert(self, options: Options | None, types: Mapping[str, Any] | None = None) -> Any:
        """Return what pyarrow should make of the cells."""
        from pyarrow import csv as arrow

        return arrow.ConvertOptions(
            null_values=NULLS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            timestamp_parsers=[arrow.ISO8601, *DAY_FIRST],
            decimal_point=(options or Options()).decimal,
            column_types=dict(types or {}),
            include_columns=self.included,
        )

    @property
    def included(self) -> list[str]:
        """The columns that are read, as pyarrow takes them: none names all of them."""
        return list(self.header or ()) if self.indexed else []

    def open(self, path: Path) -> Any:
        """Return what pyarrow should read: the path, or a file without the blanks around its cells."""
        return io.BufferedReader(_Trimmed(path, self.separator), BYTES_AT_ONCE) if self.padded else path

    def names(self, columns: list[str]) -> list[str]:
        """Return the columns as a message should have them."""
        return [repr(name) if self.header else f"{place + 1}" for place, name in enumerate(columns)]


class _Trimmed(io.RawIOBase):
    """A CSV file without the blanks around its cells; those within quotes stay.

    It is given in pieces of whole lines, in which every quote that is opened is closed.
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
            # A quote amid a cell opens nothing: that it is not closed must not hold up the rest for ever.
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
        # Several times as fast.
        for mark in (self._separator, b"\n", b"\r"):
            for padded in (mark + b" ", b" " + mark):
                while padded in lines:
                    lines = lines.replace(padded, mark)
        return lines.strip(b" ")


def form_of(path: Path, options: Options | None = None) -> Form:
    """Return what the first lines of a file say; DataError where it is not a table of UTF-8 text."""
    try:
        before = 0
        with path.open(encoding="utf-8-sig", newline="") as file:
            for blank, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), "")):
                if line.strip():
                    if len(line) == LONGEST_LINE or max(map(line.count, SEPARATORS)) > MOST_COLUMNS:
                        raise DataError(
                            f"{path}: expected a table, got a first line of more than {LONGEST_LINE:,} letters or "
                            f"{MOST_COLUMNS:,} columns."
                        )
                    cells, known, used, separator = _first_row(line, file, (options or Options()).separator)
                    known.append(file.readline(LONGEST_LINE))
                    start = "".join(known) + file.read(QUOTES_WITHIN)
                    padded = separator != " " and any(
                        each in start for each in (f"{separator} ", f" {separator}", "\n ", " \n", " \r")
                    )
                    cells = [cell.strip(" ") for cell in cells] if padded else cells
                    # As pandas writes an index and columns without names.
                    counted = cells[:1] == [""] and cells[1:] == [str(at) for at in range(len(cells) - 1)] != []
                    numbers = not counted and all(
                        NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS for cell in cells
                    )
                    before += len("".join(known[:used]).encode())
                    longest = max(len("".join(known[:used]).encode()), len(known[used].encode()))
                    index = not numbers and not cells[0] and len(cells) > 1 and all(cells[1:])
                    return Form(
                        blank,
                        None if numbers else tuple(cells[index:]),
                        len(cells),
                        0 if numbers else before,
                        longest,
                        separator,
                        '"' in start,
                        len(cells) > 2 and cells == [str(at) for at in range(len(cells))],
                        index,
                        padded,
                    )
                before += len(line.encode())
    except UnicodeDecodeError as error:
        raise DataError(not_text(path)) from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    raise DataError(f"{path}: expected a table, got an empty file.")


def _first_row(line: str, file: TextIO, asked: str) -> tuple[list[str], list[str], int, str]:
    """Return the cells of the first row, the lines read, how many of them it takes, and the separator.

    A name in quotes may go on in the lines behind `line`. Args: asked: the separator; empty: the one that cuts the row
    into most cells, a comma where nothing does.
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
    """Return in one line that a file is no UTF-8 text, with the first line that is not."""
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
                    f"{path}: expected UTF-8 text in line {number}{got}: turn it into such, as by "
                    f"iconv -f {'utf16' if wide else 'latin1'} -t utf8 {path.name}."
                )
    return f"{path}: expected UTF-8 text."


def is_number(kind: Any) -> bool:
    """Return whether an Arrow type holds numbers, or nothing but gaps."""
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))
