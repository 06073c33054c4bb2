"""Shared by reading and writing: keys of the JSON, names of the tensors, the checksum, the knots of a table."""

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any, get_type_hints

import numpy as np

from diabolo.data.adapters.features import FEATURES
from diabolo.errors import ModelFileError
from diabolo.model.file.json_types import objects
from diabolo.parts import Numbers
from diabolo.typing import ByteArray, Float64Array, Json, JsonObject

SUFFIX = ".safetensors"

BYTES = {"F64": 8, "F32": 4, "I32": 4, "U8": 1}
CONFIG_KEYS = {
    "format_version",
    "diabolo_version",
    "network",
    "adapter",
    "schema",
    "series",
    "detection",
    "reconstruction_loss",
    "record",
    "sha256",
}
# The JSON of a table is stored in tensors, as bytes: names and levels are data, and there can be many of them.
TABLE, SCHEMA, SERIES = "adapter/table", "schema", "series"
WHERE = {TABLE: "the table", SCHEMA: "the schema", SERIES: "the names of the series"}
KNOTS = "adapter/knots"  # the lists of numbers of the features of a table, one after the other
CURVE = "record/"  # prefix of the tensors of the history, which is long after many epochs
DETECTION = "detection/"  # prefix of the tensors of a detector
COMPLETION = "completion/kernel"  # in the files of tables with gaps
ADAPTER_KEYS = {"kind", "row_shape", "dtype", "bounded", "gaps"}
DTYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)


def canonical(config: Mapping[str, Json]) -> str:
    """Return the canonical text of a JSON object: keys sorted, no spaces, ASCII, no NaN."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def checksum(config: Mapping[str, Json], tensors: bytes | memoryview) -> str:
    """Return the SHA-256 of CONFIG without its checksum, followed by every byte after the header."""
    digest = hashlib.sha256(canonical(config).encode("ascii"))
    digest.update(tensors)
    return digest.hexdigest()


def header_length(content: bytes) -> int:
    """Return the length of the header that the first eight bytes of a file announce."""
    return int(struct.unpack_from("<Q", content)[0])


def json_tensor(config: Mapping[str, Json]) -> ByteArray:
    """Return a JSON object as the bytes of a tensor."""
    return np.frombuffer(canonical(config).encode("ascii"), np.uint8)


def feature_settings() -> dict[str, bool]:
    """Return the settings of all features, and whether each is a list of numbers, which is stored in a tensor."""
    hints = {name: hint for each in FEATURES.values() for name, hint in get_type_hints(each).items()}
    return {"kind": False} | {name: hint == Numbers for name, hint in hints.items()}


def features_of(table: JsonObject) -> list[JsonObject]:
    """Return the features in the JSON of a table. Raises ModelFileError if they are not a list of objects."""
    features = objects(table.get("features"))
    if features is None:
        raise ModelFileError("the table must have a list of features.")
    return features


def without_knots(config: dict[str, Any]) -> tuple[JsonObject, list[float]]:
    """Return the JSON of a table in which each list of numbers is replaced by its length, and all these numbers."""
    knots: list[float] = []
    lists = [name for name, is_list in sorted(feature_settings().items()) if is_list]
    features: list[Json] = []
    for feature in config["features"]:
        here = [name for name in lists if name in feature]
        knots += [number for name in here for number in feature[name]]
        features.append(feature | {name: len(feature[name]) for name in here})
    return config | {"features": features}, knots


def with_knots(config: JsonObject, knots: Float64Array) -> JsonObject:
    """Return the JSON of a table with its lists of numbers instead of their lengths: the inverse of `without_knots`."""
    done = 0
    lists = [name for name, is_list in sorted(feature_settings().items()) if is_list]
    for feature in features_of(config):
        for name in lists:
            if name not in feature:
                continue
            length = feature[name]
            if type(length) is not int or not 0 <= length <= len(knots) - done:
                raise ModelFileError(
                    f"the table: {name} must be a whole number from 0 to {len(knots) - done:,}, got {length!r:.40}."
                )
            feature[name], done = knots[done : done + length].tolist(), done + length
    if done != len(knots):
        raise ModelFileError(f"the table uses {done:,} of {len(knots):,} knots.")
    return config
