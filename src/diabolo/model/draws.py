"""The facts of detectors in files that were written before 27 November 2026, which are read and never written anew.

They compare a row with rows in random draws; new detectors have the facts in `diabolo.model.detection`.
`diabolo.anomaly.draws` computes with these facts and a model; this module only stores and checks them.

Order: constants, the space that rows are compared in, the reference rows, all facts, their types in a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.adapters.array import FARTHEST
from diabolo.data.adapters.statistics import MOST
from diabolo.errors import OptionError

Floats = np.ndarray[Any, np.dtype[np.float64]]

SIZES = 2  # of draws: of 32 rows and of 256 rows
KEY = 16  # bytes that identify a row


class Space(NamedTuple):
    """The space that rows are compared in: latents and residuals, scaled so that both weigh the same."""

    center: Floats  # mean of the latents, (latent_dim,)
    latent_scale: Floats  # (latent_dim,)
    residual_scale: Floats  # (values_per_row,)


@dataclass(frozen=True, eq=False)
class Draws:
    """Reference rows, in many random draws.

    Attributes:
        places: of all training rows that were drawn, once each, (drawn, latent_dim + values_per_row), float32.
        keys: identify these rows, so that a row is not compared with itself.
        draws: for each size, the draws; each holds indices into `places`.
    """

    places: Rows
    keys: list[bytes]
    draws: list[list[Rows]]


class _Config(TypedDict):
    """The facts that are not tensors, as JSON values."""

    threshold: float
    center: float
    spread: float
    contamination: float
    false_alarm_rate: float | None


class DrawsDetection(NamedTuple):
    """The facts from which rows get their scores, and the threshold of anomalies.

    Attributes:
        space: the space that rows are compared in.
        draws: the reference rows.
        column_scales: typical size of each column's score on training rows, (columns,).
        threshold: rows with a higher score are anomalies.
        center, spread: median of the scores of training rows, and their robust standard deviation.
        contamination, false_alarm_rate: the settings of the detector.
    """

    space: Space
    draws: Draws
    column_scales: Floats
    threshold: float
    center: float
    spread: float
    contamination: float
    false_alarm_rate: float | None

    @property
    def values_per_row(self) -> int:
        """The number of values of the rows that it scores, in the network."""
        return len(self.space.residual_scale)

    def to_config(self) -> dict[str, float | bool | None]:
        """Return the facts that are not tensors, as JSON values."""
        return {name: getattr(self, name) for name in CONFIG_TYPES}

    def to_tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the facts that are tensors, under the names in `tensors`."""
        draws = {f"draws_{at}": np.stack(group).astype("<i4") for at, group in enumerate(self.draws.draws)}
        keys = np.frombuffer(b"".join(self.draws.keys), np.uint8).reshape(-1, KEY)
        return {
            "center": self.space.center,
            "latent_scale": self.space.latent_scale,
            "residual_scale": self.space.residual_scale,
            "usual": self.column_scales,
            "places": self.draws.places,
            "keys": keys,
        } | draws

    @classmethod
    def of(cls, config: Mapping[str, float | bool | None], tensors: Mapping[str, Rows]) -> "DrawsDetection":
        """Return the detection for values of `to_config` and `to_tensors`. Raises OptionError for invalid values."""
        for name in ("latent_scale", "residual_scale", "usual"):
            if not (tensors[name] >= 1 / FARTHEST).all():
                raise OptionError(f"detection: {name} must be above 0, at least {1 / FARTHEST:g}.")
        if not (np.abs(tensors["center"]) <= FARTHEST).all():
            raise OptionError(f"detection: center must be at most {FARTHEST:g} away from 0.")
        numbers = cast(_Config, config)
        share, rate = numbers["contamination"], numbers["false_alarm_rate"]
        if not 0 < share <= 0.5 or not (rate is None or 0 < rate <= 1):
            raise OptionError(
                f"detection: contamination must be in (0, 0.5] and false_alarm_rate in (0, 1] or None, got "
                f"{share!r:.40} and {rate!r:.40}."
            )
        largest = max(abs(numbers["threshold"]), abs(numbers["center"]), numbers["spread"])
        if largest > MOST or numbers["spread"] < 1 / FARTHEST:
            raise OptionError(
                f"detection: threshold and center must be within {MOST:g}, and spread at least {1 / FARTHEST:g}."
            )
        count = len(tensors["places"])
        drawn = [tensors[f"draws_{at}"] for at in range(SIZES)]
        if not all(((each >= 0) & (each < count)).all() for each in drawn):
            raise OptionError(f"detection: draws must be numbers of the {count} reference rows, from 0.")
        space = Space(tensors["center"], tensors["latent_scale"], tensors["residual_scale"])
        draws = Draws(tensors["places"], [bytes(key) for key in tensors["keys"]], [list(group) for group in drawn])
        return cls(space, draws, tensors["usual"], **numbers)


# The fields of a DrawsDetection that are JSON, and their types.
CONFIG_TYPES: dict[str, tuple[type, ...]] = {
    "threshold": (float,),
    "center": (float,),
    "spread": (float,),
    "contamination": (float,),
    "false_alarm_rate": (float, type(None)),
}


def tensors(
    latents: int, residuals: int, columns: int, drawn: int, sizes: list[tuple[int, int]]
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of each tensor of a DrawsDetection.

    Args:
        latents: number of latents.
        residuals: number of values of a row in the network.
        columns: number of columns.
        drawn: number of reference rows.
        sizes: for each size of draws, the number of draws and of rows in each.
    """
    return {
        "center": ("F64", (latents,)),
        "latent_scale": ("F64", (latents,)),
        "residual_scale": ("F64", (residuals,)),
        "usual": ("F64", (columns,)),
        "places": ("F32", (drawn, latents + residuals)),
        "keys": ("U8", (drawn, KEY)),
    } | {f"draws_{at}": ("I32", size) for at, size in enumerate(sizes)}
