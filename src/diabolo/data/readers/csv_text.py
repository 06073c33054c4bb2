"""The text of a file as UTF-8, and as the lines that pyarrow should see.

`utf8` unpacks and decodes; `Lines` leaves out lines that are not rows, and blanks around cells, piece by piece.
Order: UTF-8, lines, blanks.
"""

import codecs
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from diabolo.data.readers.csv_encoding import UTF8
from diabolo.data.readers.opened import open_binary
from diabolo.errors import DataError

BYTES_AT_ONCE = 1 << 20
LONGEST_LINE = 1 << 24  # bytes or characters; the first lines are held in memory
BLANKS = " "  # the separator that means one or more blanks or tabs

Clean = Callable[[bytes], bytes]


def utf8(path: Path, encoding: str) -> io.BufferedIOBase:
    """Open a file as UTF-8 without a byte order mark. Raises: DataError from `read` for bytes of another encoding."""
    file = open_binary(path)
    if encoding != UTF8:
        return io.BufferedReader(_Decoded(path, file, encoding), BYTES_AT_ONCE)
    if not isinstance(file, io.BufferedReader):
        file = io.BufferedReader(file, BYTES_AT_ONCE)  # type: ignore[type-var]
    if file.peek(3).startswith(codecs.BOM_UTF8):
        file.read(3)
    return file


class _Decoded(io.RawIOBase):
    """A file in another encoding as UTF-8."""

    def __init__(self, path: Path, file: BinaryIO, encoding: str) -> None:
        self._path, self._file, self._encoding, self._begun = path, file, encoding, False
        self._decoder, self._ready, self._lines = codecs.getincrementaldecoder(encoding)(), memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._file.read(BYTES_AT_ONCE)
            try:
                text = self._decoder.decode(piece, final=not piece)
            except UnicodeError as error:
                line = 1 + self._lines
                if isinstance(error, UnicodeDecodeError):
                    line += error.object[: error.start].decode(self._encoding, "ignore").count("\n")
                raise DataError(
                    f"{self._path}: expected text in the encoding {self._encoding} in line {line}, got other bytes: "
                    f"name another encoding (--encoding cp1252)."
                ) from error
            if not self._begun:
                text, self._begun = text.removeprefix("\ufeff"), bool(text)
            self._lines += text.count("\n")
            self._ready = memoryview(text.encode())
            if not piece and not self._ready:
                return 0
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count


class Lines(io.RawIOBase):
    """The rows of a file: the bytes of `file` from `start` to `end`, each piece of whole lines cleaned by `clean`.

    Args: file: UTF-8, which is closed with this; clean: None: the bytes are passed through.
    """

    def __init__(self, file: io.BufferedIOBase, start: int, end: int, clean: Clean | None) -> None:
        self._file, self._left, self._clean = file, end - start, clean
        self._rest, self._ready = b"", memoryview(b"")
        while start > 0 and (skipped := file.read(min(start, BYTES_AT_ONCE))):
            start -= len(skipped)

    def readable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes of it; 0 at the end."""
        while not self._ready:
            piece = self._read() if self._clean is None else self._lines()
            if not piece:
                return 0
            self._ready = memoryview(piece if self._clean is None else self._clean(piece))
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def pieces(self) -> Iterator[bytes]:
        """Yield the rows in pieces of whole lines, in which every opened quote is closed."""
        while piece := self._lines():
            yield self._clean(piece) if self._clean is not None else piece

    def _read(self) -> bytes:
        piece = self._file.read(min(BYTES_AT_ONCE, self._left))
        self._left -= len(piece)
        return piece

    def _lines(self) -> bytes:
        """Return the next piece of whole lines; empty at the end."""
        while True:
            piece = self._read()
            if not piece and not self._rest:
                return b""
            self._rest += piece
            end = len(self._rest)
            if piece:
                end = max(self._rest.rfind(b"\n"), self._rest.rfind(b"\r", 0, -1)) + 1  # the last \r may begin \r\n
            # A quote inside a cell does not open a quotation and is never closed: LONGEST_LINE limits the wait for it.
            if piece and len(self._rest) < LONGEST_LINE and (not end or self._rest.count(b'"', 0, end) % 2):
                continue
            end = end or len(self._rest)
            found, self._rest = self._rest[:end], self._rest[end:]
            return found


def without_lines(begins: Sequence[bytes]) -> Clean:
    """Return what leaves out the lines that begin so, after blanks. A line within quotes stays.

    Args: begins: ending in a line feed: the whole line.
    """
    marks = b"|".join(map(pattern_of, begins))
    line = re.compile(rb'(?:\A|(?<=[\r\n]))[ \t]*(?:%b)[^\r\n]*(?:\r\n|\r|\n|\Z)|("(?:[^"]|"")*")' % marks)
    found_by = [each.rstrip(b"\n") for each in begins]

    def clean(lines: bytes) -> bytes:
        return line.sub(lambda found: found[1] or b"", lines) if any(each in lines for each in found_by) else lines

    return clean


def pattern_of(begin: bytes) -> bytes:
    """Return the pattern of what a line begins with; of the whole line if it ends in a line feed."""
    return re.escape(begin[:-1]) + rb"(?=[\r\n]|\Z)" if begin.endswith(b"\n") else re.escape(begin)


def without_blanks(separator: str) -> Clean:
    """Return what leaves out blanks around cells; those inside quotes stay.

    Args: separator: BLANKS: runs of blanks and tabs between cells become one blank.
    """
    return _single_blanks if separator == BLANKS else _trimming(separator.encode())


def _trimming(separator: bytes) -> Clean:
    mark = re.escape(separator)
    around = re.compile(
        rb'(?:\A|(?<=[%b\n])) *("(?:[^"]|"")*")|(?:\A|(?<=[%b\n])) +| +(?=[%b\r\n]|\Z)' % (mark, mark, mark)
    )

    def clean(lines: bytes) -> bytes:
        if b'"' in lines:
            return around.sub(lambda found: found[1] or b"", lines)
        # Without quotes this is several times as fast.
        for each in (separator, b"\n", b"\r"):
            for padded in (each + b" ", b" " + each):
                while padded in lines:
                    lines = lines.replace(padded, each)
        return lines.strip(b" ")

    return clean


_BLANKS = re.compile(rb'(?:\A|(?<=[ \t\r\n]))("(?:[^"]|"")*")|(?:\A|(?<=[\r\n]))[ \t]+|[ \t]+(?=[\r\n]|\Z)|[ \t]+')


def _single_blanks(lines: bytes) -> bytes:
    if b'"' in lines:

        def single(found: re.Match[bytes]) -> bytes:
            if found[1]:
                return found[1]
            at_end = found.end() == len(lines) or lines[found.end()] in b"\r\n"
            at_start = not found.start() or lines[found.start() - 1] in b"\r\n"
            return b"" if at_end or at_start else b" "

        return _BLANKS.sub(single, lines)
    lines = lines.replace(b"\t", b" ")
    while b"  " in lines:
        lines = lines.replace(b"  ", b" ")
    for end in (b"\n", b"\r"):
        lines = lines.replace(b" " + end, end).replace(end + b" ", end)
    return lines.strip(b" ")
