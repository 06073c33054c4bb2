"""One picture file, through Pillow, as arrays: the only picture, or the frames of an animation, the pages of a TIFF.

The header is judged before anything is decoded. Pictures are turned as their EXIF data says. Eight bits a channel are
uint8, more are uint16, with the values that stand in the file.
Order: options, the header, frames, 16 bits, colours, sizes.
"""

import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from diabolo.errors import DataError
from diabolo.typing import Array, Shape

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".ppm", ".pbm", ".pnm")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
STACKS = ("GIF", "TIFF", "PNG", "WEBP")  # may hold several frames; the second picture of a JPEG is no frame
FITS = ("stretch", "crop", "pad")
MOST_PIXELS = 1 << 26  # of one picture, 67 megapixels: a file of some kilobytes can announce any number
MOST_FRAMES = 1 << 18  # of one file
MOST_IN_ALL = 1 << 32  # pixels in all frames of one file, or, if that is more,
MOST_PER_BYTE = 64  # so many for each byte of the file: an animation of 14 bytes a frame can announce any number
REDUCED = 1 | 4  # TIFF's NewSubfileType: a smaller copy of another page, or its mask
GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue, as Pillow does: ITU-R 601-2
CONVERT = "convert it to PNG, for example with: magick"

# For a decoder of Pillow that keeps the high byte of each 16 bits, the one that keeps the low byte.
LOW_BYTES = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}


class ImageOptions(NamedTuple):
    """How pictures are read.

    Attributes:
        size: (height, width) that every picture is resized to; None: all must have one size.
        fit: how, if its proportions differ: "stretch"; "crop": the middle; "pad": with black borders. Empty: stretch,
            and say so.
        grayscale: whether pictures in colour are turned to grey.
        color: whether grey pictures are turned to colour, and transparency is dropped.
        skip_bad: called with each file that cannot be read and the reason; the file is left out. None: it is an error.
        like: the shape of the pictures that a model was fitted on; None: all must have the shape of the first.
        like_type: the type of their numbers; only "uint8" and "uint16" are held against files.
        typed: whether the options come from a command line, which messages then name.
    """

    size: tuple[int, int] | None = None
    fit: str = ""
    grayscale: bool = False
    color: bool = False
    skip_bad: Callable[[Path, str], None] | None = None
    like: Shape | None = None
    like_type: str = ""
    typed: bool = False


class Header(NamedTuple):
    """What the header of a file announces.

    Attributes: size: (width, height), not turned; pixels: of the largest frame; frames: the numbers of the frames.
    """

    size: tuple[int, int]
    pixels: int
    frames: range | list[int]


def read_header(path: Path) -> Header:
    """Return what the header of a file announces; nothing is decoded. Raises DataError, as `read`."""
    with _checked(path), path.open("rb") as file:
        return _judged(path, file)


def read(path: Path, options: ImageOptions) -> Array:
    """Return the first picture of a file; arguments, result and errors as `read_frames`."""
    return next(read_frames(path, options))


def read_frames(path: Path, options: ImageOptions, frames: range | list[int] = range(1)) -> Iterator[Array]:
    """Yield pictures of a file, (height, width) if it is grey, else (height, width, 3), or 4 if partly transparent.

    Args: frames: their numbers.
    Raises: DataError for a file that is not a picture, is damaged, or has too many pixels.
    """
    with _checked(path, typed=options.typed):
        if len(frames) == 1:
            with path.open("rb") as file:
                frames = _judged(path, file).frames[:1]
                file.seek(0)
                # The whole file at once, so that threads do not wait for each other at the disk.
                content = file.read()

            def opened() -> BinaryIO:
                return io.BytesIO(content)
        else:

            def opened() -> BinaryIO:
                return path.open("rb")

        stack = _Stack(path, opened, options, several=len(frames) > 1)
        try:
            for number in frames:
                yield stack.frame(number)
        finally:
            stack.close()


class _checked:
    """Turns what Pillow raises for bytes that are no sound picture into a DataError of one line."""

    def __init__(self, path: Path, *, typed: bool = False) -> None:
        self._path, self._or = path, ", or leave it out with --skip-bad" if typed else ""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from PIL import Image, UnidentifiedImageError

        if isinstance(error, UnidentifiedImageError):
            raise DataError(
                f"{self._path}: expected a picture ({', '.join(FORMATS)}), got something else: remove the "
                f"file{self._or}."
            ) from error
        if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
            raise DataError(
                f"{self._path}: expected at most {MOST_PIXELS:,} pixels, got more: make it smaller."
            ) from error
        # Its decoders raise almost everything for damaged bytes.
        if isinstance(error, Exception) and not isinstance(error, (DataError, MemoryError)):
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise DataError(f"{self._path}: the picture is damaged ({reason}): replace it{self._or}.") from error


# The header.


def _judged(path: Path, file: BinaryIO) -> Header:
    """Return the header of a file. Raises DataError for more pixels or frames than the limits."""
    from PIL import Image

    with Image.open(file, formats=FORMATS) as picture:
        most = _count(path, *picture.size)
        kind, size = picture.format, picture.size
        frames: range | list[int] = range(1)
        if kind == "TIFF":
            frames, most = _pages(path, picture)
        elif kind in STACKS and kind != "GIF":
            # An APNG may begin with a picture that is no frame of it.
            frames = range(int(getattr(picture, "default_image", False)), int(getattr(picture, "n_frames", 1)))
    if kind == "GIF":
        # Pillow enlarges the picture, without asking, to frames that reach beyond what the header announces.
        file.seek(0)
        count, width, height = _gif(file)
        frames, most = range(count), _count(path, width, height)
    in_all = max(MOST_IN_ALL, MOST_PER_BYTE * file.seek(0, io.SEEK_END))
    if len(frames) > MOST_FRAMES or len(frames) * most > in_all:
        raise DataError(
            f"{path}: {len(frames):,} frames of {most:,} pixels, expected at most {MOST_FRAMES:,} frames and "
            f"{in_all:,} pixels in all: split the file."
        )
    return Header(size, most, frames or range(1))


def _count(path: Path, width: int, height: int) -> int:
    """Return how many pixels there are. Raises DataError for too many."""
    if width * height > MOST_PIXELS:
        raise DataError(f"{path}: {width} x {height} pixels, expected at most {MOST_PIXELS:,} in all: make it smaller.")
    return width * height


def _pages(path: Path, picture: Any) -> tuple[list[int], int]:
    """Return the pages of a TIFF that are not copies of others, and the pixels of the largest.

    Raises: DataError for images without a page, which ImageJ and tifffile write after the first one.
    """
    pages, most = list[int](), 0
    about = str(picture.tag_v2.get(270, ""))
    for number in range(MOST_FRAMES + 1):
        try:
            picture.seek(number)
        except EOFError:
            break
        most = max(most, _count(path, *picture.size))
        if not int(picture.tag_v2.get(254, 0)) & REDUCED:
            pages.append(number)
    found = re.search(r"^images=(\d+)", about, re.MULTILINE) if about.startswith("ImageJ=") else None
    if (found and int(found[1][:9]) > number) or '"truncated": true' in about:
        to_npy = f"import numpy, tifffile; numpy.save('{path.stem}.npy', tifffile.imread({str(path)!r}))"
        raise DataError(
            f"{path}: expected a page for each image of the stack, got {number} and images without a page: save them "
            f"as an array: {shlex.join(['python', '-c', to_npy])}"
        )
    return pages or [0], most


def _gif(file: BinaryIO) -> tuple[int, int, int]:
    """Return the number of frames of a GIF, and the width and height that hold them all. Source: GIF89a, 17-27."""
    start = file.read(13)
    width, height = (int.from_bytes(start[at : at + 2], "little") for at in (6, 8))
    file.seek(_colours_after(start[10:11]), io.SEEK_CUR)
    frames = 0
    while (mark := file.read(1)) not in (b"", b";"):
        if mark == b",":
            place = file.read(9)
            left, top, wide, high = (int.from_bytes(place[at : at + 2], "little") for at in (0, 2, 4, 6))
            width, height, frames = max(width, left + wide), max(height, top + high), frames + 1
            file.seek(_colours_after(place[8:9]) + 1, io.SEEK_CUR)
            _skip_blocks(file)
        elif mark == b"!":
            kind = file.read(1)
            # Pillow would take the bytes after such an extension for more of it, and so find other frames than these.
            if _skip_blocks(file) < {b"\xfe": 0, b"\xff": 2}.get(kind, 1):
                raise ValueError("an extension without content")
    return frames, width, height


def _skip_blocks(file: BinaryIO) -> int:
    """Skip the blocks of a frame or an extension, and return how many there were."""
    blocks = 0
    while size := int.from_bytes(file.read(1)):
        file.seek(size, io.SEEK_CUR)
        blocks += 1
    return blocks


def _colours_after(flags: bytes) -> int:
    """Return the bytes of the table of colours that follows."""
    packed = flags[0] if flags else 0
    return 3 << (packed & 7) + 1 if packed & 128 else 0


# Frames.


class _Stack:
    """The frames of an open file, of which one is decoded at a time, in order.

    Args: opened: opens the file anew; several: whether all frames are read, and not the only one.
    """

    def __init__(self, path: Path, opened: Callable[[], BinaryIO], options: ImageOptions, *, several: bool) -> None:
        from PIL import Image

        self._path, self._opened, self._options, self._several = path, opened, options, several
        self._file = opened()
        self._picture: Any = Image.open(self._file, formats=FORMATS)
        self._low: Any = None  # the same file once more, decoded to the low bytes of 16 bits
        self._is_gif = self._picture.format == "GIF"
        self._is_grey = self._is_gif and _is_grey_palette(self._picture)
        self._transparent: bool | None = None  # whether the first frame is, for all others of it

    def close(self) -> None:
        """Close the file."""
        for picture in (self._picture, self._low):
            if picture is not None:
                picture.close()
        self._file.close()

    def frame(self, number: int) -> Array:
        """Return a frame as rows are."""
        picture = self._picture
        if number != picture.tell():
            picture.seek(number)
        _count(self._path, *picture.size)
        deep = self._deep(picture, number)
        return self._shallow(picture) if deep is None else self._finished(deep)

    def _finished(self, pixels: Array) -> Array:
        """Return a picture of 16 bits in the colours and the size that were asked for."""
        options = self._options
        if options.grayscale and pixels.ndim == 3:
            pixels = np.rint(pixels[..., :3] @ GREY).astype(np.uint16)
        if options.color:
            pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., :3]
        if options.size is None or pixels.shape[:2] == options.size:
            return np.ascontiguousarray(pixels)
        from PIL import Image

        channels = pixels.reshape(*pixels.shape[:2], -1)
        fitted = [
            np.asarray(_fitted(Image.fromarray(channels[..., at].astype(np.float32)), options))
            for at in range(channels.shape[2])
        ]
        scaled = np.rint(np.clip(np.stack(fitted, axis=-1), 0, 65_535))
        whole: Array = scaled.astype(np.uint16).reshape(*options.size, *pixels.shape[2:])
        return whole

    def _shallow(self, picture: Any) -> Array:
        """Return a picture of 8 bits a channel."""
        options = self._options
        turned = _turned(picture)
        plain = self._plain(turned)
        if options.size is not None:
            plain = _fitted(plain, options)
        pixels: Array = np.asarray(plain)
        if self._is_grey and pixels.ndim == 3 and not options.color:
            grey: Array = pixels[..., 0]
            if pixels.shape[2] == 3 and (pixels == grey[..., None]).all():
                return grey.copy()
        return pixels

    def _plain(self, picture: Any) -> Any:
        """Return a picture of 8 bits in grey or in colour."""
        mode, options = picture.mode, self._options
        if mode == "LAB":
            picture, mode = _from_lab(picture), "RGB"
        if options.grayscale:
            return picture if mode == "L" else picture.convert("L")
        if options.color:
            return picture if mode == "RGB" else picture.convert("RGB")
        if mode == "1":
            return picture.convert("L")
        clear = mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info
        plain = picture
        if mode not in ("L", "RGB", "RGBA"):
            plain = picture.convert("RGBA" if clear else "RGB")
        if not self._several:
            return plain
        # Pillow gives some frames of an animation a channel of transparency that says nothing.
        if plain.mode == "RGBA" and not self._transparent and plain.getextrema()[3] == (255, 255):
            plain = plain.convert("RGB")
        if self._transparent is None:
            self._transparent = plain.mode == "RGBA"
        return plain.convert("RGBA") if self._transparent else plain

    # 16 bits.

    def _deep(self, picture: Any, number: int) -> Array | None:
        """Return a picture of more than 8 bits a channel; None if it has 8 or fewer. Raises DataError above 16."""
        mode, kind = picture.mode, picture.format
        tiles = list(picture.tile)
        words = tiles[0].args if tiles else ""
        raw = words if isinstance(words, str) else str(words[0])
        if kind == "PPM" and tiles and mode != "F":
            return self._deep_pnm(picture, tiles[0])
        if mode in ("I", "F"):
            raise DataError(
                f"{self._path}: expected 8 or 16 bits for each pixel and channel, without a sign, got "
                f"{'floats' if mode == 'F' else 'more, or a sign'} (mode {mode}): save the numbers as an array (.npy)."
            )
        if self._several and kind == "PNG" and ";16" in raw:
            # Pillow lays frames over each other, which the two bytes of a number do not survive.
            raise DataError(
                f"{self._path}: expected 8 bits in an animation, got 16: save each frame as a picture of its own."
            )
        if mode.startswith("I;16"):
            return np.asarray(_turned(picture)).astype(np.uint16)
        if raw == "LA;16B":
            # All four bytes of a pixel as they stand; Pillow has no decoder for them.
            picture.tile = [tile._replace(args="RGBA") for tile in tiles]
            bytes_ = np.asarray(_turned(picture)).astype(np.uint16)
            grey, clear = bytes_[..., 0] << 8 | bytes_[..., 1], bytes_[..., 2] << 8 | bytes_[..., 3]
            return np.stack([grey, grey, grey, clear], axis=-1)
        if raw in LOW_BYTES:
            return self._deep_colour(picture, number)
        bits = max(picture.tag_v2.get(258, (8,))) if kind == "TIFF" else 8
        if bits > 8:
            raise DataError(
                f"{self._path}: expected 16 bits of grey or RGB, got them in another form (mode {mode}, {raw}): "
                f"{CONVERT} {self._path} {self._path.with_suffix('.png')}"
            )
        return None

    def _deep_colour(self, picture: Any, number: int) -> Array:
        """Return a picture of 16 bits in colour; Pillow gives one byte of each two, so that it is decoded twice."""
        from PIL import Image

        if self._low is None:
            self._low = Image.open(self._opened(), formats=FORMATS)
        low = self._low
        if number != low.tell():
            low.seek(number)
        low.tile = [tile._replace(args=_low_bytes(tile.args)) for tile in low.tile]
        halves = [np.asarray(_turned(each)).astype(np.uint16) for each in (picture, low)]
        return halves[0] << 8 | halves[1]

    def _deep_pnm(self, picture: Any, tile: Any) -> Array | None:
        """Return a PGM or PPM of more than 8 bits; Pillow scales its values, or drops their low bytes."""
        raw, most = (tile.args, 255) if isinstance(tile.args, str) else tile.args
        if raw != "I;16B" and (not isinstance(most, int) or most <= 255):
            return None
        if tile.codec_name == "ppm_plain" and picture.mode == "I" and most == 65_535:
            return np.asarray(picture).astype(np.uint16)
        if tile.codec_name == "ppm_plain":
            raise DataError(
                f"{self._path}: expected 16 bits as bytes, got them as text: {CONVERT} {self._path} "
                f"{self._path.with_suffix('.png')}"
            )
        shape = (picture.size[1], picture.size[0], *((3,) if picture.mode == "RGB" else ()))
        self._file.seek(tile.offset)
        count = int(np.prod(shape))
        content = self._file.read(2 * count)
        return np.frombuffer(content, ">u2", count).reshape(shape).astype(np.uint16)


def _low_bytes(args: Any) -> Any:
    """Return the arguments of a decoder that keeps the low bytes instead of the high ones."""
    return LOW_BYTES[args] if isinstance(args, str) else (LOW_BYTES[args[0]], *args[1:])


def _turned(picture: Any) -> Any:
    """Return a picture turned as its EXIF data says."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture) if "exif" in picture.info or picture.format == "TIFF" else picture


# Colours.


def _is_grey_palette(picture: Any) -> bool:
    """Return whether a GIF, which has no mode for grey, has greys only."""
    if picture.mode == "L":
        return True
    colours = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    return picture.mode == "P" and bool(len(colours)) and bool((colours == colours[:, :1]).all())


def _from_lab(picture: Any) -> Any:
    """Return a picture in the colours of CIE Lab as sRGB."""
    from PIL import ImageCms

    return ImageCms.profileToProfile(
        picture, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )


# Sizes.


def _fitted(picture: Any, options: ImageOptions) -> Any:
    """Return a picture in the size that was asked for."""
    from PIL import Image, ImageOps

    assert options.size is not None, "it is asked before"
    height, width = options.size
    if picture.size == (width, height):
        return picture
    if options.fit == "crop":
        return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    if options.fit != "pad":
        return picture.resize((width, height), Image.Resampling.LANCZOS)
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    smaller = picture.resize(size, Image.Resampling.LANCZOS)
    padded = Image.new(picture.mode, (width, height))
    padded.paste(smaller, ((width - size[0]) // 2, (height - size[1]) // 2))
    return padded
