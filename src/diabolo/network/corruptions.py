"""Corruptions: noise put on the input of a network in training, not on its target. Another draw each time.

Each takes rows as tensors (batch, ...) and gives rows of the same shape, with a mask of what it hid if the loss shall
look there alone. Nothing here runs at inference. Order: the base, noise on every number, numbers replaced, numbers
drawn, the table.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from diabolo.errors import OptionError
from diabolo.network.cells import Cells
from diabolo.network.chance import Seeds, normal, uniform
from diabolo.network.losses import Bernoulli, Loss, Masked
from diabolo.network.parts import Part, Shape


class Corrupted(NamedTuple):
    """Rows for the network to see.

    Attributes:
        rows: what goes in.
        hidden: 1 where the loss counts; None: it counts everywhere.
        target: what shall come out; None: the rows as they were.
    """

    rows: Any
    hidden: Any = None
    target: Any = None


@dataclass(frozen=True, kw_only=True)
class Corruption(Part):
    """What all corruptions share. `hides` says whether the target is the row as it was."""

    hides: ClassVar[bool] = True

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Raise OptionError where rows that are compared by this loss cannot be corrupted so."""

    def apply(self, rows: Any, chance: Any, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Return corrupted rows.

        Args:
            rows: tensors (batch, ...), float32.
            chance: a `keras.random.SeedGenerator`.
            bounded: whether rows lie in [0, 1]; else each feature has mean 0 and variance 1.
            cells: of a table, how numbers hang together.
        """
        raise TypeError(f"{type(self).__name__} must say what it does to rows")

    def apply_where_known(self, rows: Any, chance: Any, *, channels: int) -> Corrupted:
        """Return corrupted series with gaps, (batch, time, channels and as many flags); arguments as for `apply`.

        What is missing stays so, at 0 and with its flag.
        """
        from keras import ops

        values, flags = rows[..., :channels], rows[..., channels:]
        seen = self.apply(values, chance, bounded=False).rows
        return Corrupted(ops.concatenate([seen * (1 - flags), flags], axis=-1))


def _refuse_cells(kind: str, loss: Loss) -> None:
    if loss.scaling == "table":
        raise OptionError(f"corruption {kind!r} does not suit columns of several kinds: choose 'masking' or 'swap'.")


def _refuse_counts(kind: str, loss: Loss) -> None:
    if loss.scaling == "mean":
        raise OptionError(f"corruption {kind!r} would make counts below 0: choose 'masking' or 'swap'.")


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Corruption):
    """Normal noise of standard deviation `sigma`; rows in [0, 1] are clipped to it."""

    sigma: float

    kind: ClassVar[str] = "gaussian"

    def check(self) -> None:
        """Refuse noise of no width."""
        self.require(0 < self.sigma < 1e6, "sigma above 0")

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Counts are never below 0."""
        _refuse_counts(self.kind, loss)

    def apply(self, rows: Any, chance: Any, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Add sigma * normal."""
        from keras import ops

        noise = self.sigma * normal(ops.shape(rows), chance)
        if cells is not None:
            noise = noise * (np.arange(rows.shape[1]) < cells.smooth).astype(np.float32)
        noisy = rows + noise
        return Corrupted(ops.clip(noisy, 0.0, 1.0) if bounded else noisy)


@dataclass(frozen=True, kw_only=True)
class Masking(Corruption):
    """A share of the numbers set to 0, which is black, or the mean of a feature.

    Source: Vincent et al. 2008, Extracting and Composing Robust Features with Denoising Autoencoders.
    """

    share: float
    # Each number by itself; "pixels": all channels of a place; "blocks": one rectangle a row; "columns": of tables the
    # same features in all rows of a batch, of images lines of pixels from top to bottom.
    what: str = "values"
    hidden_only: bool = False  # the loss looks only at what was hidden: He et al. 2022, arXiv:2111.06377

    kind: ClassVar[str] = "masking"

    def check(self) -> None:
        """Refuse to hide nothing or everything."""
        self.require(0 < self.share < 1, "a share in (0, 1)")
        known = ("values", "pixels", "blocks", "columns")
        self.require(self.what in known, f"what to be one of {', '.join(known)}")

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Blocks and pixels need axes of space."""
        if self.what in ("pixels", "blocks") and len(input_shape) < 2:
            raise OptionError(f"masking of {self.what} needs images or series, got rows of {input_shape}: mask values.")

    def apply(self, rows: Any, chance: Any, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Set what is hidden to 0."""
        from keras import ops

        if cells is not None:
            shape = ops.shape(rows)
            drawn = uniform((shape[0] if self.what == "values" else 1, cells.columns), chance) < self.share
            hidden = cells.spread(ops.broadcast_to(ops.cast(drawn, "float32"), (shape[0], cells.columns)))
            # What is hidden is told to be missing; the target keeps its own flags.
            told = ops.concatenate([0 * rows[:, : len(cells.owners)], hidden[:, len(cells.owners) :]], axis=1)
            return Corrupted(rows * (1 - hidden) + told, hidden if self.hidden_only else None)
        hidden = self._hidden(rows, chance)
        return Corrupted(rows * (1 - hidden), hidden if self.hidden_only else None)

    def apply_where_known(self, rows: Any, chance: Any, *, channels: int) -> Corrupted:
        """Set what is hidden to 0 and tell that it is missing; the target keeps its own flags."""
        from keras import ops

        values, flags = rows[..., :channels], rows[..., channels:]
        hidden = self._hidden(values, chance)
        seen = ops.concatenate([values * (1 - hidden), ops.maximum(flags, hidden)], axis=-1)
        return Corrupted(seen, ops.concatenate([hidden, hidden], axis=-1) if self.hidden_only else None)

    def _hidden(self, rows: Any, chance: Any) -> Any:
        """Return 1 where a number is hidden, the shape of `rows`."""
        from keras import ops

        shape = ops.shape(rows)
        if self.what == "blocks":
            hidden = self._blocks(rows, chance)
        else:
            places = shape if self.what == "values" else (*shape[:-1], 1)
            if self.what == "columns":
                places = (1, shape[1]) if len(shape) == 2 else (shape[0], *[1] * (len(shape) - 3), shape[-2], 1)
            hidden = ops.cast(uniform(places, chance) < self.share, "float32")
        return ops.broadcast_to(hidden, shape)

    def _blocks(self, rows: Any, chance: Any) -> Any:
        """Return one rectangle a row, (batch, h[, w], 1), as long along each axis as makes the share."""
        from keras import ops

        space = rows.shape[1:-1]
        hidden = None
        for axis, size in enumerate(space):
            length = max(1, min(size, round(size * self.share ** (1 / len(space)))))
            start = ops.floor(uniform((ops.shape(rows)[0], 1), chance) * (size - length + 1))
            places = ops.cast(ops.arange(size), "float32")[None]
            inside = ops.cast((places >= start) & (places < start + length), "float32")  # (batch, size)
            shape = [-1, *(size if other == axis else 1 for other in range(len(space))), 1]
            inside = ops.reshape(inside, shape)
            hidden = inside if hidden is None else hidden * inside
        return hidden


@dataclass(frozen=True, kw_only=True)
class SaltAndPepper(Corruption):
    """A share of the numbers set to the lowest or the highest: 0 or 1, or 2 standard deviations off."""

    share: float

    kind: ClassVar[str] = "salt_and_pepper"

    def check(self) -> None:
        """Refuse to replace nothing or everything."""
        self.require(0 < self.share < 1, "a share in (0, 1)")

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Counts are never below 0."""
        _refuse_counts(self.kind, loss)
        _refuse_cells(self.kind, loss)

    def apply(self, rows: Any, chance: Any, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Half of the share low, half high."""
        from keras import ops

        low, high = (0.0, 1.0) if bounded else (-2.0, 2.0)
        drawn = uniform(ops.shape(rows), chance)
        return Corrupted(ops.where(drawn < self.share / 2, low, ops.where(drawn < self.share, high, rows)))


@dataclass(frozen=True, kw_only=True)
class Swap(Corruption):
    """A share of the numbers replaced by the same feature of another row of the batch: noise that looks like the data.

    Source: the swap noise of Jahrer's winning entry of Porto Seguro's Safe Driver Prediction, Kaggle 2017.
    """

    share: float

    kind: ClassVar[str] = "swap"

    def check(self) -> None:
        """Refuse to replace nothing or everything."""
        self.require(0 < self.share < 1, "a share in (0, 1)")

    def apply(self, rows: Any, chance: Any, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Each row borrows from one other, drawn anew."""
        from keras import ops

        others = _others(rows, chance)
        if cells is None:
            drawn = uniform(ops.shape(rows), chance)
        else:
            drawn = cells.spread(uniform((ops.shape(rows)[0], cells.columns), chance))
        return Corrupted(ops.where(drawn < self.share, others, rows))

    def apply_where_known(self, rows: Any, chance: Any, *, channels: int) -> Corrupted:
        """A value is borrowed together with its flag."""
        from keras import ops

        others = _others(rows, chance)
        drawn = uniform(ops.shape(rows[..., :channels]), chance)
        return Corrupted(ops.where(ops.concatenate([drawn, drawn], axis=-1) < self.share, others, rows))


def _others(rows: Any, chance: Any) -> Any:
    """Return the rows of a batch in another order."""
    from keras import ops

    return ops.take(rows, ops.argsort(uniform((ops.shape(rows)[0],), chance)), axis=0)


@dataclass(frozen=True, kw_only=True)
class Binarize(Corruption):
    """Each number in [0, 1] is taken for the odds of a 1 and drawn anew, for the target too: dynamic binarisation.

    Makes a Bernoulli loss a true likelihood. Source: Salakhutdinov & Murray 2008, On the Quantitative Analysis of Deep
    Belief Networks.
    """

    kind: ClassVar[str] = "binarize"
    hides: ClassVar[bool] = False

    def fits(self, input_shape: Shape, loss: Loss) -> None:
        """Zeros and ones are odds, neither shares nor shades."""
        if not isinstance(loss, Bernoulli):
            raise OptionError(
                f"corruption 'binarize' draws 0 or 1, which reconstruction_loss {loss.kind!r} does not compare: "
                "pass reconstruction_loss='bernoulli'."
            )

    def apply(self, rows: Any, chance: Any, *, bounded: bool, cells: Cells | None = None) -> Corrupted:
        """Draw zeros and ones."""
        from keras import ops

        drawn = ops.cast(uniform(ops.shape(rows), chance) < rows, "float32")
        return Corrupted(drawn, target=drawn)


CORRUPTIONS: dict[str, type[Corruption]] = {
    each.kind: each for each in (GaussianNoise, Masking, SaltAndPepper, Swap, Binarize)
}

ROWS_AT_ONCE = 1024


def corrupt(corruption: Corruption, loss: Loss, tensors: Any, chance: Any, *, bounded: bool) -> Corrupted:
    """Return corrupted rows, whose numbers hang together as the loss knows; arguments as for `Corruption.apply`."""
    if isinstance(loss, Masked):
        return corruption.apply_where_known(tensors, chance, channels=loss.channels)
    return corruption.apply(tensors, chance, bounded=bounded, cells=loss.cells)


def corrupted(corruption: Corruption, loss: Loss, tensors: Any, seed: int, *, bounded: bool) -> Any:
    """Return rows as a network would see them in training, for a look: NumPy in, NumPy out. Loads Keras.

    Args: seed: of the training, none of whose own noise is drawn again.
    """
    import keras

    chance = keras.random.SeedGenerator(Seeds.of(seed).judging)
    starts = range(0, len(tensors), ROWS_AT_ONCE)
    parts = (corrupt(corruption, loss, tensors[at : at + ROWS_AT_ONCE], chance, bounded=bounded) for at in starts)
    return np.concatenate([np.asarray(part.rows) for part in parts])
