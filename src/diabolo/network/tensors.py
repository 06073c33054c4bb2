"""Types of the numbers that parts compute with: the same formulas run in NumPy and in TensorFlow."""

from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Backend: TypeAlias = ModuleType  # `numpy` or `keras.ops`, whose functions have the same names

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    Tensor: TypeAlias = Array | tf.Tensor  # the first axis is the batch
    Number: TypeAlias = float | tf.Tensor  # one number, which may be computed in the program
    SeedGenerator: TypeAlias = keras.random.SeedGenerator  # makes the seed of the next random numbers
    KerasLayer: TypeAlias = keras.layers.Layer
    KerasModel: TypeAlias = keras.Model
else:  # without TensorFlow, which is not loaded where nothing is trained
    Tensor = Number = SeedGenerator = KerasLayer = KerasModel = Any
