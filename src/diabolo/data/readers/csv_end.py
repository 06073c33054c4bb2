"""Lines at the end of a text table that are no rows: a total, a source, a remark."""

import io
import re
from collections.abc import Iterator

from diabolo.data.readers.csv_kinds import GAP, TEXT, kind_of
from diabolo.data.readers.csv_sniffer import Start, rows_of, with_quotes

# In English, German, French, Spanish, Italian and Portuguese.
_SUM = r"(grand |sub|ins)?(totals?|totale|gesamt|total g[eé]n[eé]ral)|summe|gesamtsumme|somme|suma|soma|somma"
_SOURCE = (
    r"sources?|notes?|quellen?|anmerkungen?|hinweise?|stand|fuentes?|notas?|fontes?|fonti|data sources?|"
    r"datenquelle|last updated?|copyright"
)
_WORD = re.compile(
    rf"({_SUM}|{_SOURCE}|sums?|averages?|means?|mittelwert|durchschnitt|moyenne|media|m[eé]dia|promedio)\b|[*†]|©",
    re.IGNORECASE,
)
_REMARK = re.compile(rf"({_SOURCE}) ?:", re.IGNORECASE)


def lines_at_end(tail: str, start: Start, *, quoted: bool) -> Iterator[str]:
    """Yield the lines at the end of a file that are no rows, the last first: a total, a source, a remark.

    Args: tail: the last whole lines; quoted: whether they begin within quotes.
    """
    columns = len(start.names) + start.spare
    if columns == 1:
        return
    typed = [at for at, kind in enumerate(start.kinds) if kind not in (TEXT, GAP)]
    for line, inside in reversed(list(with_quotes(io.StringIO(tail, newline=""), quoted))):
        if inside:
            return
        if not line.strip():
            yield line
            continue
        rows = rows_of([(0, line)], start.separator)
        cells = rows[0].cells if rows else []
        filled = [cell.strip() for cell in cells if cell.strip()]
        if not filled:
            yield line  # only separators
            continue
        if kind_of(filled[0]) != TEXT:
            return
        first = cells[0].strip() == filled[0]
        word = first and bool(_WORD.match(filled[0]))
        if first and _REMARK.match(filled[0]):
            stray = True  # with any number of commas
        elif len(cells) < columns:
            stray = word or len(filled) == 1
        else:
            # A row of all columns may be one with gaps, unless its word stands below numbers or alone.
            stray = word and (0 in typed or (len(filled) == 1 and columns > 2))
        if not stray:
            return
        yield line


def is_total(line: str, start: Start) -> bool:
    """Return whether a row may be the sum of those above it."""
    rows = rows_of([(0, line)], start.separator)
    numbers = sum(kind not in (TEXT, GAP) for kind in start.kinds)
    return bool(rows) and numbers > 0 and re.fullmatch(_SUM, rows[0].cells[0].strip(), re.I) is not None
