"""CSV through pyarrow: columns of numbers, parted by commas, under a header or without one.

The first line is a header if any of its cells is neither a number nor a gap; a first line of numbers is a row.
"""

import csv
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.data.readers.arrow import to_array
from diabolo.data.readers.parts import Part, stamp
from diabolo.errors import DataError

# As pyarrow reads numbers; Python's float() also takes 1_000.
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE)
GAPS = {"", "?", "-", "na", "n/a", "#n/a", "nan", "null", "none"}  # what stands for nothing, in lower case

BYTES_AT_ONCE = 1 << 20  # pyarrow's own; larger blocks are no faster, and it reads several ahead
LINES_AT_ONCE = 4  # at least: a block must hold whole rows


class _Form(NamedTuple):
    """What the first line of a file tells."""

    blank: int  # empty lines before it
    header: tuple[str, ...] | None  # names of the columns, if it has them
    columns: int
    header_bytes: int  # of the first line, if it is a header, and what comes before it
    longest: int  # of the first lines, in bytes

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
            "parse_options": arrow.ParseOptions(ignore_empty_lines=self.columns > 1),
        }

    def names(self, columns: list[str]) -> list[str]:
        """Return the columns as a message should have them."""
        return [repr(name) if self.header else f"{place + 1}" for place, name in enumerate(columns)]


def read(path: Path) -> np.ndarray[Any, Any]:
    """Return the numbers of a CSV file, (n, columns), float64; DataError with column and row where one is none."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form = _form(path)
    try:
        table = arrow.read_csv(path, **form.options())
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error
    names = form.names(table.column_names)
    if not table.num_rows:
        raise DataError(f"{path}: expected rows under the header ({', '.join(names)}), got none.")
    return to_array(table, where=str(path), names=names)


def parts(path: Path) -> list[Part]:
    """Return the rows of a CSV file as one part: where a row begins, only reading tells."""
    form, when = _form(path), stamp(path)
    with path.open("rb") as file:
        file.seek(form.header_bytes)
        start = file.read(1 << 16)
    numbers = start.count(b",") + start.count(b"\n") + 1
    size = round((when[0] - form.header_bytes) / max(1, len(start)) * numbers * 8)
    return [Part(str(path), None, size, partial(_chunks, path), columns=form.header, stamp=when)]


def _chunks(path: Path, rows: int) -> Iterator[np.ndarray[Any, Any]]:
    """Give the numbers block by block, each up to `rows` rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    form, done = _form(path), 0
    try:
        # Types are settled by the first block, so whole numbers there must not forbid fractions later.
        schema = arrow.open_csv(path, **form.options()).schema
        whole = {name: pa.float64() for name, kind in zip(schema.names, schema.types, strict=True) if _is_number(kind)}
        for batch in arrow.open_csv(path, **form.options(), convert_options=arrow.ConvertOptions(column_types=whole)):
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
        names = arrow.open_csv(path, **form.options()).schema.names
        texts = arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        for batch in arrow.open_csv(path, **form.options(), convert_options=texts):
            for name, column in zip(form.names(names), batch.columns, strict=True):
                for place, cell in enumerate(column.to_pylist()):
                    if not (NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS):
                        raise DataError(
                            f"{path}: column {name} expected numbers, got {cell!r:.40} in data row {row + place + 1}."
                        )
            row += len(batch)
    except (OSError, pa.ArrowInvalid):
        return  # what is wrong is not a cell


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _form(path: Path) -> _Form:
    try:
        before = 0
        with path.open(encoding="utf-8-sig", newline="") as file:
            for blank, line in enumerate(file):
                if line.strip():
                    cells = next(csv.reader([line]))
                    numbers = all(NUMBER.fullmatch(cell) or cell.strip().lower() in GAPS for cell in cells)
                    before += len(line.encode())
                    longest = max(len(line.encode()), len(file.readline().encode()))
                    return _Form(
                        blank, None if numbers else tuple(cells), len(cells), 0 if numbers else before, longest
                    )
                before += len(line.encode())
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text ({error.reason} at byte {error.start}).") from error
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    raise DataError(f"{path}: expected a table, got an empty file.")
