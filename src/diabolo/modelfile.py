"""The model file: one `.safetensors`, weights as tensors, everything else as strict JSON under one metadata key.

Layout, format version 1 (docs/model-file.md has it field by field):

    8 bytes    length of the header, little-endian
    header     JSON: {"__metadata__": {"diabolo": CONFIG}, "<tensor>": {"dtype", "shape", "data_offsets"}, ...}
    rest       the tensors, one after the other

CONFIG is JSON text. Its `sha256` covers the rest of CONFIG and every byte behind the header, so a file that changed by
one bit is refused. The same model always gives the same bytes: no times, no host, no order that chance decides.
Reading builds nothing before everything is checked: sizes, strict JSON, exact keys and types, shapes inferred from the
table of layers against the header, checksum, finite weights. No pickle, no Keras object, no code.

Order: writing, reading, checks.
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import diabolo
from diabolo import detection as detections
from diabolo.data.adapters import ADAPTERS, Adapter, ArrayAdapter, TableAdapter
from diabolo.data.adapters.features import Category
from diabolo.data.schema import Schema
from diabolo.errors import DiaboloError, ModelFileError, OptionError, OutputError, unknown
from diabolo.files import refuse_existing, write_atomically
from diabolo.inference import Model
from diabolo.network.losses import LOSSES, Loss, Masked, Mixed
from diabolo.network.parts import from_config
from diabolo.network.structures import Network
from diabolo.record import Record

FORMAT_VERSION = 1
SUFFIX = ".safetensors"

MAX_FILE = 4 << 30  # bytes; a dense network of a billion weights
MAX_HEADER = 1 << 20  # bytes; 2,048 tensors need about a quarter of it
MAX_DEPTH = 32  # of nested JSON; ours is 5 deep
MAX_LAYERS = 256
MAX_TABLE = 1 << 24  # bytes of JSON about the columns of a table: 10,000 columns, or 100,000 levels
MAX_NUMBERS_A_ROW = 1 << 24  # what one layer may hold of one row: 64 MB

MAX_DRAWN = 1 << 20  # rows that a detector compares others with; ours has 8,192 at most

BYTES = {"F64": 8, "F32": 4, "I32": 4, "U8": 1}
CONFIG_KEYS = {
    "format_version",
    "diabolo_version",
    "network",
    "adapter",
    "schema",
    "detection",
    "reconstruction_loss",
    "record",
    "sha256",
}
# JSON about a table lies among the tensors, as bytes: names and levels are data, and may be many.
TABLE, SCHEMA = "adapter/table", "schema"
DETECTION = "detection/"  # what the names of a detector's tensors begin with
ADAPTER_KEYS = {"kind", "row_shape", "dtype", "bounded", "gaps"}
DTYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)


def save(model: Model, path: str | Path, *, force: bool = False) -> Path:
    """Write a model and return its path; whatever happens, a reader sees the old file, the new one, or none.

    Args: path: gets the ending `.safetensors` ; force: overwrite.
    Raises: OutputError where the file exists or cannot be written.
    """
    target = with_suffix(path)
    refuse_existing(target, force=force)
    write_atomically(target, lambda file: file.write(to_bytes(model)))
    return target


def with_suffix(path: str | Path) -> Path:
    """Return the path with the ending of model files: `model.v1` becomes `model.v1.safetensors`."""
    path = Path(path)
    if not path.name:
        raise OutputError(f"expected the name of a model file, got {str(path)!r}.")
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def to_bytes(model: Model) -> bytes:
    """Return the bytes of a model file."""
    adapter = model.adapter
    tensors: dict[str, np.ndarray[Any, Any]] = {
        name: np.ascontiguousarray(values, "<f4") for name, values in model.weights.items()
    }
    if isinstance(adapter, TableAdapter):
        tensors[TABLE] = _json_tensor(adapter.to_config())
    else:
        tensors["adapter/offset"] = np.asarray(adapter.offset, "<f8")
        tensors["adapter/scale"] = np.asarray(adapter.scale, "<f8")
    if model.schema is not None:
        tensors[SCHEMA] = _json_tensor(model.schema.to_config())
    if model.detection is not None:
        tensors |= {
            DETECTION + name: np.ascontiguousarray(values) for name, values in model.detection.to_tensors().items()
        }
    config = {
        "format_version": FORMAT_VERSION,
        "diabolo_version": diabolo.__version__,
        "network": model.network.to_config(),
        "adapter": {
            "kind": adapter.kind,
            "row_shape": list(adapter.row_shape),
            "dtype": adapter.dtype,
            "bounded": adapter.bounded,
            "gaps": adapter.kind != "image" and getattr(adapter, "gaps", False),
        },
        "schema": model.schema is not None,
        "detection": None if model.detection is None else model.detection.to_config(),
        "reconstruction_loss": model.loss.to_config(),
        "record": model.record.to_config(),
    }
    content = save_tensors(tensors)
    config["sha256"] = _checksum(config, content[8 + _header_length(content) :])
    return bytes(save_tensors(tensors, metadata={"diabolo": _canonical(config)}))


def load(path: str | Path, *, expect_sha256: str | None = None) -> Model:
    """Return the model in a file. Raises ModelFileError, with the reason, for anything that is not a sound model.

    Args: expect_sha256: of the whole file, in hexadecimal; any other file is refused.
    """
    path, content = Path(path), read(path)
    if expect_sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != expect_sha256.strip().lower():
        raise ModelFileError(f"{path} has the SHA-256 {found}, expected {expect_sha256!r:.80}: it is another file.")
    try:
        return from_bytes(content)
    except DiaboloError as error:
        raise ModelFileError(f"{path} is not a sound Diabolo model: {error}") from error


def read(path: str | Path) -> bytes:
    """Return the bytes of a model file. Raises ModelFileError where it cannot be read, or is larger than any may be."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE:
                raise ModelFileError(f"{path}: {size:,} bytes, expected at most {MAX_FILE:,}.")
            return file.read(MAX_FILE + 1)
    except FileNotFoundError as error:
        raise ModelFileError(f"no model file {str(path)!r}: make one with `diabolo fit`.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ModelFileError(f"{str(path)!r:.200} cannot be read: {error}.") from error


def from_bytes(content: bytes) -> Model:
    """Return the model that `to_bytes` wrote. Raises ModelFileError, OptionError or ShapeError."""
    header = _header(content)
    config = _config(header)
    network = _network(config["network"])
    adapter = _check_adapter(config["adapter"], network)
    table = adapter["kind"] == TableAdapter.kind
    if (config["reconstruction_loss"] == {"kind": Mixed.kind}) != table:
        raise ModelFileError(f"a reconstruction loss {config['reconstruction_loss']!r:.60} does not suit the rows.")
    loss: Loss | None = None
    learnt: dict[str, tuple[int, ...]] = {}
    if not table:
        loss = from_config("reconstruction loss", LOSSES | {Masked.kind: Masked}, config["reconstruction_loss"])
        loss.fits(network.input_shape)
        learnt = {f"loss/{name}": shape for name, shape in loss.weights(network.input_shape).items()}
    record = Record.from_config(config["record"])
    expected = {name: ("F32", shape) for name, shape in (network.weights() | learnt).items()}
    for name in [TABLE] * table + [SCHEMA] * config["schema"]:
        expected[name] = ("U8", (_table_size(header, name),))
    if not table:
        expected |= {f"adapter/{name}": ("F64", (_adapter_size(adapter),)) for name in ("offset", "scale")}
    expected |= _detection_tensors(config["detection"], header, network.latent_dim, math.prod(adapter["row_shape"]))
    start = 8 + _header_length(content)
    _check_tensors(header, expected, len(content) - start)
    if config.pop("sha256") != _checksum(config, content[start:]):
        raise ModelFileError("the checksum does not fit the content: the file is damaged or was changed.")
    try:
        tensors = load_tensors(content)
    except SafetensorError as error:
        raise ModelFileError(f"safetensors says {error}.") from error
    for name, values in tensors.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelFileError(f"the tensor {name!r} holds NaN or infinity.")
    made = _table(tensors, network) if table else _array_adapter(adapter, tensors)
    schema = _schema(tensors, made) if config["schema"] else None
    if loss is None:
        assert isinstance(made, TableAdapter)
        loss = made.loss
    model = Model(
        network=network,
        weights={name: tensors[name] for name in (*network.weights(), *learnt)},
        adapter=made,
        loss=loss,
        record=record,
        schema=schema,
        detection=_detection(config["detection"], tensors),
    )
    if model.detection is not None and len(model.detection.space.residual_scale) != model.numbers:
        raise ModelFileError(f"the detection does not fit rows of {model.numbers} numbers.")
    return model


def _array_adapter(config: dict[str, Any], tensors: Mapping[str, Any]) -> ArrayAdapter:
    offset, scale = tensors["adapter/offset"], tensors["adapter/scale"]
    if not (scale >= 0).all():
        raise ModelFileError("the tensor 'adapter/scale' must not be below 0.")
    more = {"gaps": config["gaps"]} if config["kind"] == "series" else {}
    return ADAPTERS[config["kind"]](
        row_shape=tuple(config["row_shape"]),
        dtype=config["dtype"],
        bounded=config["bounded"],
        offset=offset,
        scale=scale,
        **more,
    )


def _table(tensors: Mapping[str, Any], network: Network) -> TableAdapter:
    adapter = TableAdapter.from_config(_strict_json(tensors[TABLE].tobytes(), "the table"))
    if adapter.tensor_shape != network.input_shape:
        raise ModelFileError(f"a table of {adapter.tensor_shape} does not fit a network for {network.input_shape}.")
    return adapter


def _schema(tensors: Mapping[str, Any], adapter: Adapter) -> Schema:
    schema = Schema.from_config(_strict_json(tensors[SCHEMA].tobytes(), "the schema"))
    if (len(schema.columns),) != adapter.row_shape:
        raise ModelFileError(f"{len(schema.columns)} columns do not fit rows of shape {adapter.row_shape}.")
    if isinstance(adapter, TableAdapter):
        for column, name, feature in zip(schema.columns, adapter.names, adapter.features, strict=True):
            levels = feature.levels if isinstance(feature, Category) else 0
            if (column.name, column.kind, len(column.levels)) != (name, feature.kind, levels):
                raise ModelFileError(f"the column {column.name!r:.60} is not what the table says of it.")
    elif any(column.kind != "number" for column in schema.columns):
        raise ModelFileError("rows of numbers have columns that are none.")
    return schema


def _detection_tensors(
    config: Any, header: Mapping[str, Any], latents: int, columns: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the tensors of a detector, whose sizes the header tells; none where the file holds no detector."""
    if config is None:
        return {}
    _keys(config, set(detections.NUMBERS), "the detection")
    for name, kinds in detections.NUMBERS.items():
        if type(config[name]) not in kinds:
            raise ModelFileError(f"detection: {name} must be a number, got {config[name]!r:.40}.")
    if config["spread"] <= 0:
        raise ModelFileError(f"detection: spread must be above 0, got {config['spread']!r:.40}.")
    (residuals,) = _sizes(header, "residual_scale", 1, MAX_NUMBERS_A_ROW)
    drawn, _ = _sizes(header, "keys", 2, MAX_DRAWN)
    draws = [_sizes(header, f"draws_{at}", 2, MAX_DRAWN) for at in range(len(detections.DRAWS))]
    shapes = detections.tensors(latents, residuals, columns, drawn, [(times, size) for times, size in draws])
    return {DETECTION + name: tensor for name, tensor in shapes.items()}


def _detection(config: Any, tensors: Mapping[str, Any]) -> detections.Detection | None:
    if config is None:
        return None
    own = {name.removeprefix(DETECTION): each for name, each in tensors.items() if name.startswith(DETECTION)}
    return detections.Detection.of(config, own)


def _sizes(header: Mapping[str, Any], name: str, axes: int, most: int) -> list[int]:
    """Return the shape that a tensor of a detector announces, within limits."""
    entry = header.get(DETECTION + name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    whole = isinstance(shape, list) and len(shape) == axes and all(type(size) is int for size in shape)
    if not isinstance(shape, list) or not whole or not all(0 < size <= most for size in shape):
        raise ModelFileError(f"the tensor {DETECTION + name!r} must have {axes} axes of 1 to {most:,}.")
    return shape


def _json_tensor(config: Any) -> np.ndarray[Any, Any]:
    return np.frombuffer(_canonical(config).encode("ascii"), np.uint8)


def _table_size(header: Mapping[str, Any], name: str) -> int:
    """Return how many bytes a tensor of JSON announces, within limits; what it is worth is checked with the others."""
    entry = header.get(name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or len(shape) != 1 or type(shape[0]) is not int or not 0 < shape[0] <= MAX_TABLE:
        raise ModelFileError(f"the tensor {name!r} must have one axis of at most {MAX_TABLE:,} bytes.")
    return shape[0]


def _canonical(config: Mapping[str, Any]) -> str:
    """Return the one spelling of a JSON object: keys sorted, no spaces, ASCII, no NaN."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(config: Mapping[str, Any], tensors: bytes) -> str:
    digest = hashlib.sha256(_canonical(config).encode("ascii"))
    digest.update(tensors)
    return digest.hexdigest()


def _header_length(content: bytes) -> int:
    return int(struct.unpack_from("<Q", content)[0])


def _header(content: bytes) -> dict[str, Any]:
    if len(content) < 10:
        raise ModelFileError(f"{len(content)} bytes are too few for a header.")
    length = _header_length(content)
    if length > MAX_HEADER or 8 + length > len(content):
        raise ModelFileError(f"it does not start as a safetensors file does (header of {length:,} bytes announced).")
    return _strict_json(content[8 : 8 + length], "the header")


def _strict_json(text: str | bytes, where: str) -> dict[str, Any]:
    """Return a JSON object; refuse what JSON leaves open: double keys, NaN, deep nesting, numbers beyond a double."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(items)
        if len(keys) < len(items):
            raise ModelFileError(f"{where} names a key twice.")
        return keys

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ModelFileError(f"{where} holds a number that is not finite.")
        return value

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        _check_depth(text, where)
        value = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=number)
    except (ValueError, RecursionError) as error:  # both decoding errors are ValueErrors
        if isinstance(error, DiaboloError):
            raise
        raise ModelFileError(f"{where} is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} must be a JSON object, got {type(value).__name__}.")
    return value


def _check_depth(text: str, where: str) -> None:
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if quoted:
            quoted, escaped = escaped or letter != '"', not escaped and letter == "\\"
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ModelFileError(f"{where} is nested more than {MAX_DEPTH} deep.")
        elif letter in "]}":
            depth -= 1


def _keys(value: Any, expected: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != expected:
        got = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise ModelFileError(f"{where} must have exactly the keys {sorted(expected)}, got {got!s:.200}.")
    return value


def _config(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or set(metadata) != {"diabolo"} or not isinstance(metadata["diabolo"], str):
        raise ModelFileError("its metadata does not hold one text under the key 'diabolo': not written by Diabolo.")
    config = _strict_json(metadata["diabolo"], "the metadata")
    version = config.get("format_version")
    if type(version) is not int or version < 1:
        raise ModelFileError(f"format_version must be a whole number of at least 1, got {version!r:.40}.")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"it has format version {version}, this is Diabolo {diabolo.__version__}: upgrade Diabolo."
        )
    _keys(config, CONFIG_KEYS, "the metadata")
    for key, kind in (("diabolo_version", str), ("sha256", str), ("record", dict), ("schema", bool)):
        if type(config[key]) is not kind:
            raise ModelFileError(f"{key} must be of type {kind.__name__}, got {config[key]!r:.40}.")
    return config


def _network(config: Any) -> Network:
    _keys(config, {"input_shape", "encoder", "bottleneck", "decoder"}, "the network")
    if sum(len(config[part]) for part in ("encoder", "decoder") if isinstance(config[part], list)) > MAX_LAYERS:
        raise ModelFileError(f"the network has more than {MAX_LAYERS} layers.")
    network = Network.from_config(config)
    check_size(network)
    return network


def check_size(network: Network) -> None:
    """Raise OptionError where a network is larger than files may hold, which is best known before it is trained."""
    if len(network.encoder) + len(network.decoder) > MAX_LAYERS:
        raise OptionError(f"the network has more than {MAX_LAYERS} layers: choose fewer.")
    for step in network.steps:
        size = max(math.prod(step.input_shape), math.prod(step.output_shape), step.layer.numbers(step.input_shape))
        if size > MAX_NUMBERS_A_ROW:
            raise OptionError(
                f"layer {step.layer.name!r} has {size:,} numbers a row, more than {MAX_NUMBERS_A_ROW:,}: make it "
                f"smaller, or the rows."
            )


def _check_adapter(value: Any, network: Network) -> dict[str, Any]:
    config = _keys(value, ADAPTER_KEYS, "the adapter")
    kind, shape = config["kind"], config["row_shape"]
    known = [*ADAPTERS, TableAdapter.kind]
    if not isinstance(kind, str) or kind not in known:
        raise ModelFileError(unknown("adapter", kind, known))
    if config["dtype"] not in DTYPES:
        raise ModelFileError(unknown("type of rows", config["dtype"], DTYPES))
    for key in ("bounded", "gaps"):
        if type(config[key]) is not bool:
            raise ModelFileError(f"{key} must be true or false, got {config[key]!r:.40}.")
    if config["gaps"] and kind not in ("series", TableAdapter.kind):
        raise ModelFileError("only tables and series have gaps.")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 1 for size in shape):
        raise ModelFileError(f"row_shape must be a list of sizes of at least 1, got {shape!r:.80}.")
    if kind == TableAdapter.kind:
        if len(shape) != 1 or config["dtype"] != TableAdapter.dtype or config["bounded"]:
            raise ModelFileError(f"a table has rows of one axis of float64, got {shape!r:.80} of {config['dtype']}.")
        return config
    allowed = {"array": (1,), "image": (2, 3), "series": (2,)}[kind]
    tensor_shape = (*shape, 1) if kind == "image" and len(shape) == 2 else tuple(shape)
    if kind == "series" and len(shape) == 2 and config["gaps"]:
        tensor_shape = (shape[0], 2 * shape[1])
    if len(shape) not in allowed or tensor_shape != network.input_shape:
        raise ModelFileError(f"rows of shape {shape} do not fit a network for {list(network.input_shape)}.")
    return config


def _adapter_size(adapter: dict[str, Any]) -> int:
    grey = adapter["kind"] == "image" and len(adapter["row_shape"]) == 2
    return 1 if grey else int(adapter["row_shape"][-1])


def _check_tensors(header: dict[str, Any], expected: dict[str, tuple[str, tuple[int, ...]]], size: int) -> None:
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    _keys(entries, set(expected), "the table of tensors")
    spans = []
    for name, (dtype, shape) in expected.items():
        entry = _keys(entries[name], {"dtype", "shape", "data_offsets"}, f"the tensor {name!r}")
        if entry["dtype"] != dtype or entry["shape"] != list(shape):
            raise ModelFileError(
                f"the tensor {name!r} must be {dtype} of shape {list(shape)}, got {entry['dtype']!r:.20} of "
                f"{entry['shape']!r:.80}."
            )
        span = entry["data_offsets"]
        if not isinstance(span, list) or len(span) != 2 or not all(type(at) is int and at >= 0 for at in span):
            raise ModelFileError(f"the tensor {name!r} has offsets {span!r:.80}, expected two whole numbers.")
        if span[1] - span[0] != math.prod(shape) * BYTES[dtype]:
            raise ModelFileError(
                f"the tensor {name!r} of shape {list(shape)} does not fit its {span[1] - span[0]:,} bytes."
            )
        spans.append(tuple(span))
    ends = [0, *(end for _, end in sorted(spans))]
    if [start for start, _ in sorted(spans)] != ends[:-1] or ends[-1] != size:
        raise ModelFileError(f"the tensors do not fill the {size:,} bytes behind the header without gap or overlap.")
