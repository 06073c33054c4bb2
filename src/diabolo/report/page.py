"""A self-contained page of HTML: text, tables and pictures in sections, without scripts or external addresses."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure

from diabolo.errors import printable
from diabolo.report import pictures

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.wide { overflow-x: auto } img { max-width: 100%; height: auto; display: block }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; white-space: nowrap }
th { font-weight: 600 } .text { text-align: left } td.text:last-child { white-space: normal }
tr.best { font-weight: 600 }
""".strip()


def page(title: str, parts: Iterable[str]) -> str:
    """Return a page of parts, each a piece of HTML from the functions below."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{STYLE}\n</style></head>\n<body>\n<h1>{_text(title)}</h1>\n"
        f"{chr(10).join(parts)}\n</body></html>\n"
    )


def heading(words: str) -> str:
    """Return the heading of a section."""
    return f"<h2>{_text(words)}</h2>"


def paragraph(words: str) -> str:
    """Return a paragraph."""
    return f"<p>{_text(words)}</p>"


def listing(items: Iterable[str]) -> str:
    """Return a list of sentences."""
    return f"<ul>{''.join(f'<li>{_text(item)}</li>' for item in items)}</ul>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 0, best: int | None = None) -> str:
    """Return a table of cells in words.

    Args:
        heads: of the columns.
        rows: a cell for each column.
        texts: how many columns at the end hold text.
        best: the number of the row to highlight.
    """
    kinds = [""] * (len(heads) - texts) + [' class="text"'] * texts

    def line(cells: Sequence[str], tag: str, kind: str = "") -> str:
        inside = "".join(f"<{tag}{how}>{_text(cell)}</{tag}>" for cell, how in zip(cells, kinds, strict=True))
        return f"<tr{kind}>{inside}</tr>"

    body = [line(row, "td", ' class="best"' if at == best else "") for at, row in enumerate(rows)]
    return f'<div class="wide"><table>\n{line(heads, "th")}\n{chr(10).join(body)}\n</table></div>'


def picture(figure: Figure, words: str) -> str:
    """Return a picture with a description."""
    file = io.BytesIO()
    pictures.save(figure, file)
    width = round(figure.get_figwidth() * 96)  # pixels of a page
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="{_text(words)}" width="{width}" src="data:image/png;base64,{data}">'


def _text(words: str) -> str:
    return escape(printable(words))
