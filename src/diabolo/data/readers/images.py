"""Pictures in files: a folder, or a list of paths, as arrays of uint8 or uint16; each frame of a stack is a row.

All must have one size and one depth, and be either grey or in colour; they are only resized or turned to grey or
colour if a user asks for it. `picture_files` reads one file.
Order: which files, their names, what is in them, many pictures.
"""

import glob
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from diabolo.data.readers import picture_files
from diabolo.data.readers.picture_files import ENDINGS, ImageOptions
from diabolo.errors import DataError, ShapeError
from diabolo.typing import Array, Shape

OTHERS = (".heic", ".heif", ".avif", ".jp2", ".svg", ".psd")  # are left out, with a warning
AT_ONCE = 256  # the most pictures that the threads decode together
PIXELS_AT_ONCE = 1 << 26  # the most pixels, by their headers, of the pictures that are decoded together
BYTES_AT_ONCE = 1 << 26  # of the pictures in one chunk

logger = logging.getLogger(__name__)


class File(NamedTuple):
    """A file, and what its header announces; a file that cannot be read counts as a frame without pixels."""

    path: Path
    size: tuple[int, int]  # (width, height)
    pixels: int  # of the largest frame
    frames: range | list[int]

    @property
    def is_stack(self) -> bool:
        """Whether it has several frames, or pages."""
        return len(self.frames) > 1


class Row(NamedTuple):
    """Where a picture comes from. Attributes: path; frame: of a stack, counted from 0; None: the only one."""

    path: Path
    frame: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path}:{self.frame}"


# Which files.


def find(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, by name; logs how many others are left out.

    Raises: DataError if there are only pictures of kinds that are not read.
    """
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
    if len(others) == len(every) > 0:
        raise DataError(
            f"{folder}: expected pictures ({', '.join(ENDINGS)}), got {len(others):,} in formats that are not read, "
            f"such as {others[0].name}: convert them, for example with: magick mogrify -format png "
            f"'{others[0].parent}/*{others[0].suffix}'"
        )
    return found


# Their names.


def root(source: object) -> Path | None:
    """Return the folder that the names of pictures begin below: a folder, that of a file, or what precedes a pattern.

    None: the pictures are a list.
    """
    if not isinstance(source, (str, Path)):
        return None
    path = Path(source)
    if path.is_dir():
        return path
    parts = path.parent.parts
    plain = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:plain])


def name(row: Row, folder: Path | None) -> str:
    """Return the name of a picture below a folder, "cats/1.png", or of a frame of a stack, "cells.tif:3"."""
    below = row.path if folder is None or not row.path.is_relative_to(folder) else row.path.relative_to(folder)
    # A name that is no text, which Linux allows, could stand in no table.
    return str(row._replace(path=below)).replace(os.sep, "/").encode("utf-8", "replace").decode()


def labels(folder: Path, paths: Sequence[Path]) -> list[str]:
    """Return the name of the subfolder of each picture; empty for a picture directly in the folder."""
    return ["" if path.parent == folder else path.relative_to(folder).parts[0] for path in paths]


# What is in them.


def survey(paths: Sequence[Path]) -> list[File]:
    """Return what the headers of files announce; files that cannot be read are reported when they are decoded."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(_surveyed, paths))


def _surveyed(path: Path) -> File:
    try:
        header = picture_files.read_header(path)
    except DataError:
        return File(path, (0, 0), 0, range(1))
    return File(path, *header)


def say_stretched(files: Sequence[File], options: ImageOptions) -> None:
    """Log the first picture that is stretched to other proportions, unless the user chose that."""
    if options.size is None or options.fit or not options.typed:
        return
    height, width = options.size
    for file in files:
        wide, high = file.size
        # EXIF data may turn a picture; a pixel more or less is no other shape.
        if wide and min(abs(wide * height - high * width), abs(high * height - wide * width)) > max(wide, high):
            logger.warning(
                "%s is %d x %d pixels, and is stretched to %d x %d: add --fit crop or --fit pad to keep its "
                "proportions, or --fit stretch",
                *(file.path, wide, high, width, height),
            )
            return


# Many pictures.


def chunks(
    files: Sequence[File], options: ImageOptions, size: int, *, on_chunk: Callable[[list[Row]], None] | None = None
) -> Iterator[Array]:
    """Yield pictures in their order, (k, height, width[, channels]) each, decoded on every core.

    Args:
        files: from `survey`.
        options: how they are read.
        size: the largest k.
        on_chunk: called with the places of a chunk, before the chunk is yielded.

    Raises: DataError for a file that cannot be read; ShapeError for a picture that differs from the first, or from
        those of the model. With `options.skip_bad` such pictures are left out.
    """
    expected: _Form | None = None
    whose = "those of the model are"
    if options.like is not None:
        expected = _Form(options.like, options.like_type)
    held: list[Array] = []
    rows: list[Row] = []

    def stacked() -> Array:
        if on_chunk is not None:
            on_chunk(rows.copy())
        chunk = np.stack(held)
        held.clear()
        rows.clear()
        return chunk

    for row, picture in _decoded(files, options):
        form = _Form(picture.shape, picture.dtype.name)
        if expected is None:
            expected, whose = form, f"{row} is"
        wrong = _difference(row, form, expected, whose, settled=options.like is not None, typed=options.typed)
        if wrong:
            if options.skip_bad is None:
                raise ShapeError(wrong)
            options.skip_bad(row.path, wrong)
            continue
        held.append(picture)
        rows.append(row)
        if len(held) == size or len(held) * picture.nbytes >= BYTES_AT_ONCE:
            yield stacked()
    if held:
        yield stacked()


def _decoded(files: Sequence[File], options: ImageOptions) -> Iterator[tuple[Row, Array]]:
    def one(file: File) -> Array | DataError:
        try:
            return picture_files.read(file.path, options)
        except DataError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for some in _together(files):
            if some[0].is_stack:
                yield from _frames(some[0], options)
                continue
            for file, picture in zip(some, pool.map(one, some), strict=True):
                if not isinstance(picture, DataError):
                    yield Row(file.path), picture
                elif options.skip_bad is None:
                    raise picture
                else:
                    options.skip_bad(file.path, str(picture))


def _frames(file: File, options: ImageOptions) -> Iterator[tuple[Row, Array]]:
    """Yield the frames of a stack one by one, because all of them need not fit in memory."""
    at = 0
    try:
        for picture in picture_files.read_frames(file.path, options, file.frames):
            yield Row(file.path, at), picture
            at += 1
    except DataError as error:
        if options.skip_bad is None:
            raise
        kept = f" Frames before {at} are kept." if at else ""
        options.skip_bad(file.path, f"{error}{kept}")


def _together(files: Sequence[File]) -> Iterator[list[File]]:
    """Yield pictures in lists that fit in memory: many small ones, one large one, or one stack."""
    some, count = list[File](), 0
    for file in files:
        if some and (file.is_stack or len(some) == AT_ONCE or count + file.pixels > PIXELS_AT_ONCE):
            yield some
            some, count = [], 0
        if file.is_stack:
            yield [file]
            continue
        some.append(file)
        count += file.pixels
    if some:
        yield some


class _Form(NamedTuple):
    """What all pictures have in common."""

    shape: Shape
    type: str

    @property
    def bits(self) -> str:
        return {"uint8": "8 bits", "uint16": "16 bits"}.get(self.type, "")


def _difference(row: Row, ours: _Form, expected: _Form, whose: str, *, settled: bool, typed: bool) -> str:
    """Return how a picture differs from what is expected, with the options to type; empty if it does not differ.

    Args: whose: the picture or model that expects it; settled: whether that can no longer become grey or colour; typed:
        whether the user is on a command line, which has such options.
    """
    sizes, colours = ours.shape[:2] != expected.shape[:2], ours.shape[2:] != expected.shape[2:]
    bits = bool(expected.bits) and ours.bits != expected.bits
    if not (sizes or colours or bits):
        return ""
    us, them = (
        " and ".join(
            [f"{each.shape[1]} x {each.shape[0]} pixels"] * sizes
            + [_colours(each.shape)] * colours
            + [f"of {each.bits} a channel"] * bits
        )
        for each in (ours, expected)
    )
    either = "--grayscale or --color"
    remedy = {2: "--grayscale", 3: "--color" if expected.shape[2:] == (3,) else ""}.get(len(expected.shape), "")
    colour = (remedy if settled else either) if colours else ""
    add = [f"--size {expected.shape[1]}x{expected.shape[0]}"] * sizes + [colour] * bool(colour)
    start = f"{row} is {us}, {whose} {them}: "
    if bits:
        return f"{start}convert it, for example with: magick mogrify -depth {expected.bits.split()[0]} {row.path}"
    if colours and not colour:
        return f"{start}convert it."
    if not typed:
        return f"{start}convert them, or use the command line, which has {' '.join(add)}."
    return f"{start}add {' '.join(add)}, or convert them."


def _colours(shape: Shape) -> str:
    channels = shape[2] if len(shape) == 3 else 1
    return {1: "grey", 3: "in colour", 4: "in colour with transparency"}.get(channels, f"of {channels} channels")
