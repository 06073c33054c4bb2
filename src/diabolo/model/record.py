"""The record of a training: its settings, data and history, as a model file stores them.

Order: the record, the settings in it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_origin

from diabolo.errors import OptionError
from diabolo.model.settings import PARTS, SETTINGS, table_of
from diabolo.parts import from_config, read_part
from diabolo.typing import JsonObject

if TYPE_CHECKING:
    from diabolo.network.layers import Layer

MAX_COUNT = 1 << 63  # of rows or bytes

CURVES = {f"{which}{name}" for which in ("", "val_") for name in ("loss", "reconstruction", "penalty")}


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of a training: JSON values only, and nothing that differs between two runs of the same training.

    Attributes:
        settings: of the estimator, as JSON values; `random_state` is the seed that was used.
        source: name of the file or data set, or "an array".
        rows, validation_rows: the number of training rows, and of rows held back to find the best epoch.
        learning_rate: at the start.
        loss_reason: why this reconstruction loss was chosen, in words.
        best_epoch: the epoch of the weights, from 1.
        history: {"loss": [...], "val_loss": [...]}, one number for each epoch; with a penalty also its two parts.
        compiled: whether XLA compiled the program.
        streamed_within: 0 if all rows were in memory. Otherwise they were read again in each epoch, within this many
            bytes of memory, on which their order depends.
        versions: of the packages on which the bits of the weights depend.
    """

    settings: dict[str, Any]
    source: str
    rows: int
    validation_rows: int
    learning_rate: float
    loss_reason: str
    best_epoch: int
    history: dict[str, list[float]]
    compiled: bool
    streamed_within: int
    versions: dict[str, str]

    def to_config(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        # The name of a file may have bytes that are not UTF-8, which JSON cannot hold.
        source = self.source.encode("utf-8", "backslashreplace").decode()
        return asdict(self) | {"source": source}

    @classmethod
    def from_config(cls, config: object) -> "Record":
        """Return the record that `to_config` described. Raises OptionError for a wrong key, type or value."""
        hints: dict[str, Any] = {field.name: field.type for field in fields(cls)}
        if not isinstance(config, dict) or set(config) != set(hints):
            raise OptionError(f"the record must have exactly the keys {sorted(hints)}.")
        for name, hint in hints.items():
            expected = get_origin(hint) or hint
            if type(config[name]) is not expected:
                raise OptionError(f"record: {name} must be of type {expected.__name__}, got {config[name]!r:.60}.")
        record = cls(**config)
        _check_settings(record.settings)
        if not (
            1 <= record.rows < MAX_COUNT
            and 0 <= record.validation_rows < MAX_COUNT
            and 0 <= record.streamed_within < MAX_COUNT
        ):
            raise OptionError(
                f"record: rows must be at least 1, validation_rows and streamed_within at least 0, all below 2**63, "
                f"got {record.rows!r:.40}, {record.validation_rows!r:.40} and {record.streamed_within!r:.40}."
            )
        curves = record.history
        if len({len(curve) for curve in curves.values() if isinstance(curve, list)}) > 1:
            raise OptionError("record: the curves of the history must have the same length.")
        if not set(curves) <= CURVES or not all(
            isinstance(curve, list) and all(type(value) is float for value in curve) for curve in curves.values()
        ):
            raise OptionError(f"record: history must hold lists of numbers under {', '.join(sorted(CURVES))}.")
        if not 1 <= record.best_epoch <= len(curves.get("loss", [])):
            raise OptionError(f"record: best_epoch {record.best_epoch!r:.40} is not an epoch of the history.")
        if not all(type(version) is str for version in record.versions.values()):
            raise OptionError("record: versions must be texts.")
        return record


def arguments(config: JsonObject, layers: Mapping[str, "type[Layer]"]) -> dict[str, Any]:
    """Return the settings in a record as arguments of an `Autoencoder`. Raises OptionError.

    Args: layers: classes by kind, for a structure that is kept as JSON objects.
    """

    def structure(value: object) -> object:
        if isinstance(value, list):
            return [structure(item) for item in value]
        return from_config("layer", layers, value) if isinstance(value, dict) else value

    parts = {name: from_config(name, table_of(name), config[name]) for name in PARTS if isinstance(config[name], dict)}
    return {**config, **parts, "structure": structure(config["structure"])}


def _check_settings(config: JsonObject) -> None:
    """Raise OptionError where the settings in a record have other keys, types or parts than they must."""
    recorded = {name: known for name, known in SETTINGS.items() if known.types}
    if set(config) != set(recorded):
        raise OptionError(f"record: settings must have exactly the keys {sorted(recorded)}.")
    for name, known in recorded.items():
        if type(config[name]) not in known.types:
            raise OptionError(f"record: setting {name} has the wrong type, got {config[name]!r:.60}.")
    types = config["types"]
    if isinstance(types, dict) and not all(type(kind) is str for kind in types.values()):
        raise OptionError("record: setting types must hold texts.")
    for name in PARTS:
        if isinstance(config[name], dict):
            from_config(name, table_of(name), config[name])
    if config["penalty"] is not None:  # whose kind decides whether rows can be generated
        read_part("penalty", table_of("penalty"), config["penalty"])
