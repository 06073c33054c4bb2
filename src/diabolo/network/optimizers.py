"""The optimizers of Keras by name, each with a default learning rate for losses summed over the features of a row.

Settings may follow the name after a colon, as for bottlenecks: "adamw:0.1", "adam:beta_1=0.8,epsilon=1e-4".
Order: the table, the default, the checks, the Keras optimizer.
"""

from typing import TYPE_CHECKING, NamedTuple

from diabolo.errors import OptionError, unknown
from diabolo.network.bottlenecks import Bottleneck

if TYPE_CHECKING:
    import keras


class _Entry(NamedTuple):
    keras_name: str
    learning_rate: float
    settings: dict[str, float | bool]
    takes: tuple[str, ...]  # the settings of Keras that may be given; the first also without its name


MOMENTS = ("beta_1", "beta_2", "epsilon")

# Gradients grow with the number of features (the loss of an image is hundreds of nats). Adaptive optimizers divide
# by their size, SGD does not: its rate is far below the 0.01 of Keras, and clipping the norm limits the first steps.
OPTIMIZERS: dict[str, _Entry] = {
    "adam": _Entry("Adam", 1e-3, {}, MOMENTS),
    "adamw": _Entry("AdamW", 1e-3, {}, ("weight_decay", *MOMENTS)),
    "nadam": _Entry("Nadam", 1e-3, {}, MOMENTS),
    "rmsprop": _Entry("RMSprop", 1e-3, {}, ("rho", "momentum", "epsilon")),
    "adamax": _Entry("Adamax", 2e-3, {}, MOMENTS),
    # A third to a tenth of Adam's rate: Chen et al. 2023, arXiv:2302.06675.
    "lion": _Entry("Lion", 2e-4, {}, ("weight_decay", "beta_1", "beta_2")),
    # Orthogonalised momentum, with steps as long as those of Adam, which trains all variables that are not matrices:
    # Jordan et al. 2024, Muon.
    "muon": _Entry("Muon", 5e-3, {"weight_decay": 0.0, "adam_weight_decay": 0.0}, ("weight_decay", "momentum")),
    "adafactor": _Entry("Adafactor", 1e-2, {"relative_step": False}, ("weight_decay",)),
    # It averages the weights itself, so it gets no schedule: Defazio et al. 2024, arXiv:2405.15682.
    "schedule_free": _Entry("ScheduleFreeAdamW", 2.5e-3, {}, ("weight_decay", *MOMENTS)),
    "sgd": _Entry("SGD", 3e-3, {"momentum": 0.9, "nesterov": True, "global_clipnorm": 100.0}, ("momentum",)),
}

SCHEDULES = ("cosine", "constant")


def default_for(bottleneck: Bottleneck) -> str:
    """Return the optimizer that suits a bottleneck, where none is asked for."""
    return bottleneck.default_optimizer


def check(optimizer: str, learning_rate: float | None, schedule: str) -> float:
    """Return the initial learning rate. Raises OptionError for an unknown name or setting, or a rate not above 0.

    Args: optimizer: as for `make`; learning_rate: None: the default of the optimizer; schedule: one of SCHEDULES.
    """
    entry, _ = _read(optimizer)
    if schedule not in SCHEDULES:
        raise OptionError(unknown("learning_rate_schedule", schedule, SCHEDULES))
    if learning_rate is None:
        return entry.learning_rate
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, (int, float)) or not 0 < learning_rate < 1e6:
        raise OptionError(f"learning_rate must be a number above 0, such as 0.001, got {learning_rate!r}.")
    return float(learning_rate)


def falls(optimizer: str | None, schedule: str) -> bool:
    """Return whether the learning rate falls over the epochs. Args: optimizer: None: a default; schedule: as given."""
    # ScheduleFreeAdamW averages the weights in place of a schedule.
    return schedule == "cosine" and (optimizer or "").partition(":")[0] != "schedule_free"


def make(
    optimizer: str,
    learning_rate: "float | keras.optimizers.schedules.LearningRateSchedule",
    schedule: str,
    steps: int,
) -> "keras.optimizers.Optimizer":
    """Return a Keras optimizer.

    Args:
        optimizer: its name, and its settings after a colon.
        learning_rate: a number; with schedule "constant" also a schedule of Keras.
        schedule: "constant", or "cosine": from `learning_rate` to 0 over `steps` (Loshchilov & Hutter 2017,
            arXiv:1608.03983, without restarts), which on 9,000 digits lowers the test error by 5 %.
        steps: of the whole training.

    Raises: OptionError for an unknown name or setting, or where the installed Keras lacks the optimizer.
    """
    import keras

    entry, settings = _read(optimizer)
    rate = learning_rate
    if not hasattr(keras.optimizers, entry.keras_name):
        raise OptionError(f"optimizer {optimizer!r} needs a newer Keras than {keras.__version__}: upgrade it.")
    if falls(optimizer, schedule):
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps=max(1, steps))
    # The same name for all: TensorFlow keeps a kernel for each name of a variable until the process ends.
    return getattr(keras.optimizers, entry.keras_name)(
        learning_rate=rate, name="optimizer", **(entry.settings | settings)
    )


def read(written: str) -> tuple[str, dict[str, float]]:
    """Return the name of an optimizer, and its settings other than Keras' defaults. Raises OptionError."""
    entry, settings = _read(written)
    fixed = {key: value for key, value in entry.settings.items() if not isinstance(value, bool)}
    return written.partition(":")[0], fixed | settings


def _read(written: object) -> tuple[_Entry, dict[str, float]]:
    """Return the optimizer that a text names, and the settings after the colon."""
    name, _, rest = written.partition(":") if isinstance(written, str) else (written, "", "")
    if not isinstance(name, str) or name not in OPTIMIZERS:
        raise OptionError(unknown("optimizer", name, OPTIMIZERS))
    entry, settings = OPTIMIZERS[name], dict[str, float]()
    for place, item in enumerate(rest.split(",") if rest else []):
        key, equals, value = (piece.strip() for piece in item.partition("="))
        if not equals and place == 0:
            key, value = entry.takes[0], key
        if key in ("lr", "learning_rate"):
            rate = value or "0.001"
            raise OptionError(
                f"optimizer {written!r}: the learning rate is not a setting of the optimizer: pass "
                f"learning_rate={rate} (--learning-rate {rate})."
            )
        if key not in entry.takes:
            raise OptionError(f"optimizer {written!r}: {unknown('setting', key, entry.takes)}")
        try:
            settings[key] = float(value)
        except ValueError:
            raise OptionError(f"optimizer {written!r}: {key} must be a number, got {value!r}.") from None
        # Decay rates of running means lie below 1. A weight decay may be larger: it is multiplied by the learning rate.
        below = 1000 if key == "weight_decay" else 1
        if not 0 <= settings[key] < below:
            raise OptionError(f"optimizer {written!r}: {key} must be at least 0 and below {below}, got {value}.")
    return entry, settings
