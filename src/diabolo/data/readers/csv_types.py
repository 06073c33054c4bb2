"""The Arrow types of the columns of a text table, from all of its rows.

pyarrow infers them from all rows of a table that is read whole, and from the first block of one that is read in parts.
Here both get the same. Order: corrections, codes, spellings, all rows in parts, two types as one.
"""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from diabolo.data.readers.csv_form import Form, Options
from diabolo.data.readers.csv_scan import CODES_WITHIN
from diabolo.data.readers.csv_text import BYTES_AT_ONCE, LONGEST_LINE
from diabolo.data.readers.parts import Stamp, stamp
from diabolo.typing import ArrowSchema, ArrowType

CODE = r"^[+-]?0\d"
MONTH = r"^(0[1-9]|1[0-2])\.(19\d\d|20\d\d)$"  # 03.2021


def texts_in(path: Path, form: Form, options: Options, schema: ArrowSchema) -> dict[str, ArrowType]:
    """Return the type, text, of the columns whose inferred type loses how cells are written.

    These are times, codes, months, and booleans such as True.

    Args: schema: as pyarrow inferred it.
    """
    import pyarrow as pa

    times = [field.name for field in schema if pa.types.is_time(field.type)]
    booleans = tuple(field.name for field in schema if pa.types.is_boolean(field.type))
    spelled = _spelled(path, stamp(path), form, options, booleans) if booleans else ()
    whole = tuple(field.name for field in schema if pa.types.is_integer(field.type))
    fractions = tuple(field.name for field in schema if pa.types.is_floating(field.type))
    codes = _codes(path, stamp(path), form, options, whole, fractions) if form.zeros and whole + fractions else ()
    return dict.fromkeys((*times, *spelled, *codes), pa.string())


@lru_cache(maxsize=64)
def _codes(
    path: Path, _when: Stamp, form: Form, options: Options, whole: tuple[str, ...], fractions: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the columns of codes and of months, from the first bytes of the file.

    These are whole numbers of which one is like 007, and fractions that are all like 03.2021 with one below 10.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    convert = form.convert(options, dict.fromkeys(whole + fractions, pa.string()))
    convert.include_columns = list(whole + fractions)
    found, others = set[str](), set[str]()
    try:
        read = 0
        for batch in form.batches(path, convert):
            for name in {*whole, *fractions} - others:
                cells = batch.column(name)
                if name not in found and pc.any(pc.match_substring_regex(cells, CODE)).as_py():
                    found.add(name)
                if name in fractions and not pc.all(pc.match_substring_regex(cells, MONTH)).as_py():
                    others.add(name)
            read += batch.nbytes
            if {*whole, *fractions} <= others | (found & {*whole}) or read > CODES_WITHIN:
                break
    except (OSError, pa.ArrowInvalid):
        pass  # reading the file raises the error
    return tuple(name for name in (*whole, *fractions) if name in found - others)


@lru_cache(maxsize=64)
def _spelled(path: Path, _when: Stamp, form: Form, options: Options, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those columns of booleans whose first cell that is not missing is not written true or false."""
    import pyarrow as pa
    import pyarrow.compute as pc

    convert = form.convert(options, dict.fromkeys(names, pa.string()))
    convert.include_columns = list(names)
    first = dict.fromkeys(names, "")
    try:
        for batch in form.batches(path, convert):
            for name in [each for each in names if not first[each]]:
                cells = batch.column(name).drop_null()
                cells = cells.filter(pc.not_equal(pc.utf8_trim_whitespace(cells), ""))
                first[name] = cells[0].as_py().strip() if len(cells) else ""
            if all(first.values()):
                break
    except (OSError, pa.ArrowInvalid):
        pass  # reading the file raises the error
    return tuple(name for name, cell in first.items() if cell not in ("", "true", "false"))


def types_of(path: Path, form: Form, options: Options, known: Collection[str]) -> dict[str, ArrowType]:
    """Return the types of the columns that are not known, from all rows of the file, read in parts."""
    others = tuple(name for name in form.names if name not in known)
    return dict(_types(path, stamp(path), form, options, others)) if others else {}


@lru_cache(maxsize=64)
def _types(
    path: Path, _when: Stamp, form: Form, options: Options, names: tuple[str, ...]
) -> tuple[tuple[str, ArrowType], ...]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    settings, convert = form.options(block=LONGEST_LINE + BYTES_AT_ONCE), form.convert(options)
    settings["read_options"].skip_rows = 0
    convert.include_columns = list(names)
    types: dict[str, ArrowType] = dict.fromkeys(names, pa.null())
    cut = b""
    with form.rows(path) as rows:
        for piece in rows.pieces():
            lines = cut + piece
            if not lines.strip(b"\r\n"):
                continue
            try:
                found = arrow.read_csv(pa.BufferReader(lines), **settings, convert_options=convert).schema
            except pa.ArrowInvalid:
                # A quote inside a cell may have let a piece end within quotes. Reading a bad file raises the error.
                if len(lines) > LONGEST_LINE:
                    break
                cut = lines
                continue
            cut = b""
            types = {name: _both(types[name], found.field(name).type) for name in names}
    texts = texts_in(path, form, options, pa.schema(list(types.items())))
    return tuple((types | texts).items())


def _both(one: ArrowType, other: ArrowType) -> ArrowType:
    """Return the type that pyarrow infers for a column with cells of both types."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    for test, common in ((_is_number, pa.float64()), (_is_day, None)):
        if test(one) and test(other):
            return common or max(one, other, key=_resolution)
    return pa.string()


def _is_number(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_day(kind: ArrowType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None))


def _resolution(kind: ArrowType) -> int:
    import pyarrow as pa

    return 0 if pa.types.is_date(kind) else ["s", "ms", "us", "ns"].index(kind.unit) + 1
