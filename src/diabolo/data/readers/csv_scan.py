"""Go over a text table once, before its rows are read: encoding, lines that are no rows, quotes, codes such as 007.

The answers are kept for each file until it changes, so that every way of reading it has the same ones.
Order: the form of a file, its first bytes, all bytes, the header that stands again.
"""

import codecs
import logging
import re
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data.readers.csv_encoding import UTF8, Encoding, encoding_of, guess, is_utf8
from diabolo.data.readers.csv_end import is_total, lines_at_end
from diabolo.data.readers.csv_form import Form, Options
from diabolo.data.readers.csv_kinds import GAP, TEXT, kind_of
from diabolo.data.readers.csv_sniffer import Start, refuse_long_line, start_of, with_quotes
from diabolo.data.readers.csv_text import BLANKS, BYTES_AT_ONCE, LONGEST_LINE, pattern_of, utf8
from diabolo.data.readers.opened import compression_of, open_binary
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.errors import DataError

FIRST_BYTES = 1 << 20
CODES_WITHIN = 1 << 26  # bytes that are searched for codes such as 007
TAIL = 1 << 14  # bytes at the end that are searched for lines which are no rows
MOST_AGAIN = 0.2  # of a file; if more of its lines begin as the header, it is none

logger = logging.getLogger(__name__)


def form_of(path: Path, options: Options | None = None) -> Form:
    """Return the form of a file. Raises: DataError if it is not a table of text; OptionError."""
    options = options or Options()
    options.check()
    try:
        return _form(path, stamp(path), options)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}): check the path.") from error


def say(path: Path, form: Form) -> None:
    """Log what was recognized: once for each file, however often it is opened."""
    _say(path, stamp(path), form.notes)


@lru_cache(maxsize=64)
def _say(path: Path, _when: Stamp, notes: tuple[str, ...]) -> None:
    for note in notes:
        logger.warning("%s: %s", path, note)


@lru_cache(maxsize=64)
def _form(path: Path, _when: Stamp, options: Options) -> Form:
    encoding = _encoding(path, options)
    start, known = _start(path, encoding.name, options)
    found = _scan(path, encoding.name, start, _bytes_of_lines(known, start.lines))
    if found is None and not options.encoding:
        # The first bytes are UTF-8, and later ones are not.
        encoding = Encoding(_guess_from_all(path), guessed=True)
        start, known = _start(path, encoding.name, options)
        found = _scan(path, encoding.name, start, _bytes_of_lines(known, start.lines))
    if found is None:
        raise DataError(not_text(path, encoding.name))
    notes, left_out = list(start.notes), list[bytes]()
    if encoding.guessed:
        notes.insert(0, f"it is not UTF-8, and is read as {encoding.name}: if letters are wrong, add --encoding NAME")
    comments = found.comments
    if comments and found.quotes:
        comments = _comments(path, encoding.name, start, _bytes_of_lines(known, start.lines))
    if comments:
        left_out.append(start.comment.encode())
        lines = f"{comments:,} line{'s' * (comments > 1)}"
        notes.append(f"{lines} with comments ({start.comment}) between the rows: left out")
    if found.again:
        left_out.append(found.begin)
        lines = f"{found.again:,} line{'s' * (found.again > 1)}"
        notes.append(f"the header stands again between the rows, in {lines}: left out")
    end, last = found.size, list[str]()
    lost, kept = 0, found.tail
    for line in lines_at_end(found.tail, start, quoted=(found.quotes - found.tail.count('"')) % 2 == 1):
        lost += len(line.encode())
        if line.strip() and not (comments and line.lstrip().startswith(start.comment)):
            last.append(line.strip())
            end, kept = found.size - lost, kept[: kept.rindex(line.rstrip("\r\n"))]
    if last:
        lines = "the last line is no row" if len(last) == 1 else f"the last {len(last)} lines are no rows"
        notes.append(f"{lines} ({last[-1]!r:.60}): left out")
    final = re.split(r"[\r\n]+", kept.rstrip())[-1].strip()
    if is_total(final, start):
        notes.append(f"the last row ({final!r:.60}) seems to be a sum of the others: if so, delete it")
    return Form(
        names=start.names,
        named=start.named,
        plain=start.plain,
        spare=start.spare,
        lines=start.lines,
        start=_bytes_of_lines(known, start.lines),
        end=end,
        whole=not last,
        longest=max(map(len, known.splitlines()[: start.lines + 4]), default=0),
        separator=start.separator,
        encoding=encoding.name,
        compressed=bool(compression_of(path)),
        quotes=found.quotes,
        padded=start.padded,
        left_out=tuple(left_out),
        zeros=found.zeros,
        notes=tuple(notes),
    )


def _encoding(path: Path, options: Options) -> Encoding:
    if options.encoding:
        name = codecs.lookup(options.encoding).name
        return Encoding(UTF8 if name == "utf-8-sig" else name)
    with open_binary(path) as file:
        first = file.read(FIRST_BYTES)
        found = encoding_of(first, whole=len(first) < FIRST_BYTES)
    if found is None:
        raise DataError(
            f"{path}: expected a text table, got other bytes in line {first[: first.find(0)].count(10) + 1}: check the "
            f"ending of the file, or name its encoding (--encoding utf-16)."
        )
    return found


def _start(path: Path, encoding: str, options: Options) -> tuple[Start, bytes]:
    """Return what the first lines show, and their bytes."""
    with utf8(path, encoding) as file:
        known = file.read(FIRST_BYTES)
        # At least a few lines, however long they are.
        refuse_long_line(path, known)
        while max(known.count(b"\n"), known.count(b"\r")) < options.skip + 4 and len(known) <= 2 * LONGEST_LINE:
            more = file.read(FIRST_BYTES)
            if not more:
                break
            known += more
            refuse_long_line(path, known)
        whole = not file.read(1)
    return start_of(path, known.decode(errors="ignore"), options, whole=whole), known


def _comments(path: Path, encoding: str, start: Start, before: int) -> int:
    """Return how many lines outside quotes begin with the mark of a comment. Args: before: bytes before the rows."""
    with utf8(path, encoding) as file:
        file.read(before)
        lines = (line.decode(errors="ignore") for line in file)
        return sum(not inside and line.lstrip().startswith(start.comment) for line, inside in with_quotes(lines))


class _Found(NamedTuple):
    """What all bytes of a file show.

    Attributes:
        size: bytes of the file as UTF-8.
        begin: what a line begins with that is the header; ending in a line feed: the whole line.
        again: how many lines between the rows begin so.
        comments: how many lines between the rows begin with the mark of a comment.
        quotes: marks of quotes in the rows.
        zeros: whether cells may begin with a zero that a number would lose.
        tail: the last whole lines.
    """

    size: int
    begin: bytes
    again: int
    comments: int
    quotes: int
    zeros: bool
    tail: str


def _scan(path: Path, encoding: str, start: Start, before: int) -> _Found | None:
    """Return what all bytes show; None if they are not in the encoding. Args: before: bytes before the first row."""
    begins = [each for each in (_begin_of(start), start.comment.encode()) if each]
    lines = [(each, each.rstrip(b"\n"), re.compile(rb"[\r\n][ \t]*(?:%b)" % pattern_of(each))) for each in begins]
    counts = dict.fromkeys(begins, 0)
    quotes, size, zeros, decoder = 0, 0, False, codecs.getincrementaldecoder(UTF8)()
    last, rest = b"", b"\n"  # the last bytes; those after the last end of a line
    with utf8(path, encoding) as file:
        try:
            size = len(first := file.read(before))
            decoder.decode(first)
            buffer = bytearray(BYTES_AT_ONCE)  # the same memory for each piece, which is faster than new bytes
            while count := file.readinto(buffer):
                piece = buffer if count == len(buffer) else bytearray(buffer[:count])
                if encoding == UTF8 and (decoder.getstate()[0] or not piece.isascii()):
                    decoder.decode(piece)
                quotes += int(np.count_nonzero(np.frombuffer(piece, np.uint8) == ord('"')))  # faster than count()
                if not zeros and size < CODES_WITHIN:
                    zeros = _has_codes(rest[-1:] + piece[:CODES_WITHIN], start)
                end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
                for begin, text, pattern in lines:
                    # The first line continues one of the piece before; the last one continues in the next piece.
                    if end >= 0 and _holds(piece, text):
                        counts[begin] += len(pattern.findall(piece, 0, end))
                    first_end = min((at for at in (piece.find(b"\n"), piece.find(b"\r")) if at >= 0), default=count)
                    if end >= 0 and text in (whole := rest + piece[:first_end]):
                        counts[begin] += len(pattern.findall(whole + b"\n"))
                rest = bytes(piece[end:]) if end >= 0 else (rest + piece)[:LONGEST_LINE]
                last = bytes(piece[-TAIL:]) if count >= TAIL else (last + piece)[-TAIL:]
                size += count
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return None
    for begin, _, pattern in lines:
        counts[begin] += len(pattern.findall(rest))
    again = counts.get(_begin_of(start), 0)
    return _Found(
        size=size,
        begin=_begin_of(start),
        again=again if again * len(start.header) <= MOST_AGAIN * size else 0,
        comments=counts.get(start.comment.encode(), 0),
        quotes=quotes,
        zeros=zeros,
        tail=(last if size - before <= TAIL else last[last.find(b"\n") + 1 :]).decode(errors="ignore"),
    )


def _holds(piece: bytearray, text: bytes) -> bool:
    """Return `text in piece`, in a fraction of the time if the piece lacks one of the bytes of the text."""
    return all(byte in piece for byte in text) and text in piece


def _has_codes(piece: bytearray | bytes, start: Start) -> bool:
    """Return whether a cell begins with 0 and another digit. By NumPy, which is faster than a pattern."""
    letters = np.frombuffer(piece, np.uint8)
    codes = (letters[1:-1] == ord("0")) & (letters[2:] - ord("0") < 10)  # below 0 an unsigned number is large
    ends = [*b'\n\r"', *(b" \t" if start.separator == BLANKS else start.separator.encode())]
    if start.padded:
        ends.append(ord(" "))
    begins = np.zeros(len(codes), bool)
    for end in ends:
        begins |= letters[:-2] == end
    return bool((codes & begins).any())


def _begin_of(start: Start) -> bytes:
    """Return what a line begins with that is the header: its first two names, or the line where these may be cells.

    A row may have the first two names as its cells if all columns are texts; numbers are cells of most rows.
    """
    if not start.named or start.separator == BLANKS or any(kind_of(name) != TEXT for name in start.names[:2]):
        return b""
    line, places, quoted = start.header.strip(), list[int](), False
    for at, letter in enumerate(line):
        quoted ^= letter == '"'
        if letter == start.separator and not quoted:
            places.append(at)
    if "\n" in line or "\r" in line or not places:
        return b""
    typed = not start.forced and any(kind not in (TEXT, GAP) for kind in start.kinds)
    return (line[: places[1] + 1] if len(places) > 1 and typed else f"{line}\n").encode()


def _bytes_of_lines(known: bytes, lines: int) -> int:
    """Return how many bytes lines at the start of a file take."""
    place = 0
    found = 0
    for end in islice(re.finditer(rb"\r\n|\r|\n", known), lines):
        place, found = end.end(), found + 1
    return place if found == lines else len(known)  # the last line may not end


def _guess_from_all(path: Path) -> str:
    """Return the encoding of a file whose first bytes are UTF-8, from the first other ones."""
    with open_binary(path) as file:
        before = b""
        while piece := file.read(BYTES_AT_ONCE):
            if not is_utf8(before + piece, whole=False):
                return guess(before + piece)
            before = piece[-4:]
    return guess(before)


def not_text(path: Path, encoding: str) -> str:
    """Return one line that says that a file is not text in an encoding, with the number of the first such line."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_binary(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            try:
                decoder.decode(line)
            except UnicodeDecodeError as error:
                got = line[max(0, error.start - 12) : error.start + 12].decode("latin1").strip()
                return (
                    f"{path}: expected text in the encoding {encoding} in line {number}, got {got!r}: name another "
                    f"one, for example --encoding cp1252."
                )
    return f"{path}: expected text in the encoding {encoding}: name another one, for example --encoding cp1252."
