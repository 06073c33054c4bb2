"""What each latent does to one row: the row decoded with other values of one latent at a time.

Order: the result, which values, decoding.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.model.generating import own_condition
from diabolo.model.model import Model
from diabolo.network import links
from diabolo.network.penalties import PENALTIES
from diabolo.parts import read_part
from diabolo.typing import Array, Float64Array, Int64Array

SHOWN = 8  # latents, of more those that change the row most
NORMAL = 3.0  # standard deviations, between which nearly all values of a normal distribution lie


class Traversed(NamedTuple):
    """A row decoded with several values of some latents.

    Attributes:
        latents: (k,), their numbers.
        values: (k, steps), rising.
        own: (k,), the values that the row itself has.
        tensors: (k, steps, ...), decoded, in the units of the network; probabilities of categories and booleans.
        rows: (k, steps, *row_shape), decoded, in the units of the row.
        out_of: how many latents the model has.
    """

    latents: Int64Array
    values: Float64Array
    own: Float64Array
    tensors: Array
    rows: Rows
    out_of: int


def traverse(
    model: Model, row: Rows, chosen: Sequence[int] | None, steps: int, known: Array | None, where: str
) -> Traversed:
    """Return a row with other values of some latents, all others as they are.

    Args:
        model: a trained auto-encoder.
        row: (*row_shape).
        chosen: numbers of latents; None: at most eight, those that change the row most.
        steps: how many values of each.
        known: (n, latent_dim), latents of other rows: the values go from the 1st to the 99th percentile. None: from -3
            to 3 where the latents of the model are standard normal, else three times the root mean square of those of
            the row to both sides.
        where: the call, for messages.
    """
    own = model.encode([row], where=where)[0].astype(np.float64)
    low, high = _span(model, own, known)
    every = np.arange(len(own)) if chosen is None else np.asarray(chosen, np.int64)
    if chosen is None and len(every) > SHOWN:
        ends, _ = _decoded(model, row, own, every, np.stack([low, high], axis=1), where)
        change = np.abs(ends[:, 1] - ends[:, 0]).reshape(len(every), -1).sum(axis=1)
        every = np.sort(np.argsort(-change, kind="stable")[:SHOWN])
    values = np.linspace(low[every], high[every], steps, axis=1)
    tensors, rows = _decoded(model, row, own, every, values, where)
    return Traversed(every, values, own[every], tensors, rows, len(own))


def _span(model: Model, own: Float64Array, known: Array | None) -> tuple[Float64Array, Float64Array]:
    """Return the least and the largest value of each latent, (latent_dim,)."""
    if known is not None:
        low, high = np.quantile(known.astype(np.float64), [0.01, 0.99], axis=0)
        flat = low == high
        return np.where(flat, low - 1, low), np.where(flat, high + 1, high)
    penalty = model.record.settings["penalty"]
    normal = "log_var" in model.network.heads
    normal = normal or (penalty is not None and read_part("penalty", PENALTIES, penalty).makes_prior)
    width = NORMAL * (1.0 if normal else float(np.sqrt(np.square(own).mean())) or 1.0)
    return np.full(len(own), -width), np.full(len(own), width)


def _decoded(
    model: Model, row: Rows, own: Float64Array, chosen: Int64Array, values: Float64Array, where: str
) -> tuple[Array, Rows]:
    """Return a row with several values, (k, steps), of each of some latents, in units of the network and of rows."""
    count, steps = values.shape
    latents = np.tile(own.astype(np.float32), (count, steps, 1))
    latents[np.arange(count), :, chosen] = values
    flat = model.runtime.check_latents(latents.reshape(count * steps, len(own)), where=where)
    given = own_condition(model, row, len(flat))
    rows = model.decode(flat, condition=given, where=where)
    numbers = None if model.condition is None or given is None else model.condition.tensors(given)

    def raw(batch: Rows, first: int) -> Rows:
        return model.runtime.decode_raw(batch, first, None if numbers is None else numbers[first : first + len(batch)])

    tensors = np.array(model.apply_link(model.runtime.map_batches(flat, raw, ())))
    for block in model.adapter.blocks:
        if block.loss == "categorical":
            span = model.adapter.cell(block.column).numbers
            tensors[:, span] = links.softmax(tensors[:, span])
    return tensors.reshape(count, steps, *tensors.shape[1:]), rows.reshape(count, steps, *rows.shape[1:])
