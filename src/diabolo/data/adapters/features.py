"""What one column of a table is to a network: values (n,) -> numbers of a tensor (n, width), and back.

Values are float64 with NaN where one is missing: of a category the number of its level, of a date seconds since 1970.
What a column costs is weighed by what its best constant guess costs, so that each counts 1 before anything is learnt
and none drowns the others. Order: the base, numbers, counts, booleans, categories, dates, the table, the choice.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from diabolo.data.adapters.array import FARTHEST, NEAR_ENOUGH
from diabolo.data.adapters.statistics import LEAST, MOST
from diabolo.network import links
from diabolo.network.parts import Numbers, Part, Shape

Values = np.ndarray[Any, np.dtype[np.float64]]
Tensor = np.ndarray[Any, np.dtype[np.float32]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Feature(Part):
    """What all kinds of columns share.

    Attributes:
        cost: what the best constant guess costs, in nats; 0 where all values are alike.

    Class attributes:
        loss: by which its numbers are compared, see `diabolo.network.losses.Mixed`.
        words: what values must be, for messages.
    """

    cost: float

    loss: ClassVar[str]
    words: ClassVar[str] = "a number"

    def check(self) -> None:
        """Refuse a guess that gains, and numbers that cannot be computed with."""
        several = [each if isinstance(each, tuple) else (each,) for each in vars(self).values()]
        self.require(all(abs(each) <= MOST for numbers in several for each in numbers), f"numbers up to {MOST:g}")
        self.require(self.cost >= 0, "a cost of at least 0")

    @classmethod
    def learn(cls, values: Values) -> Self:
        """Return the feature for values, of which those that are missing are left out."""
        raise TypeError(f"{cls.__name__} must say what it learns")

    @classmethod
    def refused(cls, values: Values) -> Mask:
        """Return which values, (n,), no such column has; NaN is none of them."""
        return np.zeros(len(values), bool)

    def within(self, values: Values) -> Values:
        """Return values, (n,), with those too far off to be computed with brought as near as need be."""
        return values

    @property
    def width(self) -> int:
        """Numbers of the tensor."""
        return 1

    @property
    def factors(self) -> Numbers:
        """What each number's loss is multiplied by, (width,)."""
        return (1 / max(self.cost, LEAST_COST) if self.cost else 1.0,) * self.width

    def to_tensor(self, values: Values) -> Tensor:
        """Return numbers (n, width) of values (n,); NaN gives 0."""
        raise TypeError(f"{type(self).__name__} must say how it is told")

    def from_tensor(self, raw: Tensor) -> Values:
        """Return values (n,) of what the decoder ends in, (n, width)."""
        raise TypeError(f"{type(self).__name__} must say how it comes back")


def _single(numbers: Values) -> Tensor:
    """Return float32 numbers, 0 where one is missing; what is too large becomes infinity, and is refused later."""
    with np.errstate(over="ignore"):
        return np.where(np.isnan(numbers), 0.0, numbers).astype(np.float32)


LEAST_COST = 1 / FARTHEST  # in nats; 1 divided by less cannot be computed with
STEEP = 1e-12  # of the range: between two knots at least
KNOTS = 64  # where a quantile scale bends
# Beyond these shapes a standard scale leaves most values in one heap. A normal column has 0 and 0, an exponential one
# 2 and 6, a log-normal one of sigma 1 has 6 and 111.
SKEWED, HEAVY = 3.0, 15.0


@dataclass(frozen=True, kw_only=True)
class Number(Feature):
    """A number, standardised; by quantiles where a few values lie far from all others.

    Attributes:
        center, scale: mean and standard deviation; scale 0 marks a column of one value.
        knots, marks: values, and what each becomes; between two of them the scale is straight, beyond the ends it goes
            on by `scale`. Empty: standardised.
    """

    center: float
    scale: float
    knots: Numbers = ()
    marks: Numbers = ()

    kind: ClassVar[str] = "number"
    loss: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Knots and marks go up, as many of the one as of the other."""
        super().check()
        both = (self.knots, self.marks)
        self.require(self.scale == 0 or self.scale >= LEAST, f"a scale of 0, or of at least {LEAST:g}")
        self.require(len(self.knots) == len(self.marks) != 1, "as many marks as knots, none or several")
        rising = all(a + LEAST <= b and a < b for each in both for a, b in itertools.pairwise(each))
        self.require(rising, "rising knots and marks")

    @classmethod
    def learn(cls, values: Values) -> Self:
        """Mean and deviation, or quantiles; what varies by rounding alone is constant."""
        known = values[~np.isnan(values)]
        center, scale = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
        if scale <= max(1e-12 * abs(center), LEAST):
            return cls(cost=0.0, center=float(known.min()) if len(known) else 0.0, scale=0.0)
        standard = (known - center) / scale
        skewed, heavy = abs(float(np.mean(standard**3))), float(np.mean(standard**4)) - 3
        if skewed < SKEWED and heavy < HEAVY:
            return cls(cost=0.5, center=center, scale=scale)
        knots, marks = _quantiles(known)
        plain = cls(cost=0.0, center=center, scale=scale, knots=knots, marks=marks)
        return cls(cost=float(plain.to_tensor(known).var()) / 2, center=center, scale=scale, knots=knots, marks=marks)

    def within(self, values: Values) -> Values:
        """So many standard deviations from the mean."""
        reach = NEAR_ENOUGH * (self.scale or 1.0)
        return np.clip(values, self.center - reach, self.center + reach)

    def to_tensor(self, values: Values) -> Tensor:
        """(value - center) / scale, or along the knots."""
        away = values - self.center
        if not self.scale:
            numbers = away
        elif not self.knots:
            numbers = away / self.scale
        else:
            numbers = np.interp(values, self.knots, self.marks)
            beyond = np.where(values > self.knots[-1], values - self.knots[-1], np.minimum(values - self.knots[0], 0.0))
            numbers = numbers + beyond / self.scale
        return _single(numbers)[:, None]

    def from_tensor(self, raw: Tensor) -> Values:
        """The same the other way round; the one value of a column that had one."""
        numbers = raw[:, 0].astype(np.float64)
        if not self.scale:
            return np.full(len(numbers), self.center)
        if not self.knots:
            return numbers * self.scale + self.center
        over = np.where(numbers > self.marks[-1], numbers - self.marks[-1], np.minimum(numbers - self.marks[0], 0.0))
        values: Values = np.interp(numbers, self.marks, self.knots) + over * self.scale
        return values


def _quantiles(known: Values) -> tuple[Numbers, Numbers]:
    """Return values and the normal quantiles of their middle ranks, at most `KNOTS`, both rising."""
    from scipy.special import ndtri

    values, counts = np.unique(known, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(known)
    if len(values) > KNOTS:
        # Evenly in ranks and, for the long tail, evenly in the order of values.
        wanted = np.searchsorted(ranks, np.linspace(0, 1, KNOTS - 8)[1:-1])
        places = np.unique(np.clip([0, *wanted, *(len(values) - 1 - (1 << np.arange(8))), len(values) - 1], 0, None))
        values, ranks = values[places[places < len(values)]], ranks[places[places < len(values)]]
    # Between values that are next to equal the scale would be too steep to be computed with.
    kept = [0]
    for at in range(1, len(values)):
        if values[at] - values[kept[-1]] > STEEP * (values[-1] - values[0]):
            kept.append(at)
    return tuple(values[kept].tolist()), tuple(ndtri(ranks[kept]).tolist())


@dataclass(frozen=True, kw_only=True)
class Count(Feature):
    """How often something was seen: 0, 1, 2, ..., as shares of the mean."""

    mean: float

    kind: ClassVar[str] = "count"
    loss: ClassVar[str] = "poisson"
    words: ClassVar[str] = "a count (0, 1, 2, ...)"

    def check(self) -> None:
        """Refuse no mean."""
        super().check()
        self.require(LEAST <= self.mean < 1e15, "a mean above 0")

    @classmethod
    def refused(cls, values: Values) -> Mask:
        """What is below 0 or not whole."""
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
        """So many times the mean."""
        return np.minimum(values, np.floor(NEAR_ENOUGH * self.mean))

    def to_tensor(self, values: Values) -> Tensor:
        """Value / mean."""
        return _single(values / self.mean)[:, None]

    def from_tensor(self, raw: Tensor) -> Values:
        """The mean times exp(raw)."""
        values: Values = self.mean * links.rate(raw[:, 0].astype(np.float64), np)
        return values


@dataclass(frozen=True, kw_only=True)
class Boolean(Feature):
    """True or false."""

    kind: ClassVar[str] = "boolean"
    loss: ClassVar[str] = "bernoulli"
    words: ClassVar[str] = "a boolean (0 or 1)"

    @classmethod
    def refused(cls, values: Values) -> Mask:
        """What is neither 0 nor 1."""
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

    def from_tensor(self, raw: Tensor) -> Values:
        """True where the odds say so."""
        return (raw[:, 0] > 0).astype(np.float64)


def _entropy(shares: Values) -> float:
    return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())


@dataclass(frozen=True, kw_only=True)
class Category(Feature):
    """One of several levels, told as that many zeros and a one, which a dense layer turns into a learnt vector.

    Attributes: levels: how many; a level that was never seen is told as zeros alone.
    """

    levels: int

    kind: ClassVar[str] = "category"
    loss: ClassVar[str] = "categorical"

    def check(self) -> None:
        """Refuse no levels."""
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
        """One number a level."""
        return self.levels

    def to_tensor(self, values: Values) -> Tensor:
        """A one at the level."""
        numbers = np.zeros((len(values), self.levels), np.float32)
        rows = np.flatnonzero(values < self.levels)  # neither NaN nor never seen
        numbers[rows, values[rows].astype(np.int64)] = 1
        return numbers

    def from_tensor(self, raw: Tensor) -> Values:
        """The likeliest level."""
        return np.asarray(raw.argmax(axis=1), np.float64)


DAY = 86_400.0
PERIODS = {"year": 365.2425 * DAY, "week": 7 * DAY, "day": DAY}


@dataclass(frozen=True, kw_only=True)
class Date(Feature):
    """A date or time: how far along, and where in the year, the week, the day, as far as the column spans them.

    Attributes:
        center, scale: mean and standard deviation, in seconds.
        periods: in seconds; each is a sine and a cosine. They tell the network what recurs; a date comes back by its
            place along the line alone.
    """

    center: float
    scale: float
    periods: Numbers = ()

    kind: ClassVar[str] = "date"
    loss: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Refuse periods of no length."""
        super().check()
        both = (*self.periods, self.scale or 1.0)
        self.require(all(each >= LEAST for each in both), f"a scale of 0, or scale and periods of at least {LEAST:g}")

    @classmethod
    def learn(cls, values: Values) -> Self:
        """Mean and deviation; the periods of which there are at least two, a day only where times differ."""
        known = values[~np.isnan(values)]
        if not len(known) or known.min() == known.max():
            return cls(cost=0.0, center=float(known[0]) if len(known) else 0.0, scale=0.0)
        span, several = np.ptp(known), np.ptp(known % DAY) > 0
        periods = [length for name, length in PERIODS.items() if span >= 2 * length and (name != "day" or several)]
        return cls(cost=0.5, center=float(known.mean()), scale=float(known.std()), periods=tuple(periods))

    @property
    def width(self) -> int:
        """The line, and two numbers a period."""
        return 1 + 2 * len(self.periods)

    @property
    def factors(self) -> Numbers:
        """The line counts most, because a date comes back by it; sine and cosine have half its variance each."""
        if not self.periods:
            return super().factors
        return (2 * ALONG, *[2 * (1 - ALONG) / len(self.periods)] * (2 * len(self.periods)))

    def within(self, values: Values) -> Values:
        """So many standard deviations from the mean."""
        reach = NEAR_ENOUGH * (self.scale or 1.0)
        return np.clip(values, self.center - reach, self.center + reach)

    def to_tensor(self, values: Values) -> Tensor:
        """Along the line, then sines and cosines."""
        parts = [(values - self.center) / (self.scale or 1.0)]
        for period in self.periods:
            turn = 2 * math.pi * (values % period) / period
            parts += [np.sin(turn), np.cos(turn)]
        return _single(np.stack(parts, axis=1))

    def from_tensor(self, raw: Tensor) -> Values:
        """By the line."""
        values: Values = raw[:, 0].astype(np.float64) * self.scale + self.center
        return values


ALONG = 0.8  # of what a date costs: how far along it is

FEATURES: dict[str, type[Feature]] = {each.kind: each for each in (Number, Count, Boolean, Category, Date)}
LOSS_ORDER = ("gaussian", "poisson", "bernoulli", "categorical")  # of numbers in a tensor


def owners(features: tuple[Feature, ...], order: tuple[int, ...]) -> Shape:
    """Return whose each number of a tensor is, for features in this order."""
    return tuple(np.repeat(order, [features[at].width for at in order]).tolist())
