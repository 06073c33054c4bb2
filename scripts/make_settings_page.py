"""Writes docs/settings.md: the table of all settings of a training, from `diabolo.model.settings.Settings`."""

from pathlib import Path

from diabolo.model.settings import DEFAULTS, SETTINGS

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """# Settings of a training

All settings of `diabolo.Autoencoder`, and the options of `diabolo fit` that stand for them. The docstring of
`Autoencoder` says more about the values in Python. This page is made by `python scripts/make_settings_page.py`.

| setting | default | option of `diabolo fit` | what it does |
|---|---|---|---|
"""


def page() -> str:
    """Return the page as Markdown."""
    return HEAD + "".join(
        f"| `{name}` | `{DEFAULTS[name]!r}` | {_option(name)} | {_cell(known.help)} |\n"
        for name, known in SETTINGS.items()
    )


def _option(name: str) -> str:
    known = SETTINGS[name]
    if known.option is None:
        return "`--types`" if name == "types" else ""
    return ", ".join(f"`{each}`" for each in known.names or (f"--{name.replace('_', '-')}",))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
