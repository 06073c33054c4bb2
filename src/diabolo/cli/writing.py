"""What several commands write and print: names of files, pictures, JSON, the command to go on with."""

import re
import sys
from pathlib import Path
from typing import Any


def stem(data: str) -> str:
    """Return the name of files made from `data`: mnist:test gives mnist-test, a/b.npz:X b-X, parts/*.npy parts."""
    from diabolo.data.tables import STDIN

    if data == "-" or Path(data).stem == STDIN:
        return "rows"
    if "://" in data:
        data = data.partition("?")[0].rpartition("/")[2]
    if any(mark in data for mark in "*?["):
        data = next((part for part in reversed(Path(data).parts) if not any(mark in part for mark in "*?[")), "rows")
    found = re.fullmatch(r"(.*[^:/\\]{2}):(.*)", data)  # one letter before a colon is a drive
    file, part = (found[1], re.sub(r"\W+", "-", found[2]).strip("-")) if found else (data, "")
    name = re.sub(r"\.(gz|bz2|zst|xz)$", "", Path(file).name or Path(file).resolve().name, flags=re.IGNORECASE)
    return "-".join(each for each in (name.removesuffix(Path(name).suffix), part) if each) or "rows"


def png(path: Path | None, *, force: bool) -> None:
    """Raise OptionError or OutputError where --picture cannot be written."""
    from diabolo.errors import OptionError
    from diabolo.storage import files

    if path is None:
        return
    if path.suffix.lower() != ".png":
        raise OptionError(f"--picture must end in .png, got {str(path)!r:.60}.")
    files.refuse_existing(path, force=force)


def draw(picture: Path | None, plot: str, found: Any, *, force: bool) -> None:
    """Write the picture, if any. Args: plot: name of the function of diabolo.report.pictures that draws it."""
    from diabolo.report import pictures
    from diabolo.storage import files

    if picture is not None:
        figure = getattr(pictures, plot)(found)
        files.write_atomically(picture, lambda file: pictures.save(figure, file), force=force)


def as_json(value: object) -> str:
    """Return a value as strict JSON: numbers that are not finite become null."""
    import json
    import math

    def plain(each: object) -> object:
        if isinstance(each, float):
            return each if math.isfinite(each) else None
        if isinstance(each, dict):
            return {name: plain(item) for name, item in each.items()}
        if hasattr(each, "_asdict"):
            return plain(each._asdict())
        return [plain(item) for item in each] if isinstance(each, (list, tuple)) else each

    return json.dumps(plain(value), allow_nan=False)


def fit_command(*chosen: str, without: tuple[str, ...] = ()) -> str:
    """Return the `diabolo fit` that trains with what the current command chose.

    Args: chosen: options and their values; without: options with a value that fit does not have, or that were chosen.
    """
    import shlex

    kept, skip = list[str](), False
    for word in sys.argv[2:]:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in (*without, "--picture", "-p", "--run"):
            skip = not equals
        elif name not in ("--json", "--force") and not name.startswith("-p"):  # -pFILE
            kept.append(word)
    return shlex.join(["diabolo", "fit", *kept, *chosen])
