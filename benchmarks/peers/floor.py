"""The floor: the matrix products of a training alone, in NumPy's BLAS and in PyTorch; the faster of the two counts.

For each layer one product forward, one for the gradient of its weights, and, but for the first, one for the gradient
of its input; into memory that is already there. No gathering, no activation, no loss, no optimizer.
"""

import time
from itertools import pairwise

import numpy as np
import torch

from benchmarks.task import Task


def epochs(task: Task) -> list[float]:
    rng, size = np.random.default_rng(0), task.batch_size
    widths = [task.sizes[0], *task.layers]
    pairs = list(pairwise(widths))
    products = []
    for place, (before, after) in enumerate(pairs):
        X, W, dY = (
            rng.normal(size=shape).astype(np.float32) for shape in ((size, before), (before, after), (size, after))
        )
        products += [(X, W), (X.T, dY)] + ([(dY, W.T)] if place else [])
    outputs = [np.empty((a.shape[0], b.shape[1]), np.float32) for a, b in products]
    in_torch = [
        tuple(torch.from_numpy(each) for each in (a, b, c)) for (a, b), c in zip(products, outputs, strict=True)
    ]

    def with_numpy() -> None:
        for (a, b), c in zip(products, outputs, strict=True):
            np.dot(a, b, out=c)

    def with_torch() -> None:
        for a, b, c in in_torch:
            torch.mm(a, b, out=c)

    steps = -(-task.rows // size)
    laps = []
    for _ in range(task.epochs):
        seconds = []
        for function in (with_numpy, with_torch):
            started = time.perf_counter()
            for _ in range(steps):
                function()
            seconds.append(time.perf_counter() - started)
        laps.append(min(seconds))
    return laps
