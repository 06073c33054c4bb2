"""The facts of a fitted AnomalyDetector: the part of a model file with which rows are scored.

`diabolo.anomaly` computes with these facts and a model; this module only stores and checks them. A row stands there as
the values that the network takes, without flags of missing cells; next to them its latents and its residuals.

Order: the reference rows, the forest, the ellipse, the tails, all facts, their types in a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, TypedDict, cast

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.data.adapters.array import FARTHEST
from diabolo.data.adapters.statistics import MOST
from diabolo.errors import OptionError

Floats = np.ndarray[Any, np.dtype[np.float64]]
Number: TypeAlias = float | bool | None

KEY = 16  # bytes that identify a row
VIEWS = ("near", "forest", "ellipse")
LARGEST_HEIGHT = 1e3  # of a tail, in nats: of a share of exp(-1000)


class Scale(NamedTuple):
    """How values are standardised: (value - center) / width."""

    center: Floats
    width: Floats


class Space(NamedTuple):
    """The space that rows are compared in: values, latents and residuals.

    Attributes:
        values: of the values of a row, (values_per_row,).
        latents: (latent_dim,).
        residuals: their root mean squares, (values_per_row,).
        weights: of all values, and of latents and residuals together, (2,).
    """

    values: Scale
    latents: Scale
    residuals: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class Pool:
    """Training rows that other rows are compared with.

    Attributes:
        places: (rows, values_per_row + latent_dim + values_per_row), float32, in the space of a detection.
        keys: identify these rows, so that a row is not compared with itself.
    """

    places: Rows
    keys: list[bytes]

    @cached_property
    def factors(self) -> Floats:
        """Minus twice the places, and their squared lengths: (rows, coordinates + 1)."""
        points = self.places.astype(np.float64)
        return np.concatenate([-2 * points, np.square(points).sum(axis=1, keepdims=True)], axis=1)

    @cached_property
    def known(self) -> dict[bytes, int]:
        """The place of each row in the pool, by its key."""
        return {key: at for at, key in enumerate(self.keys)}


class Forest(NamedTuple):
    """Trees of random cuts. A node that is not split has a cut above all values; its rows go on to the left.

    Attributes:
        columns: which value a node cuts, (trees, 2**levels - 1), int32; the children of node i are 2 i + 1 and 2 i + 2.
        cuts: rows with larger values go right, (trees, 2**levels - 1), float32.
        depths: of leaves, relative to the mean depth in a random tree, (trees, 2**levels), float32.
    """

    columns: Rows
    cuts: Rows
    depths: Rows


class Ellipse(NamedTuple):
    """An ellipse around most rows, for a Mahalanobis distance.

    Attributes:
        center: (values_per_row,).
        axes: orthonormal directions, (values_per_row, k).
        variances: along the axes, and last in all other directions, (k + 1,).
    """

    center: Floats
    axes: Floats
    variances: Floats


class Tails(NamedTuple):
    """-log of the share of training rows with at least a given value, of each view and of the score, in this order.

    Attributes:
        knots: values, in ascending order, (4, k).
        heights: -log of the shares there; between knots they are interpolated, (4, k).
        slopes: of -log of the share above the last knot, (4,).
    """

    knots: Floats
    heights: Floats
    slopes: Floats


class _Config(TypedDict):
    """The facts that are not tensors, as JSON values."""

    linear: bool
    threshold: float
    contamination: float
    false_alarm_rate: float | None


class Detection(NamedTuple):
    """The facts from which rows get their scores, and the threshold of anomalies.

    Attributes:
        space, pool: for the distance to the nearest training rows.
        forest: for how quickly random cuts set a row apart.
        ellipse: for the distance from most rows.
        tails: for the shares of training rows with such values.
        column_scales: typical size of each column's score on training rows, (columns,).
        linear: whether cells are explained by linear regressions, from the ellipse, and not by the network.
        threshold: rows with a higher score are anomalies.
        contamination, false_alarm_rate: the settings of the detector.
    """

    space: Space
    pool: Pool
    forest: Forest
    ellipse: Ellipse
    tails: Tails
    column_scales: Floats
    linear: bool
    threshold: float
    contamination: float
    false_alarm_rate: float | None

    @property
    def values_per_row(self) -> int:
        """The number of values of the rows that it scores, in the network."""
        return len(self.space.residuals)

    def to_config(self) -> dict[str, Number]:
        """Return the facts that are not tensors, as JSON values."""
        return {name: getattr(self, name) for name in CONFIG_TYPES}

    def to_tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the facts that are tensors, under the names in `tensors`."""
        return {
            "value_center": self.space.values.center,
            "value_width": self.space.values.width,
            "latent_center": self.space.latents.center,
            "latent_width": self.space.latents.width,
            "residual_width": self.space.residuals,
            "weights": self.space.weights,
            "pool": self.pool.places,
            "keys": np.frombuffer(b"".join(self.pool.keys), np.uint8).reshape(-1, KEY),
            "forest_columns": self.forest.columns.astype("<i4"),
            "forest_cuts": self.forest.cuts,
            "forest_depths": self.forest.depths,
            "ellipse_center": self.ellipse.center,
            "ellipse_axes": self.ellipse.axes,
            "ellipse_variances": self.ellipse.variances,
            "tail_knots": self.tails.knots,
            "tail_heights": self.tails.heights,
            "tail_slopes": self.tails.slopes,
            "usual": self.column_scales,
        }

    @classmethod
    def of(cls, config: Mapping[str, Number], tensors: Mapping[str, Rows]) -> "Detection":
        """Return the detection for values of `to_config` and `to_tensors`. Raises OptionError for invalid values."""
        _check_numbers(cast(_Config, config))
        _check_tensors(tensors)
        return cls(
            space=Space(
                values=Scale(tensors["value_center"], tensors["value_width"]),
                latents=Scale(tensors["latent_center"], tensors["latent_width"]),
                residuals=tensors["residual_width"],
                weights=tensors["weights"],
            ),
            pool=Pool(tensors["pool"], [bytes(key) for key in tensors["keys"]]),
            forest=Forest(tensors["forest_columns"], tensors["forest_cuts"], tensors["forest_depths"]),
            ellipse=Ellipse(tensors["ellipse_center"], tensors["ellipse_axes"], tensors["ellipse_variances"]),
            tails=Tails(tensors["tail_knots"], tensors["tail_heights"], tensors["tail_slopes"]),
            column_scales=tensors["usual"],
            **cast(_Config, config),
        )


def _check_numbers(config: _Config) -> None:
    share, rate = config["contamination"], config["false_alarm_rate"]
    if not 0 < share <= 0.5 or not (rate is None or 0 < rate <= 1):
        raise OptionError(
            f"detection: contamination must be in (0, 0.5] and false_alarm_rate in (0, 1] or None, got "
            f"{share!r:.40} and {rate!r:.40}."
        )
    if abs(config["threshold"]) > MOST:
        raise OptionError(f"detection: threshold must be within {MOST:g}.")


def _check_tensors(tensors: Mapping[str, Rows]) -> None:
    for name in ("value_width", "latent_width", "residual_width", "weights", "ellipse_variances", "usual"):
        if not ((tensors[name] >= 1 / FARTHEST) & (tensors[name] <= FARTHEST)).all():
            raise OptionError(f"detection: {name} must be above 0, from {1 / FARTHEST:g} to {FARTHEST:g}.")
    for name in ("value_center", "latent_center", "weights", "ellipse_center", "ellipse_axes", "tail_knots"):
        if not (np.abs(tensors[name]) <= FARTHEST).all():
            raise OptionError(f"detection: {name} must be at most {FARTHEST:g} away from 0.")
    if not ((tensors["tail_slopes"] >= 0) & (tensors["tail_slopes"] <= FARTHEST)).all():
        raise OptionError(f"detection: tail_slopes must be from 0 to {FARTHEST:g}.")
    knots, heights = tensors["tail_knots"], tensors["tail_heights"]
    if not ((np.diff(knots) >= 0).all() and (np.diff(heights) >= 0).all()):
        raise OptionError("detection: tail_knots and tail_heights must be in ascending order.")
    if not ((heights >= 0) & (heights <= LARGEST_HEIGHT)).all():
        raise OptionError(f"detection: tail_heights must be from 0 to {LARGEST_HEIGHT:g}.")
    columns, count = tensors["forest_columns"], len(tensors["value_center"])
    if not ((columns >= 0) & (columns < count)).all():
        raise OptionError(f"detection: forest_columns must be numbers of the {count} values of a row, from 0.")
    if not (tensors["forest_depths"] >= 0).all():
        raise OptionError("detection: forest_depths must be at least 0.")


# The fields of a Detection that are JSON, and their types.
CONFIG_TYPES: dict[str, tuple[type, ...]] = {
    "linear": (bool,),
    "threshold": (float,),
    "contamination": (float,),
    "false_alarm_rate": (float, type(None)),
}


class Sizes(NamedTuple):
    """The sizes of the facts.

    Attributes: latents, values, columns: numbers of each in a row; pool: rows in the pool; trees; levels: of the trees;
        axes: of the ellipse; knots: of each tail.
    """

    latents: int
    values: int
    columns: int
    pool: int
    trees: int
    levels: int
    axes: int
    knots: int


def tensors(sizes: Sizes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return type and shape of each tensor of a Detection."""
    latents, values, nodes, tails = sizes.latents, sizes.values, 2**sizes.levels - 1, len(VIEWS) + 1
    return {
        "value_center": ("F64", (values,)),
        "value_width": ("F64", (values,)),
        "latent_center": ("F64", (latents,)),
        "latent_width": ("F64", (latents,)),
        "residual_width": ("F64", (values,)),
        "weights": ("F64", (2,)),
        "pool": ("F32", (sizes.pool, 2 * values + latents)),
        "keys": ("U8", (sizes.pool, KEY)),
        "forest_columns": ("I32", (sizes.trees, nodes)),
        "forest_cuts": ("F32", (sizes.trees, nodes)),
        "forest_depths": ("F32", (sizes.trees, nodes + 1)),
        "ellipse_center": ("F64", (values,)),
        "ellipse_axes": ("F64", (values, sizes.axes)),
        "ellipse_variances": ("F64", (sizes.axes + 1,)),
        "tail_knots": ("F64", (tails, sizes.knots)),
        "tail_heights": ("F64", (tails, sizes.knots)),
        "tail_slopes": ("F64", (tails,)),
        "usual": ("F64", (sizes.columns,)),
    }
