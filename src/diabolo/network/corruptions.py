"""Corruptions: noise on the input of a network in training, but not on its target. Drawn anew for each batch.

Each takes rows as tensors (batch, ...) and returns rows of the same shape, with a mask if the loss counts only hidden
numbers. Nothing here runs at inference. Order: the base, noise on every number, numbers replaced, numbers drawn, the
table.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diabolo.errors import OptionError
from diabolo.network.cells import Cells
from diabolo.network.losses import Loss
from diabolo.network.random_numbers import Seeds, normal, uniform
from diabolo.network.tensors import Array, SeedGenerator, Tensor
from diabolo.parts import Part, Shape


class Corrupted(NamedTuple):
    """The input of a network in training, with its mask and its target.

    Attributes:
        rows: the input, (batch, ...).
        hidden: 1 where the loss counts, the shape of the rows; None: it counts everywhere.
        target: the rows that the network shall return; None: the rows before they were corrupted.

    The engine for sparse rows keeps its own kind of batch in rows and target.
    """

    rows: Any
    hidden: Tensor | None = None
    target: Any = None


@dataclass(frozen=True, kw_only=True)
class Corruption(Part):
    """The base of all corruptions.

    Class attributes:
        hides: whether the target is the row before it was corrupted.
        by_row: whether what becomes of a row depends on that row alone, so that processes can share a batch.
    """

    hides: ClassVar[bool] = True
    by_row: ClassVar[bool] = True

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Raise OptionError if the corruption does not suit rows of this shape or this loss."""

    def apply(self, rows: Tensor, generator: SeedGenerator, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Return corrupted rows.

        Args:
            rows: tensors (batch, ...), float32.
            generator: a `keras.random.SeedGenerator`.
            bounded: whether rows lie in [0, 1]; else each feature has mean 0 and variance 1.
            cells: for the rows of a table, which numbers represent one column.
        """
        raise TypeError(f"{type(self).__name__} must define apply(rows)")

    def apply_with_flags(self, rows: Tensor, generator: SeedGenerator, *, channels: int) -> Corrupted:
        """Return corrupted series with gaps, (batch, time, 2 * channels): the channels, then their flags.

        Missing values stay at 0 with their flag. Other arguments as for `apply`.
        """
        from keras import ops

        values, flags = rows[..., :channels], rows[..., channels:]
        seen = self.apply(values, generator, bounded=False).rows
        return Corrupted(ops.concatenate([seen * (1 - flags), flags], axis=-1))


def _refuse_cells(kind: str, loss: Loss) -> None:
    if loss.scaling == "table":
        raise OptionError(f"corruption {kind!r} does not suit columns of several kinds: choose 'masking' or 'swap'.")


def _refuse_counts(kind: str, loss: Loss) -> None:
    if loss.scaling == "mean":
        raise OptionError(f"corruption {kind!r} would make counts below 0: choose 'masking' or 'swap'.")


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Corruption):
    """Gaussian noise of standard deviation `sigma`; rows in [0, 1] are clipped to that range."""

    sigma: float

    kind: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Refuse a sigma of 0 or below."""
        self.require(0 < self.sigma < 1e6, "sigma above 0")

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Refuse counts, which are never below 0."""
        _refuse_counts(self.kind, loss)

    def apply(self, rows: Tensor, generator: SeedGenerator, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Add sigma * normal."""
        from keras import ops

        noise = self.sigma * normal(ops.shape(rows), generator)
        if cells is not None:
            noise = noise * (np.arange(rows.shape[1]) < cells.smooth).astype(np.float32)
        noisy = rows + noise
        return Corrupted(ops.clip(noisy, 0.0, 1.0) if bounded else noisy)


@dataclass(frozen=True, kw_only=True)
class Masking(Corruption):
    """A share of the numbers set to 0, which is black or the mean of a feature.

    Source: Vincent et al. 2008, Extracting and Composing Robust Features with Denoising Autoencoders.
    """

    share: float
    # "values": each number separately; "pixels": all channels of a pixel; "blocks": one rectangle a row; "columns": in
    # a table the same features in all rows of a batch, in images vertical lines of pixels.
    what: str = "values"
    hidden_only: bool = False  # the loss counts hidden numbers only: He et al. 2022, arXiv:2111.06377

    kind: ClassVar[str] = "masking"

    def check(self) -> None:
        """Refuse shares outside (0, 1) and unknown kinds of masks."""
        self.require(0 < self.share < 1, "a share in (0, 1)")
        known = ("values", "pixels", "blocks", "columns")
        self.require(self.what in known, f"what to be one of {', '.join(known)}")

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Blocks and pixels need images or series."""
        if self.what in ("pixels", "blocks") and len(input_shape) < 2:
            raise OptionError(f"masking of {self.what} needs images or series, got rows of {input_shape}: mask values.")

    def apply(self, rows: Tensor, generator: SeedGenerator, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Set the hidden numbers to 0."""
        from keras import ops

        if cells is not None:
            shape, axis = ops.shape(rows), 0 if self.what == "values" else None
            drawn = uniform((1 if axis is None else shape[0], cells.columns), generator, axis=axis) < self.share
            hidden = cells.spread(ops.broadcast_to(ops.cast(drawn, "float32"), (shape[0], cells.columns)))
            # Hidden cells are marked as missing; the target keeps its own flags.
            flags = ops.concatenate([0 * rows[:, : len(cells.owners)], hidden[:, len(cells.owners) :]], axis=1)
            return Corrupted(rows * (1 - hidden) + flags, hidden if self.hidden_only else None)
        hidden = self._hidden(rows, generator)
        return Corrupted(rows * (1 - hidden), hidden if self.hidden_only else None)

    def apply_with_flags(self, rows: Tensor, generator: SeedGenerator, *, channels: int) -> Corrupted:
        """Set the hidden values to 0 and mark them as missing; the target keeps its own flags."""
        from keras import ops

        values, flags = rows[..., :channels], rows[..., channels:]
        hidden = self._hidden(values, generator)
        seen = ops.concatenate([values * (1 - hidden), ops.maximum(flags, hidden)], axis=-1)
        return Corrupted(seen, ops.concatenate([hidden, hidden], axis=-1) if self.hidden_only else None)

    def _hidden(self, rows: Tensor, generator: SeedGenerator) -> Tensor:
        """Return 1 where a number is hidden, the shape of `rows`."""
        from keras import ops

        shape = ops.shape(rows)
        if self.what == "blocks":
            hidden = self._blocks(rows, generator)
        else:
            places = shape if self.what == "values" else (*shape[:-1], 1)
            if self.what == "columns":
                places = (1, shape[1]) if len(shape) == 2 else (shape[0], *[1] * (len(shape) - 3), shape[-2], 1)
            axis = None if self.what == "columns" and len(shape) == 2 else 0
            hidden = ops.cast(uniform(places, generator, axis=axis) < self.share, "float32")
        return ops.broadcast_to(hidden, shape)

    def _blocks(self, rows: Tensor, generator: SeedGenerator) -> Tensor:
        """Return one rectangle a row, (batch, h[, w], 1), whose area is the share."""
        from keras import ops

        space = rows.shape[1:-1]
        hidden = None
        for axis, size in enumerate(space):
            length = max(1, min(size, round(size * self.share ** (1 / len(space)))))
            start = ops.floor(uniform((ops.shape(rows)[0], 1), generator) * (size - length + 1))
            places = ops.cast(ops.arange(size), "float32")[None]
            inside = ops.cast((places >= start) & (places < start + length), "float32")  # (batch, size)
            shape = [-1, *(size if other == axis else 1 for other in range(len(space))), 1]
            inside = ops.reshape(inside, shape)
            hidden = inside if hidden is None else hidden * inside
        return hidden


@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Corruption):
    """A share of the numbers set to the lowest or the highest value: 0 or 1, or 2 standard deviations from the mean."""

    share: float

    kind: ClassVar[str] = "salt_and_pepper"

    def check(self) -> None:
        """Refuse shares outside (0, 1)."""
        self.require(0 < self.share < 1, "a share in (0, 1)")

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Refuse counts, which are never below 0, and columns of several kinds."""
        _refuse_counts(self.kind, loss)
        _refuse_cells(self.kind, loss)

    def apply(self, rows: Tensor, generator: SeedGenerator, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Set half of the share low and half high."""
        from keras import ops

        low, high = (0.0, 1.0) if bounded else (-2.0, 2.0)
        drawn = uniform(ops.shape(rows), generator)
        return Corrupted(ops.where(drawn < self.share / 2, low, ops.where(drawn < self.share, high, rows)))


@dataclass(frozen=True, kw_only=True)
class Swap(Corruption):
    """A share of the numbers replaced by the same feature of another row of the batch: noise distributed as the data.

    Source: the swap noise of Jahrer's winning entry of Porto Seguro's Safe Driver Prediction, Kaggle 2017.
    """

    share: float

    kind: ClassVar[str] = "swap"
    by_row: ClassVar[bool] = False

    def check(self) -> None:
        """Refuse shares outside (0, 1)."""
        self.require(0 < self.share < 1, "a share in (0, 1)")

    def apply(self, rows: Tensor, generator: SeedGenerator, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Replace numbers of each row by those of one other row."""
        from keras import ops

        others = _others(rows, generator)
        if cells is None:
            drawn = uniform(ops.shape(rows), generator)
        else:
            drawn = cells.spread(uniform((ops.shape(rows)[0], cells.columns), generator))
        return Corrupted(ops.where(drawn < self.share, others, rows))

    def apply_with_flags(self, rows: Tensor, generator: SeedGenerator, *, channels: int) -> Corrupted:
        """Replace values together with their flags."""
        from keras import ops

        others = _others(rows, generator)
        drawn = uniform(ops.shape(rows[..., :channels]), generator)
        return Corrupted(ops.where(ops.concatenate([drawn, drawn], axis=-1) < self.share, others, rows))


def _others(rows: Tensor, generator: SeedGenerator) -> Tensor:
    """Return the rows of a batch in a random order."""
    from keras import ops

    return ops.take(rows, ops.argsort(uniform((ops.shape(rows)[0],), generator)), axis=0)


@dataclass(frozen=True, kw_only=True)
class Binarize(Corruption):
    """Each number in [0, 1] is the probability of a 1, which is drawn for the target too: dynamic binarisation.

    Makes a Bernoulli loss a true likelihood. Source: Salakhutdinov & Murray 2008, On the Quantitative Analysis of Deep
    Belief Networks.
    """

    kind: ClassVar[str] = "binarize"
    hides: ClassVar[bool] = False

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Refuse losses that do not compare probabilities of a 1."""
        if not loss.binary:
            raise OptionError(
                f"corruption 'binarize' draws 0 or 1, which reconstruction_loss {loss.kind!r} does not compare: "
                "pass reconstruction_loss='bernoulli'."
            )

    def apply(self, rows: Tensor, generator: SeedGenerator, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Draw zeros and ones."""
        from keras import ops

        drawn = ops.cast(uniform(ops.shape(rows), generator) < rows, "float32")
        return Corrupted(drawn, target=drawn)


CORRUPTIONS: dict[str, type[Corruption]] = {
    each.kind: each for each in (GaussianNoise, Masking, SaltAndPepper, Swap, Binarize)
}

ROWS_AT_ONCE = 1024


def corrupt(
    corruption: Corruption, loss: Loss, tensors: Tensor, generator: SeedGenerator, *, bounded: bool
) -> Corrupted:
    """Return corrupted rows, with the cells or flags that the loss has; arguments as for `Corruption.apply`."""
    if loss.flagged_channels:
        return corruption.apply_with_flags(tensors, generator, channels=loss.flagged_channels)
    return corruption.apply(tensors, generator, bounded=bounded, cells=loss.cells)


def corrupted(corruption: Corruption, loss: Loss, tensors: Array, seed: int, *, bounded: bool) -> Array:
    """Return corrupted rows as in training, for a picture or an error: NumPy in, NumPy out. Loads Keras.

    Args: seed: of the training, whose own noise is not drawn again.
    """
    import keras

    generator = keras.random.SeedGenerator(Seeds.of(seed).evaluation)
    starts = range(0, len(tensors), ROWS_AT_ONCE)
    parts = (corrupt(corruption, loss, tensors[at : at + ROWS_AT_ONCE], generator, bounded=bounded) for at in starts)
    return np.concatenate([np.asarray(part.rows) for part in parts])
