"""The formulas of benchmarks/scale_model.py agree with simulations, and with limits that are known by hand."""

import heapq
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import scale_model
from benchmarks.scale_model import Net, Network, Part, Training

SMALL, LARGE = Net((784, 64)), Net((784, 1000, 500, 250, 30))
TRAINING = Training(
    np.array([1e-4, 1e-9, 1e-11, 1e-9]), np.array([2e-4, 2e-9, 2e-11, 2e-9]), np.array([1e-4, 2e-4, 1e-9])
)


def ring(values, hop, byte):
    """Sum vectors (n, n blocks) around a ring, message by message; return the result of each, and the seconds."""
    count, blocks = len(values), [list(each) for each in values]
    ready = [0.0] * count
    for turn in range(2 * (count - 1)):
        sent = []
        for sender in range(count):
            block = (sender - turn) % count if turn < count - 1 else (sender + 1 - (turn - count + 1)) % count
            size = 4 * np.size(blocks[sender][block])
            sent.append(((sender + 1) % count, block, blocks[sender][block], ready[sender] + hop + byte * size))
        for receiver, block, content, arrived in sent:
            adds = turn < count - 1
            blocks[receiver][block] = blocks[receiver][block] + content if adds else content
            ready[receiver] = max(ready[receiver], arrived)
    return blocks, max(ready)


def listed(pieces, workers):
    """Give each piece to the worker that is free first; return when the last one ends."""
    free = [0.0] * workers
    for piece in pieces:
        heapq.heappush(free, heapq.heappop(free) + piece)
    return max(free)


@pytest.mark.parametrize("workers", [2, 3, 4, 8, 64])
def test_a_sum_takes_as_long_as_its_messages_around_a_ring(workers):
    values = np.random.default_rng(0).normal(size=(workers, workers, 10))
    blocks, seconds = ring(values, hop=3e-4, byte=2e-9)
    for each in blocks:
        assert np.allclose(each, values.sum(0))
    formula = scale_model.reduce_terms(workers * 10, workers) @ np.array([0.0, 3e-4, 2e-9])
    assert np.isclose(seconds, formula)


def test_sizes_are_those_of_keras_networks():
    import keras

    for net in (SMALL, LARGE):
        layers = [keras.layers.Dense(width) for width in net.widths]
        model = keras.Sequential([keras.Input((784,)), *layers])
        assert net.weights == model.count_params()
        assert net.outputs == sum(layer.units for layer in layers)


def test_one_worker_sums_nothing():
    assert not scale_model.reduce_terms(1_000_000, 1).any()
    network = Network(1.25e9, 50e-6)
    assert TRAINING.step(SMALL, 512, 1) == TRAINING.apart(SMALL, 512, 1, network)
    assert np.isclose(TRAINING.step(SMALL, 0, 1), 1e-4 + 1e-9 * SMALL.weights)


def test_with_a_network_that_takes_no_time_workers_divide_the_rows_alone():
    free = Training(np.array([0, 0, 1e-11, 0.0]), np.array([0, 0, 1e-11, 0.0]), np.zeros(3))
    for workers in (2, 8, 64):
        apart = free.apart(LARGE, 6_400, workers, Network(np.inf, 0.0))
        assert np.isclose(apart, free.step(LARGE, 6_400, 1) / workers)


def test_bytes_that_overlap_take_the_slower_of_two_times_and_otherwise_both():
    fast, slow = Network(1e12, 0.0), Network(1e6, 0.0)
    for network in (fast, slow):
        overlapping = TRAINING.apart(LARGE, 512, 4, network)
        added = TRAINING.apart(LARGE, 512, 4, network._replace(overlaps=False))
        bytes_sent = 2 * 3 / 4 * 4 * LARGE.weights
        assert np.isclose(added - overlapping, bytes_sent * min(1e-9, 1 / network.rate))


def test_workers_that_share_cores_wait_and_others_do_not():
    assert scale_model.crowd(2, 1, 2) == scale_model.crowd(1, 1, 2) == 1
    assert scale_model.crowd(4, 1, 2) == 2
    assert np.isclose(TRAINING.step(LARGE, 512, 4, crowded=2), 2 * TRAINING.step(LARGE, 512, 4))


def test_constants_are_found_again():
    constants = np.array([1e-4, 2e-9, 3e-11, 4e-9])
    terms = np.array([scale_model.compute_terms(net, rows) for net in (SMALL, LARGE) for rows in (32, 256, 2_048)])
    assert np.allclose(scale_model.fitted(terms, terms @ constants), constants)
    terms = np.array([scale_model.reduce_terms(size, n) for n in (2, 4) for size in (1, 10_000, 1_000_000)])
    assert np.allclose(scale_model.fitted(terms, terms @ TRAINING.reduce), TRAINING.reduce)


def test_rows_that_are_read_ahead_cost_nothing_until_reading_is_slower():
    assert scale_model.with_reading(0.1, 100, 1e-4) == 0.1
    assert scale_model.with_reading(0.1, 4_000, 1e-4) == 0.4


def test_the_least_batch_is_the_first_power_of_two_that_pays():
    def step(batch, workers):
        return batch / workers + (0 if workers == 1 else 100)

    # 4 workers: batch = 2 (batch / 4 + 100) for 400 rows.
    assert scale_model.least_batch(step, 4, 2.0) == 512
    assert scale_model.least_batch(step, 4, 4.0) is None


@pytest.mark.parametrize("workers", [1, 2, 7, 64])
def test_pieces_given_to_the_first_free_worker_end_within_the_bounds(workers):
    random = np.random.default_rng(workers)
    for _ in range(50):
        pieces = random.exponential(size=random.integers(1, 40))
        least, most = scale_model.pieces_bounds(pieces, workers)
        assert least <= listed(pieces, workers) + 1e-9
        assert listed(pieces, workers) <= most + 1e-9
    assert np.allclose(scale_model.pieces_bounds([2.0] * 8, 1, driver=0.5), (16, 20))


def test_a_search_ends_within_its_bounds():
    rounds = [(9, 1.0), (3, 3.0), (1, 9.0)]
    for workers in (1, 2, 4, 16):
        least, most = scale_model.halving_bounds(rounds, workers, start=10.0, driver=0.0)
        in_rounds = 10 + sum(listed([seconds] * trials, workers) for trials, seconds in rounds)
        assert least <= in_rounds + 1e-9
        assert in_rounds <= most + 1e-9
    # One worker does all of it, and any number of workers the longest chain.
    assert np.allclose(scale_model.halving_bounds(rounds, 1, start=0.0, driver=0.0), (27, 27))
    assert scale_model.halving_bounds(rounds, 1_000, start=0.0, driver=0.0)[0] == 13


def test_bulk_work_takes_whole_rounds_or_the_time_of_the_disk():
    part = Part(read=1.0, infer=2.0, write=0.5, bytes=100)
    for parts, workers in ((16, 1), (16, 3), (16, 16), (5, 64)):
        assert scale_model.bulk(part, parts, workers, start=7.0) == 7 + listed([3.5] * parts, workers)
    assert scale_model.bulk(part, 16, 16, start=7.0, disk=100.0) == 7 + 16


def test_intervals_and_errors_of_known_samples():
    assert np.allclose(scale_model.interval([*range(101)]), (5, 95))
    assert np.isclose(scale_model.typical_error([2.0, 0.5], [1.0, 1.0]), 2)
    samples = [np.array([3.0, 3.0]), np.array([1.0, 2.0, 9.0])]
    drawn = [scale_model.resampled(samples, np.random.default_rng(seed)) for seed in range(50)]
    assert {first for first, _ in drawn} == {3}
    assert {1, 9} < {second for _, second in drawn}
    assert scale_model.typical([1.0, 2.0, 3.0, 4.0, 500.0]) == 2
