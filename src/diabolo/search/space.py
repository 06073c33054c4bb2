"""The space of a search: names, the values of each, and the settings of an Autoencoder that a choice stands for.

A space is a dict: a list holds the values, a pair (low, high) the ends of a range, which is sampled by its logarithm.
Names are those of the table below, or any setting of `Autoencoder`. Order: the table, the reading, the settings.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from diabolo.checks import whole
from diabolo.errors import OptionError, unknown
from diabolo.model.settings import AUTO, Settings
from diabolo.model.settings import SETTINGS as KNOWN
from diabolo.network.optimizers import OPTIMIZERS
from diabolo.network.words import usual_skip_width, usual_width
from diabolo.parts import plain

if TYPE_CHECKING:
    import optuna

Range = tuple[float, float]
Space = dict[str, list[Any] | Range]
Choice = dict[str, Any]  # one value for each name

LEAST_IMAGE = 8  # pixels a side: smaller images are not halved by convolutions

# Names that are left out where a setting decides the same.
INSTEAD = {
    "structure": ("kind", "depth", "width", "taper"),
    "corruption": ("noise",),
    "learning_rate": ("rate",),
    "optimizer": ("weight_decay",),  # only where it is one for all
}
# The settings that a search may be given, and those that all its trials share.
SETTINGS = tuple(name for name in KNOWN if name != "random_state")
SHARED = tuple(name for name in SETTINGS if KNOWN[name].shared)
WHOLE = ("depth", "width")  # names whose values are whole numbers

KINDS = ("skip", "dense", "residual", "conv")

DEFAULT: Space = {
    "kind": list(KINDS),
    "depth": [1, 2, 3],
    "width": [64, 128, 256, 512, 1024],
    "taper": [0.5, 1.0],  # each layer has so many times the units of the one before
    "activation": ["elu", "relu", "gelu", "silu"],
    "noise": [0.0, 0.05, 0.1, 0.2],  # masking of the input
    "batch_size": [32, 64, 128, 256],
    "optimizer": ["adamw", "adam", "nadam", "lion"],
    "weight_decay": (0.01, 0.5),
    "rate": (0.2, 5.0),  # times what suits the optimizer
}

# Strong baselines, tried right after the default settings.
BASELINES: tuple[dict[str, Any], ...] = (
    {"kind": "dense", "depth": 2, "width": 512, "taper": 0.5, "batch_size": 128},
    {"kind": "conv", "depth": 2, "width": 256, "taper": 0.5, "batch_size": 128},
)
DEFAULT_CHOICE = {"activation": "elu", "noise": 0.0, "optimizer": "adamw", "weight_decay": 0.1, "rate": 1.0}


def read(asked: Mapping[str, object] | None, row_shape: tuple[int, ...], fixed: Mapping[str, object]) -> Space:
    """Return the space for rows of this shape: the default with what was asked for, without what is fixed.

    Raises: OptionError.
    """
    image = len(row_shape) >= 2 and min(row_shape[:2]) >= LEAST_IMAGE
    space = dict(DEFAULT)
    space["kind"] = [kind for kind in DEFAULT["kind"] if kind != "conv" or image]
    space["width"] = sorted({*DEFAULT["width"], usual_width(row_shape), usual_skip_width(row_shape)})
    for name, values in (asked or {}).items():
        if name not in DEFAULT and (name not in SETTINGS or name in SHARED):
            raise OptionError(unknown("name in the space", name, {*DEFAULT, *SETTINGS} - {*SHARED}))
        if name in fixed and fixed[name] is not None:
            raise OptionError(f"{name} is fixed, and in the space as well: leave one out.")
        space[name] = _choices(name, tuple(plain(values)) if isinstance(values, tuple) else plain(values))
    for name, values in space.items():
        for value in values:
            _check(name, value)
    given = {name for name, value in fixed.items() if value is not None or name == "corruption"} - {*(asked or {})}
    settled = given | {*(asked or {})} - {*DEFAULT}
    left_out = dict.fromkeys(given, "")  # by what says it
    for name, others in INSTEAD.items():
        if name in (given if name == "optimizer" else settled):
            left_out |= dict.fromkeys(others, name)
    for name in asked or {}:
        if name in left_out:
            raise OptionError(f"the space: {name!r} has no effect with {left_out[name]!r}: leave one out.")
    return {name: values for name, values in space.items() if name not in left_out}


def _choices(name: str, values: object) -> list[Any] | Range:
    if isinstance(values, (list, set, frozenset)):
        if not values:
            raise OptionError(f"the space holds nothing for {name!r}: give at least one value.")
        if not all(isinstance(each, (str, int, float, bool, type(None))) for each in values):
            raise OptionError(f"the space: {name!r} must be a list of texts or numbers, got {values!r:.60}.")
        return list(values)
    if isinstance(values, tuple) and len(values) == 2:
        low, high = values
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and 0 < low < high:
            return (float(low), float(high))
    raise OptionError(
        f"the space: {name!r} must be a list of values, or a pair (low, high) with 0 < low < high, got {values!r:.60}."
    )


def _check(name: str, value: object) -> None:
    """Raise OptionError for a value that is invalid whatever the rows and the other choices are."""
    try:
        if name in WHOLE:
            whole(name, value, 1)
        if name in ("taper", "rate", "weight_decay") and not (_is_number(value) and value > 0):
            raise OptionError(f"{name} must be a number above 0, got {value!r:.40}.")
        if name == "noise" and not (_is_number(value) and 0 <= value < 1):
            raise OptionError(f"noise must be in [0, 1), got {value!r:.40}.")
        if name == "kind" and value not in KINDS:
            raise OptionError(unknown("kind of structure", value, KINDS))
        if name == "optimizer" and value == AUTO:
            raise OptionError("a search tries optimizers itself: leave 'auto' out.")
        if name in SETTINGS:
            Settings.of({name: value})
    except OptionError as error:
        raise OptionError(f"the space: {error}") from error


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def draw(trial: "optuna.Trial", space: Space) -> dict[str, Any]:
    """Return a choice for each name, drawn by an Optuna trial; names that have no effect are left out."""
    chosen: dict[str, Any] = {}
    for name, values in space.items():
        if name == "weight_decay" and str(chosen.get("optimizer")) not in ("adamw", "lion"):
            continue
        if isinstance(values, tuple):
            chosen[name] = trial.suggest_float(name, *values, log=True)
        else:
            chosen[name] = trial.suggest_categorical(name, values)
    return chosen


def first(space: Space, row_shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return choices to begin with for rows of this shape, those of them that the space holds."""
    begun = [default_choice(space, row_shape), *(_held(space, each) for each in BASELINES)]
    return [each for each in begun if each is not None]


def default_choice(space: Space, row_shape: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the choice that stands for the default settings, or None where the space does not hold it."""
    width = usual_skip_width(row_shape)
    return _held(space, {"kind": "skip", "depth": 2, "width": width, "taper": 1.0, "batch_size": 64})


def _held(space: Space, choice: Choice) -> dict[str, Any] | None:
    def holds(name: str, value: Any) -> bool:
        values = space[name]
        return values[0] <= value <= values[1] if isinstance(values, tuple) else value in values

    asked = {name: value for name, value in (DEFAULT_CHOICE | choice).items() if name in space}
    return asked if all(holds(name, value) for name, value in asked.items()) else None


def settings(chosen: Choice, fixed: Mapping[str, object]) -> dict[str, Any]:
    """Return the settings of an Autoencoder that a choice stands for, besides those that are fixed."""
    result = {name: value for name, value in chosen.items() if name in SETTINGS}
    if "kind" in chosen:
        result["structure"] = _structure(chosen["kind"], chosen["depth"], chosen["width"], chosen["taper"])
    if chosen.get("noise"):
        result["corruption"] = f"masking:{chosen['noise']:g}"
    name = str(chosen.get("optimizer") or fixed.get("optimizer") or "adamw")
    if "weight_decay" in chosen:
        result["optimizer"] = f"{name}:weight_decay={chosen['weight_decay']:.4g}"
    if "rate" in chosen:
        entry = OPTIMIZERS.get(name.partition(":")[0])
        result["learning_rate"] = float(f"{chosen['rate'] * (entry.learning_rate if entry else 1e-3):.3g}")
    return result


def _structure(kind: str, depth: int, width: int, taper: float) -> str:
    widths = [max(8, round(width * taper**at)) for at in range(depth)]
    if kind == "residual":
        return f"residual {width}x{depth}"
    if kind == "conv":
        # As many filters as units would be too slow; their number doubles where the image is halved.
        filters = [max(8, width // 16) * 2**at for at in range(min(depth, 2))]
        return f"conv {'-'.join(map(str, filters))}, dense {width}"
    return f"{kind} {'-'.join(map(str, widths))}"
