"""What is fuzzed: each target takes any bytes, and may raise nothing but a DiaboloError.

Order: the model file, IDX, .npy, CSV, pictures, the formats, compressed files, the table.
"""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from diabolo.data.formats import ARRAYS_BY_ENDING, BY_ENDING
from diabolo.data.readers import csv, idx, numpy_files, opened, picture_files
from diabolo.data.readers.csv_form import Options
from diabolo.data.readers.parts import Part
from diabolo.errors import DataError, DiaboloError
from diabolo.model import file as modelfile

SIGNED = re.compile(rb'(sha256\\":\\")[0-9a-f]{64}')

PLACE = Path(tempfile.mkdtemp()) / "input"  # readers take paths


def model(content: bytes) -> None:
    """The model file, as it is and with a checksum that fits: else hardly an input would get behind it."""
    for each in (content, signed(content)):
        try:
            loaded = modelfile.from_bytes(each)
        except DiaboloError:
            continue
        again = modelfile.to_bytes(loaded)
        assert modelfile.to_bytes(modelfile.from_bytes(again)) == again, "a model that was read is not written again"


def signed(content: bytes) -> bytes:
    """Return a model file with the checksum that its content has; anything else as it is."""
    try:
        length = modelfile.header_length(content)
        config = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["diabolo"])
        del config["sha256"]
        digest = modelfile.checksum(config, content[8 + length :]).encode()
    except Exception:
        return content
    return SIGNED.sub(rb"\g<1>" + digest, content[: 8 + length]) + content[8 + length :]


def idx_file(content: bytes) -> None:
    """IDX, plain and gzip."""
    _each(content, ".idx", idx.read)


def npy(content: bytes) -> None:
    """The header of .npy files, and of the arrays in .npz files."""
    _each(content, ".npy", numpy_files.read_npy, numpy_files.parts, _chunks)
    _each(content, ".npz", numpy_files.read_npz, numpy_files.columns, numpy_files.unpacked_bytes)


def _chunks(path: Path) -> None:
    for part in numpy_files.parts(path):
        for _ in part.read(1 << 16):
            pass


def csv_file(content: bytes) -> None:
    """CSV: what its first line tells, tables, arrays of numbers."""

    def numbers(path: Path) -> None:
        for part in csv.parts(path):
            for _ in part.read(1 << 16):
                pass

    def tables(path: Path) -> None:
        for _ in csv.tables(path, None, None, 1 << 16):
            pass

    _each(content, ".csv", csv.names, csv.is_plain, csv.schema, csv.read_table, tables, numbers)


def picture(content: bytes) -> None:
    """Pictures: the header, every frame as it is, in grey and in another size."""

    def frames(path: Path) -> None:
        found = picture_files.read_header(path).frames
        for options in (picture_files.ImageOptions(), picture_files.ImageOptions(size=(3, 5), grayscale=True)):
            for pixels in picture_files.read_frames(path, options, found):
                assert pixels.dtype in ("uint8", "uint16"), pixels.dtype
                assert pixels.ndim == 2 or pixels.shape[2] in (3, 4), pixels.shape

    _each(content, ".png", picture_files.read_header, frames)


def format_of(ending: str) -> Callable[[bytes], None]:
    """Return the target of a format in `diabolo.data.formats`: its schema, its rows, whole and in chunks."""

    def target(content: bytes) -> None:
        if ending in ARRAYS_BY_ENDING:
            _each(content, ending, lambda path: _rows(ARRAYS_BY_ENDING[ending].parts(path)))
            return
        known = BY_ENDING[ending]

        def chunks(path: Path) -> None:
            for _ in known.tables(path, Options(), {}, 1 << 16):
                pass

        _each(
            content,
            ending,
            known.row_count,
            known.is_plain,
            chunks,
            lambda path: known.schema(path, Options()),
            lambda path: known.read(path, Options(), {}),
            lambda path: _rows(known.parts(path)),
        )

    return target


def _rows(parts: list[Part]) -> None:
    for part in parts:
        for _ in part.read(1 << 16):
            pass


def packed(content: bytes) -> None:
    """Compressed files of every kind."""

    def read(path: Path) -> None:
        with opened.open_binary(path) as file:
            while file.read(1 << 20):
                pass

    _each(content, ".csv.gz", read, opened.unpacked_bytes)


def _each(content: bytes, ending: str, *readers: Callable[[Path], object]) -> None:
    path = PLACE.with_suffix(ending)
    path.write_bytes(content)
    for reader in readers:
        try:
            reader(path)
        except DiaboloError as error:
            if "\n" in str(error) or not isinstance(error, DataError):
                raise AssertionError(f"expected one line of a DataError, got {error!r}") from error


TARGETS: dict[str, Callable[[bytes], None]] = {
    "csv": csv_file,
    "idx": idx_file,
    "model": model,
    "npy": npy,
    "packed": packed,
    "picture": picture,
}
TARGETS |= {
    name: format_of(f".{name}") for name in ("arff", "feather", "h5", "json", "jsonl", "mat", "ods", "parquet", "xlsx")
}
