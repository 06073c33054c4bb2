"""Find the form of a text table from its first lines: separator, lines above the table, header, names.

What has one reading is recognized, and noted where a user could have meant something else. `csv_form.Options` overrides
each answer. Order: the first lines, the separator, lines above the table, the header, names.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.csv_header import names_columns
from diabolo.data.readers.csv_kinds import GAP, PLAIN_NUMBER, TEXT, kind_of, kinds_of
from diabolo.data.readers.csv_text import BLANKS, LONGEST_LINE
from diabolo.errors import DataError, listed

SEPARATORS = ",;\t|"
MOST_COLUMNS = 1 << 17  # a file with more columns is not a table
ROWS = 1000  # that are looked at
CELLS = 50_000  # that are looked at, but at least FEW rows
FEW = 20
ABOVE = 30  # lines above a table, at most
AGREE = 0.6  # of the rows have the number of cells that a separator gives most of them

_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's
_UNIT = re.compile(
    r"[\[(].*[\])]|%|°[CF]?|[munkMGcdhµ]?(m|g|s|A|K|V|W|Hz|Pa|J|N|mol|bar|l|L|B|b)([/*^·-]\S*)?|deg\w*", re.ASCII
)


def refuse_long_line(path: Path, start: bytes) -> None:
    """Raise DataError if a first line is no row of a table. Args: start: bytes of it, or more."""
    ends = [at for at in (start.find(b"\n"), start.find(b"\r")) if at >= 0]
    length = min(ends, default=len(start))
    if length >= LONGEST_LINE or max(start.count(each.encode(), 0, length) for each in SEPARATORS) > MOST_COLUMNS:
        raise DataError(
            f"{path}: expected a table, got a first line of more than {LONGEST_LINE:,} characters or {MOST_COLUMNS:,} "
            f"columns."
        )


class Row(NamedTuple):
    """The cells of a row, and the lines that it takes: from `line` up to `after`."""

    cells: list[str]
    line: int
    after: int


class Start(NamedTuple):
    """What the first lines show.

    Attributes:
        names: of the columns.
        named: whether a line names them.
        forced: whether a user says so.
        header: that line; empty if there is none.
        kinds: what the columns look like, see `csv_kinds`.
        plain: whether all cells are numbers or gaps.
        lines: before the first row.
        spare: columns at the end without names and without cells.
        separator: between cells.
        padded: whether there are blanks around cells.
        comment: what lines begin with that are no rows; empty: none do.
        notes: what was recognized.
    """

    names: tuple[str, ...]
    named: bool
    forced: bool
    header: str
    kinds: list[str]
    plain: bool
    lines: int
    spare: int
    separator: str
    padded: bool
    comment: str
    notes: list[str]


def start_of(path: Path, text: str, options: Options, *, whole: bool) -> Start:
    """Return what the first lines of a file show.

    Args: text: the first lines; whole: whether they are the whole file. Raises: DataError if they are not a table.
    """
    lines = list(io.StringIO(text, newline=""))  # ends at \n, \r and \r\n, which stay
    if not whole and len(lines) > 1:
        lines.pop()  # it may be cut
    notes, count = list[str](), len(lines)
    asked = options.separator
    del lines[: options.skip]
    quoted = {at for at, (_, inside) in enumerate(with_quotes(lines), options.skip) if inside}
    # An empty line may be in a cell.
    numbered = [(at, line) for at, line in enumerate(lines, options.skip) if line.strip() or at in quoted]
    if numbered and (excel := _SEP.fullmatch(numbered[0][1])):
        asked = asked or excel[1]
        numbered.pop(0)
    if not numbered:
        raise DataError(
            f"{path}: expected a table, got "
            + (f"{count} lines, of which --skip leaves out {options.skip}." if options.skip else "an empty file.")
        )
    refuse_long_line(path, numbered[0][1].encode())  # lines before it may be empty
    try:
        return _Reader(path, numbered, quoted, options, asked, notes).start(text)
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error


_OPENING = re.compile(r'(?:^|[,;|\t ])"')  # of a cell; a quote within one, as in 5" pipes, is a letter
_QUOTES = re.compile(r'"+')  # within a cell in quotes two of them are one letter


def with_quotes(lines: Iterable[str], quoted: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it begins within quotes. Args: quoted: whether the first does."""
    for line in lines:
        yield line, quoted
        place = 0
        while found := (_QUOTES if quoted else _OPENING).search(line, place):
            quoted, place = not quoted or len(found[0]) % 2 == 0, found.end()


class _Reader:
    """The first lines of a file, read step by step."""

    def __init__(
        self,
        path: Path,
        numbered: list[tuple[int, str]],
        quoted: set[int],
        options: Options,
        asked: str,
        notes: list[str],
    ) -> None:
        self._path, self._options, self._notes = path, options, notes
        mark = options.comment or "#"
        self._comments = [(at, line) for at, line in numbered if line.lstrip().startswith(mark) and at not in quoted]
        comments = {at for at, _ in self._comments}
        self._lines = [each for each in numbered if each[0] not in comments] if comments else numbered
        self._comment = mark if self._comments else ""
        if self._comments and not options.comment:
            self._judge_comments(numbered, asked)
        if not self._lines:
            raise DataError(f"{path}: expected a table, got only lines that begin with {mark}.")
        self._separator = _separator_of([line for _, line in self._lines[:ROWS]], asked)
        self._rows = rows_of(self._lines, self._separator)
        self._columns = _usual(self._rows)

    def _judge_comments(self, numbered: list[tuple[int, str]], asked: str) -> None:
        """Take lines that begin with # for rows, or one on top for the header, where their cells show it."""
        if not self._lines:
            self._lines, self._comment = numbered, ""
            return
        separator = _separator_of([line for _, line in self._lines[:ROWS]], asked)
        below = rows_of(self._lines, separator)
        columns = _usual(below)
        on_top = [each for each in self._comments if each[0] < self._lines[0][0]]
        between = rows_of([each for each in self._comments if each[0] > self._lines[0][0]], separator)
        if columns == 1 or any(len(row.cells) == columns for row in between):
            if columns == 1 and len(on_top) == len(self._comments) and numbered[0] in self._comments:
                return
            # Rows such as #12,5,7: if one is on top, it is the header or a row as well.
            self._lines, self._comment = numbered, ""
            return
        if not on_top or not on_top[-1][1].strip().strip("#").strip():
            return
        at, line = on_top[-1]
        name = line.lstrip().removeprefix("#")
        cells = rows_of([(at, name)], separator)[0].cells
        kinds = kinds_of([row.cells for row in below[:FEW]], columns)
        first = [kind_of(cell) for cell in below[0].cells]
        names_above = len(cells) == columns > 1 and all(kind_of(cell) == TEXT for cell in cells)
        if names_above and not any(kind == TEXT != wanted for kind, wanted in zip(first, kinds, strict=False)):
            # #id,name is a header whose first name begins with #, as pandas reads it; "# a b c" is one of np.savetxt.
            keep = name if name[:1] in (" ", "\t") else line
            self._comments.remove((at, line))
            self._lines = [(at, keep.lstrip()), *self._lines]
            self._comment = "#" if self._comments else ""

    def start(self, text: str) -> Start:
        top = self._skip_lines_above()
        header = self._header_at(top)
        body = top + header
        if header and self._options.header is None:
            body += self._is_units(top)
        rows = self._rows[top + header :] if header else self._rows[top:]
        sample = _some([row.cells for row in self._rows[body:] if len(row.cells) == self._columns], self._columns)
        kinds = kinds_of(sample[:-3] if len(sample) > 5 else sample[:2], self._columns)  # the last may be a total
        first = self._rows[top]
        padded = self._separator != BLANKS and _is_padded(text, self._separator)
        cells = [cell.strip(" ") if padded else cell for cell in first.cells]
        names, spare = self._names(cells, sample) if header else (tuple(f"f{at}" for at in range(self._columns)), 0)
        plain = all(PLAIN_NUMBER.fullmatch(cell.strip()) or kind_of(cell) == GAP for row in sample for cell in row)
        if not header and not plain:
            self._note_no_header(first)
        lines = self._rows[body].line if body < len(self._rows) else self._rows[-1].after
        if not rows and header:
            lines = first.after
        # Comments right above the first row go with the lines above; those between rows are left out one by one.
        return Start(
            names=names,
            named=header,
            forced=self._options.header is not None,
            header="" if not header else self._raw(first),
            kinds=kinds[: len(names)],
            plain=plain,
            lines=lines,
            spare=spare,
            separator=self._separator,
            padded=padded,
            comment=self._comment,
            notes=self._notes,
        )

    def _raw(self, row: Row) -> str:
        """Return a row as it stands in the file."""
        return "".join(line for at, line in self._lines if row.line <= at < row.after)

    def _skip_lines_above(self) -> int:
        """Return the place of the first row that belongs to the table; note the others."""
        if self._options.header is not None or self._columns == 1:
            return 0
        above = list[Row]()
        for at, row in enumerate(self._rows[:ABOVE]):
            rest = [each for each in self._rows[at + 1 :] if any(cell.strip() for cell in each.cells)]
            if len(rest) < 2 or not self._is_above(row, rest):
                break
            above.append(row)
        if shown := [self._raw(row).strip() for row in above if any(cell.strip() for cell in row.cells)]:
            self._notes.append(
                f"the table begins in line {self._rows[len(above)].line + 1}: left out above it is {shown[0]!r:.60}; "
                f"if that has the names, add --header"
            )
        return len(above)

    def _is_above(self, row: Row, rest: Sequence[Row]) -> bool:
        """Return whether a row is a title above the table, and not its header or first row."""
        filled, cells = [cell for cell in row.cells if cell.strip()], len(row.cells)
        if not filled:
            return True
        agree = all(len(each.cells) == self._columns for each in rest[:3])
        if (
            cells == self._columns - 1
            and len(rest[0].cells) == self._columns
            and not self._is_header(rest[0], rest[1:])
        ):
            return False  # row names, which R leaves without a name
        if cells < self._columns or (cells > self._columns and agree and len(rest) > 2 and row.cells[-1].strip()):
            return agree or any(len(each.cells) == self._columns for each in rest[:ABOVE])
        if self._columns < 3 or not _is_title(row):
            return False
        below = next((at for at, each in enumerate(rest[:ABOVE]) if not _is_title(each)), 0)
        names = rest[below]
        agree = all(len(each.cells) == self._columns for each in rest[: below + 3])
        return agree and all(each.strip() for each in names.cells[1:]) and self._is_header(names, rest[below + 1 :])

    def _is_header(self, row: Row, below: Sequence[Row]) -> bool:
        """Return whether a row has texts above numbers or dates."""
        kinds = kinds_of([each.cells for each in below[:FEW]], self._columns)
        found = [(kind, kind_of(cell)) for kind, cell in zip(kinds, row.cells, strict=False) if kind not in (TEXT, GAP)]
        return bool(found) and all(got in (TEXT, GAP) for _, got in found) and any(got == TEXT for _, got in found)

    def _header_at(self, top: int) -> bool:
        """Return whether a row names the columns; note it where its cells could be values."""
        if self._options.header is not None:
            return self._options.header
        below = [row.cells for row in self._rows[top + 1 :] if len(row.cells) == self._columns]
        answer = names_columns(self._rows[top].cells, _some(below, self._columns), self._columns)
        if answer.note:
            self._notes.append(answer.note)
        return answer.header

    def _note_no_header(self, first: Row) -> None:
        if self._options.header is None:
            self._notes.append(
                f"no line names the columns, because the first one ({self._raw(first).strip()!r:.40}) is a row like "
                f"those below it: they are called f0, f1, ...; if it has the names, add --header"
                + ("; if a later line has them, add --skip LINES" if self._columns > 2 and _is_title(first) else "")
            )

    def _is_units(self, top: int) -> bool:
        """Return whether the row below the header has the units of the columns; note it."""
        if len(self._rows) < top + 4 or len(self._rows[top + 1].cells) != self._columns:
            return False
        row, below = self._rows[top + 1], [each.cells for each in self._rows[top + 2 :]]
        below = _some([cells for cells in below if len(cells) == self._columns], self._columns)
        kinds = kinds_of(below, self._columns)
        typed = [cell.strip() for cell, kind in zip(row.cells, kinds, strict=True) if kind not in (TEXT, GAP)]
        texts = [at for at, kind in enumerate(kinds) if kind == TEXT]
        filled = [cell for cell in typed if kind_of(cell) == TEXT]
        if not filled or any(kind_of(cell) not in (TEXT, GAP) for cell in typed):
            return False
        if any(row.cells[at].strip() and row.cells[at] in {cells[at] for cells in below} for at in texts):
            return False
        units = all(_UNIT.fullmatch(cell) for cell in filled)
        if not units and (len(filled) < max(2, len(typed) / 2) or len({*filled}) < 2):
            return False
        self._notes.append(
            f"line {row.line + 1}, below the names, has no values ({self._raw(row).strip()!r:.40}), and is left out; "
            f"if it is a row, add --header"
        )
        return True

    def _names(self, cells: list[str], sample: list[list[str]]) -> tuple[tuple[str, ...], int]:
        """Return the names of the columns, and how many at the end have neither a name nor cells."""
        empty = [all(not row[at].strip() for row in sample) for at in range(self._columns)] if sample else []
        if len(cells) == self._columns - 1 and empty and not empty[-1]:
            self._notes.append("the first column has no name: it holds the names of the rows")
            cells = ["", *cells]
        cells = cells + [""] * (self._columns - len(cells))
        while len(cells) > self._columns and not cells[-1].strip():
            cells.pop()
        spare = 0
        while sample and spare < len(cells) - 1 and not cells[-1 - spare].strip() and empty[len(cells) - 1 - spare]:
            spare += 1
        named = list[str]()
        for at, cell in enumerate(cells[: len(cells) - spare]):
            unnamed = "" if at == 0 and len(cells) > 1 else f"Unnamed: {at}"  # as in pandas, but for an index
            named.append(cell if cell.strip() else unnamed)
        if places := [at + 1 for at, name in enumerate(named) if at and name == f"Unnamed: {at}"]:
            several = (
                f"columns {', '.join(map(str, places[:5]))}{', ...' * (len(places) > 5)} have"
                if len(places) > 1
                else f"column {places[0]} has"
            )
            first = f"called 'Unnamed: {places[0] - 1}'" + (" and so on" if len(places) > 1 else "")
            # One name alone may be a title.
            title = "; if the names are in a later line, add --skip LINES" if len(places) == len(named) - 1 > 1 else ""
            self._notes.append(f"{several} no name in the header: {first}, as in pandas{title}")
        return self._distinct(named), spare

    def _distinct(self, names: list[str]) -> tuple[str, ...]:
        """Return names that differ: the second `a` becomes a.1, as in pandas; note it."""
        found, again, counts, given = list[str](), list[str](), Counter[str](), {*names}
        for name in names:
            new = name
            while new in counts or (new != name and new in given):
                new = f"{name}.{counts[name]}"
                counts[name] += 1
            if new != name:
                again.append(new)
            counts[new] += 1
            found.append(new)
        if again:
            self._notes.append(
                f"the header has names twice: the later columns are called {listed(again)}, as in pandas"
            )
        return tuple(found)


def _is_title(row: Row) -> bool:
    """Return whether a row has one text and no other cells."""
    filled = [cell for cell in row.cells if cell.strip()]
    return len(filled) == 1 and kind_of(filled[0]) == TEXT


def _some(rows: list[list[str]], columns: int) -> list[list[str]]:
    return rows[: max(FEW, CELLS // max(1, columns))]


def rows_of(lines: Sequence[tuple[int, str]], separator: str) -> list[Row]:
    """Return the cells of numbered lines; a cell in quotes may continue on the next line."""
    if separator == BLANKS:
        spaced = [line.replace("\t", " ").strip(" \r\n") + "\n" for _, line in lines]
        reader = csv.reader(iter(spaced), delimiter=" ", skipinitialspace=True)
    else:
        # A quote after a blank begins a cell in quotes, as in the rows that are read without blanks around cells.
        reader = csv.reader((line for _, line in lines), delimiter=separator, skipinitialspace=True)
    rows, done = list[Row](), 0
    for cells in islice(reader, ROWS):
        rows.append(Row(cells, lines[done][0], lines[reader.line_num - 1][0] + 1))
        done = reader.line_num
    return [row for row in rows if row.cells]


def _usual(rows: Sequence[Row]) -> int:
    """Return the number of cells that most rows have; the header counts only if the others do not agree."""
    counts = Counter(len(row.cells) for row in rows[1:]) or Counter([len(rows[0].cells)])
    most = max(counts.values())
    usual = {cells for cells, count in counts.items() if count == most}
    first = len(rows[0].cells)
    if first in usual or (most < 3 and first > max(usual)):
        return first
    return max(usual)


def _separator_of(lines: list[str], asked: str) -> str:
    """Return the separator that gives most rows the same number of cells, more than one."""
    if asked:
        return BLANKS if asked == " " else asked
    numbered = list(enumerate(lines))
    rows, error = dict[str, list[Row]](), csv.Error()
    for separator in SEPARATORS:
        try:
            rows[separator] = rows_of(numbered, separator)
        except csv.Error as found:  # a line of many columns is one long cell for another separator
            error = found
    if not rows:
        raise error
    agree = dict[str, tuple[float, int]]()
    for separator, each in rows.items():
        usual = _usual(each)
        share = sum(len(row.cells) == usual for row in each) / len(each)
        if usual > 1 and share >= AGREE:
            agree[separator] = (round(share, 1), usual)
    best = max(agree, key=lambda each: agree[each]) if agree else ""
    if best == "," and ";" in agree and _are_decimals(rows[";"]):
        best = ";"
    if (not best or (_holds_lists(rows[best]) and not _has_names(rows[best]))) and _is_blank_table(numbered):
        return BLANKS
    if best:
        return best
    # One column, or rows of several lengths: the separator that the first line has, or one that no line has.
    in_first = max(rows, key=lambda each: len(rows[each][0].cells))
    if len(rows[in_first][0].cells) > 1:
        return in_first
    return next((each for each in SEPARATORS if not any(each in line for line in lines)), ",")


def _are_decimals(rows: Sequence[Row]) -> bool:
    """Return whether every comma in the cells is a decimal mark."""
    cells = [cell for row in rows for cell in row.cells if "," in cell]
    return bool(cells) and all(re.fullmatch(r"\s*[+-]?\d*,\d+\s*", cell) for cell in cells)


_NUMBERS = re.compile(r"\s*[+-]?[\d.]+(e[+-]?\d+)?([ \t]+[+-]?[\d.]+(e[+-]?\d+)?){2,}\s*", re.IGNORECASE | re.ASCII)


def _holds_lists(rows: Sequence[Row]) -> bool:
    """Return whether the first cells are numbers with blanks between."""
    return 2 * sum(bool(_NUMBERS.fullmatch(row.cells[0])) for row in rows) > len(rows)


def _has_names(rows: Sequence[Row]) -> bool:
    """Return whether all rows have as many cells as the first, which are words: blanks then stand within cells."""
    first = rows[0].cells
    return all(len(row.cells) == len(first) for row in rows) and all(kind_of(cell) == TEXT for cell in first)


def _is_blank_table(numbered: list[tuple[int, str]]) -> bool:
    """Return whether blanks separate the cells: the rows agree, and at least half of the columns are numbers."""
    rows = rows_of(numbered, BLANKS)
    columns = _usual(rows)
    if columns < 2 or sum(len(row.cells) == columns for row in rows) < 0.9 * (len(rows) - 1):
        return False
    below = [row.cells for row in rows[1:] if len(row.cells) == columns] or [rows[0].cells]
    known = [at for at in range(columns) if any(kind_of(cells[at]) != GAP for cells in below)]
    plain = [
        at for at in known if all(PLAIN_NUMBER.fullmatch(cells[at]) or kind_of(cells[at]) == GAP for cells in below)
    ]
    return len(plain) == columns if columns == 2 else 2 * len(plain) >= columns


def _is_padded(text: str, separator: str) -> bool:
    """Return whether there are blanks around cells outside quotes."""
    if '"' in text:
        text = re.sub(r'"(?:[^"]|"")*"', '"', text)
    return any(each in text for each in (f"{separator} ", f" {separator}", "\n ", " \n", " \r"))
