"""Training steps on sparse rows: the first layer multiplies only the values that are not zero, the last is sampled.

A row of 50,000 features of which 100 are not zero would cost 500 times as much as necessary in the first and the last
layer. The first layer adds up the rows of its weights that the row names. The loss of all features is the loss of the
nonzero ones, plus the loss of all features as if they were zero, estimated from a random sample of them, minus what the
nonzero ones would cost as zeros. Its expectation is exact.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from diabolo.network.backends.keras.builder import called, chains
from diabolo.network.bottlenecks import Objective
from diabolo.network.corruptions import Corrupted, Masking
from diabolo.network.network import Network
from diabolo.network.random_numbers import uniform
from diabolo.training.program import Reconstruction

DRAWN = 2_048  # features sampled in each step, for the loss of the zeros of a row


class SparseBatch(NamedTuple):
    """Sparse rows, padded to the longest of them with feature 0 and value 0."""

    features: Any  # (batch, k), int32
    values: Any  # (batch, k)
    there: Any  # (batch, k), 1 or 0


class SparseReconstruction(Reconstruction):
    """`Reconstruction` whose batches are the numbers of rows of a matrix.

    Args: matrix: scipy CSR (rows, features), float32, scaled; all others as for `Reconstruction`.
    """

    def __init__(self, models: Any, network: Network, loss: Any, optimizer: Any, *, matrix: Any, **more: Any) -> None:
        super().__init__(models, network, loss, optimizer, **more)
        self._chains, self._features = chains(models, network), network.input_shape[0]
        self._starts = tf.constant(matrix.indptr.astype(np.int64))
        self._indices = tf.constant(matrix.indices.astype(np.int32))
        self._data = tf.constant(matrix.data.astype(np.float32))
        # At first each feature is predicted as its mean: from odds of one half for all, most of the first epoch would
        # be spent on learning that most features are zero.
        means = np.asarray(matrix.sum(axis=0, dtype=np.float64)).reshape(-1) / matrix.shape[0]
        if loss.link == "sigmoid":
            least = 0.5 / matrix.shape[0]
            means = np.clip(means, least, 1 - least)
            means = np.log(means / (1 - means))
        if self._chains.decoder[-1].use_bias:
            self._chains.decoder[-1].bias.assign(means.astype(np.float32))

    def _seen(self, rows: tf.Tensor, rng: Any) -> Corrupted:
        starts = tf.gather(self._starts, rows)  # (batch,)
        lengths = tf.gather(self._starts, rows + 1) - starts
        places = tf.range(tf.maximum(tf.reduce_max(lengths), 1))[None]  # (1, k)
        there = places < lengths[:, None]
        at = tf.where(there, starts[:, None] + places, 0)
        batch = SparseBatch(
            tf.where(there, tf.gather(self._indices, at), 0),
            tf.where(there, tf.gather(self._data, at), 0.0),
            tf.cast(there, tf.float32),
        )
        seen = batch
        if isinstance(self._corruption, Masking):
            kept = uniform(tf.shape(batch.values), rng) >= self._corruption.share
            seen = batch._replace(values=batch.values * tf.cast(kept, tf.float32))
        return Corrupted(seen, target=batch)

    def _objective(self, seen: Corrupted, rng: Any, warm: tf.Tensor, *, training: bool) -> Objective:
        rows, target = seen.rows, seen.target
        if self._features <= DRAWN:
            drawn = tf.range(self._features)  # all of them, which makes the loss exact
        else:
            drawn = tf.cast(uniform((DRAWN,), rng) * self._features, tf.int32)
            drawn = tf.minimum(drawn, self._features - 1)

        def loss(latents: tf.Tensor) -> tf.Tensor:
            batch = target
            if self._bottleneck.copies > 1:
                batch = SparseBatch(*(tf.tile(each, [self._bottleneck.copies, 1]) for each in target))
            return self._of_latents(latents, batch, drawn, training=training)

        first = self._chains.encoder[0]
        total = tf.reduce_sum(tf.gather(first.kernel, rows.features) * rows.values[..., None], axis=1)  # (batch, units)
        hidden = first.activation(total + first.bias if first.use_bias else total)
        return self._bottleneck.train(self._chains.outputs(hidden, training=training), loss, rng, warm)

    def _of_latents(self, latents: tf.Tensor, batch: SparseBatch, drawn: tf.Tensor, *, training: bool) -> tf.Tensor:
        hidden = latents
        for layer in self._chains.decoder[:-1]:
            hidden = called(layer, hidden, training=training)
        last = self._chains.decoder[-1]
        kernel = tf.transpose(last.kernel)  # (features, units): rows are gathered many times faster than columns
        bias = last.bias if last.use_bias else tf.zeros(self._features)
        own = tf.einsum("bu,bku->bk", hidden, tf.gather(kernel, batch.features)) + tf.gather(bias, batch.features)
        at_own = self._each(batch.values, own) - self._each(tf.zeros_like(own), own)
        raw = tf.matmul(hidden, tf.gather(kernel, drawn), transpose_b=True) + tf.gather(bias, drawn)
        at_all = self._features / drawn.shape[0] * tf.reduce_sum(self._each(tf.zeros_like(raw), raw), axis=1)
        return tf.reduce_sum(at_own * batch.there, axis=1) + at_all

    def _each(self, target: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
        return self._loss.each(target, raw, keras.ops, None)
