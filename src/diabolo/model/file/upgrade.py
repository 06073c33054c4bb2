"""How to change the file format. Older files are read here.

Files of every released version stay readable. Before the strict checks, the JSON of an older file is turned into that
of the present version; then it must pass the same checks as any other file. A file of the present version is not
touched.

To add a setting (of the estimator, or of a layer, bottleneck, loss, corruption, penalty or kind of column):

1. Raise FORMAT_VERSION by one, unless it has been raised since the last release.
2. State the version that brings the setting, and the value that older files get: the one that gives what Diabolo did
   before the setting existed. This value may differ from the default for new models.
   - Argument of the estimator, a field in `model/settings.py`: `_known((bool,), ..., since=2, before=False)`.
   - Field of a part or of a column: `x: bool = field(default=True, metadata={"since": 2, "before": False})`.
3. Go to step A.

To rename, remove or restructure anything else in CONFIG:

1. Raise FORMAT_VERSION by one, unless it has been raised since the last release.
2. Write a function that takes the CONFIG of the version before as a dict, and returns that of the new version without
   changing its argument. Enter it in UPGRADES under the version before. It may assume a valid file, since an exception
   becomes a ModelFileError. Settings that are newer than the file are still absent when it is called.
3. Go to step A.

Step A, for every change:

1. Run `python scripts/make_golden.py`. It trains small models and writes them to `tests/golden` under the new version.
   Commit these files, and never change or delete those of a released version: `tests/test_golden.py` reads them all and
   compares the numbers that the models give.
2. State in `docs/model-file.md` what changed with which version, and add a line to CHANGELOG.md.

Not covered, because nothing has needed it yet: other names or shapes of tensors, and other keys in the JSON that is
stored in tensors (table, schema). For absent settings in these, step 2 above is enough.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from diabolo._version import __version__
from diabolo.data.adapters.features import FEATURES
from diabolo.data.frames import Column, Schema
from diabolo.errors import ModelFileError
from diabolo.model.file.layout import features_of
from diabolo.model.settings import PARTS, SETTINGS, table_of
from diabolo.network.bottlenecks import BOTTLENECKS
from diabolo.network.layers import LAYERS
from diabolo.network.losses import SAVED_LOSSES
from diabolo.parts import Part
from diabolo.typing import Json, JsonObject

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT_VERSION = 3


def _without_names_of_series(config: JsonObject) -> JsonObject:
    """Return CONFIG of version 1, which had no names of channels and times, as version 2."""
    return config | {"series": False}


# By version: what turns the CONFIG of this version into that of the next one. No entry: only settings were added.
UPGRADES: dict[int, Callable[[JsonObject], JsonObject]] = {1: _without_names_of_series}


def upgraded(written: JsonObject) -> JsonObject:
    """Return the CONFIG of a file as the present version writes it; `written` itself for a file of this version.

    Raises: ModelFileError for a newer file, and for an older one that an upgrade cannot read.
    """
    version = written.get("format_version")
    if type(version) is not int or version < 1:
        raise ModelFileError(f"format_version must be a whole number of at least 1, got {version!r:.40}.")
    if version > FORMAT_VERSION:
        raise ModelFileError(f"it has format version {version!r:.40}, this is Diabolo {__version__}: upgrade Diabolo.")
    if version == FORMAT_VERSION:
        return written
    config = written
    for step in range(version, FORMAT_VERSION):
        try:
            config = UPGRADES.get(step, dict)(config)
        except (LookupError, TypeError, ValueError, AttributeError) as error:  # nothing was checked so far
            raise ModelFileError(f"it does not have the content of format version {step} ({error!r:.100}).") from error
    return {**_with_newer_settings(config, version), "format_version": FORMAT_VERSION}


def fill_in_table(table: JsonObject, version: int) -> None:
    """Add the settings that are newer than a file of this version to the features of a table, in place."""
    before = {kind: newer_fields(feature, version) for kind, feature in FEATURES.items()}
    if any(before.values()):
        for feature in features_of(table):
            kind = feature.get("kind")
            _fill_in(feature, before.get(kind, {}) if isinstance(kind, str) else {})


def fill_in_schema(schema: JsonObject, version: int) -> None:
    """Add the settings that are newer than a file of this version to a schema and its columns, in place."""
    before, columns = newer_fields(Column, version), schema.get("columns")
    _fill_in(schema, newer_fields(Schema, version))
    for column in columns if before and isinstance(columns, list) else ():
        if isinstance(column, dict):
            _fill_in(column, before)


def newer_fields(part: "type[DataclassInstance]", version: int) -> JsonObject:
    """Return the fields of a dataclass that files of this version do not have, with the value they get."""
    fields = dataclasses.fields(part)
    return {each.name: each.metadata["before"] for each in fields if each.metadata.get("since", 1) > version}


def _fill_in(target: JsonObject, before: Mapping[str, Json]) -> None:
    for name, value in before.items():
        target.setdefault(name, value)


def _with_newer_settings(config: JsonObject, version: int) -> JsonObject:
    """Return CONFIG with the settings that are newer than its file. Nothing was checked: any value may be anything."""

    def part(table: Mapping[str, type[Part]], value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        kind = value.get("kind")
        return newer_fields(table[kind], version) | value if isinstance(kind, str) and kind in table else value

    def layers(value: Json) -> Json:  # a structure in the settings is a list of lists
        return [layers(each) for each in value] if isinstance(value, list) else part(LAYERS, value)

    def settings(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        newer = {name: setting.before for name, setting in SETTINGS.items() if setting.since > version}
        return _with(newer | value, structure=layers, **{name: partial(part, table_of(name)) for name in PARTS})

    return _with(
        config,
        network=lambda value: _changed(value, encoder=layers, bottleneck=partial(part, BOTTLENECKS), decoder=layers),
        reconstruction_loss=partial(part, SAVED_LOSSES),
        record=lambda value: _changed(value, settings=settings),
    )


def _changed(value: Json, **changes: Callable[[Json], Json]) -> Json:
    """Return a JSON object with the values of some keys changed, where it has them; any other value as it is."""
    return _with(value, **changes) if isinstance(value, dict) else value


def _with(value: JsonObject, **changes: Callable[[Json], Json]) -> JsonObject:
    return value | {key: change(value[key]) for key, change in changes.items() if key in value}
