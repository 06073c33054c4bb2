"""The model file: one `.safetensors`, weights as tensors, everything else as strict JSON under one metadata key.

Layout (docs/model-file.md describes every field):

    8 bytes    length of the header, little-endian
    header     JSON: {"__metadata__": {"diabolo": CONFIG}, "<tensor>": {"dtype", "shape", "data_offsets"}, ...}
    rest       the tensors, one after the other

CONFIG is JSON text. Its `sha256` covers the rest of CONFIG and every byte after the header, so a file with one changed
bit is refused. The same model always gives the same bytes: the file holds no time, no host name and no random order.
Reading builds nothing before everything is checked: sizes, strict JSON, exact keys and types, the shapes that follow
from the table of layers against those in the header, checksum, finite weights. The header is checked before the rest
is read. A file holds no pickle, no Keras object and no code; it is read, not mapped, so that it cannot change while it
is checked.

Modules, each importing only from those before it:

    json_types.py   JSON values with the types that they must have
    layout.py       keys, names of tensors, checksum
    limits.py       how much a file may ask for
    strict_json.py  JSON from bytes
    upgrade.py      from the JSON of older versions to that of the present one; how to change the format
    header.py       the checks of the header
    reading.py      from a file to a model
    writing.py      from a model to a file
"""

from diabolo.model.file.layout import SUFFIX, checksum, header_length
from diabolo.model.file.limits import MAX_DEPTH, MAX_FILE, MAX_NUMBERS_A_ROW, check_room, check_size
from diabolo.model.file.reading import Loaded, from_bytes, load, load_with_sha256
from diabolo.model.file.writing import save, to_bytes, with_suffix

__all__ = [
    "MAX_DEPTH",
    "MAX_FILE",
    "MAX_NUMBERS_A_ROW",
    "SUFFIX",
    "Loaded",
    "check_room",
    "check_size",
    "checksum",
    "from_bytes",
    "header_length",
    "load",
    "load_with_sha256",
    "save",
    "to_bytes",
    "with_suffix",
]
