"""How long a job takes by several workers: formulas, whose constants `benchmarks.scale` measures.

A step of a training by n workers computes on a part of the batch, then sums the gradients of all weights around a ring:

    t(1) = alone(batch)
    t(n) = part(batch / n) + start + 2 (n - 1) hop + 2 (n - 1) / n * bytes * seconds per byte
    alone, part = a + b weights + c weights * rows + d outputs * rows

Workers that share the cores of one machine wait for each other: everything is multiplied by `crowd`. Workers on
machines of their own do not, but the network adds its latency to each hop and its time to each byte.

All times in seconds. Order: networks, fits, a step, search and bulk work, uncertainty.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

Array = np.ndarray[Any, Any]
BYTES = 4  # of a gradient


class Net(NamedTuple):
    """A dense auto-encoder, by the sizes of its encoder; the decoder mirrors them."""

    sizes: tuple[int, ...]

    @property
    def widths(self) -> list[int]:
        """Outputs of the layers, decoder included."""
        return [*self.sizes[1:], *self.sizes[-2::-1]]

    @property
    def outputs(self) -> int:
        """Outputs of all layers for one row."""
        return sum(self.widths)

    @property
    def weights(self) -> int:
        """Weights, those of the biases included."""
        return 2 * sum(a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)) + self.outputs


def crowd(workers: int, threads: int, cores: int) -> float:
    """How many times longer everything takes because workers share the cores of one machine."""
    return max(1.0, workers * threads / cores)


# Fits. The figures are those of a shared machine, so that relative errors count.


def fitted(terms: Array, seconds: Array) -> Array:
    """Return constants >= 0, (k,), for which terms (m, k) @ constants is near the seconds (m,) in relative terms."""
    constants, _ = nnls(terms / seconds[:, None], np.ones(len(seconds)))
    return constants


def compute_terms(net: Net, rows: float) -> Array:
    """Return what the constants of computing are multiplied by, (4,): a step, weights, products, outputs."""
    return np.array([1.0, net.weights, net.weights * rows, net.outputs * rows])


def reduce_terms(weights: int, workers: int) -> Array:
    """Return what the constants of a sum over workers are multiplied by, (3,): a call, its hops, bytes of a worker."""
    if workers == 1:
        return np.zeros(3)
    hops = 2 * (workers - 1)
    return np.array([1.0, hops, hops / workers * BYTES * weights])


# A step.


class Network(NamedTuple):
    """The network between machines. Attributes: rate: bytes/s; latency: s, of a message; overlaps: see `Training`."""

    rate: float
    latency: float
    overlaps: bool = True


class Training(NamedTuple):
    """The constants of training on one kind of machine.

    Attributes:
        alone: of computing a step by one process without a group, (4,).
        part: of computing a step by one process of a group, (4,).
        reduce: of a sum, (3,), on a machine whose cores are free.
    """

    alone: Array
    part: Array
    reduce: Array

    def step(self, net: Net, batch: int, workers: int, *, crowded: float = 1.0) -> float:
        """Return the seconds of a step by workers of one machine, which is so crowded."""
        if workers == 1:
            return float(compute_terms(net, batch) @ self.alone)
        computed = compute_terms(net, batch / workers) @ self.part
        return float(computed + reduce_terms(net.weights, workers) @ self.reduce) * crowded

    def apart(self, net: Net, batch: int, workers: int, network: Network) -> float:
        """Return the seconds of a step by workers on machines of their own.

        The measured time of a byte is that of copying and of the protocol. With `network.overlaps` it goes on while
        other bytes travel, so that the slower of the two counts; otherwise both are added.
        """
        if workers == 1:
            return self.step(net, batch, 1)
        call, hop, byte = self.reduce
        travels = 1 / network.rate
        byte = max(byte, travels) if network.overlaps else byte + travels
        reduced = reduce_terms(net.weights, workers) @ np.array([call, hop + network.latency, byte])
        return float(compute_terms(net, batch / workers) @ self.part + reduced)


def with_reading(step: float, rows: float, row: float) -> float:
    """Return the seconds of a step whose rows are read ahead, so that the slower of the two counts.

    Args: step: without reading; rows: of one worker; row: seconds of reading one.
    """
    return max(step, rows * row)


def least_batch(step: Callable[[int, int], float], workers: int, gain: float, most: int = 1 << 22) -> int | None:
    """Return the smallest power of two as a batch for which the workers are `gain` times as fast as one; None: none.

    Args: step: of (batch, workers), in seconds.
    """
    batch = workers
    while batch <= most:
        if step(batch, 1) >= gain * step(batch, workers):
            return batch
        batch *= 2
    return None


# Search and bulk work: independent pieces, each taken by the worker that is free first.


def pieces_bounds(pieces: Sequence[float], workers: int, *, driver: float = 0.0) -> tuple[float, float]:
    """Return the least and the most seconds of independent pieces of work.

    No order takes less than the work of a worker on average, the longest piece, or the driver, which hands out one
    piece after the other; no order that lets no worker wait takes more than Graham's bound (1969), to which the driver
    adds its time for all pieces.
    """
    total, longest, driven = sum(pieces), max(pieces, default=0.0), driver * len(pieces)
    least = max(total / workers, longest, driven)
    most = total / workers + longest * (1 - 1 / workers) + driven
    return least, max(least, most)


def halving_bounds(
    rounds: Sequence[tuple[int, float]], workers: int, *, start: float, driver: float
) -> tuple[float, float]:
    """Return the least and the most seconds of a search by successive halving.

    Args:
        rounds: trials of each round, and the seconds of each.
        workers: on machines, or cores, of their own.
        start: seconds until the workers have started.
        driver: seconds of the process that chooses and writes down, for each trial of each round.

    The least: workers never wait for the end of a round. The most: they do.
    """
    every = [seconds for trials, seconds in rounds for _ in range(trials)]
    # A trial that comes through all rounds trains them one after the other.
    chain = sum(seconds for trials, seconds in rounds if trials)
    least = max(pieces_bounds(every, workers, driver=driver)[0], chain)
    most = sum(pieces_bounds([seconds] * trials, workers, driver=driver)[1] for trials, seconds in rounds)
    return start + least, start + max(least, most)


class Part(NamedTuple):
    """The seconds of one part of bulk work, by a worker with cores of its own; bytes: read and written."""

    read: float
    infer: float
    write: float
    bytes: float = 0.0

    @property
    def seconds(self) -> float:
        """Of the whole part."""
        return self.read + self.infer + self.write


def bulk(part: Part, parts: int, workers: int, *, start: float, disk: float = math.inf, crowded: float = 1.0) -> float:
    """Return the seconds of bulk work on equal parts. Args: disk: bytes/s of storage that all workers share."""
    rounds = -(-parts // workers)
    # Workers without a part do not crowd the others.
    return start + max(rounds * part.seconds * crowded, parts * part.bytes / disk)


# Uncertainty.


def typical(samples: Array) -> float:
    """Return the lower quartile of samples: others on a machine make some of them longer, and none shorter."""
    return float(np.quantile(samples, 0.25))


def resampled(samples: Sequence[Array], random: np.random.Generator) -> list[float]:
    """Return a typical sample for each place: of as many of its samples, drawn with replacement."""
    return [typical(random.choice(each, len(each))) for each in samples]


def interval(values: Sequence[float], share: float = 0.9) -> tuple[float, float]:
    """Return the bounds between which the middle share of the values lies."""
    low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def typical_error(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """Return the factor by which a prediction is typically off: exp of the root mean square of log ratios."""
    logs = np.log(np.asarray(predicted) / np.asarray(measured))
    return float(np.exp(np.sqrt(np.mean(logs**2))))
