"""Reading: from a file to bytes, of which the header is checked first, and from bytes to a model.

`header.py` checks the header. This module checks the checksum, the numbers, and whether the parts agree.
"""

import contextlib
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from diabolo.data import frames
from diabolo.data.adapters import ADAPTERS, Adapter, ArrayAdapter, TableAdapter
from diabolo.data.adapters.array import FARTHEST
from diabolo.data.adapters.statistics import LEAST, MOST
from diabolo.data.frames import Schema
from diabolo.data.long_table.form import SeriesForm
from diabolo.errors import DiaboloError, ModelFileError, OptionError
from diabolo.model.completion import Completion, numbers_of
from diabolo.model.condition import Condition
from diabolo.model.detection import Detection
from diabolo.model.draws import DrawsDetection
from diabolo.model.file.header import RowForm, announced
from diabolo.model.file.layout import (
    COMPLETION,
    CURVE,
    DETECTION,
    KNOTS,
    SCHEMA,
    SERIES,
    TABLE,
    WHERE,
    checksum,
    feature_settings,
    header_length,
    with_knots,
)
from diabolo.model.file.limits import MAX_FILE, MAX_HEADER, MAX_KEYS, MAX_TOGETHER
from diabolo.model.file.strict_json import check_size_of_json, strict_object, text_of
from diabolo.model.file.upgrade import fill_in_schema, fill_in_table
from diabolo.model.model import Model
from diabolo.model.record import Record
from diabolo.network.layers import LAYERS, BatchNormalization, Layer
from diabolo.network.layers.own import Own, with_own
from diabolo.network.losses import for_table
from diabolo.network.network import Network
from diabolo.parts import from_config
from diabolo.storage.files import open_file
from diabolo.typing import Array, Json

NUMBERS_AT_ONCE = 1 << 20  # are checked, so that the results of the comparison take little memory


def load(path: str | Path, *, layers: Own | None = None, expect_sha256: str | None = None) -> Model:
    """Return the model in a file. Raises ModelFileError with the reason if it is not a valid model file.

    Args:
        path: of the file.
        layers: classes of your own layers, by the kinds in the file: {"scaled": Scaled}.
        expect_sha256: of the whole file, in hexadecimal; any other file is refused.

    Raises: OptionError if `expect_sha256` is not a SHA-256 or `layers` are not classes of layers.
    """
    return load_with_sha256(path, layers=layers, expect_sha256=expect_sha256).model


class Loaded(NamedTuple):
    """A model, and what identifies its file."""

    model: Model
    format_version: int  # of the file, which can be older than the present one
    size: int
    sha256: str


def load_with_sha256(path: str | Path, *, layers: Own | None = None, expect_sha256: str | None = None) -> Loaded:
    """As `load`, but return version, size and SHA-256 of the file as well; the file is read once."""
    if not isinstance(path, (str, os.PathLike)):
        raise ModelFileError(f"expected the path of a model file, got {path!r:.60}.")
    if Path(path).suffix.lower() in (".keras", ".h5", ".hdf5") and Path(path).is_file():
        raise ModelFileError(
            f"{path} is a file of Keras, expected a .safetensors file of Diabolo: in Python, "
            f"diabolo.split({str(path)!r}) makes an encoder and a decoder of it."
        )
    asked = expect_sha256.strip().lower() if isinstance(expect_sha256, str) else expect_sha256
    if asked is not None and not (isinstance(asked, str) and re.fullmatch("[0-9a-f]{64}", asked)):
        raise OptionError(f"expect_sha256 must be the 64 hexadecimal digits of a SHA-256, got {expect_sha256!r:.80}.")
    with_own(LAYERS, layers)
    path, content = Path(path), read(path, layers)
    found = hashlib.sha256(content).hexdigest()
    if asked not in (None, found):
        raise ModelFileError(f"{path} has the SHA-256 {found}, expected {expect_sha256!r:.80}: it is another file.")
    with _named(path):
        return Loaded(*_versioned(content, layers), len(content), found)


def read(path: str | Path, layers: Own | None = None) -> bytes:
    """Return the bytes of a model file after the check of its header.

    Raises: ModelFileError if it cannot be read, is not a regular file, or has a header that is not valid; then nothing
        after the header was read.
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
                    head += file.read(min(header_length(head), MAX_HEADER))
                announced(head, about.st_size, layers)
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
    """Name the file in every error about its bytes."""
    try:
        yield
    except DiaboloError as error:
        raise ModelFileError(f"{path} is not a valid Diabolo model: {error}") from error


def from_bytes(content: bytes, layers: Own | None = None) -> Model:
    """Return the model that `to_bytes` wrote. Raises ModelFileError, OptionError or ShapeError."""
    return _versioned(content, layers)[0]


def _versioned(content: bytes, layers: Own | None) -> tuple[Model, int]:
    """Return the model in a file, and the format version of the file."""
    head = announced(content, len(content), layers)
    network, loss, version = head.network, head.loss, head.version
    signed = {key: value for key, value in head.written.items() if key != "sha256"}
    if head.sha256 != checksum(signed, memoryview(content)[head.start :]):
        raise ModelFileError("the checksum does not fit the content: the file is damaged or was changed.")
    try:
        tensors: dict[str, Array] = load_tensors(content)
    except SafetensorError as error:
        raise ModelFileError(f"safetensors cannot read it: {error}.") from error
    check_numbers(tensors)
    _check_together(tensors)
    made: Adapter = _array_adapter(head.rows, tensors) if loss else _table(tensors, network, version)
    if made.row_shape != tuple(head.rows.row_shape):
        raise ModelFileError(f"a table of {len(made.row_shape)} columns does not fit rows of {made.row_shape}.")
    schema = _schema(tensors, made, version) if head.has_schema else None
    Condition.of(network, made, schema)  # raises if they do not agree
    if loss is None:
        loss = for_table(made.blocks, gaps=made.gaps, condition=network.condition)
    history = {name: tensors[CURVE + name].tolist() for name in head.history}
    weights = {name: tensors[name] for name in (*network.weights(), *head.learnt)}
    _check_variances(network, weights)
    model = Model(
        network=network,
        weights=weights,
        adapter=made,
        loss=loss,
        record=Record.from_config({**head.record, "history": history}),
        schema=schema,
        series=_series(tensors, made) if head.has_series else None,
        detection=None if head.detection is None else _detection(head.detection, tensors),
        completion=Completion(tensors[COMPLETION]) if COMPLETION in tensors else None,
    )
    if model.completion is not None:
        model.completion.check(numbers_of(model), model.values_per_row)
    _check_structure(model.record.settings["structure"], LAYERS | network.own_layers())
    if model.detection is not None and model.detection.values_per_row != model.values_per_row:
        raise ModelFileError(f"the detection does not fit rows of {model.values_per_row} numbers.")
    return model, version


def check_numbers(tensors: Mapping[str, Array]) -> None:
    """Refuse numbers that would overflow in use: float32 in the network, float64 in the units of the rows."""
    for name, values in tensors.items():
        if values.dtype.kind != "f":
            continue
        flat, most = values.reshape(-1), FARTHEST if values.dtype.itemsize == 4 else MOST
        for start in range(0, flat.size, NUMBERS_AT_ONCE):
            some = flat[start : start + NUMBERS_AT_ONCE]
            largest = max(some.max(), -some.min())  # NaN if there is one
            if not largest <= most:
                if not np.isfinite(largest):
                    raise ModelFileError(f"the tensor {name!r} holds NaN or infinity.")
                raise ModelFileError(f"the tensor {name!r} holds {largest:.3g}, expected numbers up to {most:g}.")


def _check_variances(network: Network, weights: Mapping[str, Array]) -> None:
    for step in network.steps:
        if isinstance(step.layer, BatchNormalization):
            name = f"{step.layer.name}/moving_variance"
            if not (weights[name] >= 0).all():
                raise ModelFileError(f"the tensor {name!r} must not be below 0: it holds variances.")


def _check_structure(structure: Json, table: Mapping[str, type[Layer]]) -> None:
    """Raise OptionError for layers in the settings that do not exist; the estimator is made with these settings."""
    for each in structure if isinstance(structure, list) else ():
        if isinstance(each, dict):
            from_config("layer", table, each)
        else:
            _check_structure(each, table)


def _check_together(tensors: Mapping[str, Array]) -> None:
    """Refuse a table that would take far more memory than its bytes, before any object is made of it."""
    texts = [(tensors[name], where) for name, where in WHERE.items() if name in tensors]
    values = sum(check_size_of_json(text_of(content.data, where), where, MAX_KEYS) for content, where in texts)
    values += len(tensors[KNOTS]) if KNOTS in tensors else 0
    if values > MAX_TOGETHER:
        raise ModelFileError(f"the table has {values:,} values and knots, more than {MAX_TOGETHER:,}.")


def _array_adapter(rows: RowForm, tensors: Mapping[str, Array]) -> ArrayAdapter:
    offset, scale = tensors["adapter/offset"], tensors["adapter/scale"]
    if not ((scale == 0) | (scale >= LEAST)).all():
        raise ModelFileError(f"the tensor 'adapter/scale' must hold 0, or at least {LEAST:g}.")
    if rows.bounded and (offset.any() or not 1 / FARTHEST <= scale.min() == scale.max() <= FARTHEST):
        raise ModelFileError("rows that are scaled to [0, 1] must have offset 0 and one scale above 0.")
    more = {"gaps": rows.gaps} if rows.kind == "series" else {}
    return ADAPTERS[rows.kind](
        row_shape=tuple(rows.row_shape),
        dtype=rows.dtype,
        bounded=rows.bounded,
        offset=offset,
        scale=scale,
        **more,
    )


def _table(tensors: Mapping[str, Array], network: Network, version: int) -> TableAdapter:
    known = {"features", "names", "gaps", *feature_settings()}
    config = strict_object(text_of(tensors[TABLE].data, WHERE[TABLE]), WHERE[TABLE], known)
    config = with_knots(config, tensors[KNOTS])
    fill_in_table(config, version)
    adapter = TableAdapter.from_config(config)
    if adapter.tensor_shape != network.input_shape:
        raise ModelFileError(f"a table of {adapter.tensor_shape} does not fit a network for {network.input_shape}.")
    return adapter


def _schema(tensors: Mapping[str, Array], adapter: Adapter, version: int) -> Schema:
    config = strict_object(text_of(tensors[SCHEMA].data, WHERE[SCHEMA]), WHERE[SCHEMA], set(frames.SCHEMA_KEYS))
    fill_in_schema(config, version)
    schema = frames.from_config(config)
    if (len(schema.columns),) != adapter.row_shape:
        raise ModelFileError(f"{len(schema.columns)} columns do not fit rows of shape {adapter.row_shape}.")
    if adapter.is_table:
        for column, expected in zip(schema.columns, adapter.columns, strict=True):
            if column.facts != expected:
                raise ModelFileError(
                    f"column {column.name!r:.60}: name, kind or number of levels differ between the schema and the "
                    "table."
                )
    elif any(column.kind != "number" for column in schema.columns):
        raise ModelFileError("an array has only columns of kind 'number', but the schema has another kind.")
    return schema


def _series(tensors: Mapping[str, Array], adapter: Adapter) -> SeriesForm:
    known = {field.name for field in dataclasses.fields(SeriesForm)}
    form = SeriesForm.from_config(strict_object(text_of(tensors[SERIES].data, WHERE[SERIES]), WHERE[SERIES], known))
    if adapter.row_shape != (form.window, len(form.channels)):
        raise ModelFileError(
            f"{len(form.channels)} channels and windows of {form.window} do not fit rows of shape {adapter.row_shape}."
        )
    return form


def _detection(numbers: Mapping[str, float | bool | None], tensors: Mapping[str, Array]) -> Detection | DrawsDetection:
    own = {name.removeprefix(DETECTION): each for name, each in tensors.items() if name.startswith(DETECTION)}
    return (DrawsDetection if "spread" in numbers else Detection).of(numbers, own)
