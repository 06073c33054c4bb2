"""The base of all reconstruction losses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from diabolo.network import links
from diabolo.network.cells import Cells
from diabolo.network.tensors import Array, Backend, Tensor
from diabolo.parts import Part, Shape

if TYPE_CHECKING:
    from diabolo.network.backends.onnx.values import Values

Learnt = Mapping[str, Tensor] | None  # weights of a loss by name


class Local(NamedTuple):
    """A loss near some raw numbers, as nodes of an ONNX graph: one number for each raw number, (n, numbers).

    Attributes:
        cost: the loss, up to a constant.
        gradient: its first derivative.
        curvature: its second derivative, or an upper bound of it; at least 0.
    """

    cost: "Values"
    gradient: "Values"
    curvature: "Values"

    def times(self, weights: "Values | Array") -> "Local":
        """Return the loss with each number multiplied by a weight, (n, numbers) or (1, numbers)."""
        return Local(self.cost * weights, self.gradient * weights, self.curvature * weights)


@dataclass(frozen=True, kw_only=True)
class Loss(Part):
    """The base of all reconstruction losses.

    Class attributes:
        link: activation from raw numbers to a reconstruction.
        scaling: how rows are scaled for the network: "standardise" (each feature to mean 0, variance 1), "widest" (all
            into [0, 1]), "mean" (counts, divided by their mean), or "table" (each column by its kind).
        likelihood: whether the loss is a negative log-likelihood, up to what `left_out` returns.
        masks: whether single numbers can be left out.
        binary: whether numbers are compared as probabilities of a 1.
        sparse: whether sparse rows can be compared: the loss of a row is the sum over its features, and is cheap where
            target and raw number are 0.
        exact_in_float32: whether the loss of a row is no difference of large numbers, so that float32 is enough.
    """

    link: ClassVar[str]
    scaling: ClassVar[str] = "standardise"
    likelihood: ClassVar[bool] = True
    masks: ClassVar[bool] = True
    binary: ClassVar[bool] = False
    sparse: ClassVar[bool] = False
    exact_in_float32: ClassVar[bool] = False

    @property
    def cells(self) -> Cells | None:
        """Which numbers of a row form one cell, for the rows of a table; None for other rows."""
        return None

    @property
    def flagged_channels(self) -> int:
        """How many channels of a series are followed by as many flags of missing values; 0: there are no flags."""
        return 0

    def fits(self, input_shape: Shape) -> None:
        """Raise OptionError if the loss cannot compare rows of this shape."""

    def check_rows(self, rows: Array, largest: float) -> None:
        """Raise OptionError if the loss cannot compare these rows, whose largest possible value is `largest`."""

    def weights(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the name and shape of each weight that the loss learns; all start at 0."""
        return {}

    def with_mean(self, mean: float) -> "Loss":
        """Return the loss for rows of this mean, by which they are divided if `scaling` is "mean"."""
        return self

    def per_row(
        self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None, counts: Tensor | None = None
    ) -> Tensor:
        """Return the loss of each row, (batch,), summed over all other axes, in nats.

        Args:
            target: (batch, ...).
            raw: the output of the decoder, the shape of `target`.
            xp: `numpy` or `keras.ops`.
            learnt: the weights that `weights` names.
            counts: 1 where a number counts and 0 where it does not, the shape of `target`; None: all numbers count.
        """
        each = self.each(target, raw, xp, learnt)
        return xp.sum(each if counts is None else each * counts, axis=tuple(range(1, len(each.shape))))

    def each(self, target: Tensor, raw: Tensor, xp: Backend, learnt: Learnt = None) -> Tensor:
        """Return the loss of each number, the shape of `target`; arguments as for `per_row`."""
        raise TypeError(f"{type(self).__name__} must define each(): the loss of each number")

    def local(self, target: "Values", raw: "Values", input_shape: Shape, learnt: Learnt = None) -> Local:
        """Return the loss near raw numbers, for the Gauss-Newton steps of the refined bottleneck.

        The default is half the squared error of the reconstruction: a loss without a curvature of its own is lowered by
        steps that bring the reconstruction closer to the row.

        Args:
            target: (n, numbers), rows flattened.
            raw: the raw numbers of the decoder, the same shape.
            input_shape: of a row before it was flattened.
            learnt: the weights that `weights` names, in NumPy.

        Raises: TypeError if the link does not treat each number separately.
        """
        if self.link not in links.SLOPES:
            raise TypeError(f"{type(self).__name__} must define local(): the link {self.link!r} joins several numbers")
        shown, slope = links.SLOPES[self.link](raw)
        away = shown - target
        if slope is None:
            return Local(away * away * 0.5, away, raw * 0.0 + 1.0)
        return Local(away * away * 0.5, away * slope, slope * slope)

    def left_out(self, target: Array) -> Array | float:
        """Return the part of the negative log-likelihood of each row that `per_row` leaves out, (batch,), in nats."""
        return 0.0

    def values(self, input_shape: Shape) -> int:
        """Return how many values a row of this shape has, without the flags of missing cells."""
        return math.prod(input_shape)

    def reconstruction(self, raw: Array) -> Array:
        """Return the reconstruction, from which an adapter restores rows, from raw numbers (n, ...); NumPy."""
        return self.linked(links.LINKS[self.link](raw))

    def linked(self, shown: Array) -> Array:
        """Return the reconstruction from the output of `link`, which an ONNX decoder computes itself; NumPy.

        Both are the same unless the numbers of a row have several links, as those of a table have.
        """
        return shown

    def numbers(self, target: Array) -> Array:
        """Return the values of each row, (batch, values), without the flags of missing cells, which are 0; NumPy."""
        return target.reshape(len(target), -1)

    def residuals(self, target: Array, raw: Array) -> Array:
        """Return the target minus its reconstruction, (batch, values), 0 where a cell is missing; NumPy."""
        return (target - self.reconstruction(raw)).reshape(len(target), -1)

    def error(self, target: Array, raw: Array) -> Array:
        """Return the mean squared error of each row, (batch,), over the values that are present; NumPy."""
        return np.asarray(np.square(target - self.reconstruction(raw)).reshape(len(target), -1).mean(axis=1))
