"""Numbers drawn inside the compiled program, from a `keras.random.SeedGenerator`.

Unlike `keras.random`, these functions name the algorithm. Otherwise XLA on a CPU chooses one that takes 190 ns per
number, so that drawing the zeros and ones of a batch of MNIST took ten times as long as all layers; philox takes 6 ns.
With XLA both give the same numbers; without XLA the numbers differ.
"""

from collections.abc import Sequence
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


def uniform(shape: Sequence[int] | Tensor, generator: SeedGenerator) -> Tensor:
    """Return numbers in [0, 1), float32."""
    import tensorflow as tf

    return tf.random.stateless_uniform(shape, _seed(generator), alg=ALGORITHM)


def normal(shape: Sequence[int] | Tensor, generator: SeedGenerator) -> Tensor:
    """Return numbers from a normal distribution of mean 0 and variance 1, float32."""
    import tensorflow as tf

    return tf.random.stateless_normal(shape, _seed(generator), alg=ALGORITHM)


def _seed(generator: SeedGenerator) -> Tensor:
    import tensorflow as tf

    # XLA needs int32, which the state of a generator, int64 or uint32, may leave.
    return tf.cast(tf.math.floormod(tf.cast(generator.next(), tf.int64), tf.int32.max - 1), tf.int32)
