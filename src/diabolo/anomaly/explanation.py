"""Which cells make rows anomalous, as arrays, as a data frame and as a table in HTML."""

import html
import importlib
import importlib.util
from typing import Any, NamedTuple

import numpy as np

from diabolo.typing import Float64Array

ANOMALOUS = 3.0  # the score above which a cell should be inspected
MOST_SHOWN = 100  # cells in HTML
FIELDS = ("row", "column", "value", "expected", "score")
STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
CELL = "padding:2px 10px;border-bottom:1px solid #ccc;text-align:"


class Cell(NamedTuple):
    """A cell. Attributes: row: its number, from 0; column: its name; value, expected; score."""

    row: int
    column: str
    value: Any
    expected: Any
    score: float


class Explanation(NamedTuple):
    """Which cells make rows unusual.

    Attributes:
        names: of the columns.
        scores: (n, columns): how much each cell adds to the loss of its row, divided by the typical score of its
            column; inspect cells above about 3.
        expected: (n, columns): the value of each cell, predicted from the other columns; a frame if fit() got one.
        values: (n, columns): the cells themselves, as `expected`.
        library: of the frame that was explained ("pandas", "polars", "pyarrow"); None: no frame.
    """

    names: tuple[str, ...]
    scores: Float64Array
    expected: Any
    values: Any
    library: str | None = None

    def cells(self, least: float = ANOMALOUS) -> list[Cell]:
        """Return the cells with at least this score, the highest first."""
        rows, columns = np.nonzero(self.scores >= least)
        order = np.argsort(-self.scores[rows, columns], kind="stable")
        expected, values = {}, {}
        for column in np.unique(columns).tolist():
            expected[column] = _column(self.expected, column)
            values[column] = _column(self.values, column)
        found = []
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            both = values[column][row], expected[column][row]
            found.append(Cell(row, self.names[column], *both, float(self.scores[row, column])))
        return found

    def to_frame(self, least: float = ANOMALOUS) -> Any:
        """Return a frame with a row for each anomalous cell, the highest score first.

        It is a frame of the library of the rows; for other rows of pandas where that is installed, else of pyarrow.
        Its columns are row (a number from 0), column, value, expected and score. If not all values are numbers, value
        and expected are texts.

        Args: least: the score of a cell that is called anomalous.
        """
        cells = self.cells(least)
        numbers = all(isinstance(each, int | float) for cell in cells for each in (cell.value, cell.expected))
        fields: dict[str, list[Any]] = {name: [getattr(cell, name) for cell in cells] for name in FIELDS}
        for name in ("value", "expected"):
            fields[name] = [float(each) if numbers else None if each is None else str(each) for each in fields[name]]
        library = self.library or ("pandas" if importlib.util.find_spec("pandas") is not None else "pyarrow")
        module = importlib.import_module(library)
        return module.table(fields) if library == "pyarrow" else module.DataFrame(fields)

    def to_html(self, least: float = ANOMALOUS) -> str:
        """Return a table in HTML of the anomalous cells, the highest score first; of 100 of them at most.

        Args: least: the score of a cell that is called anomalous.
        """
        cells = self.cells(least)
        lines = [_line("th", FIELDS)]
        for cell in cells[:MOST_SHOWN]:
            value, expected, score = map(_text, cell[2:])
            lines.append(_line("td", (f"{cell.row:,}", cell.column, value, expected, score)))
        more = len(cells) - MOST_SHOWN
        note = f"<p>{more:,} more with lower scores</p>" if more > 0 else "" if cells else "<p>no anomalous cells</p>"
        return f'<table style="{STYLE}">\n' + "\n".join(lines) + f"\n</table>{note}"

    def _repr_html_(self) -> str:
        return self.to_html()


def _column(table: Any, column: int) -> list[Any]:
    """Return the cells of a column of an array or of a frame."""
    if isinstance(table, np.ndarray):
        cells: list[Any] = table[:, column].tolist()
        return cells
    import narwhals

    frame = narwhals.from_native(table, eager_only=True)
    found: list[Any] = frame[:, column].to_list()
    return found


def _line(tag: str, texts: tuple[str, ...]) -> str:
    sides = ("right", "left", "right", "right", "right")
    cells = (
        f'<{tag} style="{CELL}{side}">{html.escape(text)}</{tag}>' for text, side in zip(texts, sides, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _text(value: Any) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float) else f"{value!s:.60}"
