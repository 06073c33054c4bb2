"""Tables for people: as wide as the terminal, without trailing blanks in files, and with printable characters only."""

import sys
from typing import TextIO

from rich.console import Console, RenderableType
from rich.style import StyleType
from rich.table import Table

from diabolo.errors import printable


def print_tables(*parts: Table | str, file: TextIO | None = None) -> None:
    """Print tables and texts, to standard output or a file; their content is never read as markup."""
    file = sys.stdout if file is None else file
    console = Console(file=file, highlight=False, markup=False)
    if console.is_terminal:
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, str))
        return
    # A file or a pipe has no width: a table is as wide as it needs, up to the width of a page.
    console = Console(highlight=False, markup=False, width=max(console.width, 100))
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, str))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=file)


class _Table(Table):
    """A table whose cells are printable."""

    def add_row(self, *cells: RenderableType | None, style: StyleType | None = None, end_section: bool = False) -> None:
        texts = (printable(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*texts, style=style, end_section=end_section)


def table(*, header: bool = False) -> Table:
    """Return an empty table without lines."""
    return _Table(show_header=header, box=None, pad_edge=False, padding=(0, 2, 0, 0))


def facts(rows: dict[str, str]) -> Table:
    """Return a table of names and values."""
    result = table()
    result.add_column(style="dim", no_wrap=True)
    result.add_column()
    for name, value in rows.items():
        result.add_row(name, value)
    return result


def bar(length: int) -> str:
    """Return a bar of so many characters."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * length
    return "█" * length


def count(number: int, noun: str) -> str:
    """Return "1 row", "2 rows", "1,000 rows"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
