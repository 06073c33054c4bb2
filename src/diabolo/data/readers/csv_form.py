"""The form of a text table: how a user says it is written, and what was found.

Order: options, the form and pyarrow's options for it.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from diabolo.data.frames.marks import MISSING
from diabolo.data.readers.csv_encoding import UTF8
from diabolo.data.readers.csv_text import (
    BLANKS,
    BYTES_AT_ONCE,
    LONGEST_LINE,
    Clean,
    Lines,
    utf8,
    without_blanks,
    without_lines,
)
from diabolo.errors import OptionError
from diabolo.typing import ArrowBatch, ArrowConvert, ArrowType

# Bytes that pyarrow reads at once: it reads 32 blocks ahead, and larger ones are not faster, but must hold whole rows.
BLOCKS = (1 << 18, 1 << 20, LONGEST_LINE)
TOO_LONG = "straddling object"  # what pyarrow says if they do not
LINES_AT_ONCE = 4  # a block holds at least so many of the longest first lines, because it must hold whole rows


class Options(NamedTuple):
    """How a file is written, as far as the file does not show it.

    Attributes:
        separator: between cells; empty: it is found. A blank means one or more blanks or tabs.
        decimal: the decimal mark.
        header: whether the first line names the columns; None: its cells show it.
        skip: lines at the top that are left out.
        comment: what lines begin with that are left out; empty: # where such lines are no rows.
        encoding: a name that Python knows; empty: it is found.
        missing: texts that mean "no value", in addition to `MISSING`.
    """

    separator: str = ""
    decimal: str = "."
    header: bool | None = None
    skip: int = 0
    comment: str = ""
    encoding: str = ""
    missing: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise OptionError for a value that no file can have."""
        if self.skip < 0:
            raise OptionError(f"--skip must be a number of lines, 0 or more, got {self.skip}.")
        if self.comment and (not self.comment.strip() or {*self.comment} & {*"\r\n"}):
            raise OptionError(f"--comment must be the mark that begins a comment, such as '#', got {self.comment!r}.")
        if self.encoding:
            try:
                "a".encode(self.encoding)
            except (LookupError, ValueError) as error:  # ValueError: a name with a null character, or UnicodeError
                raise OptionError(
                    f"unknown encoding {self.encoding!r:.40}: expected a name such as utf-8, utf-16, cp1252, latin-1, "
                    f"mac-roman, cp1251, shift-jis or gb18030."
                ) from error


class Form(NamedTuple):
    """The form of a file.

    Attributes:
        names: of the columns.
        named: whether the file names them; otherwise they are f0, f1, ...
        plain: whether all cells of the first rows are numbers or gaps.
        spare: columns at the end without names and without cells, which are left out.
        lines, start: lines and bytes (as UTF-8, without a byte order mark) before the first row.
        end: bytes up to the end of the last row.
        whole: whether no line after the last row is left out.
        longest: the longest of the first lines, in bytes.
        separator: between cells.
        encoding: by its name in Python.
        compressed: whether the file is compressed.
        quotes: how many there are in the rows; inside quotes a line may end.
        padded: whether there are blanks around cells.
        left_out: what lines begin with that are no rows; ending in a line feed: the whole line.
        zeros: whether cells may begin with a zero that a number would lose.
        notes: what was recognized, for messages.
    """

    names: tuple[str, ...]
    named: bool
    plain: bool
    spare: int
    lines: int
    start: int
    end: int
    whole: bool
    longest: int
    separator: str
    encoding: str
    compressed: bool
    quotes: int
    padded: bool
    left_out: tuple[bytes, ...]
    zeros: bool
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that pyarrow gives to the cells of a row, of which the last `spare` are left out."""
        return self.names + tuple(f"\0{at}" for at in range(self.spare))

    @property
    def direct(self) -> bool:
        """Whether pyarrow can read the file itself."""
        plain = self.encoding == UTF8 and not self.compressed
        return plain and self.whole and not self.padded and not self.left_out and self.separator != BLANKS

    @property
    def empty(self) -> bool:
        """Whether there are no rows."""
        return self.start >= self.end

    def options(self, *, within_quotes: bool = True, block: int = BYTES_AT_ONCE) -> dict[str, Any]:
        """Return pyarrow's options for reading and parsing the file.

        Args:
            within_quotes: False: lines within quotes are not looked for, which is faster. pyarrow then raises
                ArrowInvalid where one block of a file ends and the next begins within quotes.
            block: bytes that are read at once; pyarrow raises ArrowInvalid for a row that is longer.
        """
        from pyarrow import csv as arrow

        return {
            "read_options": arrow.ReadOptions(
                skip_rows=self.lines if self.direct else 0,
                column_names=list(self.columns),
                block_size=max(block, LINES_AT_ONCE * self.longest),
            ),
            # In a file with one column an empty line is a gap; in other files it means nothing.
            "parse_options": arrow.ParseOptions(
                delimiter=self.separator,
                ignore_empty_lines=len(self.columns) > 1,
                newlines_in_values=within_quotes and self.quotes > 0,
            ),
        }

    def convert(self, options: Options | None, types: Mapping[str, ArrowType] | None = None) -> ArrowConvert:
        """Return pyarrow's options for converting the cells.

        Args: types: Arrow types of columns by name; the others are inferred.
        """
        import pyarrow as pa
        from pyarrow import csv as arrow

        options, names = options or Options(), {*self.names}
        return arrow.ConvertOptions(
            null_values=[*MISSING, *options.missing],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            decimal_point=options.decimal,
            column_types={
                **{name: kind for name, kind in (types or {}).items() if name in names},
                **dict.fromkeys(self.columns[len(self.names) :], pa.string()),
            },
        )

    def open(self, path: Path) -> Any:
        """Return the source that pyarrow should read: the path, or a stream of cleaned lines."""
        return str(path) if self.direct else io.BufferedReader(self.rows(path), BYTES_AT_ONCE)

    def first(self, path: Path, convert: ArrowConvert) -> ArrowBatch | None:
        """Return the rows of the first 2^20 bytes, or the first one; None if there are none. Raises ArrowInvalid."""
        return next(self.batches(path, convert, BLOCKS[1:]), None)

    def batches(self, path: Path, convert: ArrowConvert, blocks: Sequence[int] = BLOCKS) -> Iterator[ArrowBatch]:
        """Yield the rows block by block. Raises ArrowInvalid, also for a row of more than `LONGEST_LINE` bytes."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        done = 0
        for block in blocks:
            left_out = done
            try:
                for batch in arrow.open_csv(self.open(path), **self.options(block=block), convert_options=convert):
                    rows = batch.slice(min(left_out, len(batch)))
                    left_out -= len(batch) - len(rows)
                    done += len(rows)
                    yield rows
                return
            except pa.ArrowInvalid as error:
                if TOO_LONG not in str(error) or block == blocks[-1]:
                    raise

    def rows(self, path: Path) -> Lines:
        """Return the bytes of the rows."""
        steps: list[Clean] = [without_lines(self.left_out)] if self.left_out else []
        if self.padded or self.separator == BLANKS:
            steps.append(without_blanks(self.separator))

        def clean(lines: bytes) -> bytes:
            for step in steps:
                lines = step(lines)
            return lines

        return Lines(utf8(path, self.encoding), self.start, self.end, clean if steps else None)

    def before(self) -> int:
        """Return what pyarrow counts before the first row."""
        return (self.lines if self.direct else 0) + 1

    def shown(self, names: list[str]) -> list[str]:
        """Return columns for a message: by name, or by number in a file without a header."""
        places = {name: at + 1 for at, name in enumerate(self.columns)}
        return [repr(name) if self.named else str(places[name]) for name in names]
