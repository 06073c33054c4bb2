"""Pictures in files, through Pillow: a folder, or a list of paths, as arrays of bytes.

Pictures are turned as their EXIF data says. All must have one size, and be either grey or in colour; they are only
resized or turned to grey if a user asks for it. The header is checked before anything is decoded.
Order: options, one picture, many pictures.
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
from diabolo.typing import ByteArray, Shape

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
OTHERS = (".gif", ".heic", ".heif", ".avif", ".jp2", ".svg", ".psd")  # are left out, with a warning
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MOST_PIXELS = 1 << 26  # of one picture, 67 megapixels: a file of some kilobytes can announce any number
AT_ONCE = 256  # the most pictures that the threads decode together
PIXELS_AT_ONCE = 1 << 26  # the most pixels, by their headers, of the pictures that are decoded together
BYTES_AT_ONCE = 1 << 26  # of the pictures in one chunk

logger = logging.getLogger(__name__)


class ImageOptions(NamedTuple):
    """How pictures are read.

    Attributes:
        size: (height, width) that every picture is resized to; None: all must have one size.
        grayscale: whether pictures in colour are turned to grey.
        skip_bad: called with each file that cannot be read and the reason; the file is left out. None: it is an error.
        like: the shape of the pictures that a model was fitted on; None: all must have the shape of the first.
    """

    size: tuple[int, int] | None = None
    grayscale: bool = False
    skip_bad: Callable[[Path, str], None] | None = None
    like: Shape | None = None


def find(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, by name; logs how many others are left out."""
    every = [
        Path(place) / name
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
        if not name.startswith(".")
    ]
    found = sorted(path for path in every if path.name.lower().endswith(ENDINGS))
    others = [path for path in every if path.name.lower().endswith(OTHERS)]
    if found and others:
        logger.warning(
            "%s: left out %d of the pictures, in formats that are not read, such as %s", folder, len(others), others[0]
        )
    return found


def labels(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Return the name of the subfolder of each picture; empty for a picture directly in the folder."""
    return ["" if path.parent == folder else path.relative_to(folder).parts[0] for path in paths]


def read(path: Path, options: ImageOptions) -> ByteArray:
    """Return a picture, (height, width) if it is grey, else (height, width, 3), or 4 if it is partly transparent.

    Raises: DataError for a file that is not a picture, is damaged, or has too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # The whole file at once, so that threads do not wait for each other at the disk.
        with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise DataError(
                    f"{path}: {width} x {height} pixels, expected at most {MOST_PIXELS:,} in all: make it smaller."
                )
            if getattr(picture, "is_animated", False):
                raise DataError(f"{path}: expected one frame, got several: save each as a picture of its own.")
            turned = ImageOps.exif_transpose(picture) if "exif" in picture.info or picture.format == "TIFF" else picture
            plain = _plain(turned, path, options)
            if options.size is not None and plain.size != options.size[::-1]:
                plain = plain.resize(options.size[::-1], Image.Resampling.LANCZOS)
            return np.asarray(plain)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{path}: expected a picture ({', '.join(FORMATS)}), got something else: remove the file, or leave it "
            f"out with --skip-bad."
        ) from error
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: expected at most {MOST_PIXELS:,} pixels, got more: make it smaller.") from error
    except (OSError, SyntaxError, ValueError, TypeError, struct.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: the picture is damaged ({reason}): replace it, or leave it out with --skip-bad."
        ) from error


def _plain(picture: Any, path: Path, options: ImageOptions) -> Any:
    """Return a picture in grey or in colour, with eight bits a channel."""
    mode = picture.mode
    if mode in ("I", "F") or mode.startswith("I;"):
        raise DataError(f"{path}: expected 8 bits for each pixel and channel, got more (mode {mode}): save it with 8.")
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
) -> Iterator[ByteArray]:
    """Yield pictures in their order, (k, height, width[, channels]) each, decoded on every core.

    Args:
        paths: of the pictures.
        options: how they are read.
        size: the largest k.
        on_chunk: called with the files of a chunk, before the chunk is yielded.

    Raises: DataError for a file that cannot be read; ShapeError for a picture that differs from the first, or from
        those of the model. With `options.skip_bad` such files are left out.
    """
    expected, whose = options.like, "those of the model are"
    held: list[ByteArray] = []
    files: list[Path] = []

    def stacked() -> ByteArray:
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


def _decoded(paths: Sequence[Path], options: ImageOptions) -> Iterator[tuple[Path, ByteArray]]:
    def one(path: Path) -> ByteArray | DataError:
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
    """Yield pictures in lists that fit in memory: many small ones, or one large one."""
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
    """Return the pixels of a picture, from its header; 0 for a file without one, which decoding refuses."""
    from PIL import Image

    try:
        with Image.open(path, formats=FORMATS) as picture:
            return int(picture.size[0] * picture.size[1])
    except Exception:
        return 0


def _difference(path: Path, shape: Shape, expected: Shape, whose: str, *, settled: bool) -> str:
    """Return how a picture differs from the expected shape, with the options to type; empty if it does not differ.

    Args: whose: the picture or model that expects the shape; settled: whether that shape can no longer become grey.
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


def _colours(shape: Shape) -> str:
    channels = shape[2] if len(shape) == 3 else 1
    return {1: "grey", 3: "in colour", 4: "in colour with transparency"}.get(channels, f"of {channels} channels")
