"""The loss of tables, whose columns are of several kinds."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from diabolo.network import links
from diabolo.network.cells import Cells
from diabolo.network.losses.base import Learnt, Local, Loss
from diabolo.network.losses.categorical import local_choice
from diabolo.network.losses.elementwise import Bernoulli, Gaussian, Poisson
from diabolo.network.tensors import Array, Backend, Tensor
from diabolo.parts import Numbers, Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.values import Values

UNSEEN = 12.0  # nats for a level that no row had: no more than a level seen once in 160,000 rows


@dataclass(frozen=True, kw_only=True)
class Mixed(Loss):
    """Each column by the loss of its kind, weighted so that the best constant guess costs 1 a column.

    The numbers of a row are grouped by loss, in the order of the settings; cells whose flag is 1 are left out.
    `for_table` makes it.
    """

    gaussian: int  # how many numbers
    poisson: int
    bernoulli: int
    levels: Shape  # of each category
    factors: Numbers  # the weight of each number, without the flags; 0 for those of the condition
    owners: Shape  # the column of each number, without the flags
    flags: int  # how many flags follow, one a column, that mark missing cells; or 0

    kind: ClassVar[str] = "mixed"
    link: ClassVar[str] = "linear"
    scaling: ClassVar[str] = "table"
    likelihood: ClassVar[bool] = False

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """The loss of every number times its weight; 0 for missing cells and for flags."""
        wide = len(self.factors)
        spans = [(target[:, span], raw[:, span]) for span in self.spans]
        parts = []
        for loss, (theirs, ours) in zip((Gaussian(), Poisson(), Bernoulli()), spans, strict=False):
            if theirs.shape[1]:
                ours = xp.minimum(ours, links.MOST_LOG_RATE) if loss.kind == Poisson.kind else ours
                parts.append(loss.each(theirs, ours, xp))
        parts += [_cross_entropy(theirs, ours, xp) for theirs, ours in spans[3:]]
        costs = xp.concatenate(parts, axis=1) * np.asarray(self.factors, np.float32)
        if self.flags:
            flags = target[:, wide:]
            costs = xp.concatenate([costs * (1 - xp.take(flags, self._owners, axis=1)), 0 * flags], axis=1)
        return costs

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Each column by its own loss; 0 for missing cells and for flags."""
        parts = []
        for place, span in enumerate(self.spans):
            if span.start == span.stop:
                continue
            theirs, ours = (each.columns(span.start, span.stop) for each in (target, raw))
            if place < 3:
                loss = (Gaussian(), Poisson(), Bernoulli())[place]
                parts.append(loss.local(theirs, ours, (span.stop - span.start,)))
            else:
                parts.append(local_choice(theirs, ours))
        joined = Local(*(each[0].followed_by(*each[1:], axis=1) for each in zip(*parts, strict=True)))
        weights: Array = np.asarray(self.factors, np.float32)[None]
        if not self.flags:
            return joined.times(weights)
        wide = len(self.factors)
        flags = target.columns(wide, wide + self.flags)
        local = joined.times((1.0 - flags.take(self.owners, 1)) * weights)
        nothing = flags * 0.0
        return Local(*(each.followed_by(nothing, axis=1) for each in local))

    @property
    def cells(self) -> Cells:
        """Which numbers belong to one column."""
        return Cells(self._owners, self.flags, self.gaussian)

    @cached_property
    def _owners(self) -> Array:
        return np.asarray(self.owners, np.int32)

    @cached_property
    def spans(self) -> list[slice]:
        """Where the numbers of each loss are: gaussian, poisson, bernoulli, then each category."""
        ends = np.cumsum([0, self.gaussian, self.poisson, self.bernoulli, *self.levels]).tolist()
        return [slice(*both) for both in itertools.pairwise(ends)]

    def values(self, input_shape: Shape) -> int:
        """The numbers without the flags."""
        return math.prod(input_shape) - self.flags

    def linked(self, shown: Array) -> Array:
        """Return numbers, expected counts, probabilities of true, and for categories the raw numbers, (n, numbers).

        A category is restored as the level of the largest number; without a softmax, decoding is twice as fast. The
        flags are left out.
        """
        _, counts, booleans, *_ = self.spans
        # In doubles if there are counts, which can be large.
        expected = np.array(shown[:, : len(self.factors)], np.float64 if self.poisson else shown.dtype)
        expected[:, counts] = links.rate(expected[:, counts], np)
        expected[:, booleans] = links.sigmoid(expected[:, booleans])
        return expected

    def error(self, target: Array, raw: Array) -> Array:
        """The mean loss of the columns, which have no common unit."""
        return np.asarray(self.per_row(target, raw, np) / self.counted_columns)

    @cached_property
    def counted_columns(self) -> int:
        """How many columns the loss compares: all but those of the condition."""
        return len({owner for owner, factor in zip(self.owners, self.factors, strict=True) if factor})

    def numbers(self, target: Array) -> Array:
        """The numbers of all columns, (n, numbers)."""
        return target[:, : len(self.factors)]

    def residuals(self, target: Array, raw: Array) -> Array:
        """The target minus its expected value, (n, numbers), 0 if a cell is missing or given as a condition.

        For a level the expected value is its probability.
        """
        wide, expected = len(self.factors), self.reconstruction(raw.astype(np.float64))
        for span in self.spans[3:]:
            expected[:, span] = links.softmax(expected[:, span])
        residuals = (target[:, :wide] - expected) * (np.asarray(self.factors) > 0)
        return np.asarray(residuals * (1 - target[:, wide:][:, self._owners]) if self.flags else residuals)

    def to_config(self) -> dict[str, Any]:
        """Everything else follows from the columns."""
        return {"kind": self.kind}


def _cross_entropy(target: Tensor, raw: Tensor, xp: Backend) -> Tensor:
    known = xp.sum(target, axis=1, keepdims=True)
    return target * links.minus_log_softmax(raw, xp) + (1 - known) * (UNSEEN / target.shape[1])


class ColumnNumbers(Protocol):
    """The numbers of one column of a table in a tensor."""

    @property
    def column(self) -> int:
        """Which column, counted from 0."""

    @property
    def loss(self) -> str:
        """The kind of loss that compares them: "gaussian", "poisson", "bernoulli" or "categorical"."""

    @property
    def factors(self) -> Numbers:
        """The weight of each number."""


def for_table(columns: Sequence[ColumnNumbers], *, gaps: bool, condition: Shape = ()) -> Mixed:
    """Return the loss for the columns of a table.

    Args:
        columns: in the order that their numbers have in a tensor: all gaussian ones, then poisson, bernoulli and
            categorical.
        gaps: whether a flag for each column follows their numbers.
        condition: places of the numbers that the decoder is given, which the loss leaves out.
    """
    factors: Array = np.array([factor for each in columns for factor in each.factors])
    factors[list(condition)] = 0

    def widths(kind: str) -> list[int]:
        return [len(each.factors) for each in columns if each.loss == kind]

    return Mixed(
        gaussian=sum(widths("gaussian")),
        poisson=sum(widths("poisson")),
        bernoulli=sum(widths("bernoulli")),
        levels=tuple(widths("categorical")),
        factors=tuple(factors.tolist()),
        owners=tuple(each.column for each in columns for _ in each.factors),
        flags=len(columns) * gaps,
    )
