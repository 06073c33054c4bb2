"""The checks of the header, made before the rest of a file is read.

`announced` checks in this order: sizes, strict JSON, the version, exact keys and types, the network, then the table of
tensors against the shapes that follow from the network, the adapter, the history and the detector.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from diabolo.data.adapters import ADAPTERS, TableAdapter
from diabolo.errors import ModelFileError, unknown
from diabolo.model import detection as detections
from diabolo.model.file.layout import (
    ADAPTER_KEYS,
    BYTES,
    CONFIG_KEYS,
    CURVE,
    DETECTION,
    DTYPES,
    KNOTS,
    SCHEMA,
    TABLE,
    header_length,
)
from diabolo.model.file.limits import (
    MAX_CONFIG,
    MAX_DRAWN,
    MAX_HEADER,
    MAX_KNOTS,
    MAX_LAYERS,
    MAX_NUMBERS_A_ROW,
    MAX_TABLE,
    MAX_TENSORS,
    check_size,
)
from diabolo.model.file.strict_json import exact_keys, strict_object, text_of
from diabolo.model.file.upgrade import upgraded
from diabolo.model.record import CURVES
from diabolo.model.settings import MAX_EPOCHS
from diabolo.network.layers import LAYERS
from diabolo.network.layers.own import Own
from diabolo.network.losses import SAVED_LOSSES, Loss, Mixed
from diabolo.network.structures import Network
from diabolo.parts import from_config


class Announced(NamedTuple):
    """The content of a header after all its checks."""

    written: dict[str, Any]  # CONFIG as the file has it, which the checksum covers
    config: dict[str, Any]  # CONFIG as the present version writes it
    network: Network
    loss: Loss | None  # None for a table, whose columns determine it
    learnt: list[str]  # names of the weights of the loss
    start: int  # of the tensors, in bytes from the start of the file


def announced(head: bytes, size: int, layers: Own | None) -> Announced:
    """Check the header of a file of `size` bytes. Raises ModelFileError, OptionError or ShapeError."""
    header = _header(head, size)
    written, config = _config(header)
    network = _network(config["network"], layers)
    adapter = _check_adapter(config["adapter"], network)
    table = adapter["kind"] == TableAdapter.kind
    if (config["reconstruction_loss"] == {"kind": Mixed.kind}) != table:
        raise ModelFileError(f"a reconstruction loss {config['reconstruction_loss']!r:.60} does not suit the rows.")
    loss: Loss | None = None
    learnt: dict[str, tuple[int, ...]] = {}
    if not table:
        loss = from_config("reconstruction loss", SAVED_LOSSES, config["reconstruction_loss"])
        loss.fits(network.input_shape)
        if adapter["bounded"] != (loss.scaling == "widest") or adapter["gaps"] != bool(loss.flagged_channels):
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
    start = 8 + header_length(head)
    _check_tensors(header, expected, size - start)
    return Announced(written, config, network, loss, list(learnt), start)


def _header(head: bytes, size: int) -> dict[str, Any]:
    if len(head) < 10:
        raise ModelFileError(f"{size:,} bytes are too few for a header.")
    length = header_length(head)
    if length > MAX_HEADER or 8 + length > size:
        raise ModelFileError(f"it does not start as a safetensors file does (header of {length:,} bytes announced).")
    return strict_object(text_of(memoryview(head)[8 : 8 + length], "the header", "utf-8"), "the header")


def _config(header: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return CONFIG as the file has it, and as the present version writes it."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or set(metadata) != {"diabolo"} or not isinstance(metadata["diabolo"], str):
        raise ModelFileError("its metadata does not hold one text under the key 'diabolo': not written by Diabolo.")
    if len(metadata["diabolo"]) > MAX_CONFIG:
        raise ModelFileError(f"the metadata has {len(metadata['diabolo']):,} letters, more than {MAX_CONFIG:,}.")
    written = strict_object(metadata["diabolo"], "the metadata")
    config = exact_keys(upgraded(written), CONFIG_KEYS, "the metadata")
    for key, kind in (("diabolo_version", str), ("sha256", str), ("record", dict), ("schema", bool)):
        if type(config[key]) is not kind:
            raise ModelFileError(f"{key} must be of type {kind.__name__}, got {config[key]!r:.40}.")
    return written, config


def _network(config: Any, layers: Own | None) -> Network:
    exact_keys(config, {"input_shape", "encoder", "bottleneck", "decoder"}, "the network")
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


def _check_adapter(value: Any, network: Network) -> dict[str, Any]:
    config = exact_keys(value, ADAPTER_KEYS, "the adapter")
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


def _length(header: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """Return the length of a tensor of one axis, by the header, within limits; `_check_tensors` checks the rest."""
    entry = header.get(name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or len(shape) != 1 or type(shape[0]) is not int or not least <= shape[0] <= most:
        raise ModelFileError(f"the tensor {name!r} must have one axis of {least} to {most:,}.")
    return shape[0]


def _curves(record: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of the tensors of a history."""
    lengths = record.get("history")
    if not isinstance(lengths, dict) or not set(lengths) <= CURVES:
        raise ModelFileError(f"record: history must hold numbers of epochs under {', '.join(sorted(CURVES))}.")
    if not all(type(length) is int and 0 <= length <= MAX_EPOCHS for length in lengths.values()):
        raise ModelFileError(f"record: history must hold numbers of epochs, got {list(lengths.values())!r:.60}.")
    return {CURVE + name: ("F64", (length,)) for name, length in lengths.items()}


def _detection_tensors(
    config: Any, header: Mapping[str, Any], latents: int, columns: int
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of the tensors of a detector, with sizes from the header; empty without a detector."""
    if config is None:
        return {}
    exact_keys(config, set(detections.CONFIG_TYPES), "the detection")
    for name, kinds in detections.CONFIG_TYPES.items():
        if type(config[name]) not in kinds:
            raise ModelFileError(f"detection: {name} must be a number, got {config[name]!r:.40}.")
    if config["spread"] <= 0:
        raise ModelFileError(f"detection: spread must be above 0, got {config['spread']!r:.40}.")
    (residuals,) = _sizes(header, "residual_scale", 1, MAX_NUMBERS_A_ROW)
    drawn, _ = _sizes(header, "keys", 2, MAX_DRAWN)
    draws = [_sizes(header, f"draws_{at}", 2, MAX_DRAWN) for at in range(len(detections.DRAWS))]
    shapes = detections.tensors(latents, residuals, columns, drawn, [(times, size) for times, size in draws])
    return {DETECTION + name: tensor for name, tensor in shapes.items()}


def _sizes(header: Mapping[str, Any], name: str, axes: int, most: int) -> list[int]:
    """Return the shape that the header gives for a tensor of a detector, within limits."""
    entry = header.get(DETECTION + name)
    shape = entry.get("shape") if isinstance(entry, dict) else None
    whole = isinstance(shape, list) and len(shape) == axes and all(type(size) is int for size in shape)
    if not isinstance(shape, list) or not whole or not all(0 < size <= most for size in shape):
        raise ModelFileError(f"the tensor {DETECTION + name!r} must have {axes} axes of 1 to {most:,}.")
    return shape


def _check_tensors(header: dict[str, Any], expected: dict[str, tuple[str, tuple[int, ...]]], size: int) -> None:
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise ModelFileError(f"it has {len(entries):,} tensors, more than {MAX_TENSORS:,}.")
    exact_keys(entries, set(expected), "the table of tensors")
    spans = []
    for name, (dtype, shape) in expected.items():
        entry = exact_keys(entries[name], {"dtype", "shape", "data_offsets"}, f"the tensor {name!r}")
        # type(), because True == 1 and 8.0 == 8 in Python.
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
        raise ModelFileError(f"the tensors do not fill the {size:,} bytes after the header without gap or overlap.")
