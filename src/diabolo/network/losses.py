"""Reconstruction losses.

Each compares a target (batch, ...) with the raw numbers that the decoder ends in and returns (batch,): summed over the
features, never averaged over rows; training/loop.py alone averages. The `link` is the activation that turns the raw
numbers into a reconstruction, kept apart because a cross-entropy of logits is exact where one of probabilities is not.

The formulas are written once for two worlds: `xp` is `numpy` (scores, without TensorFlow) or `keras.ops` (training).
Order: the base, Bernoulli, Gaussian, Huber, Poisson, categorical, SSIM, the table, the choice.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diabolo.errors import OptionError
from diabolo.network import links
from diabolo.network.cells import Cells
from diabolo.network.parts import Numbers, Part, Shape

Learnt = Mapping[str, Any] | None  # weights of a loss by name


@dataclass(frozen=True, kw_only=True)
class Loss(Part):
    """What all reconstruction losses share.

    Class attributes:
        link: activation from raw numbers to a reconstruction.
        scaling: of rows on their way in: "standardise" (mean 0, variance 1), "widest" (into [0, 1]), or "mean" (none
            below 0, their mean 1).
        likelihood: whether it is minus the logarithm of one, but for what `left_out` gives back.
        masks: whether single numbers can be left out.
    """

    link: ClassVar[str]
    scaling: ClassVar[str] = "standardise"
    likelihood: ClassVar[bool] = True
    masks: ClassVar[bool] = True

    @property
    def cells(self) -> Cells | None:
        """How the numbers of a row hang together, where they are cells of a table."""
        return None

    def fits(self, input_shape: Shape) -> None:
        """Raise OptionError where rows of this shape cannot be compared so."""

    def check_rows(self, rows: Any, largest: float) -> None:
        """Raise OptionError where rows, whose largest value is that, are not what is compared here."""

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the name and shape of what the loss learns, which starts at 0."""
        return {}

    def with_mean(self, mean: float) -> "Loss":
        """Return the loss for rows of this mean, by which they are divided where `scaling` is "mean"."""
        return self

    def per_row(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None, counts: Any = None) -> Any:
        """Return the loss of each row, (batch,), summed over all other axes, in nats.

        Args: learnt: what `weights` names; counts: 1 where a number counts and 0 where it does not, the shape of
            `target`; None: all do.
        """
        each = self.each(target, raw, xp, learnt)
        return xp.sum(each if counts is None else each * counts, axis=tuple(range(1, len(each.shape))))

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """Return the loss of each number, the shape of `target`."""
        raise TypeError(f"{type(self).__name__} must say what one number costs")

    def left_out(self, target: Any) -> Any:
        """Return what `per_row` leaves out of minus the log-likelihood of each row, (batch,), in nats; NumPy."""
        return 0.0

    def values(self, input_shape: Shape) -> int:
        """Return how many values a row of this shape has, without the flags of missing cells."""
        return math.prod(input_shape)

    def residuals(self, target: Any, raw: Any) -> Any:
        """Return the target minus its reconstruction, (batch, values), 0 where a cell is missing; NumPy."""
        return (target - links.LINKS[self.link](raw)).reshape(len(target), -1)

    def error(self, target: Any, raw: Any) -> Any:
        """Return the mean squared error of each row, (batch,), over the values that are present; NumPy."""
        return np.square(target - links.LINKS[self.link](raw)).reshape(len(target), -1).mean(axis=1)


@dataclass(frozen=True, kw_only=True)
class Bernoulli(Loss):
    """Cross-entropy of numbers in [0, 1] with the probabilities sigmoid(raw).

    Grey values are allowed; the loss is then never below their entropy (45.5 nats for a mean MNIST test image).
    """

    kind: ClassVar[str] = "bernoulli"
    link: ClassVar[str] = "sigmoid"
    scaling: ClassVar[str] = "widest"

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """-t log p - (1 - t) log(1 - p), p = sigmoid(raw), without ever forming p."""
        # max(r, 0) - r t + log(1 + exp(-|r|)) is the same number, and finite for every finite r.
        return xp.maximum(raw, 0) - raw * target + xp.log1p(xp.exp(-xp.abs(raw)))


# A feature that is reconstructed perfectly would have a variance of 0 and a loss of -infinity.
LOG_VAR_LIMIT = 10.0


@dataclass(frozen=True, kw_only=True)
class Gaussian(Loss):
    """Half the squared distance: the negative log-likelihood of a Gaussian of variance 1, less 0.919 a feature.

    The constant log(2 pi) / 2 is left out: it has no gradient, and without it a perfect reconstruction costs 0.
    With variance "learnt" each feature (of images each channel) has a variance of its own that is trained along; then
    features that cannot be foreseen weigh less, and the loss may be below 0. Source: Rybkin, Daniilidis & Levine 2021,
    arXiv:2006.13202.
    """

    variance: str = "fixed"

    kind: ClassVar[str] = "gaussian"
    link: ClassVar[str] = "linear"

    def check(self) -> None:
        """Refuse other variances."""
        self.require(self.variance in ("fixed", "learnt"), "variance 'fixed' or 'learnt'")

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """The logarithm of the variance, where it is learnt."""
        return {"log_var": input_shape[-1:]} if self.variance == "learnt" else {}

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """(t - raw)**2 / 2 / variance + log(variance) / 2."""
        away = xp.square(target - raw) / 2
        if self.variance == "fixed":
            return away
        assert learnt is not None, "the variance of the loss"
        log_var = xp.clip(learnt["log_var"], -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
        return away * xp.exp(-log_var) + log_var / 2

    def left_out(self, target: Any) -> Any:
        """log(2 pi) / 2 a number."""
        return math.prod(target.shape[1:]) * math.log(2 * math.pi) / 2


@dataclass(frozen=True, kw_only=True)
class Huber(Loss):
    """Half the squared distance up to `delta` standard deviations, and in proportion beyond: outliers pull less.

    Source: Huber 1964, Robust Estimation of a Location Parameter.
    """

    delta: float = 1.0

    kind: ClassVar[str] = "huber"
    link: ClassVar[str] = "linear"
    likelihood: ClassVar[bool] = False

    def check(self) -> None:
        """Refuse a bend at 0."""
        self.require(self.delta > 0, "delta above 0")

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """a**2 / 2 where a = |t - raw| is at most delta, else delta (a - delta / 2)."""
        away = xp.abs(target - raw)
        near = xp.minimum(away, self.delta)
        return near * (away - near / 2)


@dataclass(frozen=True, kw_only=True)
class Poisson(Loss):
    """Of counts: half the deviance, the negative log-likelihood less what a perfect reconstruction would cost.

    Rows are divided by their mean on the way in; `unit` is that mean, and makes nats of it.
    """

    unit: float = 1.0  # counts that 1 in a tensor stands for

    kind: ClassVar[str] = "poisson"
    link: ClassVar[str] = "exponential"
    scaling: ClassVar[str] = "mean"

    def check(self) -> None:
        """Refuse no unit."""
        self.require(0 < self.unit < 1e30, "unit above 0")

    def with_mean(self, mean: float) -> "Loss":
        """Counts are divided by their mean, if there are any."""
        return dataclasses.replace(self, unit=mean or 1.0)

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """Rate - t + t log(t / rate), rate = exp(raw)."""
        own = target * (xp.log(xp.maximum(target, 1e-30)) - 1)  # 0 where the target is
        return self.unit * (xp.exp(raw) - target * raw + own)

    def left_out(self, target: Any) -> Any:
        """Log(t!) - t log t + t."""
        counts = target * self.unit
        each = np.vectorize(math.lgamma)(counts + 1) - counts * (np.log(np.maximum(counts, 1e-30)) - 1)
        return each.reshape(len(counts), -1).sum(axis=1)


@dataclass(frozen=True, kw_only=True)
class Categorical(Loss):
    """Cross-entropy along the last axis: rows (..., levels) of shares that sum to 1, such as one-hot symbols."""

    kind: ClassVar[str] = "categorical"
    link: ClassVar[str] = "softmax"
    scaling: ClassVar[str] = "widest"

    def fits(self, input_shape: Shape) -> None:
        """There must be levels to choose from."""
        if input_shape[-1] < 2:
            raise OptionError(
                f"reconstruction_loss 'categorical' needs levels along the last axis, got {input_shape}: of rows "
                f"(places, levels) pass X[:, :, None, :]."
            )

    def check_rows(self, rows: Any, largest: float) -> None:
        """Shares sum to 1."""
        sums = rows.sum(axis=-1, dtype=np.float64) / largest
        if not np.allclose(sums, 1, atol=1e-3):
            raise OptionError(
                f"reconstruction_loss 'categorical' needs shares that sum to {largest:g} along the last axis, got "
                f"sums from {sums.min() * largest:.4g} to {sums.max() * largest:.4g}."
            )

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """-t log softmax(raw)."""
        return target * links.minus_log_softmax(raw, xp)


WINDOW = 7  # places along an edge of what is compared at a time
STEADY = (0.01**2, 0.03**2)  # keep quotients of near nothing by near nothing at 1


@dataclass(frozen=True, kw_only=True)
class Ssim(Loss):
    """Of images in [0, 1]: (1 - structural similarity) / 2 times the numbers of a row.

    Means, variances and the covariance are those of every window of 7 x 7. Source: Wang et al. 2004, Image Quality
    Assessment: From Error Visibility to Structural Similarity, with all places of a window alike.
    """

    kind: ClassVar[str] = "ssim"
    link: ClassVar[str] = "sigmoid"
    scaling: ClassVar[str] = "widest"
    likelihood: ClassVar[bool] = False
    masks: ClassVar[bool] = False

    def fits(self, input_shape: Shape) -> None:
        """Only images have a structure."""
        if len(input_shape) != 3:
            raise OptionError(
                f"reconstruction_loss 'ssim' needs images (height, width[, channels]), got rows of {input_shape}."
            )

    def per_row(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None, counts: Any = None) -> Any:
        """Of images (batch, height, width, channels)."""
        shown = links.clipped_sigmoid(raw, xp)
        mean_t, mean_s = _means(target), _means(shown)
        spread_t = _means(target * target) - mean_t * mean_t
        spread_s = _means(shown * shown) - mean_s * mean_s
        together = _means(target * shown) - mean_t * mean_s
        first, second = STEADY
        alike = (2 * mean_t * mean_s + first) * (2 * together + second)
        alike /= (mean_t * mean_t + mean_s * mean_s + first) * (spread_t + spread_s + second)
        return math.prod(target.shape[1:]) * (1 - xp.mean(alike, axis=(1, 2, 3))) / 2


def _means(images: Any) -> Any:
    """Return the mean of every window, (batch, h, w, c) -> (batch, h - 6, w - 6, c); smaller images are one window."""
    height, width = (min(WINDOW, size) for size in images.shape[1:3])
    rows, columns = images.shape[1] - height + 1, images.shape[2] - width + 1
    images = sum(images[:, at : at + rows] for at in range(height))
    return sum(images[:, :, at : at + columns] for at in range(width)) / (height * width)


@dataclass(frozen=True, kw_only=True)
class Masked(Loss):
    """Of series with gaps: half the squared distance of the values that are there, as `Gaussian`.

    Behind the channels of a series stand as many flags, 1 where a value is missing. Made by `SeriesAdapter`.
    """

    channels: int

    kind: ClassVar[str] = "masked"
    link: ClassVar[str] = "linear"

    def check(self) -> None:
        """Refuse no channels."""
        self.require(self.channels >= 1, "at least 1 channel")

    def fits(self, input_shape: Shape) -> None:
        """There must be as many flags as channels."""
        if len(input_shape) != 2 or input_shape[1] != 2 * self.channels:
            raise OptionError(f"a masked loss of {self.channels} channels does not fit rows of {input_shape}.")

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """(t - raw)**2 / 2 where the flag is 0; 0 elsewhere, and for flags."""
        values, flags = target[..., : self.channels], target[..., self.channels :]
        away = xp.square(values - raw[..., : self.channels]) / 2 * (1 - flags)
        return xp.concatenate([away, 0 * flags], axis=-1)

    def values(self, input_shape: Shape) -> int:
        """Every value has a flag."""
        return math.prod(input_shape) // 2

    def residuals(self, target: Any, raw: Any) -> Any:
        """Target minus reconstruction, (n, time * channels); 0 where a value is missing."""
        values, flags = target[..., : self.channels], target[..., self.channels :]
        return ((values - raw[..., : self.channels]) * (1 - flags)).reshape(len(target), -1)

    def error(self, target: Any, raw: Any) -> Any:
        """Twice the loss, over the values that are present."""
        there = (1 - target[..., self.channels :]).reshape(len(target), -1).sum(axis=1)
        return 2 * self.per_row(target, raw, np) / np.maximum(there, 1)

    def left_out(self, target: Any) -> Any:
        """log(2 pi) / 2 a value that is there."""
        return (1 - target[..., self.channels :]).sum(axis=(1, 2)) * math.log(2 * math.pi) / 2


UNSEEN = 12.0  # nats for a level that no row had: no more than a level seen once in 160,000 rows


@dataclass(frozen=True, kw_only=True)
class Mixed(Loss):
    """Of tables: each column by the loss of its kind, weighed so that the best constant guess costs 1 a column.

    The numbers of a row stand by loss, in the order of the settings; cells whose flag is 1 are left out.
    Made by `diabolo.data.adapters.TableAdapter`, which knows the columns.
    """

    gaussian: int  # so many numbers
    poisson: int
    bernoulli: int
    levels: Shape  # of each category
    factors: Numbers  # of every number but the flags
    owners: Shape  # the column of every number but the flags
    flags: int  # columns where cells may be missing, else 0

    kind: ClassVar[str] = "mixed"
    link: ClassVar[str] = "linear"
    scaling: ClassVar[str] = "table"
    likelihood: ClassVar[bool] = False

    def each(self, target: Any, raw: Any, xp: Any, learnt: Learnt = None) -> Any:
        """The loss of every number times its weight; 0 of missing cells and of flags."""
        wide = len(self.factors)
        ends = np.cumsum([0, self.gaussian, self.poisson, self.bernoulli, *self.levels]).tolist()
        spans = [(target[:, a:b], raw[:, a:b]) for a, b in itertools.pairwise(ends)]
        parts = []
        for loss, (theirs, ours) in zip((Gaussian(), Poisson(), Bernoulli()), spans, strict=False):
            if theirs.shape[1]:
                ours = xp.minimum(ours, links.MOST_LOG_RATE) if loss.kind == Poisson.kind else ours
                parts.append(loss.each(theirs, ours, xp))
        parts += [_surprise(theirs, ours, xp) for theirs, ours in spans[3:]]
        costs = xp.concatenate(parts, axis=1) * np.asarray(self.factors, np.float32)
        if self.flags:
            flags = target[:, wide:]
            costs = xp.concatenate([costs * (1 - xp.take(flags, self._owners, axis=1)), 0 * flags], axis=1)
        return costs

    @property
    def cells(self) -> Cells:
        """Which numbers are of one column."""
        return Cells(self._owners, self.flags, self.gaussian)

    @cached_property
    def _owners(self) -> Any:
        return np.asarray(self.owners, np.int32)

    def values(self, input_shape: Shape) -> int:
        """The flags are one a column, or none."""
        return math.prod(input_shape) - self.flags

    def error(self, target: Any, raw: Any) -> Any:
        """The mean loss of the columns, which have no common unit."""
        return self.per_row(target, raw, np) / (max(self.owners) + 1)

    def residuals(self, target: Any, raw: Any) -> Any:
        """The target minus its expected value, (n, numbers), 0 where a cell is missing."""
        wide, expected = len(self.factors), np.array(raw[:, : len(self.factors)], np.float64)
        ends = np.cumsum([0, self.gaussian, self.poisson, self.bernoulli, *self.levels]).tolist()
        counts, odds, *levels = (slice(*both) for both in itertools.pairwise(ends[1:]))
        expected[:, counts] = links.rate(expected[:, counts], np)
        expected[:, odds] = links.sigmoid(expected[:, odds])
        for place in levels:
            expected[:, place] = links.softmax(expected[:, place])
        residuals = target[:, :wide] - expected
        return residuals * (1 - target[:, wide:][:, self._owners]) if self.flags else residuals

    def by_column(self, costs: Any) -> Any:
        """Return what each column costs, (n, columns), of the costs of each number; NumPy."""
        columns = np.zeros((len(costs), max(self.owners) + 1))
        np.add.at(columns.T, self._owners, costs[:, : len(self.owners)].T)
        return columns

    def to_config(self) -> dict[str, Any]:
        """All of it follows from the columns."""
        return {"kind": self.kind}


def _surprise(target: Any, raw: Any, xp: Any) -> Any:
    known = xp.sum(target, axis=1, keepdims=True)
    return target * links.minus_log_softmax(raw, xp) + (1 - known) * (UNSEEN / target.shape[1])


LOSSES: dict[str, type[Loss]] = {each.kind: each for each in (Bernoulli, Gaussian, Huber, Poisson, Categorical, Ssim)}

# Numbers in [0, 1] with mean m vary by at most m (1 - m), reached by zeros and ones alone. MNIST reaches 0.84 of that,
# Fashion-MNIST 0.61, photographs about 0.25, a uniform column 0.33: where most of it is reached, numbers act like odds.
NEARLY_BINARY = 0.5


class Choice(NamedTuple):
    """A reconstruction loss and the reason in words."""

    loss: Loss
    reason: str


def choose(low: float, high: float, mean: float, variance: float) -> Choice:
    """Choose the reconstruction loss that fits numbers of these extremes, mean and variance; bytes divided by 255."""
    if low < 0 or high > 1:
        return Choice(Gaussian(), f"values run from {low:.3g} to {high:.3g}")
    widest = mean * (1 - mean)
    share = variance / widest if widest > 0 else 0.0
    if share >= NEARLY_BINARY:
        return Choice(Bernoulli(), f"values in [0, 1], {share:.0%} of the way to pure zeros and ones")
    return Choice(Gaussian(), f"values in [0, 1], but only {share:.0%} of the way to zeros and ones")
