"""CSV through pyarrow: columns parted by commas, semicolons, tabs or bars, under a header or without one.

The first line is a header if any of its cells is neither a number nor a gap; a first line of numbers is a row. Where
that would lose a row, because texts or dates stand in it, the file is refused.
Order: what a file looks like, tables of any columns, arrays of numbers, what is wrong with a file.
"""

import csv
import io
import logging
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from diabolo.data import texts
from diabolo.data.readers.arrow import to_array
from diabolo.data.readers.parts import Part, Stamp, stamp
from diabolo.data.schema import DATES
from diabolo.errors import DataError

NUMBER = re.compile(texts.number(), re.IGNORECASE | re.ASCII)
YEARS = (1500, 2199)
YEAR = re.compile(r"(1[5-9]|2[01])\d\d")
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
SHORT_YEAR = r"^\s*\d\d?\.\d\d?\.\d{1,3}(\D|$)"  # which %Y takes for a year of the first century
YEAR_1000 = -30_610_224_000  # in seconds since 1970
SEPARATORS = ",;\t|"
LONGEST_LINE = 1 << 24  # letters of the first lines, which are held whole
MOST_COLUMNS = 1 << 17  # more are no table, but a file of another kind
QUOTES_WITHIN = 1 << 20  # letters from the start in which quotes are looked for

BYTES_AT_ONCE = 1 << 20  # pyarrow's own; larger blocks are no faster, and it reads several ahead
LINES_AT_ONCE = 4  # at least: a block must hold whole rows


logger = logging.getLogger(__name__)


class Options(NamedTuple):
    """How a file is written, where its first line does not tell."""

    separator: str = ""  # empty: the one of , ; tab | that cuts the first line into most cells
    decimal: str = "."


class _Form(NamedTuple):
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


def read_table(path: Path, options: Options | None = None, types: Mapping[str, Any] | None = None) -> Any:
    """Return a CSV file as an Arrow table; without a header its columns are f0, f1, ...

    Args: types: Arrow types of columns by name; others are inferred.
    Raises: DataError with line or column for what is no table.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _checked_form(path, options)
    convert = form.convert(options, types)
    try:
        table = arrow.read_csv(form.open(path), **form.options(), convert_options=convert)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(_reason(path, form, convert, error)) from error
    if pa.binary() in table.schema.types:
        raise DataError(not_text(path))
    if form.header is not None and len(form.header) != table.num_columns:
        raise DataError(
            f"{path}: the first line names {len(form.header)} columns, and {table.num_columns} are below it: mend its "
            f"quotes."
        )
    if not table.num_rows:
        names = ", ".join(form.names(table.column_names))
        raise DataError(f"{path}: expected rows under the header ({names}), got none.")
    _refuse_short_years(table, form, path)
    _refuse_near_numbers(table, form, options, types or {}, path)
    if options is not None and options.decimal == ",":
        _say_thousands(path, form, options, table)
    _refuse_lost_row(path, form, table)
    return table


def columns(path: Path, options: Options | None = None) -> tuple[str, ...]:
    """Return the names of the columns; none of a file without a header."""
    return _form(path, options).header or ()


def schema(path: Path, options: Options | None = None) -> Any:
    """Return the Arrow schema that the first block tells."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _checked_form(path, options)
    try:
        return arrow.open_csv(form.open(path), **form.options(), convert_options=form.convert(options)).schema
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(_reason(path, form, form.convert(options), error)) from error


def is_plain(path: Path) -> bool:
    """Whether the first block holds numbers alone, without gaps."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _form(path)
    try:
        batch = next(iter(arrow.open_csv(form.open(path), **form.options(), convert_options=form.convert(None))), None)
    except (OSError, pa.ArrowInvalid):
        return False  # whoever reads it says what is wrong
    if batch is None:
        return False
    numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in batch.schema.types)
    return numbers and not any(column.null_count for column in batch.columns)


def has_header(path: Path, options: Options | None = None) -> bool:
    """Whether the first line names the columns."""
    return _form(path, options).header is not None


def tables(path: Path, options: Options | None, types: Mapping[str, Any] | None, rows: int) -> Iterator[Any]:
    """Give a CSV file as Arrow tables, up to `rows` rows at a time; arguments as for `read_table`."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _checked_form(path, options)
    convert = form.convert(options, types)
    try:
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=convert):
            _refuse_short_years(batch, form, path)
            for start in range(0, len(batch), rows):
                yield pa.Table.from_batches([batch.slice(start, rows)])
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(_reason(path, form, convert, error)) from error


def _checked_form(path: Path, options: Options | None) -> "_Form":
    """Return what the first line tells, of a file whose names and quotes are in order."""
    form = _form(path, options)
    _check_names(path, form)
    if form.quoted:
        _refuse_open_quote(path, form.separator)
    return form


def _check_names(path: Path, form: "_Form") -> None:
    """Raise DataError where a column has no name of its own; log where the first one is an index."""
    for place, name in enumerate(form.header or ()):
        if not name.strip():
            raise DataError(f"{path}: column {place + 1 + form.indexed} has no name in the header: give it one.")
        if form.header is not None and name in form.header[:place]:
            raise DataError(f"{path}: the column {name!r} stands twice in the header: give each a name of its own.")
    if form.indexed:
        if not _names_rows(path, form):
            raise DataError(
                f"{path}: column 1 has no name in the header: give it one. Only numbers or names of rows, each "
                f"different, may stand there without, and are left out."
            )
        _say_index(path, stamp(path))


def _names_rows(path: Path, form: "_Form") -> bool:
    """Whether the first column numbers or names the rows: whole numbers or texts of which no two are the same."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow

    everything = form._replace(indexed=False)
    try:
        batch = next(iter(arrow.open_csv(form.open(path), **everything.options())), None)
    except (OSError, pa.ArrowInvalid):
        return True  # whoever reads it says what is wrong
    if batch is None:
        return True
    kind, cells = batch.schema.types[0], batch.column(0)
    named = pa.types.is_integer(kind) or pa.types.is_string(kind)
    return named and not cells.null_count and pc.count_distinct(cells).as_py() == len(cells)


@lru_cache(maxsize=64)
def _say_index(path: Path, when: Stamp) -> None:
    """Log that an index is left out, once of each file, however often it is opened."""
    logger.warning("%s: the first column has no name and numbers or names the rows: it is left out", path)


def _refuse_open_quote(path: Path, separator: str) -> None:
    """Raise DataError where a quote is opened and not closed; one amid a cell is a letter like others."""
    with path.open("rb") as file:
        if not sum(part.count(b'"') for part in iter(lambda: file.read(BYTES_AT_ONCE), b"")) % 2:
            return
    first = 0
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(iter(lambda: file.readline(LONGEST_LINE), ""), delimiter=separator, strict=True)
        try:
            for _ in reader:
                first = reader.line_num
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise DataError(
                    f"{path}: a quote is opened and not closed, perhaps in line {first + 1} of {reader.line_num}: "
                    f"mend it."
                ) from error


def _refuse_lost_row(path: Path, form: "_Form", table: Any) -> None:
    """Raise DataError where a row is taken for names, because texts or dates stand in it, or names for a row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if form.header is None:
        text = next((at for at, kind in enumerate(table.schema.types) if pa.types.is_string(kind)), None)
        if text is not None:
            raise DataError(
                f"{path}: column {text + 1} holds texts, and no line above names it: put a line with names on top, "
                f"which are not all numbers."
            )
        return
    columns = [(name, column) for name, column in zip(form.header, table.columns, strict=True) if column.type != "null"]
    typed = [(name, column.type) for name, column in columns if not pa.types.is_string(column.type)]
    alike = [name for name, kind in typed if _fits(name, kind)]
    if not typed:
        # Of texts alone one may be called like one of its levels, but not most of them.
        alike = [name for name, column in columns if pc.index(column, name).as_py() >= 0]
        lost = 2 * len(alike) > len(columns)
    else:
        gaps = sum(name.strip().lower() in GAPS for name, _ in typed)
        lost = len(alike) + gaps == len(typed) and not _counted(alike)
    if alike and lost and not _are_years(alike, columns):
        raise DataError(
            f"{path}: the first line is taken for the names of the columns, and {alike[0]!r:.40} is a value like those "
            f"below it: put a line with names on top, or if it is a name, make it a word, such as c{alike[0]}."
        )


def _are_years(alike: list[str], columns: list[tuple[str, Any]]) -> bool:
    """Whether all names that could be values are years, and the line that they are in cannot be a row.

    It is no row where a text in it stands in no other row of a column whose texts recur, or where no number below is a
    year.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not all(YEAR.fullmatch(name) for name in alike):
        return False
    texts_ = [(name, column) for name, column in columns if pa.types.is_string(column.type)]
    if any(
        2 * pc.count_distinct(column).as_py() <= len(column) and pc.index(column, name).as_py() < 0
        for name, column in texts_
    ):
        return True
    ends = [pc.min_max(column).as_py() for name, column in columns if name in alike]
    return bool(texts_) and all(each["max"] < YEARS[0] or each["min"] > YEARS[1] for each in ends)


def _fits(name: str, kind: Any) -> bool:
    """Whether a name could be a cell of a column."""
    import pyarrow as pa

    if _is_number(kind):
        return NUMBER.fullmatch(name) is not None
    try:
        return bool(pa.array([name.strip()]).cast(kind).is_valid()[0].as_py())
    except pa.ArrowException:
        return False


def _counted(names: list[str]) -> bool:
    """Whether names count on: years one after the other, equal steps, or eight that rise or fall, as wavelengths do."""
    if len(names) < 2 or not all(NUMBER.fullmatch(name) for name in names):
        return False
    steps = np.diff([float(name) for name in names])
    equal = bool((steps == steps[0]).all() and steps[0] != 0)
    if len(names) < 3:
        return equal and abs(steps[0]) == 1
    return equal or (len(names) >= 8 and bool((steps > 0).all() or (steps < 0).all()))


def _refuse_near_numbers(
    table: Any, form: "_Form", options: Options | None, told: Mapping[str, Any], path: Path
) -> None:
    """Raise DataError where a column of texts is numbers but for a few cells, or but for how they are written.

    Args: told: columns that the user calls categories, by name.
    """
    point = (options or Options()).decimal
    for name, shown, column in zip(table.column_names, form.names(table.column_names), table.columns, strict=True):
        if str(column.type) != "string" or name in told:
            continue
        otherwise = texts.otherwise(name) if form.header else ""
        said = texts.numbers_in(column, shown, otherwise, point=point)
        if said is not None:
            raise DataError(f"{path}: {said}")


def _refuse_short_years(table: Any, form: "_Form", path: Path) -> None:
    """Raise DataError where a year has two digits: 31.05.24 is not the year 24, and nothing says which century it is.

    Args: table: the rows that were read, or a part of them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow

    for place, (name, kind) in enumerate(zip(table.schema.names, table.schema.types, strict=True)):
        if not pa.types.is_timestamp(kind):
            continue
        first = pc.min(table.column(name).cast(pa.timestamp("s"), safe=False).cast(pa.int64())).as_py()
        if first is None or first >= YEAR_1000:
            continue
        as_texts = arrow.ConvertOptions(include_columns=[name], column_types={name: pa.string()})
        row = 0
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=as_texts):
            short = pc.index(pc.match_substring_regex(batch.column(0), SHORT_YEAR), True).as_py()
            if short >= 0:
                shown = form.names(table.schema.names)[place]
                raise DataError(
                    f"{path}: column {shown} expected years of four digits, got {batch.column(0)[short].as_py()!r:.40} "
                    f"in row {row + short}: write dates as {DATES}."
                )
            row += len(batch)


def _say_thousands(path: Path, form: "_Form", options: Options, table: Any) -> None:
    """Log of which columns every decimal comma stands before three digits, as it does between thousands."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow

    doubtful = {name: "" for name, kind in zip(table.column_names, table.schema.types, strict=True) if kind == "double"}
    types = dict.fromkeys(doubtful, pa.string())
    for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=form.convert(options, types)):
        for name in list(doubtful):
            cells = batch.column(name)
            cells = cells.filter(pc.match_substring(cells, ",").fill_null(False))
            if not pc.all(pc.match_substring_regex(cells, rf"^\s*{texts.THOUSANDS}\s*$")).as_py():
                del doubtful[name]
            elif len(cells):
                doubtful[name] = doubtful[name] or cells[0].as_py().strip()
        if not doubtful:
            return
    for name, cell in doubtful.items():
        if cell:
            logger.warning(
                "%s: column %r: every comma stands before three digits (%s), and --decimal , reads them as fractions "
                "(%s): if they are thousands separators, write %s, and leave --decimal out",
                path,
                name,
                cell,
                cell.replace(",", "."),
                cell.replace(",", ""),
            )


def _reason(path: Path, form: "_Form", convert: Any, error: Exception) -> str:
    """Return what is wrong with a file in one line, with its row where pyarrow can tell it."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    text = str(error).splitlines()[0]
    if "Row #" not in text:
        settings = form.options()
        settings["read_options"].use_threads = False  # only then does it count rows
        try:
            arrow.read_csv(form.open(path), **settings, convert_options=convert)
        except (OSError, pa.ArrowInvalid) as again:
            text = str(again).splitlines()[0]
    if "UTF8" in text:
        return not_text(path)
    # pyarrow counts from 1, with the header and what is left out before it.
    before = form.blank + (form.header is not None) + 1
    cell = re.search(r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to ([^:]+): .*?'(.*?)'", text)
    if cell:
        place, row, kind, value = cell.groups()
        name = repr(form.header[int(place) - form.indexed]) if form.header else str(int(place) + 1)
        where = f" in row {int(row) - before}" if row else ""
        refused = f"{path}: column {name} expected {_words(kind)}, got {value!r:.40}{where}"
        if re.fullmatch(texts.THOUSANDS, value.strip()):
            return f"{refused}: thousands separators are not read, write {value.strip().replace(',', '')}."
        if re.fullmatch(r"[+-]?\d+,\d+", value.strip()) and convert.decimal_point == ".":
            return f"{refused}: where commas are decimal marks, add --decimal ,"
        return f"{refused}: mend it, or leave it empty."
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if ragged:
        row, expected, got = map(int, ragged.groups())
        cells = f"{got} cell{'s' * (got != 1)}"
        return (
            f"{path}: row {row - before} has {cells}, expected {expected}: mend it; a separator in a text needs quotes."
        )
    return f"{path}: {text}"


def _words(kind: str) -> str:
    """Return what a cell of an Arrow type must be."""
    if kind.startswith(("timestamp", "date")):
        return "a date" + (" with its zone" if "tz=" in kind else "") + f" ({DATES})"
    return {"bool": "a boolean (true or false)", "string": "a text"}.get(
        kind, "a time of day" if kind.startswith("time") else "a number"
    )


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


def parts(path: Path) -> list[Part]:
    """Return the numbers of a CSV file as one part: where a row begins, only reading tells."""
    form, when = _form(path), stamp(path)
    _check_names(path, form)
    if form.counts:
        logger.warning("%s: the first line, 0, 1, 2, ..., is taken for a row: delete it if it names the columns", path)
    with path.open("rb") as file:
        file.seek(form.header_bytes)
        start = file.read(1 << 16)
    numbers = start.count(form.separator.encode()) + start.count(b"\n") + 1
    size = round((when[0] - form.header_bytes) / max(1, len(start)) * numbers * 8)
    return [Part(str(path), None, size, partial(_chunks, path), columns=form.header, stamp=when)]


def _chunks(path: Path, rows: int) -> Iterator[np.ndarray[Any, Any]]:
    """Give the numbers block by block, each up to `rows` rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form, done = _form(path), 0
    try:
        # Types are settled by the first block, so whole numbers there must not forbid fractions later.
        convert = arrow.ConvertOptions(include_columns=form.included)
        schema = arrow.open_csv(form.open(path), **form.options(), convert_options=convert).schema
        convert.column_types = {
            name: pa.float64() for name, kind in zip(schema.names, schema.types, strict=True) if _is_number(kind)
        }
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=convert):
            values = to_array(batch, where=str(path), names=form.names(schema.names), first_row=done)
            done += len(values)
            yield from (values[start : start + rows] for start in range(0, len(values), rows))
    except (OSError, pa.ArrowInvalid) as error:
        _refuse_text(path, form)
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error


def _refuse_text(path: Path, form: "_Form") -> None:
    """Raise DataError with column and row where a cell is no number: pyarrow does not say the row."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    row = 0
    try:
        convert = arrow.ConvertOptions(include_columns=form.included, strings_can_be_null=False)
        names = arrow.open_csv(form.open(path), **form.options(), convert_options=convert).schema.names
        convert.column_types = dict.fromkeys(names, pa.string())
        for batch in arrow.open_csv(form.open(path), **form.options(), convert_options=convert):
            for name, column in zip(form.names(names), batch.columns, strict=True):
                for place, cell in enumerate(column.to_pylist()):
                    if not (NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS):
                        raise DataError(
                            f"{path}: column {name} expected numbers, got {cell!r:.40} in row {row + place}."
                        )
            row += len(batch)
    except (OSError, pa.ArrowInvalid):
        return  # what is wrong is not a cell


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _form(path: Path, options: Options | None = None) -> _Form:
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
                    return _Form(
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
