"""Writes images to a folder of PNGs, under the names and in the subfolders of the pictures that they come from.

cats/1.jpg becomes cats/1.png, and frame 3 of cells.tif cells_0003.png; images without names get their number. Two
pictures of one name keep their endings: a.jpg.png, a.png.png. uint16 becomes 16 bits a channel, in grey and in colour.
Order: the folder, names, images as whole numbers, one PNG.
"""

import math
import re
import shutil
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from diabolo.errors import DataError, OutputError
from diabolo.storage.files import temporary_name
from diabolo.typing import Array, Shape

FRAME = re.compile(r"(.+):(\d+)")  # the name of a frame of a stack, see `images.name`
COLOURS = {1: 0, 3: 2, 4: 6}  # channels -> PNG's type of colour


def write(folder: Path, chunks: Iterable[Array], names: Sequence[str | None] = ()) -> None:
    """Fill a temporary folder next to `folder`, then rename it to `folder`, which must not exist or be empty.

    Args:
        folder: to write.
        chunks: images (k, height, width[, channels]); other numbers than uint8 and uint16 are scaled to 8 bits.
        names: of the pictures they come from, see `check_name`; None: its number. Read after the last chunk.

    Raises: OutputError, and the errors of `chunks`; then no folder is left.
    """
    temporary = temporary_name(folder)
    try:
        temporary.mkdir()
        count = 0
        for count, image in enumerate(_whole_numbers(folder, chunks), 1):
            _write_png(temporary / f"{count - 1:06d}.png", image)
        if len(names) == count:
            _rename(temporary, names)
        temporary.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


# Names.


def check_name(name: str | None, where: str) -> None:
    """Raise DataError for a name that leads out of the folder that is written. Args: where: begins the message."""
    if name is None:
        return
    places = PurePosixPath(name), PureWindowsPath(name)
    outside = any(place.is_absolute() or place.drive or ".." in place.parts for place in places)
    if outside or not places[0].name or not name.isprintable():
        raise DataError(
            f"{where}: expected the name of a picture below a folder, such as cats/1.png, got {name!r:.80} in the "
            f"column 'file': correct it, or rename the column to have the pictures numbered."
        )


def targets(names: Sequence[str | None]) -> list[str]:
    """Return for each row the name of its PNG; no two are equal, not even in upper and lower case."""
    plain = [f"{row:06d}.png" if name is None else _as_png(name) for row, name in enumerate(names)]
    once = Counter(name.casefold() for name in plain)
    taken, result = set[str](), list[str]()
    for row, (name, short) in enumerate(zip(names, plain, strict=True)):
        chosen = short if once[short.casefold()] == 1 else f"{name}.png".replace(":", "_")
        if chosen.casefold() in taken:
            chosen = f"{chosen.removesuffix('.png')}-{row:06d}.png"
        taken.add(chosen.casefold())
        result.append(chosen)
    return result


def _as_png(name: str) -> str:
    frame = FRAME.fullmatch(name)
    path = PurePosixPath(frame[1] if frame else name)
    return str(path.with_name(f"{path.stem}_{int(frame[2]):04d}.png" if frame else f"{path.stem}.png"))


def _rename(folder: Path, names: Sequence[str | None]) -> None:
    """Give the PNGs of a folder, which are numbered, their names."""
    numbered = folder / ".numbered"
    numbered.mkdir()
    for row in range(len(names)):
        (folder / f"{row:06d}.png").rename(numbered / f"{row:06d}.png")
    for row, name in enumerate(targets(names)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (numbered / f"{row:06d}.png").rename(folder / name)
    numbered.rmdir()


# Images as whole numbers.


def _whole_numbers(folder: Path, chunks: Iterable[Array]) -> Iterator[Array]:
    """Yield images one by one, (h, w) or (h, w, c), as uint8 or uint16; others are stored until all have come.

    Values in [0, 1] become 0 to 255; other values are scaled by the range of all images.
    """
    low, high, kept = math.inf, -math.inf, list[tuple[Shape, np.dtype[Any]]]()
    with tempfile.TemporaryFile() as file:
        for images in chunks:
            if images.ndim < 3 or (images.ndim == 4 and images.shape[3] not in COLOURS):
                raise OutputError(
                    f"{folder}: rows of shape {images.shape[1:]} are not images: write them to .npy, .npz or .csv."
                )
            if images.dtype in (np.uint8, np.uint16):
                yield from images
                continue
            low, high = min(low, float(images.min())), max(high, float(images.max()))
            kept.append((images.shape, images.dtype))
            file.write(np.ascontiguousarray(images).data)
        file.seek(0)
        low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
        for shape, dtype in kept:
            images = np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
            yield from np.asarray(np.rint((images - low) / ((high - low) or 1.0) * 255), np.uint8)


# One PNG.


def _write_png(path: Path, image: Array) -> None:
    """Write an image (h, w) or (h, w, c)."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype == np.uint16:
        path.write_bytes(_deep_png(image))
        return
    from PIL import Image

    Image.fromarray(image).save(path)


def _deep_png(image: Array) -> bytes:
    """Return an image of uint16 as a PNG of 16 bits a channel, which Pillow writes only of grey images.

    Source: Portable Network Graphics, third edition, 5 (chunks) and 9 (filter 2: each byte less the one above).
    """
    height, width = image.shape[:2]
    lines = np.ascontiguousarray(image, ">u2").reshape(height, -1).view(np.uint8)  # (height, 2 * width * channels)
    filtered = np.full((height, 1 + lines.shape[1]), 2, np.uint8)
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    colours = COLOURS[image.shape[2] if image.ndim == 3 else 1]
    header = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
