"""Find out what the texts of a column are: numbers, dates, booleans, or words.

If numbers or dates were silently used as a category, its levels would have no order and no distance. So a column that
looks like numbers or dates and cannot be read as such is never a category by itself: `Found.doubt` says why.
Order: `find`, booleans.
"""

from diabolo.data.frames import written_dates, written_numbers
from diabolo.data.frames.cells import SAMPLE, Cells, Found, misfits, present, used
from diabolo.data.frames.forms import BooleanForm, DateForm
from diabolo.data.frames.marks import AMONG_NUMBERS
from diabolo.typing import ArrowArray


def find(cells: ArrowArray, name: str, how: Cells | None = None, *, kind: str = "") -> Found:
    """Return what the texts of a column are.

    Args:
        cells: an Arrow array of strings.
        name: of the column, for messages.
        how: what a user said.
        kind: the kind that a user declared: "number", "date" or "boolean", with what `KIND_SETTINGS` allows after a
            colon; empty: none.
    """
    import pyarrow as pa

    how = how or Cells()
    kind, _, declared = kind.partition(":")
    known = cells.filter(present(cells, how.missing))
    texts = known.unique() if not isinstance(known, pa.ChunkedArray) else known.combine_chunks().unique()
    if not len(texts):
        return Found()
    found_marks = used(cells, how.missing)
    if declared and kind == "date":
        form = DateForm(format=declared)
        form.check()
        wrong = misfits(form, texts)
        if wrong:
            return Found(marks=found_marks, doubt=f"not dates as {declared}, such as {wrong[0].strip()!r:.40}")
        form, note = written_dates.in_century(written_dates.as_written(form, texts.slice(0, SAMPLE).to_pylist()), texts)
        return Found(form, found_marks, note=note)
    how = how._replace(decimal=declared) if declared else how
    finders = [("number", written_numbers.find), ("date", written_dates.find), ("boolean", _booleans)]
    if written_dates.are_months(texts):
        finders = [finders[1], finders[0]]
    for each, finder in finders:
        if kind in ("", each):
            found = finder(texts, known, name, how)
            if found is not None:
                return found._replace(marks=tuple(sorted({*found_marks, *found.marks})))
    return Found(marks=found_marks)


WORDS = (
    *(("yes", "no"), ("true", "false"), ("y", "n"), ("t", "f"), ("on", "off")),
    *(("ja", "nein"), ("oui", "non"), ("s\u00ed", "no"), ("si", "no")),
    *(("wahr", "falsch"), ("vrai", "faux"), ("verdadero", "falso"), ("verdadeiro", "falso"), ("vero", "falso")),
)


def _booleans(texts: ArrowArray, known: ArrowArray, name: str, how: Cells) -> Found | None:
    """Return the words of a boolean column, None for other texts."""
    if len(texts) > 20:
        return None
    every = texts.to_pylist()
    marks = tuple(sorted(each.strip() for each in every if each.strip().lower() in AMONG_NUMBERS))
    words = {each.strip() for each in every} - {*marks}
    for true, false in WORDS:
        if {each.lower() for each in words} == {true, false}:
            chosen = sorted(words)  # capitals first
            return Found(
                BooleanForm(
                    true=next(each for each in chosen if each.lower() == true),
                    false=next(each for each in chosen if each.lower() == false),
                ),
                marks,
            )
    return None
