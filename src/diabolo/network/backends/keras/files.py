"""Models of Keras from their files, .keras and .h5, as if they came from an attacker: nothing in a file is executed.

Keras' own loader runs in its safe mode, and only after these checks: every layer and function that the file names is
one of Keras' own or was registered in this process, none is a Lambda, whose function is code, and the weights are in
the file itself. Order: loading, the two formats, the checks.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import keras

from diabolo.errors import ModelFileError

ENDINGS = (".keras", ".h5", ".hdf5")
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MAX_FILE = 4 << 30  # bytes, as of a model file of Diabolo; of an archive all that is packed in it
MAX_CONFIG = 1 << 26  # characters; a thousand layers take a hundredth of it
# Modules of Keras whose functions read and write files, and change settings.
CLOSED = {"utils", "saving", "config", "export", "distribution", "datasets", "wrappers", "trainers", "legacy"}


def load(path: str | os.PathLike[str]) -> keras.Model:
    """Return the model of a file of Keras, not compiled. Raises ModelFileError for a file that is not safe or none."""
    name = str(path)
    if Path(path).suffix.lower() not in ENDINGS:
        raise ModelFileError(
            f"{name} is not a file of Keras, which ends in {', '.join(ENDINGS)}: save the model by "
            f"model.save('model.keras')."
        )
    if not Path(path).is_file():
        raise ModelFileError(f"no file {name}: check the path.")
    with open(path, "rb") as file:
        config = _config(file, name)
    _check_config(config, name)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a file makes of Keras and h5py
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelFileError(f"{name}: Keras cannot load it ({reason:.200}).") from error
    if not isinstance(model, keras.Model):
        raise ModelFileError(f"{name} has a {type(model).__name__}, expected a keras.Model.")
    return model


def _config(file: BinaryIO, name: str) -> Any:
    """Return the configuration of a file, after its weights were checked."""
    if file.seek(0, os.SEEK_END) > MAX_FILE:
        raise ModelFileError(f"{name} has more than {MAX_FILE:,} bytes.")
    file.seek(0)
    try:
        if Path(name).suffix.lower() == ".keras":
            return _config_of_archive(file, name)
        with h5py.File(file, "r") as weights:
            _check_links(weights, name)
            written = weights.attrs.get("model_config")
            if written is None:
                raise ModelFileError(
                    f"{name} has weights and no model: save the model by model.save('model.keras'), or build it and "
                    f"call model.load_weights({name!r})."
                )
            return _json(written, name)
    except (zipfile.BadZipFile, OSError, KeyError, RuntimeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"{name} is not a file of Keras, or is damaged ({reason:.120}).") from error


def _config_of_archive(file: BinaryIO, name: str) -> Any:
    with zipfile.ZipFile(file) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
        if sum(sizes.values()) > MAX_FILE or sizes.get(CONFIG, 0) > MAX_CONFIG:
            raise ModelFileError(f"{name} unpacks to more than {MAX_FILE:,} bytes, or its {CONFIG} is too long.")
        if WEIGHTS in sizes:
            with h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r") as weights:
                _check_links(weights, name)
        return _json(archive.read(CONFIG), name)


def _json(text: str | bytes, name: str) -> Any:
    if len(text) > MAX_CONFIG:
        raise ModelFileError(f"{name}: its configuration is too long.")
    return json.loads(text)


def _check_links(group: h5py.Group, name: str) -> None:
    """Raise ModelFileError if the numbers of an HDF5 file are in another file."""
    for key in group:
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelFileError(f"{name}: {key!r:.60} is a link, which may lead to another file: it is not followed.")
        item = group[key]
        if isinstance(item, h5py.Group):
            _check_links(item, name)
        elif isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            raise ModelFileError(f"{name}: {key!r:.60} keeps its numbers in another file, which is not read.")


def _check_config(config: Any, name: str) -> None:
    """Raise ModelFileError if a configuration names code, or what neither Keras nor this process has."""
    for item in _objects({**config, "compile_config": None} if isinstance(config, dict) else config):
        kind, module, registered = item.get("class_name"), item.get("module"), item.get("registered_name")
        if kind in ("Lambda", "__lambda__"):
            inner = item.get("config")
            layer = inner.get("name", "") if isinstance(inner, dict) else ""
            raise ModelFileError(
                f"{name} has a Lambda layer, {layer!r:.60}, which is code that a file may not bring: if you trust "
                f"the file, pass keras.saving.load_model({name!r}, safe_mode=False)."
            )
        if not isinstance(module, str) or _is_known(module):
            continue
        names = (registered, kind, f"{module}>{kind}", item.get("config") if kind == "function" else None)
        if not any(isinstance(each, str) and keras.saving.get_registered_object(each) for each in names):
            raise ModelFileError(
                f"{name} names {kind!r:.60} of {module!r:.60}, which is not of Keras: decorate its class with "
                f"@keras.saving.register_keras_serializable() and import it first."
            )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all JSON objects within a value."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _is_known(module: str) -> bool:
    """Whether a module of Keras has layers, activations and the like."""
    return bool(re.fullmatch(r"keras(\.\w+)*", module)) and not CLOSED & set(module.split("."))
