"""The checks of the header, made before the rest of a file is read.

`announced` checks in this order: sizes, strict JSON, the version, exact keys and types, the network, then the table of
tensors against the shapes that follow from the network, the adapter, the history and the detector.
"""

import math
from typing import NamedTuple, TypeAlias

from diabolo.data.adapters import ADAPTERS, TableAdapter
from diabolo.errors import ModelFileError, unknown
from diabolo.model import detection as detections
from diabolo.model import draws
from diabolo.model.file.json_types import exact_keys, of_type, whole_numbers
from diabolo.model.file.layout import (
    ADAPTER_KEYS,
    BYTES,
    COMPLETION,
    CONFIG_KEYS,
    CURVE,
    DETECTION,
    DTYPES,
    KNOTS,
    SCHEMA,
    SERIES,
    TABLE,
    header_length,
)
from diabolo.model.file.limits import (
    MAX_CONFIG,
    MAX_DRAWN,
    MAX_HEADER,
    MAX_KNOTS,
    MAX_LAYERS,
    MAX_LEAVES,
    MAX_NUMBERS_A_ROW,
    MAX_TABLE,
    MAX_TENSORS,
    check_size,
)
from diabolo.model.file.strict_json import strict_object, text_of
from diabolo.model.file.upgrade import upgraded
from diabolo.model.record import CURVES
from diabolo.model.settings import MAX_EPOCHS
from diabolo.network.layers import LAYERS
from diabolo.network.layers.own import Own
from diabolo.network.losses import SAVED_LOSSES, Loss, Mixed
from diabolo.network.network import Network
from diabolo.parts import from_config
from diabolo.typing import Json, JsonObject, Shape

Tensors: TypeAlias = dict[str, tuple[str, Shape]]  # type and shape of each tensor, by name


class RowForm(NamedTuple):
    """The form of the rows: the part of an adapter that is JSON."""

    kind: str  # of the adapter
    row_shape: list[int]
    dtype: str
    bounded: bool
    gaps: bool


class Announced(NamedTuple):
    """The content of a header after all its checks."""

    written: JsonObject  # CONFIG as the file has it, which the checksum covers
    sha256: str  # that CONFIG states
    network: Network
    rows: RowForm
    loss: Loss | None  # None for a table, whose columns determine it
    learnt: list[str]  # names of the weights of the loss
    record: JsonObject  # not checked, except for its history
    history: list[str]  # names of the curves
    detection: dict[str, float | bool | None] | None  # the numbers of a detector
    has_schema: bool
    has_series: bool  # whether names of channels, and how windows were cut, are there
    version: int  # of the format of the file
    start: int  # of the tensors, in bytes from the start of the file


class _Config(NamedTuple):
    """CONFIG as the present version writes it. Values of type Json are not checked yet."""

    network: Json
    adapter: Json
    schema: bool
    series: bool
    detection: Json
    reconstruction_loss: Json
    record: JsonObject
    sha256: str


def announced(head: bytes, size: int, layers: Own | None) -> Announced:
    """Check the header of a file of `size` bytes. Raises ModelFileError, OptionError or ShapeError."""
    header = _header(head, size)
    written, config = _config(header)
    network = _network(config.network, layers)
    rows = _row_form(config.adapter, network)
    table = rows.kind == TableAdapter.kind
    if (config.reconstruction_loss == {"kind": Mixed.kind}) != table:
        raise ModelFileError(f"a reconstruction loss {config.reconstruction_loss!r:.60} does not suit the rows.")
    loss: Loss | None = None
    learnt: dict[str, Shape] = {}
    if not table:
        loss = from_config("reconstruction loss", SAVED_LOSSES, config.reconstruction_loss)
        loss.fits(network.input_shape)
        if rows.bounded != (loss.scaling == "widest") or rows.gaps != bool(loss.flagged_channels):
            raise ModelFileError(f"a reconstruction loss {loss.kind!r} does not suit the rows.")
        learnt = {f"loss/{name}": shape for name, shape in loss.weights(network.input_shape).items()}
    expected: Tensors = {name: ("F32", shape) for name, shape in (network.weights() | learnt).items()}
    if config.series and rows.kind != "series":
        raise ModelFileError(f"only series have channels and times, got rows of kind {rows.kind!r}.")
    for name in [TABLE] * table + [SCHEMA] * config.schema + [SERIES] * config.series:
        expected[name] = ("U8", (_length(header, name, 1, MAX_TABLE),))
    if table:
        expected[KNOTS] = ("F64", (_length(header, KNOTS, 0, MAX_KNOTS),))
    else:
        expected |= {f"adapter/{name}": ("F64", (_scales(rows),)) for name in ("offset", "scale")}
    history = _history(config.record)
    expected |= {CURVE + name: ("F64", (epochs,)) for name, epochs in history.items()}
    detection = None if config.detection is None else _detection(config.detection)
    if detection is not None:
        expected |= _detection_tensors(header, config.detection, network.latent_dim, math.prod(rows.row_shape))
    if COMPLETION in header:
        expected[COMPLETION] = ("F64", _completion(header, network, table=table and rows.gaps))
    start = 8 + header_length(head)
    _check_tensors(header, expected, size - start)
    return Announced(
        written=written,
        sha256=config.sha256,
        network=network,
        rows=rows,
        loss=loss,
        learnt=list(learnt),
        record=config.record,
        history=list(history),
        detection=detection,
        has_schema=config.schema,
        has_series=config.series,
        version=of_type(int, written["format_version"], "format_version"),
        start=start,
    )


def _header(head: bytes, size: int) -> JsonObject:
    if len(head) < 10:
        raise ModelFileError(f"{size:,} bytes are too few for a header.")
    length = header_length(head)
    if length > MAX_HEADER or 8 + length > size:
        raise ModelFileError(
            f"expected a safetensors file with a header of at most {MAX_HEADER:,} bytes, got a header of {length:,} "
            f"bytes in a file of {size:,}."
        )
    return strict_object(text_of(memoryview(head)[8 : 8 + length], "the header", "utf-8"), "the header")


def _config(header: JsonObject) -> tuple[JsonObject, _Config]:
    """Return CONFIG as the file has it, and as the present version writes it."""
    metadata = header.get("__metadata__")
    text = metadata.get("diabolo") if isinstance(metadata, dict) and set(metadata) == {"diabolo"} else None
    if not isinstance(text, str):
        raise ModelFileError("its metadata does not hold one text under the key 'diabolo': not written by Diabolo.")
    if len(text) > MAX_CONFIG:
        raise ModelFileError(f"the metadata has {len(text):,} characters, more than {MAX_CONFIG:,}.")
    written = strict_object(text, "the metadata")
    config = exact_keys(upgraded(written), CONFIG_KEYS, "the metadata")
    of_type(str, config["diabolo_version"], "diabolo_version")
    return written, _Config(
        sha256=of_type(str, config["sha256"], "sha256"),
        record=of_type(dict, config["record"], "record"),
        schema=of_type(bool, config["schema"], "schema"),
        series=of_type(bool, config["series"], "series"),
        network=config["network"],
        adapter=config["adapter"],
        detection=config["detection"],
        reconstruction_loss=config["reconstruction_loss"],
    )


def _network(value: Json, layers: Own | None) -> Network:
    keys = {"input_shape", "encoder", "bottleneck", "decoder"}
    keys |= {"condition"} if isinstance(value, dict) and "condition" in value else set()
    config = exact_keys(value, keys, "the network")
    # Network.from_config refuses any value but a list.
    parts = [part for part in (config["encoder"], config["decoder"]) if isinstance(part, list)]
    if sum(map(len, parts)) > MAX_LAYERS:
        raise ModelFileError(f"the network has more than {MAX_LAYERS} layers.")
    for kind in (each.get("kind") for part in parts for each in part if isinstance(each, dict)):
        if isinstance(kind, str) and kind not in LAYERS and kind not in (layers or {}):
            raise ModelFileError(
                f"{unknown('layer', kind, LAYERS)} If it is one of your own, bring its class: "
                f"diabolo.load(path, layers={{{kind!r:.40}: ...}})."
            )
    network = Network.from_config(config, layers)
    check_size(network)
    return network


def _row_form(value: Json, network: Network) -> RowForm:
    config = exact_keys(value, ADAPTER_KEYS, "the adapter")
    kind, dtype, shape = config["kind"], config["dtype"], whole_numbers(config["row_shape"])
    bounded, gaps = config["bounded"], config["gaps"]
    known = [*ADAPTERS, TableAdapter.kind]
    if not isinstance(kind, str) or kind not in known:
        raise ModelFileError(unknown("adapter", kind, known))
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ModelFileError(unknown("type of rows", dtype, DTYPES))
    if type(bounded) is not bool:
        raise ModelFileError(f"bounded must be true or false, got {bounded!r:.40}.")
    if type(gaps) is not bool:
        raise ModelFileError(f"gaps must be true or false, got {gaps!r:.40}.")
    if gaps and kind not in ("series", TableAdapter.kind):
        raise ModelFileError("only tables and series have gaps.")
    if shape is None or not all(size >= 1 for size in shape):
        raise ModelFileError(f"row_shape must be a list of sizes of at least 1, got {config['row_shape']!r:.80}.")
    form = RowForm(kind, shape, dtype, bounded, gaps)
    if kind == TableAdapter.kind:
        if len(shape) != 1 or dtype != TableAdapter.dtype or bounded:
            raise ModelFileError(f"a table has rows of one axis of float64, got {shape!r:.80} of {dtype}.")
        return form
    allowed = {"array": (1,), "image": (2, 3), "series": (2,)}[kind]
    tensor_shape = (*shape, 1) if kind == "image" and len(shape) == 2 else tuple(shape)
    if kind == "series" and len(shape) == 2 and gaps:
        tensor_shape = (shape[0], 2 * shape[1])
    if len(shape) not in allowed or tensor_shape != network.input_shape:
        raise ModelFileError(f"rows of shape {shape!r:.80} do not fit a network for {list(network.input_shape)}.")
    return form


def _scales(rows: RowForm) -> int:
    """Return the number of scales of an adapter: one for each feature or channel, one for all of a grey image."""
    grey = rows.kind == "image" and len(rows.row_shape) == 2
    return 1 if grey else rows.row_shape[-1]


def _shape(header: JsonObject, name: str) -> list[int] | None:
    """Return the shape that the header gives for a tensor; None if it gives none. `_check_tensors` checks the rest."""
    entry = header.get(name)
    return whole_numbers(entry.get("shape")) if isinstance(entry, dict) else None


def _length(header: JsonObject, name: str, least: int, most: int) -> int:
    """Return the length that the header gives for a tensor of one axis, within limits."""
    shape = _shape(header, name)
    if shape is None or len(shape) != 1 or not least <= shape[0] <= most:
        raise ModelFileError(f"the tensor {name!r} must have one axis of {least} to {most:,}.")
    return shape[0]


def _completion(header: JsonObject, network: Network, *, table: bool) -> Shape:
    """Return the shape that the header gives for the completion, within limits."""
    shape, most = _shape(header, COMPLETION), 3 + math.prod(network.input_shape)
    if not table:
        raise ModelFileError(f"only a table with gaps has a tensor {COMPLETION!r}.")
    if shape is None or len(shape) != 2 or not all(1 <= size <= most for size in shape):
        raise ModelFileError(f"the tensor {COMPLETION!r} must have two axes of 1 to {most:,}.")
    return tuple(shape)


def _history(record: JsonObject) -> dict[str, int]:
    """Return the number of epochs of each curve of a history."""
    lengths = record.get("history")
    if not isinstance(lengths, dict) or not set(lengths) <= CURVES:
        raise ModelFileError(f"record: history must hold numbers of epochs under {', '.join(sorted(CURVES))}.")
    epochs = whole_numbers(list(lengths.values()))
    if epochs is None or not all(0 <= each <= MAX_EPOCHS for each in epochs):
        raise ModelFileError(f"record: history must hold numbers of epochs, got {list(lengths.values())!r:.60}.")
    return dict(zip(lengths, epochs, strict=True))


def _detection(value: Json) -> dict[str, float | bool | None]:
    """Return the numbers of a detector."""
    types = draws.CONFIG_TYPES if _has_draws(value) else detections.CONFIG_TYPES
    config = exact_keys(value, set(types), "the detection")
    numbers: dict[str, float | bool | None] = {}
    for name, kinds in types.items():
        number = config[name]
        if type(number) not in kinds or not isinstance(number, float | bool | None):
            kind = "true or false" if bool in kinds else "a number"
            raise ModelFileError(f"detection: {name} must be {kind}, got {number!r:.40}.")
        numbers[name] = number
    spread = numbers.get("spread", 1.0)
    if spread is None or spread <= 0:
        raise ModelFileError(f"detection: spread must be above 0, got {spread!r:.40}.")
    return numbers


def _has_draws(numbers: Json) -> bool:
    """Return whether a detector has the facts of `diabolo.model.draws`."""
    return isinstance(numbers, dict) and "spread" in numbers


def _detection_tensors(header: JsonObject, numbers: Json, latents: int, columns: int) -> Tensors:
    """Return type and shape of the tensors of a detector, with sizes from the header."""
    if _has_draws(numbers):
        (residuals,) = _sizes(header, "residual_scale", 1, MAX_NUMBERS_A_ROW)
        drawn, _ = _sizes(header, "keys", 2, MAX_DRAWN)
        sizes = [_sizes(header, f"draws_{at}", 2, MAX_DRAWN) for at in range(draws.SIZES)]
        shapes = draws.tensors(latents, residuals, columns, drawn, [(times, size) for times, size in sizes])
        return {DETECTION + name: tensor for name, tensor in shapes.items()}
    (values,) = _sizes(header, "residual_width", 1, MAX_NUMBERS_A_ROW)
    pool, _ = _sizes(header, "keys", 2, MAX_DRAWN)
    trees, leaves = _sizes(header, "forest_depths", 2, MAX_DRAWN)
    _, axes = _sizes(header, "ellipse_axes", 2, MAX_NUMBERS_A_ROW)
    _, knots = _sizes(header, "tail_knots", 2, MAX_DRAWN)
    if trees * leaves > MAX_LEAVES:
        raise ModelFileError(f"the detector has {trees * leaves:,} leaves of trees, more than {MAX_LEAVES:,}.")
    levels = leaves.bit_length() - 1  # a number of leaves that is not a power of 2 does not fit the shapes
    shapes = detections.tensors(
        detections.Sizes(
            latents=latents,
            values=values,
            columns=columns,
            pool=pool,
            trees=trees,
            levels=levels,
            axes=axes,
            knots=knots,
        )
    )
    return {DETECTION + name: tensor for name, tensor in shapes.items()}


def _sizes(header: JsonObject, name: str, axes: int, most: int) -> list[int]:
    """Return the shape that the header gives for a tensor of a detector, within limits."""
    shape = _shape(header, DETECTION + name)
    if shape is None or len(shape) != axes or not all(0 < size <= most for size in shape):
        raise ModelFileError(f"the tensor {DETECTION + name!r} must have {axes} axes of 1 to {most:,}.")
    return shape


def _check_tensors(header: JsonObject, expected: Tensors, size: int) -> None:
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    if len(entries) > MAX_TENSORS:
        raise ModelFileError(f"it has {len(entries):,} tensors, more than {MAX_TENSORS:,}.")
    exact_keys(entries, set(expected), "the table of tensors")
    spans = []
    for name, (dtype, shape) in expected.items():
        entry = exact_keys(entries[name], {"dtype", "shape", "data_offsets"}, f"the tensor {name!r}")
        if entry["dtype"] != dtype or whole_numbers(entry["shape"]) != list(shape):
            raise ModelFileError(
                f"the tensor {name!r} must be {dtype} of shape {list(shape)}, got {entry['dtype']!r:.20} of "
                f"{entry['shape']!r:.80}."
            )
        span = whole_numbers(entry["data_offsets"])
        if span is None or len(span) != 2 or min(span) < 0:
            raise ModelFileError(
                f"the tensor {name!r} has offsets {entry['data_offsets']!r:.80}, expected two whole numbers."
            )
        start, end = span
        if end - start != math.prod(shape) * BYTES[dtype]:
            raise ModelFileError(f"the tensor {name!r} of shape {list(shape)} does not fit its {end - start:,} bytes.")
        spans.append((start, end))
    ends = [0, *(end for _, end in sorted(spans))]
    if [start for start, _ in sorted(spans)] != ends[:-1] or ends[-1] != size:
        raise ModelFileError(f"the tensors do not fill the {size:,} bytes after the header without gap or overlap.")
