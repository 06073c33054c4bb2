"""Numbers drawn inside the compiled program, from a `keras.random.SeedGenerator`.

Unlike `keras.random`, these functions name the algorithm. Otherwise XLA on a CPU chooses one that takes 190 ns per
number, so that drawing the zeros and ones of a batch of MNIST took ten times as long as all layers; philox takes 6 ns.
With XLA both give the same numbers; without XLA the numbers differ.

Where several processes share the rows of a batch, each draws the numbers of the whole batch and keeps those of its own
rows (`of_rows`), so that the result does not depend on how many they are.

Order: seeds, numbers, the rows of one process.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import NamedTuple, Self

import numpy as np

from diabolo.network.tensors import SeedGenerator, Tensor

ALGORITHM = "philox"  # Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3


class Seeds(NamedTuple):
    """Seeds of 31 bits that follow from one seed: a different one for each purpose."""

    training: int
    validation: int
    evaluation: int
    helper: int

    @classmethod
    def of(cls, seed: int) -> Self:
        """Return those of a seed."""
        # Spawned, since the first weights are drawn from the sequence itself.
        children = np.random.SeedSequence(seed).spawn(len(cls._fields))
        return cls(*(int(child.generate_state(1)[0]) >> 1 for child in children))


class RowsOf(NamedTuple):
    """The rows of a batch that a process has: its own, from the first of them on, of the total; or scalar tensors."""

    first: Tensor | int
    own: Tensor | int
    total: Tensor | int


_ROWS: ContextVar[tuple[RowsOf, bool] | None] = ContextVar("rows", default=None)


@contextlib.contextmanager
def of_rows(rows: RowsOf, *, compiled: bool = False) -> Iterator[None]:
    """Draw for these rows of a batch while the body is traced. Args: compiled: whether XLA draws."""
    before = _ROWS.set((rows, compiled))
    try:
        yield
    finally:
        _ROWS.reset(before)


def uniform(shape: Sequence[int] | Tensor, generator: SeedGenerator, *, axis: int | None = 0) -> Tensor:
    """Return numbers in [0, 1), float32. Args: axis: that of the rows of the batch; None: the same for all rows."""
    import tensorflow as tf

    return _drawn(tf.random.stateless_uniform, shape, generator, axis)


def normal(shape: Sequence[int] | Tensor, generator: SeedGenerator, *, axis: int | None = 0) -> Tensor:
    """Return numbers from a normal distribution of mean 0 and variance 1, float32. Args: axis: as for `uniform`."""
    import tensorflow as tf

    return _drawn(tf.random.stateless_normal, shape, generator, axis)


def _drawn(
    draw: Callable[..., Tensor], shape: Sequence[int] | Tensor, generator: SeedGenerator, axis: int | None
) -> Tensor:
    asked, seed = _ROWS.get(), _seed(generator)
    if asked is None:
        return draw(shape, seed, alg=ALGORITHM)
    import tensorflow as tf

    rows, compiled = asked
    if compiled:
        draw = tf.function(draw, jit_compile=True, autograph=False)
    if axis is None:
        return draw(shape, seed, alg=ALGORITHM)
    # A decoder may see several latents of each row: then the rows follow each other so many times.
    sizes = tf.unstack(tf.convert_to_tensor(shape, tf.int32))
    copies = sizes[axis] // tf.maximum(rows.own, 1)
    sizes[axis] = copies * rows.total
    places = tf.range(copies)[:, None] * rows.total + rows.first + tf.range(rows.own)  # (copies, own)
    return tf.gather(draw(tf.stack(sizes), seed, alg=ALGORITHM), tf.reshape(places, [-1]), axis=axis)


def _seed(generator: SeedGenerator) -> Tensor:
    import tensorflow as tf

    # XLA needs int32, which the state of a generator, int64 or uint32, may leave.
    return tf.cast(tf.math.floormod(tf.cast(generator.next(), tf.int64), tf.int32.max - 1), tf.int32)
