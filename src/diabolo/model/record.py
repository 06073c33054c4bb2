"""How a model came to be: what a model file keeps of its training."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_origin

from diabolo.errors import OptionError
from diabolo.network.bottlenecks import BOTTLENECKS
from diabolo.network.corruptions import CORRUPTIONS
from diabolo.network.losses import LOSSES
from diabolo.network.penalties import PENALTIES
from diabolo.parts import from_config, read_part


@dataclass(frozen=True)
class Setting:
    """A setting of the estimator in a record.

    Attributes:
        types: the JSON types that its value may have.
        since: the format version that brought it.
        before: the value that older files get, see `model/file/upgrade.py`.
    """

    types: tuple[type, ...]
    since: int = field(default=1, kw_only=True)
    before: Any = field(default=None, kw_only=True)


# The settings of the estimator that a record holds.
SETTINGS: dict[str, Setting] = {
    "latent_dim": Setting((int, str, type(None))),
    "structure": Setting((str, list)),
    "tied": Setting((bool,)),
    "activation": Setting((str,)),
    "bottleneck": Setting((str, dict)),
    "bottleneck_activation": Setting((str, type(None))),
    "corruption": Setting((str, dict, type(None))),
    "penalty": Setting((str, dict, type(None))),
    "reconstruction_loss": Setting((str, dict)),
    "optimizer": Setting((str, type(None))),
    "learning_rate": Setting((float, int, type(None))),
    "learning_rate_schedule": Setting((str,)),
    "epochs": Setting((int,)),
    "batch_size": Setting((int,)),
    "validation_fraction": Setting((float, int)),
    "patience": Setting((int,)),
    "allow_overcomplete": Setting((bool,)),
    "random_state": Setting((int,)),
    "types": Setting((dict, type(None))),
    "series": Setting((bool,)),
}

# Settings that are parts.
PARTS: dict[str, Any] = {
    "bottleneck": BOTTLENECKS,
    "corruption": CORRUPTIONS,
    "penalty": PENALTIES,
    "reconstruction_loss": LOSSES,
}

MAX_COUNT = 1 << 63  # of rows or bytes
MAX_EPOCHS = 1 << 18  # of a history, which is lists of numbers in memory, four times as large as in a file

CURVES = {f"{which}{name}" for which in ("", "val_") for name in ("loss", "reconstruction", "penalty")}


@dataclass(frozen=True, kw_only=True)
class Record:
    """How a model came to be: JSON values only, and nothing that differs between two runs of the same training.

    Attributes:
        settings: what the estimator was made with; `random_state` is the seed that was used.
        source: name of the file or data set, or "an array".
        rows, validation_rows: trained on, and held back to tell the best epoch.
        learning_rate: at the start.
        loss_reason: why this reconstruction loss, in words.
        history: {"loss": [...], "val_loss": [...]}, one number an epoch, and where there is a penalty both parts.
        compiled: whether XLA made the program.
        streamed_within: bytes of memory within which rows were read again for every epoch, on which their order
            depends; 0: they were all in memory.
        versions: of the packages that decide the bits.
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
        # A name of a file that is not UTF-8 has signs that JSON has no way to write.
        source = self.source.encode("utf-8", "backslashreplace").decode()
        return asdict(self) | {"source": source}

    @classmethod
    def from_config(cls, config: Any) -> "Record":
        """Return the record that `to_config` described; OptionError where a key or a type is not as it must be."""
        hints: dict[str, Any] = {field.name: field.type for field in fields(cls)}
        if not isinstance(config, dict) or set(config) != set(hints):
            raise OptionError(f"the record must have exactly the keys {sorted(hints)}.")
        for name, hint in hints.items():
            expected = get_origin(hint) or hint
            if type(config[name]) is not expected:
                raise OptionError(f"record: {name} must be of type {expected.__name__}, got {config[name]!r:.60}.")
        record = cls(**config)
        if set(record.settings) != set(SETTINGS):
            raise OptionError(f"record: settings must have exactly the keys {sorted(SETTINGS)}.")
        for name, setting in SETTINGS.items():
            if type(record.settings[name]) not in setting.types:
                raise OptionError(f"record: setting {name} has the wrong type, got {record.settings[name]!r:.60}.")
        types = record.settings["types"] or {}
        if not all(type(kind) is str for kind in types.values()):
            raise OptionError("record: setting types must hold texts.")
        for name, table in PARTS.items():
            if isinstance(record.settings[name], dict):
                from_config(name, table, record.settings[name])
        if record.settings["penalty"] is not None:  # which says whether there is anything to draw rows from
            read_part("penalty", PENALTIES, record.settings["penalty"])
        if not (
            1 <= record.rows < MAX_COUNT
            and 0 <= record.validation_rows < MAX_COUNT
            and 0 <= record.streamed_within < MAX_COUNT
        ):
            raise OptionError(
                f"record: {record.rows!r:.40} rows and {record.validation_rows!r:.40} to validate cannot be."
            )
        curves = record.history
        if len({len(curve) for curve in curves.values() if isinstance(curve, list)}) > 1:
            raise OptionError("record: the curves of the history differ in length.")
        if not set(curves) <= CURVES or not all(
            isinstance(curve, list) and all(type(value) is float for value in curve) for curve in curves.values()
        ):
            raise OptionError(f"record: history must hold lists of numbers under {', '.join(sorted(CURVES))}.")
        if not 1 <= record.best_epoch <= len(curves.get("loss", [])):
            raise OptionError(f"record: best_epoch {record.best_epoch!r:.40} is not an epoch of the history.")
        if not all(type(version) is str for version in record.versions.values()):
            raise OptionError("record: versions must be texts.")
        return record
