"""The model file: one `.safetensors`, weights as tensors, everything else as strict JSON under one metadata key.

Layout, format version 1 (docs/model-file.md has it field by field):

    8 bytes    length of the header, little-endian
    header     JSON: {"__metadata__": {"diabolo": CONFIG}, "<tensor>": {"dtype", "shape", "data_offsets"}, ...}
    rest       the tensors, one after the other

CONFIG is JSON text. Its `sha256` covers the rest of CONFIG and every byte behind the header, so a file that changed by
one bit is refused. The same model always gives the same bytes: no times, no host, no order that chance decides.
Reading builds nothing before everything is checked: sizes, strict JSON, exact keys and types, shapes inferred from the
table of layers against the header, checksum, finite weights. What the header tells is judged before the rest is read.
No pickle, no Keras object, no code; read, never mapped, so that a file cannot change under a check.

Order: limits, writing, reading, checks.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import diabolo
from diabolo import detection as detections
from diabolo.data.adapters import ADAPTERS, Adapter, ArrayAdapter, TableAdapter
from diabolo.data.adapters.array import FARTHEST
from diabolo.data.adapters.features import FEATURES, Category
from diabolo.data.adapters.statistics import LEAST, MOST
from diabolo.data.schema import Column, Schema
from diabolo.errors import DiaboloError, ModelFileError, OptionError, OutputError, unknown
from diabolo.files import open_file, refuse_existing, write_atomically
from diabolo.inference import Model
from diabolo.network.layers import LAYERS, BatchNormalization, Layer
from diabolo.network.layers.own import Own, beside
from diabolo.network.losses import LOSSES, Loss, Masked, Mixed
from diabolo.network.parts import Numbers, from_config
from diabolo.network.structures import Network
from diabolo.record import CURVES, MAX_EPOCHS, Record

FORMAT_VERSION = 1
SUFFIX = ".safetensors"

# What a file may ask for. Whoever reads one of N bytes takes at most 2 N and 64 MiB, whatever it says.
MAX_FILE = 4 << 30  # bytes; a dense network of a billion weights
MAX_HEADER = 1 << 20  # bytes; 2,048 tensors with long names, and the configuration twice, as its quotes are escaped
MAX_CONFIG = 1 << 18  # letters; 256 layers take a quarter of it
MAX_DEPTH = 32  # of nested JSON; ours is 5 deep
MAX_TENSORS = 2_048  # 256 layers of attention have 1,536
MAX_LAYERS = 256
MAX_TABLE = 1 << 23  # bytes of JSON about the columns of a table: 33,000 columns, or 400,000 levels of 20 letters
# Values in one JSON text, an object or a list counting for two: each takes up to 100 bytes in Python, a column has 12.
MAX_VALUES = 1 << 19
MAX_KEYS = 64  # of one object about a table: they take twice as much, and ours has nine
MAX_KNOTS = 1 << 20  # numbers of all columns of a table whose scale bends: 8,192 columns of 64 knots and marks
MAX_TOGETHER = 13 << 16  # values in the JSON about a table, and its knots
# The largest tensor of one row: 64 MB. A picture of 512 x 512 has 2^24 numbers after 64 filters, so 2^22 would
# shut out what people train; and one row at a time is encoded where rows are that wide, see `Model._rows_at_once`.
MAX_NUMBERS_A_ROW = 1 << 24
# What a layer needs besides, once: 128 MB. Two convolutions of a picture of 1,024 x 1,024 need 2^24.2 on the way back.
MAX_WORKSPACE = 1 << 25
MAX_DRAWN = 1 << 20  # rows that a detector compares others with; ours has 8,192 at most

REST = 1 << 15  # letters of the configuration that are neither network nor settings: names of files, versions
NUMBERS_AT_ONCE = 1 << 20  # whose finiteness is checked, so that the answers take no room

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
WHERE = {TABLE: "the table", SCHEMA: "the schema"}
KNOTS = "adapter/knots"  # lists of numbers of the features of a table, one after the other
CURVE = "record/"  # what the names of the tensors of a history begin with: a long training has many epochs
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

    Args: path: gets the ending `.safetensors` where it has none; force: overwrite.
    Raises: OutputError where the file exists or cannot be written, or has the ending of another kind of file.
    """
    target = with_suffix(path)
    refuse_existing(target, force=force)
    write_atomically(target, lambda file: file.write(to_bytes(model)), force=force)
    return target


def with_suffix(path: str | Path) -> Path:
    """Return the path with the ending of model files: `model` becomes `model.safetensors`, `run1.5` likewise.

    Raises: OutputError for the ending of another kind of file, which this one would not be.
    """
    if not isinstance(path, (str, os.PathLike)) or "\0" in str(path):
        raise OutputError(f"expected the name of a model file, such as 'model.safetensors', got {path!r:.60}.")
    given, path = path, Path(path)
    if not path.name:
        raise OutputError(f"expected the name of a model file, such as 'model.safetensors', got {str(given)!r:.60}.")
    if path.suffix == SUFFIX:
        return path
    if re.fullmatch(r"\.[A-Za-z]\w*", path.suffix):  # with a digit in front it is a number in a name
        raise OutputError(f"{path}: a model file ends in {SUFFIX}: write {path.with_suffix(SUFFIX)}.")
    return path.with_name(path.name + SUFFIX)


def to_bytes(model: Model) -> bytes:
    """Return the bytes of a model file. Raises OutputError where no file could hold the model: `load` refuses it."""
    adapter = model.adapter
    tensors: dict[str, np.ndarray[Any, Any]] = {
        name: np.ascontiguousarray(values, "<f4") for name, values in model.weights.items()
    }
    if isinstance(adapter, TableAdapter):
        config, knots = _without_knots(adapter.to_config())
        tensors[TABLE], tensors[KNOTS] = _json_tensor(config), np.asarray(knots, "<f8")
    else:
        tensors["adapter/offset"] = np.asarray(adapter.offset, "<f8")
        tensors["adapter/scale"] = np.asarray(adapter.scale, "<f8")
    if model.schema is not None:
        tensors[SCHEMA] = _json_tensor(model.schema.to_config())
    if model.detection is not None:
        tensors |= {
            DETECTION + name: np.ascontiguousarray(values) for name, values in model.detection.to_tensors().items()
        }
    record = model.record.to_config()
    tensors |= {CURVE + name: np.asarray(curve, "<f8") for name, curve in record["history"].items()}
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
        "record": record | {"history": {name: len(curve) for name, curve in record["history"].items()}},
    }
    content = save_tensors(tensors)
    config["sha256"] = _checksum(config, memoryview(content)[8 + _header_length(content) :])
    content = bytes(save_tensors(tensors, metadata={"diabolo": _canonical(config)}))
    try:
        _announced(content[: 8 + _header_length(content)], len(content), model.network.own_layers())
        _check_numbers(tensors)
    except DiaboloError as error:
        raise OutputError(f"the model cannot be saved, no file could hold it: {error}") from error
    return content


def load(path: str | Path, *, layers: Own | None = None, expect_sha256: str | None = None) -> Model:
    """Return the model in a file. Raises ModelFileError, with the reason, for anything that is not a sound model.

    Args:
        path: of the file.
        layers: classes of one's own by the kinds that the file names, as {"scaled": Scaled}.
        expect_sha256: of the whole file, in hexadecimal; any other file is refused.

    Raises: OptionError for what is no SHA-256, or no layer.
    """
    return judged(path, layers=layers, expect_sha256=expect_sha256).model


class Judged(NamedTuple):
    """A model, and of which bytes it was made."""

    model: Model
    size: int
    sha256: str


def judged(path: str | Path, *, layers: Own | None = None, expect_sha256: str | None = None) -> Judged:
    """Return the model in a file and what tells the file from others; as `load`, which reads it once as well."""
    if not isinstance(path, (str, os.PathLike)):
        raise ModelFileError(f"a model file is named by a path, got {path!r:.60}.")
    if Path(path).suffix.lower() in (".keras", ".h5", ".hdf5") and Path(path).is_file():
        raise ModelFileError(
            f"{path} is a file of Keras, expected a .safetensors file of Diabolo: in Python, "
            f"diabolo.split(keras.models.load_model({str(path)!r})) makes an encoder and a decoder of it."
        )
    asked = expect_sha256.strip().lower() if isinstance(expect_sha256, str) else expect_sha256
    if asked is not None and not (isinstance(asked, str) and re.fullmatch("[0-9a-f]{64}", asked)):
        raise OptionError(f"expect_sha256 must be the 64 hexadecimal digits of a SHA-256, got {expect_sha256!r:.80}.")
    beside(LAYERS, layers)
    path, content = Path(path), read(path, layers)
    found = hashlib.sha256(content).hexdigest()
    if asked not in (None, found):
        raise ModelFileError(f"{path} has the SHA-256 {found}, expected {expect_sha256!r:.80}: it is another file.")
    with _named(path):
        return Judged(from_bytes(content, layers), len(content), found)


def read(path: str | Path, layers: Own | None = None) -> bytes:
    """Return the bytes of a model file, of which what the header tells is sound.

    Raises: ModelFileError where it cannot be read or is no file, before more than the header is read where that is not
    sound.
    """
    path = Path(path)
    try:
        with open_file(path) as file:
            about = os.fstat(file.fileno())
            if about.st_size > MAX_FILE:
                raise ModelFileError(f"{path}: {about.st_size:,} bytes, expected at most {MAX_FILE:,}.")
            with _named(path):
                head = file.read(8)
                if len(head) == 8:
                    head += file.read(min(_header_length(head), MAX_HEADER))
                _announced(head, about.st_size, layers)
                file.seek(0)
                content = file.read(about.st_size + 1)
                if len(content) != about.st_size:
                    raise ModelFileError("it changed while it was read.")
            return bytes(content)
    except FileNotFoundError as error:
        raise ModelFileError(f"no model file {str(path)!r:.200}: make one with `diabolo fit`.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, DiaboloError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{str(path)!r:.200} cannot be read: {reason!s:.200}.") from error


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let what is wrong with the bytes of a file be said of the file."""
    try:
        yield
    except DiaboloError as error:
        raise ModelFileError(f"{path} is not a sound Diabolo model: {error}") from error


class _Announced(NamedTuple):
    """What the header of a file tells, checked."""

    config: dict[str, Any]
    network: Network
    loss: Loss | None  # None of a table, whose columns tell it
    learnt: list[str]  # weights of the loss
    start: int  # of the tensors, in bytes


def _announced(head: bytes, size: int, layers: Own | None) -> _Announced:
    """Return what a header tells of a file of `size` bytes. Raises ModelFileError, OptionError or ShapeError."""
    header = _header(head, size)
    config = _config(header)
    network = _network(config["network"], layers)
    adapter = _check_adapter(config["adapter"], network)
    table = adapter["kind"] == TableAdapter.kind
    if (config["reconstruction_loss"] == {"kind": Mixed.kind}) != table:
        raise ModelFileError(f"a reconstruction loss {config['reconstruction_loss']!r:.60} does not suit the rows.")
    loss: Loss | None = None
    learnt: dict[str, tuple[int, ...]] = {}
    if not table:
        loss = from_config("reconstruction loss", LOSSES | {Masked.kind: Masked}, config["reconstruction_loss"])
        loss.fits(network.input_shape)
        if adapter["bounded"] != (loss.scaling == "widest") or adapter["gaps"] != isinstance(loss, Masked):
            raise ModelFileError(f"a reconstruction loss {loss.kind!r} does not suit the rows.")
        learnt = {f"loss/{name}": shape for name, shape in loss.weights(network.input_shape).items()}
    expected = {name: ("F32", shape) for name, shape in (network.weights() | learnt).items()}
    for name in [TABLE] * table + [SCHEMA] * config["schema"]:
        expected[name] = ("U8", (_length(header, name, 1, MAX_TABLE),))
    if table:
        expected[KNOTS] = ("F64", (_length(header, KNOTS, 0, MAX_KNOTS),))
    else:
        expected |= {f"adapter/{name}": ("F64", (_adapter_size(adapter),)) for name in ("offset", "scale")}
    expected |= _curves(config["record"])
    expected |= _detection_tensors(config["detection"], header, network.latent_dim, math.prod(adapter["row_shape"]))
    start = 8 + _header_length(head)
    _check_tensors(header, expected, size - start)
    return _Announced(config, network, loss, list(learnt), start)


def from_bytes(content: bytes, layers: Own | None = None) -> Model:
    """Return the model that `to_bytes` wrote. Raises ModelFileError, OptionError or ShapeError."""
    config, network, loss, learnt, start = _announced(content, len(content), layers)
    if config.pop("sha256") != _checksum(config, memoryview(content)[start:]):
        raise ModelFileError("the checksum does not fit the content: the file is damaged or was changed.")
    try:
        tensors = load_tensors(content)
    except SafetensorError as error:
        raise ModelFileError(f"safetensors says {error}.") from error
    _check_numbers(tensors)
    _check_together(tensors)
    made = _array_adapter(config["adapter"], tensors) if loss else _table(tensors, network)
    if made.row_shape != tuple(config["adapter"]["row_shape"]):
        raise ModelFileError(f"a table of {len(made.row_shape)} columns does not fit rows of {made.row_shape}.")
    schema = _schema(tensors, made) if config["schema"] else None
    if loss is None:
        assert isinstance(made, TableAdapter)
        loss = made.loss
    history = {name: tensors[CURVE + name].tolist() for name in config["record"]["history"]}
    weights = {name: tensors[name] for name in (*network.weights(), *learnt)}
    _check_variances(network, weights)
    model = Model(
        network=network,
        weights=weights,
        adapter=made,
        loss=loss,
        record=Record.from_config(config["record"] | {"history": history}),
        schema=schema,
        detection=_detection(config["detection"], tensors),
    )
    _check_structure(model.record.settings["structure"], LAYERS | network.own_layers())
    if model.detection is not None and len(model.detection.space.residual_scale) != model.numbers:
        raise ModelFileError(f"the detection does not fit rows of {model.numbers} numbers.")
    return model


def _check_numbers(tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Refuse numbers that nothing can be computed with; in the network they are float32, in the user's units double."""
    for name, values in tensors.items():
        if values.dtype.kind != "f":
            continue
        flat, most = values.reshape(-1), FARTHEST if values.dtype.itemsize == 4 else MOST
        for start in range(0, flat.size, NUMBERS_AT_ONCE):
            some = flat[start : start + NUMBERS_AT_ONCE]
            largest = max(some.max(), -some.min())  # NaN where one is
            if not largest <= most:
                if not np.isfinite(largest):
                    raise ModelFileError(f"the tensor {name!r} holds NaN or infinity.")
                raise ModelFileError(f"the tensor {name!r} holds {largest:.3g}, expected numbers up to {most:g}.")


def _check_variances(network: Network, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    for step in network.steps:
        if isinstance(step.layer, BatchNormalization):
            name = f"{step.layer.name}/moving_variance"
            if not (weights[name] >= 0).all():
                raise ModelFileError(f"the tensor {name!r} must not be below 0: it holds variances.")


def _check_structure(structure: Any, table: Mapping[str, type[Layer]]) -> None:
    """Raise OptionError for layers in the settings that are none; the estimator is made with them."""
    for each in structure if isinstance(structure, list) else ():
        if isinstance(each, dict):
            from_config("layer", table, each)
        else:
            _check_structure(each, table)


def _check_together(tensors: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Refuse a table that would take far more room than its bytes, before any object is made of it."""
    texts = [(tensors[name], where) for name, where in WHERE.items() if name in tensors]
    values = sum(_check_size_of_json(_text(content, where), where, MAX_KEYS) for content, where in texts)
    values += len(tensors[KNOTS]) if KNOTS in tensors else 0
    if values > MAX_TOGETHER:
        raise ModelFileError(f"the table has {values:,} values and knots, more than {MAX_TOGETHER:,}.")


def _array_adapter(config: dict[str, Any], tensors: Mapping[str, Any]) -> ArrayAdapter:
    offset, scale = tensors["adapter/offset"], tensors["adapter/scale"]
    if not ((scale == 0) | (scale >= LEAST)).all():
        raise ModelFileError(f"the tensor 'adapter/scale' must hold 0, or at least {LEAST:g}.")
    if config["bounded"] and (offset.any() or not 1 / FARTHEST <= scale.min() == scale.max() <= FARTHEST):
        raise ModelFileError("rows that are brought into [0, 1] have offset 0 and one scale, above 0.")
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
    known = {"features", "names", "gaps", *_settings()}
    config = _strict_json(_text(tensors[TABLE], WHERE[TABLE]), WHERE[TABLE], known)
    adapter = TableAdapter.from_config(_with_knots(config, tensors[KNOTS]))
    if adapter.tensor_shape != network.input_shape:
        raise ModelFileError(f"a table of {adapter.tensor_shape} does not fit a network for {network.input_shape}.")
    return adapter


def _settings() -> dict[str, bool]:
    """Return the keys of all features, and whether each is a list of numbers, which lies among the tensors."""
    hints = {name: hint for each in FEATURES.values() for name, hint in get_type_hints(each).items()}
    return {"kind": False} | {name: hint == Numbers for name, hint in hints.items()}


def _without_knots(config: dict[str, Any]) -> tuple[dict[str, Any], list[float]]:
    """Return a table with the lengths of its lists of numbers in their place, and the numbers."""
    knots: list[float] = []
    lists, features = [name for name, is_list in sorted(_settings().items()) if is_list], []
    for feature in config["features"]:
        here = [name for name in lists if name in feature]
        knots += [number for name in here for number in feature[name]]
        features.append(feature | {name: len(feature[name]) for name in here})
    return config | {"features": features}, knots


def _with_knots(config: dict[str, Any], knots: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return a table with its lists of numbers in the place of their lengths."""
    features, done = config.get("features"), 0
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise ModelFileError("the table must have a list of features.")
    lists = [name for name, is_list in sorted(_settings().items()) if is_list]
    for feature in features:
        for name in lists:
            if name not in feature:
                continue
            length = feature[name]
            if type(length) is not int or not 0 <= length <= len(knots) - done:
                raise ModelFileError(f"the table: {name} must be a number of knots there are, got {length!r:.40}.")
            feature[name], done = knots[done : done + length].tolist(), done + length
    if done != len(knots):
        raise ModelFileError(f"the table uses {done:,} of {len(knots):,} knots.")
    return config


def _schema(tensors: Mapping[str, Any], adapter: Adapter) -> Schema:
    known = {"library", "numbered", "columns", *Column.__dataclass_fields__}
    schema = Schema.from_config(_strict_json(_text(tensors[SCHEMA], WHERE[SCHEMA]), WHERE[SCHEMA], known))
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


def _length(header: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """Return how long a tensor of one axis says it is, within limits; what it is worth is checked with the others."""
    entry = header.get(name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or len(shape) != 1 or type(shape[0]) is not int or not least <= shape[0] <= most:
        raise ModelFileError(f"the tensor {name!r} must have one axis of {least} to {most:,}.")
    return shape[0]


def _curves(record: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the tensors of a history."""
    lengths = record.get("history")
    if not isinstance(lengths, dict) or not set(lengths) <= CURVES:
        raise ModelFileError(f"record: history must hold numbers of epochs under {', '.join(sorted(CURVES))}.")
    if not all(type(length) is int and 0 <= length <= MAX_EPOCHS for length in lengths.values()):
        raise ModelFileError(f"record: history must hold numbers of epochs, got {list(lengths.values())!r:.60}.")
    return {CURVE + name: ("F64", (length,)) for name, length in lengths.items()}


def _canonical(config: Mapping[str, Any]) -> str:
    """Return the one spelling of a JSON object: keys sorted, no spaces, ASCII, no NaN."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(config: Mapping[str, Any], tensors: bytes | memoryview) -> str:
    digest = hashlib.sha256(_canonical(config).encode("ascii"))
    digest.update(tensors)
    return digest.hexdigest()


def _header_length(content: bytes) -> int:
    return int(struct.unpack_from("<Q", content)[0])


def _header(head: bytes, size: int) -> dict[str, Any]:
    if len(head) < 10:
        raise ModelFileError(f"{size:,} bytes are too few for a header.")
    length = _header_length(head)
    if length > MAX_HEADER or 8 + length > size:
        raise ModelFileError(f"it does not start as a safetensors file does (header of {length:,} bytes announced).")
    return _strict_json(_text(memoryview(head)[8 : 8 + length], "the header", "utf-8"), "the header")


def _text(content: Any, where: str, encoding: str = "ascii") -> str:
    """Return a buffer as text. Ours is ASCII: one letter of another alphabet makes every other take four bytes."""
    try:
        return str(content, encoding)
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{where} is not JSON ({error!s:.100}).") from error


def _strict_json(text: str, where: str, known: set[str] | None = None) -> dict[str, Any]:
    """Return a JSON object; refuse what JSON leaves open: double keys, NaN, deep nesting, numbers beyond a double.

    Args: known: the only keys there may be, at any depth, in JSON whose size was checked before; None: any.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = dict(items)
        if len(keys) < len(items):
            raise ModelFileError(f"{where} names a key twice.")
        if known is not None and not keys.keys() <= known:
            raise ModelFileError(f"{where} has a key {min(keys.keys() - known)!r:.60} that is not known.")
        return keys

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ModelFileError(f"{where} holds a number that is not finite.")
        return value

    if known is None:
        _check_size_of_json(text, where, MAX_VALUES)
    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=number)
    except (ValueError, RecursionError) as error:
        if isinstance(error, DiaboloError):
            raise
        raise ModelFileError(f"{where} is not JSON ({error!s:.100}).") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} must be a JSON object, got {type(value).__name__}.")
    if HALF.search(text):  # which is rare, and may be half of a pair
        _check_texts(value, where)
    return value


HALF = re.compile(r"\\u[dD][89a-fA-F]")


def _check_texts(value: Any, where: str) -> None:
    """Refuse texts with half of a surrogate pair, which nothing can write."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ModelFileError(f"{where} has a text that is not Unicode: {value!r:.60}.")
    elif isinstance(value, (dict, list)):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_texts(each, where)


# Texts whole, so that what they hold is not taken for structure; possessive, so that nothing is kept for a way back.
TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|([][{},:])', re.DOTALL)


def _check_size_of_json(text: str, where: str, most_keys: int) -> int:
    """Refuse JSON that would take far more room as objects than it has letters; return how many values it has."""
    values = 0
    keys: list[int] = []  # of every object or list that is open
    for token in TOKENS.finditer(text):
        letter = token[1]
        if letter == ":" and keys:
            keys[-1] += 1
            if keys[-1] > most_keys:
                raise ModelFileError(f"{where} has an object of more than {most_keys:,} keys.")
        elif letter in ("]", "}"):
            if not keys:
                raise ModelFileError(f"{where} is not JSON (it closes what is not open).")
            keys.pop()
        elif letter in ("[", "{", ","):
            values += 1 if letter == "," else 2
            if letter != ",":
                keys.append(0)
            if len(keys) > MAX_DEPTH:
                raise ModelFileError(f"{where} is nested more than {MAX_DEPTH} deep.")
            if values > MAX_VALUES:
                raise ModelFileError(f"{where} holds more than {MAX_VALUES:,} values.")
    return values


def _keys(value: Any, expected: set[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} must have exactly the keys {sorted(expected)!s:.300}, got {value!r:.60}.")
    if set(value) != expected:
        missing, more = sorted(expected - set(value)), sorted(set(value) - expected)
        raise ModelFileError(
            f"{where} must have exactly the keys {sorted(expected)!s:.300}: missing are {missing!s:.150}, not known "
            f"{more!s:.150}."
        )
    return value


def _config(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or set(metadata) != {"diabolo"} or not isinstance(metadata["diabolo"], str):
        raise ModelFileError("its metadata does not hold one text under the key 'diabolo': not written by Diabolo.")
    if len(metadata["diabolo"]) > MAX_CONFIG:
        raise ModelFileError(f"the metadata has {len(metadata['diabolo']):,} letters, more than {MAX_CONFIG:,}.")
    config = _strict_json(metadata["diabolo"], "the metadata")
    version = config.get("format_version")
    if type(version) is not int or version < 1:
        raise ModelFileError(f"format_version must be a whole number of at least 1, got {version!r:.40}.")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"it has format version {version!r:.40}, this is Diabolo {diabolo.__version__}: upgrade Diabolo."
        )
    _keys(config, CONFIG_KEYS, "the metadata")
    for key, kind in (("diabolo_version", str), ("sha256", str), ("record", dict), ("schema", bool)):
        if type(config[key]) is not kind:
            raise ModelFileError(f"{key} must be of type {kind.__name__}, got {config[key]!r:.40}.")
    return config


def _network(config: Any, layers: Own | None) -> Network:
    _keys(config, {"input_shape", "encoder", "bottleneck", "decoder"}, "the network")
    if sum(len(config[part]) for part in ("encoder", "decoder") if isinstance(config[part], list)) > MAX_LAYERS:
        raise ModelFileError(f"the network has more than {MAX_LAYERS} layers.")
    every = [each for part in ("encoder", "decoder") if isinstance(config[part], list) for each in config[part]]
    for kind in (each.get("kind") for each in every if isinstance(each, dict)):
        if isinstance(kind, str) and kind not in LAYERS and kind not in (layers or {}):
            raise ModelFileError(
                f"{unknown('layer', kind, LAYERS)} If it is one of your own, bring its class: "
                f"diabolo.load(path, layers={{{kind!r:.40}: ...}})."
            )
    network = Network.from_config(config, layers)
    check_size(network)
    return network


def check_size(network: Network) -> None:
    """Raise OptionError where no file could hold a network, which is best known before it is trained."""
    network.own_layers()
    if len(network.encoder) + len(network.decoder) > MAX_LAYERS:
        raise OptionError(f"the network has more than {MAX_LAYERS} layers: choose fewer.")
    for step in network.steps:
        size = network.numbers(step)
        if size > MAX_NUMBERS_A_ROW:
            raise OptionError(
                f"layer {step.layer.name!r} has {size:,} numbers a row, more than {MAX_NUMBERS_A_ROW:,}: make it "
                f"smaller, or the rows."
            )
        if network.workspace(step) > MAX_WORKSPACE:
            raise OptionError(
                f"layer {step.layer.name!r} needs {network.workspace(step):,} numbers to be computed, more than "
                f"{MAX_WORKSPACE:,}: choose a smaller kernel, fewer filters or smaller rows."
            )


def check_room(network: Network, adapter: Adapter, schema: Schema | None, settings: Mapping[str, Any]) -> None:
    """Raise OptionError where what will be known of columns and settings is more than files may hold, as `check_size`.

    Args: settings: of the estimator, as JSON values.
    """
    size = len(_canonical({"network": network.to_config(), "settings": settings}))
    if size > MAX_CONFIG - REST:
        raise OptionError(
            f"network and settings take {size:,} letters, a model file holds {MAX_CONFIG - REST:,}: shorten names, or "
            f"leave out types that are inferred as well."
        )
    config, knots = _without_knots(adapter.to_config()) if isinstance(adapter, TableAdapter) else ({}, [])
    together = len(knots)
    for text in (_canonical(config), _canonical({} if schema is None else schema.to_config())):
        # As `_check_size_of_json` counts, and those within texts as well.
        values = text.count(",") + 2 * (text.count("[") + text.count("{"))
        together += values
        if len(text) > MAX_TABLE or values > MAX_VALUES:
            raise OptionError(
                f"{adapter.row_shape[0]:,} columns with their names and levels take {len(text):,} letters, a model "
                f"file holds {MAX_TABLE:,} and {MAX_VALUES:,} values: leave columns out, or levels."
            )
    if len(knots) > MAX_KNOTS or together > MAX_TOGETHER:
        raise OptionError(
            f"the columns have {together:,} values and knots, {len(knots):,} of them knots where a few values lie far "
            f"from all others, a model file holds {MAX_TOGETHER:,}: take logarithms first, or leave columns out."
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
        raise ModelFileError(f"rows of shape {shape!r:.80} do not fit a network for {list(network.input_shape)}.")
    return config


def _adapter_size(adapter: dict[str, Any]) -> int:
    grey = adapter["kind"] == "image" and len(adapter["row_shape"]) == 2
    return 1 if grey else int(adapter["row_shape"][-1])


def _check_tensors(header: dict[str, Any], expected: dict[str, tuple[str, tuple[int, ...]]], size: int) -> None:
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise ModelFileError(f"it has {len(entries):,} tensors, more than {MAX_TENSORS:,}.")
    _keys(entries, set(expected), "the table of tensors")
    spans = []
    for name, (dtype, shape) in expected.items():
        entry = _keys(entries[name], {"dtype", "shape", "data_offsets"}, f"the tensor {name!r}")
        # JSON's true and 8.0 are equal to Python's 1 and 8.
        whole = isinstance(entry["shape"], list) and all(type(each) is int for each in entry["shape"])
        if entry["dtype"] != dtype or not whole or entry["shape"] != list(shape):
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
