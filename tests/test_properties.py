"""What holds for any rows and any weights: drawn by Hypothesis, through the public door."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from diabolo import Autoencoder, load
from diabolo.model import file as modelfile

# A nightly run looks further: DIABOLO_EXAMPLES=5000 pytest tests/test_properties.py
EXAMPLES = int(os.environ.get("DIABOLO_EXAMPLES", "50"))
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
numbers = st.floats(-1e3, 1e3, width=32)
# As large as a file may hold.
weights = st.floats(-999_999_986_991_104, 999_999_986_991_104, width=32)
images = arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(7), st.just(6)))
tables = arrays.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(5)), elements=numbers)
KINDS = {
    "dense": ({"structure": [8]}, tables),
    "conv": ({"structure": "conv 4"}, images),
    "gru": ({"structure": "gru 4", "series": True}, tables.map(lambda rows: np.stack([rows, rows], axis=2))),
}


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(0)
    rows = {
        "dense": rng.normal(size=(60, 5)),
        "conv": rng.integers(0, 256, (60, 7, 6), np.uint8),
        "gru": rng.normal(size=(60, 5, 2)),
    }
    fast = {"epochs": 1, "random_state": 0, "verbose": False}
    return {kind: Autoencoder(2, **more, **fast).fit(rows[kind]) for kind, (more, _) in KINDS.items()}


def near(found, expected):
    """Whether two results differ by rounding alone; of bytes by one at most."""
    if found.dtype == np.uint8:
        return int(np.abs(found.astype(int) - expected).max()) <= 1
    return bool(np.allclose(found, expected, rtol=1e-4, atol=1e-4 * (1 + np.abs(expected).max())))


@many
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_a_row_is_the_same_alone_in_a_batch_and_in_any_order(models, data, kind):
    model, rows = models[kind], data.draw(KINDS[kind][1])
    latents, back = model.encode(rows), model.reconstruct(rows)
    at = data.draw(st.integers(0, len(rows) - 1))
    assert near(model.encode(rows[at : at + 1]), latents[at : at + 1])
    assert near(model.reconstruct(rows[at : at + 1]), back[at : at + 1])
    order = data.draw(st.permutations(range(len(rows))))
    assert near(model.encode(rows[order]), latents[order])
    assert near(model.score_samples(rows[order]), model.score_samples(rows)[order])


@many
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_how_an_array_lies_in_memory_does_not_matter(models, data, kind):
    model, rows = models[kind], data.draw(KINDS[kind][1])
    latents = model.encode(rows)
    twice = np.repeat(rows, 2, axis=0)
    copies = [np.asfortranarray(rows), twice[::2], rows[::-1].copy()[::-1], rows.copy()]
    copies[3].flags.writeable = False
    if rows.dtype == np.float32:
        copies += [rows.astype(np.float64), rows.astype(">f4")]
    for each in copies:
        np.testing.assert_array_equal(model.encode(each), latents)
    np.testing.assert_array_equal(model.decode(latents), model.decode(np.asfortranarray(latents.astype(np.float64))))


@many
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_any_weights_come_back_bit_for_bit(models, data, kind, tmp_path_factory):
    model = models[kind].model_
    drawn = {
        name: data.draw(arrays.arrays(np.float32, weight.shape, elements=weights, fill=weights))
        for name, weight in model.weights.items()
    }
    path = tmp_path_factory.mktemp("any") / "m.safetensors"
    modelfile.save(dataclasses.replace(model, weights=drawn), path)
    again = load(path).model_
    assert again.record == model.record
    for name, weight in drawn.items():
        assert again.weights[name].tobytes() == weight.tobytes()
