"""What users call: a report as a file, the explorer in a browser or a notebook.

Order: the report, the explorer, what is asked for.
"""

import contextlib
import sys
import webbrowser
from pathlib import Path
from typing import Any

from diabolo.data.splits import spread_evenly
from diabolo.data.tables import Reading
from diabolo.missing import names_missing
from diabolo.model.model import Model
from diabolo.page import document, server
from diabolo.page.anomalies import anomalies
from diabolo.page.document import Asked, Page
from diabolo.page.rows import PageRows, read, taken
from diabolo.storage.files import refuse_existing

FILE_ROWS = 10_000  # most rows in a file by default


@names_missing
def make(
    model: Model,
    X: object = None,
    *,
    rows: int | None = FILE_ROWS,
    labels: object = None,
    reading: Reading | None = None,
    data_dir: str | Path | None = None,
    where: str = "report()",
    **asked: Any,
) -> Page:
    """Return a page of a model and rows, for a file.

    Args:
        model: trained.
        X: rows, as for `rows.read`; None: the model alone.
        rows: how many rows are in the page at most, spread evenly; None: all.
        labels: see `rows.read`.
        reading: how files are read.
        data_dir: the folder of the data sets.
        where: the call, for messages.
        asked: see `document.Asked`.
    """
    found = _rows(model, X, rows, labels, reading, data_dir, where)
    return document.page(model, found, Asked(anomalies=anomalies, **asked))


def report(model: Model, X: object, path: str | Path, *, force: bool = False, **asked: Any) -> Path:
    """Write the report of a model as one file, and return its path; arguments as for `make`."""
    path = document.page_path(path)
    refuse_existing(path, force=force)
    return make(model, X, **asked).save(path, force=force)


@names_missing
def serve(
    model: Model,
    X: object = None,
    *,
    rows: int | None = None,
    labels: object = None,
    reading: Reading | None = None,
    data_dir: str | Path | None = None,
    port: int = 0,
    **asked: Any,
) -> server.PageServer:
    """Return a server of the explorer, which listens on 127.0.0.1 but does not answer yet; the rest as for `make`.

    Args: port: 0: any free port.
    """
    found = _rows(model, X, rows, labels, reading, data_dir, "explore()")
    return server.PageServer(model, found, Asked(anomalies=anomalies, view="explore", **asked), port=port)


@names_missing
def explore(
    model: Model, X: object = None, *, rows: int | None = None, labels: object = None, maps: tuple[str, ...] = ()
) -> Any:
    """Show the explorer: as a widget in a notebook, else in the browser until Ctrl-C; see `Verbs.explore`."""
    if in_notebook():
        from diabolo.page.widget import widget

        most = FILE_ROWS if rows is None else rows
        return widget(make(model, X, rows=most, labels=labels, maps=maps, view="explore", encoder=True, title="model"))
    with contextlib.closing(serve(model, X, rows=rows, labels=labels, maps=maps, encoder=True)) as served:
        opened = open_in_browser(served.url)
        print(f"{served.url}: {'opened in the browser' if opened else 'open it in a browser'}; Ctrl-C stops it.")
        with contextlib.suppress(KeyboardInterrupt):
            served.run()
    return None


def in_notebook() -> bool:
    """Return whether Python runs in a notebook."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and getattr(running, "kernel", None) is not None


def some_of(rows: PageRows) -> PageRows:
    """Return at most as many rows as a file has by default."""
    return rows if len(rows.values) <= FILE_ROWS else taken(rows, spread_evenly(len(rows.values), FILE_ROWS))


def open_in_browser(url: str) -> bool:
    """Open an address in the user's browser; return whether there is one."""
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _rows(
    model: Model,
    X: object,
    most: int | None,
    labels: object,
    reading: Reading | None,
    data_dir: str | Path | None,
    where: str,
) -> PageRows | None:
    if X is None:
        return None
    return read(model, X, most=most, labels=labels, reading=reading, data_dir=data_dir, where=where)
