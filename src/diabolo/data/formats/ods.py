"""OpenDocument sheets, as LibreOffice writes them; only for reading."""

from typing import ClassVar

from diabolo.data.formats.sheets import Sheets


class Ods(Sheets):
    """Sheets in an .ods file."""

    endings: ClassVar[tuple[str, ...]] = (".ods",)
    words: ClassVar[str] = "an OpenDocument sheet (.ods)"
    writes: ClassVar[bool] = False
