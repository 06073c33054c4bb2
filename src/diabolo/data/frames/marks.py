"""Texts that stand for a missing cell."""

# Missing in every column: what pandas reads as missing, and what spreadsheets and databases leave behind.
MISSING: tuple[str, ...] = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "n/a",
    "nan",
    "null",
    "?",
    "-",
    "--",
    "---",
    ".",
    "..",
    "\\N",
    "NUL",
    "#DIV/0!",
    "#NAME?",
    "#NUM!",
    "#REF!",
    "#VALUE!",
)

# Missing among numbers, dates and booleans; levels of a category. In lower case.
AMONG_NUMBERS: frozenset[str] = frozenset(
    {
        *("*", "**", "***", "...", "\u2026", "\u2013", "\u2014", "----", "#n/a!", "none", "nil", "na.", "n.a.", "n.a"),
        *("n.d.", "nd", "unknown", "unk", "missing", "undefined", "not available", "not applicable", "no data", "tbd"),
        *("tba", "blank", "empty", "nat", "not reported", "not known", "no answer", "(null)", "[null]", "#null!"),
    }
)
