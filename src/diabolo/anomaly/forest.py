"""How quickly random cuts of single values set a row apart: an isolation forest, held as arrays.

It finds rows at the edges of columns, also where anomalies are many. All rows go down all trees at once, one level at a
time. Source: Liu, Ting & Zhou 2008, Isolation Forest.

Order: growing, scores.
"""

from typing import NamedTuple

import numpy as np

from diabolo.data.adapters import Rows
from diabolo.model.detection import Floats, Forest
from diabolo.typing import BoolArray

TREES, TREE_ROWS = 100, 256
UNCUT = np.float32(1e9)  # above all values, which are logarithms: a node that is not split


class Grown(NamedTuple):
    """A forest. Attributes: forest; grown_from: whether each tree was grown from each row, (trees, n)."""

    forest: Forest
    grown_from: BoolArray


def grow(rows: Rows, random: np.random.Generator, owners: Rows | None = None) -> Grown:
    """Return a forest for rows (n, values). A tree is grown from at most half of them, so that others can be scored.

    Args: owners: the column of each value of a table: a column of several values is cut as often as one of one value.
    """
    rows = rows.astype(np.float32)
    size = min(TREE_ROWS, max(1, len(rows) // 2))
    levels = max(1, int(np.ceil(np.log2(max(2, size)))))
    grown_from = np.zeros((TREES, len(rows)), bool)
    columns = np.zeros((TREES, 2**levels - 1), np.int32)
    cuts = np.full((TREES, 2**levels - 1), UNCUT, np.float32)
    depths = np.zeros((TREES, 2**levels))
    sharing = None if owners is None else np.bincount(owners)[owners].astype(np.float32)
    for tree in range(TREES):
        drawn = random.choice(len(rows), size, replace=False)
        grown_from[tree, drawn] = True
        depths[tree] = _grow_one(rows[drawn], columns[tree], cuts[tree], random, sharing)
    depths /= max(_mean_depth(np.array(size)), 1.0)
    return Grown(Forest(columns, cuts, depths.astype(np.float32)), grown_from)


def _grow_one(rows: Rows, columns: Rows, cuts: Rows, random: np.random.Generator, sharing: Rows | None) -> Floats:
    """Write the nodes of one tree into `columns` and `cuts`, and return the depths of its leaves."""
    node, depth, level = np.zeros(len(rows), np.intp), np.zeros(1), 0
    while 2**level <= len(columns):
        order = np.argsort(node, kind="stable")
        rows, node = rows[order], node[order]
        nodes, starts = np.unique(node, return_index=True)
        low, high = np.minimum.reduceat(rows, starts, axis=0), np.maximum.reduceat(rows, starts, axis=0)
        # The values that vary in a node have equal chances; n values of one column have 1/n each.
        chances = random.random(low.shape, np.float32)
        column = ((chances if sharing is None else chances**sharing) * (high > low)).argmax(axis=1)
        every = np.arange(len(nodes))
        low, high = low[every, column], high[every, column]
        cut = np.where(high > low, low + (high - low) * random.random(len(nodes), np.float32), UNCUT)
        at = 2**level - 1 + nodes
        columns[at], cuts[at] = column, cut
        depth[nodes] += high > low
        which = np.searchsorted(nodes, node)
        node = 2 * node + (rows[np.arange(len(rows)), column[which]] > cut[which])
        depth, level = np.repeat(depth, 2), level + 1
    return depth + _mean_depth(np.bincount(node, minlength=len(depth)))


def _mean_depth(rows: Rows) -> Floats:
    """Return the mean depth of a leaf in a random tree of so many rows: 0 for one row."""
    rows = np.maximum(rows, 1).astype(np.float64)
    depth = 2 * (np.log(np.maximum(rows - 1, 1)) + np.euler_gamma) - 2 * (rows - 1) / rows
    return np.where(rows > 2, depth, np.where(rows == 2, 1.0, 0.0))


def isolation(forest: Forest, rows: Rows, grown_from: BoolArray | None = None) -> Floats:
    """Return the isolation score of rows (n, values), in [0, 1], (n,): the higher, the sooner they are set apart.

    Args: grown_from: (trees, n), trees that do not count for a row.
    """
    trees, nodes = forest.columns.shape
    columns, cuts, depths = forest.columns.ravel(), forest.cuts.ravel(), forest.depths.ravel()
    first, flat = np.arange(trees) * nodes, rows.astype(np.float32).ravel()
    row = np.arange(len(rows))[:, None] * rows.shape[1]
    node, start = np.zeros((len(rows), trees), np.intp), 0  # counted within a level, and the first of the level
    while start < nodes:
        here = node + (first + start)
        node = 2 * node + (flat.take(columns.take(here) + row) > cuts.take(here))
        start = 2 * start + 1
    depth = depths.take(node + np.arange(trees) * (nodes + 1))
    if grown_from is None:
        return np.asarray(np.exp2(-depth.mean(axis=1, dtype=np.float64)))
    others = ~grown_from.T
    return np.asarray(np.exp2(-(depth * others).sum(axis=1) / np.maximum(others.sum(axis=1), 1)))
