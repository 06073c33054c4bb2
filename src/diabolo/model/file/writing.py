"""Writing: from a model to bytes, which are checked as on reading, and from bytes to a file."""

import os
import re
from pathlib import Path

import numpy as np
from safetensors.numpy import save as save_tensors

from diabolo._version import __version__
from diabolo.errors import DiaboloError, OutputError
from diabolo.model.file import upgrade
from diabolo.model.file.header import announced
from diabolo.model.file.layout import (
    COMPLETION,
    CURVE,
    DETECTION,
    KNOTS,
    SCHEMA,
    SERIES,
    SUFFIX,
    TABLE,
    canonical,
    checksum,
    header_length,
    json_tensor,
    without_knots,
)
from diabolo.model.file.reading import check_numbers
from diabolo.model.model import Model
from diabolo.storage.files import refuse_existing, write_atomically
from diabolo.typing import Array, JsonObject


def save(model: Model, path: str | Path, *, force: bool = False) -> Path:
    """Write a model and return its path. A reader sees the old file or the complete new one, never a part of one.

    Args: path: gets the ending `.safetensors` if it has none; force: overwrite.
    Raises: OutputError if the file exists, cannot be written, or has the ending of another kind of file.
    """
    target = with_suffix(path)
    refuse_existing(target, force=force)
    write_atomically(target, lambda file: file.write(to_bytes(model)), force=force)
    return target


def with_suffix(path: str | Path) -> Path:
    """Return the path with the ending of model files: `model` becomes `model.safetensors`, `run1.5` likewise.

    Raises: OutputError for the ending of another kind of file.
    """
    if not isinstance(path, (str, os.PathLike)) or "\0" in str(path):
        raise OutputError(f"expected the name of a model file, such as 'model.safetensors', got {path!r:.60}.")
    given, path = path, Path(path)
    if not path.name:
        raise OutputError(f"expected the name of a model file, such as 'model.safetensors', got {str(given)!r:.60}.")
    if path.suffix == SUFFIX:
        return path
    if re.fullmatch(r"\.[A-Za-z]\w*", path.suffix):  # an ending that starts with a digit is a number in a name
        raise OutputError(f"{path}: a model file ends in {SUFFIX}: write {path.with_suffix(SUFFIX)}.")
    return path.with_name(path.name + SUFFIX)


def to_bytes(model: Model) -> bytes:
    """Return the bytes of a model file. Raises OutputError if `load` would refuse them."""
    adapter = model.adapter
    tensors: dict[str, Array] = {name: np.ascontiguousarray(values, "<f4") for name, values in model.weights.items()}
    if adapter.is_table:
        table, knots = without_knots(adapter.to_config())
        tensors[TABLE], tensors[KNOTS] = json_tensor(table), np.asarray(knots, "<f8")
    tensors |= {f"adapter/{name}": np.asarray(values, "<f8") for name, values in adapter.to_arrays().items()}
    if model.schema is not None:
        tensors[SCHEMA] = json_tensor(model.schema.to_config())
    if model.series is not None:
        tensors[SERIES] = json_tensor(model.series.to_config())
    if model.detection is not None:
        tensors |= {
            DETECTION + name: np.ascontiguousarray(values) for name, values in model.detection.to_tensors().items()
        }
    if model.completion is not None:
        tensors[COMPLETION] = np.ascontiguousarray(model.completion.kernel, "<f8")
    record = model.record.to_config()
    tensors |= {CURVE + name: np.asarray(curve, "<f8") for name, curve in record["history"].items()}
    config: JsonObject = {
        "format_version": upgrade.FORMAT_VERSION,
        "diabolo_version": __version__,
        "network": model.network.to_config(),
        "adapter": {
            "kind": adapter.kind,
            "row_shape": list(adapter.row_shape),
            "dtype": adapter.dtype,
            "bounded": adapter.bounded,
            "gaps": adapter.gaps,
        },
        "schema": model.schema is not None,
        "series": model.series is not None,
        "detection": None if model.detection is None else {**model.detection.to_config()},
        "reconstruction_loss": model.loss.to_config(),
        "record": record | {"history": {name: len(curve) for name, curve in record["history"].items()}},
    }
    content = save_tensors(tensors)
    config["sha256"] = checksum(config, memoryview(content)[8 + header_length(content) :])
    content = bytes(save_tensors(tensors, metadata={"diabolo": canonical(config)}))
    try:
        announced(content[: 8 + header_length(content)], len(content), model.network.own_layers())
        check_numbers(tensors)
    except DiaboloError as error:
        raise OutputError(f"the model cannot be saved, because no file could hold it: {error}") from error
    return content
