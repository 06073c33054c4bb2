"""Files of text, plain or compressed: gzip, bzip2, Zstandard and xz, recognized by their first bytes.

Limits: a compressed file may unpack to 256 MiB, or to 1,024 times its size if that is more; reading further raises a
DataError. Order: endings, opening, writing, sizes.
"""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from diabolo.data.readers.parts import Stamp, stamp
from diabolo.errors import DataError


class Readable(Protocol):
    """An open file that can be read forward."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""

    def close(self) -> None:
        """Close the file."""


# Ending -> (the words for messages, the first bytes of a file).
COMPRESSED = {
    ".gz": ("gzip", b"\x1f\x8b"),
    ".bz2": ("bzip2", b"BZh"),
    ".zst": ("Zstandard", b"\x28\xb5\x2f\xfd"),
    ".xz": ("xz", b"\xfd7zXZ\0"),
}
BZIP2_BLOCK = (b"1AY&SY", b"\x17rE8P\x90")  # bytes 4 to 9 of a bzip2 file, with and without content
ANY_BYTES = 1 << 28  # that a file of any size may unpack to
# Texts of tables shrink 3 to 30 times; gzip cannot shrink more than 1,032 times.
MAX_RATIO = 1 << 10
XZ_MEMORY = 1 << 28  # bytes that xz may take: more than its strongest setting (-9) needs
BYTES_AT_ONCE = 1 << 20


def ending_of(path: Path) -> str:
    """Return the ending of a file in lower case, without that of its compression: t.CSV.gz has .csv."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSED else suffix


def compression_of(path: Path) -> str:
    """Return the ending of the compression that the first bytes of a file show, or an empty text. Raises DataError."""
    try:
        with path.open("rb") as file:
            start = file.read(10)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): check the path.") from error
    found = next((ending for ending, (_, first) in COMPRESSED.items() if start.startswith(first)), "")
    return "" if found == ".bz2" and start[4:10] not in BZIP2_BLOCK else found  # a text may begin with BZh


def open_binary(path: Path) -> BinaryIO:
    """Open a file for reading, plain or compressed, as the bytes that it unpacks to.

    A compressed file can be read only forward: open it again to read it again. Raises: DataError if it cannot be
    opened, and from `read` if it is damaged or unpacks to more than the limit.
    """
    compression = compression_of(path)
    try:
        if not compression:
            return path.open("rb")
        return io.BufferedReader(_Unpacked(path, compression), BYTES_AT_ONCE)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}): check the path.") from error


def for_arrow(path: Path) -> str | BinaryIO:
    """Return what a reader of pyarrow takes: the path of a plain file, which it opens and closes, else an open file."""
    return open_binary(path) if compression_of(path) else str(path)


class _Unpacked(io.RawIOBase):
    """The bytes of a compressed file, counted."""

    def __init__(self, path: Path, compression: str) -> None:
        self._path, self._words = path, COMPRESSED[compression][0]
        self._most, self._done = max(ANY_BYTES, path.stat().st_size * MAX_RATIO), 0
        self._file = _OPEN[compression](path)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        import pyarrow as pa

        try:
            piece = self._file.read(len(buffer))
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
            raise DataError(
                f"{self._path}: expected {self._words} data, got a damaged file "
                f"({str(error).splitlines()[0]:.120}): copy it again."
            ) from error
        self._done += len(piece)
        if self._done > self._most:
            raise DataError(
                f"{self._path}: unpacks to more than {self._most:,} bytes, which only a file of repetitions does: "
                f"unpack it yourself if you trust it."
            )
        buffer[: len(piece)] = piece
        return len(piece)


def _by_arrow(name: str) -> Callable[[Path], Readable]:
    def opened(path: Path) -> Readable:
        import pyarrow as pa

        file: Readable = pa.CompressedInputStream(pa.OSFile(str(path)), name)
        return file

    return opened


class _Xz:
    """An .xz file, unpacked with a limit of memory, which lzma.open does not have."""

    def __init__(self, path: Path) -> None:
        self._file, self._pieces = path.open("rb"), self._unpacked()
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _unpacked(self) -> Iterator[bytes]:
        packed = self._file.read(BYTES_AT_ONCE)
        while packed:  # an .xz file may hold several streams one after the other
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
            while not stream.eof:
                if stream.needs_input and not packed:
                    packed = self._file.read(BYTES_AT_ONCE)
                    if not packed:
                        raise EOFError("it ends too early")
                given, packed = (packed, b"") if stream.needs_input else (b"", packed)
                yield stream.decompress(given, BYTES_AT_ONCE)
            packed = (stream.unused_data + packed).lstrip(b"\0") or self._file.read(BYTES_AT_ONCE).lstrip(b"\0")


_OPEN: dict[str, Callable[[Path], Readable]] = {
    ".gz": _by_arrow("gzip"),
    ".bz2": _by_arrow("bz2"),
    ".zst": _by_arrow("zstd"),
    ".xz": _Xz,
}


@contextmanager
def packed(file: BinaryIO, compression: str) -> Iterator[BinaryIO]:
    """Give a file that compresses what is written to it into another. Args: compression: its ending; empty: none."""
    if not compression:
        yield file
        return
    import pyarrow as pa

    writer: Any
    if compression == ".gz":
        writer = gzip.GzipFile("", "wb", 6, file, mtime=0)  # without the time: the same rows give the same bytes
    elif compression == ".zst":
        writer = pa.CompressedOutputStream(pa.PythonFile(_Open(file), "w"), "zstd")
    else:
        writer = {".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}[compression](file, "wb")
    with writer:
        yield writer


class _Open(io.RawIOBase):
    """A file that stays open when the one that writes to it is closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)


def unpacked_bytes(path: Path) -> int:
    """Return the bytes that a file unpacks to; a compressed one is unpacked for it once. Raises DataError."""
    return _unpacked_bytes(path, stamp(path)) if compression_of(path) else stamp(path)[0]


@lru_cache(maxsize=64)
def _unpacked_bytes(path: Path, _when: Stamp) -> int:
    size = 0
    with open_binary(path) as file:
        while piece := file.read(BYTES_AT_ONCE):
            size += len(piece)
    return size
