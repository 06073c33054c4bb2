"""One column of a table in a network: values (n,) -> numbers of a tensor (n, width), and back.

Values are float64 with NaN where one is missing: for a category the number of its level, for a date seconds since 1970.
The loss of a column is divided by the loss of its best constant guess, so that each column costs 1 before anything is
learnt and none dominates. Order: the base, numbers, counts, booleans, categories, dates, the table.

To add a kind of column, write its class here and add it to `FEATURES`.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from diabolo.data.adapters.array import FARTHEST, NEAR_ENOUGH
from diabolo.data.adapters.base import Mask, Tensor
from diabolo.data.adapters.statistics import LEAST, MOST, ROUNDING
from diabolo.parts import Numbers, Part

Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Feature(Part):
    """What all kinds of columns share.

    Attributes:
        cost: the loss of the best constant guess, in nats; 0 if all values are equal.

    Class attributes:
        loss: the kind of loss that compares its numbers, one of `LOSS_ORDER`, see `diabolo.network.losses.for_table`.
        words: the values that it takes, for messages.
    """

    cost: float

    loss: ClassVar[str]
    words: ClassVar[str] = "a number"

    def check(self) -> None:
        """Refuse a cost below 0, and numbers that cannot be computed with."""
        several = [each if isinstance(each, tuple) else (each,) for each in vars(self).values()]
        self.require(all(abs(each) <= MOST for numbers in several for each in numbers), f"numbers up to {MOST:g}")
        self.require(self.cost >= 0, "a cost of at least 0")

    @classmethod
    def learn(cls, values: Values) -> Self:
        """Return the feature for values; missing ones are ignored."""
        raise TypeError(f"{cls.__name__} must define learn(values)")

    @classmethod
    def refused(cls, values: Values) -> Mask:
        """Return which values, (n,), such a column cannot have; NaN is allowed."""
        return np.zeros(len(values), bool)

    def within(self, values: Values) -> Values:
        """Return values, (n,), clipped to those that can be computed with."""
        return values

    @property
    def width(self) -> int:
        """How many numbers of the tensor represent a value."""
        return 1

    @property
    def level_count(self) -> int:
        """How many levels the column has; 0: it is not a category."""
        return 0

    @property
    def factors(self) -> Numbers:
        """The weight of each number in the loss, (width,)."""
        return (1 / max(self.cost, LEAST_COST) if self.cost else 1.0,) * self.width

    def to_tensor(self, values: Values) -> Tensor:
        """Return numbers (n, width) of values (n,); NaN gives 0."""
        raise TypeError(f"{type(self).__name__} must define to_tensor(values)")

    def from_tensor(self, numbers: np.ndarray[Any, Any]) -> Values:
        """Return values (n,) of reconstructed numbers (n, width), in the units of `to_tensor`."""
        raise TypeError(f"{type(self).__name__} must define from_tensor(numbers)")


def _single(numbers: Values) -> Tensor:
    """Return float32 numbers, 0 where one is missing; too large ones become infinity, and are refused later."""
    with np.errstate(over="ignore"):
        return np.where(np.isnan(numbers), 0.0, numbers).astype(np.float32)


LEAST_COST = 1 / FARTHEST  # in nats; 1 divided by less cannot be computed with
STEEP = 1e-12  # of the range: between two knots at least
KNOTS = 64  # of a quantile scale
# Skewness and excess kurtosis, above which standardised values are too concentrated. A normal distribution has 0 and 0,
# an exponential one 2 and 6, a log-normal one of sigma 1 has 6 and 111.
SKEWED, HEAVY = 3.0, 15.0


@dataclass(frozen=True, kw_only=True)
class Number(Feature):
    """A number, standardised; scaled by quantiles if a few values lie far from all others.

    Attributes:
        center, scale: mean and standard deviation; scale 0 marks a column of one value.
        knots, marks: values, and the number of each; linear between two of them, and beyond the ends by `scale`. Empty:
            standardised.
    """

    center: float
    scale: float
    knots: Numbers = ()
    marks: Numbers = ()

    kind: ClassVar[str] = "number"
    loss: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Refuse knots and marks that do not rise, or of which there are not equally many."""
        super().check()
        both = (self.knots, self.marks)
        self.require(self.scale == 0 or self.scale >= LEAST, f"a scale of 0, or of at least {LEAST:g}")
        self.require(len(self.knots) == len(self.marks) != 1, "as many marks as knots, none or several")
        rising = all(a + LEAST <= b and a < b for each in both for a, b in itertools.pairwise(each))
        self.require(rising, "rising knots and marks")

    @classmethod
    def learn(cls, values: Values) -> Self:
        """Mean and standard deviation, or quantiles; a column that varies by rounding only is constant."""
        known = values[~np.isnan(values)]
        center, scale = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
        if scale <= max(ROUNDING * abs(center), LEAST):
            return cls(cost=0.0, center=float(known.min()) if len(known) else 0.0, scale=0.0)
        standard = (known - center) / scale
        skewed, heavy = abs(float(np.mean(standard**3))), float(np.mean(standard**4)) - 3
        if skewed < SKEWED and heavy < HEAVY:
            return cls(cost=0.5, center=center, scale=scale)
        knots, marks = _quantiles(known)
        plain = cls(cost=0.0, center=center, scale=scale, knots=knots, marks=marks)
        return cls(cost=float(plain.to_tensor(known).var()) / 2, center=center, scale=scale, knots=knots, marks=marks)

    def within(self, values: Values) -> Values:
        """Up to a number of standard deviations from the mean."""
        reach = NEAR_ENOUGH * self._divisor
        return np.clip(values, self.center - reach, self.center + reach)

    @property
    def _divisor(self) -> float:
        """The scale; of a column of one value 1, or its rounding, which is large for large numbers."""
        return self.scale or max(1.0, ROUNDING * abs(self.center))

    def to_tensor(self, values: Values) -> Tensor:
        """(value - center) / scale, or by the knots."""
        if not self.knots or not self.scale:
            numbers = (values - self.center) / self._divisor
        else:
            numbers = np.interp(values, self.knots, self.marks)
            beyond = np.where(values > self.knots[-1], values - self.knots[-1], np.minimum(values - self.knots[0], 0.0))
            numbers = numbers + beyond / self.scale
        return _single(numbers)[:, None]

    def from_tensor(self, numbers: np.ndarray[Any, Any]) -> Values:
        """The inverse; the only value of a column that had one."""
        numbers = numbers[:, 0].astype(np.float64)
        if not self.scale:
            return np.full(len(numbers), self.center)
        if not self.knots:
            return numbers * self.scale + self.center
        over = np.where(numbers > self.marks[-1], numbers - self.marks[-1], np.minimum(numbers - self.marks[0], 0.0))
        values: Values = np.interp(numbers, self.marks, self.knots) + over * self.scale
        return values


def _quantiles(known: Values) -> tuple[Numbers, Numbers]:
    """Return values and the normal quantiles of their mid-ranks, at most `KNOTS`, both rising."""
    from scipy.special import ndtri

    values, counts = np.unique(known, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(known)
    if len(values) > KNOTS:
        # Evenly in ranks and, for the long tail, evenly in the order of values.
        wanted = np.searchsorted(ranks, np.linspace(0, 1, KNOTS - 8)[1:-1])
        places = np.unique(np.clip([0, *wanted, *(len(values) - 1 - (1 << np.arange(8))), len(values) - 1], 0, None))
        values, ranks = values[places[places < len(values)]], ranks[places[places < len(values)]]
    # Between nearly equal values the scale would be too steep to be computed with.
    kept = [0]
    for at in range(1, len(values)):
        if values[at] - values[kept[-1]] > STEEP * (values[-1] - values[0]):
            kept.append(at)
    return tuple(values[kept].tolist()), tuple(ndtri(ranks[kept]).tolist())


@dataclass(frozen=True, kw_only=True)
class Count(Feature):
    """A count: 0, 1, 2, ..., divided by the mean."""

    mean: float

    kind: ClassVar[str] = "count"
    loss: ClassVar[str] = "poisson"
    words: ClassVar[str] = "a count (0, 1, 2, ...)"

    def check(self) -> None:
        """Refuse a mean of 0 or below."""
        super().check()
        self.require(LEAST <= self.mean < 1e15, "a mean above 0")

    @classmethod
    def refused(cls, values: Values) -> Mask:
        """Values below 0 or not whole."""
        with np.errstate(invalid="ignore"):
            return np.asarray((values < 0) | (values % 1 > 0))

    @classmethod
    def learn(cls, values: Values) -> Self:
        """The mean, and the deviance from it."""
        known = values[~np.isnan(values)]
        mean = float(known.mean()) if len(known) and known.mean() > 0 else 1.0
        shares = known / mean
        costs = 1 - shares + shares * np.log(np.maximum(shares, 1e-30))
        return cls(cost=float(costs.mean()) if len(known) else 0.0, mean=mean)

    def within(self, values: Values) -> Values:
        """Up to a multiple of the mean."""
        return np.minimum(values, np.floor(NEAR_ENOUGH * self.mean))

    def to_tensor(self, values: Values) -> Tensor:
        """Value / mean."""
        return _single(values / self.mean)[:, None]

    def from_tensor(self, numbers: np.ndarray[Any, Any]) -> Values:
        """Number * mean, at least 0."""
        values: Values = self.mean * np.maximum(numbers[:, 0].astype(np.float64), 0.0)
        return values


@dataclass(frozen=True, kw_only=True)
class Boolean(Feature):
    """True or false."""

    kind: ClassVar[str] = "boolean"
    loss: ClassVar[str] = "bernoulli"
    words: ClassVar[str] = "a boolean (0 or 1)"

    @classmethod
    def refused(cls, values: Values) -> Mask:
        """Values other than 0 and 1."""
        return np.asarray(~np.isnan(values) & (values != 0) & (values != 1))

    @classmethod
    def learn(cls, values: Values) -> Self:
        """The entropy."""
        known = values[~np.isnan(values)]
        share = float(known.mean()) if len(known) else 0.0
        return cls(cost=_entropy(np.array([share, 1 - share])))

    def to_tensor(self, values: Values) -> Tensor:
        """0 or 1."""
        return _single(values)[:, None]

    def from_tensor(self, numbers: np.ndarray[Any, Any]) -> Values:
        """True if its probability is above 0.5."""
        return (numbers[:, 0] > 0.5).astype(np.float64)


def _entropy(shares: Values) -> float:
    return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())


@dataclass(frozen=True, kw_only=True)
class Category(Feature):
    """One of several levels, one-hot encoded, which a dense layer turns into a learnt vector.

    Attributes: levels: how many; a level that fit() did not see becomes zeros only.
    """

    levels: int

    kind: ClassVar[str] = "category"
    loss: ClassVar[str] = "categorical"

    def check(self) -> None:
        """Refuse a category without levels."""
        super().check()
        self.require(self.levels >= 1, "at least 1 level")

    @classmethod
    def learn(cls, values: Values, levels: int | None = None) -> Self:
        """The entropy."""
        known = values[~np.isnan(values)].astype(np.int64)
        levels = max(1, int(known.max(initial=0)) + 1 if levels is None else levels)
        counts = np.bincount(known[known < levels], minlength=levels)
        return cls(cost=_entropy(counts / max(1, counts.sum())), levels=levels)

    @property
    def width(self) -> int:
        """One number for each level."""
        return self.levels

    @property
    def level_count(self) -> int:
        """The number of levels."""
        return self.levels

    def to_tensor(self, values: Values) -> Tensor:
        """1 at the level, 0 elsewhere."""
        numbers = np.zeros((len(values), self.levels), np.float32)
        rows = np.flatnonzero(values < self.levels)  # neither NaN nor a level that fit() did not see
        numbers[rows, values[rows].astype(np.int64)] = 1
        return numbers

    def from_tensor(self, numbers: np.ndarray[Any, Any]) -> Values:
        """The most likely level."""
        return np.asarray(numbers.argmax(axis=1), np.float64)


DAY = 86_400.0
PERIODS = {"year": 365.2425 * DAY, "week": 7 * DAY, "day": DAY}


@dataclass(frozen=True, kw_only=True)
class Date(Feature):
    """A date or time: its place on the time line, and in the year, the week and the day, if the column spans them.

    Attributes:
        center, scale: mean and standard deviation, in seconds.
        periods: in seconds; each becomes a sine and a cosine, which show the network what recurs. A date is restored
            from its place on the time line only.
    """

    center: float
    scale: float
    periods: Numbers = ()

    kind: ClassVar[str] = "date"
    loss: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Refuse periods of length 0."""
        super().check()
        both = (*self.periods, self.scale or 1.0)
        self.require(all(each >= LEAST for each in both), f"a scale of 0, or scale and periods of at least {LEAST:g}")

    @classmethod
    def learn(cls, values: Values) -> Self:
        """Mean and standard deviation; the periods that the column spans twice, the day only if times of day differ."""
        known = values[~np.isnan(values)]
        if not len(known) or known.min() == known.max():
            return cls(cost=0.0, center=float(known[0]) if len(known) else 0.0, scale=0.0)
        span, several = np.ptp(known), np.ptp(known % DAY) > 0
        periods = [length for name, length in PERIODS.items() if span >= 2 * length and (name != "day" or several)]
        return cls(cost=0.5, center=float(known.mean()), scale=float(known.std()), periods=tuple(periods))

    @property
    def width(self) -> int:
        """The time line, and two numbers for each period."""
        return 1 + 2 * len(self.periods)

    @property
    def factors(self) -> Numbers:
        """The time line counts most, since a date is restored from it; sine and cosine have half its variance each."""
        if not self.periods:
            return super().factors
        return (2 * ALONG, *[2 * (1 - ALONG) / len(self.periods)] * (2 * len(self.periods)))

    def within(self, values: Values) -> Values:
        """Up to a number of standard deviations from the mean."""
        reach = NEAR_ENOUGH * (self.scale or 1.0)
        return np.clip(values, self.center - reach, self.center + reach)

    def to_tensor(self, values: Values) -> Tensor:
        """The time line, then sines and cosines."""
        parts = [(values - self.center) / (self.scale or 1.0)]
        for period in self.periods:
            turn = 2 * math.pi * (values % period) / period
            parts += [np.sin(turn), np.cos(turn)]
        return _single(np.stack(parts, axis=1))

    def from_tensor(self, numbers: np.ndarray[Any, Any]) -> Values:
        """From the time line."""
        values: Values = numbers[:, 0].astype(np.float64) * self.scale + self.center
        return values


ALONG = 0.8  # the share of the time line in the loss of a date

FEATURES: dict[str, type[Feature]] = {each.kind: each for each in (Number, Count, Boolean, Category, Date)}
LOSS_ORDER = ("gaussian", "poisson", "bernoulli", "categorical")  # of the numbers in a tensor
