"""Numbers drawn inside the compiled program, from a `keras.random.SeedGenerator`.

As `keras.random` draws them, but by an algorithm that is named: left to choose, XLA on a processor takes one that needs
190 ns a number, so that drawing the zeros and ones of a batch of MNIST took ten times as long as all of its layers; the
one named here needs 6, and gives the very same numbers. Without XLA they are others.
"""

from typing import Any, NamedTuple, Self

import numpy as np

ALGORITHM = "philox"  # Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3


class Seeds(NamedTuple):
    """Seeds, of 31 bits, that follow from one: for each purpose another, and shared with no other seed."""

    training: int
    validation: int
    judging: int
    helper: int

    @classmethod
    def of(cls, seed: int) -> Self:
        """Return those of a seed."""
        # Spawned: what is drawn from the sequence itself makes the first weights.
        children = np.random.SeedSequence(seed).spawn(len(cls._fields))
        return cls(*(int(child.generate_state(1)[0]) >> 1 for child in children))


def uniform(shape: Any, chance: Any) -> Any:
    """Return numbers in [0, 1), float32."""
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, _seed(chance), alg=ALGORITHM)


def normal(shape: Any, chance: Any) -> Any:
    """Return numbers from a normal distribution of mean 0 and variance 1, float32."""
    import tensorflow as tf

    return tf.random.stateless_normal(shape, _seed(chance), alg=ALGORITHM)


def _seed(chance: Any) -> Any:
    import tensorflow as tf

    # As XLA wants it: int32, which the state of a generator, int64 or uint32, may leave.
    return tf.cast(tf.math.floormod(tf.cast(chance.next(), tf.int64), tf.int32.max - 1), tf.int32)
