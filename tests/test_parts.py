"""One contract for all parts: any structure, any bottleneck, any loss; a new part joins by being in its table."""

import dataclasses

import keras
import numpy as np
import pytest

from diabolo import Autoencoder, load
from diabolo.autoencoder import from_model
from diabolo.network.bottlenecks import BOTTLENECKS, Plain, Refined
from diabolo.network.corruptions import CORRUPTIONS
from diabolo.network.losses import LOSSES
from diabolo.network.penalties import PENALTIES
from diabolo.network.presets import PRESETS
from diabolo.network.structures import STRUCTURES

WORDS = {"quantized": "quantized:codes=8,groups=2"}


@pytest.fixture(scope="module")
def data(digits):
    """Rows that suit a loss: 80 images of 10 x 9."""
    rng = np.random.default_rng(0)
    images = digits.x_train[:80, 8:18, 8:17]
    return {
        "bernoulli": images,
        "ssim": images,
        "gaussian": rng.normal(size=images.shape),
        "huber": rng.normal(size=images.shape),
        "poisson": rng.poisson(2.0, images.shape),
        "categorical": np.eye(3, dtype=np.float32)[images // 86],
    }


def unrefined(model):
    """Return the model whose encoding ends with the encoder."""
    plain = Plain(latent_dim=model.network.latent_dim)
    return dataclasses.replace(model, network=dataclasses.replace(model.network, bottleneck=plain))


def check(data, tmp_path, loss, latent_dim=4, **settings):
    """Train, save, load; what ONNX computes is what Keras computes, and a row alone is the row in a batch."""
    rows = data[loss]
    model = Autoencoder(
        latent_dim,
        reconstruction_loss=loss,
        epochs=1,
        batch_size=32,
        validation_fraction=0.2,
        random_state=0,
        **settings,
    ).fit(rows)
    assert np.isfinite(model.history_["val_loss"]).all()
    again = load(model.save(tmp_path / "m"))
    latents = model.encode(rows)
    assert latents.shape == (80, latent_dim)
    np.testing.assert_array_equal(again.encode(rows), latents)
    refines = isinstance(model.model_.network.bottleneck, Refined)
    rounding = 1e-3 * np.abs(latents).max() if refines else 1e-4  # of differences between neighbours
    np.testing.assert_allclose(again.encode(rows[3:4]), latents[3:4], atol=rounding)
    tensors = model.model_.adapter.adapt(rows)
    trained = again.to_keras()
    encoder = keras.Model(trained.input, trained.get_layer("bottleneck").output)
    if refines:  # Keras has the guess of the encoder alone
        again = from_model(unrefined(model.model_))
        latents = again.encode(rows)
    np.testing.assert_allclose(encoder(tensors), latents, atol=1e-4)
    restored = model.model_.adapter.restore(np.asarray(trained(tensors)))
    np.testing.assert_allclose(
        again.reconstruct(rows).astype(float),
        restored.astype(float),
        rtol=1e-4,
        atol=1.01e-3 if rows.dtype != np.uint8 else 1,
    )
    assert again.reconstruct(rows).shape == rows.shape
    assert np.isfinite(again.score_samples(rows)).all()


def every(first, second):
    """Return all pairs; each value of both is in one that is always tested, the other pairs are slow."""
    first, second = list(first), list(second)
    turns = min(len(first), len(second))
    return [
        pytest.param(one, other, marks=[] if at % turns == place % turns else pytest.mark.slow)
        for at, one in enumerate(first)
        for place, other in enumerate(second)
    ]


@pytest.mark.parametrize(("structure", "bottleneck"), every(STRUCTURES, BOTTLENECKS))
def test_any_structure_goes_with_any_bottleneck(structure, bottleneck, data, tmp_path):
    # Losses take turns: all of them with all others would take an hour.
    turn = STRUCTURES.index(structure) + 2 * list(BOTTLENECKS).index(bottleneck)
    loss = list(LOSSES)[turn % len(LOSSES)]
    check(data, tmp_path, loss, structure=structure, bottleneck=WORDS.get(bottleneck, bottleneck))


@pytest.mark.parametrize(("loss", "bottleneck"), every(LOSSES, BOTTLENECKS))
def test_any_loss_goes_with_any_bottleneck(loss, bottleneck, data, tmp_path):
    check(data, tmp_path, loss, structure=[16], bottleneck=WORDS.get(bottleneck, bottleneck))


@pytest.mark.parametrize(("corruption", "penalty"), every(CORRUPTIONS, [None, *PENALTIES]))
def test_any_corruption_goes_with_any_penalty(corruption, penalty, data, tmp_path):
    words = corruption if corruption == "binarize" else f"{corruption}:0.2"
    check(data, tmp_path, "bernoulli", structure=[16], bottleneck="gaussian", corruption=words, penalty=penalty)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains(preset, data, tmp_path):
    check(data, tmp_path, "bernoulli", latent_dim=8, **PRESETS[preset].settings)
