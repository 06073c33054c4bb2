"""Pictures in files, through Pillow: a folder, or a list of paths, as arrays of bytes.

Turned as their EXIF says, all of one size and either grey or in colour; resized and greyed only if asked. The header is
judged before anything is decoded. Order: what is asked, one picture, many of them.
"""

import io
import logging
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diabolo.errors import DataError, ShapeError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
OTHERS = (".gif", ".heic", ".heif", ".avif", ".jp2", ".svg", ".psd")  # pictures that are left out
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MOST_PIXELS = 1 << 26  # of one picture, 67 megapixels: a file of some kilobytes can announce any number
AT_ONCE = 256  # pictures that are asked of the threads before the first of them is taken,
BYTES_AT_ONCE = 1 << 26  # of pictures that are given together
PIXELS_AT_ONCE = 1 << 26  # if they are together of no more pixels, by their headers; else fewer

Array = np.ndarray[Any, np.dtype[np.uint8]]

logger = logging.getLogger(__name__)


class ImageOptions(NamedTuple):
    """How pictures are to be taken.

    Attributes:
        size: (height, width) that every picture is resized to; None: they must all have one.
        grayscale: whether colours are turned to grey.
        skip_bad: called with a file that cannot be read and the reason, which then is left out; None: it is an error.
        like: axes of the pictures that a model was fitted on; None: all must be like the first.
    """

    size: tuple[int, int] | None = None
    grayscale: bool = False
    skip_bad: Callable[[Path, str], None] | None = None
    like: tuple[int, ...] | None = None


def find(folder: Path) -> list[Path]:
    """Return the pictures in a folder and those below, by name."""
    every = [
        Path(place) / name
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
        if not name.startswith(".")
    ]
    found = sorted(path for path in every if path.name.lower().endswith(ENDINGS))
    others = [path for path in every if path.name.lower().endswith(OTHERS)]
    if found and others:
        logger.warning("%s: left out %d of kinds that are not read, such as %s", folder, len(others), others[0])
    return found


def labels(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Return the name of the subfolder that each picture is in, empty for those that are in none."""
    return ["" if path.parent == folder else path.relative_to(folder).parts[0] for path in paths]


def read(path: Path, options: ImageOptions) -> Array:
    """Return a picture, (height, width) if it is grey, else (height, width, 3), or 4 where it is partly transparent.

    Raises: DataError for what is no picture, a damaged one, or one of too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # All of a file at once: threads wait for the disk without holding each other up.
        with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise DataError(f"{path}: {width} x {height} pixels, expected at most {MOST_PIXELS:,}: shrink it.")
            if getattr(picture, "is_animated", False):
                raise DataError(f"{path}: several frames, expected one: save them as pictures.")
            turned = ImageOps.exif_transpose(picture) if "exif" in picture.info or picture.format == "TIFF" else picture
            plain = _plain(turned, path, options)
            if options.size is not None and plain.size != options.size[::-1]:
                plain = plain.resize(options.size[::-1], Image.Resampling.LANCZOS)
            return np.asarray(plain)
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: expected a picture, got something else.") from error
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: more pixels than {MOST_PIXELS:,}: shrink it.") from error
    except (OSError, SyntaxError, ValueError, TypeError, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: the picture is damaged ({reason}).") from error


def _plain(picture: Any, path: Path, options: ImageOptions) -> Any:
    """Return a picture in grey or in colour, with eight bits a channel."""
    mode = picture.mode
    if mode in ("I", "F") or mode.startswith("I;"):
        raise DataError(f"{path}: its pixels have more than 8 bits (mode {mode}): save it with 8.")
    if options.grayscale:
        return picture if mode == "L" else picture.convert("L")
    if mode in ("L", "RGB", "RGBA"):
        return picture
    if mode == "1":
        return picture.convert("L")
    clear = mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info
    return picture.convert("RGBA" if clear else "RGB")


def chunks(
    paths: Sequence[Path], options: ImageOptions, size: int, *, on_chunk: Callable[[list[Path]], None] | None = None
) -> Iterator[Array]:
    """Give pictures in their order, (k, height, width[, channels]) each, decoded on every core.

    Args: on_chunk: takes the files of every chunk before it is given.
    Raises: DataError, ShapeError where one is not as the first or as a model takes them; with `options.skip_bad` it is
        left out.
    """
    expected, whose = options.like, "those of the model are"
    held: list[Array] = []
    files: list[Path] = []

    def stacked() -> Array:
        if on_chunk is not None:
            on_chunk(files.copy())
        rows = np.stack(held)
        held.clear()
        files.clear()
        return rows

    for path, picture in _decoded(paths, options):
        if expected is None:
            expected, whose = picture.shape, f"{path} is"
        wrong = _difference(path, picture.shape, expected, whose, settled=options.like is not None)
        if wrong:
            if options.skip_bad is None:
                raise ShapeError(wrong)
            options.skip_bad(path, wrong)
            continue
        held.append(picture)
        files.append(path)
        if len(held) == size or len(held) * picture.nbytes >= BYTES_AT_ONCE:
            yield stacked()
    if held:
        yield stacked()


def _decoded(paths: Sequence[Path], options: ImageOptions) -> Iterator[tuple[Path, Array]]:
    def one(path: Path) -> Array | DataError:
        try:
            return read(path, options)
        except DataError as error:
            return error

    waiting = iter(paths)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for some in _together(waiting):
            for path, picture in zip(some, pool.map(one, some), strict=True):
                if not isinstance(picture, DataError):
                    yield path, picture
                elif options.skip_bad is None:
                    raise picture
                else:
                    options.skip_bad(path, str(picture))


def _together(paths: Iterator[Path]) -> Iterator[list[Path]]:
    """Give pictures in lists that memory holds: small ones many at a time, large ones one by one."""
    some, count = list[Path](), 0
    for path in paths:
        pixels = _pixels(path)
        if some and (len(some) == AT_ONCE or count + pixels > PIXELS_AT_ONCE):
            yield some
            some, count = [], 0
        some.append(path)
        count += pixels
    if some:
        yield some


def _pixels(path: Path) -> int:
    """Return of how many pixels a picture says it is; 0 where it says nothing, which whoever decodes it will tell."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            return int(picture.size[0] * picture.size[1])
    except Exception:
        return 0


def _difference(path: Path, shape: tuple[int, ...], expected: tuple[int, ...], whose: str, *, settled: bool) -> str:
    """Return in what a picture differs from what is expected, with what to type; nothing where it does not.

    Args: settled: whether what is expected cannot become grey any more.
    """
    if shape == expected:
        return ""
    sizes, colours = shape[:2] != expected[:2], shape[2:] != expected[2:]
    ours, theirs = (
        " and ".join([f"{each[0]} x {each[1]}"] * sizes + [_colours(each)] * colours) for each in (shape, expected)
    )
    greyed = colours and (not settled or len(expected) == 2)
    options = [f"--size {expected[0]}x{expected[1]}"] * sizes + ["--grayscale"] * greyed
    add = f"add {' '.join(options)}, or " if options and greyed == colours else ""
    return f"{path} is {ours}, {whose} {theirs}: {add}convert {'them' if add else 'it'}."


def _colours(shape: tuple[int, ...]) -> str:
    channels = shape[2] if len(shape) == 3 else 1
    return {1: "grey", 3: "in colour", 4: "in colour with transparency"}.get(channels, f"of {channels} channels")
