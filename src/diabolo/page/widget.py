"""The page as a widget of a notebook, by anywidget: Jupyter, VS Code, Colab and marimo."""

from importlib import resources
from typing import Any

from diabolo import missing
from diabolo.page.document import Page


def widget(page: Page) -> Any:
    """Return a page as a widget, which a cell shows if it is its last value. Raises MissingExtraError."""
    missing.check("anywidget", "the explorer in a notebook")
    import anywidget
    import traitlets

    built = resources.files("diabolo.page").joinpath("built")

    class PageWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget is untyped
        """A page. Attributes: page: its data, as HTML."""

        _esm = built.joinpath("widget.js").read_text("utf-8")
        page = traitlets.Unicode("").tag(sync=True)

    return PageWidget(page=page.fragment())
